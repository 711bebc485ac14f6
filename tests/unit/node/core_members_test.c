/*
 * Members that come and go (node/core/members.c): a node that joins gets the log or a snapshot, ids
 * belong to one directory for ever, who was removed is known by it; and what a directory must be
 * told, and need not.
 */
#include "core/members.h"
#include "core_world.h"

#include <stdio.h>
#include <string.h>

static void start(struct world *world, uint64_t id)
{
    if (!world_start(world, id)) {
        fail_msg("node %d: %s", (int)id, world->nodes[id].error.text);
    }
}

static struct world *cluster(size_t founders, size_t nodes, uint64_t snapshot_log_entries)
{
    struct world *world = world_new_with(founders, nodes);
    world->snapshot_log_entries = snapshot_log_entries;
    world->trailing_entries = 8;
    for (uint64_t id = 1; id <= founders; id++) {
        start(world, id);
    }
    WORLD_UNTIL(world, 5000, world_leader(world) != 0);
    return world;
}

static bool try_change(struct world *world, enum replica_change_kind kind, uint64_t id,
                       const char *address, struct error *why)
{
    const struct replica_change change = {kind, id, address};
    struct error error;
    bool accepted;
    uint64_t leader = world_leader(world);
    why->text[0] = '\0';
    if (!core_change_members(&world->nodes[leader].core, &change, &accepted, why, &error)) {
        fail_msg("%s", error.text);
    }
    return accepted;
}

/* Refused now, in these words. */
static void refused(struct world *world, enum replica_change_kind kind, uint64_t id,
                    const char *address, const char *words)
{
    struct error why;
    assert_false(try_change(world, kind, id, address, &why));
    if (strstr(why.text, words) == NULL) {
        fail_msg("\"%s\" does not say \"%s\"", why.text, words);
    }
}

static void settle(struct world *world)
{
    uint64_t leader = world_leader(world);
    uint64_t index = replica_members_index(world->nodes[leader].core.replica);
    WORLD_UNTIL(world, 5000, core_applied_index(&world->nodes[leader].core) >= index);
}

static void change(struct world *world, enum replica_change_kind kind, uint64_t id)
{
    struct error why = {"nobody leads"};
    uint64_t end_ms = world->now_ms + 5000;
    while (world_leader(world) == 0 ||
           !try_change(world, kind, id, world->addresses[id - 1], &why)) {
        if (world->now_ms == end_ms) {
            fail_msg("change %d of node %d: %s", (int)kind, (int)id, why.text);
        }
        world_step(world);
    }
    settle(world);
}

/* Added, with everything, and with a vote. */
static void join(struct world *world, uint64_t id)
{
    change(world, REPLICA_ADD_STANDBY, id);
    WORLD_UNTIL(world, 20000, world_has_caught_up(world, id));
    change(world, REPLICA_PROMOTE, id);
    WORLD_UNTIL(world, 5000, world_has_caught_up(world, id));
}

static size_t member_count(const struct world *world, uint64_t id)
{
    struct replica_member members[LIMIT_NODES];
    return replica_members(world->nodes[id].core.replica, members, LIMIT_NODES);
}

static bool is_registered(struct world *world, uint64_t at, uint64_t id)
{
    uint64_t incarnation;
    bool found;
    struct error error;
    assert_true(
        ledger_node_incarnation(world->nodes[at].core.ledger, id, &incarnation, &found, &error));
    assert_true(!found || incarnation == world->nodes[id].incarnation);
    return found;
}

/* ---- joining ---- */

/* It elects nobody, so it goes on knowing a leader that it does not hear any more. */
static void a_standby_that_is_cut_off_does_not_serve(void **state)
{
    (void)state;
    struct world *world = cluster(3, 4, 0);
    const struct core *standby = &world->nodes[4].core;
    start(world, 4);
    assert_false(core_can_serve(standby));
    change(world, REPLICA_ADD_STANDBY, 4);
    WORLD_UNTIL(world, 5000, core_can_serve(standby));
    world->is_cut[4] = true;
    world_go(world, PEER_SILENCE_MS + 100);
    assert_true(core_knows_leader(standby));
    assert_false(core_can_serve(standby));
    world->is_cut[4] = false;
    WORLD_UNTIL(world, 1000, core_can_serve(standby));
    world_go(world, 2 * PEER_SILENCE_MS);
    for (uint64_t id = 1; id <= 4; id++) {
        assert_true(core_can_serve(&world->nodes[id].core));
    }
    world_free(world);
}

