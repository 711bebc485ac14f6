/*
 * Snapshots of cores: taken, offered, fetched, installed; and that a crash at any point of it
 * recovers (node/core/snapshots.c, checkpoint_server.c, fetching.c; Raft rule 12).
 */
#include "core_world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct world *world_of(size_t node_count, uint64_t snapshot_log_entries)
{
    struct world *world = world_new(node_count);
    world->snapshot_log_entries = snapshot_log_entries;
    world->trailing_entries = 8;
    for (uint64_t id = 1; id <= node_count; id++) {
        assert_true(world_start(world, id));
    }
    WORLD_UNTIL(world, 5000, world_leader(world) != 0);
    return world;
}

/* No work, no checkpoint, one state: what a snapshot leaves behind. */
static bool is_tidy(struct world *world, uint64_t id)
{
    const struct world_node *node = &world->nodes[id];
    return node->work_count == 0 && world_count_names(world, id, "checkpoint.") == 0 &&
           world_count_names(world, id, "state.") == 1 && sim_states_count(node->states) == 1;
}

static bool says(const struct world_node *node, const char *words)
{
    for (size_t i = 0; i < node->warning_count; i++) {
        if (strstr(node->warnings[i].text, words) != NULL) {
            return true;
        }
    }
    return false;
}

/* ---- taking ---- */

