/*
 * handovers.h - the operator of a simulated cluster who hands over the leadership (Raft rule 13):
 * in storms, to anybody, also to those who can't take it, and now and then something befalls one of
 * the two right then; behind storms, to somebody who can, and then that must come to pass.
 */
#ifndef TESTS_SIM_HANDOVERS_H
#define TESTS_SIM_HANDOVERS_H

#include "faults.h"

struct handovers {
    struct world *world;
    struct faults *faults;
    struct sim_node *nodes;
    const struct plan *plan;
    bool is_storm;
    uint64_t planned; /* number of the attempt that is due */
};

void handovers_init(struct handovers *handovers, struct world *world, struct faults *faults,
                    struct sim_node *nodes, const struct plan *plan);
void handovers_begin_storm(struct handovers *handovers);
void handovers_end_storm(struct handovers *handovers);

/* The cluster is quiet and this node leads: asks it to hand over to whom it likes. False: there is
 * nobody, or it is not drawn. A leader that refuses, and has no reason to, fails the run. */
bool handovers_ask_quietly(struct handovers *handovers, struct sim_node *leader);

#endif
