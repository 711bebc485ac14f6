/*
 * lines.h - the lines of a command, summed: one item for each SKU and warehouse, sorted by SKU,
 * then warehouse. The form in which lines are compared, hashed, checked and stored.
 *
 * Ownership: items view the SKUs of the lines they were made from; the array belongs to the set and
 * is reused. Zero-initialise; free with line_set_free.
 */
#ifndef LEDGER_LINES_H
#define LEDGER_LINES_H

#include "ledger/command.h"

struct summed_line {
    struct bytes sku;
    uint32_t warehouse; /* never 0 */
    uint32_t first;     /* where it first appeared among the lines */
    int64_t quantity;
    /* judged by whoever checks the lines: UNSPECIFIED is fine */
    enum ledger_verdict reason;
    int64_t available;
};

/* A line in a log entry takes at least this (entry.c): how many an entry can carry. */
enum { LEDGER_LINE_LEAST_BYTES = 2 + 4 + 8 };

struct line_set {
    struct summed_line *items;
    uint32_t count;
    uint32_t capacity;
};

/* Sums and sorts. False if a sum lies above LIMIT_QUANTITY; such items then stand at
 * LIMIT_QUANTITY + 1. Quantities must be at most LIMIT_QUANTITY. */
bool line_set_sum(struct line_set *set, const struct ledger_line *lines, uint32_t count);
/* An empty set with room for `count` items, to be filled in sorted order by the caller. */
void line_set_start(struct line_set *set, uint32_t count);
void line_set_add(struct line_set *set, struct bytes sku, uint32_t warehouse, int64_t quantity);
/* Puts the items into order of first appearance, which is how refusals list them. */
void line_set_sort_by_appearance(struct line_set *set);
void line_set_free(struct line_set *set);

/* The order of stock: by SKU, then warehouse. <0, 0, >0. */
int stock_compare(struct bytes sku_a, uint32_t warehouse_a, struct bytes sku_b,
                  uint32_t warehouse_b);

/* An array that may grow to `need` items: the new address; *capacity follows. */
void *array_grow(void *items, uint32_t *capacity, uint32_t need, size_t item_bytes);

#endif
