/*
 * check_conservation.c - units come from somewhere and go somewhere: on hand = set + received -
 * sold, reserved = what open orders hold, when each stock is read for the last time.
 *
 * Both sides are sums over the history alone, without replay: what was acknowledged before that
 * read, in the order of the log. An order that was read at the end tells itself what it has
 * sold, however it came to that. What is unknown gives a range: an order of unknown fate may hold,
 * have sold, or neither. A stock with a SetStock of unknown outcome is left out.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "log_order.h"
#include "order_table.h"

struct range {
    int64_t least;
    int64_t most;
};

struct account {
    uint32_t read;  /* the last linearizable read of it; NAME_NONE: none */
    uint32_t shown; /* what it read, in history.stocks */
    uint64_t read_key;
    uint64_t set_key; /* of the last SetStock before that read; 0: none */
    uint32_t set;     /* this SetStock */
    bool unsure;
    struct range on_hand;
    struct range reserved;
    int64_t sold;
    int64_t received;
};

struct conservation {
    struct check *check;
    const struct history *history;
    struct order_facts *orders;
    uint32_t *order_reads; /* order -> the last linearizable read of it */
    struct account *accounts;
};

static const struct operation *operation_at(const struct conservation *conservation, uint32_t at)
{
    return &conservation->history->operations.items[at];
}

static void widen(struct range *range, int64_t least, int64_t most)
{
    range->least += least;
    range->most += most;
}

static void find_reads(struct conservation *conservation)
{
    const struct history *history = conservation->history;
    for (uint32_t i = 0; i < history_stock_count(history); i++) {
        conservation->accounts[i].read = NAME_NONE;
    }
    for (uint32_t i = 0; i < history->operations.count; i++) {
        const struct operation *read = operation_at(conservation, i);
        for (uint32_t k = 0;
             read->function == FUNCTION_READ_STOCK && !read->stale && k < read->answered_count;
             k++) {
            uint32_t shown = read->answered + k;
            struct account *account = &conservation->accounts[history->stocks.items[shown].stock];
            if (account->read == NAME_NONE || key_of(read) >= account->read_key) {
                account->read = i;
                account->shown = shown;
                account->read_key = key_of(read);
            }
        }
    }
}

/* ---- commands on stocks ---- */

static void take_set(struct conservation *conservation, const struct operation *set)
{
    const struct history *history = conservation->history;
    struct account *account = &conservation->accounts[operation_stock(history, set)];
    if (set->outcome == OUTCOME_UNKNOWN || set->attempts > 1) {
        account->unsure = true;
    } else if (set->outcome == OUTCOME_OK && !set->replayed && key_of(set) < account->read_key &&
               key_of(set) >= account->set_key) {
        account->set_key = key_of(set);
        account->set = (uint32_t)(set - history->operations.items);
        int64_t quantity = operation_quantity(history, set);
        account->on_hand = (struct range){quantity, quantity};
    }
}

/* All that is said under one request id is done once, if somebody was told that it is. */
struct request {
    uint32_t first; /* AdjustStock under it */
    uint32_t told; /* that was granted: the first to be so, or, if there is one, not a repetition */
};

static struct request *find_requests(const struct conservation *conservation)
{
    const struct history *history = conservation->history;
    struct request *requests = memory_alloc((history->texts.count + 1u) * sizeof *requests);
    for (uint32_t i = 0; i < history->texts.count; i++) {
        requests[i] = (struct request){NAME_NONE, NAME_NONE};
    }
    for (uint32_t i = 0; i < history->operations.count; i++) {
        const struct operation *adjust = operation_at(conservation, i);
        if (adjust->function != FUNCTION_ADJUST_STOCK || adjust->request == NAME_NONE) {
            continue;
        }
        struct request *request = &requests[adjust->request];
        request->first = request->first == NAME_NONE ? i : request->first;
        if (adjust->outcome == OUTCOME_OK &&
            (request->told == NAME_NONE ||
             (operation_at(conservation, request->told)->replayed && !adjust->replayed))) {
            request->told = i;
        }
    }
    return requests;
}

/* Of the request it is surely known that it was done behind the SetStock and before the read: told
 * so by one operation, it says nothing of the others. */
static bool take_request(struct conservation *conservation, const struct request *request,
                         const struct operation *adjust)
{
    if (request->told == NAME_NONE) {
        return false;
    }
    const struct operation *told = operation_at(conservation, request->told);
    const struct operation *first = operation_at(conservation, request->first);
    uint32_t stock = operation_stock(conservation->history, told);
    struct account *account = &conservation->accounts[stock];
    if (stock != operation_stock(conservation->history, adjust) || account->read == NAME_NONE ||
        key_of(told) >= account->read_key ||
        (account->set_key != 0 &&
         operation_at(conservation, account->set)->completed >= first->invoked)) {
        return false;
    }
    if (adjust == told) {
        int64_t quantity = operation_quantity(conservation->history, told);
        widen(&account->on_hand, quantity, quantity);
        account->received += quantity;
    }
    return true;
}

