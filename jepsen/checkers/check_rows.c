/*
 * check_rows.c - the ledger's own record of what it did, against what it told its clients: every
 * change that the history of a stock shows was asked for by somebody, and every acknowledged one is
 * shown, once, at the place that its answer named.
 *
 * Of each stock the last linearizable reading of its history counts. What nobody knows explains
 * changes of its own order, or of its own stock; expiries are left to the witness.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "log_order.h"
#include "order_table.h"

struct rows {
    struct check *check;
    const struct history *history;
    struct order_facts *orders;
    const uint32_t *sorted; /* the answered operations by key */
    uint32_t sorted_count;
    bool *unsure;       /* stock -> a command on itself has an unknown outcome or was sent twice */
    uint32_t *readings; /* stock -> the last reading; NAME_NONE */
    int64_t compared;
};

static const struct operation *operation_at(const struct rows *rows, uint32_t at)
{
    return &rows->history->operations.items[at];
}

static const struct history_row *rows_of(const struct rows *rows, const struct operation *reading)
{
    return &rows->history->rows.items[reading->answered];
}

static uint32_t op_of(const struct operation *command)
{
    static const uint32_t ops[] = {
        [FUNCTION_SET_STOCK] = HF_OP_SET,   [FUNCTION_ADJUST_STOCK] = HF_OP_ADJUST,
        [FUNCTION_RESERVE] = HF_OP_RESERVE, [FUNCTION_DEDUCT] = HF_OP_DEDUCT,
        [FUNCTION_RELEASE] = HF_OP_RELEASE,
    };
    return ops[command->function];
}

static bool is_done(const struct operation *operation)
{
    return operation_is_command(operation) && operation->outcome == OUTCOME_OK &&
           !operation->replayed;
}

/* ---- each row was asked for ---- */

