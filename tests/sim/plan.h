/*
 * plan.h - what a seed decides before its run begins: how large the cluster is, how fast its parts
 * are, what its clients do, and which faults befall it how often.
 *
 * Swarm testing (Groce et al., 2012): a run in which every fault is possible looks like every other
 * one; so each seed leaves out some of them, and some leave out all but one. Rates are drawn over
 * orders of magnitude.
 */
#ifndef TESTS_SIM_PLAN_H
#define TESTS_SIM_PLAN_H

#include <stddef.h>
#include <stdint.h>

#include "core/proposer.h"
#include "raft/replica.h"
#include "sim_net.h"
#include "sim_random.h"

/* X(name, weight): how often, against the others, where it is possible at all. */
#define FAULTS(X)                                                                                  \
    X(POWER_CUT, 6)                                                                                \
    X(BLACKOUT, 1)                                                                                 \
    X(KILL, 6)                                                                                     \
    X(STOP, 3)                                                                                     \
    X(CRASH_IN_CALL, 6)                                                                            \
    X(CRASH_IN_FILE, 8)                                                                            \
    X(PAUSE, 6)                                                                                    \
    X(SLOW_DISK, 4)                                                                                \
    X(FULL_DISK, 2)                                                                                \
    X(FAILED_OPERATION, 4)                                                                         \
    X(BROKEN_DISK, 2)                                                                              \
    X(FAILED_STATE, 1)                                                                             \
    X(WALL_JUMP, 4)                                                                                \
    X(DRIFT, 2)                                                                                    \
    X(CUT, 6)                                                                                      \
    X(PARTITION, 5)                                                                                \
    X(BREAK, 6)                                                                                    \
    X(WEATHER, 4)

enum fault {
#define X(name, weight) FAULT_##name,
    FAULTS(X)
#undef X
        FAULT_COUNT
};

static inline const char *fault_name(uint64_t fault)
{
    static const char *const names[] = {
#define X(name, weight) [FAULT_##name] = #name,
        FAULTS(X)
#undef X
    };
    return names[fault];
}

/* What a run is bent to, where swarms are too many-sided to meet something rare: a name, and what
 * it is for. */
#define CLIMATES(X)                                                                                \
    X(SWARM, "swarm")                                                                              \
    X(DISORDER, "disorder")                                                                        \
    X(ONE_WAY, "one-way")                                                                          \
    X(MEMBERS, "members")                                                                          \
    X(LIMITS, "limits")                                                                            \
    X(SPOILT, "spoilt")                                                                            \
    X(COPIES, "copies")                                                                            \
    X(SNAPSHOTS, "snapshots")                                                                      \
    X(UPGRADES, "upgrades")                                                                        \
    X(LOW_DISKS, "low-disks")                                                                      \
    X(REPLACEMENTS, "replacements")                                                                \
    X(HELD_UP, "held-up")

enum climate {
#define X(name, text) CLIMATE_##name,
    CLIMATES(X)
#undef X
        CLIMATE_COUNT
};

/* What a client's requests are: a weight each. */
enum request_kind {
    REQUEST_RESERVE,
    REQUEST_DEDUCT,
    REQUEST_RELEASE,
    REQUEST_SET_STOCK,
    REQUEST_ADJUST_STOCK,
    REQUEST_READ, /* of a stock */
    REQUEST_READ_ORDER,
    REQUEST_KINDS
};

/* Clients of a cluster, at most. */
#define SIM_CLIENTS 64

struct plan {
    size_t node_count;    /* machines, spare ones too: those that found the cluster come first */
    size_t founder_count; /* and so many voters there shall be */
    size_t client_count;
    unsigned storms;

