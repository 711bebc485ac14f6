/*
 * test_state_db.c - the store over RocksDB: reads see what was written, committed or not; commits
 * are whole; views stand still; damage is told.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <rocksdb/c.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "storage/file.h"
#include "storage/state_db.h"

static char directory[64];
static struct error error;

static int make_directory(void **state)
{
    (void)state;
    snprintf(directory, sizeof directory, "/tmp/holdfast-state-XXXXXX");
    return mkdtemp(directory) == NULL;
}

static int remove_directory(void **state)
{
    (void)state;
    return !file_system_posix.remove_tree(NULL, directory, &error);
}

static struct state_db *must_open(void)
{
    const struct state_db_options options = {.path = directory, .write_buffer_bytes = 64u << 10};
    struct state_db *db = state_db_open(&options, &error);
    if (db == NULL) {
        fail_msg("%s", error.text);
    }
    return db;
}

static void must_close(struct state_db *db)
{
    if (!state_db_close(db, &error)) {
        fail_msg("%s", error.text);
    }
}

static void must_commit(struct state_db *db, uint64_t index)
{
    if (!state_db_commit(db, index, &error)) {
        fail_msg("%s", error.text);
    }
    assert_int_equal(state_db_applied_index(db), index);
}

static void put(struct ledger_store store, enum ledger_kind kind, const char *key,
                const char *value)
{
    assert_true(
        store.ops->put(store.store, kind, bytes_of_string(key), bytes_of_string(value), &error));
}

static void drop(struct ledger_store store, enum ledger_kind kind, const char *key)
{
    assert_true(store.ops->remove(store.store, kind, bytes_of_string(key), &error));
}

/* NULL: absent. */
static void expect(struct ledger_store store, enum ledger_kind kind, const char *key,
                   const char *value)
{
    struct bytes found;
    enum store_result result =
        store.ops->get(store.store, kind, bytes_of_string(key), &found, &error);
    if (value == NULL) {
        assert_int_equal(result, STORE_ABSENT);
        return;
    }
    assert_int_equal(result, STORE_FOUND);
    assert_true(bytes_equal(found, bytes_of_string(value)));
}

struct listing {
    struct buffer text;
    size_t left;
};

static bool append_record(void *context, struct bytes key, struct bytes value)
{
    struct listing *listing = context;
    buffer_append_bytes(&listing->text, key);
    buffer_append(&listing->text, "=", 1);
    buffer_append_bytes(&listing->text, value);
    buffer_append(&listing->text, " ", 1);
    return --listing->left > 0;
}

static void expect_scan(struct ledger_store store, enum ledger_kind kind, const char *from,
                        const char *to, size_t limit, const char *text)
{
    struct listing listing = {.left = limit};
    assert_true(store.ops->scan(store.store, kind, bytes_of_string(from), bytes_of_string(to),
                                append_record, &listing, &error));
    buffer_append(&listing.text, "", 1);
    assert_string_equal((char *)listing.text.data, text);
    buffer_free(&listing.text);
}

static void test_commit_and_reopen(void **state)
{
    (void)state;
    struct state_db *db = must_open();
    struct ledger_store store = state_db_store(db);
    assert_int_equal(state_db_applied_index(db), 0);
    expect(store, LEDGER_KIND_STOCK, "a", NULL);
    put(store, LEDGER_KIND_STOCK, "a", "1");
    put(store, LEDGER_KIND_STOCK, "b", "");
    expect(store, LEDGER_KIND_STOCK, "a", "1");
    expect(store, LEDGER_KIND_STOCK, "b", "");
    expect(store, LEDGER_KIND_ORDER, "a", NULL);
    must_commit(db, 5);
    expect(store, LEDGER_KIND_STOCK, "a", "1");
    expect(store, LEDGER_KIND_STOCK, "b", "");
    put(store, LEDGER_KIND_STOCK, "a", "2");
    drop(store, LEDGER_KIND_STOCK, "b");
    drop(store, LEDGER_KIND_STOCK, "never there");
    expect(store, LEDGER_KIND_STOCK, "a", "2");
    expect(store, LEDGER_KIND_STOCK, "b", NULL);
    must_commit(db, 6);
    put(store, LEDGER_KIND_STOCK, "a", "not committed");
    put(store, LEDGER_KIND_META, "applied", "of the ledger's own");
    must_close(db);

    db = must_open();
    store = state_db_store(db);
    assert_int_equal(state_db_applied_index(db), 6);
    expect(store, LEDGER_KIND_STOCK, "a", "2");
    expect(store, LEDGER_KIND_STOCK, "b", NULL);
    expect(store, LEDGER_KIND_META, "applied", NULL);
    must_commit(db, 7); /* an entry without changes */
    must_close(db);
    db = must_open();
    assert_int_equal(state_db_applied_index(db), 7);
    must_close(db);
}

