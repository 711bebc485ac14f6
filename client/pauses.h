/*
 * pauses.h - calls that wait for their next attempt, by the end of their pause: a binary heap. Push
 * and pop cost O(log n); memory is bounded by the calls that may be under way.
 */
#ifndef CLIENT_PAUSES_H
#define CLIENT_PAUSES_H

#include <stddef.h>

struct call;

struct pauses {
    struct call **items;
    size_t count;
    size_t capacity;
};

void pauses_push(struct pauses *pauses, struct call *call); /* by call->pause_ends_ms */
/* The one whose pause ends first; NULL: none waits. */
struct call *pauses_first(const struct pauses *pauses);
struct call *pauses_pop(struct pauses *pauses);
void pauses_free(struct pauses *pauses); /* which must be empty */

#endif
