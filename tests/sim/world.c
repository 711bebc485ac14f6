/*
 * world.c - the event queue of a simulation (a binary heap), and its failure.
 */
#include "world.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"

struct world_event {
    uint64_t at_us;
    uint64_t number;
    world_run run;
    void *owner;
    void *object;
    uint64_t value;
};

void world_init(struct world *world, uint64_t seed, FILE *out)
{
    memset(world, 0, sizeof *world);
    world->seed = seed;
    world->random.state = seed;
    trace_init(&world->trace, &world->now_us, out);
}

void world_free(struct world *world)
{
    free(world->events);
    world->events = NULL;
    world->count = world->capacity = 0;
}

static bool is_before(const struct world_event *a, const struct world_event *b)
{
    return a->at_us != b->at_us ? a->at_us < b->at_us : a->number < b->number;
}

void world_at(struct world *world, uint64_t at_us, world_run run, void *owner, void *object,
              uint64_t value)
{
    if (world->count == world->capacity) {
        world->capacity = world->capacity * 2 + 256;
        world->events = memory_realloc(world->events, world->capacity * sizeof *world->events);
    }
    const struct world_event event = {.at_us = at_us > world->now_us ? at_us : world->now_us,
                                      .number = world->next_number++,
                                      .run = run,
                                      .owner = owner,
                                      .object = object,
                                      .value = value};
    struct world_event *events = world->events;
    size_t i = world->count++;
    while (i > 0 && is_before(&event, &events[(i - 1) / 2])) {
        events[i] = events[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    events[i] = event;
}

void world_after(struct world *world, uint64_t us, world_run run, void *owner, void *object,
                 uint64_t value)
{
    world_at(world, world->now_us + us, run, owner, object, value);
}

static struct world_event take_first(struct world *world)
{
    struct world_event *events = world->events;
    const struct world_event first = events[0];
    const struct world_event last = events[--world->count];
    size_t i = 0;
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= world->count) {
            break;
        }
        if (child + 1 < world->count && is_before(&events[child + 1], &events[child])) {
            child++;
        }
        if (is_before(&last, &events[child])) {
            break;
        }
        events[i] = events[child];
        i = child;
    }
    events[i] = last;
    return first;
}

void world_was_idle(struct world *world)
{
    world->event_count--;
}

void world_run_until(struct world *world, uint64_t until_us)
{
    while (!world->failed && world->count > 0 && world->events[0].at_us <= until_us) {
        const struct world_event event = take_first(world);
        world->now_us = event.at_us;
        world->event_count++;
        event.run(event.owner, event.object, event.value);
    }
    if (!world->failed && world->now_us < until_us) {
        world->now_us = until_us;
    }
}

void world_fail(struct world *world, enum check check, const char *format, ...)
{
    if (world->failed || (world->deaf >> check & 1) != 0) {
        return;
    }
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(world->failure.text, sizeof world->failure.text, format, arguments);
    va_end(arguments);
    world->failed = true;
    world->failed_check = check;
    if (world->trace.out != NULL) {
        fprintf(world->trace.out, "%9" PRIu64 ".%03u ms  FAILED %s: %s\n", world->now_us / 1000,
                (unsigned)(world->now_us % 1000), check_name(check), world->failure.text);
    }
}