static void a_node_that_joins_waits_to_be_reached(void **state)
{
    (void)state;
    struct world *world = cluster(3, 4, 0);
    start(world, 4);
    world_go(world, 5000);
    struct replica_status status = world_status(world, 4);
    assert_int_equal(status.state, REPLICA_FOLLOWER);
    assert_int_equal(status.last_index, 0);
    assert_int_equal(status.term, 1);
    assert_int_equal(status.leader_id, 0);
    assert_int_equal(member_count(world, 4), 0);
    assert_int_equal(replica_members_index(world->nodes[4].core.replica), 0);
    assert_false(core_knows_leader(&world->nodes[4].core));
    /* And again, from what it has on disk. */
    world_crash(world, 4, SIM_LOSE_ALL);
    start(world, 4);
    world_go(world, 1000);
    assert_int_equal(world_status(world, 4).last_index, 0);
    world_free(world);
}

static void a_new_node_catches_up_by_entries(void **state)
{
    (void)state;
    struct world *world = cluster(3, 4, 1000000);
    world_write(world, 100);
    start(world, 4);
    join(world, 4);
    assert_int_equal(world_status(world, 4).snapshot_index, 0);
    assert_int_equal(log_store_first_index(world->nodes[4].core.log), 1);
    assert_true(is_registered(world, 1, 4));
    for (uint64_t id = 1; id <= 4; id++) {
        WORLD_UNTIL(world, 1000, member_count(world, id) == 4);
    }
    /* Its vote counts: three of four are a majority, two are none. */
    world_crash(world, world_leader(world), SIM_LOSE_ALL);
    WORLD_UNTIL(world, 5000, world_leader(world) != 0);
    world_write(world, 10);
    assert_true(world->nodes[4].core.leader_id != 0);
    world_free(world);
}

static void a_new_node_catches_up_by_a_snapshot(void **state)
{
    (void)state;
    struct world *world = cluster(3, 4, 100);
    world_write(world, 350);
    uint64_t leader = world_leader(world);
    WORLD_UNTIL(world, 2000, world_status(world, leader).first_index > 200);
    start(world, 4);
    join(world, 4);
    assert_true(world_status(world, 4).first_index > 200);
    assert_true(is_registered(world, 4, 4));
    struct snapshot snapshot;
    data_directory_snapshot(world->nodes[4].core.directory, &snapshot);
    assert_true(snapshot.index > 200);
    /* It starts again from its directory alone. */
    world_crash(world, 4, SIM_LOSE_ALL);
    world->nodes[4].is_told_nothing = true;
    start(world, 4);
    assert_true(world->nodes[4].core.cluster_id == world->cluster_id);
    assert_string_equal(world->nodes[4].core.address, world->addresses[3]);
    world_write(world, 10);
    WORLD_UNTIL(world, 5000, world_has_caught_up(world, 4));
    world_free(world);
}

/* The power goes at each operation of its disk in turn, while it gets the log, or a snapshot. */
static void power_cuts_while_joining(uint64_t snapshot_log_entries, size_t writes, uint64_t stride)
{
    bool was_cut = true;
    size_t cuts = 0;
    for (uint64_t nth = 1; was_cut; nth += stride) {
        struct world *world = cluster(1, 2, snapshot_log_entries);
        struct world_node *node = &world->nodes[2];
        world_write(world, writes);
        start(world, 2);
        sim_disk_cut_power(node->disk, nth);
        struct error why;
        assert_true(try_change(world, REPLICA_ADD_STANDBY, 2, world->addresses[1], &why));
        WORLD_UNTIL(world, 20000, node->is_stopped || world_has_caught_up(world, 2));
        was_cut = node->is_stopped;
        if (was_cut) {
            cuts++;
            world_crash(world, 2, nth % 2 == 0 ? SIM_LOSE_ALL : SIM_LOSE_SOME);
            start(world, 2);
        }
        WORLD_UNTIL(world, 20000, world_has_caught_up(world, 2));
        world_free(world);
    }
    assert_true(cuts >= 5);
}

static void a_power_cut_while_joining_costs_nothing(void **state)
{
    (void)state;
    power_cuts_while_joining(1000000, 12, 1);
    power_cuts_while_joining(40, 120, 3);
}

/* One voter, then two: the first can't commit the promotion alone, so it must reach the second. */
static void one_node_becomes_three(void **state)
{
    (void)state;
    struct world *world = cluster(1, 3, 0);
    world_write(world, 5);
    start(world, 2);
    start(world, 3);
    join(world, 2);
    join(world, 3);
    world_write(world, 5);
    uint64_t leader = world_leader(world);
    world_crash(world, leader, SIM_LOSE_ALL);
    WORLD_UNTIL(world, 5000, world_leader(world) != 0);
    world_write(world, 5);
    start(world, leader); /* with the options it was founded with */
    WORLD_UNTIL(world, 5000, world_has_caught_up(world, leader));
    assert_int_equal(member_count(world, leader), 3);
    world_free(world);
}

