/*
 * replica.h - one member of the replicated log: libraft's I/O-free core (raft_step) behind the
 * rules that make it safe.
 *
 * Purpose: agree on a sequence of entries. The replica neither reads a clock nor touches a disk, a
 * socket or the ledger: everything outside is a call of struct replica_env, so that the simulator
 * and the real node run the same code.
 *
 * The turn: the owner calls replica_receive, replica_log_written and replica_tick as things happen,
 * and replica_submit when it has something to propose. Each call runs to its end: it may call any
 * function of the env, and those must not call back into the replica. `now_ms` is monotonic and
 * never goes back (rule 1).
 *
 * Ownership: env and config are copied; entry bytes are shared by reference count (raft/entry.h).
 * Threads: all calls from one thread.
 * Errors: a call that returns false has broken the replica for good - a disk or libraft failed, or
 * a contract of libraft was about to be violated. The process must stop with the error's text (rule
 * 2). Nothing is retried onto a disk that has failed. Source: Ongaro, Consensus: Bridging Theory
 * and Practice (2014); libraft 0.22.1; docs/replication.md for the rules by number.
 */
#ifndef RAFT_REPLICA_H
#define RAFT_REPLICA_H

#include "base/bytes.h"
#include "base/error.h"
#include "base/limits.h"
#include "raft/entry.h"
#include "raft/message.h"

struct replica;

enum replica_state { REPLICA_FOLLOWER = 1, REPLICA_CANDIDATE = 2, REPLICA_LEADER = 3 };
enum replica_role { REPLICA_VOTER = 1, REPLICA_STANDBY = 2 };

struct replica_member {
    uint64_t id;
    enum replica_role role;
    const char *address; /* peer address, host:port */
};

/* A point of the log that a state has reached, and the members as of it. */
struct replica_snapshot {
    uint64_t index;               /* 0: none */
    uint64_t term;                /* of the entry there */
    uint64_t configuration_index; /* of the entry that made the members what they are there */
    struct bytes configuration;   /* its bytes */
};

/* What a replica needs from outside. `context` is passed to each. */
struct replica_env {
    void *context;

    /* Stores term and vote, atomically and synced, before it returns (rule 3). */
    bool (*store_hard_state)(void *context, uint64_t term, uint64_t voted_for, struct error *error);

    /* Queues a write: drop everything from first_index on, then append the entries (consecutive
     * from first_index). In the order of the calls; one replica_log_written with the same
     * generation when it is synced. The env takes its own references. Any failure stops the
     * process. */
    void (*write_log)(void *context, uint64_t generation, uint64_t first_index,
                      struct entry *const *entries, size_t count);

    /* Reads entries that are durable: up to max_count and max_bytes, at least one, starting at
     * first_index, for a follower that is behind the tail kept in memory. Gives references. Returns
     * how many; 0 and an error: the process stops. */
    size_t (*read_log)(void *context, uint64_t first_index, size_t max_count, size_t max_bytes,
                       struct entry **entries, struct error *error);

    /* Queues a message to a peer, or drops it: Raft expects no more. The message and its entries
     * are valid during the call only. */
    void (*send)(void *context, uint64_t peer_id, const struct peer_message *message);

    /* A committed and durable entry, in log order, each index once in a life of the replica (rule
     * 9). Entries of type ENTRY_COMMAND are the owner's, its barriers among them; the others carry
     * no meaning for it and are passed so that the applied index is dense. An entry is the owner's
     * own proposal if index and term are those that replica_submit and the status gave. False stops
     * the process. */
    bool (*apply)(void *context, const struct entry *entry, struct error *error);

    /* This replica has become leader of `term`: give the bytes of the barrier that it submits first
     * (rule 10), an ENTRY_COMMAND that changes nothing. */
    void (*make_barrier)(void *context, uint64_t term, struct buffer *out);

    /* Leader, follower or candidate; term; who leads (0: unknown). Called after each change, before
     * anything is sent that depends on it. When the state is no longer LEADER, proposals that were
     * not applied have an unknown outcome. */
    void (*state_changed)(void *context, enum replica_state state, uint64_t term,
                          uint64_t leader_id);

