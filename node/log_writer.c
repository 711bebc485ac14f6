/*
 * log_writer.c - a bounded queue under a mutex; the thread takes the longest run of writes that
 * continue each other, appends it as one batch (one write, one fdatasync), and wakes the loop with
 * what is durable now.
 *
 * Possible failures: the append fails (disk full, I/O error): the thread stops for good and tells
 * the loop.
 */
#include "log_writer.h"

#include <assert.h>
#include <stdlib.h>

#include "base/limits.h"

#define RECORD_OVERHEAD_BYTES 32 /* at least what the log adds to an entry */

struct pending_write {
    uint64_t generation;
    uint64_t first_index;
    struct entry **entries;
    size_t count;
};

struct completion {
    uint64_t generation;
    uint64_t last_index;
};

struct log_writer {
    struct log_store *store;
    struct log_writer_events events;
    uv_async_t wake_loop;
    uv_thread_t thread;
    void (*closed)(void *context);
    void *closed_context;

    uv_mutex_t mutex; /* guards everything below */
    uv_cond_t work;
    struct pending_write queue[LIMIT_LOG_WRITES]; /* a ring */
    size_t head;
    size_t length;
    struct completion done[LIMIT_LOG_WRITES];
    size_t done_count;
    bool stopping;
    bool failed;
    struct error failure;
};

/* How many writes from the head go into one batch: the same generation, each beginning where the
 * one before ends, within the batch's limit. */
static size_t run_length(const struct log_writer *writer, size_t *records)
{
    size_t count = 0;
    size_t bytes = 0;
    *records = 0;
    uint64_t next_index = 0;
    uint64_t generation = 0;
    while (count < writer->length) {
        const struct pending_write *write =
            &writer->queue[(writer->head + count) % LIMIT_LOG_WRITES];
        if (count != 0 && (write->generation != generation || write->first_index != next_index)) {
            break;
        }
        size_t more = 0;
        for (size_t i = 0; i < write->count; i++) {
            more += write->entries[i]->data.len + RECORD_OVERHEAD_BYTES;
        }
        if (count != 0 && bytes + more > LIMIT_LOG_BATCH_BYTES / 2) {
            break;
        }
        bytes += more;
        *records += write->count;
        generation = write->generation;
        next_index = write->first_index + write->count;
        count++;
    }
    return count;
}

static void write_free(struct pending_write *write)
{
    for (size_t i = 0; i < write->count; i++) {
        entry_release(write->entries[i]);
    }
    free(write->entries);
}

/* Appends the run; called without the mutex: the run has been taken out of the queue. */
static bool append_run(struct log_writer *writer, const struct pending_write *run, size_t count,
                       size_t record_count, struct error *error)
{
    struct log_record *records = memory_alloc(record_count * sizeof *records);
    size_t filled = 0;
    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; k < run[i].count; k++) {
            const struct entry *entry = run[i].entries[k];
            records[filled++] = (struct log_record){
                .index = run[i].first_index + k,
                .term = entry->term,
                .type = (uint8_t)entry->type,
                .data = entry->data,
            };
        }
    }
    bool ok = log_store_append(writer->store, records, filled, error);
    free(records);
    return ok;
}

static void thread_main(void *argument)
{
    struct log_writer *writer = argument;
    struct pending_write *run = memory_alloc(LIMIT_LOG_WRITES * sizeof *run);
    uv_mutex_lock(&writer->mutex);
    while (true) {
        while (writer->length == 0 && !writer->stopping) {
            uv_cond_wait(&writer->work, &writer->mutex);
        }
        if (writer->length == 0 || writer->failed) {
            break;
        }
        size_t records;
        size_t count = run_length(writer, &records);
        for (size_t i = 0; i < count; i++) {
            run[i] = writer->queue[(writer->head + i) % LIMIT_LOG_WRITES];
        }
        writer->head = (writer->head + count) % LIMIT_LOG_WRITES;
        writer->length -= count;
        uv_mutex_unlock(&writer->mutex);

        struct error error;
        bool ok = append_run(writer, run, count, records, &error);
        struct completion done = {
            .generation = run[count - 1].generation,
            .last_index = run[count - 1].first_index + run[count - 1].count - 1,
        };
        for (size_t i = 0; i < count; i++) {
            write_free(&run[i]);
        }

        uv_mutex_lock(&writer->mutex);
        if (ok) {
            /* Completions of one generation add up: only the highest index counts. */
            if (writer->done_count > 0 &&
                writer->done[writer->done_count - 1].generation == done.generation) {
                writer->done[writer->done_count - 1] = done;
            } else {
                assert(writer->done_count < LIMIT_LOG_WRITES);
                writer->done[writer->done_count++] = done;
            }
        } else {
            writer->failed = true;
            writer->failure = error;
        }
        /* Woken only when the mutex is free: else whoever wakes goes to sleep again at once. */
        uv_mutex_unlock(&writer->mutex);
        uv_async_send(&writer->wake_loop);
        uv_mutex_lock(&writer->mutex);
    }
    uv_mutex_unlock(&writer->mutex);
    free(run);
}

