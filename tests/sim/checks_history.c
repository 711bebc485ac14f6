/*
 * checks_history.c - operations: what clients asked for, what became of it in the log, and what
 * they were told.
 *
 * Each attempt is known by its trace id. The committed log is read once, when an index is
 * committed: each client's command in it must be one that was asked, as it was asked, not twice,
 * and not one of which somebody was told that it surely was not executed. An answer must name the
 * place at which its command was found.
 *
 * Real time: `answered_index` is the highest index that any answer has shown. What begins then must
 * come behind it: a command at a higher index, for that entry is complete; a read at least there.
 */
#include "checks_internal.h"

#include <stdio.h>
#include <string.h>

#define TRACE_ID_MARK "op-"

static struct operation *begin(struct checks *checks, bool is_read)
{
    checks->operations = checks_room(checks->operations, &checks->operation_capacity,
                                     checks->operation_count, sizeof *checks->operations);
    struct operation *operation = &checks->operations[checks->operation_count++];
    *operation = (struct operation){.is_read = is_read, .floor = checks->answered_index};
    checks->counts.operations = checks->operation_count;
    return operation;
}

static struct operation *operation_at(const struct checks *checks, uint64_t number)
{
    return number >= 1 && number <= checks->operation_count ? &checks->operations[number - 1]
                                                            : NULL;
}

uint64_t checks_invoke(struct checks *checks)
{
    begin(checks, false);
    return checks->operation_count;
}

uint64_t checks_invoke_read(struct checks *checks, bool is_stale, uint64_t min_index)
{
    struct operation *operation = begin(checks, true);
    operation->is_stale = is_stale;
    operation->min_index = min_index;
    trace_note(&checks->world->trace, TRACE_CLIENTS,
               is_stale ? TRACE_ASKED_STALE_READ : TRACE_ASKED_READ, checks->operation_count,
               min_index);
    return checks->operation_count;
}

struct bytes checks_trace_id(uint64_t operation, char text[CHECKS_TRACE_ID_BYTES])
{
    int len = snprintf(text, CHECKS_TRACE_ID_BYTES, TRACE_ID_MARK "%" PRIu64, operation);
    return bytes_of(text, (size_t)len);
}

/* The operation that a command names; 0: none. */
static uint64_t operation_of(struct bytes trace_id)
{
    const struct bytes mark = BYTES_LITERAL(TRACE_ID_MARK);
    uint64_t number = 0;
    if (trace_id.len <= mark.len || trace_id.len >= CHECKS_TRACE_ID_BYTES ||
        memcmp(trace_id.data, mark.data, mark.len) != 0) {
        return 0;
    }
    for (size_t i = mark.len; i < trace_id.len; i++) {
        if (trace_id.data[i] < '0' || trace_id.data[i] > '9') {
            return 0;
        }
        number = number * 10 + (uint64_t)(trace_id.data[i] - '0');
    }
    return number;
}

void checks_asked(struct checks *checks, uint64_t operation, struct bytes command)
{
    struct operation *record = operation_at(checks, operation);
    record->is_asked = true;
    record->asked = hash128_of(command);
    /* A command's first byte is its kind. */
    trace_note(&checks->world->trace, TRACE_CLIENTS, TRACE_ASKED, operation,
               command.len > 0 ? command.data[0] : 0);
}

void checks_attempt(struct checks *checks, uint64_t operation, uint64_t first)
{
    operation_at(checks, operation)->first = first;
}

/* ---- the committed log ---- */

static void found_in_log(struct checks *checks, uint64_t number, uint64_t index, uint32_t position,
                         struct bytes command)
{
    struct operation *operation = operation_at(checks, number);
    if (operation == NULL || !operation->is_asked) {
        world_fail(checks->world, CHECK_ACKNOWLEDGED,
                   "at %" PRIu64 ".%" PRIu32 " of the log is a command that nobody asked for",
                   index, position);
    } else if (operation->state == OPERATION_NOT_EXECUTED) {
        world_fail(checks->world, CHECK_ACKNOWLEDGED,
                   "op-%" PRIu64 ", surely not executed as it was told, is in the log at %" PRIu64
                   ".%" PRIu32,
                   number, index, position);
    } else if (operation->index != 0) {
        world_fail(checks->world, CHECK_ACKNOWLEDGED,
                   "op-%" PRIu64 " is in the log twice: at %" PRIu64 ".%" PRIu32 " and at %" PRIu64
                   ".%" PRIu32,
                   number, operation->index, operation->position, index, position);
    } else if (!hash128_equal(operation->asked, hash128_of(command))) {
        world_fail(checks->world, CHECK_ACKNOWLEDGED,
                   "op-%" PRIu64 " is in the log at %" PRIu64 ".%" PRIu32
                   " with other bytes than were asked",
                   number, index, position);
    } else {
        operation->index = index;
        operation->position = position;
        checks->counts.commands++;
    }
}

