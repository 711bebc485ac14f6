/*
 * partitions.c - who can't talk to whom.
 *
 * A partition is a set of directed cuts between hosts. Most are made of sides: a host is on one, or
 * on several, and two hosts that share none are cut off from each other. Clients' hosts are spread
 * over the sides at random, so that somebody asks each of them.
 *
 * A cut is one property of a link among others (links.c has the rest): only that is changed, and
 * only what was cut here is mended. Nodes that join meanwhile are cut off from nobody.
 *
 * The value of `stop` tells how many packets met a cut. Nothing can fail: the switch does as it is
 * told.
 */
#include "ground.h"

#include <inttypes.h>
#include <stdlib.h>

struct partition {
    bool cut[NETWORK_HOSTS + 1][NETWORK_HOSTS + 1]; /* from, to */
    uint32_t count;
    uint64_t packets; /* that the switch had cut before: only partitions cut, one at a time */
};

static struct partition *partition_new(struct nemesis_ground *ground)
{
    struct partition *partition = memory_zalloc(sizeof *partition);
    partition->packets = network_count(ground->network).cut;
    return partition;
}

static uint64_t packets_cut(struct nemesis_ground *ground, const struct partition *partition)
{
    return network_count(ground->network).cut - partition->packets;
}

static void set_cut(struct nemesis_ground *ground, uint32_t from, uint32_t to, bool cut)
{
    struct network_fault fault = network_fault_of(ground->network, from, to);
    fault.cut = cut;
    network_set_fault(ground->network, from, to, fault);
}

static void cut_way(struct nemesis_ground *ground, struct partition *partition, uint32_t from,
                    uint32_t to)
{
    if (!partition->cut[from][to]) {
        partition->cut[from][to] = true;
        partition->count++;
        set_cut(ground, from, to, true);
    }
}

static void mend_all(struct nemesis_ground *ground, struct partition *partition)
{
    for (uint32_t from = 1; from <= NETWORK_HOSTS; from++) {
        for (uint32_t to = 1; to <= NETWORK_HOSTS; to++) {
            if (partition->cut[from][to]) {
                partition->cut[from][to] = false;
                set_cut(ground, from, to, false);
            }
        }
    }
    partition->count = 0;
}

/* ---- sides ---- */

#define SIDE_ONE  1u
#define SIDE_TWO  2u
#define SIDE_BOTH 3u

struct sides {
    uint8_t of[NETWORK_HOSTS + 1]; /* bits; 0: not concerned */
};

static void put_clients(struct nemesis_ground *ground, struct sides *sides)
{
    struct ground_ids clients = ground_clients(ground);
    uint32_t first = ground_draw(ground, 2);
    ground_shuffle(ground, &clients);
    for (uint32_t i = 0; i < clients.count; i++) {
        sides->of[clients.ids[i]] = (i + first) % 2 == 0 ? SIDE_ONE : SIDE_TWO;
    }
}

static void write_side(struct buffer *value, struct nemesis_ground *ground,
                       const struct sides *sides, uint32_t side)
{
    struct ground_ids hosts = {.count = 0};
    for (uint32_t host = 1; host <= NETWORK_HOSTS; host++) {
        if ((sides->of[host] & side) != 0) {
            hosts.ids[hosts.count++] = host;
        }
    }
    ground_write_hosts(value, ground, &hosts);
}

/* `both`: no word passes either way; else none from side one to side two. */
static void *cut_sides(struct nemesis_ground *ground, const struct sides *sides, bool both,
                       struct buffer *value)
{
    struct partition *partition = partition_new(ground);
    for (uint32_t from = 1; from <= NETWORK_HOSTS; from++) {
        for (uint32_t to = 1; to <= NETWORK_HOSTS; to++) {
            bool clients = from >= ground->first_client_host && to >= ground->first_client_host;
            bool apart = sides->of[from] != 0 && sides->of[to] != 0 &&
                         (sides->of[from] & sides->of[to]) == 0;
            if (apart && !clients && (both || sides->of[from] == SIDE_ONE)) {
                cut_way(ground, partition, from, to);
            }
        }
    }
    buffer_printf(value, both ? "{:sides [" : "{:from ");
    write_side(value, ground, sides, SIDE_ONE);
    buffer_printf(value, both ? " " : " :no-word-to ");
    write_side(value, ground, sides, SIDE_TWO);
    buffer_printf(value, both ? "]}" : "}");
    return partition;
}

