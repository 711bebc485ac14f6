/*
 * witness_stocks.c - each stock, from its beginning to its end.
 *
 * A world is what the stock holds, and which of the effects that have no place yet are in it. What
 * has its place is applied; what an answer tells is compared; a world that can't agree is tried
 * with open effects placed right there (stock_worlds.c). An effect whose time ends is placed then
 * at the latest.
 *
 * Effects that set a count instead of changing it (a hidden SetStock) don't commute with others, so
 * they are tried at every step; after one, a stock that does not add up is unknown.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "stock_worlds.h"

/* One that dies is tried again with the next. */
static const struct effort efforts[] = {
    {IN_ORDER_ALL, 2000, 2, 500000},
    {IN_ORDER_SURE, 2000, 2, 500000},
    {IN_ORDER_NONE, 2000, 2, 2000000},
    {IN_ORDER_NONE, 200000, UINT32_MAX, 10000000},
};
#define EFFORTS (sizeof efforts / sizeof *efforts)
/* With what histories show. Little is left to explain then; what is not, is left to the others. */
static const struct effort as_shown_effort = {IN_ORDER_NONE, 2000, 2, 500000};

/* ---- steps ---- */

/* Hidden commands that set something may lie before any step. */
static void try_commands(struct stocks *stocks)
{
    for (uint32_t i = 0; i < stocks->count && stocks->count < STOCK_WORLDS; i++) {
        for (uint32_t slot = 0; slot < STOCK_OPEN && stocks->count < STOCK_WORLDS; slot++) {
            if (stocks->open[slot] == 0 || stocks_effect_in(stocks, slot)->kind != EFFECT_COMMAND ||
                world_is_placed(&stocks->worlds[i], slot)) {
                continue;
            }
            struct world world = stocks->worlds[i];
            uint64_t version = world.stock.version;
            if (stocks_place(stocks, &world, slot) && world.stock.version != version) {
                stocks->worlds[stocks->count++] = world;
            }
        }
    }
}

/* The slot is free again where no world has a choice any more. */
static void free_slot(struct stocks *stocks, uint32_t slot)
{
    stocks->open_commands -= stocks_effect_in(stocks, slot)->kind == EFFECT_COMMAND;
    stocks->open[slot] = 0;
    stocks->open_count--;
    for (uint32_t i = 0; i < stocks->count; i++) {
        world_set_placed(&stocks->worlds[i], slot, false);
    }
}

