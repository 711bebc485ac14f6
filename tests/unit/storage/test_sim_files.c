/*
 * test_sim_files.c - the disk in memory keeps its own promises: the tests that stand on it are
 * worth no more than these.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "sim_files.h"
#include "sim_random.h"

static struct sim_disk *disk;
static struct file_system files;
static struct error error;

static int set_up(void **state)
{
    (void)state;
    disk = sim_disk_new(42);
    files = sim_disk_files(disk);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    sim_disk_free(disk);
    return 0;
}

static struct file *must_open(const char *path, bool create)
{
    struct file *file = files.open(disk, path, create, &error);
    assert_non_null(file);
    return file;
}

static void expect_content(const char *path, const char *text)
{
    assert_true(bytes_equal(sim_disk_content(disk, path), bytes_of_string(text)));
}

static void test_unsynced_bytes_are_lost(void **state)
{
    (void)state;
    struct file *file = must_open("/a", true);
    assert_true(files.write(file, 0, "one", 3, &error));
    assert_true(files.sync(file, &error));
    assert_true(files.sync_directory(disk, "/", &error));
    assert_true(files.write(file, 3, "two", 3, &error));
    expect_content("/a", "onetwo");
    sim_disk_crash(disk, SIM_LOSE_ALL);
    expect_content("/a", "one");
    assert_false(files.write(file, 0, "x", 1, &error)); /* a handle from before */
    files.close(file);
    file = must_open("/a", false);
    assert_true(files.write(file, 3, "two", 3, &error));
    sim_disk_crash(disk, SIM_LOSE_NONE);
    expect_content("/a", "onetwo");
    files.close(file);
    file = must_open("/a", false);
    assert_true(files.write(file, 0, "x", 1, &error));
    sim_disk_kill(disk); /* the machine goes on */
    files.close(file);
    expect_content("/a", "xnetwo");
    sim_disk_crash(disk, SIM_LOSE_ALL);
    expect_content("/a", "onetwo");
}

static void test_unsynced_names_are_lost(void **state)
{
    (void)state;
    struct file *file = must_open("/a", true);
    assert_true(files.write(file, 0, "one", 3, &error));
    assert_true(files.sync(file, &error)); /* not the name */
    files.close(file);
    sim_disk_crash(disk, SIM_LOSE_ALL);
    assert_false(sim_disk_exists(disk, "/a"));

    sim_disk_set_content(disk, "/a", BYTES_LITERAL("one"));
    assert_true(files.rename(disk, "/a", "/b", &error));
    assert_false(sim_disk_exists(disk, "/a"));
    sim_disk_crash(disk, SIM_LOSE_ALL);
    expect_content("/a", "one");
    assert_false(sim_disk_exists(disk, "/b"));
    assert_true(files.rename(disk, "/a", "/b", &error));
    assert_true(files.sync_directory(disk, "/", &error));
    sim_disk_crash(disk, SIM_LOSE_ALL);
    expect_content("/b", "one");
    assert_true(files.remove(disk, "/b", &error));
    sim_disk_crash(disk, SIM_LOSE_ALL);
    expect_content("/b", "one");

    assert_true(files.make_directory(disk, "/d", &error));
    file = must_open("/d/x", true);
    files.close(file);
    assert_true(files.sync_directory(disk, "/d", &error)); /* but not /d itself */
    sim_disk_crash(disk, SIM_LOSE_ALL);
    assert_false(sim_disk_exists(disk, "/d"));
    assert_false(sim_disk_exists(disk, "/d/x"));
}