    /* The end of a round of reads, one of the two for each (replica_read_join): whoever joined it
     * may be answered once `index` is applied. */
    void (*read_confirmed)(void *context, uint64_t round, uint64_t index);
    /* Leadership was lost, or there is another leader now: nobody has vouched for an index. Called
     * behind state_changed. */
    void (*read_failed)(void *context, uint64_t round);

    /* Snapshots (rule 12; snapshot.c). */

    /* A leader: the peer lacks what the log begins behind, and needs the snapshot at this index,
     * the last one that was taken or found. Names the checkpoint of exactly this state, which the
     * peer can fetch from this node. False: there is none yet; it is asked for again soon. */
    bool (*describe_snapshot)(void *context, uint64_t peer_id, uint64_t index,
                              struct hash128 *checkpoint);
    /* A follower: its leader offers this. Fetch the checkpoint from it, in place of any other that
     * is being fetched; then replica_snapshot_staged, or replica_snapshot_forget. The snapshot is
     * valid during the call. */
    void (*fetch_snapshot)(void *context, uint64_t peer_id, const struct replica_snapshot *snapshot,
                           struct hash128 checkpoint);
    /* What is staged replaces state and log from now on: make it so, for good, then
     * replica_snapshot_installed. No write to the log waits or is under way, none comes meanwhile,
     * and nothing is applied. A failure stops the process. The snapshot is valid until then. */
    void (*install_snapshot)(void *context, const struct replica_snapshot *snapshot);
};

/* Bounds; 0: that of base/limits.h, which also says what each is for. Smaller ones are for a
 * simulation, which would hardly come to those. How they lie to each other is asserted. */
struct replica_limits {
    size_t tail_entries; /* LIMIT_LOG_TAIL_... */
    size_t tail_bytes;
    size_t unsynced_entries; /* LIMIT_UNSYNCED_... */
    size_t unsynced_bytes;
    size_t inflight_entries; /* LIMIT_INFLIGHT_... */
    size_t inflight_bytes;
    size_t raft_inflight_entries; /* LIMIT_RAFT_INFLIGHT_ENTRIES */
    size_t append_entries;        /* LIMIT_APPEND_... */
    size_t append_bytes;
    size_t append_turn_bytes;
    size_t apply_turn_entries; /* LIMIT_APPLY_TURN_... */
    size_t apply_turn_bytes;
    size_t trailing_entries; /* SNAPSHOT_TRAILING_ENTRIES */
};
/* These, with the defaults where there is a 0. */
struct replica_limits replica_limits_complete(const struct replica_limits *given);

/* A follower that needs a snapshot is offered it again after so many election timeouts, if nothing
 * is heard of it. Another offer costs a small message. */
#define REPLICA_OFFER_ELECTION_TIMEOUTS 4

struct replica_config {
    uint64_t id;
    const char *address;
    /* Those who found the cluster: entry 1 of every log is made of these (rule 0); sorted inside.
     * None: a node that joins one. Whoever has no log then waits for a leader to bring it. */
    const struct replica_member *members;
    size_t member_count;
    uint64_t cluster_id;          /* the hash of entry 1; 0: that of the founders */
    uint32_t election_timeout_ms; /* 0: DEFAULT_ELECTION_TIMEOUT_MS */
    uint32_t heartbeat_ms;        /* 0: a quarter of the timeout, the longest that is allowed */
    uint32_t seed; /* random, and another one in each life: spreads elections (rule 1), and tells
                      what this life asks from what an earlier one did (read_index.c) */
    struct replica_limits limits;
};

/* What was found on disk. entries: every entry of the log in order, beginning at 1 or, where there
 * is a snapshot, anywhere up to the one behind it; only term, type, index and - of ENTRY_CHANGE -
 * the bytes are looked at. Neither entries nor snapshot: a new node; one that founds writes entry 1
 * itself, one that joins has no members until a leader reaches it. */
