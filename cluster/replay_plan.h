/*
 * replay_plan.h - what a replay will do, worked out from the rows of a file before anything is
 * sent. Pure: no I/O, and the same rows give the same plan.
 *
 *  - Each SKU of the file gets its stock set, in order of first appearance.
 *  - Then invoice by invoice, in the order in which they first appear; their rows need not stand
 *    together. An invoice that does not begin with 'C' is an order: its rows with quantity > 0,
 *    summed per SKU. One that does is a return: its rows with quantity < 0, their absolute values
 *    summed per SKU. Either way SKUs stand in order of first appearance among the rows that count.
 *  - An invoice of which no row counts is skipped.
 */
#ifndef CLUSTER_REPLAY_PLAN_H
#define CLUSTER_REPLAY_PLAN_H

#include "orders_file.h"

struct plan_line {
    uint32_t sku;     /* of orders->skus */
    int64_t quantity; /* 1 to LIMIT_QUANTITY */
};

struct plan_invoice {
    uint32_t invoice; /* of orders->invoices: its number is the order id */
    bool is_return;
    uint32_t line_count; /* 1 to LIMIT_LINES for an order */
    size_t first_line;   /* of plan->lines */
};

struct replay_plan {
    struct plan_invoice *invoices;
    size_t invoice_count;
    struct plan_line *lines;
    size_t line_count;
    size_t skipped_count;
};

/* Fails on an order of more than LIMIT_LINES SKUs, and on a sum beyond LIMIT_QUANTITY: the ledger
 * would refuse them. On failure nothing is left to free. */
bool replay_plan_make(struct replay_plan *plan, const struct orders *orders, struct error *error);
void replay_plan_free(struct replay_plan *plan);

#endif
