/*
 * log_batch.c - the codec of log_batch.h. Pure: no file, no state. Nothing here trusts a length
 * before the sum over it has been checked.
 */
#include "log_batch.h"

#include <assert.h>

#include "base/codec.h"
#include "base/hash.h"
#include "base/limits.h"

#define MAGIC          0x424c4648u /* "HFLB" */
#define HEADER_MARK    0xa5c3965au /* no byte of it is zero */
#define END_MARK       0xa5u
#define CHAINED_BYTES  52u
#define HEADER_SUMMED  56u
#define LONGEST_LENGTH (LIMIT_LOG_BATCH_BYTES)

static const uint8_t zeros[LOG_SECTOR_BYTES];

static size_t padded(size_t len)
{
    /* At least one byte, for the end mark. */
    return (len / LOG_BATCH_ALIGNMENT + 1) * LOG_BATCH_ALIGNMENT;
}

void log_batch_begin(struct buffer *out)
{
    buffer_clear(out);
    memset(buffer_reserve(out, LOG_BATCH_HEADER_BYTES), 0, LOG_BATCH_HEADER_BYTES);
    out->len = LOG_BATCH_HEADER_BYTES;
}

void log_batch_add(struct buffer *out, const struct log_record *record)
{
    assert(record->data.len <= LIMIT_ENTRY_BYTES);
    write_u64(out, record->term);
    write_u32(out, (uint32_t)record->data.len);
    write_u32(out, record->type);
    buffer_append_bytes(out, record->data);
}

size_t log_batch_length(const struct buffer *out)
{
    return padded(out->len);
}

size_t log_batch_length_with(const struct buffer *out, size_t data_bytes)
{
    return padded(out->len + LOG_ENTRY_HEADER_BYTES + data_bytes);
}

static uint32_t chained_crc(struct bytes batch, uint32_t previous_crc)
{
    uint32_t crc = crc32c(previous_crc, batch.data, CHAINED_BYTES);
    return crc32c(crc, batch.data + LOG_BATCH_HEADER_BYTES, batch.len - LOG_BATCH_HEADER_BYTES);
}

void log_batch_seal(struct buffer *out, struct log_batch_header *header)
{
    size_t length = log_batch_length(out);
    assert(length <= LONGEST_LENGTH);
    size_t padding = length - out->len;
    uint8_t *end = buffer_reserve(out, padding);
    memset(end, 0, padding);
    end[padding - 1] = END_MARK;
    out->len = length;

    header->format = LOG_BATCH_FORMAT;
    header->length = (uint32_t)length;
    /* The header is written over the place that log_batch_begin kept, through a view that can't
     * grow beyond it. */
    struct buffer place = {.data = out->data, .len = 0, .capacity = LOG_BATCH_HEADER_BYTES};
    write_u32(&place, MAGIC);
    write_u16(&place, header->format);
    write_u16(&place, 0);
    write_u64(&place, header->cluster_id);
    write_u64(&place, header->segment);
    write_u64(&place, header->number);
    write_u64(&place, header->first_index);
    write_u32(&place, header->count);
    write_u32(&place, header->length);
    write_u32(&place, header->previous_crc);
    assert(place.len == CHAINED_BYTES);
    header->crc = chained_crc(buffer_bytes(out), header->previous_crc);
    write_u32(&place, header->crc);
    write_u32(&place, crc32c(0, out->data, HEADER_SUMMED));
    write_u32(&place, HEADER_MARK);
    assert(place.len == LOG_BATCH_HEADER_BYTES && place.data == out->data);
}

enum log_batch_finding log_batch_read_header(struct bytes input, struct log_batch_header *header)
{
    *header = (struct log_batch_header){0};
    /* A write that came to a stop left the last byte; one that zeroed a torn batch, and came to a
     * stop in its turn, took the first. */
    if (input.len < LOG_BATCH_HEADER_BYTES || input.data[0] == 0 ||
        input.data[LOG_BATCH_HEADER_BYTES - 1] == 0) {
        return LOG_BATCH_TORN;
    }
    struct reader in = reader_of(bytes_of(input.data, LOG_BATCH_HEADER_BYTES));
    uint32_t magic = read_u32(&in);
    header->format = read_u16(&in);
    uint16_t zero = read_u16(&in);
    header->cluster_id = read_u64(&in);
    header->segment = read_u64(&in);
    header->number = read_u64(&in);
    header->first_index = read_u64(&in);
    header->count = read_u32(&in);
    header->length = read_u32(&in);
    header->previous_crc = read_u32(&in);
    header->crc = read_u32(&in);
    uint32_t header_crc = read_u32(&in);
    uint32_t mark = read_u32(&in);
    if (mark != HEADER_MARK || magic != MAGIC ||
        header_crc != crc32c(0, input.data, HEADER_SUMMED)) {
        return LOG_BATCH_DAMAGED;
    }
    if (header->format != LOG_BATCH_FORMAT) {
        return LOG_BATCH_OTHER_FORMAT;
    }
    bool sane = zero == 0 && header->count > 0 && header->first_index > 0 &&
                header->length % LOG_BATCH_ALIGNMENT == 0 && header->length <= LONGEST_LENGTH &&
                header->length >= padded(LOG_BATCH_HEADER_BYTES + LOG_ENTRY_HEADER_BYTES);
    return sane ? LOG_BATCH_VALID : LOG_BATCH_DAMAGED;
}

/* Is there a part of this batch that still reads as it did before the batch was written? */
static bool misses_a_part(struct bytes batch, size_t length, uint64_t offset)
{
    if (batch.len < length || batch.data[length - 1] == 0) {
        return true;
    }
    size_t from = 0;
    while (from < length) {
        size_t sector_left = LOG_SECTOR_BYTES - (size_t)((offset + from) % LOG_SECTOR_BYTES);
        size_t part = length - from < sector_left ? length - from : sector_left;
        if (memcmp(batch.data + from, zeros, part) == 0) {
            return true;
        }
        from += part;
    }
    return false;
}

enum log_batch_finding log_batch_read(struct bytes input, uint64_t offset,
                                      struct log_batch_header *header)
{
    enum log_batch_finding finding = log_batch_read_header(input, header);
    if (finding != LOG_BATCH_VALID) {
        return finding;
    }
    if (input.len >= header->length &&
        chained_crc(bytes_of(input.data, header->length), header->previous_crc) == header->crc) {
        return LOG_BATCH_VALID;
    }
    return misses_a_part(input, header->length, offset) ? LOG_BATCH_TORN : LOG_BATCH_DAMAGED;
}

struct log_batch_entries log_batch_entries_of(struct bytes batch,
                                              const struct log_batch_header *header)
{
    return (struct log_batch_entries){
        .rest =
            bytes_of(batch.data + LOG_BATCH_HEADER_BYTES, header->length - LOG_BATCH_HEADER_BYTES),
        .next_index = header->first_index,
        .left = header->count,
    };
}

bool log_batch_next(struct log_batch_entries *entries, struct log_record *record)
{
    if (entries->left == 0) {
        return false;
    }
    struct reader in = reader_of(entries->rest);
    record->term = read_u64(&in);
    uint32_t len = read_u32(&in);
    uint32_t type = read_u32(&in);
    record->data = read_raw(&in, len);
    record->index = entries->next_index;
    record->type = (uint8_t)type;
    if (in.failed || type > UINT8_MAX) {
        entries->failed = true;
        return false;
    }
    entries->rest = bytes_of(in.next, reader_left(&in));
    entries->next_index++;
    entries->left--;
    return true;
}
