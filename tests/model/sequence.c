/*
 * sequence.c - sequences, the pool of their commands, and the file they are kept in. A file holds
 * the log entries themselves, so that it means the same whatever becomes of the generator.
 */
#include "sequence.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- the pool: chunks that are freed together ---- */

struct chunk {
    struct chunk *next;
    size_t used;
    size_t size;
    _Alignas(16) uint8_t room[];
};

struct command_pool {
    struct chunk *chunks;
};

enum { CHUNK_BYTES = 256 << 10 };

static void *pool_alloc(struct command_pool *pool, size_t size)
{
    size = (size + 15) & ~(size_t)15;
    struct chunk *chunk = pool->chunks;
    if (chunk == NULL || chunk->size - chunk->used < size) {
        size_t room = size > CHUNK_BYTES ? size : CHUNK_BYTES;
        chunk = memory_alloc(sizeof *chunk + room);
        *chunk = (struct chunk){.next = pool->chunks, .size = room};
        pool->chunks = chunk;
    }
    chunk->used += size;
    return chunk->room + chunk->used - size;
}

struct command_pool *command_pool_new(void)
{
    return memory_zalloc(sizeof(struct command_pool));
}

void command_pool_free(struct command_pool *pool)
{
    while (pool != NULL && pool->chunks != NULL) {
        struct chunk *chunk = pool->chunks;
        pool->chunks = chunk->next;
        free(chunk);
    }
    free(pool);
}

struct bytes command_pool_text(struct command_pool *pool, struct bytes text)
{
    uint8_t *copy = pool_alloc(pool, text.len);
    if (text.len != 0) {
        memcpy(copy, text.data, text.len);
    }
    return bytes_of(copy, text.len);
}

struct ledger_command *command_pool_add_with_lines(struct command_pool *pool,
                                                   const struct ledger_command *command,
                                                   const struct ledger_line *lines, uint32_t count)
{
    struct ledger_command *copy = pool_alloc(pool, sizeof *copy);
    struct ledger_line *room = pool_alloc(pool, (count + 1) * sizeof *room);
    *copy = *command;
    struct bytes *const texts[] = {&copy->request_id, &copy->actor, &copy->reason,  &copy->remark,
                                   &copy->trace_id,   &copy->sku,   &copy->order_id};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        *texts[i] = command_pool_text(pool, *texts[i]);
    }
    for (uint32_t i = 0; i < count; i++) {
        room[i] = lines[i];
        room[i].sku = command_pool_text(pool, lines[i].sku);
    }
    copy->lines = room;
    copy->line_count = count;
    return copy;
}

struct ledger_command *command_pool_add(struct command_pool *pool,
                                        const struct ledger_command *command)
{
    return command_pool_add_with_lines(pool, command, command->lines, command->line_count);
}

/* ---- sequences ---- */

struct sequence_entry *sequence_add(struct sequence *sequence, uint64_t index, int64_t time_ms,
                                    int64_t credit_ms)
{
    if (sequence->count == sequence->capacity) {
        sequence->capacity = sequence->capacity == 0 ? 16 : sequence->capacity * 2;
        sequence->entries =
            memory_realloc(sequence->entries, sequence->capacity * sizeof *sequence->entries);
    }
    struct sequence_entry *entry = &sequence->entries[sequence->count++];
    *entry = (struct sequence_entry){.index = index, .time_ms = time_ms, .credit_ms = credit_ms};
    return entry;
}

void sequence_entry_add(struct sequence_entry *entry, const struct ledger_command *command)
{
    bool full = (entry->count & (entry->count - 1)) == 0; /* room grows at powers of two */
    if (full) {
        size_t room = entry->count == 0 ? 1 : 2 * (size_t)entry->count;
        entry->commands = memory_realloc(entry->commands, room * sizeof *entry->commands);
    }
    entry->commands[entry->count++] = command;
}

void sequence_free(struct sequence *sequence)
{
    for (uint32_t i = 0; i < sequence->count; i++) {
        free(sequence->entries[i].commands);
    }
    free(sequence->entries);
    *sequence = (struct sequence){0};
}

struct sequence sequence_copy(const struct sequence *sequence)
{
    struct sequence copy = {0};
    for (uint32_t i = 0; i < sequence->count; i++) {
        const struct sequence_entry *from = &sequence->entries[i];
        struct sequence_entry *to =
            sequence_add(&copy, from->index, from->time_ms, from->credit_ms);
        to->reopen = from->reopen;
        for (uint32_t k = 0; k < from->count; k++) {
            sequence_entry_add(to, from->commands[k]);
        }
    }
    return copy;
}

