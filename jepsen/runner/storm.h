/*
 * storm.h - the nemesis at work: makes the faults of a schedule, records them, and sees to it that
 * the cluster is well again behind them.
 *
 * Events: :start-X and :stop-X, each twice, about to be and done, the second with what was done.
 * What the cluster does wrong to the nemesis' eyes is a moment: :not-healthy, with why; the run has
 * to end then, and the checker `recovery` calls it invalid. That is a cluster that is not well in
 * time behind all faults, and a node that has ended by itself while nothing was on that ends nodes.
 *
 * However it ends, storm_run leaves no fault behind that could be stopped.
 */
#ifndef JEPSEN_STORM_H
#define JEPSEN_STORM_H

#include "digests.h"
#include "schedule.h"

enum storm_end {
    STORM_OVER,        /* the time is up */
    STORM_INTERRUPTED, /* all faults are stopped, early */
    STORM_NOT_HEALTHY, /* recorded; the error tells */
    STORM_BROKEN       /* the testbed can't go on: the error tells */
};

struct storm {
    struct nemesis_ground ground;
    struct recorder *recorder;
    struct digests_options digests;
    uint32_t healthy_limit_ms; /* from the end of all faults */
    struct on {
        const struct nemesis *nemesis;
        void *state;
        struct random random; /* the nemesis' own while it is on */
    } on[8];
    uint32_t on_count;
    struct on unfinished[8]; /* stopped, and to be finished before the cluster is looked at */
    uint32_t unfinished_count;
    uint32_t ended_id; /* a node that has ended by itself, without a reason; 0: none */
    int ended_status;
    int64_t ended_ms; /* when that was seen */
};

/* Until the time is up, from now on. */
enum storm_end storm_run(struct storm *storm, const struct schedule *schedule, int64_t time_ms,
                         struct error *error);
/* Waits until all nodes are well; nothing may be on. `patient`: whether or not an interrupt has
 * come.
 */
enum storm_end storm_wait_healthy(struct storm *storm, bool patient, struct error *error);
/* The run is over and the cluster is well: ends all nodes. Who had ended before, or does not end in
 * order, is recorded as :not-healthy, too. */
bool storm_end_nodes(struct storm *storm, struct error *error);

#endif
