/*
 * test_schedule.c - plans of runs: from the seed alone, within the time, by the rules, and fair.
 */
#include <stdlib.h>

#include "../../lib/cmocka_test.h"
#include "schedule.h"

static const struct nemesis some[] = {
    {.name = "cut", .kind = "partition"},   {.name = "ring", .kind = "partition"},
    {.name = "kill", .kind = "process"},    {.name = "pause", .kind = "process"},
    {.name = "slow", .kind = "links"},      {.name = "jump", .kind = "clock"},
    {.name = "full", .kind = "disk"},       {.name = "power", .kind = "disk", .destroys = true},
    {.name = "replace", .kind = "members"}, {.name = "wipe", .kind = "members", .destroys = true},
};
#define SOME (sizeof some / sizeof *some)

static void make(struct schedule *schedule, uint32_t count, uint64_t seed, int64_t time_ms)
{
    const struct nemesis *among[SOME] = {NULL};
    for (uint32_t i = 0; i < count; i++) {
        among[i] = &some[i];
    }
    const struct schedule_choice choice = {among, count, NULL, 0};
    schedule_make(schedule, &choice, seed, time_ms);
}

static uint32_t count_starts(const struct schedule *schedule, const char *name)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < schedule->count; i++) {
        count += schedule->acts[i].kind == ACT_START &&
                 (name == NULL || strcmp(schedule->acts[i].nemesis->name, name) == 0);
    }
    return count;
}

static void test_rules_are_kept(void **state)
{
    static const int64_t times_ms[] = {5000, 10000, 30000, 120000, 1200000};
    (void)state;
    for (uint64_t seed = 0; seed < 400; seed++) {
        for (size_t i = 0; i < sizeof times_ms / sizeof *times_ms; i++) {
            struct schedule schedule;
            make(&schedule, (uint32_t)(seed % (SOME + 1)), seed, times_ms[i]);
            const char *fault = schedule_fault(&schedule, times_ms[i]);
            if (fault != NULL) {
                fail_msg("seed %u, %u ms: %s", (unsigned)seed, (unsigned)times_ms[i], fault);
            }
            schedule_free(&schedule);
        }
    }
}

static void test_same_seed_same_plan(void **state)
{
    struct schedule one;
    struct schedule two;
    struct schedule other;
    (void)state;
    make(&one, SOME, 7, 600000);
    make(&two, SOME, 7, 600000);
    make(&other, SOME, 8, 600000);
    assert_int_equal(one.count, two.count);
    bool differs = one.count != other.count;
    for (uint32_t i = 0; i < one.count; i++) {
        assert_int_equal(one.acts[i].at_ms, two.acts[i].at_ms);
        assert_int_equal(one.acts[i].kind, two.acts[i].kind);
        assert_ptr_equal(one.acts[i].nemesis, two.acts[i].nemesis);
        differs = differs || one.acts[i].at_ms != other.acts[i].at_ms;
    }
    assert_true(differs);
    schedule_free(&one);
    schedule_free(&two);
    schedule_free(&other);
}

/* Nothing that a fault draws is drawn by another, at whatever place, nor by one of a neighbouring
 * plan: seeds are 1, 2, 3, ... where people type them. */
static void test_no_two_faults_draw_the_same(void **state)
{
    enum { SEEDS = 10, MOST = 4000 };
    static uint64_t drawn[MOST];
    uint32_t count = 0;
    (void)state;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct schedule schedule;
        make(&schedule, SOME, seed, 120000);
        for (uint32_t i = 0; i < schedule.count; i++) {
            for (int draws = 0; draws < 4 && schedule.acts[i].kind == ACT_START; draws++) {
                assert_true(count < MOST);
                drawn[count++] = random_next(&schedule.acts[i].random);
            }
        }
        schedule_free(&schedule);
    }
    assert_true(count > SEEDS * 4);
    for (uint32_t i = 0; i < count; i++) {
        for (uint32_t k = 0; k < i; k++) {
            assert_true(drawn[i] != drawn[k]);
        }
    }
}

static void look_at_turns(const uint32_t *turns, uint32_t *least, uint32_t *most)
{
    *least = UINT32_MAX;
    *most = 0;
    for (uint32_t i = 0; i < SOME; i++) {
        *least = turns[i] < *least ? turns[i] : *least;
        *most = turns[i] > *most ? turns[i] : *most;
    }
}

/* Each has its turn before any has its second, up to what waits in the bag at the end. */
static void test_all_have_their_turn(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 50; seed++) {
        struct schedule schedule;
        make(&schedule, SOME, seed, 1200000);
        uint32_t turns[SOME];
        uint32_t least;
        uint32_t most;
        for (uint32_t i = 0; i < SOME; i++) {
            turns[i] = count_starts(&schedule, some[i].name);
        }
        look_at_turns(turns, &least, &most);
        assert_true(least >= 2);
        assert_true(most <= least + 1);
        schedule_free(&schedule);
    }
}

