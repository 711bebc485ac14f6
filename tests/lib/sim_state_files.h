/*
 * sim_state_files.h - the records of a database in memory as files, and back: what a checkpoint of
 * one is, and what is carried to another node (storage/checkpoint.h).
 *
 * A directory of files of at most SIM_STATE_FILE_BYTES and one record: "records.<n>", and CURRENT,
 * which says how many and at which index, and is written last. A copy that lacks a file, or has
 * damaged ones, is told.
 */
#ifndef TESTS_SIM_STATE_FILES_H
#define TESTS_SIM_STATE_FILES_H

#include "memory_store.h"
#include "storage/file.h"

#define SIM_STATE_FILE_BYTES 4096

/* Makes the directory, in which nothing may be yet. Nothing is synced: a checkpoint need not be. */
bool sim_state_write_files(struct memory_store *records, uint64_t applied_index,
                           const struct file_system *files, const char *directory,
                           struct error *error);
/* NULL: the directory holds no whole state, and why. */
struct memory_store *sim_state_read_files(const struct file_system *files, const char *directory,
                                          uint64_t *applied_index, struct error *error);

#endif
