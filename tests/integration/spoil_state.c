/*
 * spoil_state.c - what no program should do: changes a record of a node's state behind its back.
 *
 *     spoil_state DATABASE [--keep-digest]
 *
 * The first stock of the database (a node's state.<n>, the node stopped) gets one unit more. With
 * --keep-digest the digest that the node keeps is changed in step, as if the node had come to this
 * state by applying an entry in another way than the others. Goes through RocksDB and not through
 * storage/, which writes nothing without an entry of the log. Exit 0 if it is done, else 1.
 */
#include <rocksdb/c.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "ledger/record.h"
#include "ledger/store.h"

#define DIGEST_KEY "Mdigest" /* kind and name */

static int fail(const char *what, const char *why)
{
    fprintf(stderr, "spoil_state: %s: %s\n", what, why);
    return 1;
}

struct change {
    struct buffer key;
    struct buffer before;
    struct buffer after;
};

static bool find_stock(rocksdb_t *db, struct change *change, struct error *error)
{
    const char first[] = {LEDGER_KIND_STOCK};
    struct stock_record stock;
    rocksdb_readoptions_t *options = rocksdb_readoptions_create();
    rocksdb_iterator_t *at = rocksdb_create_iterator(db, options);
    rocksdb_iter_seek(at, first, sizeof first);
    bool found = rocksdb_iter_valid(at);
    if (found) {
        size_t key_len;
        size_t value_len;
        const char *key = rocksdb_iter_key(at, &key_len);
        const char *value = rocksdb_iter_value(at, &value_len);
        found = key_len > 0 && key[0] == first[0];
        buffer_append(&change->key, key, key_len);
        buffer_append(&change->before, value, value_len);
    }
    rocksdb_iter_destroy(at);
    rocksdb_readoptions_destroy(options);
    if (!found) {
        return error_set(error, "it has no stock");
    }
    if (!stock_record_decode(buffer_bytes(&change->before), &stock, error)) {
        return false;
    }
    stock.on_hand++;
    stock_record_encode(&change->after, &stock);
    return true;
}

static bool digest_in_step(rocksdb_t *db, const struct change *change, rocksdb_writebatch_t *batch,
                           struct error *error)
{
    struct hash128 digest;
    struct buffer record = {0};
    char *words = NULL;
    size_t len;
    rocksdb_readoptions_t *options = rocksdb_readoptions_create();
    char *value = rocksdb_get(db, options, DIGEST_KEY, strlen(DIGEST_KEY), &len, &words);
    rocksdb_readoptions_destroy(options);
    if (value == NULL) {
        error_set(error, "the digest can't be read: %s", words != NULL ? words : "it has none");
        rocksdb_free(words);
        return false;
    }
    bool read = digest_record_decode(bytes_of(value, len), &digest, error);
    rocksdb_free(value);
    if (!read) {
        return false;
    }
    struct bytes key = buffer_bytes(&change->key);
    digest = hash128_subtract(digest, hash128_of_pair(key, buffer_bytes(&change->before)));
    digest = hash128_add(digest, hash128_of_pair(key, buffer_bytes(&change->after)));
    digest_record_encode(&record, digest);
    rocksdb_writebatch_put(batch, DIGEST_KEY, strlen(DIGEST_KEY), (char *)record.data, record.len);
    buffer_free(&record);
    return true;
}

static bool write_change(rocksdb_t *db, const struct change *change, bool keep_digest,
                         struct error *error)
{
    rocksdb_writebatch_t *batch = rocksdb_writebatch_create();
    rocksdb_writebatch_put(batch, (char *)change->key.data, change->key.len,
                           (char *)change->after.data, change->after.len);
    bool ok = !keep_digest || digest_in_step(db, change, batch, error);
    if (ok) {
        char *words = NULL;
        rocksdb_writeoptions_t *writing = rocksdb_writeoptions_create();
        rocksdb_writeoptions_disable_WAL(writing, 1);
        rocksdb_flushoptions_t *flushing = rocksdb_flushoptions_create();
        rocksdb_flushoptions_set_wait(flushing, 1);
        rocksdb_write(db, writing, batch, &words);
        if (words == NULL) {
            rocksdb_flush(db, flushing, &words);
        }
        ok = words == NULL || error_set(error, "%s", words);
        rocksdb_free(words);
        rocksdb_writeoptions_destroy(writing);
        rocksdb_flushoptions_destroy(flushing);
    }
    rocksdb_writebatch_destroy(batch);
    return ok;
}

int main(int argc, char **argv)
{
    struct change change = {.key = {0}};
    struct error error;
    char *words = NULL;
    bool keep_digest = argc == 3 && strcmp(argv[2], "--keep-digest") == 0;
    if (argc < 2 || argc > 3 || (argc == 3 && !keep_digest)) {
        return fail("usage", "spoil_state DATABASE [--keep-digest]");
    }
    rocksdb_options_t *options = rocksdb_options_create();
    rocksdb_t *db = rocksdb_open(options, argv[1], &words);
    if (db == NULL) {
        return fail(argv[1], words);
    }
    bool done = find_stock(db, &change, &error) && write_change(db, &change, keep_digest, &error);
    rocksdb_close(db);
    rocksdb_options_destroy(options);
    buffer_free(&change.key);
    buffer_free(&change.before);
    buffer_free(&change.after);
    return done ? 0 : fail(argv[1], error.text);
}
