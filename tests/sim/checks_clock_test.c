/*
 * checks_clock_test.c - the check of what leaders stamp entries with: what it lets pass, and what
 * it must not.
 */
#include "cmocka_test.h"

#include "checks_scene.h"

#define BEGIN_MS SIM_WALL_BEGIN_MS
#define DAY_MS   INT64_C(86400000)

static struct sim_clock clocks[3];

/* The node stamps an entry, behind the last one. */
static void stamp_by(struct scene *scene, size_t node, uint64_t term, uint64_t index,
                     int64_t time_ms, int64_t credit_ms, uint32_t commands)
{
    static const struct ledger_command command = {
        .kind = LEDGER_REGISTER_NODE, .node_id = 1, .incarnation = 1};
    const struct ledger_entry_header header = {.format = LEDGER_ENTRY_FORMAT,
                                               .ledger_version = 1,
                                               .time_ms = time_ms,
                                               .outage_credit_ms = credit_ms};
    struct buffer bytes = {0};
    ledger_entry_begin(&bytes, &header);
    for (uint32_t i = 0; i < commands; i++) {
        ledger_command_encode(&bytes, &command);
    }
    ledger_entry_finish(&bytes, commands);
    struct entry *entry = scene_entry(scene, index, term, buffer_bytes(&bytes));
    scene_ask(scene, node, entry);
    checks_stamped(scene->checks, node, entry);
    buffer_free(&bytes);
}

static void stamp(struct scene *scene, uint64_t index, int64_t time_ms, int64_t credit_ms)
{
    stamp_by(scene, 0, 2, index, time_ms, credit_ms, 1);
}

/* Three nodes, whose wall clocks are right. */
static void begin(struct scene *scene)
{
    scene_begin(scene, 3);
    for (size_t i = 0; i < 3; i++) {
        clocks[i] = (struct sim_clock){0};
        checks_wall(scene->checks, i, &clocks[i]);
    }
}

/* n1 leads term 2 from 400 ms on. */
static void a_lead(struct scene *scene)
{
    begin(scene);
    scene->world.now_us = 400000;
    scene_elect(scene, 0, 2, N(1), scene->entries[0]);
    stamp_by(scene, 0, 2, 2, BEGIN_MS + 400, 0, 0);
}

/* It leads again, in the same term, for which nobody has told the checks why: what it heard is of
 * itself, at 10400 ms; now it is 13400 ms. */
static void a_second_lead(struct scene *scene)
{
    a_lead(scene);
    scene->world.now_us += 10000000;
    checks_role(scene->checks, 0, REPLICA_FOLLOWER, 2);
    scene->world.now_us += 3000000;
    checks_role(scene->checks, 0, REPLICA_LEADER, 2);
}

static void a_leads_stamps_pass(void **state)
{
    (void)state;
    struct scene scene;
    a_lead(&scene);
    scene.world.now_us += 1000000;
    stamp(&scene, 3, BEGIN_MS + 1500, 0);
    /* All clocks have been set: a step, credited. */
    for (size_t i = 0; i < 3; i++) {
        checks_wall_is_set(scene.checks, i);
        clocks[i].wall_offset_ms = DAY_MS;
    }
    scene.world.now_us += 1000000;
    stamp(&scene, 4, BEGIN_MS + 2500 + DAY_MS, DAY_MS);
    scene_passes(&scene);
}

static void a_lead_that_begins_with_a_command(void **state)
{
    (void)state;
    struct scene scene;
    begin(&scene);
    scene_elect(&scene, 0, 2, N(1), scene.entries[0]);
    stamp_by(&scene, 0, 2, 2, BEGIN_MS, 0, 1);
    scene_fails(&scene, CHECK_CLOCK, "n1 begins its lead in term 2 with commands");
}

static void a_stamp_that_jumps(void **state)
{
    (void)state;
    struct scene scene;
    a_lead(&scene);
    scene.world.now_us += 1000000;
    stamp(&scene, 3, BEGIN_MS + 1600, 0);
    scene_fails(&scene, CHECK_CLOCK, "n1 lets holds pay 1200 ms with entry 3, where 1145 ms");
}

