/*
 * verdict.c - the names and words of every number that the public header gives out: one table per
 * enum. The ledger's own numbers are those of ledger.proto; tests compare the two.
 *
 * Numbers come from the wire too, so every lookup is total.
 */
#include "holdfast/holdfast.h"

#define VERDICTS(X)                                                                                \
    X(OK, "done")                                                                                  \
    X(SKU_NOT_FOUND, "this SKU has no stock in this warehouse")                                    \
    X(WAREHOUSE_NOT_FOUND, "no such warehouse")                                                    \
    X(WAREHOUSE_DISABLED, "the warehouse takes no new holds")                                      \
    X(ALREADY_EXISTS, "it exists already")                                                         \
    X(INSUFFICIENT_STOCK, "not enough stock is available")                                         \
    X(VERSION_MISMATCH, "the stock's version is not the expected one")                             \
    X(BELOW_RESERVED, "on_hand would fall below what orders hold")                                 \
    X(OVERFLOW, "a quantity would exceed 2^53-1")                                                  \
    X(ORDER_NOT_FOUND, "no such order")                                                            \
    X(ORDER_CONFLICT, "the order exists with other lines")                                         \
    X(ORDER_EXPIRED, "the order's hold has expired")                                               \
    X(ORDER_RELEASED, "the order was released")                                                    \
    X(ORDER_DEDUCTED, "the order was deducted")                                                    \
    X(ORDER_RETURNED, "the order was returned")                                                    \
    X(QUANTITY_EXCEEDS_OPEN, "a line asks for more than the order still holds")                    \
    X(COUNT_STALE, "the stock changed since it was captured")                                      \
    X(COUNT_CLOSED, "the count is closed")                                                         \
    X(TRANSFER_STATE, "the transfer is not in a state for this")                                   \
    X(LIMIT_EXCEEDED, "beyond what the ledger's limits allow")                                     \
    X(IDEMPOTENCY_MISMATCH, "this request id was used with other fields")                          \
    X(REQUEST_EXPIRED, "the request is too old to be told from a repetition")                      \
    X(MALFORMED_COMMAND, "the command breaks a rule of form")                                      \
    X(UNREACHABLE, "no node took the call in the time it had; surely not executed")                \
    X(OUTCOME_UNKNOWN,                                                                             \
      "no answer before the deadline; the command may have been executed: give it again under "    \
      "the same identity to learn")                                                                \
    X(INVALID_ARGUMENT, "an argument breaks a rule of form; surely not executed")                  \
    X(CLOSED, "the client was closed before an answer came")                                       \
    X(OVERLOADED, "too much is under way, here or in the cluster; surely not executed")            \
    X(DENIED, "the node asks for rights that this client does not have; surely not executed")      \
    X(UNSUPPORTED, "the node does not know this call; surely not executed")                        \
    X(REFUSED, "the cluster is not in a state for this; surely not executed")

static const char UNRECOGNISED[] = "UNRECOGNISED";

const char *hf_verdict_name(hf_verdict verdict)
{
    switch ((int)verdict) {
#define X(name, text)                                                                              \
    case HF_##name:                                                                                \
        return #name;
        VERDICTS(X)
#undef X
    default:
        return UNRECOGNISED;
    }
}

const char *hf_verdict_text(hf_verdict verdict)
{
    switch ((int)verdict) {
#define X(name, text)                                                                              \
    case HF_##name:                                                                                \
        return text;
        VERDICTS(X)
#undef X
    default:
        return "refused for a reason that this version of the library does not know";
    }
}

const char *hf_order_state_name(hf_order_state state)
{
    switch ((int)state) {
    case HF_STATE_NONE:
        return "NONE";
    case HF_STATE_ACTIVE:
        return "ACTIVE";
    case HF_STATE_DEDUCTED:
        return "DEDUCTED";
    case HF_STATE_RELEASED:
        return "RELEASED";
    case HF_STATE_EXPIRED:
        return "EXPIRED";
    case HF_STATE_RETURNED:
        return "RETURNED";
    default:
        return UNRECOGNISED;
    }
}

const char *hf_history_op_name(hf_history_op op)
{
    switch ((int)op) {
    case HF_OP_SET:
        return "SET";
    case HF_OP_ADJUST:
        return "ADJUST";
    case HF_OP_RESERVE:
        return "RESERVE";
    case HF_OP_DEDUCT:
        return "DEDUCT";
    case HF_OP_RELEASE:
        return "RELEASE";
    case HF_OP_EXPIRE:
        return "EXPIRE";
    default:
        return UNRECOGNISED;
    }
}

const char *hf_server_state_name(hf_server_state state)
{
    switch ((int)state) {
    case HF_SERVER_FOLLOWER:
        return "FOLLOWER";
    case HF_SERVER_CANDIDATE:
        return "CANDIDATE";
    case HF_SERVER_LEADER:
        return "LEADER";
    default:
        return UNRECOGNISED;
    }
}

const char *hf_member_role_name(hf_member_role role)
{
    switch ((int)role) {
    case HF_ROLE_VOTER:
        return "VOTER";
    case HF_ROLE_STANDBY:
        return "STANDBY";
    default:
        return UNRECOGNISED;
    }
}

const char *hf_version(void)
{
    return HOLDFAST_VERSION;
}
