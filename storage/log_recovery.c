/*
 * log_recovery.c - opening the log: which batches count, and is their end a torn write or damage?
 *
 * The rule. Batches are numbered through the whole log, and batch n + 1 is written only after
 * batch n is synced. Reading from the start, let X be the first place where no valid successor
 * stands. Whatever was acknowledged lies before X, or X is damage. It is damage if
 *   - what stands at X arrived wholly and is wrong (log_batch.h), or
 *   - any header of a later batch stands behind X, in this segment or a later one: the batch at X
 *     had been synced before that one was written;
 * and then the node must not start: it would deny what it may have acknowledged. Otherwise what
 * stands at X is the write that was under way when the node stopped. Nobody was told of it.
 *
 * Why dropped bytes never come back. A torn batch n at X has one header, at X itself; the bytes
 * behind it are its entries. The next batch n is written at X, over that header, so there is never
 * a second header of number n, and none of a higher number exists. Yet the torn bytes are also
 * set to zero, and that synced, before the log is used: so that every batch is written onto zeros,
 * which is what tells a torn write from damage the next time. A crash while they are being zeroed
 * leaves a torn batch, or less of one.
 *
 * Why the last batch is written again and synced. After a crash of the process alone it may be
 * whole in the page cache and not on the disk; after a failed sync it may even be there as clean
 * pages that no sync writes any more. What open shows counts as durable, so open makes it so; only
 * the last batch can be in that state. Writing the same bytes over themselves can't tear anything.
 *
 * The happy path is one pass: list, check that the numbers have no gap, read each segment, follow
 * the chain. Segments behind the tail without a batch (made, or made ready, before a crash) are
 * removed. What can fail: reading, a gap, damage, another cluster's log, a newer format; and
 * nothing is changed on disk before all has been read and judged.
 */
#include "log_recovery.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/limits.h"
#include "base/planted.h"
#include "log_batch.h"

#define WAY_BACK "remove nothing by hand; " ADVICE_NODE_LOST
/* "0000000000000001.log" */
#define NAME_DIGITS 16
/* Zeros written at once. */
#define ZERO_BYTES (1u << 16)

struct segments {
    const char *directory;
    uint64_t *numbers;
    size_t count;
    size_t capacity;
};

/* Where the chain ends, and how much of something unfinished stands there. */
struct chain_end {
    uint64_t segment;
    uint64_t offset;
    uint64_t torn_bytes; /* up to the last byte that is not zero */
};

struct recovery {
    const struct log_store_options *options;
    struct log_recovered *out;
    bool ended; /* nothing may follow */
    struct chain_end end;
};

char *log_segment_path(const char *directory, uint64_t segment)
{
    size_t size = strlen(directory) + 1 + NAME_DIGITS + 4 + 1 + 8;
    char *path = memory_alloc(size);
    snprintf(path, size, "%s/%0*" PRIu64 ".log", directory, NAME_DIGITS, segment);
    return path;
}

/* Other names are none of ours, and left alone. */
static bool segment_of_name(const char *name, uint64_t *number)
{
    if (strlen(name) != NAME_DIGITS + 4 || strcmp(name + NAME_DIGITS, ".log") != 0) {
        return false;
    }
    *number = 0;
    for (size_t i = 0; i < NAME_DIGITS; i++) {
        if (name[i] < '0' || name[i] > '9') {
            return false;
        }
        *number = *number * 10 + (uint64_t)(name[i] - '0');
    }
    return *number > 0;
}

static bool collect_segment(void *context, const char *name)
{
    struct segments *segments = context;
    uint64_t number;
    if (segment_of_name(name, &number)) {
        if (segments->count == segments->capacity) {
            segments->capacity = segments->capacity == 0 ? 16 : segments->capacity * 2;
            segments->numbers =
                memory_realloc(segments->numbers, segments->capacity * sizeof *segments->numbers);
        }
        segments->numbers[segments->count++] = number;
    }
    return true;
}

