/*
 * bytes.h - a view of bytes that somebody else owns, and a growing buffer that owns its own.
 *
 * Ownership: struct bytes never owns. struct buffer owns data until buffer_free.
 * Threads: no shared state; one user at a time per object.
 * Errors: memory that can't be had aborts the process (there is nothing useful left to do, and
 * half-built state is worse); every size is bounded by its caller first, against base/limits.h.
 */
#ifndef BASE_BYTES_H
#define BASE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct bytes {
    const uint8_t *data;
    size_t len;
};

#define BYTES_LITERAL(text) ((struct bytes){(const uint8_t *)(text), sizeof(text) - 1})

static inline struct bytes bytes_of(const void *data, size_t len)
{
    return (struct bytes){(const uint8_t *)data, len};
}

static inline struct bytes bytes_of_string(const char *text)
{
    return bytes_of(text, text != NULL ? strlen(text) : 0);
}

static inline bool bytes_equal(struct bytes a, struct bytes b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

/* Byte for byte; a prefix sorts before what it begins. <0, 0, >0. */
int bytes_compare(struct bytes a, struct bytes b);

/* Is it well-formed UTF-8 (RFC 3629: no surrogates, no overlong forms, nothing above U+10FFFF)? NUL
 * counts as well-formed. */
bool bytes_is_utf8(struct bytes text);

struct buffer {
    uint8_t *data;
    size_t len;
    size_t capacity;
};

/* Grows so that `more` bytes can be appended, and returns where they go; len stays. */
uint8_t *buffer_reserve(struct buffer *buffer, size_t more);
void buffer_append(struct buffer *buffer, const void *data, size_t len);
void buffer_append_bytes(struct buffer *buffer, struct bytes bytes);
/* printf into the buffer, without the closing NUL. */
void buffer_printf(struct buffer *buffer, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void buffer_clear(struct buffer *buffer); /* len = 0, memory kept */
void buffer_free(struct buffer *buffer);  /* and zeroed, so that it can be used again */

static inline struct bytes buffer_bytes(const struct buffer *buffer)
{
    return bytes_of(buffer->data, buffer->len);
}

/* malloc, calloc, realloc, strdup that abort with a message instead of returning NULL. */
void *memory_alloc(size_t size);
void *memory_zalloc(size_t size);
void *memory_realloc(void *memory, size_t size);
char *memory_strdup(const char *text);
void *memory_copy(const void *data, size_t len); /* len may be 0 */

#endif
