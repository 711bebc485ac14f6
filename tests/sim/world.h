/*
 * world.h - simulated time: one queue of events, one source of randomness, one digest of all that
 * happened. Everything a simulated cluster does is an event here, so that a seed is the whole run.
 *
 * Determinism: events at the same moment run in the order in which they were made; nothing reads a
 * clock, an address or an environment variable.
 */
#ifndef TESTS_SIM_WORLD_H
#define TESTS_SIM_WORLD_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "sim_random.h"

struct world_event;

struct world {
    uint64_t seed;
    uint64_t now_us;
    struct random random;
    bool trace; /* print what happens */

    uint64_t digest;
    uint64_t event_count;
    bool failed;
    struct error failure;

    struct world_event *events; /* a heap by time, then by number */
    size_t count;
    size_t capacity;
    uint64_t next_number;
};

/* What an event does. `drop` frees the payload instead, when the world ends first; NULL: nothing to
 * free. */
typedef void (*world_run)(void *owner, void *payload);
typedef void (*world_drop)(void *payload);

void world_init(struct world *world, uint64_t seed, bool trace);
void world_free(struct world *world);
void world_at(struct world *world, uint64_t at_us, world_run run, void *owner, void *payload,
              world_drop drop);
/* Runs events up to this moment, which then is now; ends early when the world has failed. */
void world_run_until(struct world *world, uint64_t until_us);

/* Something happened: into the digest and, with `trace`, onto stdout. */
void world_note(struct world *world, const char *what, uint64_t node, uint64_t a, uint64_t b);
/* A check failed. The first one counts. */
void world_fail(struct world *world, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
