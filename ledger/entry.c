/*
 * entry.c - the bytes of a log entry: header, then commands, each {kind, common fields, fields of
 * its kind}. Everything is little-endian and has one place; there is nothing optional that an older
 * reader could pass over.
 *
 *   header   format u16, ledger version u16, time_ms i64, outage_credit_ms i64, count u32
 *   command  kind u8, flags u8, request_id, requested_at i64, actor, reason, remark, trace_id, then
 *     SetStock, AdjustStock      sku, warehouse u32, quantity i64, expected_version u64
 *     Reserve, Deduct, Release   order_id, ttl_ms i64, mode u8, line count u32, then for each line
 *                                sku, warehouse u32, quantity i64
 *     RegisterNode               node_id u64, incarnation u64
 *     RaiseVersion               version u16
 *   texts and ids: length u16, bytes
 *
 * What can fail: a reader meets bytes that are cut, left over, or say what no writer of this format
 * says; or a format or kind that is newer than this program. Both end the reading with a
 * reason. Whether a command makes sense is not asked here (command.c).
 */
#include "ledger/command.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>

#include "base/codec.h"
#include "base/limits.h"
#include "base/planted.h"
#include "lines.h"

enum {
    HEADER_COUNT_AT = 20, /* offset in the header */
    HEADER_BYTES = 24,
    COMMAND_LEAST_BYTES = 1 + 1 + 2 + 8 + 4 * 2 + 2, /* a RaiseVersion */
};

enum {
    FLAG_EXPECTED_VERSION = 1,
    FLAG_TTL = 2,
    FLAG_FINAL = 4,
    FLAG_REACQUIRE = 8,
    FLAG_RESENT = 16,
};

void ledger_entry_begin(struct buffer *out, const struct ledger_entry_header *header)
{
    assert(out->len == 0);
    write_u16(out, header->format);
    write_u16(out, header->ledger_version);
    write_i64(out, header->time_ms);
    write_i64(out, header->outage_credit_ms);
    write_u32(out, 0);
    assert(out->len == HEADER_BYTES);
}

void ledger_entry_finish(struct buffer *out, uint32_t count)
{
    assert(out->len >= HEADER_BYTES);
    /* Over the place that ledger_entry_begin kept, through a view that can't grow beyond it. */
    struct buffer place = {.data = out->data + HEADER_COUNT_AT, .capacity = 4};
    write_u32(&place, count);
}

void ledger_entry_append_encoded(struct buffer *out, struct bytes encoded)
{
    buffer_append_bytes(out, encoded);
}

static uint8_t command_flags(const struct ledger_command *command)
{
    int flags = (command->has_expected_version ? FLAG_EXPECTED_VERSION : 0) |
                (command->has_ttl ? FLAG_TTL : 0) | (command->final ? FLAG_FINAL : 0) |
                (command->reacquire ? FLAG_REACQUIRE : 0) | (command->resent ? FLAG_RESENT : 0);
    return (uint8_t)flags;
}

static int allowed_flags(enum ledger_command_kind kind)
{
    switch (kind) {
    case LEDGER_SET_STOCK:
    case LEDGER_ADJUST_STOCK:
        return FLAG_RESENT | FLAG_EXPECTED_VERSION;
    case LEDGER_RESERVE:
        return FLAG_RESENT | FLAG_TTL;
    case LEDGER_DEDUCT:
        return FLAG_RESENT | FLAG_FINAL | FLAG_REACQUIRE;
    case LEDGER_RELEASE:
        return FLAG_RESENT;
    case LEDGER_REGISTER_NODE:
    case LEDGER_RAISE_VERSION:
        return 0;
    }
    return 0;
}

static void encode_order_fields(struct buffer *out, const struct ledger_command *command)
{
    write_bytes16(out, command->order_id);
    write_i64(out, command->ttl_ms);
    write_u8(out, (uint8_t)command->mode);
    write_u32(out, command->line_count);
    for (uint32_t i = 0; i < command->line_count; i++) {
        write_bytes16(out, command->lines[i].sku);
        write_u32(out, command->lines[i].warehouse);
        write_i64(out, command->lines[i].quantity);
    }
}

void ledger_command_encode(struct buffer *out, const struct ledger_command *command)
{
    uint8_t flags = command_flags(command);
    assert((flags & ~allowed_flags(command->kind)) == 0);
    write_u8(out, (uint8_t)command->kind);
    write_u8(out, flags);
    write_bytes16(out, command->request_id);
    write_i64(out, command->requested_at_ms);
    write_bytes16(out, command->actor);
    write_bytes16(out, command->reason);
    write_bytes16(out, command->remark);
    write_bytes16(out, command->trace_id);
    switch (command->kind) {
    case LEDGER_SET_STOCK:
    case LEDGER_ADJUST_STOCK:
        write_bytes16(out, command->sku);
        write_u32(out, command->warehouse);
        write_i64(out, command->quantity);
        write_u64(out, command->expected_version);
        return;
    case LEDGER_RESERVE:
    case LEDGER_DEDUCT:
    case LEDGER_RELEASE:
        encode_order_fields(out, command);
        return;
    case LEDGER_REGISTER_NODE:
        write_u64(out, command->node_id);
        write_u64(out, command->incarnation);
        return;
    case LEDGER_RAISE_VERSION:
        write_u16(out, command->version);
        return;
    }
    assert(false && "a command of this kind can't be encoded");
}

void ledger_command_lines_free(struct ledger_command_lines *lines)
{
    free(lines->items);
    *lines = (struct ledger_command_lines){0};
}

