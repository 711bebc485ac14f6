/*
 * names.c - a hash table from texts to numbers; texts stand in blocks that never move.
 */
#include "names.h"

#include <stdlib.h>

#include "base/hash.h"

#define BLOCK_BYTES ((size_t)1 << 20)

static struct bytes keep(struct names *names, struct bytes text)
{
    size_t room = text.len > BLOCK_BYTES ? text.len : BLOCK_BYTES;
    if (names->block_count == 0 || names->block_used + text.len > BLOCK_BYTES) {
        names->blocks =
            memory_realloc(names->blocks, (names->block_count + 1) * sizeof *names->blocks);
        names->blocks[names->block_count++] = memory_alloc(room);
        names->block_used = 0;
    }
    uint8_t *at = names->blocks[names->block_count - 1] + names->block_used;
    if (text.len > 0) {
        memcpy(at, text.data, text.len);
    }
    names->block_used += text.len;
    return bytes_of(at, text.len);
}

/* Where the text stands in the table, or would. */
static uint32_t slot_of(const struct names *names, struct bytes text)
{
    uint32_t mask = names->table_size - 1;
    uint32_t slot = (uint32_t)hash128_of(text).low & mask;
    while (names->table[slot] != 0 && !bytes_equal(names->items[names->table[slot] - 1], text)) {
        slot = (slot + 1) & mask;
    }
    return slot;
}

static void grow_table(struct names *names)
{
    free(names->table);
    names->table_size = names->table_size == 0 ? 256 : names->table_size * 2;
    names->table = memory_zalloc(names->table_size * sizeof *names->table);
    for (uint32_t i = 0; i < names->count; i++) {
        names->table[slot_of(names, names->items[i])] = i + 1;
    }
}

uint32_t names_add(struct names *names, struct bytes text)
{
    if (names->count >= names->table_size / 2) {
        grow_table(names);
    }
    uint32_t slot = slot_of(names, text);
    if (names->table[slot] != 0) {
        return names->table[slot] - 1;
    }
    if (names->count == names->capacity) {
        names->capacity = names->capacity == 0 ? 64 : names->capacity * 2;
        names->items = memory_realloc(names->items, names->capacity * sizeof *names->items);
    }
    names->items[names->count] = keep(names, text);
    names->table[slot] = ++names->count;
    return names->count - 1;
}

uint32_t names_find(const struct names *names, struct bytes text)
{
    if (names->table_size == 0) {
        return NAME_NONE;
    }
    uint32_t slot = slot_of(names, text);
    return names->table[slot] != 0 ? names->table[slot] - 1 : NAME_NONE;
}

void names_free(struct names *names)
{
    for (uint32_t i = 0; i < names->block_count; i++) {
        free(names->blocks[i]);
    }
    free(names->blocks);
    free(names->items);
    free(names->table);
    *names = (struct names){0};
}
