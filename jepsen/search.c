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
#include "search.h"

#include <assert.h>
#include <stdlib.h>
#include <time.h>

#include "base/limits.h"
#include "base/random.h"
#include "order_rules.h"

#define CHAIN     12 /* optional items before one item */
#define SEEN_BITS 26 /* configurations that are remembered: at most half of 2^bits */
#define NO_ENTRY  UINT32_MAX

/* How hard the search tries to make one item right. What fails with the first is tried again with
 * the second. */
static const struct effort {
    uint32_t chains; /* ways */
    uint32_t work;   /* looked at for them */
    uint32_t beyond; /* how much longer than the shortest they may be */
} efforts[] = {{64, 20000, 2}, {1024, 2000000, CHAIN}};

struct stock_state {
    bool found;
    int64_t on_hand;
    int64_t reserved;
    uint64_t version;
};

/* A call or a return in the list. */
struct entry {
    uint32_t previous;
    uint32_t next;
    uint32_t event;
    uint32_t item;
    bool call;
};

struct undo {
    struct stock_state stock;
    uint32_t item;
    uint32_t order; /* NAME_NONE: it changed none */
    uint8_t state;
    bool tombstone;
    uint8_t line_count;
    struct order_line_state line;
    struct hash_pair {
        uint64_t low;
        uint64_t high;
    } orders_hash;
};

struct chain {
    uint32_t count;
    uint32_t items[CHAIN];
};

/* One step of the way: what came next, and what else could. */
struct frame {
    uint32_t call;        /* entry that is being tried */
    bool explaining;      /* second pass: with optional items */
    struct chain *chains; /* for this call */
    uint32_t chain_count;
    uint32_t chain_next;
    uint32_t undo_count; /* to go back to */
};

struct search {
    const struct history *history;
    const struct search_item *items;
    uint32_t count;
    struct stock_state stock;
    struct order_state *orders; /* by number */
    uint32_t *order_of;         /* item -> order number; NAME_NONE */
    uint32_t *others;           /* order number -> items that must be and are about it */
    uint32_t order_count;
    struct entry *entries; /* [0] is the list's head */
    uint32_t *calls;       /* item -> its entries */
    uint32_t *returns;
    bool *used;
    uint32_t *optional; /* items, by their beginnings */
    uint32_t optional_count;
    struct hash_pair *marks; /* of items */
    struct hash_pair in_order;
    struct hash_pair orders_hash;
    struct hash_pair *seen;
    uint64_t seen_count;
    uint64_t seen_size;
    struct undo *undos;
    uint32_t undo_count;
    uint32_t undo_capacity;
    struct frame *frames;
    uint32_t depth;
    const struct effort *effort;
    bool incomplete; /* something was not tried */
    bool hopeless;   /* nor would it be with more effort */
    uint32_t work;   /* of the chains for one item */
    struct chain trying;
    struct search_report *report;
};

static const struct operation *operation_of(const struct search *search, uint32_t item)
{
    return &search->history->operations.items[search->items[item].operation];
}

/* ---- hashes ---- */

static struct hash_pair mix(uint64_t low, uint64_t high)
{
    struct random one = {low};
    struct random other = {high ^ UINT64_C(0x5851f42d4c957f2d)};
    return (struct hash_pair){random_next(&one), random_next(&other)};
}

static void mix_in(struct hash_pair *hash, uint64_t value)
{
    *hash = mix(hash->low ^ value, hash->high + value);
}

static void toggle(struct hash_pair *hash, struct hash_pair other)
{
    hash->low ^= other.low;
    hash->high ^= other.high;
}

static struct hash_pair hash_of_order(const struct search *search, uint32_t number)
{
    const struct order_state *order = &search->orders[number];
    struct hash_pair hash = mix(number, number + 1u);
    mix_in(&hash,
           (uint64_t)order->state << 8 | (uint64_t)order->tombstone << 4 | order->line_count);
    for (uint32_t i = 0; i < order->line_count; i++) {
        mix_in(&hash, (uint64_t)order->lines[i].reserved);
        mix_in(&hash, (uint64_t)order->lines[i].deducted);
        mix_in(&hash, (uint64_t)order->lines[i].released);
        mix_in(&hash, (uint64_t)order->lines[i].expired);
    }
    return hash;
}

static struct hash_pair hash_of_all(const struct search *search)
{
    struct hash_pair hash = search->in_order;
    mix_in(&hash, (uint64_t)search->stock.on_hand << 1 | search->stock.found);
    mix_in(&hash, (uint64_t)search->stock.reserved);
    mix_in(&hash, search->stock.version);
    toggle(&hash, search->orders_hash);
    return hash;
}