static void take_adjustment(struct conservation *conservation, const struct operation *adjust)
{
    const struct history *history = conservation->history;
    struct account *account = &conservation->accounts[operation_stock(history, adjust)];
    int64_t quantity = operation_quantity(history, adjust);
    if (adjust->outcome == OUTCOME_UNKNOWN ||
        (operation_answered(adjust) && adjust->attempts > 1)) {
        widen(&account->on_hand, quantity < 0 ? quantity : 0, quantity > 0 ? quantity : 0);
    } else if (adjust->outcome == OUTCOME_OK && !adjust->replayed &&
               key_of(adjust) < account->read_key && key_of(adjust) > account->set_key) {
        widen(&account->on_hand, quantity, quantity);
        account->received += quantity;
    }
}

static void take_stock_commands(struct conservation *conservation)
{
    const struct history *history = conservation->history;
    for (uint32_t i = 0; i < history->operations.count; i++) {
        if (operation_at(conservation, i)->function == FUNCTION_SET_STOCK) {
            take_set(conservation, operation_at(conservation, i));
        }
    }
    struct request *requests = find_requests(conservation);
    for (uint32_t i = 0; i < history->operations.count; i++) {
        const struct operation *adjust = operation_at(conservation, i);
        if (adjust->function == FUNCTION_ADJUST_STOCK &&
            (adjust->request == NAME_NONE ||
             !take_request(conservation, &requests[adjust->request], adjust))) {
            take_adjustment(conservation, adjust);
        }
    }
    free(requests);
}

/* ---- orders that were read ---- */

/* The last linearizable read of each order counts. */
static void find_order_reads(struct conservation *conservation)
{
    const struct history *history = conservation->history;
    for (uint32_t i = 0; i < history->texts.count; i++) {
        conservation->order_reads[i] = NAME_NONE;
    }
    for (uint32_t i = 0; i < history->operations.count; i++) {
        const struct operation *read = operation_at(conservation, i);
        if (read->function == FUNCTION_READ_ORDER && read->outcome == OUTCOME_OK && !read->stale &&
            conservation->orders[read->order].reserve != NAME_NONE) {
            uint32_t *last = &conservation->order_reads[read->order];
            *last = *last == NAME_NONE || key_of(read) >= key_of(operation_at(conservation, *last))
                        ? i
                        : *last;
        }
    }
}

/* Does the read show the order as it was when the stock was read? At the same index it does.
 * Deducted or released, an order never changes again (expired, it may be taken again); one that is
 * not there never was. */
static bool shows_order_at(const struct operation *read, uint64_t key)
{
    bool ended = read->verdict == HF_OK &&
                 (read->state == HF_STATE_DEDUCTED || read->state == HF_STATE_RELEASED);
    bool absent = read->verdict == HF_ORDER_NOT_FOUND;
    return key_of(read) == key || (ended && key_of(read) < key) || (absent && key_of(read) > key);
}

/* A read tells all of what the order did to the stock, and it did it behind the SetStock. */
static bool is_settled(const struct conservation *conservation, uint32_t order,
                       const struct account *account)
{
    uint32_t read = conservation->order_reads[order];
    if (read == NAME_NONE || account->read == NAME_NONE ||
        !shows_order_at(operation_at(conservation, read), account->read_key)) {
        return false;
    }
    uint32_t reserve = conservation->orders[order].reserve;
    return account->set_key == 0 || operation_at(conservation, account->set)->completed <
                                        operation_at(conservation, reserve)->invoked;
}

static void take_order_reads(struct conservation *conservation)
{
    const struct history *history = conservation->history;
    for (uint32_t order = 0; order < history->texts.count; order++) {
        if (conservation->order_reads[order] == NAME_NONE) {
            continue;
        }
        const struct operation *read = operation_at(conservation, conservation->order_reads[order]);
        for (uint32_t k = 0; k < read->answered_count; k++) {
            const struct history_order_line *line = &history->order_lines.items[read->answered + k];
            struct account *account = &conservation->accounts[line->stock];
            if (is_settled(conservation, order, account)) {
                int64_t held = line->reserved - line->deducted - line->released - line->expired;
                widen(&account->on_hand, -line->deducted, -line->deducted);
                widen(&account->reserved, held, held);
                account->sold += line->deducted;
            }
        }
    }
}

/* ---- other orders ---- */

static bool is_before(const struct conservation *conservation, uint32_t at, uint64_t key)
{
    return at != NAME_NONE && key_of(operation_at(conservation, at)) < key;
}

