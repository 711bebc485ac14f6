/*
 * checks.h - what must be true of a simulated cluster at every step, seen from outside all nodes.
 * Each check has a name (check_names.h): a run that fails says which one, and planted bugs are
 * caught by name.
 *
 *   CHECK_ONE_LEADER    one leader per term, elected by the votes of a majority (Ongaro's
 *                       dissertation, figure 3.2: Election Safety) of the voters of the latest
 *                       configuration in its log
 *   CHECK_VOTE          the term of a node never falls and its vote never changes within a term,
 *                       neither on its disk nor in what it says; a term begins with a node that
 *                       stands for it, and that has the pre-votes of a majority
 *   CHECK_SAID_DURABLE  what leaves a node - term, vote, acknowledged entries - is on its disk, and
 *                       what was durable is found again
 *   CHECK_LOG_MATCHING  two logs with the same (index, term) are the same up to there
 *   CHECK_COMMITTED     a commit index never falls; what it covers is durable on a majority of the
 *                       voters of the leader's latest configuration, of the leader's own term at
 *                       its end, never changes and never vanishes; every later leader has it (State
 *                       Machine Safety, Leader Completeness). A leader counts only what was
 *                       acknowledged to it, in its term
 *   CHECK_MEMBERS       each node goes by the latest configuration in its log; a leader changes one
 *                       server at a time, never its own, and only when the last change and an entry
 *                       of its own term are committed (section 4.1, with the correction of 2015);
 *                       no id is given to a second directory, none gets a vote before its
 *                       incarnation is registered, and who has applied that takes in no other
 *   CHECK_APPLIED       what a node applies is committed, durable there, dense, in order; a start
 *                       finds a state that the node once had
 *   CHECK_DIGEST        equal digest at equal index on all nodes
 *   CHECK_MODEL         each answer, and each record that an entry touches or names, is what the
 *                       naive model says (tests/model)
 *   CHECK_INVARIANTS    the ledger's own audit, now and then and at the end
 *   CHECK_ACKNOWLEDGED  what was acknowledged is in the log once, as it was asked, at the place
 *                       that the answer names; what surely was not executed is not there; nothing
 *                       is there that nobody asked for
 *   CHECK_REAL_TIME     an answer's place in the log lies behind that of every answer given before
 *                       it was asked
 *   CHECK_FINAL         a request that its client was told to be refused changes nothing behind the
 *                       refusal, whichever of its attempts comes then (told at the end)
 *   CHECK_READ          a linearizable read is never older than what was answered before it was
 *                       asked, and shows the state at the index that it names
 *                       A stale one is not older than it says; none lacks the index it asked for
 *   CHECK_SNAPSHOT      a snapshot names a point of the committed log, and the members as of it;
 * the state on the disk has reached it; the log begins behind it at the latest; a state that is
 * installed is the one that was committed there CHECK_TRANSFER      who hands over the leadership
 * writes nothing more, and tells the other one to take it when that has everything; in a quiet
 * cluster it does take it CHECK_CLOCK         ledger time runs as the world's time does while one
 * node leads, holds pay only for time that was led, a new leader begins with a barrier; ledger time
 *                       goes ahead of what a majority of the voters' wall clocks show by its own
 *                       rate only
 *   CHECK_PROGRESS      a leader sends a follower nothing that it knows it to have
 *   CHECK_SPACE         in the end nothing is left on a disk of other states, and of checkpoints
 *                       that nobody fetches; the log is about as long as the thresholds say
 *   CHECK_VERSION       no node applies, or stands at, what is of a later ledger version than its
 *                       program knows; the version is raised only when every member has run a
 *                       program that knows it within the last LIMIT_CLOCK_AGE_MS
 *   CHECK_RESERVE       a node that has found its disk below the reserve takes no command until it
 *                       has found enough, and says why; it refuses none else for that; it hands
 *                       over its leadership, once and not again and again
 *   CHECK_LIVENESS      after healing: a leader, progress, equal states, within a bounded time
 *   CHECK_QUIET         a quiet cluster keeps its term and answers without waiting for a timer
 *   CHECK_FAIL_STOP     a node stops when its disk fails or its state is wrong, and only then; it
 *                       starts again from what was durable
 *   CHECK_CODEC         what a node says can be said: the codec takes it, and gives it back
 *
 * How: the first node that commits an index decides what stands there; everybody else is compared
 * with it. The first node that applies it is compared with the model, which is given each entry
 * once; everybody else with the digest of the first. So each event costs little, whatever its
 * history: an entry is known by (index, term) and kept once, and who has it on disk is a set of
 * bits in it.
 *
 * What is told must be told in its order in time: what is durable before what is said, a commit
 * index before the application of what it covers, the application before the answer or around it
 * (struct proposal_ops.result is called in its midst). At a start: hard state, log, state. A crash
 * is not told; the next start is.
 *
 * Most calls are noted in world->trace as well: whoever calls need not. Failing checks go to
 * world_fail, which keeps the first; behind it all calls do nothing. Ownership: entries are
 * referenced; everything else that is passed is copied, where it is kept. Nodes are counted from 0,
 * their ids from 1. Threads: one.
 */
