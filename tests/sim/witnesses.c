/*
 * witnesses.c - each witness is left out, or taken if it has nothing to do with those taken before.
 */
#include "witnesses.h"

#include <assert.h>

/* Of the places from `from` on, the most that go with those taken, a bit each. */
static size_t most_with(const struct witness *witnesses, size_t count, size_t from, unsigned taken)
{
    if (from == count) {
        return 0;
    }
    const struct witness *next = &witnesses[from];
    bool is_kin = false;
    for (size_t i = 0; i < from; i++) {
        is_kin = is_kin || ((taken >> i & 1) != 0 &&
                            lineage_is_shared(next->id, &next->lineage, witnesses[i].id,
                                              &witnesses[i].lineage));
    }
    size_t most = most_with(witnesses, count, from + 1, taken);
    size_t most_with_next =
        is_kin ? 0 : 1 + most_with(witnesses, count, from + 1, taken | 1u << from);
    return most > most_with_next ? most : most_with_next;
}

size_t witnesses_most(const struct witness *witnesses, size_t count)
{
    assert(count <= LIMIT_NODES);
    return most_with(witnesses, count, 0, 0);
}
