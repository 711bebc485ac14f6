/*
 * script.c - one line a command, time as it passes between entries.
 */
#include "script.h"

#include <inttypes.h>

#include "model.h"

#define SCRIPT_START_MS INT64_C(1000000000000) /* FIXTURE_START_MS */

struct script {
    struct buffer *out;
    const struct sequence_entry *entry;
};

/* Is the text one word of the fixture's, or nothing? */
static bool is_plain(struct bytes text)
{
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.data[i];
        if (c <= ' ' || c == 0x7f || c == '"' || c == '\\' || c == '@' || c == '=') {
            return false;
        }
    }
    return bytes_is_utf8(text);
}

static void put_text(struct buffer *out, struct bytes text)
{
    if (is_plain(text)) {
        buffer_append_bytes(out, text);
        return;
    }
    for (size_t i = 0; i < text.len; i++) {
        buffer_printf(out, "\\x%02x", text.data[i]);
    }
}

static void put_sku(struct buffer *out, struct bytes sku, uint32_t warehouse)
{
    put_text(out, sku);
    if (warehouse != 0) {
        buffer_printf(out, "@%" PRIu32, warehouse);
    }
}

static void put_option(struct buffer *out, const char *name, struct bytes value)
{
    if (value.len != 0) {
        buffer_printf(out, " %s=", name);
        put_text(out, value);
    }
}

static void put_options(struct buffer *out, const struct ledger_command *command, int64_t now_ms)
{
    if (command->mode == LEDGER_RESERVE_ADD_LINES) {
        buffer_printf(out, " add");
    }
    if (command->has_ttl) {
        buffer_printf(out, " ttl=%" PRId64 "ms", command->ttl_ms);
    }
    if (command->final) {
        buffer_printf(out, " final");
    }
    if (command->reacquire) {
        buffer_printf(out, " reacquire");
    }
    if (command->resent) {
        buffer_printf(out, " resent");
    }
    if (command->has_expected_version) {
        buffer_printf(out, " version=%" PRIu64, command->expected_version);
    }
    if (command->request_id.len == 0 && ledger_command_needs_request_id(command)) {
        buffer_printf(out, " no-id");
    }
    if (command->reason.len == 0 && command->kind == LEDGER_ADJUST_STOCK) {
        buffer_printf(out, " no-reason");
    }
    if (command->requested_at_ms != 0) {
        /* may be any number, where the command is malformed */
        uint64_t from_now_ms = (uint64_t)command->requested_at_ms - (uint64_t)now_ms;
        buffer_printf(out, " at=%" PRId64 "ms", (int64_t)from_now_ms);
    }
    put_option(out, "id", command->request_id);
    put_option(out, "actor", command->actor);
    put_option(out, "reason", command->reason);
    put_option(out, "remark", command->remark);
}

static void put_command(struct buffer *out, const struct ledger_command *command, int64_t now_ms)
{
    static const char *const verbs[] = {
        [LEDGER_SET_STOCK] = "set",       [LEDGER_ADJUST_STOCK] = "adjust",
        [LEDGER_RESERVE] = "reserve",     [LEDGER_DEDUCT] = "deduct",
        [LEDGER_RELEASE] = "release",     [LEDGER_REGISTER_NODE] = "register",
        [LEDGER_RAISE_VERSION] = "raise",
    };
    buffer_printf(out, "%s ", verbs[command->kind]);
    switch (command->kind) {
    case LEDGER_SET_STOCK:
    case LEDGER_ADJUST_STOCK:
        put_sku(out, command->sku, command->warehouse);
        buffer_printf(out, command->kind == LEDGER_ADJUST_STOCK ? " %+" PRId64 : " %" PRId64,
                      command->quantity);
        break;
    case LEDGER_RESERVE:
    case LEDGER_DEDUCT:
    case LEDGER_RELEASE:
        put_text(out, command->order_id);
        for (uint32_t i = 0; i < command->line_count; i++) {
            buffer_printf(out, " ");
            put_sku(out, command->lines[i].sku, command->lines[i].warehouse);
            buffer_printf(out, "=%" PRId64, command->lines[i].quantity);
        }
        break;
    case LEDGER_REGISTER_NODE:
        buffer_printf(out, "%" PRIu64 " %" PRIu64, command->node_id, command->incarnation);
        break;
    case LEDGER_RAISE_VERSION:
        buffer_printf(out, "%u", command->version);
        break;
    }
    put_options(out, command, now_ms);
}