/* Of many crashes some lose a write, some keep it, some tear it, and never anywhere else. */
static void test_torn_writes(void **state)
{
    (void)state;
    uint8_t data[2000];
    memset(data, 'n', sizeof data);
    int kept = 0;
    int lost = 0;
    int torn = 0;
    for (int i = 0; i < 200; i++) {
        uint8_t before[2500];
        memset(before, 'o', sizeof before);
        sim_disk_set_content(disk, "/a", bytes_of(before, sizeof before));
        struct file *file = must_open("/a", false);
        assert_true(files.write(file, 300, data, sizeof data, &error));
        sim_disk_crash(disk, SIM_LOSE_SOME);
        files.close(file);
        struct bytes content = sim_disk_content(disk, "/a");
        assert_int_equal(content.len, sizeof before);
        size_t new_bytes = 0;
        for (size_t k = 0; k < content.len; k++) {
            assert_true(content.data[k] == 'o' ||
                        (content.data[k] == 'n' && k >= 300 && k < 300 + sizeof data));
            new_bytes += content.data[k] == 'n';
        }
        kept += new_bytes == sizeof data;
        lost += new_bytes == 0;
        torn += new_bytes != 0 && new_bytes != sizeof data;
    }
    assert_true(kept > 10 && lost > 10 && torn > 50);
}

/* Memory has one copy of a sector: whatever the last write adds to it, what the writes before had
 * put there reaches the disk with it. So a process that was killed behind a write, and its next
 * life that writes the same again, can't leave half of a sector between them. */
static void test_a_sector_holds_what_earlier_writes_put_there(void **state)
{
    (void)state;
    char same[2048];
    memset(same, 'x', sizeof same);
    for (uint64_t round = 0; round < 200; round++) {
        char path[16];
        snprintf(path, sizeof path, "/s%u", (unsigned)round);
        struct file *file = must_open(path, true);
        assert_true(files.allocate(file, sizeof same, &error));
        assert_true(files.sync(file, &error));
        assert_true(files.sync_directory(disk, "/", &error));
        assert_true(files.write(file, 0, same, sizeof same, &error));
        assert_true(files.write(file, 0, same, sizeof same, &error));
        sim_disk_crash(disk, SIM_LOSE_SOME);
        files.close(file);
        struct bytes content = sim_disk_content(disk, path);
        for (size_t i = 1; i < content.len; i++) {
            assert_true(i % 512 == 0 || content.data[i] == content.data[i - 1]);
        }
    }
}

/* A process that is killed inside a write has left a first part of it, in all lengths; the machine
 * goes on and loses nothing of that. */
static void test_killed_inside_a_write(void **state)
{
    (void)state;
    uint8_t data[300];
    memset(data, 'n', sizeof data);
    int kept = 0;
    int lost = 0;
    int torn = 0;
    for (int i = 0; i < 3000; i++) {
        sim_disk_set_content(disk, "/a", BYTES_LITERAL(""));
        struct file *file = must_open("/a", false);
        sim_disk_cut_power(disk, 1);
        assert_false(files.write(file, 0, data, sizeof data, &error));
        assert_false(files.write(file, 0, data, sizeof data, &error));
        sim_disk_kill(disk);
        files.close(file);
        struct bytes content = sim_disk_content(disk, "/a");
        assert_true(content.len <= sizeof data);
        assert_memory_equal(content.data, data, content.len);
        kept += content.len == sizeof data;
        lost += content.len == 0;
        torn += content.len != 0 && content.len != sizeof data;
    }
    assert_true(kept > 0 && lost > 0 && torn > 2500);
}

static void test_failed_sync_gives_the_bytes_up(void **state)
{
    (void)state;
    int lost = 0;
    for (int i = 0; i < 50; i++) {
        sim_disk_set_content(disk, "/a", BYTES_LITERAL("old"));
        struct file *file = must_open("/a", false);
        assert_true(files.write(file, 0, "new", 3, &error));
        sim_disk_fail(disk, SIM_SYNC, 1, EIO);
        assert_false(files.sync(file, &error));
        assert_string_equal(error.text, "/a: can't sync it: Input/output error");
        expect_content("/a", "new");
        assert_true(files.sync(file, &error)); /* says success, and writes nothing */
        sim_disk_crash(disk, SIM_LOSE_ALL);
        files.close(file);
        lost += bytes_equal(sim_disk_content(disk, "/a"), BYTES_LITERAL("old"));
    }
    assert_true(lost > 10 && lost < 50);
}

