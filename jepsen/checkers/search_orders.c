/*
 * search_orders.c - what each order alone says of its optional items, before the search begins.
 *
 * Evidence about an order may stand thousands of operations behind the moment when the search has
 * to decide: its last read says that a Reserve of unknown outcome never took effect. So each order
 * is searched by itself first, all orders of its items that keep real time and give each answer, as
 * if stocks always sufficed. An optional item that none of them has is dropped; one that never
 * stands before some item begins with it at the earliest, and one that always stands before some
 * item ends with it. All this only narrows: whatever the search of the stock finds is among it.
 */
#include <stdlib.h>

#include "order_rules.h"
#include "search.h"

#define ITEMS 40   /* of one order; with more it is left as it is */
#define WORK  4000 /* configurations of one order; likewise */

struct alone {
    const struct history *history;
    struct search_item *items; /* all of the search */
    uint32_t places[ITEMS];    /* of the order's own */
    uint32_t count;
    uint32_t must; /* those that are not optional */
    uint64_t done; /* bits by place */
    uint32_t work;
    uint64_t ever;          /* optional items that some order of items has */
    uint64_t always;        /* and that all have */
    uint64_t before[ITEMS]; /* [i]: items that stand somewhere before i */
    uint64_t after[ITEMS];  /* [i]: items that stand somewhere behind i, or are missing there */
    bool found;
    bool given_up;
};

static bool is_on_stock(int verdict)
{
    return verdict == HF_INSUFFICIENT_STOCK || verdict == HF_SKU_NOT_FOUND;
}

/* Does the item go here, as if stocks sufficed? */
static bool goes(struct alone *alone, const struct search_item *item, struct order_state *order)
{
    const struct operation *operation = &alone->history->operations.items[item->operation];
    struct order_state after;
    struct order_answer said;
    struct order_effects effects;
    if (item->kind == SEARCH_ORDER) {
        return order_matches(order, alone->history, operation);
    }
    if (item->kind == SEARCH_EXPIRE) {
        if (order->state != HF_STATE_ACTIVE) {
            return false;
        }
        order_expire(order, &effects);
        return true;
    }
    order_copy(&after, order);
    if (!order_apply(&after, alone->history, operation, &said, &effects)) {
        alone->given_up = true;
        return false;
    }
    if (item->optional) {
        order_copy(order, &after);
        return said.verdict == HF_OK && !said.replayed;
    }
    if (said.replayed != operation->replayed) {
        return false;
    }
    if (is_on_stock(operation->verdict)) {
        return said.on_stock;
    }
    order_copy(order, &after);
    return said.verdict == operation->verdict &&
           (operation->state == HF_STATE_NONE || said.state == operation->state) &&
           (operation->function != FUNCTION_RELEASE || said.existed == operation->existed);
}

/* All that must be is in order. */
static void note_found(struct alone *alone, const uint64_t *in_front)
{
    for (uint32_t i = 0; i < alone->count; i++) {
        bool here = (alone->done >> i & 1) != 0;
        alone->before[i] |= here ? in_front[i] : 0;
        for (uint32_t k = 0; k < alone->count; k++) {
            /* i is not always before k, unless it is here and in front of it */
            if (!here || (in_front[k] >> i & 1) == 0) {
                alone->after[k] |= UINT64_C(1) << i;
            }
        }
    }
    alone->ever |= alone->done;
    alone->always &= alone->done;
    alone->found = true;
}

static void walk(struct alone *alone, const struct order_state *order, uint64_t *in_front,
                 uint32_t left)
{
    uint32_t first_end = HISTORY_NEVER;
    if (alone->work++ >= WORK) {
        alone->given_up = true;
    }
    if (alone->given_up) {
        return;
    }
    if (left == 0) {
        note_found(alone, in_front);
    }
    for (uint32_t i = 0; i < alone->count; i++) {
        const struct search_item *item = &alone->items[alone->places[i]];
        if ((alone->done >> i & 1) == 0 && !item->optional && item->ends < first_end) {
            first_end = item->ends;
        }
    }
    for (uint32_t i = 0; i < alone->count; i++) {
        const struct search_item *item = &alone->items[alone->places[i]];
        struct order_state next;
        bool late = false;
        if ((alone->done >> i & 1) != 0 || item->begins > first_end) {
            continue;
        }
        for (uint32_t k = 0; item->optional && item->before != NAME_NONE && k < alone->count; k++) {
            late |= alone->places[k] == item->before && (alone->done >> k & 1) != 0;
        }
        order_copy(&next, order);
        if (late || !goes(alone, item, &next)) {
            continue;
        }
        in_front[i] = alone->done;
        alone->done |= UINT64_C(1) << i;
        walk(alone, &next, in_front, left - !item->optional);
        alone->done &= ~(UINT64_C(1) << i);
        in_front[i] = 0;
    }
}

static void narrow(struct alone *alone)
{
    for (uint32_t i = 0; i < alone->count; i++) {
        struct search_item *item = &alone->items[alone->places[i]];
        if (!item->optional) {
            continue;
        }
        if ((alone->ever >> i & 1) == 0) {
            item->never = true;
            continue;
        }
        for (uint32_t k = 0; k < alone->count; k++) {
            const struct search_item *other = &alone->items[alone->places[k]];
            if (other->optional) {
                continue;
            }
            if ((alone->before[k] >> i & 1) == 0 && other->begins > item->begins) {
                item->begins = other->begins;
            }
            if ((alone->always >> i & 1) != 0 && (alone->after[k] >> i & 1) == 0 &&
                other->ends < item->ends) {
                item->ends = other->ends;
            }
        }
    }
}

static void refine_order(struct alone *alone)
{
    struct order_state order = {0};
    uint64_t in_front[ITEMS] = {0};
    alone->done = 0;
    alone->work = 0;
    alone->ever = 0;
    alone->always = UINT64_MAX;
    alone->found = false;
    alone->given_up = false;
    memset(alone->before, 0, sizeof alone->before);
    memset(alone->after, 0, sizeof alone->after);
    walk(alone, &order, in_front, alone->must);
    if (alone->found && !alone->given_up) {
        narrow(alone);
    }
}

struct of_order {
    uint32_t order;
    uint32_t place;
};

static int by_order(const void *left, const void *right)
{
    const struct of_order *a = left;
    const struct of_order *b = right;
    if (a->order != b->order) {
        return a->order < b->order ? -1 : 1;
    }
    return a->place < b->place ? -1 : a->place > b->place;
}

void search_refine(const struct history *history, struct search_item *items, uint32_t count)
{
    struct alone *alone = memory_zalloc(sizeof *alone);
    struct of_order *sorted = memory_alloc((count + 1u) * sizeof *sorted);
    uint32_t found = 0;
    alone->history = history;
    alone->items = items;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t order = history->operations.items[items[i].operation].order;
        if (order != NAME_NONE) {
            sorted[found++] = (struct of_order){order, i};
        }
    }
    qsort(sorted, found, sizeof *sorted, by_order);
    for (uint32_t i = 0; i < found;) {
        uint32_t end = i;
        alone->count = 0;
        alone->must = 0;
        for (; end < found && sorted[end].order == sorted[i].order; end++) {
            if (alone->count < ITEMS) {
                alone->places[alone->count++] = sorted[end].place;
            }
            alone->must += !items[sorted[end].place].optional;
        }
        if (end - i <= ITEMS && alone->must < alone->count) {
            refine_order(alone);
        }
        i = end;
    }
    free(sorted);
    free(alone);
}