/* True: it is new. */
static bool remember(struct search *search)
{
    struct hash_pair hash = hash_of_all(search);
    if (search->seen_count >= search->seen_size / 2) {
        return true; /* full: looked at again, perhaps */
    }
    uint64_t mask = search->seen_size - 1;
    hash.low |= hash.low == 0 && hash.high == 0;
    for (uint64_t at = hash.low & mask;; at = (at + 1) & mask) {
        struct hash_pair *slot = &search->seen[at];
        if (slot->low == 0 && slot->high == 0) {
            *slot = hash;
            search->seen_count++;
            return true;
        }
        if (slot->low == hash.low && slot->high == hash.high) {
            return false;
        }
    }
}

/* ---- the state, forth and back ---- */

static void grow_undos(struct search *search)
{
    if (search->undo_count == search->undo_capacity) {
        search->undo_capacity = search->undo_capacity * 2 + 64;
        search->undos =
            memory_realloc(search->undos, search->undo_capacity * sizeof *search->undos);
    }
}

static void push_undo(struct search *search, uint32_t item)
{
    grow_undos(search);
    uint32_t number = search->order_of[item];
    struct undo *undo = &search->undos[search->undo_count++];
    *undo = (struct undo){
        .stock = search->stock, .item = item, .order = number, .orders_hash = search->orders_hash};
    if (number != NAME_NONE) {
        const struct order_state *order = &search->orders[number];
        undo->state = order->state;
        undo->tombstone = order->tombstone;
        undo->line_count = order->line_count;
        undo->line = order->lines[0];
    }
}

static void mark_used(struct search *search, uint32_t item)
{
    search->used[item] = !search->used[item];
    toggle(&search->in_order, search->marks[item]);
}

static void set_order(struct search *search, uint32_t number, const struct order_state *order)
{
    toggle(&search->orders_hash, hash_of_order(search, number));
    order_copy(&search->orders[number], order);
    toggle(&search->orders_hash, hash_of_order(search, number));
}

/* Takes calls and returns of what must be out of the list, or back in. */
static void unlink_item(struct search *search, uint32_t item)
{
    uint32_t both[] = {search->calls[item], search->returns[item]};
    for (int i = 0; i < 2; i++) {
        struct entry *entry = &search->entries[both[i]];
        search->entries[entry->previous].next = entry->next;
        if (entry->next != NO_ENTRY) {
            search->entries[entry->next].previous = entry->previous;
        }
    }
}

static void relink_item(struct search *search, uint32_t item)
{
    uint32_t both[] = {search->returns[item], search->calls[item]};
    for (int i = 0; i < 2; i++) {
        struct entry *entry = &search->entries[both[i]];
        search->entries[entry->previous].next = both[i];
        if (entry->next != NO_ENTRY) {
            search->entries[entry->next].previous = both[i];
        }
    }
}

static void go_back(struct search *search, uint32_t to)
{
    while (search->undo_count > to) {
        const struct undo *undo = &search->undos[--search->undo_count];
        mark_used(search, undo->item);
        search->stock = undo->stock;
        search->orders_hash = undo->orders_hash;
        if (undo->order != NAME_NONE) {
            struct order_state *order = &search->orders[undo->order];
            order->state = undo->state;
            order->tombstone = undo->tombstone;
            order->line_count = undo->line_count;
            order->lines[0] = undo->line;
        }
        if (!search->items[undo->item].optional) {
            relink_item(search, undo->item);
        }
    }
}

/* ---- what items do ---- */

static bool is_sound(const struct stock_state *stock)
{
    return stock->on_hand >= 0 && stock->reserved >= 0 && stock->reserved <= stock->on_hand &&
           stock->on_hand <= LIMIT_QUANTITY;
}

static void add_effect(struct stock_state *stock, const struct order_effects *effects)
{
    for (uint32_t i = 0; i < effects->count; i++) {
        stock->on_hand += effects->items[i].on_hand;
        stock->reserved += effects->items[i].reserved;
        stock->version += effects->items[i].on_hand != 0;
    }
}

