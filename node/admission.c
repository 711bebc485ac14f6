/*
 * admission.c - decodes with protobuf-c into an arena, fills one struct ledger_command, asks the
 * ledger whether its form is good, and appends its encoding. The five request messages share the
 * numbers and names of their common fields, so one macro fills those.
 */
#include "admission.h"

#include <inttypes.h>
#include <stdlib.h>

#include "arena.h"
#include "base/limits.h"
#include "holdfast/v1/ledger.pb-c.h"
#include "message_check.h"
#include "proto_time.h"

struct admission {
    struct arena arena;
    struct ledger_line *lines;
    size_t line_capacity;
};

struct admission *admission_new(void)
{
    struct admission *admission = memory_zalloc(sizeof *admission);
    arena_init(&admission->arena, LIMIT_DECODE_BYTES);
    return admission;
}

void admission_free(struct admission *admission)
{
    arena_free(&admission->arena);
    free(admission->lines);
    free(admission);
}

static bool fill_lines(struct admission *admission, size_t count, Holdfast__V1__Line **lines,
                       struct ledger_command *command, struct error *error)
{
    if (count > LIMIT_LINES) {
        return error_set(error, "%zu lines: an order has at most %d", count, LIMIT_LINES);
    }
    if (count > admission->line_capacity) {
        admission->lines = memory_realloc(admission->lines, count * sizeof *admission->lines);
        admission->line_capacity = count;
    }
    for (size_t i = 0; i < count; i++) {
        admission->lines[i] = (struct ledger_line){
            .sku = bytes_of_string(lines[i]->sku),
            .warehouse = lines[i]->warehouse,
            .quantity = lines[i]->quantity,
        };
    }
    command->lines = admission->lines;
    command->line_count = (uint32_t)count;
    return true;
}

/* The fields that all commands share. */
#define FILL_COMMON(command, request, error)                                                       \
    ((command)->request_id = bytes_of_string((request)->request_id),                               \
     (command)->resent = (request)->resent != 0,                                                   \
     (command)->actor = bytes_of_string((request)->actor),                                         \
     (command)->reason = bytes_of_string((request)->reason),                                       \
     (command)->remark = bytes_of_string((request)->remark),                                       \
     (command)->trace_id = bytes_of_string((request)->trace_id),                                   \
     proto_time_from((request)->requested_at, "requested_at", &(command)->requested_at_ms,         \
                     (error)))

static bool fill_set_stock(const Holdfast__V1__SetStockRequest *request,
                           struct ledger_command *command, struct error *error)
{
    command->kind = LEDGER_SET_STOCK;
    command->sku = bytes_of_string(request->sku);
    command->warehouse = request->warehouse;
    command->quantity = request->on_hand;
    command->has_expected_version =
        request->expected_case == HOLDFAST__V1__SET_STOCK_REQUEST__EXPECTED_EXPECTED_VERSION;
    command->expected_version = command->has_expected_version ? request->expected_version : 0;
    return FILL_COMMON(command, request, error);
}

static bool fill_adjust_stock(const Holdfast__V1__AdjustStockRequest *request,
                              struct ledger_command *command, struct error *error)
{
    command->kind = LEDGER_ADJUST_STOCK;
    command->sku = bytes_of_string(request->sku);
    command->warehouse = request->warehouse;
    command->quantity = request->change;
    command->has_expected_version =
        request->expected_case == HOLDFAST__V1__ADJUST_STOCK_REQUEST__EXPECTED_EXPECTED_VERSION;
    command->expected_version = command->has_expected_version ? request->expected_version : 0;
    return FILL_COMMON(command, request, error);
}

static bool fill_reserve(struct admission *admission, const Holdfast__V1__ReserveRequest *request,
                         struct ledger_command *command, struct error *error)
{
    command->kind = LEDGER_RESERVE;
    command->order_id = bytes_of_string(request->order_id);
    command->mode = request->mode == HOLDFAST__V1__RESERVE_REQUEST__MODE__ADD_LINES
                        ? LEDGER_RESERVE_ADD_LINES
                        : LEDGER_RESERVE_WHOLE;
    command->has_ttl = request->ttl != NULL;
    if (command->has_ttl && !proto_duration_from(request->ttl, "ttl", &command->ttl_ms, error)) {
        return false;
    }
    return FILL_COMMON(command, request, error) &&
           fill_lines(admission, request->n_lines, request->lines, command, error);
}

static bool fill_deduct(struct admission *admission, const Holdfast__V1__DeductRequest *request,
                        struct ledger_command *command, struct error *error)
{
    command->kind = LEDGER_DEDUCT;
    command->order_id = bytes_of_string(request->order_id);
    command->final = request->final;
    command->reacquire = request->reacquire;
    return FILL_COMMON(command, request, error) &&
           fill_lines(admission, request->n_lines, request->lines, command, error);
}

