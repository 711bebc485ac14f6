/*
 * sim_node_internal.h - what the files of a simulated node share:
 *
 *   sim_node.c       its life: start, end, pause, wipe
 *   sim_node_turn.c  events, turns, and what a call into the core may come to
 *   sim_node_env.c   what the core asks of its surroundings
 *   sim_node_log.c   the log's thread
 *   sim_node_pool.c  the pool
 *   sim_node_room.c  the reserve of the disk
 */
#ifndef TESTS_SIM_NODE_INTERNAL_H
#define TESTS_SIM_NODE_INTERNAL_H

#include "sim_node.h"

/* sim_node.c */

/* The process is gone from here on, and the machine's memory with it if the power went. */
void node_end(struct sim_node *node);
/* The point of the end: from here on nothing has an effect. What was being written to the log gets
 * as far as it gets. */
void node_begin_end(struct sim_node *node, enum sim_end how);

/* sim_node_turn.c */

/* What every call into the core ends with, and every append: false if the process has ended. An
 * error must have its cause in a failure since the call before; or the log has failed earlier, and
 * this is &node->log_failure, or what the log says to whoever uses it behind that. */
bool node_survives(struct sim_node *node, bool ok, const struct error *error);
/* The same where a failure was noted before: `failed`. */
bool node_survives_failure(struct sim_node *node, bool ok, bool failed, const struct error *error);
/* Failures that disk and state have given since the last time they were asked for. */
uint64_t node_disk_failures(struct sim_node *node);
uint64_t node_state_failures(struct sim_node *node);
/* An event has been handled: the turn goes on, or ends. */
void node_after_event(struct sim_node *node);
/* Tells the checks by which members the replica goes. */
void node_report_members(struct sim_node *node);
/* The first timers of a life. */
void node_begin_turns(struct sim_node *node);

/* sim_node_env.c */

extern const struct core_env node_env; /* but for the context */
/* The state's database that the core goes by. */
struct sim_state *node_state(const struct sim_node *node);
/* Which of all that this machine has opened. */
uint64_t node_store_number(const struct sim_node *node);

/* sim_node.c */

/* The state is another one: is it right, or what some node's was that had gone wrong? */
void node_judge_state(struct sim_node *node);

/* sim_node_pool.c */

bool node_run_in_pool(struct sim_node *node, struct pool_work *work, struct error *error);
/* Ends all that is in the pool, as an orderly stop waits for it. False: the process has ended over
 * it. */
bool node_finish_works(struct sim_node *node);
/* The same of a process that is gone: nothing has an effect. */
void node_drop_works(struct sim_node *node);
/* Tells the checks what manifest and log on the disk have come to, as to snapshots. */
void node_report_snapshot(struct sim_node *node);
/* Is this the call outside at which the process ends? */
bool node_ends_here(struct sim_node *node);

/* sim_node_room.c */

/* Is this work the core's look at its disk? */
bool node_is_look(const struct sim_node *node, const struct pool_work *work);
/* The core has heard that so much was free. */
void node_has_looked(struct sim_node *node, uint64_t free_bytes);
/* The core tells that its disk runs low, or has room again. */
void node_tells_room(struct sim_node *node, const char *words);
/* It has taken the proposal, or not: may it, as to its disk? */
void node_check_room(struct sim_node *node, bool is_read, bool taken);

/* sim_node_log.c */

bool node_log_push(struct sim_node *node, uint64_t generation, uint64_t first_index,
                   struct entry *const *entries, size_t count);
/* The run that is under way, if any, reaches the disk as far as the disk lets it. */
void node_log_interrupt(struct sim_node *node);
/* Everything that waits is written, before an orderly stop. False: the disk failed, see
 * log_failure. */
bool node_log_drain(struct sim_node *node);
void node_log_clear(struct sim_node *node);

#endif
