/*
 * sim_random.h - what tests draw from a seed, so that a seed is a whole test run.
 */
#ifndef TESTS_SIM_RANDOM_H
#define TESTS_SIM_RANDOM_H

#include <stdbool.h>

#include "base/random.h"

/* 0 to bound - 1; the bias is far below what a test could see. */
static inline uint64_t sim_random_below(struct random *random, uint64_t bound)
{
    return bound != 0 ? random_next(random) % bound : 0;
}

static inline uint64_t sim_random_between(struct random *random, uint64_t low, uint64_t high)
{
    return low + sim_random_below(random, high - low + 1);
}

/* True in `permille` of a thousand draws. */
static inline bool sim_random_chance(struct random *random, unsigned permille)
{
    return sim_random_below(random, 1000) < permille;
}

#endif
