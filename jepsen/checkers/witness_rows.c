/*
 * witness_rows.c - where stocks' histories show what no answer places.
 *
 * An expiry has no answer, and that of a Deduct that reacquires does not say whether its order had
 * expired before. What each does to a stock is a row of that stock's history, if anybody has read
 * it. A witness may come from anywhere: here it comes from the ledger's own record, and the replay
 * of answers judges it. So rows are believed in nothing. Each narrows what is possible, never
 * beyond what its order's answers allow; and a stock that does not add up with what rows say is
 * replayed again without them (witness_stocks.c), and that alone may call it invalid.
 *
 * Time ends holds at the head of an entry, so expiries are placed before its commands. Of what else
 * is undecided a row tells the entry.
 */
#include <stdlib.h>

#include "witness.h"

struct shown {
    uint32_t order;
    uint32_t stock;
    const struct history_row *row;
    bool taken; /* an effect is behind it */
};

struct shown_rows {
    struct shown *items;
    uint32_t count;
    uint64_t *ends; /* stock -> the key up to which its history was read */
};

/* ---- rows ---- */

static int by_order(const void *left, const void *right)
{
    const struct shown *a = left;
    const struct shown *b = right;
    if (a->order != b->order) {
        return a->order < b->order ? -1 : 1;
    }
    if (a->stock != b->stock) {
        return a->stock < b->stock ? -1 : 1;
    }
    return a->row < b->row ? -1 : a->row > b->row;
}

/* Of each stock the reading that goes farthest; NAME_NONE: nobody has read its history. */
static uint32_t *find_readings(const struct history *history)
{
    uint32_t stocks = history_stock_count(history);
    uint32_t *readings = memory_alloc((stocks + 1u) * sizeof *readings);
    for (uint32_t i = 0; i < stocks; i++) {
        readings[i] = NAME_NONE;
    }
    for (uint32_t i = 0; i < history->operations.count; i++) {
        const struct operation *read = &history->operations.items[i];
        if (read->function != FUNCTION_READ_HISTORY || read->verdict != HF_OK || !has_key(read)) {
            continue;
        }
        uint32_t *reading = &readings[operation_stock(history, read)];
        if (*reading == NAME_NONE ||
            read->log_index > history->operations.items[*reading].log_index) {
            *reading = i;
        }
    }
    return readings;
}

static void add_reading(struct shown_rows *shown, const struct history *history,
                        const struct operation *read, uint32_t stock)
{
    shown->ends[stock] = key_of(read);
    for (uint32_t i = 0; i < read->answered_count; i++) {
        const struct history_row *row = &history->rows.items[read->answered + i];
        if (row->order != NAME_NONE && row->log_index > 0 && row->log_index <= read->log_index) {
            shown->items[shown->count++] =
                (struct shown){.order = row->order, .stock = stock, .row = row};
        }
    }
}

static void collect_rows(struct shown_rows *shown, const struct history *history)
{
    uint32_t stocks = history_stock_count(history);
    uint32_t *readings = find_readings(history);
    shown->items = memory_alloc((history->rows.count + 1u) * sizeof *shown->items);
    shown->ends = memory_zalloc((stocks + 1u) * sizeof *shown->ends);
    shown->count = 0;
    for (uint32_t stock = 0; stock < stocks; stock++) {
        if (readings[stock] != NAME_NONE) {
            add_reading(shown, history, &history->operations.items[readings[stock]], stock);
        }
    }
    qsort(shown->items, shown->count, sizeof *shown->items, by_order);
    free(readings);
}

/* The first row of this order on this stock, or behind it. */
static uint32_t first_of(const struct shown_rows *shown, uint32_t order, uint32_t stock)
{
    uint32_t low = 0;
    uint32_t high = shown->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        const struct shown *one = &shown->items[middle];
        if (one->order < order || (one->order == order && one->stock < stock)) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/* ---- effects ---- */

/* Is it this effect that the row shows? Then it is where the row is. */
static bool move_to(struct witness_effect *effect, const struct history_row *row)
{
    uint64_t head = key_of_index(row->log_index - 1);
    uint64_t end = key_of_index(row->log_index);
    if (row->on_hand_change != effect->on_hand || row->reserved_change != effect->reserved ||
        (row->op == HF_OP_EXPIRE) != effect->expiry) {
        return false;
    }
    if (effect->from == effect->until) {
        return head < effect->from && effect->from <= end;
    }
    if (effect->expiry) {
        bool fits = effect->from <= head && head < effect->until;
        effect->from = effect->until = fits ? head : effect->from;
        return fits;
    }
    if (effect->from >= end || effect->until <= head) {
        return false;
    }
    effect->from = effect->from > head ? effect->from : head;
    effect->until = effect->until < end ? effect->until : end;
    return true;
}

/* False: it never was. */
static bool place_as_shown(struct shown_rows *shown, struct witness_effect *effect, uint32_t order)
{
    uint64_t end = shown->ends[effect->stock];
    for (uint32_t i = first_of(shown, order, effect->stock);
         i < shown->count && shown->items[i].order == order &&
         shown->items[i].stock == effect->stock;
         i++) {
        struct witness_effect moved = *effect;
        if (!shown->items[i].taken && move_to(&moved, shown->items[i].row)) {
            shown->items[i].taken = true;
            *effect = moved;
            effect->sure = true;
            return true;
        }
    }
    if (effect->sure || effect->from >= end) {
        return true;
    }
    bool later = effect->until > end;
    effect->from = later ? end : effect->from;
    return later;
}

static bool is_undecided(const struct witness_effect *effect)
{
    return effect->kind == EFFECT_ADD && (effect->from != effect->until || !effect->sure);
}

struct witness_effect *witness_effects_shown(const struct witness *witness, uint32_t *count)
{
    const struct history *history = witness->history;
    struct shown_rows shown;
    struct witness_effect *effects = memory_alloc((witness->effects.count + 1u) * sizeof *effects);
    collect_rows(&shown, history);
    *count = 0;
    for (uint32_t i = 0; i < witness->effects.count; i++) {
        struct witness_effect effect = witness->effects.items[i];
        uint32_t order = history->operations.items[effect.operation].order;
        if (order == NAME_NONE || !is_undecided(&effect) ||
            place_as_shown(&shown, &effect, order)) {
            effects[(*count)++] = effect;
        }
    }
    free(shown.items);
    free(shown.ends);
    return effects;
}
