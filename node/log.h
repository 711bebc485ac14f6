/*
 * log.h - the node's log: one JSON object a line on stderr, for people and for collectors.
 *
 *   {"time":"2026-11-20T08:00:00.123Z","level":"info","node":1,"event":"leader","term":7}
 *
 * `event` is a fixed word that can be searched for; the fields behind it are given as pairs. Each
 * line leaves in one write, so that lines of several nodes in one file do not mix. Threads: any.
 * Errors: a log that can't be written is no reason to stop; the line is lost.
 */
#ifndef NODE_LOG_H
#define NODE_LOG_H

#include <stdbool.h>
#include <stdint.h>

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARNING, LOG_ERROR };

struct log_field {
    const char *name;
    const char *text; /* NULL: the number counts */
    uint64_t number;
};

#define LOG_TEXT(name, value)   ((struct log_field){(name), (value), 0})
#define LOG_NUMBER(name, value) ((struct log_field){(name), NULL, (uint64_t)(value)})

/* Lines below the level are dropped. The id stands in each line; 0: left out (not known yet). */
void log_configure(enum log_level level, uint64_t node_id);
bool log_level_parse(const char *text, enum log_level *level);

void log_write(enum log_level level, const char *event, const struct log_field *fields, int count);

#define LOG_LINE(level, event, ...)                                                                \
    log_write((level), (event), (const struct log_field[]){__VA_ARGS__},                           \
              (int)(sizeof((const struct log_field[]){__VA_ARGS__}) / sizeof(struct log_field)))
#define log_debug(event, ...)   LOG_LINE(LOG_DEBUG, event, __VA_ARGS__)
#define log_info(event, ...)    LOG_LINE(LOG_INFO, event, __VA_ARGS__)
#define log_warning(event, ...) LOG_LINE(LOG_WARNING, event, __VA_ARGS__)
#define log_error(event, ...)   LOG_LINE(LOG_ERROR, event, __VA_ARGS__)

/* Says why, and ends the process at once without touching the disk again: for faults after which
 * nothing may be acknowledged. */
_Noreturn void log_fatal(const char *event, const char *message);

#endif
