/*
 * log_order.c - sorts operations by their place in the log.
 */
#include "log_order.h"

#include <stdlib.h>

struct keyed {
    uint64_t key;
    uint32_t operation;
};

static int by_key(const void *left, const void *right)
{
    const struct keyed *a = left;
    const struct keyed *b = right;
    if (a->key != b->key) {
        return a->key < b->key ? -1 : 1;
    }
    return a->operation < b->operation ? -1 : a->operation > b->operation;
}

uint32_t *log_order(const struct history *history, uint32_t *count)
{
    struct keyed *keyed = memory_alloc((history->operations.count + 1u) * sizeof *keyed);
    *count = 0;
    for (uint32_t i = 0; i < history->operations.count; i++) {
        const struct operation *operation = &history->operations.items[i];
        if (has_key(operation)) {
            keyed[(*count)++] = (struct keyed){key_of(operation), i};
        }
    }
    qsort(keyed, *count, sizeof *keyed, by_key);
    uint32_t *sorted = memory_alloc((*count + 1u) * sizeof *sorted);
    for (uint32_t i = 0; i < *count; i++) {
        sorted[i] = keyed[i].operation;
    }
    free(keyed);
    return sorted;
}
