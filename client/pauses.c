/*
 * pauses.c - see pauses.h. Invariant: no item's pause ends before its parent's, items[(i - 1) / 2].
 */
#include "pauses.h"

#include <assert.h>
#include <stdlib.h>

#include "call.h"

static bool ends_before(const struct call *a, const struct call *b)
{
    return a->pause_ends_ms < b->pause_ends_ms;
}

void pauses_push(struct pauses *pauses, struct call *call)
{
    if (pauses->count == pauses->capacity) {
        pauses->capacity = pauses->capacity == 0 ? 16 : 2 * pauses->capacity;
        pauses->items = memory_realloc(pauses->items, pauses->capacity * sizeof(void *));
    }
    size_t at = pauses->count++;
    while (at > 0 && ends_before(call, pauses->items[(at - 1) / 2])) {
        pauses->items[at] = pauses->items[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    pauses->items[at] = call;
}

struct call *pauses_first(const struct pauses *pauses)
{
    return pauses->count == 0 ? NULL : pauses->items[0];
}

struct call *pauses_pop(struct pauses *pauses)
{
    if (pauses->count == 0) {
        return NULL;
    }
    struct call *first = pauses->items[0];
    struct call *last = pauses->items[--pauses->count];
    size_t at = 0;
    for (;;) { /* sinks the last one from the root */
        size_t child = 2 * at + 1;
        if (child >= pauses->count) {
            break;
        }
        if (child + 1 < pauses->count &&
            ends_before(pauses->items[child + 1], pauses->items[child])) {
            child++;
        }
        if (!ends_before(pauses->items[child], last)) {
            break;
        }
        pauses->items[at] = pauses->items[child];
        at = child;
    }
    pauses->items[at] = last; /* items[0] once more where none is left: capacity is at least 16 */
    return first;
}

void pauses_free(struct pauses *pauses)
{
    assert(pauses->count == 0);
    free(pauses->items);
    *pauses = (struct pauses){0};
}
