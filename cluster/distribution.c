/*
 * distribution.c - draws by inversion of the cumulative distribution, found by bisection: exact,
 * eight bytes a SKU, twenty steps for a million of them.
 */
#include "distribution.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

#include "base/bytes.h"

#define ZIPF_EXPONENT 0.99

const char *const distribution_names[] = {"uniform", "zipf", "hot", NULL};

__extension__ typedef unsigned __int128 uint128;

/* The high half of a 128-bit product (Lemire 2019), without the correction: for bounds below 2^32
 * the bias is below 2^-32. */
uint64_t random_below(struct random *random, uint64_t bound)
{
    assert(bound > 0);
    return (uint64_t)(((uint128)random_next(random) * bound) >> 64);
}

void distribution_make(struct distribution *distribution, enum distribution_kind kind,
                       uint32_t count)
{
    assert(count > 0);
    *distribution = (struct distribution){.kind = kind, .count = count};
    if (kind != DISTRIBUTION_ZIPF) {
        return;
    }
    distribution->cumulative = memory_alloc(count * sizeof *distribution->cumulative);
    double sum = 0;
    for (uint32_t rank = 0; rank < count; rank++) {
        sum += pow((double)rank + 1, -ZIPF_EXPONENT);
        distribution->cumulative[rank] = sum;
    }
    for (uint32_t rank = 0; rank < count; rank++) {
        distribution->cumulative[rank] /= sum;
    }
}

static uint32_t draw_zipf(const struct distribution *distribution, struct random *random)
{
    /* 53 random bits: evenly in [0, 1), so below the last cumulative value, which is 1. */
    double point = (double)(random_next(random) >> 11) * 0x1p-53;
    uint32_t low = 0;
    uint32_t high = distribution->count - 1;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (distribution->cumulative[middle] > point) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return low;
}

uint32_t distribution_draw(const struct distribution *distribution, struct random *random)
{
    switch (distribution->kind) {
    case DISTRIBUTION_UNIFORM:
        return (uint32_t)random_below(random, distribution->count);
    case DISTRIBUTION_ZIPF:
        return draw_zipf(distribution, random);
    case DISTRIBUTION_HOT:
        return 0;
    }
    assert(!"a distribution of no kind");
    return 0;
}

void distribution_free(struct distribution *distribution)
{
    free(distribution->cumulative);
    *distribution = (struct distribution){0};
}
