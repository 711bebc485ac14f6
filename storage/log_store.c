/*
 * log_store.c - appending to the log and reading from it (log_batch.h has the layout,
 * log_recovery.c the way a log is opened).
 *
 * Invariants: the index holds only what is synced; behind the tail there are only zeros; what a
 * place of the index points to is never written again, so that a read needs no lock while it reads
 * and gives what was live when it began. A number of a segment is never given twice, and a place
 * leaves the index before its segment is removed: a read that finds a segment gone finds its place
 * gone too, and knows why. The segment of the last place is never removed, so the appending thread
 * keeps its file and the next start the end of the chain.
 *
 * The happy path of an append: encode the records behind a header into one reused buffer, one
 * pwrite at the tail, one fdatasync, then the new batch becomes visible to readers. When the batch
 * does not fit the segment, the next one is made first: created, allocated, synced, and its name
 * synced.
 *
 * What can fail: any of these system calls. What the disk holds then is not known (a failed
 * fdatasync may have dropped the pages), so the store closes itself to everything: the node must
 * stop, and the next start's recovery judges what is there.
 */
#include "storage/log_store.h"

#include <assert.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/limits.h"
#include "base/planted.h"
#include "log_batch.h"
#include "log_recovery.h"

struct log_store {
    const struct file_system *files;
    char *directory;
    uint64_t cluster_id;
    uint64_t segment_bytes;

    /* The appending thread's own. */
    struct log_tail tail;
    struct file *file; /* of the tail segment; NULL: there is none yet */
    uint64_t file_bytes;
    struct buffer batch;
    bool begun;
    bool (*begin)(void *context, struct error *error);
    void *begin_context;

    pthread_mutex_t lock; /* guards index */
    struct log_index index;

    pthread_mutex_t removal; /* one trim or reset at a time; taken before `lock` */
    uint64_t first_segment;  /* that there is; tail.segment + 1 when there is none */

    atomic_bool failed;
    _Atomic uint64_t first_index;
    _Atomic uint64_t last_index;
    _Atomic uint64_t disk_bytes;
};

static bool fail(struct log_store *store)
{
    atomic_store(&store->failed, true);
    return false;
}

static bool refuse_failed(struct log_store *store, struct error *error)
{
    return error_set(error, "%s: the log failed before and takes no more: stop the node",
                     store->directory);
}

static bool open_tail(struct log_store *store, struct error *error)
{
    if (store->tail.segment == 0) {
        return true;
    }
    char *path = log_segment_path(store->directory, store->tail.segment);
    store->file = store->files->open(store->files->context, path, false, error);
    free(path);
    return store->file != NULL && store->files->size(store->file, &store->file_bytes, error);
}

/* The log holds an entry: whoever finds it empty from now on must know that it was not. */
static bool note_begun(struct log_store *store, struct error *error)
{
    if (!store->begun && store->begin != NULL && !store->begin(store->begin_context, error)) {
        return false;
    }
    store->begun = true;
    return true;
}

static void note_range(struct log_store *store)
{
    atomic_store(&store->first_index, log_index_first(&store->index));
    atomic_store(&store->last_index, log_index_last(&store->index));
}

struct log_store *log_store_open(const struct log_store_options *options, log_store_visit visit,
                                 void *context, struct error *dropped, struct error *error)
{
    struct error unread;
    struct log_recovered recovered;
    assert(options->snapshot_index == 0 || options->snapshot_term > 0);
    if (!log_recover(options, visit, context, &recovered, dropped != NULL ? dropped : &unread,
                     error)) {
        log_index_free(&recovered.index);
        return NULL;
    }
    struct log_store *store = memory_zalloc(sizeof *store);
    store->files = options->files;
    store->directory = memory_strdup(options->directory);
    store->cluster_id = options->cluster_id;
    store->segment_bytes = options->segment_bytes != 0 ? options->segment_bytes : LOG_SEGMENT_BYTES;
    assert(store->segment_bytes <= LIMIT_LOG_SEGMENT_BYTES);
    store->begun = options->begun;
    store->begin = options->begin;
    store->begin_context = options->begin_context;
    store->tail = recovered.tail;
    store->index = recovered.index;
    store->first_segment = recovered.first_segment;
    atomic_init(&store->failed, false);
    atomic_init(&store->first_index, 0);
    atomic_init(&store->last_index, 0);
    atomic_init(&store->disk_bytes, recovered.disk_bytes);
    note_range(store);
    int result = pthread_mutex_init(&store->lock, NULL);
    assert(result == 0);
    result = pthread_mutex_init(&store->removal, NULL);
    assert(result == 0);
    if (!open_tail(store, error) || (store->index.count > 0 && !note_begun(store, error))) {
        log_store_close(store);
        return NULL;
    }
    return store;
}

