/*
 * side_by_side.c - after each entry: the results of its commands, the records it touched, the
 * records its commands named (a refusal must not touch them), the clock, the model's invariants.
 * Every so often and at the end: everything that either of them holds, request records and rows of
 * things to come included, and the ledger's own audit.
 */
#include "side_by_side.h"

#include <inttypes.h>
#include <stdlib.h>

#include "memory_store.h"
#include "model.h"

struct pair {
    struct side_by_side *run;
    struct memory_store *store;
    struct ledger *ledger;
    struct model *model;
    const struct sequence_entry *entry;
    /* The model's results, until the ledger has given its own. */
    struct ledger_result *expected;
    struct ledger_failed_line **failed;
    uint32_t expected_count;
    uint32_t compared;
    struct error *difference;
    bool same;
};

/* ---- answers ---- */

static void keep_expected(void *context, uint32_t position, const struct ledger_result *result)
{
    struct pair *pair = context;
    struct ledger_result *kept = &pair->expected[position];
    *kept = *result;
    pair->failed[position] = NULL;
    if (result->failed_line_count != 0) {
        pair->failed[position] = memory_copy(
            result->failed_lines, result->failed_line_count * sizeof *result->failed_lines);
        kept->failed_lines = pair->failed[position];
    }
    pair->expected_count++;
    pair->run->verdicts[pair->entry->commands[position]->kind][result->verdict]++;
    pair->run->replayed += result->replayed;
}

static void compare_result(void *context, uint32_t position, const struct ledger_result *result)
{
    struct pair *pair = context;
    if (!pair->same) {
        return;
    }
    if (position != pair->compared || position >= pair->expected_count) {
        pair->same = error_set(pair->difference, "result %" PRIu32 " where %" PRIu32 " is expected",
                               position, pair->compared);
    } else if (!model_result_equal(&pair->expected[position], result, pair->difference)) {
        pair->same = error_wrap(pair->difference, "command %" PRIu32, position);
    }
    pair->compared++;
}

static bool apply_both(struct pair *pair, struct bytes encoded)
{
    const struct sequence_entry *entry = pair->entry;
    struct error error; /* the difference is written while the ledger applies */
    pair->expected = memory_zalloc((entry->count + 1) * sizeof *pair->expected);
    pair->failed = memory_zalloc((entry->count + 1) * sizeof *pair->failed);
    pair->expected_count = 0;
    pair->compared = 0;
    if (!model_apply(pair->model, entry->index, encoded, keep_expected, pair)) {
        pair->same = error_set(pair->difference, "the model could not read the entry");
    } else if (!ledger_apply(pair->ledger, entry->index, encoded, compare_result, pair, &error)) {
        pair->same = error_set(pair->difference, "%s", error.text);
    } else if (pair->same && pair->compared != entry->count) {
        pair->same = error_set(pair->difference, "%" PRIu32 " results of %" PRIu32 " commands",
                               pair->compared, entry->count);
    }
    return pair->same;
}

static void forget_expected(struct pair *pair)
{
    for (uint32_t i = 0; i < pair->expected_count; i++) {
        free(pair->failed[i]);
    }
    free(pair->failed);
    free(pair->expected);
}

/* ---- records ---- */

static bool compare_lines(struct pair *pair, const struct ledger_command *command)
{
    for (uint32_t i = 0; i < command->line_count; i++) {
        if (!model_compare_stock(pair->model, pair->ledger, command->lines[i].sku,
                                 command->lines[i].warehouse, pair->difference)) {
            return false;
        }
    }
    return command->kind != LEDGER_RESERVE ||
           model_compare_check(pair->model, pair->ledger, command->lines, command->line_count,
                               pair->difference);
}

/* What the commands named, where it is well-formed. */
static bool compare_named(struct pair *pair)
{
    for (uint32_t i = 0; i < pair->entry->count; i++) {
        const struct ledger_command *command = pair->entry->commands[i];
        enum ledger_verdict verdict = pair->expected[i].verdict;
        if (verdict == LEDGER_MALFORMED_COMMAND || verdict == LEDGER_OVERFLOW ||
            verdict == LEDGER_LIMIT_EXCEEDED) {
            continue;
        }
        bool stock = command->kind == LEDGER_SET_STOCK || command->kind == LEDGER_ADJUST_STOCK;
        if ((stock && !model_compare_stock(pair->model, pair->ledger, command->sku,
                                           command->warehouse, pair->difference)) ||
            (command->order_id.len != 0 &&
             !model_compare_order(pair->model, pair->ledger, command->order_id,
                                  pair->difference)) ||
            !compare_lines(pair, command)) {
            return false;
        }
    }
    return true;
}

static bool same_count(struct pair *pair, enum ledger_kind kind, uint64_t expected)
{
    uint64_t count = memory_store_count_kind(pair->store, kind);
    return count == expected ||
           error_set(pair->difference, "records of kind %c: %" PRIu64 " are expected, not %" PRIu64,
                     (char)kind, expected, count);
}

