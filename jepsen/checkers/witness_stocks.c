/*
 * witness_stocks.c - each stock, from its beginning to its end.
 *
 * A world is what the stock holds, and which of the effects that have no place yet are in it. What
 * has its place is applied; what an answer tells is compared. A world that can't agree is tried
 * with open effects placed right there, the fewest that make it agree: more would only be placed
 * earlier than they need to be. An effect whose time ends is placed then at the latest. Open
 * effects that act alike are placed by their ends, the nearest first.
 *
 * Effects that set a count instead of changing it (a hidden SetStock) don't commute with others, so
 * they are tried at every step; after one, a stock that does not add up is unknown.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "stock_rules.h"
#include "witness.h"

#define WORLDS 256 /* of one stock */
#define OPEN   256 /* effects without a place, at one time */
#define KINDS  24  /* of open effects that act alike */

/* Which expiries are taken to come in the order in which they fell due, whatever they give back. */
enum in_order { IN_ORDER_ALL, IN_ORDER_SURE, IN_ORDER_NONE };

/* How hard a stock is tried: ways to explain one answer, how many more effects than the fewest they
 * have, ways altogether. One that dies is tried again with the next. */
static const struct effort {
    enum in_order expiries;
    uint32_t tries;
    uint32_t beyond;
    uint64_t altogether;
} efforts[] = {
    {IN_ORDER_ALL, 2000, 2, 500000},
    {IN_ORDER_SURE, 2000, 2, 500000},
    {IN_ORDER_NONE, 2000, 2, 2000000},
    {IN_ORDER_NONE, 200000, UINT32_MAX, 10000000},
};
#define EFFORTS (sizeof efforts / sizeof *efforts)

struct world {
    struct stock_state stock;
    uint64_t placed[OPEN / 64]; /* of the open effects: by slot */
    uint32_t disorder;          /* expiries that are placed before others that fell due earlier */
};

/* In the order of their ranks at one key. */
enum step_kind { STEP_CLOSE, STEP_FACT, STEP_APPLY, STEP_MAYBE, STEP_OPEN };

struct step {
    uint64_t key;
    uint32_t stock;
    uint32_t place; /* in witness->facts or witness->effects */
    enum step_kind kind;
};

struct alike {
    uint32_t count;
    uint32_t slots[OPEN]; /* by their ends */
};

struct stocks {
    struct witness *witness;
    const struct history *history;
    struct world worlds[WORLDS];
    struct world next[WORLDS];
    uint32_t count;
    uint32_t next_count;
    bool dropped;
    uint32_t open[OPEN]; /* slot -> effect + 1; 0: free */
    uint32_t open_count;
    uint32_t open_commands;
    const struct step *step;
    /* of one answer that is to be explained */
    struct alike alike[KINDS];
    uint32_t alike_count;
    uint32_t chosen[KINDS];
    uint32_t found[WORLDS][KINDS];
    uint32_t found_count;
    uint32_t tries;
    uint64_t altogether;
    const struct effort *effort;
};

static bool is_placed(const struct world *world, uint32_t slot)
{
    return (world->placed[slot / 64] >> slot % 64 & 1) != 0;
}

static void set_placed(struct world *world, uint32_t slot, bool placed)
{
    uint64_t bit = UINT64_C(1) << slot % 64;
    world->placed[slot / 64] =
        placed ? world->placed[slot / 64] | bit : world->placed[slot / 64] & ~bit;
}

/* ---- what is done to a stock ---- */

static void add(struct world *world, const struct witness_effect *effect)
{
    world->stock.on_hand += effect->on_hand;
    world->stock.reserved += effect->reserved;
    world->stock.version += effect->on_hand != 0;
}

static bool place(const struct stocks *stocks, struct world *world, uint32_t slot)
{
    const struct witness_effect *effect = &stocks->witness->effects.items[stocks->open[slot] - 1];
    set_placed(world, slot, true);
    if (effect->kind == EFFECT_COMMAND) {
        return stock_run(&world->stock, stocks->history,
                         &stocks->history->operations.items[effect->operation]) == HF_OK;
    }
    add(world, effect);
    return world->stock.found;
}

