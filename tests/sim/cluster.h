/*
 * cluster.h - one simulated run: a cluster of whole nodes and its clients, in storms and in quiet
 * spells, from one seed.
 *
 * Storms are what plan.h and faults.h say. At the end of each everything is mended - at first, in
 * half of the cases, for a bare majority only, which must answer a new command before the others
 * come back - and within a bounded time there must be a leader that serves, and all nodes the same
 * (CHECK_LIVENESS). Then, quiet: nothing is wrong and a command
 * comes now and then; no term may change and no command may wait for a timer (CHECK_QUIET).
 *
 * Where members change (membership.h), all must be voters again before a minority is taken down,
 * and at the end, and where nodes are replaced (replacements.h) as many as founded the cluster; a
 * quiet spell may have one that is outside, and that must disturb nobody.
 */
#ifndef TESTS_SIM_CLUSTER_H
#define TESTS_SIM_CLUSTER_H

#include <stdio.h>

#include "checks.h"
#include "plan.h"
#include "stats.h"

struct cluster_options {
    uint64_t seed;
    uint64_t events;   /* about so many: the last quiet spell is run to its end */
    size_t node_count; /* 0: by the seed */
    enum climate climate;
    uint64_t deaf; /* checks that don't count: a bit for each */
    FILE *trace;   /* everything that happens; NULL: nothing */
};

struct cluster_result {
    bool failed;
    enum check failed_check;
    struct error failure;
    uint64_t digest;
    uint64_t event_count;
    uint64_t simulated_ms;
    size_t node_count;
    uint64_t term;           /* the highest */
    uint64_t recovered_ms;   /* the longest that a cluster took once everything was mended */
    uint64_t slowest_ack_us; /* of a quiet spell */
    struct stats stats;
};

/* Runs it. A run that fails writes the last things that happened to `out`. */
void cluster_run(const struct cluster_options *options, struct cluster_result *result, FILE *out);
/* The same from within a run that does not return (last_words.h). */
void cluster_print_last(FILE *out);

#endif
