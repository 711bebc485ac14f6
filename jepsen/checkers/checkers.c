/*
 * checkers.c - all checkers, in the order in which results name them.
 */
#include "check.h"
#include "clock.h"

const struct checker checkers[] = {
    {"enough", check_enough},
    {"witness", check_witness},
    {"linearizable", check_linearizable},
    {"acknowledged", check_acknowledged},
    {"stale", check_stale},
    {"oversell", check_oversell},
    {"conservation", check_conservation},
    {"rows", check_rows},
    {"set", check_set},
    {"digests", check_digests},
    {"recovery", check_recovery},
    {"logs", NULL},
};
const uint32_t checker_count = sizeof checkers / sizeof *checkers;
_Static_assert(sizeof checkers / sizeof *checkers <= CHECKERS_MOST, "an analysis holds them all");

void analysis_run(struct analysis *analysis, const struct history *history, const char *logs,
                  const struct check_options *options)
{
    *analysis = (struct analysis){.count = checker_count};
    for (uint32_t i = 0; i < checker_count; i++) {
        struct check *check = &analysis->checks[i];
        int64_t began_ns = clock_now_ns();
        check_begin(check, checkers[i].name, history);
        if ((options->skip >> i & 1) != 0) {
            continue;
        }
        if (checkers[i].run != NULL) {
            checkers[i].run(check, history, options);
        } else {
            check_logs(check, history, logs);
        }
        check->duration_ns = clock_now_ns() - began_ns;
        if (check->verdict > analysis->verdict) {
            analysis->verdict = check->verdict;
        }
    }
}

void analysis_free(struct analysis *analysis)
{
    for (uint32_t i = 0; i < analysis->count; i++) {
        check_free(&analysis->checks[i]);
    }
    analysis->count = 0;
}
