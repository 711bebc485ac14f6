/*
 * test_log_store.c - the log on a disk in memory: what was appended is there again, through
 * truncation, rolls, crashes and restarts; what failed is final.
 */
#include "log_fixture.h"

#include <errno.h>

#include "base/limits.h"

static void test_new_log_is_empty(void **state)
{
    (void)state;
    struct fixture *f = fixture_new(1, 8192);
    struct error torn = {"before"};
    fixture_open(f, &torn);
    assert_string_equal(torn.text, "");
    assert_int_equal(log_store_first_index(f->store), 1);
    assert_int_equal(log_store_disk_bytes(f->store), 0);
    struct log_record record;
    struct buffer memory = {0};
    struct error error;
    assert_int_equal(log_store_read(f->store, 1, 1, 100, &record, &memory, &error), 0);
    assert_non_null(strstr(error.text, "not in the log"));
    buffer_free(&memory);
    fixture_free(f);
}

/* One write and one sync for each append, and another sync and a directory's where a segment
 * begins. */
static void test_cost_of_an_append(void **state)
{
    (void)state;
    struct fixture *f = fixture_new(1, 1u << 20);
    fixture_open(f, NULL);
    fixture_must_append(f, 1, 1, 1, 100);
    uint64_t writes = sim_disk_count(f->disk, SIM_WRITE);
    uint64_t syncs = sim_disk_count(f->disk, SIM_SYNC);
    for (uint64_t i = 0; i < 50; i++) {
        fixture_must_append(f, 2 + i * 3, 1, 3, 100);
    }
    assert_int_equal(sim_disk_count(f->disk, SIM_WRITE), writes + 50);
    assert_int_equal(sim_disk_count(f->disk, SIM_SYNC), syncs + 50);
    assert_int_equal(log_store_disk_bytes(f->store), 1u << 20);
    fixture_free(f);
}

/* More than one batch takes is split, and still one append. */
static void test_huge_append_is_split(void **state)
{
    (void)state;
    struct fixture *f = fixture_new(1, LOG_SEGMENT_BYTES);
    fixture_open(f, NULL);
    fixture_must_append(f, 1, 1, 5, LIMIT_ENTRY_BYTES); /* 30 MiB: batches of 2, 2, 1 */
    fixture_must_append(f, 6, 1, 1, 10);
    assert_int_equal(sim_disk_count(f->disk, SIM_WRITE), 4);
    fixture_close(f);
    fixture_open(f, NULL);
    fixture_free(f);
}

static void test_batch_larger_than_a_segment(void **state)
{
    (void)state;
    struct fixture *f = fixture_new(1, 1024);
    fixture_open(f, NULL);
    fixture_must_append(f, 1, 1, 1, 5000);
    fixture_must_append(f, 2, 1, 1, 10);
    fixture_close(f);
    fixture_open(f, NULL);
    fixture_free(f);
}

static void test_segments_roll(void **state)
{
    (void)state;
    struct fixture *f = fixture_new(1, 1024);
    fixture_open(f, NULL);
    for (uint64_t i = 1; i <= 40; i++) {
        fixture_must_append(f, i, 1, 1, 150); /* 256 bytes: four fill a segment wholly */
    }
    assert_int_equal(log_store_disk_bytes(f->store), 10 * 1024);
    assert_true(sim_disk_exists(f->disk, FIXTURE_LOG "/0000000000000010.log"));
    assert_false(sim_disk_exists(f->disk, FIXTURE_LOG "/0000000000000011.log"));
    fixture_close(f);
    fixture_open(f, NULL);
    assert_int_equal(log_store_disk_bytes(f->store), 10 * 1024);
    fixture_must_append(f, 41, 1, 1, 150);
    assert_true(sim_disk_exists(f->disk, FIXTURE_LOG "/0000000000000011.log"));
    fixture_close(f);
    fixture_open(f, NULL);
    fixture_free(f);
}

static void test_truncation_replaces_the_end(void **state)
{
    (void)state;
    struct fixture *f = fixture_new(1, 2048);
    fixture_open(f, NULL);
    fixture_must_append(f, 1, 1, 10, 50);
    fixture_must_append(f, 11, 1, 10, 50);
    fixture_must_append(f, 15, 2, 2, 60); /* in the middle of a batch */
    fixture_must_append(f, 17, 2, 1, 60);
    fixture_must_append(f, 11, 3, 1, 70); /* at the beginning of one, over several */
    fixture_close(f);
    fixture_open(f, NULL);
    fixture_must_append(f, 1, 4, 3, 70); /* everything */
    fixture_must_append(f, 4, 4, 3, 0);
    fixture_close(f);
    fixture_open(f, NULL);
    assert_int_equal(f->expected.last, 6);
    fixture_free(f);
}

