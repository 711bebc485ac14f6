/*
 * core_snapshot_world.h - worlds (core_world.h) whose cores take snapshots soon and keep few
 * entries behind them; one of them may be down while the others write and trim.
 */
#ifndef TESTS_NODE_CORE_SNAPSHOT_WORLD_H
#define TESTS_NODE_CORE_SNAPSHOT_WORLD_H

#include "core_world.h"

#include "core/snapshots.h"

/* All nodes are up, and one leads. */
struct world *world_that_snapshots(size_t node_count, uint64_t snapshot_log_entries);
/* Three, of which node 3 is down and lacks what the others have trimmed. */
struct world *world_with_one_behind(void);
void world_start_3(struct world *world);

/* Who has asked for a snapshot, and waits. */
struct snapshot_wait {
    struct snapshot_call call; /* first */
    bool ended;
};
bool world_call_for(struct world_node *node, struct snapshot_wait *wait, struct error *why);

/* No work, no checkpoint, one state: what a snapshot leaves behind. */
bool world_is_tidy(struct world *world, uint64_t id);
/* The node has given a warning with these words. */
bool world_node_warned(const struct world_node *node, const char *words);

#endif