static void test_rollback(void **state)
{
    (void)state;
    struct state_db *db = must_open();
    struct ledger_store store = state_db_store(db);
    put(store, LEDGER_KIND_STOCK, "a", "1");
    must_commit(db, 1);
    put(store, LEDGER_KIND_STOCK, "a", "2");
    put(store, LEDGER_KIND_STOCK, "b", "2");
    state_db_rollback(db);
    expect(store, LEDGER_KIND_STOCK, "a", "1");
    expect(store, LEDGER_KIND_STOCK, "b", NULL);
    expect_scan(store, LEDGER_KIND_STOCK, "", "", 100, "a=1 ");
    must_commit(db, 2);
    expect(store, LEDGER_KIND_STOCK, "a", "1");
    must_close(db);
}

static void test_scan_merges(void **state)
{
    (void)state;
    struct state_db *db = must_open();
    struct ledger_store store = state_db_store(db);
    put(store, LEDGER_KIND_ORDER, "zz", "other kind");
    put(store, LEDGER_KIND_EXPIRY, "b", "1");
    put(store, LEDGER_KIND_EXPIRY, "d", "1");
    put(store, LEDGER_KIND_EXPIRY, "f", "1");
    put(store, LEDGER_KIND_STOCK, "a", "other kind");
    must_commit(db, 1);
    expect_scan(store, LEDGER_KIND_EXPIRY, "", "", 100, "b=1 d=1 f=1 ");
    put(store, LEDGER_KIND_EXPIRY, "a", "2");
    put(store, LEDGER_KIND_EXPIRY, "d", "2");
    put(store, LEDGER_KIND_EXPIRY, "e", "2");
    put(store, LEDGER_KIND_EXPIRY, "g", "2");
    drop(store, LEDGER_KIND_EXPIRY, "f");
    drop(store, LEDGER_KIND_EXPIRY, "x");
    expect_scan(store, LEDGER_KIND_EXPIRY, "", "", 100, "a=2 b=1 d=2 e=2 g=2 ");
    expect_scan(store, LEDGER_KIND_EXPIRY, "b", "e", 100, "b=1 d=2 ");
    expect_scan(store, LEDGER_KIND_EXPIRY, "bb", "", 100, "d=2 e=2 g=2 ");
    expect_scan(store, LEDGER_KIND_EXPIRY, "", "", 2, "a=2 b=1 ");
    expect_scan(store, LEDGER_KIND_EXPIRY, "", "", 3, "a=2 b=1 d=2 ");
    expect_scan(store, LEDGER_KIND_EXPIRY, "h", "", 100, "");
    expect_scan(store, LEDGER_KIND_EXPIRY, "d", "d", 100, "");
    expect_scan(store, LEDGER_KIND_HISTORY, "", "", 100, "");
    must_commit(db, 2);
    expect_scan(store, LEDGER_KIND_EXPIRY, "", "", 100, "a=2 b=1 d=2 e=2 g=2 ");
    must_close(db);
}

