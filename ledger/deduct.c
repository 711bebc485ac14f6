/*
 * deduct.c - Deduct: turn a hold into a sale.
 *
 * The happy path: the order is ACTIVE; the units (all that are open, or those of the lines) leave
 * on_hand and reserved together; the order is closed as DEDUCTED when nothing is left open. With
 * lines the rest stays held, unless `final`, which releases it in the same act.
 *
 * A late payment: the hold has expired and the command says `reacquire`. Then the units are those
 * that expired; they must be available, and leave on_hand at once. Refusals, in this order: the
 * order is not known; it is closed (a whole Deduct of what was deducted is a repetition: OK,
 * replayed); the request is too old for its refusal to be known (REQUEST_EXPIRED); a line asks for
 * more than there is to deduct; the stock does not suffice.
 */
#include "machine.h"

#include <assert.h>

static bool has_expired_units(const struct order_record *order)
{
    for (uint32_t i = 0; i < order->line_count; i++) {
        if (order->lines[i].expired > 0) {
            return true;
        }
    }
    return false;
}

/* Lines can be reacquired one delivery after the other: the first makes the order DEDUCTED. */
static bool may_reacquire(const struct order_record *order, const struct ledger_command *command)
{
    if (!command->reacquire) {
        return false;
    }
    return order->state == ORDER_EXPIRED ||
           (order->state == ORDER_DEDUCTED && command->line_count > 0 && has_expired_units(order));
}

static void judge_closed_order(const struct order_record *order,
                               const struct ledger_command *command, struct ledger_result *result)
{
    bool was_deducted = order->state == ORDER_DEDUCTED || order->state == ORDER_RETURNED;
    if (was_deducted && command->line_count == 0) {
        result->verdict = LEDGER_OK;
        result->replayed = true;
    } else {
        result->verdict = ledger_closed_verdict(order->state);
    }
}

static int64_t deductible(const struct order_line *line, bool reacquire)
{
    return reacquire ? line->expired : order_line_open(line);
}

/* A Deduct without lines is one of every unit there is to deduct. */
static void take_all_lines(struct line_set *lines, const struct order_record *order, bool reacquire)
{
    line_set_start(lines, order->line_count);
    for (uint32_t i = 0; i < order->line_count; i++) {
        const struct order_line *line = &order->lines[i];
        if (deductible(line, reacquire) > 0) {
            line_set_add(lines, line->sku, line->warehouse, deductible(line, reacquire));
        }
    }
}

static bool check_lines(struct ledger *ledger, bool reacquire, struct error *error)
{
    const struct order_record *order = &ledger->order.record;
    uint32_t at = 0;
    ledger_prepare_stocks(ledger);
    for (uint32_t i = 0; i < ledger->lines.count; i++) {
        struct summed_line *line = &ledger->lines.items[i];
        struct stock_slot *stock = &ledger->stocks.items[i];
        at = ledger_seek_order_line(order, at, line);
        int64_t units =
            ledger_order_line_is(order, at, line) ? deductible(&order->lines[at], reacquire) : 0;
        if (line->quantity > units) {
            line->reason = LEDGER_QUANTITY_EXCEEDS_OPEN;
            line->available = units;
            continue;
        }
        if (!ledger_load_stock(ledger, line->sku, line->warehouse, stock, error)) {
            return false;
        }
        int64_t held_by_others = reacquire ? stock->record.reserved : 0;
        ledger_judge_line(line, stock, stock->record.on_hand - held_by_others);
    }
    return true;
}

static bool deduct_lines(struct ledger *ledger, const struct ledger_command *command,
                         bool reacquire, struct error *error)
{
    struct order_slot *order = &ledger->order;
    uint32_t at = 0;
    for (uint32_t i = 0; i < ledger->lines.count; i++) {
        const struct summed_line *line = &ledger->lines.items[i];
        struct stock_change change = {HISTORY_DEDUCT, -line->quantity,
                                      reacquire ? 0 : -line->quantity, command->order_id, command};
        if (!ledger_change_stock(ledger, line->sku, line->warehouse, &ledger->stocks.items[i],
                                 &change, error)) {
            return false;
        }
        at = ledger_seek_order_line(&order->record, at, line);
        assert(ledger_order_line_is(&order->record, at, line));
        order->lines.items[at].deducted += line->quantity;
        if (reacquire) {
            order->lines.items[at].expired -= line->quantity;
        }
    }
    return true;
}

bool ledger_deduct(struct ledger *ledger, const struct ledger_command *command,
                   struct ledger_result *result, struct error *error)
{
    const struct order_record *order = &ledger->order.record;
    if (!ledger_load_order(ledger, command->order_id, error)) {
        return false;
    }
    if (!ledger->order.found) {
        result->verdict = LEDGER_ORDER_NOT_FOUND;
        return true;
    }
    result->order_state = order->state;
    bool reacquire = may_reacquire(order, command);
    if (order->state != ORDER_ACTIVE && !reacquire) {
        judge_closed_order(order, command, result);
        return true;
    }
    if (!ledger_order_request_may_act(ledger, command)) {
        result->verdict = LEDGER_REQUEST_EXPIRED;
        return true;
    }
    if (command->line_count == 0) {
        take_all_lines(&ledger->lines, order, reacquire);
    } else {
        line_set_sum(&ledger->lines, command->lines, command->line_count);
    }
    if (!check_lines(ledger, reacquire, error)) {
        return false;
    }
    if (ledger_refuse_lines(ledger, result)) {
        return true;
    }
    if (!deduct_lines(ledger, command, reacquire, error)) {
        return false;
    }
    if (command->final &&
        !ledger_give_back_open(ledger, command->order_id, HISTORY_RELEASE, command, error)) {
        return false;
    }
    if (!ledger_settle_order(ledger, command->order_id, ORDER_DEDUCTED, error)) {
        return false;
    }
    result->verdict = LEDGER_OK;
    result->order_state = order->state;
    return true;
}
