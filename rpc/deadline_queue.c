/*
 * deadline_queue.c - a binary min-heap on due_ms; every entry knows its place, so that a call that
 * ends takes its deadline out without a search. Deadlines mostly come in rising order, which makes
 * adding a constant step.
 *
 * Invariant: heap[i] is due no later than heap[2i + 1] and heap[2i + 2]; heap[i]->place == i + 1.
 */
#include "deadline_queue.h"

#include <assert.h>
#include <stdlib.h>

#include "base/bytes.h"

static void put(struct deadline_queue *queue, size_t at, struct deadline_entry *entry)
{
    queue->heap[at] = entry;
    entry->place = at + 1;
}

static void sift_up(struct deadline_queue *queue, size_t at)
{
    struct deadline_entry *entry = queue->heap[at];
    while (at > 0 && queue->heap[(at - 1) / 2]->due_ms > entry->due_ms) {
        put(queue, at, queue->heap[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
    put(queue, at, entry);
}

static void sift_down(struct deadline_queue *queue, size_t at)
{
    struct deadline_entry *entry = queue->heap[at];
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= queue->count) {
            break;
        }
        if (child + 1 < queue->count &&
            queue->heap[child + 1]->due_ms < queue->heap[child]->due_ms) {
            child++;
        }
        if (queue->heap[child]->due_ms >= entry->due_ms) {
            break;
        }
        put(queue, at, queue->heap[child]);
        at = child;
    }
    put(queue, at, entry);
}

void deadline_queue_add(struct deadline_queue *queue, struct deadline_entry *entry, uint64_t due_ms)
{
    assert(entry->place == 0);
    if (queue->count == queue->capacity) {
        queue->capacity = queue->capacity != 0 ? 2 * queue->capacity : 64;
        queue->heap = memory_realloc(queue->heap, queue->capacity * sizeof(void *));
    }
    entry->due_ms = due_ms;
    queue->heap[queue->count] = entry;
    queue->count++;
    sift_up(queue, queue->count - 1);
}

void deadline_queue_remove(struct deadline_queue *queue, struct deadline_entry *entry)
{
    if (entry->place == 0) {
        return;
    }
    size_t at = entry->place - 1;
    assert(at < queue->count && queue->heap[at] == entry);
    entry->place = 0;
    queue->count--;
    if (at == queue->count) {
        return;
    }
    struct deadline_entry *last = queue->heap[queue->count];
    put(queue, at, last);
    sift_down(queue, at);
    sift_up(queue, last->place - 1);
}

struct deadline_entry *deadline_queue_first(const struct deadline_queue *queue)
{
    return queue->count != 0 ? queue->heap[0] : NULL;
}

void deadline_queue_free(struct deadline_queue *queue)
{
    assert(queue->count == 0);
    free(queue->heap);
    *queue = (struct deadline_queue){0};
}
