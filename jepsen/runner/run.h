/*
 * run.h - one run from end to end: a sandbox, a network, nodes, clients, faults, then the analysis
 * of what the clients saw.
 *
 * Order of things, so that a run which dies leaves what it had: the directory and test.edn, the
 * history while it goes, nodes' logs, what they had on their disks, then results and pictures. Of a
 * valid run the disks' contents are removed. Nothing else is left behind: the sandbox takes
 * processes, mounts and devices with it.
 *
 * Threads: run_execute is called in a process without others (the sandbox wants that).
 */
#ifndef JEPSEN_RUN_H
#define JEPSEN_RUN_H

#include <limits.h>

#include "options.h"

/* As the program exits. */
enum run_status { RUN_VALID = 0, RUN_INVALID = 1, RUN_FAILED = 2, RUN_UNKNOWN = 3 };

/* Shared with the process that has started the run. */
struct run_result {
    char directory[PATH_MAX]; /* "": not made yet */
    bool interrupted;
    uint64_t operations;
    uint64_t answered; /* ok and refused */
    uint64_t unknown;
    uint32_t faults;
    int64_t longest_ms;                /* of recoveries */
    uint32_t turns[CHAOS_CHOSEN_MOST]; /* of the nemeses that the options name */
};

struct run_options {
    const struct chaos_options *chaos;
    const struct workload *workload;
    uint64_t seed;
};

/* Returns in the process inside the sandbox, or outside where there was none; the caller exits with
 * the status. RUN_FAILED has been said on stderr. */
enum run_status run_execute(const struct run_options *options, struct run_result *result);

#endif
