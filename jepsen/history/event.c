/*
 * event.c - the words of events: the API's names as EDN keywords.
 */
#include "event.h"

#define NAME(table, number)                                                                        \
    ((size_t)(number) < sizeof(table) / sizeof *(table) && (table)[number] != NULL                 \
         ? (table)[number]                                                                         \
         : "unrecognised")

const char *event_type_name(enum event_type type)
{
    static const char *const names[] = {"invoke", "ok", "fail", "info"};
    return NAME(names, type);
}

const char *event_function_name(enum event_function function)
{
    static const char *const names[] = {
        [FUNCTION_SET_STOCK] = "set-stock",
        [FUNCTION_ADJUST_STOCK] = "adjust-stock",
        [FUNCTION_RESERVE] = "reserve",
        [FUNCTION_DEDUCT] = "deduct",
        [FUNCTION_RELEASE] = "release",
        [FUNCTION_READ_STOCK] = "read-stock",
        [FUNCTION_CHECK_STOCK] = "check-stock",
        [FUNCTION_READ_ORDER] = "read-order",
        [FUNCTION_READ_HISTORY] = "read-history",
        [FUNCTION_READ_DIGEST] = "read-digest",
        [FUNCTION_FAULT] = "fault",
    };
    return NAME(names, function);
}

const char *event_verdict_name(int verdict)
{
    static const char *const names[] = {
        [HF_OK] = "ok",
        [HF_SKU_NOT_FOUND] = "sku-not-found",
        [HF_WAREHOUSE_NOT_FOUND] = "warehouse-not-found",
        [HF_WAREHOUSE_DISABLED] = "warehouse-disabled",
        [HF_ALREADY_EXISTS] = "already-exists",
        [HF_INSUFFICIENT_STOCK] = "insufficient-stock",
        [HF_VERSION_MISMATCH] = "version-mismatch",
        [HF_BELOW_RESERVED] = "below-reserved",
        [HF_OVERFLOW] = "overflow",
        [HF_ORDER_NOT_FOUND] = "order-not-found",
        [HF_ORDER_CONFLICT] = "order-conflict",
        [HF_ORDER_EXPIRED] = "order-expired",
        [HF_ORDER_RELEASED] = "order-released",
        [HF_ORDER_DEDUCTED] = "order-deducted",
        [HF_ORDER_RETURNED] = "order-returned",
        [HF_QUANTITY_EXCEEDS_OPEN] = "quantity-exceeds-open",
        [HF_COUNT_STALE] = "count-stale",
        [HF_COUNT_CLOSED] = "count-closed",
        [HF_TRANSFER_STATE] = "transfer-state",
        [HF_LIMIT_EXCEEDED] = "limit-exceeded",
        [HF_IDEMPOTENCY_MISMATCH] = "idempotency-mismatch",
        [HF_REQUEST_EXPIRED] = "request-expired",
        [HF_MALFORMED_COMMAND] = "malformed-command",
    };
    return verdict < 0 ? "unrecognised" : NAME(names, verdict);
}

const char *event_state_name(hf_order_state state)
{
    static const char *const names[] = {"none",     "active",  "deducted",
                                        "released", "expired", "returned"};
    return NAME(names, state);
}

const char *event_history_op_name(hf_history_op op)
{
    static const char *const names[] = {
        [HF_OP_SET] = "set",       [HF_OP_ADJUST] = "adjust",   [HF_OP_RESERVE] = "reserve",
        [HF_OP_DEDUCT] = "deduct", [HF_OP_RELEASE] = "release", [HF_OP_EXPIRE] = "expire",
    };
    return NAME(names, op);
}
