/*
 * apply.c - one log entry: the clock moves, what is due ends, then the commands are judged one by
 * one in the order of the checks: form, limits, overflow, request id, then what the kind asks.
 */
#include <assert.h>
#include <stdlib.h>

#include "base/limits.h"
#include "state.h"

/* Ledger time never runs back, whoever stamped the entry. A credit counts up to the time that has
 * passed, so that hold time does not run back either; the first entry of all credits nothing. */
static void move_clock(struct model *model, const struct ledger_entry_header *header)
{
    int64_t before_ms = model->time_ms;
    if (header->time_ms > model->time_ms) {
        model->time_ms = header->time_ms;
    }
    int64_t passed_ms = model->time_ms - before_ms;
    if (before_ms != 0) {
        model->credits_ms +=
            header->outage_credit_ms < passed_ms ? header->outage_credit_ms : passed_ms;
    }
}

void rules_register_node(struct model *model, const struct ledger_command *command,
                         struct ledger_result *result)
{
    uint64_t registered;
    if (!model_node_incarnation(model, command->node_id, &registered)) {
        *array_add(&model->nodes) = (struct node){command->node_id, command->incarnation};
        result->verdict = LEDGER_OK;
    } else if (registered == command->incarnation) {
        result->verdict = LEDGER_OK;
        result->replayed = true;
    } else {
        result->verdict = LEDGER_ALREADY_EXISTS;
    }
}

/* Up only. That a program does not know the version it is raised to is no verdict, and no matter
 * for the model, which knows all. */
static void rules_raise_version(struct model *model, const struct ledger_command *command,
                                struct ledger_result *result)
{
    unsigned now = model_version(model);
    result->verdict = command->version < now ? LEDGER_VERSION_MISMATCH : LEDGER_OK;
    result->replayed = command->version == now;
    if (command->version > now) {
        model->version = command->version;
    }
}

static void judge_kind(struct model *model, const struct ledger_command *command,
                       struct ledger_result *result)
{
    switch (command->kind) {
    case LEDGER_SET_STOCK:
    case LEDGER_ADJUST_STOCK:
        rules_stock(model, command, result);
        return;
    case LEDGER_RESERVE:
        rules_reserve(model, command, result);
        return;
    case LEDGER_DEDUCT:
        rules_deduct(model, command, result);
        return;
    case LEDGER_RELEASE:
        rules_release(model, command, result);
        return;
    case LEDGER_REGISTER_NODE:
        rules_register_node(model, command, result);
        return;
    case LEDGER_RAISE_VERSION:
        rules_raise_version(model, command, result);
        return;
    }
    assert(false && "form_is_good let an unknown kind through");
}

/* Commands whose repetition only a request id tells: the others go by the order's state. */
static bool needs_request_id(const struct ledger_command *command)
{
    return command->kind == LEDGER_SET_STOCK || command->kind == LEDGER_ADJUST_STOCK ||
           ((command->kind == LEDGER_DEDUCT || command->kind == LEDGER_RELEASE) &&
            command->line_count > 0);
}

static void judge(struct model *model, const struct ledger_command *command,
                  struct ledger_result *result)
{
    model->failed.count = 0;
    if (!form_is_good(command)) {
        result->verdict = LEDGER_MALFORMED_COMMAND;
        return;
    }
    if (command->kind == LEDGER_RESERVE && command->has_ttl &&
        command->ttl_ms > model->settings.longest_ttl_ms) {
        result->verdict = LEDGER_LIMIT_EXCEEDED;
        return;
    }
    wants_take(&model->wants, command->lines, command->line_count);
    if (model->wants.overflow) {
        result->verdict = LEDGER_OVERFLOW;
        return;
    }
    if (command->request_id.len == 0) {
        judge_kind(model, command, result);
        return;
    }
    if (requests_answer(model, command, result)) {
        return;
    }
    bool by_id = needs_request_id(command);
    if (by_id && !requests_in_time(model, command)) {
        result->verdict = LEDGER_REQUEST_EXPIRED;
    } else {
        judge_kind(model, command, result);
    }
    bool refused = result->verdict != LEDGER_OK;
    if ((by_id && result->verdict != LEDGER_REQUEST_EXPIRED) || (command->resent && refused)) {
        wants_take(&model->wants, command->lines, command->line_count); /* a rule may change them */
        requests_remember(model, command, result);
    }
}

bool model_apply(struct model *model, uint64_t index, struct bytes entry, ledger_result_visit visit,
                 void *context)
{
    struct ledger_entry_reader reader;
    struct ledger_command command;
    struct ledger_command_lines lines = {0};
    struct error error;
    assert(index > model->last_index);
    if (!ledger_entry_open(&reader, entry, &error)) {
        return false;
    }
    model->last_index = index;
    model->sub = 0;
    model->touched_stocks.count = 0;
    model->touched_orders.count = 0;
    move_clock(model, &reader.header);
    due_sweep(model, reader.header.count, entry.len);
    for (uint32_t position = 0; ledger_entry_next(&reader, &command, &lines, &error); position++) {
        struct ledger_result result = {.log_index = index, .log_position = position};
        judge(model, &command, &result);
        if (model->failed.count != 0) {
            result.failed_lines = model->failed.items;
            result.failed_line_count = model->failed.count;
        }
        if (visit != NULL) {
            visit(context, position, &result);
        }
    }
    ledger_command_lines_free(&lines);
    return error.text[0] == '\0';
}
