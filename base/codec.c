/*
 * codec.c - integers byte by byte, so that neither alignment nor the machine's byte order matters;
 * compilers make single moves of it.
 */
#include "base/codec.h"

#include <assert.h>

static void write_little(struct buffer *out, uint64_t value, size_t width)
{
    uint8_t *at = buffer_reserve(out, width);
    for (size_t i = 0; i < width; i++) {
        at[i] = (uint8_t)(value >> (8 * i));
    }
    out->len += width;
}

void write_u8(struct buffer *out, uint8_t value)
{
    write_little(out, value, 1);
}

void write_u16(struct buffer *out, uint16_t value)
{
    write_little(out, value, 2);
}

void write_u32(struct buffer *out, uint32_t value)
{
    write_little(out, value, 4);
}

void write_u64(struct buffer *out, uint64_t value)
{
    write_little(out, value, 8);
}

void write_i64(struct buffer *out, int64_t value)
{
    write_little(out, (uint64_t)value, 8);
}

void write_bytes16(struct buffer *out, struct bytes value)
{
    assert(value.len <= UINT16_MAX);
    write_u16(out, (uint16_t)value.len);
    buffer_append_bytes(out, value);
}

void write_bytes32(struct buffer *out, struct bytes value)
{
    assert(value.len <= UINT32_MAX);
    write_u32(out, (uint32_t)value.len);
    buffer_append_bytes(out, value);
}

struct bytes read_raw(struct reader *in, size_t len)
{
    if (in->failed || (size_t)(in->end - in->next) < len) {
        in->failed = true;
        return (struct bytes){NULL, 0};
    }
    struct bytes value = bytes_of(in->next, len);
    in->next += len;
    return value;
}

static uint64_t read_little(struct reader *in, size_t width)
{
    struct bytes raw = read_raw(in, width);
    uint64_t value = 0;
    for (size_t i = 0; i < raw.len; i++) {
        value |= (uint64_t)raw.data[i] << (8 * i);
    }
    return value;
}

static uint64_t read_big(struct reader *in, size_t width)
{
    struct bytes raw = read_raw(in, width);
    uint64_t value = 0;
    for (size_t i = 0; i < raw.len; i++) {
        value = value << 8 | raw.data[i];
    }
    return value;
}

uint8_t read_u8(struct reader *in)
{
    return (uint8_t)read_little(in, 1);
}

uint16_t read_u16(struct reader *in)
{
    return (uint16_t)read_little(in, 2);
}

uint32_t read_u32(struct reader *in)
{
    return (uint32_t)read_little(in, 4);
}

uint64_t read_u64(struct reader *in)
{
    return read_little(in, 8);
}

int64_t read_i64(struct reader *in)
{
    return (int64_t)read_little(in, 8);
}

uint32_t read_u32_be(struct reader *in)
{
    return (uint32_t)read_big(in, 4);
}

uint64_t read_u64_be(struct reader *in)
{
    return read_big(in, 8);
}

struct bytes read_bytes16(struct reader *in)
{
    return read_raw(in, read_u16(in));
}

struct bytes read_bytes32(struct reader *in)
{
    return read_raw(in, read_u32(in));
}
