/*
 * record.h - the records of the ledger and their fixed binary layouts, each with a format version
 * in its first byte.
 *
 * Quantities, not the state, decide what can be done with an order; `state` is the act that closed
 * the last unit.
 *
 * Ownership: a decoded record views the bytes it was decoded from; arrays stand in the room that
 * was passed in. Threads: none. Errors: bytes that are cut, left over, of an unknown format or
 * impossible are refused, with a text that names the record.
 */
#ifndef LEDGER_RECORD_H
#define LEDGER_RECORD_H

#include "base/bytes.h"
#include "base/error.h"
#include "base/hash.h"
#include "ledger/verdict.h"

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
    int64_t purge_ms;        /* ledger time behind which a closed order is trimmed; 0: open */
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

/* Why a line could not be had. */
struct ledger_failed_line {
    struct bytes sku;
    uint32_t warehouse;
    int64_t requested;
    int64_t available;
    enum ledger_verdict reason;
};

/* What was asked under a request id, and the reply that was given: a repetition gets it again. */
struct request_record {
    struct hash128 fields; /* of the decoded, normalised fields that count */
    int64_t purge_ms;      /* ledger time behind which it is trimmed */
    enum ledger_verdict verdict;
    enum order_state order_state;
    bool existed;
    bool has_stock; /* of the SKU that the request names */
    struct stock_record stock;
    const struct ledger_failed_line *failed_lines; /* at most LIMIT_STORED_FAILED_LINES */
    uint32_t failed_line_count;
};

/* Where the ledger stands. */
struct clock_record {
    uint16_t ledger_version; /* as it was raised to */
    int64_t time_ms;
    int64_t credits_ms;
    uint64_t last_index; /* the last entry applied */
};

struct node_record {
    uint64_t incarnation;
    int64_t registered_ms;
};

/* Room for decoded arrays, reused from record to record. Zero-initialise; the _free calls leave
 * them ready for use again. */
struct order_lines {
    struct order_line *items;
    uint32_t capacity;
};
struct failed_lines {
    struct ledger_failed_line *items;
    uint32_t capacity;
};
void order_lines_free(struct order_lines *lines);
void failed_lines_free(struct failed_lines *lines);

/* The encoders append. */
void stock_record_encode(struct buffer *out, const struct stock_record *stock);
bool stock_record_decode(struct bytes value, struct stock_record *stock, struct error *error);
void order_record_encode(struct buffer *out, const struct order_record *order);
bool order_record_decode(struct bytes value, struct order_record *order, struct order_lines *room,
                         struct error *error);
/* index and sub stand in a history row's key: the decoder leaves them 0. */
void history_record_encode(struct buffer *out, const struct history_record *row);
bool history_record_decode(struct bytes value, struct history_record *row, struct error *error);
void request_record_encode(struct buffer *out, const struct request_record *request);
bool request_record_decode(struct bytes value, struct request_record *request,
                           struct failed_lines *room, struct error *error);
void clock_record_encode(struct buffer *out, const struct clock_record *clock);
bool clock_record_decode(struct bytes value, struct clock_record *clock, struct error *error);
void node_record_encode(struct buffer *out, const struct node_record *node);
bool node_record_decode(struct bytes value, struct node_record *node, struct error *error);
void digest_record_encode(struct buffer *out, struct hash128 digest);
bool digest_record_decode(struct bytes value, struct hash128 *digest, struct error *error);

#endif
