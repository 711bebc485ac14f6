/*
 * dispatch.h - calls to endpoints: chooses where each attempt goes, judges what comes back, and
 * gives a call again until it has an answer or its deadline passes. All on the loop's thread.
 *
 *     dispatch_begin -> attempt -> rpc_client_call -> on_attempt_done -> end -> call->ended
 *                          ^                                |
 *                          +---- on_timer <--- pause <------+
 *
 * Ownership: a call belongs to the dispatch from dispatch_begin to call->ended. Errors: every call
 * that has begun ends, with a verdict that says what is known. Bounds: connections by
 * LIMIT_CLIENT_ENDPOINTS; calls by whoever begins them.
 */
#ifndef CLIENT_DISPATCH_H
#define CLIENT_DISPATCH_H

#include <uv.h>

#include "base/random.h"
#include "call.h"
#include "endpoints.h"
#include "pauses.h"
#include "retry.h"

struct dispatch_config {
    const char *endpoints;
    struct retry_backoff backoff;
    bool fail_when_overloaded;
    uint64_t random; /* a seed: first endpoint, jitter */
};

struct dispatch {
    uv_loop_t *loop;
    uv_timer_t timer; /* the end of the first pause */
    struct retry_backoff backoff;
    bool fail_when_overloaded;
    bool closing;
    struct random random;
    struct endpoints endpoints;
    struct pauses pauses;
};

/* Checks the endpoints; connects to none yet. On failure nothing is left, but for handles that
 * close on the loop's next turns. */
bool dispatch_open(struct dispatch *dispatch, uv_loop_t *loop, const struct dispatch_config *config,
                   struct error *error);

/* Takes over a call that is QUEUED. It may have ended when this returns. */
void dispatch_begin(struct dispatch *dispatch, struct call *call);

/* Ends all calls with HF_CLOSED, from within, and lets go of every handle: the loop runs out of
 * them on its next turns. */
void dispatch_close(struct dispatch *dispatch);

/* Ends a call that was never begun, with HF_CLOSED. */
void dispatch_end_closed(struct call *call);

#endif
