/*
 * log_batch.h - the layout of one batch of the log, bytes in, bytes out: what a batch looks like,
 * and what bytes that are not a whole batch can be.
 *
 * All integers little-endian; a batch begins at a multiple of LOG_BATCH_ALIGNMENT.
 *
 *   header, 64 bytes            0 magic u32, 4 format u16, 6 zero u16, 8 cluster id u64,
 *                              16 segment u64, 24 number u64, 32 first index u64, 40 count u32,
 *                              44 length u32 (of the batch, header and padding included),
 *                              48 previous crc u32, 52 crc u32, 56 header crc u32, 60 mark u32
 *   entries, count times        term u64, length u32, type u8, zero u8 x 3, then the bytes
 *   padding, 1 to 64 bytes      zeros, then the end mark
 *
 * crc = CRC-32C of bytes 0..51 and of everything behind the header, begun with `previous crc`: the
 * crc of the batch before (0 for the first). So a batch is valid only behind its own predecessor;
 * and, since the predecessor's crc stands in the header, a batch can be checked alone.
 * header crc = CRC-32C of bytes 0..55.
 *
 * Torn or damaged. A batch is written once, onto zeros (log_recovery.c sees to that), by a disk
 * that writes whole sectors of 512 bytes, in any order, or a first part and no more. Headers begin
 * with a byte that is not zero, headers and batches end in one, and a header never straddles
 * sectors. Hence a batch that is not valid can be a torn write (or a torn one half zeroed by
 * recovery) only if its header's first or last byte, or its own last byte, or a whole sector of it
 * still reads as zero. Where every part has arrived and the sums are wrong, something changed
 * it later: damage, even in the very last batch. What can't be told from a torn write is damage to
 * the last batch that itself looks like zeros that were never written over (a lost sector; a flip
 * in a batch whose own bytes hold a whole sector of zeros).
 */
#ifndef STORAGE_LOG_BATCH_H
#define STORAGE_LOG_BATCH_H

#include "base/bytes.h"
#include "storage/log_store.h"

#define LOG_BATCH_FORMAT       1
#define LOG_BATCH_ALIGNMENT    64u
#define LOG_BATCH_HEADER_BYTES 64u
#define LOG_ENTRY_HEADER_BYTES 16u
#define LOG_SECTOR_BYTES       512u

struct log_batch_header {
    uint16_t format;
    uint64_t cluster_id;
    uint64_t segment;
    uint64_t number;
    uint64_t first_index;
    uint32_t count;
    uint32_t length;
    uint32_t previous_crc;
    uint32_t crc;
};

/* Begins a batch in `out` (cleared), takes entries, and seals it: fills header->length and ->crc,
 * pads, and writes the header. */
void log_batch_begin(struct buffer *out);
void log_batch_add(struct buffer *out, const struct log_record *record);
void log_batch_seal(struct buffer *out, struct log_batch_header *header);
/* How long the batch in `out` is when it is sealed; and with one more entry of this many bytes. */
size_t log_batch_length(const struct buffer *out);
size_t log_batch_length_with(const struct buffer *out, size_t data_bytes);

enum log_batch_finding {
    LOG_BATCH_VALID,
    LOG_BATCH_TORN,         /* nothing was written here, or a write did not come to its end */
    LOG_BATCH_DAMAGED,      /* it was written wholly, and is not what was written */
    LOG_BATCH_OTHER_FORMAT, /* whole, but of a format that this program does not know */
};

/* Looks at the header alone: at the first LOG_BATCH_HEADER_BYTES of `input`. */
enum log_batch_finding log_batch_read_header(struct bytes input, struct log_batch_header *header);
/* Looks at a whole batch. `input` may be longer than the batch, or shorter: then the rest counts as
 * zeros. `offset` is where it stands in its file (sectors are counted from there). */
enum log_batch_finding log_batch_read(struct bytes input, uint64_t offset,
                                      struct log_batch_header *header);

/* Walks the entries of a valid batch: views into it. False at the end, or (never in a batch that
 * log_batch_seal made) where they don't fit: then entries->failed. */
struct log_batch_entries {
    struct bytes rest;
    uint64_t next_index;
    uint32_t left;
    bool failed;
};
struct log_batch_entries log_batch_entries_of(struct bytes batch,
                                              const struct log_batch_header *header);
bool log_batch_next(struct log_batch_entries *entries, struct log_record *record);

#endif
