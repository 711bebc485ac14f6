/* The clock of log entries: never back, slewed within a lead, stepped only where a majority bears
 * it out, and fair to holds whatever the clocks show. */
#include "cmocka_test.h"

#include "core/ledger_clock.h"

#define HOUR_MS INT64_C(3600000)

/* A majority bears out that it is this late. */
static struct wall_time at(int64_t ms)
{
    return (struct wall_time){.is_known = true, .is_own = true, .ms = ms, .own_ms = ms};
}

static struct wall_time alone_at(int64_t ms)
{
    struct wall_time wall = at(ms);
    wall.is_lone = true;
    return wall;
}

/* Nobody's clock is known but the own one. */
static struct wall_time unknown(int64_t own_ms)
{
    return (struct wall_time){.own_ms = own_ms};
}

static struct ledger_stamp lead(struct ledger_clock *clock, uint64_t monotonic_ms,
                                struct wall_time wall, int64_t applied_ms)
{
    return ledger_clock_lead(clock, monotonic_ms, &wall, applied_ms);
}

static struct ledger_stamp stamp(struct ledger_clock *clock, uint64_t monotonic_ms,
                                 struct wall_time wall)
{
    return ledger_clock_stamp(clock, monotonic_ms, &wall, 0);
}

static void first_leader_of_a_new_ledger(void **state)
{
    (void)state;
    struct ledger_clock clock = {0};
    assert_int_equal(lead(&clock, 5000, at(1000000), 0).time_ms, 1000000);
    assert_int_equal(stamp(&clock, 5007, at(1000007)).time_ms, 1000007);
}

static void time_that_is_behind_the_last_stamp_does_not_take_it_back(void **state)
{
    (void)state;
    struct ledger_clock clock = {0};
    assert_int_equal(lead(&clock, 5000, at(900000), 1000000).time_ms, 1000000);
}

static void credit_is_the_time_without_a_leader(void **state)
{
    (void)state;
    struct ledger_clock clock = {0};
    ledger_clock_heard(&clock, 4000, 1059300, 1059300);
    struct ledger_stamp barrier = lead(&clock, 4700, at(1060000), 1000000);
    assert_int_equal(barrier.time_ms, 1060000);
    assert_int_equal(barrier.credit_ms, 700); /* not the minute in which nobody ordered */
}

/* What the clocks of two leaders differ by is nobody's time. */
static void a_difference_of_clocks_is_credited_too(void **state)
{
    (void)state;
    struct ledger_clock clock = {0};
    ledger_clock_heard(&clock, 4000, 0, 1000000);
    struct ledger_stamp barrier = lead(&clock, 4700, at(1000700 + HOUR_MS), 999000);
    assert_int_equal(barrier.time_ms, 1000700 + HOUR_MS);
    assert_int_equal(barrier.credit_ms, 700 + HOUR_MS);
    /* Behind: time stands, and so do holds. */
    ledger_clock_heard(&clock, 9000, 0, 5000000);
    barrier = lead(&clock, 9700, at(4000000), 4999000);
    assert_int_equal(barrier.time_ms, 4999000);
    assert_int_equal(barrier.credit_ms, 0);
}

/* The own wall clock jumps during the outage: the credit is what it was. */
static void no_wall_clock_has_a_part_in_the_credit(void **state)
{
    (void)state;
    static const int64_t jumps_ms[] = {-HOUR_MS, 0, HOUR_MS};
    for (size_t i = 0; i < 3; i++) {
        struct ledger_clock clock = {0};
        ledger_clock_heard(&clock, 4000, 1000000, 1000000);
        struct wall_time wall = at(1000700);
        wall.own_ms += jumps_ms[i];
        assert_int_equal(lead(&clock, 4700, wall, 999000).credit_ms, 700);
    }
}

/* The leader itself is elected again, after a time in which nobody wrote and a shorter one in which
 * it had no quorum. */
static void an_idle_leader_is_no_outage(void **state)
{
    (void)state;
    struct ledger_clock clock = {0};
    lead(&clock, 5000, at(1000000), 0);
    ledger_clock_begun(&clock);
    for (uint64_t ms = 5050; ms <= 65000; ms += 50) {
        ledger_clock_leading(&clock, ms);
    }
    assert_in_range(lead(&clock, 65700, at(1060700), 1000000).credit_ms, 700, 750);
}

