/*
 * check_stale.c - a read holds what it promises to hold.
 *
 * By log indexes and times alone:
 *  - linearizable: everything that anybody was told before it was invoked
 *  - stale: everything that had been acknowledged `age` before it was invoked; its answer is made
 *    later than that, so the promise reaches at least so far
 *  - with min-index: that index
 */
#include <inttypes.h>
#include <stdlib.h>

#include "check.h"
#include "log_order.h"

/* How far the log had come for clients, at each completion that moved it. */
struct progress {
    uint32_t *operations;
    uint32_t count;
};

static const struct operation *operation_at(const struct history *history, uint32_t at)
{
    return &history->operations.items[at];
}

/* The last that had moved the log before this time; NAME_NONE: nothing had. */
static uint32_t who_had_moved(const struct history *history, const struct progress *progress,
                              int64_t time_ns)
{
    uint32_t low = 0;
    uint32_t high = progress->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (operation_at(history, progress->operations[middle])->completed_ns < time_ns) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low > 0 ? progress->operations[low - 1] : NAME_NONE;
}

static bool is_read(const struct operation *operation)
{
    return !operation_is_command(operation) && has_key(operation);
}

static void check_read(struct check *check, const struct history *history, uint32_t at,
                       uint32_t told, const struct progress *progress,
                       const struct check_options *options)
{
    const struct operation *read = operation_at(history, at);
    if (read->log_index < (uint64_t)read->number) {
        check_invalid(check, CHECK_NAMES(at),
                      "answered at %" PRIu64 ", though at least %" PRId64 " was asked for",
                      read->log_index, read->number);
    }
    if (!read->stale) {
        if (told != NAME_NONE && read->log_index < operation_at(history, told)->log_index) {
            check_invalid(check, CHECK_NAMES(at, told),
                          "a linearizable read is older than what was told before it");
        }
        return;
    }
    int64_t reach_ns = read->invoked_ns - (read->age_ms + options->age_slack_ms) * INT64_C(1000000);
    uint32_t moved = who_had_moved(history, progress, reach_ns);
    if (moved != NAME_NONE && read->log_index < operation_at(history, moved)->log_index) {
        check_invalid(check, CHECK_NAMES(at, moved),
                      "a stale read says that it is at most %" PRIu32
                      " ms old, but lacks what was acknowledged %" PRId64 " ms before it",
                      read->age_ms,
                      (read->invoked_ns - operation_at(history, moved)->completed_ns) / 1000000);
    }
}

void check_stale(struct check *check, const struct history *history,
                 const struct check_options *options)
{
    uint32_t told = NAME_NONE; /* of what anybody was told, the furthest */
    uint32_t *told_at =
        memory_alloc((history->operations.count + 1u) * sizeof *told_at); /* its invocation */
    struct progress progress = {memory_alloc((history->operations.count + 1u) * sizeof(uint32_t)),
                                0};
    int64_t linearizable = 0;
    int64_t stale = 0;
    int64_t oldest_ms = 0;
    uint64_t moved = 0;
    for (uint32_t event = 0; event < history->events; event++) {
        uint32_t at = history->event_operations.items[event];
        if (at == NAME_NONE) {
            continue;
        }
        const struct operation *operation = operation_at(history, at);
        if (operation->invoked == event) {
            told_at[at] = told;
            continue;
        }
        if (has_key(operation) &&
            (told == NAME_NONE || operation->log_index > operation_at(history, told)->log_index)) {
            told = at;
        }
        if (operation_is_command(operation) && operation_answered(operation) &&
            operation->log_index > moved) {
            moved = operation->log_index;
            progress.operations[progress.count++] = at;
        }
        if (is_read(operation)) {
            check_looked(check);
            linearizable += !operation->stale;
            stale += operation->stale;
            oldest_ms =
                operation->stale && operation->age_ms > oldest_ms ? operation->age_ms : oldest_ms;
            check_read(check, history, at, told_at[at], &progress, options);
        }
    }
    check_add_fact(check, "linearizable-reads", linearizable);
    check_add_fact(check, "stale-reads", stale);
    check_add_fact(check, "oldest-ms", oldest_ms);
    free(told_at);
    free(progress.operations);
}
