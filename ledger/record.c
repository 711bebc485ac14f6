/*
 * record.c - records to bytes and back. Every record begins with its format version; then every
 * field has its place, so that equal records have equal bytes on every node and the digest can rest
 * on them.
 *
 *   stock    on_hand, reserved, low_stock_threshold i64, version u64, created, updated i64,
 *            last_index u64
 *   order    state u8, tombstone u8, created, expires (hold time), closed, purge i64,
 *            actor, reason, line count u32, then for each line sku, warehouse u32, reserved,
 *            deducted, released, expired, returned i64
 *   history  op u8, on_hand before, after, reserved before, after, time i64, order_id, request_id,
 *            actor, reason, remark, trace_id
 *   request  hash of the fields 2 x u64, purge i64, verdict u8, order state u8, existed u8,
 *            has stock u8 (and then the stock's fields), failed line count u32, then for each
 *            sku, warehouse u32, requested, available i64, reason u8
 *   clock    ledger version u16, time, credits i64, last index u64
 *   node     incarnation u64, registered i64
 *   digest   2 x u64
 *   texts and ids: length u16, bytes; integers little-endian
 *
 * What can fail: decoding bytes that are cut, left over, of a format this program doesn't know, or
 * that hold a value no writer gives. Behind a decoder quantities and times lie within their limits,
 * and ids have the length of ids, so that the rules may calculate with them and make keys of them.
 * Sums between records are not looked at here (audit.c).
 */
#include "ledger/record.h"

#include <assert.h>
#include <stdlib.h>

#include "base/codec.h"
#include "base/limits.h"
#include "lines.h"

#define RECORD_FORMAT 1

enum {
    ORDER_LINE_LEAST_BYTES = 2 + 4 + 5 * 8,
    FAILED_LINE_LEAST_BYTES = 2 + 4 + 2 * 8 + 1,
};

static bool read_format(struct reader *in, const char *what, struct error *error)
{
    uint8_t format = read_u8(in);
    if (in->failed) {
        return error_set(error, "a record is damaged: %s without a byte", what);
    }
    if (format > RECORD_FORMAT) {
        return error_set(error,
                         "%s record was written by a newer version (format %u, known here: %d): "
                         "upgrade this node",
                         what, format, RECORD_FORMAT);
    }
    return format == RECORD_FORMAT ||
           error_set(error, "a record is damaged: %s of format %u", what, format);
}

static bool read_end(const struct reader *in, const char *what, struct error *error)
{
    return reader_finished(in) ||
           error_set(error, "a record is damaged: %s is cut, too long or impossible", what);
}

static bool read_flag(struct reader *in)
{
    uint8_t value = read_u8(in);
    in->failed = in->failed || value > 1;
    return value == 1;
}

/* A number of an enum that ends at `last`. */
static uint8_t read_enum(struct reader *in, int first, int last)
{
    uint8_t value = read_u8(in);
    if (value < first || value > last) {
        in->failed = true;
        return (uint8_t)first;
    }
    return value;
}

static int64_t read_within(struct reader *in, int64_t most)
{
    int64_t value = read_i64(in);
    if (value < 0 || value > most) {
        in->failed = true;
        return 0;
    }
    return value;
}

static int64_t read_quantity(struct reader *in)
{
    return read_within(in, LIMIT_QUANTITY);
}

static int64_t read_time(struct reader *in)
{
    return read_within(in, LIMIT_DUE_MS);
}

/* SKU and warehouse of a line. */
static struct bytes read_line_stock(struct reader *in, uint32_t *warehouse)
{
    struct bytes sku = read_bytes16(in);
    *warehouse = read_u32(in);
    in->failed = in->failed || sku.len == 0 || sku.len > LIMIT_ID_BYTES || *warehouse == 0;
    return sku;
}

static enum order_state read_state(struct reader *in, enum order_state first)
{
    return (enum order_state)read_enum(in, (int)first, ORDER_RETURNED);
}

static enum ledger_verdict read_verdict(struct reader *in)
{
    return (enum ledger_verdict)read_enum(in, LEDGER_OK, LEDGER_MALFORMED_COMMAND);
}

/* ---- stock ---- */

static void write_stock(struct buffer *out, const struct stock_record *stock)
{
    write_i64(out, stock->on_hand);
    write_i64(out, stock->reserved);
    write_i64(out, stock->low_stock_threshold);
    write_u64(out, stock->version);
    write_i64(out, stock->created_ms);
    write_i64(out, stock->updated_ms);
    write_u64(out, stock->last_index);
}

