/*
 * report.c - see report.h. Happy path: read, analyse, print, write. Fails: reading and writing.
 */
#include "report.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static void print_check(const struct check *check)
{
    printf("%-14s %-8s %6.2f s", check->name, check_verdict_name(check->verdict),
           (double)check->duration_ns / 1e9);
    for (uint32_t i = 0; i < check->fact_count; i++) {
        printf("  %s %" PRId64, check->facts[i].name, check->facts[i].value);
    }
    printf("\n");
    for (uint32_t i = 0; i < check->reason_count; i++) {
        printf("    %s\n", check->reasons[i].text);
    }
    if (check->found > check->reason_count) {
        printf("    and %" PRIu64 " more\n", check->found - check->reason_count);
    }
}

void report_print_checks(const struct analysis *analysis)
{
    for (uint32_t i = 0; i < analysis->count; i++) {
        print_check(&analysis->checks[i]);
    }
}

static enum report_status status_of(enum check_verdict verdict)
{
    return verdict == CHECK_INVALID ? REPORT_INVALID
           : verdict == CHECK_VALID ? REPORT_VALID
                                    : REPORT_UNKNOWN;
}

static struct history *load(const char *directory, struct error *error)
{
    struct buffer path = {0};
    buffer_printf(&path, "%s/history.edn%c", directory, '\0');
    struct history *history = history_load((const char *)path.data, error);
    buffer_free(&path);
    return history;
}

enum report_status report_run(const char *directory, bool dry, struct error *error)
{
    struct check_options options;
    struct analysis analysis;
    char *name = NULL;
    if (!store_read_test(directory, &options, &name, error)) {
        return REPORT_UNREADABLE;
    }
    struct history *history = load(directory, error);
    if (history == NULL) {
        free(name);
        return REPORT_UNREADABLE;
    }
    analysis_run(&analysis, history, directory, &options);
    report_print_checks(&analysis);
    printf("%s: %s\n", name, check_verdict_name(analysis.verdict));
    enum report_status status = status_of(analysis.verdict);
    if (!dry && !store_write_results(directory, name, history, &analysis, error)) {
        status = REPORT_UNREADABLE;
    }
    analysis_free(&analysis);
    history_free(history);
    free(name);
    return status;
}