static int run_stock_command(struct stock_state *stock, const struct history *history,
                             const struct operation *command)
{
    int64_t quantity = operation_quantity(history, command);
    bool set = command->function == FUNCTION_SET_STOCK;
    if (!set && !stock->found) {
        return HF_SKU_NOT_FOUND;
    }
    if (command->has_expected_version && (uint64_t)command->number != stock->version) {
        return set && command->number == 0 ? HF_ALREADY_EXISTS : HF_VERSION_MISMATCH;
    }
    if (set) {
        if (quantity < stock->reserved) {
            return HF_BELOW_RESERVED;
        }
        stock->version += !stock->found || quantity != stock->on_hand;
        stock->found = true;
        stock->on_hand = quantity;
        return HF_OK;
    }
    if (quantity > LIMIT_QUANTITY - stock->on_hand) {
        return HF_OVERFLOW;
    }
    if (quantity < stock->reserved - stock->on_hand) {
        return HF_INSUFFICIENT_STOCK;
    }
    stock->on_hand += quantity;
    stock->version++;
    return HF_OK;
}

static bool is_as_seen(const struct stock_state *stock, const struct history_stock *seen)
{
    return seen->found ? stock->found && stock->on_hand == seen->on_hand &&
                             stock->reserved == seen->reserved && stock->version == seen->version
                       : !stock->found;
}

static bool is_on_stock(int verdict)
{
    return verdict == HF_INSUFFICIENT_STOCK || verdict == HF_SKU_NOT_FOUND;
}

/* What a refused line found of this stock. */
static bool agrees_with_refusal(const struct search *search, const struct operation *command,
                                const struct order_effects *effects)
{
    int64_t available = search->stock.on_hand - search->stock.reserved;
    bool enough = search->stock.found;
    for (uint32_t i = 0; i < effects->count; i++) {
        enough &= effects->items[i].need <= available;
    }
    for (uint32_t i = 0; i < command->answered_count; i++) {
        const struct history_failed_line *line =
            &search->history->failed.items[command->answered + i];
        if (line->reason == HF_SKU_NOT_FOUND
                ? search->stock.found
                : !search->stock.found || line->available != available) {
            return false;
        }
    }
    return !enough;
}

/* Does the model give this answer? If so the state is changed by it. */
static bool run_order_command(struct search *search, uint32_t item)
{
    const struct operation *command = operation_of(search, item);
    uint32_t number = search->order_of[item];
    struct order_state order;
    struct order_answer said;
    struct order_effects effects;
    order_copy(&order, &search->orders[number]);
    if (!order_apply(&order, search->history, command, &said, &effects)) {
        search->incomplete = true;
        return false;
    }
    if (said.replayed != command->replayed) {
        return false;
    }
    if (is_on_stock(command->verdict)) {
        return said.on_stock && agrees_with_refusal(search, command, &effects);
    }
    if (said.verdict != command->verdict ||
        (command->state != HF_STATE_NONE && said.state != command->state) ||
        (command->function == FUNCTION_RELEASE && said.existed != command->existed)) {
        return false;
    }
    if (said.verdict != HF_OK) {
        return true;
    }
    for (uint32_t i = 0; i < effects.count; i++) {
        if (!search->stock.found ||
            effects.items[i].need > search->stock.on_hand - search->stock.reserved) {
            return false;
        }
    }
    set_order(search, number, &order);
    add_effect(&search->stock, &effects);
    return true;
}

static bool run_item(struct search *search, uint32_t at)
{
    const struct search_item *item = &search->items[at];
    const struct operation *operation = operation_of(search, at);
    int64_t available = search->stock.on_hand - search->stock.reserved;
    switch (item->kind) {
    case SEARCH_SEE:
        return is_as_seen(&search->stock, &search->history->stocks.items[item->number]);
    case SEARCH_ORDER:
        return order_matches(&search->orders[search->order_of[at]], search->history, operation);
    case SEARCH_NEED:
        return search->stock.found && available >= item->number;
    case SEARCH_EXACTLY:
        return search->stock.found && available == item->number;
    case SEARCH_MISSING:
        return !search->stock.found;
    case SEARCH_EXPIRE:
        return false;
    case SEARCH_COMMAND:
        break;
    }
    if (function_is_order_command((enum event_function)operation->function)) {
        return run_order_command(search, at);
    }
    return run_stock_command(&search->stock, search->history, operation) == operation->verdict &&
           (operation->answered_count == 0 ||
            is_as_seen(&search->stock, &search->history->stocks.items[operation->answered]));
}

