/*
 * stage.h - what a run stands on: the network and its hosts, the nodes, the clients' load.
 *
 * Hosts: one for each node that will ever be, then those of the clients, last the operator's.
 * Clients are spread over their hosts evenly. Every fourth client knows one node only, and finds
 * the leader through it; the others know all.
 *
 * Errors: what could not be opened or started. Threads: the run's; the load's threads enter their
 * hosts by themselves.
 */
#ifndef JEPSEN_STAGE_H
#define JEPSEN_STAGE_H

#include "load.h"
#include "nodes.h"
#include "options.h"

struct stage {
    struct network *network;
    struct nodes *nodes;
    struct load *load;
    uint32_t first_client_host;
    uint32_t client_host_count;
};

struct stage_options {
    const struct chaos_options *chaos;
    const struct workload *workload;
    struct recorder *recorder;
    const char *directory;
    const char *program;
    const char *disk_faults; /* NULL: without */
    const char *faketime;
    uint64_t seed;
};

/* All nodes run, but need not be well yet. What was opened before something failed is there for
 * stage_close. */
bool stage_open(struct stage *stage, const struct stage_options *options, struct error *error);
/* SIGTERM to all nodes that run, so that their logs have an end. */
bool stage_end_nodes(struct stage *stage, struct error *error);
/* What the nodes had on their disks is in the run's directory then, as n1, n2, ... */
void stage_close(struct stage *stage);
/* Removes that again. */
bool stage_remove_disks(const char *directory, struct error *error);

#endif
