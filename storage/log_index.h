/*
 * log_index.h - where each live entry of the log stands: one place per batch, in the order of
 * their first index, without gaps.
 *
 * Invariant: place i + 1 begins where place i ends; a batch whose first index is not behind the
 * last entry replaces everything from there (Raft's truncation), so that a place may count fewer
 * entries than its batch holds, never other ones.
 *
 * Memory: 32 bytes per batch, whatever the entries' size. Threads: none of its own.
 */
#ifndef STORAGE_LOG_INDEX_H
#define STORAGE_LOG_INDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct log_place {
    uint64_t first_index;
    uint32_t count;
    uint32_t segment;
    uint32_t offset;
    uint32_t length;
    uint32_t crc; /* of the batch: what is read back must be this very one */
};

struct log_index {
    struct log_place *places;
    size_t count;
    size_t capacity;
};

/* The batch must begin at the last index + 1 or before (asserted). */
void log_index_put(struct log_index *index, const struct log_place *place);
uint64_t log_index_last(const struct log_index *index); /* 0: empty */
/* The place that holds the entry, or NULL. Later ones follow in memory, up to places + count. */
const struct log_place *log_index_find(const struct log_index *index, uint64_t entry_index);
void log_index_free(struct log_index *index);

#endif
