/*
 * stock_rules.c - see stock_rules.h.
 */
#include "stock_rules.h"

#include "base/limits.h"

bool stock_is_sound(const struct stock_state *stock)
{
    return stock->on_hand >= 0 && stock->reserved >= 0 && stock->reserved <= stock->on_hand &&
           stock->on_hand <= LIMIT_QUANTITY;
}

bool stock_is_as_seen(const struct stock_state *stock, const struct history_stock *seen)
{
    return seen->found ? stock->found && stock->on_hand == seen->on_hand &&
                             stock->reserved == seen->reserved && stock->version == seen->version
                       : !stock->found;
}

bool stock_states_equal(const struct stock_state *a, const struct stock_state *b)
{
    return a->found == b->found && a->on_hand == b->on_hand && a->reserved == b->reserved &&
           a->version == b->version;
}

static int set(struct stock_state *stock, int64_t quantity)
{
    if (quantity < stock->reserved) {
        return HF_BELOW_RESERVED;
    }
    stock->version += !stock->found || quantity != stock->on_hand;
    stock->found = true;
    stock->on_hand = quantity;
    return HF_OK;
}

static int adjust(struct stock_state *stock, int64_t change)
{
    if (change > LIMIT_QUANTITY - stock->on_hand) {
        return HF_OVERFLOW;
    }
    if (change < -stock_available(stock)) {
        return HF_INSUFFICIENT_STOCK;
    }
    stock->on_hand += change;
    stock->version++;
    return HF_OK;
}

int stock_run(struct stock_state *stock, const struct history *history,
              const struct operation *command)
{
    bool sets = command->function == FUNCTION_SET_STOCK;
    if (!sets && !stock->found) {
        return HF_SKU_NOT_FOUND;
    }
    if (command->has_expected_version && (uint64_t)command->number != stock->version) {
        return sets && command->number == 0 ? HF_ALREADY_EXISTS : HF_VERSION_MISMATCH;
    }
    return sets ? set(stock, operation_quantity(history, command))
                : adjust(stock, operation_quantity(history, command));
}
