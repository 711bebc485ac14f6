/*
 * render.c - one function per message of proto/holdfast/v1, in the proto's order of fields. Nothing
 * can fail.
 */
#include "render.h"

#include <inttypes.h>
#include <stdio.h>

static void field_time(struct json *json, const char *key, int64_t time_ms)
{
    if (time_ms != 0) {
        json_field_time(json, key, time_ms);
    }
}

static void field_verdict(struct json *json, const char *key, hf_verdict verdict)
{
    json_field_text(json, key, hf_verdict_name(verdict));
}

static void field_state(struct json *json, const char *key, hf_order_state state)
{
    json_field_text(json, key,
                    state == HF_STATE_NONE ? "STATE_UNSPECIFIED" : hf_order_state_name(state));
}

static void render_failed_lines(struct json *json, const hf_failed_line *lines, size_t count)
{
    json_key(json, "failed_lines");
    json_array_begin(json);
    for (size_t i = 0; i < count; i++) {
        json_object_begin(json);
        json_field_text(json, "sku", lines[i].sku);
        json_field_uint(json, "warehouse", lines[i].warehouse);
        json_field_int(json, "requested", lines[i].requested);
        json_field_int(json, "available", lines[i].available);
        field_verdict(json, "reason", lines[i].reason);
        json_object_end(json);
    }
    json_array_end(json);
}

void render_stock(struct json *json, const hf_stock *stock)
{
    json_object_begin(json);
    json_field_text(json, "sku", stock->sku);
    json_field_uint(json, "warehouse", stock->warehouse);
    json_field_int(json, "on_hand", stock->on_hand);
    json_field_int(json, "reserved", stock->reserved);
    json_field_int(json, "available", stock->available);
    json_field_uint(json, "version", stock->version);
    json_field_int(json, "low_stock_threshold", stock->low_stock_threshold);
    field_time(json, "created_at", stock->created_at_ms);
    field_time(json, "updated_at", stock->updated_at_ms);
    json_field_uint(json, "last_index", stock->last_index);
    json_object_end(json);
}

/* A Duration, as protobuf writes it in JSON: "0.151s". */
static void field_age(struct json *json, bool with_age, int64_t age_ms)
{
    char text[32];
    if (with_age) {
        snprintf(text, sizeof text, "%" PRId64 ".%03ds", age_ms / 1000, (int)(age_ms % 1000));
        json_field_text(json, "age", text);
    }
}

/* GetStockResponse. Of a SKU that isn't there the name is shown all the same: in a list of answers
 * a reader wants to know whose each is. */
void render_stock_item(struct json *json, const hf_stock_item *item, const hf_stock_list *list,
                       bool with_age)
{
    json_object_begin(json);
    field_verdict(json, "verdict", item->verdict);
    json_key(json, "stock");
    if (item->verdict == HF_OK) {
        render_stock(json, &item->stock);
    } else {
        json_object_begin(json);
        json_field_text(json, "sku", item->stock.sku);
        json_field_uint(json, "warehouse", item->stock.warehouse);
        json_object_end(json);
    }
    json_field_uint(json, "log_index", list->log_index);
    field_age(json, with_age, list->age_ms);
    json_object_end(json);
}

/* CommandResult, and the request id that the command went out under. */
void render_result(struct json *json, const hf_result *result)
{
    json_object_begin(json);
    field_verdict(json, "verdict", result->verdict);
    json_field_bool(json, "replayed", result->replayed);
    json_field_text(json, "message", result->message);
    json_field_uint(json, "log_index", result->log_index);
    json_field_uint(json, "log_position", result->log_position);
    field_state(json, "order_state", result->order_state);
    json_field_bool(json, "existed", result->existed);
    field_time(json, "expires_at", result->expires_at_ms);
    render_failed_lines(json, result->failed_lines, result->failed_line_count);
    if (result->stock != NULL) {
        json_key(json, "stock");
        render_stock(json, result->stock);
    }
    if (result->request_id != NULL) {
        json_field_text(json, "request_id", result->request_id);
    }
    json_object_end(json);
}

