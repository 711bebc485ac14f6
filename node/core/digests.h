/*
 * digests.h - do all members stand in the same state? Each notes the digest of its state every so
 * many entries and reports it to its leader, which compares: who differs from a majority of the
 * voters stops itself, the leader included (docs/replication.md, State digests).
 *
 * Invariants:
 * - A node stops for its digest only if a majority of the voters of the leader's latest
 *   configuration has reported one digest at an index where the node itself has noted another one,
 *   and no two of that majority's states stem from each other, or from a third. Nobody stops on the
 *   word of fewer: what is wrong with a state is wrong with its copies.
 * - A state stems from the node that it was fetched from, and from all that one's stemmed from
 *   (base/lineage.h), until it is borne out: such a majority has the same one, or all voters have.
 *   So that is kept on the disk, and travels with the state and with its reports.
 * - What a follower is told counts only from its current leader, in its current term, and only if
 *   its own note says that it is so: a frame that is late, or made up, stops nobody.
 *
 * Where no digest has such a majority, and not all are equal, nobody knows who is right: an alarm
 * (env.warn, and the status) until a later index has one. Reports may be lost: later ones come, and
 * each new leader is told all that is still noted.
 *
 *   digests_applied -> notes -> digests_upkeep -> the leader: a report, for its own too -> judged
 *   -> DIGEST_DIFFERS to whoever differs -> digests_receive -> env.stop
 *   -> DIGEST_BORNE_OUT to whoever has a copy that is right -> digests_receive -> env.borne_out
 *
 * What it is not: a guard against nodes that lie. It finds a state that went wrong by a fault of
 * memory, disk or program - within DIGEST_INTERVAL_ENTRIES of the moment at which the digest shows
 * it; what the node answered before that may be wrong.
 *
 * Threads: the loop's. Memory: fixed. No clock: patience is counted in upkeeps.
 */
#ifndef NODE_CORE_DIGESTS_H
#define NODE_CORE_DIGESTS_H

#include "base/hash.h"
#include "base/limits.h"
#include "base/lineage.h"
#include "raft/replica.h"

struct digests_env {
    void *context;
    void (*send)(void *context, uint64_t peer_id, const struct peer_message *message);
    /* The latest configuration, as replica_members gives it. */
    size_t (*members)(void *context, struct replica_member *members, size_t capacity);
    void (*warn)(void *context, const char *words);
    /* This node's state is wrong: nothing may be acknowledged any more, the process must end. */
    void (*stop)(void *context, const struct error *why);
    /* This node's state is as good as any: what it stems from does not matter any more. */
    void (*borne_out)(void *context);
};

struct digests_status {
    uint64_t compared_index; /* the last one at which this leader has compared; 0: none, or it does
                                not lead */
    bool agree;              /* whoever has reported there has the same digest */
    const char *alarm;       /* "": none; valid until the next call */
};

struct digests;

/* interval: of log indexes, at least 1. */
struct digests *digests_new(uint64_t own_id, uint64_t interval, const struct digests_env *env);
void digests_free(struct digests *digests); /* NULL is allowed */

/* Is the digest at this index wanted? Cheap: asked for each entry. */
bool digests_wants(const struct digests *digests, uint64_t index);
/* The state stands at this index, which is wanted. */
void digests_applied(struct digests *digests, uint64_t index, struct hash128 digest);
/* The state was replaced by another node's: what was noted is not of this one. */
void digests_forget(struct digests *digests);
/* What the state stems from: at the start, and when it was replaced. */
void digests_set_lineage(struct digests *digests, const struct lineage *lineage);

/* Who leads (0: nobody known), in which term. */
void digests_role(struct digests *digests, uint64_t leader_id, uint64_t term);
/* The connection to the peer was made anew: it may have been started again, from an older state,
 * and what it has reported is not what it has. */
void digests_peer_connected(struct digests *digests, uint64_t peer_id);
/* A DIGEST_REPORT, DIGEST_DIFFERS or DIGEST_BORNE_OUT. last_index: where this node's log ends,
 * beyond which a leader knows of no entry that anybody could have applied. */
void digests_receive(struct digests *digests, uint64_t peer_id, const struct peer_message *message,
                     uint64_t last_index);
/* Reports, and judges what has waited long: core_upkeep. */
void digests_upkeep(struct digests *digests);

void digests_status_get(const struct digests *digests, struct digests_status *status);

#endif
