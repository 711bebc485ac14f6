/*
 * event_write.c - events as lines of EDN. What has its default is left out.
 */
#include <inttypes.h>

#include "event.h"

static void write_text(struct buffer *out, const char *text)
{
    buffer_append(out, text, strlen(text));
}

void event_write_string(struct buffer *out, struct bytes text)
{
    buffer_append(out, "\"", 1);
    size_t plain = 0;
    for (size_t i = 0; i < text.len; i++) {
        uint8_t byte = text.data[i];
        if (byte != '"' && byte != '\\' && byte >= 0x20) {
            continue;
        }
        buffer_append(out, text.data + plain, i - plain);
        plain = i + 1;
        if (byte < 0x20) {
            buffer_printf(out, "\\u%04x", byte);
        } else {
            buffer_append(out, "\\", 1);
            buffer_append(out, &byte, 1);
        }
    }
    buffer_append(out, text.data + plain, text.len - plain);
    buffer_append(out, "\"", 1);
}

static void write_stock_name(struct buffer *out, struct bytes sku, uint32_t warehouse)
{
    if (warehouse <= 1) {
        event_write_string(out, sku);
        return;
    }
    write_text(out, "[");
    event_write_string(out, sku);
    buffer_printf(out, " %" PRIu32 "]", warehouse);
}

/* ", :key " but for a map's first. */
static void write_key(struct buffer *out, const char *key)
{
    if (out->data[out->len - 1] != '{') {
        write_text(out, ", ");
    }
    write_text(out, ":");
    write_text(out, key);
    write_text(out, " ");
}

static void write_number(struct buffer *out, const char *key, int64_t number)
{
    write_key(out, key);
    buffer_printf(out, "%" PRId64, number);
}

static void write_nonzero(struct buffer *out, const char *key, int64_t number)
{
    if (number != 0) {
        write_number(out, key, number);
    }
}

static void write_flag(struct buffer *out, const char *key, bool flag)
{
    if (flag) {
        write_key(out, key);
        write_text(out, "true");
    }
}

static void write_nonempty(struct buffer *out, const char *key, struct bytes text)
{
    if (text.len != 0) {
        write_key(out, key);
        event_write_string(out, text);
    }
}

static void write_keyword(struct buffer *out, const char *key, const char *keyword)
{
    write_key(out, key);
    write_text(out, ":");
    write_text(out, keyword);
}

/* ---- what was asked ---- */

static void write_lines(struct buffer *out, const struct event *event)
{
    bool bare = event->function == FUNCTION_READ_STOCK;
    if (event->line_count == 0) {
        return;
    }
    write_key(out, bare ? "stocks" : "lines");
    write_text(out, "[");
    for (uint32_t i = 0; i < event->line_count; i++) {
        const struct event_line *line = &event->lines[i];
        write_text(out, i > 0 ? " " : "");
        write_text(out, bare ? "" : "[");
        write_stock_name(out, line->sku, line->warehouse);
        if (!bare) {
            buffer_printf(out, " %" PRId64 "]", line->quantity);
        }
    }
    write_text(out, "]");
}

static void write_asked(struct buffer *out, const struct event *event)
{
    const struct event_line *line = event->lines;
    switch (event->function) {
    case FUNCTION_SET_STOCK:
    case FUNCTION_ADJUST_STOCK:
        write_key(out, "stock");
        write_stock_name(out, line->sku, line->warehouse);
        write_number(out, event->function == FUNCTION_SET_STOCK ? "on-hand" : "change",
                     line->quantity);
        if (event->has_expected_version) {
            write_number(out, "expected-version", (int64_t)event->expected_version);
        }
        break;
    case FUNCTION_READ_HISTORY:
        write_key(out, "stock");
        write_stock_name(out, line->sku, line->warehouse);
        break;
    case FUNCTION_READ_DIGEST:
        write_number(out, "node", event->node);
        break;
    default:
        write_nonempty(out, "order", event->order);
        write_lines(out, event);
        break;
    }
    write_nonzero(out, "ttl-ms", event->ttl_ms);
    write_flag(out, "add-lines", event->add_lines);
    write_flag(out, "final", event->final);
    write_flag(out, "reacquire", event->reacquire);
    write_nonempty(out, "request-id", event->request);
    if (event->stale) {
        write_keyword(out, "consistency", "stale");
    }
    write_nonzero(out, "min-index", (int64_t)event->min_index);
}

/* ---- the answer ---- */

static void write_stock(struct buffer *out, const struct event_stock *stock)
{
    if (!stock->found) {
        write_text(out, "nil");
        return;
    }
    buffer_printf(out, "{:on-hand %" PRId64 ", :reserved %" PRId64 ", :version %" PRIu64 "}",
                  stock->on_hand, stock->reserved, stock->version);
}

