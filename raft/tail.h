/*
 * tail.h - the last entries of the log in memory, by reference: what followers are fed from, what
 * apply reads, and the only place of entries that are not synced yet.
 *
 * Invariant: the entries are consecutive, the last one is the log's last one. Entries that are not
 * durable are never evicted; what was evicted is read from disk.
 */
#ifndef RAFT_TAIL_H
#define RAFT_TAIL_H

#include "raft/entry.h"

struct tail {
    struct entry **slots; /* a ring */
    size_t capacity;
    size_t head;
    size_t count;
    size_t bytes;
    uint64_t first_index; /* of the first entry held, or of the next one to come */
    size_t max_entries;
    size_t max_bytes;
};

/* An empty tail behind a log that ends before next_index. */
void tail_init(struct tail *tail, uint64_t next_index, size_t max_entries, size_t max_bytes);
void tail_free(struct tail *tail);

/* Adds the next entry; takes a reference of its own. */
void tail_append(struct tail *tail, struct entry *entry);
/* Drops the entries from this index on; the next one appended has this index. */
void tail_truncate(struct tail *tail, uint64_t from_index);
/* NULL if the entry is not in memory. The reference stays the tail's. */
struct entry *tail_get(const struct tail *tail, uint64_t index);
/* Evicts from the front while a bound is exceeded, but nothing behind durable_index; returns how
 * many. */
size_t tail_evict(struct tail *tail, uint64_t durable_index);

static inline uint64_t tail_next_index(const struct tail *tail)
{
    return tail->first_index + tail->count;
}

#endif
