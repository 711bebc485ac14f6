/*
 * replacements.h - the operator of a simulated cluster who replaces nodes that have lost their
 * directories: a spare machine joins under an id of its own, gets the log or a state, gets a vote,
 * and the lost one is removed, before that or behind it (docs/decisions/008).
 *
 * The lost one comes back all the while, under its old id, with an empty directory, and is refused;
 * at the end its machine is taken away, sooner or later. Now and then the operator errs and adds it
 * again, which no leader does. In storms one step after the other is taken, whoever leads; behind
 * storms what was begun is finished.
 *
 * One is lost at a time: the next one only when the members are again as they shall be, and that is
 * committed; and the machine that was replaced before is gone then. Two that have forgotten
 * everything, and were told that they found the cluster, could be a majority of their own.
 */
#ifndef TESTS_SIM_REPLACEMENTS_H
#define TESTS_SIM_REPLACEMENTS_H

#include "faults.h"

struct replacements {
    struct world *world;
    struct faults *faults;
    struct sim_node *nodes;
    const struct plan *plan;
    bool is_storm;
    uint64_t planned; /* number of the step that is due */

    bool is_open;       /* one is lost, and not replaced: */
    size_t lost;        /* this one, */
    bool has_successor; /* by */
    size_t successor;
    bool adds_first;
    bool is_left; /* a machine was replaced and is not taken away: */
    size_t left;
};

void replacements_init(struct replacements *replacements, struct world *world,
                       struct faults *faults, struct sim_node *nodes, const struct plan *plan);
void replacements_begin_storm(struct replacements *replacements);
void replacements_end_storm(struct replacements *replacements);
/* Is nobody to be replaced? If somebody is, the leader is asked for the next step. */
bool replacements_steer(struct replacements *replacements, struct sim_node *leader);

#endif