/* Each by a little that passes, all of it ahead by more than a tenth. */
static void stamps_that_run_away(void **state)
{
    (void)state;
    struct scene scene;
    a_lead(&scene);
    for (uint64_t i = 0; i < 20; i++) {
        scene.world.now_us += 50000;
        stamp(&scene, 3 + i, BEGIN_MS + 400 + (int64_t)(i + 1) * 60, 0);
    }
    scene_fails(&scene, CHECK_CLOCK, "ms behind its barrier, after");
}

static void a_stamp_that_stands_still(void **state)
{
    (void)state;
    struct scene scene;
    a_lead(&scene);
    scene.world.now_us += 1000000;
    stamp(&scene, 3, BEGIN_MS + 1200, 0);
    scene_fails(&scene, CHECK_CLOCK, "800 ms behind its barrier, after 1000 ms");
}

/* ---- holds ---- */

static void an_outage_that_is_credited_passes(void **state)
{
    (void)state;
    struct scene scene;
    a_second_lead(&scene);
    stamp_by(&scene, 0, 2, 3, BEGIN_MS + 13400, 3000, 0);
    scene_passes(&scene);
}

static void an_outage_that_holds_pay(void **state)
{
    (void)state;
    struct scene scene;
    a_second_lead(&scene);
    stamp_by(&scene, 0, 2, 3, BEGIN_MS + 13400, 1500, 0);
    scene_fails(&scene, CHECK_CLOCK, "n1 lets holds pay 11500 ms with entry 3, where 11342 ms");
}

/* The new leader's clock is ahead of the old one's; nobody had that time. */
static void a_difference_of_clocks_that_holds_pay(void **state)
{
    (void)state;
    struct scene scene;
    a_second_lead(&scene);
    stamp_by(&scene, 0, 2, 3, BEGIN_MS + 16000, 3000, 0);
    scene_fails(&scene, CHECK_CLOCK, "n1 lets holds pay 12600 ms with entry 3");
}

/* n2 has heard of no leader. */
static void a_leader_that_heard_of_none_credits_all(void **state)
{
    (void)state;
    struct scene scene;
    a_lead(&scene);
    struct entry *barrier = scene.entries[scene.entry_count - 1];
    scene_store(&scene, N(1), barrier);
    scene.world.now_us += 1000000;
    scene_elect(&scene, 1, 3, N(2), barrier);
    stamp_by(&scene, 1, 3, 3, BEGIN_MS + 1400, 900, 0);
    scene_fails(&scene, CHECK_CLOCK, "n2 lets holds pay 100 ms with entry 3, where 0 ms");
}

/* n1 has slewed back by a second when it stamped an entry, and what it told right before that comes
 * behind it. It stamps another one `between_ms` later, loses the lead after `led_us`, and as the
 * next leader lets holds pay so much. */
static void a_barrier_behind_a_slew(struct scene *scene, int64_t between_ms, uint64_t led_us,
                                    int64_t paid_ms)
{
    a_lead(scene);
    uint64_t index = 3;
    int64_t last_ms = BEGIN_MS + 9400;
    scene->world.now_us += 10000000;
    stamp(scene, index++, last_ms, 0);
    if (between_ms != 0) {
        scene->world.now_us += (uint64_t)between_ms * 1000;
        last_ms += between_ms;
        stamp(scene, index++, last_ms, 0);
    }
    scene->world.now_us += led_us;
    checks_role(scene->checks, 0, REPLICA_FOLLOWER, 2);
    scene->world.now_us += 3000000;
    checks_role(scene->checks, 0, REPLICA_LEADER, 2);
    stamp_by(scene, 0, 2, index, last_ms + 3000, 3000 - paid_ms, 0);
}

