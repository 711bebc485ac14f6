/*
 * test_log_store_trim.c - a log that does not begin at 1: trimmed behind a snapshot, replaced by
 * one, and held against the one that the manifest names.
 */
#include "log_fixture.h"

#include <errno.h>

#include "base/limits.h"

/* Batches of one entry of 150 bytes take 256 bytes: four fill a segment, entry i stands in segment
 * (i + 3) / 4. */
#define SEGMENT_BYTES 1024u
#define ENTRY_BYTES   150u

static char *segment(uint64_t number)
{
    static char path[64];
    snprintf(path, sizeof path, FIXTURE_LOG "/%016" PRIu64 ".log", number);
    return path;
}

static void append_one_by_one(struct fixture *f, uint64_t last, uint64_t term)
{
    while (f->expected.last < last) {
        fixture_must_append(f, f->expected.last + 1, term, 1, ENTRY_BYTES);
    }
}

static struct fixture *log_of_entries(uint64_t last)
{
    struct fixture *f = fixture_new(3, SEGMENT_BYTES);
    fixture_open(f, NULL);
    append_one_by_one(f, last, 1);
    return f;
}

static void must_trim(struct fixture *f, uint64_t up_to)
{
    struct error error = {""};
    if (!log_store_trim(f->store, up_to, &error)) {
        fail_msg("%s", error.text);
    }
}

static void reopen(struct fixture *f)
{
    fixture_close(f);
    sim_disk_crash(f->disk, SIM_LOSE_ALL);
    fixture_open(f, NULL);
}

/* Every entry from `first` on reads as it was written, everything before is trimmed, everything
 * behind is not there: and the words tell which. */
static void expect_reads(struct fixture *f, uint64_t first)
{
    struct log_record records[64];
    struct buffer memory = {0};
    struct error error = {""};
    assert_int_equal(log_store_first_index(f->store), first);
    for (uint64_t i = 1; i < first; i++) {
        assert_int_equal(log_store_read(f->store, i, 64, 100000, records, &memory, &error), 0);
        assert_true(log_store_is_trimmed(f->store, i));
        char words[64];
        snprintf(words, sizeof words, "which begins at %" PRIu64, first);
        assert_non_null(strstr(error.text, words));
    }
    for (uint64_t i = first; i <= f->expected.last; i++) {
        size_t count = log_store_read(f->store, i, 64, 100000, records, &memory, &error);
        assert_true(count > 0);
        assert_false(log_store_is_trimmed(f->store, i));
        for (size_t k = 0; k < count; k++) {
            fixture_check(&records[k], i + k, f->expected.entries[i + k - 1].term,
                          f->expected.entries[i + k - 1].len);
        }
    }
    uint64_t behind = f->expected.last + 1;
    assert_int_equal(log_store_read(f->store, behind, 1, 1, records, &memory, &error), 0);
    assert_false(log_store_is_trimmed(f->store, behind));
    buffer_free(&memory);
}

static void set_snapshot(struct fixture *f, uint64_t index, uint64_t term)
{
    f->snapshot_index = index;
    f->snapshot_term = term;
}

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

