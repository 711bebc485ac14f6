/*
 * disk_watch.h - what a node knows of its disk before a write fails: is there room, and has the
 * state's database met something in the background that no call has told yet?
 *
 * A disk that is full ends the node (Raft rule 2). Before that, below core_config's
 * disk_reserve_bytes,
 *   - the leader refuses commands, all of them: each makes the log and the state grow. Reads go on,
 *     and so do the entries that the cluster needs itself (barriers, expiry, members);
 *   - the leader hands over, for another node may have room. None tells another how much it has, so
 *     the hand-over goes to the voter with the next id: once round it has met whoever has room. One
 *     that was handed the leadership and has no room either hands it on; each at most once in
 *     DISK_HANDOVER_MS, so that a cluster without any room is quiet;
 *   - a follower goes on: it must follow, or it would stop the cluster for want of a majority;
 *   - a snapshot is due at once (disk_watch_is_low, in snapshots.c): trimming the log makes room.
 * Commands are taken again at an eighth more than the reserve, so that it does not flap.
 *
 * The disk is asked in the pool, for statvfs may block. Threads: the loop's. Errors: a disk that
 * can't be asked, or a database that has failed, ends the process (core_fail).
 */
#ifndef NODE_CORE_DISK_WATCH_H
#define NODE_CORE_DISK_WATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

struct core;
struct disk_watch;

struct disk_watch *disk_watch_new(struct core *core);
/* Nothing of it may run in the pool. */
void disk_watch_free(struct disk_watch *watch); /* NULL is allowed */

/* Asks, when it is time: core_upkeep. */
void disk_watch_upkeep(struct disk_watch *watch);

/* False: nobody has looked yet. */
bool disk_watch_free_bytes(const struct disk_watch *watch, uint64_t *free_bytes);
/* Below the reserve, and not well above it since. */
bool disk_watch_is_low(const struct disk_watch *watch);
/* Must a command be refused, if this node leads? And why. */
bool disk_watch_refuses(const struct disk_watch *watch, struct error *why);

#endif
