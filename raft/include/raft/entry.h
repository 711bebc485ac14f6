/*
 * entry.h - one log entry, its bytes shared by disk, network and apply through a reference count:
 * nobody copies them.
 *
 * Threads: the count is atomic; an entry is immutable once it has an index.
 */
#ifndef RAFT_ENTRY_H
#define RAFT_ENTRY_H

#include "base/bytes.h"

enum entry_type {
    ENTRY_COMMAND = 1, /* the owner's bytes: a ledger entry */
    ENTRY_BARRIER = 2, /* libraft's own no-op: nothing to apply */
    ENTRY_CHANGE = 3,  /* a configuration, as libraft encodes it */
};

struct entry {
    uint64_t index; /* 0 until submitted */
    uint64_t term;
    enum entry_type type;
    struct bytes data;
};

/* A new entry with one reference. _take takes the buffer's memory over and leaves it empty. */
struct entry *entry_new_take(enum entry_type type, struct buffer *data);
struct entry *entry_new_copy(uint64_t index, uint64_t term, enum entry_type type,
                             struct bytes data);
struct entry *entry_reference(struct entry *entry);
void entry_release(struct entry *entry); /* NULL is allowed */

#endif
