/*
 * sim_net.h - the network between simulated nodes: messages are lost, late, doubled and overtaken;
 * links are cut one way; connections break and are made anew.
 *
 * Nodes are numbered from 0. A connection is one way: what node a sends to node b travels over the
 * connection that a made, as in the real transport. When it breaks, what is under way on it is
 * lost, or arrives all the same, late: harsher than TCP, and the replica must bear it.
 */
#ifndef TESTS_SIM_NET_H
#define TESTS_SIM_NET_H

#include "base/limits.h"
#include "raft/message.h"
#include "world.h"

struct sim_net_weather {
    unsigned loss_permille;
    unsigned twice_permille;
    unsigned late_permille; /* takes late_us instead */
    uint64_t least_us;
    uint64_t most_us;
    uint64_t late_us;
    bool in_order; /* as TCP within a connection */
};

struct sim_net_link {
    bool cut;
    bool connected;
    uint64_t connection; /* number of the present one */
    uint64_t last_at_us;
};

struct sim_net {
    struct world *world;
    size_t node_count;
    struct sim_net_weather weather;
    struct sim_net_link links[LIMIT_NODES][LIMIT_NODES];
    /* Takes the message over. */
    void (*received)(void *context, size_t from, size_t to, struct peer_message *message);
    void (*connected)(void *context, size_t from, size_t to);
    void *context;
};

void sim_net_init(struct sim_net *net, struct world *world, size_t node_count);
void sim_net_send(struct sim_net *net, size_t from, size_t to, const struct peer_message *message);
void sim_net_cut(struct sim_net *net, size_t from, size_t to, bool cut);
/* Breaks the connection, and makes it anew after a while if `again`. */
void sim_net_break(struct sim_net *net, size_t from, size_t to, bool again);

#endif
