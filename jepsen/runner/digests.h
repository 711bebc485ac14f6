/*
 * digests.h - the states of all nodes at one log index, as the checker `digests` compares them.
 *
 * All nodes are asked at once, for an index a little ahead of what is applied: each waits until it
 * is there. A node that is beyond it already, or that does not answer, is a failed read in the
 * history, and no error here.
 *
 * Errors: no thread, no client. Threads: the nemesis'.
 */
#ifndef JEPSEN_DIGESTS_H
#define JEPSEN_DIGESTS_H

#include <stdatomic.h>

#include "client.h"
#include "nodes.h"

struct digests_options {
    struct recorder *recorder;
    struct network *network;
    struct nodes *nodes;
    atomic_uint *processes; /* whose numbers no other client of the run has */
    uint32_t host;          /* where the questions come from */
    uint32_t timeout_ms;
};

/* *told: so many nodes have told it. */
bool digests_read(const struct digests_options *options, uint32_t *told, struct error *error);

#endif