/* What a get has shown may be put back, under its own key or another. */
static void test_put_of_what_was_shown(void **state)
{
    (void)state;
    struct state_db *db = must_open();
    struct ledger_store store = state_db_store(db);
    put(store, LEDGER_KIND_STOCK, "a", "0123456789");
    must_commit(db, 1);
    for (int committed = 0; committed < 2; committed++) {
        struct bytes value;
        assert_int_equal(
            store.ops->get(store.store, LEDGER_KIND_STOCK, BYTES_LITERAL("a"), &value, &error),
            STORE_FOUND);
        value = bytes_of(value.data + 1, value.len - 2);
        assert_true(store.ops->put(store.store, LEDGER_KIND_STOCK, value, value, &error));
        assert_int_equal(
            store.ops->get(store.store, LEDGER_KIND_STOCK, BYTES_LITERAL("a"), &value, &error),
            STORE_FOUND);
        value = bytes_of(value.data + 1, value.len - 2);
        assert_true(
            store.ops->put(store.store, LEDGER_KIND_STOCK, BYTES_LITERAL("a"), value, &error));
    }
    expect(store, LEDGER_KIND_STOCK, "12345678", "12345678");
    expect(store, LEDGER_KIND_STOCK, "234567", "234567");
    expect(store, LEDGER_KIND_STOCK, "a", "234567");
    struct bytes value;
    assert_int_equal(
        store.ops->get(store.store, LEDGER_KIND_STOCK, BYTES_LITERAL("a"), &value, &error),
        STORE_FOUND);
    struct bytes again;
    assert_int_equal(store.ops->get(store.store, LEDGER_KIND_STOCK, value, &again, &error),
                     STORE_FOUND); /* a key that is a view */
    assert_true(bytes_equal(again, BYTES_LITERAL("234567")));
    must_close(db);
}

/* ---- against a model ---- */

enum { IDS = 300, KINDS = 3 };
static const enum ledger_kind kinds[KINDS] = {LEDGER_KIND_STOCK, LEDGER_KIND_EXPIRY,
                                              LEDGER_KIND_HISTORY};

struct model {
    uint64_t stamps[KINDS][IDS]; /* 0: absent; else the value follows from it */
};

static uint64_t next_random(uint64_t *state)
{
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return *state >> 33;
}

static struct bytes key_of(char *text, uint64_t id)
{
    return bytes_of(text, (size_t)snprintf(text, 16, "%03u", (unsigned)id));
}

static struct bytes value_of(uint8_t *data, uint64_t stamp)
{
    size_t len = stamp * 7919 % 200;
    for (size_t i = 0; i < len; i++) {
        data[i] = (uint8_t)(stamp * 31 + i);
    }
    return bytes_of(data, len);
}

struct scanned {
    const struct model *model;
    size_t kind;
    uint64_t next;
    size_t left;
};

static bool check_scanned(void *context, struct bytes key, struct bytes value)
{
    struct scanned *scanned = context;
    while (scanned->model->stamps[scanned->kind][scanned->next] == 0) {
        scanned->next++;
        assert_true(scanned->next < IDS);
    }
    char text[16];
    uint8_t data[200];
    assert_true(bytes_equal(key, key_of(text, scanned->next)));
    assert_true(
        bytes_equal(value, value_of(data, scanned->model->stamps[scanned->kind][scanned->next])));
    scanned->next++;
    return --scanned->left > 0;
}

static void check_model(struct ledger_store store, const struct model *model, uint64_t *random)
{
    char from_text[16];
    char to_text[16];
    uint8_t data[200];
    for (size_t kind = 0; kind < KINDS; kind++) {
        uint64_t from = next_random(random) % IDS;
        uint64_t to = from + next_random(random) % (IDS + 1 - from);
        size_t limit = next_random(random) % 2 == 0 ? SIZE_MAX : 1 + next_random(random) % 20;
        struct scanned scanned = {model, kind, from, limit};
        struct bytes to_key = to < IDS ? key_of(to_text, to) : bytes_of(NULL, 0);
        assert_true(store.ops->scan(store.store, kinds[kind], key_of(from_text, from), to_key,
                                    check_scanned, &scanned, &error));
        if (scanned.left > 0) {
            for (; scanned.next < to; scanned.next++) {
                assert_int_equal(model->stamps[kind][scanned.next], 0);
            }
        }
        uint64_t id = next_random(random) % IDS;
        struct bytes value;
        enum store_result result =
            store.ops->get(store.store, kinds[kind], key_of(from_text, id), &value, &error);
        uint64_t stamp = model->stamps[kind][id];
        assert_int_equal(result, stamp != 0 ? STORE_FOUND : STORE_ABSENT);
        assert_true(stamp == 0 || bytes_equal(value, value_of(data, stamp)));
    }
}