static void on_wake(uv_async_t *handle)
{
    struct log_writer *writer = handle->data;
    struct completion done[LIMIT_LOG_WRITES];
    uv_mutex_lock(&writer->mutex);
    size_t count = writer->done_count;
    memcpy(done, writer->done, count * sizeof done[0]);
    writer->done_count = 0;
    bool failed = writer->failed;
    struct error failure = writer->failure;
    uv_mutex_unlock(&writer->mutex);
    for (size_t i = 0; i < count; i++) {
        writer->events.written(writer->events.context, done[i].generation, done[i].last_index);
    }
    if (failed) {
        writer->events.failed(writer->events.context, &failure);
    }
}

struct log_writer *log_writer_open(uv_loop_t *loop, struct log_store *store,
                                   const struct log_writer_events *events, struct error *error)
{
    struct log_writer *writer = memory_zalloc(sizeof *writer);
    writer->store = store;
    writer->events = *events;
    writer->wake_loop.data = writer;
    int status = uv_async_init(loop, &writer->wake_loop, on_wake);
    if (status != 0) {
        error_set(error, "can't wake the loop from the log's thread: %s", uv_strerror(status));
        free(writer);
        return NULL;
    }
    if (uv_mutex_init(&writer->mutex) != 0 || uv_cond_init(&writer->work) != 0) {
        abort(); /* out of memory for a lock: nothing can be done */
    }
    status = uv_thread_create(&writer->thread, thread_main, writer);
    if (status != 0) {
        /* The handle stays with the loop; a node that can't start its thread ends anyway. */
        error_set(error, "can't start the log's thread: %s", uv_strerror(status));
        return NULL;
    }
    return writer;
}

bool log_writer_queue(struct log_writer *writer, uint64_t generation, uint64_t first_index,
                      struct entry *const *entries, size_t count)
{
    struct entry **copies = memory_alloc(count * sizeof(struct entry *));
    for (size_t i = 0; i < count; i++) {
        copies[i] = entry_reference(entries[i]);
    }
    struct pending_write write = {generation, first_index, copies, count};
    uv_mutex_lock(&writer->mutex);
    bool fits = writer->length < LIMIT_LOG_WRITES;
    if (fits) {
        writer->queue[(writer->head + writer->length++) % LIMIT_LOG_WRITES] = write;
    }
    uv_mutex_unlock(&writer->mutex);
    if (fits) {
        uv_cond_signal(&writer->work);
    } else {
        write_free(&write);
    }
    return fits;
}

static void on_closed(uv_handle_t *handle)
{
    struct log_writer *writer = handle->data;
    void (*closed)(void *) = writer->closed;
    void *context = writer->closed_context;
    while (writer->length > 0) { /* only after a failure */
        write_free(&writer->queue[writer->head]);
        writer->head = (writer->head + 1) % LIMIT_LOG_WRITES;
        writer->length--;
    }
    uv_cond_destroy(&writer->work);
    uv_mutex_destroy(&writer->mutex);
    free(writer);
    closed(context);
}

void log_writer_close(struct log_writer *writer, void (*closed)(void *context), void *context)
{
    writer->closed = closed;
    writer->closed_context = context;
    uv_mutex_lock(&writer->mutex);
    writer->stopping = true;
    uv_cond_signal(&writer->work);
    uv_mutex_unlock(&writer->mutex);
    uv_thread_join(&writer->thread);
    uv_close((uv_handle_t *)&writer->wake_loop, on_closed);
}
