/*
 * links.c - networks that carry everything, but badly: late, in another order, twice, slowly, or
 * not all of it.
 *
 * Either all links are as bad, or those of some nodes, each way, clients' links too; or only what
 * clients send to some. Cuts are another matter (partitions.c) and are left as they are. Behind the
 * fault links are as new, but for cuts. The value of `stop` tells what befell how many packets
 * meanwhile.
 *
 * Nothing can fail: the switch does as it is told.
 */
#include "ground.h"

#include <inttypes.h>
#include <stdlib.h>

/* Hosts whose links are bad. */
struct bad_links {
    bool concerned[NETWORK_HOSTS + 1];
    bool is_from_clients; /* of these, only what clients send them */
    uint32_t turns;       /* of a fault that comes and goes */
    struct network_fault fault;
    struct network_counts before;
};

static void set_link(struct nemesis_ground *ground, uint32_t from, uint32_t to,
                     struct network_fault fault)
{
    fault.cut = network_fault_of(ground->network, from, to).cut;
    network_set_fault(ground->network, from, to, fault);
}

static bool is_bad(const struct bad_links *links, uint32_t from, uint32_t to, bool is_client)
{
    if (links->is_from_clients) {
        return is_client && links->concerned[to];
    }
    return from != to && (links->concerned[from] || links->concerned[to]);
}

static void set_links(struct nemesis_ground *ground, const struct bad_links *links,
                      struct network_fault fault)
{
    struct ground_ids hosts = ground_clients(ground);
    uint32_t client_count = hosts.count;
    for (uint32_t id = 1; id <= nodes_last(ground->nodes); id++) {
        hosts.ids[hosts.count++] = id;
    }
    for (uint32_t i = 0; i < hosts.count; i++) {
        for (uint32_t k = 0; k < hosts.count; k++) {
            uint32_t from = hosts.ids[i];
            uint32_t to = hosts.ids[k];
            if (is_bad(links, from, to, i < client_count)) {
                set_link(ground, from, to, fault);
            }
        }
    }
}

static bool begin(struct nemesis_ground *ground, struct ground_ids nodes, bool is_from_clients,
                  struct network_fault fault, void **state, struct buffer *value)
{
    struct bad_links *links = memory_zalloc(sizeof *links);
    links->is_from_clients = is_from_clients;
    for (uint32_t i = 0; i < nodes.count; i++) {
        links->concerned[nodes.ids[i]] = true;
    }
    links->fault = fault;
    links->before = network_count(ground->network);
    set_links(ground, links, fault);
    buffer_printf(value, "{:links-of ");
    ground_write_hosts(value, ground, &nodes);
    buffer_printf(value,
                  " :delay-ms %u :jitter-ms %u :loss-permille %u :duplicate-permille %u"
                  " :bytes-per-second %" PRIu64 "}",
                  fault.delay_ms, fault.jitter_ms, fault.loss_permille, fault.duplicate_permille,
                  fault.bytes_per_second);
    *state = links;
    return true;
}

static bool start(struct nemesis_ground *ground, struct network_fault fault, void **state,
                  struct buffer *value)
{
    struct ground_ids nodes = ground_members(ground);
    ground_shuffle(ground, &nodes);
    if (ground_draw(ground, 2) == 0) {
        nodes.count = 1 + ground_draw(ground, nodes.count);
    }
    return begin(ground, nodes, false, fault, state, value);
}

static bool stop(struct nemesis_ground *ground, void *state, struct buffer *value,
                 struct error *error)
{
    struct bad_links *links = state;
    struct network_counts now = network_count(ground->network);
    (void)error;
    buffer_printf(
        value,
        "{:delayed %" PRIu64 " :lost %" PRIu64 " :duplicated %" PRIu64 " :overflowed %" PRIu64 "}",
        now.delayed - links->before.delayed, now.lost - links->before.lost,
        now.duplicated - links->before.duplicated, now.overflowed - links->before.overflowed);
    set_links(ground, links, (struct network_fault){.cut = false});
    free(links);
    return true;
}

static bool start_slow(struct nemesis_ground *ground, void **state, struct buffer *value,
                       struct error *error)
{
    (void)error;
    return start(ground,
                 (struct network_fault){.delay_ms = 10 + ground_draw(ground, 190),
                                        .jitter_ms = ground_draw(ground, 50)},
                 state, value);
}

static bool start_lossy(struct nemesis_ground *ground, void **state, struct buffer *value,
                        struct error *error)
{
    (void)error;
    return start(ground, (struct network_fault){.loss_permille = 10 + ground_draw(ground, 190)},
                 state, value);
}

static bool start_untidy(struct nemesis_ground *ground, void **state, struct buffer *value,
                         struct error *error)
{
    (void)error;
    return start(ground,
                 (struct network_fault){.jitter_ms = 5 + ground_draw(ground, 95),
                                        .duplicate_permille = 10 + ground_draw(ground, 300)},
                 state, value);
}

static bool start_narrow(struct nemesis_ground *ground, void **state, struct buffer *value,
                         struct error *error)
{
    (void)error;
    return start(
        ground, (struct network_fault){.bytes_per_second = 20000 + 1000 * ground_draw(ground, 180)},
        state, value);
}

/* Late: some nodes, about half at most, hear what clients ask when these have asked others and have
 * an answer; it takes longer than an attempt of the library waits. The leader is one of them, for
 * clients that know the leader send to no other. It comes and goes: what goes into a connection
 * that waits already comes out together with the word that nobody wants it any more. */
#define LATE_TURNS 6 /* so many it is on, and so many off */

static bool start_late(struct nemesis_ground *ground, void **state, struct buffer *value,
                       struct error *error)
{
    (void)error;
    struct ground_ids nodes = ground_leader_first(ground);
    nodes.count = 1 + ground_draw(ground, (nodes.count + 1) / 2);
    return begin(ground, nodes, true,
                 (struct network_fault){.delay_ms = 1000 + ground_draw(ground, 2000)}, state,
                 value);
}

static bool turn_late(struct nemesis_ground *ground, void *state, struct error *error)
{
    struct bad_links *links = state;
    (void)error;
    if (++links->turns % LATE_TURNS == 0) {
        bool is_late = links->turns / LATE_TURNS % 2 == 0;
        set_links(ground, links, is_late ? links->fault : (struct network_fault){.cut = false});
    }
    return true;
}

#define KIND "links"

const struct nemesis nemesis_links_slow = {
    .name = "links-slow",
    .kind = KIND,
    .help = "packets take 10 to 200 ms each way, and up to 50 more",
    .start = start_slow,
    .stop = stop,
};
const struct nemesis nemesis_links_lossy = {
    .name = "links-lossy",
    .kind = KIND,
    .help = "1 to 20 percent of packets are lost",
    .start = start_lossy,
    .stop = stop,
};
const struct nemesis nemesis_links_untidy = {
    .name = "links-untidy",
    .kind = KIND,
    .help = "packets overtake each other, and up to a third arrives twice",
    .start = start_untidy,
    .stop = stop,
};
const struct nemesis nemesis_links_late = {
    .name = "links-late",
    .kind = KIND,
    .help = "what clients send to some nodes takes 1 to 3 s, on and off: they don't wait for it",
    .start = start_late,
    .stop = stop,
    .turn = turn_late,
};
const struct nemesis nemesis_links_narrow = {
    .name = "links-narrow",
    .kind = KIND,
    .help = "20 to 200 kB a second pass, no more",
    .start = start_narrow,
    .stop = stop,
};
