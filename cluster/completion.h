/*
 * completion.h - waiting in the main thread until callers on the library's thread are all through.
 */
#ifndef CLUSTER_COMPLETION_H
#define CLUSTER_COMPLETION_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

struct completion {
    pthread_mutex_t lock; /* the owner's shared state may live under it too */
    pthread_cond_t done;
    size_t running;
};

void completion_init(struct completion *completion, size_t running);
void completion_destroy(struct completion *completion);
/* One caller is through. The lock must be held. */
void completion_leave(struct completion *completion);
/* Waits up to `ms`; true once nobody runs. The lock must be held. */
bool completion_wait_ms(struct completion *completion, unsigned ms);

#endif
