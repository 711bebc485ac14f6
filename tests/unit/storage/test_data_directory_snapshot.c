/*
 * test_data_directory_snapshot.c - snapshots in the manifest, and the switch to another state
 * generation: through crashes at every step the manifest names a state that is there, and no
 * snapshot older than what was acknowledged.
 */
#include "data_directory_fixture.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/hash.h"
#include "manifest.h"

/* Everything in it follows from the index. */
static struct snapshot snapshot_at(uint64_t index)
{
    struct snapshot snapshot = {.index = index, .term = index / 10 + 1};
    snapshot.configuration_index = index / 2;
    snapshot.configuration_len = (uint32_t)(index * 37 % (LIMIT_CONFIGURATION_BYTES + 1));
    memset(snapshot.configuration, (int)(index % 251), snapshot.configuration_len);
    return snapshot;
}

static void expect_snapshot(const struct data_directory *directory, uint64_t index)
{
    struct snapshot found;
    struct snapshot expected = index == 0 ? (struct snapshot){0} : snapshot_at(index);
    data_directory_snapshot(directory, &found);
    assert_int_equal(found.index, expected.index);
    assert_int_equal(found.term, expected.term);
    assert_int_equal(found.configuration_index, expected.configuration_index);
    assert_int_equal(found.configuration_len, expected.configuration_len);
    assert_memory_equal(found.configuration, expected.configuration, found.configuration_len);
}

static bool store_snapshot(struct data_directory *directory, uint64_t index)
{
    struct error error;
    struct snapshot snapshot = snapshot_at(index);
    return data_directory_store_snapshot(directory, &snapshot, &error);
}

/* A whole state of so many bytes in the staging path, synced but for the name of its directory. */
static bool stage(struct sim_disk *disk, const struct data_directory *directory, size_t len)
{
    struct file_system files = sim_disk_files(disk);
    struct error error;
    const char *path = data_directory_staging_path(directory);
    char name[128];
    uint8_t content[64] = {0};
    snprintf(name, sizeof name, "%s/state", path);
    if (!files.make_directory(disk, path, &error)) {
        return false;
    }
    struct file *file = files.open(disk, name, true, &error);
    if (file == NULL) {
        return false;
    }
    bool staged = files.write(file, 0, content, len, &error) && files.sync(file, &error) &&
                  files.sync_directory(disk, path, &error);
    files.close(file);
    return staged;
}

/* What is installed here stems from. */
static const struct lineage sample_lineage = {.count = 2, .ids = {7, 3}};

static bool install(struct data_directory *directory, uint64_t index, struct error *error)
{
    struct snapshot snapshot = snapshot_at(index);
    return data_directory_install(directory, &snapshot, &sample_lineage, error);
}

static void expect_lineage(const struct data_directory *directory, uint32_t count)
{
    struct lineage lineage;
    data_directory_lineage(directory, &lineage);
    assert_int_equal(lineage.count, count);
}

/* From the install on, through snapshots and starts, until that very state is borne out. */
static void test_lineage_is_kept(void **state)
{
    (void)state;
    struct sim_disk *disk = sim_disk_new(1);
    struct file_system files = sim_disk_files(disk);
    struct data_directory_options options = directory_options(&files);
    struct error error;
    struct lineage lineage;
    struct data_directory *directory = directory_must_open(&options);
    expect_lineage(directory, 0);
    assert_true(stage(disk, directory, 10));
    assert_true(install(directory, 50, &error));
    assert_true(store_snapshot(directory, 60));
    assert_true(data_directory_store_hard_state(directory, 4, 2, &error));
    assert_true(data_directory_forget_lineage(directory, 1, &error)); /* of the state before */
    data_directory_close(directory);
    sim_disk_crash(disk, SIM_LOSE_ALL);
    directory = directory_must_open(&options);
    data_directory_lineage(directory, &lineage);
    assert_true(lineage_is_equal(&lineage, &sample_lineage));
    assert_true(data_directory_forget_lineage(directory, 2, &error));
    expect_lineage(directory, 0);
    uint64_t writes = sim_disk_count(disk, SIM_WRITE);
    assert_true(data_directory_forget_lineage(directory, 2, &error));
    assert_int_equal(sim_disk_count(disk, SIM_WRITE), writes);
    data_directory_close(directory);
    sim_disk_crash(disk, SIM_LOSE_ALL);
    directory = directory_must_open(&options);
    expect_lineage(directory, 0);
    expect_snapshot(directory, 60);
    data_directory_close(directory);
    sim_disk_free(disk);
}

