/* The nodes' wall clocks: what is known of them, and the time that a majority bears out. */
#include "cmocka_test.h"

#include "core/wall_clocks.h"

#define DAY_MS INT64_C(86400000)
#define NOW_MS INT64_C(1750000000000) /* what a right clock shows when monotonic_ms is 1000 */

static const uint64_t voters[] = {1, 2, 3, 4, 5};

/* The peer was asked at 1000 - round and answers at once: at 1000 it shows NOW_MS + off. */
static void tell(struct wall_clocks *clocks, uint64_t id, int64_t off_ms, uint64_t round_ms)
{
    wall_clocks_answered(clocks, id, 1000 - round_ms, NOW_MS + off_ms, 1, 1000);
}

static struct wall_time told(const struct wall_clocks *clocks, size_t voter_count, int64_t own_off)
{
    return wall_clocks_time(clocks, 1, voters, voter_count, 1000, NOW_MS + own_off);
}

static void agreeing_clocks_leave_the_own_one(void **state)
{
    (void)state;
    struct wall_clocks clocks = {0};
    tell(&clocks, 2, 20, 0);
    tell(&clocks, 3, -20, 0);
    struct wall_time time = told(&clocks, 3, 300);
    assert_true(time.is_known && time.is_own && !time.is_lone);
    assert_int_equal(time.ms, NOW_MS + 300);
    assert_int_equal(time.borne_ms, NOW_MS + 20);
}

static void an_own_clock_that_is_far_ahead_is_not_gone_by(void **state)
{
    (void)state;
    struct wall_clocks clocks = {0};
    tell(&clocks, 2, 0, 0);
    tell(&clocks, 3, -20, 0);
    struct wall_time time = told(&clocks, 3, 3650 * DAY_MS);
    assert_true(time.is_known && !time.is_own);
    assert_int_equal(time.ms, NOW_MS);
    assert_int_equal(time.own_ms, NOW_MS + 3650 * DAY_MS);
    assert_true(told(&clocks, 3, LIMIT_CLOCK_SKEW_MS).is_own);
    assert_false(told(&clocks, 3, LIMIT_CLOCK_SKEW_MS + 1).is_own);
}

static void nor_one_that_is_far_behind(void **state)
{
    (void)state;
    struct wall_clocks clocks = {0};
    tell(&clocks, 2, 0, 0);
    tell(&clocks, 3, -20, 0);
    struct wall_time time = told(&clocks, 3, -DAY_MS);
    assert_true(time.is_known && !time.is_own);
    assert_int_equal(time.ms, NOW_MS - 20);
}

/* Any minority of wrong clocks, ahead or behind. */
static void a_minority_moves_nothing(void **state)
{
    (void)state;
    static const int64_t offs_ms[] = {-DAY_MS, 0, DAY_MS};
    for (size_t i = 0; i < 9; i++) {
        struct wall_clocks clocks = {0};
        tell(&clocks, 2, offs_ms[i % 3], 0);
        tell(&clocks, 3, offs_ms[i / 3], 0);
        tell(&clocks, 4, 5, 0);
        tell(&clocks, 5, 10, 0);
        struct wall_time time = told(&clocks, 5, 0);
        assert_true(time.is_own);
        assert_in_range(time.borne_ms, NOW_MS, NOW_MS + 10);
    }
}

/* Of two that differ one can't be right, and nobody knows which: the earlier one does less harm. */
static void who_is_not_heard_of_bears_nothing_out(void **state)
{
    (void)state;
    struct wall_clocks clocks = {0};
    assert_false(told(&clocks, 3, 0).is_known);
    tell(&clocks, 2, 0, 0);
    assert_int_equal(told(&clocks, 3, DAY_MS).ms, NOW_MS);
    assert_int_equal(told(&clocks, 3, -DAY_MS).ms, NOW_MS - DAY_MS);
    assert_false(told(&clocks, 5, 0).is_known);
    /* Two voters: both must have reached it. */
    assert_int_equal(told(&clocks, 2, DAY_MS).ms, NOW_MS);
    assert_true(told(&clocks, 4, 0).is_known == false);
}

