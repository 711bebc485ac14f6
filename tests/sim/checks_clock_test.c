/*
 * checks_clock_test.c - the check of what leaders stamp entries with: what it lets pass, and what
 * it must not.
 */
#include "cmocka_test.h"

#include "checks_scene.h"

#define BEGIN_MS INT64_C(1700000000000)

/* n1 leads term 2 from 400 ms on, having heard of a leader at 100 ms. */
static void a_lead(struct scene *scene)
{
    scene_begin(scene, 3);
    scene->world.now_us = 100000;
    checks_heard(scene->checks, 0);
    scene->world.now_us = 400000;
    scene_elect(scene, 0, 2, N(1), scene->entries[0]);
}

/* The leader stamps an entry. */
static void stamp(struct scene *scene, int64_t time_ms, int64_t credit_ms, uint32_t commands)
{
    static const struct ledger_command command = {
        .kind = LEDGER_REGISTER_NODE, .node_id = 1, .incarnation = 1};
    const struct ledger_entry_header header = {.format = LEDGER_ENTRY_FORMAT,
                                               .ledger_version = LEDGER_VERSION,
                                               .time_ms = time_ms,
                                               .outage_credit_ms = credit_ms};
    struct buffer bytes = {0};
    ledger_entry_begin(&bytes, &header);
    for (uint32_t i = 0; i < commands; i++) {
        ledger_command_encode(&bytes, &command);
    }
    ledger_entry_finish(&bytes, commands);
    struct entry *entry = entry_new_copy(2, 2, ENTRY_COMMAND, buffer_bytes(&bytes));
    checks_stamped(scene->checks, 0, entry);
    entry_release(entry);
    buffer_free(&bytes);
}

static void a_barrier_with_the_credit_passes(void **state)
{
    (void)state;
    struct scene scene;
    a_lead(&scene);
    stamp(&scene, BEGIN_MS, 300, 0);
    scene.world.now_us += 1000000;
    stamp(&scene, BEGIN_MS + 1100, 0, 1);
    scene_passes(&scene);
}

static void a_barrier_without_the_credit(void **state)
{
    (void)state;
    struct scene scene;
    a_lead(&scene);
    stamp(&scene, BEGIN_MS, 280, 0);
    scene_fails(&scene, CHECK_CLOCK, "n1 gives holds 280 ms back with entry 2");
}

static void a_leader_that_heard_of_none_gives_all(void **state)
{
    (void)state;
    struct scene scene;
    scene_begin(&scene, 3);
    scene.world.now_us = 400000;
    scene_elect(&scene, 0, 2, N(1), scene.entries[0]);
    stamp(&scene, BEGIN_MS, 400, 0);
    scene_fails(&scene, CHECK_CLOCK, "n1 gives holds 400 ms back with entry 2");
}

static void a_lead_that_begins_with_a_command(void **state)
{
    (void)state;
    struct scene scene;
    a_lead(&scene);
    stamp(&scene, BEGIN_MS, 300, 1);
    scene_fails(&scene, CHECK_CLOCK, "n1 begins its lead in term 2 with commands");
}

static void a_stamp_that_jumps(void **state)
{
    (void)state;
    struct scene scene;
    a_lead(&scene);
    stamp(&scene, BEGIN_MS, 300, 0);
    scene.world.now_us += 1000000;
    stamp(&scene, BEGIN_MS + 1200, 0, 1);
    scene_fails(&scene, CHECK_CLOCK, "1200 ms behind its barrier, after 1000 ms");
}

static void a_stamp_that_stands_still(void **state)
{
    (void)state;
    struct scene scene;
    a_lead(&scene);
    stamp(&scene, BEGIN_MS, 300, 0);
    scene.world.now_us += 1000000;
    stamp(&scene, BEGIN_MS + 800, 0, 1);
    scene_fails(&scene, CHECK_CLOCK, "800 ms behind its barrier, after 1000 ms");
}

static void a_lead_that_was_lost_and_won_again(void **state)
{
    (void)state;
    struct scene scene;
    a_lead(&scene);
    stamp(&scene, BEGIN_MS, 300, 0);
    scene.world.now_us += 1000000;
    checks_role(scene.checks, 0, REPLICA_FOLLOWER, 2);
    scene.world.now_us += 500000;
    checks_role(scene.checks, 0, REPLICA_LEADER, 2);
    stamp(&scene, BEGIN_MS + 1500, 400, 0); /* it was its own leader up to 500 ms ago */
    scene_fails(&scene, CHECK_CLOCK, "n1 gives holds 400 ms back with entry 2");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_barrier_with_the_credit_passes),
        cmocka_unit_test(a_barrier_without_the_credit),
        cmocka_unit_test(a_leader_that_heard_of_none_gives_all),
        cmocka_unit_test(a_lead_that_begins_with_a_command),
        cmocka_unit_test(a_stamp_that_jumps),
        cmocka_unit_test(a_stamp_that_stands_still),
        cmocka_unit_test(a_lead_that_was_lost_and_won_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
