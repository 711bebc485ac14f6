/*
 * search.c - see search.h.
 *
 * A configuration is what has been put in order so far, and the state that this makes: the stock,
 * and the orders. From one, each item may come next whose invocation stands before the first return
 * that is still open. Configurations are remembered by a hash of 128 bits and not looked at twice.
 *
 * Items that must be are in a list of their calls and returns, in the order of events; putting one
 * in order takes both out, going back puts them in again.
 *
 * Optional items - of unknown outcome, expiries, first attempts of commands that were sent twice -
 * would double the configurations each. But to put one in earlier than something notices it gains
 * nothing: exchanged with what follows it, the order is as good. So an optional item is put in only
 * right before an item that is wrong without it, and a chain of them only if it makes that item
 * right. Within a chain, items of different orders commute, so they come in the order of their
 * orders; whether stock sufficed is looked at behind the chain, for of a sound end there is an
 * order in which it always did. Items that nothing else is about, and that do the same, are taken
 * in turn. What commutes with nothing (a SetStock of unknown outcome) makes a search that finds
 * nothing undecided.
 */
#include <stdlib.h>

#include "base/random.h"
#include "clock.h"
#include "search_state.h"

#define SEEN_BITS 26 /* configurations that are remembered: at most half of 2^bits */

/* What fails with the first is tried again with the second. */
static const struct effort efforts[] = {{64, 20000, 2}, {1024, 2000000, CHAIN}};

/* ---- the search ---- */

static void open_frame(struct search *search)
{
    struct frame *frame = &search->frames[search->depth];
    *frame = (struct frame){.call = 0, .undo_count = search->undo_count};
}

/* The next call that may come next, behind frame->call; false: there is none. */
static bool next_call(struct search *search, struct frame *frame)
{
    uint32_t at = search->entries[frame->call].next;
    if (at == NO_ENTRY || !search->entries[at].call) {
        return false;
    }
    frame->call = at;
    frame->chain_next = 0;
    frame->chain_count = 0;
    if (frame->explaining) {
        if (search->optional_count > 0) {
            search_find_chains(search, frame, search->entries[at].item);
        }
        return true;
    }
    frame->chain_count = 1; /* the empty one */
    return true;
}

/* Puts the chain and the call's item in order. False: it does not go, or was seen before. */
static bool advance(struct search *search, struct frame *frame, const struct chain *chain)
{
    uint32_t item = search->entries[frame->call].item;
    bool right = true;
    for (uint32_t i = 0; i < chain->count && right; i++) {
        search_push(search, chain->items[i]);
        search_mark(search, chain->items[i]);
        right = search_run_optional(search, chain->items[i]);
    }
    if (right) {
        search_push(search, item);
        search_mark(search, item);
        search_unlink(search, item);
        right = search_run_item(search, item) && search_remember(search);
    }
    if (!right) {
        search_go_back(search, frame->undo_count);
    }
    return right;
}

static void note_progress(struct search *search)
{
    if (search->depth >= search->report->furthest) {
        uint32_t at = search->entries[0].next;
        while (at != NO_ENTRY && search->entries[at].call) {
            at = search->entries[at].next;
        }
        search->report->furthest = search->depth;
        search->report->stuck =
            at != NO_ENTRY ? search->items[search->entries[at].item].operation : NAME_NONE;
    }
}

static enum search_outcome walk(struct search *search, int64_t deadline_ns)
{
    uint64_t *looked = &search->report->configurations;
    open_frame(search);
    note_progress(search);
    for (;;) {
        struct frame *frame = &search->frames[search->depth];
        if (search->entries[0].next == NO_ENTRY) {
            return SEARCH_FOUND;
        }
        if (frame->chain_next < frame->chain_count) {
            struct chain chain = {.count = 0};
            if (frame->explaining) {
                chain = frame->chains[frame->chain_next];
            }
            frame->chain_next++;
            if ((++*looked & 255) == 0 && clock_now_ns() > deadline_ns) {
                return SEARCH_GAVE_UP;
            }
            if (advance(search, frame, &chain)) {
                search->depth++;
                open_frame(search);
                note_progress(search);
            }
            continue;
        }
        if (next_call(search, frame)) {
            continue;
        }
        if (!frame->explaining) {
            frame->explaining = true;
            frame->call = 0;
            continue;
        }
        free(frame->chains);
        frame->chains = NULL;
        if (search->depth == 0) {
            return search->incomplete || search->hopeless ? SEARCH_GAVE_UP : SEARCH_IMPOSSIBLE;
        }
        search->depth--;
        search_go_back(search, search->frames[search->depth].undo_count);
    }
}

/* ---- begin and end ---- */

struct moment {
    uint32_t event;
    uint32_t item;
    bool call;
};

static int by_event(const void *left, const void *right)
{
    const struct moment *a = left;
    const struct moment *b = right;
    if (a->event != b->event) {
        return a->event < b->event ? -1 : 1;
    }
    if (a->call != b->call) {
        return a->call ? -1 : 1;
    }
    return a->item < b->item ? -1 : a->item > b->item;
}

static void make_list(struct search *search)
{
    struct moment *moments = memory_alloc((2u * search->count + 1u) * sizeof *moments);
    uint32_t count = 0;
    for (uint32_t i = 0; i < search->count; i++) {
        const struct search_item *item = &search->items[i];
        if (!item->optional) {
            moments[count++] = (struct moment){item->begins, i, true};
            moments[count++] = (struct moment){item->ends, i, false};
        }
    }
    qsort(moments, count, sizeof *moments, by_event);
    search->entries[0] = (struct entry){NO_ENTRY, count > 0 ? 1 : NO_ENTRY, 0, NAME_NONE, false};
    for (uint32_t i = 0; i < count; i++) {
        search->entries[i + 1] = (struct entry){i, i + 1 < count ? i + 2 : NO_ENTRY,
                                                moments[i].event, moments[i].item, moments[i].call};
        *(moments[i].call ? &search->calls[moments[i].item] : &search->returns[moments[i].item]) =
            i + 1;
    }
    free(moments);
}