static void test_snapshot_is_kept(void **state)
{
    (void)state;
    struct sim_disk *disk = sim_disk_new(1);
    struct file_system files = sim_disk_files(disk);
    struct data_directory_options options = directory_options(&files);
    struct error error;
    struct data_directory *directory = directory_must_open(&options);
    expect_snapshot(directory, 0);
    assert_false(data_directory_log_begun(directory));
    assert_true(data_directory_begin_log(directory, &error));
    assert_true(data_directory_log_begun(directory));
    uint64_t writes = sim_disk_count(disk, SIM_WRITE);
    assert_true(data_directory_begin_log(directory, &error));
    assert_int_equal(sim_disk_count(disk, SIM_WRITE), writes);
    for (uint64_t index = 5; index < 3000; index += 97) {
        assert_true(store_snapshot(directory, index));
        assert_true(data_directory_store_hard_state(directory, index, 3, &error));
        expect_snapshot(directory, index);
        data_directory_close(directory);
        sim_disk_crash(disk, SIM_LOSE_ALL);
        directory = directory_must_open(&options);
        expect_snapshot(directory, index);
        assert_int_equal(data_directory_term(directory), index);
        assert_int_equal(data_directory_generation(directory), 1);
        assert_true(data_directory_log_begun(directory));
    }
    data_directory_close(directory);
    sim_disk_free(disk);
}

static void test_install(void **state)
{
    (void)state;
    struct sim_disk *disk = sim_disk_new(1);
    struct file_system files = sim_disk_files(disk);
    struct data_directory_options options = directory_options(&files);
    struct error error = {""};
    struct data_directory *directory = directory_must_open(&options);
    assert_true(files.make_directory(disk, data_directory_state_path(directory), &error));
    sim_disk_set_content(disk, "/data/state.1/old", BYTES_LITERAL("x"));
    assert_true(data_directory_begin_log(directory, &error));
    assert_true(data_directory_store_hard_state(directory, 9, 2, &error));
    assert_string_equal(data_directory_staging_path(directory), "/data/state.2");

    assert_true(stage(disk, directory, 64));
    assert_true(install(directory, 700, &error));
    expect_snapshot(directory, 700);
    assert_int_equal(data_directory_generation(directory), 2);
    assert_string_equal(data_directory_state_path(directory), "/data/state.2");
    assert_string_equal(data_directory_staging_path(directory), "/data/state.3");
    assert_false(data_directory_log_begun(directory));
    assert_int_equal(data_directory_term(directory), 9);
    assert_true(sim_disk_exists(disk, "/data/state.1/old"));
    /* The next one may come in already. */
    assert_true(stage(disk, directory, 64));
    assert_true(data_directory_remove_old(directory, &error));
    assert_false(sim_disk_exists(disk, "/data/state.1"));
    assert_true(sim_disk_exists(disk, "/data/state.2/state"));
    assert_true(sim_disk_exists(disk, "/data/state.3/state"));
    data_directory_close(directory);

    sim_disk_crash(disk, SIM_LOSE_ALL);
    directory = directory_must_open(&options);
    expect_snapshot(directory, 700);
    assert_string_equal(data_directory_state_path(directory), "/data/state.2");
    assert_int_equal(data_directory_term(directory), 9);
    assert_true(sim_disk_exists(disk, "/data/state.2/state"));
    assert_false(sim_disk_exists(disk, "/data/state.1"));
    assert_false(sim_disk_exists(disk, "/data/state.3"));
    assert_true(data_directory_begin_log(directory, &error));
    data_directory_close(directory);
    sim_disk_free(disk);
}

