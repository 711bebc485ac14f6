/*
 * stats.c - counts, summed and printed.
 */
#include "stats.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>

static const struct {
    const char *words;
    bool must;
} table[STAT_COUNT] = {
#define X(name, words, must) {words, must},
    STATS(X)
#undef X
};

void stats_add(struct stats *sum, const struct stats *more)
{
    for (size_t i = 0; i < STAT_COUNT; i++) {
        sum->counts[i] += more->counts[i];
    }
}

void stats_print(const struct stats *stats)
{
    for (size_t i = 0; i < STAT_COUNT; i++) {
        bool ends_line = i % 3 == 2 || i + 1 == STAT_COUNT;
        printf("%12" PRIu64 " %-32s%s", stats->counts[i], table[i].words, ends_line ? "\n" : "");
    }
}

bool stats_are_complete(const struct stats *stats)
{
    bool complete = true;
    for (size_t i = 0; i < STAT_COUNT; i++) {
        if (table[i].must && stats->counts[i] == 0) {
            printf("never in these seeds: %s\n", table[i].words);
            complete = false;
        }
    }
    if (stats->counts[STAT_MAJORITIES] != stats->counts[STAT_MINORITIES]) {
        printf("%" PRIu64 " of %" PRIu64 " healings of a bare majority committed something\n",
               stats->counts[STAT_MAJORITIES], stats->counts[STAT_MINORITIES]);
        complete = false;
    }
    return complete;
}
