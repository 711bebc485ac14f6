/*
 * sim_net.h - the network between simulated nodes: messages are lost, late, doubled and overtaken;
 * links are cut one way; connections break and are made anew, each with a hello in which both sides
 * say who they are.
 *
 * Nodes are numbered from 0. A connection is one way: what node a sends to node b travels over the
 * connection that a made, as in the real transport. When it breaks, what is under way on it is
 * lost, or arrives all the same, late: harsher than TCP, and the replica must bear it.
 *
 * Some messages go through the production codec (raft/transport/frame.h), the others share their
 * entries with the sender.
 */
#ifndef TESTS_SIM_NET_H
#define TESTS_SIM_NET_H

#include "base/limits.h"
#include "raft/message.h"
#include "world.h"

struct sim_net_weather {
    unsigned loss_permille;
    unsigned twice_permille;
    unsigned late_permille; /* takes late_us more at most */
    uint64_t least_us;
    uint64_t most_us;
    uint64_t late_us;
    bool in_order; /* as TCP within a connection */
};

/* What a hello comes to. */
enum sim_net_hello {
    SIM_NET_WELCOME,
    SIM_NET_REFUSED, /* by one of the two */
    SIM_NET_DOWN,    /* one of them is: whoever comes up dials again */
};

struct sim_net_events {
    void *context;
    /* When the node is ready to take something: now, or the moment its pause ends. */
    uint64_t (*ready_at_us)(void *context, size_t node);
    /* Takes the message over. */
    void (*received)(void *context, size_t from, size_t to, struct peer_message *message);
    /* Both sides hear each other's hello; `from` has connected when they are welcome. */
    enum sim_net_hello (*hello)(void *context, size_t from, size_t to);
};

struct sim_net_link {
    bool cut;
    bool connected;
    uint64_t connection; /* number of the present one */
    uint64_t last_at_us;
    uint64_t sent;    /* messages, ever */
    uint64_t arrived; /* the highest of their numbers */
};

struct flight;

struct sim_net {
    struct world *world;
    size_t node_count;
    struct sim_net_events events;
    struct sim_net_weather weather;
    unsigned coded_permille; /* messages that go through the codec */
    unsigned old_permille;   /* messages that outlive their connection */
    struct sim_net_link links[LIMIT_NODES][LIMIT_NODES];
    uint64_t last_at_us; /* when the last of all that is under way arrives */

    struct flight *free;
    struct flight **chunks;
    size_t chunk_count;
};

void sim_net_init(struct sim_net *net, struct world *world, size_t node_count,
                  const struct sim_net_events *events);
void sim_net_free(struct sim_net *net);
/* What is sent from now on does not wait behind what is under way. */
void sim_net_set_weather(struct sim_net *net, const struct sim_net_weather *weather);
void sim_net_send(struct sim_net *net, size_t from, size_t to, const struct peer_message *message);
/* The same over a connection of its own: neither waits for the other. */
void sim_net_send_bulk(struct sim_net *net, size_t from, size_t to,
                       const struct peer_message *message);
void sim_net_cut(struct sim_net *net, size_t from, size_t to, bool cut);
/* The node has come up: everybody dials everybody. */
void sim_net_up(struct sim_net *net, size_t node);
/* It has gone: its connections break, and nobody dials until it comes up. */
void sim_net_down(struct sim_net *net, size_t node);
/* Breaks the connection; it is made anew after a while. */
void sim_net_break(struct sim_net *net, size_t from, size_t to);

/* A message as the other side decodes it; its entries are copies. False: the codec refused it. */
bool sim_net_code(const struct peer_message *message, struct peer_message *decoded,
                  struct error *error);

#endif
