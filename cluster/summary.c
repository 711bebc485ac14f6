/*
 * summary.c - figures and progress. Nothing can fail here; verb_end looks after stdout.
 */
#include "summary.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "json.h"

void summary_print(const struct verb *verb, const struct figure *figures, size_t count)
{
    if (verb->output == OUTPUT_TABLE) {
        for (size_t i = 0; i < count; i++) {
            printf("%-16s %16.*f\n", figures[i].key, figures[i].digits, figures[i].value);
        }
        return;
    }
    struct buffer line = {0};
    struct json json = json_into(&line);
    json_object_begin(&json);
    for (size_t i = 0; i < count; i++) {
        json_field_decimal(&json, figures[i].key, figures[i].value, figures[i].digits);
    }
    json_object_end(&json);
    verb_print_line(&line);
    buffer_free(&line);
}

bool progress_wanted(void)
{
    return isatty(STDERR_FILENO) == 1;
}

void progress_show(uint64_t done, uint64_t total, const char *what)
{
    if (progress_wanted()) {
        fprintf(stderr, "\r%" PRIu64 " of %" PRIu64 " %s\033[K", done, total, what);
        fflush(stderr);
    }
}

void progress_clear(void)
{
    if (progress_wanted()) {
        fputs("\r\033[K", stderr);
        fflush(stderr);
    }
}