/* ---- ids ---- */

static void an_id_is_used_once(void **state)
{
    (void)state;
    struct world *world = cluster(3, 5, 0);
    uint64_t leader = world_leader(world);
    uint64_t other = leader == 1 ? 2 : 1;
    const char *fresh = "fresh:1";
    WORLD_UNTIL(world, 2000, is_registered(world, leader, other));
    refused(world, REPLICA_ADD_STANDBY, other, fresh, "is a member already");
    refused(world, REPLICA_ADD_STANDBY, 9, world->addresses[other - 1], "is the address of node");
    refused(world, REPLICA_ADD_STANDBY, 9, "no port", "no port");
    refused(world, REPLICA_ADD_STANDBY, 9, NULL, "needs an address");
    refused(world, REPLICA_ADD_STANDBY, 0, fresh, "a number from 1 to");
    refused(world, REPLICA_ADD_STANDBY, UINT64_C(1) << 32, fresh, "a number from 1 to");
    refused(world, REPLICA_PROMOTE, 9, NULL, "is no member");
    refused(world, REPLICA_REMOVE, 9, NULL, "is no member");
    refused(world, REPLICA_REMOVE, leader, NULL, "hand the leadership over first");

    change(world, REPLICA_REMOVE, other);
    refused(world, REPLICA_ADD_STANDBY, other, fresh,
            "was used: take a new id and an empty directory");
    refused(world, REPLICA_ADD_STANDBY, other, world->addresses[other - 1], "was used");
    /* The next leader knows it too. */
    start(world, 4);
    join(world, 4);
    world_crash(world, leader, SIM_LOSE_ALL);
    start(world, leader);
    WORLD_UNTIL(world, 5000, world_leader(world) != 0);
    refused(world, REPLICA_ADD_STANDBY, other, fresh, "was used");
    world_free(world);
}

static void who_never_connected_leaves_its_id_free(void **state)
{
    (void)state;
    struct world *world = cluster(1, 2, 0);
    change(world, REPLICA_ADD_STANDBY, 2); /* and does not run */
    world_go(world, 500);
    refused(world, REPLICA_PROMOTE, 2, NULL, "has not been connected");
    assert_false(is_registered(world, 1, 2));
    change(world, REPLICA_REMOVE, 2);
    start(world, 2);
    join(world, 2);
    assert_true(is_registered(world, 1, 2));
    world_free(world);
}

/* A vote stands behind the registration in every log: who knows of it can tell a wiped directory.
 */
static void a_vote_needs_a_registered_directory(void **state)
{
    (void)state;
    struct world *world = cluster(1, 2, 0);
    struct error why;
    struct error error;
    bool admitted;
    start(world, 2);
    change(world, REPLICA_ADD_STANDBY, 2);
    WORLD_UNTIL(world, 5000, try_change(world, REPLICA_PROMOTE, 2, NULL, &why));
    settle(world);
    assert_true(is_registered(world, 1, 2));
    WORLD_UNTIL(world, 5000, is_registered(world, 2, 2));
    struct core *core = &world->nodes[1].core;
    assert_true(core_admit(core, 2, world->nodes[2].incarnation, &admitted, &why, &error));
    assert_true(admitted);
    assert_true(core_admit(core, 2, 4711, &admitted, &why, &error));
    assert_false(admitted);
    assert_non_null(strstr(why.text, "add a node with a new id"));
    world_free(world);
}

/* Who joins has no log yet and takes in anybody; once it knows better it hears that node no more,
 * over the connection that it has. */
static void who_was_taken_in_too_early_is_not_heard(void **state)
{
    (void)state;
    struct world *world = cluster(3, 4, 0);
    uint64_t lost = world_leader(world) % 3 + 1;
    struct error error;
    bool heard = false;
    start(world, 4);
    struct core *core = &world->nodes[4].core;
    core_peer_connected(core, lost, 4711); /* not the one that the founders know */
    assert_true(core_hears(core, lost, &heard, &error));
    assert_true(heard);
    size_t warnings = world->nodes[4].warning_count;
    join(world, 4);
    WORLD_UNTIL(world, 5000, is_registered(world, 4, lost));
    assert_true(core_hears(core, lost, &heard, &error));
    assert_false(heard);
    assert_int_equal(world->nodes[4].warning_count, warnings + 1); /* once */
    assert_non_null(strstr(world->nodes[4].warnings[warnings].text, "it is not heard"));
    core_peer_connected(core, lost, world->nodes[lost].incarnation);
    assert_true(core_hears(core, lost, &heard, &error));
    assert_true(heard);
    world_free(world);
}