/* The first `few` on side one, the rest on side two. */
static struct sides split(const struct ground_ids *nodes, uint32_t few)
{
    struct sides sides = {{0}};
    for (uint32_t i = 0; i < nodes->count; i++) {
        sides.of[nodes->ids[i]] = i < few ? SIDE_ONE : SIDE_TWO;
    }
    return sides;
}

static struct ground_ids shuffled_members(struct nemesis_ground *ground)
{
    struct ground_ids nodes = ground_members(ground);
    ground_shuffle(ground, &nodes);
    return nodes;
}

static bool start_one(struct nemesis_ground *ground, void **state, struct buffer *value,
                      struct error *error)
{
    struct ground_ids nodes = shuffled_members(ground);
    struct sides sides = split(&nodes, 1);
    (void)error;
    put_clients(ground, &sides);
    *state = cut_sides(ground, &sides, true, value);
    return true;
}

static bool start_leader(struct nemesis_ground *ground, void **state, struct buffer *value,
                         struct error *error)
{
    struct ground_ids nodes = ground_leader_first(ground);
    struct sides sides = split(&nodes, 1);
    (void)error;
    put_clients(ground, &sides);
    *state = cut_sides(ground, &sides, true, value);
    return true;
}

static bool start_halves(struct nemesis_ground *ground, void **state, struct buffer *value,
                         struct error *error)
{
    struct ground_ids nodes = shuffled_members(ground);
    struct sides sides = split(&nodes, nodes.count / 2);
    (void)error;
    put_clients(ground, &sides);
    *state = cut_sides(ground, &sides, true, value);
    return true;
}

/* One node is on both sides: it sees everybody, and nobody else sees the other side. */
static bool start_bridge(struct nemesis_ground *ground, void **state, struct buffer *value,
                         struct error *error)
{
    struct ground_ids nodes = shuffled_members(ground);
    struct sides sides = split(&nodes, nodes.count / 2);
    (void)error;
    sides.of[nodes.ids[nodes.count - 1]] = SIDE_BOTH;
    put_clients(ground, &sides);
    *state = cut_sides(ground, &sides, true, value);
    return true;
}

/* From some to the others no word passes, but back. Now and then it is the leader who is not heard,
 * or who does not hear. */
static bool start_one_way(struct nemesis_ground *ground, void **state, struct buffer *value,
                          struct error *error)
{
    struct ground_ids nodes =
        ground_draw(ground, 2) == 0 ? ground_leader_first(ground) : shuffled_members(ground);
    uint32_t few = 1 + (nodes.count > 2 ? ground_draw(ground, nodes.count / 2) : 0);
    struct sides sides = split(&nodes, few);
    (void)error;
    put_clients(ground, &sides);
    if (ground_draw(ground, 2) == 0) {
        for (uint32_t host = 1; host <= NETWORK_HOSTS; host++) {
            sides.of[host] = sides.of[host] == 0 ? 0 : SIDE_BOTH - sides.of[host];
        }
    }
    *state = cut_sides(ground, &sides, false, value);
    return true;
}

/* In a ring everybody sees just a majority, and no two the same one. Three are a chain: two ends
 * that don't see each other. */
static bool start_ring(struct nemesis_ground *ground, void **state, struct buffer *value,
                       struct error *error)
{
    struct ground_ids nodes = shuffled_members(ground);
    struct partition *partition = partition_new(ground);
    uint32_t reach = (nodes.count / 2 + 1) / 2; /* to each side */
    (void)error;
    if (2 * reach + 1 >= nodes.count && nodes.count > 1) {
        cut_way(ground, partition, nodes.ids[0], nodes.ids[1]);
        cut_way(ground, partition, nodes.ids[1], nodes.ids[0]);
    }
    for (uint32_t i = 0; i < nodes.count; i++) {
        for (uint32_t k = reach + 1; k + reach < nodes.count; k++) {
            cut_way(ground, partition, nodes.ids[i], nodes.ids[(i + k) % nodes.count]);
        }
    }
    buffer_printf(value, "{:ring ");
    ground_write_hosts(value, ground, &nodes);
    buffer_printf(value, " :cuts %u}", partition->count);
    *state = partition;
    return true;
}

