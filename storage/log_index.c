/*
 * log_index.c - an array sorted by first index; put cuts its end, find halves it.
 */
#include "log_index.h"

#include <assert.h>
#include <stdlib.h>

#include "base/bytes.h"

uint64_t log_index_last(const struct log_index *index)
{
    if (index->count == 0) {
        return 0;
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

void log_index_put(struct log_index *index, const struct log_place *place)
{
    assert(place->count > 0 && place->first_index > 0);
    assert(place->first_index <= log_index_last(index) + 1);
    index->count = places_before(index, place->first_index);
    if (index->count > 0) {
        struct log_place *last = &index->places[index->count - 1];
        last->count = (uint32_t)(place->first_index - last->first_index);
    }
    if (index->count == index->capacity) {
        index->capacity = index->capacity == 0 ? 256 : index->capacity + index->capacity / 2;
        index->places = memory_realloc(index->places, index->capacity * sizeof *index->places);
    }
    index->places[index->count++] = *place;
}

const struct log_place *log_index_find(const struct log_index *index, uint64_t entry_index)
{
    if (entry_index == 0 || entry_index > log_index_last(index)) {
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