static void test_nothing_to_install(void **state)
{
    (void)state;
    for (int empty = 0; empty < 2; empty++) {
        struct sim_disk *disk = sim_disk_new(1);
        struct file_system files = sim_disk_files(disk);
        struct data_directory_options options = directory_options(&files);
        struct error error = {""};
        struct data_directory *directory = directory_must_open(&options);
        if (empty) {
            assert_true(files.make_directory(disk, "/data/state.2", &error));
        }
        assert_false(install(directory, 700, &error));
        assert_non_null(strstr(error.text, "/data/state.2"));
        assert_int_equal(data_directory_generation(directory), 1);
        data_directory_close(directory);
        directory = directory_must_open(&options);
        expect_snapshot(directory, 0);
        data_directory_close(directory);
        sim_disk_free(disk);
    }
}

/* Ours go with the next open; what only looks like one stays. */
static void test_checkpoints_are_removed(void **state)
{
    (void)state;
    struct sim_disk *disk = sim_disk_new(1);
    struct file_system files = sim_disk_files(disk);
    struct data_directory_options options = directory_options(&files);
    struct error error;
    struct data_directory *directory = directory_must_open(&options);
    char *path = data_directory_checkpoint_path(directory, 812);
    assert_string_equal(path, "/data/checkpoint.812");
    const char *const names[] = {path,
                                 "/data/checkpoint.813",
                                 "/data/checkpoint.813.tmp",
                                 "/data/checkpoint.813.old",
                                 "/data/checkpoint.08",
                                 "/data/checkpoint."};
    for (size_t i = 0; i < 6; i++) {
        char name[64];
        assert_true(files.make_directory(disk, names[i], &error));
        snprintf(name, sizeof name, "%s/file", names[i]);
        sim_disk_set_content(disk, name, BYTES_LITERAL("x"));
    }
    data_directory_close(directory);
    data_directory_close(directory_must_open(&options));
    for (size_t i = 0; i < 6; i++) {
        assert_int_equal(sim_disk_exists(disk, names[i]), i >= 3);
    }
    free(path);
    sim_disk_free(disk);
}

/* A directory as it was made before there were snapshots: it opens as it was. */
static void test_old_directory(void **state)
{
    (void)state;
    struct sim_disk *disk = sim_disk_new(1);
    struct file_system files = sim_disk_files(disk);
    struct data_directory_options options = directory_options(&files);
    struct error error;
    struct data_directory *directory = directory_must_open(&options);
    assert_true(data_directory_store_hard_state(directory, 12, 1, &error));
    data_directory_close(directory);
    assert_true(files.make_directory(disk, "/data/state.1", &error));
    /* Format 1 differs by its number, and so by its sum. */
    uint8_t content[MANIFEST_BYTES];
    memcpy(content, sim_disk_content(disk, MANIFEST).data, sizeof content);
    for (size_t i = 0; i < 2; i++) {
        uint8_t *slot = content + i * MANIFEST_SLOT_BYTES;
        assert_int_equal(slot[4], 2);
        slot[4] = 1;
        uint32_t crc = crc32c(crc32c(0, slot, 8), slot + 12, MANIFEST_SLOT_BYTES - 12);
        for (size_t k = 0; k < 4; k++) {
            slot[8 + k] = (uint8_t)(crc >> (8 * k));
        }
    }
    /* Its first open may be cut short anywhere. */
    for (uint64_t nth = 1; nth < 20; nth++) {
        sim_disk_set_content(disk, MANIFEST, bytes_of(content, sizeof content));
        sim_disk_cut_power(disk, nth);
        directory = data_directory_open(&options, &error);
        if (directory != NULL) {
            data_directory_close(directory);
        }
        sim_disk_crash(disk, SIM_LOSE_SOME);
        directory = directory_must_open(&options);
        assert_int_equal(data_directory_term(directory), 12);
        assert_int_equal(data_directory_voted_for(directory), 1);
        assert_int_equal(data_directory_incarnation(directory), 77);
        assert_int_equal(data_directory_generation(directory), 1);
        assert_false(data_directory_log_begun(directory));
        expect_snapshot(directory, 0);
        assert_true(sim_disk_exists(disk, "/data/state.1"));
        data_directory_close(directory);
    }
    sim_disk_free(disk);
}

/* ---- crashes ---- */

