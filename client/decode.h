/*
 * decode.h - from the bytes of a reply to the objects that the public header gives out: one shape
 * for each kind of object and way to fill it.
 *
 * Ownership: an object is made by the caller before the call begins (object_new(shape->size, ...)),
 * with what is known by then (request ids, keys), and completed here. Threads: one at a time per
 * object. Errors: bytes come from outside and may be anything; a reply that is none is told as
 * such, and the call may then have been executed.
 */
#ifndef CLIENT_DECODE_H
#define CLIENT_DECODE_H

#include "arena.h"
#include "base/error.h"
#include "holdfast/holdfast.h"

struct reply_failure {
    hf_verdict verdict; /* negative */
    bool may_have_executed;
    uint32_t attempts;
    const char *message; /* copied */
};

struct reply_shape {
    size_t size; /* of the public struct */
    /* Nothing to execute: no outcome can be unknown. */
    bool is_read;
    /* Fills the object; the verdict of the call, or HF_VERDICT_UNSPECIFIED and a reason when the
     * bytes are no reply. What it leaves then may be half filled: another attempt, or
     * `set_failure`, comes after it. */
    hf_verdict (*decode)(void *object, struct bytes reply, uint32_t attempts, struct error *error);
    void (*set_failure)(void *object, const struct reply_failure *failure);
    /* Commands of the ledger: an attempt behind one that may have been executed says that it is
     * `resent` (encode_resent). */
    bool says_resent;
};

extern const struct reply_shape REPLY_RESULT;         /* hf_result: one command */
extern const struct reply_shape REPLY_RESULTS_OF_ONE; /* hf_results with one item, sent alone */
extern const struct reply_shape REPLY_RESULTS;        /* hf_results of an Execute */
extern const struct reply_shape REPLY_STOCK; /* hf_stock_list with the verdict of its item */
extern const struct reply_shape REPLY_STOCKS_OF_ONE; /* hf_stock_list with one item, sent alone */
extern const struct reply_shape REPLY_STOCKS;        /* hf_stock_list of a BatchGetStock */
extern const struct reply_shape REPLY_STOCK_PAGE;    /* hf_stock_list of a ListStock */
extern const struct reply_shape REPLY_AVAILABILITY;
extern const struct reply_shape REPLY_ORDER;
extern const struct reply_shape REPLY_HISTORY;
extern const struct reply_shape REPLY_STATUS;
extern const struct reply_shape REPLY_VERIFICATION;
extern const struct reply_shape REPLY_SNAPSHOT;
extern const struct reply_shape REPLY_MEMBERSHIP;
extern const struct reply_shape REPLY_LEADERSHIP;
extern const struct reply_shape REPLY_UPGRADE;

/* The arrays that a reply completes: items of hf_results, and of hf_stock_list for keys. */
hf_result *decode_prepare_results(hf_results *results, size_t count);
void decode_prepare_stocks(hf_stock_list *list, const hf_stock_key *keys, size_t count);

#endif
