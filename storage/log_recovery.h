/*
 * log_recovery.h - from what stands on the disk to a log that can be appended to.
 */
#ifndef STORAGE_LOG_RECOVERY_H
#define STORAGE_LOG_RECOVERY_H

#include "log_index.h"
#include "log_segments.h"
#include "storage/log_store.h"

/* Where the next batch goes, and what it follows. */
struct log_tail {
    uint64_t segment; /* number of the last segment; 0: there is none yet */
    uint64_t offset;
    uint64_t next_number; /* of a batch: 1, 2, ... through the whole log */
    uint32_t crc;         /* of the batch before */
};

struct log_recovered {
    struct log_index index; /* the caller frees it, also after a failure */
    struct log_tail tail;
    uint64_t first_segment; /* the first number there is; of an empty log: tail.segment + 1 */
    uint64_t disk_bytes;
};

/* Reads and verifies every segment; holds the log against the snapshot; drops a torn last batch, or
 * a log that the snapshot replaces, telling of it in *dropped ("" if there was nothing); leaves
 * nothing but zeros behind the tail; syncs what it found. Shows the records on its way
 * (log_store.h; visit may be NULL). */
bool log_recover(const struct log_store_options *options, log_store_visit visit, void *context,
                 struct log_recovered *recovered, struct error *dropped, struct error *error);

#endif
