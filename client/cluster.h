/*
 * cluster.h - what decode.c and cluster.c share: the members of a cluster, from a reply to the
 * public struct.
 */
#ifndef CLIENT_CLUSTER_H
#define CLIENT_CLUSTER_H

#include "arena.h"
#include "holdfast/holdfast.h"
#include "holdfast/v1/cluster.pb-c.h"

/* `count` of them, in the arena. */
const hf_member *cluster_members_of(struct arena *arena, Holdfast__V1__Member *const *members,
                                    size_t count);

#endif