static void read_stock(struct reader *in, struct stock_record *stock)
{
    stock->on_hand = read_quantity(in);
    stock->reserved = read_quantity(in);
    stock->low_stock_threshold = read_quantity(in);
    stock->version = read_u64(in);
    stock->created_ms = read_time(in);
    stock->updated_ms = read_time(in);
    stock->last_index = read_u64(in);
}

void stock_record_encode(struct buffer *out, const struct stock_record *stock)
{
    write_u8(out, RECORD_FORMAT);
    write_stock(out, stock);
}

bool stock_record_decode(struct bytes value, struct stock_record *stock, struct error *error)
{
    struct reader in = reader_of(value);
    if (!read_format(&in, "stock", error)) {
        return false;
    }
    read_stock(&in, stock);
    return read_end(&in, "stock", error);
}

/* ---- order ---- */

void order_lines_free(struct order_lines *lines)
{
    free(lines->items);
    *lines = (struct order_lines){0};
}

void order_record_encode(struct buffer *out, const struct order_record *order)
{
    write_u8(out, RECORD_FORMAT);
    write_u8(out, (uint8_t)order->state);
    write_u8(out, order->tombstone);
    write_i64(out, order->created_ms);
    write_i64(out, order->expires_hold_ms);
    write_i64(out, order->closed_ms);
    write_i64(out, order->purge_ms);
    write_bytes16(out, order->actor);
    write_bytes16(out, order->reason);
    write_u32(out, order->line_count);
    for (uint32_t i = 0; i < order->line_count; i++) {
        const struct order_line *line = &order->lines[i];
        write_bytes16(out, line->sku);
        write_u32(out, line->warehouse);
        write_i64(out, line->reserved);
        write_i64(out, line->deducted);
        write_i64(out, line->released);
        write_i64(out, line->expired);
        write_i64(out, line->returned);
    }
}

static void read_order_lines(struct reader *in, struct order_record *order,
                             struct order_lines *room)
{
    uint32_t count = read_u32(in);
    if (count > reader_left(in) / ORDER_LINE_LEAST_BYTES) {
        in->failed = true;
        return;
    }
    room->items = array_grow(room->items, &room->capacity, count, sizeof *room->items);
    for (uint32_t i = 0; i < count; i++) {
        struct order_line *line = &room->items[i];
        line->sku = read_line_stock(in, &line->warehouse);
        line->reserved = read_quantity(in);
        line->deducted = read_quantity(in);
        line->released = read_quantity(in);
        line->expired = read_quantity(in);
        line->returned = read_quantity(in);
        in->failed = in->failed || line->reserved == 0 || order_line_open(line) < 0 ||
                     line->returned > line->deducted;
    }
    order->lines = room->items;
    order->line_count = count;
}

bool order_record_decode(struct bytes value, struct order_record *order, struct order_lines *room,
                         struct error *error)
{
    struct reader in = reader_of(value);
    *order = (struct order_record){0};
    if (!read_format(&in, "order", error)) {
        return false;
    }
    order->state = read_state(&in, ORDER_ACTIVE);
    order->tombstone = read_flag(&in);
    order->created_ms = read_time(&in);
    order->expires_hold_ms = read_time(&in);
    order->closed_ms = read_time(&in);
    order->purge_ms = read_time(&in);
    order->actor = read_bytes16(&in);
    order->reason = read_bytes16(&in);
    read_order_lines(&in, order, room);
    return read_end(&in, "order", error);
}

/* ---- history ---- */

void history_record_encode(struct buffer *out, const struct history_record *row)
{
    write_u8(out, RECORD_FORMAT);
    write_u8(out, (uint8_t)row->op);
    write_i64(out, row->on_hand_before);
    write_i64(out, row->on_hand_after);
    write_i64(out, row->reserved_before);
    write_i64(out, row->reserved_after);
    write_i64(out, row->time_ms);
    write_bytes16(out, row->order_id);
    write_bytes16(out, row->request_id);
    write_bytes16(out, row->actor);
    write_bytes16(out, row->reason);
    write_bytes16(out, row->remark);
    write_bytes16(out, row->trace_id);
}

bool history_record_decode(struct bytes value, struct history_record *row, struct error *error)
{
    struct reader in = reader_of(value);
    *row = (struct history_record){0};
    if (!read_format(&in, "history", error)) {
        return false;
    }
    row->op = (enum history_op)read_enum(&in, HISTORY_SET, HISTORY_EXPIRE);
    row->on_hand_before = read_quantity(&in);
    row->on_hand_after = read_quantity(&in);
    row->reserved_before = read_quantity(&in);
    row->reserved_after = read_quantity(&in);
    row->time_ms = read_time(&in);
    row->order_id = read_bytes16(&in);
    row->request_id = read_bytes16(&in);
    row->actor = read_bytes16(&in);
    row->reason = read_bytes16(&in);
    row->remark = read_bytes16(&in);
    row->trace_id = read_bytes16(&in);
    return read_end(&in, "history", error);
}

