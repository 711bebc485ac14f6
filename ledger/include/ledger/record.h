/*
 * record.h - the records of the ledger and their fixed binary layouts, each with a format version
 * in its first byte.
 *
 * Quantities, not the state, decide what can be done with an order; `state` is the act that closed
 * the last unit.
 */
#ifndef LEDGER_RECORD_H
#define LEDGER_RECORD_H

#include "base/bytes.h"

struct stock_record {
    int64_t on_hand;
    int64_t reserved;
    int64_t low_stock_threshold;
    uint64_t version; /* grows when on_hand changes; a new stock has 1 */
    int64_t created_ms;
    int64_t updated_ms;
    uint64_t last_index;
};

enum order_state {
    ORDER_STATE_NONE = 0,
    ORDER_ACTIVE = 1,
    ORDER_DEDUCTED = 2,
    ORDER_RELEASED = 3,
    ORDER_EXPIRED = 4,
    ORDER_RETURNED = 5,
};

struct order_line {
    struct bytes sku;
    uint32_t warehouse;
    int64_t reserved; /* what was ordered: never changes */
    int64_t deducted;
    int64_t released;
    int64_t expired;
    int64_t returned;
};

static inline int64_t order_line_open(const struct order_line *line)
{
    return line->reserved - line->deducted - line->released - line->expired;
}

struct order_record {
    enum order_state state;
    bool tombstone; /* released before it was ever reserved: no lines */
    int64_t created_ms;
    int64_t expires_hold_ms; /* in hold time: ledger time minus credits */
    int64_t closed_ms;       /* 0: open */
    struct bytes actor;
    struct bytes reason;
    const struct order_line *lines; /* sorted by SKU, then warehouse */
    uint32_t line_count;
};

enum history_op {
    HISTORY_SET = 1,
    HISTORY_ADJUST = 2,
    HISTORY_RESERVE = 3,
    HISTORY_DEDUCT = 4,
    HISTORY_RELEASE = 5,
    HISTORY_EXPIRE = 6,
};

struct history_record {
    uint64_t index;
    uint32_t sub;
    enum history_op op;
    int64_t on_hand_before;
    int64_t on_hand_after;
    int64_t reserved_before;
    int64_t reserved_after;
    int64_t time_ms;
    struct bytes order_id;
    struct bytes request_id;
    struct bytes actor;
    struct bytes reason;
    struct bytes remark;
    struct bytes trace_id;
};

#endif
