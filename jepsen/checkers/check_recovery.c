/*
 * check_recovery.c - how long it takes, after a fault, until commands are answered again.
 *
 * For each fault that has ended and while no other is there: from its end to the first answer of a
 * command that was invoked behind it. Longer than the limit is invalid. Where the commands, or the
 * quiet, end earlier than the limit, nothing is said: at a run's end there are reads alone. What
 * faults have left to be done
 * ("finish-X") is done while none is on: from its beginning on commands must be answered as well.
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
    const struct history *history;
    const struct fault_window *windows;
    uint32_t window_count;
    int64_t asked_ns; /* the commands' end */
};

static bool is_quiet(const struct fault_window *windows, uint32_t count, uint32_t but,
                     int64_t time_ns)
{
    for (uint32_t i = 0; i < count; i++) {
        if (i != but && windows[i].from_ns <= time_ns && time_ns < windows[i].until_ns) {
            return false;
        }
    }
    return true;
}

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
static int64_t quiet_until(const struct fault_window *windows, uint32_t count, int64_t time_ns,
                           int64_t asked_ns)
{
    int64_t until_ns = asked_ns;
    for (uint32_t i = 0; i < count; i++) {
        if (windows[i].from_ns > time_ns && windows[i].from_ns < until_ns) {
            until_ns = windows[i].from_ns;
        }
    }
    return until_ns;
}

/* The first command that was invoked behind this moment and answered: the one whose answer came
 * first. Operations stand in the order of invocation; `from` is where to begin. */
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

/* The limit has passed, and nobody was answered: `found` behind it, if ever. */
static void tell(struct check *check, struct bytes name, const char *what, int64_t end_ns,
                 int64_t limit_ns, uint32_t found)
{
    check_invalid(check, CHECK_NAMES(found),
                  "%.*s %s at %.1f s, and no command was answered within %.1f s", (int)name.len,
                  (const char *)name.data, what, (double)end_ns / 1e9, (double)limit_ns / 1e9);
}

/* How long from this moment until a command was answered, or, if none was, until the quiet ended.
 */
static int64_t measure(const struct recovery *recovery, int64_t end_ns, uint32_t *found)
{
    int64_t quiet_ns =
        quiet_until(recovery->windows, recovery->window_count, end_ns, recovery->asked_ns);
    *found = first_answered(recovery->history, end_ns, quiet_ns);
    return (*found != NAME_NONE ? recovery->history->operations.items[*found].completed_ns
                                : quiet_ns) -
           end_ns;
}

static void check_finishes(struct check *check, const struct recovery *recovery, int64_t limit_ns)
{
    const struct bytes prefix = BYTES_LITERAL("finish-");
    const struct history *history = recovery->history;
    for (uint32_t i = 0; i < history->faults.count; i++) {
        const struct fault_event *event = &history->faults.items[i];
        struct bytes word = names_text(&history->texts, event->fault);
        uint32_t found;
        if (word.len > prefix.len && memcmp(word.data, prefix.data, prefix.len) == 0 &&
            measure(recovery, event->time_ns, &found) > limit_ns) {
            tell(check, word, "was on", event->time_ns, limit_ns, found);
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
    int64_t *times_ns = memory_alloc((count + 1u) * sizeof *times_ns);
    const struct recovery recovery = {history, windows, count, asked_until(history)};
    uint32_t measured = 0;
    int64_t limit_ns = options->recovery_limit_ms * INT64_C(1000000);
    for (uint32_t i = 0; i < count; i++) {
        int64_t end_ns = windows[i].until_ns;
        take_nemesis_word(check, &windows[i]);
        if (!windows[i].ended || !is_quiet(windows, count, i, end_ns)) {
            continue;
        }
        uint32_t first;
        int64_t took_ns = measure(&recovery, end_ns, &first);
        if (took_ns > limit_ns) {
            tell(check, windows[i].name, "ended", end_ns, limit_ns, first);
        }
        if (first != NAME_NONE) {
            times_ns[measured++] = took_ns;
            check_looked(check);
        }
    }
    check_finishes(check, &recovery, limit_ns);
    qsort(times_ns, measured, sizeof *times_ns, by_size);
    check_add_fact(check, "faults", count);
    check_add_fact(check, "recoveries", measured);
    if (measured > 0) {
        check_add_fact(check, "median-ms", times_ns[measured / 2] / 1000000);
        check_add_fact(check, "longest-ms", times_ns[measured - 1] / 1000000);
    }
    free(windows);
    free(times_ns);
}
