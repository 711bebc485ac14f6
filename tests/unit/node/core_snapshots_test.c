/*
 * Snapshots that cores take, by themselves and when they are asked to: the log is trimmed behind
 * them, and a crash at any point of it recovers (node/core/snapshots.c; Raft rule 12).
 */
#include "core_snapshot_world.h"

#include <string.h>

/* ---- taking ---- */

static void the_log_is_trimmed_behind_a_snapshot(void **state)
{
    (void)state;
    struct world *world = world_that_snapshots(1, 100);
    struct core *core = &world->nodes[1].core;
    world_write(world, 350);
    world_go(world, 200);
    struct replica_status status = world_status(world, 1);
    assert_true(status.snapshot_index >= 300);
    assert_true(status.first_index > 250);
    assert_true(log_store_first_index(core->log) > 100); /* whole segments go */
    assert_true(log_store_first_index(core->log) <= status.first_index);
    struct snapshot snapshot;
    data_directory_snapshot(core->directory, &snapshot);
    assert_int_equal(snapshot.index, status.snapshot_index);
    assert_int_equal(snapshot.configuration_index, 1);
    assert_true(world_is_tidy(world, 1));

    /* It starts again from there, whatever was not flushed. */
    struct hash128 digest = ledger_digest(core->ledger);
    uint64_t applied = core_applied_index(core);
    world_crash(world, 1, SIM_LOSE_ALL);
    if (!world_start(world, 1)) {
        fail_msg("%s", world->nodes[1].error.text);
    }
    assert_int_equal(world_status(world, 1).snapshot_index, snapshot.index);
    WORLD_UNTIL(world, 1000, core_applied_index(core) >= applied);
    assert_true(hash128_equal(digest, ledger_digest(core->ledger)));
    world_write(world, 150);
    world_go(world, 200);
    assert_true(world_status(world, 1).snapshot_index > snapshot.index);
    world_free(world);
}

/* Bytes count as entries do. */
static void a_log_of_large_entries_is_trimmed_too(void **state)
{
    (void)state;
    struct world *world = world_that_snapshots(1, 1000000);
    world_write(world, 50);
    world_go(world, 200);
    assert_int_equal(world_status(world, 1).snapshot_index, 0);
    world->nodes[1].core.config.snapshot_log_bytes = 500;
    world_go(world, 200);
    uint64_t first = world_status(world, 1).snapshot_index;
    assert_true(first > 0);
    world_write(world, 2); /* not much has come since */
    world_go(world, 200);
    assert_int_equal(world_status(world, 1).snapshot_index, first);
    world_write(world, 20);
    world_go(world, 200);
    assert_true(world_status(world, 1).snapshot_index > first);
    world_free(world);
}

/* The power goes at each operation of a snapshot in turn: what starts again has lost nothing. */
static void a_snapshot_survives_a_power_cut_at_any_point(void **state)
{
    (void)state;
    static const enum sim_loss losses[] = {SIM_LOSE_ALL, SIM_LOSE_SOME, SIM_LOSE_NONE};
    size_t cuts = 0;
    for (size_t k = 0; k < 3; k++) {
        bool was_cut = true;
        for (uint64_t nth = 1; was_cut; nth++) {
            struct world *world = world_that_snapshots(1, 1000000);
            struct world_node *node = &world->nodes[1];
            struct core *core = &node->core;
            world_write(world, 120);
            uint64_t applied = core_applied_index(core);
            struct hash128 digest = ledger_digest(core->ledger);
            core->config.snapshot_log_entries = 100;
            sim_disk_cut_power(node->disk, nth);
            world_go(world, 200);
            was_cut = node->is_stopped;
            if (was_cut) {
                cuts++;
                world_crash(world, 1, losses[k]);
                if (!world_start(world, 1)) {
                    fail_msg("cut at %d: %s", (int)nth, node->error.text);
                }
                WORLD_UNTIL(world, 1000, core_applied_index(core) >= applied);
                assert_true(hash128_equal(digest, ledger_digest(core->ledger)));
                world_write(world, 1);
                assert_true(world_is_tidy(world, 1));
            } else {
                assert_true(world_status(world, 1).snapshot_index > 0);
            }
            world_free(world);
        }
    }
    assert_true(cuts >= 30);
}