#ifndef TESTS_SIM_CHECKS_H
#define TESTS_SIM_CHECKS_H

#include "check_names.h"
#include "ledger/ledger.h"
#include "raft/message.h"
#include "raft/replica.h"
#include "sim_clock.h"
#include "storage/log_store.h"
#include "storage/snapshot.h"
#include "world.h"

struct checks;
struct checks *checks_new(struct world *world, size_t node_count);
void checks_free(struct checks *checks);

/* ---- what a node's disk has ---- */

/* Term and vote are durable on the node's disk now; also what a start found. voted_for: an id, 0:
 * nobody. */
void checks_hard_state(struct checks *checks, size_t node, uint64_t term, uint64_t voted_for);
/* The node asks its log to drop what is from first_index on and to append these (at least one). */
void checks_log_asked(struct checks *checks, size_t node, uint64_t first_index,
                      struct entry *const *entries, size_t count);
/* The oldest `writes` calls of checks_log_asked that were not durable yet are so now: a log writes
 * in order. */
void checks_log_durable(struct checks *checks, size_t node, size_t writes);
/* A start found this log from first_index on, whole and in order: what was durable, and of what was
 * under way as much as the disk had taken. What was trimmed before it is in a durable state
 * (checks_trimmed). */
void checks_log_found(struct checks *checks, size_t node, uint64_t first_index,
                      const struct log_record *records, size_t count);

/* ---- snapshots ---- */

/* The manifest on the disk has this snapshot now; the state there has flushed so much. */
void checks_snapshot(struct checks *checks, size_t node, const struct snapshot *snapshot,
                     uint64_t flushed_index);
/* The log on the disk begins here now. */
void checks_trimmed(struct checks *checks, size_t node, uint64_t first_index,
                    uint64_t flushed_index);
/* The node's replica stands at a snapshot of another node, whose state is about to be installed. */
void checks_installing(struct checks *checks, size_t node, uint64_t index);
/* The disk names another state now, and the log is empty behind it. Before checks_snapshot. */
void checks_installed(struct checks *checks, size_t node, const struct snapshot *snapshot);
/* The node goes on with that state. */
void checks_replaced(struct checks *checks, size_t node, uint64_t applied_index,
                     struct hash128 digest);
/* The program that the node runs from now on knows ledger versions up to this one. Before
 * checks_started. */
void checks_program(struct checks *checks, size_t node, unsigned version_known);
/* The node, as leader, holds it for allowed to raise the ledger to this version. */
void checks_may_raise(struct checks *checks, size_t node, unsigned version);
/* Is it behind what the committed log has raised the ledger to: may it stop for that? */
bool checks_needs_program(const struct checks *checks, size_t node);

/* To whom the node is handing its leadership, an id; 0: to nobody. */
void checks_transferring(struct checks *checks, size_t node, uint64_t to);

/* The members by which the node goes, when its log has been told: whenever that was cut or has got
 * a change. */
void checks_members(struct checks *checks, size_t node, const struct replica_member *members,
                    size_t count);

/* The node's directory is lost. Whatever it finds and says from now on counts for nothing: neither
 * its votes nor its disk belong to a majority (Raft rule 0: the others must not admit it). */
void checks_wiped(struct checks *checks, size_t node);

/* The node is not there yet: nothing of it counts. From the beginning on, until it joins, with an
 * empty directory. */
void checks_spare(struct checks *checks, size_t node);
void checks_joins(struct checks *checks, size_t node);
/* Ids are kept: each belongs to one directory for ever (node/core/members.c). */
void checks_keep_ids(struct checks *checks);
/* The node takes in the other one, whose hello names this incarnation. */
void checks_welcomed(struct checks *checks, size_t node, size_t other, uint64_t incarnation);

/* The node's state is wrong from here on, as a fault has made it, or right again: it started from
 * one that it had before. While it is wrong it is compared with nobody's, and what the node
 * answers counts for nothing. */
void checks_spoilt(struct checks *checks, size_t node, bool is_spoilt);
/* Is this what some node's state was while it was wrong, and no right one? Whoever stands in it now
 * has it from there. */
