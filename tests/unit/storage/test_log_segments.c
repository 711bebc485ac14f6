/*
 * test_log_segments.c - names, listing, and removal from either end.
 */
#include "log_fixture.h"

#include <errno.h>

#include "log_segments.h"

static struct sim_disk *disk_with_segments(uint64_t from, uint64_t to, struct file_system *files)
{
    struct sim_disk *disk = sim_disk_new(1);
    struct error error;
    *files = sim_disk_files(disk);
    assert_true(files->make_directory(disk, "/log", &error));
    for (uint64_t i = from; i <= to; i++) {
        char *path = log_segment_path("/log", i);
        uint8_t content[32] = {0};
        sim_disk_set_content(disk, path, bytes_of(content, (size_t)i));
        free(path);
    }
    assert_true(files->sync_directory(disk, "/", &error));
    return disk;
}

static void expect_segments(const struct file_system *files, uint64_t from, uint64_t to)
{
    struct log_segments segments;
    struct error error;
    assert_true(log_segments_list(files, "/log", &segments, &error));
    assert_int_equal(segments.count, to + 1 - from);
    for (size_t i = 0; i < segments.count; i++) {
        assert_int_equal(segments.numbers[i], from + i);
    }
    free(segments.numbers);
}

static void test_names(void **state)
{
    (void)state;
    char *path = log_segment_path("/a/log", 1);
    assert_string_equal(path, "/a/log/0000000000000001.log");
    free(path);
    path = log_segment_path("", 1234567890123456789);
    assert_string_equal(path, "/1234567890123456789.log");
    free(path);

    struct file_system files;
    struct sim_disk *disk = disk_with_segments(7, 31, &files);
    const char *const others[] = {"/log/1.log",
                                  "/log/0000000000000000.log",
                                  "/log/000000000000003x.log",
                                  "/log/0000000000000003.log.old",
                                  "/log/0000000000000003.lo",
                                  "/log/00000000000000003.log"};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        sim_disk_set_content(disk, others[i], BYTES_LITERAL("x"));
    }
    expect_segments(&files, 7, 31);
    struct log_segments segments;
    struct error error;
    assert_false(log_segments_list(&files, "/nowhere", &segments, &error));
    assert_null(segments.numbers);
    sim_disk_free(disk);
}

/* Power goes at each step of a removal: what is left has no gap, and lacks nothing that was not to
 * go. */
static void test_power_cut_while_removing(void **state)
{
    (void)state;
    for (uint64_t nth = 1; nth <= 2 * 9 + 1; nth++) {
        for (int descending = 0; descending < 2; descending++) {
            struct file_system files;
            struct sim_disk *disk = disk_with_segments(4, 15, &files);
            struct error error;
            uint64_t bytes;
            sim_disk_cut_power(disk, nth);
            bool removed = descending ? log_segments_remove(&files, "/log", 15, 7, &bytes, &error)
                                      : log_segments_remove(&files, "/log", 4, 12, &bytes, &error);
            assert_int_equal(removed, nth > 2 * 9);
            if (removed) {
                assert_int_equal(bytes, descending ? 99 : 72);
            }
            sim_disk_crash(disk, (enum sim_loss)(nth % 3));
            struct log_segments left;
            assert_true(log_segments_list(&files, "/log", &left, &error));
            assert_true(left.count >= 3 && left.count <= 12);
            assert_true(!removed || left.count == 3);
            free(left.numbers);
            if (descending) {
                expect_segments(&files, 4, 3 + left.count);
            } else {
                expect_segments(&files, 16 - left.count, 15);
            }
            sim_disk_free(disk);
        }
    }
}

static void test_failures(void **state)
{
    (void)state;
    const enum sim_operation operations[] = {SIM_OPEN, SIM_SIZE, SIM_REMOVE, SIM_SYNC_DIRECTORY};
    for (size_t i = 0; i < 4; i++) {
        struct file_system files;
        struct sim_disk *disk = disk_with_segments(1, 5, &files);
        struct error error = {""};
        sim_disk_fail(disk, operations[i], 2, EIO);
        assert_false(log_segments_remove(&files, "/log", 1, 4, NULL, &error));
        assert_non_null(strstr(error.text, "Input/output error"));
        sim_disk_free(disk);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_power_cut_while_removing),
        cmocka_unit_test(test_failures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
