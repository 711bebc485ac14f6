/*
 * order_table.h - what a history tells of each order at a glance: who acknowledged what first, and
 * whether somebody's doing is unknown. For checkers that don't replay.
 */
#ifndef JEPSEN_ORDER_TABLE_H
#define JEPSEN_ORDER_TABLE_H

#include "check.h"

struct order_facts {
    uint32_t reserve;  /* the first Reserve that was invoked, whatever became of it */
    uint32_t granted;  /* acknowledged, done by this very call; the one that returned first */
    uint32_t deducted; /* a whole Deduct that was acknowledged, replayed or not; returned first */
    uint32_t released; /* the same of Release; not of an order never seen */
    bool unsure; /* a command with an unknown outcome or more than one attempt, or its hold may have
                    expired */
    bool partial;  /* commands on some lines, lines that were added, a hold that was taken again */
    bool possible; /* some Reserve of it may have been executed */
};

/* One for each text of the history (most are no orders: reserve is NAME_NONE); the caller frees. */
struct order_facts *order_table(const struct history *history, const struct check_options *options);

/* Units of the stock that the Reserve asked for. */
int64_t reserve_units(const struct history *history, uint32_t reserve, uint32_t stock);

#endif
