/*
 * event_read.c - lines of EDN as events.
 *
 * Happy path: the line is one map; its type, function and process say which keys of its value are
 * looked at. Fails: a key that must be there is not, a value of another kind than it must be, a
 * number out of range, a word that no table has. What is not asked for is left alone: other
 * programs may add keys.
 */
#include <stdlib.h>

#include "base/limits.h"
#include "event.h"

struct reading {
    struct event_reader *reader;
    const struct edn *edn;
    struct event *event;
    struct error *error;
};

static bool refuse(struct reading *reading, const char *key, const char *wanted)
{
    return error_set(reading->error, ":%s is not %s", key, wanted);
}

/* ---- single values; a key that is missing leaves the value as it is ---- */

static bool read_integer(struct reading *reading, uint32_t map, const char *key, int64_t least,
                         int64_t *value)
{
    uint32_t node = edn_get(reading->edn, map, key);
    if (node == EDN_NONE || edn_at(reading->edn, node)->kind == EDN_NIL) {
        return true;
    }
    if (edn_at(reading->edn, node)->kind != EDN_INTEGER ||
        edn_at(reading->edn, node)->number < least) {
        return refuse(reading, key, least < 0 ? "an integer" : "an integer from 0 on");
    }
    *value = edn_at(reading->edn, node)->number;
    return true;
}

static bool read_u64(struct reading *reading, uint32_t map, const char *key, uint64_t *value)
{
    int64_t number = (int64_t)*value;
    if (!read_integer(reading, map, key, 0, &number)) {
        return false;
    }
    *value = (uint64_t)number;
    return true;
}

static bool read_u32(struct reading *reading, uint32_t map, const char *key, uint32_t *value)
{
    int64_t number = *value;
    if (!read_integer(reading, map, key, 0, &number)) {
        return false;
    }
    if (number > UINT32_MAX) {
        return refuse(reading, key, "an integer of 32 bits");
    }
    *value = (uint32_t)number;
    return true;
}

static bool read_flag(struct reading *reading, uint32_t map, const char *key, bool *flag)
{
    uint32_t node = edn_get(reading->edn, map, key);
    if (node == EDN_NONE || edn_at(reading->edn, node)->kind == EDN_NIL) {
        return true;
    }
    if (edn_at(reading->edn, node)->kind != EDN_BOOL) {
        return refuse(reading, key, "true or false");
    }
    *flag = edn_at(reading->edn, node)->number != 0;
    return true;
}

static bool read_text(struct reading *reading, uint32_t map, const char *key, struct bytes *text)
{
    uint32_t node = edn_get(reading->edn, map, key);
    if (node == EDN_NONE || edn_at(reading->edn, node)->kind == EDN_NIL) {
        return true;
    }
    if (edn_at(reading->edn, node)->kind != EDN_STRING) {
        return refuse(reading, key, "a string");
    }
    *text = edn_text(reading->edn, node);
    return true;
}

/* The number whose name the keyword is; `names` tells it for 0 .. count-1. */
static bool find_word(struct reading *reading, uint32_t node, const char *key, int count,
                      const char *(*names)(int), int *number)
{
    for (int i = 0; i < count; i++) {
        if (edn_is_keyword(reading->edn, node, names(i))) {
            *number = i;
            return true;
        }
    }
    return refuse(reading, key, "one of the words that are known");
}

static const char *type_name(int number)
{
    return event_type_name((enum event_type)number);
}

static const char *function_name(int number)
{
    return event_function_name((enum event_function)number);
}

static const char *state_name(int number)
{
    return event_state_name((hf_order_state)number);
}

static const char *op_name(int number)
{
    return event_history_op_name((hf_history_op)number);
}

/* ---- stocks and lines ---- */

