/*
 * fetching.h - a state from another node: fetched part by part, staged where the next state
 * generation lies, opened, and installed in place of our own (Raft rule 12; decision 007).
 *
 *   idle -> list -> opening -> parts <-> writing -> checking -> staged -> installing -> cleaning
 *                                                                   \-> cleaning (not wanted)
 *   checking -> cleaning -> waiting (can't be opened)
 *   from anywhere before `staged`: waiting (given up) -> idle
 *
 * list and parts ask the node that made the offer (core_env.send_bulk) and wait for its answers;
 * opening, writing, checking, installing and cleaning run in the pool; staged waits until nothing
 * reads the state that goes. What was fetched stays on the disk for the next offer, which may be
 * another one of the same state; for STAGING_KEPT_MS, or until the next start.
 *
 * Judged, not trusted: the list by the offer's name, each file by the list, the state by the
 * offer's index. What another node does not answer, or answers wrongly, ends the fetch and nothing
 * else. A state that has all its sums and can't be opened was written by another release: it is
 * removed, and no other one fetched for STAGING_KEPT_MS. Our own disk ends the process (core_fail).
 * A crash before the manifest names the new generation leaves the old one, behind it the new one.
 *
 * Threads: the loop's. Bounds: one fetch, one part under way.
 */
#ifndef NODE_CORE_FETCHING_H
#define NODE_CORE_FETCHING_H

#include "raft/replica.h"

struct core;
struct fetching;

struct fetching *fetching_new(struct core *core);
/* Nothing of it may run in the pool. What is staged is closed. */
void fetching_free(struct fetching *fetching); /* NULL is allowed */

/* The leader's offer (struct replica_env, fetch_snapshot): in place of any other. */
void fetching_offer(struct fetching *fetching, uint64_t peer_id,
                    const struct replica_snapshot *snapshot, struct hash128 checkpoint);
/* A part (PEER_CHECKPOINT_PART) has come. Its bytes stay the message's. */
void fetching_part(struct fetching *fetching, uint64_t peer_id, const struct peer_message *part);
/* What is staged becomes the state (struct replica_env, install_snapshot). */
void fetching_install(struct fetching *fetching);
/* Asks again, gives up, begins what was waited for: core_upkeep. */
void fetching_upkeep(struct fetching *fetching);

/* What is under way; false: nothing is. */
struct fetching_progress {
    uint64_t peer_id;
    uint64_t index;       /* of the state that is fetched */
    uint64_t bytes;       /* of its files, what is here */
    uint64_t total_bytes; /* 0: not known yet */
    bool is_installing;   /* all is here */
};
bool fetching_progress_get(const struct fetching *fetching, struct fetching_progress *progress);

/* The latest one that took the place of our own; false: none in this life. */
struct fetching_installed {
    uint64_t count; /* so many have */
    uint64_t peer_id;
    uint64_t index;
    uint64_t bytes;   /* of its files; fewer have come if some were here already */
    uint64_t took_ms; /* from the offer on */
};
bool fetching_installed_get(const struct fetching *fetching, struct fetching_installed *installed);

/* Is the state about to be replaced? Nothing that reads it for long may begin. */
bool fetching_is_staged(const struct fetching *fetching);

#endif
