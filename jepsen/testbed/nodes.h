/*
 * nodes.h - the nodes under test: real processes of holdfastd, one a host, each with a disk of its
 * own (an ext4 image on a loop device, so that it can be full and its power can be cut), its log
 * file in the store, and what makes its disk and clock fail (preloaded libraries that read control
 * files).
 *
 * Node ids are 1 to NODES_MOST and never used again: who replaces a node has the next id. The first
 * `count` found the cluster. Node I lives on host I of the network; the network's last host is the
 * operator's, that no fault may touch: the questions of this header come from there.
 *
 * Nodes are killed by the end of the run's sandbox (sandbox.h), not by nodes_close alone.
 *
 * Threads: one at a time (the nemesis'), but for nodes_endpoints, nodes_endpoint, nodes_present and
 * nodes_leader. Errors: what can't be done says what and why; a run whose nodes can't be handled
 * any more must end.
 */
#ifndef JEPSEN_NODES_H
#define JEPSEN_NODES_H

#include <holdfast/holdfast.h>

#include "network.h"

#define NODES_MOST 64 /* in the life of a run */

struct nodes;

struct nodes_options {
    struct network *network;
    uint32_t count;
    const char *directory;           /* logs as n1.log; disks as n1/ */
    const char *program;             /* holdfastd */
    const char *planted;             /* HOLDFAST_PLANTED of the nodes; NULL: none */
    uint32_t election_timeout_ms;    /* 0: the program's own */
    uint32_t end_timeout_ms;         /* of SIGTERM; 0: a minute */
    uint64_t disk_bytes;             /* a quarter is its --disk-reserve. 0: no disks of their own,
                                      * but directories in the store; their power can't be cut */
    const char *disk_faults_library; /* NULL: not preloaded */
    const char *faketime_library;    /* NULL: not preloaded */
    const char *const *flags;        /* further ones of holdfastd, up to a NULL; NULL: none */
};

enum node_life { NODE_ABSENT, NODE_RUNNING, NODE_PAUSED, NODE_DOWN, NODE_GONE };
/* ABSENT: never was. DOWN: does not run, has its disk. GONE: removed or wiped, never comes back. */

/* The founders' disks; nobody runs yet. The network needs a host for each node that will ever be,
 * and one more. */
struct nodes *nodes_open(const struct nodes_options *options, struct error *error);
/* Ends all processes, keeps logs, takes the disks' contents into the store where `keep_data`. NULL
 * is fine. */
void nodes_close(struct nodes *nodes, bool keep_data);

uint32_t nodes_last(const struct nodes *nodes); /* ids that have been given are 1 to this */
/* The most that may ever be: NODES_MOST, or what the network has hosts for. */
uint32_t nodes_most(const struct nodes *nodes);
enum node_life nodes_life(struct nodes *nodes, uint32_t id);   /* notices who has ended by itself */
int nodes_exit_status(const struct nodes *nodes, uint32_t id); /* of the last end; 128 + signal */
/* It is DOWN, and was not killed or told to end. */
bool nodes_ended_by_itself(struct nodes *nodes, uint32_t id);
const char *nodes_data(const struct nodes *nodes, uint32_t id);
const char *nodes_log(const struct nodes *nodes, uint32_t id);      /* the path of its log */
const char *nodes_endpoint(const struct nodes *nodes, uint32_t id); /* "10.77.0.1:7070" */
const char *nodes_peer_address(const struct nodes *nodes, uint32_t id);
/* Of those that are not gone, as for hf_options; lives as long as `nodes`. */
const char *nodes_endpoints(struct nodes *nodes);
/* The id of one that is not gone: of the n-th, where they are counted from 0 and over again. */
uint32_t nodes_present(struct nodes *nodes, uint32_t n);

/* It runs when this returns, but need not serve yet: nodes_wait_healthy. */
bool nodes_start(struct nodes *nodes, uint32_t id, struct error *error);
/* Of one that does not run any more: fine, too. */
bool nodes_kill(struct nodes *nodes, uint32_t id, struct error *error); /* SIGKILL, waits */
/* SIGTERM, waits. Who has not ended in time is aborted, for its core: the log has it, as a crash.
 */
bool nodes_terminate(struct nodes *nodes, uint32_t id, struct error *error);
bool nodes_pause(struct nodes *nodes, uint32_t id, struct error *error);
bool nodes_resume(struct nodes *nodes, uint32_t id, struct error *error);
/* Waits for a node that is expected to end by itself. False: it runs on. */
bool nodes_wait_end(struct nodes *nodes, uint32_t id, uint32_t timeout_ms, struct error *error);
/* Its disk is lost; it is killed, where it runs. Its id is GONE. */
bool nodes_wipe(struct nodes *nodes, uint32_t id, struct error *error);
/* A new disk, for a node that joins: the next id, not started yet. 0: the error tells. */
uint32_t nodes_add(struct nodes *nodes, struct error *error);
/* The image goes as if its power had: un-synced data is gone. Kills the node, mounts anew. */
bool nodes_cut_power(struct nodes *nodes, uint32_t id, struct error *error);
/* The same, of several at one moment. */
bool nodes_cut_power_of(struct nodes *nodes, const uint32_t *ids, uint32_t count,
                        struct error *error);
/* Writes the control files: rules of disk_faults.c; libfaketime's offset ("+2.5" or "+0 x1.02", a
 * rate since the process' start); NULL or "": none. The clock is looked at once a second. */
bool nodes_set_disk_faults(struct nodes *nodes, uint32_t id, const char *rules,
                           struct error *error);
bool nodes_set_clock(struct nodes *nodes, uint32_t id, const char *offset, struct error *error);

/* Asks the nodes; 0: nobody that runs says that it leads, or it does not get a word through. */
uint32_t nodes_leader(struct nodes *nodes);
/* All nodes that are not gone run, are members that vote, and have applied what the leader has
 * committed; waits for it. False: not within the time; the error says who is not. */
bool nodes_wait_healthy(struct nodes *nodes, uint32_t timeout_ms, struct error *error);
/* For questions of operators: hf_get_status and the membership calls. On a host of its own that no
 * fault touches. Until the next nodes_add or nodes_wipe; NULL: the error tells. */
hf_client *nodes_operator(struct nodes *nodes, struct error *error);

#endif