void log_store_close(struct log_store *store)
{
    if (store->file != NULL) {
        store->files->close(store->file);
    }
    int result = pthread_mutex_destroy(&store->lock);
    assert(result == 0);
    result = pthread_mutex_destroy(&store->removal);
    assert(result == 0);
    log_index_free(&store->index);
    buffer_free(&store->batch);
    free(store->directory);
    free(store);
}

/* ---- appending ---- */

/* Makes the next segment and its name durable before anything is written to it. */
static bool roll_segment(struct log_store *store, size_t least_bytes, struct error *error)
{
    const struct file_system *files = store->files;
    if (store->file != NULL) {
        files->close(store->file);
        store->file = NULL;
    }
    uint64_t size = store->segment_bytes > least_bytes ? store->segment_bytes : least_bytes;
    char *path = log_segment_path(store->directory, store->tail.segment + 1);
    store->file = files->open(files->context, path, true, error);
    free(path);
    if (store->file == NULL || !files->allocate(store->file, size, error) ||
        !files->sync(store->file, error) ||
        !(PLANTED(SEGMENT_NAME_NOT_SYNCED) ||
          files->sync_directory(files->context, store->directory, error))) {
        return false;
    }
    store->tail.segment++;
    assert(store->tail.segment <= UINT32_MAX); /* 2^32 segments of the smallest size: never */
    store->tail.offset = 0;
    store->file_bytes = size;
    atomic_fetch_add(&store->disk_bytes, size);
    return true;
}

/* As many of the records as one batch takes. */
static size_t encode_batch(struct buffer *batch, const struct log_record *records, size_t count)
{
    log_batch_begin(batch);
    size_t taken = 0;
    while (taken < count && (taken == 0 || log_batch_length_with(batch, records[taken].data.len) <=
                                               LIMIT_LOG_BATCH_BYTES)) {
        assert(records[taken].index == records[0].index + taken);
        log_batch_add(batch, &records[taken]);
        taken++;
    }
    return taken;
}

/* The batch is durable: now it is part of the log. */
static void publish_batch(struct log_store *store, const struct log_batch_header *header)
{
    const struct log_place place = {
        .first_index = header->first_index,
        .count = header->count,
        .segment = (uint32_t)store->tail.segment,
        .offset = (uint32_t)store->tail.offset,
        .length = header->length,
        .crc = header->crc,
    };
    pthread_mutex_lock(&store->lock);
    log_index_put(&store->index, &place);
    note_range(store);
    pthread_mutex_unlock(&store->lock);
    store->tail.offset += header->length;
    store->tail.next_number++;
    store->tail.crc = header->crc;
}

bool log_store_append(struct log_store *store, const struct log_record *records, size_t count,
                      struct error *error)
{
    assert(count > 0 && records[0].index > 0);
    assert(records[0].index <= log_store_last_index(store) + 1);
    assert(records[0].index >= log_store_first_index(store)); /* what a snapshot covers stays */
    if (atomic_load(&store->failed)) {
        return refuse_failed(store, error);
    }
    while (count > 0) {
        size_t taken = encode_batch(&store->batch, records, count);
        size_t length = log_batch_length(&store->batch);
        if ((store->file == NULL || store->file_bytes - store->tail.offset < length) &&
            !roll_segment(store, length, error)) {
            return fail(store);
        }
        struct log_batch_header header = {
            .cluster_id = store->cluster_id,
            .segment = store->tail.segment,
            .number = store->tail.next_number,
            .first_index = records[0].index,
            .count = (uint32_t)taken,
            .previous_crc = store->tail.crc,
        };
        log_batch_seal(&store->batch, &header);
        bool durable = store->files->write(store->file, store->tail.offset, store->batch.data,
                                           store->batch.len, error) &&
                       (PLANTED(LOG_NOT_SYNCED) || store->files->sync(store->file, error));
        durable = durable && note_begun(store, error);
        if (!durable && !PLANTED(FAILED_WRITE_IGNORED)) {
            return fail(store);
        }
        publish_batch(store, &header);
        records += taken;
        count -= taken;
    }
    return true;
}