static bool agrees_with_command(const struct stocks *stocks, struct world *world, uint32_t at)
{
    const struct operation *command = &stocks->history->operations.items[at];
    if (command->verdict == HF_REQUEST_EXPIRED) {
        return true;
    }
    if (stock_run(&world->stock, stocks->history, command) != command->verdict) {
        return false;
    }
    return command->answered_count == 0 ||
           stock_is_as_seen(&world->stock, &stocks->history->stocks.items[command->answered]);
}

/* Does the world agree with what happens here? It is changed by it. */
static bool agrees(const struct stocks *stocks, struct world *world)
{
    const struct step *step = stocks->step;
    int64_t available = stock_available(&world->stock);
    if (step->kind == STEP_APPLY) {
        const struct witness_effect *effect = &stocks->witness->effects.items[step->place];
        if (!world->stock.found || available < effect->need) {
            return false;
        }
        add(world, effect);
        return stock_is_sound(&world->stock);
    }
    if (step->kind != STEP_FACT) {
        return stock_is_sound(&world->stock);
    }
    const struct witness_fact *fact = &stocks->witness->facts.items[step->place];
    switch (fact->fact) {
    case FACT_NEED:
        return stock_is_sound(&world->stock) && world->stock.found && available >= fact->number;
    case FACT_AVAILABLE:
        return stock_is_sound(&world->stock) && world->stock.found && available == fact->number;
    case FACT_MISSING:
        return !world->stock.found;
    case FACT_SEEN:
        return stock_is_sound(&world->stock) &&
               stock_is_as_seen(&world->stock, &stocks->history->stocks.items[fact->number]);
    case FACT_COMMAND:
        return stock_is_sound(&world->stock) && agrees_with_command(stocks, world, fact->operation);
    }
    return false;
}

/* ---- worlds ---- */

static const struct witness_effect *effect_in(const struct stocks *stocks, uint32_t slot)
{
    return &stocks->witness->effects.items[stocks->open[slot] - 1];
}

static uint32_t disorder_of(const struct stocks *stocks, const struct world *world)
{
    uint32_t disorder = 0;
    for (uint32_t slot = 0; slot < OPEN && stocks->open_count > 0; slot++) {
        if (stocks->open[slot] == 0 || !effect_in(stocks, slot)->expiry ||
            !is_placed(world, slot)) {
            continue;
        }
        for (uint32_t other = 0; other < OPEN; other++) {
            disorder += stocks->open[other] != 0 && effect_in(stocks, other)->expiry &&
                        !is_placed(world, other) &&
                        effect_in(stocks, other)->due_ns < effect_in(stocks, slot)->due_ns;
        }
    }
    return disorder;
}

/* Too many: the one that is least likely goes. */
static void keep_likely(struct stocks *stocks, const struct world *world)
{
    uint32_t worst = 0;
    stocks->dropped = true;
    for (uint32_t i = 1; i < WORLDS; i++) {
        worst = stocks->next[i].disorder > stocks->next[worst].disorder ? i : worst;
    }
    if (world->disorder < stocks->next[worst].disorder) {
        stocks->next[worst] = *world;
    }
}

static void keep(struct stocks *stocks, const struct world *world)
{
    for (uint32_t i = 0; i < stocks->next_count; i++) {
        const struct world *other = &stocks->next[i];
        if (stock_states_equal(&other->stock, &world->stock) &&
            memcmp(other->placed, world->placed, sizeof world->placed) == 0) {
            return;
        }
    }
    struct world kept = *world;
    kept.disorder = disorder_of(stocks, world);
    if (stocks->next_count == WORLDS) {
        keep_likely(stocks, &kept);
        return;
    }
    stocks->next[stocks->next_count++] = kept;
}

/* ---- explaining an answer with open effects ---- */

static bool comes_in_order(const struct stocks *stocks, const struct witness_effect *effect)
{
    enum in_order expiries = stocks->effort->expiries;
    return effect->expiry &&
           (expiries == IN_ORDER_ALL || (expiries == IN_ORDER_SURE && effect->sure));
}

