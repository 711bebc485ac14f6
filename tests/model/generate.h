/*
 * generate.h - sequences from a seed, made to collide: few SKUs, orders and request ids; commands
 * sent again, as they were or a little different; time that steps onto the very millisecond where
 * something ends.
 *
 * Each seed draws its own shape (how many of each, how time goes, which kinds are frequent), so
 * that seeds differ in kind and not only in detail. Some are crowds: more orders due at once than
 * one entry may expire. Some are wide: orders of thousands of lines, records of megabytes.
 */
#ifndef TESTS_MODEL_GENERATE_H
#define TESTS_MODEL_GENERATE_H

#include "sequence.h"

/* About `commands` of them (a wide world has its own number). Deterministic, the same on every
 * machine. */
void generate_sequence(struct sequence *sequence, struct command_pool *pool, uint64_t seed,
                       uint32_t commands);

#endif
