/*
 * Snapshots that cores offer, serve and fetch: who is far behind gets the state, whatever is lost,
 * damaged, refused or replaced on the way (node/core/checkpoint_server.c, fetching.c; Raft rule
 * 12).
 */
#include "core_snapshot_world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void who_is_far_behind_gets_the_state(void **state)
{
    (void)state;
    struct world *world = world_with_one_behind();
    world_start_3(world);
    WORLD_UNTIL(world, 10000, world_has_caught_up(world, 3));
    assert_true(world->part_count > 3);
    const struct core *core = &world->nodes[3].core;
    struct snapshot snapshot;
    data_directory_snapshot(core->directory, &snapshot);
    assert_true(snapshot.index > 300);
    assert_int_equal(data_directory_generation(core->directory), 2);
    assert_true(log_store_first_index(core->log) == snapshot.index + 1);
    WORLD_UNTIL(world, 1000, world_is_tidy(world, 3));
    assert_int_equal(world_count_names(world, 3, "state.2"), 1);
    /* It follows on, takes snapshots of its own, and starts again. */
    world_write(world, 150);
    WORLD_UNTIL(world, 1000, world_has_caught_up(world, 3));
    assert_true(world_status(world, 3).snapshot_index > snapshot.index);
    world_crash(world, 3, SIM_LOSE_ALL);
    world_start_3(world);
    WORLD_UNTIL(world, 1000, world_has_caught_up(world, 3));
    /* Whose checkpoint it was keeps it no longer than somebody asks for it. */
    uint64_t leader = world_leader(world);
    uint64_t kept = world_status(world, leader).snapshot_index;
    world_crash(world, 3, SIM_LOSE_NONE);
    world->nodes[leader].core.config.snapshot_log_entries = 1000000;
    assert_int_equal(world_count_names(world, leader, "checkpoint."), 1);
    world_go(world, CHECKPOINT_KEPT_MS - 10000);
    assert_int_equal(world_count_names(world, leader, "checkpoint."), 1);
    WORLD_UNTIL(world, 11000, world_is_tidy(world, leader));
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
    world_start_3(world);
    uint64_t leader = world_leader(world);
    WORLD_UNTIL(world, 10000, world_has_caught_up(world, 3));
    struct lineage lineage = lineage_of(world, 3);
    assert_int_equal(lineage.count, 1);
    assert_int_equal(lineage.ids[0], leader);
    world_crash(world, 3, SIM_LOSE_ALL);
    world_start_3(world);
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
    world_start_3(world);
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
    struct snapshot_wait wait;
    struct error why;
    world_start_3(world);
    WORLD_UNTIL(world, 5000, world->part_count > 1);
    assert_false(world_call_for(leader, &wait, &why));
    assert_non_null(strstr(why.text, "another node fetches"));
    WORLD_UNTIL(world, 10000, world_has_caught_up(world, 3));
    assert_true(world_call_for(&world->nodes[3], &wait, &why));
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
    world_start_3(world);
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
    WORLD_UNTIL(world, 1000, world_is_tidy(world, 3));
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
    world_start_3(world);
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
    WORLD_UNTIL(world, 1000, world_is_tidy(world, 3));
    world_free(world);
}

