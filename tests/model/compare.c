/*
 * compare.c - the model's results and records against others', field by field; the first field
 * that differs is named with both values, the model's first.
 */
#include <inttypes.h>

#include "state.h"

/* ---- fields ---- */

/* Each is false, with the difference in words, unless a and b are equal. */
static bool same_signed(const char *field, int64_t a, int64_t b, struct error *difference)
{
    return a == b ||
           error_set(difference, "%s: %" PRId64 " is expected, not %" PRId64, field, a, b);
}

static bool same_unsigned(const char *field, uint64_t a, uint64_t b, struct error *difference)
{
    return a == b ||
           error_set(difference, "%s: %" PRIu64 " is expected, not %" PRIu64, field, a, b);
}

static bool same_bytes(const char *field, struct bytes a, struct bytes b, struct error *difference)
{
    return bytes_equal(a, b) ||
           error_set(difference, "%s: \"%.*s\" is expected, not \"%.*s\"", field, (int)a.len,
                     (const char *)a.data, (int)b.len, (const char *)b.data);
}

static bool same_verdict(const char *field, enum ledger_verdict a, enum ledger_verdict b,
                         struct error *difference)
{
    return a == b || error_set(difference, "%s: %s is expected, not %s", field,
                               ledger_verdict_name(a), ledger_verdict_name(b));
}

/* ---- records ---- */

bool model_stock_record_equal(const struct stock_record *a, const struct stock_record *b,
                              struct error *difference)
{
    return same_signed("on_hand", a->on_hand, b->on_hand, difference) &&
           same_signed("reserved", a->reserved, b->reserved, difference) &&
           same_signed("low_stock_threshold", a->low_stock_threshold, b->low_stock_threshold,
                       difference) &&
           same_unsigned("version", a->version, b->version, difference) &&
           same_signed("created_ms", a->created_ms, b->created_ms, difference) &&
           same_signed("updated_ms", a->updated_ms, b->updated_ms, difference) &&
           same_unsigned("last_index", a->last_index, b->last_index, difference);
}

static bool order_line_equal(const struct order_line *a, const struct order_line *b,
                             struct error *difference)
{
    return same_bytes("sku", a->sku, b->sku, difference) &&
           same_unsigned("warehouse", a->warehouse, b->warehouse, difference) &&
           same_signed("reserved", a->reserved, b->reserved, difference) &&
           same_signed("deducted", a->deducted, b->deducted, difference) &&
           same_signed("released", a->released, b->released, difference) &&
           same_signed("expired", a->expired, b->expired, difference) &&
           same_signed("returned", a->returned, b->returned, difference);
}

bool model_order_record_equal(const struct order_record *a, const struct order_record *b,
                              struct error *difference)
{
    if (!same_signed("state", a->state, b->state, difference) ||
        !same_signed("tombstone", a->tombstone, b->tombstone, difference) ||
        !same_signed("created_ms", a->created_ms, b->created_ms, difference) ||
        !same_signed("expires_hold_ms", a->expires_hold_ms, b->expires_hold_ms, difference) ||
        !same_signed("closed_ms", a->closed_ms, b->closed_ms, difference) ||
        !same_signed("purge_ms", a->purge_ms, b->purge_ms, difference) ||
        !same_bytes("actor", a->actor, b->actor, difference) ||
        !same_bytes("reason", a->reason, b->reason, difference) ||
        !same_unsigned("line_count", a->line_count, b->line_count, difference)) {
        return false;
    }
    for (uint32_t i = 0; i < a->line_count; i++) {
        if (!order_line_equal(&a->lines[i], &b->lines[i], difference)) {
            return error_wrap(difference, "line %" PRIu32, i);
        }
    }
    return true;
}

static bool history_row_equal(const struct history_record *a, const struct history_record *b,
                              struct error *difference)
{
    return same_unsigned("index", a->index, b->index, difference) &&
           same_unsigned("sub", a->sub, b->sub, difference) &&
           same_signed("op", a->op, b->op, difference) &&
           same_signed("on_hand_before", a->on_hand_before, b->on_hand_before, difference) &&
           same_signed("on_hand_after", a->on_hand_after, b->on_hand_after, difference) &&
           same_signed("reserved_before", a->reserved_before, b->reserved_before, difference) &&
           same_signed("reserved_after", a->reserved_after, b->reserved_after, difference) &&
           same_signed("time_ms", a->time_ms, b->time_ms, difference) &&
           same_bytes("order_id", a->order_id, b->order_id, difference) &&
           same_bytes("request_id", a->request_id, b->request_id, difference) &&
           same_bytes("actor", a->actor, b->actor, difference) &&
           same_bytes("reason", a->reason, b->reason, difference) &&
           same_bytes("remark", a->remark, b->remark, difference) &&
           same_bytes("trace_id", a->trace_id, b->trace_id, difference);
}

/* ---- results ---- */

