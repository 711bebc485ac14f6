/*
 * sim_state.h - the state's database in memory (storage/state_store.h), for tests and the
 * simulator, with what a crash does to RocksDB without a write-ahead log: whatever was committed,
 * it stands at the last commit that was flushed.
 *
 * A struct sim_state is the database's disk and outlives crashes; the state_store that is opened on
 * it ends with each. When a flush happens is the simulator's choice (sim_state_flush). Besides, as
 * with a write buffer that is full, a commit flushes once the changes since the last flush take
 * more than SIM_STATE_UNFLUSHED_BYTES: they are bounded like those of the real one.
 *
 * A checkpoint is a directory of files (sim_state_files.h): it flushes, and holds the last commit.
 *
 * Ownership: the opener closes, also after a crash, views first. Threads: one. Cost: a change keeps
 * what it changes until the next flush; a commit and a flush cost nothing; a crash costs what it
 * undoes, and a view the whole store.
 */
#ifndef TESTS_SIM_STATE_H
#define TESTS_SIM_STATE_H

#include "memory_store.h"
#include "storage/file.h"
#include "storage/state_store.h"

#define SIM_STATE_UNFLUSHED_BYTES (4u << 20)

struct sim_state;

struct sim_state *sim_state_new(void);
void sim_state_free(struct sim_state *state); /* all that was opened must be closed */

/* Where checkpoints go; valid until sim_state_free. Without it, none can be taken. */
void sim_state_set_files(struct sim_state *state, const struct file_system *files);
/* What a checkpoint's directory holds, as a database of its own, all of it flushed. NULL: it is
 * damaged, or none. */
struct sim_state *sim_state_load(const struct file_system *files, const char *directory,
                                 struct error *error);

/* One at a time. It stands at sim_state_flushed_index. */
void sim_state_open(struct sim_state *state, struct state_store *out);

/* The last commit becomes durable; changes since then stay what they are. */
void sim_state_flush(struct sim_state *state);
/* Back to the last flush. What was open fails from now on, and wants closing. */
void sim_state_crash(struct sim_state *state);

/* Counts get, put, remove, scan, commit, checkpoint and close. The n-th from now (1: the next) and
 * all behind it fail, over crashes too; 0: none fails any more. After a failed commit none succeeds
 * until the next open; after a failed close the next open finds what was flushed before. Views are
 * a copy and do not fail. */
void sim_state_fail_at(struct sim_state *state, uint64_t n);

/* Calls so far that failed because they were told to: whoever made them must not go on as if they
 * had not. */
uint64_t sim_state_failures(const struct sim_state *state);

/* ---- looking ---- */

/* Does anybody hold it, if only to close it behind a crash? */
bool sim_state_is_open(const struct sim_state *state);
/* While a check reads through the store that is open, its calls neither count nor fail. */
void sim_state_watch(struct sim_state *state, bool watched);

uint64_t sim_state_applied_index(const struct sim_state *state); /* of the last commit */
uint64_t sim_state_flushed_index(const struct sim_state *state);
/* All that is there, committed or not. */
const struct memory_store *sim_state_records(const struct sim_state *state);

#endif