static bool act_alike(const struct stocks *stocks, const struct witness_effect *a,
                      const struct witness_effect *b)
{
    if (comes_in_order(stocks, a) || comes_in_order(stocks, b)) {
        return comes_in_order(stocks, a) && comes_in_order(stocks, b);
    }
    return a->kind == EFFECT_ADD && b->kind == EFFECT_ADD && a->on_hand == b->on_hand &&
           a->reserved == b->reserved && a->sure == b->sure;
}

/* Of two that act alike: is the first the one to be placed later? */
static bool comes_later(const struct stocks *stocks, const struct witness_effect *a,
                        const struct witness_effect *b)
{
    return comes_in_order(stocks, a) ? a->due_ns > b->due_ns : a->until > b->until;
}

static void add_alike(struct stocks *stocks, uint32_t slot)
{
    const struct witness_effect *effect = effect_in(stocks, slot);
    uint32_t kind = 0;
    while (kind < stocks->alike_count &&
           !act_alike(stocks, effect_in(stocks, stocks->alike[kind].slots[0]), effect)) {
        kind++;
    }
    if (kind == KINDS) {
        stocks->dropped = true;
        return;
    }
    if (kind == stocks->alike_count) {
        stocks->alike[kind].count = 0;
        stocks->alike_count++;
    }
    stocks->dropped |= comes_in_order(stocks, effect); /* other orders are not tried */
    struct alike *alike = &stocks->alike[kind];
    uint32_t at = alike->count++;
    for (; at > 0 && comes_later(stocks, effect_in(stocks, alike->slots[at - 1]), effect); at--) {
        alike->slots[at] = alike->slots[at - 1];
    }
    alike->slots[at] = slot;
}

static void sort_open(struct stocks *stocks, const struct world *world)
{
    stocks->alike_count = 0;
    for (uint32_t slot = 0; slot < OPEN; slot++) {
        if (stocks->open[slot] != 0 && !is_placed(world, slot)) {
            add_alike(stocks, slot);
        }
    }
}

/* Is it more than an explanation that has been found? */
static bool is_more(const struct stocks *stocks)
{
    for (uint32_t i = 0; i < stocks->found_count; i++) {
        bool more = true;
        for (uint32_t kind = 0; kind < stocks->alike_count; kind++) {
            more &= stocks->chosen[kind] >= stocks->found[i][kind];
        }
        if (more) {
            return true;
        }
    }
    return false;
}

/* Those that are chosen of the kinds that change counts, or of those that set them. False: one
 * can't be there. */
static bool place_chosen(const struct stocks *stocks, struct world *world, enum effect_kind wanted)
{
    for (uint32_t kind = 0; kind < stocks->alike_count; kind++) {
        const struct alike *alike = &stocks->alike[kind];
        if (effect_in(stocks, alike->slots[0])->kind != wanted) {
            continue;
        }
        for (uint32_t i = 0; i < stocks->chosen[kind]; i++) {
            if (!place(stocks, world, alike->slots[i])) {
                return false;
            }
        }
    }
    return true;
}

/* What sets a count comes first or last: between the others would be some other choice. */
static void try_chosen(struct stocks *stocks, const struct world *from)
{
    static const enum effect_kind kinds[] = {EFFECT_COMMAND, EFFECT_ADD};
    bool found = false;
    stocks->tries++;
    stocks->altogether++;
    if (is_more(stocks)) {
        return;
    }
    for (int first = 0; first <= (stocks->open_commands > 0); first++) {
        struct world world = *from;
        if (place_chosen(stocks, &world, kinds[first]) &&
            place_chosen(stocks, &world, kinds[1 - first]) && agrees(stocks, &world)) {
            keep(stocks, &world);
            found = true;
        }
    }
    if (found && stocks->found_count < WORLDS) {
        memcpy(stocks->found[stocks->found_count++], stocks->chosen, sizeof stocks->chosen);
    }
}

