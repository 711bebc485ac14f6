/*
 * check_enough.c - a run that hardly did anything proves nothing: too few operations, too few of
 * them answered, or not one fault where there were to be some, is unknown. Tells what the run was
 * made of.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "check.h"
#include "faults.h"

static int64_t count_faults(const struct history *history)
{
    uint32_t count;
    int64_t faults = 0;
    struct fault_window *windows = fault_windows(history, &count);
    for (uint32_t i = 0; i < count; i++) {
        faults += !windows[i].moment;
    }
    free(windows);
    return faults;
}

void check_enough(struct check *check, const struct history *history,
                  const struct check_options *options)
{
    int64_t outcomes[4] = {0};
    uint64_t commands = 0;
    for (uint32_t i = 0; i < history->operations.count; i++) {
        outcomes[history->operations.items[i].outcome]++;
        commands += operation_is_command(&history->operations.items[i]);
    }
    int64_t answered = outcomes[OUTCOME_OK] + outcomes[OUTCOME_REFUSED];
    int64_t all = history->operations.count;
    check_looked(check);
    if ((uint64_t)answered < options->least_operations) {
        check_unknown(check, CHECK_NAMES_NONE,
                      "%" PRId64 " operations were answered, of %" PRIu64 " that a run needs",
                      answered, options->least_operations);
    } else if (answered * 1000 < all * options->least_answered_permille) {
        check_unknown(check, CHECK_NAMES_NONE,
                      "%" PRId64 " of %" PRId64 " operations were answered, less than %" PRId64
                      " in a thousand",
                      answered, all, options->least_answered_permille);
    }
    int64_t faults = count_faults(history);
    if ((uint64_t)faults < options->least_faults) {
        check_unknown(check, CHECK_NAMES_NONE,
                      "%" PRId64 " faults, of %" PRIu64 " that a run needs", faults,
                      options->least_faults);
    }
    if (history->torn) {
        check_unknown(check, CHECK_NAMES_NONE,
                      "the history ends within a line: the run died before its end");
    }
    check_add_fact(check, "operations", all);
    check_add_fact(check, "commands", (int64_t)commands);
    check_add_fact(check, "ok", outcomes[OUTCOME_OK]);
    check_add_fact(check, "refused", outcomes[OUTCOME_REFUSED]);
    check_add_fact(check, "failed", outcomes[OUTCOME_FAILED]);
    check_add_fact(check, "unknown", outcomes[OUTCOME_UNKNOWN]);
    check_add_fact(check, "milliseconds", history->end_ns / 1000000);
}
