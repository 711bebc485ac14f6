/*
 * world.h - simulated time: one queue of events, one source of randomness, one trace of all that
 * happened. Everything a simulated cluster does is an event here, so that a seed is the whole run.
 *
 * Determinism: events at the same moment run in the order in which they were made; nothing reads a
 * clock, an address or an environment variable.
 *
 * Ownership: an event owns nothing. Whoever makes one keeps what it points to until it has run, or
 * the world has ended. Units: microseconds since the beginning.
 */
#ifndef TESTS_SIM_WORLD_H
#define TESTS_SIM_WORLD_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "check_names.h"
#include "sim_random.h"
#include "stats.h"
#include "trace.h"

struct world_event;

struct world {
    uint64_t seed;
    uint64_t now_us;
    struct random random;
    struct trace trace;

    uint64_t event_count; /* run so far; those that found nothing to do don't count */
    struct stats stats;
    bool failed;
    enum check failed_check;
    uint64_t deaf; /* a bit for each check that does not count */
    struct error failure;

    struct world_event *events; /* a heap by time, then by number */
    size_t count;
    size_t capacity;
    uint64_t next_number;
};

/* What an event does: with its owner, something of the owner's, and a number. */
typedef void (*world_run)(void *owner, void *object, uint64_t value);

/* With `out` everything that is noted is written there at once. The world must not move: its trace
 * knows where it stands. */
void world_init(struct world *world, uint64_t seed, FILE *out);
void world_free(struct world *world);
/* A moment that has passed is now. */
void world_at(struct world *world, uint64_t at_us, world_run run, void *owner, void *object,
              uint64_t value);
/* So much later than now. */
void world_after(struct world *world, uint64_t us, world_run run, void *owner, void *object,
                 uint64_t value);
/* The event that is running had nothing to do: a timer that was put off, say. */
void world_was_idle(struct world *world);
/* Runs events up to this moment, which then is now; ends early when the world has failed. */
void world_run_until(struct world *world, uint64_t until_us);

/* A check failed. The first one counts. */
void world_fail(struct world *world, enum check check, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static inline void world_count(struct world *world, enum stat stat)
{
    world->stats.counts[stat]++;
}

#endif