static bool read_stock_name(struct reading *reading, uint32_t node, struct bytes *sku,
                            uint32_t *warehouse)
{
    const struct edn *edn = reading->edn;
    *warehouse = 1;
    if (edn_at(edn, node)->kind == EDN_VECTOR && edn_at(edn, node)->count == 2) {
        uint32_t number = edn_at(edn, edn_at(edn, node)->first)->next;
        if (edn_at(edn, number)->kind != EDN_INTEGER || edn_at(edn, number)->number < 1 ||
            edn_at(edn, number)->number > UINT32_MAX) {
            return error_set(reading->error, "a warehouse is not a number from 1 on");
        }
        *warehouse = (uint32_t)edn_at(edn, number)->number;
        node = edn_at(edn, node)->first;
    }
    if (edn_at(edn, node)->kind != EDN_STRING || edn_at(edn, node)->text_len == 0 ||
        edn_at(edn, node)->text_len > LIMIT_ID_BYTES) {
        return error_set(reading->error, "a stock is neither \"SKU\" nor [\"SKU\" warehouse]");
    }
    *sku = edn_text(edn, node);
    return true;
}

/* The first child of a collection; count: how many there are. */
static bool open_collection(struct reading *reading, uint32_t node, const char *key,
                            enum edn_kind kind, uint32_t most, uint32_t *first)
{
    const struct edn_node *at = edn_at(reading->edn, node);
    if (at->kind != kind) {
        return refuse(reading, key, kind == EDN_MAP ? "a map" : "a vector");
    }
    if (at->count > most) {
        return refuse(reading, key, "as short as it must be");
    }
    *first = at->first;
    return true;
}

static bool read_line(struct reading *reading, uint32_t node, bool bare, struct event_line *line)
{
    const struct edn *edn = reading->edn;
    if (bare) {
        return read_stock_name(reading, node, &line->sku, &line->warehouse);
    }
    if (edn_at(edn, node)->kind != EDN_VECTOR || edn_at(edn, node)->count != 2) {
        return error_set(reading->error, "a line is not [stock quantity]");
    }
    uint32_t quantity = edn_at(edn, edn_at(edn, node)->first)->next;
    if (edn_at(edn, quantity)->kind != EDN_INTEGER || edn_at(edn, quantity)->number < 1) {
        return error_set(reading->error, "a line's quantity is not a number from 1 on");
    }
    line->quantity = edn_at(edn, quantity)->number;
    return read_stock_name(reading, edn_at(edn, node)->first, &line->sku, &line->warehouse);
}

static bool read_lines(struct reading *reading, uint32_t value, const char *key, bool bare)
{
    uint32_t node = edn_get(reading->edn, value, key);
    struct buffer *lines = &reading->reader->lines;
    if (node == EDN_NONE) {
        return true;
    }
    if (!open_collection(reading, node, key, EDN_VECTOR, EVENT_LINES, &node)) {
        return false;
    }
    for (; node != EDN_NONE; node = edn_at(reading->edn, node)->next) {
        struct event_line line = {.quantity = 0};
        if (!read_line(reading, node, bare, &line)) {
            return false;
        }
        buffer_append(lines, &line, sizeof line);
        reading->event->line_count++;
    }
    reading->event->lines = (const struct event_line *)lines->data;
    return true;
}

/* The one stock that a command or a read is about. */
static bool read_one_stock(struct reading *reading, uint32_t value, const char *quantity,
                           int64_t least)
{
    struct event_line line = {.quantity = 0};
    uint32_t node = edn_get(reading->edn, value, "stock");
    if (node == EDN_NONE) {
        return error_set(reading->error, ":stock is missing");
    }
    if (quantity != NULL) {
        if (edn_get(reading->edn, value, quantity) == EDN_NONE) {
            return error_set(reading->error, ":%s is missing", quantity);
        }
        if (!read_integer(reading, value, quantity, least, &line.quantity)) {
            return false;
        }
    }
    if (!read_stock_name(reading, node, &line.sku, &line.warehouse)) {
        return false;
    }
    buffer_append(&reading->reader->lines, &line, sizeof line);
    reading->event->lines = (const struct event_line *)reading->reader->lines.data;
    reading->event->line_count = 1;
    return true;
}