static void check_read(struct fixture *f, uint64_t first, size_t max_count, size_t max_bytes,
                       struct buffer *memory)
{
    static struct log_record records[512];
    assert_true(max_count <= 512);
    struct error error = {""};
    size_t count = log_store_read(f->store, first, max_count, max_bytes, records, memory, &error);
    if (count == 0) {
        fail_msg("%s", error.text);
    }
    assert_true(count <= max_count);
    size_t bytes = 0;
    for (size_t i = 0; i < count; i++) {
        fixture_check(&records[i], first + i, f->expected.entries[first - 1 + i].term,
                      f->expected.entries[first - 1 + i].len);
        bytes += records[i].data.len;
    }
    assert_true(count == 1 || bytes <= max_bytes);
}

static void test_reads_of_every_range(void **state)
{
    (void)state;
    struct fixture *f = fixture_new(1, 4096);
    struct buffer memory = {0};
    fixture_open(f, NULL);
    uint64_t random = 5;
    while (f->expected.last < 60) {
        uint64_t back = fixture_random(&random) % 4;
        uint64_t first = back > f->expected.last ? 1 : f->expected.last + 1 - back;
        fixture_must_append(f, first, 1 + f->expected.last, 1 + fixture_random(&random) % 5,
                            fixture_random(&random) % 600);
    }
    for (uint64_t first = 1; first <= f->expected.last; first++) {
        for (size_t count = 1; count <= 20; count++) {
            check_read(f, first, count, 100000, &memory);
            check_read(f, first, count, 1000, &memory);
            check_read(f, first, count, 0, &memory);
        }
        check_read(f, first, 512, SIZE_MAX, &memory);
    }
    /* What is asked for wholly, and lies in few batches, is given wholly. */
    struct log_record records[512];
    struct error error;
    assert_int_equal(log_store_read(f->store, 1, 512, SIZE_MAX, records, &memory, &error),
                     f->expected.last);
    assert_int_equal(log_store_read(f->store, 3, 7, SIZE_MAX, records, &memory, &error), 7);
    assert_int_equal(log_store_read(f->store, 0, 1, 1, records, &memory, &error), 0);
    assert_int_equal(log_store_read(f->store, f->expected.last + 1, 1, 1, records, &memory, &error),
                     0);
    buffer_free(&memory);
    fixture_free(f);
}

static void test_read_notices_damage(void **state)
{
    (void)state;
    struct fixture *f = fixture_new(1, 4096);
    fixture_open(f, NULL);
    fixture_must_append(f, 1, 1, 2, 100);
    fixture_must_append(f, 3, 1, 2, 100);
    sim_disk_flip(f->disk, FIXTURE_LOG "/0000000000000001.log", 150, 4);
    struct log_record records[4];
    struct buffer memory = {0};
    struct error error;
    assert_int_equal(log_store_read(f->store, 2, 1, 100, records, &memory, &error), 0);
    assert_non_null(strstr(error.text, "0000000000000001.log is damaged at offset 0"));
    assert_int_equal(log_store_read(f->store, 3, 2, 1000, records, &memory, &error), 2);
    buffer_free(&memory);
    fixture_free(f);
}

/* The visitor can end the opening with its own words. */
static bool refuse_third(void *context, const struct log_record *record, struct error *error)
{
    (void)context;
    return record->index < 3 || error_set(error, "no thirds");
}

static void test_visitor_refuses(void **state)
{
    (void)state;
    struct fixture *f = fixture_new(1, 4096);
    fixture_open(f, NULL);
    fixture_must_append(f, 1, 1, 5, 100);
    fixture_close(f);
    struct log_store_options options = fixture_options(f);
    struct error error;
    assert_null(log_store_open(&options, refuse_third, NULL, NULL, &error));
    assert_string_equal(error.text, "no thirds");
    fixture_free(f);
}

