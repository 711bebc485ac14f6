/*
 * core.h - what a node does, without the loop, the sockets and the threads it does it with: data
 * directory, log, state, replica, ledger, proposer and clock, wired together. node/node.c runs it
 * on libuv; tests/sim runs a whole cluster of them on simulated time, network and disks. Neither
 * has logic of its own about what a node may say or must remember.
 *
 * Everything from outside is a function of struct core_env or an interface that is handed in: both
 * clocks, the network, the files (storage/file.h), the state's database (storage/state_store.h),
 * the log's thread and the pool.
 *
 * Life: core_open (disk: nothing runs yet) -> core_start (the replica) -> events, each a call ->
 * core_close. The way of a command: core_propose; at the end of the turn core_flush submits one
 * entry; env.write_log and env.send; a majority -> apply: ledger, state, and the proposal's owner
 * hears. The way of a read: core_propose; at the end of the turn core_tick sends a round; a
 * majority, or the leader, vouches for an index; core_answer_read.
 *
 * Errors: a call that returns false has met what can't be survived: a failed disk, libraft breaking
 * a contract, a state that can't be written. The process must stop with the error's text; nothing
 * is acknowledged after it. Threads: the loop's. Units: milliseconds.
 */
#ifndef NODE_CORE_CORE_H
#define NODE_CORE_CORE_H

#include <stdatomic.h>

#include "audit.h"
#include "contacts.h"
#include "digests.h"
#include "disk_watch.h"
#include "fetching.h"
#include "ledger_clock.h"
#include "proposer.h"
#include "raft/replica.h"
#include "reads.h"
#include "registrations.h"
#include "snapshots.h"
#include "storage/data_directory.h"
#include "storage/file.h"
#include "storage/log_store.h"
#include "storage/state_store.h"

struct core_env {
    void *context;

    /* Never goes back. */
    uint64_t (*monotonic_ms)(void *context);
    /* Unix time: may jump either way. */
    int64_t (*wall_ms)(void *context);

    /* Queues a message to a peer, or drops it. The message is valid during the call. */
    void (*send)(void *context, uint64_t peer_id, const struct peer_message *message);

    /* The same for parts of a checkpoint, and questions for them, which may be large and must not
     * keep the others waiting: over a connection of its own, as fast as the owner allows. */
    void (*send_bulk)(void *context, uint64_t peer_id, const struct peer_message *message);

    /* For the log's thread: as struct replica_env's write_log; core_log_written when it is durable.
     * False: its queue is full. */
    bool (*write_log)(void *context, uint64_t generation, uint64_t first_index,
                      struct entry *const *entries, size_t count, struct error *error);

    /* Opens the state's database at this path, which data_directory named: in core_open, and in the
     * pool. False with the reason; of a state that was fetched, whether the disk is not to blame:
     * it was read, and is nothing that this release can open. `is_foreign` NULL: it is our own,
     * whoever wrote it, and the reason says what to do. */
    bool (*open_state)(void *context, const char *path, struct state_store *state, bool *is_foreign,
                       struct error *error);

    /* Runs work->run in the pool, then work->done on the loop's thread; several at a time. False:
     * it can't. */
    bool (*run_in_pool)(void *context, struct pool_work *work, struct error *error);

    /* State, term or leader has changed: as in core->state, term and leader_id. Called before
     * proposals end because of it. Must not call back. */
    void (*role_changed)(void *context);

    /* Something that an operator should read: a torn batch that was dropped at the start, a fetch
     * that was given up. */
    void (*warn)(void *context, const char *what, const char *words);

    /* Behind core_abandon: the last of its work in the pool has ended (core->works). */
    void (*quiet)(void *context);
};

struct core_config {
    uint64_t id;
    /* Where this node's peers connect, unless the members' list on disk says so; NULL: it must. */
    const char *address;
    /* Those who found the cluster, valid until core_close. None: of a node that joins one, or that
     * has its directory and needs to be told nothing. */
    const struct replica_member *members;
    size_t member_count;
    uint64_t cluster_id;          /* 0: of the founders, or as the directory has it */
    uint32_t election_timeout_ms; /* 0: defaults, as in struct replica_config */
    uint32_t heartbeat_ms;
    const char *data; /* the data directory */
    const struct file_system *files;
    uint64_t log_segment_bytes;           /* 0: LOG_SEGMENT_BYTES */
    uint64_t new_incarnation;             /* random, not 0: for a directory that is new */
    uint32_t seed;                        /* random: spreads elections (Raft rule 1) */
    struct replica_limits replica_limits; /* 0: the defaults */
    struct proposer_limits proposer_limits;

