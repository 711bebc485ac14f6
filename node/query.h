/*
 * query.h - the reads of the Ledger service, run on the node's own state once it is as fresh as
 * they ask for (core/reads.h).
 *
 * A request is checked when it comes (query_check), kept as bytes while it waits, and answered in
 * one go (query_run). Ownership: scratch memory is the runner's. Threads: one at a time.
 */
#ifndef NODE_QUERY_H
#define NODE_QUERY_H

#include "arena.h"
#include "base/bytes.h"
#include "base/error.h"
#include "core/proposal.h"

enum query_kind {
    QUERY_GET_STOCK,
    QUERY_BATCH_GET_STOCK,
    QUERY_CHECK_STOCK,
    QUERY_LIST_STOCK,
    QUERY_GET_ORDER,
    QUERY_LIST_HISTORY,
};

/* How fresh the state must be that a request is answered from. */
struct query_freshness {
    enum read_consistency consistency;
    uint64_t min_index;
};

/* True if the request can be run; else why not: INVALID_ARGUMENT. */
bool query_check(enum query_kind kind, struct arena *arena, struct bytes request,
                 struct query_freshness *freshness, struct error *error);

/* The state that a request is answered from. */
struct query_state {
    struct ledger *ledger;
    uint64_t applied_index;
    const uint64_t *age_ms; /* to be told; NULL: the request does not ask */
};

enum query_outcome {
    QUERY_DONE,
    QUERY_REFUSED /* bad page token */,
    QUERY_FAILED /* the store: stop the node */
};
/* Appends the packed response. `arena` takes the request, within the limit that query_check has
 * seen it keep; `replies` takes what the answer is made of, so that a request which needs all of
 * its own can't leave too little for the answer. */
enum query_outcome query_run(enum query_kind kind, struct arena *arena, struct arena *replies,
                             const struct query_state *state, struct bytes request,
                             struct buffer *response, struct error *error);

#endif
