/*
 * fake_cluster.h - nodes that do as they are told: they speak real gRPC on real sockets and know
 * nothing of stock. Each request is recorded, and answered by the next step of its node's script.
 *
 * Threads: the nodes run on one thread of their own; every call here may come from any thread.
 * Ownership: the cluster owns everything until fake_cluster_close. Errors: assertions; this is a
 * test.
 */
#ifndef FAKE_CLUSTER_H
#define FAKE_CLUSTER_H

#include "base/bytes.h"
#include "rpc/status.h"

#define FAKE_NODES 3

struct fake_cluster;

enum fake_what {
    FAKE_ANSWER,  /* OK with `verdict`; 0 stands for the verdict OK */
    FAKE_FAIL,    /* `status` */
    FAKE_HOLD,    /* no answer until the cluster closes */
    FAKE_CUT,     /* every connection of the node is cut, without an answer */
    FAKE_GARBAGE, /* OK with bytes that are no reply */
};

struct fake_step {
    enum fake_what what;
    enum rpc_status status;
    int verdict;
    const char *leader; /* named in the metadata, where not NULL; must outlive the cluster */
};

struct fake_request {
    int node;
    char path[64];
    struct buffer message;
};

struct fake_cluster *fake_cluster_open(void);
void fake_cluster_close(struct fake_cluster *cluster);

/* "127.0.0.1:port" and all of them with commas between; theirs until the cluster closes. A node
 * that is stopped keeps its address, and refuses connections. */
const char *fake_cluster_address(const struct fake_cluster *cluster, int node);
const char *fake_cluster_endpoints(const struct fake_cluster *cluster);
void fake_cluster_stop(struct fake_cluster *cluster, int node);
void fake_cluster_start(struct fake_cluster *cluster, int node);

/* Answers the node's next request so; once there are no such steps left, as `always` says (at
 * first: OK). */
void fake_cluster_next(struct fake_cluster *cluster, int node, struct fake_step step);
void fake_cluster_always(struct fake_cluster *cluster, int node, struct fake_step step);

/* Requests so far, of all nodes or of one, and the i-th of all. */
size_t fake_cluster_count(struct fake_cluster *cluster);
size_t fake_cluster_count_of(struct fake_cluster *cluster, int node);
const struct fake_request *fake_cluster_request(struct fake_cluster *cluster, size_t i);
/* Waits until there are that many; fails after 10 s. */
void fake_cluster_wait(struct fake_cluster *cluster, size_t count);

#endif