bool ledger_entry_open(struct ledger_entry_reader *reader, struct bytes entry, struct error *error)
{
    struct reader in = reader_of(entry);
    struct ledger_entry_header *header = &reader->header;
    *reader = (struct ledger_entry_reader){0};
    header->format = read_u16(&in);
    header->ledger_version = read_u16(&in);
    header->time_ms = read_i64(&in);
    header->outage_credit_ms = read_i64(&in);
    header->count = read_u32(&in);
    if (in.failed) {
        return error_set(error, "the entry is damaged: its header is cut at %zu bytes", entry.len);
    }
    if (header->format == 0 || header->ledger_version == 0) {
        return error_set(error, "the entry is damaged: format %u, ledger version %u",
                         header->format, header->ledger_version);
    }
    if (header->format > LEDGER_ENTRY_FORMAT) {
        return error_set(error,
                         "the entry was written by a newer release (format %u, known here: %d): "
                         "upgrade this node",
                         header->format, LEDGER_ENTRY_FORMAT);
    }
    if (header->time_ms < 0 || header->time_ms > LIMIT_TIME_MS || header->outage_credit_ms < 0 ||
        header->outage_credit_ms > LIMIT_TIME_MS) {
        return error_set(error,
                         "the entry is damaged: time %" PRId64 " ms, outage credit %" PRId64 " ms",
                         header->time_ms, header->outage_credit_ms);
    }
    reader->rest = bytes_of(in.next, reader_left(&in));
    if (header->count > reader->rest.len / COMMAND_LEAST_BYTES) {
        return error_set(error, "the entry is damaged: %zu bytes can't hold %" PRIu32 " commands",
                         reader->rest.len, header->count);
    }
    return true;
}

static void decode_order_fields(struct reader *in, struct ledger_command *command,
                                struct ledger_command_lines *lines)
{
    command->order_id = read_bytes16(in);
    command->ttl_ms = read_i64(in);
    uint8_t mode = read_u8(in);
    uint32_t count = read_u32(in);
    /* The count is believed only as far as the bytes can carry it: no room is made for more. */
    if (in->failed || mode > LEDGER_RESERVE_ADD_LINES ||
        count > reader_left(in) / LEDGER_LINE_LEAST_BYTES) {
        in->failed = true;
        return;
    }
    command->mode = (enum ledger_reserve_mode)mode;
    lines->items = array_grow(lines->items, &lines->capacity, count, sizeof *lines->items);
    for (uint32_t i = 0; i < count; i++) {
        lines->items[i].sku = read_bytes16(in);
        lines->items[i].warehouse = read_u32(in);
        lines->items[i].quantity = read_i64(in);
    }
    command->lines = lines->items;
    command->line_count = count;
}

/* The fields behind kind and flags. False: there is no such kind. */
static bool decode_fields(struct reader *in, struct ledger_command *command,
                          struct ledger_command_lines *lines)
{
    command->request_id = read_bytes16(in);
    command->requested_at_ms = read_i64(in);
    command->actor = read_bytes16(in);
    command->reason = read_bytes16(in);
    command->remark = read_bytes16(in);
    command->trace_id = read_bytes16(in);
    switch (command->kind) {
    case LEDGER_SET_STOCK:
    case LEDGER_ADJUST_STOCK:
        command->sku = read_bytes16(in);
        command->warehouse = read_u32(in);
        command->quantity = read_i64(in);
        command->expected_version = read_u64(in);
        return true;
    case LEDGER_RESERVE:
    case LEDGER_DEDUCT:
    case LEDGER_RELEASE:
        decode_order_fields(in, command, lines);
        return true;
    case LEDGER_REGISTER_NODE:
        command->node_id = read_u64(in);
        command->incarnation = read_u64(in);
        return true;
    case LEDGER_RAISE_VERSION:
        command->version = read_u16(in);
        return true;
    }
    return false;
}

bool ledger_entry_next(struct ledger_entry_reader *reader, struct ledger_command *command,
                       struct ledger_command_lines *lines, struct error *error)
{
    error->text[0] = '\0';
    if (reader->read == reader->header.count) {
        if (reader->rest.len != 0) {
            error_set(error, "the entry is damaged: %zu bytes behind its %" PRIu32 " commands",
                      reader->rest.len, reader->header.count);
        }
        return false;
    }
    struct reader in = reader_of(reader->rest);
    *command = (struct ledger_command){0};
    uint8_t kind = read_u8(&in);
    uint8_t flags = read_u8(&in);
    command->kind = (enum ledger_command_kind)kind;
    command->has_expected_version = (flags & FLAG_EXPECTED_VERSION) != 0;
    command->has_ttl = (flags & FLAG_TTL) != 0;
    command->final = (flags & FLAG_FINAL) != 0;
    command->reacquire = (flags & FLAG_REACQUIRE) != 0;
    command->resent = (flags & FLAG_RESENT) != 0 && !PLANTED(RESENT_FORGOTTEN);
    bool known = decode_fields(&in, command, lines);
    if (in.failed) {
        return error_set(
            error, "the entry is damaged: command %" PRIu32 " of %" PRIu32 " is cut or impossible",
            reader->read + 1, reader->header.count);
    }
    if (!known || (flags & ~allowed_flags(command->kind)) != 0) {
        return error_set(
            error, "the entry is damaged: command %" PRIu32 " of %" PRIu32 " has kind %u, flags %u",
            reader->read + 1, reader->header.count, kind, flags);
    }
    reader->rest = bytes_of(in.next, reader_left(&in));
    reader->read++;
    return true;
}
