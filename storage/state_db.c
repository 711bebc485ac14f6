/*
 * state_db.c - the state machine's records in RocksDB: opening, committing, views.
 *
 * Invariant: the database always stands exactly behind some applied index, the one it holds. There
 * is no write-ahead log, so a crash goes back to the last write buffer that was flushed; since all
 * changes of an entry and its index are one WriteBatch in one column family, and write buffers are
 * flushed in order, what is found then is again the state behind one index. (Several column
 * families would be flushed apart.)
 *
 * The happy path: puts and removes gather in the overlay (overlay.h), commit turns them into one
 * batch. What can fail: any disk operation, also a background flush, which RocksDB tells at a later
 * write. Then nothing is written any more; the node must stop, and the log has everything.
 *
 * Keys: a kind byte, then the key. The ledger's kinds are its own (ledger/store.h); ours is 'A',
 * with the single key "applied": {format u32, applied index u64}.
 */
#include "storage/state_db.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <libgen.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/statvfs.h>

#include "base/codec.h"
#include "base/limits.h"
#include "state_read.h"

#define STATE_FORMAT 1u
/* In RocksDB's words where the disk is to blame (its Status::IOError): at the beginning, or behind
 * "Corruption: " where a table can't be opened. */
#define IO_ERROR    "IO error: "
#define OWN_KIND    'A'
#define APPLIED_KEY BYTES_LITERAL("applied")

/* RocksDB's numbers, which its C header leaves unnamed. */
#define BLOOM_BITS   10
#define TABLE_FORMAT 5
/* A write buffer's own filter, as a share of it: most gets of new ids end there. */
#define MEMTABLE_BLOOM_SHARE 0.05
/* RocksDB's text log holds only what it says on opening. As Debian builds it (7.8.3, assertions
 * on), the first line behind one that could not be written ends the process by an assertion: a full
 * disk would kill the node without a word. What matters comes back through the calls. */
#define INFO_LOG_FATAL 4
#define INFO_LOG_FILES 2
/* Level-0 files before RocksDB slows writes down, and stops them. The writing thread is the node's
 * only one: it must not sleep for what the compacting thread can do in peace. */
#define SLOWDOWN_FILES 40
#define STOP_FILES     60

struct state_db {
    char *path;
    rocksdb_t *db;
    rocksdb_options_t *options;
    rocksdb_cache_t *cache;
    rocksdb_writeoptions_t *write_options;
    rocksdb_writebatch_t *batch;
    struct overlay *overlay;
    struct state_reader reader;
    struct buffer applied_value;
    uint64_t applied_index;
    bool failed;
    atomic_uint views; /* and checkpoints under way */
};

struct state_db_view {
    struct state_db *owner;
    const rocksdb_snapshot_t *snapshot;
    struct state_reader reader;
    uint64_t applied_index;
};

/* ---- opening ---- */

static void set_table_options(struct state_db *db)
{
    db->cache = rocksdb_cache_create_lru(STATE_BLOCK_CACHE_BYTES);
    rocksdb_block_based_table_options_t *table = rocksdb_block_based_options_create();
    rocksdb_block_based_options_set_block_cache(table, db->cache);
    /* Indexes and filters count against the cache: without this they are bounded by nothing. */
    rocksdb_block_based_options_set_cache_index_and_filter_blocks(table, 1);
    rocksdb_block_based_options_set_pin_l0_filter_and_index_blocks_in_cache(table, 1);
    rocksdb_block_based_options_set_filter_policy(
        table, rocksdb_filterpolicy_create_bloom_full(BLOOM_BITS));
    rocksdb_block_based_options_set_whole_key_filtering(table, 1);
    /* In pieces, of which those in use stay: RocksDB cuts its cache into parts of 512 KiB, and the
     * filter or index of a large table as one block fits none of them. It would be read again,
     * whole, by every get. */
    rocksdb_block_based_options_set_index_type(
        table, rocksdb_block_based_table_index_type_two_level_index_search);
    rocksdb_block_based_options_set_partition_filters(table, 1);
    rocksdb_block_based_options_set_pin_top_level_index_and_filter(table, 1);
    rocksdb_block_based_options_set_format_version(table, TABLE_FORMAT);
    rocksdb_options_set_block_based_table_factory(db->options, table); /* copies */
    rocksdb_block_based_options_destroy(table);
}

