/*
 * replay_plan.c - rows to invoices to lines, in time linear in the rows.
 *
 * The happy path: rows are gathered by invoice (counting sort, which keeps their order), then each
 * invoice's rows that count are summed per SKU through a table that says where in this invoice a
 * SKU already stands.
 */
#include "replay_plan.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/limits.h"

/* For each row its place when rows are ordered by invoice; ends[i] is where invoice i ends. */
struct grouping {
    uint32_t *rows;
    size_t *ends;
};

static struct grouping group_by_invoice(const struct orders *orders)
{
    struct grouping grouping = {
        .rows = memory_alloc(orders->row_count * sizeof *grouping.rows),
        .ends = memory_zalloc(orders->invoices.count * sizeof *grouping.ends),
    };
    for (size_t i = 0; i < orders->row_count; i++) {
        grouping.ends[orders->rows[i].invoice]++;
    }
    size_t start = 0;
    for (uint32_t i = 0; i < orders->invoices.count; i++) {
        size_t count = grouping.ends[i];
        grouping.ends[i] = start;
        start += count;
    }
    /* Placing a row moves its invoice's start on: what was a start is the end in the end. */
    for (size_t i = 0; i < orders->row_count; i++) {
        grouping.rows[grouping.ends[orders->rows[i].invoice]++] = (uint32_t)i;
    }
    return grouping;
}

/* Where in the invoice under way a SKU stands: valid if its stamp is the invoice's. */
struct sku_place {
    uint32_t invoice_stamp; /* invoice number + 1 */
    size_t line;
};

static bool add_row(struct replay_plan *plan, const struct orders *orders,
                    struct plan_invoice *invoice, struct sku_place *place, uint32_t sku,
                    int64_t quantity, struct error *error)
{
    if (place->invoice_stamp != invoice->invoice + 1) {
        *place = (struct sku_place){invoice->invoice + 1, plan->line_count};
        plan->lines[plan->line_count++] = (struct plan_line){.sku = sku};
        invoice->line_count++;
    }
    struct plan_line *line = &plan->lines[place->line];
    line->quantity += quantity; /* each is below 2^53: no overflow before the check */
    if (line->quantity > LIMIT_QUANTITY) {
        return error_set(error, "invoice %.100s: the quantities of %.100s add up beyond 2^53-1",
                         id_table_text(&orders->invoices, invoice->invoice),
                         id_table_text(&orders->skus, sku));
    }
    return true;
}

static bool plan_invoice(struct replay_plan *plan, const struct orders *orders, uint32_t number,
                         const uint32_t *rows, size_t row_count, struct sku_place *places,
                         struct error *error)
{
    struct plan_invoice invoice = {
        .invoice = number,
        .is_return = *id_table_text(&orders->invoices, number) == 'C',
        .first_line = plan->line_count,
    };
    for (size_t i = 0; i < row_count; i++) {
        const struct order_row *row = &orders->rows[rows[i]];
        int64_t quantity = invoice.is_return ? -row->quantity : row->quantity;
        if (quantity > 0 &&
            !add_row(plan, orders, &invoice, &places[row->sku], row->sku, quantity, error)) {
            return false;
        }
    }
    if (invoice.line_count == 0) {
        plan->skipped_count++;
        return true;
    }
    if (!invoice.is_return && invoice.line_count > LIMIT_LINES) {
        return error_set(error, "invoice %.100s has %" PRIu32 " SKUs, an order at most %d",
                         id_table_text(&orders->invoices, number), invoice.line_count, LIMIT_LINES);
    }
    plan->invoices[plan->invoice_count++] = invoice;
    return true;
}

bool replay_plan_make(struct replay_plan *plan, const struct orders *orders, struct error *error)
{
    *plan = (struct replay_plan){
        .invoices = memory_alloc(orders->invoices.count * sizeof *plan->invoices),
        .lines = memory_alloc(orders->row_count * sizeof *plan->lines),
    };
    struct grouping grouping = group_by_invoice(orders);
    struct sku_place *places = memory_zalloc(orders->skus.count * sizeof *places);
    bool done = true;
    size_t start = 0;
    for (uint32_t i = 0; done && i < orders->invoices.count; i++) {
        done = plan_invoice(plan, orders, i, grouping.rows + start, grouping.ends[i] - start,
                            places, error);
        start = grouping.ends[i];
    }
    free(places);
    free(grouping.rows);
    free(grouping.ends);
    if (!done) {
        replay_plan_free(plan);
    }
    return done;
}

void replay_plan_free(struct replay_plan *plan)
{
    free(plan->invoices);
    free(plan->lines);
    *plan = (struct replay_plan){0};
}