static void who_does_not_vote_does_not_count(void **state)
{
    (void)state;
    struct wall_clocks clocks = {0};
    tell(&clocks, 4, 0, 0);
    tell(&clocks, 5, 0, 0);
    assert_false(told(&clocks, 3, 0).is_known);
}

static void a_lone_voter_is_its_own_majority(void **state)
{
    (void)state;
    struct wall_clocks clocks = {0};
    struct wall_time time = told(&clocks, 1, 5 * DAY_MS);
    assert_true(time.is_known && time.is_own && time.is_lone);
    assert_int_equal(time.ms, NOW_MS + 5 * DAY_MS);
    /* Another one's standby asks it, and is not alone. */
    tell(&clocks, 2, 0, 0);
    time = wall_clocks_time(&clocks, 1, voters + 1, 1, 1000, NOW_MS + DAY_MS);
    assert_true(time.is_known && !time.is_own && !time.is_lone);
    assert_int_equal(time.ms, NOW_MS);
}

/* ---- errors of what is known ---- */

static void an_answer_that_took_long_says_little(void **state)
{
    (void)state;
    struct wall_clocks clocks = {0};
    tell(&clocks, 2, 0, 800);
    assert_int_equal(told(&clocks, 2, 900).borne_ms, NOW_MS);        /* the least that it shows */
    assert_true(told(&clocks, 2, LIMIT_CLOCK_SKEW_MS + 800).is_own); /* it may be right */
    assert_false(told(&clocks, 2, LIMIT_CLOCK_SKEW_MS + 801).is_own);
    int64_t off_ms;
    assert_true(wall_clocks_offset(&clocks, 2, 1000, NOW_MS, &off_ms));
    assert_int_equal(off_ms, 400);
    struct wall_clocks none = {0};
    wall_clocks_answered(&none, 2, 1000, NOW_MS, 7, 1001 + LIMIT_CLOCK_ROUND_MS);
    assert_false(wall_clocks_of(&none, 2)->is_known);
    assert_int_equal(wall_clocks_of(&none, 2)->ledger_version_known, 7);
}

static void a_clock_goes_on_and_is_forgotten(void **state)
{
    (void)state;
    struct wall_clocks clocks = {0};
    int64_t off_ms;
    tell(&clocks, 2, 0, 0);
    struct wall_time time = wall_clocks_time(&clocks, 1, voters, 2, 1000 + LIMIT_CLOCK_AGE_MS,
                                             NOW_MS + LIMIT_CLOCK_AGE_MS + 10);
    assert_int_equal(time.borne_ms, NOW_MS + LIMIT_CLOCK_AGE_MS);
    time = wall_clocks_time(&clocks, 1, voters, 2, 1001 + LIMIT_CLOCK_AGE_MS, NOW_MS);
    assert_false(time.is_known);
    assert_false(wall_clocks_offset(&clocks, 2, 1001 + LIMIT_CLOCK_AGE_MS, NOW_MS, &off_ms));
    assert_false(wall_clocks_offset(&clocks, 3, 1000, NOW_MS, &off_ms));
}

static void answers_of_another_life_and_overtaken_ones_do_not_count(void **state)
{
    (void)state;
    struct wall_clocks clocks = {0};
    wall_clocks_answered(&clocks, 2, 1001, NOW_MS, 1, 1000);
    assert_false(wall_clocks_of(&clocks, 2)->is_known);
    wall_clocks_answered(&clocks, 2, 990, NOW_MS, 1, 1000);
    wall_clocks_answered(&clocks, 2, 980, NOW_MS + DAY_MS, 2, 1000);
    assert_int_equal(wall_clocks_of(&clocks, 2)->ledger_version_known, 1);
    int64_t off_ms;
    assert_true(wall_clocks_offset(&clocks, 2, 1000, NOW_MS, &off_ms));
    assert_int_equal(off_ms, 5);
    /* Somebody else may be behind the address now. */
    wall_clocks_connected(&clocks, 2);
    assert_false(wall_clocks_of(&clocks, 2)->is_known);
    assert_int_equal(wall_clocks_of(&clocks, 2)->ledger_version_known, 0);
}

