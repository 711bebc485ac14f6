/*
 * stock_rules.h - one stock, and what SetStock and AdjustStock make of it; written from the rules,
 * as order_rules.h, which has what orders do to it.
 */
#ifndef JEPSEN_STOCK_RULES_H
#define JEPSEN_STOCK_RULES_H

#include "order_rules.h"

struct stock_state {
    bool found;
    int64_t on_hand;
    int64_t reserved;
    uint64_t version;
};

static inline int64_t stock_available(const struct stock_state *stock)
{
    return stock->on_hand - stock->reserved;
}

/* The ledger's invariants of it. */
bool stock_is_sound(const struct stock_state *stock);
/* Is it as it was shown? */
bool stock_is_as_seen(const struct stock_state *stock, const struct history_stock *seen);
bool stock_states_equal(const struct stock_state *a, const struct stock_state *b);
/* The verdict; refused: nothing changes. */
int stock_run(struct stock_state *stock, const struct history *history,
              const struct operation *command);

#endif
