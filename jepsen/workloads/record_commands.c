/*
 * record_commands.c - client_command: a command of the ledger, as an operation of the history.
 *
 * With `resends` off, every attempt but the last was surely not executed (no_resend), so the
 * history is told of one. Fails: no answer; then the outcome is an info, or surely nothing.
 */
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

#include "recording.h"

static enum event_function function_of(hf_command_kind kind)
{
    switch (kind) {
    case HF_SET_STOCK:
        return FUNCTION_SET_STOCK;
    case HF_ADJUST_STOCK:
        return FUNCTION_ADJUST_STOCK;
    case HF_RESERVE:
        return FUNCTION_RESERVE;
    case HF_DEDUCT:
        return FUNCTION_DEDUCT;
    case HF_RELEASE:
        return FUNCTION_RELEASE;
    }
    assert(false && "no such kind of command");
    return FUNCTION_COUNT;
}

static bool needs_request(const hf_command *command)
{
    return command->kind == HF_SET_STOCK || command->kind == HF_ADJUST_STOCK ||
           (command->kind != HF_RESERVE && command->line_count > 0);
}

static struct event asked_of(struct client *client, const hf_command *command)
{
    struct event asked = {
        .function = function_of(command->kind),
        .order = bytes_of_string(command->order_id),
        .request = bytes_of_string(command->request_id),
        .line_count = (uint32_t)command->line_count,
        .ttl_ms = command->ttl_ms,
        .add_lines = command->add_lines,
        .final = command->final,
        .reacquire = command->reacquire,
        .has_expected_version = command->has_expected_version,
        .expected_version = command->expected_version,
    };
    if (function_is_order_command(asked.function)) {
        asked.lines = recording_lines(client, command->lines, command->line_count);
    } else {
        hf_line stock = {command->sku, command->warehouse, command->quantity};
        asked.lines = recording_lines(client, &stock, 1);
        asked.line_count = 1;
    }
    return asked;
}

static enum client_outcome record_result(struct client *client, const struct event *asked,
                                         const hf_result *result)
{
    struct event_stock stock;
    struct event answer = {
        .type = result->verdict == HF_OK ? EVENT_OK : EVENT_FAIL,
        .verdict = (int)result->verdict,
        .replayed = result->replayed,
        .existed = result->existed,
        .log_index = result->log_index,
        .log_position = result->log_position,
        .state = result->order_state,
        .attempts = client->resends ? result->attempts : 1,
        .failed = recording_failed(client, result->failed_lines, result->failed_line_count),
        .failed_count = (uint32_t)result->failed_line_count,
    };
    if (result->stock != NULL) {
        stock = (struct event_stock){.sku = bytes_of_string(result->stock->sku),
                                     .warehouse = result->stock->warehouse,
                                     .found = true,
                                     .on_hand = result->stock->on_hand,
                                     .reserved = result->stock->reserved,
                                     .version = result->stock->version};
        answer.stocks = &stock;
        answer.stock_count = 1;
    }
    return recording_complete(client, asked, &answer);
}

enum client_outcome client_command(struct client *client, const hf_command *given,
                                   const hf_result **answer)
{
    assert(given->line_count <= EVENT_LINES);
    char request[64];
    hf_command command = *given;
    if (needs_request(&command) && command.request_id == NULL) {
        snprintf(request, sizeof request, "r%" PRIx64 "-%" PRIu32, client->seed,
                 ++client->requests);
        command.request_id = request;
    }
    struct event asked = asked_of(client, &command);
    recording_invoke(client, &asked);

    hf_result *result = NULL;
    hf_verdict verdict = hf_call(client->library, &command, NULL, &result);
    client->answer = result;
    if (answer != NULL) {
        *answer = verdict > 0 ? result : NULL;
    }
    if (verdict > 0) {
        return record_result(client, &asked, result);
    }
    return recording_give_up(client, &asked, verdict, result->message, result->may_have_executed);
}