static void a_disk_that_fails_stops_the_node(void **state)
{
    (void)state;
    struct world *world = world_that_snapshots(1, 1000000);
    struct world_node *node = &world->nodes[1];
    world_write(world, 20);
    node->core.config.snapshot_log_entries = 10;
    sim_disk_fail(node->disk, SIM_SYNC_DIRECTORY, 1, 5);
    world_go(world, 200);
    assert_true(node->is_stopped);
    assert_true(node->error.text[0] != '\0');
    world_free(world);
}

/* The state that a snapshot was taken of is gone: the node must not make it anew, whether its log
 * begins behind the snapshot or at 1 still; and it must not leave an empty one. */
static void a_lost_state_is_refused(void **state)
{
    (void)state;
    for (int keeps_log = 0; keeps_log <= 1; keeps_log++) {
        struct world *world = world_that_snapshots(1, 100);
        struct world_node *node = &world->nodes[1];
        struct error error;
        if (keeps_log) {
            world->trailing_entries = 10000;
            world_stop(world, 1);
            assert_true(world_start(world, 1));
            WORLD_UNTIL(world, 5000, world_leader(world) != 0);
        }
        world_write(world, 350);
        world_go(world, 200);
        assert_true(world_status(world, 1).snapshot_index >= 300);
        assert_int_equal(log_store_first_index(node->core.log) == 1, keeps_log);
        world_stop(world, 1);
        assert_true(node->files.remove_tree(node->files.context, "data/state.1", &error));
        for (int attempt = 0; attempt < 2; attempt++) {
            assert_false(world_start(world, 1));
            assert_non_null(strstr(node->error.text, "data/state.1 is gone"));
            assert_int_equal(world_count_names(world, 1, "state."), 0);
        }
        world_free(world);
    }
}

/* An empty one in its place is not the one that this node had. */
static void an_older_state_is_refused(void **state)
{
    (void)state;
    struct world *world = world_that_snapshots(1, 50);
    struct world_node *node = &world->nodes[1];
    struct file_system *files = &node->files;
    struct error error;
    world_write(world, 120);
    world_go(world, 200);
    world_stop(world, 1);
    assert_true(files->remove_tree(files->context, "data/state.1", &error));
    assert_true(files->make_directory(files->context, "data/state.1", &error));
    assert_false(world_start(world, 1));
    assert_non_null(strstr(node->error.text, "has applied entry 0, and had applied "));
    world_free(world);
}

/* The manifest knows that there was one. */
static void a_lost_log_is_refused(void **state)
{
    (void)state;
    struct world *world = world_that_snapshots(1, 50);
    struct world_node *node = &world->nodes[1];
    struct error error;
    world_write(world, 120);
    world_go(world, 200);
    world_stop(world, 1);
    assert_true(node->files.remove_tree(node->files.context, "data/log", &error));
    assert_false(world_start(world, 1));
    assert_non_null(strstr(node->error.text, "log"));
    world_free(world);
}

/* Before the state may be replaced. */
static void what_is_under_way_is_waited_for(void **state)
{
    (void)state;
    struct world *world = world_that_snapshots(1, 1000000);
    struct world_node *node = &world->nodes[1];
    world_write(world, 120);
    node->core.config.snapshot_log_entries = 100;
    node->pool_is_shut = true;
    WORLD_UNTIL(world, 200, node->work_count > 0);
    assert_false(snapshots_hold(node->core.snapshots));
    node->pool_is_shut = false;
    WORLD_UNTIL(world, 200, snapshots_hold(node->core.snapshots));
    uint64_t index = world_status(world, 1).snapshot_index;
    assert_true(index > 0); /* it came to its end */
    world_write(world, 150);
    world_go(world, 200);
    assert_int_equal(world_status(world, 1).snapshot_index, index); /* and no other began */
    snapshots_release(node->core.snapshots);
    world_go(world, 200);
    assert_true(world_status(world, 1).snapshot_index > index);
    world_free(world);
}

