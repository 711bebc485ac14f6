/*
 * last_words.h - a run that does not come back - a failed assertion, a fault of the program, a
 * sanitizer's finding, one that never ends, one that is told to end - tells its seed all the same.
 */
#ifndef TESTS_SIM_LAST_WORDS_H
#define TESTS_SIM_LAST_WORDS_H

#include <stdbool.h>
#include <stdint.h>

/* From now on signals are answered. */
void last_words_prepare(void);
/* This seed runs, in so many events or about; `replay` is how to run it again (it is copied). With
 * `untimed` it may take as long as it likes. */
void last_words_begin(uint64_t seed, uint64_t events, const char *replay, bool untimed);
void last_words_end(void);

#endif
