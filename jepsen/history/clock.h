/*
 * clock.h - the clock that a run goes by: its histories, its plan, its bounds. It is the machine's
 * monotonic one, which no fault touches. Any thread; a signal's handler too.
 */
#ifndef JEPSEN_CLOCK_H
#define JEPSEN_CLOCK_H

#include <assert.h>
#include <stdint.h>
#include <time.h>

static inline int64_t clock_now_ns(void)
{
    struct timespec now;
    int status = clock_gettime(CLOCK_MONOTONIC, &now);
    assert(status == 0);
    (void)status;
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static inline int64_t clock_now_ms(void)
{
    return clock_now_ns() / 1000000;
}

#endif
