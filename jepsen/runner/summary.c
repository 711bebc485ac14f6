/*
 * summary.c - shares of operations, faults by name, recoveries, each checker's verdict, and the
 * commands that go on from here.
 */
#include "summary.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "faults.h"
#include "report.h"

static const struct check *find_check(const struct analysis *analysis, const char *name)
{
    for (uint32_t i = 0; i < analysis->count; i++) {
        if (strcmp(analysis->checks[i].name, name) == 0) {
            return &analysis->checks[i];
        }
    }
    return NULL;
}

static void print_operations(const struct check *enough)
{
    static const char *const names[] = {"ok", "refused", "failed", "unknown"};
    int64_t all = check_fact(enough, "operations");
    int64_t ms = check_fact(enough, "milliseconds");
    printf("operations   %" PRId64 " in %.1f s", all, (double)ms / 1000);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        int64_t count = check_fact(enough, names[i]);
        printf("%s %" PRId64 " %s (%.1f %%)", i == 0 ? ":" : ",", count, names[i],
               all > 0 ? 100.0 * (double)count / (double)all : 0.0);
    }
    printf("\n");
}

static bool is_same(const struct fault_window *one, const struct fault_window *other)
{
    return bytes_equal(one->name, other->name);
}

/* Faults by name, and the moments of what the nemesis saw. */
static void print_faults(const struct history *history)
{
    uint32_t count;
    struct fault_window *windows = fault_windows(history, &count);
    uint32_t faults = 0;
    const char *before = ": ";
    for (uint32_t i = 0; i < count; i++) {
        faults += !windows[i].moment;
    }
    printf("faults       %u", faults);
    for (uint32_t i = 0; i < count; i++) {
        const struct bytes name = windows[i].name;
        uint32_t times = 0;
        bool known = false;
        for (uint32_t k = 0; k < count; k++) {
            times += is_same(&windows[i], &windows[k]);
            known = known || (k < i && is_same(&windows[i], &windows[k]));
        }
        if (!known) {
            printf("%s%.*s", before, (int)name.len, (const char *)name.data);
            if (times > 1) {
                printf(" x%u", times);
            }
            before = ", ";
        }
    }
    printf("\n");
    free(windows);
}

static void print_recovery(const struct check *recovery)
{
    int64_t unjudged = check_fact(recovery, "unjudged");
    if (check_fact(recovery, "faults") == 0) {
        return;
    }
    printf("recovery     %" PRId64 " times, median %" PRId64 " ms, longest %" PRId64 " ms",
           check_fact(recovery, "recoveries"), check_fact(recovery, "median-ms"),
           check_fact(recovery, "longest-ms"));
    if (unjudged > 0) {
        printf("; faults not judged: %" PRId64, unjudged);
    }
    printf("\n");
}

void summary_print(const struct run_options *options, const struct run_result *result,
                   const struct history *history, const struct analysis *analysis)
{
    struct buffer again = {0};
    chaos_options_write(&again, options->chaos, options->workload, options->seed);
    printf("\n");
    print_operations(find_check(analysis, "enough"));
    print_faults(history);
    print_recovery(find_check(analysis, "recovery"));
    printf("\n");
    report_print_checks(analysis);
    printf("\n");
    printf("store        %s\n", result->directory);
    printf("again        ./dev chaos %.*s\n", (int)again.len, (const char *)again.data);
    printf("recheck      ./dev recheck %s\n", result->directory);
    printf("%s%s\n", check_verdict_name(analysis->verdict),
           result->interrupted ? ", as far as it went: it was interrupted" : "");
    buffer_free(&again);
}