static struct entry *registering(uint64_t index, uint64_t id, uint64_t incarnation)
{
    struct buffer data = {0};
    const struct ledger_entry_header header = {
        .format = LEDGER_ENTRY_FORMAT, .ledger_version = LEDGER_VERSION, .time_ms = 1};
    const struct ledger_command command = {
        .kind = LEDGER_REGISTER_NODE, .node_id = id, .incarnation = incarnation};
    ledger_entry_begin(&data, &header);
    ledger_command_encode(&data, &command);
    ledger_entry_finish(&data, 1);
    struct entry *entry = entry_new_take(ENTRY_COMMAND, &data);
    entry->index = index;
    return entry;
}

/* It may be elected before it learns what is committed: from the moment that the log has the
 * registration, until another entry takes its place. */
static void who_is_registered_in_the_log_counts(void **state)
{
    (void)state;
    struct world *world = cluster(3, 4, 0);
    struct error why;
    struct error error;
    bool yes = false;
    start(world, 4);
    struct core *core = &world->nodes[4].core;
    core_peer_connected(core, 2, 4711);
    struct entry *first = registering(9, 2, 42);
    core_note_registrations(core, 9, &first, 1);
    assert_true(core_hears(core, 2, &yes, &error));
    assert_false(yes);
    assert_true(core_admit(core, 2, 4711, &yes, &why, &error));
    assert_false(yes);
    assert_true(core_admit(core, 2, 42, &yes, &why, &error));
    assert_true(yes);
    struct entry *other = registering(9, 3, 33);
    core_note_registrations(core, 9, &other, 1);
    assert_true(core_hears(core, 2, &yes, &error));
    assert_true(yes);
    entry_release(first);
    entry_release(other);
    world_free(world);
}

/* More came and went than anybody keeps in mind. */
static void many_come_and_go(void **state)
{
    (void)state;
    struct world *world = cluster(1, 2, 0);
    struct core *core = &world->nodes[1].core;
    char address[32];
    struct error why;
    for (uint64_t id = 10; id < 10 + 2 * LIMIT_PEERS_KNOWN; id++) {
        snprintf(address, sizeof address, "host:%d", (int)id);
        assert_true(try_change(world, REPLICA_ADD_STANDBY, id, address, &why));
        settle(world);
        core_peer_connected(core, id, 1000 + id);
        uint64_t incarnation;
        bool found = false;
        struct error error;
        WORLD_UNTIL(world, 1000,
                    ledger_node_incarnation(core->ledger, id, &incarnation, &found, &error) &&
                        found);
        assert_int_equal(incarnation, 1000 + id);
        assert_true(try_change(world, REPLICA_REMOVE, id, NULL, &why));
        settle(world);
        refused(world, REPLICA_ADD_STANDBY, id, address, "was used");
    }
    world_free(world);
}

/* ---- removed ---- */

static uint64_t removed_index(struct world *world, uint64_t at, uint64_t id)
{
    uint64_t index;
    struct error error;
    assert_true(core_find_removed(&world->nodes[at].core, id, &index, &error));
    return index;
}

static void who_was_removed_is_known(void **state)
{
    (void)state;
    struct world *world = cluster(3, 4, 0);
    uint64_t leader = world_leader(world);
    uint64_t gone = leader % 3 + 1;
    uint64_t stays = gone % 3 + 1;
    WORLD_UNTIL(world, 2000, is_registered(world, stays, gone));
    assert_int_equal(removed_index(world, leader, gone), 0);
    assert_int_equal(removed_index(world, leader, 4), 0); /* nobody yet */
    change(world, REPLICA_REMOVE, gone);
    uint64_t index = replica_members_index(world->nodes[leader].core.replica);
    assert_int_equal(removed_index(world, leader, gone), index);
    WORLD_UNTIL(world, 2000, removed_index(world, stays, gone) == index);
    assert_int_equal(removed_index(world, leader, stays), 0);

    /* It hears of it from a peer, and then says so. */
    struct core *core = &world->nodes[gone].core;
    assert_int_equal(core->removed_index, 0);
    core_told_removed(core, index);
    world_go(world, CORE_UPKEEP_MS);
    assert_int_equal(core->removed_index, index);
    assert_false(core_knows_leader(core));

    /* Those who start again know it from their logs, before anybody has told them what is
     * committed: all of it was applied here. */
    world_stop(world, stays);
    world->is_cut[stays] = true;
    start(world, stays);
    assert_int_equal(removed_index(world, stays, gone), index);
    world_free(world);
}

