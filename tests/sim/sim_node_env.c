/*
 * sim_node_env.c - what a core asks of its surroundings (struct core_env), simulated; each call is
 * a point at which the process may end, and is told to the checks.
 *
 * The state's database is the one in memory (sim_state.h) behind a layer of ours: it sees each
 * commit, and decides when the changes reach the disk.
 */
#include <string.h>

#include "sim_node_internal.h"

bool node_ends_here(struct sim_node *node)
{
    if (!node->is_crashing && node->calls_to_end > 0 && --node->calls_to_end == 0) {
        world_count(node->world, node->is_up ? STAT_CRASHED_IN_TURN : STAT_CRASHED_IN_START);
        trace_note(&node->world->trace, node->number, TRACE_CRASH_IN_CALL, 0);
        node_begin_end(node, node->end_how);
    }
    return node->is_crashing;
}

/* ---- clocks ---- */

static uint64_t monotonic_ms(void *context)
{
    const struct sim_node *node = context;
    return sim_clock_monotonic_ms(&node->clock, node->world->now_us);
}

static int64_t wall_ms(void *context)
{
    const struct sim_node *node = context;
    return sim_clock_wall_ms(&node->clock, node->world->now_us);
}

/* ---- network, log, pool ---- */

/* What a follower is known to have is not sent again: libraft would go on to send it nothing at all
 * (its next_index lies behind its match_index, and the difference has no sign). */
static void check_progress(struct sim_node *node, uint64_t peer_id,
                           const struct peer_message *message)
{
    if (message->type != PEER_APPEND_ENTRIES) {
        return;
    }
    uint64_t match = replica_match_index(node->core.replica, peer_id);
    if (message->append_entries.prev_log_index < match) {
        world_fail(node->world, CHECK_PROGRESS,
                   "n%zu sends n%" PRIu64 " what follows %" PRIu64
                   ", and knows that it has up to %" PRIu64,
                   node->number + 1, peer_id, message->append_entries.prev_log_index, match);
    }
}

/* Entries of this life that the tail does not hold any more. */
static void count_read_back(struct sim_node *node, const struct peer_message *message)
{
    struct replica_status status;
    if (message->type != PEER_APPEND_ENTRIES || message->append_entries.entry_count == 0) {
        return;
    }
    uint64_t first_index = message->append_entries.prev_log_index + 1;
    replica_status_get(node->core.replica, &status);
    if (first_index > node->log_found && first_index < status.tail_first_index) {
        node->world->stats.counts[STAT_READ_BACK] += message->append_entries.entry_count;
    }
}

static void send(void *context, uint64_t peer_id, const struct peer_message *message)
{
    struct sim_node *node = context;
    if (node_ends_here(node)) {
        return;
    }
    size_t to = (size_t)peer_id - 1;
    if (to >= node->plan->node_count || to == node->number) {
        world_fail(node->world, CHECK_FAIL_STOP, "node %zu sends to the stranger %" PRIu64,
                   node->number + 1, peer_id);
        return;
    }
    sim_node_report(node);
    checks_sent(node->checks, node->number, to, message);
    count_read_back(node, message);
    check_progress(node, peer_id, message);
    sim_net_send(node->net, node->number, to, message);
}

static bool has_change(struct entry *const *entries, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (entries[i]->type == ENTRY_CHANGE) {
            return true;
        }
    }
    return false;
}

static bool write_log(void *context, uint64_t generation, uint64_t first_index,
                      struct entry *const *entries, size_t count, struct error *error)
{
    struct sim_node *node = context;
    if (node_ends_here(node)) {
        return true;
    }
    bool is_cut = first_index <= node->log_asked;
    if (is_cut) {
        world_count(node->world, STAT_TRUNCATIONS);
    }
    node->log_asked = first_index + count - 1;
    checks_log_asked(node->checks, node->number, first_index, entries, count);
    for (size_t i = 0; i < count; i++) {
        checks_stamped(node->checks, node->number, entries[i]);
    }
    /* While it starts, libraft has not been told of its log yet. */
    if (node->is_up && (is_cut || has_change(entries, count))) {
        node_report_members(node);
    }
    return node_log_push(node, generation, first_index, entries, count) ||
           error_set(error, "the queue of the log's thread is full");
}

static void work_in_pool(void *owner, void *object, uint64_t life)
{
    struct sim_node *node = owner;
    struct pool_work *work = object;
    uint64_t ready_at_us = sim_node_ready_at_us(node);
    if (life != node->life) {
        world_was_idle(node->world);
        return;
    }
    if (ready_at_us > node->world->now_us) {
        world_was_idle(node->world);
        world_at(node->world, ready_at_us, work_in_pool, node, work, life);
        return;
    }
    size_t place = 0;
    while (node->works[place] != work) {
        place++;
    }
    memmove((void *)&node->works[place], (void *)&node->works[place + 1],
            (--node->work_count - place) * sizeof(struct pool_work *));
    work->run(work);
    work->done(work);
    node_after_event(node);
}