static void free_decided(struct stocks *stocks)
{
    for (uint32_t slot = 0; slot < STOCK_OPEN; slot++) {
        bool everywhere = stocks->open[slot] != 0;
        for (uint32_t i = 0; everywhere && i < stocks->count; i++) {
            everywhere = world_is_placed(&stocks->worlds[i], slot);
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
        stocks_keep(stocks, &stocks->worlds[i]);
    }
    take_next(stocks);
}

static uint32_t slot_of(const struct stocks *stocks, uint32_t effect)
{
    uint32_t slot = 0;
    while (slot < STOCK_OPEN && stocks->open[slot] != effect + 1) {
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
        if (stocks_agree(stocks, &world)) {
            stocks_keep(stocks, &world);
        } else if (stocks->open_count > 0) {
            stocks_explain(stocks, &stocks->worlds[i]);
        }
    }
}

/* Where there is no room, the effect is taken never to take place. False: it must. */
static bool open_effect(struct stocks *stocks)
{
    const struct witness_effect *effect = &stocks->effects[stocks->step->place];
    uint32_t slot = slot_of(stocks, UINT32_MAX); /* a free one: effect + 1 is 0 */
    if (slot == STOCK_OPEN) {
        stocks->dropped = true;
        return !effect->sure || effect->until == KEY_NEVER;
    }
    stocks->open[slot] = stocks->step->place + 1;
    stocks->open_count++;
    stocks->open_commands += effect->kind == EFFECT_COMMAND;
    stocks->dropped |= effect->kind == EFFECT_COMMAND;
    return true;
}

/* The last moment for the effect: it is placed now, unless it was before; or, if it is not sure,
 * perhaps never. False: no world is left. */
static bool close_effect(struct stocks *stocks)
{
    uint32_t slot = slot_of(stocks, stocks->step->place);
    if (slot == STOCK_OPEN) {
        return true; /* decided before */
    }
    bool sure = stocks_effect_in(stocks, slot)->sure;
    stocks->next_count = 0;
    for (uint32_t i = 0; i < stocks->count; i++) {
        struct world world = stocks->worlds[i];
        if (!sure || world_is_placed(&world, slot)) {
            stocks_keep(stocks, &world);
        }
        if (world_is_placed(&world, slot)) {
            continue;
        }
        bool fine = stocks_place(stocks, &world, slot);
        if (fine && stock_is_sound(&world.stock)) {
            stocks_keep(stocks, &world);
        } else if (fine && sure) {
            stocks_explain(stocks, &world);
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
    const struct witness_effect *effect = &stocks->effects[stocks->step->place];
    stocks->next_count = 0;
    for (uint32_t i = 0; i < stocks->count; i++) {
        struct world world = stocks->worlds[i];
        stocks_keep(stocks, &world);
        world_add(&world, effect);
        stocks_keep(stocks, &world);
    }
    take_next(stocks);
}

static void complain(const struct stocks *stocks)
{
    struct witness *witness = stocks->witness;
    const struct step *step = stocks->step;
    const struct world *world = &stocks->worlds[0];
    uint32_t at = step->kind == STEP_FACT ? witness->facts.items[step->place].operation
                                          : stocks->effects[step->place].operation;
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
        return open_effect(stocks);
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

static struct step *make_steps(const struct witness *witness, const struct witness_effect *effects,
                               uint32_t effect_count, uint32_t *count)
{
    struct step *steps =
        memory_alloc(((size_t)witness->facts.count + 2 * (size_t)effect_count + 1) * sizeof *steps);
    *count = 0;
    for (uint32_t i = 0; i < witness->facts.count; i++) {
        const struct witness_fact *fact = &witness->facts.items[i];
        steps[(*count)++] = (struct step){fact->key, fact->stock, i, STEP_FACT};
    }
    for (uint32_t i = 0; i < effect_count; i++) {
        const struct witness_effect *effect = &effects[i];
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

/* False: it died at stocks->step. */
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

/* What is replayed, stock by stock. */
struct script {
    const struct witness_effect *effects;
    struct step *steps;
    uint32_t count;
    uint32_t first; /* of the stock at hand: first .. end */
    uint32_t end;
};

static struct script make_script(const struct witness *witness,
                                 const struct witness_effect *effects, uint32_t effect_count)
{
    struct script script = {.effects = effects};
    script.steps = make_steps(witness, effects, effect_count, &script.count);
    return script;
}

static void seek(struct script *script, uint32_t stock)
{
    script->first = script->end;
    while (script->end < script->count && script->steps[script->end].stock == stock) {
        script->end++;
    }
}

static bool replay(struct stocks *stocks, const struct script *script, const struct effort *effort)
{
    stocks->effects = script->effects;
    return walk(stocks, script->steps + script->first, script->end - script->first, effort);
}

/* What answers alone allow is the only judge of a stock that does not add up. */
static void replay_alone(struct stocks *stocks, const struct script *script)
{
    for (size_t i = 0; i < EFFORTS; i++) {
        if (replay(stocks, script, &efforts[i])) {
            return;
        }
        if (!stocks->dropped || stocks->witness->broken) {
            break;
        }
    }
    complain(stocks);
}

void witness_stocks(struct witness *witness)
{
    struct stocks *stocks = memory_zalloc(sizeof *stocks);
    uint32_t shown_count;
    struct witness_effect *shown = witness_effects_shown(witness, &shown_count);
    struct script as_shown = make_script(witness, shown, shown_count);
    struct script alone = make_script(witness, witness->effects.items, witness->effects.count);
    uint64_t seen = 0;
    uint64_t unshown = 0;
    stocks->witness = witness;
    stocks->history = witness->history;
    for (uint32_t stock = 0; stock < history_stock_count(witness->history); stock++) {
        seek(&as_shown, stock);
        seek(&alone, stock);
        if (alone.first == alone.end) {
            continue;
        }
        seen++;
        if (!replay(stocks, &as_shown, &as_shown_effort)) {
            unshown++;
            replay_alone(stocks, &alone);
        }
    }
    check_add_fact(witness->check, "stocks", (int64_t)seen);
    check_add_fact(witness->check, "stocks-not-as-shown", (int64_t)unshown);
    free(as_shown.steps);
    free(alone.steps);
    free(shown);
    free(stocks);
}
