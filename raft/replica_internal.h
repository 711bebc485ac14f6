/*
 * replica_internal.h - what a replica is made of, shared by the files that are parts of it:
 *
 *   replica.c   the public calls and the turn around them
 *   start.c     opening, checking what the disk held, START (rules 0 and 11)
 *   receive.c   a message from a peer: filters, then libraft
 *   feed.c      one event into raft_step, its update out, in the stated order
 *   send.c      messages out: entries filled in, split into frames, echo and term put right
 *   vote.c      votes of those who have none (rule 11)
 *   membership.c  changes of members (rule 11)
 *   snapshot.c  snapshots, taken, sent and installed (rule 12)
 *   transfer.c  handing over the leadership (rule 13)
 *   read_index.c  reads without a write to the log
 *   freshness.c   how old the state is
 *   apply.c     committed and durable entries to the owner (rule 9)
 *   limits.c    the bounds it goes by
 *
 * Tests that drive a single replica look inside through this header too.
 */
#ifndef RAFT_REPLICA_INTERNAL_H
#define RAFT_REPLICA_INTERNAL_H

#include <raft.h>

#include "base/limits.h"
#include "raft/replica.h"
#include "tail.h"

/* TIMEOUT events are at least so far apart: a deadline of libraft's that lies in the past must not
 * turn the loop into a busy one (rule 14). */
#define REPLICA_TIMER_GAP_MS 5

/* A write handed to the log and not yet reported as synced. */
struct replica_write {
    uint64_t generation;
    uint64_t last_index;
};

struct replica_peer {
    uint64_t id; /* 0: free */
    bool asked;  /* anything since its connection was made (rule 5) */
    /* As leader: the peer's question for an index that waits for the next round, and the one that
     * is part of the round under way. 0: none. */
    uint64_t read_waits;
    uint64_t read_under_way;
    /* Its clock, as it told it last; and the latest of our own that it has echoed in this term, in
     * which it was heard (freshness.c). */
    uint64_t clock_ms;
    uint64_t heard_ms;
    uint64_t heard_term;
};

/* Reads (read_index.c): one round is under way, what comes meanwhile collects for the next. */
struct replica_reads {
    uint64_t number;     /* of the question that was sent last */
    uint64_t collecting; /* the owner's next round */
    bool wanted;         /* somebody has joined it */
    bool under_way;
    uint64_t own_round; /* the owner's in the round under way; 0: it has no part in it */
    uint64_t asked_ms;
    /* As leader, of the round under way. */
    uint64_t index; /* the commit index when it was sent */
    uint64_t voters[LIMIT_NODES];
    bool agreed[LIMIT_NODES];
    size_t voter_count;
};

/* By this moment no more than this was committed, as a leader of this term knew. */
struct replica_moment {
    uint64_t ms;
    uint64_t commit_index;
    uint64_t term;
};

/* How old the state is (freshness.c). */
struct replica_freshness {
    uint64_t as_of_ms;                /* 0: not known */
    struct replica_moment waiting[2]; /* for what must be applied first */
    size_t waiting_count;
    uint64_t commit_index; /* the highest that anybody has told */
};

/* A snapshot (snapshot.c). */
struct replica_point {
    uint64_t index; /* 0: none */
    uint64_t term;
    struct entry *configuration; /* a reference; NULL: none */
};

/* An install: from the moment in which libraft has taken the message until the owner has done it.
 */
struct replica_install {
    bool under_way;
    bool asked;                             /* the owner has been */
    struct raft_snapshot_metadata metadata; /* owns its configuration */
};

/* A hand-over (transfer.c). */
struct replica_transfer {
    uint64_t to; /* 0: none */
    bool begun;  /* libraft has been told */
    uint64_t deadline_ms;
};

struct replica {
    struct raft raft;
    struct replica_env env;
    uint64_t id;
    uint32_t election_timeout_ms;
    uint32_t heartbeat_ms;
    struct buffer bootstrap; /* the bytes of entry 1; empty: of a node that joins */
    uint64_t cluster_id;     /* their hash */
    struct replica_limits limits;

    bool started;
    bool in_turn; /* rule 1: no re-entrancy */
    bool broken;  /* rule 2: every further call fails with the same text */
    struct error failure;
    uint64_t now_ms;

    /* On disk. */
    uint64_t stored_term;
    uint64_t stored_vote;

    /* As last reported to the owner. */
    enum replica_state state;
    uint64_t term;
    uint64_t leader_id;
    uint64_t leader_term;     /* the term in which a leader's entries were last accepted */
    uint64_t leader_heard_ms; /* and when */

