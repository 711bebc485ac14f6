/*
 * log_store.h - the Raft log on disk: preallocated segments of batches, each batch one write and
 * one sync, chained by CRC-32C.
 *
 * A batch is written only after the one before it is synced. Hence: an invalid batch that is
 * followed by a valid later one is corruption (refused, with file and offset and the way back); an
 * invalid last batch is a torn write that nobody was told of (dropped, logged).
 *
 * Ownership: entries passed in are copied to disk before the call returns. Threads: append from one
 * thread, reads from any. Errors: a failed write or sync is final; the store refuses everything
 * after it.
 */
#ifndef STORAGE_LOG_STORE_H
#define STORAGE_LOG_STORE_H

#include "base/bytes.h"
#include "base/error.h"
#include "storage/file.h"

struct log_store;

struct log_record {
    uint64_t index;
    uint64_t term;
    uint8_t type;
    struct bytes data;
};

struct log_store_options {
    const struct file_system *files;
    const char *directory;
    uint64_t cluster_id;
    uint64_t segment_bytes; /* 0: LOG_SEGMENT_BYTES */
};

/* Called for each record found, in order, while opening. data is valid during the call. */
typedef bool (*log_store_visit)(void *context, const struct log_record *record,
                                struct error *error);

/* Opens, verifies and reads the whole log. *torn (may be NULL) gets a line about a torn tail that
 * was dropped, or "". */
struct log_store *log_store_open(const struct log_store_options *options, log_store_visit visit,
                                 void *context, struct error *torn, struct error *error);
void log_store_close(struct log_store *store);

/* Drops everything from records[0].index on, then appends the records (consecutive), and syncs
 * once. Durable when it returns true. */
bool log_store_append(struct log_store *store, const struct log_record *records, size_t count,
                      struct error *error);
/* Reads from first_index: up to max_count and max_bytes, at least one. The records' data stand in
 * `memory`. Returns how many, or 0 and an error. */
size_t log_store_read(struct log_store *store, uint64_t first_index, size_t max_count,
                      size_t max_bytes, struct log_record *records, struct buffer *memory,
                      struct error *error);
uint64_t log_store_first_index(const struct log_store *store);
uint64_t log_store_last_index(const struct log_store *store); /* 0: empty */
uint64_t log_store_disk_bytes(const struct log_store *store);

#endif
