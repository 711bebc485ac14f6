/*
 * search_state.c - a configuration of the search: the stock, its orders, which items are in order;
 * how an item changes it, and the way back.
 */
#include "search_state.h"

#include "base/random.h"

const struct operation *search_operation(const struct search *search, uint32_t item)
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

void search_toggle(struct hash_pair *hash, struct hash_pair other)
{
    hash->low ^= other.low;
    hash->high ^= other.high;
}

struct hash_pair search_hash_of_order(const struct search *search, uint32_t number)
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
    search_toggle(&hash, search->orders_hash);
    return hash;
}

/* True: it is new. */
bool search_remember(struct search *search)
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

void search_push(struct search *search, uint32_t item)
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

void search_mark(struct search *search, uint32_t item)
{
    search->used[item] = !search->used[item];
    search_toggle(&search->in_order, search->marks[item]);
}

static void set_order(struct search *search, uint32_t number, const struct order_state *order)
{
    search_toggle(&search->orders_hash, search_hash_of_order(search, number));
    order_copy(&search->orders[number], order);
    search_toggle(&search->orders_hash, search_hash_of_order(search, number));
}

/* Takes calls and returns of what must be out of the list, or back in. */
void search_unlink(struct search *search, uint32_t item)
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

static void restore(struct search *search, const struct undo *undo)
{
    search->stock = undo->stock;
    search->orders_hash = undo->orders_hash;
    if (undo->order != NAME_NONE) {
        struct order_state *order = &search->orders[undo->order];
        order->state = undo->state;
        order->tombstone = undo->tombstone;
        order->line_count = undo->line_count;
        order->lines[0] = undo->line;
    }
}

void search_go_back(struct search *search, uint32_t to)
{
    while (search->undo_count > to) {
        const struct undo *undo = &search->undos[--search->undo_count];
        search_mark(search, undo->item);
        restore(search, undo);
        if (!search->items[undo->item].optional) {
            relink_item(search, undo->item);
        }
    }
}

/* ---- what items do ---- */

static void add_effect(struct stock_state *stock, const struct order_effects *effects)
{
    for (uint32_t i = 0; i < effects->count; i++) {
        stock->on_hand += effects->items[i].on_hand;
        stock->reserved += effects->items[i].reserved;
        stock->version += effects->items[i].on_hand != 0;
    }
}

static bool is_on_stock(int verdict)
{
    return verdict == HF_INSUFFICIENT_STOCK || verdict == HF_SKU_NOT_FOUND;
}

/* What a refused line found of this stock. */
static bool agrees_with_refusal(const struct search *search, const struct operation *command,
                                const struct order_effects *effects)
{
    int64_t available = stock_available(&search->stock);
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
    const struct operation *command = search_operation(search, item);
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
        if (!search->stock.found || effects.items[i].need > stock_available(&search->stock)) {
            return false;
        }
    }
    set_order(search, number, &order);
    add_effect(&search->stock, &effects);
    return true;
}

bool search_run_item(struct search *search, uint32_t at)
{
    const struct search_item *item = &search->items[at];
    const struct operation *operation = search_operation(search, at);
    int64_t available = stock_available(&search->stock);
    switch (item->kind) {
    case SEARCH_SEE:
        return stock_is_as_seen(&search->stock, &search->history->stocks.items[item->number]);
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
    return stock_run(&search->stock, search->history, operation) == operation->verdict &&
           (operation->answered_count == 0 ||
            stock_is_as_seen(&search->stock, &search->history->stocks.items[operation->answered]));
}

bool search_is_right(struct search *search, uint32_t item)
{
    search_push(search, item);
    bool right = search_run_item(search, item);
    restore(search, &search->undos[--search->undo_count]);
    return right;
}

/* An optional item takes effect; false: it would have none. */
bool search_run_optional(struct search *search, uint32_t at)
{
    const struct search_item *item = &search->items[at];
    const struct operation *operation = search_operation(search, at);
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
        return stock_run(&search->stock, search->history, operation) == HF_OK &&
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