static void it_stops_in_the_middle_of_a_snapshot(void **state)
{
    (void)state;
    for (int steps = 0; steps < 4; steps++) {
        struct world *world = world_that_snapshots(1, 1000000);
        struct world_node *node = &world->nodes[1];
        world_write(world, 120);
        node->core.config.snapshot_log_entries = 100;
        node->pool_is_shut = true;
        WORLD_UNTIL(world, 200, node->work_count > 0);
        node->pool_is_shut = false;
        world_go(world, (uint64_t)steps);
        world_stop(world, 1);
        assert_true(world_start(world, 1));
        world_write(world, 1);
        world_free(world);
    }
}

/* ---- asked for ---- */

/* It would be answered with the state of the start, and leave the log as long as it was. */
static void none_is_taken_where_nothing_was_written_since_the_start(void **state)
{
    (void)state;
    struct world *world = world_that_snapshots(3, 1000000);
    struct snapshot_wait wait;
    struct error why;
    world_write(world, 120);
    uint64_t restarted = world_leader(world) == 3 ? 2 : 3;
    struct world_node *node = &world->nodes[restarted];
    WORLD_UNTIL(world, 5000, world_has_caught_up(world, restarted));
    world_stop(world, restarted);
    assert_true(world_start(world, restarted));
    WORLD_UNTIL(world, 5000, node->core.leader_id != 0);
    world_go(world, 500);
    uint64_t applied = core_applied_index(&node->core);
    assert_int_equal(world_status(world, restarted).snapshot_index, applied);
    assert_int_equal(world_status(world, restarted).first_index, 1);
    assert_false(world_call_for(node, &wait, &why));
    assert_non_null(strstr(why.text, "nothing has been written since"));
    /* With the next entry it is one like any other. */
    world_write(world, 1);
    WORLD_UNTIL(world, 5000, world_has_caught_up(world, restarted));
    assert_true(world_call_for(node, &wait, &why));
    WORLD_UNTIL(world, 500, wait.ended);
    assert_true(wait.call.ok);
    assert_true(wait.call.index > applied);
    assert_int_equal(snapshots_stored_index(node->core.snapshots), wait.call.index);
    assert_true(world_status(world, restarted).first_index > 1);
    /* A log that is as short as it may be is no reason to refuse. */
    world_stop(world, restarted);
    assert_true(world_start(world, restarted));
    WORLD_UNTIL(world, 5000, node->core.leader_id != 0);
    assert_true(world_call_for(node, &wait, &why));
    WORLD_UNTIL(world, 500, wait.ended);
    assert_true(wait.call.ok);
    world_free(world);
}

static void one_is_taken_when_asked_for(void **state)
{
    (void)state;
    struct world *world = world_that_snapshots(1, 1000000);
    struct world_node *node = &world->nodes[1];
    struct snapshot_wait wait;
    struct snapshot_wait again;
    struct error why;
    world_write(world, 120);
    uint64_t applied = core_applied_index(&node->core);
    assert_int_equal(snapshots_taken_ms(node->core.snapshots), 0);
    assert_true(world_call_for(node, &wait, &why));
    assert_false(wait.ended); /* never from within */
    WORLD_UNTIL(world, 500, wait.ended);
    assert_true(wait.call.ok);
    assert_true(wait.call.index >= applied);
    assert_int_equal(wait.call.index, world_status(world, 1).snapshot_index);
    assert_true(snapshots_taken_ms(node->core.snapshots) > 0);
    /* Nothing was applied since: it is the same one, and no other is taken for it. */
    assert_true(world_call_for(node, &again, &why));
    WORLD_UNTIL(world, 500, again.ended);
    assert_int_equal(again.call.index, wait.call.index);
    assert_true(world_is_tidy(world, 1));
    world_free(world);
}

