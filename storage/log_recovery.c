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
 * Where the log begins. What the manifest's snapshot covers may be trimmed: then the first segment
 * has another number than 1, and the first batch's predecessor, which it is chained to, is gone.
 * Trimming takes whole segments, first ones first, so the log may begin anywhere at or below the
 * snapshot's index + 1; begins it behind that, files are missing. (It is judged when all has been
 * read: the first segment that is left may begin with entries that a later one replaces.)
 *
 * Does the log follow the snapshot? (Ongaro 2014, section 5.3) It does if it holds the entry that
 * the snapshot ends with, of the same term, or begins right behind it. If not, and no entry was
 * begun behind the snapshot (the manifest's `log begun`), the snapshot came from another node, and
 * the node stopped before the log was reset: the log speaks of a past that the snapshot replaces,
 * and goes. Its last segment goes first, so that what another crash leaves still begins where it
 * began, before the snapshot, and never happens to begin right behind it. But where an entry was
 * begun, a log without any, or without the snapshot's, is what somebody lost.
 *
 * The happy path is one pass: list, check that the numbers have no gap, read each segment, follow
 * the chain, show each batch's records as it is found: later ones may replace them. Segments behind
 * the tail without a batch (made, or made ready, before a crash) are removed. What can fail:
 * reading, a gap, damage, another cluster's log, a newer format; and nothing is changed on disk
 * before all has been read and judged.
 */
#include "log_recovery.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>

#include "base/limits.h"
#include "base/planted.h"
#include "log_batch.h"

#define WAY_BACK "remove nothing by hand; " ADVICE_NODE_LOST
/* Zeros written at once. */
#define ZERO_BYTES (1u << 16)

/* Where the chain ends, and how much of something unfinished stands there. */
struct chain_end {
    uint64_t segment;
    uint64_t offset;
    uint64_t torn_bytes; /* up to the last byte that is not zero */
};

struct recovery {
    const struct log_store_options *options;
    log_store_visit visit;
    void *visit_context;
    struct log_recovered *out;
    bool ended; /* nothing may follow */
    struct chain_end end;
};

/* Of segments there are some; with a snapshot any number may be the first. */
static bool check_numbers(const struct log_store_options *options,
                          const struct log_segments *segments, struct error *error)
{
    uint64_t expected = options->snapshot_index == 0 ? 1 : segments->numbers[0];
    for (size_t i = 0; i < segments->count; i++, expected++) {
        if (segments->numbers[i] != expected) {
            char *path = log_segment_path(options->directory, expected);
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
              "%s is damaged at offset %" PRIu64
              ": no valid batch stands there, yet the log goes on in %s at offset %" PRIu64 "; %s",
              end_path, recovery->end.offset, path, offset, WAY_BACK);
    free(end_path);
    return false;
}

/* The first batch of all. Of a trimmed log it says itself what it follows. */
static void begin_chain(struct recovery *recovery, const struct log_batch_header *header)
{
    struct log_tail *tail = &recovery->out->tail;
    if (header->segment > 1) {
        tail->next_number = header->number;
        tail->crc = header->previous_crc;
    }
    if (recovery->options->snapshot_index > 0) {
        log_index_begin(&recovery->out->index, header->first_index);
    }
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
    if (tail->segment == 0) {
        begin_chain(recovery, header);
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

/* The records of a batch that was accepted. */
static bool show_batch(const struct recovery *recovery, const char *path, uint64_t offset,
                       struct bytes batch, const struct log_batch_header *header,
                       struct error *error)
{
    struct log_batch_entries entries = log_batch_entries_of(batch, header);
    struct log_record record;
    while (log_batch_next(&entries, &record)) {
        if (!recovery->visit(recovery->visit_context, &record, error)) {
            return false;
        }
    }
    return !entries.failed ||
           refuse(error, path, offset, "the batch there holds fewer entries than its header says");
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
            if (!accept_batch(recovery, path, segment, offset, &header, error) ||
                (recovery->visit != NULL &&
                 !show_batch(recovery, path, offset, bytes_of(here.data, header.length), &header,
                             error))) {
                return false;
            }
            offset += header.length;
            break;
        case LOG_BATCH_TORN:
            if (recovery->out->tail.next_number == 0) {
                recovery->out->tail.next_number = header.number; /* 0 if it can't be read either */
            }
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

static bool recover_segments(struct recovery *recovery, const struct log_segments *segments,
                             struct error *error)
{
    struct buffer content = {0};
    bool recovered = true;
    if (segments->count > 0 && segments->numbers[0] > 1) {
        recovery->out->tail.next_number = 0; /* not known until a batch is read */
    }
    for (size_t i = 0; recovered && i < segments->count; i++) {
        char *path = log_segment_path(recovery->options->directory, segments->numbers[i]);
        recovered =
            read_segment(recovery->options, path, &content, error) &&
            recover_segment(recovery, segments->numbers[i], path, buffer_bytes(&content), error);
        free(path);
    }
    buffer_free(&content);
    return recovered;
}

/* ---- the log and the snapshot ---- */

/* A batch that was found valid, from an open segment. *batch is of its length; the caller frees it.
 */
static bool read_place(const struct recovery *recovery, struct file *file,
                       const struct log_place *place, uint8_t **batch,
                       struct log_batch_header *header, struct error *error)
{
    const struct file_system *files = recovery->options->files;
    size_t got;
    *batch = memory_alloc(place->length);
    if (!files->read(file, place->offset, *batch, place->length, &got, error)) {
        return false;
    }
    return (log_batch_read(bytes_of(*batch, got), place->offset, header) == LOG_BATCH_VALID &&
            header->crc == place->crc) ||
           error_set(error, "segment %u reads differently the second time: check the disk",
                     place->segment);
}

/* Of an entry that the log holds. */
static bool read_term(const struct recovery *recovery, uint64_t index, uint64_t *term,
                      struct error *error)
{
    const struct file_system *files = recovery->options->files;
    const struct log_place *place = log_index_find(&recovery->out->index, index);
    char *path = log_segment_path(recovery->options->directory, place->segment);
    struct file *file = files->open(files->context, path, false, error);
    free(path);
    if (file == NULL) {
        return false;
    }
    uint8_t *batch;
    struct log_batch_header header;
    bool found = read_place(recovery, file, place, &batch, &header, error);
    files->close(file);
    if (found) {
        struct log_batch_entries entries =
            log_batch_entries_of(bytes_of(batch, place->length), &header);
        struct log_record record = {0};
        while (record.index < index && log_batch_next(&entries, &record)) {
        }
        *term = record.term;
        found = record.index == index || error_set(error,
                                                   "segment %u: the batch with entry %" PRIu64
                                                   " holds fewer entries than its header says",
                                                   place->segment, index);
    }
    free(batch);
    return found;
}

/* Begun, and nothing there. */
static bool refuse_empty(const struct log_store_options *options,
                         const struct log_segments *segments, struct error *error)
{
    if (segments->count == 0) {
        return error_set(error, "%s holds no segment, though the log has held entries: %s",
                         options->directory, WAY_BACK);
    }
    char *path = log_segment_path(options->directory, segments->numbers[0]);
    refuse(error, path, 0, "the log has held entries, and it begins with none");
    free(path);
    return false;
}

/* Does the log follow the snapshot? *replaced: it does not, and may go. */
static bool hold_against_snapshot(const struct recovery *recovery,
                                  const struct log_segments *segments, bool *replaced,
                                  struct error *error)
{
    const struct log_store_options *options = recovery->options;
    const struct log_index *index = &recovery->out->index;
    *replaced = false;
    if (recovery->out->tail.segment == 0) {
        return !options->begun || refuse_empty(options, segments, error);
    }
    uint64_t first = log_index_first(index);
    uint64_t last = log_index_last(index);
    if (first > options->snapshot_index + 1) {
        char *path = log_segment_path(options->directory, segments->numbers[0]);
        error_set(error,
                  "%s, where the log begins, begins with entry %" PRIu64
                  ", and the snapshot ends with entry %" PRIu64
                  ": the segments between are missing; %s",
                  path, first, options->snapshot_index, WAY_BACK);
        free(path);
        return false;
    }
    if (first == options->snapshot_index + 1) {
        return true;
    }
    uint64_t term = 0;
    if (last >= options->snapshot_index &&
        !read_term(recovery, options->snapshot_index, &term, error)) {
        return false;
    }
    if (term == options->snapshot_term) {
        return true;
    }
    *replaced = true;
    return !options->begun ||
           error_set(error,
                     "%s holds entries %" PRIu64 " to %" PRIu64
                     ", and not the one that the snapshot ends with, entry %" PRIu64
                     " of term %" PRIu64 ": parts of the log are missing, or another node's; %s",
                     options->directory, first, last, options->snapshot_index,
                     options->snapshot_term, WAY_BACK);
}

/* ---- making it so on the disk ---- */

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
    uint8_t *batch;
    struct log_batch_header header;
    bool rewritten = read_place(recovery, file, last, &batch, &header, error) &&
                     files->write(file, last->offset, batch, last->length, error);
    free(batch);
    return rewritten;
}

/* Makes the tail segment durable as it was read, with zeros behind its last batch. */
static bool settle_tail(const struct recovery *recovery, struct error *error)
{
    const struct file_system *files = recovery->options->files;
    char *path = log_segment_path(recovery->options->directory, recovery->out->tail.segment);
    struct file *file = files->open(files->context, path, false, error);
    free(path);
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
static bool settle_segments(const struct recovery *recovery, const struct log_segments *segments,
                            struct error *error)
{
    const struct log_store_options *options = recovery->options;
    uint64_t tail = recovery->out->tail.segment;
    if (tail != 0 && !settle_tail(recovery, error)) {
        return false;
    }
    if (segments->count > 0 && segments->numbers[segments->count - 1] > tail &&
        !log_segments_remove(options->files, options->directory,
                             segments->numbers[segments->count - 1],
                             tail != 0 ? tail + 1 : segments->numbers[0], NULL, error)) {
        return false;
    }
    return options->files->sync_directory(options->files->context, options->directory, error);
}

/* The whole log goes; it goes on behind the snapshot. */
static bool discard(const struct recovery *recovery, const struct log_segments *segments,
                    struct error *error)
{
    struct log_recovered *out = recovery->out;
    const struct log_store_options *options = recovery->options;
    if (!log_segments_remove(options->files, options->directory,
                             segments->numbers[segments->count - 1], segments->numbers[0], NULL,
                             error)) {
        return false;
    }
    log_index_begin(&out->index, options->snapshot_index + 1);
    out->tail = (struct log_tail){.next_number = 1};
    out->disk_bytes = 0;
    return true;
}

static void tell_torn(const struct recovery *recovery, struct error *dropped)
{
    char *path = log_segment_path(recovery->options->directory, recovery->end.segment);
    error_set(dropped,
              "%s: dropped a torn batch at offset %" PRIu64 ", behind entry %" PRIu64
              ", which was being written when the node stopped; nobody had been told of it",
              path, recovery->end.offset, log_index_last(&recovery->out->index));
    free(path);
}

static void tell_replaced(const struct recovery *recovery, struct error *dropped)
{
    error_set(dropped,
              "%s: dropped a log that ended with entry %" PRIu64
              ": the snapshot that replaces it, which ends with entry %" PRIu64
              ", was being installed when the node stopped",
              recovery->options->directory, log_index_last(&recovery->out->index),
              recovery->options->snapshot_index);
}

static bool settle(const struct recovery *recovery, const struct log_segments *segments,
                   bool replaced, struct error *dropped, struct error *error)
{
    struct log_recovered *out = recovery->out;
    if (replaced) {
        tell_replaced(recovery, dropped);
        return discard(recovery, segments, error);
    }
    if (out->tail.segment == 0) {
        log_index_begin(&out->index, recovery->options->snapshot_index + 1);
        out->tail.next_number = 1;
    } else {
        out->first_segment = segments->numbers[0];
    }
    if (recovery->end.torn_bytes > 0) {
        tell_torn(recovery, dropped);
    }
    return settle_segments(recovery, segments, error);
}

bool log_recover(const struct log_store_options *options, log_store_visit visit, void *context,
                 struct log_recovered *recovered, struct error *dropped, struct error *error)
{
    *recovered = (struct log_recovered){.tail = {.next_number = 1}, .first_segment = 1};
    dropped->text[0] = '\0';
    struct recovery recovery = {
        .options = options, .visit = visit, .visit_context = context, .out = recovered};
    struct log_segments segments = {0};
    bool replaced;
    bool found = log_segments_list(options->files, options->directory, &segments, error) &&
                 (segments.count == 0 || check_numbers(options, &segments, error)) &&
                 recover_segments(&recovery, &segments, error) &&
                 hold_against_snapshot(&recovery, &segments, &replaced, error) &&
                 settle(&recovery, &segments, replaced, dropped, error);
    free(segments.numbers);
    return found;
}
