/*
 * test_data_directory.c - opening, refusing, and keeping term and vote through crashes at every
 * step.
 */
#include "data_directory_fixture.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static void must_refuse(const struct data_directory_options *options, const char *words)
{
    struct error error = {""};
    assert_null(data_directory_open(options, &error));
    if (strstr(error.text, words) == NULL || strstr(error.text, options->path) == NULL) {
        fail_msg("'%s' and the path expected in: %s", words, error.text);
    }
}

static void test_new_then_opened_again(void **state)
{
    (void)state;
    struct sim_disk *disk = sim_disk_new(1);
    struct file_system files = sim_disk_files(disk);
    struct data_directory_options options = directory_options(&files);
    struct data_directory *directory = directory_must_open(&options);
    struct error error;
    assert_true(data_directory_is_new(directory));
    assert_int_equal(data_directory_incarnation(directory), 77);
    assert_int_equal(data_directory_term(directory), 0);
    assert_int_equal(data_directory_voted_for(directory), 0);
    assert_int_equal(data_directory_generation(directory), 1);
    assert_string_equal(data_directory_log_path(directory), "/data/log");
    assert_string_equal(data_directory_state_path(directory), "/data/state.1");
    assert_true(data_directory_store_hard_state(directory, 5, 3, &error));
    assert_int_equal(data_directory_term(directory), 5);
    assert_int_equal(data_directory_voted_for(directory), 3);
    data_directory_close(directory);

    sim_disk_crash(disk, SIM_LOSE_ALL);
    assert_true(sim_disk_exists(disk, "/data/log"));
    options.new_incarnation = 78;
    directory = directory_must_open(&options);
    assert_false(data_directory_is_new(directory));
    assert_int_equal(data_directory_incarnation(directory), 77);
    assert_int_equal(data_directory_term(directory), 5);
    assert_int_equal(data_directory_voted_for(directory), 3);
    data_directory_close(directory);
    sim_disk_free(disk);
}

static void test_strangers_are_refused(void **state)
{
    (void)state;
    struct sim_disk *disk = sim_disk_new(1);
    struct file_system files = sim_disk_files(disk);
    struct data_directory_options options = directory_options(&files);
    data_directory_close(directory_must_open(&options));
    uint64_t writes = sim_disk_count(disk, SIM_WRITE);

    options.cluster_id = 0xc2;
    must_refuse(&options, "belongs to cluster 00000000000000c1");
    options.cluster_id = 0xc1;
    options.node_id = 3;
    must_refuse(&options, "belongs to node 2, and this is node 3");
    assert_int_equal(sim_disk_count(disk, SIM_WRITE), writes); /* nothing was changed */

    options.node_id = 2;
    struct data_directory *directory = directory_must_open(&options);
    must_refuse(&options, "is in use by another node");
    data_directory_close(directory);
    data_directory_close(directory_must_open(&options));
    sim_disk_free(disk);
}

/* Nobody else is to blame for a lock that the disk does not take. */
static void test_a_lock_that_fails_is_no_other_node(void **state)
{
    (void)state;
    struct sim_disk *disk = sim_disk_new(1);
    struct file_system files = sim_disk_files(disk);
    struct data_directory_options options = directory_options(&files);
    struct error error = {""};
    sim_disk_fail(disk, SIM_LOCK, 1, ENOSPC);
    assert_null(data_directory_open(&options, &error));
    assert_non_null(strstr(error.text, "the data directory /data can't be locked: /data/lock: "));
    assert_non_null(strstr(error.text, strerror(ENOSPC)));
    assert_null(strstr(error.text, "another node"));
    data_directory_close(directory_must_open(&options));
    sim_disk_free(disk);
}

