/*
 * sim_node.h - one simulated machine and the node on it: the production core (node/core) between a
 * simulated disk, network, clock, log thread and pool.
 *
 * A machine keeps its disk, what its state databases have flushed, and its clocks. A node's process
 * lives from a start to its end: the power goes, it is killed, it is stopped, or its disk fails and
 * it stops itself. It may end at any point: between two events, inside a call into the core - where
 * that sends, writes to the log, opens or commits the state, or tells its role, and at any file
 * operation that changes something - and while it starts. From that
 * point on nothing that the core still does has an effect.
 *
 * The loop: an event is a call into the core, and begins a turn unless one is open; a turn may take
 * several events; at its end come tick, reads and flush, as in node/node.c.
 *
 * Threads: one. The core's env never calls back into it; what hears of an answer must not either.
 */
#ifndef TESTS_SIM_NODE_H
#define TESTS_SIM_NODE_H

#include "checks.h"
#include "core/core.h"
#include "core/log_queue.h"
#include "plan.h"
#include "sim_clock.h"
#include "sim_files.h"
#include "sim_net.h"
#include "sim_states.h"

/* What a core has in the pool at most: an audit, a snapshot, a fetch, and what others read. */
#define SIM_NODE_WORKS (3 + LIMIT_CHECKPOINT_READERS)

#define SIM_ADDRESS_BYTES 24

/* How a process ends without being asked. */
enum sim_end {
    SIM_POWER_CUT, /* the machine stops: what was not synced is lost, wholly or in part */
    SIM_KILLED,    /* the process dies: files are as they were written, the state is as flushed */
};

/* Something in the pool: it is done some time after it has run. */
struct sim_node_work {
    struct pool_work *work;
    bool has_run;
    uint64_t free_bytes; /* on the disk, when it ran */
    bool has_failed;     /* the disk, or a state's database, refused it something */
};

/* Whether a machine is there. */
enum sim_place {
    SIM_IN_USE,
    SIM_SPARE, /* not yet: nothing is on its disk, and nobody knows it */
    SIM_GONE,  /* not any more: its node was replaced */
};

struct sim_node {
    struct world *world;
    struct sim_net *net;
    struct checks *checks;
    const struct plan *plan;
    size_t number; /* from 0; its id is one more */
    struct replica_member members[LIMIT_NODES];
    char addresses[LIMIT_NODES][SIM_ADDRESS_BYTES];
    /* The process has ended, for whatever reason. */
    void (*ended)(void *context, struct sim_node *node);
    void *context;

    /* The machine. */
    struct sim_disk *disk;
    struct file_system files;
    struct sim_states *states;
    struct sim_clock clock;
    bool is_booted;         /* since the power came back: its monotonic clock runs */
    uint64_t disk_least_us; /* of a write to the log */
    uint64_t disk_most_us;
    bool disk_is_faulty;          /* it may refuse: to be mended before it is relied on */
    uint64_t failures_seen;       /* of the disk's operations, that were its fault */
    uint64_t state_failures_seen; /* the same of the state's databases */
    bool state_is_faulty;
    uint64_t pool_most_us; /* that a piece of work takes */
    unsigned pool_refuses_permille;
    uint64_t snapshot_seen;   /* the checks were told of it: in the manifest */
    uint64_t generation_seen; /* the same of the state's; 0: the first one of a new directory */
    enum sim_place place;
    bool is_wiped;        /* it has lost its directory once: the others refuse it; or it is spare */
    uint64_t incarnation; /* for a directory that is new */
    uint64_t spoilt_from; /* its state is wrong since it applied this; 0: it is right */

    /* The process. */
    bool is_up;
    bool is_held_down; /* does not start */
    unsigned program;  /* the one that a start runs knows ledger versions up to this one; */
    bool is_too_old;   /* and has stopped, for the ledger has a later one */
    bool is_retired;   /* it has stopped for its state: does not start either, until it is wiped */
    uint64_t life;     /* grows with each start and end: tells whose an event is */
    struct core core;
    bool core_is_open;
    uint64_t paused_until_us;
    bool is_turn_open;
    uint64_t wake_at_us; /* the timer's event that counts; 0: none */
    struct sim_node_work works[SIM_NODE_WORKS];
    size_t work_count;
    bool is_installing;     /* its replica, as the checks were told */
    uint64_t store_seen;    /* the number of the core's state store, the same */
    uint64_t stores_opened; /* ever */
    uint64_t log_first;     /* where its log on the disk begins, as the checks were told */
    uint64_t stored_term;   /* as the checks were told */
    uint64_t stored_vote;
    uint64_t led_term;          /* the last one it led */
    uint64_t log_asked;         /* how far the log reaches that it asked for */
    uint64_t log_found;         /* and reached when it started */
    uint64_t group_index;       /* the last entry that proposals were applied from */
    uint64_t group_count;       /* and how many of them */
    bool pool_refused;          /* the last work */
    bool shall_spoil;           /* its state, with the next entry */
    bool is_low;                /* its disk, as the core has found it: sim_node_room.c */
    bool has_told_room;         /* or want of it, since the core has looked last */
    uint64_t handed_over_at_us; /* it has begun to, of late; 0: not in this life */

