/*
 * proposer.h - the leader's queue: proposals wait here, leave together as one log entry (group
 * commit), and are answered when that entry is applied.
 *
 *   proposal -> waiting -> (proposer_flush: all that waits, within limits) -> in flight at an index
 *   -> (applied) -> answered
 *
 * A read joins the entry that is built next, or makes an empty one: its barrier. An entry that was
 * submitted in our term and is applied proves that we led when it committed, so what is read then,
 * or later, is no older than anything acknowledged before the read came. So reads need not be
 * answered together: the owner takes them one by one, as much as one turn of its loop has time for.
 * A thousand that came for one barrier would else keep it from its peers until they elect another.
 *
 * Every proposal ends exactly once, with `applied`, `read` or `failed`. A command that was never
 * submitted fails with PROPOSAL_NOT_EXECUTED; one that was submitted when leadership ended, with
 * PROPOSAL_OUTCOME_UNKNOWN.
 *
 * Threads: the loop's. Bounds: base/limits.h, Admission and Replication.
 */
#ifndef NODE_CORE_PROPOSER_H
#define NODE_CORE_PROPOSER_H

#include "ledger/ledger.h"
#include "raft/entry.h"

struct proposer;
struct proposal;

enum proposal_failure {
    PROPOSAL_NOT_EXECUTED,    /* surely: we do not lead, or do not any more */
    PROPOSAL_OUTCOME_UNKNOWN, /* leadership was lost after it was submitted */
    PROPOSAL_CANCELLED,       /* by its owner, before it was submitted: surely not executed */
};

/* What its owner hears. None of these may call the proposer. */
struct proposal_ops {
    /* The result of the next of its commands, while the entry is applied. Not called for a
     * cancelled one. */
    void (*result)(struct proposal *proposal, const struct ledger_result *result);
    /* The end: all results are given, and are in the state. */
    void (*applied)(struct proposal *proposal);
    /* The end of a read: to be answered from the state as it is applied now. Not called for a
     * cancelled one, which fails instead. False: the state can't be read, the node must stop. */
    bool (*read)(struct proposal *proposal, struct error *error);
    /* The end. */
    void (*failed)(struct proposal *proposal, enum proposal_failure failure);
};

/* One call of a client, or a command of the node's own; embedded in whatever its owner keeps of
 * it. The proposer has it from proposer_add until its end. */
struct proposal {
    const struct proposal_ops *ops;
    bool is_read;
    /* May be set at any time: the answer is not wanted any more. */
    bool cancelled;
    /* Commands, encoded for an entry (freed by the proposer); of a read, what counts as its
     * bytes: left alone. */
    struct buffer data;
    uint32_t command_count;
    uint32_t line_count;

    /* The proposer's own. */
    struct proposal *next;
    uint32_t results; /* given so far */
};

struct proposer_env {
    void *context;
    bool (*can_submit)(void *context);
    /* Ledger time and credit for an entry that leaves now. */
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
    size_t waiting_reads;
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
/* The entry is applied and committed to the state: its commands are answered, its reads may be. */
void proposer_applied(struct proposer *proposer, uint64_t index, uint64_t term);

/* Answers the read that has waited longest; *answered false: none may be answered now. False: the
 * node must stop. */
bool proposer_answer_read(struct proposer *proposer, bool *answered, struct error *error);
bool proposer_has_answers(const struct proposer *proposer);

/* No longer leader, or stopping: everything ends with a failure. */
void proposer_abandon(struct proposer *proposer);

#endif
