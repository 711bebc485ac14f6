/*
 * state_db.h - the state machine's database: RocksDB without a write-ahead log, one column family,
 * the record's kind byte in front of each key.
 *
 * The Raft log is the write-ahead log: after a crash the database stands at some applied index it
 * once committed, and entries behind it are applied again. Hence the one rule: all changes of an
 * entry and its index are written in one atomic batch (state_db_commit).
 *
 * Memory: bounded by base/limits.h, but for the changes between two commits. Threads: one at a time
 * for everything but views. A view (a snapshot of the database) may be read and closed by another
 * thread. Errors: a damaged or newer database, and a disk without room for one write buffer, are
 * refused with what to do; any failed write is final: the node must stop.
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

/* All of the above behind the interface that a node takes. The database is the interface's `state`
 * and is closed once, through either. */
struct state_store state_db_interface(struct state_db *db);

#endif
