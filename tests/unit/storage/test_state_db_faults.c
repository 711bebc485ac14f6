/*
 * test_state_db_faults.c - RocksDB on a disk that fails, in the background above all: sooner or
 * later a commit or a check says so, with words, never an assertion and never silence; from then on
 * nothing is written; and on a disk that works again the database stands at some commit it made.
 *
 * The disk is tests/lib/disk_faults.c, preloaded: the test replaces its control file.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/error.h"
#include "storage/file.h"
#include "storage/state_db.h"

#define COMMITS_BEFORE 1000
/* Several write buffers, and compactions of them. */
#define COMMITS_MOST 20000

static char directory[64];
static char path[96];
static char control[96];
static struct error error;

static int make_directory(void **state)
{
    (void)state;
    snprintf(directory, sizeof directory, "/tmp/holdfast-faults-XXXXXX");
    if (mkdtemp(directory) == NULL) {
        return 1;
    }
    snprintf(path, sizeof path, "%s/state.1", directory);
    snprintf(control, sizeof control, "%s/control", directory);
    return setenv("DISK_FAULTS", control, 1);
}

static int remove_directory(void **state)
{
    (void)state;
    return !file_system_posix.remove_tree(NULL, directory, &error);
}

static void set_fault(const char *rule)
{
    char beside[104];
    snprintf(beside, sizeof beside, "%s.new", control);
    FILE *file = fopen(beside, "w");
    assert_non_null(file);
    assert_true(fprintf(file, "%s\n", rule) > 0);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(rename(beside, control), 0);
}

static struct state_db *must_open(void)
{
    const struct state_db_options options = {.path = path, .write_buffer_bytes = 64u << 10};
    struct state_db *db = state_db_open(&options, &error);
    if (db == NULL) {
        fail_msg("%s", error.text);
    }
    return db;
}

/* Keys that come again, so that tables overlap and are compacted. */
static bool commit_one(struct state_db *db, uint64_t index)
{
    static char value[1000];
    char key[16];
    struct ledger_store store = state_db_store(db);
    snprintf(key, sizeof key, "%06u", (unsigned)(index * 7919 % 4001));
    for (size_t i = 0; i < sizeof value; i++) {
        value[i] = (char)(index * i % 251);
    }
    return store.ops->put(store.store, LEDGER_KIND_STOCK, bytes_of_string(key),
                          bytes_of(value, sizeof value), &error) &&
           state_db_commit(db, index, &error) && state_db_check(db, &error);
}

/* Commits until it fails; the last index. */
static uint64_t commit_from(struct state_db *db, uint64_t index)
{
    const uint64_t end = index + COMMITS_MOST;
    while (index < end && commit_one(db, index)) {
        index++;
    }
    if (index == end) {
        fail_msg("%d commits, and nobody says that the disk fails", COMMITS_MOST);
    }
    return index;
}

static void expect(const char *words)
{
    if (strstr(error.text, words) == NULL || strstr(error.text, path) == NULL) {
        fail_msg("'%s' and %s expected in: %s", words, path, error.text);
    }
}

static void must_end(struct state_db *db, uint64_t index)
{
    assert_false(state_db_commit(db, index + 1, &error));
    expect("failed before");
    assert_false(state_db_check(db, &error));
    expect("failed before");
    assert_false(state_db_close(db, &error));
    expect("failed before");
}

/* One round of it; false where nobody says why any more. */
static bool fails_with_words(const char *rule, const char *words, const char *advice)
{
    set_fault("");
    struct state_db *db = must_open();
    uint64_t begin = state_db_applied_index(db);
    for (uint64_t i = 1; i <= COMMITS_BEFORE; i++) {
        assert_true(commit_one(db, begin + i));
    }
    set_fault(rule);
    uint64_t index = commit_from(db, begin + COMMITS_BEFORE + 1);
    bool has_words = strstr(error.text, "no longer says why") == NULL;
    expect(has_words ? words : ADVICE_DISK_FULL);
    expect(has_words ? advice : ADVICE_DISK_FAILED);
    must_end(db, index);
    set_fault("");
    db = must_open();
    assert_in_range(state_db_applied_index(db), begin, index);
    assert_true(commit_one(db, index + 1));
    assert_true(state_db_close(db, &error));
    return has_words;
}