static void list_optional(struct search *search)
{
    for (uint32_t i = 0; i < search->count; i++) {
        const struct search_item *item = &search->items[i];
        const struct operation *operation = search_operation(search, i);
        if (!item->optional || item->never) {
            continue;
        }
        search->hopeless |=
            search->order_of[i] == NAME_NONE &&
            (operation->function == FUNCTION_SET_STOCK || operation->has_expected_version);
        uint32_t at = search->optional_count++;
        for (; at > 0 && search->items[search->optional[at - 1]].begins > item->begins; at--) {
            search->optional[at] = search->optional[at - 1];
        }
        search->optional[at] = i;
    }
}

/* Few items look for each other; many have a table. */
#define FEW 64

static uint32_t find_order(const struct search *search, uint32_t item, const uint32_t *numbers)
{
    uint32_t name = search_operation(search, item)->order;
    if (numbers != NULL) {
        return numbers[name];
    }
    for (uint32_t i = 0; i < item; i++) {
        if (search_operation(search, i)->order == name && search->order_of[i] != NAME_NONE) {
            return search->order_of[i];
        }
    }
    return NAME_NONE;
}

static void number_orders(struct search *search)
{
    uint32_t texts = search->history->texts.count;
    uint32_t *numbers = NULL;
    if (search->count > FEW) {
        numbers = memory_alloc((texts + 1u) * sizeof *numbers);
        memset(numbers, 0xff, (texts + 1u) * sizeof *numbers);
    }
    for (uint32_t i = 0; i < search->count; i++) {
        uint32_t name = search_operation(search, i)->order;
        search->order_of[i] = NAME_NONE;
        if (name == NAME_NONE) {
            continue;
        }
        uint32_t number = find_order(search, i, numbers);
        search->order_of[i] = number != NAME_NONE ? number : search->order_count++;
        if (numbers != NULL) {
            numbers[name] = search->order_of[i];
        }
    }
    free(numbers);
    search->orders = memory_zalloc((search->order_count + 1u) * sizeof *search->orders);
    search->others = memory_zalloc((search->order_count + 1u) * sizeof *search->others);
    for (uint32_t i = 0; i < search->count; i++) {
        if (search->order_of[i] != NAME_NONE) {
            search->others[search->order_of[i]]++;
        }
    }
    for (uint32_t i = 0; i < search->order_count; i++) {
        search_toggle(&search->orders_hash, search_hash_of_order(search, i));
    }
}

static void free_search(struct search *search)
{
    for (uint32_t i = 0; i <= search->depth; i++) {
        free(search->frames[i].chains);
    }
    free(search->orders);
    free(search->order_of);
    free(search->others);
    free(search->entries);
    free(search->calls);
    free(search->returns);
    free(search->used);
    free(search->optional);
    free(search->marks);
    free(search->seen);
    free(search->undos);
    free(search->frames);
    free(search);
}

static enum search_outcome run_once(const struct history *history, const struct search_item *items,
                                    uint32_t count, int64_t deadline_ns,
                                    const struct effort *effort, struct search_report *report,
                                    bool *again)
{
    struct search *search = memory_zalloc(sizeof *search);
    struct random random = {count};
    search->effort = effort;
    search->history = history;
    search->items = items;
    search->count = count;
    search->report = report;
    search->order_of = memory_alloc((count + 1u) * sizeof *search->order_of);
    search->entries = memory_alloc((2u * count + 2u) * sizeof *search->entries);
    search->calls = memory_alloc((count + 1u) * sizeof *search->calls);
    search->returns = memory_alloc((count + 1u) * sizeof *search->returns);
    search->used = memory_zalloc((count + 1u) * sizeof *search->used);
    search->optional = memory_alloc((count + 1u) * sizeof *search->optional);
    search->marks = memory_alloc((count + 1u) * sizeof *search->marks);
    search->frames = memory_zalloc((count + 2u) * sizeof *search->frames);
    for (uint32_t i = 0; i < count; i++) {
        search->marks[i].low = random_next(&random);
        search->marks[i].high = random_next(&random);
    }
    search->seen_size = 256;
    while (search->seen_size < 256ull * count && count > 8 &&
           search->seen_size < UINT64_C(1) << SEEN_BITS) {
        search->seen_size *= 2;
    }
    search->seen = memory_zalloc(search->seen_size * sizeof *search->seen);
    number_orders(search);
    make_list(search);
    list_optional(search);
    enum search_outcome outcome = walk(search, deadline_ns);
    *again = outcome == SEARCH_GAVE_UP && !search->hopeless && clock_now_ns() < deadline_ns;
    free_search(search);
    return outcome;
}

enum search_outcome search_run(const struct history *history, const struct search_item *items,
                               uint32_t count, int64_t deadline_ns, struct search_report *report)
{
    enum search_outcome outcome = SEARCH_GAVE_UP;
    bool again = true;
    *report = (struct search_report){.stuck = NAME_NONE};
    for (size_t i = 0; i < sizeof efforts / sizeof *efforts && again; i++) {
        outcome = run_once(history, items, count, deadline_ns, &efforts[i], report, &again);
    }
    return outcome;
}
