/*
 * random_commands.h - a stream of commands from a seed: few SKUs and orders, so that they meet
 * often; every kind, every option, now and then a command that breaks a rule of form.
 */
#ifndef TESTS_UNIT_LEDGER_RANDOM_COMMANDS_H
#define TESTS_UNIT_LEDGER_RANDOM_COMMANDS_H

#include "base/random.h"
#include "ledger/command.h"

struct random_commands {
    struct random source;
    int64_t time_ms;
    char sku[4][4];
    char texts[3][32];
    struct ledger_line lines[4];
};

void random_commands_start(struct random_commands *random, uint64_t seed, int64_t time_ms);
/* Below `bound`. */
uint32_t random_below(struct random_commands *random, uint32_t bound);
/* Views end with the next call. */
void random_command(struct random_commands *random, struct ledger_command *command);
/* A whole entry: time passes, sometimes days of it; credits; 0 to 5 commands. */
void random_entry(struct random_commands *random, struct buffer *entry);

#endif
