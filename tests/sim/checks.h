/*
 * checks.h - what must be true of a simulated cluster at every step, seen from outside all nodes.
 * Each check has a name: a run that fails says which one, and planted bugs are caught by name.
 *
 *   CHECK_ONE_LEADER      one leader per term (dissertation, figure 3.2: Election Safety)
 *   CHECK_VOTE            a term never falls, a vote never changes within its term, as the disk has them
 *   CHECK_SAID_DURABLE    what leaves a node - term, vote, acknowledged entries - is on its disk
 *   CHECK_LOG_MATCHING    two logs with the same (index, term) are the same up to there
 *   CHECK_COMMITTED       a commit index never falls; what it covers is durable on a majority, never changes,
 *                         never vanishes; every later leader has it (State Machine Safety, Leader Completeness)
 *   CHECK_APPLIED         what a node applies is committed, durable there, dense, in order
 *   CHECK_DIGEST          equal digest at equal index on all nodes
 *   CHECK_MODEL           each answer, and each record, is what the naive model says (tests/model)
 *   CHECK_INVARIANTS      the ledger's own audit, now and then and at the end
 *   CHECK_ACKNOWLEDGED    what was acknowledged is in the log once, at the place that the answer names; what
 *                         surely was not executed is not there
 *   CHECK_REAL_TIME       an answer's place in the log lies behind that of every answer given before it was asked
 *   CHECK_READ            a linearizable read is never older than what was acknowledged before it was asked,
 *                         and shows the state at the index it names
 *   CHECK_LIVENESS        after healing: a leader, progress, equal states, within a bounded time
 *   CHECK_QUIET           a quiet cluster keeps its term and answers without waiting for a timer
 *   CHECK_FAIL_STOP       a node stops when its disk fails, and only then; it starts again from what was durable
 *
 * The oracle is the first node to commit an index: its entry is fed to the model, once; everybody else is compared.
 * Failing checks go to world_fail, which keeps the first. Threads: one.
 */
#ifndef TESTS_SIM_CHECKS_H
#define TESTS_SIM_CHECKS_H

#include "ledger/ledger.h"
#include "raft/message.h"
#include "raft/replica.h"
#include "world.h"

enum check { /* names as above; check_name gives "one-leader", "log-matching", ... */
    CHECK_ONE_LEADER, CHECK_VOTE, CHECK_SAID_DURABLE, CHECK_LOG_MATCHING, CHECK_COMMITTED, CHECK_APPLIED, CHECK_DIGEST,
    CHECK_MODEL, CHECK_INVARIANTS, CHECK_ACKNOWLEDGED, CHECK_REAL_TIME, CHECK_READ, CHECK_LIVENESS, CHECK_QUIET,
    CHECK_FAIL_STOP, CHECK_COUNT
};
const char *check_name(enum check check);

struct checks;
struct checks *checks_new(struct world *world, size_t node_count);
void checks_free(struct checks *checks);

/* ---- what a node's disk has ---- */

/* Term and vote are durable on the node's disk now; also what a start found. */
void checks_hard_state(struct checks *checks, size_t node, uint64_t term, uint64_t voted_for);
/* The node asks its log to drop what is from first_index on and to append these. */
void checks_log_asked(struct checks *checks, size_t node, uint64_t first_index, struct entry *const *entries, size_t count);
/* Everything that was asked for up to last_index is durable on the node's disk. */
void checks_log_durable(struct checks *checks, size_t node, uint64_t last_index);
/* A start found this log, whole and in order: it may be any prefix-consistent outcome of what was under way, never
 * less than what was durable. */
void checks_log_found(struct checks *checks, size_t node, const struct log_record *records, size_t count);

/* ---- what a node says and does ---- */

void checks_role(struct checks *checks, size_t node, enum replica_state state, uint64_t term);
void checks_sent(struct checks *checks, size_t node, size_t to, const struct peer_message *message);
/* A start: the state stands at this index. */
void checks_started(struct checks *checks, size_t node, uint64_t applied_index, struct hash128 digest);
void checks_commit_index(struct checks *checks, size_t node, uint64_t commit_index);
/* The state has been committed at this index; the ledger is at hand for comparison of records. */
void checks_applied(struct checks *checks, size_t node, uint64_t index, struct ledger *ledger);

/* ---- what clients see ---- */

/* An operation begins: gives its number. A command is told by its encoded bytes, as they stand in an entry. */
uint64_t checks_invoke(struct checks *checks, struct bytes command);
uint64_t checks_invoke_read(struct checks *checks);
/* It ends. A result: the ledger's answer. */
void checks_result(struct checks *checks, uint64_t operation, size_t node, const struct ledger_result *result);
/* Failed: surely not executed (it must never be found in the log), or outcome unknown (it may be, once). */
void checks_not_executed(struct checks *checks, uint64_t operation);
void checks_unknown(struct checks *checks, uint64_t operation);
/* A read was answered by the node with this stock (found or not) as of applied_index. */
void checks_read(struct checks *checks, uint64_t operation, size_t node, uint64_t applied_index, struct bytes sku,
                 uint32_t warehouse, bool found, const struct stock_record *stock);

/* ---- now and then, and at the end ---- */

/* The ledger's audit of this node's records, against the model's too. */
void checks_audit(struct checks *checks, size_t node, struct ledger_store records, struct ledger *ledger, bool whole);
/* Everything has settled: all that was acknowledged is there, and nothing else. */
void checks_end(struct checks *checks);

#endif
