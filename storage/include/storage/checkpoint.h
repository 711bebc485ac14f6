/*
 * checkpoint.h - carrying a checkpoint of the state from one node to another: what files it has,
 * reading them in ranges, and gathering them on the other side.
 *
 *   sender      state_store's checkpoint -> checkpoint_list_make -> checkpoint_reader, a range at a
 *               time
 *   receiver    the list -> checkpoint_receiver in the staging path -> take, range by range ->
 *               finish -> data_directory_install
 *
 * The files are bytes here, whatever they mean: all goes through storage/file.h, so that a
 * simulation runs this very code. What the receiver holds for right has the size and the sum that
 * the sender's disk had when the list was made, and is synced. Files that are there already are not
 * fetched again: not after a lost connection, and not when another checkpoint of the same state has
 * them too.
 *
 * Threads: one at a time per list, reader and receiver; making a list and opening a receiver read
 * whole files and belong into the pool. Memory: a list's, and one file's buffer while it is summed
 * up. Errors: what the other node sent is judged, never trusted (WRONG: ask again, or another
 * node); a failed disk is final.
 */
#ifndef STORAGE_CHECKPOINT_H
#define STORAGE_CHECKPOINT_H

#include "base/bytes.h"
#include "base/error.h"
#include "base/limits.h"
#include "base/lineage.h"
#include "storage/file.h"

struct checkpoint_file {
    char name[LIMIT_CHECKPOINT_NAME_BYTES + 1];
    uint64_t size;
    uint32_t crc; /* CRC-32C of all of it */
};

struct checkpoint_list {
    struct checkpoint_file *files; /* by name; none twice */
    size_t count;
    uint64_t bytes;         /* of all files */
    struct lineage lineage; /* what the state stems from where it was made; the maker's to set */
};

/* Lists the directory, in which nothing changes any more, and reads all of it. The caller frees the
 * list, also after a failure. */
bool checkpoint_list_make(const struct file_system *files, const char *directory,
                          struct checkpoint_list *list, struct error *error);
void checkpoint_list_free(struct checkpoint_list *list);
/* As it travels. */
void checkpoint_list_encode(const struct checkpoint_list *list, struct buffer *out);
/* False: no list that a node would send, and why. The caller frees it, also then. */
bool checkpoint_list_decode(struct bytes encoded, struct checkpoint_list *list,
                            struct error *error);

/* ---- sending ---- */

struct checkpoint_reader;

/* `list` is read until close; one list may have many readers. */
struct checkpoint_reader *checkpoint_reader_open(const struct file_system *files,
                                                 const char *directory,
                                                 const struct checkpoint_list *list);
void checkpoint_reader_close(struct checkpoint_reader *reader);
/* Appends up to max_bytes of the file at this place of the list, from offset on. False: there is no
 * such range (what a peer may ask for), or the disk did not give it. */
bool checkpoint_reader_read(struct checkpoint_reader *reader, size_t file, uint64_t offset,
                            size_t max_bytes, struct buffer *out, struct error *error);

/* ---- receiving ---- */

struct checkpoint_receiver;

/* Makes the directory, or takes over what an earlier receiver left in it: what the list has too
 * stays, if it is whole and right; everything else is removed. Copies the list. NULL: the disk. */
struct checkpoint_receiver *checkpoint_receiver_open(const struct file_system *files,
                                                     const char *directory,
                                                     const struct checkpoint_list *list,
                                                     struct error *error);
/* What was received stays, for the next one. */
void checkpoint_receiver_close(struct checkpoint_receiver *receiver);

/* What is to come next: bytes of one file, from its beginning to its end, in order. False: all
 * files are there. */
struct checkpoint_range {
    size_t file; /* place in the list */
    uint64_t offset;
    uint64_t left; /* of this file; never 0 */
};
bool checkpoint_receiver_wants(const struct checkpoint_receiver *receiver,
                               struct checkpoint_range *range);
/* Of all files, how much is there. */
uint64_t checkpoint_receiver_bytes(const struct checkpoint_receiver *receiver);

enum checkpoint_taken {
    CHECKPOINT_TAKEN,
    CHECKPOINT_WRONG,  /* not what was announced, or asked for: ask again for what is wanted now */
    CHECKPOINT_FAILED, /* the disk */
};
/* The bytes at the place that is wanted; some, or all that are left of the file. The last ones of a
 * file are checked against its sum and synced before this returns. */
enum checkpoint_taken checkpoint_receiver_take(struct checkpoint_receiver *receiver,
                                               struct bytes data, struct error *error);
/* All files are there: makes their names durable. Behind this the directory may be installed. */
bool checkpoint_receiver_finish(struct checkpoint_receiver *receiver, struct error *error);

#endif
