/*
 * store.h - a run's directory: what it was (test.edn), what happened (history.edn), what checkers
 * say (results.edn), and pictures.
 *
 *   test.edn               written before anything else, by the runner
 *   history.edn            written while the run goes (recorder.h)
 *   results.edn            the analysis; the same history and test.edn give the same bytes
 *   timeline.html          timeline.h
 *   latency-raw.svg, latency-quantiles.svg, rate.svg   plot.h
 *   *.log                  of nodes; read by the checker `logs`
 */
#ifndef JEPSEN_STORE_H
#define JEPSEN_STORE_H

#include "check.h"

/* What a test was: a word, and a text or a number. */
struct store_note {
    const char *key;  /* an EDN keyword without the colon */
    const char *text; /* NULL: the number */
    int64_t number;
};

/* test.edn: the notes, and the options that checkers go by. */
bool store_write_test(const char *directory, const struct store_note *notes, uint32_t count,
                      const struct check_options *options, struct error *error);
/* The options from test.edn; what it does not name keeps its default. `name` gets its :name; free
 * it. No test.edn: defaults, and the directory's name. */
bool store_read_test(const char *directory, struct check_options *options, char **name,
                     struct error *error);

/* results.edn, and the pictures too. */
bool store_write_results(const char *directory, const char *name, const struct history *history,
                         const struct analysis *analysis, struct error *error);

#endif
