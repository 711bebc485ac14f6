/*
 * table.h - aligned columns of text for people.
 *
 * Cells are gathered and written at table_flush, so that each column is as wide as its widest cell;
 * a list that comes page by page is flushed page by page, and columns only ever grow. On a terminal
 * the heading is bold. Control characters in a cell are shown as \xNN: what is stored in a SKU must
 * not steer somebody's terminal.
 */
#ifndef CLUSTER_TABLE_H
#define CLUSTER_TABLE_H

#include <stdio.h>

#include "base/bytes.h"

#define TABLE_COLUMNS 16

struct table {
    FILE *out;
    const char *const *headings; /* column_count of them; a leading '>' aligns to the right */
    size_t column_count;
    size_t widths[TABLE_COLUMNS];
    struct buffer cells; /* each ends with a NUL */
    size_t cell_count;
    bool headed; /* the heading has been written */
};

/* headings is NULL-terminated and outlives the table. */
void table_begin(struct table *table, FILE *out, const char *const *headings);
void table_text(struct table *table, const char *text);
void table_bytes(struct table *table, struct bytes text);
void table_int(struct table *table, int64_t value);
void table_uint(struct table *table, uint64_t value);
/* Writes the rows gathered so far, all of them complete. */
void table_flush(struct table *table);
/* Flushes and frees. A table without a row writes its heading only. */
void table_end(struct table *table);

/* Appends text with its control characters shown. */
void append_printable(struct buffer *out, struct bytes text);

#endif
