/*
 * error.h - why something failed, in words for the person who has to mend it: what happened, where,
 * and what to do.
 *
 * Calls that can fail take a struct error * (never NULL), return false or a negative number, and
 * leave the text here. The text is one line without a full stop.
 */
#ifndef BASE_ERROR_H
#define BASE_ERROR_H

#include <stdbool.h>

struct error {
    char text[512];
};

/* Sets the text; returns false, so that a failing call can end with `return error_set(...)`. */
bool error_set(struct error *error, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Puts "what: " in front of a text that an inner call left. Returns false. */
bool error_wrap(struct error *error, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