/* A change that is not committed may be undone: nobody is refused for it. */
static void who_may_be_removed_is_not_removed(void **state)
{
    (void)state;
    struct world *world = cluster(3, 3, 0);
    uint64_t leader = world_leader(world);
    uint64_t gone = leader % 3 + 1;
    struct error why;
    WORLD_UNTIL(world, 2000, is_registered(world, leader, gone));
    world->is_cut[leader] = true;
    const struct replica_change change_ = {REPLICA_REMOVE, gone, NULL};
    struct error error;
    bool accepted;
    assert_true(core_change_members(&world->nodes[leader].core, &change_, &accepted, &why, &error));
    assert_true(accepted);
    world_go(world, 10);
    assert_int_equal(member_count(world, leader), 2);
    assert_int_equal(removed_index(world, leader, gone), 0);
    WORLD_UNTIL(world, 5000, world_leader(world) != 0);
    world_write(world, 1);
    world->is_cut[leader] = false;
    WORLD_UNTIL(world, 5000, world_has_caught_up(world, leader));
    assert_int_equal(member_count(world, leader), 3);
    assert_int_equal(removed_index(world, leader, gone), 0);
    world_free(world);
}

/* An id that was free again, and is added: what was said of it before is void. */
static void an_older_word_of_removal_is_void(void **state)
{
    (void)state;
    struct world *world = cluster(1, 2, 0);
    start(world, 2);
    core_told_removed(&world->nodes[2].core, 3);
    world_go(world, CORE_UPKEEP_MS);
    assert_int_equal(world->nodes[2].core.removed_index, 3);
    world_write(world, 10);
    join(world, 2);
    world_go(world, CORE_UPKEEP_MS);
    assert_int_equal(world->nodes[2].core.removed_index, 0);
    world_free(world);
}

/* ---- what a directory must be told ---- */

static void a_new_directory_must_be_told_its_cluster(void **state)
{
    (void)state;
    struct world *world = world_new(3);
    world->nodes[1].is_told_nothing = true;
    assert_false(world_start(world, 1));
    assert_non_null(strstr(world->nodes[1].error.text, "is new"));
    world_free(world);

    world = cluster(1, 2, 0);
    world->cluster_id++;
    start(world, 2); /* it waits for that other cluster */
    assert_true(world->nodes[2].core.cluster_id == world->cluster_id);
    world_stop(world, 2);
    world->cluster_id--;
    assert_false(world_start(world, 2));
    assert_non_null(strstr(world->nodes[2].error.text, "and this node was told cluster"));
    /* Told nothing: nobody has told its address to its directory yet. */
    world->nodes[2].is_told_nothing = true;
    assert_false(world_start(world, 2));
    assert_non_null(strstr(world->nodes[2].error.text, "must be told the address"));
    world_free(world);
}

static void an_address_that_is_not_the_members_one_is_warned_of(void **state)
{
    (void)state;
    struct world *world = cluster(1, 2, 0);
    start(world, 2);
    join(world, 2);
    world_stop(world, 2);
    snprintf(world->addresses[1], sizeof world->addresses[1], "moved:1");
    start(world, 2);
    assert_string_equal(world->nodes[2].core.address, "n2:7000");
    assert_int_equal(world->nodes[2].warning_count, 1);
    assert_non_null(strstr(world->nodes[2].warnings[0].text, "this node was told moved:1"));
    world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_standby_that_is_cut_off_does_not_serve),
        cmocka_unit_test(a_node_that_joins_waits_to_be_reached),
        cmocka_unit_test(a_new_node_catches_up_by_entries),
        cmocka_unit_test(a_new_node_catches_up_by_a_snapshot),
        cmocka_unit_test(a_power_cut_while_joining_costs_nothing),
        cmocka_unit_test(one_node_becomes_three),
        cmocka_unit_test(an_id_is_used_once),
        cmocka_unit_test(who_never_connected_leaves_its_id_free),
        cmocka_unit_test(a_vote_needs_a_registered_directory),
        cmocka_unit_test(who_was_taken_in_too_early_is_not_heard),
        cmocka_unit_test(who_is_registered_in_the_log_counts),
        cmocka_unit_test(many_come_and_go),
        cmocka_unit_test(who_was_removed_is_known),
        cmocka_unit_test(who_may_be_removed_is_not_removed),
        cmocka_unit_test(an_older_word_of_removal_is_void),
        cmocka_unit_test(a_new_directory_must_be_told_its_cluster),
        cmocka_unit_test(an_address_that_is_not_the_members_one_is_warned_of),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