struct replica_disk {
    uint64_t term;
    uint64_t voted_for;
    struct replica_snapshot snapshot; /* the bytes are read during the call */
    struct entry *const *entries;
    size_t entry_count;
    uint64_t applied_index; /* of the state machine; apply begins behind it */
};

/* The bytes of entry 1 for these members, and the cluster id that is the hash of them (rule 0). */
bool replica_bootstrap_entry(const struct replica_member *members, size_t count, struct buffer *out,
                             uint64_t *cluster_id, struct error *error);
/* The cluster that these bytes of entry 1 found. */
uint64_t replica_cluster_id(struct bytes bootstrap);
/* Which address do the bytes of a configuration give this node? False: it is not in it. */
bool replica_address_in(struct bytes configuration, uint64_t id,
                        char address[LIMIT_ADDRESS_BYTES + 1]);

struct replica *replica_open(const struct replica_config *config, const struct replica_env *env,
                             struct error *error);
/* Feeds START (and, for a lone voter, term + 1 before it: rule 11). */
bool replica_start(struct replica *replica, const struct replica_disk *disk, uint64_t now_ms,
                   struct error *error);
void replica_close(struct replica *replica);

/* A message from the peer with this id (the connection's, rule 15), decoded. Takes over
 * message->entries' references. */
bool replica_receive(struct replica *replica, uint64_t peer_id, struct peer_message *message,
                     uint64_t now_ms, struct error *error);
/* The connection to the peer was made anew: replies do not count until something has been asked
 * over it (rule 5). */
void replica_peer_connected(struct replica *replica, uint64_t peer_id);
/* The write of this generation is synced up to last_index. */
bool replica_log_written(struct replica *replica, uint64_t generation, uint64_t last_index,
                         uint64_t now_ms, struct error *error);
/* Timers, and what is left to apply. Call it once in each turn of the owner's loop, and at
 * replica_next_ms at the latest: from one call to the next a bounded amount is applied, by this and
 * all other calls together, so that the owner hears the others in between. */
bool replica_tick(struct replica *replica, uint64_t now_ms, struct error *error);
/* When replica_tick wants to be called next. */
uint64_t replica_next_ms(const struct replica *replica);

/* May an entry be submitted: leader, the term's barrier submitted, in-flight limits not reached? */
bool replica_can_submit(const struct replica *replica);
/* Submits one ENTRY_COMMAND; needs replica_can_submit. The index it will have, if it ever commits.
 * Takes over the reference. */
bool replica_submit(struct replica *replica, struct entry *entry, uint64_t now_ms, uint64_t *index,
                    struct error *error);

/* A linearizable read without a write to the log (read_index.c): on the leader, and on a follower
 * that knows one. Joins the round that is sent next, at the latest in the next replica_tick, and
 * ends with read_confirmed or read_failed of this round; any number of reads may join one. False:
 * no leader is known. */
bool replica_read_join(struct replica *replica, uint64_t *round);

/* How old the applied state is: it holds everything that was committed so long ago, as far as who
 * led then knew (freshness.c says what is not counted). False: no leader has been heard of in this
 * life. */
bool replica_state_age(const struct replica *replica, uint64_t now_ms, uint64_t *age_ms);

/* ---- snapshots (rule 12) ---- */

/* May a snapshot of the state be taken: would what the state holds from now on be a point that
 * replica_snapshot_at knows? Once yes, it stays so until replica_snapshot_taken or an install. */
bool replica_can_snapshot(const struct replica *replica);
/* The snapshot of a state that has applied this much: not more than is applied here, and more than
 * the last snapshot. The bytes are valid until replica_snapshot_taken. False: the log can't be
 * read, the process must stop. */
bool replica_snapshot_at(struct replica *replica, uint64_t index, struct replica_snapshot *snapshot,
                         struct error *error);
/* The snapshot that replica_snapshot_at gave is stored for good: the log needs what lies before it
 * no longer, but for some entries that followers may lack (limits.trailing_entries).
 * Gives the last index that may be removed from the log on disk; 0: none. */