static bool failed_lines_equal(const struct ledger_failed_line *a, uint32_t a_count,
                               const struct ledger_failed_line *b, uint32_t b_count,
                               struct error *difference)
{
    if (!same_unsigned("failed_line_count", a_count, b_count, difference)) {
        return false;
    }
    for (uint32_t i = 0; i < a_count; i++) {
        if (!same_bytes("sku", a[i].sku, b[i].sku, difference) ||
            !same_unsigned("warehouse", a[i].warehouse, b[i].warehouse, difference) ||
            !same_signed("requested", a[i].requested, b[i].requested, difference) ||
            !same_signed("available", a[i].available, b[i].available, difference) ||
            !same_verdict("reason", a[i].reason, b[i].reason, difference)) {
            return error_wrap(difference, "failed line %" PRIu32, i);
        }
    }
    return true;
}

bool model_result_equal(const struct ledger_result *a, const struct ledger_result *b,
                        struct error *difference)
{
    if (!same_verdict("verdict", a->verdict, b->verdict, difference) ||
        !same_signed("replayed", a->replayed, b->replayed, difference) ||
        !same_unsigned("log_index", a->log_index, b->log_index, difference) ||
        !same_unsigned("log_position", a->log_position, b->log_position, difference) ||
        !same_signed("order_state", a->order_state, b->order_state, difference) ||
        !same_signed("existed", a->existed, b->existed, difference) ||
        !same_signed("expires_at_ms", a->expires_at_ms, b->expires_at_ms, difference) ||
        !failed_lines_equal(a->failed_lines, a->failed_line_count, b->failed_lines,
                            b->failed_line_count, difference) ||
        !same_signed("has_stock", a->has_stock, b->has_stock, difference)) {
        return false;
    }
    return !a->has_stock ||
           (same_bytes("stock_sku", a->stock_sku, b->stock_sku, difference) &&
            same_unsigned("stock_warehouse", a->stock_warehouse, b->stock_warehouse, difference) &&
            (model_stock_record_equal(&a->stock, &b->stock, difference) ||
             error_wrap(difference, "stock")));
}

/* ---- the ledger's records ---- */

static bool wrap_stock(struct error *error, const char *what, struct bytes sku, uint32_t warehouse)
{
    return error_wrap(error, "%s %.*s@%" PRIu32, what, (int)sku.len, (const char *)sku.data,
                      warehouse);
}

bool model_compare_stock(const struct model *model, struct ledger *ledger, struct bytes sku,
                         uint32_t warehouse, struct error *error)
{
    const struct stock *stock = state_stock(model, sku, ledger_warehouse(warehouse));
    struct stock_record record;
    bool found;
    if (!ledger_get_stock(ledger, sku, warehouse, &record, &found, error)) {
        return false;
    }
    bool same = same_signed("found", stock != NULL, found, error) &&
                (!found || model_stock_record_equal(state_stock_now(stock), &record, error));
    return same || wrap_stock(error, "stock", sku, ledger_warehouse(warehouse));
}

struct history_walk {
    const struct stock *stock; /* NULL: the model has none */
    uint32_t next;
    struct error *error;
    bool same;
};

static bool walk_history(void *context, const struct history_record *row, struct bytes cursor)
{
    struct history_walk *walk = context;
    (void)cursor;
    if (walk->stock == NULL || walk->next == walk->stock->changes.count) {
        walk->same =
            error_set(walk->error, "a row that is not expected: index %" PRIu64 ", sub %" PRIu32,
                      row->index, row->sub);
    } else if (!history_row_equal(&walk->stock->changes.items[walk->next].row, row, walk->error)) {
        walk->same = error_wrap(walk->error, "row %" PRIu32, walk->next);
    }
    walk->next++;
    return walk->same;
}

bool model_compare_history(const struct model *model, struct ledger *ledger, struct bytes sku,
                           uint32_t warehouse, struct error *error)
{
    warehouse = ledger_warehouse(warehouse);
    struct history_walk walk = {state_stock(model, sku, warehouse), 0, error, true};
    if (!ledger_list_history(ledger, sku, warehouse, bytes_of(NULL, 0), walk_history, &walk,
                             error)) {
        return false;
    }
    uint32_t rows = walk.stock != NULL ? walk.stock->changes.count : 0;
    return (walk.same && same_unsigned("rows", rows, walk.next, error)) ||
           wrap_stock(error, "history", sku, warehouse);
}

bool model_compare_order(const struct model *model, struct ledger *ledger, struct bytes order_id,
                         struct error *error)
{
    const struct order_record *order = state_order_now(state_order(model, order_id));
    struct order_record record;
    bool found;
    if (!ledger_get_order(ledger, order_id, &record, &found, error)) {
        return false;
    }
    return (same_signed("found", order != NULL, found, error) &&
            (!found || model_order_record_equal(order, &record, error))) ||
           error_wrap(error, "order %.*s", (int)order_id.len, (const char *)order_id.data);
}

static bool compare_time(const struct model *model, struct ledger *ledger, struct error *error)
{
    return same_signed("ledger time", model->time_ms, ledger_time_ms(ledger), error) &&
           same_signed("credits", model->credits_ms, ledger_credits_ms(ledger), error);
}