static bool run_in_pool(void *context, struct pool_work *work, struct error *error)
{
    struct sim_node *node = context;
    struct random *random = &node->world->random;
    if (node->work_count == SIM_NODE_WORKS) {
        return error_set(error, "the pool is busy");
    }
    node->pool_refused = sim_random_chance(random, node->plan->pool_refuses_permille);
    if (node->pool_refused) {
        world_count(node->world, STAT_POOL_REFUSALS);
        return error_set(error, "the pool refuses");
    }
    node->works[node->work_count++] = work;
    world_after(node->world, sim_random_between(random, 100, 100000), work_in_pool, node, work,
                node->life);
    return true;
}

static void quiet(void *context)
{
    (void)context; /* whoever stops it waits for each piece of work (sim_node_stop) */
}

static void role_changed(void *context)
{
    struct sim_node *node = context;
    const struct core *core = &node->core;
    if (node_ends_here(node)) {
        return;
    }
    sim_node_report(node);
    checks_role(node->checks, node->number, core->state, core->term);
    if (core->state == REPLICA_LEADER && core->term != node->led_term) {
        node->led_term = core->term;
        world_count(node->world, STAT_ELECTIONS);
    }
}

static void warn(void *context, const char *what, const char *words)
{
    struct sim_node *node = context;
    if (node->is_crashing) {
        return;
    }
    /* What a core warns of today: what a new one shall count as, somebody must say here. */
    if (strcmp(what, "clock") == 0) {
        world_count(node->world, STAT_CLOCK_WARNINGS);
        return;
    }
    if (strcmp(what, "log") != 0) {
        world_fail(node->world, CHECK_FAIL_STOP, "node %zu warns of what nobody expects: %s: %s",
                   node->number + 1, what, words);
        return;
    }
    world_count(node->world, STAT_TORN_BATCHES);
    trace_note(&node->world->trace, node->number, TRACE_LOG_TORN,
               log_store_last_index(node->core.log));
}

/* ---- the state's database ---- */

static struct ledger_store state_records(void *state)
{
    struct sim_node *node = state;
    return node->state_store.ops->records(node->state_store.state);
}

static bool state_commit(void *state, uint64_t applied_index, struct error *error)
{
    struct sim_node *node = state;
    if (node_ends_here(node)) {
        return error_set(error, "the process has ended");
    }
    if (!node->state_store.ops->commit(node->state_store.state, applied_index, error)) {
        return false;
    }
    sim_node_report(node);
    sim_state_watch(node->records, true);
    checks_applied(node->checks, node->number, applied_index, node->core.ledger);
    sim_state_watch(node->records, false);
    world_count(node->world, STAT_ENTRIES_APPLIED);
    if (sim_random_chance(&node->world->random, node->plan->flush_permille)) {
        sim_state_flush(node->records);
        trace_note(&node->world->trace, node->number, TRACE_STATE_FLUSHED, applied_index);
    }
    return true;
}

static uint64_t state_applied_index(const void *state)
{
    const struct sim_node *node = state;
    return node->state_store.ops->applied_index(node->state_store.state);
}

static void *state_view_open(void *state)
{
    struct sim_node *node = state;
    return node->state_store.ops->view_open(node->state_store.state);
}

static bool state_close(void *state, struct error *error)
{
    struct sim_node *node = state;
    struct state_store inner = node->state_store;
    node->state_store = (struct state_store){0};
    return inner.ops->close(inner.state, error);
}

static bool open_state(void *context, const char *path, struct state_store *state,
                       struct error *error)
{
    struct sim_node *node = context;
    (void)path;
    if (node_ends_here(node)) {
        return error_set(error, "the process has ended");
    }
    sim_state_open(node->records, &node->state_store);
    node->state_ops = (struct state_store_ops){
        .records = state_records,
        .commit = state_commit,
        .applied_index = state_applied_index,
        .view_open = state_view_open,
        /* A view is the inner store's own. */
        .view_records = node->state_store.ops->view_records,
        .view_applied_index = node->state_store.ops->view_applied_index,
        .view_close = node->state_store.ops->view_close,
        .close = state_close,
    };
    *state = (struct state_store){&node->state_ops, node};
    return true;
}

const struct core_env node_env = {
    .monotonic_ms = monotonic_ms,
    .wall_ms = wall_ms,
    .send = send,
    .send_bulk = send,
    .write_log = write_log,
    .open_state = open_state,
    .run_in_pool = run_in_pool,
    .role_changed = role_changed,
    .warn = warn,
    .quiet = quiet,
};
