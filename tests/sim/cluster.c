/*
 * cluster.c - what befalls a simulated cluster, drawn from one seed.
 *
 * Bad weather: messages are lost, doubled, late and overtaken; links are cut one way, halves are
 * parted, connections break; nodes crash at any call and restart from what was durable, pause, and
 * have slow disks. Clients propose to whoever thinks it leads.
 *
 * Healed: everything is mended at one moment. Within RECOVERY_MS the cluster must serve and all
 * nodes must have the same state; at first, in half of the runs, with a bare majority of its nodes.
 *
 * Quiet: nothing is wrong and a proposal comes now and then. No term may change, and none may wait
 * for a heartbeat.
 */
#include "cluster.h"

#include <inttypes.h>
#include <stdlib.h>

#include "sim_node.h"

#define RECOVERY_MS      10000
#define QUIET_MS         10000
#define QUIET_GAP_MS     150
#define QUIET_ACK_MS     40
#define CLIENT_BURST_MAX 80

struct cluster {
    struct world world;
    struct sim_net net;
    struct checks checks;
    struct sim_node nodes[LIMIT_NODES];
    const struct sim_disk *disks[LIMIT_NODES];
    size_t node_count;
    uint64_t proposals;

    bool stormy;
    uint64_t fault_gap_ms; /* between two faults, on average; 0: none */
    uint64_t client_gap_us;
    unsigned big_permille;
};

/* ---- weather ---- */

static struct sim_net_weather calm(void)
{
    return (struct sim_net_weather){.least_us = 50, .most_us = 500, .in_order = true};
}

static struct sim_net_weather draw_weather(struct random *random)
{
    struct sim_net_weather weather = calm();
    weather.in_order = sim_random_chance(random, 500);
    switch (sim_random_below(random, 4)) {
    case 0:
        break;
    case 1:
        weather.loss_permille = (unsigned)sim_random_between(random, 10, 200);
        weather.twice_permille = (unsigned)sim_random_between(random, 0, 50);
        break;
    case 2:
        weather.twice_permille = (unsigned)sim_random_between(random, 0, 200);
        weather.late_permille = (unsigned)sim_random_between(random, 10, 300);
        weather.late_us = sim_random_between(random, 10000, 1000000);
        break;
    case 3:
        weather.most_us = sim_random_between(random, 1000, 60000);
        weather.loss_permille = (unsigned)sim_random_between(random, 0, 50);
        break;
    }
    return weather;
}

static void restart(void *owner, void *payload)
{
    (void)payload;
    sim_node_start(owner);
}

struct mend {
    struct cluster *cluster;
    size_t from;
    size_t to;
};

static void mend_link(void *owner, void *payload)
{
    struct cluster *cluster = owner;
    const struct mend *mend = payload;
    sim_net_cut(&cluster->net, mend->from, mend->to, false);
    free(payload);
}

static void mend_disk(void *owner, void *payload)
{
    struct sim_disk *disk = owner;
    (void)payload;
    disk->least_us = 100;
    disk->most_us = 1000;
}

static void cut_for(struct cluster *cluster, size_t from, size_t to, uint64_t duration_us)
{
    struct mend mend = {cluster, from, to};
    if (from == to) {
        return;
    }
    sim_net_cut(&cluster->net, from, to, true);
    world_at(&cluster->world, cluster->world.now_us + duration_us, mend_link, cluster,
             memory_copy(&mend, sizeof mend), free);
}

static void part_cluster(struct cluster *cluster, uint64_t duration_us)
{
    uint64_t side = random_next(&cluster->world.random);
    for (size_t a = 0; a < cluster->node_count; a++) {
        for (size_t b = 0; b < cluster->node_count; b++) {
            if (((side >> a) & 1) != ((side >> b) & 1)) {
                cut_for(cluster, a, b, duration_us);
            }
        }
    }
}

static void crash_and_restart(struct cluster *cluster, struct sim_node *node, uint64_t after_us)
{
    if (sim_random_chance(&cluster->world.random, 500)) {
        sim_node_crash(node);
    } else if (node->replica != NULL) {
        node->calls_to_crash = sim_random_between(&cluster->world.random, 1, 30);
    }
    /* A node that has not crashed by then is started by nobody: start does nothing to it. */
    world_at(&cluster->world, cluster->world.now_us + after_us, restart, node, NULL, NULL);
}

