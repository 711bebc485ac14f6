/*
 * release.c - Release: give a hold back.
 *
 * The happy path: the order is ACTIVE; the units (all that are open, or those of the lines) leave
 * reserved; the order is closed as RELEASED when nothing is left open. Without lines the command is
 * idempotent: what was released or has expired stays so (OK, replayed), and an order never seen
 * gets a tombstone, so that its Reserve, should it arrive late, can't leak a hold. Refusals: the
 * order was deducted or returned; the request is too old for its refusal to be known
 * (REQUEST_EXPIRED); lines of an order that is not known, or is closed, or holds less.
 */
#include "machine.h"

#include <assert.h>

static bool leave_tombstone(struct ledger *ledger, const struct ledger_command *command,
                            struct error *error)
{
    struct order_record *order = &ledger->order.record;
    *order = (struct order_record){
        .state = ORDER_RELEASED,
        .tombstone = true,
        .created_ms = ledger_now_ms(ledger),
        .closed_ms = ledger_now_ms(ledger),
        .purge_ms = ledger_now_ms(ledger) + ledger->settings.tombstone_retention_ms,
        .actor = command->actor,
        .reason = command->reason,
    };
    return ledger_schedule_purge(ledger, LEDGER_KIND_ORDER, command->order_id, order->purge_ms,
                                 error) &&
           ledger_save_order(ledger, command->order_id, error);
}

static void judge_closed_order(const struct order_record *order,
                               const struct ledger_command *command, struct ledger_result *result)
{
    bool given_back = order->state == ORDER_RELEASED || order->state == ORDER_EXPIRED;
    if (given_back && command->line_count == 0) {
        result->verdict = LEDGER_OK;
        result->replayed = true;
    } else {
        result->verdict = ledger_closed_verdict(order->state);
    }
}

static void check_lines(struct line_set *lines, const struct order_record *order)
{
    uint32_t at = 0;
    for (uint32_t i = 0; i < lines->count; i++) {
        struct summed_line *line = &lines->items[i];
        at = ledger_seek_order_line(order, at, line);
        int64_t open =
            ledger_order_line_is(order, at, line) ? order_line_open(&order->lines[at]) : 0;
        if (line->quantity > open) {
            line->reason = LEDGER_QUANTITY_EXCEEDS_OPEN;
            line->available = open;
        }
    }
}

static bool release_lines(struct ledger *ledger, const struct ledger_command *command,
                          struct error *error)
{
    struct order_slot *order = &ledger->order;
    uint32_t at = 0;
    for (uint32_t i = 0; i < ledger->lines.count; i++) {
        const struct summed_line *line = &ledger->lines.items[i];
        struct stock_slot stock;
        struct stock_change change = {HISTORY_RELEASE, 0, -line->quantity, command->order_id,
                                      command};
        if (!ledger_load_stock(ledger, line->sku, line->warehouse, &stock, error) ||
            !ledger_change_stock(ledger, line->sku, line->warehouse, &stock, &change, error)) {
            return false;
        }
        at = ledger_seek_order_line(&order->record, at, line);
        assert(ledger_order_line_is(&order->record, at, line));
        order->lines.items[at].released += line->quantity;
    }
    return true;
}

/* An order that is ACTIVE. */
static bool release_open(struct ledger *ledger, const struct ledger_command *command,
                         struct ledger_result *result, struct error *error)
{
    if (command->line_count == 0) {
        if (!ledger_give_back_open(ledger, command->order_id, HISTORY_RELEASE, command, error)) {
            return false;
        }
    } else {
        line_set_sum(&ledger->lines, command->lines, command->line_count);
        check_lines(&ledger->lines, &ledger->order.record);
        if (ledger_refuse_lines(ledger, result)) {
            return true;
        }
        if (!release_lines(ledger, command, error)) {
            return false;
        }
    }
    if (!ledger_settle_order(ledger, command->order_id, ORDER_RELEASED, error)) {
        return false;
    }
    result->verdict = LEDGER_OK;
    result->order_state = ledger->order.record.state;
    return true;
}

bool ledger_release(struct ledger *ledger, const struct ledger_command *command,
                    struct ledger_result *result, struct error *error)
{
    const struct order_record *order = &ledger->order.record;
    if (!ledger_load_order(ledger, command->order_id, error)) {
        return false;
    }
    if (!ledger->order.found) {
        if (command->line_count > 0) {
            result->verdict = LEDGER_ORDER_NOT_FOUND;
            return true;
        }
        if (!ledger_order_request_may_act(ledger, command)) {
            result->verdict = LEDGER_REQUEST_EXPIRED;
            return true;
        }
        result->verdict = LEDGER_OK;
        result->order_state = ORDER_RELEASED;
        return leave_tombstone(ledger, command, error);
    }
    result->existed = !order->tombstone;
    result->order_state = order->state;
    if (order->state == ORDER_ACTIVE) {
        if (!ledger_order_request_may_act(ledger, command)) {
            result->verdict = LEDGER_REQUEST_EXPIRED;
            return true;
        }
        return release_open(ledger, command, result, error);
    }
    judge_closed_order(order, command, result);
    return true;
}
