/*
 * call.c - see call.h: the allowed ways between the states, and the memory of a call.
 */
#include "call.h"

#include <assert.h>
#include <stdlib.h>

#define STATE(state) (1u << (state))

/* From each state, where it may go. */
static const unsigned WAYS[] = {
    [CALL_PREPARING] = STATE(CALL_QUEUED),
    [CALL_QUEUED] = STATE(CALL_ATTEMPTING) | STATE(CALL_ENDED), /* closed, or too late already */
    [CALL_ATTEMPTING] = STATE(CALL_PAUSING) | STATE(CALL_ENDED),
    [CALL_PAUSING] = STATE(CALL_ATTEMPTING) | STATE(CALL_ENDED),
    [CALL_ENDED] = 0,
};

struct call *call_new(const struct reply_shape *shape, void *object)
{
    struct call *call = memory_zalloc(sizeof(*call));
    call->state = CALL_PREPARING;
    call->shape = shape;
    call->object = object;
    return call;
}

void call_free(struct call *call)
{
    assert(call->state == CALL_PREPARING || call->state == CALL_ENDED);
    buffer_free(&call->request);
    free(call->only_endpoint);
    free(call);
}

void call_enter(struct call *call, enum call_state state)
{
    assert((WAYS[call->state] & STATE(state)) != 0);
    call->state = state;
}
