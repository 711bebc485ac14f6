/*
 * checks_internal.h - what the checks remember, shared by checks*.c.
 *
 *   checks.c          a node's term, vote and role; elections
 *   checks_log.c      what a node's log holds, as asked for and on disk
 *   checks_said.c     messages
 *   checks_clock.c    what entries are stamped with
 *   checks_commit.c   what is committed and applied; the end
 *   checks_snapshot.c snapshots, taken and installed
 *   checks_transfer.c the hand-over of the leadership
 *   checks_members.c  configurations: who is a majority, and how they may change
 *   checks_version.c  the ledger's version, and what programs know
 *   checks_model.c    the model's answers and records; audits
 *   checks_history.c  operations of clients
 *
 * All numbers but a node's own are the protocol's: indexes and terms from 1, 0 is none.
 */
#ifndef TESTS_SIM_CHECKS_INTERNAL_H
#define TESTS_SIM_CHECKS_INTERNAL_H

#include "checks.h"
#include "model.h"

/* A bit for each node. */
typedef uint32_t node_set;
_Static_assert(LIMIT_NODES <= 32, "node_set has a bit for each");

/* Elections of one run, at the most: a term beyond it is a number out of nowhere. */
#define CHECKS_TERMS 1000000

/* One entry that was ever in a log. There is one for each (index, term); who else has that pair
 * must have the same entry, behind the same one. */
struct known {
    struct known *next; /* same index, another term */
    struct entry *entry;
    uint64_t prev_term;
    node_set on_disks;
    node_set on_lost; /* disks that were wiped since */
    bool committed;
    /* The latest configuration of a log that ends here: itself, if it is one. */
    const struct known *configuration;
    /* Of a leader's commands: when they were stamped, and what time the ledger has there. */
    bool is_stamped;
    uint64_t stamped_us;
    int64_t overtaken_ms; /* what their leader told before may lie so much ahead of that, at most */
    int64_t ledger_ms;
    /* Of a configuration: */
    node_set voters;
    node_set standbys;
};

/* A log: known entries by index. */
struct known_log {
    struct known **items; /* of index 1 first */
    uint64_t last;
    uint64_t capacity;
};

/* A write that was asked for, and is not known to be durable. */
struct asked_write {
    struct asked_write *next;
    uint64_t first_index;
    size_t count;
    struct known *items[];
};

/* A leader's time: see checks_clock.c. */
struct clock_view {
    bool has_heard; /* of a leader, in this life */
    uint64_t heard_us;
    bool owes_barrier; /* it leads and has not stamped an entry yet; else, when it did: */
    uint64_t begin_us;
    int64_t begin_ms;        /* its stamp then; */
    int64_t begin_ledger_ms; /* the ledger's time, which may have been ahead; */
    int64_t credits_ms;      /* and what was credited since */
};

/* A wall clock, and the latest that it has shown lately, before it was set. */
struct wall_view {
    const struct sim_clock *clock;
    bool was_set;
    uint64_t set_us;
    int64_t before_ms; /* the largest offset of before */
};

/* The first registration of an id that is committed. */
struct registered_view {
    uint64_t index; /* 0: there is none */
    uint64_t incarnation;
};

#define CHECKS_VERSIONS 8 /* programs know, at most */

/* The programs that a machine has run: outlives its disk. */
struct program_view {
    unsigned known;                        /* by the present one, or the last one that ran */
    uint64_t last_us[CHECKS_VERSIONS + 1]; /* by version: when one was replaced that knew it */
};

struct node_view {
    /* The disk. */
    uint64_t term;
    uint64_t voted_for;
    struct known_log disk;
    struct asked_write *first_write;
    struct asked_write *last_write;
    bool lost;               /* wiped: nothing of it counts */
    uint64_t snapshot_index; /* in its manifest */
    bool is_spoilt;          /* its state: checks_spoilt */

    /* This life. */
    struct known_log asked;
    enum replica_state role;
    uint64_t role_term;
    struct clock_view clock;
    uint64_t stands_in; /* it asked for votes in this term and has not given up since; 0: none */
    uint64_t commit_index;
    uint64_t applied_index;
    uint64_t hands_to; /* an id: it hands over its leadership; 0: it does not */

    /* All its lives. */
    uint64_t applied_most;
};

struct candidacy {
    node_set pre_votes;
    node_set votes;
    uint64_t last_log_index;
    uint64_t last_log_term;
};

struct term_view {
    bool has_candidate;
    bool has_leader;
    size_t leader;
    struct candidacy candidacies[LIMIT_NODES];
    uint64_t acknowledged[LIMIT_NODES]; /* the highest index that each said it has, to the leader */
};

/* What stands at an index for ever. */
struct committed {
    struct known *known;
    uint64_t term;  /* of whoever committed it first, or higher */
    uint64_t at_us; /* when */
    bool applied;   /* somewhere: */
    struct hash128 digest;
    unsigned ledger_version; /* behind it; known when the model has come to it */
    uint64_t first_result;   /* of its commands, in checks->results */
    uint32_t result_count;
};

enum operation_state {
    OPERATION_OPEN,
    OPERATION_ANSWERED,
    OPERATION_NOT_EXECUTED,
    OPERATION_UNKNOWN,
};

struct operation {
    enum operation_state state;
    bool is_read;
    bool is_asked;
    bool is_stale;
    uint64_t first;   /* of an attempt at a request with an id and a time: the first one; else 0 */
    uint64_t refused; /* of a first one: the attempt whose refusal was told; 0: none was */
    uint64_t floor;   /* the highest index that was answered when it began */
    uint64_t min_index; /* of a read: that was asked for */
    struct hash128 asked;
    /* Where it was found in the committed log; of a read that was answered, its index. */
    uint64_t index;
    uint32_t position;
};

