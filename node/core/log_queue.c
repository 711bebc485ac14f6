/*
 * log_queue.c - a ring of writes, the longest run of them that one batch can take, and a list of
 * what is durable.
 *
 * Invariant: completions of one generation add up, so of those only the highest index is kept; the
 * list is no longer than the ring, for each generation in it had a write.
 */
#include "log_queue.h"

#include <assert.h>
#include <stdlib.h>

#define RECORD_OVERHEAD_BYTES 32 /* at least what the log adds to an entry */

struct log_write log_write_make(uint64_t generation, uint64_t first_index,
                                struct entry *const *entries, size_t count)
{
    struct entry **references = memory_alloc(count * sizeof(struct entry *));
    for (size_t i = 0; i < count; i++) {
        references[i] = entry_reference(entries[i]);
    }
    return (struct log_write){generation, first_index, references, count};
}

void log_write_free(struct log_write *write)
{
    for (size_t i = 0; i < write->count; i++) {
        entry_release(write->entries[i]);
    }
    free((void *)write->entries);
}

bool log_queue_push(struct log_queue *queue, struct log_write *write)
{
    if (queue->length == LIMIT_LOG_WRITES) {
        log_write_free(write);
        return false;
    }
    queue->writes[(queue->head + queue->length++) % LIMIT_LOG_WRITES] = *write;
    return true;
}

/* Does the write at `position` continue the run, whose bytes are counted in *bytes? */
static bool continues(const struct log_queue *queue, size_t position, const struct log_run *run,
                      size_t *bytes)
{
    const struct log_write *write = &queue->writes[(queue->head + position) % LIMIT_LOG_WRITES];
    size_t more = 0;
    for (size_t i = 0; i < write->count; i++) {
        more += write->entries[i]->data.len + RECORD_OVERHEAD_BYTES;
    }
    if (run->count > 0) {
        const struct log_write *last = &run->writes[run->count - 1];
        if (write->generation != last->generation ||
            write->first_index != last->first_index + last->count ||
            *bytes + more > LIMIT_LOG_BATCH_BYTES / 2) {
            return false;
        }
    }
    *bytes += more;
    return true;
}

bool log_queue_take(struct log_queue *queue, struct log_run *run)
{
    assert(run->count == 0);
    size_t bytes = 0;
    if (run->writes == NULL) {
        run->writes = memory_alloc(LIMIT_LOG_WRITES * sizeof *run->writes);
    }
    while (run->count < queue->length && continues(queue, run->count, run, &bytes)) {
        const struct log_write *write =
            &queue->writes[(queue->head + run->count) % LIMIT_LOG_WRITES];
        run->record_count += write->count;
        run->writes[run->count++] = *write;
    }
    queue->head = (queue->head + run->count) % LIMIT_LOG_WRITES;
    queue->length -= run->count;
    return run->count > 0;
}

void log_queue_complete(struct log_queue *queue, const struct log_run *run)
{
    const struct log_write *last = &run->writes[run->count - 1];
    struct log_completion done = {last->generation, last->first_index + last->count - 1};
    if (queue->done_count > 0 && queue->done[queue->done_count - 1].generation == done.generation) {
        queue->done[queue->done_count - 1] = done;
        return;
    }
    assert(queue->done_count < LIMIT_LOG_WRITES);
    queue->done[queue->done_count++] = done;
}

size_t log_queue_take_done(struct log_queue *queue, struct log_completion *done)
{
    size_t count = queue->done_count;
    memcpy(done, queue->done, count * sizeof *done);
    queue->done_count = 0;
    return count;
}

void log_queue_clear(struct log_queue *queue)
{
    while (queue->length > 0) {
        log_write_free(&queue->writes[queue->head]);
        queue->head = (queue->head + 1) % LIMIT_LOG_WRITES;
        queue->length--;
    }
    queue->done_count = 0;
}

bool log_run_append(struct log_run *run, struct log_store *log, struct error *error)
{
    if (run->record_count > run->record_capacity) {
        run->record_capacity = run->record_count * 2;
        run->records = memory_realloc(run->records, run->record_capacity * sizeof *run->records);
    }
    size_t filled = 0;
    for (size_t i = 0; i < run->count; i++) {
        const struct log_write *write = &run->writes[i];
        for (size_t k = 0; k < write->count; k++) {
            const struct entry *entry = write->entries[k];
            run->records[filled++] = (struct log_record){
                .index = write->first_index + k,
                .term = entry->term,
                .type = (uint8_t)entry->type,
                .data = entry->data,
            };
        }
    }
    assert(filled == run->record_count);
    return log_store_append(log, run->records, filled, error);
}

void log_run_clear(struct log_run *run)
{
    for (size_t i = 0; i < run->count; i++) {
        log_write_free(&run->writes[i]);
    }
    run->count = 0;
    run->record_count = 0;
}

void log_run_free(struct log_run *run)
{
    log_run_clear(run);
    free(run->writes);
    free(run->records);
    *run = (struct log_run){0};
}