/* ---- what was asked ---- */

static bool need_order(struct reading *reading)
{
    return reading->event->order.len != 0 || error_set(reading->error, ":order is missing");
}

static bool read_order_command(struct reading *reading, uint32_t value)
{
    struct event *event = reading->event;
    if (!need_order(reading) || !read_lines(reading, value, "lines", false) ||
        !read_integer(reading, value, "ttl-ms", 0, &event->ttl_ms) ||
        !read_flag(reading, value, "add-lines", &event->add_lines) ||
        !read_flag(reading, value, "final", &event->final) ||
        !read_flag(reading, value, "reacquire", &event->reacquire)) {
        return false;
    }
    return event->function != FUNCTION_RESERVE || event->line_count > 0 ||
           error_set(reading->error, "a reserve has no :lines");
}

static bool read_stock_command(struct reading *reading, uint32_t value)
{
    struct event *event = reading->event;
    bool set = event->function == FUNCTION_SET_STOCK;
    uint32_t expected = edn_get(reading->edn, value, "expected-version");
    event->has_expected_version =
        expected != EDN_NONE && edn_at(reading->edn, expected)->kind != EDN_NIL;
    return read_one_stock(reading, value, set ? "on-hand" : "change", set ? 0 : INT64_MIN) &&
           read_u64(reading, value, "expected-version", &event->expected_version);
}

static bool read_consistency(struct reading *reading, uint32_t value)
{
    uint32_t node = edn_get(reading->edn, value, "consistency");
    reading->event->stale = node != EDN_NONE && edn_is_keyword(reading->edn, node, "stale");
    if (node != EDN_NONE && !reading->event->stale &&
        !edn_is_keyword(reading->edn, node, "linearizable")) {
        return refuse(reading, "consistency", ":linearizable or :stale");
    }
    return read_u64(reading, value, "min-index", &reading->event->min_index);
}

static bool read_asked(struct reading *reading, uint32_t value)
{
    struct event *event = reading->event;
    if (!read_text(reading, value, "request-id", &event->request)) {
        return false;
    }
    switch (event->function) {
    case FUNCTION_SET_STOCK:
    case FUNCTION_ADJUST_STOCK:
        return read_stock_command(reading, value);
    case FUNCTION_RESERVE:
    case FUNCTION_DEDUCT:
    case FUNCTION_RELEASE:
        return read_order_command(reading, value);
    case FUNCTION_READ_STOCK:
        return read_lines(reading, value, "stocks", true) && read_consistency(reading, value);
    case FUNCTION_CHECK_STOCK:
        return read_lines(reading, value, "lines", false) && read_consistency(reading, value);
    case FUNCTION_READ_ORDER:
        return need_order(reading) && read_consistency(reading, value);
    case FUNCTION_READ_HISTORY:
        return read_one_stock(reading, value, NULL, 0) && read_consistency(reading, value);
    case FUNCTION_READ_DIGEST:
        return read_u32(reading, value, "node", &event->node);
    case FUNCTION_FAULT:
    case FUNCTION_COUNT:
        break;
    }
    return true;
}

/* ---- the answer ---- */

static bool read_stock_state(struct reading *reading, uint32_t node, struct event_stock *stock)
{
    stock->found = edn_at(reading->edn, node)->kind != EDN_NIL;
    if (!stock->found) {
        return true;
    }
    if (edn_at(reading->edn, node)->kind != EDN_MAP) {
        return error_set(reading->error, "a stock's state is neither nil nor a map");
    }
    return read_integer(reading, node, "on-hand", INT64_MIN, &stock->on_hand) &&
           read_integer(reading, node, "reserved", INT64_MIN, &stock->reserved) &&
           read_u64(reading, node, "version", &stock->version);
}

