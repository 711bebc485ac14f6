/*
 * node.h - one running node: the wiring of data directory, log, state, replica, transport, ledger
 * and services on one libuv loop.
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
#include "forwarder.h"
#include "ledger/ledger.h"
#include "ledger_clock.h"
#include "log_writer.h"
#include "options.h"
#include "proposer.h"
#include "raft/replica.h"
#include "raft/transport.h"
#include "registrations.h"
#include "rpc/server.h"
#include "storage/data_directory.h"
#include "storage/log_store.h"
#include "storage/state_db.h"

struct node {
    const struct node_options *options;
    uv_loop_t *loop;
    uint64_t cluster_id;

    struct data_directory *directory;
    struct log_store *log;
    struct log_writer *log_writer;
    struct state_db *db;
    struct ledger *ledger;
    struct replica *replica;
    struct transport *transport;
    struct rpc_server *server;
    struct forwarder *forwarder;
    struct proposer *proposer;
    struct admission *admission;
    struct arena arena;   /* for reads, as they were sent */
    struct arena replies; /* for their answers */
    struct ledger_clock clock;

    enum replica_state state;
    uint64_t term;
    uint64_t leader_id;
    struct registrations logged;      /* in the log that was found, and not applied */
    uint64_t registered[LIMIT_NODES]; /* node ids whose incarnation is registered, or proposed in
                                         this term */
    size_t registered_count;
    uint64_t incarnations[LIMIT_NODES]; /* by place in options->members, as their hellos said; 0:
                                           not heard of */
    bool refused[LIMIT_NODES];          /* by place: this member refuses us */
    bool serving;                       /* as grpc.health.v1 was last told */
    uint64_t last_notice_ms;
    uint64_t last_slow_ms;

    uv_timer_t replica_timer; /* Raft's timeouts */
    uv_timer_t upkeep_timer;  /* ticks, registrations, health */
    uv_check_t turn;          /* the end of each turn: submit what waits */
    unsigned audits;          /* running in the pool */
    bool stopping;
    unsigned closing; /* parts that have still to close */
    void (*stopped)(void *context);
    void *stopped_context;
};

/* Opens everything and begins to serve. False and one clear reason if it can't; then nothing runs
 * and the process should end. */
bool node_start(struct node *node, uv_loop_t *loop, const struct node_options *options,
                struct error *error);
/* Refuses new calls, lets those that run end (bounded), writes what is in memory, closes; then
 * calls `stopped`. */
void node_stop(struct node *node, void (*stopped)(void *context), void *context);

/* ---- for the services ---- */

bool node_leads(const struct node *node);
/* Who leads, for people and for clients that are turned away. */
void node_describe_leader(const struct node *node, char *text, size_t size);
uint64_t node_applied_index(const struct node *node);
/* Tells the forwarder where the leader's clients connect, as far as it is known by now. */
void node_follow_leader(struct node *node);
/* An audit that was counted in node->audits has answered its call. */
void node_audit_ended(struct node *node);

#endif
