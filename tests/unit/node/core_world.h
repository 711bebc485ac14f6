/*
 * core_world.h - a few cores (node/core/core.h) in a world made by hand: disks and databases in
 * memory, a network that delivers in order or not at all, one clock, a pool and a log's thread that
 * do one thing at a time, when the world is told to go on.
 *
 * Nodes are numbered from 1. A step of the world is a millisecond: messages are delivered, logs
 * written, one piece of work is done in the pool of each node, then each node's turn ends.
 */
#ifndef TESTS_NODE_CORE_WORLD_H
#define TESTS_NODE_CORE_WORLD_H

#include "cmocka_test.h"

#include "core/core.h"
#include "core/log_queue.h"
#include "sim_files.h"
#include "sim_states.h"

#define WORLD_NODES 5
/* What a right wall clock shows when the world begins: Unix time. */
#define WORLD_WALL_MS INT64_C(1700000000000)
#define WORLD_WORKS   16
#define WORLD_FLIGHT  65536
#define WORLD_WARNS   64

struct world;

struct world_node {
    struct world *world;
    uint64_t id;
    struct core core;
    bool is_up;
    bool is_stopped; /* by a call that returned false; why is in `error` */
    struct error error;
    struct sim_disk *disk;
    struct file_system files;
    char data[256];
    struct sim_states *states;
    uint64_t incarnation;
    int64_t wall_off_ms;           /* how wrong its wall clock is */
    uint16_t ledger_version_known; /* when it starts; 0: the default */
    struct log_queue *log;
    struct log_run run;
    struct pool_work *works[WORLD_WORKS];
    size_t work_count;
    bool pool_is_shut;    /* works wait */
    bool pool_refuses;    /* every other one */
    bool opens_no_state;  /* as one that another release wrote */
    bool reads_no_state;  /* the disk is to blame */
    bool is_told_nothing; /* at its start: its directory says all */
    size_t refused;
    size_t quiets;
    struct error warnings[WORLD_WARNS];
    size_t warning_count;
};

struct flight {
    uint64_t from;
    uint64_t to;
    struct peer_message message;
};

struct world {
    struct world_node nodes[WORLD_NODES + 1]; /* by id */
    size_t node_count;
    size_t founder_count; /* the others join */
    uint64_t cluster_id;
    struct replica_member members[WORLD_NODES];
    char addresses[WORLD_NODES][32];
    uint64_t now_ms;
    struct flight flights[WORLD_FLIGHT];
    size_t flight_count;
    bool is_cut[WORLD_NODES + 1];               /* nothing reaches the node, or leaves it */
    bool drops_parts;                           /* of checkpoints */
    void (*sees)(struct peer_message *message); /* each that is sent, and may change it */
    size_t part_count;
    uint64_t next_request;

    /* NULL: disks and databases in memory. Else a directory of the real ones: nothing crashes
     * there, and each node is stopped before the world ends. */
    const char *directory;

    /* Of nodes that start from now on. */
    uint64_t snapshot_log_entries;
    uint64_t held_log_bytes;
    uint64_t digest_interval;
    uint32_t trailing_entries;
    uint32_t apply_turn_entries;
    uint64_t disk_reserve_bytes;
    uint64_t checkpoint_kept_ms;
    uint32_t election_timeout_ms;
};

struct world *world_new(size_t node_count);
/* The first of them found the cluster, the others may join it. */
struct world *world_new_with(size_t founder_count, size_t node_count);
void world_free(struct world *world);

/* False: it refuses, or its disk fails; why is in its `error`. */
bool world_start(struct world *world, uint64_t id);
/* The power goes, with what was not synced. */
void world_crash(struct world *world, uint64_t id, enum sim_loss loss);
/* An orderly end. */
void world_stop(struct world *world, uint64_t id);

void world_step(struct world *world);
/* Until the condition holds, or fails the test after so many milliseconds. */
#define WORLD_UNTIL(world, limit_ms, condition)                                                    \
    do {                                                                                           \
        uint64_t end_ms_ = (world)->now_ms + (limit_ms);                                           \
        while (!(condition)) {                                                                     \
            if ((world)->now_ms >= end_ms_) {                                                      \
                fail_msg("%s:%d: %s has not come within %d ms", __FILE__, __LINE__, #condition,    \
                         (int)(limit_ms));                                                         \
            }                                                                                      \
            world_step(world);                                                                     \
        }                                                                                          \
    } while (0)
void world_go(struct world *world, uint64_t ms);

/* Who leads and may submit; 0: nobody. */
uint64_t world_leader(const struct world *world);
/* The leader is given the command; *open counts those that have not ended. Its verdict must be
 * this one. */
void world_propose(struct world *world, uint64_t leader, const struct ledger_command *command,
                   enum ledger_verdict verdict, size_t *open);
/* Writes so many commands through the leader, and waits until they are applied there. */
void world_write(struct world *world, size_t count);
/* The node has applied what the leader has, and its state is the same. */
bool world_has_caught_up(const struct world *world, uint64_t id);
struct replica_status world_status(const struct world *world, uint64_t id);
/* Files and directories in the node's directory whose names begin so. */
size_t world_count_names(struct world *world, uint64_t id, const char *prefix);

#endif