void checks_history_committed(struct checks *checks, const struct entry *entry)
{
    struct ledger_entry_reader reader;
    struct ledger_command command;
    struct error error = {{0}};
    if (entry->type != ENTRY_COMMAND) {
        return;
    }
    bool read = ledger_entry_open(&reader, entry->data, &error);
    while (read && !checks->world->failed) {
        uint32_t position = reader.read;
        const uint8_t *begin = reader.rest.data;
        if (!ledger_entry_next(&reader, &command, &checks->lines, &error)) {
            break;
        }
        if (command.kind == LEDGER_RAISE_VERSION) {
            checks_version_raised(checks, command.version);
        }
        if (command.kind == LEDGER_REGISTER_NODE) {
            checks_registered(checks, entry->index, command.node_id, command.incarnation);
        } else {
            found_in_log(checks, operation_of(command.trace_id), entry->index, position,
                         bytes_of(begin, (size_t)(reader.rest.data - begin)));
        }
    }
    if (error.text[0] != '\0') {
        world_fail(checks->world, CHECK_ACKNOWLEDGED,
                   "entry %" PRIu64 " is committed and can't be read: %s", entry->index,
                   error.text);
    }
}

/* ---- answers ---- */

/* The operation that ends; NULL: it had ended before, and the run has failed. */
static struct operation *end(struct checks *checks, uint64_t number, bool is_read,
                             enum operation_state state)
{
    struct operation *operation = operation_at(checks, number);
    if (operation == NULL || operation->is_read != is_read || operation->state != OPERATION_OPEN) {
        world_fail(checks->world, CHECK_ACKNOWLEDGED,
                   "op-%" PRIu64 " ends, and is not a %s that is open", number,
                   is_read ? "read" : "command");
        return NULL;
    }
    operation->state = state;
    return operation;
}

static void note_answered(struct checks *checks, uint64_t index)
{
    checks->answered_index = index > checks->answered_index ? index : checks->answered_index;
}

/* Is the command where the answer says it is? */
static bool check_place(struct checks *checks, uint64_t number, size_t node,
                        const struct operation *operation, const struct ledger_result *result)
{
    if (operation->index == 0 || operation->index != result->log_index ||
        operation->position != result->log_position) {
        world_fail(checks->world, CHECK_ACKNOWLEDGED,
                   "op-%" PRIu64 " is acknowledged at %" PRIu64 ".%" PRIu32
                   " and committed at %" PRIu64 ".%" PRIu32,
                   number, result->log_index, result->log_position, operation->index,
                   operation->position);
        return false;
    }
    /* Results are given while their entry is applied. */
    if (result->log_index > checks->nodes[node].applied_most + 1) {
        world_fail(checks->world, CHECK_ACKNOWLEDGED,
                   "n%zu acknowledges op-%" PRIu64 " at %" PRIu64 ", it has applied %" PRIu64,
                   node + 1, number, result->log_index, checks->nodes[node].applied_most);
        return false;
    }
    return true;
}

void checks_result(struct checks *checks, uint64_t operation, size_t node,
                   const struct ledger_result *result)
{
    if (checks->world->failed) {
        return;
    }
    trace_note(&checks->world->trace, TRACE_CLIENTS, TRACE_RESULT, operation,
               (uint64_t)result->verdict, result->log_index, result->log_position);
    if (checks->nodes[node].is_spoilt) {
        end(checks, operation, false, OPERATION_UNKNOWN);
        return;
    }
    struct operation *record = end(checks, operation, false, OPERATION_ANSWERED);
    if (record == NULL) {
        return;
    }
    if (result->log_index <= record->floor) {
        world_fail(checks->world, CHECK_REAL_TIME,
                   "op-%" PRIu64 " is answered at %" PRIu64
                   "; when it was asked, an answer had named %" PRIu64,
                   operation, result->log_index, record->floor);
        return;
    }
    if (!check_place(checks, operation, node, record, result) ||
        !checks_model_reach(checks, result->log_index)) {
        return;
    }
    struct error difference;
    const struct ledger_result *expected =
        checks_model_result(checks, result->log_index, result->log_position);
    if (expected == NULL || !model_result_equal(expected, result, &difference)) {
        world_fail(checks->world, CHECK_MODEL,
                   "op-%" PRIu64 " at %" PRIu64 ".%" PRIu32 " is answered otherwise: %s", operation,
                   result->log_index, result->log_position,
                   expected != NULL ? difference.text : "the model has no such command");
        return;
    }
    note_answered(checks, result->log_index);
    checks->counts.acknowledged++;
}