static void test_against_a_model(void **state)
{
    (void)state;
    static struct model model;
    static struct model committed;
    uint64_t random = 17;
    uint64_t stamp = 0;
    uint64_t index = 0;
    struct state_db *db = must_open();
    for (int step = 0; step < 6000; step++) {
        struct ledger_store store = state_db_store(db);
        char text[16];
        uint8_t data[200];
        size_t kind = next_random(&random) % KINDS;
        uint64_t id = next_random(&random) % IDS;
        uint64_t what = next_random(&random) % 1000;
        if (what < 500) {
            model.stamps[kind][id] = ++stamp;
            assert_true(store.ops->put(store.store, kinds[kind], key_of(text, id),
                                       value_of(data, stamp), &error));
        } else if (what < 800) {
            model.stamps[kind][id] = 0;
            assert_true(store.ops->remove(store.store, kinds[kind], key_of(text, id), &error));
        } else if (what < 960) {
            must_commit(db, ++index);
            committed = model;
        } else if (what < 995) {
            state_db_rollback(db);
            model = committed;
        } else {
            must_close(db);
            db = must_open();
            assert_int_equal(state_db_applied_index(db), index);
            model = committed;
        }
        check_model(state_db_store(db), &model, &random);
    }
    must_close(db);
}

/* ---- views ---- */

static void test_view_stands_still(void **state)
{
    (void)state;
    struct state_db *db = must_open();
    struct ledger_store store = state_db_store(db);
    put(store, LEDGER_KIND_STOCK, "a", "1");
    put(store, LEDGER_KIND_STOCK, "b", "1");
    must_commit(db, 3);
    put(store, LEDGER_KIND_STOCK, "a", "not committed");
    struct state_db_view *view = state_db_view_open(db);
    struct ledger_store seen = state_db_view_store(view);
    put(store, LEDGER_KIND_STOCK, "c", "2");
    drop(store, LEDGER_KIND_STOCK, "b");
    must_commit(db, 4);
    assert_int_equal(state_db_view_applied_index(view), 3);
    expect(seen, LEDGER_KIND_STOCK, "a", "1");
    expect(seen, LEDGER_KIND_STOCK, "c", NULL);
    expect_scan(seen, LEDGER_KIND_STOCK, "", "", 100, "a=1 b=1 ");
    expect_scan(store, LEDGER_KIND_STOCK, "", "", 100, "a=not committed c=2 ");
    assert_false(seen.ops->put(seen.store, LEDGER_KIND_STOCK, BYTES_LITERAL("a"),
                               BYTES_LITERAL("x"), &error));
    assert_non_null(strstr(error.text, "read-only"));
    assert_false(seen.ops->remove(seen.store, LEDGER_KIND_STOCK, BYTES_LITERAL("a"), &error));
    state_db_view_close(view);
    must_close(db);
}

static bool count_generation(void *context, struct bytes key, struct bytes value)
{
    (void)key;
    size_t *counts = context;
    counts[value.data[0] % 2]++;
    return true;
}

/* All records of the view carry one and the same generation, over and over. */
static void *read_view(void *context)
{
    struct state_db_view *view = context;
    struct ledger_store store = state_db_view_store(view);
    struct error own_error;
    size_t generation = state_db_view_applied_index(view) % 2;
    for (int i = 0; i < 20; i++) {
        size_t counts[2] = {0, 0};
        if (!store.ops->scan(store.store, LEDGER_KIND_ORDER, bytes_of(NULL, 0), bytes_of(NULL, 0),
                             count_generation, counts, &own_error) ||
            counts[generation] != 500 || counts[1 - generation] != 0) {
            return "a view has changed";
        }
    }
    state_db_view_close(view);
    return NULL;
}

