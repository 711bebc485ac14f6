/*
 * model.h - a second implementation of the ledger's rules, to judge the first by.
 *
 * Written from the rules (docs/decisions/003 and the design they complete), not from ledger/: plain
 * arrays and loops that hold everything in memory and forget nothing. It shares with the production
 * the reader of log entries (ledger/command.h), the shapes of records and results (ledger/record.h,
 * ledger/ledger.h) so that they compare field by field, the numbers of the rules
 * (ledger/settings.h, base/limits.h), and the length of an encoded record where a bound is in
 * bytes. It shares no rule.
 *
 * Use: give model_apply the entries that the ledger applied, compare results one by one with
 * model_result_equal, and records with the model_compare_ calls. What was true at an earlier index
 * is told by model_stock_at and model_order_at.
 *
 * Ownership: the model copies what it keeps. Texts and lines that it shows live as long as the
 * model; failed lines of a result only while they are visited. Threads: one at a time. Errors: a
 * comparison or a check that fails returns false and says in the error what differs; the model's
 * own value comes first.
 */
#ifndef TESTS_MODEL_H
#define TESTS_MODEL_H

#include "ledger/ledger.h"

struct model;

struct model *model_new(void);
void model_free(struct model *model); /* NULL is allowed */

/* Applies the entry at `index`, which must lie above the one before, and gives each command's
 * result in order; visit may be NULL and must not call the model. False for an entry that the
 * reader refuses (damaged, or of a newer version): the model is of no use then. */
bool model_apply(struct model *model, uint64_t index, struct bytes entry, ledger_result_visit visit,
                 void *context);

/* ---- what it holds ---- */

uint64_t model_last_index(const struct model *model);
/* Ledger time from which an entry would expire or trim something; INT64_MAX: nothing is kept. */
int64_t model_next_due_ms(const struct model *model);
unsigned model_version(const struct model *model);
bool model_node_incarnation(const struct model *model, uint64_t node_id, uint64_t *incarnation);

/* As they were right after the entry at `index` was applied (one that was not the ledger's counts
 * as the one before it). False: there was none. */
bool model_stock_at(const struct model *model, struct bytes sku, uint32_t warehouse, uint64_t index,
                    struct stock_record *stock);
bool model_order_at(const struct model *model, struct bytes order_id, uint64_t index,
                    struct order_record *order);

/* Records of now. */
struct model_counts {
    uint64_t stocks;
    uint64_t orders;
    uint64_t open_orders;
    uint64_t closed_orders;
    uint64_t requests;
    uint64_t history_rows;
    uint64_t nodes;
};
struct model_counts model_count(const struct model *model);

/* What a request record must hold, but for the hash of its fields. False: there is none. */
bool model_request(const struct model *model, struct bytes request_id,
                   struct request_record *request);
/* Visits the ids of all request records, in no order. */
void model_list_requests(const struct model *model,
                         void (*visit)(void *context, struct bytes request_id), void *context);

/* ---- the ledger's invariants, of the model itself ---- */

/* Of the stocks that the last entry changed: on_hand >= 0, 0 <= reserved <= on_hand, reserved = sum
 * of open holds, on_hand and reserved = sums of the history's changes, a version that grew with
 * on_hand. From running sums: costs what the entry touched. */
bool model_check_invariants(const struct model *model, struct error *error);
/* The same of every stock, with the sums made anew from orders and rows, and the orders' own:
 * an order is ACTIVE exactly while a line is open, and no line has given more than it had. */
bool model_check_all_invariants(const struct model *model, struct error *error);

/* ---- comparing ---- */

/* `a` is what is expected, the model's as a rule. */
bool model_result_equal(const struct ledger_result *a, const struct ledger_result *b,
                        struct error *difference);
bool model_stock_record_equal(const struct stock_record *a, const struct stock_record *b,
                              struct error *difference);
bool model_order_record_equal(const struct order_record *a, const struct order_record *b,
                              struct error *difference);

/* The ledger must stand at the model's last index. */
bool model_compare_stock(const struct model *model, struct ledger *ledger, struct bytes sku,
                         uint32_t warehouse, struct error *error);
bool model_compare_history(const struct model *model, struct ledger *ledger, struct bytes sku,
                           uint32_t warehouse, struct error *error);
bool model_compare_order(const struct model *model, struct ledger *ledger, struct bytes order_id,
                         struct error *error);
/* Clock, credits, next due (the ledger's may be early), registered nodes. Looks at every order. */
bool model_compare_clock(const struct model *model, struct ledger *ledger, struct error *error);
/* What ledger_check_stock says of these lines. */
bool model_compare_check(const struct model *model, struct ledger *ledger,
                         const struct ledger_line *lines, uint32_t line_count, struct error *error);
/* Time and credits, and the stocks and orders that the last entry touched (histories and the rest
 * are left to model_compare_all): costs what the entry touched. */
bool model_compare_touched(const struct model *model, struct ledger *ledger, struct error *error);
/* Everything that the ledger lists is the model's, and the other way round: stocks, their
 * histories, every order that was ever seen, the clock. */
bool model_compare_all(const struct model *model, struct ledger *ledger, struct error *error);

#endif
