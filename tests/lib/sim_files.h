/*
 * sim_files.h - a disk in memory behind storage/file.h, for tests and the simulator: what was not
 * synced can be lost or torn when the power goes, and any operation can be made to fail.
 *
 * The model, stricter than most file systems:
 *   - What a program reads is what it wrote last; what survives a power cut is what was synced. Of
 *     the writes since the last sync of a file each sector of 512 bytes survives or not, in any
 *     combination, as it stood behind some write to it; of the last one also a first part that
 *     ends anywhere.
 *   - Creations, renames and removals survive once their directory is synced; of those since, some
 *     first ones (a journal keeps their order). Syncing a file does not keep its name.
 *   - A failed write has left a first part; one that a kill or a power cut interrupts, a first part
 *     or all. After a failed sync the bytes read as written and may
 *     never reach the disk, not even by a later sync that succeeds.
 * Everything random comes from the seed: the same calls give the same disk.
 *
 * Paths are plain text: "/" and "." are there from the beginning, everything else is made.
 * Cost: an operation costs the bytes that it moves, whatever the size of the file, and a look at
 * each name; a crash costs what was written since the last sync.
 * Ownership: the disk owns its files; handles are closed by whoever opened them, also after a
 * crash. Threads: one at a time. Limits: none but memory, so keep files small.
 */
#ifndef TEST_SIM_FILES_H
#define TEST_SIM_FILES_H

#include "storage/file.h"

struct sim_disk;

enum sim_operation {
    SIM_OPEN,
    SIM_SIZE,
    SIM_ALLOCATE,
    SIM_READ,
    SIM_WRITE,
    SIM_SYNC,
    SIM_LOCK,
    SIM_LIST,
    SIM_REMOVE,
    SIM_RENAME,
    SIM_MAKE_DIRECTORY,
    SIM_SYNC_DIRECTORY,
    SIM_FREE_BYTES,
    SIM_OPERATIONS
};

struct sim_disk *sim_disk_new(uint64_t seed);
void sim_disk_free(struct sim_disk *disk); /* all handles must be closed */
struct file_system sim_disk_files(struct sim_disk *disk);

/* ---- faults ---- */

/* The nth operation of this kind from now on (1: the next) fails with this errno, once. */
void sim_disk_fail(struct sim_disk *disk, enum sim_operation operation, uint64_t nth, int code);
/* Every operation of this kind fails with this errno from now on, whatever crashes in between,
 * until the disk is mended: 0. A disk that is broken rarely fails in one kind only: each is set by
 * its own call. */
void sim_disk_set_failing(struct sim_disk *disk, enum sim_operation operation, int code);
/* All files together hold no more than this: ENOSPC. UINT64_MAX: no bound, and as many bytes are
 * free. */
void sim_disk_set_capacity(struct sim_disk *disk, uint64_t capacity_bytes);
/* The power goes in the middle of the nth operation from now on (1: the next) that could change
 * the disk: it does its work in part or wholly, and it and all that follow fail until
 * sim_disk_crash. 0: never. */
void sim_disk_cut_power(struct sim_disk *disk, uint64_t nth);
bool sim_disk_has_power(const struct sim_disk *disk);
/* None of the above is planned any more; what has happened has. */
void sim_disk_mend(struct sim_disk *disk);
/* Operations so far that failed because they were told to, or for lack of space: whoever made them
 * must not go on as if they had not. */
uint64_t sim_disk_failures(const struct sim_disk *disk);

enum sim_loss {
    SIM_LOSE_ALL,  /* everything that was not synced */
    SIM_LOSE_SOME, /* by the seed */
    SIM_LOSE_NONE, /* all of it had reached the disk in time */
};
/* The machine stops and starts again. Handles from before fail, and want closing. */
void sim_disk_crash(struct sim_disk *disk, enum sim_loss loss);
/* The process dies, the machine goes on: locks are gone and handles fail, nothing is lost. */
void sim_disk_kill(struct sim_disk *disk);

/* ---- looking, and doing damage ---- */

uint64_t sim_disk_count(const struct sim_disk *disk, enum sim_operation operation);
/* Of all files, those among them that are removed and still held. */
uint64_t sim_disk_used_bytes(const struct sim_disk *disk);
/* What is left of the capacity. */
uint64_t sim_disk_free_bytes(const struct sim_disk *disk);
bool sim_disk_exists(struct sim_disk *disk, const char *path);
/* What a read would see; valid until the next call. The file must be there. */
struct bytes sim_disk_content(struct sim_disk *disk, const char *path);
/* Puts the content there, durable, name and all. The directory must be there. */
void sim_disk_set_content(struct sim_disk *disk, const char *path, struct bytes content);
/* XORs a byte, on the disk and as read. */
void sim_disk_flip(struct sim_disk *disk, const char *path, uint64_t offset, uint8_t mask);

#endif
