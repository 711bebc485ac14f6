/*
 * sequence.h - a run of the ledger as data: entries of commands, that can be encoded, cut down,
 * printed as a script, and kept in a file.
 *
 * Ownership: commands, with all they view, live in a pool and end with it; sequences that were cut
 * from one another share them. A sequence owns only its arrays. Threads: none.
 */
#ifndef TESTS_MODEL_SEQUENCE_H
#define TESTS_MODEL_SEQUENCE_H

#include "ledger/command.h"

/* Versions that the ledger is raised to in a sequence: none beyond this. */
#define SEQUENCE_VERSION_KNOWN 4

struct command_pool;
struct command_pool *command_pool_new(void);
void command_pool_free(struct command_pool *pool); /* NULL is allowed */
/* A copy, deep, that can be changed until it stands in a sequence. */
struct ledger_command *command_pool_add(struct command_pool *pool,
                                        const struct ledger_command *command);
/* The same, but for the lines, which are as many as named. */
struct ledger_command *command_pool_add_with_lines(struct command_pool *pool,
                                                   const struct ledger_command *command,
                                                   const struct ledger_line *lines, uint32_t count);
struct bytes command_pool_text(struct command_pool *pool, struct bytes text);

struct sequence_entry {
    uint64_t index;
    int64_t time_ms;
    int64_t credit_ms;
    bool reopen; /* the ledger is closed and opened again before it */
    const struct ledger_command **commands;
    uint32_t count;
};

struct sequence {
    struct sequence_entry *entries;
    uint32_t count;
    uint32_t capacity;
};

/* Appends an entry without commands; a pointer to it, until the next is appended. */
struct sequence_entry *sequence_add(struct sequence *sequence, uint64_t index, int64_t time_ms,
                                    int64_t credit_ms);
void sequence_entry_add(struct sequence_entry *entry, const struct ledger_command *command);
/* Zeroed, so that it can be used again. */
void sequence_free(struct sequence *sequence);
struct sequence sequence_copy(const struct sequence *sequence);
uint64_t sequence_command_count(const struct sequence *sequence);

/* The log entry, in an empty buffer. */
void sequence_entry_encode(const struct sequence_entry *entry, struct buffer *out);

/* One line an entry: "entry INDEX HEX", or "reopened INDEX HEX"; lines that begin with '#' are
 * passed over. */
void sequence_write(const struct sequence *sequence, struct buffer *out);
bool sequence_read(struct sequence *sequence, struct command_pool *pool, const char *path,
                   struct error *error);

#endif