static void test_views_beside_commits(void **state)
{
    (void)state;
    struct state_db *db = must_open();
    struct ledger_store store = state_db_store(db);
    pthread_t thread;
    for (uint64_t index = 1; index <= 40; index++) {
        for (unsigned id = 0; id < 500; id++) {
            char key[16];
            snprintf(key, sizeof key, "%u", id);
            uint8_t value[50] = {(uint8_t)(index % 2)};
            assert_true(store.ops->put(store.store, LEDGER_KIND_ORDER, bytes_of_string(key),
                                       bytes_of(value, sizeof value), &error));
        }
        must_commit(db, index);
        void *failure;
        if (index % 4 == 0) {
            assert_int_equal(pthread_join(thread, &failure), 0);
            assert_null(failure);
        }
        if (index % 4 == 1) {
            assert_int_equal(pthread_create(&thread, NULL, read_view, state_db_view_open(db)), 0);
        }
    }
    must_close(db);
}

/* ---- refusals ---- */

static void with_raw_database(const char *key, size_t key_len, const char *value, size_t value_len)
{
    char *words = NULL;
    rocksdb_options_t *options = rocksdb_options_create();
    rocksdb_options_set_create_if_missing(options, 1);
    rocksdb_writeoptions_t *write = rocksdb_writeoptions_create();
    rocksdb_t *db = rocksdb_open(options, directory, &words);
    assert_null(words);
    rocksdb_put(db, write, key, key_len, value, value_len, &words);
    assert_null(words);
    rocksdb_close(db);
    rocksdb_writeoptions_destroy(write);
    rocksdb_options_destroy(options);
}

static void expect_no_open(const struct state_db_options *options, const char *words)
{
    assert_null(state_db_open(options, &error));
    if (strstr(error.text, words) == NULL || strstr(error.text, directory) == NULL) {
        fail_msg("'%s' and the directory expected in: %s", words, error.text);
    }
}

/* As a node's own, and as one that came from elsewhere: of that nobody must be told to move his own
 * state away. */
static void expect_refusal_of(bool foreign, const char *words, const char *words_of_fetched)
{
    bool is_foreign = !foreign;
    const struct state_db_options own = {.path = directory};
    const struct state_db_options fetched = {.path = directory, .is_foreign = &is_foreign};
    expect_no_open(&own, words);
    expect_no_open(&fetched, words_of_fetched);
    assert_int_equal(is_foreign, foreign);
    assert_true(!foreign || strstr(error.text, "made anew") == NULL);
}

static void expect_refusal(const char *words)
{
    expect_refusal_of(false, words, words);
}

static void test_newer_format(void **state)
{
    (void)state;
    with_raw_database("Aapplied", 8, "\2\0\0\0\1\0\0\0\0\0\0\0", 12);
    const char *words = "format 2, this program reads format 1";
    expect_refusal_of(true, words, words);
}

static void test_broken_applied_index(void **state)
{
    (void)state;
    with_raw_database("Aapplied", 8, "\1\0\0\0\1\0\0\0", 8);
    expect_refusal("an applied index that can't be read");
}

static void test_not_a_nodes_database(void **state)
{
    (void)state;
    with_raw_database("Sabc", 4, "x", 1);
    expect_refusal("no applied index");
}

/* A library that is older than the one that wrote it finds no sense in what it reads. */
static void test_a_database_of_another_library(void **state)
{
    (void)state;
    char path[sizeof directory + 16];
    with_raw_database("Sabc", 4, "x", 1);
    snprintf(path, sizeof path, "%s/CURRENT", directory);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs("something else", file) >= 0);
    assert_int_equal(fclose(file), 0);
    expect_refusal_of(true, "can't be opened: Corruption", "can't be opened: Corruption");
}

/* Nobody has this much: the disk is as good as full. */
static void test_no_room(void **state)
{
    (void)state;
    const struct state_db_options options = {.path = directory,
                                             .write_buffer_bytes = (size_t)1 << 60};
    assert_null(state_db_open(&options, &error));
    assert_non_null(strstr(error.text, directory));
    assert_non_null(strstr(error.text, "make room"));
}