static void test_faults(void **state)
{
    (void)state;
    struct file *file = must_open("/a", true);
    sim_disk_fail(disk, SIM_WRITE, 2, ENOSPC);
    assert_true(files.write(file, 0, "0123456789", 10, &error));
    assert_false(files.write(file, 10, "0123456789", 10, &error));
    assert_string_equal(error.text, "/a: can't write to it: No space left on device");
    assert_true(sim_disk_content(disk, "/a").len < 20); /* a first part at most */
    assert_true(files.write(file, 10, "0123456789", 10, &error));

    sim_disk_set_capacity(disk, 30);
    assert_true(files.allocate(file, 30, &error));
    assert_false(files.allocate(file, 31, &error));
    assert_false(files.write(file, 30, "x", 1, &error));
    assert_true(files.write(file, 29, "x", 1, &error));
    sim_disk_set_capacity(disk, UINT64_MAX);

    sim_disk_cut_power(disk, 2);
    assert_true(files.write(file, 0, "y", 1, &error));
    assert_true(sim_disk_has_power(disk));
    assert_false(files.sync(file, &error));
    assert_false(sim_disk_has_power(disk));
    uint64_t size;
    assert_false(files.size(file, &size, &error));
    assert_null(files.open(disk, "/b", true, &error));
    sim_disk_crash(disk, SIM_LOSE_SOME);
    assert_true(sim_disk_has_power(disk));
    files.close(file);
}

/* A disk that is broken stays so, over crashes too, until it is mended. */
static void test_failing_until_mended(void **state)
{
    (void)state;
    struct file *file = must_open("/a", true);
    assert_true(files.sync_directory(disk, "/", &error));
    sim_disk_set_failing(disk, SIM_WRITE, ENOSPC);
    sim_disk_set_failing(disk, SIM_SYNC, EIO);
    for (int i = 0; i < 3; i++) {
        assert_false(files.write(file, 0, "0123456789", 10, &error));
        assert_string_equal(error.text, "/a: can't write to it: No space left on device");
        assert_true(sim_disk_content(disk, "/a").len < 10); /* a first part at most */
        assert_false(files.sync(file, &error));
        assert_string_equal(error.text, "/a: can't sync it: Input/output error");
    }
    sim_disk_set_failing(disk, SIM_WRITE, 0);
    assert_true(files.write(file, 0, "0123456789", 10, &error));
    files.close(file);
    sim_disk_crash(disk, SIM_LOSE_SOME);
    file = must_open("/a", false);
    assert_true(files.write(file, 0, "0123456789", 10, &error));
    assert_false(files.sync(file, &error));
    /* The other fault has its own count, and comes first. */
    sim_disk_fail(disk, SIM_SYNC, 2, ENOSPC);
    assert_false(files.sync(file, &error));
    assert_string_equal(error.text, "/a: can't sync it: Input/output error");
    assert_false(files.sync(file, &error));
    assert_string_equal(error.text, "/a: can't sync it: No space left on device");
    sim_disk_set_failing(disk, SIM_SYNC, 0);
    assert_true(files.write(file, 0, "0123456789", 10, &error));
    assert_true(files.sync(file, &error));
    files.close(file);
    sim_disk_crash(disk, SIM_LOSE_ALL);
    expect_content("/a", "0123456789");
}

/* All that was planned is taken back at once; what it has cost is counted. */
static void test_mend(void **state)
{
    (void)state;
    struct file *file = must_open("/a", true);
    assert_true(files.sync_directory(disk, "/", &error));
    assert_int_equal(sim_disk_failures(disk), 0);
    assert_null(files.open(disk, "/not there", false, &error)); /* an answer, no failure */
    assert_int_equal(sim_disk_failures(disk), 0);
    sim_disk_set_capacity(disk, 8);
    assert_false(files.allocate(file, 10, &error));
    assert_false(files.write(file, 0, "0123456789", 10, &error));
    assert_int_equal(sim_disk_failures(disk), 2);
    sim_disk_set_failing(disk, SIM_WRITE, EIO);
    sim_disk_fail(disk, SIM_SYNC, 2, EIO);
    assert_false(files.write(file, 0, "0", 1, &error));
    assert_true(files.sync(file, &error));
    assert_int_equal(sim_disk_failures(disk), 3);
    sim_disk_cut_power(disk, 3);
    sim_disk_mend(disk);
    for (int i = 0; i < 3; i++) {
        assert_true(files.write(file, 0, "0123456789", 10, &error));
        assert_true(files.sync(file, &error));
    }
    assert_int_equal(sim_disk_failures(disk), 3);
    assert_true(sim_disk_has_power(disk));
    files.close(file);
}

