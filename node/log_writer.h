/*
 * log_writer.h - the thread that writes the Raft log. It alone appends, in the order in which
 * writes are queued (Raft rule 4); what has queued up while one sync ran leaves in the next one
 * together.
 *
 * Threads: open, queue and close from the loop's thread; `written` and `failed` are called on it.
 * Ownership: takes references to the entries it is given.
 * Errors: after a failed write `failed` is called once, nothing is written any more, and the node
 * must stop.
 */
#ifndef NODE_LOG_WRITER_H
#define NODE_LOG_WRITER_H

#include <uv.h>

#include "base/error.h"
#include "raft/entry.h"
#include "storage/log_store.h"

struct log_writer;

struct log_writer_events {
    void *context;
    void (*written)(void *context, uint64_t generation, uint64_t last_index);
    void (*failed)(void *context, const struct error *error);
};

struct log_writer *log_writer_open(uv_loop_t *loop, struct log_store *store,
                                   const struct log_writer_events *events, struct error *error);
/* False: the queue is full. The replica's own bounds make that impossible while it keeps them. */
bool log_writer_queue(struct log_writer *writer, uint64_t generation, uint64_t first_index,
                      struct entry *const *entries, size_t count);
/* Writes what is queued, joins the thread; frees when the loop has closed the handle, and then
 * calls `closed`. */
void log_writer_close(struct log_writer *writer, void (*closed)(void *context), void *context);

#endif
