/*
 * check_recovery.c - how long it takes, after faults, until commands are answered again.
 *
 * Faults that overlap are healed together, at the moment from which none is on. From there to the
 * first answer of a command that was invoked behind it: longer than the limit is invalid. Where the
 * next fault begins, or the commands end - at a run's end there are reads alone -, earlier than the
 * limit and before an answer, nobody can tell; so it is of a fault that was never stopped. These
 * are counted as unjudged, and if there are no others, the verdict is unknown.
 *
 * What faults have left to be done ("finish-X") is done while none is on: from its beginning on
 * commands must be answered as well.
 *
 * The nemesis itself may have seen that the cluster was not well again in time, whatever it
 * answered: a node that does not run, has no vote, or lags behind. The moment :not-healthy is
 * invalid.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "check.h"
#include "faults.h"

struct recovery {
    struct check *check;
    const struct history *history;
    const struct fault_window *windows;
    uint32_t window_count;
    int64_t limit_ns;
    int64_t asked_ns; /* the commands' end */
    int64_t *times_ns;
    uint32_t measured;
    uint32_t unjudged; /* faults */
};

/* When the last command was invoked, or answered: nobody waits for one later. */
static int64_t asked_until(const struct history *history)
{
    int64_t until_ns = 0;
    for (uint32_t i = 0; i < history->operations.count; i++) {
        const struct operation *operation = &history->operations.items[i];
        if (operation_is_command(operation)) {
            int64_t last_ns = operation->completed != HISTORY_NEVER ? operation->completed_ns
                                                                    : operation->invoked_ns;
            until_ns = last_ns > until_ns ? last_ns : until_ns;
        }
    }
    return until_ns;
}

/* When the next fault begins, or the commands end. */
static int64_t quiet_until(const struct recovery *recovery, int64_t time_ns)
{
    int64_t until_ns = recovery->asked_ns;
    for (uint32_t i = 0; i < recovery->window_count; i++) {
        int64_t from_ns = recovery->windows[i].from_ns;
        if (from_ns > time_ns && from_ns < until_ns) {
            until_ns = from_ns;
        }
    }
    return until_ns;
}

/* The first command that was invoked behind this moment and answered: the one whose answer came
 * first. Operations stand in the order of invocation. */
static uint32_t first_answered(const struct history *history, int64_t time_ns, int64_t limit_ns)
{
    uint32_t found = NAME_NONE;
    uint32_t low = 0;
    uint32_t high = history->operations.count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (history->operations.items[middle].invoked_ns < time_ns) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    for (uint32_t i = low; i < history->operations.count; i++) {
        const struct operation *operation = &history->operations.items[i];
        if (operation->invoked_ns > limit_ns ||
            (found != NAME_NONE &&
             operation->invoked_ns > history->operations.items[found].completed_ns)) {
            break;
        }
        if (operation_is_command(operation) && operation_answered(operation) &&
            (found == NAME_NONE ||
             operation->completed_ns < history->operations.items[found].completed_ns)) {
            found = i;
        }
    }
    return found;
}

static void take_nemesis_word(struct check *check, const struct fault_window *window)
{
    if (bytes_equal(window->name, BYTES_LITERAL("not-healthy"))) {
        check_looked(check);
        check_invalid(check, CHECK_NAMES_NONE, "at %.1f s the cluster was not healthy again: %.*s",
                      (double)window->from_ns / 1e9, (int)window->value.len,
                      (const char *)window->value.data);
    }
}

/* How long from this moment until a command was answered, or, if none was while it was quiet, until
 * that ended. Longer than the limit is invalid: the one whose name and deed these are is why. */
static bool measure(struct recovery *recovery, int64_t time_ns, struct bytes name, const char *what,
                    int64_t *took_ns)
{
    int64_t quiet_ns = quiet_until(recovery, time_ns);
    uint32_t found = first_answered(recovery->history, time_ns, quiet_ns);
    int64_t answered_ns =
        found != NAME_NONE ? recovery->history->operations.items[found].completed_ns : INT64_MAX;
    bool answered = answered_ns <= quiet_ns;
    *took_ns = (answered ? answered_ns : quiet_ns) - time_ns;
    if (*took_ns > recovery->limit_ns) {
        check_invalid(recovery->check, CHECK_NAMES(found),
                      "%.*s %s at %.1f s, and no command was answered within %.1f s", (int)name.len,
                      (const char *)name.data, what, (double)time_ns / 1e9,
                      (double)recovery->limit_ns / 1e9);
    }
    if (answered) {
        check_looked(recovery->check);
    }
    return answered;
}