/* An optional item takes effect; false: it would have none. */
static bool run_optional(struct search *search, uint32_t at)
{
    const struct search_item *item = &search->items[at];
    const struct operation *operation = operation_of(search, at);
    uint32_t number = search->order_of[at];
    struct order_state order;
    struct order_answer said;
    struct order_effects effects;
    if (number == NAME_NONE) {
        uint64_t version = search->stock.version;
        if (operation->function == FUNCTION_ADJUST_STOCK && !operation->has_expected_version) {
            search->stock.on_hand += operation_quantity(search->history, operation);
            search->stock.version++;
            return search->stock.found;
        }
        return run_stock_command(&search->stock, search->history, operation) == HF_OK &&
               search->stock.version != version;
    }
    order_copy(&order, &search->orders[number]);
    if (item->kind == SEARCH_EXPIRE) {
        if (order.state != HF_STATE_ACTIVE) {
            return false;
        }
        order_expire(&order, &effects);
    } else if (!order_apply(&order, search->history, operation, &said, &effects)) {
        search->incomplete = true;
        return false;
    } else if (said.verdict != HF_OK || said.replayed) {
        return false;
    }
    set_order(search, number, &order);
    add_effect(&search->stock, &effects);
    return true;
}

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
    const struct operation *one = operation_of(search, a);
    const struct operation *other = operation_of(search, b);
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
static bool may_help(const struct search *search, uint32_t item, uint32_t order, bool on_stock)
{
    return on_stock || (order != NAME_NONE && search->order_of[item] == order);
}

static uint32_t rank_of(const struct search *search, uint32_t item)
{
    return search->order_of[item] == NAME_NONE ? search->order_count : search->order_of[item];
}

static bool is_about_stock(const struct search *search, uint32_t item)
{
    enum search_kind kind = search->items[item].kind;
    return kind != SEARCH_ORDER;
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
    bool on_stock = is_about_stock(search, item);
    uint32_t mark = search->undo_count;
    if (left == 0) {
        push_undo(search, item);
        search->undo_count--; /* kept aside: the item is not in the list's way */
        struct undo undo = search->undos[search->undo_count];
        bool right = is_sound(&search->stock) && run_item(search, item);
        search->stock = undo.stock;
        if (undo.order != NAME_NONE) {
            struct order_state *state = &search->orders[undo.order];
            state->state = undo.state;
            state->tombstone = undo.tombstone;
            state->line_count = undo.line_count;
            state->lines[0] = undo.line;
        }
        search->orders_hash = undo.orders_hash;
        if (right) {
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
        if (search->used[other] || !may_help(search, other, order, on_stock) ||
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
        push_undo(search, other);
        mark_used(search, other);
        if (run_optional(search, other)) {
            search->trying.items[search->trying.count++] = other;
            extend_chain(search, frame, item, before, left - 1);
            search->trying.count--;
        }
        go_back(search, mark);
    }
}

/* Is one chain within another? Then the longer says nothing that can't come later. */
static bool is_within(const struct chain *small, const struct chain *large)
{
    uint32_t found = 0;
    for (uint32_t i = 0; i < large->count && found < small->count; i++) {
        found += large->items[i] == small->items[found];
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

static void find_chains(struct search *search, struct frame *frame, uint32_t item)
{
    uint32_t before = first_return(search);
    search->work = 0;
    search->trying.count = 0;
    for (uint32_t length = 1; length <= CHAIN && search->work < search->effort->work; length++) {
        uint32_t known = frame->chain_count;
        uint32_t work = search->work;
        extend_chain(search, frame, item, before, length);
        uint32_t kept = known;
        for (uint32_t i = known; i < frame->chain_count; i++) {
            bool more = false;
            for (uint32_t k = 0; k < known; k++) {
                more |= is_within(&frame->chains[k], &frame->chains[i]);
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
            find_chains(search, frame, search->entries[at].item);
            sort_chains(search, frame);
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
        push_undo(search, chain->items[i]);
        mark_used(search, chain->items[i]);
        right = run_optional(search, chain->items[i]);
    }
    if (right) {
        push_undo(search, item);
        mark_used(search, item);
        unlink_item(search, item);
        right = run_item(search, item) && remember(search);
    }
    if (!right) {
        go_back(search, frame->undo_count);
    }
    return right;
}

static int64_t now_ns(void)
{
    struct timespec now = {0};
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
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
            if ((++*looked & 255) == 0 && now_ns() > deadline_ns) {
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
        go_back(search, search->frames[search->depth].undo_count);
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
        const struct operation *operation = operation_of(search, i);
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
    uint32_t name = operation_of(search, item)->order;
    if (numbers != NULL) {
        return numbers[name];
    }
    for (uint32_t i = 0; i < item; i++) {
        if (operation_of(search, i)->order == name && search->order_of[i] != NAME_NONE) {
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
        uint32_t name = operation_of(search, i)->order;
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
        toggle(&search->orders_hash, hash_of_order(search, i));
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
    *again = outcome == SEARCH_GAVE_UP && !search->hopeless && now_ns() < deadline_ns;
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
