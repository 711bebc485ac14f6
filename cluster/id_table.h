/*
 * id_table.h - gives each distinct id a number, 0, 1, 2, ... in order of first appearance.
 *
 * Ownership: the table copies the ids, closing each with a NUL. At most UINT32_MAX - 1 ids; the
 * caller bounds them long before.
 */
#ifndef CLUSTER_ID_TABLE_H
#define CLUSTER_ID_TABLE_H

#include "base/bytes.h"

struct id_table {
    uint32_t count;
    /* private */
    struct buffer text;  /* the ids, one after the other */
    struct buffer where; /* size_t per id: where in text it begins */
    uint32_t *slots;     /* open addressing: number + 1, or 0 */
    uint32_t slot_count; /* a power of two, more than twice count */
};

uint32_t id_table_add(struct id_table *table, struct bytes id);
/* NUL-terminated; valid until the next id_table_add. */
const char *id_table_text(const struct id_table *table, uint32_t number);
void id_table_free(struct id_table *table);

#endif