    /* As follower: up to here our log is known to be that of the leader of this term. */
    uint64_t matched_index;
    uint64_t matched_term;

    /* The log: last >= durable, last >= commit >= applied; ours is libraft's commit index. */
    struct tail tail;
    uint64_t first_index; /* of libraft's log: what lies before is trimmed, or never was */
    uint64_t last_index;
    uint64_t durable_index;
    uint64_t commit_index;
    uint64_t applied_index;
    uint64_t applied_term; /* of the entry there */
    uint64_t raft_commit_index;
    size_t unsynced_bytes;                         /* of the entries in (durable, last] */
    uint64_t generation;                           /* rule 4: grows with each truncation */
    struct replica_write writes[LIMIT_LOG_WRITES]; /* a ring */
    size_t write_head;
    size_t write_count;

    /* Rule 8: the changes behind the cursor, whose CONFIGURATION is still to be fed. */
    struct entry **changes;
    size_t change_count;
    size_t change_capacity;

    uint64_t members_version; /* grows with each change that comes, goes, or is installed */

    /* Rule 12. The committed configurations, oldest first: the snapshot's, or entry 1, and those
     * behind it up to the cursor of rule 8. Of a node that joins: none yet. */
    struct entry **settled;
    size_t settled_count;
    size_t settled_capacity;
    struct replica_point snapshot;
    struct peer_message offer; /* an InstallSnapshot that the owner fetches; term 0: none */
    uint64_t offer_peer;
    struct replica_install install;

    /* As leader. */
    uint64_t barrier_term; /* the term whose barrier was submitted (rule 10) */
    uint64_t barrier_index;
    uint64_t own_first_index; /* the first entry of this leadership */
    size_t inflight_bytes;    /* of its entries that are not applied */
    struct replica_transfer transfer;

    uint64_t timer_ms;
    uint64_t last_timeout_ms;
    uint64_t last_append_ms; /* when an AppendEntries was last sent to anyone */

    struct replica_peer peers[LIMIT_PEERS_KNOWN];
    struct replica_reads reads;
    struct replica_freshness freshness;

    uint64_t refused_count; /* messages (rule 15) */
    uint64_t evicted_count; /* the others: struct replica_status */
    uint64_t dropped_count;
    uint64_t split_count;
    uint64_t cut_count;

    /* During one turn. */
    const struct peer_message *answering; /* the request that is being fed: its echo */
    bool rejected;                        /* an AppendEntries was answered with a rejection */
    bool is_silent;                       /* what libraft says goes to nobody */
    size_t applied_entries;
    size_t applied_bytes;

    struct raft_entry *scratch; /* entries as libraft wants them */
    size_t scratch_capacity;
};

/* start.c */
bool replica_start_from(struct replica *replica, const struct replica_disk *disk,
                        struct error *error);

/* feed.c. `source`: our entries behind the ones the event carries, or NULL. */
bool replica_feed(struct replica *replica, struct raft_event *event, struct entry *const *source,
                  size_t source_count, struct error *error);
/* CONFIGURATION for each committed change behind the cursor (rule 8): up to libraft's own commit
 * index, whatever has been applied. */
bool replica_feed_configurations(struct replica *replica, struct error *error);
/* The same up to an index that is known to be committed, though libraft does not know it yet. */
bool replica_settle_changes(struct replica *replica, uint64_t up_to, struct error *error);
/* Remembers a change behind the cursor. */
void replica_remember_change(struct replica *replica, struct entry *entry);
/* Our entries in libraft's form; valid until the next call. All share one batch, which libraft or
 * the update's consumer frees. */
struct raft_entry *replica_raft_entries(struct replica *replica, struct entry *const *entries,
                                        size_t count, struct error *error);
/* Hands entries to the log's writer and notes the write. */
void replica_write(struct replica *replica, struct entry *const *entries, size_t count);
/* Entries up to `index` are synced. */
void replica_became_durable(struct replica *replica, uint64_t index);

/* send.c */
bool replica_send(struct replica *replica, const struct raft_message *message, struct error *error);
void replica_send_message(struct replica *replica, uint64_t peer_id,
                          const struct peer_message *message);
/* The slot of a peer; NULL: nobody (0), or ourselves. */
struct replica_peer *replica_peer_slot(struct replica *replica, uint64_t peer_id);

