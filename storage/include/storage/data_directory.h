/*
 * data_directory.h - what a node owns on disk: a lock, a manifest kept twice (who this is; term and
 * vote; which state generation), the log's segments, and the state database of that generation.
 *
 *   DIR/lock   DIR/manifest   DIR/log/<number>.log   DIR/state.<generation>/
 *
 * The manifest names the state generation, and naming another one is how a snapshot is installed;
 * opening removes other generations. DIR is made where it is absent, its parents are not. Threads:
 * one at a time. Errors: a directory that another process has, or of another cluster, node or
 * format, or that is damaged, is refused by name and with what to do, and nothing in it is changed;
 * a failed write or sync is final. The incarnation is not compared here: the log registers it, and
 * the peers refuse a wrong one.
 *
 * To come with snapshots: data_directory_install(directory, generation, snapshot), one more field
 * of the same record.
 */
#ifndef STORAGE_DATA_DIRECTORY_H
#define STORAGE_DATA_DIRECTORY_H

#include "base/error.h"
#include "storage/file.h"

struct data_directory;

struct data_directory_options {
    const struct file_system *files;
    const char *path;
    uint64_t cluster_id;
    uint64_t node_id;
    uint64_t new_incarnation; /* random, from the caller; used when the directory is new */
};

/* options->path and ->files are read during the call, the file system's context and functions
 * until close. */
struct data_directory *data_directory_open(const struct data_directory_options *options,
                                           struct error *error);
void data_directory_close(struct data_directory *directory);

/* Made by this open. */
bool data_directory_is_new(const struct data_directory *directory);
uint64_t data_directory_incarnation(const struct data_directory *directory);
uint64_t data_directory_term(const struct data_directory *directory);
uint64_t data_directory_voted_for(const struct data_directory *directory);
uint64_t data_directory_generation(const struct data_directory *directory);
/* Paths, owned by the directory. The log's is there; the state's is the state database's to make.
 */
const char *data_directory_log_path(const struct data_directory *directory);
const char *data_directory_state_path(const struct data_directory *directory);
/* Atomic, and synced when it returns true (Raft rule 3). Two writes, two syncs. */
bool data_directory_store_hard_state(struct data_directory *directory, uint64_t term,
                                     uint64_t voted_for, struct error *error);

#endif
