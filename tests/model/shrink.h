/*
 * shrink.h - makes a sequence that fails as short and plain as it can while it still fails.
 *
 * Delta debugging (Zeller and Hildebrandt, Simplifying and Isolating Failure-Inducing Input, 2002)
 * over entries, then over commands within entries, then over what commands carry: lines, texts,
 * options, large numbers, time. Again from the start until nothing more can go, or the work that it
 * may cost is done. Deterministic.
 */
#ifndef TESTS_MODEL_SHRINK_H
#define TESTS_MODEL_SHRINK_H

#include "sequence.h"

struct shrink {
    /* Does this sequence fail? Asked once for each attempt. */
    bool (*fails)(void *context, const struct sequence *sequence);
    void *context;
    /* What the attempts may cost in all, in commands and lines: so that it ends in bearable time
     * however large the sequence is. */
    uint64_t work_left;
    uint32_t attempts;
};

/* `sequence` fails, and is changed in place; what is made on the way comes from `pool`. */
void shrink_sequence(struct shrink *shrink, struct sequence *sequence, struct command_pool *pool);

#endif