static void fails(const char *rule, const char *words, const char *advice)
{
    /* RocksDB tries again by itself behind a full disk, and now and then has done so before it is
     * asked: then it has no words. Mostly it has. */
    int tries = strstr(rule, "ENOSPC") != NULL ? 5 : 1;
    bool has_words = false;
    while (!has_words && tries-- > 0) {
        has_words = fails_with_words(rule, words, advice);
    }
    assert_true(has_words);
}

static void test_writes_that_fail(void **state)
{
    (void)state;
    fails("write .sst EIO", "Input/output error", ADVICE_DISK_FAILED);
    fails("write /MANIFEST- EIO", "Input/output error", ADVICE_DISK_FAILED);
    fails("write /state.1 EROFS", "Read-only file system", ADVICE_DISK_FAILED);
}

static void test_no_room(void **state)
{
    (void)state;
    fails("write .sst ENOSPC", "No space left on device", ADVICE_DISK_FULL);
    fails("write /MANIFEST- ENOSPC", "No space left on device", ADVICE_DISK_FULL);
    fails("write /state.1 ENOSPC", "No space left on device", ADVICE_DISK_FULL);
}

static void test_syncs_that_fail(void **state)
{
    (void)state;
    fails("sync .sst EIO", "Input/output error", ADVICE_DISK_FAILED);
    fails("sync /MANIFEST- EIO", "Input/output error", ADVICE_DISK_FAILED);
}

static void test_reads_that_fail(void **state)
{
    (void)state;
    fails("read .sst EIO", "Input/output error", ADVICE_DISK_FAILED);
}

/* A checkpoint that can't be made says so; the database itself goes on. */
static void test_checkpoints_that_fail(void **state)
{
    (void)state;
    static const char *const rules[] = {"name .sst EIO", "write /copy EIO", "sync /copy EIO"};
    char copy[112];
    uint64_t index;
    snprintf(copy, sizeof copy, "%s/copy", directory);
    set_fault("");
    struct state_db *db = must_open();
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++) {
        char beside[120];
        snprintf(beside, sizeof beside, "%s.tmp", copy);
        assert_true(commit_one(db, state_db_applied_index(db) + 1));
        set_fault(rules[i]);
        assert_false(state_db_checkpoint(db, copy, &index, &error));
        assert_non_null(strstr(error.text, ADVICE_DISK_FAILED));
        set_fault("");
        struct error ignored; /* what is there, if anything */
        file_system_posix.remove_tree(NULL, beside, &ignored);
        file_system_posix.remove_tree(NULL, copy, &ignored);
    }
    assert_true(commit_one(db, state_db_applied_index(db) + 1));
    assert_true(state_db_close(db, &error));
}

/* One byte in each table that has so many; one that a compaction is just making, or has just done
 * with, is left alone. */
static void flip_tables(off_t at)
{
    DIR *stream = opendir(path);
    assert_non_null(stream);
    const struct dirent *entry;
    while ((entry = readdir(stream)) != NULL) {
        const char *dot = strrchr(entry->d_name, '.');
        if (dot == NULL || strcmp(dot, ".sst") != 0) {
            continue;
        }
        int fd = openat(dirfd(stream), entry->d_name, O_RDWR);
        if (fd < 0) {
            assert_int_equal(errno, ENOENT);
            continue;
        }
        char byte;
        if (pread(fd, &byte, 1, at) == 1) {
            byte ^= 1;
            assert_int_equal(pwrite(fd, &byte, 1, at), 1);
        }
        assert_int_equal(close(fd), 0);
    }
    closedir(stream);
}

