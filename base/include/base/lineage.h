/*
 * lineage.h - whose states a node's state stems from, as long as nothing has shown it to be right:
 * the node that it was fetched from, and those that one's stemmed from in turn.
 *
 * What was wrong with the first is wrong with its copies, digest and all. So when states are
 * compared, two of which one stems from the other, or both from a third, bear witness once
 * (node/core/digests.h; decision 011).
 *
 * A plain value; ids each once, in the order in which they came. Where more are told than there is
 * room for, the state stems from LINEAGE_ANYBODY, and is taken for a copy of every other one.
 */
#ifndef BASE_LINEAGE_H
#define BASE_LINEAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/limits.h"

#define LINEAGE_ANYBODY UINT64_C(0) /* no node has this id */

struct lineage {
    uint32_t count; /* 0: the state stems from nobody's, as far as it matters */
    uint64_t ids[LIMIT_LINEAGE];
};

static inline bool lineage_has(const struct lineage *lineage, uint64_t id)
{
    for (uint32_t i = 0; i < lineage->count; i++) {
        if (lineage->ids[i] == id || lineage->ids[i] == LINEAGE_ANYBODY) {
            return true;
        }
    }
    return false;
}

static inline void lineage_add(struct lineage *lineage, uint64_t id)
{
    if (lineage_has(lineage, id)) {
        return;
    }
    if (id == LINEAGE_ANYBODY || lineage->count == LIMIT_LINEAGE) {
        *lineage = (struct lineage){.count = 1, .ids = {LINEAGE_ANYBODY}};
        return;
    }
    lineage->ids[lineage->count++] = id;
}

static inline bool lineage_is_equal(const struct lineage *a, const struct lineage *b)
{
    bool equal = a->count == b->count;
    for (uint32_t i = 0; equal && i < a->count; i++) {
        equal = a->ids[i] == b->ids[i];
    }
    return equal;
}

/* Has the state of node a anything that stems from where that of node b has it from? */
static inline bool lineage_is_shared(uint64_t a_id, const struct lineage *a, uint64_t b_id,
                                     const struct lineage *b)
{
    if (lineage_has(a, b_id) || lineage_has(b, a_id)) {
        return true;
    }
    for (uint32_t i = 0; i < a->count; i++) {
        if (lineage_has(b, a->ids[i])) {
            return true;
        }
    }
    return false;
}

#endif