/* ---- answers ---- */

static void put_answer_sku(struct buffer *out, struct bytes sku, uint32_t warehouse)
{
    put_sku(out, sku, warehouse != 1 ? warehouse : 0);
}

static void put_answer(struct buffer *out, const struct ledger_result *result)
{
    static const char *const states[] = {"",         "ACTIVE",  "DEDUCTED",
                                         "RELEASED", "EXPIRED", "RETURNED"};
    buffer_printf(out, " => %s%s", ledger_verdict_name(result->verdict),
                  result->replayed ? " replayed" : "");
    if (result->order_state != ORDER_STATE_NONE) {
        buffer_printf(out, " %s", states[result->order_state]);
    }
    if (result->existed) {
        buffer_printf(out, " existed");
    }
    if (result->has_stock) {
        buffer_printf(out, " %" PRId64 "/%" PRId64 " v%" PRIu64, result->stock.on_hand,
                      result->stock.reserved, result->stock.version);
    }
    for (uint32_t i = 0; i < result->failed_line_count; i++) {
        const struct ledger_failed_line *line = &result->failed_lines[i];
        buffer_printf(out, " | ");
        put_answer_sku(out, line->sku, line->warehouse);
        buffer_printf(out, " %" PRId64 ">%" PRId64 " %s", line->requested, line->available,
                      ledger_verdict_name(line->reason));
    }
}

bool script_can_say(const struct ledger_command *command)
{
    bool stock = command->kind == LEDGER_SET_STOCK || command->kind == LEDGER_ADJUST_STOCK;
    bool order = command->kind == LEDGER_RESERVE || command->kind == LEDGER_DEDUCT ||
                 command->kind == LEDGER_RELEASE;
    bool can = is_plain(command->request_id) && is_plain(command->actor) &&
               is_plain(command->reason) && is_plain(command->remark) && is_plain(command->sku) &&
               is_plain(command->order_id) && command->trace_id.len == 0 &&
               command->line_count <= 32 && (!stock || command->sku.len != 0) &&
               (!order || command->order_id.len != 0) && command->requested_at_ms >= 0;
    for (uint32_t i = 0; can && i < command->line_count; i++) {
        can = command->lines[i].sku.len != 0 && is_plain(command->lines[i].sku);
    }
    return can;
}

static void print_command(void *context, uint32_t position, const struct ledger_result *result)
{
    struct script *script = context;
    const struct ledger_command *command = script->entry->commands[position];
    if (!script_can_say(command)) {
        buffer_printf(script->out, "# not in the fixture's words (trace_id \"");
        put_text(script->out, command->trace_id);
        buffer_printf(script->out, "\"): ");
    }
    if (position + 1 < script->entry->count) {
        buffer_printf(script->out, "+ ");
    }
    put_command(script->out, command, script->entry->time_ms);
    put_answer(script->out, result);
    buffer_printf(script->out, "\n");
}

void script_print(const struct sequence *sequence, struct buffer *out)
{
    struct model *model = model_new();
    struct buffer encoded = {0};
    int64_t now_ms = SCRIPT_START_MS;
    for (uint32_t i = 0; i < sequence->count; i++) {
        const struct sequence_entry *entry = &sequence->entries[i];
        struct script script = {.out = out, .entry = entry};
        if (entry->reopen) {
            buffer_printf(out, "# the ledger is closed and opened again here\n");
        }
        if (entry->time_ms != now_ms) {
            buffer_printf(out, "wait %" PRId64 "ms\n", entry->time_ms - now_ms);
            now_ms = entry->time_ms;
        }
        if (entry->credit_ms != 0) {
            buffer_printf(out, "credit %" PRId64 "ms\n", entry->credit_ms);
        }
        if (entry->count == 0) {
            buffer_printf(out, "tick\n");
        }
        if (entry->count > SCRIPT_COMMANDS) {
            buffer_printf(out, "# %" PRIu32 " commands in one entry, too many for the fixture:\n",
                          entry->count);
        }
        buffer_clear(&encoded);
        sequence_entry_encode(entry, &encoded);
        model_apply(model, entry->index, buffer_bytes(&encoded), print_command, &script);
    }
    buffer_free(&encoded);
    model_free(model);
}
