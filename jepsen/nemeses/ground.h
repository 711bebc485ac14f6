/*
 * ground.h - what nemeses have in common: which nodes there are, which of them to choose, their
 * names in histories.
 *
 * Threads: the nemesis'.
 */
#ifndef JEPSEN_GROUND_H
#define JEPSEN_GROUND_H

#include "nemesis.h"

/* Some nodes, or hosts, in an order that is drawn or told. */
struct ground_ids {
    uint32_t ids[NETWORK_HOSTS];
    uint32_t count;
};

/* From 0 to n - 1; n is at least 1. */
uint32_t ground_draw(struct nemesis_ground *ground, uint32_t n);
void ground_shuffle(struct nemesis_ground *ground, struct ground_ids *ids);

/* Nodes that are of the cluster, whether they run or not, in the order of ids. */
struct ground_ids ground_members(struct nemesis_ground *ground);
/* Those of them that run, or are paused, or down. */
struct ground_ids ground_living(struct nemesis_ground *ground, enum node_life life);
/* All that there are, in a random order, but the leader, where one is known, first. */
struct ground_ids ground_leader_first(struct nemesis_ground *ground);
/* Hosts of clients. */
struct ground_ids ground_clients(struct nemesis_ground *ground);

/* "n3", "c1" of this host, in EDN's quotes. */
void ground_write_host(struct buffer *out, const struct nemesis_ground *ground, uint32_t host);
/* ["n1" "n3"] */
void ground_write_hosts(struct buffer *out, const struct nemesis_ground *ground,
                        const struct ground_ids *hosts);

#endif
