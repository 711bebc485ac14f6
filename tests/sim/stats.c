/*
 * stats.c - counts, summed and printed.
 */
#include "stats.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

/* Over the fixed list of seeds half of all clusters have recovered within 0.6 election timeouts, 99
 * of 100 within 4.7. What is far from that has lost something, though each seed is within its own
 * bound. */
#define RECOVERY_MEDIAN_MOST 1.2
#define RECOVERY_P99_MOST    8.0

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
    for (size_t i = 0; i < STATS_RECOVERIES; i++) {
        sum->recoveries[i] += more->recoveries[i];
    }
}

void stats_recovered(struct stats *stats, uint64_t took_us, uint64_t election_timeout_ms)
{
    uint64_t tenths = took_us / (100 * election_timeout_ms);
    stats->recoveries[tenths < STATS_RECOVERIES ? tenths : STATS_RECOVERIES - 1]++;
}

/* What so many of a thousand recoveries did not exceed, in election timeouts; 0: there was none. */
static double recovery(const struct stats *stats, uint64_t permille)
{
    uint64_t total = 0;
    uint64_t seen = 0;
    size_t tenths = 0;
    for (size_t i = 0; i < STATS_RECOVERIES; i++) {
        total += stats->recoveries[i];
    }
    while (total > 0 && tenths < STATS_RECOVERIES &&
           (seen += stats->recoveries[tenths]) * 1000 < total * permille) {
        tenths++;
    }
    return total > 0 ? (double)(tenths + 1) / 10 : 0;
}

void stats_print(const struct stats *stats)
{
    for (size_t i = 0; i < STAT_COUNT; i++) {
        bool ends_line = i % 3 == 2 || i + 1 == STAT_COUNT;
        printf("%12" PRIu64 " %-32s%s", stats->counts[i], table[i].words, ends_line ? "\n" : "");
    }
    printf("recovered within so many election timeouts: median %.1f, p99 %.1f, all %.1f\n",
           recovery(stats, 500), recovery(stats, 990), recovery(stats, 1000));
}

static bool must_be(size_t stat, const char *climate)
{
    static const struct {
        const char *climate;
        enum stat stat;
    } of_climates[] = {
#define X(climate, name) {climate, STAT_##name},
        STATS_OF_CLIMATES(X)
#undef X
    };
    bool must = climate == NULL && table[stat].must;
    for (size_t i = 0; climate != NULL && i < sizeof of_climates / sizeof of_climates[0]; i++) {
        must =
            must || (of_climates[i].stat == stat && strcmp(of_climates[i].climate, climate) == 0);
    }
    return must;
}

bool stats_are_complete(const struct stats *stats, const char *climate)
{
    bool complete = true;
    for (size_t i = 0; i < STAT_COUNT; i++) {
        if (must_be(i, climate) && stats->counts[i] == 0) {
            printf("never in these seeds: %s\n", table[i].words);
            complete = false;
        }
    }
    if (climate != NULL) {
        return complete;
    }
    if (stats->counts[STAT_MAJORITIES] != stats->counts[STAT_MINORITIES]) {
        printf("%" PRIu64 " of %" PRIu64 " healings of a bare majority committed something\n",
               stats->counts[STAT_MAJORITIES], stats->counts[STAT_MINORITIES]);
        complete = false;
    }
    if (recovery(stats, 500) > RECOVERY_MEDIAN_MOST || recovery(stats, 990) > RECOVERY_P99_MOST) {
        printf("recovery takes longer than it did: median at most %.1f, p99 at most %.1f\n",
               RECOVERY_MEDIAN_MOST, RECOVERY_P99_MOST);
        complete = false;
    }
    return complete;
}
