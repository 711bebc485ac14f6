/*
 * node.h - one running node: what a node does (core/core.h), its transport and its services on one
 * libuv loop.
 *
 * Life: node_start -> (the loop runs) -> node_stop -> drained -> closed. What can't be survived (a
 * failed disk, libraft breaking a contract) ends the process at once with one line (log_fatal);
 * nothing is acknowledged after it. Threads: all on the loop's, but for the log's own thread
 * (log_writer.h) and audits in libuv's pool.
 */
#ifndef NODE_NODE_H
#define NODE_NODE_H

#include <uv.h>

#include "admission.h"
#include "arena.h"
#include "bulk_sender.h"
#include "cluster_change.h"
#include "core/core.h"
#include "forwarder.h"
#include "log_writer.h"
#include "options.h"
#include "raft/transport.h"
#include "refusals.h"
#include "rpc/server.h"
#include "snapshot_service.h"
#include "stopping.h"
#include "storage/state_db.h"

/* Whom the transport was last told to follow. */
struct followed {
    uint64_t version; /* of the members */
    uint64_t committed_index;
    bool nobody;
};

struct node {
    const struct node_options *options;
    uv_loop_t *loop;

    struct core core;
    struct log_writer *log_writer;
    struct transport *transport;
    struct bulk_sender bulk_sender;
    struct rpc_server *server;
    struct forwarder *forwarder;
    struct admission *admission;
    struct cluster_changes changes; /* of members and leaders, that wait for their outcome */
    struct arena arena;             /* for reads, as they were sent */
    struct arena replies;           /* for their answers */

    struct refusals refusals;
    bool is_following;
    struct followed followed;
    uint64_t removed_index;    /* as the log was last told; 0: this node was not removed */
    bool serving;              /* as grpc.health.v1 was last told */
    uint64_t serving_since_ms; /* or not serving: since the start, or the last change */
    uint64_t last_notice_ms;
    uint64_t last_slow_ms;
    uint64_t turn_cpu_ns; /* of the loop's thread when the last turn ended */
    struct snapshot_seen snapshots_seen;

    uv_timer_t replica_timer; /* Raft's timeouts */
    uv_timer_t upkeep_timer;  /* ticks, registrations, health */
    uv_check_t turn;          /* the end of each turn: submit what waits */
    struct stopping stopping;
    unsigned closing; /* parts that have still to close */
    void (*stopped)(void *context);
    void *stopped_context;
};

/* Opens everything and begins to serve. False and one clear reason if it can't; then nothing runs
 * and the process should end. */
bool node_start(struct node *node, uv_loop_t *loop, const struct node_options *options,
                struct error *error);
/* Hands the leadership over, refuses new calls, lets those that run end (all of it bounded), writes
 * what is in memory, closes; then calls `stopped`. Called again: cuts off whoever still waits. */
void node_stop(struct node *node, void (*stopped)(void *context), void *context);

/* What the core has met can't be survived: ends the process. `event` is the log line's. */
void node_must(const char *event, bool ok, const struct error *error);

/* ---- for the services ---- */

/* Who leads, for people and for clients that are turned away: nothing was executed, and why. */
void node_describe_leader(const struct node *node, char *text, size_t size);
/* Tells the forwarder where the leader's clients connect, as far as it is known by now. */
void node_follow_leader(struct node *node);

#endif