static bool fill_release(struct admission *admission, const Holdfast__V1__ReleaseRequest *request,
                         struct ledger_command *command, struct error *error)
{
    command->kind = LEDGER_RELEASE;
    command->order_id = bytes_of_string(request->order_id);
    return FILL_COMMON(command, request, error) &&
           fill_lines(admission, request->n_lines, request->lines, command, error);
}

static bool admit(const struct ledger_command *command, struct admitted *admitted,
                  struct error *error)
{
    enum ledger_verdict verdict;
    if (!ledger_command_check(command, &verdict, error) && verdict != LEDGER_OVERFLOW) {
        return false; /* a sum that overflows is the ledger's to answer, with a verdict */
    }
    ledger_command_encode(&admitted->encoded, command);
    admitted->command_count++;
    admitted->line_count += command->line_count != 0 ? command->line_count : 1;
    return true;
}

/* Checks the bytes, then decodes them into the arena. NULL and a reason if they are not such a
 * message. */
static ProtobufCMessage *decode(struct admission *admission,
                                const ProtobufCMessageDescriptor *descriptor, struct bytes message,
                                struct error *error)
{
    if (!message_check(descriptor, message, error)) {
        return NULL;
    }
    ProtobufCMessage *decoded = protobuf_c_message_unpack(descriptor, &admission->arena.allocator,
                                                          message.len, message.data);
    if (decoded == NULL) {
        error_set(error,
                  "%s can't be decoded: not such a message, or larger than %u bytes in memory",
                  descriptor->short_name, LIMIT_DECODE_BYTES);
    }
    return decoded;
}

static const ProtobufCMessageDescriptor *descriptor_of(enum ledger_command_kind kind)
{
    switch (kind) {
    case LEDGER_SET_STOCK:
        return &holdfast__v1__set_stock_request__descriptor;
    case LEDGER_ADJUST_STOCK:
        return &holdfast__v1__adjust_stock_request__descriptor;
    case LEDGER_RESERVE:
        return &holdfast__v1__reserve_request__descriptor;
    case LEDGER_DEDUCT:
        return &holdfast__v1__deduct_request__descriptor;
    case LEDGER_RELEASE:
        return &holdfast__v1__release_request__descriptor;
    case LEDGER_REGISTER_NODE:
    case LEDGER_RAISE_VERSION:
        break;
    }
    return NULL;
}

static bool fill(struct admission *admission, enum ledger_command_kind kind, const void *request,
                 struct ledger_command *command, struct error *error)
{
    switch (kind) {
    case LEDGER_SET_STOCK:
        return fill_set_stock(request, command, error);
    case LEDGER_ADJUST_STOCK:
        return fill_adjust_stock(request, command, error);
    case LEDGER_RESERVE:
        return fill_reserve(admission, request, command, error);
    case LEDGER_DEDUCT:
        return fill_deduct(admission, request, command, error);
    case LEDGER_RELEASE:
        return fill_release(admission, request, command, error);
    case LEDGER_REGISTER_NODE:
    case LEDGER_RAISE_VERSION:
        break;
    }
    return error_set(error, "not a command for clients");
}

bool admission_command(struct admission *admission, enum ledger_command_kind kind,
                       struct bytes message, struct admitted *admitted, struct error *error)
{
    arena_reset(&admission->arena);
    const void *request = decode(admission, descriptor_of(kind), message, error);
    struct ledger_command command = {0};
    return request != NULL && fill(admission, kind, request, &command, error) &&
           admit(&command, admitted, error);
}

bool admission_execute(struct admission *admission, struct bytes message, struct admitted *admitted,
                       struct error *error)
{
    arena_reset(&admission->arena);
    const Holdfast__V1__ExecuteRequest *batch =
        (const Holdfast__V1__ExecuteRequest *)(void *)decode(
            admission, &holdfast__v1__execute_request__descriptor, message, error);
    if (batch == NULL) {
        return false;
    }
    if (batch->n_commands == 0) {
        return error_set(error, "ExecuteRequest.commands is empty");
    }
    if (batch->n_commands > LIMIT_BATCH_COMMANDS) {
        return error_set(error, "%zu commands: one Execute takes at most %d", batch->n_commands,
                         LIMIT_BATCH_COMMANDS);
    }
    for (size_t i = 0; i < batch->n_commands; i++) {
        const Holdfast__V1__Command *one = batch->commands[i];
        struct ledger_command command = {0};
        /* The numbers of the oneof are the ledger's kinds; the union's members are all pointers. */
        if (one->command_case == HOLDFAST__V1__COMMAND__COMMAND__NOT_SET) {
            return error_set(error, "commands[%zu] is empty", i);
        }
        if (!fill(admission, (enum ledger_command_kind)one->command_case, one->set_stock, &command,
                  error)) {
            return error_wrap(error, "commands[%zu]", i);
        }
        command.resent |= batch->resent != 0;
        if (!admit(&command, admitted, error)) {
            return error_wrap(error, "commands[%zu]", i);
        }
        if (admitted->line_count > LIMIT_LINES) {
            return error_set(error, "commands[0..%zu] have more than %d lines together", i,
                             LIMIT_LINES);
        }
    }
    return true;
}