static int compare_numbers(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a;
    uint64_t right = *(const uint64_t *)b;
    return (left > right) - (left < right);
}

static bool list_segments(const struct log_store_options *options, struct segments *segments,
                          struct error *error)
{
    const struct file_system *files = options->files;
    segments->directory = options->directory;
    if (!files->list(files->context, options->directory, collect_segment, segments, error)) {
        return false;
    }
    if (segments->count == 0) {
        return true;
    }
    qsort(segments->numbers, segments->count, sizeof *segments->numbers, compare_numbers);
    for (size_t i = 0; i < segments->count; i++) {
        /* Nothing is trimmed yet: the log begins with segment 1. With trimming, the manifest will
         * say where it begins. */
        if (segments->numbers[i] != i + 1) {
            char *path = log_segment_path(options->directory, i + 1);
            error_set(error, "%s is missing, though the log has later segments: %s", path,
                      WAY_BACK);
            free(path);
            return false;
        }
    }
    return true;
}

/* The whole segment in memory: 64 MiB by default, once, while starting. */
static bool read_segment(const struct log_store_options *options, const char *path,
                         struct buffer *content, struct error *error)
{
    const struct file_system *files = options->files;
    struct file *file = files->open(files->context, path, false, error);
    if (file == NULL) {
        return false;
    }
    uint64_t size;
    size_t got = 0;
    bool read = files->size(file, &size, error);
    if (read && size > LIMIT_LOG_SEGMENT_BYTES) {
        read = error_set(error, "%s is larger than any log segment (%" PRIu64 " bytes): %s", path,
                         size, WAY_BACK);
    }
    if (read) {
        buffer_clear(content);
        read =
            files->read(file, 0, buffer_reserve(content, (size_t)size), (size_t)size, &got, error);
        content->len = got;
    }
    files->close(file);
    return read;
}

static bool refuse(struct error *error, const char *path, uint64_t offset, const char *what)
{
    return error_set(error, "%s is damaged at offset %" PRIu64 ": %s; %s", path, offset, what,
                     WAY_BACK);
}

static bool refuse_followed(const struct recovery *recovery, const char *path, uint64_t offset,
                            struct error *error)
{
    char *end_path = log_segment_path(recovery->options->directory, recovery->end.segment);
    error_set(error,
              "%s is damaged at offset %" PRIu64 ": no valid batch %" PRIu64
              " stands there, yet the log goes on in %s at offset %" PRIu64 "; %s",
              end_path, recovery->end.offset, recovery->out->tail.next_number, path, offset,
              WAY_BACK);
    free(end_path);
    return false;
}

/* A batch that is valid in itself: is it the one that comes next? */
static bool accept_batch(struct recovery *recovery, const char *path, uint64_t segment,
                         uint64_t offset, const struct log_batch_header *header,
                         struct error *error)
{
    struct log_tail *tail = &recovery->out->tail;
    if (header->cluster_id != recovery->options->cluster_id) {
        return error_set(error,
                         "%s belongs to another cluster (id %016" PRIx64
                         ", this node's is %016" PRIx64 "): check the data directory",
                         path, header->cluster_id, recovery->options->cluster_id);
    }
    if (header->segment != segment) {
        return refuse(error, path, offset, "the batch there was written to another segment");
    }
    if (offset == 0 && recovery->end.segment != 0 && header->number > tail->next_number) {
        return refuse_followed(recovery, path, offset, error); /* lost at the last one's end */
    }
    if (header->number != tail->next_number || header->previous_crc != tail->crc) {
        return refuse(error, path, offset, "the batch there does not follow the one before it");
    }
    if (header->first_index > log_index_last(&recovery->out->index) + 1) {
        return refuse(error, path, offset, "the batch there leaves out entries");
    }
    const struct log_place place = {
        .first_index = header->first_index,
        .count = header->count,
        .segment = (uint32_t)segment,
        .offset = (uint32_t)offset,
        .length = header->length,
        .crc = header->crc,
    };
    log_index_put(&recovery->out->index, &place);
    tail->segment = segment;
    tail->offset = offset + header->length;
    tail->next_number++;
    tail->crc = header->crc;
    return true;
}