/* ---- reading ---- */

struct reading {
    struct log_store *store;
    uint64_t next_index;
    size_t max_count;
    size_t max_bytes;
    struct log_record *records;
    size_t count;
    size_t bytes;
    uint64_t open_segment;
    struct file *file;
};

/* The batches to look at: copies, for the index may change as soon as the lock is given back. */
static size_t copy_places(struct reading *reading, struct log_place *places, size_t *total_bytes)
{
    struct log_store *store = reading->store;
    size_t count = 0;
    *total_bytes = 0;
    pthread_mutex_lock(&store->lock);
    const struct log_place *place = log_index_find(&store->index, reading->next_index);
    const struct log_place *end = store->index.places + store->index.count;
    while (place != NULL && place < end && count < LIMIT_LOG_READ_BATCHES) {
        bool enough =
            count > 0 && (place->first_index - reading->next_index >= reading->max_count ||
                          *total_bytes + place->length > reading->max_bytes);
        if (enough) {
            break;
        }
        places[count++] = *place;
        *total_bytes += place->length;
        place++;
    }
    pthread_mutex_unlock(&store->lock);
    return count;
}

static bool read_batch(struct reading *reading, const struct log_place *place, uint8_t *memory,
                       struct log_batch_header *header, struct error *error)
{
    const struct file_system *files = reading->store->files;
    char *path = log_segment_path(reading->store->directory, place->segment);
    if (reading->file == NULL || reading->open_segment != place->segment) {
        if (reading->file != NULL) {
            files->close(reading->file);
        }
        reading->file = files->open(files->context, path, false, error);
        reading->open_segment = place->segment;
    }
    size_t got;
    bool read = reading->file != NULL &&
                files->read(reading->file, place->offset, memory, place->length, &got, error);
    if (read) {
        enum log_batch_finding finding =
            log_batch_read(bytes_of(memory, got), place->offset, header);
        if (finding != LOG_BATCH_VALID || header->crc != place->crc ||
            header->first_index != place->first_index || header->count < place->count) {
            read = error_set(error,
                             "%s is damaged at offset %u: the batch with entry %" PRIu64
                             " does not read as it was written; " ADVICE_NODE_LOST,
                             path, place->offset, place->first_index);
        }
    }
    free(path);
    return read;
}

/* Takes the records that are asked for; false when it has enough. */
static bool take_records(struct reading *reading, const struct log_place *place,
                         struct log_batch_entries *entries)
{
    struct log_record record;
    uint64_t end = place->first_index + place->count;
    while (entries->next_index < end && log_batch_next(entries, &record)) {
        if (record.index < reading->next_index) {
            continue;
        }
        if (reading->count == reading->max_count ||
            (reading->count > 0 && reading->bytes + record.data.len > reading->max_bytes)) {
            return false;
        }
        reading->records[reading->count++] = record;
        reading->bytes += record.data.len;
        reading->next_index++;
    }
    return true;
}

static bool read_places(struct reading *reading, const struct log_place *places, size_t count,
                        uint8_t *memory, struct error *error)
{
    for (size_t i = 0; i < count; i++) {
        struct log_batch_header header;
        if (!read_batch(reading, &places[i], memory, &header, error)) {
            return false;
        }
        struct log_batch_entries entries =
            log_batch_entries_of(bytes_of(memory, places[i].length), &header);
        if (!take_records(reading, &places[i], &entries)) {
            break;
        }
        if (entries.failed) {
            return error_set(error,
                             "%s: the batch with entry %" PRIu64 " holds fewer entries than "
                             "its header says",
                             reading->store->directory, places[i].first_index);
        }
        memory += places[i].length;
    }
    return true;
}

/* Is the entry there at all? Sets the error if not. */
static bool check_index(struct log_store *store, uint64_t index, struct error *error)
{
    pthread_mutex_lock(&store->lock);
    bool there = log_index_find(&store->index, index) != NULL;
    uint64_t first = log_index_first(&store->index);
    uint64_t last = log_index_last(&store->index);
    pthread_mutex_unlock(&store->lock);
    return there || error_set(error,
                              "%s: entry %" PRIu64 " is not in the log, which begins at %" PRIu64
                              " and ends at %" PRIu64,
                              store->directory, index, first, last);
}

