/*
 * cluster_internal.h - what the files of a simulated run share:
 *
 *   cluster.c  storms, healing, quiet spells
 *   spoilt.c   states that went wrong
 *   drills.c   what is asked of a quiet cluster besides
 */
#ifndef TESTS_SIM_CLUSTER_INTERNAL_H
#define TESTS_SIM_CLUSTER_INTERNAL_H

#include "cluster.h"
#include "faults.h"
#include "handovers.h"
#include "low_disks.h"
#include "membership.h"
#include "replacements.h"
#include "sim_client.h"
#include "upgrades.h"

/* Between two looks at what one waits for. */
#define SLICE_US 10000

struct cluster {
    struct world world;
    struct plan plan;
    struct sim_net net;
    struct checks *checks;
    struct sim_node nodes[LIMIT_NODES];
    struct faults faults;
    struct membership membership;
    struct handovers handovers;
    struct upgrades upgrades;
    struct replacements replacements;
    struct low_disks low_disks;
    struct sim_clients clients;
    struct cluster_result *result;
    /* A command to a bare majority, until it is answered: `asked` is under way. */
    struct operation *asked;
    bool majority_serves;
    struct request probe;
    uint64_t probes_made;
    uint64_t undecided_us; /* since when the states differ and nobody knows who is right; 0 */
    bool is_beyond_repair; /* most of them are wrong */
    /* In quiet spells. */
    uint64_t probes;
    uint64_t probes_answered;
    unsigned probes_slow; /* of this spell */
    uint64_t slowest_us;
};

/* ---- cluster.c ---- */

/* Whoever leads, the latest of them; NULL: nobody. */
struct sim_node *cluster_leader(struct cluster *cluster);
/* Runs until it is done, which must be within RECOVERY_TIMEOUTS. */
void cluster_wait(struct cluster *cluster, bool (*is_done)(struct cluster *cluster));
/* One leader, the members that shall be, all that count in its term, everything applied. */
void cluster_wait_settled(struct cluster *cluster);
/* Has whoever leads answered a command since majority_serves was cleared? If not, it is asked. */
bool cluster_serves(struct cluster *cluster);
/* Both. */
bool cluster_majority_has_settled(struct cluster *cluster);
/* Each has looked at its disk since there is room. */
bool cluster_disks_have_room(struct cluster *cluster);

/* When all that are up run again: who was paused in the storm sleeps on behind its end. */
uint64_t cluster_awake_at_us(const struct cluster *cluster);

/* ---- spoilt.c ---- */

/* Until whoever has a wrong state has stopped; or is_beyond_repair. */
void spoilt_find(struct cluster *cluster);
/* Where all voters are there, each state counts again, wherever it came from, once it was compared.
 */
void spoilt_wait_until_borne_out(struct cluster *cluster);

/* ---- drills.c: the cluster is quiet, has settled, and has settled again behind it ---- */

void drill_hand_over(struct cluster *cluster);
void drill_upgrade(struct cluster *cluster);
void drill_low_disks(struct cluster *cluster);

#endif