/* What happens to the directory in the tests of crashes, until the first failure. *stored is the
 * last snapshot that was acknowledged, *generation the last generation. */
struct life {
    uint64_t snapshot;
    uint64_t generation;
    bool begun;
};

static bool live(struct sim_disk *disk, struct data_directory *directory, struct life *life)
{
    struct error error;
    if (!data_directory_begin_log(directory, &error)) {
        return false;
    }
    life->begun = true;
    if (!store_snapshot(directory, life->snapshot + 10)) {
        return false;
    }
    life->snapshot += 10;
    if (!stage(disk, directory, 50) || !install(directory, life->snapshot + 10, &error)) {
        return false;
    }
    *life = (struct life){life->snapshot + 10, life->generation + 1, false};
    if (!data_directory_remove_old(directory, &error) ||
        !store_snapshot(directory, life->snapshot + 10)) {
        return false;
    }
    life->snapshot += 10;
    return true;
}

/* The power goes at each changing operation of a life, then at each of the open after it. */
static void crash_at(uint64_t nth, uint64_t nth_of_open, enum sim_loss loss, bool *ended)
{
    struct sim_disk *disk = sim_disk_new(nth * 100 + nth_of_open);
    struct file_system files = sim_disk_files(disk);
    struct data_directory_options options = directory_options(&files);
    struct error error = {""};
    struct data_directory *directory = directory_must_open(&options);
    assert_true(files.make_directory(disk, "/data/state.1", &error));
    assert_true(files.sync_directory(disk, "/data", &error));
    sim_disk_set_content(disk, "/data/state.1/state", BYTES_LITERAL("x"));
    struct life life = {0, 1, false};
    sim_disk_cut_power(disk, nth);
    *ended = live(disk, directory, &life);
    data_directory_close(directory);
    sim_disk_crash(disk, loss);
    sim_disk_cut_power(disk, nth_of_open);
    directory = data_directory_open(&options, &error);
    if (directory != NULL) {
        data_directory_close(directory);
    } else if (sim_disk_has_power(disk)) {
        fail_msg("%s", error.text);
    }
    sim_disk_crash(disk, loss);

    directory = directory_must_open(&options);
    struct snapshot found;
    data_directory_snapshot(directory, &found);
    uint64_t generation = data_directory_generation(directory);
    expect_snapshot(directory, found.index);
    /* What was acknowledged, or the one thing that was under way. */
    bool as_acknowledged = found.index == life.snapshot && generation == life.generation &&
                           data_directory_log_begun(directory) >= life.begun;
    bool as_next = found.index == life.snapshot + 10 &&
                   (generation == life.generation || !data_directory_log_begun(directory));
    assert_true(as_acknowledged || (as_next && !*ended));
    assert_true(generation == life.generation || generation == life.generation + 1);
    /* The state that it names is there, whole, and no other. */
    char name[64];
    snprintf(name, sizeof name, "%s/state", data_directory_state_path(directory));
    assert_true(sim_disk_exists(disk, name));
    assert_int_equal(sim_disk_content(disk, name).len, generation == 1 ? 1 : 50);
    for (uint64_t other = 1; other < 4; other++) {
        snprintf(name, sizeof name, "/data/state.%d", (int)other);
        assert_int_equal(sim_disk_exists(disk, name), other == generation);
    }
    data_directory_close(directory);
    sim_disk_free(disk);
}

static void test_power_cut_at_every_step(void **state)
{
    (void)state;
    const enum sim_loss losses[] = {SIM_LOSE_ALL, SIM_LOSE_SOME, SIM_LOSE_SOME, SIM_LOSE_NONE};
    bool ended = false;
    uint64_t nth = 0;
    while (!ended) {
        nth++;
        for (uint64_t nth_of_open = 0; nth_of_open < 12; nth_of_open++) {
            for (size_t i = 0; i < 4; i++) {
                crash_at(nth, nth_of_open, losses[i], &ended);
            }
        }
    }
    assert_true(nth > 20); /* so many steps there are at least */
}

