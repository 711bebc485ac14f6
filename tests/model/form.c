/*
 * form.c - what can be said of a command without looking at anything else: is it well-formed, and
 * which lines does it mean, once a warehouse that is not named is 1 and duplicate lines are summed.
 */
#include <stdlib.h>

#include "base/limits.h"
#include "state.h"

static bool good_text(struct bytes text)
{
    return text.len <= LIMIT_TEXT_BYTES &&
           (text.len == 0 || memchr(text.data, 0, text.len) == NULL) && bytes_is_utf8(text);
}

static bool good_id(struct bytes id)
{
    return id.len > 0 && id.len <= LIMIT_ID_BYTES && good_text(id);
}

static bool good_lines(const struct ledger_command *command)
{
    if (command->line_count > LIMIT_LINES) {
        return false;
    }
    for (uint32_t i = 0; i < command->line_count; i++) {
        const struct ledger_line *line = &command->lines[i];
        if (!good_id(line->sku) || line->quantity < 1 || line->quantity > LIMIT_QUANTITY) {
            return false;
        }
    }
    return true;
}

bool form_is_good(const struct ledger_command *command)
{
    if ((command->request_id.len != 0 && !good_id(command->request_id)) ||
        !good_text(command->actor) || !good_text(command->reason) || !good_text(command->remark) ||
        !good_text(command->trace_id) || command->requested_at_ms < 0 ||
        command->requested_at_ms > LIMIT_TIME_MS) {
        return false;
    }
    switch (command->kind) {
    case LEDGER_SET_STOCK:
        return command->request_id.len > 0 && good_id(command->sku) && command->quantity >= 0 &&
               command->quantity <= LIMIT_QUANTITY;
    case LEDGER_ADJUST_STOCK:
        return command->request_id.len > 0 && good_id(command->sku) && command->quantity != 0 &&
               command->quantity >= -LIMIT_QUANTITY && command->quantity <= LIMIT_QUANTITY &&
               command->reason.len > 0;
    case LEDGER_RESERVE:
        return good_id(command->order_id) && command->line_count > 0 && good_lines(command) &&
               (!command->has_ttl || command->ttl_ms >= 1);
    case LEDGER_DEDUCT:
    case LEDGER_RELEASE:
        return good_id(command->order_id) && good_lines(command) &&
               (command->line_count == 0 || command->request_id.len > 0);
    case LEDGER_REGISTER_NODE:
        return command->node_id != 0 && command->incarnation != 0;
    case LEDGER_RAISE_VERSION:
        return command->version != 0;
    }
    return false;
}

/* ---- lines ---- */

static int by_key(const void *left, const void *right)
{
    const struct want *a = left;
    const struct want *b = right;
    int order = state_compare_keys(a->sku, a->warehouse, b->sku, b->warehouse);
    return order != 0 ? order : (a->first > b->first) - (a->first < b->first);
}

static int by_appearance(const void *left, const void *right)
{
    const struct want *a = left;
    const struct want *b = right;
    return (a->first > b->first) - (a->first < b->first);
}

void wants_take(struct wants *wants, const struct ledger_line *lines, uint32_t count)
{
    wants->items = memory_realloc(wants->items, (count + 1) * sizeof *wants->items);
    for (uint32_t i = 0; i < count; i++) {
        wants->items[i] =
            (struct want){lines[i].sku, ledger_warehouse(lines[i].warehouse), lines[i].quantity, i};
    }
    qsort(wants->items, count, sizeof *wants->items, by_key);
    wants->count = 0;
    wants->overflow = false;
    for (uint32_t i = 0; i < count; i++) {
        const struct want *item = &wants->items[i];
        struct want *last = wants->count != 0 ? &wants->items[wants->count - 1] : NULL;
        if (last == NULL ||
            state_compare_keys(last->sku, last->warehouse, item->sku, item->warehouse) != 0) {
            wants->items[wants->count++] = *item;
        } else if (item->quantity > LIMIT_QUANTITY - last->quantity) {
            wants->overflow = true;
        } else {
            last->quantity += item->quantity;
        }
    }
}

void wants_free(struct wants *wants)
{
    free(wants->items);
    *wants = (struct wants){0};
}

void wants_sort_by_key(struct wants *wants)
{
    qsort(wants->items, wants->count, sizeof *wants->items, by_key);
}

void wants_sort_by_appearance(struct wants *wants)
{
    qsort(wants->items, wants->count, sizeof *wants->items, by_appearance);
}