static void set_options(struct state_db *db, size_t write_buffer_bytes)
{
    db->options = rocksdb_options_create();
    rocksdb_options_t *options = db->options;
    rocksdb_options_set_create_if_missing(options, 1);
    rocksdb_options_set_paranoid_checks(options, 1);

    rocksdb_options_set_write_buffer_size(options, write_buffer_bytes);
    rocksdb_options_set_max_write_buffer_number(options, STATE_WRITE_BUFFERS);
    rocksdb_options_set_memtable_prefix_bloom_size_ratio(options, MEMTABLE_BLOOM_SHARE);
    rocksdb_options_set_memtable_whole_key_filtering(options, 1);
    rocksdb_options_set_allow_concurrent_memtable_write(options, 0); /* there is one writer */

    rocksdb_options_set_max_background_jobs(options, STATE_BACKGROUND_JOBS);
    rocksdb_options_set_level_compaction_dynamic_level_bytes(options, 1);
    rocksdb_options_set_level0_slowdown_writes_trigger(options, SLOWDOWN_FILES);
    rocksdb_options_set_level0_stop_writes_trigger(options, STOP_FILES);
    rocksdb_options_set_bytes_per_sync(options, STATE_SYNC_BYTES);
    rocksdb_options_set_max_open_files(options, STATE_OPEN_FILES);
    /* Two cores serve everything: the young levels are rewritten often and stay plain, the old ones
     * hold nearly all bytes. */
    const int compression[] = {
        rocksdb_no_compression,  rocksdb_no_compression,  rocksdb_no_compression,
        rocksdb_lz4_compression, rocksdb_lz4_compression, rocksdb_lz4_compression,
        rocksdb_lz4_compression,
    };
    size_t levels = sizeof compression / sizeof compression[0];
    rocksdb_options_set_num_levels(options, (int)levels);
    rocksdb_options_set_compression_per_level(options, compression, levels);

    rocksdb_options_set_info_log_level(options, INFO_LOG_FATAL);
    rocksdb_options_set_keep_log_file_num(options, INFO_LOG_FILES);
    rocksdb_options_set_stats_dump_period_sec(options, 0);
    rocksdb_options_set_stats_persist_period_sec(options, 0);
    set_table_options(db);

    db->write_options = rocksdb_writeoptions_create();
    rocksdb_writeoptions_disable_WAL(db->write_options, 1);
}

static bool is_empty(const struct state_reader *reader, bool *empty, struct error *error)
{
    rocksdb_iterator_t *iterator = rocksdb_create_iterator(reader->db, reader->options);
    rocksdb_iter_seek_to_first(iterator);
    *empty = !rocksdb_iter_valid(iterator);
    char *words = NULL;
    rocksdb_iter_get_error(iterator, &words);
    rocksdb_iter_destroy(iterator);
    return words == NULL || state_fail(error, reader->path, "read", words);
}

/* 0 of a new database. */
static bool read_applied_index(struct state_reader *reader, uint64_t *applied_index,
                               bool *is_foreign, struct error *error)
{
    struct bytes value;
    bool empty;
    *applied_index = 0;
    switch (state_reader_get(reader, OWN_KIND, APPLIED_KEY, &value, error)) {
    case STORE_ERROR:
        return false;
    case STORE_ABSENT:
        if (!is_empty(reader, &empty, error)) {
            return false;
        }
        return empty || error_set(error,
                                  "the state database %s holds records but no applied index: it is "
                                  "damaged, or not a node's; " ADVICE_STATE_LOST,
                                  reader->path);
    case STORE_FOUND:
        break;
    }
    struct reader in = reader_of(value);
    uint32_t format = read_u32(&in);
    *is_foreign = !in.failed && format > STATE_FORMAT;
    if (*is_foreign) {
        return error_set(error,
                         "the state database %s has format %" PRIu32
                         ", this program reads format %u: use the version that wrote it, or a "
                         "later one",
                         reader->path, format, STATE_FORMAT);
    }
    *applied_index = read_u64(&in);
    if (!reader_finished(&in) || format == 0 || *applied_index == 0) {
        return error_set(error,
                         "the state database %s has an applied index that can't be "
                         "read; " ADVICE_STATE_LOST,
                         reader->path);
    }
    return true;
}

