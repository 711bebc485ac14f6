/*
 * test_log_store_trim.c - a log whose beginning is removed behind a snapshot, a segment at a time.
 */
#include "log_trim_fixture.h"

#include <errno.h>

static void test_whole_segments_go(void **state)
{
    (void)state;
    for (uint64_t up_to = 0; up_to <= 45; up_to++) {
        struct fixture *f = log_of_entries(42); /* ten segments, and two entries in the eleventh */
        set_snapshot(f, up_to < 42 ? up_to : 42, 1);
        must_trim(f, up_to);
        uint64_t gone = up_to < 42 ? up_to / 4 : 10;
        for (uint64_t i = 1; i <= 11; i++) {
            assert_int_equal(sim_disk_exists(f->disk, segment(i)), i > gone);
        }
        assert_int_equal(log_store_disk_bytes(f->store), (11 - gone) * SEGMENT_BYTES);
        expect_reads(f, gone * 4 + 1);
        reopen(f);
        expect_reads(f, gone * 4 + 1);
        assert_int_equal(log_store_disk_bytes(f->store), (11 - gone) * SEGMENT_BYTES);
        append_one_by_one(f, 60, 2);
        reopen(f);
        must_trim(f, up_to < 42 ? up_to : 42); /* nothing is left to be done */
        expect_reads(f, gone * 4 + 1);
        fixture_free(f);
    }
}

/* A log that is full to the end of its last segment keeps it: the next batch is chained to it. */
static void test_the_last_segment_stays(void **state)
{
    (void)state;
    struct fixture *f = log_of_entries(40);
    set_snapshot(f, 40, 1);
    must_trim(f, UINT64_MAX);
    assert_true(sim_disk_exists(f->disk, segment(10)));
    expect_reads(f, 37);
    append_one_by_one(f, 41, 1);
    must_trim(f, 40);
    assert_false(sim_disk_exists(f->disk, segment(10)));
    expect_reads(f, 41);
    reopen(f);
    expect_reads(f, 41);
    fixture_free(f);
}

/* Segments whose entries were all replaced go with those before them; and what a crash leaves may
 * begin with entries that are replaced later, beyond the snapshot. */
static void test_replaced_entries(void **state)
{
    (void)state;
    for (uint64_t nth = 0; nth <= 11; nth++) {
        for (int loss = 0; loss < 3; loss++) {
            struct fixture *f = log_of_entries(20); /* five segments */
            fixture_must_append(f, 7, 2, 1, ENTRY_BYTES);
            append_one_by_one(f, 12, 2); /* 7 to 10 in the sixth, 11 and 12 in the seventh */
            set_snapshot(f, 6, 1);
            struct error error;
            sim_disk_cut_power(f->disk, nth);
            if (log_store_trim(f->store, 6, &error)) {
                for (uint64_t i = 1; i <= 7; i++) {
                    assert_int_equal(sim_disk_exists(f->disk, segment(i)), i > 5);
                }
                expect_reads(f, 7);
            }
            fixture_close(f);
            sim_disk_crash(f->disk, (enum sim_loss)loss);
            fixture_open(f, NULL);
            expect_reads(f, log_store_first_index(f->store));
            append_one_by_one(f, 30, 3);
            must_trim(f, 6);
            reopen(f);
            expect_reads(f, 7);
            fixture_free(f);
        }
    }
}

/* Power goes at each step of a trim: what is left opens, lacks nothing behind the snapshot, and can
 * be trimmed again. */
static void test_power_cut_while_trimming(void **state)
{
    (void)state;
    bool trimmed = false;
    for (uint64_t nth = 1; !trimmed; nth++) {
        for (int loss = 0; loss < 3; loss++) {
            struct fixture *f = log_of_entries(42);
            struct error error = {""};
            set_snapshot(f, 30, 1);
            sim_disk_cut_power(f->disk, nth);
            trimmed = log_store_trim(f->store, 29, &error);
            if (!trimmed) {
                assert_false(fixture_append(f, 43, 1, 1, 10, &error));
                assert_non_null(strstr(error.text, "failed before"));
            }
            fixture_close(f);
            sim_disk_crash(f->disk, (enum sim_loss)loss);
            fixture_open(f, NULL);
            uint64_t first = log_store_first_index(f->store);
            assert_true(first <= 29 && first % 4 == 1 && (first == 29 || !trimmed));
            expect_reads(f, first);
            append_one_by_one(f, 50, 2);
            must_trim(f, 30);
            expect_reads(f, 29);
            reopen(f);
            fixture_free(f);
        }
        assert_true(nth < 100);
    }
}

