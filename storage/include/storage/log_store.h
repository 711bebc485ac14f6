/*
 * log_store.h - the Raft log on disk: preallocated segments of batches, each batch one write and
 * one sync, chained by CRC-32C.
 *
 * A batch is written only after the one before it is synced. Hence: an invalid batch that is
 * followed by a later one is corruption (refused, with file and offset and the way back); an
 * invalid last batch that can be a torn write is one, and nobody was told of it (dropped, told);
 * one that had arrived wholly is damage, and refused as well (log_batch.h says what can be told
 * apart).
 *
 * Truncation is implicit, as in Raft: a batch that begins at or before the last index replaces
 * everything from there. Nothing is overwritten on disk for it.
 *
 * The log may begin behind 1: what the manifest's snapshot covers (data_directory.h) is trimmed, a
 * segment at a time; and where a snapshot from another node replaced the state, the log begins anew
 * behind it. `begun` tells a log that has not begun from one that was lost.
 *
 * Ownership: entries passed in are copied to disk before the call returns. Threads: append and
 * reset from one thread, close when no other call is under way, everything else, trim included,
 * from any; a read beside a trim gives what was there, or says that it was trimmed. Memory: 32
 * bytes per batch kept. Errors: a failed write, sync or removal is final; the store refuses
 * everything after it, reads too.
 */
#ifndef STORAGE_LOG_STORE_H
#define STORAGE_LOG_STORE_H

#include "base/bytes.h"
#include "base/error.h"
#include "storage/file.h"

struct log_store;

struct log_record {
    uint64_t index;
    uint64_t term;
    uint8_t type;
    struct bytes data;
};

struct log_store_options {
    const struct file_system *files;
    const char *directory;
    uint64_t cluster_id;
    uint64_t segment_bytes; /* of new segments; 0: LOG_SEGMENT_BYTES */

    /* What the manifest says: where its snapshot ends (0: there is none), and whether the log has
     * held an entry since the state's generation began. */
    uint64_t snapshot_index;
    uint64_t snapshot_term;
    bool begun;
    /* Called when the log holds its first entry durably and `begun` is false, before the entry
     * counts: by open, or by the thread that appends. It makes `begun` durable; false is final. May
     * be NULL: then a log that was lost looks like a new one. */
    bool (*begin)(void *context, struct error *error);
    void *begin_context;
};

/* Called for each record in the order in which they were written, so that the log is read once. One
 * at or before an index that was shown takes the place of that record and of all behind it; one at
 * or before the first takes the place of all. What counts in the end lies between the first index
 * and the last one of the log that was opened. data is valid during the call. */
typedef bool (*log_store_visit)(void *context, const struct log_record *record,
                                struct error *error);

/* Opens and verifies the whole log, in a directory that is there, and shows what it holds (visit
 * may be NULL). What it then holds is durable, and follows the snapshot: the first index is at most
 * the snapshot's + 1, the last at least the snapshot's. *dropped (may be NULL) gets a line about a
 * torn batch that was dropped, or about a log that a snapshot replaced, or "". */
struct log_store *log_store_open(const struct log_store_options *options, log_store_visit visit,
                                 void *context, struct error *dropped, struct error *error);
void log_store_close(struct log_store *store);

/* Drops everything from records[0].index on, then appends the records (at least one, consecutive,
 * beginning at the last index + 1 or before, but not before the first index; each at most
 * LIMIT_ENTRY_BYTES), and syncs. Durable when it returns true. One write and one sync, unless the
 * records exceed LIMIT_LOG_BATCH_BYTES: then one of each per batch. */
bool log_store_append(struct log_store *store, const struct log_record *records, size_t count,
                      struct error *error);
/* Reads from first_index: up to max_count records and max_bytes of data, at least one record; it
 * may be fewer than there are, so go on with the next index. The records' data stand in `memory`,
 * which grows to max_bytes and one batch at most. Returns how many, or 0 and an error: the index is
 * not in the log - if log_store_is_trimmed, not any more - or the disk gave back something else
 * than what was written. */
size_t log_store_read(struct log_store *store, uint64_t first_index, size_t max_count,
                      size_t max_bytes, struct log_record *records, struct buffer *memory,
                      struct error *error);
/* Is the index behind what the log begins with? Once it is, it stays so. */
bool log_store_is_trimmed(const struct log_store *store, uint64_t index);

/* Removes the segments that lie wholly at or below the index, which a stored snapshot covers. What
 * is left begins at or below index + 1; the segment that holds the last entry always stays. May
 * take long: each removal is synced. */
bool log_store_trim(struct log_store *store, uint64_t up_to_index, struct error *error);
/* Removes everything; the log goes on at index + 1, behind the snapshot that has just been
 * installed (data_directory_install). `begun` is false again. */
bool log_store_reset(struct log_store *store, uint64_t index, struct error *error);

uint64_t log_store_first_index(const struct log_store *store); /* or of what comes next */
uint64_t log_store_last_index(const struct log_store *store);  /* empty: first index - 1 */
uint64_t log_store_disk_bytes(const struct log_store *store);

#endif