static bool add_stock(struct reading *reading, uint32_t name, uint32_t state)
{
    struct event_stock stock = {.found = false};
    if ((name != EDN_NONE && !read_stock_name(reading, name, &stock.sku, &stock.warehouse)) ||
        !read_stock_state(reading, state, &stock)) {
        return false;
    }
    buffer_append(&reading->reader->stocks, &stock, sizeof stock);
    reading->event->stocks = (const struct event_stock *)reading->reader->stocks.data;
    reading->event->stock_count++;
    return true;
}

static bool read_stocks(struct reading *reading, uint32_t value)
{
    const struct edn *edn = reading->edn;
    uint32_t node = edn_get(edn, value, "stocks");
    if (node == EDN_NONE) {
        return error_set(reading->error, ":stocks is missing");
    }
    if (!open_collection(reading, node, "stocks", EDN_MAP, 2 * EVENT_LINES, &node)) {
        return false;
    }
    while (node != EDN_NONE) {
        uint32_t state = edn_at(edn, node)->next;
        if (!add_stock(reading, node, state)) {
            return false;
        }
        node = edn_at(edn, state)->next;
    }
    return true;
}

static bool read_order_lines(struct reading *reading, uint32_t value)
{
    const struct edn *edn = reading->edn;
    struct buffer *lines = &reading->reader->order_lines;
    uint32_t node = edn_get(edn, value, "lines");
    if (node == EDN_NONE) {
        return true; /* a tombstone has none */
    }
    if (!open_collection(reading, node, "lines", EDN_MAP, 2 * EVENT_LINES, &node)) {
        return false;
    }
    while (node != EDN_NONE) {
        struct event_order_line line = {.reserved = 0};
        uint32_t state = edn_at(edn, node)->next;
        if (!read_stock_name(reading, node, &line.sku, &line.warehouse) ||
            !read_integer(reading, state, "reserved", 0, &line.reserved) ||
            !read_integer(reading, state, "deducted", 0, &line.deducted) ||
            !read_integer(reading, state, "released", 0, &line.released) ||
            !read_integer(reading, state, "expired", 0, &line.expired) ||
            !read_integer(reading, state, "returned", 0, &line.returned)) {
            return false;
        }
        buffer_append(lines, &line, sizeof line);
        reading->event->order_line_count++;
        node = edn_at(edn, state)->next;
    }
    reading->event->order_lines = (const struct event_order_line *)lines->data;
    return true;
}

static const char *verdict_name(int number)
{
    return event_verdict_name(number);
}

static bool read_verdict(struct reading *reading, uint32_t map, const char *key, int *verdict)
{
    uint32_t node = edn_get(reading->edn, map, key);
    return node == EDN_NONE ||
           find_word(reading, node, key, HF_MALFORMED_COMMAND + 1, verdict_name, verdict);
}

static bool read_failed(struct reading *reading, uint32_t value)
{
    const struct edn *edn = reading->edn;
    struct buffer *lines = &reading->reader->failed;
    uint32_t node = edn_get(edn, value, "failed");
    if (node == EDN_NONE) {
        return true;
    }
    if (!open_collection(reading, node, "failed", EDN_VECTOR, EVENT_LINES, &node)) {
        return false;
    }
    for (; node != EDN_NONE; node = edn_at(edn, node)->next) {
        struct event_failed_line line = {.reason = 0};
        if (edn_at(edn, node)->kind != EDN_VECTOR || edn_at(edn, node)->count != 2) {
            return error_set(reading->error, "a failed line is not [stock {...}]");
        }
        uint32_t what = edn_at(edn, edn_at(edn, node)->first)->next;
        if (!read_stock_name(reading, edn_at(edn, node)->first, &line.sku, &line.warehouse) ||
            !read_integer(reading, what, "requested", 0, &line.requested) ||
            !read_integer(reading, what, "available", INT64_MIN, &line.available) ||
            !read_verdict(reading, what, "reason", &line.reason)) {
            return false;
        }
        buffer_append(lines, &line, sizeof line);
        reading->event->failed_count++;
    }
    reading->event->failed = (const struct event_failed_line *)lines->data;
    return true;
}