/* Somebody else's files are no place to begin in, and nothing is made beside them. */
static void test_foreign_files_are_left_alone(void **state)
{
    (void)state;
    struct sim_disk *disk = sim_disk_new(1);
    struct file_system files = sim_disk_files(disk);
    struct data_directory_options options = directory_options(&files);
    struct error error = {""};
    assert_true(files.make_directory(files.context, "/data", &error));
    struct file *file = files.open(files.context, "/data/letter.txt", true, &error);
    assert_non_null(file);
    files.close(file);
    must_refuse(&options, "letter.txt");
    assert_false(sim_disk_exists(disk, "/data/lock"));
    assert_false(sim_disk_exists(disk, MANIFEST));
    assert_true(files.remove(files.context, "/data/letter.txt", &error));
    /* What an earlier start left before it made a manifest, and a file system's own, are no
     * obstacle; nor is anything beside a manifest. */
    assert_true(files.make_directory(files.context, "/data/lost+found", &error));
    file = files.open(files.context, "/data/manifest.new", true, &error);
    assert_non_null(file);
    files.close(file);
    data_directory_close(directory_must_open(&options));
    file = files.open(files.context, "/data/letter.txt", true, &error);
    assert_non_null(file);
    files.close(file);
    data_directory_close(directory_must_open(&options));
    sim_disk_free(disk);
}

static void test_missing_manifest(void **state)
{
    (void)state;
    struct sim_disk *disk = sim_disk_new(1);
    struct file_system files = sim_disk_files(disk);
    struct data_directory_options options = directory_options(&files);
    struct error error;
    data_directory_close(directory_must_open(&options));
    assert_true(files.remove(disk, MANIFEST, &error));
    must_refuse(&options, MANIFEST " is missing");
    assert_true(files.remove_tree(disk, "/data/log", &error));
    assert_true(files.make_directory(disk, "/data/state.1", &error));
    must_refuse(&options, MANIFEST " is missing");
    assert_true(files.remove_tree(disk, "/data/state.1", &error));
    struct data_directory *directory = directory_must_open(&options); /* now it is as good as new */
    assert_true(data_directory_is_new(directory));
    data_directory_close(directory);
    sim_disk_free(disk);
}

static void test_missing_parent(void **state)
{
    (void)state;
    struct sim_disk *disk = sim_disk_new(1);
    struct file_system files = sim_disk_files(disk);
    struct data_directory_options options = directory_options(&files);
    options.path = "/not/there";
    must_refuse(&options, "No such file or directory");
    sim_disk_free(disk);
}

/* Other generations go, with what is in them; this one and everything else stays. */
static void test_other_generations_are_removed(void **state)
{
    (void)state;
    struct sim_disk *disk = sim_disk_new(1);
    struct file_system files = sim_disk_files(disk);
    struct data_directory_options options = directory_options(&files);
    struct error error;
    data_directory_close(directory_must_open(&options));
    const char *const directories[] = {"/data/state.1",     "/data/state.2", "/data/state.20",
                                       "/data/state.2.old", "/data/state.",  "/data/state.02"};
    for (size_t i = 0; i < 6; i++) {
        assert_true(files.make_directory(disk, directories[i], &error));
        char path[64];
        snprintf(path, sizeof path, "%s/file", directories[i]);
        sim_disk_set_content(disk, path, BYTES_LITERAL("x"));
    }
    data_directory_close(directory_must_open(&options));
    assert_true(sim_disk_exists(disk, "/data/state.1/file"));
    assert_false(sim_disk_exists(disk, "/data/state.2"));
    assert_false(sim_disk_exists(disk, "/data/state.20/file"));
    assert_true(sim_disk_exists(disk, "/data/state.2.old/file"));
    assert_true(sim_disk_exists(disk, "/data/state./file"));
    assert_true(sim_disk_exists(disk, "/data/state.02/file"));
    sim_disk_free(disk);
}

/* Opening heals a broken slot, so that the next fault is again the only one. */
static void test_opening_heals(void **state)
{
    (void)state;
    struct sim_disk *disk = sim_disk_new(1);
    struct file_system files = sim_disk_files(disk);
    struct data_directory_options options = directory_options(&files);
    struct error error;
    struct data_directory *directory = directory_must_open(&options);
    assert_true(data_directory_store_hard_state(directory, 9, 1, &error));
    data_directory_close(directory);
    for (uint64_t i = 0; i < 8; i++) {
        sim_disk_flip(disk, MANIFEST, i % 2 * 4096 + 100 * i, 0x20);
        directory = directory_must_open(&options);
        assert_int_equal(data_directory_term(directory), 9);
        assert_int_equal(data_directory_voted_for(directory), 1);
        data_directory_close(directory);
    }
    sim_disk_flip(disk, MANIFEST, 50, 1);
    sim_disk_flip(disk, MANIFEST, 4096 + 50, 1);
    must_refuse(&options, MANIFEST " is damaged");
    sim_disk_free(disk);
}

