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

/* What a person can do about damage on a disk, the same wherever it is found. Without its log or
 * manifest a node no longer knows what it promised, and another one must take its place. The state
 * can be made again from the log for as long as no snapshot has let the log be trimmed; a node
 * whose log was trimmed says so when it is started without its state. */
#define ADVICE_NODE_LOST                                                                           \
    "leave this node stopped, keep its directory, and replace it: holdfast cluster remove, then "  \
    "add; the others serve meanwhile (DAMAGE in holdfastd(8))"
/* With the version, %u. */
#define ADVICE_UPGRADE                                                                             \
    "install a release on this node that knows version %u (holdfastd --version tells)"
#define ADVICE_STATE_LOST                                                                          \
    "stop the node, move that database's directory away and start again: the state is made anew "  \
    "from the log, if that still begins at entry 1; else replace the node (DAMAGE in "             \
    "holdfastd(8))"
#define ADVICE_DISK_FAILED                                                                         \
    "look after the disk (the kernel's log says more) before this node is started again (DAMAGE "  \
    "in holdfastd(8))"
#define ADVICE_DISK_FULL "make room, then start this node again"

/* Sets the text; returns false, so that a failing call can end with `return error_set(...)`. */
bool error_set(struct error *error, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Puts "what: " in front of a text that an inner call left. Returns false. */
bool error_wrap(struct error *error, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* What a person can do about a call on a file that failed with this errno, as "; advice"; "" where
 * the words of the errno say it all. */
const char *error_disk_advice(int code);

#endif
