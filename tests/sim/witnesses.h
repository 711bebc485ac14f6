/*
 * witnesses.h - of several states, the most that can bear witness each by itself (decision 011):
 * none of them stems from another one, and no two from a third.
 *
 * Exact: who takes them as they come may take a copy of two that are each by itself, and has one
 * where there are two. Made anew here, and in another way than node/core/digests.c, which it is
 * there to judge.
 */
#ifndef TESTS_SIM_WITNESSES_H
#define TESTS_SIM_WITNESSES_H

#include "base/lineage.h"

/* A node's state. */
struct witness {
    uint64_t id;
    struct lineage lineage;
};

/* `count` is at most LIMIT_NODES. */
size_t witnesses_most(const struct witness *witnesses, size_t count);

#endif
