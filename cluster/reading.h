/*
 * reading.h - how fresh the answers to a verb's reads must be, as its options say, and how old they
 * were.
 *
 *     struct reading reading = {0};
 *     ... READING_OPTION_TABLE(reading) ...; verb_begin
 *     reading_begin(&reading);
 *     hf_...(..., &reading.options, &answer); reading_note(&reading, log_index, age_ms);
 *     reading_end(&verb, &reading);
 */
#ifndef CLUSTER_READING_H
#define CLUSTER_READING_H

#include "verb.h"

struct reading {
    bool stale;
    int64_t min_index;
    hf_call_options options; /* for the next read */
    uint64_t log_index;      /* of the last */
    int64_t age_ms;          /* of the oldest */
};

#define READING_OPTIONS 2
#define READING_OPTION_TABLE(reading)                                                              \
    {.kind = OPTION_FLAG,                                                                          \
     .name = "stale",                                                                              \
     .target = &(reading).stale,                                                                   \
     .help = "what any one node has, and how old it may be; needs no leader"},                     \
    {                                                                                              \
        .kind = OPTION_NUMBER, .name = "min-index", .target = &(reading).min_index,                \
        .value_name = "N", .min = 0, .max = INT64_MAX,                                             \
        .help = "wait until the node that answers has applied log index N"                         \
    }

/* Behind verb_begin. */
void reading_begin(struct reading *reading);
/* An answer: the next one will not be older. */
void reading_note(struct reading *reading, uint64_t log_index, int64_t age_ms);
/* Says on stderr how old the answers may be, where they may be old. */
void reading_end(const struct verb *verb, const struct reading *reading);

#endif