/* Run after run, as in a soak; what one does not come to do at its end is done by the next. */
static void test_runs_share_a_bag(void **state)
{
    enum { RUNS = 12, ENOUGH = 3 };
    const struct nemesis *all[SOME];
    (void)state;
    for (uint32_t i = 0; i < SOME; i++) {
        all[i] = &some[i];
    }
    for (uint64_t seed = 0; seed < 50; seed++) {
        uint32_t turns[SOME] = {0};
        const struct nemesis *first[SOME];
        struct schedule_choice choice = {all, SOME, first, 0};
        for (uint64_t run = 0; run < RUNS; run++) {
            struct schedule schedule;
            uint32_t least;
            uint32_t most;
            schedule_make(&schedule, &choice, seed + run, 60000);
            assert_null(schedule_fault(&schedule, 60000));
            schedule.count -= schedule.count / 4;
            for (uint32_t i = 0; i < SOME; i++) {
                turns[i] += count_starts(&schedule, some[i].name);
            }
            schedule_free(&schedule);
            look_at_turns(turns, &least, &most);
            assert_true(most <= least + 1);
            assert_true(least >= 1 || run < ENOUGH - 1);
            choice.first_count = schedule_owed(all, turns, SOME, first);
        }
    }
}

/* They come before others, in some order; one that can't be done is left out. */
static void test_some_come_first(void **state)
{
    static const struct nemesis elsewhere = {.name = "elsewhere", .kind = "elsewhere"};
    const struct nemesis *all[SOME];
    const struct nemesis *const first[] = {&some[3], &elsewhere, &some[8]};
    (void)state;
    for (uint32_t i = 0; i < SOME; i++) {
        all[i] = &some[i];
    }
    for (uint64_t seed = 0; seed < 50; seed++) {
        struct schedule schedule;
        schedule_make(&schedule, &(struct schedule_choice){all, SOME, first, 3}, seed, 120000);
        uint32_t started = 0;
        for (uint32_t i = 0; i < schedule.count && started < 2; i++) {
            const struct nemesis *nemesis = schedule.acts[i].nemesis;
            if (schedule.acts[i].kind == ACT_START) {
                assert_true(nemesis == &some[3] || nemesis == &some[8]);
                started++;
            }
        }
        assert_int_equal(started, 2);
        assert_int_equal(count_starts(&schedule, "elsewhere"), 0);
        schedule_free(&schedule);
    }
}

/* A run of half a minute has storms too, and several faults at once are not rare. */
static void test_short_runs_and_mixtures(void **state)
{
    uint32_t together = 0;
    (void)state;
    for (uint64_t seed = 0; seed < 100; seed++) {
        struct schedule schedule;
        make(&schedule, SOME, seed, 30000);
        assert_true(count_starts(&schedule, NULL) >= 2);
        for (uint32_t i = 1; i < schedule.count; i++) {
            if (schedule.acts[i - 1].kind == ACT_START && schedule.acts[i].kind == ACT_START) {
                together++;
                break;
            }
        }
        schedule_free(&schedule);
    }
    assert_in_range(together, 30, 99);
}

static void test_nothing_to_choose_from(void **state)
{
    struct schedule schedule;
    (void)state;
    make(&schedule, 0, 3, 60000);
    assert_int_equal(count_starts(&schedule, NULL), 0);
    schedule_free(&schedule);
    make(&schedule, 1, 3, 60000);
    assert_true(count_starts(&schedule, "cut") >= 3);
    schedule_free(&schedule);
}

#define ACT(at, what, of)                                                                          \
    {                                                                                              \
        .at_ms = (at), .kind = ACT_##what, .nemesis = (of)                                         \
    }

/* Each rule, broken by hand. */
static void test_faults_are_found(void **state)
{
    static const struct nemesis *const cut = &some[0], *const ring = &some[1],
                                       *const kill = &some[2], *const power = &some[7];
    static const struct {
        const char *fault;
        struct act acts[5];
        uint32_t count;
    } cases[] = {
        {NULL, {ACT(1, START, cut), ACT(2, START, kill), ACT(3, STOP, cut), ACT(4, STOP, kill)}, 4},
        {NULL, {ACT(1, HEALTH, NULL), ACT(1, START, power), ACT(2, STOP, power)}, 3},
        {"a fault is never stopped", {ACT(1, START, cut)}, 1},
        {"a fault is stopped that is not on", {ACT(1, STOP, cut)}, 1},
        {"two faults that don't go together",
         {ACT(1, START, cut), ACT(2, START, ring), ACT(3, STOP, cut), ACT(3, STOP, ring)},
         4},
        {"two faults that don't go together", {ACT(1, START, cut), ACT(2, START, cut)}, 2},
        {"something is destroyed without a check of the health before",
         {ACT(1, START, power), ACT(2, STOP, power)},
         2},
        {"two faults that don't go together",
         {ACT(1, HEALTH, NULL), ACT(1, START, power), ACT(2, START, kill)},
         3},
        {"the health is checked while a fault is on",
         {ACT(1, START, cut), ACT(2, HEALTH, NULL)},
         2},
        {"an act out of time", {ACT(2, HEALTH, NULL), ACT(1, HEALTH, NULL)}, 2},
        {"an act out of time", {ACT(11, HEALTH, NULL)}, 1},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct schedule schedule = {.acts = (struct act *)cases[i].acts, .count = cases[i].count};
        const char *fault = schedule_fault(&schedule, 10);
        if (cases[i].fault == NULL) {
            assert_null(fault);
        } else {
            assert_non_null(fault);
            assert_string_equal(fault, cases[i].fault);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rules_are_kept),
        cmocka_unit_test(test_same_seed_same_plan),
        cmocka_unit_test(test_no_two_faults_draw_the_same),
        cmocka_unit_test(test_all_have_their_turn),
        cmocka_unit_test(test_runs_share_a_bag),
        cmocka_unit_test(test_some_come_first),
        cmocka_unit_test(test_short_runs_and_mixtures),
        cmocka_unit_test(test_nothing_to_choose_from),
        cmocka_unit_test(test_faults_are_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