static bool read_rows(struct reading *reading, uint32_t value)
{
    const struct edn *edn = reading->edn;
    struct buffer *rows = &reading->reader->rows;
    uint32_t node = edn_get(edn, value, "rows");
    if (node == EDN_NONE) {
        return error_set(reading->error, ":rows is missing");
    }
    if (!open_collection(reading, node, "rows", EDN_VECTOR, EVENT_ROWS, &node)) {
        return false;
    }
    for (; node != EDN_NONE; node = edn_at(edn, node)->next) {
        struct event_row row = {.sub = 0};
        int op = 0;
        uint32_t word = edn_get(edn, node, "op");
        if (word == EDN_NONE) {
            return error_set(reading->error, "a row has no :op");
        }
        if (!find_word(reading, word, "op", HF_OP_EXPIRE + 1, op_name, &op) ||
            !read_u64(reading, node, "log-index", &row.log_index) ||
            !read_u32(reading, node, "sub", &row.sub) ||
            !read_integer(reading, node, "on-hand", INT64_MIN, &row.on_hand_change) ||
            !read_integer(reading, node, "held", INT64_MIN, &row.reserved_change) ||
            !read_text(reading, node, "order", &row.order)) {
            return false;
        }
        row.op = (hf_history_op)op;
        buffer_append(rows, &row, sizeof row);
        reading->event->row_count++;
    }
    reading->event->rows = (const struct event_row *)rows->data;
    return true;
}

/* What only some functions answer. */
static bool read_particulars(struct reading *reading, uint32_t value)
{
    struct event *event = reading->event;
    uint32_t after = edn_get(reading->edn, value, "after");
    switch (event->function) {
    case FUNCTION_SET_STOCK:
    case FUNCTION_ADJUST_STOCK:
        return after == EDN_NONE || add_stock(reading, EDN_NONE, after);
    case FUNCTION_READ_STOCK:
        return read_stocks(reading, value);
    case FUNCTION_READ_ORDER:
        return read_order_lines(reading, value);
    case FUNCTION_READ_HISTORY:
        return event->verdict != HF_OK || read_rows(reading, value);
    case FUNCTION_READ_DIGEST:
        return read_u32(reading, value, "node", &event->node) &&
               read_text(reading, value, "digest", &event->digest);
    default:
        return read_failed(reading, value);
    }
}

static bool read_answer(struct reading *reading, uint32_t value)
{
    struct event *event = reading->event;
    uint32_t state = edn_get(reading->edn, value, "state");
    int number = HF_STATE_NONE;
    if (!read_verdict(reading, value, "verdict", &event->verdict) ||
        !read_u32(reading, value, "attempts", &event->attempts)) {
        return false;
    }
    if (event->verdict == 0) {
        return event->type != EVENT_OK || error_set(reading->error, "an ok without a :verdict");
    }
    if (event->type == EVENT_INFO) {
        return error_set(reading->error, "an info with a :verdict: whoever has one knows");
    }
    if (function_is_command(event->function) &&
        (event->type == EVENT_OK) != (event->verdict == HF_OK)) {
        return error_set(reading->error, "a command is :ok exactly if its :verdict is :ok");
    }
    if (state != EDN_NONE &&
        !find_word(reading, state, "state", HF_STATE_RETURNED + 1, state_name, &number)) {
        return false;
    }
    event->state = (hf_order_state)number;
    if (edn_get(reading->edn, value, "log-index") == EDN_NONE) {
        return error_set(reading->error, "an answer without a :log-index");
    }
    return read_flag(reading, value, "replayed", &event->replayed) &&
           read_flag(reading, value, "existed", &event->existed) &&
           read_u64(reading, value, "log-index", &event->log_index) &&
           read_u32(reading, value, "log-position", &event->log_position) &&
           read_integer(reading, value, "age-ms", 0, &event->age_ms) &&
           read_particulars(reading, value);
}

