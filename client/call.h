/*
 * call.h - one call on its way from a program to an answer, as an explicit state machine.
 *
 *     PREPARING -> QUEUED -> ATTEMPTING -> ENDED
 *                                |  ^
 *                                v  |
 *                               PAUSING
 *
 * Ownership: a call belongs to the thread that prepares it, then to the queue, then to the loop's
 * thread, which ends it exactly once; `ended` takes it over. The object is completed before that
 * and goes to the program. Threads: one owner at a time. Clock: uv_hrtime in milliseconds (the
 * loop's uv_now is the same clock).
 */
#ifndef CLIENT_CALL_H
#define CLIENT_CALL_H

#include "decode.h"
#include "holdfast/holdfast.h"

enum call_state {
    CALL_PREPARING,  /* in the program's thread */
    CALL_QUEUED,     /* handed over, not yet taken */
    CALL_ATTEMPTING, /* sent to an endpoint */
    CALL_PAUSING,    /* between two attempts */
    CALL_ENDED,      /* its object is complete */
};

struct dispatch;

struct call {
    enum call_state state;
    struct call *next; /* in the queue */

    /* what is asked */
    const struct reply_shape *shape;
    const char *path;      /* static */
    char *only_endpoint;   /* asked of this one, once; NULL: of any, until there is an answer */
    bool is_spread;        /* any node will do as well as the leader */
    bool is_asked_once;    /* not given again after an attempt that may have been executed */
    struct buffer request; /* the same bytes for every attempt: the same identity; and `resent` */
    bool is_resent;        /* they say so */
    size_t held_bytes;     /* of it, in the client's count of all: what it had at first */
    uint64_t deadline_ms;
    uint32_t attempt_timeout_ms;

    /* what happened */
    struct dispatch *dispatch;
    uint32_t attempts;
    bool may_have_executed;    /* an attempt that is over may have been */
    size_t endpoint;           /* ATTEMPTING: the entry it was sent to */
    uint64_t attempt_began_ms; /* ATTEMPTING */
    uint64_t pause_ends_ms;    /* PAUSING */

    /* what is told, and to whom */
    void *object;
    hf_verdict verdict; /* once ENDED */
    void (*ended)(struct call *call);
    void *owner;  /* for `ended` */
    void *user;   /* the program's */
    void *waiter; /* the thread that waits, or NULL */
    hf_results_callback on_results;
    hf_stock_callback on_stocks;
};

struct call *call_new(const struct reply_shape *shape, void *object);
/* Not the object. */
void call_free(struct call *call);

/* Goes to a state; that the way leads there is asserted. */
void call_enter(struct call *call, enum call_state state);

#endif
