/*
 * lines.c - summing and sorting lines. O(n log n), and O(n) for lines that come sorted; ties are
 * broken by position, so that the result does not depend on the C library's sort.
 */
#include "lines.h"

#include <assert.h>
#include <stdlib.h>

#include "base/limits.h"

void *array_grow(void *items, uint32_t *capacity, uint32_t need, size_t item_bytes)
{
    if (need <= *capacity) {
        return items;
    }
    uint32_t grown = *capacity < 16 ? 16 : *capacity;
    while (grown < need) {
        assert(grown <= UINT32_MAX / 2);
        grown *= 2;
    }
    *capacity = grown;
    return memory_realloc(items, (size_t)grown * item_bytes);
}

int stock_compare(struct bytes sku_a, uint32_t warehouse_a, struct bytes sku_b,
                  uint32_t warehouse_b)
{
    int order = bytes_compare(sku_a, sku_b);
    if (order != 0) {
        return order;
    }
    return (warehouse_a > warehouse_b) - (warehouse_a < warehouse_b);
}

static int compare_by_stock(const void *a, const void *b)
{
    const struct summed_line *x = a;
    const struct summed_line *y = b;
    int order = stock_compare(x->sku, x->warehouse, y->sku, y->warehouse);
    if (order != 0) {
        return order;
    }
    return (x->first > y->first) - (x->first < y->first);
}

static int compare_by_appearance(const void *a, const void *b)
{
    const struct summed_line *x = a;
    const struct summed_line *y = b;
    return (x->first > y->first) - (x->first < y->first);
}

void line_set_start(struct line_set *set, uint32_t count)
{
    set->items = array_grow(set->items, &set->capacity, count, sizeof *set->items);
    set->count = 0;
}

void line_set_add(struct line_set *set, struct bytes sku, uint32_t warehouse, int64_t quantity)
{
    assert(set->count < set->capacity);
    set->items[set->count] = (struct summed_line){
        .sku = sku,
        .warehouse = ledger_warehouse(warehouse),
        .first = set->count,
        .quantity = quantity,
    };
    set->count++;
}

/* Neighbours of the same stock become one; the first keeps its place of appearance. */
static bool sum_neighbours(struct line_set *set)
{
    bool within = true;
    uint32_t kept = 0;
    for (uint32_t i = 0; i < set->count; i++) {
        struct summed_line *next = &set->items[i];
        struct summed_line *last = kept > 0 ? &set->items[kept - 1] : NULL;
        if (last == NULL ||
            stock_compare(last->sku, last->warehouse, next->sku, next->warehouse) != 0) {
            set->items[kept++] = *next;
        } else if (next->quantity > LIMIT_QUANTITY - last->quantity) {
            last->quantity = LIMIT_QUANTITY + 1;
            within = false;
        } else {
            last->quantity += next->quantity;
        }
    }
    set->count = kept;
    return within;
}

bool line_set_sum(struct line_set *set, const struct ledger_line *lines, uint32_t count)
{
    line_set_start(set, count);
    bool sorted = true;
    for (uint32_t i = 0; i < count; i++) {
        assert(lines[i].quantity <= LIMIT_QUANTITY);
        line_set_add(set, lines[i].sku, lines[i].warehouse, lines[i].quantity);
        sorted = sorted && (i == 0 || compare_by_stock(&set->items[i - 1], &set->items[i]) < 0);
    }
    if (!sorted) {
        qsort(set->items, set->count, sizeof *set->items, compare_by_stock);
    }
    return sum_neighbours(set);
}

void line_set_sort_by_appearance(struct line_set *set)
{
    if (set->count > 1) {
        qsort(set->items, set->count, sizeof *set->items, compare_by_appearance);
    }
}

void line_set_free(struct line_set *set)
{
    free(set->items);
    *set = (struct line_set){0};
}
