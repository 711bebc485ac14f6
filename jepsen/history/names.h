/*
 * names.h - texts kept once and known by number: SKUs, order ids, request ids, words of errors.
 *
 * Numbers count from 0 in the order of first use. A text's bytes never move while it is kept.
 */
#ifndef JEPSEN_NAMES_H
#define JEPSEN_NAMES_H

#include "base/bytes.h"

#define NAME_NONE UINT32_MAX

struct names {
    struct bytes *items;
    uint32_t count;
    uint32_t capacity;
    uint32_t *table; /* open addressing: number + 1 */
    uint32_t table_size;
    uint8_t **blocks; /* the texts */
    uint32_t block_count;
    size_t block_used;
};

/* The text's number, which it gets now if it has none. */
uint32_t names_add(struct names *names, struct bytes text);
/* NAME_NONE: not known. */
uint32_t names_find(const struct names *names, struct bytes text);
void names_free(struct names *names);

static inline struct bytes names_text(const struct names *names, uint32_t name)
{
    return names->items[name];
}

#endif
