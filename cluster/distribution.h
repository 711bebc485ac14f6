/*
 * distribution.h - which SKU the next order wants: evenly, by Zipf's law (rank r is wanted in
 * proportion to r^-0.99, YCSB's default), or always the first one. Deterministic from a seed.
 *
 * Threads: a struct distribution is read-only once made; each caller has a struct random of its
 * own.
 */
#ifndef CLUSTER_DISTRIBUTION_H
#define CLUSTER_DISTRIBUTION_H

#include "base/random.h"

/* Evenly in [0, bound), bound > 0. */
uint64_t random_below(struct random *random, uint64_t bound);

enum distribution_kind { DISTRIBUTION_UNIFORM, DISTRIBUTION_ZIPF, DISTRIBUTION_HOT };
/* The names in the order of the kinds, NULL at the end. */
extern const char *const distribution_names[];

struct distribution {
    enum distribution_kind kind;
    uint32_t count;
    double *cumulative; /* Zipf: cumulative[r] = P(rank <= r) */
};

/* Ranks 0 to count - 1, count > 0. */
void distribution_make(struct distribution *distribution, enum distribution_kind kind,
                       uint32_t count);
uint32_t distribution_draw(const struct distribution *distribution, struct random *random);
void distribution_free(struct distribution *distribution);

#endif
