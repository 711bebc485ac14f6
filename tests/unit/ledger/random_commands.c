/*
 * random_commands.c - a weighted choice of what order services might send.
 */
#include "random_commands.h"

#include <inttypes.h>
#include <stdio.h>

uint32_t random_below(struct random_commands *random, uint32_t bound)
{
    return (uint32_t)(random_next(&random->source) % bound);
}

static bool one_in(struct random_commands *random, uint32_t n)
{
    return random_below(random, n) == 0;
}

void random_commands_start(struct random_commands *random, uint64_t seed, int64_t time_ms)
{
    *random = (struct random_commands){.source = {seed}, .time_ms = time_ms};
    for (uint32_t i = 0; i < 4; i++) {
        snprintf(random->sku[i], sizeof random->sku[i], "%s",
                 (const char *const[]){"A", "AA", "B", "b"}[i]);
    }
}

static struct bytes id(struct random_commands *random, uint32_t slot, char prefix, uint32_t among)
{
    char *text = random->texts[slot];
    snprintf(text, sizeof random->texts[slot], "%c%" PRIu32, prefix, random_below(random, among));
    return bytes_of_string(text);
}

static struct bytes some_sku(struct random_commands *random)
{
    return bytes_of_string(random->sku[random_below(random, 4)]);
}

static uint32_t some_warehouse(struct random_commands *random)
{
    return random_below(random, 3);
}

static int64_t some_quantity(struct random_commands *random)
{
    if (one_in(random, 200)) {
        return (int64_t[]){0, -1, INT64_MAX, INT64_C(9007199254740991)}[random_below(random, 4)];
    }
    return 1 + random_below(random, 6);
}

static void add_lines(struct random_commands *random, struct ledger_command *command)
{
    command->line_count = 1 + random_below(random, 4);
    for (uint32_t i = 0; i < command->line_count; i++) {
        /* One statement each: the order of evaluation must not depend on the compiler. */
        random->lines[i].sku = some_sku(random);
        random->lines[i].warehouse = some_warehouse(random);
        random->lines[i].quantity = some_quantity(random);
    }
    command->lines = random->lines;
}

static void stock_command(struct random_commands *random, struct ledger_command *command)
{
    command->kind = one_in(random, 3) ? LEDGER_SET_STOCK : LEDGER_ADJUST_STOCK;
    command->sku = some_sku(random);
    command->warehouse = some_warehouse(random);
    command->quantity = (int64_t)random_below(random, 60);
    if (command->kind == LEDGER_ADJUST_STOCK) {
        command->quantity -= 20;
        command->reason = one_in(random, 30) ? BYTES_LITERAL("") : BYTES_LITERAL("RECEIVE");
    }
    command->has_expected_version = one_in(random, 4);
    command->expected_version = command->has_expected_version ? random_below(random, 12) : 0;
}

static void order_command(struct random_commands *random, struct ledger_command *command)
{
    command->kind = (enum ledger_command_kind)(LEDGER_RESERVE + random_below(random, 3));
    command->order_id = id(random, 1, 'o', 40);
    if (command->kind == LEDGER_RESERVE || one_in(random, 2)) {
        add_lines(random, command);
    }
    if (command->kind == LEDGER_RESERVE) {
        command->mode = one_in(random, 3) ? LEDGER_RESERVE_ADD_LINES : LEDGER_RESERVE_WHOLE;
        command->has_ttl = one_in(random, 2);
        command->ttl_ms = command->has_ttl ? 1 + (int64_t)random_below(random, 7200000) : 0;
    }
    if (command->kind == LEDGER_DEDUCT) {
        command->final = one_in(random, 4);
        command->reacquire = one_in(random, 3);
    }
}

void random_command(struct random_commands *random, struct ledger_command *command)
{
    *command = (struct ledger_command){0};
    if (one_in(random, 50)) {
        command->kind = LEDGER_REGISTER_NODE;
        command->node_id = random_below(random, 4);
        command->incarnation = 1 + random_below(random, 2);
        return;
    }
    if (one_in(random, 3)) {
        stock_command(random, command);
    } else {
        order_command(random, command);
    }
    if (!one_in(random, 40)) {
        bool by_id = ledger_command_needs_request_id(command);
        command->request_id = id(random, 0, by_id ? 'r' : 'q', 2000);
        command->resent = one_in(random, 3);
    }
    if (one_in(random, 3)) {
        /* up to two hours ahead, up to 30 hours back */
        command->requested_at_ms =
            random->time_ms + 7200000 - (int64_t)random_below(random, 32 * 3600000);
    }
    command->actor = id(random, 2, 'u', 5);
    command->remark = BYTES_LITERAL("random");
}

void random_entry(struct random_commands *random, struct buffer *entry)
{
    if (one_in(random, 300)) {
        random->time_ms += INT64_C(86400000) * random_below(random, 60);
    } else if (one_in(random, 5)) {
        random->time_ms += random_below(random, 3600000);
    } else {
        random->time_ms += random_below(random, 20);
    }
    struct ledger_entry_header header = {
        .format = LEDGER_ENTRY_FORMAT,
        .ledger_version = LEDGER_VERSION,
    };
    header.time_ms = random->time_ms - (one_in(random, 10) ? 5000 : 0);
    header.outage_credit_ms = one_in(random, 50) ? random_below(random, 100000) : 0;
    uint32_t count = random_below(random, 6);
    buffer_clear(entry);
    ledger_entry_begin(entry, &header);
    for (uint32_t i = 0; i < count; i++) {
        struct ledger_command command;
        random_command(random, &command);
        ledger_command_encode(entry, &command);
    }
    ledger_entry_finish(entry, count);
}
