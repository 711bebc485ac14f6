/*
 * random_history.h - histories as clients of a correct ledger would record them, from a seed: some
 * processes at once, answers that are lost, commands that take effect after nobody waits for them
 * any more, commands that were sent twice, the first time perhaps to arrive last, holds that
 * expire.
 *
 * The ledger behind it is tests/model: the naive model, not the checkers' own rules. Commands enter
 * its log in entries of one or more, at any moment between their invocation and their answer.
 */
#ifndef TESTS_RANDOM_HISTORY_H
#define TESTS_RANDOM_HISTORY_H

#include "history.h"

struct random_shape {
    uint64_t seed;
    uint32_t operations; /* about so many */
    uint32_t processes;
    uint32_t skus;
    uint32_t lines;   /* most of an order */
    unsigned unknown; /* of a thousand: answers that are lost, or requests */
    unsigned twice;   /* of a thousand: commands that are sent twice */
    bool ids;         /* request ids of stock commands are used again */
    bool sets;        /* counts are set, and versions expected, while the run goes */
    bool partial;     /* deducts and releases of some lines; lines that are added */
    bool expiry;      /* short holds */
    bool final_reads; /* of every order and stock, at the end */
};

struct random_shape random_shape_of(uint64_t seed, uint32_t operations);
/* As EDN; the caller frees the buffer. */
void random_history_text(struct buffer *out, const struct random_shape *shape);
/* The same, read back. */
struct history *random_history(const struct random_shape *shape);

#endif
