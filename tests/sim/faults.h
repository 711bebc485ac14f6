/*
 * faults.h - what befalls a simulated cluster while a storm lasts, and how it is mended.
 *
 * A storm draws faults by the plan's weights. Each is mended some time later, and a node that has
 * ended is started again; at the end of the storm everything is mended at once.
 *
 * What is never done, for no protocol could bear it: to lose the directory of so many nodes that no
 * majority has kept theirs, or of one that some other node does not know as registered (Raft rule
 * 0); and to damage what was synced.
 */
#ifndef TESTS_SIM_FAULTS_H
#define TESTS_SIM_FAULTS_H

#include "sim_node.h"

struct faults {
    struct world *world;
    struct sim_net *net;
    struct sim_node *nodes;
    const struct plan *plan;
    bool is_storm;
    uint64_t storm; /* number of the present one: tells whose an event is */
};

void faults_init(struct faults *faults, struct world *world, struct sim_net *net,
                 struct sim_node *nodes, const struct plan *plan);
void faults_begin_storm(struct faults *faults);
/* No fault is left but wiped nodes and nodes that are held down; who is down is started. */
void faults_mend_all(struct faults *faults);
/* The nodes of this set on one side, the others on the other one. */
void faults_part(struct faults *faults, uint64_t side, uint64_t us);
/* For struct sim_node's `ended`. */
void faults_node_ended(void *faults, struct sim_node *node);
/* How many have kept their directory. */
size_t faults_sound_nodes(const struct faults *faults);
/* Would the others do without it, and know it again if it came back without its directory? */
bool faults_can_be_lost(const struct faults *faults, const struct sim_node *node);

#endif
