/*
 * reading.c - see reading.h.
 */
#include "reading.h"

#include <inttypes.h>
#include <stdio.h>

void reading_begin(struct reading *reading)
{
    reading->options = (hf_call_options){
        .consistency = reading->stale ? HF_STALE : HF_LINEARIZABLE,
        .min_log_index = (uint64_t)reading->min_index,
    };
}

void reading_note(struct reading *reading, uint64_t log_index, int64_t age_ms)
{
    reading->log_index = log_index;
    reading->age_ms = age_ms > reading->age_ms ? age_ms : reading->age_ms;
    if (log_index > reading->options.min_log_index) {
        reading->options.min_log_index = log_index;
    }
}

void reading_end(const struct verb *verb, const struct reading *reading)
{
    if (!reading->stale || reading->log_index == 0) {
        return;
    }
    fflush(stdout); /* behind what it speaks of, where both are one terminal */
    fprintf(stderr, "holdfast %s: as of log index %" PRIu64 ", at most %" PRId64 ".%03d s old\n",
            verb->syntax->verb, reading->log_index, reading->age_ms / 1000,
            (int)(reading->age_ms % 1000));
}