/* The log must be refused as it stands, and nothing of it changed; with this snapshot. */
static void refused_with(struct fixture *f, uint64_t index, uint64_t term, const char *first,
                         const char *second)
{
    set_snapshot(f, index, term);
    uint64_t removals = sim_disk_count(f->disk, SIM_REMOVE);
    uint64_t writes = sim_disk_count(f->disk, SIM_WRITE);
    fixture_refuse(f, first, second);
    assert_int_equal(sim_disk_count(f->disk, SIM_REMOVE), removals);
    assert_int_equal(sim_disk_count(f->disk, SIM_WRITE), writes);
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

/* A log that was begun and holds nothing was lost: all its files, or the batch it began with. */
static void test_a_lost_log_is_not_a_new_one(void **state)
{
    (void)state;
    struct fixture *f = fixture_new(1, SEGMENT_BYTES);
    fixture_open(f, NULL);
    assert_false(f->begun);
    append_one_by_one(f, 1, 1);
    assert_true(f->begun);
    fixture_close(f);
    uint8_t zeros[SEGMENT_BYTES] = {0};
    sim_disk_set_content(f->disk, segment(1), bytes_of(zeros, sizeof zeros));
    refused_with(f, 0, 0, segment(1), "the log has held entries, and it begins with none");
    struct error error;
    assert_true(f->files.remove(f->disk, segment(1), &error));
    refused_with(f, 0, 0, FIXTURE_LOG " holds no segment", "leave this node stopped");

    /* Without that word it would have been a new one. */
    f->begun = false;
    f->expected.last = 0;
    fixture_open(f, NULL);
    append_one_by_one(f, 5, 1);
    assert_true(f->begun);
    /* A log from before there was such a word gets it when it is opened. */
    f->begun = false;
    reopen(f);
    assert_true(f->begun);
    fixture_free(f);
}

static bool refuse_to_begin(void *context, struct error *error)
{
    (void)context;
    return error_set(error, "not now");
}

static void test_begin_fails(void **state)
{
    (void)state;
    struct fixture *f = fixture_new(1, SEGMENT_BYTES);
    struct log_store_options options = fixture_options(f);
    options.begin = refuse_to_begin;
    struct error error = {""};
    f->store = log_store_open(&options, NULL, NULL, NULL, &error);
    assert_non_null(f->store);
    assert_false(fixture_append(f, 1, 1, 1, 10, &error));
    assert_string_equal(error.text, "not now");
    assert_int_equal(log_store_last_index(f->store), 0); /* it does not count */
    assert_false(fixture_append(f, 1, 1, 1, 10, &error));
    assert_non_null(strstr(error.text, "failed before"));
    fixture_close(f);
    /* The entry is there, and does not count before it is noted. */
    assert_null(log_store_open(&options, NULL, NULL, NULL, &error));
    assert_string_equal(error.text, "not now");
    fixture_free(f);
}

/* ---- the log and the snapshot ---- */

/* What becomes of a log of entries `first` to 42, term 1 up to 20, then 2, at this snapshot. */
static void expect_kept(uint64_t index, uint64_t term)
{
    for (int begun = 0; begun < 2; begun++) {
        struct fixture *f = log_of_entries(20);
        append_one_by_one(f, 42, 2);
        set_snapshot(f, index, term);
        f->begun = begun;
        reopen(f);
        expect_reads(f, 1);
        fixture_free(f);
    }
}

static void expect_replaced(uint64_t index, uint64_t term)
{
    struct fixture *f = log_of_entries(20);
    append_one_by_one(f, 42, 2);
    fixture_close(f);
    refused_with(f, index, term, FIXTURE_LOG " holds entries 1 to 42, and not the one",
                 "leave this node stopped");
    /* The same in the middle of an install. */
    f->begun = false;
    f->expected.last = index;
    struct error dropped;
    fixture_open(f, &dropped);
    assert_non_null(strstr(dropped.text, FIXTURE_LOG ": dropped a log that ended with entry 42"));
    expect_reads(f, index + 1);
    assert_int_equal(log_store_disk_bytes(f->store), 0);
    for (uint64_t i = 1; i <= 11; i++) {
        assert_false(sim_disk_exists(f->disk, segment(i)));
    }
    assert_false(f->begun);
    append_one_by_one(f, index + 9, 3);
    assert_true(f->begun);
    reopen(f);
    expect_reads(f, index + 1);
    fixture_free(f);
}

static void test_the_log_follows_the_snapshot_or_goes(void **state)
{
    (void)state;
    expect_kept(1, 1);
    expect_kept(20, 1);
    expect_kept(21, 2);
    expect_kept(42, 2);
    expect_replaced(20, 2);
    expect_replaced(21, 1);
    expect_replaced(42, 3);
    expect_replaced(43, 2);
    expect_replaced(1000, 2);
}

/* A log that begins right behind the snapshot follows it, whatever its terms: they are trimmed. */
static void test_right_behind_the_snapshot(void **state)
{
    (void)state;
    struct fixture *f = log_of_entries(42);
    set_snapshot(f, 20, 1);
    must_trim(f, 20);
    expect_reads(f, 21);
    reopen(f);
    f->begun = false;
    reopen(f);
    expect_reads(f, 21);
    fixture_free(f);
}

/* Power goes at each step of dropping a replaced log, and again: until it is gone, it is either
 * seen to be replaced again or gone. */
static void test_power_cut_while_dropping(void **state)
{
    (void)state;
    uint64_t nth = 0;
    bool opened = false;
    while (!opened) {
        nth++;
        for (uint64_t second = 1; second < 8; second++) {
            for (int loss = 0; loss < 3; loss++) {
                struct fixture *f = log_of_entries(42);
                fixture_close(f);
                /* The log's third segment begins right behind the snapshot: were the first ones
                 * removed first, the rest would be taken for the log that follows. */
                set_snapshot(f, 8, 7);
                f->begun = false;
                struct error error;
                struct log_store_options options = fixture_options(f);
                const uint64_t cuts[] = {nth, second};
                for (size_t i = 0; i < 2; i++) {
                    sim_disk_cut_power(f->disk, cuts[i]);
                    f->store = log_store_open(&options, NULL, NULL, NULL, &error);
                    opened = i == 0 ? f->store != NULL : opened;
                    fixture_close(f);
                    sim_disk_crash(f->disk, (enum sim_loss)loss);
                }
                f->expected.last = 8;
                fixture_open(f, NULL);
                expect_reads(f, 9);
                append_one_by_one(f, 12, 7);
                reopen(f);
                fixture_free(f);
            }
        }
        assert_true(nth < 100);
    }
    assert_true(nth > 20);
}

static void test_reset(void **state)
{
    (void)state;
    const uint64_t indexes[] = {8, 41, 42, 43, 5000};
    for (size_t i = 0; i < sizeof indexes / sizeof indexes[0]; i++) {
        struct fixture *f = log_of_entries(42);
        struct error error = {""};
        set_snapshot(f, 6, 1);
        must_trim(f, 5);
        set_snapshot(f, indexes[i], 7);
        f->begun = false; /* data_directory_install */
        assert_true(log_store_reset(f->store, indexes[i], &error));
        f->expected.last = indexes[i] > 4000 ? 4000 : indexes[i];
        assert_int_equal(log_store_first_index(f->store), indexes[i] + 1);
        assert_int_equal(log_store_last_index(f->store), indexes[i]);
        assert_int_equal(log_store_disk_bytes(f->store), 0);
        for (uint64_t k = 1; k <= 11; k++) {
            assert_false(sim_disk_exists(f->disk, segment(k)));
        }
        struct log_record record;
        struct buffer memory = {0};
        assert_int_equal(log_store_read(f->store, 42, 1, 1, &record, &memory, &error), 0);
        assert_int_equal(log_store_is_trimmed(f->store, 42), indexes[i] >= 42);
        buffer_free(&memory);
        if (indexes[i] < 4000) {
            reopen(f);
            expect_reads(f, indexes[i] + 1);
            assert_true(log_store_reset(f->store, indexes[i], &error)); /* of nothing */
            append_one_by_one(f, indexes[i] + 10, 7);
            assert_true(f->begun);
            expect_reads(f, indexes[i] + 1);
            reopen(f);
            expect_reads(f, indexes[i] + 1);
        }
        fixture_free(f);
    }
}

/* Without a restart the numbers of segments go on, and the log that begins with another one than
 * the first is opened by what it says itself. */
static void test_reset_and_go_on(void **state)
{
    (void)state;
    struct fixture *f = log_of_entries(42);
    struct error error;
    for (uint64_t index = 50; index < 1000; index += 50) {
        set_snapshot(f, index, 7);
        f->begun = false;
        assert_true(log_store_reset(f->store, index, &error));
        f->expected.last = index;
        append_one_by_one(f, index + 1 + index % 7, 8);
        assert_true(f->begun);
        if (index % 200 == 0) {
            reopen(f);
        }
        expect_reads(f, index + 1);
    }
    fixture_free(f);
}

static void test_power_cut_while_resetting(void **state)
{
    (void)state;
    bool reset = false;
    uint64_t nth = 0;
    while (!reset) {
        nth++;
        for (uint64_t index = 4; index <= 44; index += 4) {
            for (int loss = 0; loss < 3; loss++) {
                struct fixture *f = log_of_entries(42);
                struct error error;
                set_snapshot(f, index, 7);
                f->begun = false;
                sim_disk_cut_power(f->disk, nth);
                reset = log_store_reset(f->store, index, &error);
                assert_true(reset || !fixture_append(f, index + 1, 7, 1, 10, &error));
                fixture_close(f);
                sim_disk_crash(f->disk, (enum sim_loss)loss);
                f->expected.last = index;
                fixture_open(f, NULL);
                expect_reads(f, index + 1);
                append_one_by_one(f, index + 5, 7);
                reopen(f);
                fixture_free(f);
            }
        }
        assert_true(nth < 100);
    }
    assert_true(nth > 20);
}

/* The first batch of a log that began anew in a later segment, torn at every byte: nobody was told
 * of it. Once the log has begun the same is damage. */
static void test_torn_beginning(void **state)
{
    (void)state;
    struct fixture *f = log_of_entries(42);
    struct error error;
    set_snapshot(f, 100, 7);
    f->begun = false;
    assert_true(log_store_reset(f->store, 100, &error));
    f->expected.last = 100;
    append_one_by_one(f, 101, 7);
    fixture_close(f);
    assert_true(sim_disk_exists(f->disk, segment(12)));
    uint8_t whole[SEGMENT_BYTES];
    memcpy(whole, sim_disk_content(f->disk, segment(12)).data, sizeof whole);
    f->expected.last = 100;
    for (size_t cut = 0; cut < 256; cut++) {
        uint8_t torn[SEGMENT_BYTES] = {0};
        memcpy(torn, whole, cut);
        sim_disk_set_content(f->disk, segment(12), bytes_of(torn, sizeof torn));
        f->begun = true;
        refused_with(f, 100, 7, segment(12), "is damaged at offset 0");
        f->begun = false;
        struct error dropped;
        fixture_open(f, &dropped);
        assert_int_equal(strstr(dropped.text, "dropped a torn batch") != NULL, cut > 0);
        assert_false(sim_disk_exists(f->disk, segment(12)));
        fixture_close(f);
    }
    /* With another batch behind it, it is damage in any case. */
    sim_disk_set_content(f->disk, segment(12), bytes_of(whole, sizeof whole));
    f->expected.last = 101;
    f->begun = true;
    fixture_open(f, NULL);
    append_one_by_one(f, 103, 7);
    fixture_close(f);
    memcpy(whole, sim_disk_content(f->disk, segment(12)).data, sizeof whole);
    for (size_t cut = 0; cut < 256; cut++) {
        uint8_t torn[SEGMENT_BYTES];
        memcpy(torn, whole, sizeof torn);
        memset(torn + cut, 0, 256 - cut);
        sim_disk_set_content(f->disk, segment(12), bytes_of(torn, sizeof torn));
        f->begun = cut % 2 == 0;
        refused_with(f, 100, 7, segment(12), "is damaged at offset 0");
    }
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
        cmocka_unit_test(test_a_lost_log_is_not_a_new_one),
        cmocka_unit_test(test_begin_fails),
        cmocka_unit_test(test_the_log_follows_the_snapshot_or_goes),
        cmocka_unit_test(test_right_behind_the_snapshot),
        cmocka_unit_test(test_power_cut_while_dropping),
        cmocka_unit_test(test_reset),
        cmocka_unit_test(test_reset_and_go_on),
        cmocka_unit_test(test_power_cut_while_resetting),
        cmocka_unit_test(test_torn_beginning),
        cmocka_unit_test(test_flips_in_a_trimmed_log),
        cmocka_unit_test(test_removed_while_reading),
        cmocka_unit_test(test_failures_are_final),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
