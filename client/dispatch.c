/*
 * dispatch.c - see dispatch.h.
 *
 * The happy path: the preferred endpoint, which is the leader, answers the first attempt; of calls
 * that any node can answer as well, one that was drawn.
 *
 * What can fail, and what then: no connection, a lost one, time that passes, a node that can't
 * serve or lost its leadership: the endpoint is suspect for a while, and the call goes to another
 * one after a pause, with the same bytes, and says `resent` if it may have been executed: then a
 * refusal is the answer to every attempt. Overload: the same endpoint again after a pause. A
 * refusal that would only be repeated ends the call at once. `may_have_executed` is true from the
 * first attempt on whose outcome is not known, and never false again.
 */
#include "dispatch.h"

#include <assert.h>

#include "encode.h"
#include "rpc/client.h"

#define LEADER_METADATA "holdfast-leader"

static void attempt(struct call *call);
static void on_timer(uv_timer_t *timer);

/* ---- ends ---- */

static void end(struct call *call, hf_verdict verdict)
{
    assert(verdict != HF_VERDICT_UNSPECIFIED);
    call->verdict = verdict;
    call_enter(call, CALL_ENDED);
    call->ended(call);
}

static void end_without_answer(struct call *call, hf_verdict verdict, const char *message)
{
    assert(verdict < 0);
    call->shape->set_failure(
        call->object, &(struct reply_failure){
                          .verdict = verdict,
                          .may_have_executed = call->may_have_executed && !call->shape->is_read,
                          .attempts = call->attempts,
                          .message = message,
                      });
    end(call, verdict);
}

void dispatch_end_closed(struct call *call)
{
    end_without_answer(call, HF_CLOSED, hf_verdict_text(HF_CLOSED));
}

/* What went wrong with a connection begins with its address, which stands in front of it anyway. */
static const char *without_address(const char *what, const char *where)
{
    size_t len = strlen(where);
    bool repeated = strncmp(what, where, len) == 0 && strncmp(what + len, ": ", 2) == 0;
    return repeated ? what + len + 2 : what;
}

/* The words name the last attempt: where, and what came of it. */
static void end_after_attempt(struct call *call, struct attempt_end last, const char *where,
                              const char *what)
{
    hf_verdict verdict = retry_end_verdict(last, call->shape->is_read, call->may_have_executed);
    struct error message;
    if (verdict == HF_INVALID_ARGUMENT || verdict == HF_REFUSED) {
        error_set(&message, "%s", what); /* the node says why: that is all there is to say */
    } else {
        error_set(&message, "%s (attempt %u, %s: %s)", hf_verdict_text(verdict), call->attempts,
                  where, without_address(what, where));
    }
    end_without_answer(call, verdict, message.text);
}

/* ---- connections ---- */

static struct rpc_client *open_connection(struct dispatch *dispatch, const char *address,
                                          struct error *error)
{
    struct rpc_client_config config = {.address = address};
    return rpc_client_open(dispatch->loop, &config, error);
}

/* The entry of an address that nobody gave at the start, with its connection. NONE and a reason: no
 * such address, or no place. */
static size_t find_endpoint(struct dispatch *dispatch, const char *address,
                            enum endpoint_origin origin, struct error *error)
{
    uint64_t now_ms = uv_now(dispatch->loop);
    void *dropped = NULL;
    size_t index = endpoints_lookup(&dispatch->endpoints, address);
    if (index == ENDPOINT_NONE) {
        struct rpc_client *connection = open_connection(dispatch, address, error);
        if (connection == NULL) {
            return ENDPOINT_NONE;
        }
        index = endpoints_find(&dispatch->endpoints, address, origin, now_ms, &dropped);
        if (index == ENDPOINT_NONE) {
            rpc_client_close(connection, NULL, NULL);
            error_set(error, "no place for %s: calls are under way to %d other nodes", address,
                      LIMIT_CLIENT_ENDPOINTS);
            return ENDPOINT_NONE;
        }
        dispatch->endpoints.items[index].connection = connection;
        if (dropped != NULL) {
            rpc_client_close(dropped, NULL, NULL);
        }
        return index;
    }
    return endpoints_find(&dispatch->endpoints, address, origin, now_ms, &dropped);
}

/* ---- attempts ---- */