/* All ways to choose `left` more of the kinds from `kind` on. */
static void choose(struct stocks *stocks, const struct world *from, uint32_t kind, uint32_t left)
{
    if (stocks->tries >= stocks->effort->tries ||
        stocks->altogether >= stocks->effort->altogether) {
        stocks->dropped = true;
        return;
    }
    if (kind + 1 == stocks->alike_count) {
        if (left <= stocks->alike[kind].count) {
            stocks->chosen[kind] = left;
            try_chosen(stocks, from);
            stocks->chosen[kind] = 0;
        }
        return;
    }
    for (uint32_t count = 0; count <= left && count <= stocks->alike[kind].count; count++) {
        stocks->chosen[kind] = count;
        choose(stocks, from, kind + 1, left - count);
    }
    stocks->chosen[kind] = 0;
}

/* The fewest open effects, in every way that is not more than another, that make the world agree.
 */
static void explain(struct stocks *stocks, const struct world *from)
{
    uint32_t most = 0;
    sort_open(stocks, from);
    if (stocks->alike_count == 0) {
        return;
    }
    for (uint32_t kind = 0; kind < stocks->alike_count; kind++) {
        most += stocks->alike[kind].count;
    }
    memset(stocks->chosen, 0, sizeof stocks->chosen);
    stocks->found_count = 0;
    stocks->tries = 0;
    uint32_t last = most;
    for (uint32_t total = 1; total <= last && stocks->tries < stocks->effort->tries; total++) {
        choose(stocks, from, 0, total);
        if (stocks->found_count > 0 && last == most && most - total > stocks->effort->beyond) {
            last = total + stocks->effort->beyond;
            stocks->dropped = true;
        }
    }
}

/* ---- steps ---- */

/* Hidden commands that set something may lie before any step. */
static void try_commands(struct stocks *stocks)
{
    for (uint32_t i = 0; i < stocks->count && stocks->count < WORLDS; i++) {
        for (uint32_t slot = 0; slot < OPEN && stocks->count < WORLDS; slot++) {
            if (stocks->open[slot] == 0 || effect_in(stocks, slot)->kind != EFFECT_COMMAND ||
                is_placed(&stocks->worlds[i], slot)) {
                continue;
            }
            struct world world = stocks->worlds[i];
            uint64_t version = world.stock.version;
            if (place(stocks, &world, slot) && world.stock.version != version) {
                stocks->worlds[stocks->count++] = world;
            }
        }
    }
}

/* The slot is free again where no world has a choice any more. */
static void free_slot(struct stocks *stocks, uint32_t slot)
{
    stocks->open_commands -= effect_in(stocks, slot)->kind == EFFECT_COMMAND;
    stocks->open[slot] = 0;
    stocks->open_count--;
    for (uint32_t i = 0; i < stocks->count; i++) {
        set_placed(&stocks->worlds[i], slot, false);
    }
}

static void free_decided(struct stocks *stocks)
{
    for (uint32_t slot = 0; slot < OPEN; slot++) {
        bool everywhere = stocks->open[slot] != 0;
        for (uint32_t i = 0; everywhere && i < stocks->count; i++) {
            everywhere = is_placed(&stocks->worlds[i], slot);
        }
        if (everywhere) {
            free_slot(stocks, slot);
        }
    }
}

static void take_next(struct stocks *stocks)
{
    memcpy(stocks->worlds, stocks->next, stocks->next_count * sizeof *stocks->next);
    stocks->count = stocks->next_count;
    if (stocks->open_count > 0) {
        free_decided(stocks);
    }
}

/* Worlds that have become equal are one. */
static void take_distinct(struct stocks *stocks)
{
    stocks->next_count = 0;
    for (uint32_t i = 0; i < stocks->count; i++) {
        keep(stocks, &stocks->worlds[i]);
    }
    take_next(stocks);
}

static uint32_t slot_of(const struct stocks *stocks, uint32_t effect)
{
    uint32_t slot = 0;
    while (slot < OPEN && stocks->open[slot] != effect + 1) {
        slot++;
    }
    return slot;
}

/* Worlds that agree as they are stay as they are: what is open can be placed later. */
static void step_all(struct stocks *stocks)
{
    stocks->next_count = 0;
    for (uint32_t i = 0; i < stocks->count; i++) {
        struct world world = stocks->worlds[i];
        if (agrees(stocks, &world)) {
            keep(stocks, &world);
        } else if (stocks->open_count > 0) {
            explain(stocks, &stocks->worlds[i]);
        }
    }
}

