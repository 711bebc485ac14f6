/*
 * timeline.h - who did what when, as a page of HTML: a column for each process that lives at a
 * time, a box for each operation from its invocation down to its completion, the nemesis on the
 * left, reasons of checkers on top with links to the operations that they name.
 *
 * The page is bounded: the operations around each one that a reason names, those around each act of
 * the nemesis, and the first ones of the run; what is left out between is said. It needs nothing
 * from a network.
 */
#ifndef JEPSEN_TIMELINE_H
#define JEPSEN_TIMELINE_H

#include "check.h"

#define TIMELINE_FIRST  1000 /* operations from the beginning on */
#define TIMELINE_AROUND 40   /* before and behind each that is named, or fault */
#define TIMELINE_MOST   8000

void timeline_write(struct buffer *out, const struct history *history,
                    const struct analysis *analysis, const char *title);

#endif
