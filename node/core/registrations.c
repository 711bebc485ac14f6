/*
 * registrations.c - at most one for each node, the first: as the ledger takes them (ledger/node.c).
 */
#include "registrations.h"

#include <stdlib.h>

static bool is_noted(const struct registrations *registrations, uint64_t node_id)
{
    for (size_t i = 0; i < registrations->count; i++) {
        if (registrations->items[i].node_id == node_id) {
            return true;
        }
    }
    return false;
}

static void append(struct registrations *registrations, struct registration registration)
{
    if (registrations->count == registrations->capacity) {
        registrations->capacity = registrations->capacity * 2 + 8;
        registrations->items = memory_realloc(
            registrations->items, registrations->capacity * sizeof *registrations->items);
    }
    registrations->items[registrations->count++] = registration;
}

void registrations_free(struct registrations *registrations)
{
    free(registrations->items);
    ledger_command_lines_free(&registrations->lines);
    *registrations = (struct registrations){0};
}

void registrations_note(struct registrations *registrations, uint64_t index, struct bytes entry)
{
    struct ledger_entry_reader reader;
    struct ledger_command command;
    struct error error;
    if (!ledger_entry_open(&reader, entry, &error)) {
        return;
    }
    while (ledger_entry_next(&reader, &command, &registrations->lines, &error)) {
        if (command.kind == LEDGER_REGISTER_NODE && !is_noted(registrations, command.node_id)) {
            append(registrations,
                   (struct registration){command.node_id, command.incarnation, index});
        }
    }
}

void registrations_cut(struct registrations *registrations, uint64_t index)
{
    /* They were noted in the order of the log. */
    while (registrations->count > 0 &&
           registrations->items[registrations->count - 1].index >= index) {
        registrations->count--;
    }
}

uint64_t registrations_find(const struct registrations *registrations, uint64_t node_id,
                            uint64_t applied_index)
{
    for (size_t i = 0; i < registrations->count; i++) {
        const struct registration *at = &registrations->items[i];
        if (at->node_id == node_id && at->index > applied_index) {
            return at->incarnation;
        }
    }
    return 0;
}