/* While it is fetched no other snapshot is taken: the log goes on behind the one that is. */
static void the_log_goes_on_behind_what_is_fetched(void **state)
{
    (void)state;
    struct world *world = world_with_one_behind();
    uint64_t leader = world_leader(world);
    world_start_3(world);
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
    world_start_3(world);
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

/* Each of them takes the place of the one before, and none is asked for. */
static void a_checkpoint_goes_in_time_though_others_take_its_place(void **state)
{
    (void)state;
    struct world *world = world_with_one_behind();
    uint64_t leader = world_leader(world);
    world_start_3(world);
    WORLD_UNTIL(world, 5000, world->part_count > 1);
    world_crash(world, 3, SIM_LOSE_NONE);
    world->nodes[leader].core.config.held_log_bytes = 1;
    uint64_t end_ms = world->now_ms + CHECKPOINT_KEPT_MS - 10000;
    while (world->now_ms < end_ms) {
        uint64_t before = world_status(world, leader).snapshot_index;
        world_write(world, 150);
        WORLD_UNTIL(world, 2000, world_status(world, leader).snapshot_index > before);
        world_go(world, 5000);
        assert_int_equal(world_leader(world), leader);
    }
    assert_int_equal(world_count_names(world, leader, "checkpoint."), 1);
    for (int i = 0; i < 3; i++) {
        world_write(world, 150);
        world_go(world, 5000);
    }
    assert_true(world_is_tidy(world, leader));
    world_free(world);
}

/* It is made because an offer could not be; the next one comes with a heartbeat, or even later. */
static void a_checkpoint_is_still_there_when_it_is_offered(void **state)
{
    (void)state;
    struct world *world = world_with_one_behind();
    world->checkpoint_kept_ms = 100;
    world->election_timeout_ms = 3000;
    for (uint64_t id = 1; id <= 2; id++) {
        world_stop(world, id);
        assert_true(world_start(world, id));
    }
    WORLD_UNTIL(world, 20000, world_leader(world) != 0);
    world_start_3(world);
    WORLD_UNTIL(world, 20000, world_has_caught_up(world, 3));
    assert_true(world->part_count > 3);
    world_free(world);
}

static void an_answer_that_is_lost_is_asked_for_again(void **state)
{
    (void)state;
    struct world *world = world_with_one_behind();
    world_start_3(world);
    world->drops_parts = true;
    world_go(world, 4000);
    assert_false(world_node_warned(&world->nodes[3], "does not answer"));
    world->drops_parts = false;
    WORLD_UNTIL(world, 5000, world_has_caught_up(world, 3));
    world_free(world);
}

static void a_node_that_does_not_answer_is_given_up(void **state)
{
    (void)state;
    struct world *world = world_with_one_behind();
    world_start_3(world);
    world->drops_parts = true;
    world_go(world, 1000 * (LIMIT_CHECKPOINT_ASKS + 2));
    assert_true(world_node_warned(&world->nodes[3], "does not answer"));
    world->drops_parts = false;
    WORLD_UNTIL(world, 5000, world_has_caught_up(world, 3));
    world_free(world);
}

/* The leader dies in the middle: the next one has a state of its own. */
static void another_leader_goes_on_with_its_own(void **state)
{
    (void)state;
    struct world *world = world_that_snapshots(5, 100);
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
    WORLD_UNTIL(world, 1000, world_is_tidy(world, behind));
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
    world_start_3(world);
    WORLD_UNTIL(world, 10000, world_has_caught_up(world, 3));
    assert_int_equal(spoilt, 0);
    assert_int_equal(world->nodes[3].warning_count, 0);
    world_free(world);

    world = world_with_one_behind();
    world->sees = spoil;
    spoilt = 5;
    world_start_3(world);
    WORLD_UNTIL(world, 10000, world_has_caught_up(world, 3));
    assert_true(world_node_warned(&world->nodes[3], "without the checksum"));
    world_free(world);
}

static void a_list_that_was_not_offered_is_refused(void **state)
{
    (void)state;
    struct world *world = world_with_one_behind();
    world->sees = spoil;
    spoilt_file = 0; /* the list */
    spoilt = 1;
    world_start_3(world);
    WORLD_UNTIL(world, 10000, world_has_caught_up(world, 3));
    assert_true(world_node_warned(&world->nodes[3], "not the one that was offered"));
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
    world_start_3(world);
    WORLD_UNTIL(world, 5000, world_node_warned(&world->nodes[3], "and gave the one at"));
    assert_int_equal(data_directory_generation(world->nodes[3].core.directory), 1);
    lies = 0;
    WORLD_UNTIL(world, 10000, world_has_caught_up(world, 3));
    WORLD_UNTIL(world, 1000, world_is_tidy(world, 3));
    world_free(world);
}

/* Another release's, say. Our own stays, and the network is not filled with the same again and
 * again. */
static void a_state_that_cant_be_opened_is_removed(void **state)
{
    (void)state;
    struct world *world = world_with_one_behind();
    struct world_node *node = &world->nodes[3];
    world_start_3(world);
    node->core.config.staging_kept_ms = 5000;
    node->opens_no_state = true;
    uint64_t applied = core_applied_index(&node->core);
    WORLD_UNTIL(world, 5000, world_node_warned(node, "has an unknown format; it is not used"));
    WORLD_UNTIL(world, 1000, world_is_tidy(world, 3));
    size_t parts = world->part_count;
    world_write(world, 150); /* the leader has another one to offer by now */
    world_go(world, 3000);
    assert_int_equal(world->part_count, parts);
    assert_false(node->is_stopped);
    assert_int_equal(core_applied_index(&node->core), applied);
    assert_int_equal(data_directory_generation(node->core.directory), 1);
    /* Then it is tried again, however often. */
    WORLD_UNTIL(world, 3000, world->part_count > parts);
    WORLD_UNTIL(world, 3000, world_is_tidy(world, 3));
    node->opens_no_state = false;
    WORLD_UNTIL(world, 10000, world_has_caught_up(world, 3));
    assert_int_equal(data_directory_generation(node->core.directory), 2);
    WORLD_UNTIL(world, 1000, world_is_tidy(world, 3));
    world_free(world);
}

/* A disk that can't be read is nobody's other release: as anywhere, the node stops, and its own
 * state stays what it is. */
static void a_disk_that_fails_behind_a_fetch_stops_the_node(void **state)
{
    (void)state;
    struct world *world = world_with_one_behind();
    struct world_node *node = &world->nodes[3];
    world_start_3(world);
    node->reads_no_state = true;
    WORLD_UNTIL(world, 5000, node->is_stopped);
    assert_non_null(strstr(node->error.text, "from node"));
    assert_non_null(strstr(node->error.text, "can't be read"));
    assert_false(world_node_warned(node, "it is not used"));
    node->reads_no_state = false;
    world_crash(world, 3, SIM_LOSE_ALL);
    world_start_3(world);
    assert_int_equal(data_directory_generation(node->core.directory), 1);
    WORLD_UNTIL(world, 10000, world_has_caught_up(world, 3));
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
    world_start_3(world);
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
    world_start_3(world);
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
    world_start_3(world);
    sim_disk_set_capacity(world->nodes[3].disk, 20000);
    world_go(world, 3000);
    assert_false(world->nodes[3].is_stopped);
    assert_true(world_node_warned(&world->nodes[3], "of the room that it needs"));
    sim_disk_set_capacity(world->nodes[3].disk, UINT64_MAX);
    WORLD_UNTIL(world, 10000, world_has_caught_up(world, 3));
    world_free(world);
}

/* For all of the files, and not for what a database needs that is opened on them: to find that out
 * when all has come would end the node, and so it would each time that it starts again. */
static void a_disk_without_room_to_open_it_waits_for_room_too(void **state)
{
    (void)state;
    const uint64_t open_bytes = 1 << 30;
    struct world *world = world_with_one_behind();
    struct world_node *node = &world->nodes[3];
    world_start_3(world);
    node->core.config.state_open_bytes = open_bytes;
    sim_disk_set_capacity(node->disk, open_bytes);
    world_go(world, 3000);
    assert_false(node->is_stopped);
    assert_true(world_node_warned(node, "of the room that it needs"));
    assert_true(core_applied_index(&node->core) < 100);
    sim_disk_set_capacity(node->disk, 2 * open_bytes);
    WORLD_UNTIL(world, 10000, world_has_caught_up(world, 3));
    world_free(world);
}

/* Another leader still has the entries: what was fetched is not needed any more. */
static void who_catches_up_by_itself_drops_what_it_fetched(void **state)
{
    (void)state;
    struct world *world = world_that_snapshots(3, 1000000);
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
    world_start_3(world);
    WORLD_UNTIL(world, 5000, world->part_count > 3);
    world->drops_parts = true;
    world_go(world, 100);
    assert_int_equal(world_count_names(world, 3, "state."), 2);
    assert_true(core_transfer_leadership(&world->nodes[1].core, 2, &accepted, &why, &error));
    assert_true(accepted);
    WORLD_UNTIL(world, 5000, world_leader(world) == 2 && world_has_caught_up(world, 3));
    WORLD_UNTIL(world, 1000, world_is_tidy(world, 3));
    assert_int_equal(data_directory_generation(node->core.directory), 1);
    assert_int_equal(node->warning_count, 0);
    world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_is_far_behind_gets_the_state),
        cmocka_unit_test(none_is_taken_for_a_call_while_one_is_fetched),
        cmocka_unit_test(progress_is_told),
        cmocka_unit_test(who_serves_notices_its_own_damage),
        cmocka_unit_test(whose_state_it_is_is_kept_until_it_is_borne_out),
        cmocka_unit_test(what_was_installed_can_be_passed_on),
        cmocka_unit_test(the_log_goes_on_behind_what_is_fetched),
        cmocka_unit_test(a_log_that_is_too_large_is_held_no_longer),
        cmocka_unit_test(a_checkpoint_goes_in_time_though_others_take_its_place),
        cmocka_unit_test(a_checkpoint_is_still_there_when_it_is_offered),
        cmocka_unit_test(an_answer_that_is_lost_is_asked_for_again),
        cmocka_unit_test(a_node_that_does_not_answer_is_given_up),
        cmocka_unit_test(another_leader_goes_on_with_its_own),
        cmocka_unit_test(a_file_that_came_damaged_is_fetched_again),
        cmocka_unit_test(a_list_that_was_not_offered_is_refused),
        cmocka_unit_test(a_state_at_another_index_is_refused),
        cmocka_unit_test(a_state_that_cant_be_opened_is_removed),
        cmocka_unit_test(a_disk_that_fails_behind_a_fetch_stops_the_node),
        cmocka_unit_test(what_is_not_offered_is_gone),
        cmocka_unit_test(a_newer_offer_replaces_the_one_before),
        cmocka_unit_test(a_disk_without_room_waits_for_room),
        cmocka_unit_test(a_disk_without_room_to_open_it_waits_for_room_too),
        cmocka_unit_test(who_catches_up_by_itself_drops_what_it_fetched),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
