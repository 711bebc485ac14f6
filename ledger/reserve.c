/*
 * reserve.c - Reserve: hold the lines of an order, all or nothing.
 *
 * The happy path: the order is not known; each summed line is available; each stock's reserved
 * grows; the order, its history rows and its expiry row are written. Otherwise, in this order: the
 * order is known and the command repeats it (OK, replayed), contradicts it (ORDER_CONFLICT) or
 * comes after its end (ORDER_DEDUCTED, ...); the request is too old to be told from one whose
 * traces are trimmed (REQUEST_EXPIRED); a line is not available (the refusal lists all such lines).
 * A refusal leaves the order as it was and does not burn its id; under the request's id it is kept
 * if the attempt was a later one (request.c).
 */
#include "machine.h"

#include <assert.h>

#include "base/planted.h"

/* WHOLE: the order has exactly these lines. */
static bool same_lines(const struct order_record *order, const struct line_set *lines)
{
    if (order->line_count != lines->count) {
        return false;
    }
    for (uint32_t i = 0; i < lines->count; i++) {
        if (!ledger_order_line_is(order, i, &lines->items[i]) ||
            order->lines[i].reserved != lines->items[i].quantity) {
            return false;
        }
    }
    return true;
}

/* ADD_LINES: leaves the lines that the order does not have. False: one that it has differs. */
static bool keep_new_lines(const struct order_record *order, struct line_set *lines)
{
    uint32_t at = 0;
    uint32_t kept = 0;
    for (uint32_t i = 0; i < lines->count; i++) {
        at = ledger_seek_order_line(order, at, &lines->items[i]);
        if (!ledger_order_line_is(order, at, &lines->items[i])) {
            lines->items[kept++] = lines->items[i];
        } else if (order->lines[at].reserved != lines->items[i].quantity) {
            return false;
        }
    }
    lines->count = kept;
    return true;
}

/* What the state of a known order makes of the command; UNSPECIFIED: there are lines to add. */
static enum ledger_verdict judge_known_order(struct ledger *ledger,
                                             const struct ledger_command *command)
{
    const struct order_record *order = &ledger->order.record;
    if (order->state != ORDER_ACTIVE) {
        return ledger_closed_verdict(order->state);
    }
    if (command->mode == LEDGER_RESERVE_WHOLE) {
        return same_lines(order, &ledger->lines) ? LEDGER_OK : LEDGER_ORDER_CONFLICT;
    }
    if (!keep_new_lines(order, &ledger->lines)) {
        return LEDGER_ORDER_CONFLICT;
    }
    if (ledger->lines.count == 0) {
        return LEDGER_OK;
    }
    if (ledger->lines.count > LIMIT_LINES - order->line_count) {
        return LEDGER_LIMIT_EXCEEDED;
    }
    return LEDGER_VERDICT_UNSPECIFIED;
}

static bool check_available(struct ledger *ledger, struct error *error)
{
    ledger_prepare_stocks(ledger);
    for (uint32_t i = 0; i < ledger->lines.count; i++) {
        struct summed_line *line = &ledger->lines.items[i];
        struct stock_slot *stock = &ledger->stocks.items[i];
        if (!ledger_load_stock(ledger, line->sku, line->warehouse, stock, error)) {
            return false;
        }
        ledger_judge_line(line, stock, stock->record.on_hand - stock->record.reserved);
    }
    return true;
}

static bool hold_lines(struct ledger *ledger, const struct ledger_command *command,
                       struct error *error)
{
    for (uint32_t i = 0; i < ledger->lines.count; i++) {
        const struct summed_line *line = &ledger->lines.items[i];
        if (PLANTED(SKIPPED_LINE) && i > 0 && i + 1 == ledger->lines.count) {
            continue;
        }
        struct stock_change change = {HISTORY_RESERVE, 0, line->quantity, command->order_id,
                                      command};
        if (!ledger_change_stock(ledger, line->sku, line->warehouse, &ledger->stocks.items[i],
                                 &change, error)) {
            return false;
        }
    }
    return true;
}

/* Merges the added lines into the order's, from the back, so that both stay sorted in place. */
static void merge_lines(struct order_slot *order, const struct line_set *lines)
{
    uint32_t held = order->record.line_count;
    uint32_t added = lines->count;
    uint32_t to = held + added;
    order->lines.items =
        array_grow(order->lines.items, &order->lines.capacity, to, sizeof *order->lines.items);
    struct order_line *items = order->lines.items;
    order->record.lines = items;
    order->record.line_count = to;
    while (added > 0) {
        const struct summed_line *line = &lines->items[added - 1];
        if (held > 0 && stock_compare(items[held - 1].sku, items[held - 1].warehouse, line->sku,
                                      line->warehouse) > 0) {
            items[--to] = items[--held];
        } else {
            items[--to] = (struct order_line){
                .sku = line->sku, .warehouse = line->warehouse, .reserved = line->quantity};
            added--;
        }
    }
    assert(to == held);
}

static bool begin_order(struct ledger *ledger, const struct ledger_command *command,
                        struct error *error)
{
    int64_t ttl_ms = command->has_ttl ? command->ttl_ms : ledger->settings.default_ttl_ms;
    struct order_record *order = &ledger->order.record;
    order->state = ORDER_ACTIVE;
    order->created_ms = ledger_now_ms(ledger);
    order->expires_hold_ms = ledger_hold_now_ms(ledger) + ttl_ms;
    order->actor = command->actor;
    order->reason = command->reason;
    if (order->expires_hold_ms < ledger->first_expiry_hold_ms) {
        ledger->first_expiry_hold_ms = order->expires_hold_ms;
    }
    struct ledger_key row = ledger_key_expiry(order->expires_hold_ms, command->order_id);
    return ledger_put_row(ledger, &row, error);
}

static void show_order(struct ledger_result *result, const struct ledger *ledger)
{
    const struct order_record *order = &ledger->order.record;
    result->order_state = order->state;
    if (order->state == ORDER_ACTIVE) {
        result->expires_at_ms = order->expires_hold_ms + ledger->clock.credits_ms;
    }
}

bool ledger_reserve(struct ledger *ledger, const struct ledger_command *command,
                    struct ledger_result *result, struct error *error)
{
    bool summed = line_set_sum(&ledger->lines, command->lines, command->line_count);
    assert(summed); /* ledger_command_check saw to it */
    (void)summed;
    if (!ledger_load_order(ledger, command->order_id, error)) {
        return false;
    }
    if (ledger->order.found) {
        show_order(result, ledger);
        result->verdict = judge_known_order(ledger, command);
        if (result->verdict != LEDGER_VERDICT_UNSPECIFIED) {
            result->replayed = result->verdict == LEDGER_OK;
            if (PLANTED(HOLD_LEAK_ON_REPLAY) && result->replayed) {
                return check_available(ledger, error) && hold_lines(ledger, command, error);
            }
            return true;
        }
    }
    if (!ledger_request_is_timely(ledger, command)) {
        result->verdict = LEDGER_REQUEST_EXPIRED;
        return true;
    }
    if (!check_available(ledger, error)) {
        return false;
    }
    if (ledger_refuse_lines(ledger, result)) {
        return true;
    }
    if (!hold_lines(ledger, command, error) ||
        (!ledger->order.found && !begin_order(ledger, command, error))) {
        return false;
    }
    merge_lines(&ledger->order, &ledger->lines);
    result->verdict = LEDGER_OK;
    show_order(result, ledger);
    return ledger_save_order(ledger, command->order_id, error);
}
