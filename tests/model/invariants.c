/*
 * invariants.c - what must hold after every entry, checked twice: from running sums, for what the
 * entry touched; and with every sum made anew.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "base/limits.h"
#include "state.h"

static bool broken(struct error *error, const struct stock *stock, const char *rule, int64_t a,
                   int64_t b)
{
    return error_set(error, "stock %.*s@%" PRIu32 ": %s (%" PRId64 ", %" PRId64 ")",
                     (int)stock->sku.len, (const char *)stock->sku.data, stock->warehouse, rule, a,
                     b);
}

static bool check_stock(const struct stock *stock, int64_t held, int64_t on_hand_changes,
                        int64_t reserved_changes, struct error *error)
{
    const struct stock_record *now = state_stock_now(stock);
    if (now->on_hand < 0 || now->on_hand > LIMIT_QUANTITY) {
        return broken(error, stock, "on_hand out of bounds", now->on_hand, LIMIT_QUANTITY);
    }
    if (now->reserved < 0 || now->reserved > now->on_hand) {
        return broken(error, stock, "0 <= reserved <= on_hand fails", now->reserved, now->on_hand);
    }
    if (now->reserved != held) {
        return broken(error, stock, "reserved is not the sum of open holds", now->reserved, held);
    }
    if (now->on_hand != on_hand_changes) {
        return broken(error, stock, "on_hand is not the sum of its changes", now->on_hand,
                      on_hand_changes);
    }
    if (now->reserved != reserved_changes) {
        return broken(error, stock, "reserved is not the sum of its changes", now->reserved,
                      reserved_changes);
    }
    return true;
}

/* Each change begins where the one before ended; the version follows on_hand. */
static bool check_change(const struct stock *stock, uint32_t i, struct error *error)
{
    const struct change *change = &stock->changes.items[i];
    struct stock_record before =
        i != 0 ? stock->changes.items[i - 1].after : (struct stock_record){0};
    bool grew = i == 0 || change->row.on_hand_after != change->row.on_hand_before;
    if (change->row.on_hand_before != before.on_hand ||
        change->row.reserved_before != before.reserved ||
        change->row.on_hand_after != change->after.on_hand ||
        change->row.reserved_after != change->after.reserved) {
        return broken(error, stock, "a history row does not fit", before.on_hand,
                      change->row.on_hand_before);
    }
    if (change->after.version != before.version + grew) {
        return broken(error, stock, "version does not follow on_hand", (int64_t)before.version,
                      (int64_t)change->after.version);
    }
    return true;
}

bool model_check_invariants(const struct model *model, struct error *error)
{
    for (uint32_t i = 0; i < model->touched_stocks.count; i++) {
        const struct stock *stock = &model->stocks.items[model->touched_stocks.items[i]];
        if (!check_stock(stock, stock->held, stock->on_hand_changes, stock->reserved_changes,
                         error)) {
            return false;
        }
        for (uint32_t k = stock->changes.count;
             k > 0 && stock->changes.items[k - 1].row.index == model->last_index; k--) {
            if (!check_change(stock, k - 1, error)) {
                return false;
            }
        }
    }
    return true;
}

static bool check_order(const struct model *model, const struct order *order, int64_t *held,
                        struct error *error)
{
    const struct order_record *now = state_order_now(order);
    int64_t open_units = 0;
    for (uint32_t i = 0; now != NULL && i < now->line_count; i++) {
        const struct order_line *line = &now->lines[i];
        int64_t open = order_line_open(line);
        const struct stock *stock = state_stock(model, line->sku, line->warehouse);
        if (open < 0 || line->deducted < 0 || line->released < 0 || line->expired < 0 ||
            line->returned < 0 || line->returned > line->deducted || stock == NULL) {
            return error_set(error, "order %.*s: a line has given more than it had, or no stock",
                             (int)order->id.len, (const char *)order->id.data);
        }
        held[stock - model->stocks.items] += open;
        open_units += open;
    }
    if (now != NULL && (now->state == ORDER_ACTIVE) != (open_units > 0)) {
        return error_set(error, "order %.*s: state %d with %" PRId64 " open units",
                         (int)order->id.len, (const char *)order->id.data, (int)now->state,
                         open_units);
    }
    return true;
}

bool model_check_all_invariants(const struct model *model, struct error *error)
{
    int64_t *held = memory_zalloc((model->stocks.count + 1) * sizeof *held);
    bool good = true;
    for (uint32_t i = 0; good && i < model->orders.count; i++) {
        good = check_order(model, &model->orders.items[i], held, error);
    }
    for (uint32_t i = 0; good && i < model->stocks.count; i++) {
        const struct stock *stock = &model->stocks.items[i];
        int64_t on_hand = 0;
        int64_t reserved = 0;
        for (uint32_t k = 0; good && k < stock->changes.count; k++) {
            const struct history_record *row = &stock->changes.items[k].row;
            on_hand += row->on_hand_after - row->on_hand_before;
            reserved += row->reserved_after - row->reserved_before;
            good = check_change(stock, k, error);
        }
        good = good && check_stock(stock, held[i], on_hand, reserved, error) &&
               (stock->held == held[i] ||
                broken(error, stock, "the running sum of holds is wrong", stock->held, held[i]));
    }
    free(held);
    return good;
}