/* A block that nobody reads but the compaction; damaged again and again, for one that was under way
 * may have read it before. */
static void test_damage_that_a_compaction_finds(void **state)
{
    (void)state;
    set_fault("");
    struct state_db *db = must_open();
    for (uint64_t i = 1; i <= COMMITS_BEFORE; i++) {
        assert_true(commit_one(db, i));
    }
    uint64_t index = COMMITS_BEFORE;
    bool failed = false;
    for (off_t at = 100; !failed; at++) {
        assert_in_range(index, COMMITS_BEFORE, COMMITS_BEFORE + COMMITS_MOST);
        flip_tables(at);
        for (int i = 0; i < 500 && !failed; i++) {
            failed = !commit_one(db, ++index);
        }
    }
    expect("Corruption");
    expect(ADVICE_STATE_LOST);
    must_end(db, index);
}

static int null_fd;

static void write_within(int number)
{
    (void)number;
    (void)!write(null_fd, "", 1);
}

/* libuv writes to a pipe when a signal comes, be it within any call of any thread: the disk must
 * not wait for itself there. */
/* Nobody's release is to blame, though the state may have come from elsewhere. */
static void test_reads_that_fail_at_an_open(void **state)
{
    (void)state;
    bool is_foreign = true;
    const struct state_db_options fetched = {
        .path = path, .write_buffer_bytes = 64u << 10, .is_foreign = &is_foreign};
    set_fault("");
    struct state_db *db = must_open();
    for (uint64_t i = 1; i <= COMMITS_BEFORE; i++) {
        assert_true(commit_one(db, i));
    }
    assert_true(state_db_close(db, &error));
    set_fault("read .sst EIO");
    assert_null(state_db_open(&fetched, &error));
    expect(strerror(EIO));
    expect(ADVICE_DISK_FAILED);
    assert_false(is_foreign);
    set_fault("");
    assert_true(state_db_close(must_open(), &error));
}

static void test_signals_within_calls(void **state)
{
    (void)state;
    enum { WRITES = 100000 };
    const struct sigaction action = {.sa_handler = write_within, .sa_flags = SA_RESTART};
    const struct itimerval often = {.it_interval = {.tv_usec = 50}, .it_value = {.tv_usec = 50}};
    const struct itimerval never = {0};
    set_fault("write /no/such/path EIO");
    null_fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
    assert_true(null_fd >= 0);
    assert_int_equal(sigaction(SIGALRM, &action, NULL), 0);
    assert_int_equal(setitimer(ITIMER_REAL, &often, NULL), 0);
    for (int i = 0; i < WRITES; i++) {
        assert_int_equal(write(null_fd, "", 1), 1);
    }
    assert_int_equal(setitimer(ITIMER_REAL, &never, NULL), 0);
    assert_int_equal(close(null_fd), 0);
}

int main(void)
{
    const char *preloaded = getenv("LD_PRELOAD");
    if (preloaded == NULL || strstr(preloaded, "disk_faults") == NULL) {
        fprintf(stderr, "tests/lib/disk_faults.c must be preloaded: LD_PRELOAD\n");
        return 1;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_writes_that_fail, make_directory, remove_directory),
        cmocka_unit_test_setup_teardown(test_no_room, make_directory, remove_directory),
        cmocka_unit_test_setup_teardown(test_syncs_that_fail, make_directory, remove_directory),
        cmocka_unit_test_setup_teardown(test_reads_that_fail, make_directory, remove_directory),
        cmocka_unit_test_setup_teardown(test_checkpoints_that_fail, make_directory,
                                        remove_directory),
        cmocka_unit_test_setup_teardown(test_damage_that_a_compaction_finds, make_directory,
                                        remove_directory),
        cmocka_unit_test_setup_teardown(test_reads_that_fail_at_an_open, make_directory,
                                        remove_directory),
        cmocka_unit_test_setup_teardown(test_signals_within_calls, make_directory,
                                        remove_directory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
