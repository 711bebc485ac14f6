/*
 * replica_env.h - the core as the replica sees it (raft/replica.h, struct replica_env).
 *
 * Threads: the loop's.
 */
#ifndef NODE_CORE_REPLICA_ENV_H
#define NODE_CORE_REPLICA_ENV_H

#include "core.h"

/* The core outlives its use. */
struct replica_env core_replica_env(struct core *core);

#endif
