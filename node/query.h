/*
 * query.h - the reads of the Ledger service, run on the node's own state once a barrier has been
 * applied.
 *
 * A request is checked when it comes (query_check), kept as bytes while it waits, and answered in
 * one go (query_run). Ownership: scratch memory is the runner's. Threads: one at a time.
 */
#ifndef NODE_QUERY_H
#define NODE_QUERY_H

#include "arena.h"
#include "base/bytes.h"
#include "base/error.h"
#include "ledger/ledger.h"

enum query_kind {
    QUERY_GET_STOCK,
    QUERY_BATCH_GET_STOCK,
    QUERY_CHECK_STOCK,
    QUERY_LIST_STOCK,
    QUERY_GET_ORDER,
    QUERY_LIST_HISTORY,
};

/* True if the request can be run; else why not: INVALID_ARGUMENT. */
bool query_check(enum query_kind kind, struct arena *arena, struct bytes request,
                 struct error *error);

enum query_outcome {
    QUERY_DONE,
    QUERY_REFUSED /* bad page token */,
    QUERY_FAILED /* the store: stop the node */
};
/* Appends the packed response. `arena` takes the request, within the limit that query_check has
 * seen it keep; `replies` takes what the answer is made of, so that a request which needs all of
 * its own can't leave too little for the answer. */
enum query_outcome query_run(enum query_kind kind, struct arena *arena, struct arena *replies,
                             struct ledger *ledger, uint64_t applied_index, struct bytes request,
                             struct buffer *response, struct error *error);

#endif
