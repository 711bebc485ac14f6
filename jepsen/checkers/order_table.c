/*
 * order_table.c - one pass over the history.
 */
#include "order_table.h"

#include "order_rules.h"

static bool returned_earlier(const struct history *history, uint32_t at, uint32_t other)
{
    return other == NAME_NONE ||
           history->operations.items[at].completed < history->operations.items[other].completed;
}

/* Could the hold have ended by itself before the history did? */
static bool may_expire(const struct history *history, const struct operation *reserve,
                       const struct check_options *options)
{
    int64_t ttl_ms = reserve->number != 0 ? reserve->number : options->default_ttl_ms;
    return reserve->invoked_ns + (ttl_ms - options->expiry_slack_ms) * INT64_C(1000000) <=
           history->end_ns;
}

static void take_command(struct order_facts *facts, const struct history *history, uint32_t at,
                         const struct check_options *options)
{
    const struct operation *command = &history->operations.items[at];
    bool reserve = command->function == FUNCTION_RESERVE;
    bool done = command->outcome == OUTCOME_OK;
    if (command->outcome == OUTCOME_FAILED) {
        if (reserve && facts->reserve == NAME_NONE) {
            facts->reserve = at;
        }
        return;
    }
    facts->unsure |= command->outcome == OUTCOME_UNKNOWN || command->attempts > 1;
    facts->partial |= reserve ? command->add_lines
                              : command->asked_count > 0 || command->reacquire || command->final;
    if (reserve) {
        facts->reserve = facts->reserve == NAME_NONE ? at : facts->reserve;
        facts->possible |= command->outcome == OUTCOME_UNKNOWN || command->attempts > 1 || done;
        facts->unsure |= may_expire(history, command, options);
        if (done && !command->replayed && returned_earlier(history, at, facts->granted)) {
            facts->granted = at;
        }
    } else if (done && command->asked_count == 0 && command->function == FUNCTION_DEDUCT) {
        facts->deducted = returned_earlier(history, at, facts->deducted) ? at : facts->deducted;
    } else if (done && command->asked_count == 0 && command->existed) {
        facts->released = returned_earlier(history, at, facts->released) ? at : facts->released;
    }
}

struct order_facts *order_table(const struct history *history, const struct check_options *options)
{
    struct order_facts *table = memory_zalloc((history->texts.count + 1u) * sizeof *table);
    for (uint32_t i = 0; i < history->texts.count; i++) {
        table[i].reserve = table[i].granted = table[i].deducted = table[i].released = NAME_NONE;
    }
    for (uint32_t i = 0; i < history->operations.count; i++) {
        const struct operation *operation = &history->operations.items[i];
        if (function_is_order_command((enum event_function)operation->function)) {
            take_command(&table[operation->order], history, i, options);
        }
    }
    return table;
}

int64_t reserve_units(const struct history *history, uint32_t reserve, uint32_t stock)
{
    const struct operation *operation = &history->operations.items[reserve];
    int64_t units = 0;
    for (uint32_t i = 0; i < operation->asked_count; i++) {
        const struct history_line *line = &history->lines.items[operation->asked + i];
        units += line->stock == stock ? line->quantity : 0;
    }
    return units;
}