static void one_fault(struct cluster *cluster)
{
    struct random *random = &cluster->world.random;
    struct sim_node *node = &cluster->nodes[sim_random_below(random, cluster->node_count)];
    size_t other = (size_t)sim_random_below(random, cluster->node_count);
    uint64_t duration_us = sim_random_between(random, 1000, 1500000);
    uint64_t kind = sim_random_below(random, 8);
    world_note(&cluster->world, "fault", node->number, kind, duration_us);
    switch (kind) {
    case 0:
    case 1:
        crash_and_restart(cluster, node, duration_us);
        break;
    case 2:
        sim_node_pause(node, cluster->world.now_us + duration_us);
        break;
    case 3:
        cut_for(cluster, node->number, other, duration_us);
        break;
    case 4:
        part_cluster(cluster, duration_us);
        break;
    case 5:
        if (node->number != other) {
            sim_net_break(&cluster->net, node->number, other, true);
        }
        break;
    case 6:
        node->disk.least_us = 10000;
        node->disk.most_us = sim_random_between(random, 10000, 500000);
        world_at(&cluster->world, cluster->world.now_us + duration_us, mend_disk, &node->disk, NULL,
                 NULL);
        break;
    case 7:
        cluster->net.weather = draw_weather(random);
        break;
    }
}

static void fault(void *owner, void *payload)
{
    struct cluster *cluster = owner;
    (void)payload;
    if (!cluster->stormy) {
        return;
    }
    one_fault(cluster);
    /* A node that crashed inside a turn after its restart was due is started here. */
    for (size_t i = 0; i < cluster->node_count; i++) {
        if (cluster->nodes[i].replica == NULL && sim_random_chance(&cluster->world.random, 300)) {
            sim_node_start(&cluster->nodes[i]);
        }
    }
    uint64_t gap_us =
        sim_random_between(&cluster->world.random, 1, 2 * cluster->fault_gap_ms) * 1000;
    world_at(&cluster->world, cluster->world.now_us + gap_us, fault, cluster, NULL, NULL);
}

/* ---- clients ---- */

static bool propose(struct cluster *cluster, struct sim_node *node, size_t bytes)
{
    if (!sim_node_submit(node, cluster->proposals + 1, bytes)) {
        return false;
    }
    cluster->proposals++;
    return true;
}

static void client(void *owner, void *payload)
{
    struct cluster *cluster = owner;
    struct random *random = &cluster->world.random;
    (void)payload;
    if (!cluster->stormy) {
        return;
    }
    struct sim_node *node = &cluster->nodes[sim_random_below(random, cluster->node_count)];
    uint64_t burst =
        sim_random_chance(random, 50) ? sim_random_between(random, 1, CLIENT_BURST_MAX) : 1;
    for (uint64_t i = 0; i < burst && !cluster->world.failed; i++) {
        size_t bytes = sim_random_chance(random, cluster->big_permille)
                           ? (size_t)sim_random_between(random, 100000, 600000)
                           : (size_t)sim_random_below(random, 64);
        if (!propose(cluster, node, bytes)) {
            break;
        }
    }
    world_at(&cluster->world,
             cluster->world.now_us + sim_random_between(random, 1, 2 * cluster->client_gap_us),
             client, cluster, NULL, NULL);
}

/* ---- healing ---- */

/* Takes all but a bare majority down, or nobody: those who are left must do. */
static void hold_a_minority_down(struct cluster *cluster)
{
    size_t held = 0;
    if (sim_random_chance(&cluster->world.random, 500)) {
        return;
    }
    while (held < (cluster->node_count - 1) / 2) {
        size_t i = (size_t)sim_random_below(&cluster->world.random, cluster->node_count);
        if (!cluster->nodes[i].held_down) {
            cluster->nodes[i].held_down = true;
            sim_node_crash(&cluster->nodes[i]);
            held++;
        }
    }
}

static void start_all(struct cluster *cluster)
{
    for (size_t i = 0; i < cluster->node_count; i++) {
        cluster->nodes[i].held_down = false;
        sim_node_start(&cluster->nodes[i]);
    }
}