static void write_stocks(struct buffer *out, const struct event *event)
{
    if (event->function != FUNCTION_READ_STOCK) {
        if (event->stock_count > 0) {
            write_key(out, "after");
            write_stock(out, &event->stocks[0]);
        }
        return;
    }
    write_key(out, "stocks");
    write_text(out, "{");
    for (uint32_t i = 0; i < event->stock_count; i++) {
        write_text(out, i > 0 ? ", " : "");
        write_stock_name(out, event->stocks[i].sku, event->stocks[i].warehouse);
        write_text(out, " ");
        write_stock(out, &event->stocks[i]);
    }
    write_text(out, "}");
}

static void write_order_lines(struct buffer *out, const struct event *event)
{
    write_key(out, "lines");
    write_text(out, "{");
    for (uint32_t i = 0; i < event->order_line_count; i++) {
        const struct event_order_line *line = &event->order_lines[i];
        write_text(out, i > 0 ? ", " : "");
        write_stock_name(out, line->sku, line->warehouse);
        write_text(out, " {");
        write_number(out, "reserved", line->reserved);
        write_nonzero(out, "deducted", line->deducted);
        write_nonzero(out, "released", line->released);
        write_nonzero(out, "expired", line->expired);
        write_nonzero(out, "returned", line->returned);
        write_text(out, "}");
    }
    write_text(out, "}");
}

static void write_failed(struct buffer *out, const struct event *event)
{
    if (event->failed_count == 0) {
        return;
    }
    write_key(out, "failed");
    write_text(out, "[");
    for (uint32_t i = 0; i < event->failed_count; i++) {
        const struct event_failed_line *line = &event->failed[i];
        write_text(out, i > 0 ? " [" : "[");
        write_stock_name(out, line->sku, line->warehouse);
        buffer_printf(out, " {:requested %" PRId64 ", :available %" PRId64 ", :reason :%s}]",
                      line->requested, line->available, event_verdict_name(line->reason));
    }
    write_text(out, "]");
}

static void write_rows(struct buffer *out, const struct event *event)
{
    write_key(out, "rows");
    write_text(out, "[");
    for (uint32_t i = 0; i < event->row_count; i++) {
        const struct event_row *row = &event->rows[i];
        write_text(out, i > 0 ? " {" : "{");
        write_number(out, "log-index", (int64_t)row->log_index);
        write_number(out, "sub", row->sub);
        write_keyword(out, "op", event_history_op_name(row->op));
        write_nonzero(out, "on-hand", row->on_hand_change);
        write_nonzero(out, "held", row->reserved_change);
        write_nonempty(out, "order", row->order);
        write_text(out, "}");
    }
    write_text(out, "]");
}

static void write_answer(struct buffer *out, const struct event *event)
{
    write_nonempty(out, "order", event->order);
    if (event->function == FUNCTION_READ_DIGEST) {
        write_number(out, "node", event->node);
    }
    write_nonzero(out, "attempts", event->attempts > 1 ? event->attempts : 0);
    if (event->verdict == 0) {
        return;
    }
    write_keyword(out, "verdict", event_verdict_name(event->verdict));
    write_flag(out, "replayed", event->replayed);
    write_number(out, "log-index", (int64_t)event->log_index);
    if (function_is_command(event->function)) {
        write_number(out, "log-position", event->log_position);
    }
    write_nonzero(out, "age-ms", event->age_ms);
    if (event->state != HF_STATE_NONE) {
        write_keyword(out, "state", event_state_name(event->state));
    }
    write_flag(out, "existed", event->existed);
    write_failed(out, event);
    write_nonempty(out, "digest", event->digest);
    if (event->function == FUNCTION_READ_STOCK || !function_is_order_command(event->function)) {
        write_stocks(out, event);
    }
    if (event->function == FUNCTION_READ_ORDER && event->verdict == HF_OK) {
        write_order_lines(out, event);
    }
    if (event->function == FUNCTION_READ_HISTORY && event->verdict == HF_OK) {
        write_rows(out, event);
    }
}

void event_write(struct buffer *out, const struct event *event)
{
    bool fault = event->function == FUNCTION_FAULT;
    buffer_printf(out, "{:type :%s, :f :", event_type_name(event->type));
    if (fault) {
        buffer_append_bytes(out, event->fault);
    } else {
        write_text(out, event_function_name(event->function));
    }
    write_key(out, "value");
    if (fault && event->fault_value.len == 0) {
        write_text(out, "nil");
    } else if (fault) {
        buffer_append_bytes(out, event->fault_value);
    } else {
        write_text(out, "{");
        if (event->type == EVENT_INVOKE) {
            write_asked(out, event);
        } else {
            write_answer(out, event);
        }
        write_text(out, "}");
    }
    if (event->process == EVENT_NEMESIS) {
        write_keyword(out, "process", "nemesis");
    } else {
        write_number(out, "process", event->process);
    }
    write_number(out, "time", event->time_ns);
    write_number(out, "index", (int64_t)event->index);
    write_nonempty(out, "error", event->error);
    write_text(out, "}\n");
}
