/*
 * world_test.c - events run in their order, and a world that fails stops.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include "world.h"

#define EVENTS 5000

struct seen {
    struct world world;
    uint64_t at_us[EVENTS];
    uint64_t values[EVENTS];
    size_t count;
};

static void note(void *owner, void *object, uint64_t value)
{
    struct seen *seen = owner;
    (void)object;
    seen->at_us[seen->count] = seen->world.now_us;
    seen->values[seen->count++] = value;
}

static void events_run_in_order_of_time(void **state)
{
    static struct seen seen;
    struct random random = {7};
    (void)state;
    world_init(&seen.world, 1, NULL);
    for (uint64_t i = 0; i < EVENTS; i++) {
        world_at(&seen.world, sim_random_below(&random, 1000), note, &seen, NULL, i);
    }
    world_run_until(&seen.world, 499);
    assert_int_equal(seen.world.now_us, 499);
    for (size_t i = 0; i < seen.count; i++) {
        assert_true(seen.at_us[i] <= 499);
    }
    world_run_until(&seen.world, 2000);
    assert_int_equal(seen.count, EVENTS);
    assert_int_equal(seen.world.event_count, EVENTS);
    for (size_t i = 1; i < EVENTS; i++) {
        assert_true(seen.at_us[i - 1] <= seen.at_us[i]);
        if (seen.at_us[i - 1] == seen.at_us[i]) {
            assert_true(seen.values[i - 1] < seen.values[i]); /* as they were made */
        }
    }
    world_free(&seen.world);
}

static void again(void *owner, void *object, uint64_t value)
{
    struct seen *seen = owner;
    note(owner, object, value);
    if (value > 0) {
        world_at(&seen->world, 0, again, seen, NULL, value - 1); /* the past is now */
        world_after(&seen->world, 10, note, seen, NULL, 1000);
    }
}

static void events_make_events(void **state)
{
    static struct seen seen;
    (void)state;
    world_init(&seen.world, 1, NULL);
    world_at(&seen.world, 50, again, &seen, NULL, 3);
    world_run_until(&seen.world, 55);
    assert_int_equal(seen.count, 4);
    assert_int_equal(seen.at_us[3], 50);
    world_run_until(&seen.world, 60);
    assert_int_equal(seen.count, 7);
    assert_int_equal(seen.at_us[6], 60);
    world_free(&seen.world);
}

static void fail_world(void *owner, void *object, uint64_t value)
{
    struct seen *seen = owner;
    note(owner, object, value);
    world_fail(&seen->world, CHECK_QUIET, "failure %" PRIu64, value);
}

static void the_first_failure_ends_it(void **state)
{
    static struct seen seen;
    (void)state;
    world_init(&seen.world, 1, NULL);
    world_at(&seen.world, 10, fail_world, &seen, NULL, 1);
    world_at(&seen.world, 20, fail_world, &seen, NULL, 2);
    world_run_until(&seen.world, 100);
    assert_int_equal(seen.count, 1);
    assert_int_equal(seen.world.now_us, 10);
    world_fail(&seen.world, CHECK_READ, "another one");
    assert_true(seen.world.failed);
    assert_int_equal(seen.world.failed_check, CHECK_QUIET);
    assert_string_equal(seen.world.failure.text, "failure 1");
    world_free(&seen.world);
}

static void idle(void *owner, void *object, uint64_t value)
{
    struct seen *seen = owner;
    note(owner, object, value);
    world_was_idle(&seen->world);
}

static void what_does_nothing_does_not_count(void **state)
{
    static struct seen seen;
    (void)state;
    world_init(&seen.world, 1, NULL);
    world_at(&seen.world, 10, idle, &seen, NULL, 0);
    world_at(&seen.world, 10, note, &seen, NULL, 0);
    world_run_until(&seen.world, 10);
    assert_int_equal(seen.count, 2);
    assert_int_equal(seen.world.event_count, 1);
    world_free(&seen.world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(events_run_in_order_of_time),
        cmocka_unit_test(events_make_events),
        cmocka_unit_test(the_first_failure_ends_it),
        cmocka_unit_test(what_does_nothing_does_not_count),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
