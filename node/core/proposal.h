/*
 * proposal.h - what somebody wants of a node: commands for the log (proposer.h), or a read of the
 * state (reads.h). Embedded in whatever its owner keeps of it.
 *
 * Every proposal ends exactly once, with `applied`, `read` or `failed`. Ownership: the proposer, or
 * the reads, have it from the moment they take it until its end. Threads: the loop's.
 */
#ifndef NODE_CORE_PROPOSAL_H
#define NODE_CORE_PROPOSAL_H

#include "ledger/ledger.h"

struct proposal;

enum proposal_failure {
    PROPOSAL_NOT_EXECUTED,    /* surely: we do not lead, or do not any more; or, of a read, nobody
                                 that we follow */
    PROPOSAL_OUTCOME_UNKNOWN, /* leadership was lost after it was submitted */
    PROPOSAL_CANCELLED,       /* by its owner, before it was submitted: surely not executed */
};

enum read_consistency {
    READ_LINEARIZABLE = 0, /* everything that was acknowledged before it came, on any node */
    READ_STALE = 1,        /* what this node has applied */
};

/* What its owner hears. None of these may call the proposer or the reads. */
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
    /* Of a read: how fresh the state must be, and which index it must hold at least. */
    enum read_consistency consistency;
    uint64_t min_index;

    /* Whose it is. */
    struct proposal *next;
    uint32_t results; /* commands: given so far */
    uint64_t round;   /* a read that nobody has vouched for yet: the round it has joined */
    uint64_t index;   /* a read that waits for the state: until this is applied */
    uint64_t number;  /* such a read: its place among those of the same index */
};

/* First in, first out. Zero-initialise. */
struct proposal_queue {
    struct proposal *first;
    struct proposal *last;
};

static inline void proposal_queue_push(struct proposal_queue *queue, struct proposal *proposal)
{
    proposal->next = NULL;
    if (queue->last != NULL) {
        queue->last->next = proposal;
    } else {
        queue->first = proposal;
    }
    queue->last = proposal;
}

/* NULL: empty. */
static inline struct proposal *proposal_queue_pop(struct proposal_queue *queue)
{
    struct proposal *proposal = queue->first;
    if (proposal != NULL) {
        queue->first = proposal->next;
        if (queue->first == NULL) {
            queue->last = NULL;
        }
    }
    return proposal;
}

#endif