static void open_effect(struct stocks *stocks)
{
    uint32_t slot = slot_of(stocks, UINT32_MAX); /* a free one: effect + 1 is 0 */
    if (slot == OPEN) {
        stocks->dropped = true;
        return;
    }
    stocks->open[slot] = stocks->step->place + 1;
    stocks->open_count++;
    stocks->open_commands += effect_in(stocks, slot)->kind == EFFECT_COMMAND;
    stocks->dropped |= effect_in(stocks, slot)->kind == EFFECT_COMMAND;
}

/* The last moment for the effect: it is placed now, unless it was before; or, if it is not sure,
 * perhaps never. False: no world is left. */
static bool close_effect(struct stocks *stocks)
{
    uint32_t slot = slot_of(stocks, stocks->step->place);
    if (slot == OPEN) {
        return true; /* decided before */
    }
    bool sure = effect_in(stocks, slot)->sure;
    stocks->next_count = 0;
    for (uint32_t i = 0; i < stocks->count; i++) {
        struct world world = stocks->worlds[i];
        if (!sure || is_placed(&world, slot)) {
            keep(stocks, &world);
        }
        if (is_placed(&world, slot)) {
            continue;
        }
        bool fine = place(stocks, &world, slot);
        if (fine && stock_is_sound(&world.stock)) {
            keep(stocks, &world);
        } else if (fine && sure) {
            explain(stocks, &world);
        }
    }
    if (stocks->next_count == 0) {
        return false;
    }
    memcpy(stocks->worlds, stocks->next, stocks->next_count * sizeof *stocks->next);
    stocks->count = stocks->next_count;
    free_slot(stocks, slot);
    take_distinct(stocks);
    return true;
}

static void maybe_effect(struct stocks *stocks)
{
    const struct witness_effect *effect = &stocks->witness->effects.items[stocks->step->place];
    stocks->next_count = 0;
    for (uint32_t i = 0; i < stocks->count; i++) {
        struct world world = stocks->worlds[i];
        keep(stocks, &world);
        add(&world, effect);
        keep(stocks, &world);
    }
    take_next(stocks);
}

static void complain(const struct stocks *stocks)
{
    struct witness *witness = stocks->witness;
    const struct step *step = stocks->step;
    const struct world *world = &stocks->worlds[0];
    uint32_t at = step->kind == STEP_FACT ? witness->facts.items[step->place].operation
                                          : witness->effects.items[step->place].operation;
    struct bytes sku = history_sku(stocks->history, step->stock);
    char before[128] = "it is not there";
    if (world->stock.found) {
        snprintf(before, sizeof before,
                 "on hand %" PRId64 ", reserved %" PRId64 ", version %" PRIu64,
                 world->stock.on_hand, world->stock.reserved, world->stock.version);
    }
    char seen[128] = "";
    if (step->kind == STEP_FACT && witness->facts.items[step->place].fact == FACT_SEEN) {
        const struct history_stock *stock =
            &stocks->history->stocks.items[witness->facts.items[step->place].number];
        snprintf(seen, sizeof seen,
                 stock->found ? "; what was read: on hand %" PRId64 ", reserved %" PRId64
                                ", version %" PRIu64
                              : "; what was read: it is not there",
                 stock->on_hand, stock->reserved, stock->version);
    } else if (step->kind == STEP_FACT &&
               witness->facts.items[step->place].fact == FACT_AVAILABLE) {
        snprintf(seen, sizeof seen, "; the refusal says %" PRId64 " available",
                 witness->facts.items[step->place].number);
    }
    if (witness->broken) {
        return;
    }
    if (stocks->dropped) {
        check_unknown(witness->check, CHECK_NAMES(at),
                      "stock %.*s: too much of which nobody knows the place", (int)sku.len,
                      (const char *)sku.data);
    } else {
        check_invalid(witness->check, CHECK_NAMES(at),
                      "stock %.*s does not add up: by the log before this, %s%s%s", (int)sku.len,
                      (const char *)sku.data, before, seen,
                      stocks->open_count > 0 ? ", and nothing of unknown outcome explains it" : "");
    }
}