/* A checkpoint under way may stand before what is applied by now: another one follows. */
static void one_under_way_is_not_taken_for_an_answer(void **state)
{
    (void)state;
    struct world *world = world_that_snapshots(1, 1000000);
    struct world_node *node = &world->nodes[1];
    struct snapshot_wait first;
    struct snapshot_wait second;
    struct error why;
    world_write(world, 50);
    assert_true(world_call_for(node, &first, &why));
    WORLD_UNTIL(world, 500, node->work_count > 0); /* begun, and run in the next step */
    world_step(world);
    world_write(world, 50);
    uint64_t applied = core_applied_index(&node->core);
    assert_true(world_call_for(node, &second, &why));
    WORLD_UNTIL(world, 1000, second.ended);
    assert_true(first.ended && first.call.ok && second.call.ok);
    assert_true(second.call.index >= applied);
    world_free(world);
}

static void calls_are_bounded_and_end_with_the_node(void **state)
{
    (void)state;
    struct world *world = world_that_snapshots(1, 1000000);
    struct world_node *node = &world->nodes[1];
    struct snapshot_wait waits[LIMIT_SNAPSHOT_CALLS];
    struct snapshot_wait beyond;
    struct error why;
    world_write(world, 50);
    node->pool_is_shut = true;
    for (size_t i = 0; i < LIMIT_SNAPSHOT_CALLS; i++) {
        assert_true(world_call_for(node, &waits[i], &why));
    }
    assert_false(world_call_for(node, &beyond, &why));
    assert_non_null(strstr(why.text, "wait for a snapshot"));
    core_abandon(&node->core);
    for (size_t i = 0; i < LIMIT_SNAPSHOT_CALLS; i++) {
        assert_true(waits[i].ended && !waits[i].call.ok);
        assert_non_null(strstr(waits[i].call.error.text, "stopping"));
    }
    assert_false(world_call_for(node, &beyond, &why));
    world_free(world);
}

static void who_waits_in_vain_is_told(void **state)
{
    (void)state;
    struct world *world = world_that_snapshots(1, 1000000);
    struct world_node *node = &world->nodes[1];
    struct snapshot_wait wait;
    struct error why;
    world_write(world, 50);
    node->pool_is_shut = true;
    assert_true(world_call_for(node, &wait, &why));
    world_go(world, 29000);
    assert_false(wait.ended);
    WORLD_UNTIL(world, 2000, wait.ended);
    assert_false(wait.call.ok);
    assert_non_null(strstr(wait.call.error.text, "in time"));
    node->pool_is_shut = false;
    world_go(world, 200);
    world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_log_is_trimmed_behind_a_snapshot),
        cmocka_unit_test(a_log_of_large_entries_is_trimmed_too),
        cmocka_unit_test(a_snapshot_survives_a_power_cut_at_any_point),
        cmocka_unit_test(a_disk_that_fails_stops_the_node),
        cmocka_unit_test(a_lost_state_is_refused),
        cmocka_unit_test(an_older_state_is_refused),
        cmocka_unit_test(a_lost_log_is_refused),
        cmocka_unit_test(what_is_under_way_is_waited_for),
        cmocka_unit_test(it_stops_in_the_middle_of_a_snapshot),
        cmocka_unit_test(none_is_taken_where_nothing_was_written_since_the_start),
        cmocka_unit_test(one_is_taken_when_asked_for),
        cmocka_unit_test(one_under_way_is_not_taken_for_an_answer),
        cmocka_unit_test(calls_are_bounded_and_end_with_the_node),
        cmocka_unit_test(who_waits_in_vain_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
