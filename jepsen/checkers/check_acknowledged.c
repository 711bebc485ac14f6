/*
 * check_acknowledged.c - nothing acknowledged is lost, nothing is done twice, and nothing is done
 * that was said not to be.
 *
 * By orders and real time alone, without the log: what was acknowledged before a linearizable read
 * of its order was invoked must show in it. Closed orders never open again, so each read of an
 * order is held against the first acknowledgement of each kind.
 */
#include <stdlib.h>

#include "order_rules.h"
#include "order_table.h"

struct acknowledged {
    struct check *check;
    const struct history *history;
    struct order_facts *orders;
};

static const struct operation *operation_at(const struct acknowledged *acknowledged, uint32_t at)
{
    return &acknowledged->history->operations.items[at];
}

static bool returned_before(const struct acknowledged *acknowledged, uint32_t at,
                            const struct operation *read)
{
    return at != NAME_NONE && operation_at(acknowledged, at)->completed < read->invoked;
}

/* The granted units, line by line. */
static bool has_lines(const struct acknowledged *acknowledged, const struct operation *read,
                      uint32_t granted)
{
    const struct history *history = acknowledged->history;
    for (uint32_t i = 0; i < read->answered_count; i++) {
        const struct history_order_line *line = &history->order_lines.items[read->answered + i];
        if (reserve_units(history, granted, line->stock) != line->reserved) {
            return false;
        }
    }
    const struct operation *reserve = operation_at(acknowledged, granted);
    for (uint32_t i = 0; i < reserve->asked_count; i++) {
        bool found = false;
        for (uint32_t k = 0; k < read->answered_count; k++) {
            found |= history->order_lines.items[read->answered + k].stock ==
                     history->lines.items[reserve->asked + i].stock;
        }
        if (!found) {
            return false;
        }
    }
    return true;
}

static void check_read(struct acknowledged *acknowledged, uint32_t at)
{
    struct check *check = acknowledged->check;
    const struct operation *read = operation_at(acknowledged, at);
    const struct order_facts *facts = &acknowledged->orders[read->order];
    bool found = read->verdict == HF_OK;
    if (!found && returned_before(acknowledged, facts->granted, read)) {
        check_invalid(check, CHECK_NAMES(facts->granted, at), "an acknowledged hold is lost");
    } else if (found && returned_before(acknowledged, facts->granted, read) && !facts->partial &&
               !has_lines(acknowledged, read, facts->granted)) {
        check_invalid(check, CHECK_NAMES(facts->granted, at),
                      "an acknowledged hold has other lines than were reserved");
    }
    if (returned_before(acknowledged, facts->deducted, read) && read->state != HF_STATE_DEDUCTED &&
        read->state != HF_STATE_RETURNED) {
        check_invalid(check, CHECK_NAMES(facts->deducted, at), "an acknowledged deduct is lost");
    }
    if (returned_before(acknowledged, facts->released, read) && read->state != HF_STATE_RELEASED &&
        read->state != HF_STATE_EXPIRED && !facts->partial) {
        check_invalid(check, CHECK_NAMES(facts->released, at), "an acknowledged release is lost");
    }
    if (found && read->answered_count > 0 && !facts->possible) {
        check_invalid(check, CHECK_NAMES(facts->reserve, at),
                      facts->reserve == NAME_NONE
                          ? "an order is there that nobody reserved"
                          : "an order is there whose Reserve was surely not executed");
    }
}

/* ---- twice ---- */

/* Was this done by this call, and not found done? */
static bool is_done(const struct operation *operation)
{
    return operation_is_command(operation) && operation->outcome == OUTCOME_OK &&
           !operation->replayed;
}

/* The first that did it, by what tells repetitions: the request id, or the order and the act. */
static void check_twice(struct acknowledged *acknowledged)
{
    const struct history *history = acknowledged->history;
    size_t texts = history->texts.count + 1u;
    uint32_t *firsts = memory_alloc(texts * 4 * sizeof *firsts);
    memset(firsts, 0xff, texts * 4 * sizeof *firsts);
    for (uint32_t i = 0; i < history->operations.count; i++) {
        const struct operation *operation = operation_at(acknowledged, i);
        bool by_request = command_needs_request(operation);
        uint32_t name = by_request ? operation->request : operation->order;
        uint32_t act = by_request ? 3 : operation->function - (uint32_t)FUNCTION_RESERVE;
        if (!is_done(operation) || name == NAME_NONE || operation->add_lines ||
            (!by_request && acknowledged->orders[operation->order].partial)) {
            continue;
        }
        uint32_t *first = &firsts[(size_t)act * texts + name];
        if (*first == NAME_NONE) {
            *first = i;
        } else {
            check_invalid(acknowledged->check, CHECK_NAMES(*first, i),
                          "done twice: neither answer says that it repeats");
        }
    }
    free(firsts);
}

void check_acknowledged(struct check *check, const struct history *history,
                        const struct check_options *options)
{
    struct acknowledged acknowledged = {check, history, order_table(history, options)};
    bool *read = memory_zalloc((history->texts.count + 1u) * sizeof *read);
    int64_t never_read = 0;
    int64_t held = 0;
    for (uint32_t i = 0; i < history->operations.count; i++) {
        const struct operation *operation = operation_at(&acknowledged, i);
        if (operation->function == FUNCTION_READ_ORDER && operation->outcome == OUTCOME_OK &&
            !operation->stale) {
            read[operation->order] = true;
            check_looked(check);
            check_read(&acknowledged, i);
        }
    }
    for (uint32_t i = 0; i < history->texts.count; i++) {
        held += acknowledged.orders[i].granted != NAME_NONE;
        never_read += acknowledged.orders[i].granted != NAME_NONE && !read[i];
    }
    if (held > 0) {
        check_looked(check);
    }
    check_twice(&acknowledged);
    check_add_fact(check, "orders-acknowledged", held);
    check_add_fact(check, "orders-never-read", never_read);
    free(read);
    free(acknowledged.orders);
}
