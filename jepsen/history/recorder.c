/*
 * recorder.c - events in one order, into one file.
 *
 * Happy path: take the lock, take the time, append the line; a full block is written in place.
 * Fails: the file (kept, and told by recorder_failed and recorder_close).
 */
#include "recorder.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "clock.h"

#define BLOCK_BYTES ((size_t)64 << 10)

struct recorder {
    pthread_mutex_t lock;
    int file;
    int64_t began_ns;
    uint64_t next_index;
    struct buffer block;
    bool failed;
    struct error error;
};

struct recorder *recorder_open(const char *path, struct error *error)
{
    int file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0644);
    if (file < 0) {
        error_set(error, "%s: can't be made: %s", path, strerror(errno));
        return NULL;
    }
    struct recorder *recorder = memory_zalloc(sizeof *recorder);
    int status = pthread_mutex_init(&recorder->lock, NULL);
    assert(status == 0);
    (void)status;
    recorder->file = file;
    recorder->began_ns = clock_now_ns();
    return recorder;
}

/* Under the lock. */
static void write_block(struct recorder *recorder)
{
    size_t at = 0;
    while (at < recorder->block.len && !recorder->failed) {
        ssize_t written =
            write(recorder->file, recorder->block.data + at, recorder->block.len - at);
        if (written >= 0) {
            at += (size_t)written;
        } else if (errno != EINTR) {
            recorder->failed = true;
            error_set(&recorder->error, "the history can't be written: %s", strerror(errno));
        }
    }
    buffer_clear(&recorder->block);
}

int64_t recorder_now_ns(const struct recorder *recorder)
{
    return clock_now_ns() - recorder->began_ns;
}

int64_t recorder_add(struct recorder *recorder, struct event event)
{
    pthread_mutex_lock(&recorder->lock);
    event.time_ns = recorder_now_ns(recorder);
    event.index = recorder->next_index++;
    event_write(&recorder->block, &event);
    if (recorder->block.len >= BLOCK_BYTES) {
        write_block(recorder);
    }
    pthread_mutex_unlock(&recorder->lock);
    return event.time_ns;
}

bool recorder_flush(struct recorder *recorder)
{
    pthread_mutex_lock(&recorder->lock);
    write_block(recorder);
    bool fine = !recorder->failed;
    pthread_mutex_unlock(&recorder->lock);
    return fine;
}

bool recorder_failed(struct recorder *recorder, struct error *error)
{
    pthread_mutex_lock(&recorder->lock);
    bool failed = recorder->failed;
    if (failed) {
        *error = recorder->error;
    }
    pthread_mutex_unlock(&recorder->lock);
    return failed;
}

bool recorder_close(struct recorder *recorder, struct error *error)
{
    write_block(recorder);
    bool fine = !recorder->failed;
    if (!fine) {
        *error = recorder->error;
    } else if (fsync(recorder->file) != 0) {
        fine = error_set(error, "the history can't be synced: %s", strerror(errno));
    }
    if (close(recorder->file) != 0 && fine) {
        fine = error_set(error, "the history can't be closed: %s", strerror(errno));
    }
    pthread_mutex_destroy(&recorder->lock);
    buffer_free(&recorder->block);
    free(recorder);
    return fine;
}
