/*
 * log_index.c - an array sorted by first index; put cuts its end, drop its head, find halves it.
 */
#include "log_index.h"

#include <assert.h>
#include <stdlib.h>

#include "base/bytes.h"

#define LEAST_CAPACITY 256

uint64_t log_index_first(const struct log_index *index)
{
    return index->before + 1;
}

uint64_t log_index_last(const struct log_index *index)
{
    if (index->count == 0) {
        return index->before;
    }
    const struct log_place *last = &index->places[index->count - 1];
    return last->first_index + last->count - 1;
}

/* How many places begin before the entry. */
static size_t places_before(const struct log_index *index, uint64_t entry_index)
{
    size_t low = 0;
    size_t high = index->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (index->places[middle].first_index < entry_index) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

void log_index_begin(struct log_index *index, uint64_t first_index)
{
    assert(first_index > 0);
    log_index_free(index);
    index->before = first_index - 1;
}

void log_index_put(struct log_index *index, const struct log_place *place)
{
    assert(place->count > 0 && place->first_index > 0);
    assert(place->first_index <= log_index_last(index) + 1);
    index->count = places_before(index, place->first_index);
    if (index->count > 0) {
        struct log_place *last = &index->places[index->count - 1];
        last->count = (uint32_t)(place->first_index - last->first_index);
    } else {
        index->before = place->first_index - 1;
    }
    if (index->count == index->capacity) {
        index->capacity =
            index->capacity == 0 ? LEAST_CAPACITY : index->capacity + index->capacity / 2;
        index->places = memory_realloc(index->places, index->capacity * sizeof *index->places);
    }
    index->places[index->count++] = *place;
}

void log_index_drop(struct log_index *index, uint32_t segment)
{
    size_t dropped = 0;
    while (dropped < index->count && index->places[dropped].segment < segment) {
        dropped++;
    }
    if (dropped == 0) {
        return;
    }
    index->before = index->places[dropped - 1].first_index + index->places[dropped - 1].count - 1;
    index->count -= dropped;
    memmove(index->places, index->places + dropped, index->count * sizeof *index->places);
    /* What appending will need again soon is kept. */
    if (index->capacity > LEAST_CAPACITY && index->count < index->capacity / 4) {
        size_t capacity = index->count * 2;
        index->capacity = capacity > LEAST_CAPACITY ? capacity : LEAST_CAPACITY;
        index->places = memory_realloc(index->places, index->capacity * sizeof *index->places);
    }
}

const struct log_place *log_index_find(const struct log_index *index, uint64_t entry_index)
{
    if (entry_index <= index->before || entry_index > log_index_last(index)) {
        return NULL;
    }
    size_t before = places_before(index, entry_index + 1);
    return before == 0 ? NULL : &index->places[before - 1];
}

void log_index_free(struct log_index *index)
{
    free(index->places);
    *index = (struct log_index){0};
}