static void free_db(struct state_db *db)
{
    if (db->db != NULL) {
        state_reader_close(&db->reader);
        rocksdb_close(db->db);
    }
    rocksdb_writebatch_destroy(db->batch);
    rocksdb_writeoptions_destroy(db->write_options);
    rocksdb_options_destroy(db->options);
    rocksdb_cache_destroy(db->cache);
    overlay_free(db->overlay);
    buffer_free(&db->applied_value);
    free(db->path);
    free(db);
}

/* For the same reason a start on a full disk must be refused before RocksDB writes its first line.
 * A start has to flush a write buffer before long anyway. */
static bool check_space(const char *path, size_t write_buffer_bytes, struct error *error)
{
    /* The directory may be RocksDB's to make: then its parent counts. */
    struct buffer parent = {0};
    buffer_printf(&parent, "%s", path);
    buffer_append(&parent, "", 1);
    struct statvfs status;
    int result = statvfs(path, &status);
    if (result != 0 && errno == ENOENT) {
        result = statvfs(dirname((char *)parent.data), &status);
    }
    int code = errno;
    buffer_free(&parent);
    if (result != 0) {
        return error_set(error, "the state database %s can't be opened: %s", path, strerror(code));
    }
    uint64_t available = (uint64_t)status.f_bavail * status.f_frsize;
    return available >= write_buffer_bytes ||
           error_set(error,
                     "the state database %s can't be opened: its disk has %" PRIu64
                     " bytes left, and %zu are needed: make room",
                     path, available, write_buffer_bytes);
}

/* Takes the words. Of what came from elsewhere they are all: our own state is as good as before. */
static void tell_unopened(const struct state_db_options *options, bool is_foreign, char *words,
                          struct error *error)
{
    if (is_foreign && options->is_foreign != NULL) {
        error_set(error, "the state database %s can't be opened: %.200s", options->path, words);
        rocksdb_free(words);
    } else {
        state_fail(error, options->path, "opened", words);
    }
}

struct state_db *state_db_open(const struct state_db_options *options, struct error *error)
{
    size_t write_buffer_bytes =
        options->write_buffer_bytes != 0 ? options->write_buffer_bytes : STATE_WRITE_BUFFER_BYTES;
    bool nobody_asks;
    bool *is_foreign = options->is_foreign != NULL ? options->is_foreign : &nobody_asks;
    *is_foreign = false;
    if (!check_space(options->path, write_buffer_bytes, error)) {
        return NULL;
    }
    /* RocksDB counts what it does, each comparison of two keys, in variables of the calling thread,
     * and in a shared library each of these is found by a call. Nobody reads them. This is for the
     * calling thread alone: the loop's, which opens the first state and uses them all. */
    rocksdb_set_perf_level(rocksdb_disable);
    struct state_db *db = memory_zalloc(sizeof *db);
    db->path = memory_strdup(options->path);
    db->overlay = overlay_new();
    db->batch = rocksdb_writebatch_create();
    atomic_init(&db->views, 0);
    set_options(db, write_buffer_bytes);
    char *words = NULL;
    db->db = rocksdb_open(db->options, db->path, &words);
    if (words != NULL) {
        db->db = NULL;
        *is_foreign = strstr(words, IO_ERROR) == NULL;
        tell_unopened(options, *is_foreign, words, error);
        free_db(db);
        return NULL;
    }
    state_reader_open(&db->reader, db->db, db->path, db->overlay);
    if (!read_applied_index(&db->reader, &db->applied_index, is_foreign, error)) {
        free_db(db);
        return NULL;
    }
    return db;
}

static bool flush(struct state_db *db, struct error *error)
{
    rocksdb_flushoptions_t *options = rocksdb_flushoptions_create();
    rocksdb_flushoptions_set_wait(options, 1);
    char *words = NULL;
    rocksdb_flush(db->db, options, &words);
    rocksdb_flushoptions_destroy(options);
    return words == NULL || state_fail(error, db->path, "flushed", words);
}

bool state_db_close(struct state_db *db, struct error *error)
{
    assert(atomic_load(&db->views) == 0);
    /* What has failed is not tried again: the log has it all. */
    bool flushed = !db->failed && flush(db, error);
    if (db->failed) {
        error_set(error, "the state database %s failed before and was not flushed", db->path);
    }
    free_db(db);
    return flushed;
}

