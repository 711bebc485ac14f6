/*
 * proposer.h - the leader's queue: commands wait here, leave together as one log entry (group
 * commit), and are answered when that entry is applied.
 *
 *   proposal -> waiting -> (proposer_flush: all that waits, within limits) -> in flight at an index
 *   -> (applied) -> answered
 *
 * Every proposal ends exactly once, with `applied` or `failed`. One that was never submitted fails
 * with PROPOSAL_NOT_EXECUTED; one that was submitted when leadership ended, with
 * PROPOSAL_OUTCOME_UNKNOWN. Reads are not for here: reads.h.
 *
 * Threads: the loop's. Bounds: base/limits.h, Admission and Replication.
 */
#ifndef NODE_CORE_PROPOSER_H
#define NODE_CORE_PROPOSER_H

#include "proposal.h"
#include "raft/entry.h"

struct proposer;

struct proposer_env {
    void *context;
    bool (*can_submit)(void *context);
    /* Ledger version, time and credit for an entry that leaves now. */
    void (*stamp)(void *context, struct ledger_entry_header *header);
    /* Submits; gives index and term. Takes the entry over. False: the node must stop. */
    bool (*submit)(void *context, struct entry *entry, uint64_t *index, uint64_t *term,
                   struct error *error);
};

/* Bounds; 0: that of base/limits.h. The owner sees to it that each of its proposals fits the queue:
 * one that is larger than waiting_bytes is never taken. */
struct proposer_limits {
    size_t waiting_commands; /* LIMIT_WAITING_... */
    size_t waiting_bytes;
    size_t entry_bytes; /* TARGET_ENTRY_... */
    size_t entry_lines;
    size_t inflight_entries; /* TARGET_INFLIGHT_ENTRIES */
};
/* These, with the defaults where there is a 0. */
struct proposer_limits proposer_limits_complete(const struct proposer_limits *given);

struct proposer *proposer_new(const struct proposer_env *env, const struct proposer_limits *limits);
/* Everything must have ended: proposer_abandon. */
void proposer_free(struct proposer *proposer);

/* True while nothing more is taken: a request of so many bytes need not be read any further.
 * Refusing unread is what keeps a node under overload at its work. */
bool proposer_is_full(const struct proposer *proposer, size_t bytes);
/* False: the queue is full, the proposal is not taken. */
bool proposer_add(struct proposer *proposer, struct proposal *proposal);
/* Wants an entry even if nothing waits: what is due must be expired. */
void proposer_want_tick(struct proposer *proposer);

/* Submits what waits, as far as the replica takes it. Call at the end of each turn of the loop.
 * False: the node must stop. */
bool proposer_flush(struct proposer *proposer, struct error *error);

/* While the entry at (index, term) is applied: each command's result, in order. Entries that are
 * not ours are ignored. */
void proposer_result(struct proposer *proposer, uint64_t index, uint64_t term,
                     const struct ledger_result *result);
/* The entry is applied and committed to the state: its commands are answered. */
void proposer_applied(struct proposer *proposer, uint64_t index, uint64_t term);

/* No longer leader, or stopping: everything ends with a failure. */
void proposer_abandon(struct proposer *proposer);

#endif
