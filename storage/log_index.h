/*
 * log_index.h - where each live entry of the log stands: one place per batch, in the order of
 * their first index, without gaps.
 *
 * Invariant: the first place begins behind `before`, place i + 1 where place i ends; a batch whose
 * first index is not behind the last entry replaces everything from there (Raft's truncation), so
 * that a place may count fewer entries than its batch holds, never other ones.
 *
 * Memory: 32 bytes per batch, whatever the entries' size; what is dropped at the head is given
 * back. Threads: none of its own.
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

/* All zero: an empty log that begins at 1. */
struct log_index {
    struct log_place *places;
    size_t count;
    size_t capacity;
    uint64_t before; /* the index before the first entry, also of an empty log */
};

/* Empties it; the next entry has this index. */
void log_index_begin(struct log_index *index, uint64_t first_index);
/* The batch must begin at the last index + 1 or before (asserted). One that begins before the first
 * entry takes its place. */
void log_index_put(struct log_index *index, const struct log_place *place);
/* Drops the places in segments before this one. */
void log_index_drop(struct log_index *index, uint32_t segment);
uint64_t log_index_first(const struct log_index *index); /* or what comes next */
uint64_t log_index_last(const struct log_index *index);  /* empty: first - 1 */
/* The place that holds the entry, or NULL. Later ones follow in memory, up to places + count. */
const struct log_place *log_index_find(const struct log_index *index, uint64_t entry_index);
void log_index_free(struct log_index *index);

#endif
