/*
 * sim_random.h - the random numbers of tests: small, seeded, the same on every machine, so that a
 * seed is a whole test run.
 *
 * splitmix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, 2014): a counter
 * through a mixer; two seeds that are close give unrelated sequences.
 */
#ifndef TESTS_SIM_RANDOM_H
#define TESTS_SIM_RANDOM_H

#include <stdbool.h>
#include <stdint.h>

struct sim_random {
    uint64_t state;
};

static inline uint64_t sim_random_next(struct sim_random *random)
{
    uint64_t z = random->state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* 0 to bound - 1; the bias is far below what a test could see. */
static inline uint64_t sim_random_below(struct sim_random *random, uint64_t bound)
{
    return bound != 0 ? sim_random_next(random) % bound : 0;
}

static inline uint64_t sim_random_between(struct sim_random *random, uint64_t low, uint64_t high)
{
    return low + sim_random_below(random, high - low + 1);
}

/* True in `permille` of a thousand draws. */
static inline bool sim_random_chance(struct sim_random *random, unsigned permille)
{
    return sim_random_below(random, 1000) < permille;
}

#endif
