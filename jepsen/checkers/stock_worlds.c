/*
 * stock_worlds.c - what open effects make of a stock (stock_worlds.h).
 *
 * A world that can't agree is tried with open effects placed right there, the fewest that make it
 * agree: more would only be placed earlier than they need to be. Open effects that act alike are
 * placed by their ends, the nearest first; so what is tried is how many of each kind.
 *
 * What can fail: nothing. Beyond the bounds the least likely is dropped.
 */
#include "stock_worlds.h"

bool world_is_placed(const struct world *world, uint32_t slot)
{
    return (world->placed[slot / 64] >> slot % 64 & 1) != 0;
}

void world_set_placed(struct world *world, uint32_t slot, bool placed)
{
    uint64_t bit = UINT64_C(1) << slot % 64;
    world->placed[slot / 64] =
        placed ? world->placed[slot / 64] | bit : world->placed[slot / 64] & ~bit;
}

/* ---- what is done to a stock ---- */

void world_add(struct world *world, const struct witness_effect *effect)
{
    world->stock.on_hand += effect->on_hand;
    world->stock.reserved += effect->reserved;
    world->stock.version += effect->on_hand != 0;
}

bool stocks_place(const struct stocks *stocks, struct world *world, uint32_t slot)
{
    const struct witness_effect *effect = &stocks->effects[stocks->open[slot] - 1];
    world_set_placed(world, slot, true);
    if (effect->kind == EFFECT_COMMAND) {
        return stock_run(&world->stock, stocks->history,
                         &stocks->history->operations.items[effect->operation]) == HF_OK;
    }
    world_add(world, effect);
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

bool stocks_agree(const struct stocks *stocks, struct world *world)
{
    const struct step *step = stocks->step;
    int64_t available = stock_available(&world->stock);
    if (step->kind == STEP_APPLY) {
        const struct witness_effect *effect = &stocks->effects[step->place];
        if (!world->stock.found || available < effect->need) {
            return false;
        }
        world_add(world, effect);
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

const struct witness_effect *stocks_effect_in(const struct stocks *stocks, uint32_t slot)
{
    return &stocks->effects[stocks->open[slot] - 1];
}

static uint32_t disorder_of(const struct stocks *stocks, const struct world *world)
{
    uint32_t disorder = 0;
    for (uint32_t slot = 0; slot < STOCK_OPEN && stocks->open_count > 0; slot++) {
        if (stocks->open[slot] == 0 || !stocks_effect_in(stocks, slot)->expiry ||
            !world_is_placed(world, slot)) {
            continue;
        }
        for (uint32_t other = 0; other < STOCK_OPEN; other++) {
            disorder +=
                stocks->open[other] != 0 && stocks_effect_in(stocks, other)->expiry &&
                !world_is_placed(world, other) &&
                stocks_effect_in(stocks, other)->due_ns < stocks_effect_in(stocks, slot)->due_ns;
        }
    }
    return disorder;
}

/* Too many: the one that is least likely goes. */
static void keep_likely(struct stocks *stocks, const struct world *world)
{
    uint32_t worst = 0;
    stocks->dropped = true;
    for (uint32_t i = 1; i < STOCK_WORLDS; i++) {
        worst = stocks->next[i].disorder > stocks->next[worst].disorder ? i : worst;
    }
    if (world->disorder < stocks->next[worst].disorder) {
        stocks->next[worst] = *world;
    }
}

void stocks_keep(struct stocks *stocks, const struct world *world)
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
    if (stocks->next_count == STOCK_WORLDS) {
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
    const struct witness_effect *effect = stocks_effect_in(stocks, slot);
    uint32_t kind = 0;
    while (kind < stocks->alike_count &&
           !act_alike(stocks, stocks_effect_in(stocks, stocks->alike[kind].slots[0]), effect)) {
        kind++;
    }
    if (kind == STOCK_KINDS) {
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
    for (; at > 0 && comes_later(stocks, stocks_effect_in(stocks, alike->slots[at - 1]), effect);
         at--) {
        alike->slots[at] = alike->slots[at - 1];
    }
    alike->slots[at] = slot;
}

static void sort_open(struct stocks *stocks, const struct world *world)
{
    stocks->alike_count = 0;
    for (uint32_t slot = 0; slot < STOCK_OPEN; slot++) {
        if (stocks->open[slot] != 0 && !world_is_placed(world, slot)) {
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
        if (stocks_effect_in(stocks, alike->slots[0])->kind != wanted) {
            continue;
        }
        for (uint32_t i = 0; i < stocks->chosen[kind]; i++) {
            if (!stocks_place(stocks, world, alike->slots[i])) {
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
            place_chosen(stocks, &world, kinds[1 - first]) && stocks_agree(stocks, &world)) {
            stocks_keep(stocks, &world);
            found = true;
        }
    }
    if (found && stocks->found_count < STOCK_WORLDS) {
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

void stocks_explain(struct stocks *stocks, const struct world *from)
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