/* A whole deduct or release that was not a repetition says where it took place; of repetitions only
 * that it was before. */
static bool is_placed(const struct conservation *conservation, uint32_t at)
{
    return at == NAME_NONE || !operation_at(conservation, at)->replayed;
}

static void take_line(struct conservation *conservation, uint32_t order,
                      const struct history_line *line)
{
    const struct order_facts *facts = &conservation->orders[order];
    struct account *account = &conservation->accounts[line->stock];
    int64_t units = line->quantity;
    uint64_t key = account->read_key;
    if (account->read == NAME_NONE || is_settled(conservation, order, account)) {
        return;
    }
    if (facts->unsure || facts->partial || facts->granted == NAME_NONE ||
        !is_placed(conservation, facts->deducted) || !is_placed(conservation, facts->released)) {
        widen(&account->on_hand, -units, 0);
        widen(&account->reserved, 0, units);
    } else if (!is_before(conservation, facts->granted, key)) {
        return;
    } else if (is_before(conservation, facts->deducted, key)) {
        account->sold += units;
        if (!is_before(conservation, facts->deducted, account->set_key)) {
            widen(&account->on_hand, -units, -units);
        }
    } else if (!is_before(conservation, facts->released, key)) {
        widen(&account->reserved, units, units);
    }
}

/* An order that added lines, or conflicting Reserves of which one is unknown: all of their lines
 * count, as ranges. */
static void take_orders(struct conservation *conservation)
{
    const struct history *history = conservation->history;
    for (uint32_t i = 0; i < history->operations.count; i++) {
        const struct operation *reserve = operation_at(conservation, i);
        if (reserve->function != FUNCTION_RESERVE || reserve->outcome == OUTCOME_FAILED) {
            continue;
        }
        const struct order_facts *facts = &conservation->orders[reserve->order];
        bool counts = facts->unsure || facts->partial
                          ? reserve->outcome != OUTCOME_REFUSED || reserve->attempts > 1
                          : facts->granted == i;
        for (uint32_t k = 0; counts && facts->possible && k < reserve->asked_count; k++) {
            take_line(conservation, reserve->order, &history->lines.items[reserve->asked + k]);
        }
    }
}

static bool is_within(const struct range *range, int64_t value)
{
    return value >= range->least && value <= range->most;
}

static void compare(struct conservation *conservation, uint32_t stock)
{
    const struct account *account = &conservation->accounts[stock];
    struct bytes sku = history_sku(conservation->history, stock);
    const struct history_stock *shown = &conservation->history->stocks.items[account->shown];
    if (!shown->found) {
        if (account->set_key != 0) {
            check_invalid(conservation->check, CHECK_NAMES(account->read),
                          "%.*s was set, and is not there", (int)sku.len, (const char *)sku.data);
        }
        return;
    }
    if (!is_within(&account->on_hand, shown->on_hand)) {
        check_invalid(conservation->check, CHECK_NAMES(account->read),
                      "%.*s has %" PRId64 " on hand; set + received - sold is %" PRId64
                      " to %" PRId64,
                      (int)sku.len, (const char *)sku.data, shown->on_hand, account->on_hand.least,
                      account->on_hand.most);
    }
    if (!is_within(&account->reserved, shown->reserved)) {
        check_invalid(conservation->check, CHECK_NAMES(account->read),
                      "%.*s has %" PRId64 " reserved; orders hold %" PRId64 " to %" PRId64,
                      (int)sku.len, (const char *)sku.data, shown->reserved,
                      account->reserved.least, account->reserved.most);
    }
}

void check_conservation(struct check *check, const struct history *history,
                        const struct check_options *options)
{
    struct conservation conservation = {
        check, history, order_table(history, options),
        memory_alloc((history->texts.count + 1u) * sizeof(uint32_t)),
        memory_zalloc((history_stock_count(history) + 1u) * sizeof(struct account))};
    int64_t exact = 0;
    int64_t sold = 0;
    int64_t received = 0;
    find_reads(&conservation);
    take_stock_commands(&conservation);
    find_order_reads(&conservation);
    take_order_reads(&conservation);
    take_orders(&conservation);
    for (uint32_t i = 0; i < history_stock_count(history); i++) {
        const struct account *account = &conservation.accounts[i];
        if (account->read == NAME_NONE || account->unsure) {
            continue;
        }
        check_looked(check);
        exact += account->on_hand.least == account->on_hand.most &&
                 account->reserved.least == account->reserved.most;
        sold += account->sold;
        received += account->received;
        compare(&conservation, i);
    }
    check_add_fact(check, "stocks-known-exactly", exact);
    check_add_fact(check, "units-sold", sold);
    check_add_fact(check, "units-received", received);
    free(conservation.orders);
    free(conservation.order_reads);
    free(conservation.accounts);
}