bool checks_is_wrong(const struct checks *checks, uint64_t index, struct hash128 digest);

/* ---- what a node says and does ---- */

/* A start: the state stands at this index. Behind checks_hard_state and checks_log_found. */
void checks_started(struct checks *checks, size_t node, uint64_t applied_index,
                    struct hash128 digest);
/* A message of its leader has reached it. */
void checks_heard(struct checks *checks, size_t node);
/* The wall clock of the node's machine, at which the checks look, and before somebody sets it. */
void checks_wall(struct checks *checks, size_t node, const struct sim_clock *clock);
void checks_wall_is_set(struct checks *checks, size_t node);
/* Behind checks_log_asked, each entry: if the node leads, and has made it just now. */
void checks_stamped(struct checks *checks, size_t node, const struct entry *entry);
void checks_role(struct checks *checks, size_t node, enum replica_state state, uint64_t term);
void checks_sent(struct checks *checks, size_t node, size_t to, const struct peer_message *message);
/* On a leader: what it takes the other to have (replica_match_index), before the commit index that
 * may follow from it. */
void checks_match(struct checks *checks, size_t node, size_t other, uint64_t match_index);
/* Cheap if it has not changed. */
void checks_commit_index(struct checks *checks, size_t node, uint64_t commit_index);
/* The state has been committed at this index, one call for each; the ledger, which stands there, is
 * at hand for comparison of records. */
void checks_applied(struct checks *checks, size_t node, uint64_t index, struct ledger *ledger);

/* ---- what clients see ---- */

/* One attempt of one command is an operation: asked once, ended once. A repetition under the same
 * request id is another one. The command carries its operation's number as trace id
 * (checks_trace_id), so that it is known again in the log:
 *
 *   operation = checks_invoke(); command.trace_id = checks_trace_id(operation, text);
 *   ledger_command_encode(&data, &command); checks_asked(operation, data's bytes); ... -> its end
 */
#define CHECKS_TRACE_ID_BYTES 32
uint64_t checks_invoke(struct checks *checks);
struct bytes checks_trace_id(uint64_t operation, char text[CHECKS_TRACE_ID_BYTES]);
/* The command's bytes, as they shall stand in an entry. Before anybody is asked. */
void checks_asked(struct checks *checks, uint64_t operation, struct bytes command);
/* Before checks_asked: the operation is an attempt at the request, under its request id and with
 * its requested_at, whose first attempt was `first`; which may be itself. */
void checks_attempt(struct checks *checks, uint64_t operation, uint64_t first);
/* The client has heard the operation's result, and takes it for that of its request. */
void checks_told(struct checks *checks, uint64_t operation);
/* A stale one is promised nothing but min_index, and what it tells of its age. */
uint64_t checks_invoke_read(struct checks *checks, bool is_stale, uint64_t min_index);

/* The ends of an operation. The ledger's answer: */
void checks_result(struct checks *checks, uint64_t operation, size_t node,
                   const struct ledger_result *result);
/* Failed: surely not executed (it must never be found in the log); also of a read that failed. */
void checks_not_executed(struct checks *checks, uint64_t operation);
/* Failed: outcome unknown (it may be found, once). */
void checks_unknown(struct checks *checks, uint64_t operation);
/* A stale read is about to be answered, from a state that is said to be this old: everything that
 * was committed so long ago is in it. */
void checks_read_age(struct checks *checks, uint64_t operation, size_t node, uint64_t applied_index,
                     uint64_t age_ms);
/* A read was answered by the node with this stock or order (found or not) as of applied_index. One
 * operation may read many things: each is told, all as of the same index. */
void checks_read(struct checks *checks, uint64_t operation, size_t node, uint64_t applied_index,
                 struct bytes sku, uint32_t warehouse, bool found,
                 const struct stock_record *stock);
void checks_read_order(struct checks *checks, uint64_t operation, size_t node,
                       uint64_t applied_index, struct bytes order_id, bool found,
                       const struct order_record *order);

/* ---- now and then, and at the end ---- */

/* The ledger's audit of this node's records as they stand now; with `whole` also every record
 * against the model's, which needs a node that no other is ahead of (else it is left out). */
void checks_audit(struct checks *checks, size_t node, struct ledger_store records,
                  struct ledger *ledger, bool whole);
/* Everything has settled, on all nodes: all that was committed is there, durable and applied. */
void checks_end(struct checks *checks);

struct checks_counts {
    uint64_t operations;
    uint64_t acknowledged; /* commands */
    uint64_t reads;
    uint64_t committed; /* indexes */
    uint64_t commands;  /* in committed entries, of clients */
};
struct checks_counts checks_count(const struct checks *checks);

#endif
