/*
 * data_directory.h - what a node owns on disk: a lock, a manifest kept twice (who this is; term and
 * vote; the snapshot; which state generation, and whose states it stems from), the log's segments,
 * the state database of that generation, and for a while a checkpoint of it, or the next generation
 * while it is received.
 *
 *   DIR/lock   DIR/manifest   DIR/log/<number>.log   DIR/state.<generation>/
 *   DIR/checkpoint.<index>/
 *
 * The manifest names the state generation, and naming another one is how a snapshot is installed;
 * opening removes other generations, and all checkpoints. DIR is made where it is absent, its
 * parents are not.
 *
 * Threads: open and close alone; everything else from any thread (what is stored is stored in
 * turns). Errors: a directory that another process has, or of another cluster, node or format, or
 * that is damaged, is refused by name and with what to do, and nothing in it is changed; a failed
 * write or sync is final. The incarnation is not compared here: the log registers it, and the peers
 * refuse a wrong one.
 */
#ifndef STORAGE_DATA_DIRECTORY_H
#define STORAGE_DATA_DIRECTORY_H

#include "base/error.h"
#include "base/lineage.h"
#include "storage/file.h"
#include "storage/snapshot.h"

struct data_directory;

struct data_directory_options {
    const struct file_system *files;
    const char *path;
    uint64_t cluster_id; /* 0: whichever it has; it must not be new then */
    uint64_t node_id;
    uint64_t new_incarnation; /* random, from the caller; used when the directory is new */
};

/* options->path and ->files are read during the call, the file system's context and functions
 * until close. */
struct data_directory *data_directory_open(const struct data_directory_options *options,
                                           struct error *error);
void data_directory_close(struct data_directory *directory);

/* Whose directory it is, by its manifest, which must be there: nothing is locked or changed. */
struct data_owner {
    uint64_t cluster_id;
    uint64_t node_id;
};
bool data_directory_owner(const struct file_system *files, const char *path,
                          struct data_owner *owner, struct error *error);

/* Made by this open. */
bool data_directory_is_new(const struct data_directory *directory);
/* Did this open find the state's directory? */
bool data_directory_has_state(const struct data_directory *directory);
uint64_t data_directory_cluster_id(const struct data_directory *directory);
uint64_t data_directory_incarnation(const struct data_directory *directory);
uint64_t data_directory_term(const struct data_directory *directory);
uint64_t data_directory_voted_for(const struct data_directory *directory);
uint64_t data_directory_generation(const struct data_directory *directory);
/* index 0: none. */
void data_directory_snapshot(const struct data_directory *directory, struct snapshot *snapshot);
/* Whose states the state stems from, as long as nothing has shown it to be right. */
void data_directory_lineage(const struct data_directory *directory, struct lineage *lineage);
/* Has the log held an entry since the node, or the state generation it has now, began? */
bool data_directory_log_begun(const struct data_directory *directory);
/* Paths, owned by the directory; the state's until the next install. The log's is there; the
 * state's is the state database's to make. */
const char *data_directory_log_path(const struct data_directory *directory);
const char *data_directory_state_path(const struct data_directory *directory);

/* Each of these is atomic, and synced when it returns true. Two writes, two syncs. */

/* Term and vote (Raft rule 3). */
bool data_directory_store_hard_state(struct data_directory *directory, uint64_t term,
                                     uint64_t voted_for, struct error *error);
/* A snapshot of the state there is: newer than the last one, and reached by what the database has
 * flushed. Behind it the log may be trimmed. */
bool data_directory_store_snapshot(struct data_directory *directory,
                                   const struct snapshot *snapshot, struct error *error);
/* The log holds its first entry, durably, and nobody has been told of it yet. Does nothing the
 * second time. */
bool data_directory_begin_log(struct data_directory *directory, struct error *error);
/* The state of this generation is as good as any: whose it stems from does not matter any more.
 * Does nothing if there is another by now, or nothing to forget. */
bool data_directory_forget_lineage(struct data_directory *directory, uint64_t generation,
                                   struct error *error);

/* ---- a state from another node ---- */

/* Where the next generation is gathered, owned by the directory until the next install. There is
 * nothing until the receiver makes it (checkpoint.h); what the manifest does not name is removed by
 * the next open. */
const char *data_directory_staging_path(const struct data_directory *directory);
/* The switch: what is in the staging path, whole and synced, is the state from now on, and the log
 * begins behind the snapshot, which is newer than the last one; `lineage` is whose states it stems
 * from. In this order: no append to the log is under way or waits; this; log_store_reset;
 * remove_old. A crash anywhere between is finished by the next start. Whoever has the old state's
 * database open closes it before remove_old. */
bool data_directory_install(struct data_directory *directory, const struct snapshot *snapshot,
                            const struct lineage *lineage, struct error *error);
/* Removes the generations before this one. It may take long: a state's files are large. */
bool data_directory_remove_old(struct data_directory *directory, struct error *error);

/* ---- a state for other nodes ---- */

/* Where a checkpoint of the state at this index goes: beside the state, because it shares its
 * files. The caller frees it. Whoever made a checkpoint removes it; the next open does in any case.
 */
char *data_directory_checkpoint_path(const struct data_directory *directory, uint64_t index);

#endif
