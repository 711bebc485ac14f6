/*
 * bytes.c - comparing and checking views, growing buffers, memory that is there or ends the
 * process.
 */
#include "base/bytes.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static void *require(void *memory, size_t size)
{
    if (memory == NULL) {
        fprintf(stderr, "out of memory: %zu bytes could not be allocated\n", size);
        abort();
    }
    return memory;
}

void *memory_alloc(size_t size)
{
    return require(malloc(size != 0 ? size : 1), size);
}

void *memory_zalloc(size_t size)
{
    return require(calloc(1, size != 0 ? size : 1), size);
}

void *memory_realloc(void *memory, size_t size)
{
    return require(realloc(memory, size != 0 ? size : 1), size);
}

char *memory_strdup(const char *text)
{
    return memory_copy(text, strlen(text) + 1);
}

void *memory_copy(const void *data, size_t len)
{
    void *copy = memory_alloc(len);
    if (len != 0) {
        memcpy(copy, data, len);
    }
    return copy;
}

int bytes_compare(struct bytes a, struct bytes b)
{
    size_t common = a.len < b.len ? a.len : b.len;
    int order = common != 0 ? memcmp(a.data, b.data, common) : 0;
    if (order != 0) {
        return order;
    }
    return (a.len > b.len) - (a.len < b.len);
}

bool bytes_is_utf8(struct bytes text)
{
    size_t i = 0;
    while (i < text.len) {
        uint8_t lead = text.data[i];
        if (lead < 0x80) {
            i++;
            continue;
        }
        size_t tail;
        uint8_t low = 0x80;
        uint8_t high = 0xbf;
        /* RFC 3629, section 4: the first continuation byte is narrower behind four of the leads. */
        if (lead >= 0xc2 && lead <= 0xdf) {
            tail = 1;
        } else if (lead >= 0xe0 && lead <= 0xef) {
            tail = 2;
            low = lead == 0xe0 ? 0xa0 : low;
            high = lead == 0xed ? 0x9f : high;
        } else if (lead >= 0xf0 && lead <= 0xf4) {
            tail = 3;
            low = lead == 0xf0 ? 0x90 : low;
            high = lead == 0xf4 ? 0x8f : high;
        } else {
            return false;
        }
        if (text.len - i <= tail || text.data[i + 1] < low || text.data[i + 1] > high) {
            return false;
        }
        for (size_t k = 2; k <= tail; k++) {
            if ((text.data[i + k] & 0xc0) != 0x80) {
                return false;
            }
        }
        i += tail + 1;
    }
    return true;
}

uint8_t *buffer_reserve(struct buffer *buffer, size_t more)
{
    assert(more <= SIZE_MAX / 2 - buffer->len);
    size_t need = buffer->len + more;
    if (need > buffer->capacity) {
        size_t capacity = buffer->capacity < 64 ? 64 : buffer->capacity;
        while (capacity < need) {
            capacity += capacity / 2;
        }
        buffer->data = memory_realloc(buffer->data, capacity);
        buffer->capacity = capacity;
    }
    return buffer->data != NULL ? buffer->data + buffer->len : NULL;
}

void buffer_append(struct buffer *buffer, const void *data, size_t len)
{
    if (len != 0) {
        memcpy(buffer_reserve(buffer, len), data, len);
        buffer->len += len;
    }
}

void buffer_append_bytes(struct buffer *buffer, struct bytes bytes)
{
    buffer_append(buffer, bytes.data, bytes.len);
}

void buffer_printf(struct buffer *buffer, const char *format, ...)
{
    assert(format != NULL); /* said aloud for gcc, which warns in builds with sanitizers */
    va_list arguments;
    va_start(arguments, format);
    int len = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    assert(len >= 0);
    char *at = (char *)buffer_reserve(buffer, (size_t)len + 1);
    va_start(arguments, format);
    vsnprintf(at, (size_t)len + 1, format, arguments);
    va_end(arguments);
    buffer->len += (size_t)len;
}

void buffer_clear(struct buffer *buffer)
{
    buffer->len = 0;
}

void buffer_free(struct buffer *buffer)
{
    free(buffer->data);
    *buffer = (struct buffer){0};
}
