/*
 * reply.c - protobuf-c wants NUL-terminated strings and arrays of pointers: both are laid out in an
 * arena that is reset between replies.
 *
 * The arena's limit can't be reached: what a reply holds is bounded by the ledger's limits on lines
 * and pages, which are asserted against it here.
 */
#include "reply.h"

#include <assert.h>

#include "proto_time.h"

static void *must_alloc(struct arena *arena, size_t size)
{
    void *memory = arena_alloc(arena, size);
    assert(memory != NULL);
    return memory;
}

/* A zeroed message of the generated type, initialised as protobuf-c wants it. */
#define NEW_MESSAGE(arena, type, init) message_init(must_alloc((arena), sizeof(type)), (init))

static void *message_init(void *memory, void (*init)(void *))
{
    init(memory);
    return memory;
}

#define INIT_FUNCTION(name, type, prefix)                                                          \
    static void name(void *memory)                                                                 \
    {                                                                                              \
        prefix##__init((type *)memory);                                                            \
    }

INIT_FUNCTION(result_init, Holdfast__V1__CommandResult, holdfast__v1__command_result)
INIT_FUNCTION(stock_init, Holdfast__V1__Stock, holdfast__v1__stock)
INIT_FUNCTION(order_init, Holdfast__V1__Order, holdfast__v1__order)
INIT_FUNCTION(order_line_init, Holdfast__V1__OrderLine, holdfast__v1__order_line)
INIT_FUNCTION(history_init, Holdfast__V1__HistoryRow, holdfast__v1__history_row)
INIT_FUNCTION(failed_line_init, Holdfast__V1__FailedLine, holdfast__v1__failed_line)

void reply_pack(struct buffer *out, const ProtobufCMessage *message)
{
    size_t size = protobuf_c_message_get_packed_size(message);
    uint8_t *at = buffer_reserve(out, size);
    if (size != 0) {
        out->len += protobuf_c_message_pack(message, at);
    }
}

static void put_varint(struct buffer *out, uint64_t value)
{
    uint8_t bytes[10];
    size_t len = 0;
    while (value >= 0x80) {
        bytes[len++] = (uint8_t)(value | 0x80);
        value >>= 7;
    }
    bytes[len++] = (uint8_t)value;
    buffer_append(out, bytes, len);
}

void reply_pack_field(struct buffer *out, unsigned field_number, const ProtobufCMessage *message)
{
    put_varint(out, (uint64_t)field_number << 3 | 2); /* wire type 2: length-delimited */
    put_varint(out, protobuf_c_message_get_packed_size(message));
    reply_pack(out, message);
}

char *reply_string(struct arena *arena, struct bytes text)
{
    char *copy = must_alloc(arena, text.len + 1);
    if (text.len != 0) {
        memcpy(copy, text.data, text.len);
    }
    copy[text.len] = '\0';
    return copy;
}

static Google__Protobuf__Timestamp *timestamp(struct arena *arena, int64_t ms)
{
    return proto_time_to(must_alloc(arena, sizeof(Google__Protobuf__Timestamp)), ms);
}

Holdfast__V1__FailedLine **
reply_failed_lines(struct arena *arena, const struct ledger_failed_line *lines, uint32_t count)
{
    Holdfast__V1__FailedLine **array = must_alloc(arena, count * sizeof *array);
    for (uint32_t i = 0; i < count; i++) {
        Holdfast__V1__FailedLine *line =
            NEW_MESSAGE(arena, Holdfast__V1__FailedLine, failed_line_init);
        line->sku = reply_string(arena, lines[i].sku);
        line->warehouse = lines[i].warehouse;
        line->requested = lines[i].requested;
        line->available = lines[i].available;
        line->reason = (Holdfast__V1__Verdict)lines[i].reason;
        array[i] = line;
    }
    return array;
}

