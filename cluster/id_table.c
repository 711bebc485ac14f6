/*
 * id_table.c - a hash table with linear probing, never more than half full, that only grows.
 */
#include "id_table.h"

#include <assert.h>
#include <stdlib.h>

#include "base/hash.h"

const char *id_table_text(const struct id_table *table, uint32_t number)
{
    assert(number < table->count);
    size_t where;
    memcpy(&where, table->where.data + number * sizeof where, sizeof where);
    return (const char *)table->text.data + where;
}

/* The slot that holds the id, or the empty one where it belongs. */
static uint32_t *slot_of(const struct id_table *table, struct bytes id)
{
    uint32_t mask = table->slot_count - 1;
    for (uint32_t at = (uint32_t)hash128_of(id).low & mask;; at = (at + 1) & mask) {
        uint32_t *slot = &table->slots[at];
        if (*slot == 0 || bytes_equal(bytes_of_string(id_table_text(table, *slot - 1)), id)) {
            return slot;
        }
    }
}

static void grow(struct id_table *table)
{
    table->slot_count = table->slot_count == 0 ? 1024 : table->slot_count * 2;
    free(table->slots);
    table->slots = memory_zalloc(table->slot_count * sizeof *table->slots);
    for (uint32_t i = 0; i < table->count; i++) {
        *slot_of(table, bytes_of_string(id_table_text(table, i))) = i + 1;
    }
}

uint32_t id_table_add(struct id_table *table, struct bytes id)
{
    if (table->count >= table->slot_count / 2) {
        assert(table->slot_count < UINT32_C(1) << 31);
        grow(table);
    }
    uint32_t *slot = slot_of(table, id);
    if (*slot == 0) {
        size_t where = table->text.len;
        buffer_append(&table->where, &where, sizeof where);
        buffer_append_bytes(&table->text, id);
        buffer_append(&table->text, "", 1);
        *slot = ++table->count;
    }
    return *slot - 1;
}

void id_table_free(struct id_table *table)
{
    buffer_free(&table->text);
    buffer_free(&table->where);
    free(table->slots);
    *table = (struct id_table){0};
}
