/*
 * json.c - the writer of compact JSON. Nothing can fail: memory that can't be had ends the process.
 */
#include "json.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <time.h>

static void begin_value(struct json *json)
{
    if (json->comma) {
        buffer_append(json->out, ",", 1);
    }
    json->comma = true;
}

static void open_level(struct json *json, const char *bracket)
{
    begin_value(json);
    buffer_append(json->out, bracket, 1);
    json->comma = false;
    json->depth++;
}

static void close_level(struct json *json, const char *bracket)
{
    assert(json->depth > 0);
    buffer_append(json->out, bracket, 1);
    json->comma = true;
    json->depth--;
}

void json_object_begin(struct json *json)
{
    open_level(json, "{");
}

void json_object_end(struct json *json)
{
    close_level(json, "}");
}

void json_array_begin(struct json *json)
{
    open_level(json, "[");
}

void json_array_end(struct json *json)
{
    close_level(json, "]");
}

void json_key(struct json *json, const char *key)
{
    assert(json->depth > 0);
    json_string(json, bytes_of_string(key));
    buffer_append(json->out, ":", 1);
    json->comma = false;
}

/* How many bytes the well-formed UTF-8 character at the front of text has; 0 if there is none. */
static size_t utf8_character_len(struct bytes text)
{
    for (size_t len = 1; len <= 4 && len <= text.len; len++) {
        if (bytes_is_utf8(bytes_of(text.data, len))) {
            return len;
        }
    }
    return 0;
}

static void append_character(struct buffer *out, struct bytes character)
{
    uint8_t c = character.data[0];
    switch (c) {
    case '"':
    case '\\':
        buffer_append(out, "\\", 1);
        buffer_append(out, &c, 1);
        return;
    case '\b':
        buffer_append(out, "\\b", 2);
        return;
    case '\f':
        buffer_append(out, "\\f", 2);
        return;
    case '\n':
        buffer_append(out, "\\n", 2);
        return;
    case '\r':
        buffer_append(out, "\\r", 2);
        return;
    case '\t':
        buffer_append(out, "\\t", 2);
        return;
    default:
        if (c < 0x20 || c == 0x7f) {
            buffer_printf(out, "\\u%04x", (unsigned)c);
        } else {
            buffer_append_bytes(out, character);
        }
    }
}

void json_string(struct json *json, struct bytes text)
{
    begin_value(json);
    buffer_append(json->out, "\"", 1);
    while (text.len > 0) {
        size_t len = utf8_character_len(text);
        if (len == 0) {
            buffer_append(json->out, "\xef\xbf\xbd", 3);
            len = 1;
        } else {
            append_character(json->out, bytes_of(text.data, len));
        }
        text = bytes_of(text.data + len, text.len - len);
    }
    buffer_append(json->out, "\"", 1);
}

void json_int(struct json *json, int64_t value)
{
    begin_value(json);
    buffer_printf(json->out, "%" PRId64, value);
}

void json_uint(struct json *json, uint64_t value)
{
    begin_value(json);
    buffer_printf(json->out, "%" PRIu64, value);
}

void json_bool(struct json *json, bool value)
{
    begin_value(json);
    buffer_printf(json->out, "%s", value ? "true" : "false");
}

void json_decimal(struct json *json, double value, int digits)
{
    assert(isfinite(value));
    begin_value(json);
    buffer_printf(json->out, "%.*f", digits, value);
}

void json_field_text(struct json *json, const char *key, const char *text)
{
    json_key(json, key);
    json_string(json, bytes_of_string(text));
}

void json_field_int(struct json *json, const char *key, int64_t value)
{
    json_key(json, key);
    json_int(json, value);
}

void json_field_uint(struct json *json, const char *key, uint64_t value)
{
    json_key(json, key);
    json_uint(json, value);
}

void json_field_bool(struct json *json, const char *key, bool value)
{
    json_key(json, key);
    json_bool(json, value);
}

void json_field_decimal(struct json *json, const char *key, double value, int digits)
{
    json_key(json, key);
    json_decimal(json, value, digits);
}

void json_field_time(struct json *json, const char *key, int64_t time_ms)
{
    char text[TIME_TEXT_BYTES];
    json_field_text(json, key, time_text(time_ms, text));
}

const char *time_text(int64_t time_ms, char out[TIME_TEXT_BYTES])
{
    int64_t rest_ms = time_ms % 1000;
    int64_t seconds = time_ms / 1000;
    if (rest_ms < 0) {
        rest_ms += 1000;
        seconds--;
    }
    time_t when = (time_t)seconds;
    struct tm utc;
    char date[TIME_TEXT_BYTES - 8];
    /* A time beyond what a struct tm can hold comes from a broken server; show it as it came. */
    if (gmtime_r(&when, &utc) == NULL ||
        strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S", &utc) == 0) {
        snprintf(out, TIME_TEXT_BYTES, "%" PRId64 "ms", time_ms);
        return out;
    }
    snprintf(out, TIME_TEXT_BYTES, "%s.%03dZ", date, (int)rest_ms);
    return out;
}