/* Stopped (SIGSTOP, a suspended machine), it looks before it learns that it leads no more. */
static void a_stopped_leader_does_not_lead(void **state)
{
    (void)state;
    struct ledger_clock clock = {0};
    lead(&clock, 5000, at(1000000), 0);
    ledger_clock_begun(&clock);
    ledger_clock_leading(&clock, 5050);
    ledger_clock_leading(&clock, 65000);
    assert_in_range(lead(&clock, 65100, at(1060100), 1000000).credit_ms, 60000, 60100);
}

/* The ledger bounds it by what has passed since the last entry, which may not be applied here yet:
 * after a restart nothing may be. */
static void a_restart_credits_without_bound(void **state)
{
    (void)state;
    struct ledger_clock clock = {0};
    assert_int_equal(lead(&clock, 100, at(1030000), 1000000).credit_ms, 1030000);
    struct ledger_clock nothing_applied = {0};
    assert_int_equal(lead(&nothing_applied, 100, at(1030000), 0).credit_ms, 1030000);
}

static void a_leader_with_holds_is_not_silent_for_long(void **state)
{
    (void)state;
    struct ledger_clock clock = {0};
    lead(&clock, 5000, at(1000000), 0);
    assert_false(ledger_clock_is_idle(&clock, 5000 + LEDGER_IDLE_STAMP_MS - 1));
    assert_true(ledger_clock_is_idle(&clock, 5000 + LEDGER_IDLE_STAMP_MS));
    stamp(&clock, 5000 + LEDGER_IDLE_STAMP_MS, at(1010000));
    assert_false(ledger_clock_is_idle(&clock, 5001 + LEDGER_IDLE_STAMP_MS));
}

/* One second of real time moves the ledger by 0.9 to 1.1 s. */
static void a_jump_of_the_time_is_slewed(void **state)
{
    (void)state;
    struct ledger_clock clock = {0};
    lead(&clock, 0, alone_at(1000000), 0);
    int64_t later = 0;
    for (uint64_t t = 10; t <= 1000; t += 10) {
        later = stamp(&clock, t, alone_at(1000000 + (int64_t)t + HOUR_MS)).time_ms;
    }
    assert_in_range(later, 1001050, 1001100);
    /* And back by a day: never back. */
    int64_t before = later;
    for (uint64_t t = 1010; t <= 3000; t += 10) {
        int64_t now = stamp(&clock, t, alone_at(1000000 - 24 * HOUR_MS)).time_ms;
        assert_true(now >= before);
        before = now;
    }
    assert_in_range(before, later + 1750, later + 2000);
}

/* Even over a long silence. */
static void ledger_time_ahead_of_everybody_runs_at_nine_tenths(void **state)
{
    (void)state;
    struct ledger_clock clock = {0};
    lead(&clock, 0, at(1000000), 1000000 + HOUR_MS);
    assert_int_equal(stamp(&clock, 600000, at(1600000)).time_ms, 1000000 + HOUR_MS + 540000);
    /* Once they have caught up it runs as they do. */
    struct ledger_stamp last = {0};
    for (uint64_t t = 660000; t <= 40000000; t += 60000) {
        last = stamp(&clock, t, at(1000000 + (int64_t)t));
        assert_int_equal(last.credit_ms, 0);
    }
    assert_int_equal(last.time_ms, 1000000 + 39960000);
}

static void small_drift_is_followed(void **state)
{
    (void)state;
    struct ledger_clock clock = {0};
    lead(&clock, 0, at(1000000), 0);
    /* The wall runs 1 % faster than the monotonic clock. */
    int64_t now = 0;
    for (uint64_t t = 1; t <= 100000; t++) {
        now = stamp(&clock, t, at(1000000 + (int64_t)(t + t / 100))).time_ms;
    }
    assert_in_range(now, 1000000 + 101000 - 20, 1000000 + 101000 + 20);
}

