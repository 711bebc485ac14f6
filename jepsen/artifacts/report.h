/*
 * report.h - a stored run, analysed by what it says of itself: its history.edn, its test.edn, its
 * nodes' logs.
 */
#ifndef JEPSEN_REPORT_H
#define JEPSEN_REPORT_H

#include "store.h"

/* As programs exit. */
enum report_status {
    REPORT_VALID = 0,
    REPORT_INVALID = 1,
    REPORT_UNREADABLE = 2, /* or not writable; the error tells */
    REPORT_UNKNOWN = 3
};

/* A line for each checker, with the reasons below it, to stdout. */
void report_print_checks(const struct analysis *analysis);
/* Prints a line for each checker, with reasons below it, to stdout, and writes results.edn and the
 * pictures (`dry`: nothing). */
enum report_status report_run(const char *directory, bool dry, struct error *error);

#endif
