/*
 * disk.h - the disk of one node: an ext4 in a file, behind a loop device, mounted at a directory.
 * It can be full, and its power can be cut.
 *
 * Nothing of it has a name outside of the mount: the file is unlinked as soon as it is there, and
 * the loop device clears itself once neither the mount nor `loop_fd` holds it. So nothing is left
 * when the processes of the run have ended, however they did; in a mount namespace of the run's own
 * (sandbox.h), that is.
 *
 * Threads: one at a time. Errors: root, loop devices and e2fsprogs are needed; the error says which
 * one is missing.
 */
#ifndef JEPSEN_DISK_H
#define JEPSEN_DISK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

struct disk {
    char *path; /* where it is mounted */
    char device[32];
    int loop_fd;
    bool is_mounted;
};

/* Makes the directory `path`, and mounts a new disk there; its file lies beside it for a moment. */
bool disk_open(struct disk *disk, const char *path, uint64_t bytes, struct error *error);
/* As if the power had gone: what was not synced will never be. Processes that use it get EIO. */
bool disk_cut_power(struct disk *disk, struct error *error);
/* Nobody may have a file open there any more; waits a moment for the kernel to see it. */
bool disk_unmount(struct disk *disk, struct error *error);
bool disk_mount(struct disk *disk, struct error *error);
/* Its contents are gone, and the directory is. A zeroed or closed one is fine. */
void disk_close(struct disk *disk);

/* Runs a program to its end; false: it failed, the error has its words. `arguments` up to a NULL.
 */
bool disk_run_program(const char *const *arguments, struct error *error);

#endif