/* All clocks of the cluster were wrong, and have been set. */
static void a_majority_far_ahead_is_followed_at_once_and_credited(void **state)
{
    (void)state;
    struct ledger_clock clock = {0};
    lead(&clock, 0, at(1000000), 0);
    struct ledger_stamp entry = stamp(&clock, 50, at(1000050 + LIMIT_CLOCK_STEP_MS));
    assert_int_equal(entry.time_ms, 1000050); /* not beyond the limit: slewed */
    entry = stamp(&clock, 60, at(1000060 + HOUR_MS));
    assert_int_equal(entry.time_ms, 1000060 + HOUR_MS);
    assert_int_equal(entry.credit_ms, HOUR_MS);
    entry = stamp(&clock, 70, at(1000070 + HOUR_MS));
    assert_int_equal(entry.time_ms, 1000070 + HOUR_MS);
    assert_int_equal(entry.credit_ms, 0);
}

/* What lies behind an entry that may be lost is not told: a next leader would take it for time that
 * was led, without the credit that the entry gave. */
static void what_may_be_lost_is_not_told(void **state)
{
    (void)state;
    struct ledger_clock clock = {0};
    assert_int_equal(ledger_clock_told(&clock, 0), 0);
    lead(&clock, 0, at(1000000), 900000);
    assert_int_equal(ledger_clock_told(&clock, 50), 0);
    ledger_clock_begun(&clock);
    assert_int_equal(ledger_clock_told(&clock, 50), 1000050);
    int64_t stepped = stamp(&clock, 60, at(1000060 + HOUR_MS)).time_ms;
    assert_int_equal(ledger_clock_told(&clock, 80), 1000080);
    struct wall_time wall = at(1000090 + HOUR_MS);
    ledger_clock_stamp(&clock, 90, &wall, stepped - 1);
    assert_int_equal(ledger_clock_told(&clock, 100), 1000100);
    ledger_clock_stamp(&clock, 90, &wall, stepped);
    assert_int_equal(ledger_clock_told(&clock, 100), 1000100 + HOUR_MS);
    ledger_clock_lost(&clock);
    assert_int_equal(ledger_clock_told(&clock, 100), 0);
}

/* Whose first entry is stamped as what is applied already. */
static void nor_is_it_where_clocks_are_behind_or_unknown(void **state)
{
    (void)state;
    struct ledger_clock clock = {0};
    lead(&clock, 0, at(1000000), 1000000 + HOUR_MS);
    assert_int_equal(ledger_clock_told(&clock, 50), 0);
    lead(&clock, 100, unknown(0), 1000000);
    assert_int_equal(ledger_clock_told(&clock, 150), 0);
    ledger_clock_begun(&clock);
    assert_int_equal(ledger_clock_told(&clock, 150), 1000050);
    lead(&clock, 200, unknown(0), 1000000);
    assert_int_equal(ledger_clock_told(&clock, 250), 0);
}

/* It led for a moment, on a base far ahead, and its barrier never came to anybody. */
static void a_lead_without_an_applied_entry_gave_holds_nothing(void **state)
{
    (void)state;
    struct ledger_clock clock = {0};
    ledger_clock_heard(&clock, 4000, 0, 1000000);
    lead(&clock, 4700, at(1000700 + HOUR_MS), 999000);
    ledger_clock_leading(&clock, 4750);
    ledger_clock_leading(&clock, 4800);
    ledger_clock_lost(&clock);
    assert_int_equal(lead(&clock, 5000, at(1001000 + HOUR_MS), 999000).credit_ms,
                     1001000 + HOUR_MS);
}

/* The next leader began behind what the last one had told, and was lost before it told anything. */
static void what_an_older_leader_told_does_not_count(void **state)
{
    (void)state;
    struct ledger_clock clock = {0};
    ledger_clock_heard(&clock, 4000, 0, 1000000);
    ledger_clock_heard(&clock, 4500, 0, 0);
    assert_int_equal(lead(&clock, 4700, at(1000700), 999000).credit_ms, 1000700);
}

/* ---- a leader that knows no majority's clocks ---- */