static void begin_pause(struct call *call, uint64_t pause_ms)
{
    struct dispatch *dispatch = call->dispatch;
    call->pause_ends_ms = uv_now(dispatch->loop) + pause_ms;
    call_enter(call, CALL_PAUSING);
    pauses_push(&dispatch->pauses, call);
    if (pauses_first(&dispatch->pauses) == call) {
        int rc = uv_timer_start(&dispatch->timer, on_timer, pause_ms, 0);
        assert(rc == 0);
    }
}

static void on_timer(uv_timer_t *timer)
{
    struct dispatch *dispatch = timer->data;
    uint64_t now_ms = uv_now(dispatch->loop);
    struct call *first;
    while ((first = pauses_first(&dispatch->pauses)) != NULL && first->pause_ends_ms <= now_ms) {
        attempt(pauses_pop(&dispatch->pauses));
    }
    if (first != NULL) {
        int rc = uv_timer_start(timer, on_timer, first->pause_ends_ms - now_ms, 0);
        assert(rc == 0);
    }
}

/* The node that answered may name the leader. A dying leader is still named by the others for a
 * while; endpoints_leader_named sees to that. */
static void learn_leader(struct dispatch *dispatch, const struct rpc_outcome *outcome)
{
    const char *address = rpc_outcome_metadata(outcome, LEADER_METADATA);
    if (address == NULL || address[0] == '\0') {
        return;
    }
    struct error error; /* an address that is none, or no place: any node will do, it forwards */
    size_t index = find_endpoint(dispatch, address, ENDPOINT_LEADER, &error);
    if (index != ENDPOINT_NONE) {
        endpoints_leader_named(&dispatch->endpoints, index, uv_now(dispatch->loop));
    }
}

static void learn_endpoint(struct dispatch *dispatch, const struct call *call,
                           enum attempt_class class)
{
    switch (class) {
    case ATTEMPT_ANSWERED:
    case ATTEMPT_OVERLOADED:
    case ATTEMPT_REFUSED:
        endpoints_answered(&dispatch->endpoints, call->endpoint);
        break;
    case ATTEMPT_NOT_EXECUTED:
    case ATTEMPT_UNKNOWN:
        endpoints_failed(&dispatch->endpoints, call->endpoint, call->attempt_began_ms,
                         uv_now(dispatch->loop));
        break;
    }
}

static void retry_or_end(struct call *call, struct attempt_end last, const char *where,
                         const char *what)
{
    struct dispatch *dispatch = call->dispatch;
    bool final = last.class == ATTEMPT_REFUSED || call->only_endpoint != NULL ||
                 (call->is_asked_once && call->may_have_executed) ||
                 (last.class == ATTEMPT_OVERLOADED && dispatch->fail_when_overloaded);
    if (!final) {
        uint64_t now_ms = uv_now(dispatch->loop);
        uint64_t left_ms = call->deadline_ms > now_ms ? call->deadline_ms - now_ms : 0;
        uint64_t pause_ms = retry_pause_ms(dispatch->backoff, call->attempts, left_ms,
                                           random_next(&dispatch->random));
        if (pause_ms > 0) {
            begin_pause(call, pause_ms);
            return;
        }
    }
    end_after_attempt(call, last, where, what);
}

static void on_attempt_done(void *context, const struct rpc_outcome *outcome)
{
    struct call *call = context;
    struct dispatch *dispatch = call->dispatch;
    struct endpoint *endpoint = &dispatch->endpoints.items[call->endpoint];
    struct attempt_end last =
        retry_classify(outcome->status, outcome->answered, outcome->never_sent);

    struct error error;
    const char *what =
        outcome->message[0] != '\0' ? outcome->message : rpc_status_text(outcome->status);
    hf_verdict verdict = HF_VERDICT_UNSPECIFIED;
    if (last.class == ATTEMPT_ANSWERED) {
        verdict = call->shape->decode(call->object, outcome->body, call->attempts, &error);
        if (verdict == HF_VERDICT_UNSPECIFIED) {
            last.class = ATTEMPT_UNKNOWN;
            what = error.text;
        }
    }
    call->may_have_executed |= last.class == ATTEMPT_UNKNOWN;

    if (!dispatch->closing) {
        if (call->only_endpoint == NULL) { /* else it says nothing about where others should go */
            learn_endpoint(dispatch, call, last.class);
        }
        learn_leader(dispatch, outcome);
    }
    endpoints_end(&dispatch->endpoints, call->endpoint); /* last: an entry in use is not dropped */

    if (last.class == ATTEMPT_ANSWERED) {
        end(call, verdict);
    } else if (dispatch->closing) {
        dispatch_end_closed(call);
    } else {
        retry_or_end(call, last, endpoint->address, what);
    }
}

