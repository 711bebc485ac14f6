/*
 * render.h - what the client library hands out, as JSON with the proto's field names and as rows of
 * tables. Every field that has no presence in the proto is always written, timestamps and
 * sub-messages only where they are set.
 */
#ifndef CLUSTER_RENDER_H
#define CLUSTER_RENDER_H

#include <holdfast/holdfast.h>

#include "json.h"
#include "table.h"

/* A JSON object each; text NULL reads as "". */
void render_stock(struct json *json, const hf_stock *stock);
/* One of a list's. `with_age`: it was read as HF_STALE. */
void render_stock_item(struct json *json, const hf_stock_item *item, const hf_stock_list *list,
                       bool with_age);
void render_result(struct json *json, const hf_result *result);
void render_availability(struct json *json, const hf_availability *availability, bool with_age);
void render_order(struct json *json, const hf_order *order, bool with_age);
void render_history_row(struct json *json, const hf_history_row *row);
void render_status(struct json *json, const char *endpoint, const hf_status *status);
void render_membership(struct json *json, const hf_membership *membership);
/* RaiseLedgerVersionResponse. */
void render_upgrade(struct json *json, const hf_upgrade *upgrade);
void render_leadership(struct json *json, const hf_leadership *leadership);
/* error: why there is none; else NULL. */
void render_verification(struct json *json, uint64_t node_id, const char *endpoint,
                         const hf_verification *verification, const char *error);

void render_snapshot(struct json *json, const char *endpoint, const hf_snapshot *snapshot);

extern const char *const stock_headings[];
void tabulate_stock(struct table *table, const hf_stock *stock);
extern const char *const failed_line_headings[];
void tabulate_failed_line(struct table *table, const hf_failed_line *line);
extern const char *const order_line_headings[];
void tabulate_order_line(struct table *table, const hf_order_line *line);
extern const char *const history_headings[];
void tabulate_history_row(struct table *table, const hf_history_row *row);

#endif