static bool take_step(struct stocks *stocks)
{
    if (stocks->open_commands > 0) {
        try_commands(stocks);
    }
    switch (stocks->step->kind) {
    case STEP_OPEN:
        open_effect(stocks);
        return true;
    case STEP_CLOSE:
        return close_effect(stocks);
    case STEP_MAYBE:
        maybe_effect(stocks);
        return true;
    case STEP_FACT:
    case STEP_APPLY:
        break;
    }
    step_all(stocks);
    if (stocks->next_count == 0) {
        return false;
    }
    take_next(stocks);
    return true;
}

/* ---- all stocks ---- */

static int by_stock(const void *left, const void *right)
{
    const struct step *a = left;
    const struct step *b = right;
    if (a->stock != b->stock) {
        return a->stock < b->stock ? -1 : 1;
    }
    if (a->key != b->key) {
        return a->key < b->key ? -1 : 1;
    }
    if (a->kind != b->kind) {
        return a->kind < b->kind ? -1 : 1;
    }
    return a->place < b->place ? -1 : a->place > b->place;
}

static struct step *make_steps(const struct witness *witness, uint32_t *count)
{
    struct step *steps = memory_alloc(
        ((size_t)witness->facts.count + 2 * (size_t)witness->effects.count + 1) * sizeof *steps);
    *count = 0;
    for (uint32_t i = 0; i < witness->facts.count; i++) {
        const struct witness_fact *fact = &witness->facts.items[i];
        steps[(*count)++] = (struct step){fact->key, fact->stock, i, STEP_FACT};
    }
    for (uint32_t i = 0; i < witness->effects.count; i++) {
        const struct witness_effect *effect = &witness->effects.items[i];
        if (effect->from == effect->until) {
            steps[(*count)++] = (struct step){effect->from, effect->stock, i,
                                              effect->sure ? STEP_APPLY : STEP_MAYBE};
            continue;
        }
        steps[(*count)++] = (struct step){effect->from, effect->stock, i, STEP_OPEN};
        if (effect->until != KEY_NEVER) {
            steps[(*count)++] = (struct step){effect->until, effect->stock, i, STEP_CLOSE};
        }
    }
    qsort(steps, *count, sizeof *steps, by_stock);
    return steps;
}

static void begin_stock(struct stocks *stocks)
{
    stocks->worlds[0] = (struct world){.stock = {.found = false}};
    stocks->count = 1;
    stocks->dropped = false;
    stocks->open_count = 0;
    stocks->open_commands = 0;
    stocks->altogether = 0;
    memset(stocks->open, 0, sizeof stocks->open);
}

/* Steps of one stock. False: it died at stocks->step. */
static bool walk(struct stocks *stocks, const struct step *steps, uint32_t count,
                 const struct effort *effort)
{
    begin_stock(stocks);
    stocks->effort = effort;
    for (uint32_t i = 0; i < count; i++) {
        stocks->step = &steps[i];
        if (!take_step(stocks)) {
            return false;
        }
    }
    return true;
}

void witness_stocks(struct witness *witness)
{
    uint32_t count;
    struct stocks *stocks = memory_zalloc(sizeof *stocks);
    struct step *steps = make_steps(witness, &count);
    uint64_t seen = 0;
    stocks->witness = witness;
    stocks->history = witness->history;
    for (uint32_t i = 0; i < count; seen++) {
        uint32_t end = i;
        while (end < count && steps[end].stock == steps[i].stock) {
            end++;
        }
        bool alive = false;
        for (size_t k = 0; k < EFFORTS && !alive; k++) {
            alive = walk(stocks, steps + i, end - i, &efforts[k]);
            if (!stocks->dropped || witness->broken) {
                break;
            }
        }
        if (!alive) {
            complain(stocks);
        }
        i = end;
    }
    check_add_fact(witness->check, "stocks", (int64_t)seen);
    free(steps);
    free(stocks);
}
