/*
 * timeline.h - who did what when, as a page of HTML: a column for each process that lives at a
 * time, a box for each operation from its invocation down to its completion, the nemesis on the
 * left, reasons of checkers on top with links to the operations that they name.
 *
 * The page is bounded: the first operations of the run, and those around each operation that a
 * reason names; what is left out between is said. It needs nothing from a network.
 */
#ifndef JEPSEN_TIMELINE_H
#define JEPSEN_TIMELINE_H

#include "check.h"

#define TIMELINE_FIRST  1500 /* operations from the beginning on */
#define TIMELINE_AROUND 40   /* before and behind each that is named */
#define TIMELINE_MOST   8000

void timeline_write(struct buffer *out, const struct history *history,
                    const struct analysis *analysis, const char *title);

#endif