static void test_failures_are_final(void **state)
{
    (void)state;
    const struct {
        enum sim_operation operation;
        uint64_t nth;
    } cases[] = {{SIM_WRITE, 1}, {SIM_WRITE, 2}, {SIM_SYNC, 1}, {SIM_SYNC, 2}};
    for (size_t i = 0; i < 4; i++) {
        for (int what = 0; what < 3; what++) {
            struct sim_disk *disk = sim_disk_new(i);
            struct file_system files = sim_disk_files(disk);
            struct data_directory_options options = directory_options(&files);
            struct error error = {""};
            struct data_directory *directory = directory_must_open(&options);
            struct snapshot snapshot = snapshot_at(50);
            assert_true(stage(disk, directory, 10));
            sim_disk_fail(disk, cases[i].operation, cases[i].nth, EIO);
            assert_false(what == 0 ? data_directory_store_snapshot(directory, &snapshot, &error)
                         : what == 1
                             ? data_directory_install(directory, &snapshot, &sample_lineage, &error)
                             : data_directory_begin_log(directory, &error));
            assert_non_null(strstr(error.text, "Input/output error"));
            assert_false(data_directory_store_hard_state(directory, 4, 2, &error));
            assert_non_null(strstr(error.text, "failed before"));
            assert_false(install(directory, 51, &error));
            assert_non_null(strstr(error.text, "failed before"));
            expect_snapshot(directory, 0);
            assert_int_equal(data_directory_generation(directory), 1);
            data_directory_close(directory);
            sim_disk_free(disk);
        }
    }
}

static void test_the_name_of_the_state_cannot_be_synced(void **state)
{
    (void)state;
    struct sim_disk *disk = sim_disk_new(1);
    struct file_system files = sim_disk_files(disk);
    struct data_directory_options options = directory_options(&files);
    struct error error = {""};
    struct data_directory *directory = directory_must_open(&options);
    assert_true(stage(disk, directory, 10));
    sim_disk_fail(disk, SIM_SYNC_DIRECTORY, 1, EIO);
    assert_false(install(directory, 50, &error));
    assert_non_null(strstr(error.text, "Input/output error"));
    assert_false(data_directory_store_hard_state(directory, 4, 2, &error));
    data_directory_close(directory);
    sim_disk_crash(disk, SIM_LOSE_ALL);
    directory = directory_must_open(&options);
    assert_int_equal(data_directory_generation(directory), 1);
    data_directory_close(directory);
    sim_disk_free(disk);
}

/* ---- threads, on real files ---- */

#define STORES 60

static void *store_snapshots(void *context)
{
    for (uint64_t i = 1; i <= STORES; i++) {
        assert_true(store_snapshot(context, i));
    }
    return NULL;
}

static void test_two_threads(void **state)
{
    (void)state;
    char path[] = "/tmp/holdfast-data-XXXXXX";
    assert_non_null(mkdtemp(path));
    struct data_directory_options options = directory_options(&file_system_posix);
    options.path = path;
    struct error error = {""};
    struct data_directory *directory = directory_must_open(&options);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, store_snapshots, directory), 0);
    for (uint64_t term = 1; term <= STORES; term++) {
        assert_true(data_directory_store_hard_state(directory, term, term % 3, &error));
        assert_int_equal(data_directory_term(directory), term);
    }
    assert_true(data_directory_begin_log(directory, &error));
    assert_int_equal(pthread_join(thread, NULL), 0);
    data_directory_close(directory);
    directory = directory_must_open(&options);
    expect_snapshot(directory, STORES);
    assert_int_equal(data_directory_term(directory), STORES);
    assert_true(data_directory_log_begun(directory));
    data_directory_close(directory);
    assert_true(file_system_posix.remove_tree(NULL, path, &error));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_snapshot_is_kept),
        cmocka_unit_test(test_lineage_is_kept),
        cmocka_unit_test(test_install),
        cmocka_unit_test(test_nothing_to_install),
        cmocka_unit_test(test_checkpoints_are_removed),
        cmocka_unit_test(test_old_directory),
        cmocka_unit_test(test_power_cut_at_every_step),
        cmocka_unit_test(test_failures_are_final),
        cmocka_unit_test(test_the_name_of_the_state_cannot_be_synced),
        cmocka_unit_test(test_two_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
