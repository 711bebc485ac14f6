/* A few cores in one process: states that are compared while they serve, and audited at one index.
 */
#include "cmocka_test.h"

#include <stdlib.h>

#include "core_world.h"
#include "spoil_stock.h"

#define INTERVAL 10
/* Every stock of world_write is written once more. */
#define ROUND 60

static struct world *world_of_3(void)
{
    struct world *world = world_new(3);
    world->digest_interval = INTERVAL;
    for (uint64_t id = 1; id <= 3; id++) {
        assert_true(world_start(world, id));
    }
    return world;
}

static bool all_have_caught_up(const struct world *world)
{
    return world_has_caught_up(world, 1) && world_has_caught_up(world, 2) &&
           world_has_caught_up(world, 3);
}

static struct digests_status digests_of(const struct world *world, uint64_t id)
{
    struct digests_status status;
    digests_status_get(world->nodes[id].core.digests, &status);
    return status;
}

/* What the leader has compared, at the last index where it could. */
static bool has_compared(const struct world *world)
{
    uint64_t leader = world_leader(world);
    uint64_t applied = leader != 0 ? core_applied_index(&world->nodes[leader].core) : 0;
    return leader != 0 && digests_of(world, leader).compared_index == applied / INTERVAL * INTERVAL;
}

static void spoil(struct world *world, uint64_t id)
{
    struct state_store *state = &world->nodes[id].core.state_store;
    assert_true(spoil_stock(state->ops->records(state->state), 1, false));
}

static uint64_t some_follower(const struct world *world)
{
    return world_leader(world) == 1 ? 2 : 1;
}

static void write_some(struct world *world, size_t count)
{
    WORLD_UNTIL(world, 10000, world_leader(world) != 0);
    world_write(world, count);
}

/* All members are registered, and nobody writes anything of its own. */
static void settle(struct world *world)
{
    write_some(world, 5);
    world_go(world, 500);
    WORLD_UNTIL(world, 2000, all_have_caught_up(world));
}

static void expect_stopped(const struct world *world, uint64_t id)
{
    assert_true(world->nodes[id].is_stopped);
    assert_non_null(strstr(world->nodes[id].error.text, "the state of this node is wrong: at log"));
}

/* ---- reports ---- */

static void equal_states_agree(void **state)
{
    (void)state;
    struct world *world = world_of_3();
    write_some(world, ROUND);
    WORLD_UNTIL(world, 1000, has_compared(world));
    assert_true(digests_of(world, world_leader(world)).agree);
    assert_int_equal(digests_of(world, some_follower(world)).compared_index, 0);
    for (uint64_t id = 1; id <= 3; id++) {
        assert_int_equal(world->nodes[id].warning_count, 0);
    }
    world_free(world);
}

static void a_follower_with_a_wrong_state_stops(void **state)
{
    (void)state;
    struct world *world = world_of_3();
    write_some(world, ROUND);
    uint64_t leader = world_leader(world);
    uint64_t victim = some_follower(world);
    spoil(world, victim);
    write_some(world, ROUND);
    WORLD_UNTIL(world, 1000, world->nodes[victim].is_stopped);
    expect_stopped(world, victim);
    assert_int_equal(world_leader(world), leader);
    assert_true(world->nodes[leader].warning_count >= 1);
    assert_non_null(strstr(world->nodes[leader].warnings[0].text, "digest: the state of node"));
    write_some(world, ROUND); /* the others go on */
    WORLD_UNTIL(world, 1000, has_compared(world));
    assert_true(digests_of(world, leader).agree);
    world_free(world);
}

static void a_leader_with_a_wrong_state_stops(void **state)
{
    (void)state;
    struct world *world = world_of_3();
    write_some(world, ROUND);
    uint64_t victim = world_leader(world);
    spoil(world, victim);
    for (size_t i = 0; i < ROUND && world_leader(world) == victim; i++) {
        world_write(world, 1);
        world_go(world, 20);
    }
    WORLD_UNTIL(world, 1000, world->nodes[victim].is_stopped);
    expect_stopped(world, victim);
    write_some(world, ROUND);
    WORLD_UNTIL(world, 1000, has_compared(world));
    assert_true(digests_of(world, world_leader(world)).agree);
    world_free(world);
}

static void two_that_differ_raise_an_alarm(void **state)
{
    (void)state;
    struct world *world = world_of_3();
    write_some(world, ROUND);
    uint64_t victim = some_follower(world);
    uint64_t third = 6 - victim - world_leader(world);
    world_stop(world, third);
    spoil(world, victim);
    write_some(world, ROUND);
    WORLD_UNTIL(world, 3000, digests_of(world, world_leader(world)).alarm[0] != '\0');
    assert_false(digests_of(world, world_leader(world)).agree);
    assert_int_equal(world->nodes[world_leader(world)].warning_count, 1);
    assert_false(world->nodes[victim].is_stopped);
    /* The third one knows. */
    assert_true(world_start(world, third));
    write_some(world, ROUND);
    WORLD_UNTIL(world, 5000, world->nodes[victim].is_stopped);
    expect_stopped(world, victim);
    WORLD_UNTIL(world, 3000, digests_of(world, world_leader(world)).alarm[0] == '\0');
    world_free(world);
}