/* vote.c */
/* Before a TIMEOUT: a lone voter that is about to lead does so in a new term. */
void replica_begin_lone_term(struct replica *replica);
struct replica_lent_vote {
    bool is_lent;
    struct raft_configuration own;
    struct raft_server self;
    raft_id leader_id;
};
/* Before libraft's step of this event, and behind it. */
void replica_lend_vote(struct replica *replica, const struct raft_event *event,
                       struct replica_lent_vote *lent);
void replica_take_vote_back(struct replica *replica, const struct replica_lent_vote *lent);

/* receive.c */
/* An event from this peer. Of `source` as in replica_feed. */
bool replica_feed_message(struct replica *replica, uint64_t peer_id, struct raft_message *message,
                          struct entry *const *source, size_t source_count, struct error *error);
bool replica_receive_message(struct replica *replica, uint64_t peer_id,
                             struct peer_message *message, struct error *error);
/* Is so much waiting for the disk that entries from a leader are dropped? */
bool replica_backlog_is_full(const struct replica *replica);

/* apply.c */
bool replica_apply_committed(struct replica *replica, struct error *error);
bool replica_has_more_to_apply(const struct replica *replica);
/* Entries from `first`, from the tail or the log, at most max_count and max_bytes, at least one.
 * Gives references. 0: error. */
size_t replica_entries_get(struct replica *replica, uint64_t first, size_t max_count,
                           size_t max_bytes, struct entry **out, struct error *error);

/* snapshot.c */
void replica_settle_configuration(struct replica *replica, struct entry *configuration);
void replica_set_snapshot(struct replica *replica, uint64_t index, uint64_t term,
                          struct entry *configuration);
bool replica_send_snapshot(struct replica *replica, uint64_t peer_id,
                           const struct raft_install_snapshot *install, struct error *error);
void replica_receive_snapshot(struct replica *replica, uint64_t peer_id,
                              const struct peer_message *offer);
/* libraft installs the snapshot that it was fed. */
bool replica_take_snapshot(struct replica *replica, const struct raft_update *update,
                           struct error *error);
/* Asks the owner, once the log has nothing left to write. */
void replica_install_when_quiet(struct replica *replica);
void replica_snapshots_close(struct replica *replica);

/* transfer.c */
/* What a hand-over waits for may have come, or the time for it may be over. */
bool replica_transfer_step(struct replica *replica, struct error *error);

/* read_index.c */
void replica_reads_open(struct replica *replica, uint32_t seed);
/* Sends what is to be sent now; when that will be, at the latest. */
void replica_reads_tick(struct replica *replica);
uint64_t replica_reads_next_ms(const struct replica *replica);
/* Nobody leads any more, or somebody else: all rounds fail. */
void replica_reads_fail(struct replica *replica);
void replica_receive_read_index(struct replica *replica, uint64_t peer_id,
                                const struct peer_message *question);
void replica_receive_read_index_result(struct replica *replica, uint64_t peer_id,
                                       const struct peer_message *result);
void replica_receive_read_ask(struct replica *replica, struct replica_peer *peer,
                              const struct peer_message *ask);
bool replica_receive_read_answer(struct replica *replica, uint64_t peer_id,
                                 const struct peer_message *answer, struct error *error);

/* freshness.c */
/* What goes with a message to the peer; and one that came from it, in the present term. */
struct peer_clock replica_freshness_for_append(const struct replica *replica,
                                               const struct replica_peer *peer);
struct peer_clock replica_freshness_for_result(const struct replica *replica,
                                               const struct replica_peer *peer);
void replica_freshness_heard_leader(struct replica *replica, const struct peer_message *append);
void replica_freshness_heard_follower(struct replica *replica, struct replica_peer *peer,
                                      const struct peer_message *result);
/* Of a leader: time has passed. */
void replica_freshness_tick(struct replica *replica);
/* Something was applied. */
void replica_freshness_settle(struct replica *replica);

/* replica.c */
/* The turn around what a call feeds. */
bool replica_turn_begin(struct replica *replica, uint64_t now_ms, struct error *error);
bool replica_turn_end(struct replica *replica, bool succeeded, struct error *error);
/* The voters of the latest configuration; room for LIMIT_NODES. */
size_t replica_voters(const struct replica *replica, uint64_t *voters);
/* Leader, and an entry of this leadership is applied (rule 10). */
bool replica_barrier_is_applied(const struct replica *replica);
/* A whole turn that submits the entry; needs replica_can_submit. */
bool replica_submit_in_turn(struct replica *replica, struct entry *entry, uint64_t now_ms,
                            uint64_t *index, struct error *error);
bool replica_submit_entry(struct replica *replica, struct entry *entry, uint64_t *index,
                          struct error *error);

#endif