/* ---- the store ---- */

static bool refuse_failed(const struct state_db *db, struct error *error)
{
    return error_set(error, "the state database %s failed before and takes no more: stop the node",
                     db->path);
}

static enum store_result db_get(void *store, enum ledger_kind kind, struct bytes key,
                                struct bytes *value, struct error *error)
{
    struct state_db *db = store;
    return state_reader_get(&db->reader, (uint8_t)kind, key, value, error);
}

static bool db_put(void *store, enum ledger_kind kind, struct bytes key, struct bytes value,
                   struct error *error)
{
    struct state_db *db = store;
    (void)error;
    assert((uint8_t)kind != OWN_KIND);
    overlay_put(db->overlay, (uint8_t)kind, key, value);
    state_reader_release(&db->reader); /* after it: key and value may be views of what was shown */
    return true;
}

static bool db_remove(void *store, enum ledger_kind kind, struct bytes key, struct error *error)
{
    struct state_db *db = store;
    (void)error;
    assert((uint8_t)kind != OWN_KIND);
    overlay_remove(db->overlay, (uint8_t)kind, key);
    state_reader_release(&db->reader);
    return true;
}

static bool db_scan(void *store, enum ledger_kind kind, struct bytes from, struct bytes to,
                    store_visit visit, void *context, struct error *error)
{
    struct state_db *db = store;
    return state_reader_scan(&db->reader, (uint8_t)kind, from, to, visit, context, error);
}

struct ledger_store state_db_store(struct state_db *db)
{
    static const struct store_ops ops = {
        .get = db_get,
        .put = db_put,
        .remove = db_remove,
        .scan = db_scan,
    };
    return (struct ledger_store){&ops, db};
}

static void add_to_batch(void *context, const struct overlay_record *record)
{
    rocksdb_writebatch_t *batch = context;
    const char *key = (const char *)record->kind_and_key.data;
    if (record->removed) {
        rocksdb_writebatch_delete(batch, key, record->kind_and_key.len);
    } else {
        rocksdb_writebatch_put(batch, key, record->kind_and_key.len,
                               (const char *)record->value.data, record->value.len);
    }
}

static void add_applied_index(struct state_db *db, uint64_t applied_index)
{
    static const char key[] = {OWN_KIND, 'a', 'p', 'p', 'l', 'i', 'e', 'd'};
    buffer_clear(&db->applied_value);
    write_u32(&db->applied_value, STATE_FORMAT);
    write_u64(&db->applied_value, applied_index);
    rocksdb_writebatch_put(db->batch, key, sizeof key, (char *)db->applied_value.data,
                           db->applied_value.len);
}

bool state_db_commit(struct state_db *db, uint64_t applied_index, struct error *error)
{
    assert(applied_index > db->applied_index); /* an entry is applied once */
    if (db->failed) {
        return refuse_failed(db, error);
    }
    rocksdb_writebatch_clear(db->batch);
    overlay_each(db->overlay, add_to_batch, db->batch);
    add_applied_index(db, applied_index);
    state_reader_release(&db->reader);
    char *words = NULL;
    rocksdb_write(db->db, db->write_options, db->batch, &words);
    if (words != NULL) {
        db->failed = true;
        return state_fail(error, db->path, "written", words);
    }
    overlay_reset(db->overlay);
    db->applied_index = applied_index;
    return true;
}

bool state_db_check(struct state_db *db, struct error *error)
{
    uint64_t failures = 0;
    if (db->failed) {
        return refuse_failed(db, error);
    }
    if (rocksdb_property_int(db->db, "rocksdb.background-errors", &failures) != 0) {
        return error_set(error, "the state database %s can't be asked how it is", db->path);
    }
    if (failures == 0) {
        return true;
    }
    db->failed = true;
    /* Which one, is told to whoever writes; but of a full disk RocksDB recovers by itself, as soon
     * as there is room, and then says nothing any more. It has failed all the same. */
    char *words = NULL;
    rocksdb_writebatch_clear(db->batch);
    rocksdb_write(db->db, db->write_options, db->batch, &words);
    return words != NULL
               ? state_fail(error, db->path, "flushed or compacted", words)
               : error_set(error,
                           "the state database %s has failed to flush or compact its "
                           "files, and no longer says why; if the disk was full, " ADVICE_DISK_FULL
                           "; else " ADVICE_DISK_FAILED,
                           db->path);
}

