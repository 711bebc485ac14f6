/*
 * summary.h - the figures at the end of a run: one JSON object, or a name and a value on each line.
 * And the progress of the run, shown on a terminal only.
 */
#ifndef CLUSTER_SUMMARY_H
#define CLUSTER_SUMMARY_H

#include <stdint.h>

#include "verb.h"

struct figure {
    const char *key;
    double value;
    int digits; /* behind the point; 0: a count, exact up to 2^53 */
};

void summary_print(const struct verb *verb, const struct figure *figures, size_t count);

/* "12,345 of 25,900 invoices" over what was shown before; nothing where stderr is no terminal. */
bool progress_wanted(void);
void progress_show(uint64_t done, uint64_t total, const char *what);
void progress_clear(void);

#endif
