/*
 * world.c - the event queue of a simulation (a binary heap), its digest and its failure.
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
    world_drop drop;
    void *owner;
    void *payload;
};

void world_init(struct world *world, uint64_t seed, bool trace)
{
    *world = (struct world){.seed = seed, .random = {seed}, .trace = trace};
}

void world_free(struct world *world)
{
    for (size_t i = 0; i < world->count; i++) {
        if (world->events[i].drop != NULL) {
            world->events[i].drop(world->events[i].payload);
        }
    }
    free(world->events);
    world->events = NULL;
    world->count = world->capacity = 0;
}

static bool is_before(const struct world_event *a, const struct world_event *b)
{
    return a->at_us != b->at_us ? a->at_us < b->at_us : a->number < b->number;
}

static void swap(struct world_event *a, struct world_event *b)
{
    struct world_event held = *a;
    *a = *b;
    *b = held;
}

void world_at(struct world *world, uint64_t at_us, world_run run, void *owner, void *payload,
              world_drop drop)
{
    if (world->count == world->capacity) {
        world->capacity = world->capacity * 2 + 256;
        world->events = memory_realloc(world->events, world->capacity * sizeof *world->events);
    }
    size_t i = world->count++;
    world->events[i] = (struct world_event){.at_us = at_us > world->now_us ? at_us : world->now_us,
                                            .number = world->next_number++,
                                            .run = run,
                                            .drop = drop,
                                            .owner = owner,
                                            .payload = payload};
    while (i > 0 && is_before(&world->events[i], &world->events[(i - 1) / 2])) {
        swap(&world->events[i], &world->events[(i - 1) / 2]);
        i = (i - 1) / 2;
    }
}

static struct world_event take_first(struct world *world)
{
    struct world_event first = world->events[0];
    world->events[0] = world->events[--world->count];
    size_t i = 0;
    for (;;) {
        size_t least = i;
        for (size_t child = 2 * i + 1; child <= 2 * i + 2 && child < world->count; child++) {
            if (is_before(&world->events[child], &world->events[least])) {
                least = child;
            }
        }
        if (least == i) {
            return first;
        }
        swap(&world->events[i], &world->events[least]);
        i = least;
    }
}

void world_run_until(struct world *world, uint64_t until_us)
{
    while (!world->failed && world->count > 0 && world->events[0].at_us <= until_us) {
        struct world_event event = take_first(world);
        world->now_us = event.at_us;
        world->event_count++;
        event.run(event.owner, event.payload);
    }
    if (!world->failed && world->now_us < until_us) {
        world->now_us = until_us;
    }
}

static uint64_t mix(uint64_t digest, uint64_t value)
{
    struct random mixer = {digest ^ value};
    return random_next(&mixer);
}

void world_note(struct world *world, const char *what, uint64_t node, uint64_t a, uint64_t b)
{
    uint64_t digest = mix(world->digest, world->now_us);
    for (const char *c = what; *c != '\0'; c++) {
        digest = digest * 31 + (uint8_t)*c;
    }
    world->digest = mix(mix(mix(digest, node), a), b);
    if (world->trace) {
        printf("%9" PRIu64 ".%03u ms  node %" PRIu64 "  %-24s %" PRIu64 " %" PRIu64 "\n",
               world->now_us / 1000, (unsigned)(world->now_us % 1000), node, what, a, b);
    }
}

void world_fail(struct world *world, const char *format, ...)
{
    if (world->failed) {
        return;
    }
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(world->failure.text, sizeof world->failure.text, format, arguments);
    va_end(arguments);
    world->failed = true;
    if (world->trace) {
        printf("%9" PRIu64 ".%03u ms  FAILED: %s\n", world->now_us / 1000,
               (unsigned)(world->now_us % 1000), world->failure.text);
    }
}
