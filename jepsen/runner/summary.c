/*
 * summary.c - shares of operations, faults by name, recoveries, each checker's verdict, and the
 * commands that go on from here.
 */
#include "summary.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "faults.h"

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

static void print_faults(const struct history *history)
{
    uint32_t count;
    struct fault_window *windows = fault_windows(history, &count);
    printf("faults       %u", count);
    const char *before = ": ";
    for (uint32_t i = 0; i < count; i++) {
        uint32_t same = 0;
        bool first = true;
        for (uint32_t k = 0; k < count; k++) {
            bool equal = bytes_equal(windows[i].name, windows[k].name);
            same += equal;
            first = first && !(equal && k < i);
        }
        if (first) {
            printf("%s%.*s", before, (int)windows[i].name.len, (const char *)windows[i].name.data);
            if (same > 1) {
                printf(" x%u", same);
            }
            before = ", ";
        }
    }
    printf("\n");
    free(windows);
}

static void print_check(const struct check *check)
{
    printf("  %-14s %-8s", check->name, check_verdict_name(check->verdict));
    for (uint32_t i = 0; i < check->fact_count; i++) {
        printf(" %s %" PRId64, check->facts[i].name, check->facts[i].value);
    }
    printf("\n");
    for (uint32_t i = 0; i < check->reason_count; i++) {
        printf("      %s\n", check->reasons[i].text);
    }
    if (check->found > check->reason_count) {
        printf("      and %" PRIu64 " more\n", check->found - check->reason_count);
    }
}

void summary_print(const struct run_options *options, const struct run_result *result,
                   const struct history *history, const struct analysis *analysis)
{
    struct buffer again = {0};
    const struct check *recovery = find_check(analysis, "recovery");
    chaos_options_write(&again, options->chaos, options->workload, options->seed);
    printf("\n");
    print_operations(find_check(analysis, "enough"));
    print_faults(history);
    if (check_fact(recovery, "recoveries") > 0) {
        printf("recovery     %" PRId64 " times, median %" PRId64 " ms, longest %" PRId64 " ms\n",
               check_fact(recovery, "recoveries"), check_fact(recovery, "median-ms"),
               check_fact(recovery, "longest-ms"));
    }
    printf("checkers\n");
    for (uint32_t i = 0; i < analysis->count; i++) {
        print_check(&analysis->checks[i]);
    }
    printf("store        %s\n", result->directory);
    printf("again        ./dev chaos %.*s\n", (int)again.len, (const char *)again.data);
    printf("recheck      ./dev recheck %s\n", result->directory);
    printf("%s%s\n", check_verdict_name(analysis->verdict),
           result->interrupted ? ", as far as it went: it was interrupted" : "");
    buffer_free(&again);
}