/* ---- request ---- */

void failed_lines_free(struct failed_lines *lines)
{
    free(lines->items);
    *lines = (struct failed_lines){0};
}

void request_record_encode(struct buffer *out, const struct request_record *request)
{
    assert(request->failed_line_count <= LIMIT_STORED_FAILED_LINES);
    write_u8(out, RECORD_FORMAT);
    write_u64(out, request->fields.low);
    write_u64(out, request->fields.high);
    write_i64(out, request->purge_ms);
    write_u8(out, (uint8_t)request->verdict);
    write_u8(out, (uint8_t)request->order_state);
    write_u8(out, request->existed);
    write_u8(out, request->has_stock);
    if (request->has_stock) {
        write_stock(out, &request->stock);
    }
    write_u32(out, request->failed_line_count);
    for (uint32_t i = 0; i < request->failed_line_count; i++) {
        const struct ledger_failed_line *line = &request->failed_lines[i];
        write_bytes16(out, line->sku);
        write_u32(out, line->warehouse);
        write_i64(out, line->requested);
        write_i64(out, line->available);
        write_u8(out, (uint8_t)line->reason);
    }
}

static void read_failed_lines(struct reader *in, struct request_record *request,
                              struct failed_lines *room)
{
    uint32_t count = read_u32(in);
    if (count > LIMIT_STORED_FAILED_LINES || count > reader_left(in) / FAILED_LINE_LEAST_BYTES) {
        in->failed = true;
        return;
    }
    room->items = array_grow(room->items, &room->capacity, count, sizeof *room->items);
    for (uint32_t i = 0; i < count; i++) {
        struct ledger_failed_line *line = &room->items[i];
        line->sku = read_line_stock(in, &line->warehouse);
        line->requested = read_quantity(in);
        line->available = read_quantity(in);
        line->reason = read_verdict(in);
    }
    request->failed_lines = room->items;
    request->failed_line_count = count;
}

bool request_record_decode(struct bytes value, struct request_record *request,
                           struct failed_lines *room, struct error *error)
{
    struct reader in = reader_of(value);
    *request = (struct request_record){0};
    if (!read_format(&in, "request", error)) {
        return false;
    }
    request->fields.low = read_u64(&in);
    request->fields.high = read_u64(&in);
    request->purge_ms = read_time(&in);
    request->verdict = read_verdict(&in);
    request->order_state = read_state(&in, ORDER_STATE_NONE);
    request->existed = read_flag(&in);
    request->has_stock = read_flag(&in);
    if (request->has_stock) {
        read_stock(&in, &request->stock);
    }
    read_failed_lines(&in, request, room);
    return read_end(&in, "request", error);
}

/* ---- clock, node, digest ---- */

void clock_record_encode(struct buffer *out, const struct clock_record *clock)
{
    write_u8(out, RECORD_FORMAT);
    write_u16(out, clock->ledger_version);
    write_i64(out, clock->time_ms);
    write_i64(out, clock->credits_ms);
    write_u64(out, clock->last_index);
}

bool clock_record_decode(struct bytes value, struct clock_record *clock, struct error *error)
{
    struct reader in = reader_of(value);
    if (!read_format(&in, "clock", error)) {
        return false;
    }
    clock->ledger_version = read_u16(&in);
    clock->time_ms = read_within(&in, LIMIT_TIME_MS);
    clock->credits_ms = read_within(&in, clock->time_ms);
    clock->last_index = read_u64(&in);
    return read_end(&in, "clock", error);
}

void node_record_encode(struct buffer *out, const struct node_record *node)
{
    write_u8(out, RECORD_FORMAT);
    write_u64(out, node->incarnation);
    write_i64(out, node->registered_ms);
}

bool node_record_decode(struct bytes value, struct node_record *node, struct error *error)
{
    struct reader in = reader_of(value);
    if (!read_format(&in, "node", error)) {
        return false;
    }
    node->incarnation = read_u64(&in);
    node->registered_ms = read_time(&in);
    return read_end(&in, "node", error);
}

void digest_record_encode(struct buffer *out, struct hash128 digest)
{
    write_u8(out, RECORD_FORMAT);
    write_u64(out, digest.low);
    write_u64(out, digest.high);
}

bool digest_record_decode(struct bytes value, struct hash128 *digest, struct error *error)
{
    struct reader in = reader_of(value);
    if (!read_format(&in, "digest", error)) {
        return false;
    }
    digest->low = read_u64(&in);
    digest->high = read_u64(&in);
    return read_end(&in, "digest", error);
}