static void expect_final(struct fixture *f)
{
    struct error error = {""};
    assert_false(fixture_append(f, f->expected.last + 1, 1, 1, 10, &error));
    assert_non_null(strstr(error.text, "failed before"));
    struct log_record record;
    struct buffer memory = {0};
    assert_int_equal(log_store_read(f->store, 1, 1, 10, &record, &memory, &error), 0);
    assert_non_null(strstr(error.text, "failed before"));
    buffer_free(&memory);
}

static bool reads_as_expected(struct fixture *f, struct error *error);

/* Whatever fails is final, and what was acknowledged before is there after the restart. */
static void test_failures_are_final(void **state)
{
    (void)state;
    const struct {
        enum sim_operation operation;
        int code;
        const char *words;
    } cases[] = {
        {SIM_WRITE, EIO, "Input/output error"},    {SIM_WRITE, ENOSPC, "No space left"},
        {SIM_SYNC, EIO, "Input/output error"},     {SIM_ALLOCATE, ENOSPC, "No space left"},
        {SIM_OPEN, EMFILE, "Too many open files"}, {SIM_SYNC_DIRECTORY, EIO, "Input/output"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        for (uint64_t seed = 1; seed <= 20; seed++) {
            struct fixture *f = fixture_new(seed, 1024);
            fixture_open(f, NULL);
            for (uint64_t k = 1; k <= 4; k++) {
                fixture_must_append(f, k, 1, 1, 150); /* the segment is full: the next one rolls */
            }
            sim_disk_fail(f->disk, cases[i].operation, 1, cases[i].code);
            struct error error = {""};
            assert_false(fixture_append(f, 5, 1, 1, 150, &error));
            assert_non_null(strstr(error.text, cases[i].words));
            assert_non_null(strstr(error.text, FIXTURE_LOG));
            expect_final(f);
            fixture_close(f);
            if (seed % 2 == 0) {
                sim_disk_kill(f->disk);
            } else {
                sim_disk_crash(f->disk, SIM_LOSE_SOME);
            }
            assert_true(reads_as_expected(f, &error));
            fixture_must_append(f, f->expected.last + 1, 2, 1, 10);
            fixture_close(f);
            fixture_open(f, NULL);
            fixture_free(f);
        }
    }
}

static void test_disk_full(void **state)
{
    (void)state;
    struct fixture *f = fixture_new(1, 4096);
    fixture_open(f, NULL);
    sim_disk_set_capacity(f->disk, 10000); /* two segments */
    struct error error = {""};
    uint64_t appended = 0;
    while (fixture_append(f, appended + 1, 1, 1, 450, &error)) {
        appended++;
        assert_true(appended < 100);
    }
    assert_int_equal(appended, 14); /* 576 bytes each, seven in a segment */
    assert_non_null(strstr(error.text, "No space left"));
    expect_final(f);
    fixture_close(f);
    sim_disk_set_capacity(f->disk, UINT64_MAX);
    fixture_open(f, NULL);
    fixture_must_append(f, 15, 1, 1, 450);
    fixture_free(f);
}

/* Opens; the batch under way (expected.last + 1 .., the same length as given) may have made it. */
static bool reads_as_expected(struct fixture *f, struct error *error)
{
    struct log_store_options options = fixture_options(f);
    f->store = log_store_open(&options, NULL, NULL, NULL, error);
    if (f->store == NULL) {
        return false;
    }
    uint64_t last = log_store_last_index(f->store);
    if (last == f->expected.last + 1) {
        f->expected.entries[last - 1].term = 1;
        f->expected.entries[last - 1].len = 150;
        f->expected.last = last;
    }
    fixture_close(f);
    fixture_open(f, NULL); /* compares */
    return true;
}

/* What open has shown is durable, even when the batch only stood in the page cache, and even when
 * the sync that should have written it had failed. */
static void test_shown_is_durable(void **state)
{
    (void)state;
    uint64_t shown = 0;
    for (uint64_t seed = 1; seed <= 100; seed++) {
        struct fixture *f = fixture_new(seed, 4096);
        fixture_open(f, NULL);
        fixture_must_append(f, 1, 1, 1, 150);
        struct error error;
        if (seed % 2 == 0) {
            sim_disk_fail(f->disk, SIM_SYNC, 1, EIO);
        } else {
            sim_disk_fail(f->disk, SIM_SYNC, 1, EINTR); /* killed in the middle */
        }
        assert_false(fixture_append(f, 2, 1, 1, 150, &error));
        fixture_close(f);
        sim_disk_kill(f->disk);
        assert_true(reads_as_expected(f, &error));
        shown += f->expected.last == 2;
        fixture_close(f);
        sim_disk_crash(f->disk, SIM_LOSE_ALL);
        fixture_open(f, NULL);
        fixture_free(f);
    }
    assert_int_equal(shown, 100); /* the page cache always has it */
}

/* One operation of the random test, planned before it is done: a crash leaves the log either as it
 * was before or as planned. */
struct plan {
    uint64_t first;
    uint64_t term;
    size_t count;
    size_t len;
};

static void apply_plan(struct expected_log *expected, const struct plan *plan)
{
    for (size_t i = 0; i < plan->count; i++) {
        expected->entries[plan->first - 1 + i].term = plan->term;
        expected->entries[plan->first - 1 + i].len = plan->len;
    }
    expected->last = plan->first + plan->count - 1;
}

static bool first_of_plan(void *context, const struct log_record *record, struct error *error)
{
    (void)error;
    struct plan *found = context;
    if (record->index == found->first) {
        found->term = record->term;
    }
    found->count = record->index; /* the last one: none that was replaced stands behind it */
    return true;
}

/* Power is cut in the middle of an operation: of this append, or of the opening after it. */
static void crash_in_the_middle(struct fixture *f, const struct plan *plan, uint64_t *random)
{
    struct error error;
    sim_disk_cut_power(f->disk, 1 + fixture_random(random) % 8);
    bool appended = fixture_append(f, plan->first, plan->term, plan->count, plan->len, &error);
    fixture_close(f);
    enum sim_loss losses[] = {SIM_LOSE_ALL, SIM_LOSE_SOME, SIM_LOSE_SOME, SIM_LOSE_NONE};
    sim_disk_crash(f->disk, losses[fixture_random(random) % 4]);

    struct log_store_options options = fixture_options(f);
    struct log_store *store;
    struct plan found;
    do {
        /* The opening itself is cut, now and then, until it comes through. */
        found = (struct plan){.first = plan->first};
        sim_disk_cut_power(f->disk, fixture_random(random) % 4);
        store = log_store_open(&options, first_of_plan, &found, NULL, &error);
        if (store == NULL) {
            if (sim_disk_has_power(f->disk)) {
                fail_msg("%s", error.text);
            }
            sim_disk_crash(f->disk, SIM_LOSE_SOME);
        }
    } while (store == NULL);
    sim_disk_cut_power(f->disk, 0);
    log_store_close(store);
    bool there = found.count == plan->first + plan->count - 1 && found.term == plan->term;
    assert_true(there || !appended);
    if (there && !appended) {
        apply_plan(&f->expected, plan);
    }
}

static void run_random(uint64_t seed)
{
    uint64_t random = seed;
    struct fixture *f = fixture_new(seed, 512u << (seed % 5));
    fixture_open(f, NULL);
    uint64_t term = 1;
    for (int step = 0; step < 120; step++) {
        uint64_t what = fixture_random(&random) % 10;
        struct plan plan = {.first = f->expected.last + 1, .term = ++term};
        if (what == 0 && f->expected.last > 0) {
            plan.first = 1 + fixture_random(&random) % f->expected.last;
        }
        plan.count = 1 + fixture_random(&random) % 6;
        plan.len = fixture_random(&random) % (fixture_random(&random) % 3 == 0 ? 900 : 60);
        if (what <= 6) {
            fixture_must_append(f, plan.first, plan.term, plan.count, plan.len);
        } else if (what <= 8) {
            crash_in_the_middle(f, &plan, &random);
            fixture_open(f, NULL);
        } else {
            fixture_close(f);
            sim_disk_kill(f->disk);
            fixture_open(f, NULL);
        }
    }
    fixture_free(f);
}

static void test_random(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 200; seed++) {
        run_random(seed);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_new_log_is_empty),
        cmocka_unit_test(test_cost_of_an_append),
        cmocka_unit_test(test_huge_append_is_split),
        cmocka_unit_test(test_batch_larger_than_a_segment),
        cmocka_unit_test(test_segments_roll),
        cmocka_unit_test(test_truncation_replaces_the_end),
        cmocka_unit_test(test_reads_of_every_range),
        cmocka_unit_test(test_read_notices_damage),
        cmocka_unit_test(test_visitor_refuses),
        cmocka_unit_test(test_failures_are_final),
        cmocka_unit_test(test_disk_full),
        cmocka_unit_test(test_shown_is_durable),
        cmocka_unit_test(test_random),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
