/*
 * stock_commands.c - SetStock and AdjustStock: what people and deliveries do to a stock.
 *
 * Order of checks: existence (AdjustStock), expected_version, then the quantity. A stock that does
 * not exist has version 0 for the comparison, as expected_version 0 means "must not exist". The
 * result shows the stock as it is afterwards, after a refusal too: whoever lost a comparison wants
 * to know against what.
 */
#include "machine.h"

static bool finish_stock_command(struct ledger *ledger, const struct ledger_command *command,
                                 struct stock_slot *slot, const struct stock_change *change,
                                 struct ledger_result *result, struct error *error)
{
    if (result->verdict == LEDGER_VERDICT_UNSPECIFIED) {
        result->verdict = LEDGER_OK;
        /* Setting what is there already changes nothing and leaves no row; creating an empty stock
         * does. */
        if ((change->on_hand != 0 || !slot->found) &&
            !ledger_change_stock(ledger, command->sku, ledger_warehouse(command->warehouse), slot,
                                 change, error)) {
            return false;
        }
    }
    ledger_result_stock(result, command, slot);
    return true;
}

bool ledger_set_stock(struct ledger *ledger, const struct ledger_command *command,
                      struct ledger_result *result, struct error *error)
{
    struct stock_slot slot;
    if (!ledger_load_stock(ledger, command->sku, ledger_warehouse(command->warehouse), &slot,
                           error)) {
        return false;
    }
    const struct stock_record *stock = &slot.record; /* zero if not found, its version too */
    if (command->has_expected_version && command->expected_version != stock->version) {
        result->verdict =
            command->expected_version == 0 ? LEDGER_ALREADY_EXISTS : LEDGER_VERSION_MISMATCH;
    } else if (command->quantity < stock->reserved) {
        result->verdict = LEDGER_BELOW_RESERVED;
    }
    struct stock_change change = {
        .op = HISTORY_SET, .on_hand = command->quantity - stock->on_hand, .command = command};
    return finish_stock_command(ledger, command, &slot, &change, result, error);
}

bool ledger_adjust_stock(struct ledger *ledger, const struct ledger_command *command,
                         struct ledger_result *result, struct error *error)
{
    struct stock_slot slot;
    if (!ledger_load_stock(ledger, command->sku, ledger_warehouse(command->warehouse), &slot,
                           error)) {
        return false;
    }
    const struct stock_record *stock = &slot.record;
    if (!slot.found) {
        result->verdict = LEDGER_SKU_NOT_FOUND;
    } else if (command->has_expected_version && command->expected_version != stock->version) {
        result->verdict = LEDGER_VERSION_MISMATCH;
    } else if (command->quantity < 0 && -command->quantity > stock->on_hand - stock->reserved) {
        result->verdict = LEDGER_INSUFFICIENT_STOCK;
    } else if (command->quantity > LIMIT_QUANTITY - stock->on_hand) {
        result->verdict = LEDGER_OVERFLOW;
    }
    struct stock_change change = {
        .op = HISTORY_ADJUST, .on_hand = command->quantity, .command = command};
    return finish_stock_command(ledger, command, &slot, &change, result, error);
}
