/*
 * message.h - what members say to each other, as plain structs; raft/transport/frame.h turns them
 * into frames and back with bounds checks (rule 15).
 *
 * Every request carries the sender's current term at sending, every reply echoes the request's
 * (rule 5).
 */
#ifndef RAFT_MESSAGE_H
#define RAFT_MESSAGE_H

#include "base/hash.h"
#include "base/lineage.h"
#include "raft/entry.h"

enum peer_message_type {
    PEER_REQUEST_VOTE = 1,
    PEER_REQUEST_VOTE_RESULT = 2,
    PEER_APPEND_ENTRIES = 3,
    PEER_APPEND_ENTRIES_RESULT = 4,
    PEER_TIMEOUT_NOW = 5,
    PEER_INSTALL_SNAPSHOT = 6, /* answered by an AppendEntries result */
    PEER_READ_INDEX = 7,       /* a leader to the voters: is your term still mine? */
    PEER_READ_INDEX_RESULT = 8,
    PEER_READ_ASK = 9, /* a follower to its leader: at which index may I read? */
    PEER_READ_ANSWER = 10,
    /* 14 and 15 carry a checkpoint (rule 12), from owner to owner: the replicas have no part in
     * it. */
    PEER_CHECKPOINT_ASK = 14,
    PEER_CHECKPOINT_PART = 15,
    /* 16 and 17 compare states (node/core/digests.h), from owner to owner as well. */
    PEER_DIGEST_REPORT = 16,  /* a member to its leader: my state at this index */
    PEER_DIGEST_DIFFERS = 17, /* a leader to a member: a majority's is another one */
    /* What a node tells of itself when it is asked, from owner to owner too. */
    PEER_PING = 18,
    PEER_PONG = 19,
    PEER_DIGEST_BORNE_OUT = 20, /* a leader to a member: a majority's is the same; beside 16, 17 */
};

/* By the sender's own clock, and what it has heard of the receiver's (freshness.c). 0: nothing. */
struct peer_clock {
    uint64_t now_ms;
    uint64_t echo_ms;          /* the receiver's, as it came last */
    uint64_t confirmed_ago_ms; /* append: when a majority was last known to follow the sender */
};

struct peer_message {
    enum peer_message_type type;
    uint64_t sent_term; /* request: the sender's current term at sending; reply: the echo of the
                           request's */
    union {
        struct {
            uint64_t term;
            uint64_t candidate_id;
            uint64_t last_log_index;
            uint64_t last_log_term;
            bool disrupt_leader;
            bool pre_vote;
        } request_vote;
        struct {
            uint64_t term;
            bool vote_granted;
            bool pre_vote;
        } request_vote_result;
        struct {
            uint64_t term;
            uint64_t prev_log_index;
            uint64_t prev_log_term;
            uint64_t leader_commit;
            struct peer_clock clock;
            int64_t ledger_time_ms; /* the owner's: what time it is for the ledger; 0: not told */
            struct entry *
                *entries; /* references; array and references owned by the message's owner */
            size_t entry_count;
        } append_entries;
        struct {
            uint64_t term;
            uint64_t rejected; /* 0: success */
            uint64_t last_log_index;
            uint32_t capacity;
            struct peer_clock clock;
        } append_entries_result;
        struct {
            uint64_t term;
            uint64_t last_log_index;
            uint64_t last_log_term;
        } timeout_now;
        /* What the leader's log begins behind. A descriptor only: the state itself is fetched out
         * of band, by the checkpoint's name (rule 12). */
        struct {
            uint64_t term;
            uint64_t index;
            uint64_t last_term; /* of the entry at index */
            /* The ENTRY_CHANGE, with index and bytes, that made the members what they are at index;
             * a reference owned by the message's owner. */
            struct entry *configuration;
            struct hash128 checkpoint; /* of the sender's */
        } install_snapshot;
        /* `round` names the question among all that its asker has asked in this term, in this life
         * and in earlier ones: the answer brings it back. */
        struct {
            uint64_t round;
        } read_index;
        struct {
            uint64_t round;
            uint64_t term; /* of the voter, when it answered */
        } read_index_result;
        struct {
            uint64_t round;
        } read_ask;
        struct {
            uint64_t round;
            uint64_t index;
        } read_answer;
        struct {
            struct hash128 checkpoint;
            uint32_t file; /* 0: the list of its files; else the file at this place of the list,
                              counted from 1 */
            uint64_t offset;
            uint32_t max_bytes;
        } checkpoint_ask;
        struct {
            struct hash128 checkpoint;
            uint32_t file;
            uint64_t offset;
            uint64_t size;      /* of the whole file */
            struct entry *data; /* its bytes from offset on, a reference owned by the message's
                                   owner; NULL: there is no such checkpoint here (any more) */
        } checkpoint_part;
        struct {
            uint64_t index;
            struct hash128 digest;
            struct lineage lineage; /* of the state */
        } digest_report;
        struct {
            uint64_t index;
            struct hash128 digest;   /* the receiver's, as it has reported it */
            struct hash128 majority; /* of the voters */
        } digest_differs;
        struct {
            uint64_t index;
            struct hash128 digest;
        } digest_borne_out;
        struct {
            uint64_t clock_ms; /* the sender's, monotonic: comes back as an echo */
        } ping;
        struct {
            uint64_t echo_ms;
            int64_t wall_ms; /* the wall clock when it was answered: Unix time */
            uint32_t ledger_version_known;
        } pong;
    };
};

/* Releases what the message owns: the entries of an AppendEntries and their array, the
 * configuration of an InstallSnapshot, the bytes of a CheckpointPart. */
void peer_message_free(struct peer_message *message);
/* A message of its own, with references of its own. */
struct peer_message peer_message_copy(const struct peer_message *message);

#endif
