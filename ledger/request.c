/*
 * request.c - telling a repetition by its request id, and keeping an answer final.
 *
 * Two kinds of command come here. Those that only their request id tells from their repetition: the
 * id is not known, the command is judged, and its verdict - a refusal too - is kept with a hash of
 * what was asked. And those that their order tells: what was granted stands in the order, so that a
 * repetition finds it there, and mostly nothing is kept. But a refusal leaves nothing in the order:
 * when one attempt of a request is refused, another one, sent earlier and held up on its way, would
 * be judged as new, and perhaps be granted, when its caller has long been told otherwise. Who sends
 * an attempt behind another one says so (`resent`), and then a refusal is kept under the request's
 * id as above. The first attempt's refusal need not be: it is told only if there was no other.
 *
 * The same id with the same fields gets the kept verdict again; with other fields
 * IDEMPOTENCY_MISMATCH. Fields are hashed decoded and normalised, so that a repetition may come
 * over another face of the API; who asked and remarks don't count.
 *
 * Invariant: of the attempts of one request none changes anything behind the first one whose
 * refusal was told. Either that one was resent, and its refusal is kept; or it was the only one
 * until it was answered.
 *
 * Why it is exactly once: a record lives for the retention from the ledger time at which the
 * request was judged, and a request is judged as new only while requested_at - margin <= ledger
 * time <= requested_at + retention - margin (a command that is told by its order: may change
 * something only then). So the first try was judged at requested_at - margin or later, and whenever
 * a repetition (which keeps its requested_at) would be judged as new, the record of the first try,
 * if there was one, is still there. That is what the margin ahead is for. What is refused because
 * its requested_at lies further ahead than that is kept too where it was resent, for the same
 * retention: not for ever, since it may lie ahead of that as well.
 */
#include "machine.h"

#include "base/codec.h"
#include "base/planted.h"

bool ledger_request_is_timely(const struct ledger *ledger, const struct ledger_command *command)
{
    const struct ledger_settings *settings = &ledger->settings;
    if (command->requested_at_ms == 0) {
        return true;
    }
    int64_t age_ms = ledger_now_ms(ledger) - command->requested_at_ms;
    return age_ms <= settings->request_retention_ms - settings->request_margin_ms &&
           age_ms >= -settings->request_margin_ms;
}

bool ledger_order_request_may_act(const struct ledger *ledger, const struct ledger_command *command)
{
    return command->request_id.len == 0 || ledger_request_is_timely(ledger, command);
}

/* The hash of the decoded, normalised fields that count. Uses ledger->lines and ->value. */
static struct hash128 request_fields(struct ledger *ledger, const struct ledger_command *command)
{
    struct buffer *fields = ledger_value(ledger);
    write_u8(fields, (uint8_t)command->kind);
    write_bytes16(fields, command->sku);
    write_u32(fields, ledger_warehouse(command->warehouse));
    write_i64(fields, command->quantity);
    write_u8(fields, command->has_expected_version);
    write_u64(fields, command->has_expected_version ? command->expected_version : 0);
    write_bytes16(fields, command->order_id);
    write_u8(fields, command->final);
    write_u8(fields, command->reacquire);
    write_u8(fields, (uint8_t)command->mode);
    write_bytes16(fields, command->reason);
    line_set_sum(&ledger->lines, command->lines, command->line_count);
    write_u32(fields, ledger->lines.count);
    for (uint32_t i = 0; i < ledger->lines.count; i++) {
        write_bytes16(fields, ledger->lines.items[i].sku);
        write_u32(fields, ledger->lines.items[i].warehouse);
        write_i64(fields, ledger->lines.items[i].quantity);
    }
    return hash128_of(buffer_bytes(fields));
}

static void repeat_result(const struct request_record *record, const struct ledger_command *command,
                          struct ledger_result *result)
{
    result->verdict = record->verdict;
    result->replayed = true;
    result->order_state = record->order_state;
    result->existed = record->existed;
    result->failed_lines = record->failed_lines;
    result->failed_line_count = record->failed_line_count;
    if (record->has_stock) {
        struct stock_slot slot = {.found = true, .record = record->stock};
        ledger_result_stock(result, command, &slot);
    }
}

bool ledger_repeat_request(struct ledger *ledger, const struct ledger_command *command,
                           struct ledger_result *result, bool *is_known, struct error *error)
{
    struct ledger_key key = ledger_key_request(command->request_id);
    struct bytes value;
    if (!ledger_load(ledger, &key, &value, is_known, error)) {
        return false;
    }
    *is_known = *is_known && !PLANTED(NO_DEDUPLICATION);
    if (!*is_known) {
        return true;
    }
    struct request_record record;
    if (!request_record_decode(value, &record, &ledger->failed, error)) {
        return false;
    }
    if (hash128_equal(record.fields, request_fields(ledger, command))) {
        repeat_result(&record, command, result);
    } else {
        result->verdict = LEDGER_IDEMPOTENCY_MISMATCH;
    }
    return true;
}

bool ledger_request_is_kept(const struct ledger_command *command,
                            const struct ledger_result *result)
{
    if (command->resent && result->verdict != LEDGER_OK) {
        return true;
    }
    return ledger_command_needs_request_id(command) && result->verdict != LEDGER_REQUEST_EXPIRED;
}

/* A Deduct of a whole order names no lines, and as many may fail as the order has: a few bytes in
 * the log must not make a record that is hundreds of times as long (due.c). */
static uint32_t kept_line_count(const struct ledger_command *command,
                                const struct ledger_result *result)
{
    uint32_t most = command->line_count > 0 ? LIMIT_STORED_FAILED_LINES : 1;
    return result->failed_line_count < most ? result->failed_line_count : most;
}

bool ledger_keep_request(struct ledger *ledger, const struct ledger_command *command,
                         const struct ledger_result *result, struct error *error)
{
    struct request_record record = {
        .fields = request_fields(ledger, command),
        .purge_ms = ledger_now_ms(ledger) + ledger->settings.request_retention_ms,
        .verdict = result->verdict,
        .order_state = result->order_state,
        .existed = result->existed,
        .has_stock = result->has_stock,
        .stock = result->stock,
        .failed_lines = result->failed_lines,
        .failed_line_count = kept_line_count(command, result),
    };
    struct ledger_key key = ledger_key_request(command->request_id);
    struct buffer *value = ledger_value(ledger);
    request_record_encode(value, &record);
    return ledger_put(ledger, &key, NULL, buffer_bytes(value), NULL, error) &&
           ledger_schedule_purge(ledger, LEDGER_KIND_REQUEST, command->request_id, record.purge_ms,
                                 error);
}