static void peers_are_asked_each_second_and_sooner_while_unknown(void **state)
{
    (void)state;
    struct wall_clocks clocks = {0};
    assert_true(wall_clocks_ask(&clocks, 2, 1000));
    assert_true(wall_clocks_ask(&clocks, 3, 1000));
    assert_false(wall_clocks_ask(&clocks, 2, 1000 + CLOCK_ASK_SOON_MS - 1));
    assert_true(wall_clocks_ask(&clocks, 2, 1000 + CLOCK_ASK_SOON_MS));
    wall_clocks_answered(&clocks, 2, 1100, NOW_MS, 1, 1101);
    assert_false(wall_clocks_ask(&clocks, 2, 1099 + CLOCK_ASK_MS));
    assert_true(wall_clocks_ask(&clocks, 2, 1100 + CLOCK_ASK_MS));
    wall_clocks_connected(&clocks, 2);
    assert_true(wall_clocks_ask(&clocks, 2, 1101 + CLOCK_ASK_MS));
}

/* A cluster whose nodes are replaced one by one, each by one with a new id, for as long as this
 * node runs: those who are members now are asked and known all the same. */
static void who_was_asked_longest_ago_makes_room(void **state)
{
    (void)state;
    struct wall_clocks clocks = {0};
    uint64_t now_ms = 1000;
    for (uint64_t id = 2; id < UINT64_C(4) * LIMIT_PEERS_KNOWN; id++) {
        const uint64_t members[] = {1, id, id + 1};
        now_ms += CLOCK_ASK_MS;
        for (size_t i = 1; i < 3; i++) {
            wall_clocks_connected(&clocks, members[i]);
            assert_true(wall_clocks_ask(&clocks, members[i], now_ms));
            wall_clocks_answered(&clocks, members[i], now_ms, NOW_MS, 1, now_ms);
        }
        assert_true(wall_clocks_time(&clocks, 1, members, 3, now_ms, NOW_MS + DAY_MS).is_known);
        assert_int_equal(wall_clocks_time(&clocks, 1, members, 3, now_ms, NOW_MS + DAY_MS).borne_ms,
                         NOW_MS);
    }
}

/* Who only connects, or answers what nobody asked, takes no place from a member. */
static void strangers_take_no_place(void **state)
{
    (void)state;
    struct wall_clocks clocks = {0};
    assert_true(wall_clocks_ask(&clocks, 2, 1000));
    tell(&clocks, 2, 0, 0);
    for (uint64_t id = 3; id < UINT64_C(4) * LIMIT_PEERS_KNOWN; id++) {
        wall_clocks_connected(&clocks, id);
        tell(&clocks, id, DAY_MS, 0);
    }
    assert_int_equal(told(&clocks, 2, 0).borne_ms, NOW_MS);
    assert_true(wall_clocks_ask(&clocks, UINT64_C(4) * LIMIT_PEERS_KNOWN, 1000));
    assert_true(told(&clocks, 2, 0).is_known);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agreeing_clocks_leave_the_own_one),
        cmocka_unit_test(an_own_clock_that_is_far_ahead_is_not_gone_by),
        cmocka_unit_test(nor_one_that_is_far_behind),
        cmocka_unit_test(a_minority_moves_nothing),
        cmocka_unit_test(who_is_not_heard_of_bears_nothing_out),
        cmocka_unit_test(who_does_not_vote_does_not_count),
        cmocka_unit_test(a_lone_voter_is_its_own_majority),
        cmocka_unit_test(an_answer_that_took_long_says_little),
        cmocka_unit_test(a_clock_goes_on_and_is_forgotten),
        cmocka_unit_test(answers_of_another_life_and_overtaken_ones_do_not_count),
        cmocka_unit_test(peers_are_asked_each_second_and_sooner_while_unknown),
        cmocka_unit_test(who_was_asked_longest_ago_makes_room),
        cmocka_unit_test(strangers_take_no_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
