/*
 * log.c - builds a line in memory and hands it to stderr in one write. A line that is too long is
 * cut inside a text, and stays JSON.
 */
#include "log.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LINE_BYTES 2048
#define TAIL_BYTES 4 /* what must always fit: quote, brace, newline */

static enum log_level configured_level = LOG_INFO;
static uint64_t configured_node;

static const char *const level_names[] = {"debug", "info", "warning", "error"};

void log_configure(enum log_level level, uint64_t node_id)
{
    configured_level = level;
    configured_node = node_id;
}

bool log_level_parse(const char *text, enum log_level *level)
{
    for (int i = LOG_DEBUG; i <= LOG_ERROR; i++) {
        if (strcmp(text, level_names[i]) == 0) {
            *level = (enum log_level)i;
            return true;
        }
    }
    return false;
}

struct line {
    char text[LINE_BYTES];
    size_t len;
};

static void put_raw(struct line *line, const char *text)
{
    size_t len = strlen(text);
    if (line->len + len + TAIL_BYTES <= LINE_BYTES) {
        memcpy(line->text + line->len, text, len);
        line->len += len;
    }
}

static void put_text(struct line *line, const char *text)
{
    put_raw(line, "\"");
    for (const char *c = text; *c != '\0' && line->len + 8 + TAIL_BYTES <= LINE_BYTES; c++) {
        unsigned char byte = (unsigned char)*c;
        char escaped[8];
        if (byte == '"' || byte == '\\') {
            snprintf(escaped, sizeof escaped, "\\%c", byte);
        } else if (byte < 0x20 || byte == 0x7f) {
            snprintf(escaped, sizeof escaped, "\\u%04x", byte);
        } else {
            escaped[0] = (char)byte;
            escaped[1] = '\0';
        }
        put_raw(line, escaped);
    }
    line->text[line->len++] = '"'; /* TAIL_BYTES keeps the room */
}

void log_write(enum log_level level, const char *event, const struct log_field *fields, int count)
{
    if (level < configured_level) {
        return;
    }
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    struct tm utc;
    gmtime_r(&now.tv_sec, &utc);

    struct line line = {.len = 0};
    char part[128];
    char stamp[32];
    strftime(stamp, sizeof stamp, "%Y-%m-%dT%H:%M:%S", &utc);
    snprintf(part, sizeof part, "{\"time\":\"%s.%03ldZ\",\"level\":\"%s\"", stamp,
             now.tv_nsec / 1000000, level_names[level]);
    put_raw(&line, part);
    if (configured_node != 0) {
        snprintf(part, sizeof part, ",\"node\":%" PRIu64, configured_node);
        put_raw(&line, part);
    }
    put_raw(&line, ",\"event\":");
    put_text(&line, event);
    for (int i = 0; i < count; i++) {
        if (line.len + strlen(fields[i].name) + 32 + TAIL_BYTES > LINE_BYTES) {
            break;
        }
        snprintf(part, sizeof part, ",\"%s\":", fields[i].name);
        put_raw(&line, part);
        if (fields[i].text != NULL) {
            put_text(&line, fields[i].text);
        } else {
            snprintf(part, sizeof part, "%" PRIu64, fields[i].number);
            put_raw(&line, part);
        }
    }
    line.text[line.len++] = '}';
    line.text[line.len++] = '\n';
    ssize_t written = write(STDERR_FILENO, line.text, line.len);
    (void)written; /* nobody left to tell */
}

_Noreturn void log_fatal(const char *event, const char *message)
{
    log_write(LOG_ERROR, event, (const struct log_field[]){LOG_TEXT("message", message)}, 1);
    _exit(1);
}