bool replica_snapshot_taken(struct replica *replica, const struct replica_snapshot *snapshot,
                            uint64_t now_ms, uint64_t *trim_up_to, struct error *error);

/* What env->fetch_snapshot asked for last is here: whole, verified and synced. *wanted false: it is
 * not needed any more, and forgotten; drop it. Else env->install_snapshot follows, at once or when
 * the log has written what it is writing. */
bool replica_snapshot_staged(struct replica *replica, uint64_t now_ms, bool *wanted,
                             struct error *error);
/* It could not be fetched: the next offer is as good as a new one. */
void replica_snapshot_forget(struct replica *replica);
/* What env->install_snapshot asked for is done: the state stands at the snapshot, and so does the
 * log, which is empty. */
bool replica_snapshot_installed(struct replica *replica, uint64_t now_ms, struct error *error);

/* ---- members ---- */

/* A change of members: one server, one at a time. */
enum replica_change_kind {
    REPLICA_ADD_STANDBY = 1, /* id and address: gets the log, has no vote */
    REPLICA_PROMOTE = 2,     /* id: a standby that has caught up gets a vote */
    REPLICA_REMOVE = 3,      /* id: not the leader's own */
};
struct replica_change {
    enum replica_change_kind kind;
    uint64_t id;
    const char *address;
};
/* Submits the change. *accepted false: it is refused, nothing has changed, and why. It counts from
 * the moment it is in the log, here and on everybody, and may still be lost with the leadership:
 * replica_members tells. */
bool replica_change_members(struct replica *replica, const struct replica_change *change,
                            uint64_t now_ms, bool *accepted, struct error *why,
                            struct error *error);

/* Hands the leadership to this voter, or, with 0, to the one that has most of the log (rule 13).
 * *accepted false: refused, nothing has changed, and why. Else nothing is submitted any more until
 * everything that was is committed and the other one has it; then it is told to stand for election,
 * and state_changed tells how that went. When that takes longer than a few election timeouts this
 * replica goes on leading. */
bool replica_transfer_leadership(struct replica *replica, uint64_t to, uint64_t now_ms,
                                 bool *accepted, struct error *why, struct error *error);

struct replica_status {
    enum replica_state state;
    uint64_t term;
    uint64_t leader_id;
    uint64_t commit_index;
    uint64_t applied_index;
    uint64_t last_index;
    uint64_t durable_index;
    uint64_t snapshot_index;   /* of the last snapshot, or of what a start found applied; 0: none */
    uint64_t first_index;      /* where the log begins */
    bool installing;           /* a snapshot from another node */
    uint64_t transferring_to;  /* leader that hands over; 0: it does not */
    uint64_t refused_count;    /* messages that were malformed */
    uint64_t tail_first_index; /* entries before it are read from disk */
    /* How often a bound was met. */
    uint64_t evicted_count; /* entries out of the tail */
    uint64_t dropped_count; /* appends whose entries the full backlog did not take */
    uint64_t split_count;   /* appends that left in several frames */
    uint64_t cut_count;     /* appends that a turn's bound cut short */
    bool barrier_applied; /* leader whose own barrier is applied: reads and commands may be answered
                           */
};
void replica_status_get(const struct replica *replica, struct replica_status *status);
/* On the leader: what the member is known to have; else 0. */
uint64_t replica_match_index(const struct replica *replica, uint64_t member_id);
/* The latest configuration, committed or not, for it counts from the moment it is in the log: fills
 * up to `capacity`, returns how many there are; 0: a node that joins, and has none yet. Addresses
 * are valid until the next call. */
size_t replica_members(const struct replica *replica, struct replica_member *members,
                       size_t capacity);
/* Another number whenever the latest configuration may be another one. */
uint64_t replica_members_version(const struct replica *replica);
/* The entry that made the latest configuration; 0: there is none. */
uint64_t replica_members_index(const struct replica *replica);
/* The same of the latest committed one. */
uint64_t replica_committed_members_index(const struct replica *replica);
/* Is the node in it? */
bool replica_is_committed_member(const struct replica *replica, uint64_t id);

#endif
