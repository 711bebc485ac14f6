/*
 * stock_worlds.h - of the witness of one stock (witness_stocks.c): the worlds that agree with what
 * was seen so far, and how one is made to agree with the next answer.
 *
 * Internal to these two files. Bounded: so many worlds, open effects and ways to try; whatever is
 * left out for it is remembered (`dropped`), for then nothing is proven. Threads: one.
 */
#ifndef JEPSEN_STOCK_WORLDS_H
#define JEPSEN_STOCK_WORLDS_H

#include "stock_rules.h"
#include "witness.h"

#define STOCK_WORLDS 256 /* of one stock */
#define STOCK_OPEN   256 /* effects without a place, at one time */
#define STOCK_KINDS  24  /* of open effects that act alike */

/* Which expiries are taken to come in the order in which they fell due, whatever they give back. */
enum in_order { IN_ORDER_ALL, IN_ORDER_SURE, IN_ORDER_NONE };

/* How hard a stock is tried: ways to explain one answer, how many more effects than the fewest they
 * have, ways altogether. */
struct effort {
    enum in_order expiries;
    uint32_t tries;
    uint32_t beyond;
    uint64_t altogether;
};

struct world {
    struct stock_state stock;
    uint64_t placed[STOCK_OPEN / 64]; /* of the open effects: by slot */
    uint32_t disorder; /* expiries that are placed before others that fell due earlier */
};

/* In the order of their ranks at one key. */
enum step_kind { STEP_CLOSE, STEP_FACT, STEP_APPLY, STEP_MAYBE, STEP_OPEN };

struct step {
    uint64_t key;
    uint32_t stock;
    uint32_t place; /* in witness->facts or stocks->effects */
    enum step_kind kind;
};

struct alike {
    uint32_t count;
    uint32_t slots[STOCK_OPEN]; /* by their ends */
};

struct stocks {
    struct witness *witness;
    const struct history *history;
    const struct witness_effect *effects; /* that are replayed */
    struct world worlds[STOCK_WORLDS];
    struct world next[STOCK_WORLDS];
    uint32_t count;
    uint32_t next_count;
    bool dropped;
    uint32_t open[STOCK_OPEN]; /* slot -> effect + 1; 0: free */
    uint32_t open_count;
    uint32_t open_commands;
    const struct step *step;
    /* of one answer that is to be explained */
    struct alike alike[STOCK_KINDS];
    uint32_t alike_count;
    uint32_t chosen[STOCK_KINDS];
    uint32_t found[STOCK_WORLDS][STOCK_KINDS];
    uint32_t found_count;
    uint32_t tries;
    uint64_t altogether;
    const struct effort *effort;
};

bool world_is_placed(const struct world *world, uint32_t slot);
void world_set_placed(struct world *world, uint32_t slot, bool placed);
/* What the effect changes, in its place. */
void world_add(struct world *world, const struct witness_effect *effect);

const struct witness_effect *stocks_effect_in(const struct stocks *stocks, uint32_t slot);
/* Puts the open effect into the world. False: it can't be there. */
bool stocks_place(const struct stocks *stocks, struct world *world, uint32_t slot);
/* Does the world agree with what happens at the present step? It is changed by it. */
bool stocks_agree(const struct stocks *stocks, struct world *world);
/* Behind the present step it is one of the worlds. */
void stocks_keep(struct stocks *stocks, const struct world *world);
/* Keeps what the fewest open effects, in every way that is not more than another, make of a world
 * that does not agree by itself. */
void stocks_explain(struct stocks *stocks, const struct world *from);

#endif