/* CheckStockResponse */
void render_availability(struct json *json, const hf_availability *availability, bool with_age)
{
    json_object_begin(json);
    json_field_bool(json, "available", availability->verdict == HF_OK);
    render_failed_lines(json, availability->failed_lines, availability->failed_line_count);
    json_field_uint(json, "log_index", availability->log_index);
    field_age(json, with_age, availability->age_ms);
    json_object_end(json);
}

/* GetOrderResponse */
void render_order(struct json *json, const hf_order *order, bool with_age)
{
    json_object_begin(json);
    field_verdict(json, "verdict", order->verdict);
    if (order->verdict == HF_OK) {
        json_key(json, "order");
        json_object_begin(json);
        json_field_text(json, "order_id", order->order_id);
        field_state(json, "state", order->state);
        json_key(json, "lines");
        json_array_begin(json);
        for (size_t i = 0; i < order->line_count; i++) {
            const hf_order_line *line = &order->lines[i];
            json_object_begin(json);
            json_field_text(json, "sku", line->sku);
            json_field_uint(json, "warehouse", line->warehouse);
            json_field_int(json, "reserved", line->reserved);
            json_field_int(json, "deducted", line->deducted);
            json_field_int(json, "released", line->released);
            json_field_int(json, "expired", line->expired);
            json_field_int(json, "returned", line->returned);
            json_field_int(json, "open", line->open);
            json_object_end(json);
        }
        json_array_end(json);
        field_time(json, "created_at", order->created_at_ms);
        field_time(json, "expires_at", order->expires_at_ms);
        field_time(json, "closed_at", order->closed_at_ms);
        json_field_text(json, "actor", order->actor);
        json_field_text(json, "reason", order->reason);
        json_object_end(json);
    }
    json_field_uint(json, "log_index", order->log_index);
    field_age(json, with_age, order->age_ms);
    json_object_end(json);
}

void render_history_row(struct json *json, const hf_history_row *row)
{
    json_object_begin(json);
    json_field_uint(json, "log_index", row->log_index);
    json_field_uint(json, "sub", row->sub);
    json_field_text(json, "op", hf_history_op_name(row->op));
    json_field_int(json, "on_hand_change", row->on_hand_change);
    json_field_int(json, "on_hand_before", row->on_hand_before);
    json_field_int(json, "on_hand_after", row->on_hand_after);
    json_field_int(json, "reserved_change", row->reserved_change);
    json_field_int(json, "reserved_before", row->reserved_before);
    json_field_int(json, "reserved_after", row->reserved_after);
    json_field_text(json, "order_id", row->order_id);
    json_field_text(json, "request_id", row->request_id);
    field_time(json, "time", row->time_ms);
    json_field_text(json, "actor", row->actor);
    json_field_text(json, "reason", row->reason);
    json_field_text(json, "remark", row->remark);
    json_field_text(json, "trace_id", row->trace_id);
    json_object_end(json);
}

/* What both per-node answers begin with: whom was asked, and why there is no answer. */
static void begin_node(struct json *json, const char *endpoint, hf_verdict verdict,
                       const char *message)
{
    json_object_begin(json);
    json_field_text(json, "endpoint", endpoint);
    if (verdict != HF_OK) {
        json_field_text(json, "error", message);
    }
}

static void render_members(struct json *json, const hf_member *members, size_t count)
{
    json_key(json, "members");
    json_array_begin(json);
    for (size_t i = 0; i < count; i++) {
        json_object_begin(json);
        json_field_uint(json, "node_id", members[i].node_id);
        json_field_text(json, "role", hf_member_role_name(members[i].role));
        json_field_text(json, "peer_address", members[i].peer_address);
        json_field_text(json, "client_address", members[i].client_address);
        json_field_bool(json, "connected", members[i].connected);
        json_field_uint(json, "match_index", members[i].match_index);
        json_field_uint(json, "last_contact_ms", members[i].last_contact_ms);
        json_field_bool(json, "heard", members[i].heard);
        if (members[i].clock_is_known) {
            json_field_int(json, "clock_offset_ms", members[i].clock_offset_ms);
        }
        json_object_end(json);
    }
    json_array_end(json);
}

