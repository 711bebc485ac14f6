/*
 * command.c - the rules of form: what can be said of a command without knowing any state.
 *
 * The order is the domain's: arguments first, then sums that overflow. Admission refuses what fails
 * here, so that it costs no place in the log; apply judges again, since a log must not depend on
 * whoever wrote it. Nothing is allocated unless the quantities of a command could overflow.
 */
#include "ledger/command.h"

#include <inttypes.h>

#include "base/limits.h"
#include "lines.h"

/* Why the text is none of ours; NULL if it is fine. */
static const char *text_fault(struct bytes text)
{
    if (text.len > LIMIT_TEXT_BYTES) {
        return "is longer than 255 bytes";
    }
    if (text.len != 0 && memchr(text.data, 0, text.len) != NULL) {
        return "contains a NUL";
    }
    return bytes_is_utf8(text) ? NULL : "is not UTF-8";
}

_Static_assert(LIMIT_ID_BYTES == 255 && LIMIT_TEXT_BYTES == 255, "text_fault() serves both");

static const char *id_fault(struct bytes id)
{
    return id.len == 0 ? "is empty" : text_fault(id);
}

bool ledger_id_check(const char *field, struct bytes id, struct error *error)
{
    const char *fault = id_fault(id);
    return fault == NULL ||
           error_set(error, "%s %s: it must be 1 to 255 bytes of UTF-8 without NUL", field, fault);
}

static bool check_text(const char *field, struct bytes text, struct error *error)
{
    const char *fault = text_fault(text);
    return fault == NULL ||
           error_set(error, "%s %s: it may be up to 255 bytes of UTF-8 without NUL", field, fault);
}

static bool check_time(const char *field, int64_t time_ms, struct error *error)
{
    return (time_ms >= 0 && time_ms <= LIMIT_TIME_MS) ||
           error_set(error, "%s is outside the years 1970 to 9999", field);
}

static bool check_quantity(const char *field, int64_t quantity, int64_t least, struct error *error)
{
    return (quantity >= least && quantity <= LIMIT_QUANTITY) ||
           error_set(error, "%s is %" PRId64 ": it must be %" PRId64 " to %" PRId64, field,
                     quantity, least, LIMIT_QUANTITY);
}

bool ledger_lines_check(const struct ledger_line *lines, uint32_t count, struct error *error)
{
    if (count > LIMIT_LINES) {
        return error_set(error, "there are %" PRIu32 " lines: at most %d are allowed", count,
                         LIMIT_LINES);
    }
    for (uint32_t i = 0; i < count; i++) {
        if (!ledger_id_check("sku", lines[i].sku, error) ||
            !check_quantity("quantity", lines[i].quantity, 1, error)) {
            return error_wrap(error, "line %" PRIu32, i + 1);
        }
    }
    return true;
}

bool ledger_command_needs_request_id(const struct ledger_command *command)
{
    switch (command->kind) {
    case LEDGER_SET_STOCK:
    case LEDGER_ADJUST_STOCK:
        return true;
    case LEDGER_DEDUCT:
    case LEDGER_RELEASE:
        return command->line_count > 0;
    case LEDGER_RESERVE:
    case LEDGER_REGISTER_NODE:
    case LEDGER_RAISE_VERSION:
        return false;
    }
    return false;
}

static bool check_common(const struct ledger_command *command, struct error *error)
{
    if (command->request_id.len != 0 &&
        !ledger_id_check("request_id", command->request_id, error)) {
        return false;
    }
    if (command->request_id.len == 0 && ledger_command_needs_request_id(command)) {
        return error_set(error, "request_id is missing: without it a repetition could not be told "
                                "from a new request");
    }
    return check_time("requested_at", command->requested_at_ms, error) &&
           check_text("actor", command->actor, error) &&
           check_text("reason", command->reason, error) &&
           check_text("remark", command->remark, error) &&
           check_text("trace_id", command->trace_id, error);
}

static bool check_adjust(const struct ledger_command *command, struct error *error)
{
    if (command->quantity == 0) {
        return error_set(error, "change is 0: it must add or take something");
    }
    if (command->reason.len == 0) {
        return error_set(error, "reason is missing: say why the stock changes, RECEIVE or DAMAGE "
                                "for example");
    }
    return ledger_id_check("sku", command->sku, error) &&
           check_quantity("change", command->quantity, -LIMIT_QUANTITY, error);
}

static bool check_reserve(const struct ledger_command *command, struct error *error)
{
    if (command->line_count == 0) {
        return error_set(error, "lines are missing: an order holds at least one");
    }
    if (command->mode != LEDGER_RESERVE_WHOLE && command->mode != LEDGER_RESERVE_ADD_LINES) {
        return error_set(error, "mode is %d: it must be WHOLE or ADD_LINES", (int)command->mode);
    }
    if (command->has_ttl && command->ttl_ms < 1) {
        return error_set(error, "ttl is %" PRId64 " ms: it must be at least one", command->ttl_ms);
    }
    return ledger_id_check("order_id", command->order_id, error) &&
           ledger_lines_check(command->lines, command->line_count, error);
}

static bool check_arguments(const struct ledger_command *command, struct error *error)
{
    switch (command->kind) {
    case LEDGER_SET_STOCK:
        return ledger_id_check("sku", command->sku, error) &&
               check_quantity("on_hand", command->quantity, 0, error);
    case LEDGER_ADJUST_STOCK:
        return check_adjust(command, error);
    case LEDGER_RESERVE:
        return check_reserve(command, error);
    case LEDGER_DEDUCT:
    case LEDGER_RELEASE:
        return ledger_id_check("order_id", command->order_id, error) &&
               ledger_lines_check(command->lines, command->line_count, error);
    case LEDGER_REGISTER_NODE:
        if (command->node_id == 0 || command->incarnation == 0) {
            return error_set(error, "node_id and incarnation must not be 0");
        }
        return true;
    case LEDGER_RAISE_VERSION:
        return command->version != 0 || error_set(error, "version must not be 0");
    }
    return error_set(error, "command %d is unknown", (int)command->kind);
}

/* No sum of some lines exceeds the sum of all: only where that one is too large must they be told
 * apart by stock. */
static bool sums_fit(const struct ledger_command *command)
{
    int64_t total = 0;
    for (uint32_t i = 0; i < command->line_count; i++) {
        if (command->lines[i].quantity > LIMIT_QUANTITY - total) {
            struct line_set set = {0};
            bool fit = line_set_sum(&set, command->lines, command->line_count);
            line_set_free(&set);
            return fit;
        }
        total += command->lines[i].quantity;
    }
    return true;
}

bool ledger_command_check(const struct ledger_command *command, enum ledger_verdict *verdict_out,
                          struct error *error)
{
    enum ledger_verdict verdict = LEDGER_OK;
    if (!check_arguments(command, error) || !check_common(command, error)) {
        verdict = LEDGER_MALFORMED_COMMAND;
    } else if (!sums_fit(command)) {
        error_set(error, "lines of one SKU and warehouse sum up to more than %" PRId64,
                  LIMIT_QUANTITY);
        verdict = LEDGER_OVERFLOW;
    }
    if (verdict_out != NULL) {
        *verdict_out = verdict;
    }
    return verdict == LEDGER_OK;
}
