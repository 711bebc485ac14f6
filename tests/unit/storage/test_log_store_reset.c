/*
 * test_log_store_reset.c - a log held against the snapshot that the manifest names: it follows it,
 * is replaced by it, or lacks what it should have; and one that begins anew behind it.
 */
#include "log_trim_fixture.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_lost_log_is_not_a_new_one),
        cmocka_unit_test(test_begin_fails),
        cmocka_unit_test(test_the_log_follows_the_snapshot_or_goes),
        cmocka_unit_test(test_right_behind_the_snapshot),
        cmocka_unit_test(test_power_cut_while_dropping),
        cmocka_unit_test(test_reset),
        cmocka_unit_test(test_reset_and_go_on),
        cmocka_unit_test(test_power_cut_while_resetting),
        cmocka_unit_test(test_torn_beginning),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
