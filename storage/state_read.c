/*
 * state_read.c - point reads and ordered scans.
 *
 * A get looks into the overlay first, then asks RocksDB for a pinned value: no copy. A scan walks
 * RocksDB's iterator and the overlay's sorted changes of that kind side by side; where both have a
 * key, the overlay's counts. What can fail: reading the disk, and a block whose checksum is wrong.
 */
#include "state_read.h"

#include <assert.h>
#include <errno.h>

/* RocksDB's words are all that the C interface gives of a failure. A table that is gone is a state
 * that is lost, like a damaged one; but a failing disk comes first, whatever it has led to. */
static const char *advice_of(const char *words)
{
    if (strstr(words, strerror(EIO)) != NULL) {
        return error_disk_advice(EIO);
    }
    if (strstr(words, strerror(EROFS)) != NULL) {
        return error_disk_advice(EROFS);
    }
    if (strstr(words, strerror(ENOSPC)) != NULL) {
        return error_disk_advice(ENOSPC);
    }
    bool lost = strncmp(words, "Corruption", strlen("Corruption")) == 0 ||
                strstr(words, strerror(ENOENT)) != NULL;
    return lost ? "; " ADVICE_STATE_LOST : "";
}

bool state_fail(struct error *error, const char *path, const char *what, char *words)
{
    error_set(error, "the state database %s can't be %s: %.200s%s", path, what, words,
              advice_of(words));
    rocksdb_free(words);
    return false;
}

void state_reader_open(struct state_reader *reader, rocksdb_t *db, const char *path,
                       struct overlay *overlay)
{
    *reader = (struct state_reader){
        .db = db,
        .options = rocksdb_readoptions_create(),
        .path = path,
        .overlay = overlay,
    };
}

void state_reader_release(struct state_reader *reader)
{
    if (reader->pinned != NULL) {
        rocksdb_pinnableslice_destroy(reader->pinned);
        reader->pinned = NULL;
    }
}

void state_reader_close(struct state_reader *reader)
{
    state_reader_release(reader);
    rocksdb_readoptions_destroy(reader->options);
    buffer_free(&reader->key);
    buffer_free(&reader->bound);
}

static void set_key(struct buffer *out, uint8_t kind, struct bytes key)
{
    buffer_clear(out);
    buffer_append(out, &kind, 1);
    buffer_append_bytes(out, key);
}

enum store_result state_reader_get(struct state_reader *reader, uint8_t kind, struct bytes key,
                                   struct bytes *value, struct error *error)
{
    if (reader->overlay != NULL) {
        const struct overlay_record *record = overlay_find(reader->overlay, kind, key);
        if (record != NULL) {
            *value = record->value;
            return record->removed ? STORE_ABSENT : STORE_FOUND;
        }
    }
    set_key(&reader->key, kind, key); /* before the last value goes: the key may be a view of it */
    state_reader_release(reader);
    char *words = NULL;
    reader->pinned = rocksdb_get_pinned(reader->db, reader->options, (char *)reader->key.data,
                                        reader->key.len, &words);
    if (words != NULL) {
        state_fail(error, reader->path, "read", words);
        return STORE_ERROR;
    }
    if (reader->pinned == NULL) {
        return STORE_ABSENT;
    }
    size_t len;
    const char *data = rocksdb_pinnableslice_value(reader->pinned, &len);
    *value = bytes_of(data, len);
    return STORE_FOUND;
}

/* The key that an iterator stands at, without its kind byte. */
static struct bytes iterator_key(const rocksdb_iterator_t *iterator)
{
    size_t len;
    const char *data = rocksdb_iter_key(iterator, &len);
    assert(len > 0);
    return bytes_of(data + 1, len - 1);
}

static struct bytes iterator_value(const rocksdb_iterator_t *iterator)
{
    size_t len;
    const char *data = rocksdb_iter_value(iterator, &len);
    return bytes_of(data, len);
}

static struct bytes record_key(const struct overlay_record *record)
{
    return bytes_of(record->kind_and_key.data + 1, record->kind_and_key.len - 1);
}

/* Both sorted sequences, side by side, until the end or until the visitor has enough. */
static void merge(rocksdb_iterator_t *iterator, const struct overlay_record *const *changes,
                  size_t change_count, store_visit visit, void *context)
{
    size_t next = 0;
    bool wanted = true;
    while (wanted && (next < change_count || rocksdb_iter_valid(iterator))) {
        int order = 1; /* < 0: the change comes first; 0: it replaces the record; > 0: no change */
        if (next < change_count) {
            order = !rocksdb_iter_valid(iterator)
                        ? -1
                        : bytes_compare(record_key(changes[next]), iterator_key(iterator));
        }
        if (order > 0) {
            wanted = visit(context, iterator_key(iterator), iterator_value(iterator));
            rocksdb_iter_next(iterator);
            continue;
        }
        const struct overlay_record *change = changes[next++];
        if (!change->removed) {
            wanted = visit(context, record_key(change), change->value);
        }
        if (order == 0) {
            rocksdb_iter_next(iterator);
        }
    }
}

bool state_reader_scan(struct state_reader *reader, uint8_t kind, struct bytes from,
                       struct bytes to, store_visit visit, void *context, struct error *error)
{
    assert(kind < UINT8_MAX);
    set_key(&reader->key, kind, from);
    if (to.len > 0) {
        set_key(&reader->bound, kind, to);
    } else {
        set_key(&reader->bound, (uint8_t)(kind + 1), bytes_of(NULL, 0));
    }
    const struct overlay_record *const *changes = NULL;
    size_t change_count =
        reader->overlay != NULL ? overlay_range(reader->overlay, kind, from, to, &changes) : 0;
    state_reader_release(reader);

    rocksdb_readoptions_set_iterate_upper_bound(reader->options, (char *)reader->bound.data,
                                                reader->bound.len);
    rocksdb_iterator_t *iterator = rocksdb_create_iterator(reader->db, reader->options);
    rocksdb_iter_seek(iterator, (char *)reader->key.data, reader->key.len);
    merge(iterator, changes, change_count, visit, context);
    char *words = NULL;
    rocksdb_iter_get_error(iterator, &words);
    rocksdb_iter_destroy(iterator);
    rocksdb_readoptions_set_iterate_upper_bound(reader->options, NULL, 0);
    return words == NULL || state_fail(error, reader->path, "read", words);
}
