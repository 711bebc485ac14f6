/*
 * order.c - what happens to an order whatever the command: loading, giving back what is open,
 * closing, saving; and the refusal that names lines.
 *
 * Invariants: an order has an expiry row exactly while a line is open, and a purge row exactly
 * while it is closed; the state is ACTIVE exactly while a line is open, else the act that closed
 * the last unit. What can fail: the store, or an order that holds units of a stock that is not
 * there, which no command can cause.
 */
#include "machine.h"

#include <assert.h>

bool ledger_load_order(struct ledger *ledger, struct bytes order_id, struct error *error)
{
    struct order_slot *order = &ledger->order;
    struct ledger_key key = ledger_key_order(order_id);
    struct bytes value;
    order->record = (struct order_record){0};
    if (!ledger_load(ledger, &key, &value, &order->found, error)) {
        return false;
    }
    if (!order->found) {
        return true;
    }
    /* The view ends at the next call of the store, and the order is worked on beyond. */
    buffer_clear(&order->bytes);
    buffer_append_bytes(&order->bytes, value);
    value = buffer_bytes(&order->bytes);
    order->hash = ledger_record_hash(&key, value);
    return order_record_decode(value, &order->record, &order->lines, error);
}

bool ledger_save_order(struct ledger *ledger, struct bytes order_id, struct error *error)
{
    struct order_slot *order = &ledger->order;
    struct ledger_key key = ledger_key_order(order_id);
    struct buffer *value = ledger_value(ledger);
    order->record.lines = order->lines.items;
    order_record_encode(value, &order->record);
    const struct hash128 *before = order->found ? &order->hash : NULL;
    return ledger_put(ledger, &key, before, buffer_bytes(value), &order->hash, error);
}

bool ledger_schedule_purge(struct ledger *ledger, enum ledger_kind kind, struct bytes id,
                           int64_t when_ms, struct error *error)
{
    struct ledger_key key = ledger_key_purge(when_ms, kind, id);
    if (when_ms < ledger->first_purge_ms) {
        ledger->first_purge_ms = when_ms;
    }
    return ledger_put_row(ledger, &key, error);
}

bool ledger_give_back_open(struct ledger *ledger, struct bytes order_id, enum history_op op,
                           const struct ledger_command *command, struct error *error)
{
    assert(op == HISTORY_RELEASE || op == HISTORY_EXPIRE);
    struct order_slot *order = &ledger->order;
    for (uint32_t i = 0; i < order->record.line_count; i++) {
        struct order_line *line = &order->lines.items[i];
        int64_t open = order_line_open(line);
        if (open == 0) {
            continue;
        }
        struct stock_slot stock;
        struct stock_change change = {op, 0, -open, order_id, command};
        if (!ledger_load_stock(ledger, line->sku, line->warehouse, &stock, error) ||
            !ledger_change_stock(ledger, line->sku, line->warehouse, &stock, &change, error)) {
            return false;
        }
        if (op == HISTORY_RELEASE) {
            line->released += open;
        } else {
            line->expired += open;
        }
    }
    return true;
}

static bool has_open_line(const struct order_slot *order)
{
    for (uint32_t i = 0; i < order->record.line_count; i++) {
        if (order_line_open(&order->lines.items[i]) > 0) {
            return true;
        }
    }
    return false;
}

static bool close_order(struct ledger *ledger, struct bytes order_id, enum order_state act,
                        struct error *error)
{
    struct order_record *record = &ledger->order.record;
    /* An order that is closed already closes again when expired units are reacquired. */
    struct ledger_key row = record->state == ORDER_ACTIVE
                                ? ledger_key_expiry(record->expires_hold_ms, order_id)
                                : ledger_key_purge(record->purge_ms, LEDGER_KIND_ORDER, order_id);
    if (!ledger_remove_row(ledger, &row, error)) {
        return false;
    }
    record->state = act;
    record->closed_ms = ledger_now_ms(ledger);
    record->purge_ms = record->closed_ms + ledger->settings.closed_order_retention_ms;
    return ledger_schedule_purge(ledger, LEDGER_KIND_ORDER, order_id, record->purge_ms, error);
}

bool ledger_settle_order(struct ledger *ledger, struct bytes order_id, enum order_state act,
                         struct error *error)
{
    if (!has_open_line(&ledger->order) && !close_order(ledger, order_id, act, error)) {
        return false;
    }
    return ledger_save_order(ledger, order_id, error);
}

enum ledger_verdict ledger_closed_verdict(enum order_state state)
{
    switch (state) {
    case ORDER_DEDUCTED:
        return LEDGER_ORDER_DEDUCTED;
    case ORDER_RELEASED:
        return LEDGER_ORDER_RELEASED;
    case ORDER_EXPIRED:
        return LEDGER_ORDER_EXPIRED;
    case ORDER_RETURNED:
        return LEDGER_ORDER_RETURNED;
    case ORDER_ACTIVE:
    case ORDER_STATE_NONE:
        break;
    }
    assert(false && "the order is not closed");
    return LEDGER_VERDICT_UNSPECIFIED;
}

bool ledger_refuse_lines(struct ledger *ledger, struct ledger_result *result)
{
    struct line_set *lines = &ledger->lines;
    struct failed_lines *failed = &ledger->failed;
    uint32_t count = 0;
    for (uint32_t i = 0; i < lines->count; i++) {
        count += lines->items[i].reason != LEDGER_VERDICT_UNSPECIFIED;
    }
    if (count == 0) {
        return false;
    }
    line_set_sort_by_appearance(lines);
    failed->items = array_grow(failed->items, &failed->capacity, count, sizeof *failed->items);
    result->failed_line_count = 0;
    for (uint32_t i = 0; i < lines->count; i++) {
        const struct summed_line *line = &lines->items[i];
        if (line->reason != LEDGER_VERDICT_UNSPECIFIED) {
            failed->items[result->failed_line_count++] = (struct ledger_failed_line){
                line->sku, line->warehouse, line->quantity, line->available, line->reason};
        }
    }
    result->failed_lines = failed->items;
    result->verdict = failed->items[0].reason;
    return true;
}

uint32_t ledger_seek_order_line(const struct order_record *order, uint32_t from,
                                const struct summed_line *line)
{
    while (from < order->line_count &&
           stock_compare(order->lines[from].sku, order->lines[from].warehouse, line->sku,
                         line->warehouse) < 0) {
        from++;
    }
    return from;
}

bool ledger_order_line_is(const struct order_record *order, uint32_t at,
                          const struct summed_line *line)
{
    return at < order->line_count && order->lines[at].warehouse == line->warehouse &&
           bytes_equal(order->lines[at].sku, line->sku);
}
