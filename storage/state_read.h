/*
 * state_read.h - getting and scanning records of the state database, with or without changes in
 * front of it: what the store and its views have in common.
 *
 * Ownership: what a get shows is valid until the next call on the same reader, what a scan shows
 * during the visit. Threads: one at a time per reader; several readers of one database beside each
 * other.
 */
#ifndef STORAGE_STATE_READ_H
#define STORAGE_STATE_READ_H

#include <rocksdb/c.h>

#include "ledger/store.h"
#include "overlay.h"

struct state_reader {
    rocksdb_t *db;
    rocksdb_readoptions_t *options;
    const char *path;
    struct overlay *overlay; /* NULL: the database alone */
    rocksdb_pinnableslice_t *pinned;
    struct buffer key;
    struct buffer bound;
};

/* `path` and `overlay` must outlive the reader. */
void state_reader_open(struct state_reader *reader, rocksdb_t *db, const char *path,
                       struct overlay *overlay);
/* Lets go of what the last get has shown. */
void state_reader_release(struct state_reader *reader);
void state_reader_close(struct state_reader *reader);

enum store_result state_reader_get(struct state_reader *reader, uint8_t kind, struct bytes key,
                                   struct bytes *value, struct error *error);
bool state_reader_scan(struct state_reader *reader, uint8_t kind, struct bytes from,
                       struct bytes to, store_visit visit, void *context, struct error *error);

/* Puts RocksDB's words, the directory and the way back into the error; frees the words. False. */
bool state_fail(struct error *error, const char *path, const char *what, char *words);

#endif
