/*
 * state_db.h - the state machine's database: RocksDB without a write-ahead log, one column family,
 * the record's kind byte in front of each key.
 *
 * The Raft log is the write-ahead log: after a crash the database stands at some applied index it
 * once committed, and entries behind it are applied again. Hence the one rule: all changes of an
 * entry and its index are written in one atomic batch (state_db_commit).
 *
 * Memory: bounded by base/limits.h, but for the changes between two commits. Threads: one at a time
 * for everything but views and checkpoints. A view (a snapshot of the database) may be read and
 * closed by another thread. Errors: a damaged or newer database, and a disk without room for one
 * write buffer, are refused with what to do; any failed write is final: the node must stop.
 */
#ifndef STORAGE_STATE_DB_H
#define STORAGE_STATE_DB_H

#include "base/error.h"
#include "ledger/store.h"
#include "storage/state_store.h"

struct state_db;

struct state_db_options {
    const char *path;          /* DATA/state.<generation> */
    size_t write_buffer_bytes; /* 0: the default; tests use 64 KiB to see many flushes */
    /* NULL: of a node's own state; what can't be opened is told with how the node gets another one.
     * Else of a state that came from elsewhere, and set by an open that fails: could the files be
     * read, and mean nothing to this library? Those of another release are so, and damaged ones.
     * False: the disk, or its want of room. */
    bool *is_foreign;
};

struct state_db *state_db_open(const struct state_db_options *options, struct error *error);
/* Flushes what is in memory, so that the next start replays little; false if that failed (nothing
 * is lost: the log has it). Frees in any case. */
bool state_db_close(struct state_db *db, struct error *error);

/* The store that the ledger works on: changes are seen at once by get and scan, and written by
 * commit. */
struct ledger_store state_db_store(struct state_db *db);
/* Writes all changes since the last commit and the applied index, atomically. The index grows with
 * each commit (asserted). Durable once RocksDB flushes it; until then the log has it. */
bool state_db_commit(struct state_db *db, uint64_t applied_index, struct error *error);
/* Has a flush or a compaction failed in the background? RocksDB tells a flush's failure at the next
 * commit; a compaction's perhaps never. False: yes, and nothing is written any more. */
bool state_db_check(struct state_db *db, struct error *error);
/* Forgets all changes since the last commit. */
void state_db_rollback(struct state_db *db);
/* The index of the last commit found or made; 0 for a new database. */
uint64_t state_db_applied_index(const struct state_db *db);

/* A frozen, read-only view of the last committed state, for a thread of the pool. Close it before
 * the database. */
struct state_db_view;
struct state_db_view *state_db_view_open(struct state_db *db);
struct ledger_store state_db_view_store(struct state_db_view *view); /* put and remove refuse */
uint64_t state_db_view_applied_index(const struct state_db_view *view);
void state_db_view_close(struct state_db_view *view);

/* Flushes, and makes `path` a database of its own: the state as it was at one applied index between
 * the call and its return, which is told. It shares this one's files (hard links), so it must lie
 * on the same file system, and costs no space until this one goes on without them. Nothing may
 * stand at `path`; after a failure, or a crash, something unfinished may, there or at "<path>.tmp".
 * From any thread, beside everything but close; it may take seconds. */
bool state_db_checkpoint(struct state_db *db, const char *path, uint64_t *applied_index,
                         struct error *error);

/* All of the above behind the interface that a node takes. The database is the interface's `state`
 * and is closed once, through either. */
struct state_store state_db_interface(struct state_db *db);

#endif
