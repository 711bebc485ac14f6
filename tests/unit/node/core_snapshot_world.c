#include "core_snapshot_world.h"

#include <string.h>

struct world *world_that_snapshots(size_t node_count, uint64_t snapshot_log_entries)
{
    struct world *world = world_new(node_count);
    world->snapshot_log_entries = snapshot_log_entries;
    world->trailing_entries = 8;
    for (uint64_t id = 1; id <= node_count; id++) {
        assert_true(world_start(world, id));
    }
    WORLD_UNTIL(world, 5000, world_leader(world) != 0);
    return world;
}

bool world_is_tidy(struct world *world, uint64_t id)
{
    const struct world_node *node = &world->nodes[id];
    return node->work_count == 0 && world_count_names(world, id, "checkpoint.") == 0 &&
           world_count_names(world, id, "state.") == 1 && sim_states_count(node->states) == 1;
}

bool world_node_warned(const struct world_node *node, const char *words)
{
    for (size_t i = 0; i < node->warning_count; i++) {
        if (strstr(node->warnings[i].text, words) != NULL) {
            return true;
        }
    }
    return false;
}

/* Node 3 is down while the others write and trim. */
struct world *world_with_one_behind(void)
{
    struct world *world = world_that_snapshots(3, 100);
    world_write(world, 20);
    if (world_leader(world) == 3) {
        world_crash(world, 3, SIM_LOSE_NONE);
        WORLD_UNTIL(world, 5000, world_leader(world) != 0);
    } else {
        WORLD_UNTIL(world, 1000, world_has_caught_up(world, 3));
        world_stop(world, 3);
    }
    world_write(world, 300);
    world_go(world, 300);
    assert_true(world_status(world, 1).first_index > 100);
    assert_true(world_status(world, 2).first_index > 100);
    assert_true(world_is_tidy(world, 1) && world_is_tidy(world, 2));
    return world;
}

void world_start_3(struct world *world)
{
    if (!world_start(world, 3)) {
        fail_msg("%s", world->nodes[3].error.text);
    }
}

static void call_ended(struct snapshot_call *call)
{
    ((struct snapshot_wait *)call)->ended = true;
}

bool world_call_for(struct world_node *node, struct snapshot_wait *wait, struct error *why)
{
    *wait = (struct snapshot_wait){.call = {.ended = call_ended}};
    return snapshots_call(node->core.snapshots, &wait->call, why);
}
