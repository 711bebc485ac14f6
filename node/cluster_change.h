/*
 * cluster_change.h - AddServer, PromoteServer, RemoveServer and TransferLeadership while they wait
 * for their outcome.
 *
 *     judged --> unchanged --> confirmed by a round of reads --> answered
 *       |---> refused ----------------------------------------> answered
 *       '---> proposed, or begun --> committed, handed over,
 *                                    or lost --> answered
 *
 * Invariants. OK is said of what a majority has: a change is committed and applied here in the very
 * term in which it was proposed; "unchanged" is vouched for by a round of reads, for a leader that
 * was deposed does not know it yet. "Refused" is said only where nothing was proposed.
 *
 * Threads: the loop's. Bounds: one change is under way at a time, one hand-over too; what waits for
 * a round counts among the reads.
 */
#ifndef NODE_CLUSTER_CHANGE_H
#define NODE_CLUSTER_CHANGE_H

#include "raft/replica.h"
#include "rpc/server.h"

struct node;
struct cluster_change;

/* What waits, and the last change of members that this node proposed. Zero-initialise. */
struct cluster_changes {
    struct cluster_change *first;
    uint64_t proposed_index;
    uint64_t proposed_term;
};

/* Judges and begins; takes the call over. The address is copied. */
void cluster_change_members(struct node *node, struct rpc_call *call,
                            const struct replica_change *change);
/* `to` 0: the voter that has most of the log. */
void cluster_change_leader(struct node *node, struct rpc_call *call, uint64_t to);

/* At the end of each turn: answers what has its outcome. */
void cluster_changes_look(struct node *node);
/* The node stops: answers what waits. */
void cluster_changes_abandon(struct node *node);

#endif
