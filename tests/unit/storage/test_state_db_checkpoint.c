/*
 * test_state_db_checkpoint.c - a checkpoint is the state at one applied index, the one it tells,
 * whatever is committed while it is made; and it stays so.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/codec.h"
#include "storage/file.h"
#include "storage/state_db.h"

#define KEYS 500

static char directory[64];
static struct error error;

static int make_directory(void **state)
{
    (void)state;
    snprintf(directory, sizeof directory, "/tmp/holdfast-checkpoint-XXXXXX");
    return mkdtemp(directory) == NULL;
}

static int remove_directory(void **state)
{
    (void)state;
    return !file_system_posix.remove_tree(NULL, directory, &error);
}

static const char *path_of(const char *name)
{
    static char path[4][128];
    static size_t next;
    next = (next + 1) % 4;
    snprintf(path[next], sizeof path[next], "%s/%s", directory, name);
    return path[next];
}

static struct state_db *must_open(const char *path)
{
    const struct state_db_options options = {.path = path, .write_buffer_bytes = 64u << 10};
    struct state_db *db = state_db_open(&options, &error);
    if (db == NULL) {
        fail_msg("%s", error.text);
    }
    return db;
}

/* Entry `index` sets one key, and the last index in one key of its own, so that the whole state
 * follows from the index. */
static void commit_entry(struct state_db *db, uint64_t index)
{
    struct ledger_store store = state_db_store(db);
    struct buffer value = {0};
    char key[32];
    write_u64(&value, index);
    snprintf(key, sizeof key, "key-%" PRIu64, index % KEYS);
    if (!store.ops->put(store.store, LEDGER_KIND_STOCK, bytes_of_string(key), buffer_bytes(&value),
                        &error) ||
        !store.ops->put(store.store, LEDGER_KIND_ORDER, BYTES_LITERAL("last"), buffer_bytes(&value),
                        &error) ||
        !state_db_commit(db, index, &error)) {
        fail_msg("%s", error.text);
    }
    buffer_free(&value);
}

static uint64_t value_of(struct ledger_store store, enum ledger_kind kind, const char *key)
{
    struct bytes value;
    enum store_result found =
        store.ops->get(store.store, kind, bytes_of_string(key), &value, &error);
    if (found == STORE_ABSENT) {
        return 0;
    }
    assert_int_equal(found, STORE_FOUND);
    struct reader in = reader_of(value);
    return read_u64(&in);
}

static void expect_state_at(const char *path, uint64_t index)
{
    struct state_db *db = must_open(path);
    struct ledger_store store = state_db_store(db);
    assert_int_equal(state_db_applied_index(db), index);
    assert_int_equal(value_of(store, LEDGER_KIND_ORDER, "last"), index);
    for (uint64_t i = 0; i < KEYS; i++) {
        char key[32];
        snprintf(key, sizeof key, "key-%" PRIu64, i);
        uint64_t back = (index % KEYS + KEYS - i) % KEYS; /* entries since this key was set */
        assert_int_equal(value_of(store, LEDGER_KIND_STOCK, key), back < index ? index - back : 0);
    }
    assert_true(state_db_close(db, &error));
}

static void must_checkpoint(struct state_db *db, const char *path, uint64_t *index)
{
    if (!state_db_checkpoint(db, path, index, &error)) {
        fail_msg("%s", error.text);
    }
}

static void test_a_checkpoint_is_a_state(void **state)
{
    (void)state;
    struct state_db *db = must_open(path_of("state"));
    uint64_t index;
    must_checkpoint(db, path_of("empty"), &index);
    assert_int_equal(index, 0);
    for (uint64_t i = 1; i <= 700; i++) {
        commit_entry(db, i);
    }
    must_checkpoint(db, path_of("at-700"), &index);
    assert_int_equal(index, 700);
    for (uint64_t i = 701; i <= 3000; i++) {
        commit_entry(db, i);
    }
    must_checkpoint(db, path_of("at-3000"), &index);
    assert_int_equal(index, 3000);
    commit_entry(db, 3001);
    assert_true(state_db_close(db, &error));
    /* They don't need the state that they were made of. */
    assert_true(file_system_posix.remove_tree(NULL, path_of("state"), &error));
    expect_state_at(path_of("at-700"), 700);
    expect_state_at(path_of("at-3000"), 3000);
    db = must_open(path_of("empty"));
    assert_int_equal(state_db_applied_index(db), 0);
    assert_true(state_db_close(db, &error));
}

/* What a checkpoint tells is on the disk of the state as well: the log may be trimmed behind it. */
static void test_the_state_is_flushed(void **state)
{
    (void)state;
    struct state_db *db = must_open(path_of("state"));
    uint64_t index;
    for (uint64_t i = 1; i <= 10; i++) {
        commit_entry(db, i);
    }
    must_checkpoint(db, path_of("checkpoint"), &index);
    commit_entry(db, 11);
    /* What a crash would leave: the files as they are. */
    char command[512];
    snprintf(command, sizeof command, "cp -r %s %s", path_of("state"), path_of("crashed"));
    assert_int_equal(system(command), 0);
    expect_state_at(path_of("crashed"), 10);
    assert_true(state_db_close(db, &error));
}

static void test_refused(void **state)
{
    (void)state;
    struct state_db *db = must_open(path_of("state"));
    uint64_t index;
    commit_entry(db, 1);
    assert_int_equal(mkdir(path_of("there"), 0755), 0);
    assert_false(state_db_checkpoint(db, path_of("there"), &index, &error));
    assert_non_null(strstr(error.text, path_of("there")));
    assert_false(state_db_checkpoint(db, path_of("no/where"), &index, &error));
    assert_non_null(strstr(error.text, path_of("no/where")));
    commit_entry(db, 2); /* the state goes on */
    must_checkpoint(db, path_of("checkpoint"), &index);
    assert_int_equal(index, 2);
    assert_true(state_db_close(db, &error));
}

struct shared {
    struct state_db *db;
    _Atomic uint64_t committed;
    atomic_bool finished;
    size_t made;
    uint64_t indexes[64];
};

static void *make_checkpoints(void *context)
{
    struct shared *shared = context;
    while (!atomic_load(&shared->finished) && shared->made < 64) {
        char name[32];
        snprintf(name, sizeof name, "checkpoint-%zu", shared->made);
        uint64_t before = atomic_load(&shared->committed);
        uint64_t index;
        must_checkpoint(shared->db, path_of(name), &index);
        assert_true(index >= before);
        shared->indexes[shared->made++] = index;
    }
    return NULL;
}

/* Commits go on in one thread, checkpoints are made in another. */
static void test_beside_commits(void **state)
{
    (void)state;
    struct shared shared = {.db = must_open(path_of("state"))};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, make_checkpoints, &shared), 0);
    for (uint64_t i = 1; i <= 20000; i++) {
        commit_entry(shared.db, i);
        atomic_store(&shared.committed, i);
    }
    atomic_store(&shared.finished, true);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_true(state_db_close(shared.db, &error));
    assert_true(shared.made > 1);
    for (size_t i = 0; i < shared.made; i++) {
        char name[32];
        snprintf(name, sizeof name, "checkpoint-%zu", i);
        if (shared.indexes[i] > 0) {
            expect_state_at(path_of(name), shared.indexes[i]);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_checkpoint_is_a_state, make_directory,
                                        remove_directory),
        cmocka_unit_test_setup_teardown(test_the_state_is_flushed, make_directory,
                                        remove_directory),
        cmocka_unit_test_setup_teardown(test_refused, make_directory, remove_directory),
        cmocka_unit_test_setup_teardown(test_beside_commits, make_directory, remove_directory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
