/*
 * drills.c - what is asked of a quiet cluster besides: to hand over its leadership, to raise the
 * ledger's version as far as all its programs know, and to do without room on its disks. Nothing
 * else is wrong, so each must come to pass, within a time that follows from timers and round trips.
 * A leader takes a node that has come back without its directory for the one that had all: what is
 * asked while there is one, each drill says.
 */
#include "cluster_internal.h"

#include <inttypes.h>

/* A round trip or two, and some writes to disks. */
#define HANDOVER_TIMEOUTS 3
/* Until a node has looked at its disk: it does so now and then, in the pool. */
#define LOOK_US (UINT64_C(2000) * DISK_LOOK_MS)
/* Of disks without room: long enough to hand over again and again. */
#define LOW_SPELL_US UINT64_C(4000000)
/* Nodes tell each other once a second what they know, and clocks may be slow. */
#define TELLING_US UINT64_C(2500000)

/* Would a majority of the voters hear this node ask for their votes right now, and it their
 * answers? What the cluster has settled by are its leader's connections; those among the others may
 * still be waiting to be made anew, and a node that has lost its disk has no vote to give. */
static bool can_be_elected(const struct cluster *cluster, const struct sim_node *leader,
                           const struct sim_node *candidate)
{
    struct replica_member members[LIMIT_NODES];
    size_t count = replica_members(leader->core.replica, members, LIMIT_NODES);
    size_t voters = 0;
    size_t votes = 0;
    for (size_t i = 0; i < count; i++) {
        size_t number = members[i].id - 1;
        const struct sim_node *voter = &cluster->nodes[number];
        bool hears =
            voter == candidate || (cluster->net.links[candidate->number][number].connected &&
                                   cluster->net.links[number][candidate->number].connected);
        if (members[i].role == REPLICA_VOTER) {
            voters++;
            votes += voter->is_up && !voter->is_wiped && hears;
        }
    }
    return !candidate->is_wiped && votes > voters / 2;
}

/* In a cluster to which nothing happens, whoever is to take over does so at once. A wiped node may
 * be the one that is told to: the leader, which goes by what it knows of its log, takes it for one
 * that has all. Then the leader goes on, and all that is asked is that they settle again. */
void drill_hand_over(struct cluster *cluster)
{
    struct sim_node *leader = cluster_leader(cluster);
    struct replica_status status;
    uint64_t term = leader->core.term;
    if (!handovers_ask_quietly(&cluster->handovers, leader)) {
        return;
    }
    replica_status_get(leader->core.replica, &status);
    uint64_t to = status.transferring_to;
    bool must_succeed = to == 0 || can_be_elected(cluster, leader, &cluster->nodes[to - 1]);
    uint64_t most_us = UINT64_C(1000) * HANDOVER_TIMEOUTS * cluster->plan.election_timeout_ms;
    world_run_until(&cluster->world, cluster->world.now_us + most_us);
    cluster_wait_settled(cluster);
    if (!cluster->world.failed && must_succeed &&
        (cluster_leader(cluster) == leader || leader->core.term == term)) {
        world_fail(&cluster->world, CHECK_TRANSFER,
                   "n%zu was to hand over in term %" PRIu64 " and leads a quiet cluster in term "
                   "%" PRIu64 " still",
                   leader->number + 1, term, leader->core.term);
    }
}

static bool leader_knows_programs(struct cluster *cluster)
{
    struct sim_node *leader = cluster_leader(cluster);
    return leader != NULL && upgrades_knows_all(&cluster->upgrades, leader);
}

static bool ledger_is_raised(struct cluster *cluster)
{
    return cluster->upgrades.is_raised;
}

/* The leader hears what the present programs know, and raises the version as far. */
void drill_upgrade(struct cluster *cluster)
{
    if (cluster->plan.upgrade_gap_us == 0) {
        return;
    }
    world_run_until(&cluster->world, cluster->world.now_us + TELLING_US);
    cluster_wait(cluster, leader_knows_programs);
    if (!cluster->world.failed &&
        upgrades_raise_quietly(&cluster->upgrades, cluster_leader(cluster))) {
        cluster_wait(cluster, ledger_is_raised);
        cluster_wait_settled(cluster);
    }
}

