/*
 * playground_node.h - one node of a playground: its files, its process.
 *
 * In the playground's directory a node has node-I/ (its data), node-I.log (what it says),
 * node-I.command (a script that starts it) and node-I.pid. The playground starts it through that
 * very script, so whoever kills a node on purpose starts it again with `sh node-I.command`.
 */
#ifndef CLUSTER_PLAYGROUND_NODE_H
#define CLUSTER_PLAYGROUND_NODE_H

#include <sys/types.h>

#include "base/bytes.h"
#include "base/error.h"

#define PLAYGROUND_NODES 3

struct playground_node {
    int id; /* from 1 */
    char *data;
    char *log;
    char *command;
    char *pid_file;
    char client_address[32];
    char peer_address[32];
    pid_t pid; /* our child; 0: it isn't running */
};

/* Paths and addresses of `count` nodes: client ports base .. base + count - 1, peer ports behind
 * them. */
void playground_nodes_init(struct playground_node *nodes, int count, const char *directory,
                           int base_port);
void playground_nodes_free(struct playground_node *nodes, int count);

/* "127.0.0.1:7070,127.0.0.1:7071,..." */
void playground_endpoints(const struct playground_node *nodes, int count, struct buffer *out);

/* Writes the script, and makes the data directory. */
bool playground_node_prepare(const struct playground_node *node, const char *holdfastd,
                             const char *initial_cluster, struct error *error);
/* Runs the script as a child that dies with this process. */
bool playground_node_start(struct playground_node *node, struct error *error);

/* The last lines of its log, each indented and ended; nothing if there are none. */
void playground_node_append_log_tail(const struct playground_node *node, struct buffer *out);

/* The process of a node that was started again by hand: found through its pid file, and known by
 * its command line. 0: there is none. */
pid_t playground_node_adopted(const struct playground_node *node);

#endif
