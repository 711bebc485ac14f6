/*
 * deadline_queue.h - what is due when: a binary heap whose entries live inside the calls they
 * belong to. One timer serves all of them.
 */
#ifndef RPC_DEADLINE_QUEUE_H
#define RPC_DEADLINE_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct deadline_entry {
    uint64_t due_ms;
    size_t place; /* in the heap, counted from 1; 0: not queued */
};

struct deadline_queue {
    struct deadline_entry **heap;
    size_t count;
    size_t capacity;
};

void deadline_queue_add(struct deadline_queue *queue, struct deadline_entry *entry,
                        uint64_t due_ms);
void deadline_queue_remove(struct deadline_queue *queue,
                           struct deadline_entry *entry); /* or not queued */
/* The entry due first, or NULL. It stays queued. */
struct deadline_entry *deadline_queue_first(const struct deadline_queue *queue);
void deadline_queue_free(struct deadline_queue *queue); /* must be empty */

#endif
