/*
 * retry.h - when a call is given again, how long it waits before, and what it is told when it ends
 * without an answer. Pure: no clock, no I/O, randomness handed in.
 *
 * Invariants. A verdict that says "surely not executed" is given only when every attempt was surely
 * not executed. A call is never given again after an answer, nor after a refusal that would only be
 * repeated.
 */
#ifndef CLIENT_RETRY_H
#define CLIENT_RETRY_H

#include <stdbool.h>
#include <stdint.h>

#include "holdfast/holdfast.h"
#include "rpc/status.h"

/* What one attempt tells about the command. */
enum attempt_class {
    ATTEMPT_ANSWERED,     /* the ledger's reply is here */
    ATTEMPT_NOT_EXECUTED, /* surely not; another node may */
    ATTEMPT_OVERLOADED,   /* surely not; this cluster has too much to do */
    ATTEMPT_UNKNOWN,      /* it may have been */
    ATTEMPT_REFUSED,      /* surely not, and asking again is of no use */
};

struct attempt_end {
    enum attempt_class class;
    hf_verdict refusal; /* ATTEMPT_REFUSED: what to tell */
};

/* `from_node`: a node gave this status; else the transport did. `never_sent`: the transport knows
 * that no node has executed it. */
struct attempt_end retry_classify(enum rpc_status status, bool from_node, bool never_sent);

/* The verdict of a call that ends with this last attempt. `is_read`: nothing to execute, so nothing
 * can be unknown. `may_have_executed`: any attempt, the last one included, may have been executed.
 */
hf_verdict retry_end_verdict(struct attempt_end last, bool is_read, bool may_have_executed);

struct retry_backoff {
    uint32_t min_ms;
    uint32_t max_ms;
};

/* What the last attempt of a call is left with. One that has less rarely gets an answer, and one
 * that gets none makes the outcome unknown where it was known before. */
#define RETRY_LAST_ATTEMPT_MS 50

/* The pause after `attempts` >= 1 attempts: min * 2^(attempts-1), at most max, of which between
 * half and all by `random`; shortened so that the last attempt begins RETRY_LAST_ATTEMPT_MS before
 * the deadline. 0: too little is left for another attempt. */
uint64_t retry_pause_ms(struct retry_backoff backoff, uint32_t attempts, uint64_t left_ms,
                        uint64_t random);

/* How long one attempt of a call may take: `chosen_ms` or, where that is 0, a quarter of the call's
 * timeout but at least 500 ms; never more than the timeout. */
uint32_t retry_attempt_timeout_ms(uint32_t timeout_ms, uint32_t chosen_ms);

#endif
