/*
 * core_upgrade_test.c - the ledger's version among cores that know different ones: who may raise
 * it, and what becomes of those who don't know it.
 */
#include "core_world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/upgrade.h"

static struct world *world_of(size_t nodes, uint16_t known)
{
    struct world *world = world_new(nodes);
    world->trailing_entries = 4096;
    for (uint64_t id = 1; id <= nodes; id++) {
        world->nodes[id].ledger_version_known = known;
        assert_true(world_start(world, id));
    }
    WORLD_UNTIL(world, 5000, world_leader(world) != 0);
    world_go(world, 200);
    return world;
}

static const struct core *leader(const struct world *world)
{
    return &world->nodes[world_leader(world)].core;
}

static void raise(struct world *world, uint16_t version)
{
    const struct ledger_command command = {.kind = LEDGER_RAISE_VERSION, .version = version};
    size_t open = 0;
    world_propose(world, world_leader(world), &command, LEDGER_OK, &open);
    WORLD_UNTIL(world, 5000, open == 0);
}

static void start_again(struct world *world, uint64_t id, uint16_t known)
{
    world_crash(world, id, SIM_LOSE_ALL);
    world->nodes[id].ledger_version_known = known;
    assert_true(world_start(world, id));
    WORLD_UNTIL(world, 10000, world_has_caught_up(world, id));
    world_go(world, 200);
}

static void all_must_know_it(void **state)
{
    (void)state;
    struct world *world = world_of(3, 1);
    struct error why;
    assert_int_equal(core_version_known_to_all(leader(world)), 1);
    assert_false(core_may_raise_version(leader(world), 2, &why));
    assert_non_null(strstr(why.text, "node 1 knows 1, node 2 knows 1, node 3 knows 1"));
    for (uint64_t id = 1; id <= 3; id++) {
        start_again(world, id, (uint16_t)(id + 1));
    }
    assert_int_equal(core_version_known_to_all(leader(world)), 2);
    assert_true(core_may_raise_version(leader(world), 2, &why));
    assert_false(core_may_raise_version(leader(world), 3, &why));
    assert_non_null(strstr(why.text, "ledger version 3: node 1 knows 2; upgrade them first"));
    raise(world, 2);
    WORLD_UNTIL(world, 5000, world_has_caught_up(world, 1) && world_has_caught_up(world, 2));
    WORLD_UNTIL(world, 5000, world_has_caught_up(world, 3));
    for (uint64_t id = 1; id <= 3; id++) {
        assert_int_equal(ledger_version(world->nodes[id].core.ledger), 2);
    }
    assert_false(core_may_raise_version(leader(world), 1, &why));
    assert_non_null(strstr(why.text, "can't be lowered"));
    world_write(world, 3); /* stamped with the new one, and applied */
    start_again(world, 1, 2);
    assert_int_equal(ledger_version(world->nodes[1].core.ledger), 2);
    world_free(world);
}

/* Who is not there has not told, whatever it said before: it may come back as something else. */
static void who_is_away_has_not_told(void **state)
{
    (void)state;
    struct world *world = world_of(3, 2);
    struct error why;
    uint64_t away = world_leader(world) % 3 + 1;
    char words[64];
    assert_true(core_may_raise_version(leader(world), 2, &why));
    world->is_cut[away] = true;
    world_go(world, LIMIT_CLOCK_AGE_MS + 2000);
    assert_int_equal(core_version_known_to_all(leader(world)), 0);
    assert_false(core_may_raise_version(leader(world), 2, &why));
    snprintf(words, sizeof words, "node %d has not told", (int)away);
    assert_non_null(strstr(why.text, words));
    world_free(world);
}

/* A program that is too old for its directory, and one that is too old for what it is sent. */
static void a_program_that_is_too_old_stops(void **state)
{
    (void)state;
    struct world *world = world_of(3, 2);
    uint64_t old = world_leader(world) % 3 + 1;
    raise(world, 2);
    WORLD_UNTIL(world, 5000, world_has_caught_up(world, old));
    world_stop(world, old); /* its state is on the disk */
    world->nodes[old].ledger_version_known = 1;
    assert_false(world_start(world, old));
    assert_non_null(
        strstr(world->nodes[old].error.text,
               "the state is of ledger version 2, this program knows versions up to 1"));
    world_free(world);

    world = world_of(3, 2);
    old = world_leader(world) % 3 + 1;
    start_again(world, old, 1); /* behind the back of whoever has asked */
    raise(world, 2);
    WORLD_UNTIL(world, 5000, world->nodes[old].is_stopped);
    assert_non_null(strstr(world->nodes[old].error.text, "raises the ledger to ledger version 2"));
    assert_non_null(strstr(world->nodes[old].error.text, "install a release"));
    world_write(world, 3); /* the others go on */
    start_again(world, old, 2);
    assert_int_equal(ledger_version(world->nodes[old].core.ledger), 2);
    world_free(world);
}

/* The version travels with a snapshot. */
static void a_state_of_a_version_that_it_does_not_know_stops_it(void **state)
{
    (void)state;
    struct world *world = world_new(3);
    world->trailing_entries = 4;
    world->snapshot_log_entries = 20;
    for (uint64_t id = 1; id <= 3; id++) {
        world->nodes[id].ledger_version_known = 2;
        assert_true(world_start(world, id));
    }
    WORLD_UNTIL(world, 5000, world_leader(world) != 0);
    uint64_t old = world_leader(world) % 3 + 1;
    world_crash(world, old, SIM_LOSE_ALL);
    raise(world, 2);
    world_write(world, 200);
    world->nodes[old].ledger_version_known = 1;
    assert_true(world_start(world, old));
    WORLD_UNTIL(world, 60000, world->nodes[old].is_stopped);
    assert_non_null(strstr(world->nodes[old].error.text, "the state is of ledger version 2"));
    world_crash(world, old, SIM_LOSE_ALL);
    world->nodes[old].ledger_version_known = 2;
    assert_true(world_start(world, old));
    WORLD_UNTIL(world, 60000, world_has_caught_up(world, old));
    world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_must_know_it),
        cmocka_unit_test(who_is_away_has_not_told),
        cmocka_unit_test(a_program_that_is_too_old_stops),
        cmocka_unit_test(a_state_of_a_version_that_it_does_not_know_stops_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
