/*
 * check_oversell.c - never are more units promised than there are.
 *
 * Twice. Every stock that anybody was shown holds 0 <= reserved <= on hand. And in the order of the
 * log: of each stock, what is surely held at a moment against the most that can be on hand then.
 * Surely held is what was granted to orders of which everything is known, and not yet given back;
 * what is unknown counts for the ledger.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "log_order.h"
#include "order_table.h"

struct tally {
    int64_t most_on_hand; /* but for what may have been received */
    int64_t may_have_received;
    int64_t surely_held;
    bool unsure; /* a SetStock of unknown outcome: nothing bounds it */
    bool told;
};

struct oversell {
    struct check *check;
    const struct history *history;
    struct order_facts *orders;
    struct tally *tallies;
};

static bool is_shown_sound(const struct history_stock *stock)
{
    return !stock->found || (stock->reserved >= 0 && stock->reserved <= stock->on_hand);
}

static uint64_t check_shown(struct check *check, const struct history *history)
{
    uint64_t shown = 0;
    for (uint32_t i = 0; i < history->operations.count; i++) {
        const struct operation *operation = &history->operations.items[i];
        bool shows = operation->function == FUNCTION_READ_STOCK ||
                     operation->function == FUNCTION_SET_STOCK ||
                     operation->function == FUNCTION_ADJUST_STOCK;
        for (uint32_t k = 0; shows && k < operation->answered_count; k++) {
            const struct history_stock *stock = &history->stocks.items[operation->answered + k];
            struct bytes sku = history_sku(history, stock->stock);
            shown++;
            if (!is_shown_sound(stock)) {
                check_invalid(check, CHECK_NAMES(i),
                              "%.*s shows %" PRId64 " on hand and %" PRId64 " reserved",
                              (int)sku.len, (const char *)sku.data, stock->on_hand,
                              stock->reserved);
            }
        }
    }
    return shown;
}

/* ---- in the order of the log ---- */

/* What may have been received without anybody's knowing counts from the beginning. */
static void take_unknown(struct oversell *oversell)
{
    const struct history *history = oversell->history;
    for (uint32_t i = 0; i < history->operations.count; i++) {
        const struct operation *operation = &history->operations.items[i];
        bool hidden = operation->outcome == OUTCOME_UNKNOWN || operation->attempts > 1;
        if (!hidden || operation->outcome == OUTCOME_FAILED) {
            continue;
        }
        if (operation->function == FUNCTION_SET_STOCK) {
            oversell->tallies[operation_stock(history, operation)].unsure = true;
        } else if (operation->function == FUNCTION_ADJUST_STOCK) {
            struct tally *tally = &oversell->tallies[operation_stock(history, operation)];
            /* An answer that repeats is left out below, so that this is its only count. */
            int64_t quantity = operation_quantity(history, operation);
            tally->may_have_received += quantity > 0 ? quantity : 0;
        }
    }
}

static void tell(struct oversell *oversell, uint32_t at, uint32_t stock)
{
    struct tally *tally = &oversell->tallies[stock];
    struct bytes sku = history_sku(oversell->history, stock);
    int64_t most = tally->most_on_hand + tally->may_have_received;
    if (tally->unsure || tally->told || tally->surely_held <= most) {
        return;
    }
    tally->told = true;
    check_invalid(oversell->check, CHECK_NAMES(at),
                  "%.*s is oversold: %" PRId64 " held, of at most %" PRId64 " on hand",
                  (int)sku.len, (const char *)sku.data, tally->surely_held, most);
}

/* Units that the order holds, from its granted Reserve. */
static void change_held(struct oversell *oversell, uint32_t granted, int64_t sign, bool sold)
{
    const struct history *history = oversell->history;
    const struct operation *reserve = &history->operations.items[granted];
    for (uint32_t i = 0; i < reserve->asked_count; i++) {
        const struct history_line *line = &history->lines.items[reserve->asked + i];
        oversell->tallies[line->stock].surely_held += sign * line->quantity;
        oversell->tallies[line->stock].most_on_hand -= sold ? line->quantity : 0;
    }
}

static void take_order_command(struct oversell *oversell, uint32_t at)
{
    const struct history *history = oversell->history;
    const struct operation *command = &history->operations.items[at];
    const struct order_facts *facts = &oversell->orders[command->order];
    if (facts->unsure || facts->partial || facts->granted == NAME_NONE) {
        return;
    }
    if (at == facts->granted) {
        change_held(oversell, at, 1, false);
        for (uint32_t i = 0; i < command->asked_count; i++) {
            tell(oversell, at, history->lines.items[command->asked + i].stock);
        }
    } else if (!command->replayed && command->function != FUNCTION_RESERVE) {
        change_held(oversell, facts->granted, -1, command->function == FUNCTION_DEDUCT);
    }
}

static void take_stock_command(struct oversell *oversell, uint32_t at)
{
    const struct history *history = oversell->history;
    const struct operation *command = &history->operations.items[at];
    uint32_t stock = operation_stock(history, command);
    struct tally *tally = &oversell->tallies[stock];
    int64_t quantity = operation_quantity(history, command);
    if (command->replayed) {
        return;
    }
    if (command->function == FUNCTION_SET_STOCK) {
        tally->most_on_hand = quantity;
    } else if (command->attempts == 1 || quantity < 0) {
        tally->most_on_hand += quantity;
    }
    tell(oversell, at, stock);
}

void check_oversell(struct check *check, const struct history *history,
                    const struct check_options *options)
{
    uint32_t count;
    struct oversell oversell = {
        check, history, order_table(history, options),
        memory_zalloc((history_stock_count(history) + 1u) * sizeof(struct tally))};
    uint32_t *sorted = log_order(history, &count);
    uint64_t shown = check_shown(check, history);
    uint64_t granted = 0;
    take_unknown(&oversell);
    for (uint32_t i = 0; i < count; i++) {
        const struct operation *operation = &history->operations.items[sorted[i]];
        if (operation->outcome != OUTCOME_OK || !operation_is_command(operation)) {
            continue;
        }
        granted += operation->function == FUNCTION_RESERVE;
        if (function_is_order_command((enum event_function)operation->function)) {
            take_order_command(&oversell, sorted[i]);
        } else {
            take_stock_command(&oversell, sorted[i]);
        }
    }
    if (shown + granted > 0) {
        check_looked(check);
    }
    check_add_fact(check, "stocks-shown", (int64_t)shown);
    check_add_fact(check, "granted", (int64_t)granted);
    free(sorted);
    free(oversell.orders);
    free(oversell.tallies);
}
