/*
 * grpc_framing.c - gRPC's own wire format: messages with flag and length in front, timeouts,
 * percent-encoding.
 *
 * Invariant of the reader: body.len <= announced_bytes <= the limit, and nothing is allocated
 * before the announced length has been held against the limit.
 * The happy path: feed, feed, ... -> COMPLETE. What can fail is the input only, and each way has
 * its own name in enum grpc_progress.
 */
#include "grpc_framing.h"

#include <assert.h>
#include <stdio.h>
#include <strings.h>

/* What is reserved on the word of the sender alone. */
#define FIRST_RESERVE_BYTES (16u << 10)

void grpc_prefix_write(uint8_t prefix[GRPC_PREFIX_BYTES], size_t message_bytes)
{
    assert(message_bytes <= UINT32_MAX);
    prefix[0] = 0; /* not compressed */
    prefix[1] = (uint8_t)(message_bytes >> 24);
    prefix[2] = (uint8_t)(message_bytes >> 16);
    prefix[3] = (uint8_t)(message_bytes >> 8);
    prefix[4] = (uint8_t)message_bytes;
}

static uint32_t prefix_length(const uint8_t prefix[GRPC_PREFIX_BYTES])
{
    return (uint32_t)prefix[1] << 24 | (uint32_t)prefix[2] << 16 | (uint32_t)prefix[3] << 8 |
           (uint32_t)prefix[4];
}

enum grpc_progress grpc_message_reader_feed(struct grpc_message_reader *reader, struct bytes data,
                                            size_t limit_bytes)
{
    size_t used = 0;
    if (reader->prefix_bytes < GRPC_PREFIX_BYTES) {
        size_t missing = (size_t)(GRPC_PREFIX_BYTES - reader->prefix_bytes);
        used = data.len < missing ? data.len : missing;
        if (used == 0) {
            return GRPC_MESSAGE_INCOMPLETE;
        }
        memcpy(reader->prefix + reader->prefix_bytes, data.data, used);
        reader->prefix_bytes = (uint8_t)(reader->prefix_bytes + used);
        if (reader->prefix[0] > 1) {
            return GRPC_MESSAGE_BAD_FLAG;
        }
        if (reader->prefix[0] == 1) {
            return GRPC_MESSAGE_COMPRESSED;
        }
        if (reader->prefix_bytes < GRPC_PREFIX_BYTES) {
            return GRPC_MESSAGE_INCOMPLETE;
        }
        reader->announced_bytes = prefix_length(reader->prefix);
        if (reader->announced_bytes > limit_bytes) {
            return GRPC_MESSAGE_TOO_LARGE;
        }
        size_t first = reader->announced_bytes;
        buffer_reserve(&reader->body, first < FIRST_RESERVE_BYTES ? first : FIRST_RESERVE_BYTES);
    }
    size_t left = data.len - used;
    size_t missing = reader->announced_bytes - reader->body.len;
    if (left > missing) {
        return GRPC_MESSAGE_SECOND;
    }
    if (left > 0) {
        buffer_append(&reader->body, data.data + used, left);
    }
    return left == missing ? GRPC_MESSAGE_COMPLETE : GRPC_MESSAGE_INCOMPLETE;
}

void grpc_message_reader_reset(struct grpc_message_reader *reader)
{
    reader->announced_bytes = 0;
    reader->prefix_bytes = 0;
    buffer_clear(&reader->body);
}

bool grpc_timeout_parse(struct bytes text, uint64_t *timeout_ms)
{
    if (text.len < 2 || text.len > 9) {
        return false;
    }
    uint64_t value = 0;
    for (size_t i = 0; i + 1 < text.len; i++) {
        if (text.data[i] < '0' || text.data[i] > '9') {
            return false;
        }
        value = value * 10 + (uint64_t)(text.data[i] - '0');
    }
    switch (text.data[text.len - 1]) {
    case 'H':
        *timeout_ms = value * 3600000;
        return true;
    case 'M':
        *timeout_ms = value * 60000;
        return true;
    case 'S':
        *timeout_ms = value * 1000;
        return true;
    case 'm':
        *timeout_ms = value;
        return true;
    case 'u':
        *timeout_ms = (value + 999) / 1000;
        return true;
    case 'n':
        *timeout_ms = (value + 999999) / 1000000;
        return true;
    default:
        return false;
    }
}

void grpc_timeout_format(uint64_t timeout_ms, char out[GRPC_TIMEOUT_TEXT_BYTES])
{
    static const struct {
        uint64_t ms;
        char unit;
    } units[] = {{1, 'm'}, {1000, 'S'}, {60000, 'M'}, {3600000, 'H'}};
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        uint64_t value = timeout_ms / units[i].ms;
        if (value <= 99999999) {
            snprintf(out, GRPC_TIMEOUT_TEXT_BYTES, "%u%c", (unsigned)value, units[i].unit);
            return;
        }
    }
    snprintf(out, GRPC_TIMEOUT_TEXT_BYTES, "99999999H");
}

void grpc_percent_encode(struct buffer *out, struct bytes text)
{
    static const char digits[] = "0123456789ABCDEF";
    uint8_t *at = buffer_reserve(out, 3 * text.len);
    for (size_t i = 0; i < text.len; i++) {
        uint8_t byte = text.data[i];
        if (byte >= 0x20 && byte <= 0x7e && byte != '%') {
            *at++ = byte;
            out->len += 1;
        } else {
            *at++ = '%';
            *at++ = (uint8_t)digits[byte >> 4];
            *at++ = (uint8_t)digits[byte & 15];
            out->len += 3;
        }
    }
}

static int hex_digit(uint8_t byte)
{
    if (byte >= '0' && byte <= '9') {
        return byte - '0';
    }
    if (byte >= 'A' && byte <= 'F') {
        return byte - 'A' + 10;
    }
    if (byte >= 'a' && byte <= 'f') {
        return byte - 'a' + 10;
    }
    return -1;
}

void grpc_percent_decode(struct buffer *out, struct bytes text)
{
    uint8_t *at = buffer_reserve(out, text.len);
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] == '%' && text.len - i > 2) {
            int high = hex_digit(text.data[i + 1]);
            int low = hex_digit(text.data[i + 2]);
            if (high >= 0 && low >= 0) {
                *at++ = (uint8_t)(high << 4 | low);
                out->len += 1;
                i += 2;
                continue;
            }
        }
        *at++ = text.data[i];
        out->len += 1;
    }
}

bool grpc_content_type_matches(struct bytes content_type)
{
    struct bytes base = BYTES_LITERAL("application/grpc");
    if (content_type.len < base.len ||
        strncasecmp((const char *)content_type.data, (const char *)base.data, base.len) != 0) {
        return false;
    }
    /* application/grpc-web is another protocol. */
    return content_type.len == base.len || content_type.data[base.len] == '+' ||
           content_type.data[base.len] == ';' || content_type.data[base.len] == ' ';
}
