/*
 * checks_model.c - what the naive model says: answers, records, invariants.
 *
 * The model is given each committed entry once, when the first node applies it: then that node's
 * ledger and the model stand at the same index, and the records that the entry touched or names are
 * compared at once. Nodes that come later are held against the first one's digest, which covers
 * every record; the audit now and then makes sure that a digest tells the truth about its records.
 */
#include "checks_internal.h"

#include <stdlib.h>
#include <string.h>

/* ---- answers ---- */

/* A copy of the failed lines, with their texts, in one piece of memory. */
static struct ledger_failed_line *copy_failed_lines(const struct ledger_failed_line *lines,
                                                    uint32_t count)
{
    size_t texts = 0;
    for (uint32_t i = 0; i < count; i++) {
        texts += lines[i].sku.len;
    }
    struct ledger_failed_line *copy = memory_alloc(count * sizeof *copy + texts);
    uint8_t *text = (uint8_t *)(copy + count);
    for (uint32_t i = 0; i < count; i++) {
        copy[i] = lines[i];
        copy[i].sku = bytes_of(text, lines[i].sku.len);
        memcpy(text, lines[i].sku.data, lines[i].sku.len);
        text += lines[i].sku.len;
    }
    return copy;
}

static void keep_result(void *context, uint32_t position, const struct ledger_result *result)
{
    struct checks *checks = context;
    (void)position;
    checks->results = checks_room(checks->results, &checks->result_capacity, checks->result_count,
                                  sizeof *checks->results);
    struct ledger_result *kept = &checks->results[checks->result_count++];
    *kept = *result;
    kept->failed_lines = NULL;
    if (result->failed_line_count > 0) {
        kept->failed_lines = copy_failed_lines(result->failed_lines, result->failed_line_count);
    }
}

const struct ledger_result *checks_model_result(const struct checks *checks, uint64_t index,
                                                uint32_t position)
{
    const struct committed *committed = checks_committed_at(checks, index);
    return committed != NULL && position < committed->result_count
               ? &checks->results[committed->first_result + position]
               : NULL;
}

bool checks_model_reach(struct checks *checks, uint64_t index)
{
    while (checks->model_index < index) {
        struct committed *committed = checks_committed_at(checks, checks->model_index + 1);
        const struct entry *entry = committed->known->entry;
        struct error error;
        committed->first_result = checks->result_count;
        if (entry->type == ENTRY_COMMAND &&
            (!model_apply(checks->model, entry->index, entry->data, keep_result, checks))) {
            world_fail(checks->world, CHECK_MODEL, "the model can't apply entry %" PRIu64,
                       entry->index);
            return false;
        }
        committed->result_count = (uint32_t)(checks->result_count - committed->first_result);
        committed->ledger_version = model_version(checks->model);
        checks->model_index = entry->index;
        if (!model_check_invariants(checks->model, &error)) {
            world_fail(checks->world, CHECK_INVARIANTS, "the model itself at %" PRIu64 ": %s",
                       entry->index, error.text);
            return false;
        }
    }
    return true;
}

/* ---- records ---- */

static bool compare_lines(const struct checks *checks, struct ledger *ledger,
                          const struct ledger_command *command, struct error *error)
{
    for (uint32_t i = 0; i < command->line_count; i++) {
        const struct ledger_line *line = &command->lines[i];
        if (!model_compare_stock(checks->model, ledger, line->sku,
                                 ledger_warehouse(line->warehouse), error)) {
            return false;
        }
    }
    return true;
}

/* The order, and the stocks that it holds something of. */
static bool compare_order(const struct checks *checks, struct ledger *ledger, struct bytes order_id,
                          struct error *error)
{
    struct order_record order = {.line_count = 0};
    if (!model_compare_order(checks->model, ledger, order_id, error)) {
        return false;
    }
    model_order_at(checks->model, order_id, checks->model_index, &order);
    for (uint32_t i = 0; i < order.line_count; i++) {
        if (!model_compare_stock(checks->model, ledger, order.lines[i].sku,
                                 order.lines[i].warehouse, error)) {
            return false;
        }
    }
    return true;
}