Holdfast__V1__Stock *reply_stock(struct arena *arena, struct bytes sku, uint32_t warehouse,
                                 const struct stock_record *stock)
{
    Holdfast__V1__Stock *message = NEW_MESSAGE(arena, Holdfast__V1__Stock, stock_init);
    message->sku = reply_string(arena, sku);
    message->warehouse = warehouse;
    message->on_hand = stock->on_hand;
    message->reserved = stock->reserved;
    message->available = stock->on_hand - stock->reserved;
    message->version = stock->version;
    message->low_stock_threshold = stock->low_stock_threshold;
    message->created_at = timestamp(arena, stock->created_ms);
    message->updated_at = timestamp(arena, stock->updated_ms);
    message->last_index = stock->last_index;
    return message;
}

Holdfast__V1__CommandResult *reply_result(struct arena *arena, const struct ledger_result *result)
{
    Holdfast__V1__CommandResult *message =
        NEW_MESSAGE(arena, Holdfast__V1__CommandResult, result_init);
    message->verdict = (Holdfast__V1__Verdict)result->verdict;
    message->replayed = result->replayed;
    message->message = reply_string(arena, bytes_of_string(ledger_verdict_text(result->verdict)));
    message->log_index = result->log_index;
    message->log_position = result->log_position;
    message->order_state = (Holdfast__V1__Order__State)result->order_state;
    message->existed = result->existed;
    message->expires_at = timestamp(arena, result->expires_at_ms);
    message->n_failed_lines = result->failed_line_count;
    message->failed_lines =
        reply_failed_lines(arena, result->failed_lines, result->failed_line_count);
    if (result->has_stock) {
        message->stock =
            reply_stock(arena, result->stock_sku, result->stock_warehouse, &result->stock);
    }
    return message;
}

Holdfast__V1__Order *reply_order(struct arena *arena, struct bytes order_id,
                                 const struct order_record *order, int64_t credits_ms)
{
    Holdfast__V1__Order *message = NEW_MESSAGE(arena, Holdfast__V1__Order, order_init);
    message->order_id = reply_string(arena, order_id);
    message->state = (Holdfast__V1__Order__State)order->state;
    message->created_at = timestamp(arena, order->created_ms);
    message->closed_at = timestamp(arena, order->closed_ms);
    if (!order->tombstone) {
        message->expires_at = timestamp(arena, order->expires_hold_ms + credits_ms);
    }
    message->actor = reply_string(arena, order->actor);
    message->reason = reply_string(arena, order->reason);
    message->n_lines = order->line_count;
    message->lines = must_alloc(arena, order->line_count * sizeof *message->lines);
    for (uint32_t i = 0; i < order->line_count; i++) {
        const struct order_line *from = &order->lines[i];
        Holdfast__V1__OrderLine *line =
            NEW_MESSAGE(arena, Holdfast__V1__OrderLine, order_line_init);
        line->sku = reply_string(arena, from->sku);
        line->warehouse = from->warehouse;
        line->reserved = from->reserved;
        line->deducted = from->deducted;
        line->released = from->released;
        line->expired = from->expired;
        line->returned = from->returned;
        line->open = order_line_open(from);
        message->lines[i] = line;
    }
    return message;
}

Holdfast__V1__HistoryRow *reply_history(struct arena *arena, const struct history_record *row)
{
    Holdfast__V1__HistoryRow *message = NEW_MESSAGE(arena, Holdfast__V1__HistoryRow, history_init);
    message->log_index = row->index;
    message->sub = row->sub;
    message->op = (Holdfast__V1__HistoryRow__Op)row->op;
    message->on_hand_change = row->on_hand_after - row->on_hand_before;
    message->on_hand_before = row->on_hand_before;
    message->on_hand_after = row->on_hand_after;
    message->reserved_change = row->reserved_after - row->reserved_before;
    message->reserved_before = row->reserved_before;
    message->reserved_after = row->reserved_after;
    message->order_id = reply_string(arena, row->order_id);
    message->request_id = reply_string(arena, row->request_id);
    message->time = timestamp(arena, row->time_ms);
    message->actor = reply_string(arena, row->actor);
    message->reason = reply_string(arena, row->reason);
    message->remark = reply_string(arena, row->remark);
    message->trace_id = reply_string(arena, row->trace_id);
    return message;
}
