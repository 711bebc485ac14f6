/*
 * file.h - the few file operations that the log, the manifest and the data directory need, as an
 * interface: the real one is POSIX (file_system_posix), the simulator's (tests/lib/sim_files.h) has
 * a disk that can lose, tear and refuse.
 *
 * Purpose: storage/ makes no system call of its own, so that a simulation runs its very code.
 * Ownership: a struct file belongs to its file system until close; paths are read during the call.
 * Threads: one at a time per struct file; different files, and calls that take a path, from any
 * thread. Units: offsets and sizes in bytes. Errors: false (NULL) with the path, what was tried,
 * and errno's words. Nothing is retried but EINTR: what a disk holds after a failed write or sync
 * is not known.
 */
#ifndef STORAGE_FILE_H
#define STORAGE_FILE_H

#include "base/bytes.h"
#include "base/error.h"

struct file; /* belongs to its file_system */

struct file_system {
    void *context;
    /* Opens for reading and writing; creates when `create`. NULL with error on failure. */
    struct file *(*open)(void *context, const char *path, bool create, struct error *error);
    void (*close)(struct file *file);
    bool (*size)(struct file *file, uint64_t *size, struct error *error);
    /* Makes the file at least this long with blocks allocated; new bytes read as zero. */
    bool (*allocate)(struct file *file, uint64_t size, struct error *error);
    /* *got < len only at the end of the file. */
    bool (*read)(struct file *file, uint64_t offset, void *data, size_t len, size_t *got,
                 struct error *error);
    bool (*write)(struct file *file, uint64_t offset, const void *data, size_t len,
                  struct error *error);
    /* Makes everything written to the file, and its size, durable. */
    bool (*sync)(struct file *file, struct error *error);
    /* Takes the file for this process until it is closed; refused at once, naming the holder where
     * it can be known, if another one has it. */
    bool (*lock)(struct file *file, struct error *error);
    /* Names in a directory, one call each, in no order; `visit` returns false to stop. */
    bool (*list)(void *context, const char *directory,
                 bool (*visit)(void *context, const char *name), void *visit_context,
                 struct error *error);
    bool (*remove)(void *context, const char *path, struct error *error);
    /* The directory with all that is in it. */
    bool (*remove_tree)(void *context, const char *path, struct error *error);
    bool (*rename)(void *context, const char *from, const char *to, struct error *error);
    /* One level; fine if it is there already. */
    bool (*make_directory)(void *context, const char *path, struct error *error);
    /* Makes creations, renames and removals in the directory durable. */
    bool (*sync_directory)(void *context, const char *directory, struct error *error);
    /* How much may still be written to the file system that the directory is on. */
    bool (*free_bytes)(void *context, const char *directory, uint64_t *bytes, struct error *error);
};

extern const struct file_system file_system_posix;

#endif