/* What the commands name: a repetition or a refusal that changes something touches nothing as the
 * model sees it. */
static bool compare_named(struct checks *checks, struct ledger *ledger, struct bytes entry,
                          struct error *error)
{
    struct ledger_entry_reader reader;
    struct ledger_command command;
    bool same = ledger_entry_open(&reader, entry, error);
    while (same && ledger_entry_next(&reader, &command, &checks->lines, error)) {
        if (command.sku.len != 0) {
            same = model_compare_stock(checks->model, ledger, command.sku,
                                       ledger_warehouse(command.warehouse), error);
        }
        same =
            same && compare_lines(checks, ledger, &command, error) &&
            (command.order_id.len == 0 || compare_order(checks, ledger, command.order_id, error));
    }
    return same;
}

void checks_model_compare(struct checks *checks, size_t node, struct ledger *ledger)
{
    const struct entry *entry = checks_committed_at(checks, checks->model_index)->known->entry;
    struct error difference;
    if (entry->type == ENTRY_COMMAND &&
        (!model_compare_touched(checks->model, ledger, &difference) ||
         !compare_named(checks, ledger, entry->data, &difference))) {
        world_fail(checks->world, CHECK_MODEL, "n%zu has other records at %" PRIu64 ": %s",
                   node + 1, entry->index, difference.text);
    }
}

/* The audit has made the digest anew from the records, and holds it against the stored one. */
static void check_audit(struct checks *checks, size_t node, const struct ledger_audit *audit)
{
    uint64_t index = checks->nodes[node].applied_index;
    const struct committed *committed = checks_committed_at(checks, index);
    if (audit->violation_count > 0) {
        world_fail(checks->world, CHECK_INVARIANTS,
                   "n%zu at %" PRIu64 ": %" PRIu64 " violations, first: %s", node + 1, index,
                   audit->violation_count, audit->violations[0]);
    } else if (committed != NULL && !hash128_equal(committed->digest, audit->stored_digest)) {
        world_fail(checks->world, CHECK_DIGEST,
                   "n%zu has another digest stored at %" PRIu64 " than others", node + 1, index);
    }
}

void checks_audit(struct checks *checks, size_t node, struct ledger_store records,
                  struct ledger *ledger, bool whole)
{
    struct error error;
    uint64_t index = checks->nodes[node].applied_index;
    if (checks->world->failed || checks->nodes[node].is_spoilt) {
        return;
    }
    trace_note(&checks->world->trace, node, TRACE_AUDIT, index, whole);
    struct ledger_audit *audit = memory_zalloc(sizeof *audit);
    if (!ledger_audit_run(records, audit, &error)) {
        world_fail(checks->world, CHECK_INVARIANTS, "n%zu can't be audited: %s", node + 1,
                   error.text);
    } else {
        check_audit(checks, node, audit);
    }
    free(audit);
    if (whole && index == checks->model_index && !checks->world->failed &&
        !model_compare_all(checks->model, ledger, &error)) {
        world_fail(checks->world, CHECK_MODEL, "n%zu has other records at %" PRIu64 ": %s",
                   node + 1, index, error.text);
    }
}

void checks_model_end(struct checks *checks)
{
    struct error error;
    if (checks_model_reach(checks, checks->committed_last) &&
        !model_check_all_invariants(checks->model, &error)) {
        world_fail(checks->world, CHECK_INVARIANTS, "the model itself at the end: %s", error.text);
    }
}

void checks_model_free(struct checks *checks)
{
    for (uint64_t i = 0; i < checks->result_count; i++) {
        free((void *)checks->results[i].failed_lines);
    }
    free(checks->results);
    model_free(checks->model);
}