/* In the segment where the chain ended, no header of a later batch may stand behind the end. It is
 * believed by its own sum: the batch it leads may be damaged as well. */
static bool find_later_header(const struct recovery *recovery, struct bytes content,
                              uint64_t *offset)
{
    for (uint64_t at = recovery->end.offset; at + LOG_BATCH_HEADER_BYTES <= content.len;
         at += LOG_BATCH_ALIGNMENT) {
        struct log_batch_header header;
        struct bytes here = bytes_of(content.data + at, content.len - at);
        if (log_batch_read_header(here, &header) == LOG_BATCH_VALID &&
            header.cluster_id == recovery->options->cluster_id &&
            header.number > recovery->out->tail.next_number) {
            *offset = at;
            return true;
        }
    }
    return false;
}

/* In the segments behind that one nothing may stand at all. */
static bool find_anything(struct bytes content, uint64_t *offset)
{
    for (size_t at = 0; at < content.len; at++) {
        if (content.data[at] != 0) {
            *offset = at;
            return true;
        }
    }
    return false;
}

/* Follows the chain through one segment, and notes where it ends in it. */
static bool follow_chain(struct recovery *recovery, uint64_t segment, const char *path,
                         struct bytes content, struct error *error)
{
    uint64_t offset = 0;
    bool torn = false;
    while (!torn && offset < content.len) {
        struct log_batch_header header;
        struct bytes here = bytes_of(content.data + offset, content.len - offset);
        switch (log_batch_read(here, offset, &header)) {
        case LOG_BATCH_VALID:
            if (!accept_batch(recovery, path, segment, offset, &header, error)) {
                return false;
            }
            offset += header.length;
            break;
        case LOG_BATCH_TORN:
            torn = true;
            break;
        case LOG_BATCH_DAMAGED:
            return refuse(error, path, offset,
                          "a batch was written there wholly, and its checksum is wrong");
        case LOG_BATCH_OTHER_FORMAT:
            return error_set(error,
                             "%s has a batch of format %u at offset %" PRIu64
                             ", this program reads format %d: use the version that wrote it, or a "
                             "later one",
                             path, header.format, offset, LOG_BATCH_FORMAT);
        }
    }
    uint64_t written = content.len;
    while (written > offset && content.data[written - 1] == 0) {
        written--;
    }
    recovery->end = (struct chain_end){segment, offset, written - offset};
    return true;
}

static bool recover_segment(struct recovery *recovery, uint64_t segment, const char *path,
                            struct bytes content, struct error *error)
{
    uint64_t later;
    if (recovery->ended) {
        return !find_anything(content, &later) || refuse_followed(recovery, path, later, error);
    }
    if (!follow_chain(recovery, segment, path, content, error)) {
        return false;
    }
    if (find_later_header(recovery, content, &later)) {
        return refuse_followed(recovery, path, later, error);
    }
    /* A segment that ends in zeros behind a batch may be full: the next one's first batch will
     * tell. Behind a torn batch, or a segment that holds none, there is no more. */
    recovery->ended = recovery->end.torn_bytes > 0 || recovery->end.offset == 0;
    recovery->out->disk_bytes += recovery->end.offset > 0 ? content.len : 0;
    return true;
}

static bool recover_segments(struct recovery *recovery, const struct segments *segments,
                             struct error *error)
{
    struct buffer content = {0};
    bool recovered = true;
    for (size_t i = 0; recovered && i < segments->count; i++) {
        char *path = log_segment_path(segments->directory, segments->numbers[i]);
        recovered =
            read_segment(recovery->options, path, &content, error) &&
            recover_segment(recovery, segments->numbers[i], path, buffer_bytes(&content), error);
        free(path);
    }
    buffer_free(&content);
    return recovered;
}

