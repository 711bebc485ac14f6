/*
 * snapshots.h - a node's own snapshots: when the log has grown enough, or when another node needs
 * one, the state is made durable at some applied index, the manifest says so, and the log is
 * trimmed behind it (Raft rule 12; decision 007).
 *
 *   idle -> taking (pool: state_store's checkpoint, and its list if somebody wants it)
 *        -> storing (pool: the manifest) -> trimming (pool: the log) -> idle
 *
 * A checkpoint is there for others only. While nobody wants it none is kept: its files would keep
 * what the database has long left behind. Once a follower needs one, the next is kept and offered
 * (checkpoint_server.h) until nobody has asked for CHECKPOINT_KEPT_MS; longer where offers come so
 * seldom that it would be gone before the next. Meanwhile no other snapshot is taken, so that the
 * log goes on behind the one that is being fetched; unless the log outgrows
 * core_config.held_log_bytes, or LIMIT_HELD_LOG_ENTRIES.
 *
 * An operator may ask for one (struct snapshot_call): it is taken at once, unless a checkpoint is
 * being fetched.
 *
 * Threads: the loop's. Errors: a failed disk ends the process (core_fail). A crash at any point
 * leaves the manifest's old snapshot or its new one, and a log that follows it.
 */
#ifndef NODE_CORE_SNAPSHOTS_H
#define NODE_CORE_SNAPSHOTS_H

#include <sys/queue.h>

#include "base/error.h"
#include "base/hash.h"
#include "raft/message.h"

struct core;
struct snapshots;

/* Somebody waits for a snapshot that holds all that is applied now. The caller's, until `ended`. */
struct snapshot_call {
    void (*ended)(struct snapshot_call *call);
    bool ok;
    uint64_t index;     /* ok: the snapshot's */
    struct error error; /* else: why there is none */

    uint64_t least_index;
    uint64_t begun_ms;
    STAILQ_ENTRY(snapshot_call) next;
};

struct snapshots *snapshots_new(struct core *core);
/* Ends all calls, and takes no more: the node stops. What is under way in the pool goes on. */
void snapshots_abandon(struct snapshots *snapshots);
/* Nothing of it may run in the pool. */
void snapshots_free(struct snapshots *snapshots); /* NULL is allowed */

/* An entry of so many bytes is applied. */
void snapshots_applied(struct snapshots *snapshots, size_t bytes);
/* Begins what is due: core_upkeep. */
void snapshots_upkeep(struct snapshots *snapshots);

/* False: none is to be had now, or too many wait; and why. `ended` is never called from within. */
bool snapshots_call(struct snapshots *snapshots, struct snapshot_call *call, struct error *why);
/* When the last one of this life was taken or installed, in Unix milliseconds; 0: none was. */
int64_t snapshots_taken_ms(const struct snapshots *snapshots);

/* A follower needs the snapshot at this index (struct replica_env). False: there is no checkpoint
 * of it; one is made. */
bool snapshots_describe(struct snapshots *snapshots, uint64_t index, struct hash128 *checkpoint);
/* A question for a part of a checkpoint. */
void snapshots_answer(struct snapshots *snapshots, uint64_t peer_id,
                      const struct peer_message *ask);

/* The entry that the manifest's snapshot ends with; 0: there is none. */
uint64_t snapshots_stored_index(const struct snapshots *snapshots);

/* Nothing is begun from now on. True once nothing is under way: the state may be replaced. */
bool snapshots_hold(struct snapshots *snapshots);
/* Goes on with the state as it was. */
void snapshots_release(struct snapshots *snapshots);
/* Goes on with another state. Gives the directory of a checkpoint of the one before, to be removed,
 * which the caller frees; NULL: there is none. */
char *snapshots_replaced(struct snapshots *snapshots);

#endif