static void test_open_twice(void **state)
{
    (void)state;
    struct state_db *db = must_open();
    expect_refusal("can't be opened");
    must_close(db);
}

static bool pass_by(void *context, struct bytes key, struct bytes value)
{
    (void)context;
    (void)key;
    (void)value;
    return true;
}

static void flip_in_tables(off_t back_from_end, bool truncate_file)
{
    DIR *stream = opendir(directory);
    assert_non_null(stream);
    const struct dirent *entry;
    size_t flipped = 0;
    while ((entry = readdir(stream)) != NULL) {
        const char *dot = strrchr(entry->d_name, '.');
        if (dot == NULL || strcmp(dot, ".sst") != 0) {
            continue;
        }
        int fd = openat(dirfd(stream), entry->d_name, O_RDWR);
        assert_true(fd >= 0);
        off_t size = lseek(fd, 0, SEEK_END);
        off_t at = back_from_end > 0 ? size - back_from_end : 100;
        char byte;
        assert_int_equal(pread(fd, &byte, 1, at), 1);
        byte ^= 1;
        assert_int_equal(pwrite(fd, &byte, 1, at), 1);
        assert_true(!truncate_file || ftruncate(fd, size / 2) == 0);
        close(fd);
        flipped++;
    }
    closedir(stream);
    assert_true(flipped > 0);
}

static void fill_and_close(void)
{
    struct state_db *db = must_open();
    struct ledger_store store = state_db_store(db);
    for (unsigned i = 0; i < 200; i++) {
        char key[16];
        snprintf(key, sizeof key, "%u", i);
        put(store, LEDGER_KIND_STOCK, key, "some value that is long enough to fill a block or two");
    }
    must_commit(db, 1);
    must_close(db);
}

static void test_flipped_block(void **state)
{
    (void)state;
    fill_and_close();
    flip_in_tables(0, false);
    const struct state_db_options options = {.path = directory};
    struct state_db *db = state_db_open(&options, &error);
    if (db != NULL) {
        struct ledger_store store = state_db_store(db);
        assert_false(store.ops->scan(store.store, LEDGER_KIND_STOCK, bytes_of(NULL, 0),
                                     bytes_of(NULL, 0), pass_by, NULL, &error));
        struct bytes value;
        struct error get_error = {""};
        assert_int_equal(
            store.ops->get(store.store, LEDGER_KIND_STOCK, BYTES_LITERAL("0"), &value, &get_error),
            STORE_ERROR);
        struct error ignored;
        state_db_close(db, &ignored);
    }
    assert_non_null(strstr(error.text, "Corruption"));
    assert_non_null(strstr(error.text, directory));
    assert_non_null(strstr(error.text, "made anew from the log"));
}

static void test_cut_table(void **state)
{
    (void)state;
    fill_and_close();
    flip_in_tables(1, true);
    expect_refusal_of(true, "made anew from the log", "can't be opened: Corruption");
}

/* RocksDB calls it a corruption, and there is nothing foreign in it: the table can't be read. So it
 * is with any table that can't be opened, of a disk that fails or for want of descriptors. */
static void test_table_that_is_gone(void **state)
{
    (void)state;
    fill_and_close();
    DIR *stream = opendir(directory);
    assert_non_null(stream);
    const struct dirent *entry;
    while ((entry = readdir(stream)) != NULL) {
        const char *dot = strrchr(entry->d_name, '.');
        assert_true(dot == NULL || strcmp(dot, ".sst") != 0 ||
                    unlinkat(dirfd(stream), entry->d_name, 0) == 0);
    }
    closedir(stream);
    expect_refusal("made anew from the log");
    assert_non_null(strstr(error.text, "can't be opened: Corruption"));
}

