/*
 * replica_fixture.h - one replica in a world made by hand: a disk that completes writes when told,
 * a network that only records, a clock that a test sets.
 *
 * Members are 1 to `member_count`, voters at "m<id>:7000"; the replica under test is number 1
 * unless said otherwise.
 */
#ifndef TESTS_RAFT_REPLICA_FIXTURE_H
#define TESTS_RAFT_REPLICA_FIXTURE_H

/* cmocka wants these first, in this order. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include "raft/replica.h"
#include "replica_internal.h"

#define FIXTURE_LOG   16384
#define FIXTURE_SENT  4096
#define FIXTURE_TRACE 65536
#define FIXTURE_READS 64

struct fixture_write {
    uint64_t generation;
    uint64_t first_index;
    uint64_t last_index;
    bool completed;
};

struct fixture_sent {
    uint64_t peer_id;
    struct peer_message message; /* its entries are references of ours */
};

/* The end of a round of reads. */
struct fixture_read {
    uint64_t round;
    uint64_t index; /* 0: it failed */
};

struct fixture {
    struct replica *replica;
    struct error error;
    uint64_t now_ms;
    struct replica_limits limits; /* set before the start; 0: the defaults */
    bool joins;                   /* the cluster of the members that fixture_start is given */
    uint32_t seed;                /* 0: one for each member */

    /* The disk. */
    uint64_t term;
    uint64_t vote;
    struct entry *log[FIXTURE_LOG]; /* by index; what was written, synced or not */
    uint64_t log_first;             /* where it begins */
    uint64_t log_last;
    struct replica_snapshot snapshot; /* what START is given */
    struct fixture_write writes[FIXTURE_SENT];
    size_t write_count;
    uint64_t applied_index; /* of the state machine; set before the start to restart with it */
    size_t reads;

    /* Snapshots. */
    bool has_checkpoint; /* what describe_snapshot says, and which */
    struct hash128 checkpoint;
    uint64_t described_index;
    size_t fetches; /* asked for, and the last one */
    uint64_t fetch_peer;
    uint64_t fetched_index;
    struct hash128 fetched_checkpoint;
    size_t installs;
    struct replica_snapshot installing;

    struct fixture_sent sent[FIXTURE_SENT];
    size_t sent_count;

    struct fixture_read reads_ended[FIXTURE_READS];
    size_t reads_ended_count;

    /* What the replica did, in order: H hard state, S state, W write, M message, A apply, I
     * install. */
    char trace[FIXTURE_TRACE];
    size_t trace_len;

    enum replica_state state;
    uint64_t state_term;
    uint64_t leader_id;
    size_t barriers;
    bool could_submit; /* at the last change of state */

    bool fail_store;
    bool fail_apply;
    bool fail_read;
    bool call_back; /* apply calls into the replica, against rule 1 */
};

struct fixture *fixture_new(void);
void fixture_free(struct fixture *fixture);

/* Puts entries on the disk before the start: entry 1 with these members, then by term and type. */
void fixture_found(struct fixture *fixture, size_t member_count);
void fixture_disk_append(struct fixture *fixture, uint64_t term, enum entry_type type,
                         struct bytes data);
/* The configuration of members 1 to `member_count`, as an entry's bytes; valid until the next call.
 */
struct bytes fixture_configuration(size_t member_count);

/* Opens and starts replica `id` of `member_count` on the disk as it is. */
bool fixture_start(struct fixture *fixture, uint64_t id, size_t member_count);
/* fixture_found, hard state (term, 0), fixture_start of member 1. */
void fixture_start_follower(struct fixture *fixture, size_t member_count, uint64_t term);
/* As above, then an election that every peer grants, the log written, the barrier committed. */
void fixture_start_leader(struct fixture *fixture, size_t member_count, uint64_t term);

/* Feeds a message; its entries are the fixture's business no longer. */
bool fixture_receive(struct fixture *fixture, uint64_t peer_id, struct peer_message message);
/* Completes the oldest write that is not completed; all of them. */
bool fixture_sync_one(struct fixture *fixture);
bool fixture_sync_all(struct fixture *fixture);
/* The install that was asked for is done. */
bool fixture_installed(struct fixture *fixture);
/* Goes to the replica's deadline and ticks. */
bool fixture_tick(struct fixture *fixture);
/* Submits a command with this text. */
uint64_t fixture_submit(struct fixture *fixture, const char *text);

/* Forgets what was sent and traced. */
void fixture_forget(struct fixture *fixture);
/* The last message of this type to this peer, or NULL. */
const struct peer_message *fixture_sent_last(const struct fixture *fixture, uint64_t peer_id,
                                             enum peer_message_type type);
size_t fixture_sent_count(const struct fixture *fixture, uint64_t peer_id,
                          enum peer_message_type type);

struct peer_message fixture_append(uint64_t term, uint64_t prev_index, uint64_t prev_term,
                                   uint64_t leader_commit);
/* Adds an entry behind those that the message has. */
void fixture_append_entry(struct peer_message *message, uint64_t term, enum entry_type type,
                          struct bytes data);
struct peer_message fixture_append_success(uint64_t term, uint64_t last_index);
struct peer_message fixture_append_rejection(uint64_t term, uint64_t rejected, uint64_t last_index);
struct peer_message fixture_vote(uint64_t term, uint64_t candidate, uint64_t last_index,
                                 uint64_t last_term, bool pre_vote);
struct peer_message fixture_vote_result(uint64_t sent_term, uint64_t term, bool granted,
                                        bool pre_vote);
/* Offers a snapshot at index, with members 1 to member_count. */
struct peer_message fixture_offer(uint64_t term, uint64_t index, uint64_t last_term,
                                  uint64_t configuration_index, size_t member_count,
                                  uint64_t checkpoint);
struct peer_message fixture_read_index(uint64_t term, uint64_t round);
struct peer_message fixture_read_index_result(uint64_t sent_term, uint64_t round, uint64_t term);
struct peer_message fixture_read_ask(uint64_t term, uint64_t round);
struct peer_message fixture_read_answer(uint64_t sent_term, uint64_t round, uint64_t index);

#endif