static void heal(struct cluster *cluster)
{
    cluster->stormy = false;
    hold_a_minority_down(cluster);
    cluster->net.weather = calm();
    for (size_t a = 0; a < cluster->node_count; a++) {
        cluster->nodes[a].calls_to_crash = 0;
        cluster->nodes[a].disk.least_us = 100;
        cluster->nodes[a].disk.most_us = 1000;
        for (size_t b = 0; b < cluster->node_count; b++) {
            sim_net_cut(&cluster->net, a, b, false);
        }
        if (!cluster->nodes[a].held_down) {
            sim_node_start(&cluster->nodes[a]);
        }
    }
    world_note(&cluster->world, "healed", 0, 0, 0);
}

static struct sim_node *leader_of(struct cluster *cluster)
{
    struct sim_node *leader = NULL;
    for (size_t i = 0; i < cluster->node_count; i++) {
        struct sim_node *node = &cluster->nodes[i];
        if (sim_node_is_leader(node) && (leader == NULL || node->disk.term > leader->disk.term)) {
            leader = node;
        }
    }
    return leader;
}

/* One leader, all that are not held down in its term, everything applied everywhere. */
static bool has_settled(struct cluster *cluster)
{
    const struct sim_node *leader = leader_of(cluster);
    struct replica_status status;
    if (leader == NULL) {
        return false;
    }
    replica_status_get(leader->replica, &status);
    if (!status.barrier_applied || status.applied_index != status.last_index) {
        return false;
    }
    for (size_t i = 0; i < cluster->node_count; i++) {
        const struct sim_node *node = &cluster->nodes[i];
        if (cluster->nodes[i].held_down) {
            continue;
        }
        if (node->replica == NULL || cluster->world.now_us < node->paused_until_us ||
            node->disk.term != leader->disk.term ||
            node->state.applied_index != leader->state.applied_index) {
            return false;
        }
    }
    return true;
}

static void wait_until_settled(struct cluster *cluster, struct cluster_result *result)
{
    uint64_t begin_us = cluster->world.now_us;
    while (!cluster->world.failed && !has_settled(cluster)) {
        uint64_t waited_ms = (cluster->world.now_us - begin_us) / 1000;
        if (waited_ms > RECOVERY_MS) {
            world_fail(&cluster->world, "no healthy cluster %d ms after everything was mended",
                       RECOVERY_MS);
        }
        world_run_until(&cluster->world, cluster->world.now_us + 10000);
    }
    uint64_t took_ms = (cluster->world.now_us - begin_us) / 1000;
    result->recovered_ms = took_ms > result->recovered_ms ? took_ms : result->recovered_ms;
}

static uint64_t acknowledged_count(const struct cluster *cluster)
{
    uint64_t count = 0;
    for (size_t i = 0; i < cluster->node_count; i++) {
        count += cluster->nodes[i].acknowledged_count;
    }
    return count;
}

static void quiet_spell(struct cluster *cluster, struct cluster_result *result)
{
    struct sim_node *leader = leader_of(cluster);
    uint64_t term = leader->disk.term;
    uint64_t before = acknowledged_count(cluster);
    uint64_t proposed = 0;
    for (uint64_t ms = 0; ms < QUIET_MS && !cluster->world.failed; ms += QUIET_GAP_MS) {
        /* The first ones bring back followers that were lost of late: they may wait. */
        if (proposed == 3) {
            leader->worst_ack_us = 0;
        }
        if (!propose(cluster, leader, 8)) {
            world_fail(&cluster->world, "a quiet leader refuses a proposal");
        }
        proposed++;
        world_run_until(&cluster->world, cluster->world.now_us + UINT64_C(1000) * QUIET_GAP_MS);
    }
    if (cluster->world.failed) {
        return;
    }
    for (size_t i = 0; i < cluster->node_count; i++) {
        if (cluster->nodes[i].disk.term != term) {
            world_fail(&cluster->world,
                       "the term of a quiet cluster went from %" PRIu64 " to "
                       "%" PRIu64,
                       term, cluster->nodes[i].disk.term);
        }
    }
    result->worst_quiet_ack_us = leader->worst_ack_us;
    if (acknowledged_count(cluster) != before + proposed) {
        world_fail(&cluster->world,
                   "a quiet cluster acknowledged %" PRIu64 " of %" PRIu64 " proposals",
                   acknowledged_count(cluster) - before, proposed);
    }
    if (leader->worst_ack_us > UINT64_C(1000) * QUIET_ACK_MS) {
        world_fail(&cluster->world, "a proposal to a quiet cluster waited %" PRIu64 " us",
                   leader->worst_ack_us);
    }
}

