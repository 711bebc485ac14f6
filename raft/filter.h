/*
 * filter.h - what stands between the network and libraft's core: small, pure functions, one per
 * rule, each for a fault of libraft 0.22.1 that a real network brings out. docs/replication.md has
 * the rules by number.
 *
 * Purity: no state, no I/O; a verdict about one message, or a changed copy of it.
 */
#ifndef RAFT_FILTER_H
#define RAFT_FILTER_H

#include "raft/message.h"
#include "raft/replica.h"

/* ---- filter_shape.c: rule 15 ---- */

/* Could this message come from a sound member with the id peer_id? False and why: ignored. */
bool filter_message_is_sound(uint64_t peer_id, const struct peer_message *message,
                             struct error *why);

/* If it brings entry 1: is that the one which founded this cluster (rule 0)? Else ignored. A node
 * that joins has no other to hold it against. */
bool filter_append_is_of_cluster(const struct peer_message *append, uint64_t cluster_id);

/* ---- filter_term.c: rule 5 ---- */

/* An AppendEntries of a leader that has been replaced: not fed, answered with the rejection. */
bool filter_append_is_stale(const struct peer_message *append, uint64_t current_term);
struct peer_message filter_stale_append_rejection(const struct peer_message *append,
                                                  uint64_t current_term);
/* The same of an InstallSnapshot. */
bool filter_offer_is_stale(const struct peer_message *offer, uint64_t current_term);
struct peer_message filter_stale_offer_rejection(const struct peer_message *offer,
                                                 uint64_t current_term);

/* What the receiver of a reply knows about the question. */
struct filter_asked {
    enum replica_state state;
    uint64_t current_term;
    bool over_this_connection; /* something was asked of this peer since it was last connected */
    uint64_t match_index;      /* leader: what the peer is known to have */
};
/* Does this reply answer a question that is still open? */
bool filter_reply_counts(const struct peer_message *reply, const struct filter_asked *asked);

/* ---- filter_vote.c: rule 6 ---- */

/* Puts our own current term into a denial of a pre-vote. */
void filter_mend_pre_vote_denial(struct peer_message *reply, uint64_t current_term);

/* ---- filter_append.c: rules 7, 12 and 14 ---- */

/* One of the AppendEntries that a received one is fed as. */
struct filter_append_part {
    size_t first; /* position of its first entry in the message */
    size_t count;
    uint64_t prev_log_index;
    uint64_t prev_log_term;
    uint64_t leader_commit;
};
/* The parts in order: start with {0} in *next, feed until false. At least one part. */
struct filter_append_cursor {
    size_t position;
    bool begun;
};
bool filter_append_next(const struct peer_message *append, struct filter_append_cursor *cursor,
                        struct filter_append_part *part);
/* What stands before our own log is committed, and everybody's: the message begins at the snapshot
 * instead, if it reaches so far, else it is a heartbeat there. `first_index` is that of our log. */
void filter_append_skip_trimmed(struct peer_message *append, uint64_t first_index,
                                uint64_t snapshot_index, uint64_t snapshot_term);
/* Makes a heartbeat of it: the entries are released. For a follower whose disk is behind. */
void filter_append_drop_entries(struct peer_message *append);

#endif