    /* An end that is due, or under way. */
    uint64_t calls_to_end; /* at the n-th call outside from now; 0: none planned */
    enum sim_end end_how;
    bool is_crashing; /* nothing has an effect any more */

    /* The log's thread. */
    struct log_queue log_queue;
    struct log_run log_run;
    bool log_is_writing;
    bool log_notice; /* an event will tell the loop */
    bool log_failed;
    struct error log_failure; /* its words, to be passed as they are: node_survives */
};

/* As an operator writes the address of who joins. */
void sim_node_joins_at(char address[SIM_ADDRESS_BYTES], size_t number);

void sim_node_init(struct sim_node *node, struct world *world, struct sim_net *net,
                   struct checks *checks, const struct plan *plan, size_t number);
void sim_node_free(struct sim_node *node);

/* ---- life ---- */

void sim_node_start(struct sim_node *node);
/* Ends the process now. */
void sim_node_end(struct sim_node *node, enum sim_end how);
/* Ends it inside some call: at the n-th that the core makes outside, or in the middle of the n-th
 * file operation that changes something. */
void sim_node_end_in_call(struct sim_node *node, enum sim_end how, uint64_t nth);
void sim_node_end_in_file(struct sim_node *node, enum sim_end how, uint64_t nth);
/* An orderly stop. */
void sim_node_stop(struct sim_node *node);
/* SIGSTOP: what comes waits. */
void sim_node_pause(struct sim_node *node, uint64_t us);
/* When the process takes what comes: now, or the end of its pause. */
uint64_t sim_node_ready_at_us(const struct sim_node *node);
/* Its directory is lost; it must not be up. */
void sim_node_wipe(struct sim_node *node);
/* A spare machine is put in: a node that joins. It starts. */
void sim_node_install(struct sim_node *node);
/* The machine is switched off for good. */
void sim_node_take_away(struct sim_node *node);
/* Its state goes wrong with the next entry that it applies, and the digest with it. */
void sim_node_spoil(struct sim_node *node);
/* It is stopped for its state, and does not start again before it is wiped. */
void sim_node_retire(struct sim_node *node);
/* Does it know of others that its state stems from, and that nothing has borne it out since? */
bool sim_node_has_copy(const struct sim_node *node);
/* No fault is left in disk and state, and none is planned. */
void sim_node_mend(struct sim_node *node);
bool sim_node_is_crashing(const struct sim_node *node);
bool sim_node_leads(const struct sim_node *node);

/* A proposal of a client's commands has been applied: counts how they gather in entries. */
void sim_node_count_proposal(struct sim_node *node);

/* Tells the checks what its disk and its replica have come to. */
void sim_node_report(struct sim_node *node);

/* ---- events ---- */

/* Takes the message over. */
void sim_node_receive(struct sim_node *node, size_t from, struct peer_message *message);
/* Both sides of a new connection to the peer. */
enum sim_net_hello sim_node_hello(struct sim_node *node, struct sim_node *peer);
/* Takes a proposal, unless it is down, does not lead or is full. */
bool sim_node_propose(struct sim_node *node, struct proposal *proposal);
/* Asks it to change the members. True: it has proposed the change, and has survived that. With
 * `by_rules` as an operator does (node/core/members.c), who never gives an id a second time;
 * without the replica alone is asked: then nodes come back under their ids, with their old logs,
 * which is harder on Raft. */
bool sim_node_change_members(struct sim_node *node, const struct replica_change *change,
                             bool by_rules);
/* Asks it to hand over its leadership to this id, or with 0 to whom it likes. True: it has begun,
 * and has survived that. */
bool sim_node_hand_over(struct sim_node *node, uint64_t to);
/* Its judgement of a raise of the ledger's version. */
bool sim_node_may_raise(struct sim_node *node, unsigned version, struct error *why);
/* Audits the whole state, in the pool. */
void sim_node_audit(struct sim_node *node);

#endif
