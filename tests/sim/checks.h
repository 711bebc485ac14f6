/*
 * checks.h - what must be true of a simulated cluster at every step, seen from outside all nodes.
 *
 *   - one leader per term (dissertation, figure 3.2: Election Safety)
 *   - a commit index never falls, and what it covers is synced on a majority of disks
 *   - committed entries never change (State Machine Safety, Leader Completeness)
 *   - what a node applies is committed, durable on that node, in order, and leads to the same state
 *     as on every other node at that index
 *   - what was acknowledged is in the log at the end, once; nothing is there twice
 *
 * Failing checks go to world_fail.
 */
#ifndef TESTS_SIM_CHECKS_H
#define TESTS_SIM_CHECKS_H

#include "base/hash.h"
#include "sim_disk.h"

struct checks {
    struct world *world;
    size_t node_count;
    const struct sim_disk *const *disks;

    uint64_t *leader_of_term; /* node + 1 */
    uint64_t term_count;
    struct sim_log committed; /* the entries themselves, as first seen committed */
    struct hash128 *states;   /* by index - 1: after applying */
    uint64_t state_count;
    size_t state_capacity;
    uint8_t *proposals; /* by id: PROPOSAL_* */
    uint64_t proposal_count;
};

#define PROPOSAL_ACKNOWLEDGED 1
#define PROPOSAL_APPLIED      2

void checks_init(struct checks *checks, struct world *world, const struct sim_disk *const *disks,
                 size_t node_count);
void checks_free(struct checks *checks);

void checks_leader(struct checks *checks, size_t node, uint64_t term);
/* The node's commit index is `commit_index`; it was `before` in this life of it. */
void checks_commit(struct checks *checks, size_t node, uint64_t before, uint64_t commit_index);
/* The node applies this entry to this state; `proposal`: its id, 0 for none. The new state. */
struct hash128 checks_apply(struct checks *checks, size_t node, struct hash128 state,
                            const struct entry *entry, uint64_t proposal);
void checks_acknowledged(struct checks *checks, uint64_t proposal);
/* Everything has settled: all that was acknowledged is there. */
void checks_end(struct checks *checks);

#endif