    /* nodes */
    uint32_t election_timeout_ms;
    uint64_t log_segment_bytes;
    unsigned flush_permille; /* of commits: the state on disk follows */
    unsigned turn_permille;  /* turns that take more than one event */
    uint64_t turn_us;        /* and how long they wait for them, at most */
    uint64_t timer_late_us;
    uint64_t notice_late_us; /* from a durable write to the loop's hearing of it, at most */
    unsigned reads_per_turn;
    uint64_t pool_most_us;  /* that a piece of work in the pool takes */
    uint64_t disk_least_us; /* of a write to the log */
    uint64_t disk_most_us;
    int64_t drift_ppm; /* clocks run so much too fast or too slow, at most */
    int64_t wall_skew_ms;
    size_t wrong_clocks; /* nodes whose wall clock is wrong, by this: a minority */
    int64_t wrong_by_ms;
    struct replica_limits replica_limits; /* 0: the node's own, which no run comes to */
    struct proposer_limits proposer_limits;
    uint64_t digest_interval;

    /* snapshots; 0: the node's own, which no run comes to */
    uint64_t snapshot_log_entries;
    uint64_t snapshot_log_bytes;
    uint64_t held_log_bytes;
    uint64_t checkpoint_ask_ms;
    uint64_t checkpoint_kept_ms;
    uint64_t staging_kept_ms;

    /* network */
    unsigned coded_permille;
    unsigned old_permille;
    struct sim_net_weather weather; /* of the first storm */

    /* clients */
    uint64_t think_us; /* between two requests of one client, on average */
    uint64_t client_timeout_us;
    unsigned client_loss_permille; /* of requests and of replies */
    unsigned held_up_permille;     /* of requests; 0: none. Then all commands have request ids */
    uint64_t held_up_us;           /* for how long, at most */
    unsigned batch_permille;
    unsigned batch_most; /* commands: many make entries that fill a message, or a segment */
    unsigned sku_count;
    unsigned warehouse_count;
    unsigned order_count; /* that are about at any time */
    int64_t longest_ttl_ms;
    unsigned request_weights[REQUEST_KINDS];
    unsigned stale_permille; /* of reads */
    unsigned floor_permille; /* reads that name the index that they must show */

    /* faults */
    uint64_t fault_gap_us; /* between two, on average; 0: none */
    uint64_t fault_us;     /* how long one lasts, at most */
    unsigned fault_weights[FAULT_COUNT];
    unsigned wipe_permille; /* storms that begin with one */
    unsigned audit_permille;
    unsigned spoil_permille;        /* faults beside which some node's state goes wrong */
    unsigned pool_refuses_permille; /* of work */

    uint64_t handover_gap_us; /* between two requests to hand over, on average; 0: none */

    uint64_t disk_reserve_bytes; /* 0: none is kept */
    uint64_t low_disk_gap_us;    /* between two disks that run low, on average; 0: none does */

    uint64_t upgrade_gap_us; /* between two programs put in or raises, on average; 0: none */
    unsigned newest_version; /* that any program knows */

    /* wiped nodes that others replace, while there are spare machines */
    uint64_t replace_gap_us;     /* between two steps of it, on average; 0: none */
    unsigned add_first_permille; /* replacements that add before they remove */

    /* changes of members; wiped nodes can't come back, so it is one or the other */
    uint64_t change_gap_us;   /* between two attempts, on average; 0: none */
    unsigned least_voters;    /* removals leave so many, at least */
    unsigned haste_permille;  /* changes that the next one follows at once */
    unsigned strike_permille; /* changes over which something befalls the leader */
    unsigned absent_permille; /* quiet spells that one member is not part of */
};

/* node_count 0: by the seed. `events` is about how many the run shall have. */
void plan_draw(struct plan *plan, struct random *random, size_t node_count, uint64_t events);

/* Behind plan_draw. */
void plan_bend(struct plan *plan, struct random *random, enum climate climate);
/* CLIMATE_COUNT: there is none with this name. */
enum climate plan_climate(const char *name);

/* A network without faults, and one with some. */
struct sim_net_weather plan_calm(void);
struct sim_net_weather plan_weather(struct random *random);
/* One of so many, by their weights; `count` if all are 0. */
size_t plan_choose(struct random *random, const unsigned *weights, size_t count);

#endif