static void test_failures_are_final(void **state)
{
    (void)state;
    for (uint64_t nth = 1; nth <= 2; nth++) {
        for (int sync = 0; sync < 2; sync++) {
            struct sim_disk *disk = sim_disk_new(nth);
            struct file_system files = sim_disk_files(disk);
            struct data_directory_options options = directory_options(&files);
            struct data_directory *directory = directory_must_open(&options);
            struct error error = {""};
            assert_true(data_directory_store_hard_state(directory, 2, 1, &error));
            sim_disk_fail(disk, sync ? SIM_SYNC : SIM_WRITE, nth, EIO);
            assert_false(data_directory_store_hard_state(directory, 3, 2, &error));
            assert_non_null(strstr(error.text, "Input/output error"));
            assert_int_equal(data_directory_term(directory), 2);
            assert_false(data_directory_store_hard_state(directory, 4, 2, &error));
            assert_non_null(strstr(error.text, "failed before"));
            data_directory_close(directory);
            sim_disk_crash(disk, SIM_LOSE_SOME);
            directory = directory_must_open(&options);
            uint64_t term = data_directory_term(directory);
            assert_true(term == 2 || term == 3);
            data_directory_close(directory);
            sim_disk_free(disk);
        }
    }
}

/* The power goes at every step of opening and storing, again and again: the vote that was last
 * acknowledged, or the one under way, is there; a vote that an open has shown stays. */
static void test_power_cut_at_every_step(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 400; seed++) {
        struct sim_disk *disk = sim_disk_new(seed);
        struct file_system files = sim_disk_files(disk);
        struct data_directory_options options = directory_options(&files);
        struct error error = {""};
        uint64_t least = 0;
        for (uint64_t round = 0; round < 8; round++) {
            uint64_t most = least;
            sim_disk_cut_power(disk, 1 + (seed + round * 7) % 19);
            struct data_directory *directory = data_directory_open(&options, &error);
            if (directory != NULL) {
                uint64_t term = data_directory_term(directory);
                assert_true(term >= least && term <= least + 1);
                assert_int_equal(data_directory_voted_for(directory), term * 10);
                assert_int_equal(data_directory_incarnation(directory), 77);
                least = most = term;
                for (int i = 0; i < 3; i++) {
                    most = least + 1;
                    if (!data_directory_store_hard_state(directory, most, most * 10, &error)) {
                        break;
                    }
                    least = most;
                }
                data_directory_close(directory);
            } else if (sim_disk_has_power(disk)) {
                fail_msg("%s", error.text);
            }
            sim_disk_crash(disk, round % 4 == 3 ? SIM_LOSE_ALL : SIM_LOSE_SOME);
            sim_disk_cut_power(disk, 0);
            directory = directory_must_open(&options);
            uint64_t term = data_directory_term(directory);
            assert_true(term >= least && term <= most + 1);
            assert_int_equal(data_directory_voted_for(directory), term * 10);
            least = term;
            data_directory_close(directory);
        }
        sim_disk_free(disk);
    }
}

/* The process is killed at every step of its first open, and the machine goes on: whatever that
 * open left undone, the next one makes durable, the directory's own name included. */
static void test_kill_at_every_step_then_power_cut(void **state)
{
    (void)state;
    for (uint64_t nth = 1; nth <= 20; nth++) {
        struct sim_disk *disk = sim_disk_new(nth);
        struct file_system files = sim_disk_files(disk);
        struct data_directory_options options = directory_options(&files);
        struct error error = {""};
        sim_disk_cut_power(disk, nth);
        struct data_directory *directory = data_directory_open(&options, &error);
        if (directory != NULL) {
            data_directory_close(directory);
        }
        sim_disk_kill(disk);
        directory = directory_must_open(&options);
        assert_true(data_directory_store_hard_state(directory, 5, 50, &error));
        data_directory_close(directory);
        sim_disk_crash(disk, SIM_LOSE_ALL);
        directory = directory_must_open(&options);
        assert_int_equal(data_directory_term(directory), 5);
        assert_int_equal(data_directory_voted_for(directory), 50);
        data_directory_close(directory);
        sim_disk_free(disk);
    }
}