/* ---- a quiet cluster's disks run low ---- */

static bool leader_is_low(struct cluster *cluster)
{
    const struct sim_node *leader = cluster_leader(cluster);
    return leader != NULL && leader->is_low;
}

/* Who has room serves, and so does the cluster. */
static bool roomy_one_serves(struct cluster *cluster)
{
    return !leader_is_low(cluster) && cluster_serves(cluster);
}

/* The leader hands over, if it has not done so lately; else it refuses until there is room. */
static void low_leader(struct cluster *cluster)
{
    struct world *world = &cluster->world;
    struct sim_node *leader = cluster_leader(cluster);
    bool must = low_disks_must_hand_over(&cluster->low_disks, leader);
    uint64_t lives = low_disks_lives(&cluster->low_disks);
    low_disks_take_room(&cluster->low_disks, leader);
    world_run_until(world,
                    world->now_us + LOOK_US +
                        UINT64_C(1000) * HANDOVER_TIMEOUTS * cluster->plan.election_timeout_ms);
    if (world->failed || low_disks_lives(&cluster->low_disks) != lives) {
        return;
    }
    if (low_disks_has_room(&cluster->low_disks, leader)) {
        return; /* it has trimmed its log */
    }
    if (!leader->is_low) {
        world_fail(world, CHECK_RESERVE, "n%zu does not find that its disk is low",
                   leader->number + 1);
    } else if (must && cluster_leader(cluster) == leader) {
        world_fail(world, CHECK_RESERVE, "n%zu leads a quiet cluster on, its disk is low",
                   leader->number + 1);
    } else if (must) {
        world_count(world, STAT_LOW_HANDOVERS);
        cluster->majority_serves = false;
        cluster_wait(cluster, roomy_one_serves);
    }
}

/* The leadership goes round once at most, and commands are refused. */
static void low_cluster(struct cluster *cluster)
{
    struct world *world = &cluster->world;
    uint64_t term = cluster_leader(cluster)->core.term;
    uint64_t refusals = world->stats.counts[STAT_LOW_REFUSALS];
    uint64_t lives = low_disks_lives(&cluster->low_disks);
    for (size_t i = 0; i < cluster->plan.node_count; i++) {
        low_disks_take_room(&cluster->low_disks, &cluster->nodes[i]);
    }
    world_run_until(world, world->now_us + LOOK_US + LOW_SPELL_US);
    cluster_wait_settled(cluster);
    if (world->failed || low_disks_lives(&cluster->low_disks) != lives) {
        return;
    }
    const struct sim_node *leader = cluster_leader(cluster);
    if (leader->core.term > term + 2 * cluster->plan.node_count) {
        world_fail(world, CHECK_RESERVE,
                   "the leadership goes round without end where no disk has room: from term "
                   "%" PRIu64 " to %" PRIu64,
                   term, leader->core.term);
    }
    cluster->majority_serves = false;
    cluster_serves(cluster);
    world_run_until(world, world->now_us + SLICE_US);
    if (!world->failed && !low_disks_has_room(&cluster->low_disks, leader) &&
        world->stats.counts[STAT_LOW_REFUSALS] == refusals) {
        world_fail(world, CHECK_RESERVE, "n%zu does not refuse a command, its disk is low",
                   leader->number + 1);
    }
}

void drill_low_disks(struct cluster *cluster)
{
    enum low_drill drill = low_disks_draw_drill(&cluster->low_disks);
    for (size_t i = 0; i < cluster->plan.node_count; i++) {
        if (drill == LOW_NONE || (cluster->nodes[i].is_wiped && cluster->nodes[i].is_up)) {
            return; /* the leader may take that one for the best */
        }
    }
    world_count(&cluster->world, STAT_LOW_DRILLS);
    if (drill == LOW_ONE) {
        low_leader(cluster);
    } else {
        low_cluster(cluster);
    }
    for (size_t i = 0; i < cluster->plan.node_count; i++) {
        sim_node_mend(&cluster->nodes[i]);
    }
    cluster_wait(cluster, cluster_disks_have_room);
    cluster->majority_serves = false;
    cluster_wait(cluster, cluster_majority_has_settled);
}
