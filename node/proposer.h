/*
 * proposer.h - the leader's queue: calls wait here, leave together as one log entry (group commit),
 * and are answered when that entry is applied.
 *
 *   call -> waiting -> (proposer_flush: all that waits, within limits) -> in flight at an index ->
 * (applied) -> answered
 *
 * A read joins the entry that is built next, or makes an empty one: its barrier. An entry that was
 * submitted in our term and is applied proves that we led when it committed, so what is read then,
 * or later, is no older than anything acknowledged before the read came. So reads need not be
 * answered together: the owner takes them one by one, as much as one turn of its loop has time for.
 * A thousand that came for one barrier would else keep it from its peers until they elect another.
 *
 * Every call is answered exactly once. A command that was never submitted fails with UNAVAILABLE
 * (surely not executed); one that was submitted when leadership ended fails with UNKNOWN.
 *
 * Ownership: takes calls over. Threads: the loop's. Bounds: base/limits.h, Admission and
 * Replication.
 */
#ifndef NODE_PROPOSER_H
#define NODE_PROPOSER_H

#include "admission.h"
#include "ledger/ledger.h"
#include "query.h"
#include "raft/entry.h"
#include "rpc/server.h"

struct proposer;

struct proposer_env {
    void *context;
    bool (*can_submit)(void *context);
    /* Ledger time and credit for an entry that leaves now. */
    void (*stamp)(void *context, struct ledger_entry_header *header);
    /* Submits; gives index and term. Takes the entry over. Does not return if the node must stop.
     */
    void (*submit)(void *context, struct entry *entry, uint64_t *index, uint64_t *term);
    /* Answers a read from the state as it is applied now, from within proposer_answer_read. */
    void (*answer_read)(void *context, struct rpc_call *call, enum query_kind kind,
                        struct bytes request);
};

enum proposer_shape { PROPOSER_SINGLE, PROPOSER_BATCH };

struct proposer *proposer_new(const struct proposer_env *env);
void proposer_free(struct proposer *proposer);

/* True while nothing more is taken: a request of so many bytes need not be read any further.
 * Refusing unread is what keeps a node under overload at its work. */
bool proposer_is_full(const struct proposer *proposer, size_t message_bytes);
/* Takes the admitted commands (the buffer is left empty). call may be NULL: a command of the node's
 * own. False: the queue is full, the call is not taken. */
bool proposer_add_commands(struct proposer *proposer, struct rpc_call *call,
                           struct admitted *admitted, enum proposer_shape shape);
bool proposer_add_read(struct proposer *proposer, struct rpc_call *call, enum query_kind kind,
                       struct bytes request);
/* Wants an entry even if nothing waits: what is due must be expired. */
void proposer_want_tick(struct proposer *proposer);

/* Submits what waits, as far as the replica takes it. Call at the end of each turn of the loop. */
void proposer_flush(struct proposer *proposer);

/* While the entry at (index, term) is applied: each command's result, in order. Entries that are
 * not ours are ignored. */
void proposer_result(struct proposer *proposer, uint64_t index, uint64_t term,
                     const struct ledger_result *result);
/* The entry is applied and committed to the state: its commands' calls are answered, its reads may
 * be. */
void proposer_applied(struct proposer *proposer, uint64_t index, uint64_t term);

/* Answers the read that has waited longest; false: none may be answered now. */
bool proposer_answer_read(struct proposer *proposer);
bool proposer_has_answers(const struct proposer *proposer);

/* No longer leader: everything is answered with a failure. `words` says who leads now. */
void proposer_abandon(struct proposer *proposer, const char *words);

size_t proposer_waiting(const struct proposer *proposer);

#endif