static void the_log_is_trimmed_behind_a_snapshot(void **state)
{
    (void)state;
    struct world *world = world_of(1, 100);
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
    assert_true(is_tidy(world, 1));

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
    struct world *world = world_of(1, 1000000);
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
            struct world *world = world_of(1, 1000000);
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
                assert_true(is_tidy(world, 1));
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
    struct world *world = world_of(1, 1000000);
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
        struct world *world = world_of(1, 100);
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
    struct world *world = world_of(1, 50);
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
    struct world *world = world_of(1, 50);
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
    struct world *world = world_of(1, 1000000);
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
        struct world *world = world_of(1, 1000000);
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

struct wait {
    struct snapshot_call call; /* first */
    bool ended;
};

static void call_ended(struct snapshot_call *call)
{
    ((struct wait *)call)->ended = true;
}

static bool call_for(struct world_node *node, struct wait *wait, struct error *why)
{
    *wait = (struct wait){.call = {.ended = call_ended}};
    return snapshots_call(node->core.snapshots, &wait->call, why);
}

static void one_is_taken_when_asked_for(void **state)
{
    (void)state;
    struct world *world = world_of(1, 1000000);
    struct world_node *node = &world->nodes[1];
    struct wait wait;
    struct wait again;
    struct error why;
    world_write(world, 120);
    uint64_t applied = core_applied_index(&node->core);
    assert_int_equal(snapshots_taken_ms(node->core.snapshots), 0);
    assert_true(call_for(node, &wait, &why));
    assert_false(wait.ended); /* never from within */
    WORLD_UNTIL(world, 500, wait.ended);
    assert_true(wait.call.ok);
    assert_true(wait.call.index >= applied);
    assert_int_equal(wait.call.index, world_status(world, 1).snapshot_index);
    assert_true(snapshots_taken_ms(node->core.snapshots) > 0);
    /* Nothing was applied since: it is the same one, and no other is taken for it. */
    assert_true(call_for(node, &again, &why));
    WORLD_UNTIL(world, 500, again.ended);
    assert_int_equal(again.call.index, wait.call.index);
    assert_true(is_tidy(world, 1));
    world_free(world);
}

/* A checkpoint under way may stand before what is applied by now: another one follows. */
static void one_under_way_is_not_taken_for_an_answer(void **state)
{
    (void)state;
    struct world *world = world_of(1, 1000000);
    struct world_node *node = &world->nodes[1];
    struct wait first;
    struct wait second;
    struct error why;
    world_write(world, 50);
    assert_true(call_for(node, &first, &why));
    WORLD_UNTIL(world, 500, node->work_count > 0); /* begun, and run in the next step */
    world_step(world);
    world_write(world, 50);
    uint64_t applied = core_applied_index(&node->core);
    assert_true(call_for(node, &second, &why));
    WORLD_UNTIL(world, 1000, second.ended);
    assert_true(first.ended && first.call.ok && second.call.ok);
    assert_true(second.call.index >= applied);
    world_free(world);
}

static void calls_are_bounded_and_end_with_the_node(void **state)
{
    (void)state;
    struct world *world = world_of(1, 1000000);
    struct world_node *node = &world->nodes[1];
    struct wait waits[LIMIT_SNAPSHOT_CALLS];
    struct wait beyond;
    struct error why;
    world_write(world, 50);
    node->pool_is_shut = true;
    for (size_t i = 0; i < LIMIT_SNAPSHOT_CALLS; i++) {
        assert_true(call_for(node, &waits[i], &why));
    }
    assert_false(call_for(node, &beyond, &why));
    assert_non_null(strstr(why.text, "wait for a snapshot"));
    core_abandon(&node->core);
    for (size_t i = 0; i < LIMIT_SNAPSHOT_CALLS; i++) {
        assert_true(waits[i].ended && !waits[i].call.ok);
        assert_non_null(strstr(waits[i].call.error.text, "stopping"));
    }
    assert_false(call_for(node, &beyond, &why));
    world_free(world);
}

static void who_waits_in_vain_is_told(void **state)
{
    (void)state;
    struct world *world = world_of(1, 1000000);
    struct world_node *node = &world->nodes[1];
    struct wait wait;
    struct error why;
    world_write(world, 50);
    node->pool_is_shut = true;
    assert_true(call_for(node, &wait, &why));
    world_go(world, 29000);
    assert_false(wait.ended);
    WORLD_UNTIL(world, 2000, wait.ended);
    assert_false(wait.call.ok);
    assert_non_null(strstr(wait.call.error.text, "in time"));
    node->pool_is_shut = false;
    world_go(world, 200);
    world_free(world);
}

/* ---- fetching ---- */

/* Node 3 is down while the others write and trim. */
static struct world *world_with_one_behind(void)
{
    struct world *world = world_of(3, 100);
    world_write(world, 20);
    if (world_leader(world) == 3) {
        world_crash(world, 3, SIM_LOSE_NONE);
        WORLD_UNTIL(world, 5000, world_leader(world) != 0);
    } else {
        WORLD_UNTIL(world, 1000, world_has_caught_up(world, 3));
        world_stop(world, 3);
    }
    world_write(world, 300);
    world_go(world, 300);
    assert_true(world_status(world, 1).first_index > 100);
    assert_true(world_status(world, 2).first_index > 100);
    assert_true(is_tidy(world, 1) && is_tidy(world, 2));
    return world;
}

static void start_3(struct world *world)
{
    if (!world_start(world, 3)) {
        fail_msg("%s", world->nodes[3].error.text);
    }
}

static void who_is_far_behind_gets_the_state(void **state)
{
    (void)state;
    struct world *world = world_with_one_behind();
    start_3(world);
    WORLD_UNTIL(world, 10000, world_has_caught_up(world, 3));
    assert_true(world->part_count > 3);
    const struct core *core = &world->nodes[3].core;
    struct snapshot snapshot;
    data_directory_snapshot(core->directory, &snapshot);
    assert_true(snapshot.index > 300);
    assert_int_equal(data_directory_generation(core->directory), 2);
    assert_true(log_store_first_index(core->log) == snapshot.index + 1);
    WORLD_UNTIL(world, 1000, is_tidy(world, 3));
    assert_int_equal(world_count_names(world, 3, "state.2"), 1);
    /* It follows on, takes snapshots of its own, and starts again. */
    world_write(world, 150);
    WORLD_UNTIL(world, 1000, world_has_caught_up(world, 3));
    assert_true(world_status(world, 3).snapshot_index > snapshot.index);
    world_crash(world, 3, SIM_LOSE_ALL);
    start_3(world);
    WORLD_UNTIL(world, 1000, world_has_caught_up(world, 3));
    /* Whose checkpoint it was keeps it no longer than somebody asks for it. */
    uint64_t leader = world_leader(world);
    uint64_t kept = world_status(world, leader).snapshot_index;
    world_crash(world, 3, SIM_LOSE_NONE);
    world->nodes[leader].core.config.snapshot_log_entries = 1000000;
    assert_int_equal(world_count_names(world, leader, "checkpoint."), 1);
    world_go(world, CHECKPOINT_KEPT_MS - 10000);
    assert_int_equal(world_count_names(world, leader, "checkpoint."), 1);
    WORLD_UNTIL(world, 11000, is_tidy(world, leader));
    assert_int_equal(world_status(world, leader).snapshot_index, kept);
    world_free(world);
}

static struct lineage lineage_of(const struct world *world, uint64_t id)
{
    struct lineage lineage;
    data_directory_lineage(world->nodes[id].core.directory, &lineage);
    return lineage;
}

/* Over a restart, and until the states have been compared. */
static void whose_state_it_is_is_kept_until_it_is_borne_out(void **state)
{
    (void)state;
    struct world *world = world_with_one_behind();
    start_3(world);
    uint64_t leader = world_leader(world);
    WORLD_UNTIL(world, 10000, world_has_caught_up(world, 3));
    struct lineage lineage = lineage_of(world, 3);
    assert_int_equal(lineage.count, 1);
    assert_int_equal(lineage.ids[0], leader);
    world_crash(world, 3, SIM_LOSE_ALL);
    start_3(world);
    WORLD_UNTIL(world, 10000, world_has_caught_up(world, 3));
    assert_int_equal(lineage_of(world, 3).count, 1);
    uint64_t applied = core_applied_index(&world->nodes[leader].core);
    assert_true(applied < DIGEST_INTERVAL_ENTRIES);
    world_write(world, DIGEST_INTERVAL_ENTRIES - applied);
    WORLD_UNTIL(world, 2000, lineage_of(world, 3).count == 0);
    struct digests_status status;
    digests_status_get(world->nodes[leader].core.digests, &status);
    assert_true(status.agree);
    world_free(world);
}

/* With the leadership on the node whose own state came from another one. */
static void what_was_installed_can_be_passed_on(void **state)
{
    (void)state;
    struct world *world = world_with_one_behind();
    bool accepted = false;
    struct error why;
    struct error error;
    start_3(world);
    WORLD_UNTIL(world, 10000, world_has_caught_up(world, 3));
    world_crash(world, 2, SIM_LOSE_ALL);
    WORLD_UNTIL(world, 5000, world_leader(world) != 0);
    world_write(world, 300);
    uint64_t leader = world_leader(world);
    if (leader != 3) {
        assert_true(
            core_transfer_leadership(&world->nodes[leader].core, 3, &accepted, &why, &error));
        assert_true(accepted);
        WORLD_UNTIL(world, 2000, world_leader(world) == 3);
    }
    struct lineage lineage = lineage_of(world, 3);
    assert_int_equal(lineage.count, 1);
    assert_true(world_start(world, 2));
    WORLD_UNTIL(world, 10000, world_has_caught_up(world, 2));
    assert_true(core_applied_index(&world->nodes[3].core) < DIGEST_INTERVAL_ENTRIES);
    lineage_add(&lineage, 3);
    struct lineage passed_on = lineage_of(world, 2);
    assert_true(lineage_is_equal(&passed_on, &lineage));
    world_free(world);
}

/* What an operator asks for does not make it begin anew. */
static void none_is_taken_for_a_call_while_one_is_fetched(void **state)
{
    (void)state;
    struct world *world = world_with_one_behind();
    struct world_node *leader = &world->nodes[world_leader(world)];
    struct wait wait;
    struct error why;
    start_3(world);
    WORLD_UNTIL(world, 5000, world->part_count > 1);
    assert_false(call_for(leader, &wait, &why));
    assert_non_null(strstr(why.text, "another node fetches"));
    WORLD_UNTIL(world, 10000, world_has_caught_up(world, 3));
    assert_true(call_for(&world->nodes[3], &wait, &why));
    WORLD_UNTIL(world, 1000, wait.ended);
    assert_true(wait.call.ok);
    world_free(world);
}

static void progress_is_told(void **state)
{
    (void)state;
    struct world *world = world_with_one_behind();
    struct fetching_progress progress;
    uint64_t last = 0;
    size_t grew = 0;
    uint64_t leader = world_leader(world);
    start_3(world);
    const struct core *core = &world->nodes[3].core;
    assert_false(fetching_progress_get(core->fetching, &progress));
    for (uint64_t end = world->now_ms + 10000; !world_has_caught_up(world, 3);) {
        assert_true(world->now_ms < end);
        world_step(world);
        if (!fetching_progress_get(core->fetching, &progress)) {
            continue;
        }
        assert_int_equal(progress.peer_id, leader);
        assert_int_equal(progress.index, world_status(world, leader).snapshot_index);
        assert_true(progress.bytes >= last && progress.bytes <= progress.total_bytes);
        assert_true(!progress.is_installing || progress.bytes == progress.total_bytes);
        grew += progress.bytes > last;
        last = progress.bytes;
    }
    assert_true(grew >= 3);
    WORLD_UNTIL(world, 1000, is_tidy(world, 3));
    assert_false(fetching_progress_get(core->fetching, &progress));
    assert_true(snapshots_taken_ms(core->snapshots) > 0);
    world_free(world);
}

/* The leader's own disk has changed a file since it was listed. Its state shares those bytes: it
 * stops, and another leader's state is fetched. */
static void who_serves_notices_its_own_damage(void **state)
{
    (void)state;
    struct world *world = world_with_one_behind();
    struct world_node *leader = &world->nodes[world_leader(world)];
    start_3(world);
    WORLD_UNTIL(world, 5000, world->part_count > 0); /* the list */
    char *directory =
        data_directory_checkpoint_path(leader->core.directory, core_applied_index(&leader->core));
    char path[512];
    snprintf(path, sizeof path, "%s/records.000001", directory);
    free(directory);
    sim_disk_flip(leader->disk, path, 100, 1);
    WORLD_UNTIL(world, 5000, leader->is_stopped);
    assert_non_null(strstr(leader->error.text, "records.000001 is damaged"));
    assert_int_equal(data_directory_generation(world->nodes[3].core.directory), 1);
    world_crash(world, leader->id, SIM_LOSE_ALL);
    WORLD_UNTIL(world, 20000, world_leader(world) != 0 && world_has_caught_up(world, 3));
    WORLD_UNTIL(world, 1000, is_tidy(world, 3));
    world_free(world);
}

/* While it is fetched no other snapshot is taken: the log goes on behind the one that is. */
static void the_log_goes_on_behind_what_is_fetched(void **state)
{
    (void)state;
    struct world *world = world_with_one_behind();
    uint64_t leader = world_leader(world);
    start_3(world);
    WORLD_UNTIL(world, 5000, world->part_count > 1);
    uint64_t fetched = world_status(world, leader).snapshot_index;
    world->drops_parts = true;
    world_write(world, 300);
    assert_int_equal(world_leader(world), leader);
    assert_int_equal(world_status(world, leader).snapshot_index, fetched);
    world->drops_parts = false;
    WORLD_UNTIL(world, 10000, world_has_caught_up(world, 3));
    struct snapshot snapshot;
    data_directory_snapshot(world->nodes[3].core.directory, &snapshot);
    assert_true(snapshot.index >= fetched);
    world_free(world);
}

/* Unless the log grows too large: then the fetch begins anew. */
static void a_log_that_is_too_large_is_held_no_longer(void **state)
{
    (void)state;
    struct world *world = world_with_one_behind();
    uint64_t leader = world_leader(world);
    world->nodes[leader].core.config.held_log_bytes = 1;
    start_3(world);
    WORLD_UNTIL(world, 5000, world->part_count > 1);
    uint64_t fetched = world_status(world, leader).snapshot_index;
    world->drops_parts = true;
    world_write(world, 300);
    assert_true(world_status(world, leader).snapshot_index > fetched);
    assert_true(world_count_names(world, leader, "checkpoint.") <= 1);
    world->drops_parts = false;
    WORLD_UNTIL(world, 10000, world_has_caught_up(world, 3));
    world_free(world);
}

static void an_answer_that_is_lost_is_asked_for_again(void **state)
{
    (void)state;
    struct world *world = world_with_one_behind();
    start_3(world);
    world->drops_parts = true;
    world_go(world, 4000);
    assert_false(says(&world->nodes[3], "does not answer"));
    world->drops_parts = false;
    WORLD_UNTIL(world, 5000, world_has_caught_up(world, 3));
    world_free(world);
}

static void a_node_that_does_not_answer_is_given_up(void **state)
{
    (void)state;
    struct world *world = world_with_one_behind();
    start_3(world);
    world->drops_parts = true;
    world_go(world, 1000 * (LIMIT_CHECKPOINT_ASKS + 2));
    assert_true(says(&world->nodes[3], "does not answer"));
    world->drops_parts = false;
    WORLD_UNTIL(world, 5000, world_has_caught_up(world, 3));
    world_free(world);
}

/* The leader dies in the middle: the next one has a state of its own. */
static void another_leader_goes_on_with_its_own(void **state)
{
    (void)state;
    struct world *world = world_of(5, 100);
    world_write(world, 20);
    uint64_t behind = world_leader(world) == 3 ? 4 : 3;
    world_crash(world, behind, SIM_LOSE_ALL);
    world_write(world, 300);
    world_go(world, 300);
    uint64_t leader = world_leader(world);
    assert_true(world_start(world, behind));
    WORLD_UNTIL(world, 5000, world->part_count > 3);
    assert_false(world_has_caught_up(world, behind));
    world_crash(world, leader, SIM_LOSE_ALL);
    WORLD_UNTIL(world, 20000, world_has_caught_up(world, behind));
    assert_int_not_equal(world_leader(world), leader);
    assert_int_equal(world->nodes[behind].warning_count, 0);
    WORLD_UNTIL(world, 1000, is_tidy(world, behind));
    world_free(world);
}

static size_t spoilt;

static uint32_t spoilt_file;

static void spoil(struct peer_message *part)
{
    struct entry *data = part->checkpoint_part.data;
    if (part->type == PEER_CHECKPOINT_PART && part->checkpoint_part.file == spoilt_file &&
        spoilt > 0 && data != NULL) {
        struct buffer bytes = {0};
        spoilt--;
        buffer_append_bytes(&bytes, data->data);
        bytes.data[0] ^= 1;
        entry_release(data);
        part->checkpoint_part.data = entry_new_take(ENTRY_COMMAND, &bytes);
    }
}

static void a_file_that_came_damaged_is_fetched_again(void **state)
{
    (void)state;
    struct world *world = world_with_one_behind();
    world->sees = spoil;
    spoilt_file = 2;
    spoilt = 2;
    start_3(world);
    WORLD_UNTIL(world, 10000, world_has_caught_up(world, 3));
    assert_int_equal(spoilt, 0);
    assert_int_equal(world->nodes[3].warning_count, 0);
    world_free(world);

    world = world_with_one_behind();
    world->sees = spoil;
    spoilt = 5;
    start_3(world);
    WORLD_UNTIL(world, 10000, world_has_caught_up(world, 3));
    assert_true(says(&world->nodes[3], "without the checksum"));
    world_free(world);
}

static void a_list_that_was_not_offered_is_refused(void **state)
{
    (void)state;
    struct world *world = world_with_one_behind();
    world->sees = spoil;
    spoilt_file = 0; /* the list */
    spoilt = 1;
    start_3(world);
    WORLD_UNTIL(world, 10000, world_has_caught_up(world, 3));
    assert_true(says(&world->nodes[3], "not the one that was offered"));
    world_free(world);
}

static size_t lies;

static void lie(struct peer_message *offer)
{
    if (offer->type == PEER_INSTALL_SNAPSHOT && lies > 0) {
        offer->install_snapshot.index++;
    }
}

/* What it gives is not what it offered. */
static void a_state_at_another_index_is_refused(void **state)
{
    (void)state;
    struct world *world = world_with_one_behind();
    world->sees = lie;
    lies = 1;
    start_3(world);
    WORLD_UNTIL(world, 5000, says(&world->nodes[3], "and gave the one at"));
    assert_int_equal(data_directory_generation(world->nodes[3].core.directory), 1);
    lies = 0;
    WORLD_UNTIL(world, 10000, world_has_caught_up(world, 3));
    WORLD_UNTIL(world, 1000, is_tidy(world, 3));
    world_free(world);
}

static size_t gone;

static void count_gone(struct peer_message *part)
{
    gone += part->type == PEER_CHECKPOINT_PART && part->checkpoint_part.data == NULL;
}

static void what_is_not_offered_is_gone(void **state)
{
    (void)state;
    struct world *world = world_with_one_behind();
    struct error error;
    start_3(world);
    WORLD_UNTIL(world, 5000, world->part_count > 1);
    struct core *core = &world->nodes[world_leader(world)].core;
    gone = 0;
    world->sees = count_gone;
    for (uint32_t file = 0; file < 2; file++) {
        struct peer_message ask = {
            .type = PEER_CHECKPOINT_ASK,
            .checkpoint_ask = {.checkpoint = {1, 2}, .file = file, .max_bytes = 100}};
        assert_true(core_receive(core, 3, &ask, &error));
    }
    assert_int_equal(gone, 2);
    world_free(world);
}

/* The leader has another checkpoint before the first look at the one before is over. */
static void a_newer_offer_replaces_the_one_before(void **state)
{
    (void)state;
    struct world *world = world_with_one_behind();
    struct world_node *node = &world->nodes[3];
    uint64_t leader = world_leader(world);
    start_3(world);
    WORLD_UNTIL(world, 5000, world->part_count > 0);
    node->pool_is_shut = true;
    WORLD_UNTIL(world, 5000, node->work_count > 0);
    uint64_t before = world_status(world, leader).snapshot_index;
    world->nodes[leader].core.config.held_log_bytes = 1;
    world_write(world, 150);
    world_go(world, 2000);
    assert_true(world_status(world, leader).snapshot_index > before);
    node->pool_is_shut = false;
    WORLD_UNTIL(world, 10000, world_has_caught_up(world, 3));
    struct snapshot snapshot;
    data_directory_snapshot(node->core.directory, &snapshot);
    assert_true(snapshot.index > before);
    assert_int_equal(node->warning_count, 0);
    world_free(world);
}

static void a_disk_without_room_waits_for_room(void **state)
{
    (void)state;
    struct world *world = world_with_one_behind();
    start_3(world);
    sim_disk_set_capacity(world->nodes[3].disk, 20000);
    world_go(world, 3000);
    assert_false(world->nodes[3].is_stopped);
    assert_true(says(&world->nodes[3], "of the room that it needs"));
    sim_disk_set_capacity(world->nodes[3].disk, UINT64_MAX);
    WORLD_UNTIL(world, 10000, world_has_caught_up(world, 3));
    world_free(world);
}

/* Another leader still has the entries: what was fetched is not needed any more. */
static void who_catches_up_by_itself_drops_what_it_fetched(void **state)
{
    (void)state;
    struct world *world = world_of(3, 1000000);
    struct world_node *node = &world->nodes[3];
    bool accepted = false;
    struct error why;
    struct error error;
    world_write(world, 20);
    if (world_leader(world) != 1) {
        core_transfer_leadership(&world->nodes[world_leader(world)].core, 1, &accepted, &why,
                                 &error);
        WORLD_UNTIL(world, 2000, world_leader(world) == 1);
    }
    WORLD_UNTIL(world, 1000, world_has_caught_up(world, 3));
    world_stop(world, 3);
    world_write(world, 300);
    world->nodes[1].core.config.snapshot_log_entries = 100; /* it alone trims its log */
    WORLD_UNTIL(world, 1000, world_status(world, 1).first_index > 100);
    start_3(world);
    WORLD_UNTIL(world, 5000, world->part_count > 3);
    world->drops_parts = true;
    world_go(world, 100);
    assert_int_equal(world_count_names(world, 3, "state."), 2);
    assert_true(core_transfer_leadership(&world->nodes[1].core, 2, &accepted, &why, &error));
    assert_true(accepted);
    WORLD_UNTIL(world, 5000, world_leader(world) == 2 && world_has_caught_up(world, 3));
    WORLD_UNTIL(world, 1000, is_tidy(world, 3));
    assert_int_equal(data_directory_generation(node->core.directory), 1);
    assert_int_equal(node->warning_count, 0);
    world_free(world);
}

/* ---- installing ---- */

/* The power goes at each operation in turn, from the offer until the node has caught up. */
static void an_install_survives_a_power_cut_at_any_point(void **state)
{
    (void)state;
    static const enum sim_loss losses[] = {SIM_LOSE_ALL, SIM_LOSE_SOME, SIM_LOSE_NONE};
    size_t cuts = 0;
    bool was_cut = true;
    for (uint64_t n = 0; was_cut; n++) {
        struct world *world = world_with_one_behind();
        struct world_node *node = &world->nodes[3];
        start_3(world);
        sim_disk_cut_power(node->disk, n / 3 + 1);
        uint64_t end_ms = world->now_ms + 20000;
        while (!node->is_stopped && !(world_has_caught_up(world, 3) && is_tidy(world, 3))) {
            assert_true(world->now_ms < end_ms);
            world_step(world);
        }
        was_cut = node->is_stopped;
        if (was_cut) {
            cuts++;
            world_crash(world, 3, losses[n % 3]);
            start_3(world);
            WORLD_UNTIL(world, 20000, world_has_caught_up(world, 3) && is_tidy(world, 3));
            world_write(world, 1);
        }
        world_free(world);
    }
    assert_true(cuts >= 120);
}

/* An audit reads the state that is to go: it is waited for, and none begins. */
static void audit_ended(struct audit *audit)
{
    assert_true(audit->ok);
    assert_int_equal(audit->result.violation_count, 0);
    free(audit);
}

/* Begins an audit whose work is kept out of the pool: the others go round it. */
static struct pool_work *begin_audit(struct world_node *node)
{
    enum audit_refusal why;
    struct error error;
    struct audit *audit = memory_zalloc(sizeof *audit);
    audit->ended = audit_ended;
    assert_true(audit_start(audit, &node->core, &why, &error));
    return node->works[--node->work_count];
}

static void an_audit_is_waited_for(void **state)
{
    (void)state;
    struct world *world = world_with_one_behind();
    struct world_node *node = &world->nodes[3];
    enum audit_refusal why;
    struct error error;
    start_3(world);
    WORLD_UNTIL(world, 10000, world->part_count > 3);
    struct pool_work *audit = begin_audit(node);
    WORLD_UNTIL(world, 10000, fetching_is_staged(node->core.fetching));
    world_go(world, 500);
    assert_false(world_status(world, 3).installing);
    assert_int_equal(data_directory_generation(node->core.directory), 1);
    audit->run(audit);
    audit->done(audit);
    struct audit second = {.ended = audit_ended};
    assert_false(audit_start(&second, &node->core, &why, &error));
    assert_int_equal(why, AUDIT_BUSY);
    assert_non_null(strstr(error.text, "replace its state"));
    WORLD_UNTIL(world, 5000, world_has_caught_up(world, 3));
    WORLD_UNTIL(world, 1000, is_tidy(world, 3));
    audit = begin_audit(node);
    audit->run(audit);
    audit->done(audit);
    world_free(world);
}

/* Once the state is the new one it may be read: the removal of the old one does not concern it. */
static void an_audit_may_begin_while_the_old_state_is_removed(void **state)
{
    (void)state;
    struct world *world = world_with_one_behind();
    struct world_node *node = &world->nodes[3];
    struct fetching_installed installed;
    start_3(world);
    WORLD_UNTIL(world, 10000, fetching_installed_get(node->core.fetching, &installed));
    assert_int_equal(installed.count, 1);
    assert_int_equal(installed.peer_id, world_leader(world));
    assert_true(installed.bytes > 0);
    assert_int_equal(installed.index, core_applied_index(&node->core));
    assert_false(is_tidy(world, 3));
    struct pool_work *audit = begin_audit(node);
    WORLD_UNTIL(world, 1000, is_tidy(world, 3));
    audit->run(audit);
    audit->done(audit);
    WORLD_UNTIL(world, 5000, world_has_caught_up(world, 3));
    world_free(world);
}

static void stopped_audit_ended(struct audit *audit)
{
    assert_false(audit->ok);
    assert_non_null(strstr(audit->error.text, "stop"));
    free(audit);
}

/* A node that is to end does not wait until the whole state is read. */
static void an_audit_is_told_to_stop(void **state)
{
    (void)state;
    struct world *world = world_with_one_behind();
    struct world_node *node = &world->nodes[1];
    enum audit_refusal why;
    struct error error;
    struct pool_work *work = begin_audit(node);
    ((struct audit *)work)->ended = stopped_audit_ended;
    audits_stop(&node->core);
    struct audit second = {.ended = audit_ended};
    assert_false(audit_start(&second, &node->core, &why, &error));
    assert_int_equal(why, AUDIT_GIVEN_UP);
    assert_non_null(strstr(error.text, "stopping"));
    assert_int_equal(node->core.audits, 1);
    work->run(work);
    work->done(work);
    assert_int_equal(node->core.audits, 0);
    world_free(world);
}

/* It waits for an audit when its leader offers another one: what is installed is never one state
 * under the other one's index. */
static void what_is_staged_may_be_replaced(void **state)
{
    (void)state;
    struct world *world = world_with_one_behind();
    struct world_node *node = &world->nodes[3];
    uint64_t leader = world_leader(world);
    start_3(world);
    WORLD_UNTIL(world, 10000, world->part_count > 3);
    struct pool_work *audit = begin_audit(node);
    WORLD_UNTIL(world, 10000, fetching_is_staged(node->core.fetching));
    uint64_t before = world_status(world, leader).snapshot_index;
    world->nodes[leader].core.config.held_log_bytes = 1;
    world_write(world, 150);
    world_go(world, 2000);
    assert_true(world_status(world, leader).snapshot_index > before);
    audit->run(audit);
    audit->done(audit);
    WORLD_UNTIL(world, 10000, world_has_caught_up(world, 3));
    struct snapshot snapshot;
    data_directory_snapshot(node->core.directory, &snapshot);
    assert_true(snapshot.index > before);
    WORLD_UNTIL(world, 1000, is_tidy(world, 3));
    world_free(world);
}

static void it_stops_in_the_middle_of_an_install(void **state)
{
    (void)state;
    for (uint64_t steps = 0; steps < 40; steps++) {
        struct world *world = world_with_one_behind();
        start_3(world);
        WORLD_UNTIL(world, 5000, world->part_count > 0);
        world_go(world, steps * 3);
        world_stop(world, 3);
        start_3(world);
        WORLD_UNTIL(world, 10000, world_has_caught_up(world, 3));
        WORLD_UNTIL(world, 1000, is_tidy(world, 3));
        world_free(world);
    }
}

static void a_pool_that_refuses_is_asked_again(void **state)
{
    (void)state;
    struct world *world = world_of(3, 100);
    for (uint64_t id = 1; id <= 3; id++) {
        world->nodes[id].pool_refuses = true;
    }
    world_write(world, 20);
    uint64_t behind = world_leader(world) == 3 ? 2 : 3;
    world_stop(world, behind);
    world_write(world, 300);
    world_go(world, 1000);
    assert_true(world_status(world, world_leader(world)).first_index > 100);
    assert_true(world_start(world, behind));
    WORLD_UNTIL(world, 60000, world_has_caught_up(world, behind));
    WORLD_UNTIL(world, 1000, is_tidy(world, behind));
    assert_int_equal(data_directory_generation(world->nodes[behind].core.directory), 2);
    assert_true(world->nodes[behind].refused > 10);
    world_free(world);
}

/* Nothing is retried onto a disk that has failed. */
static void a_disk_that_fails_in_a_fetch_stops_the_node(void **state)
{
    (void)state;
    struct world *world = world_with_one_behind();
    struct world_node *node = &world->nodes[3];
    start_3(world);
    WORLD_UNTIL(world, 5000, world->part_count > 3);
    sim_disk_set_failing(node->disk, SIM_WRITE, 5);
    WORLD_UNTIL(world, 5000, node->is_stopped);
    assert_true(node->error.text[0] != '\0');
    world_free(world);
}

/* ---- with the real database ---- */

static void rocksdb_is_carried_too(void **state)
{
    (void)state;
    char directory[] = "/tmp/holdfast-core-XXXXXX";
    struct world *world = world_new(3);
    struct error error;
    assert_non_null(mkdtemp(directory));
    world->directory = directory;
    world->snapshot_log_entries = 100;
    world->trailing_entries = 8;
    for (uint64_t id = 1; id <= 3; id++) {
        assert_true(world_start(world, id));
    }
    WORLD_UNTIL(world, 5000, world_leader(world) != 0);
    world_write(world, 20);
    uint64_t behind = world_leader(world) == 3 ? 2 : 3;
    world_stop(world, behind);
    world_write(world, 300);
    assert_true(world_status(world, world_leader(world)).first_index > 100);
    if (!world_start(world, behind)) {
        fail_msg("%s", world->nodes[behind].error.text);
    }
    WORLD_UNTIL(world, 10000, world_has_caught_up(world, behind));
    struct core *core = &world->nodes[behind].core;
    assert_int_equal(data_directory_generation(core->directory), 2);
    WORLD_UNTIL(world, 1000, world_count_names(world, behind, "state.") == 1);
    world_write(world, 150);
    WORLD_UNTIL(world, 1000, world_has_caught_up(world, behind));
    /* What was installed starts again, and has every invariant. */
    world_stop(world, behind);
    if (!world_start(world, behind)) {
        fail_msg("%s", world->nodes[behind].error.text);
    }
    WORLD_UNTIL(world, 5000, world_has_caught_up(world, behind));
    struct pool_work *audit = begin_audit(&world->nodes[behind]);
    audit->run(audit);
    audit->done(audit);
    for (uint64_t id = 1; id <= 3; id++) {
        world_stop(world, id);
    }
    assert_true(file_system_posix.remove_tree(file_system_posix.context, directory, &error));
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
        cmocka_unit_test(one_is_taken_when_asked_for),
        cmocka_unit_test(one_under_way_is_not_taken_for_an_answer),
        cmocka_unit_test(calls_are_bounded_and_end_with_the_node),
        cmocka_unit_test(who_waits_in_vain_is_told),
        cmocka_unit_test(who_is_far_behind_gets_the_state),
        cmocka_unit_test(none_is_taken_for_a_call_while_one_is_fetched),
        cmocka_unit_test(progress_is_told),
        cmocka_unit_test(who_serves_notices_its_own_damage),
        cmocka_unit_test(whose_state_it_is_is_kept_until_it_is_borne_out),
        cmocka_unit_test(what_was_installed_can_be_passed_on),
        cmocka_unit_test(the_log_goes_on_behind_what_is_fetched),
        cmocka_unit_test(a_log_that_is_too_large_is_held_no_longer),
        cmocka_unit_test(an_answer_that_is_lost_is_asked_for_again),
        cmocka_unit_test(a_node_that_does_not_answer_is_given_up),
        cmocka_unit_test(another_leader_goes_on_with_its_own),
        cmocka_unit_test(a_file_that_came_damaged_is_fetched_again),
        cmocka_unit_test(a_list_that_was_not_offered_is_refused),
        cmocka_unit_test(a_state_at_another_index_is_refused),
        cmocka_unit_test(what_is_not_offered_is_gone),
        cmocka_unit_test(a_newer_offer_replaces_the_one_before),
        cmocka_unit_test(a_disk_without_room_waits_for_room),
        cmocka_unit_test(who_catches_up_by_itself_drops_what_it_fetched),
        cmocka_unit_test(an_install_survives_a_power_cut_at_any_point),
        cmocka_unit_test(an_audit_is_waited_for),
        cmocka_unit_test(an_audit_is_told_to_stop),
        cmocka_unit_test(an_audit_may_begin_while_the_old_state_is_removed),
        cmocka_unit_test(what_is_staged_may_be_replaced),
        cmocka_unit_test(it_stops_in_the_middle_of_an_install),
        cmocka_unit_test(a_pool_that_refuses_is_asked_again),
        cmocka_unit_test(a_disk_that_fails_in_a_fetch_stops_the_node),
        cmocka_unit_test(rocksdb_is_carried_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
