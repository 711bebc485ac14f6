/*
 * summary.h - what a run was, and what came of it, for people: on stdout.
 */
#ifndef JEPSEN_SUMMARY_H
#define JEPSEN_SUMMARY_H

#include "check.h"
#include "run.h"

void summary_print(const struct run_options *options, const struct run_result *result,
                   const struct history *history, const struct analysis *analysis);

#endif