static const struct ledger_result *result_of(const struct checks *checks,
                                             const struct operation *operation)
{
    return operation->index != 0
               ? checks_model_result(checks, operation->index, operation->position)
               : NULL;
}

static bool is_behind(const struct operation *a, const struct operation *b)
{
    return a->index != b->index ? a->index > b->index : a->position > b->position;
}

void checks_told(struct checks *checks, uint64_t operation)
{
    struct operation *told = operation_at(checks, operation);
    if (checks->world->failed || told->first == 0 || told->state != OPERATION_ANSWERED) {
        return; /* or a node whose state is wrong has answered */
    }
    const struct ledger_result *result = result_of(checks, told);
    if (result != NULL && result->verdict != LEDGER_OK) {
        operation_at(checks, told->first)->refused = operation;
    }
}

void checks_history_end(struct checks *checks)
{
    for (uint64_t number = 1; number <= checks->operation_count; number++) {
        const struct operation *late = operation_at(checks, number);
        const struct operation *first = operation_at(checks, late->first);
        const struct operation *refused =
            first != NULL ? operation_at(checks, first->refused) : NULL;
        const struct ledger_result *result = result_of(checks, late);
        if (refused != NULL && result != NULL && result->verdict == LEDGER_OK &&
            !result->replayed && is_behind(late, refused)) {
            world_fail(checks->world, CHECK_FINAL,
                       "op-%" PRIu64 " was refused at %" PRIu64 ".%" PRIu32
                       ", and its client told; op-%" PRIu64
                       ", another attempt at the same request, is granted at %" PRIu64 ".%" PRIu32,
                       first->refused, refused->index, refused->position, number, late->index,
                       late->position);
            return;
        }
    }
}

void checks_not_executed(struct checks *checks, uint64_t operation)
{
    const struct operation *record = operation_at(checks, operation);
    if (checks->world->failed) {
        return;
    }
    trace_note(&checks->world->trace, TRACE_CLIENTS, TRACE_NOT_EXECUTED, operation);
    if (end(checks, operation, record != NULL && record->is_read, OPERATION_NOT_EXECUTED) != NULL &&
        record->index != 0) {
        world_fail(checks->world, CHECK_ACKNOWLEDGED,
                   "op-%" PRIu64 " is told to be surely not executed, and is in the log at "
                   "%" PRIu64 ".%" PRIu32,
                   operation, record->index, record->position);
    }
}

void checks_unknown(struct checks *checks, uint64_t operation)
{
    const struct operation *record = operation_at(checks, operation);
    if (checks->world->failed) {
        return;
    }
    trace_note(&checks->world->trace, TRACE_CLIENTS, TRACE_UNKNOWN, operation);
    end(checks, operation, record != NULL && record->is_read, OPERATION_UNKNOWN);
}

/* ---- reads ---- */

