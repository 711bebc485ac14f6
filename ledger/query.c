/*
 * query.c - reads: one stock, one order, are these lines available, and lists that go on from a
 * cursor.
 *
 * A cursor is a letter for its list and the key of the last record shown; the list goes on right
 * behind that key, whether the record is still there or not. What can fail: the store; a cursor
 * that is none, or another list's.
 */
#include "machine.h"

static bool is_stock_key(struct bytes sku)
{
    struct error why;
    return ledger_id_check("sku", sku, &why);
}

bool ledger_get_stock(struct ledger *ledger, struct bytes sku, uint32_t warehouse,
                      struct stock_record *stock, bool *found, struct error *error)
{
    struct stock_slot slot = {0};
    if (is_stock_key(sku) &&
        !ledger_load_stock(ledger, sku, ledger_warehouse(warehouse), &slot, error)) {
        return false;
    }
    *found = slot.found;
    *stock = slot.record;
    return true;
}

bool ledger_get_order(struct ledger *ledger, struct bytes order_id, struct order_record *order,
                      bool *found, struct error *error)
{
    struct error why;
    struct bytes value;
    *order = (struct order_record){0};
    *found = false;
    if (!ledger_id_check("order_id", order_id, &why)) {
        return true;
    }
    struct ledger_key key = ledger_key_order(order_id);
    if (!ledger_load(ledger, &key, &value, found, error)) {
        return false;
    }
    return !*found || order_record_decode(value, order, &ledger->query_lines, error);
}

/* The lines that break a rule of form, if any: nothing else is looked at then. */
static uint32_t find_malformed(struct ledger *ledger, const struct ledger_line *lines,
                               uint32_t line_count)
{
    struct failed_lines *failed = &ledger->failed;
    struct error why;
    uint32_t count = 0;
    for (uint32_t i = 0; i < line_count; i++) {
        if (!ledger_lines_check(&lines[i], 1, &why)) {
            failed->items =
                array_grow(failed->items, &failed->capacity, count + 1, sizeof *failed->items);
            failed->items[count++] =
                (struct ledger_failed_line){lines[i].sku, ledger_warehouse(lines[i].warehouse),
                                            lines[i].quantity, 0, LEDGER_MALFORMED_COMMAND};
        }
    }
    return count;
}

static bool check_line(struct ledger *ledger, struct summed_line *line, struct error *error)
{
    struct stock_slot stock;
    if (!ledger_load_stock(ledger, line->sku, line->warehouse, &stock, error)) {
        return false;
    }
    ledger_judge_line(line, &stock, stock.record.on_hand - stock.record.reserved);
    if (line->quantity > LIMIT_QUANTITY) {
        line->quantity = LIMIT_QUANTITY;
        line->reason = LEDGER_OVERFLOW;
    }
    return true;
}

bool ledger_check_stock(struct ledger *ledger, const struct ledger_line *lines, uint32_t line_count,
                        const struct ledger_failed_line **failed, uint32_t *failed_count,
                        struct error *error)
{
    *failed_count = find_malformed(ledger, lines, line_count);
    *failed = ledger->failed.items;
    if (*failed_count > 0) {
        return true;
    }
    line_set_sum(&ledger->lines, lines, line_count);
    for (uint32_t i = 0; i < ledger->lines.count; i++) {
        if (!check_line(ledger, &ledger->lines.items[i], error)) {
            return false;
        }
    }
    struct ledger_result result = {0};
    ledger_refuse_lines(ledger, &result);
    *failed = result.failed_lines;
    *failed_count = result.failed_line_count;
    return true;
}

/* ---- lists ---- */

/* Room for a cursor, and for the key behind the one it names: a letter or a NUL more than a key. */
struct cursor {
    size_t len;
    uint8_t data[sizeof(struct ledger_key) + 1];
};

enum { STOCK_CURSOR = 's', HISTORY_CURSOR = 'h' };

static struct bytes make_cursor(struct cursor *cursor, uint8_t letter, struct bytes key)
{
    cursor->data[0] = letter;
    memcpy(cursor->data + 1, key.data, key.len);
    cursor->len = key.len + 1;
    return bytes_of(cursor->data, cursor->len);
}