static void without_clocks_time_goes_on_as_it_was_told(void **state)
{
    (void)state;
    struct ledger_clock clock = {0};
    ledger_clock_heard(&clock, 4000, 0, 1000000);
    struct ledger_stamp barrier = lead(&clock, 4700, unknown(99 * HOUR_MS), 990000);
    assert_int_equal(barrier.time_ms, 1000700);
    assert_int_equal(barrier.credit_ms, 700);
    assert_false(ledger_clock_is_blind(&clock));
    assert_int_equal(stamp(&clock, 5700, unknown(99 * HOUR_MS)).time_ms, 1001700);
    /* Once they are known the base is taken: the first time however far ahead it is. */
    struct ledger_stamp entry = stamp(&clock, 5800, at(1001900));
    assert_int_equal(entry.time_ms, 1001900);
    assert_int_equal(entry.credit_ms, 100);
}

static void without_clocks_and_leader_time_stands(void **state)
{
    (void)state;
    struct ledger_clock clock = {0};
    struct ledger_stamp barrier = lead(&clock, 4700, unknown(99 * HOUR_MS), 990000);
    assert_int_equal(barrier.time_ms, 990000);
    assert_true(ledger_clock_is_blind(&clock));
    struct ledger_stamp entry = stamp(&clock, 4800, at(990100 + HOUR_MS));
    assert_int_equal(entry.time_ms, 990100 + HOUR_MS);
    assert_int_equal(entry.credit_ms, HOUR_MS);
    assert_false(ledger_clock_is_blind(&clock));
}

static void a_new_ledger_without_clocks_tells_no_time(void **state)
{
    (void)state;
    struct ledger_clock clock = {0};
    assert_int_equal(lead(&clock, 4700, unknown(1000000), 0).time_ms, 0);
    assert_int_equal(ledger_clock_told(&clock, 4700), 0);
    assert_true(ledger_clock_is_blind(&clock));
}

/* Entries before this lead that were not applied when it began. */
static void what_is_applied_later_is_not_fallen_behind(void **state)
{
    (void)state;
    struct ledger_clock clock = {0};
    lead(&clock, 0, at(1000000), 1000000);
    struct wall_time wall = at(1000050);
    assert_int_equal(ledger_clock_stamp(&clock, 50, &wall, 1005000).time_ms, 1005000);
    wall = at(1001050);
    assert_in_range(ledger_clock_stamp(&clock, 1050, &wall, 1005000).time_ms, 1005900, 1006000);
}

static void the_end_of_all_times_is_not_passed(void **state)
{
    (void)state;
    struct ledger_clock clock = {0};
    assert_int_equal(lead(&clock, 0, at(LIMIT_TIME_MS), 0).time_ms, LIMIT_TIME_MS);
    assert_int_equal(stamp(&clock, 5000, at(LIMIT_TIME_MS)).time_ms, LIMIT_TIME_MS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(first_leader_of_a_new_ledger),
        cmocka_unit_test(time_that_is_behind_the_last_stamp_does_not_take_it_back),
        cmocka_unit_test(credit_is_the_time_without_a_leader),
        cmocka_unit_test(a_difference_of_clocks_is_credited_too),
        cmocka_unit_test(no_wall_clock_has_a_part_in_the_credit),
        cmocka_unit_test(an_idle_leader_is_no_outage),
        cmocka_unit_test(a_stopped_leader_does_not_lead),
        cmocka_unit_test(a_restart_credits_without_bound),
        cmocka_unit_test(a_leader_with_holds_is_not_silent_for_long),
        cmocka_unit_test(a_jump_of_the_time_is_slewed),
        cmocka_unit_test(ledger_time_ahead_of_everybody_runs_at_nine_tenths),
        cmocka_unit_test(small_drift_is_followed),
        cmocka_unit_test(a_majority_far_ahead_is_followed_at_once_and_credited),
        cmocka_unit_test(what_may_be_lost_is_not_told),
        cmocka_unit_test(nor_is_it_where_clocks_are_behind_or_unknown),
        cmocka_unit_test(a_lead_without_an_applied_entry_gave_holds_nothing),
        cmocka_unit_test(what_an_older_leader_told_does_not_count),
        cmocka_unit_test(without_clocks_time_goes_on_as_it_was_told),
        cmocka_unit_test(without_clocks_and_leader_time_stands),
        cmocka_unit_test(a_new_ledger_without_clocks_tells_no_time),
        cmocka_unit_test(what_is_applied_later_is_not_fallen_behind),
        cmocka_unit_test(the_end_of_all_times_is_not_passed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
