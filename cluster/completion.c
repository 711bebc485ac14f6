/*
 * completion.c - a count that goes down to zero, and a condition that says so. pthread calls fail
 * only on our own mistakes, which are asserted.
 */
#include "completion.h"

#include <assert.h>
#include <errno.h>
#include <time.h>

void completion_init(struct completion *completion, size_t running)
{
    pthread_condattr_t monotonic;
    int rc = pthread_condattr_init(&monotonic);
    rc = rc != 0 ? rc : pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    rc = rc != 0 ? rc : pthread_cond_init(&completion->done, &monotonic);
    rc = rc != 0 ? rc : pthread_mutex_init(&completion->lock, NULL);
    assert(rc == 0);
    pthread_condattr_destroy(&monotonic);
    completion->running = running;
}

void completion_destroy(struct completion *completion)
{
    pthread_cond_destroy(&completion->done);
    pthread_mutex_destroy(&completion->lock);
}

void completion_leave(struct completion *completion)
{
    assert(completion->running > 0);
    completion->running--;
    if (completion->running == 0) {
        pthread_cond_signal(&completion->done);
    }
}

bool completion_wait_ms(struct completion *completion, unsigned ms)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += (time_t)(ms / 1000);
    until.tv_nsec += (long)(ms % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    int rc = 0;
    while (completion->running > 0 && rc == 0) {
        rc = pthread_cond_timedwait(&completion->done, &completion->lock, &until);
    }
    assert(rc == 0 || rc == ETIMEDOUT);
    return completion->running == 0;
}
