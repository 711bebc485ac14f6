/*
 * text_history.h - hand-made histories for tests: EDN as in Jepsen's own pages, in C strings.
 *
 * Strings stand in single quotes, which are no quotes in EDN, so that nothing needs escaping. A
 * line without :time gets one: a millisecond behind the line before.
 */
#ifndef TESTS_TEXT_HISTORY_H
#define TESTS_TEXT_HISTORY_H

#include "check.h"

/* Fails the test if it is none. */
struct history *text_history(const char *text);

/* Runs the checker on the history: the verdict must be this one, and, unless NULL, some reason must
 * hold these words. */
void expect_with(checker_run run, const struct check_options *options, enum check_verdict verdict,
                 const char *reason, const char *text);
/* With default options. */
void expect(checker_run run, enum check_verdict verdict, const char *reason, const char *text);

#endif
