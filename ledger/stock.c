/*
 * stock.c - reading a stock and changing it. Every change of on_hand or reserved goes through
 * ledger_change_stock, which writes the stock and its history row together.
 *
 * Invariants: 0 <= reserved <= on_hand <= LIMIT_QUANTITY after each change that the commands make
 * (they have checked it before); one history row per change; version grows exactly when on_hand
 * changes. What can fail: the store; or a stock that does not hold what an order says it holds,
 * which no command can cause.
 */
#include "machine.h"

#include <inttypes.h>

bool ledger_load_stock(struct ledger *ledger, struct bytes sku, uint32_t warehouse,
                       struct stock_slot *slot, struct error *error)
{
    struct ledger_key key = ledger_key_stock(sku, warehouse);
    struct bytes value;
    *slot = (struct stock_slot){0};
    if (!ledger_load(ledger, &key, &value, &slot->found, error)) {
        return false;
    }
    if (slot->found) {
        slot->hash = ledger_record_hash(&key, value);
        return stock_record_decode(value, &slot->record, error);
    }
    return true;
}

void ledger_prepare_stocks(struct ledger *ledger)
{
    struct stock_slots *stocks = &ledger->stocks;
    stocks->items =
        array_grow(stocks->items, &stocks->capacity, ledger->lines.count, sizeof *stocks->items);
}

void ledger_judge_line(struct summed_line *line, const struct stock_slot *stock, int64_t available)
{
    line->available = available > 0 ? available : 0;
    if (!stock->found) {
        line->reason = LEDGER_SKU_NOT_FOUND;
    } else if (line->quantity > available) {
        line->reason = LEDGER_INSUFFICIENT_STOCK;
    }
}

static bool write_history(struct ledger *ledger, struct bytes sku, uint32_t warehouse,
                          const struct history_record *row, struct error *error)
{
    struct ledger_key key = ledger_key_history(sku, warehouse, ledger->index, ledger->sub);
    struct buffer *value = ledger_value(ledger);
    history_record_encode(value, row);
    ledger->sub++;
    return ledger_put(ledger, &key, NULL, buffer_bytes(value), NULL, error);
}

bool ledger_change_stock(struct ledger *ledger, struct bytes sku, uint32_t warehouse,
                         struct stock_slot *slot, const struct stock_change *change,
                         struct error *error)
{
    struct stock_record *stock = &slot->record;
    struct history_record row = {
        .op = change->op,
        .on_hand_before = stock->on_hand,
        .on_hand_after = stock->on_hand + change->on_hand,
        .reserved_before = stock->reserved,
        .reserved_after = stock->reserved + change->reserved,
        .time_ms = ledger_now_ms(ledger),
        .order_id = change->order_id,
    };
    if (change->command != NULL) {
        if (ledger_command_needs_request_id(change->command)) {
            row.request_id = change->command->request_id; /* else the order id tells */
        }
        row.actor = change->command->actor;
        row.reason = change->command->reason;
        row.remark = change->command->remark;
        row.trace_id = change->command->trace_id;
    }
    if (row.on_hand_after < 0 || row.on_hand_after > LIMIT_QUANTITY || row.reserved_after < 0 ||
        row.reserved_after > LIMIT_QUANTITY) {
        return ledger_contradiction(error,
                                    "stock %.*s in warehouse %" PRIu32 " has on_hand %" PRId64
                                    ", reserved %" PRId64 ", and should change by %" PRId64
                                    ", %" PRId64,
                                    (int)sku.len, (const char *)sku.data, warehouse, stock->on_hand,
                                    stock->reserved, change->on_hand, change->reserved);
    }
    if (!slot->found) {
        stock->version = 1;
        stock->created_ms = ledger_now_ms(ledger);
    } else if (change->on_hand != 0) {
        stock->version++;
    }
    stock->on_hand = row.on_hand_after;
    stock->reserved = row.reserved_after;
    stock->updated_ms = ledger_now_ms(ledger);
    stock->last_index = ledger->index;

    struct ledger_key key = ledger_key_stock(sku, warehouse);
    struct buffer *value = ledger_value(ledger);
    stock_record_encode(value, stock);
    const struct hash128 *before = slot->found ? &slot->hash : NULL;
    if (!ledger_put(ledger, &key, before, buffer_bytes(value), &slot->hash, error)) {
        return false;
    }
    slot->found = true;
    return write_history(ledger, sku, warehouse, &row, error);
}

void ledger_result_stock(struct ledger_result *result, const struct ledger_command *command,
                         const struct stock_slot *slot)
{
    result->has_stock = slot->found;
    result->stock_sku = command->sku;
    result->stock_warehouse = ledger_warehouse(command->warehouse);
    result->stock = slot->record;
}