/* ---- on real files ---- */

static char *temporary_directory(char *template)
{
    assert_non_null(mkdtemp(template));
    return template;
}

/* What another process says when it tries to open the directory, as an unprivileged user if asked:
 * NULL if it could. */
static char *refusal_elsewhere(const struct data_directory_options *options, bool unprivileged,
                               char *text, size_t size)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct error error = {""};
        if (unprivileged && geteuid() == 0 && setuid(65534) != 0) {
            _exit(2);
        }
        struct data_directory *directory = data_directory_open(options, &error);
        size_t len = strlen(error.text);
        _exit(directory != NULL || write(ends[1], error.text, len) == (ssize_t)len ? 0 : 2);
    }
    close(ends[1]);
    size_t got = 0;
    ssize_t count;
    while (got + 1 < size && (count = read(ends[0], text + got, size - 1 - got)) > 0) {
        got += (size_t)count;
    }
    text[got] = '\0';
    close(ends[0]);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    return got > 0 ? text : NULL;
}

static void test_another_process_holds_it(void **state)
{
    (void)state;
    char template[] = "/tmp/holdfast-data-XXXXXX";
    char *path = temporary_directory(template);
    struct data_directory_options options = directory_options(&file_system_posix);
    options.path = path;
    struct data_directory *directory = directory_must_open(&options);
    char text[512];
    char words[64];
    snprintf(words, sizeof words, "in use by another node, process %ld", (long)getpid());
    assert_non_null(refusal_elsewhere(&options, false, text, sizeof text));
    if (strstr(text, words) == NULL || strstr(text, path) == NULL) {
        fail_msg("'%s' expected in: %s", words, text);
    }
    data_directory_close(directory);
    assert_null(refusal_elsewhere(&options, false, text, sizeof text)); /* it let go */
    struct error error;
    assert_true(file_system_posix.remove_tree(NULL, path, &error));
}

static void test_read_only_directory(void **state)
{
    (void)state;
    char template[] = "/tmp/holdfast-data-XXXXXX";
    char *path = temporary_directory(template);
    assert_int_equal(chmod(path, 0555), 0);
    struct data_directory_options options = directory_options(&file_system_posix);
    options.path = path;
    char text[512];
    assert_non_null(refusal_elsewhere(&options, true, text, sizeof text));
    if (strstr(text, "must be writable") == NULL || strstr(text, "Permission denied") == NULL ||
        strstr(text, path) == NULL) {
        fail_msg("a clear refusal expected, not: %s", text);
    }
    assert_int_equal(rmdir(path), 0);
}

static void test_not_a_directory(void **state)
{
    (void)state;
    char template[] = "/tmp/holdfast-data-XXXXXX";
    int fd = mkstemp(template);
    assert_true(fd >= 0);
    close(fd);
    struct data_directory_options options = directory_options(&file_system_posix);
    options.path = template;
    must_refuse(&options, "is not a directory");
    assert_int_equal(unlink(template), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_new_then_opened_again),
        cmocka_unit_test(test_strangers_are_refused),
        cmocka_unit_test(test_a_lock_that_fails_is_no_other_node),
        cmocka_unit_test(test_foreign_files_are_left_alone),
        cmocka_unit_test(test_missing_manifest),
        cmocka_unit_test(test_missing_parent),
        cmocka_unit_test(test_other_generations_are_removed),
        cmocka_unit_test(test_opening_heals),
        cmocka_unit_test(test_failures_are_final),
        cmocka_unit_test(test_power_cut_at_every_step),
        cmocka_unit_test(test_kill_at_every_step_then_power_cut),
        cmocka_unit_test(test_another_process_holds_it),
        cmocka_unit_test(test_read_only_directory),
        cmocka_unit_test(test_not_a_directory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