static bool write_zeros(const struct file_system *files, struct file *file, uint64_t offset,
                        uint64_t count, struct error *error)
{
    static const uint8_t zeros[ZERO_BYTES];
    while (count > 0) {
        size_t part = count < sizeof zeros ? (size_t)count : sizeof zeros;
        if (!files->write(file, offset, zeros, part, error)) {
            return false;
        }
        offset += part;
        count -= part;
    }
    return true;
}

/* The last batch again, byte for byte. */
static bool rewrite_last_batch(const struct recovery *recovery, struct file *file,
                               struct error *error)
{
    const struct file_system *files = recovery->options->files;
    const struct log_index *index = &recovery->out->index;
    const struct log_place *last = &index->places[index->count - 1];
    uint8_t *batch = memory_alloc(last->length);
    struct log_batch_header header;
    size_t got;
    bool rewritten = files->read(file, last->offset, batch, last->length, &got, error);
    if (rewritten &&
        (log_batch_read(bytes_of(batch, got), last->offset, &header) != LOG_BATCH_VALID ||
         header.crc != last->crc)) {
        rewritten = error_set(error, "segment %u reads differently the second time: check the disk",
                              last->segment);
    }
    rewritten = rewritten && files->write(file, last->offset, batch, last->length, error);
    free(batch);
    return rewritten;
}

/* Makes the tail segment durable as it was read, with zeros behind its last batch. */
static bool settle_tail(const struct recovery *recovery, const char *path, struct error *error)
{
    const struct file_system *files = recovery->options->files;
    struct file *file = files->open(files->context, path, false, error);
    if (file == NULL) {
        return false;
    }
    bool settled = PLANTED(LAST_BATCH_NOT_REWRITTEN) || rewrite_last_batch(recovery, file, error);
    if (settled && !PLANTED(TORN_BATCH_NOT_ZEROED) && recovery->end.torn_bytes > 0 &&
        recovery->end.segment == recovery->out->tail.segment) {
        settled = write_zeros(files, file, recovery->end.offset, recovery->end.torn_bytes, error);
    }
    settled = settled && files->sync(file, error);
    files->close(file);
    return settled;
}

/* The tail is settled; segments behind it hold nothing, and go. */
static bool settle_segments(const struct recovery *recovery, const struct segments *segments,
                            struct error *error)
{
    const struct file_system *files = recovery->options->files;
    uint64_t tail = recovery->out->tail.segment;
    bool settled = true;
    for (size_t i = 0; settled && i < segments->count; i++) {
        char *path = log_segment_path(segments->directory, segments->numbers[i]);
        if (segments->numbers[i] == tail) {
            settled = settle_tail(recovery, path, error);
        } else if (segments->numbers[i] > tail) {
            settled = files->remove(files->context, path, error);
        }
        free(path);
    }
    return settled && files->sync_directory(files->context, segments->directory, error);
}

bool log_recover(const struct log_store_options *options, struct log_recovered *recovered,
                 struct error *torn, struct error *error)
{
    *recovered = (struct log_recovered){.tail = {.next_number = 1}};
    torn->text[0] = '\0';
    struct recovery recovery = {.options = options, .out = recovered};
    struct segments segments = {0};
    bool found = list_segments(options, &segments, error) &&
                 recover_segments(&recovery, &segments, error) &&
                 settle_segments(&recovery, &segments, error);
    free(segments.numbers);
    if (found && recovery.end.torn_bytes > 0) {
        char *path = log_segment_path(options->directory, recovery.end.segment);
        error_set(torn,
                  "%s: dropped a torn batch %" PRIu64 " at offset %" PRIu64
                  ", which was being written when the node stopped; nobody had been told of it",
                  path, recovered->tail.next_number, recovery.end.offset);
        free(path);
    }
    return found;
}
