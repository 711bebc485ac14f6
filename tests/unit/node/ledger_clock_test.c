/* The clock of log entries: never back, slewed and not stepped, and fair to holds after an outage.
 */
#include "cmocka_test.h"

#include "core/ledger_clock.h"

static void test_first_leader_of_a_new_ledger(void **state)
{
    (void)state;
    struct ledger_clock clock = {0};
    int64_t stamp;
    int64_t credit;
    ledger_clock_lead(&clock, 5000, 1000000, 0, &stamp, &credit);
    assert_int_equal(stamp, 1000000);
    assert_int_equal(ledger_clock_stamp(&clock, 5007, 1000007), 1000007);
}

static void test_wall_behind_the_last_stamp_does_not_take_time_back(void **state)
{
    (void)state;
    struct ledger_clock clock = {0};
    int64_t stamp;
    int64_t credit;
    ledger_clock_lead(&clock, 5000, 900000, 1000000, &stamp, &credit);
    assert_int_equal(stamp, 1000000);
}

static void test_credit_is_the_time_without_a_leader(void **state)
{
    (void)state;
    struct ledger_clock clock = {0};
    int64_t stamp;
    int64_t credit;
    ledger_clock_contact(&clock, 4000);
    ledger_clock_lead(&clock, 4700, 1060000, 1000000, &stamp, &credit);
    assert_int_equal(stamp, 1060000);
    assert_int_equal(credit, 700); /* not the minute in which nobody ordered */
}

/* The leader itself is elected again, after a time in which nobody wrote and a shorter one in which
 * it had no quorum. */
static void test_an_idle_leader_is_no_outage(void **state)
{
    (void)state;
    struct ledger_clock clock = {0};
    int64_t stamp;
    int64_t credit;
    ledger_clock_lead(&clock, 5000, 1000000, 0, &stamp, &credit);
    for (uint64_t at = 5050; at <= 65000; at += 50) {
        ledger_clock_leading(&clock, at);
    }
    ledger_clock_lead(&clock, 65700, 1060700, 1000000, &stamp, &credit);
    assert_in_range(credit, 700, 750);
}

/* Stopped (SIGSTOP, a suspended machine), it looks before it learns that it leads no more. */
static void test_a_stopped_leader_does_not_lead(void **state)
{
    (void)state;
    struct ledger_clock clock = {0};
    int64_t stamp;
    int64_t credit;
    ledger_clock_lead(&clock, 5000, 1000000, 0, &stamp, &credit);
    ledger_clock_leading(&clock, 5050);
    ledger_clock_leading(&clock, 65000);
    ledger_clock_lead(&clock, 65100, 1060100, 1000000, &stamp, &credit);
    assert_in_range(credit, 60000, 60100);
}

/* The ledger bounds it by what has passed since the last entry, which may not be applied here yet:
 * after a restart nothing may be. */
static void test_a_restart_credits_without_bound(void **state)
{
    (void)state;
    struct ledger_clock clock = {0};
    int64_t stamp;
    int64_t credit;
    ledger_clock_lead(&clock, 100, 1030000, 1000000, &stamp, &credit);
    assert_int_equal(credit, 1030000);
    struct ledger_clock nothing_applied = {0};
    ledger_clock_lead(&nothing_applied, 100, 1030000, 0, &stamp, &credit);
    assert_int_equal(credit, 1030000);
}

static void test_a_jump_of_the_wall_clock_is_slewed(void **state)
{
    (void)state;
    struct ledger_clock clock = {0};
    int64_t stamp;
    int64_t credit;
    ledger_clock_lead(&clock, 0, 1000000, 0, &stamp, &credit);
    /* The wall jumps an hour ahead: one second of real time moves the ledger by at most 1.1 s. */
    int64_t later = 0;
    for (uint64_t t = 10; t <= 1000; t += 10) {
        later = ledger_clock_stamp(&clock, t, 1000000 + (int64_t)t + 3600000);
    }
    assert_in_range(later, 1001050, 1001100);
    /* And back by a day: never back, and at least 0.9 s for each. */
    int64_t before = later;
    for (uint64_t t = 1010; t <= 3000; t += 10) {
        int64_t now = ledger_clock_stamp(&clock, t, 1000000 - 86400000);
        assert_true(now >= before);
        before = now;
    }
    assert_in_range(before, later + 1750, later + 2000);
}

static void test_small_drift_is_followed(void **state)
{
    (void)state;
    struct ledger_clock clock = {0};
    int64_t stamp;
    int64_t credit;
    ledger_clock_lead(&clock, 0, 1000000, 0, &stamp, &credit);
    /* The wall runs 1 % faster than the monotonic clock. */
    int64_t now = 0;
    for (uint64_t t = 1; t <= 100000; t++) {
        now = ledger_clock_stamp(&clock, t, 1000000 + (int64_t)(t + t / 100));
    }
    assert_in_range(now, 1000000 + 101000 - 20, 1000000 + 101000 + 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_first_leader_of_a_new_ledger),
        cmocka_unit_test(test_wall_behind_the_last_stamp_does_not_take_time_back),
        cmocka_unit_test(test_credit_is_the_time_without_a_leader),
        cmocka_unit_test(test_a_restart_credits_without_bound),
        cmocka_unit_test(test_an_idle_leader_is_no_outage),
        cmocka_unit_test(test_a_stopped_leader_does_not_lead),
        cmocka_unit_test(test_a_jump_of_the_wall_clock_is_slewed),
        cmocka_unit_test(test_small_drift_is_followed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