/* ---- against a naive file: two whole copies ---- */

#define MODEL_BYTES 6000

struct model {
    uint8_t now[MODEL_BYTES];
    uint8_t durable[MODEL_BYTES];
    bool touched[MODEL_BYTES]; /* by a write that no sync has made durable */
    size_t now_len;
    size_t durable_len;
    bool gave_up; /* `durable` is not known where it is touched */
};

static void model_write(struct model *model, struct file *file, struct random *random)
{
    uint8_t data[1500];
    size_t len = (size_t)sim_random_below(random, sizeof data);
    size_t offset = (size_t)sim_random_below(random, MODEL_BYTES - len);
    memset(data, (int)sim_random_between(random, 1, 255), len);
    assert_true(files.write(file, offset, data, len, &error));
    memcpy(model->now + offset, data, len);
    memset(model->touched + offset, true, len);
    model->now_len = len > 0 && offset + len > model->now_len ? offset + len : model->now_len;
}

static void model_sync(struct model *model)
{
    if (!model->gave_up) {
        memcpy(model->durable, model->now, sizeof model->durable);
        memset(model->touched, 0, sizeof model->touched);
        model->durable_len = model->now_len;
    }
}

/* What is there now is what is durable; what no lost write touched is as it was. */
static void model_adopt(struct model *model)
{
    struct bytes content = sim_disk_content(disk, "/a");
    assert_true(content.len >= model->durable_len && content.len <= model->now_len);
    for (size_t i = 0; i < content.len; i++) {
        assert_true(model->touched[i] || content.data[i] == model->durable[i]);
    }
    memset(model->now, 0, sizeof model->now);
    memcpy(model->now, content.data, content.len);
    model->now_len = content.len;
    model->gave_up = false;
    model_sync(model);
}

static void model_compare(const struct model *model, struct file *file, struct random *random)
{
    uint8_t data[MODEL_BYTES];
    uint64_t size;
    size_t got;
    size_t offset = (size_t)sim_random_below(random, MODEL_BYTES);
    size_t len = (size_t)sim_random_below(random, MODEL_BYTES);
    assert_true(files.size(file, &size, &error));
    assert_int_equal(size, model->now_len);
    assert_true(files.read(file, offset, data, len, &got, &error));
    size_t left = offset < model->now_len ? model->now_len - offset : 0;
    assert_int_equal(got, left < len ? left : len);
    assert_memory_equal(data, model->now + offset, got);
}

static void model_crash(struct model *model, struct file **file, struct random *random)
{
    enum sim_loss loss = (enum sim_loss)sim_random_below(random, 3);
    sim_disk_crash(disk, loss);
    if (loss == SIM_LOSE_ALL && !model->gave_up) {
        assert_true(bytes_equal(sim_disk_content(disk, "/a"),
                                bytes_of(model->durable, model->durable_len)));
    } else if (loss == SIM_LOSE_NONE && !model->gave_up) {
        assert_true(
            bytes_equal(sim_disk_content(disk, "/a"), bytes_of(model->now, model->now_len)));
    }
    model_adopt(model);
    files.close(*file);
    *file = must_open("/a", false);
}

static void test_against_two_copies(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct random random = {seed};
        struct model model = {.now_len = 0};
        sim_disk_set_content(disk, "/a", BYTES_LITERAL(""));
        struct file *file = must_open("/a", false);
        for (int i = 0; i < 1000; i++) {
            uint64_t draw = sim_random_below(&random, 100);
            if (draw < 50) {
                model_write(&model, file, &random);
            } else if (draw < 55) {
                size_t size = (size_t)sim_random_below(&random, MODEL_BYTES);
                assert_true(files.allocate(file, size, &error));
                model.now_len = size > model.now_len ? size : model.now_len;
            } else if (draw < 85) {
                assert_true(files.sync(file, &error));
                model_sync(&model);
            } else if (draw < 90) {
                sim_disk_fail(disk, SIM_SYNC, 1, EIO);
                assert_false(files.sync(file, &error));
                model.gave_up = true;
            } else if (draw < 95) {
                model_crash(&model, &file, &random);
            }
            model_compare(&model, file, &random);
        }
        files.close(file);
    }
}