/* ---- the event ---- */

static bool read_fault(struct reading *reading, uint32_t function)
{
    struct event *event = reading->event;
    uint32_t value = edn_get(reading->edn, 0, "value");
    event->process = EVENT_NEMESIS;
    event->function = FUNCTION_FAULT;
    event->fault = edn_text(reading->edn, function);
    if (value != EDN_NONE && edn_at(reading->edn, value)->kind != EDN_NIL) {
        event->fault_value = edn_raw(reading->edn, value);
    }
    return event->type == EVENT_INFO || error_set(reading->error, "a fault is not an :info");
}

static bool read_operation(struct reading *reading, uint32_t function, uint32_t process)
{
    const struct edn *edn = reading->edn;
    struct event *event = reading->event;
    uint32_t value = edn_get(edn, 0, "value");
    int number = 0;
    if (process == EDN_NONE || edn_at(edn, process)->kind != EDN_INTEGER ||
        edn_at(edn, process)->number < 0 || edn_at(edn, process)->number >= EVENT_PROCESSES) {
        return error_set(reading->error, ":process is neither a number nor :nemesis");
    }
    event->process = (uint32_t)edn_at(edn, process)->number;
    if (!find_word(reading, function, "f", FUNCTION_FAULT, function_name, &number)) {
        return false;
    }
    event->function = (enum event_function)number;
    if (value == EDN_NONE || edn_at(edn, value)->kind != EDN_MAP) {
        return error_set(reading->error, ":value is not a map");
    }
    return read_text(reading, value, "order", &event->order) &&
           (event->type == EVENT_INVOKE ? read_asked(reading, value) : read_answer(reading, value));
}

static bool read_event(struct reading *reading)
{
    const struct edn *edn = reading->edn;
    struct event *event = reading->event;
    uint32_t type = edn_get(edn, 0, "type");
    uint32_t function = edn_get(edn, 0, "f");
    uint32_t process = edn_get(edn, 0, "process");
    int number = 0;
    if (type == EDN_NONE || function == EDN_NONE || edn_get(edn, 0, "time") == EDN_NONE) {
        return error_set(reading->error, "no map with :type, :f, :process and :time");
    }
    if (edn_at(edn, function)->kind != EDN_KEYWORD) {
        return refuse(reading, "f", "a keyword");
    }
    if (!find_word(reading, type, "type", EVENT_INFO + 1, type_name, &number)) {
        return false;
    }
    event->type = (enum event_type)number;
    if (!read_integer(reading, 0, "time", 0, &event->time_ns) ||
        !read_u64(reading, 0, "index", &event->index) ||
        !read_text(reading, 0, "error", &event->error)) {
        return false;
    }
    return process != EDN_NONE && edn_is_keyword(edn, process, "nemesis")
               ? read_fault(reading, function)
               : read_operation(reading, function, process);
}

bool event_read(struct event_reader *reader, struct bytes line, struct event *event,
                struct error *error)
{
    struct reading reading = {reader, &reader->edn, event, error};
    *event = (struct event){.type = EVENT_INVOKE};
    buffer_clear(&reader->lines);
    buffer_clear(&reader->stocks);
    buffer_clear(&reader->order_lines);
    buffer_clear(&reader->failed);
    buffer_clear(&reader->rows);
    return edn_parse(&reader->edn, line, error) && read_event(&reading);
}

void event_reader_free(struct event_reader *reader)
{
    edn_free(&reader->edn);
    buffer_free(&reader->lines);
    buffer_free(&reader->stocks);
    buffer_free(&reader->order_lines);
    buffer_free(&reader->failed);
    buffer_free(&reader->rows);
}