static void send_to(struct call *call, size_t index, uint64_t now_ms)
{
    struct dispatch *dispatch = call->dispatch;
    uint64_t until_ms = now_ms + call->attempt_timeout_ms;
    if (until_ms > call->deadline_ms) {
        until_ms = call->deadline_ms;
    }
    if (call->may_have_executed && call->shape->says_resent && !call->is_resent) {
        encode_resent(&call->request);
        call->is_resent = true;
    }
    call->endpoint = index;
    call->attempt_began_ms = now_ms;
    call->attempts++;
    call_enter(call, CALL_ATTEMPTING);
    endpoints_begin(&dispatch->endpoints, index, now_ms);
    rpc_client_call(dispatch->endpoints.items[index].connection, call->path,
                    buffer_bytes(&call->request), until_ms, NULL, 0, on_attempt_done, call);
}

static void attempt(struct call *call)
{
    struct dispatch *dispatch = call->dispatch;
    uint64_t now_ms = uv_now(dispatch->loop);
    if (now_ms >= call->deadline_ms) { /* the loop came late */
        end_after_attempt(call, (struct attempt_end){.class = ATTEMPT_NOT_EXECUTED}, "no endpoint",
                          "the deadline passed before it could begin");
        return;
    }
    if (call->only_endpoint == NULL) {
        const struct endpoints *endpoints = &dispatch->endpoints;
        send_to(call,
                call->is_spread
                    ? endpoints_choose_any(endpoints, random_next(&dispatch->random), now_ms)
                    : endpoints_choose(endpoints, now_ms),
                now_ms);
        return;
    }
    struct error error;
    size_t index = find_endpoint(dispatch, call->only_endpoint, ENDPOINT_ASKED, &error);
    if (index == ENDPOINT_NONE) {
        end_without_answer(call, HF_INVALID_ARGUMENT, error.text);
        return;
    }
    send_to(call, index, now_ms);
}

/* ---- life ---- */

bool dispatch_open(struct dispatch *dispatch, uv_loop_t *loop, const struct dispatch_config *config,
                   struct error *error)
{
    *dispatch = (struct dispatch){
        .loop = loop,
        .backoff = config->backoff,
        .fail_when_overloaded = config->fail_when_overloaded,
        .random = {config->random},
    };
    struct endpoints *endpoints = &dispatch->endpoints;
    if (!endpoints_init(endpoints, config->endpoints, random_next(&dispatch->random), error)) {
        return false;
    }
    int rc = uv_timer_init(loop, &dispatch->timer);
    assert(rc == 0); /* it only links the handle */
    dispatch->timer.data = dispatch;
    for (size_t i = 0; i < endpoints->count; i++) {
        struct endpoint *endpoint = &endpoints->items[i];
        endpoint->connection = open_connection(dispatch, endpoint->address, error);
        if (endpoint->connection == NULL) {
            error_wrap(error, "endpoints");
            dispatch_close(dispatch);
            return false;
        }
    }
    return true;
}

void dispatch_begin(struct dispatch *dispatch, struct call *call)
{
    assert(!dispatch->closing && call->state == CALL_QUEUED);
    call->dispatch = dispatch;
    attempt(call);
}

void dispatch_close(struct dispatch *dispatch)
{
    dispatch->closing = true;
    struct call *call;
    while ((call = pauses_pop(&dispatch->pauses)) != NULL) {
        dispatch_end_closed(call);
    }
    pauses_free(&dispatch->pauses);
    for (size_t i = 0; i < dispatch->endpoints.count; i++) {
        struct endpoint *endpoint = &dispatch->endpoints.items[i];
        if (endpoint->connection != NULL) {
            rpc_client_close(endpoint->connection, NULL, NULL); /* on_attempt_done for each call */
            endpoint->connection = NULL;
        }
    }
    uv_close((uv_handle_t *)&dispatch->timer, NULL);
}