/* Where there is one. */
static void render_fetching(struct json *json, const hf_fetching *fetching)
{
    if (fetching == NULL) {
        return;
    }
    json_key(json, "fetching");
    json_object_begin(json);
    json_field_uint(json, "from_node_id", fetching->from_node_id);
    json_field_uint(json, "snapshot_index", fetching->snapshot_index);
    json_field_uint(json, "bytes_done", fetching->bytes_done);
    json_field_uint(json, "bytes_total", fetching->bytes_total);
    json_field_bool(json, "installing", fetching->installing);
    json_object_end(json);
}

/* StatusResponse, behind the endpoint. */
void render_status(struct json *json, const char *endpoint, const hf_status *status)
{
    begin_node(json, endpoint, status->verdict, status->message);
    if (status->verdict == HF_OK) {
        json_field_text(json, "cluster_id", status->cluster_id);
        json_field_uint(json, "node_id", status->node_id);
        json_field_text(json, "version", status->version);
        json_field_text(json, "state", hf_server_state_name(status->state));
        json_field_uint(json, "term", status->term);
        json_field_uint(json, "leader_id", status->leader_id);
        json_field_text(json, "leader_client_address", status->leader_client_address);
        json_field_uint(json, "commit_index", status->commit_index);
        json_field_uint(json, "applied_index", status->applied_index);
        json_field_uint(json, "last_index", status->last_index);
        json_field_text(json, "digest", status->digest);
        field_time(json, "ledger_time", status->ledger_time_ms);
        render_members(json, status->members, status->member_count);
        json_field_text(json, "incarnation", status->incarnation);
        json_field_uint(json, "log_first_index", status->log_first_index);
        json_field_uint(json, "log_bytes", status->log_bytes);
        json_field_uint(json, "snapshot_index", status->snapshot_index);
        field_time(json, "snapshot_time", status->snapshot_time_ms);
        render_fetching(json, status->fetching);
        json_field_uint(json, "transferring_to", status->transferring_to);
        json_field_uint(json, "disk_free_bytes", status->disk_free_bytes);
        json_field_uint(json, "disk_reserve_bytes", status->disk_reserve_bytes);
        json_field_text(json, "refuses", status->refuses);
        json_field_uint(json, "digest_compared_index", status->digest_compared_index);
        json_field_bool(json, "digests_agree", status->digests_agree);
        json_field_text(json, "digest_alarm", status->digest_alarm);
        json_field_uint(json, "removed_index", status->removed_index);
        json_field_uint(json, "ledger_version", status->ledger_version);
        json_field_uint(json, "ledger_version_known", status->ledger_version_known);
        json_field_text(json, "clock_warning", status->clock_warning);
    }
    json_object_end(json);
}

void render_membership(struct json *json, const hf_membership *membership)
{
    json_object_begin(json);
    json_field_uint(json, "log_index", membership->log_index);
    json_field_bool(json, "unchanged", membership->unchanged);
    render_members(json, membership->members, membership->member_count);
    json_field_text(json, "cluster_id", membership->cluster_id);
    json_object_end(json);
}

void render_upgrade(struct json *json, const hf_upgrade *upgrade)
{
    json_object_begin(json);
    json_field_uint(json, "ledger_version", upgrade->ledger_version);
    json_field_bool(json, "unchanged", upgrade->unchanged);
    json_field_uint(json, "log_index", upgrade->log_index);
    json_object_end(json);
}

void render_leadership(struct json *json, const hf_leadership *leadership)
{
    json_object_begin(json);
    json_field_uint(json, "leader_id", leadership->leader_id);
    json_field_uint(json, "term", leadership->term);
    json_field_text(json, "leader_client_address", leadership->leader_client_address);
    json_field_bool(json, "unchanged", leadership->unchanged);
    json_object_end(json);
}

