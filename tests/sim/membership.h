/*
 * membership.h - the operator of a simulated cluster, who changes its members: takes nodes out,
 * adds them again as standbys, gives standbys a vote.
 *
 * In storms the operator asks whoever leads, or believes so, for any change, and now and then
 * something befalls that leader right then: it crashes within the call, is cut off with some of the
 * others, or sleeps. So changes are lost on the way, and undone by the next leader, who is asked
 * for one of its own. Behind a storm the operator steers to what shall be: all nodes voters, or all
 * but one, which is told nothing of it.
 *
 * A node that is outside goes on with what it knows. Ids and addresses are those of the run's nodes
 * throughout: who comes back has its old log.
 */
#ifndef TESTS_SIM_MEMBERSHIP_H
#define TESTS_SIM_MEMBERSHIP_H

#include "faults.h"

struct membership {
    struct world *world;
    struct faults *faults;
    struct sim_node *nodes;
    const struct plan *plan;
    bool is_storm;
    uint64_t planned; /* number of the attempt that is due */
    /* For membership_steer: who shall not be a voter, and what instead. */
    bool has_absent;
    size_t absent;
    bool absent_is_standby;
};

void membership_init(struct membership *membership, struct world *world, struct faults *faults,
                     struct sim_node *nodes, const struct plan *plan);
void membership_begin_storm(struct membership *membership);
void membership_end_storm(struct membership *membership);

/* Is the leader's configuration what shall be? If not, it is asked for the next step there. */
bool membership_steer(struct membership *membership, struct sim_node *leader);
/* Now and then: from now on one node shall be absent, not the leader. */
void membership_draw_absent(struct membership *membership, const struct sim_node *leader);
/* All shall be voters again. */
void membership_call_back(struct membership *membership);
/* Does the node take part in what shall be? */
bool membership_has(const struct membership *membership, const struct sim_node *node);

#endif