/* An unlinked file lives on in its handles, and counts against the disk until they are closed. */
static void test_space_is_given_back(void **state)
{
    (void)state;
    uint64_t left;
    assert_true(files.free_bytes(disk, "/", &left, &error));
    assert_true(left == UINT64_MAX);
    sim_disk_set_capacity(disk, 1000);
    assert_true(files.make_directory(disk, "/d", &error));
    assert_true(files.make_directory(disk, "/d/e", &error));
    struct file *file = must_open("/d/e/a", true);
    assert_true(files.allocate(file, 900, &error));
    assert_true(files.free_bytes(disk, "/d", &left, &error));
    assert_int_equal(left, 100);
    assert_true(files.remove_tree(disk, "/d", &error));
    assert_true(files.free_bytes(disk, "/", &left, &error));
    assert_int_equal(left, 100); /* it is held */
    assert_false(files.free_bytes(disk, "/d", &left, &error));
    sim_disk_fail(disk, SIM_FREE_BYTES, 1, EIO);
    assert_false(files.free_bytes(disk, "/", &left, &error));
    assert_false(sim_disk_exists(disk, "/d/e/a"));
    assert_false(sim_disk_exists(disk, "/d/e"));
    assert_false(files.remove_tree(disk, "/d", &error));
    struct file *other = must_open("/b", true);
    assert_false(files.allocate(other, 200, &error));
    uint8_t data[101] = {0};
    assert_false(files.write(other, 0, data, sizeof data, &error));
    assert_true(files.sync_directory(disk, "/", &error));
    assert_false(files.sync_directory(disk, "/d", &error));
    files.close(file);
    sim_disk_crash(disk, SIM_LOSE_NONE); /* the journal's names are gone too */
    files.close(other);
    assert_true(files.free_bytes(disk, "/", &left, &error));
    assert_int_equal(left, 1000 - sim_disk_content(disk, "/b").len);
    other = must_open("/b", false);
    assert_true(files.allocate(other, 1000, &error));
    files.close(other);
}

static void test_locks(void **state)
{
    (void)state;
    struct file *one = must_open("/lock", true);
    struct file *two = must_open("/lock", false);
    assert_true(files.lock(one, &error));
    assert_true(files.lock(one, &error));
    assert_false(files.lock(two, &error));
    files.close(one);
    assert_true(files.lock(two, &error));
    one = must_open("/lock", false);
    assert_false(files.lock(one, &error));
    sim_disk_kill(disk);
    files.close(one);
    one = must_open("/lock", false);
    assert_true(files.lock(one, &error));
    files.close(two);
    files.close(one);
}

static void test_same_seed_same_disk(void **state)
{
    (void)state;
    struct buffer results[2] = {{0}, {0}};
    for (int run = 0; run < 2; run++) {
        struct sim_disk *own = sim_disk_new(9);
        struct file_system own_files = sim_disk_files(own);
        sim_disk_set_content(own, "/a", BYTES_LITERAL(""));
        for (int i = 0; i < 30; i++) {
            struct file *file = own_files.open(own, "/a", false, &error);
            uint8_t data[1500];
            memset(data, 'a' + i, sizeof data);
            assert_true(own_files.write(file, (uint64_t)i * 900, data, sizeof data, &error));
            sim_disk_crash(own, SIM_LOSE_SOME);
            own_files.close(file);
        }
        buffer_append_bytes(&results[run], sim_disk_content(own, "/a"));
        sim_disk_free(own);
    }
    assert_true(bytes_equal(buffer_bytes(&results[0]), buffer_bytes(&results[1])));
    buffer_free(&results[0]);
    buffer_free(&results[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_unsynced_bytes_are_lost, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_unsynced_names_are_lost, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_torn_writes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_sector_holds_what_earlier_writes_put_there, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_killed_inside_a_write, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_failed_sync_gives_the_bytes_up, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_faults, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_failing_until_mended, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_mend, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_against_two_copies, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_space_is_given_back, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_locks, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_same_seed_same_disk, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
