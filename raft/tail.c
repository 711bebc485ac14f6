/*
 * tail.c - a ring of references to the last entries of the log.
 */
#include "tail.h"

#include <assert.h>
#include <stdlib.h>

#define TAIL_FIRST_CAPACITY 64

void tail_init(struct tail *tail, uint64_t next_index, size_t max_entries, size_t max_bytes)
{
    *tail = (struct tail){
        .first_index = next_index, .max_entries = max_entries, .max_bytes = max_bytes};
}

static struct entry **slot(const struct tail *tail, size_t position)
{
    return &tail->slots[(tail->head + position) % tail->capacity];
}

void tail_free(struct tail *tail)
{
    for (size_t i = 0; i < tail->count; i++) {
        entry_release(*slot(tail, i));
    }
    free((void *)tail->slots);
    *tail = (struct tail){0};
}

static void grow(struct tail *tail)
{
    size_t capacity = tail->capacity != 0 ? tail->capacity * 2 : TAIL_FIRST_CAPACITY;
    struct entry **slots = memory_alloc(capacity * sizeof(struct entry *));
    for (size_t i = 0; i < tail->count; i++) {
        slots[i] = *slot(tail, i);
    }
    free((void *)tail->slots);
    tail->slots = slots;
    tail->capacity = capacity;
    tail->head = 0;
}

void tail_append(struct tail *tail, struct entry *entry)
{
    assert(entry->index == tail_next_index(tail));
    if (tail->count == tail->capacity) {
        grow(tail);
    }
    *slot(tail, tail->count) = entry_reference(entry);
    tail->count++;
    tail->bytes += entry->data.len;
}

void tail_truncate(struct tail *tail, uint64_t from_index)
{
    assert(from_index <= tail_next_index(tail));
    while (tail->count > 0 && tail_next_index(tail) > from_index) {
        struct entry *last = *slot(tail, tail->count - 1);
        tail->bytes -= last->data.len;
        tail->count--;
        entry_release(last);
    }
    if (tail->count == 0) {
        tail->first_index = from_index;
    }
}

struct entry *tail_get(const struct tail *tail, uint64_t index)
{
    if (index < tail->first_index || index >= tail_next_index(tail)) {
        return NULL;
    }
    return *slot(tail, (size_t)(index - tail->first_index));
}

size_t tail_evict(struct tail *tail, uint64_t durable_index)
{
    size_t evicted = 0;
    while (tail->count > 0 && tail->first_index <= durable_index &&
           (tail->count > tail->max_entries || tail->bytes > tail->max_bytes)) {
        struct entry *first = *slot(tail, 0);
        tail->bytes -= first->data.len;
        tail->head = (tail->head + 1) % tail->capacity;
        tail->count--;
        tail->first_index++;
        entry_release(first);
        evicted++;
    }
    return evicted;
}
