/*
 * history_write.c - operations as events again, and in words.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "history.h"

static struct bytes text_of(const struct history *history, uint32_t name)
{
    return name != NAME_NONE ? names_text(&history->texts, name) : bytes_of(NULL, 0);
}

static void set_number(struct event *event, const struct operation *operation)
{
    switch (event->function) {
    case FUNCTION_RESERVE:
        event->ttl_ms = operation->number;
        break;
    case FUNCTION_SET_STOCK:
    case FUNCTION_ADJUST_STOCK:
        event->expected_version = (uint64_t)operation->number;
        break;
    case FUNCTION_READ_DIGEST:
        event->node = (uint32_t)operation->number;
        break;
    default:
        event->min_index = (uint64_t)operation->number;
        break;
    }
}

void history_write_invocation(struct buffer *out, const struct history *history, uint32_t at)
{
    const struct operation *operation = &history->operations.items[at];
    struct event_line *lines = memory_zalloc((operation->asked_count + 1u) * sizeof *lines);
    for (uint32_t i = 0; i < operation->asked_count; i++) {
        const struct history_line *line = &history->lines.items[operation->asked + i];
        lines[i] = (struct event_line){history_sku(history, line->stock),
                                       history_warehouse(history, line->stock), line->quantity};
    }
    struct event event = {
        .type = EVENT_INVOKE,
        .function = (enum event_function)operation->function,
        .process = operation->process,
        .time_ns = operation->invoked_ns,
        .index = operation->invoked,
        .order = text_of(history, operation->order),
        .request = text_of(history, operation->request),
        .lines = lines,
        .line_count = operation->asked_count,
        .add_lines = operation->add_lines,
        .final = operation->final,
        .reacquire = operation->reacquire,
        .has_expected_version = operation->has_expected_version,
        .stale = operation->stale,
    };
    set_number(&event, operation);
    event_write(out, &event);
    free(lines);
}

/* ---- answers: each array in a block of its own, which the caller frees ---- */

static void *show_stocks(const struct history *history, const struct operation *operation,
                         struct event *event)
{
    struct event_stock *stocks = memory_zalloc((operation->answered_count + 1u) * sizeof *stocks);
    for (uint32_t i = 0; i < operation->answered_count; i++) {
        const struct history_stock *stock = &history->stocks.items[operation->answered + i];
        stocks[i] = (struct event_stock){history_sku(history, stock->stock),
                                         history_warehouse(history, stock->stock),
                                         stock->found,
                                         stock->on_hand,
                                         stock->reserved,
                                         stock->version};
    }
    event->stocks = stocks;
    event->stock_count = operation->answered_count;
    return stocks;
}

static void *show_order_lines(const struct history *history, const struct operation *operation,
                              struct event *event)
{
    struct event_order_line *lines =
        memory_zalloc((operation->answered_count + 1u) * sizeof *lines);
    for (uint32_t i = 0; i < operation->answered_count; i++) {
        const struct history_order_line *line =
            &history->order_lines.items[operation->answered + i];
        lines[i] = (struct event_order_line){history_sku(history, line->stock),
                                             history_warehouse(history, line->stock),
                                             line->reserved,
                                             line->deducted,
                                             line->released,
                                             line->expired,
                                             line->returned};
    }
    event->order_lines = lines;
    event->order_line_count = operation->answered_count;
    return lines;
}

static void *show_failed(const struct history *history, const struct operation *operation,
                         struct event *event)
{
    struct event_failed_line *lines =
        memory_zalloc((operation->answered_count + 1u) * sizeof *lines);
    for (uint32_t i = 0; i < operation->answered_count; i++) {
        const struct history_failed_line *line = &history->failed.items[operation->answered + i];
        lines[i] = (struct event_failed_line){history_sku(history, line->stock),
                                              history_warehouse(history, line->stock),
                                              line->requested, line->available, line->reason};
    }
    event->failed = lines;
    event->failed_count = operation->answered_count;
    return lines;
}

static void *show_rows(const struct history *history, const struct operation *operation,
                       struct event *event)
{
    struct event_row *rows = memory_zalloc((operation->answered_count + 1u) * sizeof *rows);
    for (uint32_t i = 0; i < operation->answered_count; i++) {
        const struct history_row *row = &history->rows.items[operation->answered + i];
        rows[i] = (struct event_row){row->log_index,         row->sub,
                                     (hf_history_op)row->op, row->on_hand_change,
                                     row->reserved_change,   text_of(history, row->order)};
    }
    event->rows = rows;
    event->row_count = operation->answered_count;
    return rows;
}

static void *show_answer(const struct history *history, const struct operation *operation,
                         struct event *event)
{
    switch (event->function) {
    case FUNCTION_SET_STOCK:
    case FUNCTION_ADJUST_STOCK:
    case FUNCTION_READ_STOCK:
        return show_stocks(history, operation, event);
    case FUNCTION_READ_ORDER:
        return show_order_lines(history, operation, event);
    case FUNCTION_READ_HISTORY:
        return show_rows(history, operation, event);
    case FUNCTION_READ_DIGEST:
        event->node = (uint32_t)operation->number;
        event->digest = text_of(history, operation->note);
        return NULL;
    default:
        return show_failed(history, operation, event);
    }
}

