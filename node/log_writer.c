/*
 * log_writer.c - the log's queue (core/log_queue.h) under a mutex; the thread takes a run, appends
 * it as one batch (one write, one fdatasync), and wakes the loop with what is durable now.
 *
 * Possible failures: the append fails (disk full, I/O error): the thread stops for good and tells
 * the loop.
 */
#include "log_writer.h"

#include <stdlib.h>

#include "core/log_queue.h"

struct log_writer {
    struct log_store *store;
    struct log_writer_events events;
    uv_async_t wake_loop;
    uv_thread_t thread;
    void (*closed)(void *context);
    void *closed_context;

    uv_mutex_t mutex; /* guards everything below */
    uv_cond_t work;
    struct log_queue queue;
    bool stopping;
    bool failed;
    struct error failure;
};

static void thread_main(void *argument)
{
    struct log_writer *writer = argument;
    struct log_run run = {0};
    uv_mutex_lock(&writer->mutex);
    while (true) {
        while (writer->queue.length == 0 && !writer->stopping) {
            uv_cond_wait(&writer->work, &writer->mutex);
        }
        if (writer->failed || !log_queue_take(&writer->queue, &run)) {
            break;
        }
        uv_mutex_unlock(&writer->mutex);

        struct error error;
        bool ok = log_run_append(&run, writer->store, &error);

        uv_mutex_lock(&writer->mutex);
        if (ok) {
            log_queue_complete(&writer->queue, &run);
        } else {
            writer->failed = true;
            writer->failure = error;
        }
        /* Woken only when the mutex is free: else whoever wakes goes to sleep again at once. */
        uv_mutex_unlock(&writer->mutex);
        log_run_clear(&run);
        uv_async_send(&writer->wake_loop);
        uv_mutex_lock(&writer->mutex);
    }
    uv_mutex_unlock(&writer->mutex);
    log_run_free(&run);
}

static void on_wake(uv_async_t *handle)
{
    struct log_writer *writer = handle->data;
    struct log_completion done[LIMIT_LOG_WRITES];
    uv_mutex_lock(&writer->mutex);
    size_t count = log_queue_take_done(&writer->queue, done);
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
    struct log_write write = log_write_make(generation, first_index, entries, count);
    uv_mutex_lock(&writer->mutex);
    bool fits = log_queue_push(&writer->queue, &write);
    uv_mutex_unlock(&writer->mutex);
    if (fits) {
        uv_cond_signal(&writer->work);
    }
    return fits;
}

static void on_closed(uv_handle_t *handle)
{
    struct log_writer *writer = handle->data;
    void (*closed)(void *) = writer->closed;
    void *context = writer->closed_context;
    log_queue_clear(&writer->queue); /* something is left only after a failure */
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
