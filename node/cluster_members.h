/*
 * cluster_members.h - the members of the cluster as this node sees them, as protobuf messages: what
 * Status and the changes of members answer with.
 */
#ifndef NODE_CLUSTER_MEMBERS_H
#define NODE_CLUSTER_MEMBERS_H

#include "holdfast/v1/cluster.pb-c.h"
#include "node.h"

struct cluster_members {
    size_t count;
    Holdfast__V1__Member *pointers[LIMIT_NODES]; /* as responses want them */
    Holdfast__V1__Member messages[LIMIT_NODES];
    struct replica_member members[LIMIT_NODES];
};

/* The latest members, committed or not. What it points to is valid until the loop runs again, or
 * the replica is asked for its members again. */
void cluster_members_fill(const struct node *node, struct cluster_members *out);

/* Where this node's clients connect; "": not heard of yet. Valid until the loop runs again. */
const char *cluster_client_address(const struct node *node, uint64_t id);

/* A voter that was silent for so many election timeouts does not count: it answers heartbeats, four
 * in each. */
#define CLUSTER_SILENCE_TIMEOUTS 2

/* False, and why: contacts_allow_change, of the members as they are now. */
bool cluster_allows_change(const struct node *node, const struct replica_change *change,
                           struct error *why);
/* The voter that is best to lead next, from those that are heard from; 0: none is. */
uint64_t cluster_successor(const struct node *node);

#define CLUSTER_ID_TEXT_BYTES 17
/* 16 hexadecimal digits. */
char *cluster_id_text(char text[CLUSTER_ID_TEXT_BYTES], uint64_t id);

#endif
