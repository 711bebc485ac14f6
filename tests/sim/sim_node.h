/*
 * sim_node.h - one simulated node: the production replica between a simulated disk and a simulated
 * network, with a state machine that is a hash.
 *
 * A crash may fall on any call that the replica makes outside: from that call on nothing has an
 * effect. The state machine keeps what was flushed last; the disk keeps what sim_disk.h says.
 */
#ifndef TESTS_SIM_NODE_H
#define TESTS_SIM_NODE_H

#include "checks.h"
#include "raft/replica.h"
#include "sim_net.h"

struct sim_state {
    uint64_t applied_index;
    struct hash128 hash;
};

struct sim_proposal {
    uint64_t id;
    uint64_t index;
    uint64_t term;
    uint64_t at_us;
};

struct sim_completion {
    uint64_t generation;
    uint64_t last_index;
};

#define SIM_PENDING 128
#define SIM_LATE    LIMIT_LOG_WRITES

struct sim_node {
    struct world *world;
    struct sim_net *net;
    struct checks *checks;
    size_t number; /* from 0; its id is one more */
    size_t node_count;
    struct sim_disk disk;
    struct replica *replica; /* NULL: down */
    bool held_down;          /* does not start */
    uint64_t life;
    uint64_t clock_offset_us;
    uint64_t paused_until_us;
    struct sim_completion late[SIM_LATE]; /* of writes, while paused */
    size_t late_count;
    uint64_t wake_at_us; /* the earliest timer event that is queued; 0: none */

    struct sim_state state;
    struct sim_state flushed;
    unsigned flush_permille;
    uint64_t commit_seen;

    uint64_t calls_to_crash; /* crash at the n-th call from now; 0: none planned */
    bool crashing;

    /* What was submitted here in this leadership and is not applied. */
    struct sim_proposal pending[SIM_PENDING];
    size_t pending_count;
    uint64_t acknowledged_count;
    uint64_t worst_ack_us; /* the longest wait for an acknowledgement */
};

void sim_node_init(struct sim_node *node, struct world *world, struct sim_net *net,
                   struct checks *checks, size_t number, size_t node_count);
void sim_node_free(struct sim_node *node);
void sim_node_start(struct sim_node *node);
void sim_node_crash(struct sim_node *node);
void sim_node_pause(struct sim_node *node, uint64_t until_us);
/* Takes the message over. */
void sim_node_receive(struct sim_node *node, size_t from, struct peer_message *message);
void sim_node_connected(struct sim_node *node, size_t to);
/* Submits proposal `id` with so many bytes, if the node takes it. */
bool sim_node_submit(struct sim_node *node, uint64_t id, size_t bytes);
bool sim_node_is_leader(const struct sim_node *node);

#endif
