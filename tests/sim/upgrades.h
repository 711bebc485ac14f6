/*
 * upgrades.h - the operator of a simulated cluster who upgrades it: puts other programs in, one
 * node at a time, newer ones and now and then an older one again, and asks leaders to raise the
 * ledger's version (docs/decisions/010), also to what not everybody knows.
 *
 * In storms nobody waits for anything: a raise is asked for in the midst of a restart, and a node
 * that comes back with an older program meets it in the log, in its state, or in the one that it is
 * sent. It stops then, and gets the newest program sooner or later, behind the storm at once.
 * Behind storms the leader must know who knows what: it lets the version be raised as far as all
 * members know it, and no further.
 */
#ifndef TESTS_SIM_UPGRADES_H
#define TESTS_SIM_UPGRADES_H

#include "faults.h"
#include "operation.h"

struct upgrades {
    struct world *world;
    struct sim_node *nodes;
    const struct plan *plan;
    struct operations *operations;
    bool is_storm;
    uint64_t planned; /* number of the attempt that is due */
    struct request raise;
    bool is_raised; /* the quiet one was answered */
};

void upgrades_init(struct upgrades *upgrades, struct world *world, struct operations *operations,
                   struct sim_node *nodes, const struct plan *plan);
void upgrades_begin_storm(struct upgrades *upgrades);
void upgrades_end_storm(struct upgrades *upgrades);

/* For a quiet cluster: does this leader know what all members know? If so and it is later than what
 * the ledger has, it may be asked to raise it. A leader that would raise it further fails the run.
 */
bool upgrades_knows_all(const struct upgrades *upgrades, struct sim_node *leader);
/* Asks it, if there is something to raise and it is drawn: upgrades->is_raised, when it is done. */
bool upgrades_raise_quietly(struct upgrades *upgrades, struct sim_node *leader);

#endif