bool model_compare_clock(const struct model *model, struct ledger *ledger, struct error *error)
{
    int64_t due_ms = model_next_due_ms(model);
    int64_t ledger_due_ms = ledger_next_due_ms(ledger);
    if (!compare_time(model, ledger, error)) {
        return false;
    }
    if (ledger_due_ms > due_ms) {
        return error_set(error, "next due: %" PRId64 " or earlier is expected, not %" PRId64,
                         due_ms, ledger_due_ms);
    }
    if (!same_unsigned("ledger version", model_version(model), ledger_version(ledger), error)) {
        return false;
    }
    for (uint32_t i = 0; i < model->nodes.count; i++) {
        uint64_t incarnation = 0;
        bool found;
        if (!ledger_node_incarnation(ledger, model->nodes.items[i].id, &incarnation, &found,
                                     error) ||
            !same_signed("node found", true, found, error) ||
            !same_unsigned("incarnation", model->nodes.items[i].incarnation, incarnation, error)) {
            return error_wrap(error, "node %" PRIu64, model->nodes.items[i].id);
        }
    }
    return true;
}

bool model_compare_check(const struct model *model, struct ledger *ledger,
                         const struct ledger_line *lines, uint32_t line_count, struct error *error)
{
    const struct ledger_failed_line *failed;
    uint32_t failed_count;
    struct wants wants = {0};
    bool same = ledger_check_stock(ledger, lines, line_count, &failed, &failed_count, error);
    uint32_t next = 0;
    wants_take(&wants, lines, line_count);
    wants_sort_by_appearance(&wants);
    for (uint32_t i = 0; same && i < wants.count; i++) {
        const struct want *want = &wants.items[i];
        int64_t available = rules_available(model, want->sku, want->warehouse);
        if (want->quantity <= available) {
            continue;
        }
        struct ledger_failed_line expected = {want->sku, want->warehouse, want->quantity, available,
                                              state_stock(model, want->sku, want->warehouse) != NULL
                                                  ? LEDGER_INSUFFICIENT_STOCK
                                                  : LEDGER_SKU_NOT_FOUND};
        same = failed_lines_equal(&expected, 1, &failed[next], next < failed_count, error);
        next++;
    }
    same = same && same_unsigned("failed lines", next, failed_count, error);
    wants_free(&wants);
    return same || error_wrap(error, "check of %" PRIu32 " lines", line_count);
}

bool model_compare_touched(const struct model *model, struct ledger *ledger, struct error *error)
{
    for (uint32_t i = 0; i < model->touched_stocks.count; i++) {
        const struct stock *stock = &model->stocks.items[model->touched_stocks.items[i]];
        if (!model_compare_stock(model, ledger, stock->sku, stock->warehouse, error)) {
            return false;
        }
    }
    for (uint32_t i = 0; i < model->touched_orders.count; i++) {
        const struct order *order = &model->orders.items[model->touched_orders.items[i]];
        if (!model_compare_order(model, ledger, order->id, error)) {
            return false;
        }
    }
    return compare_time(model, ledger, error);
}

struct stock_walk {
    const struct model *model;
    const struct stock *last;
    uint64_t count;
    struct error *error;
    bool same;
};

static bool walk_stock(void *context, struct bytes sku, uint32_t warehouse,
                       const struct stock_record *record, struct bytes cursor)
{
    struct stock_walk *walk = context;
    const struct stock *stock = state_stock(walk->model, sku, warehouse);
    (void)cursor;
    walk->count++;
    if (walk->last != NULL &&
        state_compare_keys(walk->last->sku, walk->last->warehouse, sku, warehouse) >= 0) {
        error_set(walk->error, "listed behind one that sorts above it");
        walk->same = wrap_stock(walk->error, "stock", sku, warehouse);
    } else if (stock == NULL) {
        error_set(walk->error, "the ledger has it, the model does not");
        walk->same = wrap_stock(walk->error, "stock", sku, warehouse);
    } else if (!model_stock_record_equal(state_stock_now(stock), record, walk->error)) {
        walk->same = wrap_stock(walk->error, "stock", sku, warehouse);
    }
    walk->last = stock;
    return walk->same;
}

bool model_compare_all(const struct model *model, struct ledger *ledger, struct error *error)
{
    struct stock_walk walk = {.model = model, .error = error, .same = true};
    if (!ledger_list_stock(ledger, bytes_of(NULL, 0), walk_stock, &walk, error) || !walk.same ||
        !same_unsigned("stocks", model->stocks.count, walk.count, error)) {
        return false;
    }
    for (uint32_t i = 0; i < model->stocks.count; i++) {
        const struct stock *stock = &model->stocks.items[i];
        if (!model_compare_history(model, ledger, stock->sku, stock->warehouse, error)) {
            return false;
        }
    }
    for (uint32_t i = 0; i < model->orders.count; i++) {
        if (!model_compare_order(model, ledger, model->orders.items[i].id, error)) {
            return false;
        }
    }
    return model_compare_clock(model, ledger, error);
}
