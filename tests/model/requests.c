/*
 * requests.c - exactly once by request id, for the commands that nothing else tells from their
 * repetition: the same id with the same fields gets the first answer again, refusals too; with
 * other fields a refusal of its own. A record lives 24 hours of ledger time; what is too old, or
 * too far ahead, to be told by a record for sure is never taken as new. A command that its order
 * tells has a record only if it was refused and had been sent before.
 */
#include <stdlib.h>

#include "base/limits.h"
#include "state.h"

bool requests_in_time(const struct model *model, const struct ledger_command *command)
{
    const struct ledger_settings *settings = &model->settings;
    int64_t oldest_ms =
        model->time_ms - (settings->request_retention_ms - settings->request_margin_ms);
    int64_t newest_ms = model->time_ms + settings->request_margin_ms;
    return command->requested_at_ms == 0 ||
           (command->requested_at_ms >= oldest_ms && command->requested_at_ms <= newest_ms);
}

static bool same_lines(const struct request *request, const struct wants *wants)
{
    if (request->line_count != wants->count) {
        return false;
    }
    for (uint32_t i = 0; i < wants->count; i++) {
        const struct want *a = &request->lines[i];
        const struct want *b = &wants->items[i];
        if (state_compare_keys(a->sku, a->warehouse, b->sku, b->warehouse) != 0 ||
            a->quantity != b->quantity) {
            return false;
        }
    }
    return true;
}

/* Who asks, remarks, times and trace ids don't count. */
static bool same_fields(const struct request *request, const struct ledger_command *command,
                        const struct wants *wants)
{
    if (request->kind != command->kind || !bytes_equal(request->reason, command->reason)) {
        return false;
    }
    if (command->kind == LEDGER_SET_STOCK || command->kind == LEDGER_ADJUST_STOCK) {
        return bytes_equal(request->sku, command->sku) &&
               request->warehouse == ledger_warehouse(command->warehouse) &&
               request->quantity == command->quantity &&
               request->has_expected_version == command->has_expected_version &&
               (!command->has_expected_version ||
                request->expected_version == command->expected_version);
    }
    return bytes_equal(request->order_id, command->order_id) && request->final == command->final &&
           request->reacquire == command->reacquire && request->mode == command->mode &&
           same_lines(request, wants);
}

bool requests_answer(struct model *model, const struct ledger_command *command,
                     struct ledger_result *result)
{
    const struct request *request = state_request(model, command->request_id);
    if (request == NULL) {
        return false;
    }
    if (!same_fields(request, command, &model->wants)) {
        result->verdict = LEDGER_IDEMPOTENCY_MISMATCH;
        return true;
    }
    const struct request_record *reply = &request->reply;
    result->verdict = reply->verdict;
    result->replayed = true;
    result->order_state = reply->order_state;
    result->existed = reply->existed;
    result->has_stock = reply->has_stock;
    if (reply->has_stock) {
        result->stock_sku = request->sku;
        result->stock_warehouse = request->warehouse;
        result->stock = reply->stock;
    }
    result->failed_lines = reply->failed_lines;
    result->failed_line_count = reply->failed_line_count;
    return true;
}

/* A command that names no lines has the first that failed. */
static void keep_failed_lines(struct model *model, struct request *request)
{
    uint32_t most = request->line_count == 0 ? 1 : LIMIT_STORED_FAILED_LINES;
    uint32_t count = model->failed.count < most ? model->failed.count : most;
    request->failed_lines = memory_alloc((count + 1) * sizeof *request->failed_lines);
    for (uint32_t i = 0; i < count; i++) {
        request->failed_lines[i] = model->failed.items[i];
        request->failed_lines[i].sku = state_text(model, model->failed.items[i].sku);
    }
    request->reply.failed_lines = request->failed_lines;
    request->reply.failed_line_count = count;
}

void requests_remember(struct model *model, const struct ledger_command *command,
                       const struct ledger_result *result)
{
    struct request *request = state_add_request(model, command->request_id);
    request->kind = command->kind;
    request->sku = state_text(model, command->sku);
    request->warehouse = ledger_warehouse(command->warehouse);
    request->quantity = command->quantity;
    request->has_expected_version = command->has_expected_version;
    request->expected_version = command->expected_version;
    request->order_id = state_text(model, command->order_id);
    request->reason = state_text(model, command->reason);
    request->final = command->final;
    request->reacquire = command->reacquire;
    request->mode = command->mode;
    wants_sort_by_key(&model->wants);
    request->lines = memory_alloc((model->wants.count + 1) * sizeof *request->lines);
    for (uint32_t i = 0; i < model->wants.count; i++) {
        request->lines[i] = model->wants.items[i];
        request->lines[i].sku = state_text(model, model->wants.items[i].sku);
    }
    request->line_count = model->wants.count;
    request->reply = (struct request_record){
        .purge_ms = model->time_ms + model->settings.request_retention_ms,
        .verdict = result->verdict,
        .order_state = result->order_state,
        .existed = result->existed,
        .has_stock = result->has_stock,
        .stock = result->stock,
    };
    keep_failed_lines(model, request);
    if (request->reply.purge_ms < model->no_trimming_before_ms) {
        model->no_trimming_before_ms = request->reply.purge_ms;
    }
}