void state_db_rollback(struct state_db *db)
{
    state_reader_release(&db->reader);
    overlay_reset(db->overlay);
}

uint64_t state_db_applied_index(const struct state_db *db)
{
    return db->applied_index;
}

/* ---- views ---- */

struct state_db_view *state_db_view_open(struct state_db *db)
{
    struct state_db_view *view = memory_zalloc(sizeof *view);
    view->owner = db;
    view->applied_index = db->applied_index;
    view->snapshot = rocksdb_create_snapshot(db->db);
    state_reader_open(&view->reader, db->db, db->path, NULL);
    rocksdb_readoptions_set_snapshot(view->reader.options, view->snapshot);
    /* A view is read from end to end: it would push what the node needs out of the cache. */
    rocksdb_readoptions_set_fill_cache(view->reader.options, 0);
    atomic_fetch_add(&db->views, 1);
    return view;
}

void state_db_view_close(struct state_db_view *view)
{
    struct state_db *owner = view->owner;
    state_reader_close(&view->reader);
    rocksdb_release_snapshot(owner->db, view->snapshot);
    free(view);
    atomic_fetch_sub(&owner->views, 1);
}

static enum store_result view_get(void *store, enum ledger_kind kind, struct bytes key,
                                  struct bytes *value, struct error *error)
{
    struct state_db_view *view = store;
    return state_reader_get(&view->reader, (uint8_t)kind, key, value, error);
}

static bool view_put(void *store, enum ledger_kind kind, struct bytes key, struct bytes value,
                     struct error *error)
{
    const struct state_db_view *view = store;
    (void)kind;
    (void)key;
    (void)value;
    return error_set(error, "a view of the state database %s is read-only", view->owner->path);
}

static bool view_remove(void *store, enum ledger_kind kind, struct bytes key, struct error *error)
{
    return view_put(store, kind, key, bytes_of(NULL, 0), error);
}

static bool view_scan(void *store, enum ledger_kind kind, struct bytes from, struct bytes to,
                      store_visit visit, void *context, struct error *error)
{
    struct state_db_view *view = store;
    return state_reader_scan(&view->reader, (uint8_t)kind, from, to, visit, context, error);
}

struct ledger_store state_db_view_store(struct state_db_view *view)
{
    static const struct store_ops ops = {
        .get = view_get,
        .put = view_put,
        .remove = view_remove,
        .scan = view_scan,
    };
    return (struct ledger_store){&ops, view};
}

uint64_t state_db_view_applied_index(const struct state_db_view *view)
{
    return view->applied_index;
}

/* ---- checkpoints ---- */

static bool make_checkpoint(struct state_db *db, const char *path, struct error *error)
{
    char *words = NULL;
    rocksdb_checkpoint_t *checkpoint = rocksdb_checkpoint_object_create(db->db, &words);
    if (words != NULL) {
        return state_fail(error, db->path, "copied", words);
    }
    /* 0: flush first, whatever the log's size - there is none. */
    rocksdb_checkpoint_create(checkpoint, path, 0, &words);
    rocksdb_checkpoint_object_destroy(checkpoint);
    return words == NULL || state_fail(error, path, "made", words);
}

/* What the checkpoint holds is told by itself: commits went on while it was made. */
static bool ask_checkpoint(const struct state_db *db, const char *path, uint64_t *applied_index,
                           struct error *error)
{
    char *words = NULL;
    rocksdb_t *copy = rocksdb_open_for_read_only(db->options, path, 0, &words);
    if (words != NULL) {
        return state_fail(error, path, "opened", words);
    }
    struct state_reader reader;
    state_reader_open(&reader, copy, path, NULL);
    bool is_foreign;
    bool read = read_applied_index(&reader, applied_index, &is_foreign, error);
    state_reader_close(&reader);
    rocksdb_close(copy);
    return read;
}

bool state_db_checkpoint(struct state_db *db, const char *path, uint64_t *applied_index,
                         struct error *error)
{
    atomic_fetch_add(&db->views, 1);
    bool made = make_checkpoint(db, path, error) && ask_checkpoint(db, path, applied_index, error);
    atomic_fetch_sub(&db->views, 1);
    return made;
}