static void test_missing_segments_are_refused(void **state)
{
    (void)state;
    struct fixture *f = log_of_entries(42);
    set_snapshot(f, 30, 1);
    must_trim(f, 20); /* segments 6 to 11 are left, entry 21 is the first */
    fixture_close(f);
    struct error error;
    /* An older manifest than the log's. */
    refused_with(f, 0, 0, segment(1), "is missing");
    refused_with(f, 19, 1, segment(6), "begins with entry 21, and the snapshot ends with entry 19");
    set_snapshot(f, 20, 1);
    fixture_open(f, NULL);
    fixture_close(f);

    assert_true(f->files.remove(f->disk, segment(9), &error));
    refused_with(f, 30, 1, segment(9), "is missing");
    assert_true(f->files.remove(f->disk, segment(6), &error));
    assert_true(f->files.remove(f->disk, segment(7), &error));
    assert_true(f->files.remove(f->disk, segment(8), &error));
    refused_with(f, 30, 1, segment(10),
                 "begins with entry 37, and the snapshot ends with entry 30");
    assert_true(f->files.remove(f->disk, segment(10), &error));
    assert_true(f->files.remove(f->disk, segment(11), &error));
    refused_with(f, 30, 1, FIXTURE_LOG " holds no segment", "leave this node stopped");
    fixture_free(f);
}

/* Flips in a trimmed log are seen as in any other: its first batch is chained to one that is gone,
 * and checked all the same. */
static void test_flips_in_a_trimmed_log(void **state)
{
    (void)state;
    struct fixture *f = log_of_entries(42);
    set_snapshot(f, 30, 1);
    must_trim(f, 30); /* segments 8 to 11 */
    fixture_close(f);
    for (uint64_t number = 8; number <= 11; number++) {
        for (size_t at = 0; at < 512; at++) { /* two batches of each */
            char words[128];
            snprintf(words, sizeof words, "%s is damaged at offset %zu", segment(number),
                     at / 256 * 256);
            sim_disk_flip(f->disk, segment(number), at, (uint8_t)(1u << at % 8));
            fixture_refuse(f, words, "leave this node stopped");
            sim_disk_flip(f->disk, segment(number), at, (uint8_t)(1u << at % 8));
        }
    }
    fixture_open(f, NULL);
    expect_reads(f, 29);
    fixture_free(f);
}

/* What another thread does just before the reader opens the segment that it has chosen. */
static struct {
    struct fixture *fixture;
    struct file *(*open)(void *context, const char *path, bool create, struct error *error);
    bool resets;
} meanwhile;

static struct file *open_late(void *context, const char *path, bool create, struct error *error)
{
    struct fixture *f = meanwhile.fixture;
    if (f != NULL) {
        struct error unread;
        meanwhile.fixture = NULL;
        assert_true(meanwhile.resets ? log_store_reset(f->store, 50, &unread)
                                     : log_store_trim(f->store, 30, &unread));
    }
    return meanwhile.open(context, path, create, error);
}

/* A reader whose segment is removed under its hands is told so, and not that the log is
 * damaged. */
static void test_removed_while_reading(void **state)
{
    (void)state;
    for (int resets = 0; resets < 2; resets++) {
        struct fixture *f = log_of_entries(42);
        struct log_record records[64];
        struct buffer memory = {0};
        struct error error = {""};
        set_snapshot(f, 30, 1);
        meanwhile.open = f->files.open;
        meanwhile.resets = resets;
        meanwhile.fixture = f;
        f->files.open = open_late;
        assert_int_equal(log_store_read(f->store, 9, 64, 100000, records, &memory, &error), 0);
        assert_null(meanwhile.fixture);
        assert_true(log_store_is_trimmed(f->store, 9));
        assert_non_null(strstr(error.text, "entry 9 is not in the log, which begins at"));
        f->expected.last = resets ? 50 : 42;
        append_one_by_one(f, 60, 2);
        expect_reads(f, resets ? 51 : 29);
        buffer_free(&memory);
        fixture_free(f);
    }
}

static void test_failures_are_final(void **state)
{
    (void)state;
    const enum sim_operation operations[] = {SIM_REMOVE, SIM_SYNC_DIRECTORY};
    for (size_t i = 0; i < 2; i++) {
        for (int what = 0; what < 2; what++) {
            struct fixture *f = log_of_entries(42);
            struct error error = {""};
            set_snapshot(f, 30, 1);
            sim_disk_fail(f->disk, operations[i], 2, EIO);
            assert_false(what == 0 ? log_store_trim(f->store, 30, &error)
                                   : log_store_reset(f->store, 50, &error));
            assert_non_null(strstr(error.text, "Input/output error"));
            assert_false(log_store_trim(f->store, 30, &error));
            assert_non_null(strstr(error.text, "failed before"));
            assert_false(log_store_reset(f->store, 50, &error));
            assert_non_null(strstr(error.text, "failed before"));
            fixture_free(f);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whole_segments_go),
        cmocka_unit_test(test_the_last_segment_stays),
        cmocka_unit_test(test_replaced_entries),
        cmocka_unit_test(test_power_cut_while_trimming),
        cmocka_unit_test(test_missing_segments_are_refused),
        cmocka_unit_test(test_flips_in_a_trimmed_log),
        cmocka_unit_test(test_removed_while_reading),
        cmocka_unit_test(test_failures_are_final),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