/* The first answered operation at this log index or behind it. */
static uint32_t first_at(const struct rows *rows, uint64_t log_index)
{
    uint32_t low = 0;
    uint32_t high = rows->sorted_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (operation_at(rows, rows->sorted[middle])->log_index < log_index) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static bool was_answered(const struct rows *rows, const struct history_row *row, uint32_t stock)
{
    for (uint32_t i = first_at(rows, row->log_index); i < rows->sorted_count; i++) {
        const struct operation *command = operation_at(rows, rows->sorted[i]);
        if (command->log_index != row->log_index) {
            break;
        }
        bool deducted_rest =
            row->op == HF_OP_RELEASE && command->function == FUNCTION_DEDUCT && command->final;
        if (is_done(command) && (op_of(command) == row->op || deducted_rest) &&
            (command->order != NAME_NONE ? command->order == row->order
                                         : operation_stock(rows->history, command) == stock)) {
            return true;
        }
    }
    return false;
}

static void check_row(struct rows *rows, uint32_t reading, const struct history_row *row,
                      uint32_t stock)
{
    bool of_order = row->op != HF_OP_SET && row->op != HF_OP_ADJUST;
    if (row->op == HF_OP_EXPIRE || was_answered(rows, row, stock)) {
        return;
    }
    if (of_order ? row->order != NAME_NONE && rows->orders[row->order].unsure
                 : rows->unsure[stock]) {
        return;
    }
    check_invalid(rows->check,
                  CHECK_NAMES(reading, row->order != NAME_NONE ? rows->orders[row->order].reserve
                                                               : NAME_NONE),
                  "the history has a %s at %" PRIu64 "/%" PRIu32 " that nobody was told of",
                  event_history_op_name((hf_history_op)row->op), row->log_index, row->sub);
}

static void check_reading(struct rows *rows, uint32_t stock)
{
    uint32_t reading = rows->readings[stock];
    const struct operation *read = operation_at(rows, reading);
    const struct history_row *all = rows_of(rows, read);
    for (uint32_t i = 0; i < read->answered_count; i++) {
        if (i > 0 && (all[i].log_index < all[i - 1].log_index ||
                      (all[i].log_index == all[i - 1].log_index && all[i].sub <= all[i - 1].sub))) {
            check_invalid(rows->check, CHECK_NAMES(reading),
                          "the history's rows at %" PRIu64 "/%" PRIu32 " are not in order",
                          all[i].log_index, all[i].sub);
        }
        check_row(rows, reading, &all[i], stock);
        rows->compared++;
    }
}

/* ---- each acknowledged change is shown ---- */

/* How often the reading shows it, with these changes. */
static uint32_t count_shown(const struct rows *rows, const struct operation *read,
                            const struct operation *command, int64_t on_hand, int64_t held)
{
    const struct history_row *all = rows_of(rows, read);
    uint32_t low = 0;
    uint32_t high = read->answered_count;
    uint32_t shown = 0;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (all[middle].log_index < command->log_index) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    for (; low < read->answered_count && all[low].log_index == command->log_index; low++) {
        shown += all[low].op == op_of(command) && all[low].on_hand_change == on_hand &&
                 all[low].reserved_change == held &&
                 (command->order == NAME_NONE || all[low].order == command->order);
    }
    return shown;
}

static void check_shown(struct rows *rows, uint32_t at, uint32_t stock, int64_t on_hand,
                        int64_t held)
{
    const struct operation *command = operation_at(rows, at);
    uint32_t reading = rows->readings[stock];
    if (reading == NAME_NONE || command->log_index > operation_at(rows, reading)->log_index) {
        return;
    }
    uint32_t shown = count_shown(rows, operation_at(rows, reading), command, on_hand, held);
    bool once = command->order != NAME_NONE; /* two adjustments of one entry may be alike */
    if (shown == 0 || (once && shown > 1)) {
        check_invalid(rows->check, CHECK_NAMES(at, reading),
                      shown == 0 ? "acknowledged, but the history of the stock does not have it"
                                 : "the history of the stock has it %" PRIu32 " times",
                      shown);
    }
}

/* Of orders of which everything is known. */
static void check_order_command(struct rows *rows, uint32_t at)
{
    const struct operation *command = operation_at(rows, at);
    const struct order_facts *facts = &rows->orders[command->order];
    if (facts->unsure || facts->partial || facts->granted == NAME_NONE ||
        (command->function == FUNCTION_RESERVE && at != facts->granted)) {
        return;
    }
    const struct operation *reserve = operation_at(rows, facts->granted);
    for (uint32_t i = 0; i < reserve->asked_count; i++) {
        uint32_t stock = rows->history->lines.items[reserve->asked + i].stock;
        int64_t units = reserve_units(rows->history, facts->granted, stock);
        check_shown(rows, at, stock, command->function == FUNCTION_DEDUCT ? -units : 0,
                    command->function == FUNCTION_RESERVE ? units : -units);
    }
}

static void check_command(struct rows *rows, uint32_t at)
{
    const struct operation *command = operation_at(rows, at);
    if (!is_done(command)) {
        return;
    }
    if (command->order != NAME_NONE) {
        check_order_command(rows, at);
    } else if (command->function == FUNCTION_ADJUST_STOCK) {
        check_shown(rows, at, operation_stock(rows->history, command),
                    operation_quantity(rows->history, command), 0);
    } /* a SetStock to what is there already changes nothing */
}

/* ---- */

static bool find_readings(struct rows *rows)
{
    const struct history *history = rows->history;
    bool any = false;
    for (uint32_t i = 0; i < history_stock_count(history); i++) {
        rows->readings[i] = NAME_NONE;
    }
    for (uint32_t i = 0; i < history->operations.count; i++) {
        const struct operation *operation = operation_at(rows, i);
        bool on_stock = operation->function == FUNCTION_SET_STOCK ||
                        operation->function == FUNCTION_ADJUST_STOCK;
        if (on_stock && operation->outcome != OUTCOME_FAILED &&
            (operation->outcome == OUTCOME_UNKNOWN || operation->attempts > 1)) {
            rows->unsure[operation_stock(history, operation)] = true;
        }
        if (operation->function == FUNCTION_READ_HISTORY && operation->verdict == HF_OK &&
            !operation->stale) {
            uint32_t *reading = &rows->readings[operation_stock(history, operation)];
            if (*reading == NAME_NONE ||
                operation->log_index >= operation_at(rows, *reading)->log_index) {
                *reading = i;
            }
            any = true;
        }
    }
    return any;
}

void check_rows(struct check *check, const struct history *history,
                const struct check_options *options)
{
    uint32_t stocks = history_stock_count(history);
    struct rows rows = {.check = check,
                        .history = history,
                        .orders = order_table(history, options),
                        .unsure = memory_zalloc((stocks + 1u) * sizeof(bool)),
                        .readings = memory_alloc((stocks + 1u) * sizeof(uint32_t))};
    uint32_t *sorted = log_order(history, &rows.sorted_count);
    rows.sorted = sorted;
    if (find_readings(&rows)) {
        check_looked(check);
        for (uint32_t stock = 0; stock < stocks; stock++) {
            if (rows.readings[stock] != NAME_NONE) {
                check_reading(&rows, stock);
            }
        }
        for (uint32_t i = 0; i < rows.sorted_count; i++) {
            check_command(&rows, sorted[i]);
        }
    }
    check_add_fact(check, "rows", rows.compared);
    free(sorted);
    free(rows.orders);
    free(rows.unsure);
    free(rows.readings);
}