    /* Snapshots; 0: what base/limits.h says. */
    uint64_t snapshot_log_entries;
    uint64_t snapshot_log_bytes;
    uint64_t held_log_bytes; /* HELD_LOG_BYTES */
    uint64_t checkpoint_ask_ms;
    uint64_t checkpoint_kept_ms;
    uint64_t staging_kept_ms;

    uint64_t state_open_bytes;   /* what open_state wants to find free; 0: nothing */
    uint64_t disk_reserve_bytes; /* disk_watch.h; 0: none is kept */
    uint64_t digest_interval;    /* 0: DIGEST_INTERVAL_ENTRIES; the same on all nodes */

    uint16_t ledger_version_known; /* 0: LEDGER_VERSION. Another one is for tests of upgrades */
};

/* As a node's hello said. */
struct known_incarnation {
    uint64_t id; /* 0: free */
    uint64_t incarnation;
    bool is_registered; /* with this one, as was found when it was heard; else it is asked again */
    bool is_refused;    /* with another one, and it was said */
};

struct core {
    struct core_config config;
    struct core_env env;
    uint64_t cluster_id;
    char address[LIMIT_ADDRESS_BYTES + 1]; /* this node's own, for its peers */

    struct data_directory *directory;
    struct log_store *log;
    struct state_store state_store;
    struct ledger *ledger;
    struct replica *replica;
    struct proposer *proposer;
    struct reads *reads;
    struct snapshots *snapshots;
    struct fetching *fetching;
    struct disk_watch *disk_watch;
    struct digests *digests;
    uint64_t state_generation; /* of the manifest: that whose digests are noted */
    struct ledger_clock clock;
    struct wall_clocks wall_clocks;
    bool clock_warned; /* something is wrong with it, and was said: */
    uint64_t clock_warned_ms;
    struct contacts contacts; /* with every peer, leader or not */

    enum replica_state state;
    uint64_t term;
    uint64_t leader_id;

    struct registrations logged;            /* in the log, and not applied */
    uint64_t registered[LIMIT_PEERS_KNOWN]; /* node ids whose incarnation is registered, or proposed
                                               in this term */
    size_t registered_count;
    uint64_t registrations_put_off; /* the proposer was full */
    struct known_incarnation known[LIMIT_PEERS_KNOWN];

    uint64_t told_removed_index; /* others say that this node was removed there; 0: they don't */
    uint64_t removed_index; /* it was: by the entry there, or one before; 0: as far as is known not.
                               As of the last core_upkeep */

    struct core_found *found; /* the log as it was found, between open and start */
    bool is_auditing;         /* in the pool */
    atomic_bool audits_stopped;
    struct audit *waiting_audit; /* for its index; NULL: none */
    unsigned works;              /* that run there, an audit among them */
    bool is_abandoned;
    bool failed; /* a callback without a way to say so has failed: */
    struct error failure;
};

/* Opens what is on disk, in an order in which a core that refuses has changed nothing. `core` is
 * filled; on failure everything is closed again. */
bool core_open(struct core *core, const struct core_config *config, const struct core_env *env,
               struct error *error);
/* Starts the replica: from here on the env is called. */
bool core_start(struct core *core, struct error *error);
/* Ends all proposals: nothing that waits will be answered. Begins no work of its own any more.
 * core_close does it too. */
void core_abandon(struct core *core);
/* Ends all proposals; nothing of it may be running in the pool. False: the state could
 * not be flushed, and the log has it; or the disk has failed since the last turn. Closes in any
 * case; also right behind core_open. */
bool core_close(struct core *core, struct error *error);

/* ---- events ---- */

/* A message from the peer with this id (the connection's: Raft rule 15), whichever way it came.
 * Takes over what it owns. */
bool core_receive(struct core *core, uint64_t peer_id, struct peer_message *message,
                  struct error *error);