/* A disk that takes no more: in a child, whose files may not grow beyond a few KiB. */
static void commit_until_it_fails(void)
{
    signal(SIGXFSZ, SIG_IGN);
    const struct state_db_options options = {.path = directory, .write_buffer_bytes = 64u << 10};
    struct state_db *db = state_db_open(&options, &error);
    struct rlimit limit = {16u << 10, 16u << 10};
    if (db == NULL || setrlimit(RLIMIT_FSIZE, &limit) != 0) {
        _exit(2);
    }
    struct ledger_store store = state_db_store(db);
    uint64_t index = 0;
    do {
        if (++index == 20000) {
            _exit(3); /* it never failed */
        }
        char key[16];
        uint8_t value[1000];
        snprintf(key, sizeof key, "%u", (unsigned)index);
        memset(value, (int)(index * 7), sizeof value);
        if (!store.ops->put(store.store, LEDGER_KIND_ORDER, bytes_of_string(key),
                            bytes_of(value, sizeof value), &error)) {
            _exit(4);
        }
    } while (state_db_commit(db, index, &error));
    if (strstr(error.text, directory) == NULL || strstr(error.text, "can't be written") == NULL) {
        _exit(5);
    }
    if (state_db_commit(db, index, &error) || strstr(error.text, "failed before") == NULL) {
        _exit(6);
    }
    if (state_db_applied_index(db) != index - 1 || state_db_close(db, &error)) {
        _exit(7);
    }
    _exit(0);
}

static void test_failed_write_is_final(void **state)
{
    (void)state;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        commit_until_it_fails();
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

/* What a node does with its state, through the interface alone: every operation reaches the
 * database, and its errors come back. */
static void test_through_the_interface(void **state)
{
    (void)state;
    struct state_store db = state_db_interface(must_open());
    assert_int_equal(db.ops->applied_index(db.state), 0);
    struct ledger_store records = db.ops->records(db.state);
    put(records, LEDGER_KIND_STOCK, "a", "1");
    assert_true(db.ops->commit(db.state, 3, &error));
    assert_int_equal(db.ops->applied_index(db.state), 3);

    void *view = db.ops->view_open(db.state);
    put(records, LEDGER_KIND_STOCK, "a", "2");
    put(records, LEDGER_KIND_STOCK, "b", "2");
    assert_true(db.ops->commit(db.state, 4, &error));
    struct ledger_store frozen = db.ops->view_records(view);
    assert_int_equal(db.ops->view_applied_index(view), 3);
    expect_scan(frozen, LEDGER_KIND_STOCK, "", "", 100, "a=1 ");
    assert_false(frozen.ops->put(frozen.store, LEDGER_KIND_STOCK, BYTES_LITERAL("a"),
                                 BYTES_LITERAL("3"), &error));
    assert_non_null(strstr(error.text, "read-only"));
    db.ops->view_close(view);

    put(records, LEDGER_KIND_STOCK, "b", "not committed");
    assert_true(db.ops->close(db.state, &error));
    db = state_db_interface(must_open());
    assert_int_equal(db.ops->applied_index(db.state), 4);
    expect_scan(db.ops->records(db.state), LEDGER_KIND_STOCK, "", "", 100, "a=2 b=2 ");
    assert_true(db.ops->close(db.state, &error));
}

#define ON_DISK(test) cmocka_unit_test_setup_teardown(test, make_directory, remove_directory)

int main(void)
{
    const struct CMUnitTest tests[] = {
        /* The first: it forks, and must do so before RocksDB has threads in this process. */
        ON_DISK(test_failed_write_is_final),
        ON_DISK(test_commit_and_reopen),
        ON_DISK(test_rollback),
        ON_DISK(test_scan_merges),
        ON_DISK(test_put_of_what_was_shown),
        ON_DISK(test_against_a_model),
        ON_DISK(test_view_stands_still),
        ON_DISK(test_views_beside_commits),
        ON_DISK(test_through_the_interface),
        ON_DISK(test_newer_format),
        ON_DISK(test_broken_applied_index),
        ON_DISK(test_not_a_nodes_database),
        ON_DISK(test_a_database_of_another_library),
        ON_DISK(test_no_room),
        ON_DISK(test_open_twice),
        ON_DISK(test_flipped_block),
        ON_DISK(test_cut_table),
        ON_DISK(test_table_that_is_gone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