/* ---- the run ---- */

static void message_received(void *context, size_t from, size_t to, struct peer_message *message)
{
    struct cluster *cluster = context;
    sim_node_receive(&cluster->nodes[to], from, message);
}

static void connection_made(void *context, size_t from, size_t to)
{
    struct cluster *cluster = context;
    sim_node_connected(&cluster->nodes[from], to);
}

static void cluster_init(struct cluster *cluster, const struct cluster_options *options)
{
    static const size_t sizes[] = {1, 3, 3, 3, 5};
    struct random *random = &cluster->world.random;
    world_init(&cluster->world, options->seed, options->trace);
    cluster->node_count = sizes[sim_random_below(random, sizeof sizes / sizeof sizes[0])];
    if (options->node_count != 0) {
        cluster->node_count = options->node_count;
    }
    sim_net_init(&cluster->net, &cluster->world, cluster->node_count);
    cluster->net.context = cluster;
    cluster->net.received = message_received;
    cluster->net.connected = connection_made;
    cluster->net.weather = draw_weather(random);
    static const uint64_t fault_gaps_ms[] = {0, 50, 200, 500, 2000};
    cluster->fault_gap_ms =
        fault_gaps_ms[sim_random_below(random, sizeof fault_gaps_ms / sizeof fault_gaps_ms[0])];
    cluster->client_gap_us = sim_random_between(random, 500, 20000);
    cluster->big_permille = sim_random_chance(random, 200) ? 20 : 0;
    unsigned flush_permille = (unsigned)sim_random_between(random, 1, 300);
    for (size_t i = 0; i < cluster->node_count; i++) {
        sim_node_init(&cluster->nodes[i], &cluster->world, &cluster->net, &cluster->checks, i,
                      cluster->node_count);
        cluster->nodes[i].flush_permille = flush_permille;
        cluster->disks[i] = &cluster->nodes[i].disk;
    }
    checks_init(&cluster->checks, &cluster->world, cluster->disks, cluster->node_count);
}

void cluster_run(const struct cluster_options *options, struct cluster_result *result)
{
    struct cluster *cluster = memory_zalloc(sizeof *cluster);
    *result = (struct cluster_result){0};
    cluster_init(cluster, options);
    cluster->stormy = true;
    for (size_t i = 0; i < cluster->node_count; i++) {
        world_at(&cluster->world, sim_random_below(&cluster->world.random, 100000), restart,
                 &cluster->nodes[i], NULL, NULL);
    }
    world_at(&cluster->world, 1, client, cluster, NULL, NULL);
    if (cluster->fault_gap_ms > 0) {
        world_at(&cluster->world, 200000, fault, cluster, NULL, NULL);
    }
    world_run_until(&cluster->world, options->ticks_ms * 1000);
    if (!cluster->world.failed) {
        heal(cluster);
        wait_until_settled(cluster, result);
        start_all(cluster);
        wait_until_settled(cluster, result);
    }
    if (!cluster->world.failed) {
        quiet_spell(cluster, result);
    }
    /* What was proposed last reaches the last follower with a heartbeat. */
    world_run_until(&cluster->world, cluster->world.now_us + 500000);
    if (!cluster->world.failed && !has_settled(cluster)) {
        world_fail(&cluster->world, "a quiet cluster does not settle");
    }
    if (!cluster->world.failed) {
        checks_end(&cluster->checks);
    }
    result->failed = cluster->world.failed;
    result->failure = cluster->world.failure;
    result->digest = cluster->world.digest;
    result->event_count = cluster->world.event_count;
    result->node_count = cluster->node_count;
    result->acknowledged_count = acknowledged_count(cluster);
    result->proposal_count = cluster->proposals;
    for (size_t i = 0; i < cluster->node_count; i++) {
        result->term =
            cluster->nodes[i].disk.term > result->term ? cluster->nodes[i].disk.term : result->term;
        sim_node_free(&cluster->nodes[i]);
    }
    world_free(&cluster->world);
    checks_free(&cluster->checks);
    free(cluster);
}
