/*
 * file.h - the few file operations that log and manifest need, as an interface: the real one is
 * POSIX (file_system_posix), the simulator's has a disk that can lose, tear and refuse.
 *
 * Errors: false with path, errno's words and what was tried.
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
    /* Makes the file this long with blocks allocated; new bytes read as zero. */
    bool (*allocate)(struct file *file, uint64_t size, struct error *error);
    bool (*truncate)(struct file *file, uint64_t size, struct error *error);
    bool (*read)(struct file *file, uint64_t offset, void *data, size_t len, size_t *got,
                 struct error *error);
    bool (*write)(struct file *file, uint64_t offset, const void *data, size_t len,
                  struct error *error);
    bool (*sync)(struct file *file, struct error *error);
    /* Names in a directory, one call each, in no order. */
    bool (*list)(void *context, const char *directory,
                 bool (*visit)(void *context, const char *name), void *visit_context,
                 struct error *error);
    bool (*remove)(void *context, const char *path, struct error *error);
    bool (*rename)(void *context, const char *from, const char *to, struct error *error);
    /* Makes creations, renames and removals in the directory durable. */
    bool (*sync_directory)(void *context, const char *directory, struct error *error);
};

extern const struct file_system file_system_posix;

#endif
