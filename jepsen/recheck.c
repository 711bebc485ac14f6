/*
 * recheck.c - analyses a stored run again, from its history.edn.
 *
 *   recheck STORE_DIR [--dry]
 *
 * Goes by the options in its test.edn, reads its nodes' logs, prints a line for each checker, and
 * writes results.edn and the pictures anew (--dry: nothing). Exit 0 valid, 1 invalid, 2 wrong usage
 * or a run that can't be read or written, 3 unknown.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "store.h"

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

static int analyse(const char *directory, bool dry)
{
    struct error error = {.text = ""};
    struct check_options options;
    struct analysis analysis;
    struct buffer path = {0};
    char *name = NULL;
    int status = 2;
    buffer_printf(&path, "%s/history.edn%c", directory, '\0');
    struct history *history = NULL;
    if (store_read_test(directory, &options, &name, &error)) {
        history = history_load((const char *)path.data, &error);
    }
    if (history != NULL) {
        analysis_run(&analysis, history, directory, &options);
        for (uint32_t i = 0; i < analysis.count; i++) {
            print_check(&analysis.checks[i]);
        }
        printf("%s: %s\n", name, check_verdict_name(analysis.verdict));
        if (dry || store_write_results(directory, name, history, &analysis, &error)) {
            status = analysis.verdict == CHECK_INVALID ? 1
                     : analysis.verdict == CHECK_VALID ? 0
                                                       : 3;
        }
        analysis_free(&analysis);
        history_free(history);
    }
    if (status == 2) {
        fprintf(stderr, "recheck: %s\n", error.text);
    }
    free(name);
    buffer_free(&path);
    return status;
}

int main(int argc, char **argv)
{
    bool dry = argc == 3 && strcmp(argv[2], "--dry") == 0;
    if ((argc != 2 && !dry) || argv[1][0] == '-') {
        fprintf(stderr, "usage: recheck STORE_DIR [--dry]\n");
        return 2;
    }
    return analyse(argv[1], dry);
}
