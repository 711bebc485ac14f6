/*
 * search.h - is there an order of these operations, all on one stock and its orders, in which each
 * answer is right, and which keeps real time?
 *
 * Wing and Gong's search (Testing and Verifying Concurrent Objects, 1993) with Lowe's memory of
 * configurations (Testing for Linearizability, 2017), as in Knossos and Porcupine. The log is not
 * looked at.
 */
#ifndef JEPSEN_SEARCH_H
#define JEPSEN_SEARCH_H

#include "check.h"

enum search_kind {
    SEARCH_COMMAND, /* the operation itself */
    SEARCH_EXPIRE,  /* of the order that the operation, a Reserve, is about */
    SEARCH_SEE,     /* a read: `number` in history.stocks */
    SEARCH_ORDER,   /* a read of an order */
    SEARCH_NEED,    /* `number` were available */
    SEARCH_EXACTLY, /* just `number` were available */
    SEARCH_MISSING  /* the stock was not there */
};

struct search_item {
    enum search_kind kind;
    uint32_t operation;
    int64_t number;
    uint32_t begins; /* event; */
    uint32_t ends;   /* event; HISTORY_NEVER for what may take place any time later */
    bool optional;   /* it may also never take place */
    bool never;      /* optional, and it does not: search_refine found that out */
    uint32_t before; /* optional: only before this item, which has the same operation; NAME_NONE:
                        free */
};

enum search_outcome { SEARCH_FOUND, SEARCH_IMPOSSIBLE, SEARCH_GAVE_UP };

struct search_report {
    uint64_t configurations; /* that were looked at */
    uint32_t furthest;       /* the most items in order, of those that must be */
    uint32_t stuck;          /* an operation that could not be put there */
};

/* What orders say of their own optional items, told to the items. */
void search_refine(const struct history *history, struct search_item *items, uint32_t count);

/* Until `deadline_ns` of clock.h. Items are the caller's. */
enum search_outcome search_run(const struct history *history, const struct search_item *items,
                               uint32_t count, int64_t deadline_ns, struct search_report *report);

#endif
