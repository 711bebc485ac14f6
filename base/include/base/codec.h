/*
 * codec.h - fixed-width integers and length-prefixed bytes, written and read with bounds checks:
 * the ground of every record, log entry and frame layout of the project.
 *
 * Values are little-endian. Numbers in keys are big-endian, so that byte order is numeric order:
 * they are read with the _be calls, and written by who makes keys of fixed size (ledger/key.c).
 * Errors: a reader that runs past its end, or meets a length beyond what is left, sets `failed` and
 * from then on returns zeros; check it once at the end (reader_finished also refuses bytes that are
 * left over).
 */
#ifndef BASE_CODEC_H
#define BASE_CODEC_H

#include "base/bytes.h"

void write_u8(struct buffer *out, uint8_t value);
void write_u16(struct buffer *out, uint16_t value);
void write_u32(struct buffer *out, uint32_t value);
void write_u64(struct buffer *out, uint64_t value);
void write_i64(struct buffer *out, int64_t value);
/* A length of two or four bytes, then the bytes. The length must fit: asserted. */
void write_bytes16(struct buffer *out, struct bytes value);
void write_bytes32(struct buffer *out, struct bytes value);

struct reader {
    const uint8_t *next;
    const uint8_t *end;
    bool failed;
};

static inline struct reader reader_of(struct bytes input)
{
    return (struct reader){input.data, input.data + input.len, false};
}

uint8_t read_u8(struct reader *in);
uint16_t read_u16(struct reader *in);
uint32_t read_u32(struct reader *in);
uint64_t read_u64(struct reader *in);
int64_t read_i64(struct reader *in);
uint32_t read_u32_be(struct reader *in);
uint64_t read_u64_be(struct reader *in);
struct bytes read_bytes16(struct reader *in); /* views into the input, not copies */
struct bytes read_bytes32(struct reader *in);
struct bytes read_raw(struct reader *in, size_t len);

static inline size_t reader_left(const struct reader *in)
{
    return in->failed ? 0 : (size_t)(in->end - in->next);
}

/* Everything read, nothing failed, nothing left. */
static inline bool reader_finished(const struct reader *in)
{
    return !in->failed && in->next == in->end;
}

#endif
