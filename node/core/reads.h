/*
 * reads.h - the reads that a node answers itself, leader or follower, from the state that it has
 * applied. Nothing is written for them.
 *
 *   linearizable:  reads_add -> in a round -> (confirmed at an index) -> waits for it -> answered
 *   stale:         reads_add -> waits for its min_index -> answered
 *
 * A round (raft/read_index.c) vouches for an index that holds everything which was acknowledged
 * before the read came; once that is applied here, or more, the read may be answered. Reads need
 * not be answered together: the owner takes them one by one, as much as one turn of its loop has
 * time for. A thousand that came for one round would else keep it from its peers until they elect
 * another.
 *
 * Every read ends exactly once, with `read` or `failed`. What a round has vouched for stays true
 * when leadership is lost, and such a read is still answered; one whose round fails was surely not
 * executed.
 *
 * Threads: the loop's. Bounds: base/limits.h, Admission.
 */
#ifndef NODE_CORE_READS_H
#define NODE_CORE_READS_H

#include "proposal.h"

struct reads;

struct reads_env {
    void *context;
    /* Joins the round that is sent next, whose numbers do not fall. False: no leader is known. */
    bool (*join)(void *context, uint64_t *round);
};

struct reads *reads_new(const struct reads_env *env);
/* Everything must have ended: reads_abandon. */
void reads_free(struct reads *reads);

/* True while nothing more is taken: a request of so many bytes need not be read any further. */
bool reads_is_full(const struct reads *reads, size_t bytes);
/* False: the queue is full, or no leader is known whom the read could wait for; it is not taken. */
bool reads_add(struct reads *reads, struct proposal *read);

/* The ends of a round: whoever joined it, or an earlier one. */
void reads_confirmed(struct reads *reads, uint64_t round, uint64_t index);
void reads_failed(struct reads *reads, uint64_t round);

/* Answers one read that the state is fresh enough for, applied_index being what it holds; *answered
 * false: there was none. False: the node must stop. */
bool reads_answer(struct reads *reads, uint64_t applied_index, bool *answered, struct error *error);
bool reads_has_answers(const struct reads *reads, uint64_t applied_index);

/* Ends those that were cancelled, wherever they wait: now and then, for the index that a read waits
 * for may never come. */
void reads_sweep(struct reads *reads);
/* Everything ends with PROPOSAL_NOT_EXECUTED. */
void reads_abandon(struct reads *reads);

#endif
