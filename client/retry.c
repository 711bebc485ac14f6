/*
 * retry.c - see retry.h. The table of statuses is the whole policy; everything else is arithmetic.
 */
#include "retry.h"

#include <assert.h>

#define ATTEMPT_TIMEOUT_FLOOR_MS 500

/* A node's UNAVAILABLE is a promise (ledger.proto): surely not executed. Statuses that no rule of
 * Holdfast gives a meaning are taken at their worst: it may have been executed. */
static struct attempt_end classify_of_node(enum rpc_status status)
{
    switch (status) {
    case RPC_OK:
        return (struct attempt_end){.class = ATTEMPT_ANSWERED};
    case RPC_UNAVAILABLE:
        return (struct attempt_end){.class = ATTEMPT_NOT_EXECUTED};
    case RPC_RESOURCE_EXHAUSTED:
        return (struct attempt_end){.class = ATTEMPT_OVERLOADED};
    case RPC_INVALID_ARGUMENT:
    case RPC_OUT_OF_RANGE: /* an index that is gone */
        return (struct attempt_end){.class = ATTEMPT_REFUSED, .refusal = HF_INVALID_ARGUMENT};
    case RPC_FAILED_PRECONDITION:
        return (struct attempt_end){.class = ATTEMPT_REFUSED, .refusal = HF_REFUSED};
    case RPC_UNAUTHENTICATED:
    case RPC_PERMISSION_DENIED:
        return (struct attempt_end){.class = ATTEMPT_REFUSED, .refusal = HF_DENIED};
    case RPC_UNIMPLEMENTED:
        return (struct attempt_end){.class = ATTEMPT_REFUSED, .refusal = HF_UNSUPPORTED};
    case RPC_CANCELLED:
    case RPC_UNKNOWN:
    case RPC_DEADLINE_EXCEEDED:
    case RPC_NOT_FOUND:
    case RPC_ALREADY_EXISTS:
    case RPC_ABORTED:
    case RPC_INTERNAL:
    case RPC_DATA_LOSS:
        break;
    }
    return (struct attempt_end){.class = ATTEMPT_UNKNOWN};
}

struct attempt_end retry_classify(enum rpc_status status, bool from_node, bool never_sent)
{
    if (never_sent) {
        assert(status != RPC_OK);
        return (struct attempt_end){
            .class = status == RPC_RESOURCE_EXHAUSTED ? ATTEMPT_OVERLOADED : ATTEMPT_NOT_EXECUTED};
    }
    if (from_node) {
        return classify_of_node(status);
    }
    /* The transport speaks: the connection broke, time passed, the reply was none. All it knows is
     * that the request may have left. */
    return (struct attempt_end){.class = ATTEMPT_UNKNOWN};
}

hf_verdict retry_end_verdict(struct attempt_end last, bool is_read, bool may_have_executed)
{
    assert(last.class != ATTEMPT_ANSWERED);
    if (may_have_executed && !is_read) {
        return HF_OUTCOME_UNKNOWN;
    }
    if (last.class == ATTEMPT_REFUSED) {
        return last.refusal;
    }
    return last.class == ATTEMPT_OVERLOADED ? HF_OVERLOADED : HF_UNREACHABLE;
}

uint64_t retry_pause_ms(struct retry_backoff backoff, uint32_t attempts, uint64_t left_ms,
                        uint64_t random)
{
    assert(attempts >= 1);
    if (left_ms <= RETRY_LAST_ATTEMPT_MS) {
        return 0;
    }
    uint64_t pause_ms = backoff.min_ms;
    for (uint32_t i = 1; i < attempts && pause_ms < backoff.max_ms; i++) {
        pause_ms *= 2;
    }
    if (pause_ms > backoff.max_ms) {
        pause_ms = backoff.max_ms;
    }
    pause_ms -= random % (pause_ms / 2 + 1);
    uint64_t longest_ms = left_ms - RETRY_LAST_ATTEMPT_MS;
    return pause_ms < longest_ms ? pause_ms : longest_ms;
}

uint32_t retry_attempt_timeout_ms(uint32_t timeout_ms, uint32_t chosen_ms)
{
    uint32_t attempt_ms = chosen_ms;
    if (attempt_ms == 0) {
        attempt_ms = timeout_ms / 4;
        if (attempt_ms < ATTEMPT_TIMEOUT_FLOOR_MS) {
            attempt_ms = ATTEMPT_TIMEOUT_FLOOR_MS;
        }
    }
    return attempt_ms < timeout_ms ? attempt_ms : timeout_ms;
}
