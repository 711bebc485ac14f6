/*
 * cluster.h - a whole run of the simulation: a cluster in bad weather, then healed, then quiet.
 */
#ifndef TESTS_SIM_CLUSTER_H
#define TESTS_SIM_CLUSTER_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

struct cluster_options {
    uint64_t seed;
    uint64_t ticks_ms; /* how long the bad weather lasts */
    size_t node_count; /* 0: by the seed */
    bool trace;
};

struct cluster_result {
    bool failed;
    struct error failure;
    uint64_t digest;
    uint64_t event_count;
    size_t node_count;
    uint64_t acknowledged_count;
    uint64_t proposal_count;
    uint64_t term;
    uint64_t recovered_ms; /* from healing to a leader that serves */
    uint64_t worst_quiet_ack_us;
};

void cluster_run(const struct cluster_options *options, struct cluster_result *result);

#endif
