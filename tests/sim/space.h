/*
 * space.h - what a node's disk holds in the end (CHECK_SPACE): one state, no checkpoint that nobody
 * fetches, nothing of a fetch that is over; and a log that follows a snapshot as young as the
 * thresholds say.
 */
#ifndef TESTS_SIM_SPACE_H
#define TESTS_SIM_SPACE_H

#include "sim_node.h"

/* Nothing is left to be cleared away on this node, which is up. False, and `left` says what is. */
bool space_is_tidy(struct sim_node *node, struct error *left);
/* In the longest of cases a quiet node needs so long for it. */
uint64_t space_most_ms(const struct plan *plan);

#endif
