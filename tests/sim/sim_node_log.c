/*
 * sim_node_log.c - the log's thread on simulated time: it takes the longest run that waits
 * (node/core/log_queue.h), which is on the disk some time later, and then the next one. The loop
 * hears of it later still.
 *
 * Invariant: a run is under way exactly if log_is_writing; its event carries the life it belongs
 * to.
 */
#include "sim_node_internal.h"

static void appended(void *owner, void *object, uint64_t life);

static void take_run(struct sim_node *node)
{
    struct random *random = &node->world->random;
    if (node->log_failed || !log_queue_take(&node->log_queue, &node->log_run)) {
        return;
    }
    node->log_is_writing = true;
    world_after(node->world, sim_random_between(random, node->disk_least_us, node->disk_most_us),
                appended, node, NULL, node->life);
}

bool node_log_push(struct sim_node *node, uint64_t generation, uint64_t first_index,
                   struct entry *const *entries, size_t count)
{
    struct log_write write = log_write_make(generation, first_index, entries, count);
    if (!log_queue_push(&node->log_queue, &write)) {
        return false;
    }
    if (!node->log_is_writing) {
        take_run(node);
    }
    return true;
}

/* The loop: what has become of its writes. */
static void notice(void *owner, void *object, uint64_t life)
{
    struct sim_node *node = owner;
    struct error error;
    if (life != node->life) {
        world_was_idle(node->world);
        return;
    }
    if (node->paused_until_us > node->world->now_us) {
        world_was_idle(node->world);
        world_at(node->world, node->paused_until_us, notice, node, object, life);
        return;
    }
    node->log_notice = false;
    static struct log_completion done[LIMIT_LOG_WRITES];
    size_t count = log_queue_take_done(&node->log_queue, done);
    for (size_t i = 0; i < count; i++) {
        bool ok = core_log_written(&node->core, done[i].generation, done[i].last_index, &error);
        if (!node_survives(node, ok, &error)) {
            return;
        }
    }
    if (node->log_failed) {
        node_survives(node, false, &node->log_failure);
        return;
    }
    node_after_event(node);
}

static void tell_loop(struct sim_node *node)
{
    if (!node->log_notice) {
        node->log_notice = true;
        world_after(node->world, sim_random_below(&node->world->random, node->plan->notice_late_us),
                    notice, node, NULL, node->life);
    }
}

/* Writes the run that was taken, or fails: log_failed. */
static void write_run(struct sim_node *node)
{
    size_t writes = node->log_run.count;
    node->log_failure.text[0] = '\0';
    bool ok = log_run_append(&node->log_run, node->core.log, &node->log_failure);
    bool failed = node_disk_failures(node) > 0;
    /* A trim in the pool may have broken it before. */
    failed = failed || strstr(node->log_failure.text, "the log failed before") != NULL;
    if (ok == failed && sim_disk_has_power(node->disk)) {
        world_fail(node->world, CHECK_FAIL_STOP, "node %zu's log %s", node->number + 1,
                   ok ? "takes a write for durable though its disk failed"
                      : "fails though its disk has not");
    }
    if (ok) {
        log_queue_complete(&node->log_queue, &node->log_run);
        checks_log_durable(node->checks, node->number, writes);
    }
    log_run_clear(&node->log_run);
    node->log_is_writing = false;
    node->log_failed = !ok;
}

static void appended(void *owner, void *object, uint64_t life)
{
    struct sim_node *node = owner;
    (void)object;
    if (life != node->life) {
        world_was_idle(node->world);
        return;
    }
    write_run(node);
    if (!sim_disk_has_power(node->disk)) {
        world_count(node->world, STAT_CRASHED_IN_APPEND);
        node_end(node);
        return;
    }
    tell_loop(node);
    take_run(node);
}

void node_log_interrupt(struct sim_node *node)
{
    struct error error;
    if (node->log_is_writing && sim_disk_has_power(node->disk)) {
        /* At some operation of it, or behind them all. */
        sim_disk_cut_power(node->disk, sim_random_between(&node->world->random, 1, 7));
        if (!log_run_append(&node->log_run, node->core.log, &error)) {
            world_count(node->world, STAT_CRASHED_IN_APPEND);
        }
    }
}

bool node_log_drain(struct sim_node *node)
{
    /* Behind a failure the thread writes nothing more. */
    while (!node->log_failed &&
           (node->log_is_writing || log_queue_take(&node->log_queue, &node->log_run))) {
        write_run(node);
    }
    return !node->log_failed;
}

void node_log_clear(struct sim_node *node)
{
    log_queue_clear(&node->log_queue);
    log_run_clear(&node->log_run);
    node->log_is_writing = false;
    node->log_notice = false;
    node->log_failed = false;
}