static enum event_type type_of(const struct operation *operation)
{
    switch (operation->outcome) {
    case OUTCOME_OK:
        return EVENT_OK;
    case OUTCOME_REFUSED:
    case OUTCOME_FAILED:
        return EVENT_FAIL;
    default:
        return EVENT_INFO;
    }
}

void history_write_completion(struct buffer *out, const struct history *history, uint32_t at)
{
    const struct operation *operation = &history->operations.items[at];
    void *block = NULL;
    if (operation->completed == HISTORY_NEVER) {
        return;
    }
    struct event event = {
        .type = type_of(operation),
        .function = (enum event_function)operation->function,
        .process = operation->process,
        .time_ns = operation->completed_ns,
        .index = operation->completed,
        .order = text_of(history, operation->order),
        .verdict = operation->verdict,
        .replayed = operation->replayed,
        .existed = operation->existed,
        .log_index = operation->log_index,
        .log_position = operation->log_position,
        .state = (hf_order_state)operation->state,
        .attempts = operation->attempts,
        .age_ms = operation->age_ms,
    };
    if (operation_answered(operation)) {
        block = show_answer(history, operation, &event);
    } else {
        event.error = text_of(history, operation->note);
        event.node = event.function == FUNCTION_READ_DIGEST ? (uint32_t)operation->number : 0;
    }
    event_write(out, &event);
    free(block);
}

static void write_fault(struct buffer *out, const struct history *history,
                        const struct fault_event *fault)
{
    struct event event = {
        .type = EVENT_INFO,
        .function = FUNCTION_FAULT,
        .process = EVENT_NEMESIS,
        .time_ns = fault->time_ns,
        .index = fault->event,
        .fault = names_text(&history->texts, fault->fault),
        .fault_value = text_of(history, fault->value),
    };
    event_write(out, &event);
}

void history_write(struct buffer *out, const struct history *history)
{
    uint32_t fault = 0;
    for (uint32_t event = 0; event < history->events; event++) {
        uint32_t at = history->event_operations.items[event];
        if (at == NAME_NONE) {
            write_fault(out, history, &history->faults.items[fault++]);
        } else if (history->operations.items[at].invoked == event) {
            history_write_invocation(out, history, at);
        } else {
            history_write_completion(out, history, at);
        }
    }
}

/* ---- in words ---- */

static void describe_text(struct buffer *out, struct bytes text)
{
    buffer_printf(out, " %.*s", (int)text.len, (const char *)text.data);
}

static void describe_asked(struct buffer *out, const struct history *history,
                           const struct operation *operation)
{
    if (operation->order != NAME_NONE) {
        describe_text(out, text_of(history, operation->order));
    }
    for (uint32_t i = 0; i < operation->asked_count; i++) {
        const struct history_line *line = &history->lines.items[operation->asked + i];
        if (i == 4) {
            buffer_printf(out, " and %u more", operation->asked_count - i);
            break;
        }
        describe_text(out, history_sku(history, line->stock));
        if (history_warehouse(history, line->stock) != 1) {
            buffer_printf(out, "@%" PRIu32, history_warehouse(history, line->stock));
        }
        if (operation->function == FUNCTION_ADJUST_STOCK) {
            buffer_printf(out, "%+" PRId64, line->quantity);
        } else if (line->quantity != 0 || operation->function == FUNCTION_SET_STOCK) {
            buffer_printf(out, "=%" PRId64, line->quantity);
        }
    }
}

void history_describe_asked(struct buffer *out, const struct history *history, uint32_t at)
{
    const struct operation *operation = &history->operations.items[at];
    buffer_printf(out, "%s", event_function_name((enum event_function)operation->function));
    describe_asked(out, history, operation);
}

static void describe_place(struct buffer *out, const struct operation *operation)
{
    if (!operation_answered(operation)) {
        buffer_printf(out, "%s",
                      operation->outcome == OUTCOME_FAILED ? "not executed" : "outcome unknown");
        return;
    }
    buffer_printf(out, "%s%s at %" PRIu64, event_verdict_name(operation->verdict),
                  operation->replayed ? ", replayed" : "", operation->log_index);
    if (operation_is_command(operation)) {
        buffer_printf(out, "/%" PRIu32, operation->log_position);
    }
}

void history_describe_answer(struct buffer *out, const struct history *history, uint32_t at)
{
    const struct operation *operation = &history->operations.items[at];
    bool stocks = operation->function == FUNCTION_READ_STOCK ||
                  operation->function == FUNCTION_SET_STOCK ||
                  operation->function == FUNCTION_ADJUST_STOCK;
    describe_place(out, operation);
    if (operation->state != HF_STATE_NONE) {
        buffer_printf(out, ", %s", event_state_name((hf_order_state)operation->state));
    }
    for (uint32_t i = 0; stocks && i < operation->answered_count && i < 4; i++) {
        const struct history_stock *stock = &history->stocks.items[operation->answered + i];
        buffer_printf(out, ", %" PRId64 " on hand, %" PRId64 " held", stock->on_hand,
                      stock->reserved);
    }
    if (!operation_answered(operation) && operation->note != NAME_NONE) {
        describe_text(out, text_of(history, operation->note));
    }
}

void history_describe(struct buffer *out, const struct history *history, uint32_t at)
{
    history_describe_asked(out, history, at);
    buffer_printf(out, " (event %" PRIu32 ": ", history->operations.items[at].invoked);
    describe_place(out, &history->operations.items[at]);
    buffer_printf(out, ")");
}
