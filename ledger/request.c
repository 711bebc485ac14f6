/*
 * request.c - telling a repetition by its request id, for the commands whose repetition can't be
 * told by an order's state.
 *
 * The happy path: the id is not known, the command is judged, and its verdict - a refusal too - is
 * kept with a hash of what was asked. The same id with the same fields gets that verdict again;
 * with other fields IDEMPOTENCY_MISMATCH. Fields are hashed decoded and normalised, so that a
 * repetition may come over another face of the API; who asked and remarks don't count.
 *
 * Why it is exactly once: a record lives for the retention from the ledger time at which the
 * request was judged, and a request is judged as new only while requested_at - margin <= ledger
 * time <= requested_at + retention - margin. So the first try was judged at requested_at - margin
 * or later, and whenever a repetition (which keeps its requested_at) would be judged as new, the
 * record of the first try, if there was one, is still there. That is what the margin ahead is for.
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

struct hash128 ledger_request_fields(struct ledger *ledger, const struct ledger_command *command)
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

bool ledger_begin_request(struct ledger *ledger, const struct ledger_command *command,
                          struct hash128 fields, struct ledger_result *result, bool *is_new,
                          struct error *error)
{
    struct ledger_key key = ledger_key_request(command->request_id);
    struct bytes value;
    bool found;
    *is_new = false;
    if (!ledger_load(ledger, &key, &value, &found, error)) {
        return false;
    }
    if (!found || PLANTED(NO_DEDUPLICATION)) {
        *is_new = ledger_request_is_timely(ledger, command);
        result->verdict = *is_new ? LEDGER_VERDICT_UNSPECIFIED : LEDGER_REQUEST_EXPIRED;
        return true;
    }
    struct request_record record;
    if (!request_record_decode(value, &record, &ledger->failed, error)) {
        return false;
    }
    if (hash128_equal(record.fields, fields)) {
        repeat_result(&record, command, result);
    } else {
        result->verdict = LEDGER_IDEMPOTENCY_MISMATCH;
    }
    return true;
}

bool ledger_finish_request(struct ledger *ledger, const struct ledger_command *command,
                           struct hash128 fields, const struct ledger_result *result,
                           struct error *error)
{
    struct request_record record = {
        .fields = fields,
        .purge_ms = ledger_now_ms(ledger) + ledger->settings.request_retention_ms,
        .verdict = result->verdict,
        .order_state = result->order_state,
        .existed = result->existed,
        .has_stock = result->has_stock,
        .stock = result->stock,
        .failed_lines = result->failed_lines,
        .failed_line_count = result->failed_line_count < LIMIT_STORED_FAILED_LINES
                                 ? result->failed_line_count
                                 : LIMIT_STORED_FAILED_LINES,
    };
    struct ledger_key key = ledger_key_request(command->request_id);
    struct buffer *value = ledger_value(ledger);
    request_record_encode(value, &record);
    return ledger_put(ledger, &key, NULL, buffer_bytes(value), NULL, error) &&
           ledger_schedule_purge(ledger, LEDGER_KIND_REQUEST, command->request_id, record.purge_ms,
                                 error);
}