/* ---- audits at an index ---- */

struct answer {
    struct audit audit;
    bool ended;
};

static void audit_ended(struct audit *audit)
{
    struct answer *answer = (struct answer *)audit;
    assert_false(answer->ended);
    answer->ended = true;
}

static bool ask(struct world *world, uint64_t id, uint64_t index, struct answer *answer,
                enum audit_refusal *why)
{
    struct error error;
    *answer = (struct answer){.audit = {.at_index = index, .ended = audit_ended}};
    return audit_start(&answer->audit, &world->nodes[id].core, why, &error);
}

static void expect_audit(const struct answer *answer, uint64_t index)
{
    assert_true(answer->ended);
    assert_true(answer->audit.ok);
    assert_int_equal(answer->audit.applied_index, index);
    assert_int_equal(answer->audit.result.violation_count, 0);
    assert_true(
        hash128_equal(answer->audit.result.stored_digest, answer->audit.result.recomputed_digest));
}

static void all_are_audited_at_one_index(void **state)
{
    (void)state;
    struct world *world = world_of_3();
    enum audit_refusal why;
    static struct answer answers[4];
    settle(world);
    uint64_t index = core_applied_index(&world->nodes[world_leader(world)].core) + 7;
    for (uint64_t id = 1; id <= 3; id++) {
        assert_true(ask(world, id, index, &answers[id], &why));
    }
    struct answer second;
    assert_false(ask(world, 1, index, &second, &why));
    assert_int_equal(why, AUDIT_BUSY);
    /* Nobody writes: the leader does. */
    WORLD_UNTIL(world, 3000, answers[1].ended && answers[2].ended && answers[3].ended);
    for (uint64_t id = 1; id <= 3; id++) {
        expect_audit(&answers[id], index);
        assert_true(hash128_equal(answers[id].audit.result.stored_digest,
                                  answers[1].audit.result.stored_digest));
        assert_false(world->nodes[id].core.is_auditing);
    }
    world_go(world, 500);
    assert_int_equal(core_applied_index(&world->nodes[world_leader(world)].core), index);
    world_free(world);
}

static void what_is_written_meanwhile_counts(void **state)
{
    (void)state;
    struct world *world = world_of_3();
    enum audit_refusal why;
    static struct answer answer;
    settle(world);
    uint64_t follower = some_follower(world);
    uint64_t index = core_applied_index(&world->nodes[world_leader(world)].core) + 10;
    assert_true(ask(world, follower, index, &answer, &why));
    write_some(world, 9);
    world_go(world, 500);
    assert_false(answer.ended); /* the leader was not asked: it writes nothing by itself */
    write_some(world, 5);
    WORLD_UNTIL(world, 1000, answer.ended);
    expect_audit(&answer, index);
    world_free(world);
}

static void an_index_that_is_passed_is_refused(void **state)
{
    (void)state;
    struct world *world = world_of_3();
    enum audit_refusal why;
    static struct answer answer;
    settle(world);
    uint64_t leader = world_leader(world);
    uint64_t index = core_applied_index(&world->nodes[leader].core);
    assert_false(ask(world, leader, index - 1, &answer, &why));
    assert_int_equal(why, AUDIT_BEHIND);
    assert_true(ask(world, leader, index, &answer, &why));
    WORLD_UNTIL(world, 1000, answer.ended);
    expect_audit(&answer, index);
    world_free(world);
}

static void an_index_that_does_not_come_is_given_up(void **state)
{
    (void)state;
    struct world *world = world_of_3();
    enum audit_refusal why;
    static struct answer answer;
    settle(world);
    uint64_t leader = world_leader(world);
    uint64_t index = core_applied_index(&world->nodes[leader].core);
    /* Too far to be written for it. */
    assert_true(ask(world, leader, index + LIMIT_AUDIT_ENTRIES + 1, &answer, &why));
    world_go(world, AUDIT_WAIT_UPKEEPS * CORE_UPKEEP_MS - 1000);
    assert_false(answer.ended);
    WORLD_UNTIL(world, 2000, answer.ended);
    assert_false(answer.audit.ok);
    assert_int_equal(answer.audit.why, AUDIT_GIVEN_UP);
    assert_int_equal(core_applied_index(&world->nodes[leader].core), index);
    /* Nobody waits; a node that stops. */
    assert_true(ask(world, leader, index + 5, &answer, &why));
    audit_cancel(&answer.audit);
    assert_true(answer.ended && !answer.audit.ok);
    assert_true(ask(world, leader, index + 5, &answer, &why));
    core_abandon(&world->nodes[leader].core);
    assert_true(answer.ended && !answer.audit.ok);
    assert_int_equal(answer.audit.why, AUDIT_GIVEN_UP);
    world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_states_agree),
        cmocka_unit_test(a_follower_with_a_wrong_state_stops),
        cmocka_unit_test(a_leader_with_a_wrong_state_stops),
        cmocka_unit_test(two_that_differ_raise_an_alarm),
        cmocka_unit_test(all_are_audited_at_one_index),
        cmocka_unit_test(what_is_written_meanwhile_counts),
        cmocka_unit_test(an_index_that_is_passed_is_refused),
        cmocka_unit_test(an_index_that_does_not_come_is_given_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