/* May this node take part under this incarnation (Raft rule 0)? *admitted false: and why. */
bool core_admit(struct core *core, uint64_t peer_id, uint64_t incarnation, bool *admitted,
                struct error *why, struct error *error);
/* Whoever was admitted when nothing was registered here yet, may be another than the one that is
 * registered meanwhile: it is not heard. *heard false: what it says is dropped. */
bool core_hears(struct core *core, uint64_t peer_id, bool *heard, struct error *error);
/* Was the node with this id removed, for good? *removed_index: by the entry there or one before; 0:
 * no. */
bool core_find_removed(struct core *core, uint64_t id, uint64_t *removed_index,
                       struct error *error);
/* Another node refuses this one because it was removed. */
void core_told_removed(struct core *core, uint64_t removed_index);
/* A connection to the peer has been made anew, and its hello said this. */
void core_peer_connected(struct core *core, uint64_t peer_id, uint64_t incarnation);
/* The log's thread: see write_log. */
bool core_log_written(struct core *core, uint64_t generation, uint64_t last_index,
                      struct error *error);
/* What nobody asks for: registers incarnations, wants a tick when something is due, takes snapshots
 * and fetches them, looks after the disk. Now and then: CORE_UPKEEP_MS. */
bool core_upkeep(struct core *core, struct error *error);

#define CORE_UPKEEP_MS 50

/* ---- the end of each turn of the loop ---- */

/* Timers, behind the turn's messages: a node that was kept busy must read what the others said
 * meanwhile before it concludes that they said nothing. */
bool core_tick(struct core *core, struct error *error);
/* Answers one read that may be answered; *answered false: there was none. The caller bounds the
 * time that a turn spends so. */
bool core_answer_read(struct core *core, bool *answered, struct error *error);
/* Submits what waits. */
bool core_flush(struct core *core, struct error *error);
/* When the next turn must be, at the latest; now or earlier: at once. */
uint64_t core_next_ms(const struct core *core);

/* ---- for calls ---- */

/* A change of members, on the leader: as replica_change_members (raft/replica.h), and refused as
 * well where it would break what members.c says of ids. `why` is for an operator. */
bool core_change_members(struct core *core, const struct replica_change *change, bool *accepted,
                         struct error *why, struct error *error);

/* Hands over the leadership: as replica_transfer_leadership. */
bool core_transfer_leadership(struct core *core, uint64_t to, bool *accepted, struct error *why,
                              struct error *error);

bool core_leads(const struct core *core);
uint64_t core_applied_index(const struct core *core);
/* Leads, or knows who does: a linearizable read may be proposed. */
bool core_knows_leader(const struct core *core);
/* Commands and linearizable reads that come now are answered in the time that they take: this node
 * leads, has applied all that was committed before and knows the time; or hears from a leader that
 * has. After kill -9 of all nodes that is later than the election by what has to be applied again.
 */
bool core_can_serve(const struct core *core);
/* A linearizable read would wait for long: much of the log is still to be applied. */
bool core_is_behind(const struct core *core);
/* How old the applied state is (raft/replica.h). False: not known. */
bool core_state_age(const struct core *core, uint64_t *age_ms);
/* Takes a command, if this node leads and its disk has room; a linearizable read, if it leads or
 * knows who does; a stale one. False: it can't, or the queue is full. proposer.h, reads.h,
 * disk_watch.h. */
bool core_propose(struct core *core, struct proposal *proposal);

/* ---- among the core's own files ---- */

uint64_t core_now_ms(const struct core *core);
/* Neither failed nor abandoned. */
bool core_is_working(const struct core *core);
/* What can't be survived, met where no call can say so: the next one will. The first one counts. */
void core_fail(struct core *core, const struct error *error);
/* Work of the core's own in the pool: counted, so that nothing is closed under it. Each that was
 * started ends with core_work_ended, the last thing that its `done` does. */
bool core_work_start(struct core *core, struct pool_work *work, struct error *error);
void core_work_ended(struct core *core);
/* From the replica's form into the manifest's. */
void core_snapshot_of(const struct replica_snapshot *from, struct snapshot *to);
/* This state from now on; the one before is still open, and the caller's. False: it can't be read,
 * and nothing has changed. */
bool core_replace_state(struct core *core, const struct state_store *state, struct error *error);

#endif