size_t log_store_read(struct log_store *store, uint64_t first_index, size_t max_count,
                      size_t max_bytes, struct log_record *records, struct buffer *memory,
                      struct error *error)
{
    assert(max_count > 0);
    if (atomic_load(&store->failed)) {
        refuse_failed(store, error);
        return 0;
    }
    struct reading reading = {
        .store = store,
        .next_index = first_index,
        .max_count = max_count,
        .max_bytes = max_bytes,
        .records = records,
    };
    struct log_place places[LIMIT_LOG_READ_BATCHES];
    size_t total_bytes;
    size_t count;
    while ((count = copy_places(&reading, places, &total_bytes)) == 0) {
        if (!check_index(store, first_index, error)) {
            return 0;
        } /* else it has just been appended */
    }
    buffer_clear(memory);
    bool read = read_places(&reading, places, count, buffer_reserve(memory, total_bytes), error);
    memory->len = total_bytes;
    if (reading.file != NULL) {
        store->files->close(reading.file);
    }
    if (!read) {
        /* A segment that was removed meanwhile is no damage: say what it is. */
        check_index(store, first_index, error);
        return 0;
    }
    return reading.count;
}

/* ---- removing ---- */

/* Takes out of the index what lies wholly in segments before that of index + 1, or before that of
 * the last entry, and returns the number of that segment; 0: the log is empty. */
static uint64_t drop_places(struct log_store *store, uint64_t up_to_index)
{
    struct log_index *index = &store->index;
    uint64_t segment = 0;
    pthread_mutex_lock(&store->lock);
    if (index->count > 0 && up_to_index >= log_index_first(index)) {
        uint64_t last = log_index_last(index);
        uint64_t kept = up_to_index < last ? up_to_index + 1 : last;
        uint32_t first_kept = log_index_find(index, kept)->segment;
        log_index_drop(index, first_kept);
        note_range(store);
        segment = first_kept;
    }
    pthread_mutex_unlock(&store->lock);
    return segment;
}

bool log_store_trim(struct log_store *store, uint64_t up_to_index, struct error *error)
{
    if (atomic_load(&store->failed)) {
        return refuse_failed(store, error);
    }
    pthread_mutex_lock(&store->removal);
    uint64_t segment = drop_places(store, up_to_index);
    uint64_t bytes = 0;
    bool trimmed = true;
    if (segment > store->first_segment) {
        /* The first one first: what a crash leaves has no gap. */
        trimmed = log_segments_remove(store->files, store->directory, store->first_segment,
                                      segment - 1, &bytes, error);
        atomic_fetch_sub(&store->disk_bytes, bytes);
        store->first_segment = segment;
    }
    pthread_mutex_unlock(&store->removal);
    return trimmed || fail(store);
}

bool log_store_reset(struct log_store *store, uint64_t index, struct error *error)
{
    if (atomic_load(&store->failed)) {
        return refuse_failed(store, error);
    }
    assert(index + 1 >= log_store_first_index(store)); /* what is trimmed stays so */
    pthread_mutex_lock(&store->removal);
    pthread_mutex_lock(&store->lock);
    log_index_begin(&store->index, index + 1);
    note_range(store);
    pthread_mutex_unlock(&store->lock);
    if (store->file != NULL) {
        store->files->close(store->file);
        store->file = NULL;
    }
    bool reset = true;
    if (store->first_segment <= store->tail.segment) {
        /* The last one first: what a crash leaves still begins before the snapshot, and recovery
         * sees that it does not follow it. */
        reset = log_segments_remove(store->files, store->directory, store->tail.segment,
                                    store->first_segment, NULL, error);
    }
    store->first_segment = store->tail.segment + 1;
    store->begun = false;
    atomic_store(&store->disk_bytes, 0);
    pthread_mutex_unlock(&store->removal);
    return reset || fail(store);
}

/* ---- looking ---- */

bool log_store_is_trimmed(const struct log_store *store, uint64_t index)
{
    return index < log_store_first_index(store);
}

uint64_t log_store_first_index(const struct log_store *store)
{
    return atomic_load(&store->first_index);
}

uint64_t log_store_last_index(const struct log_store *store)
{
    return atomic_load(&store->last_index);
}

uint64_t log_store_disk_bytes(const struct log_store *store)
{
    return atomic_load(&store->disk_bytes);
}