/* A read ends with the first thing that it shows; the others are as of the same index. */
static bool may_read(struct checks *checks, uint64_t number, size_t node, uint64_t index,
                     bool found)
{
    if (checks->world->failed) {
        return false;
    }
    trace_note(&checks->world->trace, TRACE_CLIENTS, TRACE_READ, number, (uint64_t)node + 1, index,
               found);
    struct operation *operation = operation_at(checks, number);
    if (checks->nodes[node].is_spoilt) {
        end(checks, number, true, OPERATION_UNKNOWN);
        return false;
    }
    if (operation != NULL && operation->is_read && operation->state == OPERATION_ANSWERED) {
        if (operation->index != index) {
            world_fail(checks->world, CHECK_READ,
                       "op-%" PRIu64 " shows the state of %" PRIu64 " and that of %" PRIu64, number,
                       operation->index, index);
        }
        return operation->index == index;
    }
    operation = end(checks, number, true, OPERATION_ANSWERED);
    if (operation == NULL) {
        return false;
    }
    if (operation->is_stale && checks->nodes[node].lost) {
        return false; /* it has forgotten what it had, and knows of no age */
    }
    if (index < operation->min_index) {
        world_fail(checks->world, CHECK_READ,
                   "op-%" PRIu64 " shows the state of %" PRIu64 "; it asked for %" PRIu64
                   " at least",
                   number, index, operation->min_index);
        return false;
    }
    if (!operation->is_stale && index < operation->floor) {
        world_fail(checks->world, CHECK_READ,
                   "op-%" PRIu64 " shows the state of %" PRIu64
                   "; when it was asked, an answer had named %" PRIu64,
                   number, index, operation->floor);
        return false;
    }
    if (index > checks->committed_last || index > checks->nodes[node].applied_most) {
        world_fail(checks->world, CHECK_READ,
                   "op-%" PRIu64 " shows the state of %" PRIu64 ", n%zu has applied %" PRIu64
                   " of %" PRIu64 " committed entries",
                   number, index, node + 1, checks->nodes[node].applied_most,
                   checks->committed_last);
        return false;
    }
    operation->index = index;
    note_answered(checks, index);
    checks->counts.reads++;
    return checks_model_reach(checks, index);
}

/* No simulated clock is further off (plan.c), in 1000; an age is made of several of them, and of as
 * many numbers that are rounded. */
#define AGE_PERMILLE    32
#define AGE_ROUNDING_US 4000

void checks_read_age(struct checks *checks, uint64_t operation, size_t node, uint64_t applied_index,
                     uint64_t age_ms)
{
    uint64_t now_us = checks->world->now_us;
    uint64_t age_us = age_ms * (1000 + AGE_PERMILLE) + AGE_ROUNDING_US;
    const struct committed *missing = checks_committed_at(checks, applied_index + 1);
    if (checks->world->failed || checks->nodes[node].lost) {
        return;
    }
    trace_note(&checks->world->trace, TRACE_CLIENTS, TRACE_READ_AGE, operation, node + 1, age_ms);
    if (missing != NULL && missing->at_us + age_us < now_us) {
        world_fail(checks->world, CHECK_READ,
                   "op-%" PRIu64 " shows n%zu's state at %" PRIu64 " and calls it %" PRIu64
                   " ms old; entry %" PRIu64 " has been committed for %" PRIu64 " us",
                   operation, node + 1, applied_index, age_ms, applied_index + 1,
                   now_us - missing->at_us);
    }
}

static void fail_read(struct checks *checks, uint64_t operation, uint64_t index, struct bytes id,
                      const char *words)
{
    world_fail(checks->world, CHECK_READ, "op-%" PRIu64 " shows \"%.*s\" at %" PRIu64 ": %s",
               operation, (int)id.len, (const char *)id.data, index, words);
}

void checks_read(struct checks *checks, uint64_t operation, size_t node, uint64_t applied_index,
                 struct bytes sku, uint32_t warehouse, bool found, const struct stock_record *stock)
{
    struct stock_record expected;
    struct error difference;
    if (!may_read(checks, operation, node, applied_index, found)) {
        return;
    }
    bool exists = model_stock_at(checks->model, sku, warehouse, applied_index, &expected);
    if (exists != found) {
        fail_read(checks, operation, applied_index, sku,
                  exists ? "not found, and it is there" : "found, and it is not there");
    } else if (found && !model_stock_record_equal(&expected, stock, &difference)) {
        fail_read(checks, operation, applied_index, sku, difference.text);
    }
}

void checks_read_order(struct checks *checks, uint64_t operation, size_t node,
                       uint64_t applied_index, struct bytes order_id, bool found,
                       const struct order_record *order)
{
    struct order_record expected;
    struct error difference;
    if (!may_read(checks, operation, node, applied_index, found)) {
        return;
    }
    bool exists = model_order_at(checks->model, order_id, applied_index, &expected);
    if (exists != found) {
        fail_read(checks, operation, applied_index, order_id,
                  exists ? "not found, and it is there" : "found, and it is not there");
    } else if (found && !model_order_record_equal(&expected, order, &difference)) {
        fail_read(checks, operation, applied_index, order_id, difference.text);
    }
}