/* The key that follows the cursor's: itself and a NUL. */
static struct bytes key_behind(struct cursor *from, struct bytes cursor)
{
    from->len = cursor.len;
    memcpy(from->data, cursor.data + 1, cursor.len - 1);
    from->data[from->len - 1] = 0;
    return bytes_of(from->data, from->len);
}

struct stock_list {
    ledger_stock_visit visit;
    void *context;
    struct cursor cursor;
    struct error *error;
    bool failed;
};

static bool list_stock_visit(void *context, struct bytes key, struct bytes value)
{
    struct stock_list *list = context;
    struct bytes sku;
    uint32_t warehouse;
    struct stock_record stock;
    if (!ledger_key_read_stock(key, &sku, &warehouse)) {
        list->failed = true;
        return ledger_contradiction(list->error, "a stock's key names no SKU");
    }
    if (!stock_record_decode(value, &stock, list->error)) {
        list->failed = true;
        return false;
    }
    return list->visit(list->context, sku, warehouse, &stock,
                       make_cursor(&list->cursor, STOCK_CURSOR, key));
}

bool ledger_list_stock(struct ledger *ledger, struct bytes cursor, ledger_stock_visit visit,
                       void *context, struct error *error)
{
    struct stock_list list = {.visit = visit, .context = context, .error = error};
    struct cursor from = {0};
    struct bytes from_key = {NULL, 0};
    if (cursor.len != 0) {
        struct bytes sku;
        uint32_t warehouse;
        if (cursor.data[0] != STOCK_CURSOR ||
            !ledger_key_read_stock(bytes_of(cursor.data + 1, cursor.len - 1), &sku, &warehouse)) {
            return error_set(error, "page token is not one of this list: begin without one");
        }
        from_key = key_behind(&from, cursor);
    }
    return ledger->store.ops->scan(ledger->store.store, LEDGER_KIND_STOCK, from_key,
                                   bytes_of(NULL, 0), list_stock_visit, &list, error) &&
           !list.failed;
}

struct history_list {
    ledger_history_visit visit;
    void *context;
    struct cursor cursor;
    struct error *error;
    bool failed;
};

static bool list_history_visit(void *context, struct bytes key, struct bytes value)
{
    struct history_list *list = context;
    struct bytes sku;
    uint32_t warehouse;
    uint64_t index;
    uint32_t sub;
    struct history_record row;
    if (!ledger_key_read_history(key, &sku, &warehouse, &index, &sub)) {
        list->failed = true;
        return ledger_contradiction(list->error, "a history row's key names no SKU");
    }
    if (!history_record_decode(value, &row, list->error)) {
        list->failed = true;
        return false;
    }
    row.index = index;
    row.sub = sub;
    return list->visit(list->context, &row, make_cursor(&list->cursor, HISTORY_CURSOR, key));
}

/* Is it the cursor of a row of this stock? */
static bool is_history_cursor(struct bytes cursor, struct bytes sku, uint32_t warehouse)
{
    struct bytes cursor_sku;
    uint32_t cursor_warehouse;
    uint64_t index;
    uint32_t sub;
    return cursor.data[0] == HISTORY_CURSOR &&
           ledger_key_read_history(bytes_of(cursor.data + 1, cursor.len - 1), &cursor_sku,
                                   &cursor_warehouse, &index, &sub) &&
           bytes_equal(cursor_sku, sku) && cursor_warehouse == warehouse;
}

bool ledger_list_history(struct ledger *ledger, struct bytes sku, uint32_t warehouse,
                         struct bytes cursor, ledger_history_visit visit, void *context,
                         struct error *error)
{
    struct history_list list = {.visit = visit, .context = context, .error = error};
    warehouse = ledger_warehouse(warehouse);
    if (cursor.len != 0 && !is_history_cursor(cursor, sku, warehouse)) {
        return error_set(error, "page token is not one of this list: begin without one");
    }
    if (!is_stock_key(sku)) {
        return true;
    }
    struct ledger_key begin = ledger_key_history_begin(sku, warehouse);
    struct ledger_key end = ledger_key_history_end(sku, warehouse);
    struct cursor from = {0};
    struct bytes from_key = cursor.len != 0 ? key_behind(&from, cursor) : ledger_key_bytes(&begin);
    return ledger->store.ops->scan(ledger->store.store, LEDGER_KIND_HISTORY, from_key,
                                   ledger_key_bytes(&end), list_history_visit, &list, error) &&
           !list.failed;
}
