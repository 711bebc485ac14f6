/*
 * log_queue.h - the writes that wait for the log's thread, and what has become of them (Raft rule
 * 4): first in, first out, one batch under way at a time.
 *
 *   push -> (the thread: take a run, append it, without the queue) -> complete -> take what is done
 *
 * What has queued up while one batch was synced leaves in the next one together, as one write and
 * one sync.
 *
 * Ownership: takes references to the entries; a run owns what it took. Threads: none of its own and
 * no lock: node/log_writer.c guards it with a mutex, a simulation needs none. log_run_append alone
 * touches the disk, and not the queue. Bounds: LIMIT_LOG_WRITES.
 */
#ifndef NODE_CORE_LOG_QUEUE_H
#define NODE_CORE_LOG_QUEUE_H

#include "base/limits.h"
#include "raft/entry.h"
#include "storage/log_store.h"

struct log_write {
    uint64_t generation;
    uint64_t first_index;
    struct entry **entries;
    size_t count;
};

/* Everything up to last_index of this generation is durable. */
struct log_completion {
    uint64_t generation;
    uint64_t last_index;
};

/* Zero-initialise. */
struct log_queue {
    struct log_write writes[LIMIT_LOG_WRITES]; /* a ring */
    size_t head;
    size_t length;
    struct log_completion done[LIMIT_LOG_WRITES];
    size_t done_count;
};

/* Writes that continue each other: one batch. Zero-initialise, and use it again and again. */
struct log_run {
    struct log_write *writes;
    size_t count;
    struct log_record *records;
    size_t record_count;
    size_t record_capacity;
};

/* With references of its own; made before the lock is taken, for it allocates. */
struct log_write log_write_make(uint64_t generation, uint64_t first_index,
                                struct entry *const *entries, size_t count);
void log_write_free(struct log_write *write);
/* Takes the write over. False, and it is freed: the queue is full. The replica's own bounds make
 * that impossible while it keeps them. */
bool log_queue_push(struct log_queue *queue, struct log_write *write);
/* Takes the longest run at the head; false: nothing waits. */
bool log_queue_take(struct log_queue *queue, struct log_run *run);
/* The run is durable. */
void log_queue_complete(struct log_queue *queue, const struct log_run *run);
/* What has become durable since the last call, in order; `done` has room for LIMIT_LOG_WRITES. */
size_t log_queue_take_done(struct log_queue *queue, struct log_completion *done);
/* Forgets what waits: after a failure, or a simulated crash. */
void log_queue_clear(struct log_queue *queue);

/* Writes and syncs the run; false: the node must stop. */
bool log_run_append(struct log_run *run, struct log_store *log, struct error *error);
/* Lets the run's entries go; it can be used again. */
void log_run_clear(struct log_run *run);
void log_run_free(struct log_run *run);

#endif