static void what_a_stamp_has_overtaken_passes(void **state)
{
    (void)state;
    /* A tenth of what the clock showed is a ninth of what was left of it. */
    static const struct {
        int64_t between_ms;
        uint64_t led_us;
        int64_t most_ms;
    } cases[] = {
        {0, 0, 1020},
        {10, 0, 1010},
        {0, 500000, 1020},
        {0, 1000000, 1145}, /* what was led since is more; not both */
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct scene scene;
        a_barrier_behind_a_slew(&scene, cases[i].between_ms, cases[i].led_us, cases[i].most_ms);
        scene_passes(&scene);
        a_barrier_behind_a_slew(&scene, cases[i].between_ms, cases[i].led_us, cases[i].most_ms + 1);
        scene_fails(&scene, CHECK_CLOCK, "n1 lets holds pay");
    }
}

/* ---- wall clocks ---- */

static void a_wrong_clock_of_the_leader_that_is_followed(void **state)
{
    (void)state;
    struct scene scene;
    begin(&scene);
    clocks[0].wall_offset_ms = DAY_MS;
    scene_elect(&scene, 0, 2, N(1), scene.entries[0]);
    stamp_by(&scene, 0, 2, 2, BEGIN_MS + DAY_MS, 0, 0);
    scene_fails(&scene, CHECK_CLOCK, "n1 stamps entry 2 86400000 ms ahead of the wall clocks");
}

static void two_wrong_clocks_of_three_are_a_majority(void **state)
{
    (void)state;
    struct scene scene;
    begin(&scene);
    clocks[0].wall_offset_ms = DAY_MS;
    clocks[2].wall_offset_ms = DAY_MS;
    scene_elect(&scene, 0, 2, N(1), scene.entries[0]);
    stamp_by(&scene, 0, 2, 2, BEGIN_MS + DAY_MS, 0, 0);
    scene_passes(&scene);
}

/* What n3's clock showed is known for a while. */
static void a_clock_that_has_been_set_is_remembered_for_a_while(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct scene scene;
        begin(&scene);
        clocks[0].wall_offset_ms = DAY_MS;
        clocks[2].wall_offset_ms = DAY_MS;
        checks_wall_is_set(scene.checks, 2);
        clocks[2].wall_offset_ms = 0;
        scene.world.now_us += i == 0 ? 12000000 : 14000000;
        scene_elect(&scene, 0, 2, N(1), scene.entries[0]);
        stamp_by(&scene, 0, 2, 2, BEGIN_MS + DAY_MS, 0, 0);
        if (i == 0) {
            scene_passes(&scene);
        } else {
            scene_fails(&scene, CHECK_CLOCK, "86386000 ms ahead of the wall clocks");
        }
    }
}

/* The clocks have been set back: ledger time is ahead, and goes on. */
static void time_that_is_ahead_already_passes(void **state)
{
    (void)state;
    struct scene scene;
    a_lead(&scene);
    for (size_t i = 0; i < 3; i++) {
        clocks[i].wall_offset_ms = -DAY_MS;
    }
    scene.world.now_us += 1000000;
    stamp(&scene, 3, BEGIN_MS + 1300, 0);
    scene_passes(&scene);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_leads_stamps_pass),
        cmocka_unit_test(a_lead_that_begins_with_a_command),
        cmocka_unit_test(a_stamp_that_jumps),
        cmocka_unit_test(stamps_that_run_away),
        cmocka_unit_test(a_stamp_that_stands_still),
        cmocka_unit_test(an_outage_that_is_credited_passes),
        cmocka_unit_test(an_outage_that_holds_pay),
        cmocka_unit_test(a_difference_of_clocks_that_holds_pay),
        cmocka_unit_test(a_leader_that_heard_of_none_credits_all),
        cmocka_unit_test(what_a_stamp_has_overtaken_passes),
        cmocka_unit_test(a_wrong_clock_of_the_leader_that_is_followed),
        cmocka_unit_test(two_wrong_clocks_of_three_are_a_majority),
        cmocka_unit_test(a_clock_that_has_been_set_is_remembered_for_a_while),
        cmocka_unit_test(time_that_is_ahead_already_passes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