static bool stop(struct nemesis_ground *ground, void *state, struct buffer *value,
                 struct error *error)
{
    struct partition *partition = state;
    (void)error;
    buffer_printf(value, "{:mended %u :packets %" PRIu64 "}", partition->count,
                  packets_cut(ground, partition));
    mend_all(ground, partition);
    free(partition);
    return true;
}

/* ---- flapping: one link or a few come and go ---- */

struct flapping {
    struct partition partition;
    uint32_t flaps;
};

static bool flap(struct nemesis_ground *ground, void *state, struct error *error)
{
    struct flapping *flapping = state;
    struct ground_ids nodes = shuffled_members(ground);
    (void)error;
    mend_all(ground, &flapping->partition);
    if (nodes.count > 1 && ground_draw(ground, 3) != 0) {
        uint32_t links = 1 + ground_draw(ground, nodes.count - 1);
        for (uint32_t i = 0; i < links; i++) {
            cut_way(ground, &flapping->partition, nodes.ids[0], nodes.ids[i + 1]);
            if (ground_draw(ground, 2) == 0) {
                cut_way(ground, &flapping->partition, nodes.ids[i + 1], nodes.ids[0]);
            }
        }
        flapping->flaps++;
    }
    return true;
}

static bool start_flapping(struct nemesis_ground *ground, void **state, struct buffer *value,
                           struct error *error)
{
    struct flapping *flapping = memory_zalloc(sizeof *flapping);
    flapping->partition.packets = network_count(ground->network).cut;
    buffer_printf(value, "{:every-ms %u}", NEMESIS_TURN_MS);
    *state = flapping;
    return flap(ground, flapping, error);
}

static bool stop_flapping(struct nemesis_ground *ground, void *state, struct buffer *value,
                          struct error *error)
{
    struct flapping *flapping = state;
    (void)error;
    buffer_printf(value, "{:flaps %u :packets %" PRIu64 "}", flapping->flaps,
                  packets_cut(ground, &flapping->partition));
    mend_all(ground, &flapping->partition);
    free(flapping);
    return true;
}

#define KIND "partition"

const struct nemesis nemesis_partition_one = {
    .name = "partition-one",
    .kind = KIND,
    .help = "one node is cut off from the others",
    .least_nodes = 2,
    .start = start_one,
    .stop = stop,
};
const struct nemesis nemesis_partition_leader = {
    .name = "partition-leader",
    .kind = KIND,
    .help = "the leader is cut off from the others",
    .least_nodes = 2,
    .start = start_leader,
    .stop = stop,
};
const struct nemesis nemesis_partition_halves = {
    .name = "partition-halves",
    .kind = KIND,
    .help = "a minority and a majority can't talk",
    .least_nodes = 2,
    .start = start_halves,
    .stop = stop,
};
const struct nemesis nemesis_partition_bridge = {
    .name = "partition-bridge",
    .kind = KIND,
    .help = "two halves that only one node sees both of",
    .least_nodes = 3,
    .start = start_bridge,
    .stop = stop,
};
const struct nemesis nemesis_partition_majority_ring = {
    .name = "partition-majority-ring",
    .kind = KIND,
    .help = "each node sees a majority, no two the same one",
    .least_nodes = 3,
    .start = start_ring,
    .stop = stop,
};
const struct nemesis nemesis_partition_one_way = {
    .name = "partition-one-way",
    .kind = KIND,
    .help = "some are not heard by the others, but hear them",
    .least_nodes = 2,
    .start = start_one_way,
    .stop = stop,
};
const struct nemesis nemesis_links_flapping = {
    .name = "links-flapping",
    .kind = KIND,
    .help = "a node's links come and go, several times a second",
    .least_nodes = 2,
    .start = start_flapping,
    .stop = stop_flapping,
    .turn = flap,
};
