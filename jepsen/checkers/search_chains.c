/*
 * search_chains.c - chains of optional items that make an item right which is wrong without them.
 *
 * All chains of length 1, then 2, and so on; one that holds a shorter one, and besides it only what
 * is about other orders, says nothing that could not come later. What may help an item that is
 * about an order alone is about that order; what may help one about the stock is everything.
 */
#include <stdlib.h>

#include "search_state.h"

/* ---- chains of optional items ---- */

/* The first return that is open: everything that is put in order now has begun before it. */
static uint32_t first_return(const struct search *search)
{
    uint32_t at = search->entries[0].next;
    while (at != NO_ENTRY && search->entries[at].call) {
        at = search->entries[at].next;
    }
    return at != NO_ENTRY ? search->entries[at].event : HISTORY_NEVER;
}

static bool is_alone(const struct search *search, uint32_t item)
{
    uint32_t number = search->order_of[item];
    return number != NAME_NONE && search->others[number] == 1 &&
           search->items[item].kind == SEARCH_COMMAND && search->items[item].before == NAME_NONE;
}

static bool does_the_same(const struct search *search, uint32_t a, uint32_t b)
{
    const struct operation *one = search_operation(search, a);
    const struct operation *other = search_operation(search, b);
    if (one->function != other->function || one->asked_count != 1 || other->asked_count != 1) {
        return false;
    }
    return operation_quantity(search->history, one) == operation_quantity(search->history, other);
}

/* Is an item in front of it in `optional` as good, and not used? */
static bool has_equal(const struct search *search, uint32_t place)
{
    uint32_t item = search->optional[place];
    for (uint32_t i = 0; is_alone(search, item) && i < place; i++) {
        uint32_t other = search->optional[i];
        if (!search->used[other] && is_alone(search, other) && does_the_same(search, item, other)) {
            return true;
        }
    }
    return false;
}

/* May an optional item help an item that is about this order (NAME_NONE: about stock only)? */
static bool may_help(const struct search *search, uint32_t item, uint32_t order)
{
    return search->on_stock || (order != NAME_NONE && search->order_of[item] == order);
}

static uint32_t rank_of(const struct search *search, uint32_t item)
{
    return search->order_of[item] == NAME_NONE ? search->order_count : search->order_of[item];
}

/* An item that is right as it is needs nothing of other orders before it, for that could as well
 * come behind it; only a SetStock commutes with nothing. On its own order there may still be
 * something: which act closes an order is told by their order. */
static bool is_about_stock(struct search *search, uint32_t item)
{
    const struct operation *operation = search_operation(search, item);
    return search->items[item].kind != SEARCH_ORDER &&
           (operation->function == FUNCTION_SET_STOCK || !search_is_right(search, item));
}

static void keep_chain(struct search *search, struct frame *frame)
{
    if (frame->chain_count == search->effort->chains) {
        search->incomplete = true;
        return;
    }
    if (frame->chains == NULL) {
        frame->chains = memory_alloc(search->effort->chains * sizeof *frame->chains);
    }
    frame->chains[frame->chain_count++] = search->trying;
}

/* Chains of `left` more items that make `item` right. The state is as it was, in the end. */
static void extend_chain(struct search *search, struct frame *frame, uint32_t item, uint32_t before,
                         uint32_t left)
{
    uint32_t order = search->order_of[item];
    uint32_t mark = search->undo_count;
    if (left == 0) {
        if (stock_is_sound(&search->stock) && search_is_right(search, item)) {
            keep_chain(search, frame);
        }
        return;
    }
    for (uint32_t i = 0; i < search->optional_count; i++) {
        uint32_t other = search->optional[i];
        const struct search_item *optional = &search->items[other];
        if (optional->begins >= before) {
            break;
        }
        if (search->used[other] || !may_help(search, other, order) ||
            (optional->before != NAME_NONE && search->used[optional->before]) ||
            (search->trying.count > 0 &&
             rank_of(search, other) <
                 rank_of(search, search->trying.items[search->trying.count - 1])) ||
            has_equal(search, i)) {
            continue;
        }
        if (search->work++ >= search->effort->work) {
            search->incomplete = true;
            return;
        }
        search_push(search, other);
        search_mark(search, other);
        if (search_run_optional(search, other)) {
            search->trying.items[search->trying.count++] = other;
            extend_chain(search, frame, item, before, left - 1);
            search->trying.count--;
        }
        search_go_back(search, mark);
    }
}

/* Is the item about this order, or that of some item of the chain? */
static bool is_bound(const struct search *search, uint32_t item, uint32_t order,
                     const struct chain *chain)
{
    uint32_t own = search->order_of[item];
    bool bound = own != NAME_NONE && own == order;
    for (uint32_t i = 0; own != NAME_NONE && i < chain->count; i++) {
        bound |= search->order_of[chain->items[i]] == own;
    }
    return bound;
}

/* Is one chain another with some left out that could as well come later? That holds for what is
 * about orders of its own only. */
static bool is_within(const struct search *search, uint32_t item, const struct chain *small,
                      const struct chain *large)
{
    uint32_t found = 0;
    for (uint32_t i = 0; i < large->count; i++) {
        if (found < small->count && large->items[i] == small->items[found]) {
            found++;
        } else if (is_bound(search, large->items[i], search->order_of[item], small)) {
            return false;
        }
    }
    return found == small->count;
}

static uint32_t latest_end(const struct search *search, const struct chain *chain)
{
    uint32_t latest = 0;
    for (uint32_t i = 0; i < chain->count; i++) {
        uint32_t ends = search->items[chain->items[i]].ends;
        latest = ends > latest ? ends : latest;
    }
    return latest;
}

/* What must take place soon is the better guess. */
static void sort_chains(const struct search *search, struct frame *frame)
{
    for (uint32_t i = 1; i < frame->chain_count; i++) {
        struct chain chain = frame->chains[i];
        uint32_t end = latest_end(search, &chain);
        uint32_t at = i;
        for (; at > 0 && latest_end(search, &frame->chains[at - 1]) > end; at--) {
            frame->chains[at] = frame->chains[at - 1];
        }
        frame->chains[at] = chain;
    }
}

static void look_for_chains(struct search *search, struct frame *frame, uint32_t item)
{
    uint32_t before = first_return(search);
    search->work = 0;
    search->trying.count = 0;
    search->on_stock = is_about_stock(search, item);
    for (uint32_t length = 1; length <= CHAIN && search->work < search->effort->work; length++) {
        uint32_t known = frame->chain_count;
        uint32_t work = search->work;
        extend_chain(search, frame, item, before, length);
        uint32_t kept = known;
        for (uint32_t i = known; i < frame->chain_count; i++) {
            bool more = false;
            for (uint32_t k = 0; k < known; k++) {
                more |= is_within(search, item, &frame->chains[k], &frame->chains[i]);
            }
            if (!more) {
                frame->chains[kept++] = frame->chains[i];
            }
        }
        frame->chain_count = kept;
        if (search->work == work) {
            return; /* nothing is left to add */
        }
        if (known > 0 && length > frame->chains[0].count + search->effort->beyond) {
            search->incomplete = true; /* longer ways are not looked for */
            return;
        }
    }
}

void search_find_chains(struct search *search, struct frame *frame, uint32_t item)
{
    look_for_chains(search, frame, item);
    sort_chains(search, frame);
}
