/*
 * json.h - writes compact JSON (RFC 8259) into a buffer: no blanks, one line, commas by themselves.
 *
 * The caller nests objects and arrays properly; that is asserted where it is cheap. Strings are
 * UTF-8: bytes that aren't become U+FFFD, so that the output is always valid.
 */
#ifndef CLUSTER_JSON_H
#define CLUSTER_JSON_H

#include "base/bytes.h"

struct json {
    struct buffer *out;
    bool comma; /* a value stands before, on this level */
    int depth;
};

static inline struct json json_into(struct buffer *out)
{
    return (struct json){.out = out};
}

void json_object_begin(struct json *json);
void json_object_end(struct json *json);
void json_array_begin(struct json *json);
void json_array_end(struct json *json);
void json_key(struct json *json, const char *key);

void json_string(struct json *json, struct bytes text);
void json_int(struct json *json, int64_t value);
void json_uint(struct json *json, uint64_t value);
void json_bool(struct json *json, bool value);
/* With so many digits behind the point; the value is finite. */
void json_decimal(struct json *json, double value, int digits);

/* A key and its value; text is NUL-terminated, NULL reads as "". */
void json_field_text(struct json *json, const char *key, const char *text);
void json_field_int(struct json *json, const char *key, int64_t value);
void json_field_uint(struct json *json, const char *key, uint64_t value);
void json_field_bool(struct json *json, const char *key, bool value);
void json_field_decimal(struct json *json, const char *key, double value, int digits);
/* RFC 3339 in UTC with milliseconds: "2026-11-20T07:35:00.125Z", as protobuf's JSON has it. */
void json_field_time(struct json *json, const char *key, int64_t time_ms);

/* The same text for tables. */
#define TIME_TEXT_BYTES 40
const char *time_text(int64_t time_ms, char out[TIME_TEXT_BYTES]);

#endif