static void compare_request(void *context, struct bytes request_id)
{
    struct pair *pair = context;
    struct ledger_store store = memory_store_interface(pair->store);
    struct request_record expected;
    struct request_record actual;
    struct failed_lines room = {0};
    struct bytes value;
    if (!pair->same) {
        return;
    }
    model_request(pair->model, request_id, &expected);
    if (store.ops->get(store.store, LEDGER_KIND_REQUEST, request_id, &value, pair->difference) !=
        STORE_FOUND) {
        pair->same = error_set(pair->difference, "there is no such record");
    } else if (!request_record_decode(value, &actual, &room, pair->difference)) {
        pair->same = false;
    } else if (actual.purge_ms != expected.purge_ms) {
        pair->same = error_set(pair->difference, "purge_ms: %" PRId64 " is expected, not %" PRId64,
                               expected.purge_ms, actual.purge_ms);
    } else {
        /* The rest is what a repetition would be answered. */
        struct ledger_result a = {
            .verdict = expected.verdict,
            .order_state = expected.order_state,
            .existed = expected.existed,
            .failed_lines = expected.failed_lines,
            .failed_line_count = expected.failed_line_count,
            .has_stock = expected.has_stock,
            .stock = expected.stock,
        };
        struct ledger_result b = {
            .verdict = actual.verdict,
            .order_state = actual.order_state,
            .existed = actual.existed,
            .failed_lines = actual.failed_lines,
            .failed_line_count = actual.failed_line_count,
            .has_stock = actual.has_stock,
            .stock = actual.stock,
        };
        pair->same = model_result_equal(&a, &b, pair->difference);
    }
    failed_lines_free(&room);
    if (!pair->same) {
        error_wrap(pair->difference, "request %.*s", (int)request_id.len,
                   (const char *)request_id.data);
    }
}

static bool compare_store(struct pair *pair)
{
    struct model_counts counts = model_count(pair->model);
    model_list_requests(pair->model, compare_request, pair);
    return pair->same && same_count(pair, LEDGER_KIND_STOCK, counts.stocks) &&
           same_count(pair, LEDGER_KIND_ORDER, counts.orders) &&
           same_count(pair, LEDGER_KIND_REQUEST, counts.requests) &&
           same_count(pair, LEDGER_KIND_HISTORY, counts.history_rows) &&
           same_count(pair, LEDGER_KIND_NODE, counts.nodes) &&
           same_count(pair, LEDGER_KIND_EXPIRY, counts.open_orders) &&
           same_count(pair, LEDGER_KIND_PURGE, counts.closed_orders + counts.requests);
}

static bool audit(struct pair *pair)
{
    struct ledger_audit *audit = memory_alloc(sizeof *audit);
    bool good = ledger_audit_run(memory_store_interface(pair->store), audit, pair->difference) &&
                (audit->violation_count == 0 ||
                 error_set(pair->difference, "audit: %" PRIu64 " violations, the first: %s",
                           audit->violation_count, audit->violations[0])) &&
                (hash128_equal(audit->recomputed_digest, ledger_digest(pair->ledger)) ||
                 error_set(pair->difference, "audit: the digest is not that of the records"));
    free(audit);
    return good;
}

static bool compare_everything(struct pair *pair)
{
    return model_compare_all(pair->model, pair->ledger, pair->difference) && compare_store(pair) &&
           model_check_all_invariants(pair->model, pair->difference) && audit(pair);
}

/* ---- a run ---- */

static struct ledger *open_ledger(struct pair *pair)
{
    struct ledger_store store = memory_store_interface(pair->store);
    if (pair->run->wrap != NULL) {
        store = pair->run->wrap(pair->run->wrap_context, store);
    }
    return ledger_open_knowing(store, SEQUENCE_VERSION_KNOWN, pair->difference);
}

static bool run_entry(struct pair *pair, bool everything)
{
    struct buffer encoded = {0};
    if (pair->entry->reopen) {
        ledger_close(pair->ledger);
        pair->ledger = open_ledger(pair);
        if (pair->ledger == NULL) {
            return false;
        }
    }
    struct model_counts before = model_count(pair->model);
    sequence_entry_encode(pair->entry, &encoded);
    bool same = apply_both(pair, buffer_bytes(&encoded)) &&
                model_compare_touched(pair->model, pair->ledger, pair->difference) &&
                compare_named(pair) &&
                model_compare_clock(pair->model, pair->ledger, pair->difference) &&
                model_check_invariants(pair->model, pair->difference) &&
                (!everything || compare_everything(pair));
    struct model_counts after = model_count(pair->model);
    if (pair->entry->count == 0) { /* a tick: what went, time took */
        pair->run->expired_orders += before.open_orders - after.open_orders;
        pair->run->trimmed_records += before.requests - after.requests;
        pair->run->trimmed_records += before.orders - after.orders;
    }
    forget_expected(pair);
    buffer_free(&encoded);
    return same;
}

bool side_by_side_run(struct side_by_side *run, const struct sequence *sequence,
                      struct error *difference)
{
    struct pair pair = {
        .run = run,
        .store = memory_store_new(),
        .model = model_new(),
        .difference = difference,
        .same = true,
    };
    pair.ledger = open_ledger(&pair);
    bool same = pair.ledger != NULL;
    run->runs++;
    for (uint32_t i = 0; same && i < sequence->count; i++) {
        pair.entry = &sequence->entries[i];
        bool everything = i + 1 == sequence->count ||
                          (run->compare_all_every != 0 && (i + 1) % run->compare_all_every == 0);
        same = run_entry(&pair, everything) ||
               error_wrap(difference, "entry %" PRIu64, pair.entry->index);
        run->entries++;
        run->commands += pair.entry->count;
    }
    ledger_close(pair.ledger);
    model_free(pair.model);
    memory_store_free(pair.store);
    return same;
}