/* Those that overlap, from the first one on: how many windows. `last` is the one that healed all.
 */
static uint32_t storm_of(const struct recovery *recovery, uint32_t first,
                         const struct fault_window **last)
{
    uint32_t next = first + 1;
    *last = &recovery->windows[first];
    while (next < recovery->window_count && recovery->windows[next].from_ns <= (*last)->until_ns) {
        if (recovery->windows[next].until_ns > (*last)->until_ns) {
            *last = &recovery->windows[next];
        }
        next++;
    }
    return next - first;
}

/* `faults` of them, healed by the end of the last. */
static void judge_storm(struct recovery *recovery, const struct fault_window *last, uint32_t faults)
{
    int64_t took_ns = 0;
    if (!last->ended) {
        recovery->unjudged += faults;
    } else if (measure(recovery, last->until_ns, last->name, "ended", &took_ns)) {
        recovery->times_ns[recovery->measured++] = took_ns;
    } else if (took_ns <= recovery->limit_ns) {
        recovery->unjudged += faults;
    }
}

/* Returns how many faults there are; moments are none. */
static uint32_t check_storms(struct recovery *recovery)
{
    uint32_t all = 0;
    for (uint32_t at = 0; at < recovery->window_count;) {
        const struct fault_window *last;
        uint32_t count = storm_of(recovery, at, &last);
        uint32_t faults = 0;
        for (uint32_t i = at; i < at + count; i++) {
            take_nemesis_word(recovery->check, &recovery->windows[i]);
            faults += !recovery->windows[i].moment;
        }
        if (faults > 0) {
            judge_storm(recovery, last, faults);
        }
        all += faults;
        at += count;
    }
    return all;
}

static void check_finishes(struct recovery *recovery)
{
    const struct bytes prefix = BYTES_LITERAL("finish-");
    const struct history *history = recovery->history;
    for (uint32_t i = 0; i < history->faults.count; i++) {
        const struct fault_event *event = &history->faults.items[i];
        struct bytes word = names_text(&history->texts, event->fault);
        int64_t took_ns;
        if (word.len > prefix.len && memcmp(word.data, prefix.data, prefix.len) == 0) {
            (void)measure(recovery, event->time_ns, word, "was on", &took_ns);
        }
    }
}

static int by_size(const void *left, const void *right)
{
    const int64_t *a = left;
    const int64_t *b = right;
    return *a < *b ? -1 : *a > *b;
}

void check_recovery(struct check *check, const struct history *history,
                    const struct check_options *options)
{
    uint32_t count;
    struct fault_window *windows = fault_windows(history, &count);
    struct recovery recovery = {
        .check = check,
        .history = history,
        .windows = windows,
        .window_count = count,
        .limit_ns = options->recovery_limit_ms * INT64_C(1000000),
        .asked_ns = asked_until(history),
        .times_ns = memory_alloc((count + 1u) * sizeof(int64_t)),
    };
    uint32_t faults = check_storms(&recovery);
    check_finishes(&recovery);
    if (check->verdict == CHECK_SKIPPED && faults > 0) {
        check_unknown(check, CHECK_NAMES_NONE,
                      "none of the %u faults can be judged: the next one began, or the commands "
                      "ended, within %.1f s and before one was answered",
                      faults, (double)recovery.limit_ns / 1e9);
    }
    qsort(recovery.times_ns, recovery.measured, sizeof *recovery.times_ns, by_size);
    check_add_fact(check, "faults", faults);
    check_add_fact(check, "unjudged", recovery.unjudged);
    check_add_fact(check, "recoveries", recovery.measured);
    if (recovery.measured > 0) {
        check_add_fact(check, "median-ms", recovery.times_ns[recovery.measured / 2] / 1000000);
        check_add_fact(check, "longest-ms", recovery.times_ns[recovery.measured - 1] / 1000000);
    }
    free(windows);
    free(recovery.times_ns);
}