/* What a node whose state was wrong stood in. */
struct wrong_state {
    uint64_t index;
    struct hash128 digest;
};

struct checks {
    struct world *world;
    size_t node_count;
    node_set lost; /* wiped */
    struct node_view nodes[LIMIT_NODES];
    struct wall_view walls[LIMIT_NODES]; /* the machines': outlive their disks */
    struct program_view programs[LIMIT_NODES];
    struct registered_view registered[LIMIT_NODES];
    bool keeps_ids;
    unsigned raised_to; /* the highest version that a command raises to */

    struct known **known; /* by index: the first of a list */
    uint64_t known_capacity;

    struct term_view *terms;
    uint64_t term_capacity;

    struct committed *committed; /* of index 1 first */
    uint64_t committed_last;
    uint64_t committed_capacity;

    struct wrong_state *wrong;
    size_t wrong_count;
    size_t wrong_capacity;

    struct model *model;
    uint64_t model_index; /* the last entry that the model was given, or that is not for it */
    struct ledger_result *results; /* the model's, in order; failed lines are our copies */
    uint64_t result_count;
    uint64_t result_capacity;

    struct operation *operations; /* number 1 first */
    uint64_t operation_count;
    uint64_t operation_capacity;
    uint64_t answered_index; /* the highest that any answer named */
    struct ledger_command_lines lines;
    struct checks_counts counts;
};

/* ---- checks.c ---- */

/* Room for one more of `size` each behind `count`; what is new is zero. */
void *checks_room(void *items, uint64_t *capacity, uint64_t count, size_t size);
/* The record of a term; NULL, and the run has failed, if there can't be such a term. */
struct term_view *checks_term(struct checks *checks, size_t node, uint64_t term);
/* The node acts as leader of the term. */
void checks_leads(struct checks *checks, size_t node, uint64_t term);
size_t checks_set_size(node_set set);

/* ---- checks_log.c ---- */

/* NULL: the log has no such entry. */
struct known *checks_log_at(const struct known_log *log, uint64_t index);
/* The whole log, as it was asked for, and on the disk, is this now. */
void checks_log_replace_asked(struct checks *checks, size_t node, struct known *const *items,
                              uint64_t count);
void checks_log_replace_disk(struct checks *checks, size_t node, struct known *const *items,
                             uint64_t count);
void checks_log_wiped(struct checks *checks, size_t node);
void checks_log_free(struct checks *checks);
/* Same index, term, type and bytes? */
bool checks_same_entry(const struct entry *a, const struct entry *b);

/* ---- checks_snapshot.c ---- */

/* The node, as leader, offers this. */
void checks_offered(struct checks *checks, size_t node, const struct peer_message *message);

/* ---- checks_transfer.c ---- */

/* The node writes entries. */
void checks_transfer_asked(struct checks *checks, size_t node, uint64_t first_index);
void checks_timeout_now(struct checks *checks, size_t node, size_t to,
                        const struct peer_message *message);

/* ---- checks_version.c ---- */

/* The node's state stands at this committed entry. */
void checks_version_at(struct checks *checks, size_t node, const struct committed *committed);
/* A committed command raises the ledger to this. */
void checks_version_raised(struct checks *checks, unsigned version);

/* ---- checks_clock.c ---- */

void checks_clock_role(struct checks *checks, size_t node, enum replica_state before,
                       enum replica_state state);

/* ---- checks_members.c ---- */

/* Sets what `known` knows of configurations; `previous` is the entry before it in the log. False:
 * the run has failed. */
bool checks_configuration_read(struct checks *checks, size_t node, struct known *known,
                               const struct known *previous);
/* A leader has made this change, behind `previous`: may it? */
void checks_configuration_made(struct checks *checks, size_t node, const struct known *known,
                               const struct known *previous);
/* A registration is committed. */
void checks_registered(struct checks *checks, uint64_t index, uint64_t id, uint64_t incarnation);
/* The latest configuration in the node's log; NULL: the log is empty. */
const struct known *checks_configuration_of(const struct node_view *view);
/* Those of the set that have a vote; is that a majority? */
size_t checks_voters_among(const struct known *configuration, node_set set);
bool checks_is_majority(const struct known *configuration, node_set set);
/* The latest that is committed; entry 1 or a later one is. */
const struct known *checks_configuration_committed(const struct checks *checks);

/* ---- checks_commit.c ---- */

/* The node holds everything up to here for committed. */
void checks_commits(struct checks *checks, size_t node, uint64_t commit_index);
/* A new leader has what was committed before its term. */
void checks_leader_is_complete(struct checks *checks, size_t node, uint64_t term);
/* What stands at the index; NULL: nothing is committed there. */
struct committed *checks_committed_at(const struct checks *checks, uint64_t index);

/* ---- checks_model.c ---- */

/* Gives the model what is committed up to here. False: the run has failed. */
bool checks_model_reach(struct checks *checks, uint64_t index);
/* A ledger that stands at the model's index, and is the first to have applied it. */
void checks_model_compare(struct checks *checks, size_t node, struct ledger *ledger);
/* What the model says of the command at this place; NULL: there is none. */
const struct ledger_result *checks_model_result(const struct checks *checks, uint64_t index,
                                                uint32_t position);
void checks_model_end(struct checks *checks);
void checks_model_free(struct checks *checks);

/* ---- checks_history.c ---- */

/* Everything is applied: has a refused request changed something? */
void checks_history_end(struct checks *checks);
/* An index is committed: who asked for what stands there? */
void checks_history_committed(struct checks *checks, const struct entry *entry);

#endif