/* VerifyResponse, behind the endpoint. */
void render_verification(struct json *json, uint64_t node_id, const char *endpoint,
                         const hf_verification *verification, const char *error)
{
    json_object_begin(json);
    json_field_uint(json, "node_id", node_id);
    json_field_text(json, "endpoint", endpoint);
    if (error != NULL) {
        json_field_text(json, "error", error);
    } else {
        json_field_uint(json, "applied_index", verification->applied_index);
        json_field_text(json, "digest", verification->digest);
        json_field_text(json, "recomputed_digest", verification->recomputed_digest);
        json_field_uint(json, "stocks", verification->stocks);
        json_field_uint(json, "orders", verification->orders);
        json_field_uint(json, "history_rows", verification->history_rows);
        json_field_uint(json, "violation_count", verification->violation_count);
        json_key(json, "violations");
        json_array_begin(json);
        for (size_t i = 0; i < verification->violation_text_count; i++) {
            json_string(json, bytes_of_string(verification->violations[i]));
        }
        json_array_end(json);
    }
    json_object_end(json);
}

/* TakeSnapshotResponse, behind the endpoint. */
void render_snapshot(struct json *json, const char *endpoint, const hf_snapshot *snapshot)
{
    begin_node(json, endpoint, snapshot->verdict, snapshot->message);
    if (snapshot->verdict == HF_OK) {
        json_field_uint(json, "node_id", snapshot->node_id);
        json_field_uint(json, "snapshot_index", snapshot->snapshot_index);
    }
    json_object_end(json);
}

const char *const stock_headings[] = {"SKU",        ">WAREHOUSE", ">ON HAND", ">RESERVED",
                                      ">AVAILABLE", ">VERSION",   NULL};

void tabulate_stock(struct table *table, const hf_stock *stock)
{
    table_text(table, stock->sku);
    table_uint(table, stock->warehouse);
    table_int(table, stock->on_hand);
    table_int(table, stock->reserved);
    table_int(table, stock->available);
    table_uint(table, stock->version);
}

const char *const failed_line_headings[] = {"SKU",        ">WAREHOUSE", ">REQUESTED",
                                            ">AVAILABLE", "REASON",     NULL};

void tabulate_failed_line(struct table *table, const hf_failed_line *line)
{
    table_text(table, line->sku);
    table_uint(table, line->warehouse);
    table_int(table, line->requested);
    table_int(table, line->available);
    table_text(table, hf_verdict_name(line->reason));
}

const char *const order_line_headings[] = {"SKU",       ">WAREHOUSE", ">RESERVED",
                                           ">DEDUCTED", ">RELEASED",  ">EXPIRED",
                                           ">RETURNED", ">OPEN",      NULL};

void tabulate_order_line(struct table *table, const hf_order_line *line)
{
    table_text(table, line->sku);
    table_uint(table, line->warehouse);
    table_int(table, line->reserved);
    table_int(table, line->deducted);
    table_int(table, line->released);
    table_int(table, line->expired);
    table_int(table, line->returned);
    table_int(table, line->open);
}

const char *const history_headings[] = {"TIME",    ">INDEX",   ">SUB",         "OP",
                                        ">CHANGE", ">ON HAND", ">HELD CHANGE", ">HELD",
                                        "ORDER",   "ACTOR",    "REASON",       NULL};

void tabulate_history_row(struct table *table, const hf_history_row *row)
{
    char time[TIME_TEXT_BYTES];
    table_text(table, row->time_ms != 0 ? time_text(row->time_ms, time) : "");
    table_uint(table, row->log_index);
    table_uint(table, row->sub);
    table_text(table, hf_history_op_name(row->op));
    table_int(table, row->on_hand_change);
    table_int(table, row->on_hand_after);
    table_int(table, row->reserved_change);
    table_int(table, row->reserved_after);
    table_text(table, row->order_id);
    table_text(table, row->actor);
    table_text(table, row->reason);
}
