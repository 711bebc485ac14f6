/*
 * sim_node_pool.c - a node's pool on simulated time: a piece of work runs some time after it was
 * handed in, all at once, and the loop hears of it later still; whatever else the node does happens
 * in between. Its files are the node's: the process may end at any operation of it.
 *
 * What the pool does to manifest and log is told to the checks when it has happened on the disk,
 * not when the loop hears of it.
 *
 * Invariant: each work in `works` has one event in the world's queue, which carries the life it
 * belongs to.
 */
#include <string.h>

#include "sim_node_internal.h"

static struct sim_node_work *find_work(struct sim_node *node, const struct pool_work *work)
{
    size_t place = 0;
    while (node->works[place].work != work) {
        place++;
    }
    return &node->works[place];
}

static void remove_work(struct sim_node *node, const struct sim_node_work *work)
{
    size_t place = (size_t)(work - node->works);
    memmove(&node->works[place], &node->works[place + 1],
            (--node->work_count - place) * sizeof *work);
}

/* Of an earlier life, or its process sleeps: it comes again then. */
static bool is_put_off(struct sim_node *node, world_run run, void *object, uint64_t life)
{
    uint64_t ready_at_us = sim_node_ready_at_us(node);
    bool late = life == node->life && ready_at_us > node->world->now_us;
    if (late) {
        world_at(node->world, ready_at_us, run, node, object, life);
    }
    if (late || life != node->life) {
        world_was_idle(node->world);
        return true;
    }
    return false;
}

static void run(struct sim_node *node, struct sim_node_work *work)
{
    work->free_bytes = sim_disk_free_bytes(node->disk);
    work->work->run(work->work);
    work->has_run = true;
    work->has_failed = node_disk_failures(node) > 0;
    work->has_failed = node_state_failures(node) > 0 || work->has_failed;
    if (!node->is_crashing && sim_disk_has_power(node->disk)) {
        node_report_snapshot(node);
    }
}

/* The loop hears of it. */
static void finish(void *owner, void *object, uint64_t life)
{
    struct sim_node *node = owner;
    struct pool_work *pool_work = object;
    if (is_put_off(node, finish, object, life)) {
        return;
    }
    const struct sim_node_work *work = find_work(node, pool_work);
    bool has_failed = work->has_failed;
    bool is_look = node_is_look(node, pool_work);
    uint64_t free_bytes = work->free_bytes;
    remove_work(node, work);
    pool_work->done(pool_work);
    if (is_look && !node->core.failed && !node->is_crashing) {
        node_has_looked(node, free_bytes);
    }
    if (node_survives_failure(node, !node->core.failed, has_failed, &node->core.failure)) {
        node_after_event(node);
    }
}

static uint64_t takes_us(struct sim_node *node)
{
    return sim_random_between(&node->world->random, 50, node->pool_most_us / 2);
}

static void begin(void *owner, void *object, uint64_t life)
{
    struct sim_node *node = owner;
    if (is_put_off(node, begin, object, life)) {
        return;
    }
    run(node, find_work(node, object));
    if (node->is_crashing || !sim_disk_has_power(node->disk)) {
        world_count(node->world, STAT_CRASHED_IN_POOL);
        node_end(node);
        return;
    }
    world_after(node->world, takes_us(node), finish, node, object, node->life);
}

bool node_run_in_pool(struct sim_node *node, struct pool_work *work, struct error *error)
{
    if (node->work_count == SIM_NODE_WORKS) {
        return error_set(error, "the pool is busy");
    }
    node->pool_refused = sim_random_chance(&node->world->random, node->pool_refuses_permille);
    if (node->pool_refused) {
        world_count(node->world, STAT_POOL_REFUSALS);
        return error_set(error, "the pool refuses");
    }
    node->works[node->work_count++] = (struct sim_node_work){.work = work};
    world_after(node->world, takes_us(node), begin, node, work, node->life);
    return true;
}

bool node_finish_works(struct sim_node *node)
{
    while (node->work_count > 0) {
        struct sim_node_work *work = &node->works[node->work_count - 1];
        if (!work->has_run) {
            run(node, work);
        }
        bool has_failed = work->has_failed;
        struct pool_work *pool_work = work->work;
        node->work_count--;
        pool_work->done(pool_work);
        if (!node_survives_failure(node, !node->core.failed, has_failed, &node->core.failure)) {
            return false;
        }
    }
    return true;
}

void node_drop_works(struct sim_node *node)
{
    /* `done` alone: what was not run has come to nothing. */
    while (node->work_count > 0) {
        struct pool_work *work = node->works[--node->work_count].work;
        work->done(work);
    }
}

/* ---- snapshots ---- */

void node_report_snapshot(struct sim_node *node)
{
    const struct core *core = &node->core;
    struct snapshot snapshot;
    data_directory_snapshot(core->directory, &snapshot);
    uint64_t generation = data_directory_generation(core->directory);
    const struct sim_state *state =
        sim_states_at(node->states, data_directory_state_path(core->directory));
    uint64_t flushed = state != NULL ? sim_state_flushed_index(state) : 0;
    uint64_t first_index = log_store_first_index(core->log);
    if (node->generation_seen != 0 && generation != node->generation_seen) {
        world_count(node->world, STAT_INSTALLS);
        node->log_first = first_index;
        checks_installed(node->checks, node->number, &snapshot);
    } else if (snapshot.index != node->snapshot_seen) {
        world_count(node->world, STAT_SNAPSHOTS);
    }
    if (snapshot.index != node->snapshot_seen) {
        checks_snapshot(node->checks, node->number, &snapshot, flushed);
    }
    node->generation_seen = generation;
    node->snapshot_seen = snapshot.index;
    if (first_index != node->log_first) {
        world_count(node->world, STAT_TRIMS);
        checks_trimmed(node->checks, node->number, first_index, flushed);
        node->log_first = first_index;
    }
}