uint64_t sequence_command_count(const struct sequence *sequence)
{
    uint64_t count = 0;
    for (uint32_t i = 0; i < sequence->count; i++) {
        count += sequence->entries[i].count;
    }
    return count;
}

void sequence_entry_encode(const struct sequence_entry *entry, struct buffer *out)
{
    struct ledger_entry_header header = {
        .format = LEDGER_ENTRY_FORMAT,
        .ledger_version = LEDGER_VERSION_FIRST, /* what the first leader stamped may come late */
        .time_ms = entry->time_ms,
        .outage_credit_ms = entry->credit_ms,
    };
    ledger_entry_begin(out, &header);
    for (uint32_t i = 0; i < entry->count; i++) {
        ledger_command_encode(out, entry->commands[i]);
    }
    ledger_entry_finish(out, entry->count);
}

/* ---- the file ---- */

void sequence_write(const struct sequence *sequence, struct buffer *out)
{
    struct buffer encoded = {0};
    for (uint32_t i = 0; i < sequence->count; i++) {
        const struct sequence_entry *entry = &sequence->entries[i];
        buffer_clear(&encoded);
        sequence_entry_encode(entry, &encoded);
        buffer_printf(out, "%s %" PRIu64 " ", entry->reopen ? "reopened" : "entry", entry->index);
        for (size_t k = 0; k < encoded.len; k++) {
            buffer_printf(out, "%02x", encoded.data[k]);
        }
        buffer_printf(out, "\n");
    }
    buffer_free(&encoded);
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool read_hex(struct buffer *out, const char *text, struct error *error)
{
    for (; text[0] != '\0' && text[0] != '\n'; text += 2) {
        int high = hex_digit(text[0]);
        int low = high >= 0 ? hex_digit(text[1]) : -1;
        if (low < 0) {
            return error_set(error, "the entry is not in pairs of hexadecimal digits");
        }
        uint8_t byte = (uint8_t)(high << 4 | low);
        buffer_append(out, &byte, 1);
    }
    return true;
}

static bool read_entry(struct sequence *sequence, struct command_pool *pool, uint64_t index,
                       bool reopen, struct bytes encoded, struct error *error)
{
    struct ledger_entry_reader reader;
    struct ledger_command command;
    struct ledger_command_lines lines = {0};
    if (sequence->count != 0 && sequence->entries[sequence->count - 1].index >= index) {
        return error_set(error, "index %" PRIu64 " does not rise", index);
    }
    if (!ledger_entry_open(&reader, encoded, error)) {
        return false;
    }
    struct sequence_entry *entry =
        sequence_add(sequence, index, reader.header.time_ms, reader.header.outage_credit_ms);
    entry->reopen = reopen;
    while (ledger_entry_next(&reader, &command, &lines, error)) {
        sequence_entry_add(entry, command_pool_add(pool, &command));
    }
    ledger_command_lines_free(&lines);
    return error->text[0] == '\0';
}

static bool read_line(struct sequence *sequence, struct command_pool *pool, const char *line,
                      struct error *error)
{
    static const char *const words[] = {"entry ", "reopened "};
    struct buffer encoded = {0};
    bool reopen = strncmp(line, words[1], strlen(words[1])) == 0;
    const char *text = line + strlen(words[reopen]);
    char *end = NULL;
    uint64_t index = 0;
    if (reopen || strncmp(line, words[0], strlen(words[0])) == 0) {
        index = strtoull(text, &end, 10);
    }
    if (end == NULL || end == text || *end != ' ') {
        return error_set(error, "it does not begin with \"entry INDEX\" or \"reopened INDEX\"");
    }
    bool good = read_hex(&encoded, end + 1, error) &&
                read_entry(sequence, pool, index, reopen, buffer_bytes(&encoded), error);
    buffer_free(&encoded);
    return good;
}

bool sequence_read(struct sequence *sequence, struct command_pool *pool, const char *path,
                   struct error *error)
{
    FILE *file = fopen(path, "r");
    if (file == NULL) {
        return error_set(error, "%s can't be opened", path);
    }
    char *line = NULL;
    size_t size = 0;
    uint32_t number = 0;
    bool good = true;
    while (good && getline(&line, &size, file) >= 0) {
        number++;
        if (line[0] != '#' && line[0] != '\n' && !read_line(sequence, pool, line, error)) {
            good = error_wrap(error, "%s, line %" PRIu32, path, number);
        }
    }
    free(line);
    fclose(file);
    return good;
}
