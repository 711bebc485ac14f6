/*
 * generator.h - what a seed is being turned into a sequence with. Private to generate.c and
 * generate_wide.c.
 */
#ifndef TESTS_MODEL_GENERATOR_H
#define TESTS_MODEL_GENERATOR_H

#include "generate.h"
#include "ledger/settings.h"
#include "sim_random.h"

enum { RECENT = 48, MOMENTS = 48, LINES = 8, TEXTS = 16, TEXT_ROOM = 320 };

/* What a seed draws once. Chances are in thousandths. */
struct shape {
    uint32_t skus;
    uint32_t warehouses;
    uint32_t orders;
    uint32_t requests;
    uint32_t quantity;        /* most of a line */
    uint32_t stock;           /* least of what there is at first */
    uint32_t lines;           /* most of a command */
    uint32_t batch;           /* most of an entry */
    uint32_t reserve_percent; /* of the commands on orders */
    unsigned stock_chance;
    unsigned again_chance;
    unsigned malformed_chance;
    unsigned tick_chance;
    unsigned jump_chance; /* onto a moment */
    unsigned leap_chance; /* over every ttl */
    unsigned far_chance;  /* days at once */
    unsigned credit_chance;
    unsigned reopen_chance;
    unsigned reacquire_chance;
    int64_t step_ms;
    int64_t ttl_ms; /* most, where one is given */
};

struct moment {
    int64_t ms;
    bool hold; /* in hold time: credits put it off */
};

struct generator {
    struct random random;
    struct shape shape;
    struct ledger_settings settings;
    struct command_pool *pool;
    int64_t time_ms;
    int64_t ledger_ms; /* what the stamps so far make of it, and the credits */
    int64_t credits_ms;
    const struct ledger_command *recent[RECENT];
    uint32_t recent_count;
    struct moment moments[MOMENTS]; /* where something may end */
    uint32_t moment_count;
    struct ledger_line lines[LINES];
    char texts[TEXTS][TEXT_ROOM];
    uint32_t texts_used;
};

static inline uint32_t below(struct generator *g, uint64_t bound)
{
    return (uint32_t)sim_random_below(&g->random, bound);
}

static inline bool chance(struct generator *g, unsigned permille)
{
    return sim_random_chance(&g->random, permille);
}

static inline uint32_t one_of(struct generator *g, uint32_t a, uint32_t b, uint32_t c)
{
    uint32_t which = below(g, 3);
    return which == 0 ? a : which == 1 ? b : c;
}

/* The prefix and a number; lives until TEXTS others are made. */
struct bytes generator_text(struct generator *g, const char *prefix, uint32_t number);
/* Time passes, an entry begins. */
struct sequence_entry *generator_next_entry(struct generator *g, struct sequence *sequence);

/* ---- generate_wide.c ---- */

/* Orders that fill the bounds of lines and bytes: of one order, of what one entry expires, of what
 * it trims. */
void generator_make_wide(struct generator *g, struct sequence *sequence);

#endif
