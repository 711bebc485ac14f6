/*
 * sim_node_env.c - what a core asks of its surroundings (struct core_env), simulated; each call is
 * a point at which the process may end, and is told to the checks.
 *
 * The state's databases are those in memory (sim_states.h) behind a layer of ours: it sees each
 * commit, and decides when the changes reach the disk. Two are open at once while the state of
 * another node is installed.
 */
#include <stdlib.h>
#include <string.h>

#include "sim_node_internal.h"
#include "spoil_stock.h"

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

static void send_by(struct sim_node *node, uint64_t peer_id, const struct peer_message *message,
                    bool is_bulk)
{
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
    if (is_bulk) {
        sim_net_send_bulk(node->net, node->number, to, message);
    } else {
        sim_net_send(node->net, node->number, to, message);
    }
}

static void send(void *context, uint64_t peer_id, const struct peer_message *message)
{
    send_by(context, peer_id, message, false);
}

static void send_bulk(void *context, uint64_t peer_id, const struct peer_message *message)
{
    send_by(context, peer_id, message, true);
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

static bool run_in_pool(void *context, struct pool_work *work, struct error *error)
{
    return node_run_in_pool(context, work, error);
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
    if (strcmp(what, "digest") == 0) {
        if (node->world->stats.counts[STAT_SPOILT_STATES] == 0) {
            world_fail(node->world, CHECK_DIGEST, "node %zu holds right states for wrong: %s",
                       node->number + 1, words);
        }
        return;
    }
    if (strcmp(what, "snapshot") == 0) {
        /* What another node may come to; that it gave something wrong, none of these does. */
        if (strstr(words, "it is gone there") == NULL &&
            strstr(words, "it does not answer") == NULL &&
            strstr(words, "the disk lacks") == NULL) {
            world_fail(node->world, CHECK_SNAPSHOT, "n%zu is %s", node->number + 1, words);
        }
        world_count(node->world, STAT_FETCHES_GIVEN_UP);
        trace_note(&node->world->trace, node->number, TRACE_FETCH_GIVEN_UP, 0);
        return;
    }
    if (strcmp(what, "clock") == 0) {
        world_count(node->world, STAT_CLOCK_WARNINGS);
        return;
    }
    if (strcmp(what, "members") == 0 && strstr(words, "it is not heard") != NULL) {
        world_count(node->world, STAT_UNHEARD);
        return;
    }
    if (strcmp(what, "disk") == 0) {
        node_tells_room(node, words);
        return;
    }
    /* What else a core may warn of, somebody must say here. */
    if (strcmp(what, "log") != 0) {
        world_fail(node->world, CHECK_FAIL_STOP, "node %zu warns of what nobody expects: %s: %s",
                   node->number + 1, what, words);
        return;
    }
    if (strstr(words, "torn") == NULL) {
        trace_note(&node->world->trace, node->number, TRACE_LOG_REPLACED, 0);
        return;
    }
    world_count(node->world, STAT_TORN_BATCHES);
    trace_note(&node->world->trace, node->number, TRACE_LOG_TORN,
               log_store_last_index(node->core.log));
}

/* ---- the state's databases ---- */

/* One that is open. */
struct store {
    struct sim_node *node;
    uint64_t number;
    struct sim_state *state;
    struct state_store inner;
    struct state_store_ops ops;
};

static bool is_cores(const struct store *store)
{
    return store->node->core.state_store.state == store;
}

struct sim_state *node_state(const struct sim_node *node)
{
    return ((const struct store *)node->core.state_store.state)->state;
}

uint64_t node_store_number(const struct sim_node *node)
{
    return ((const struct store *)node->core.state_store.state)->number;
}

static struct ledger_store state_records(void *context)
{
    const struct store *store = context;
    return store->inner.ops->records(store->inner.state);
}

/* A stock is not what the entry has made it, and the digest knows no better: as if this node had
 * applied the entry in another way than the others. */
static void spoil_state(struct sim_node *node, uint64_t applied_index)
{
    struct ledger_store records = node->core.state_store.ops->records(node->core.state_store.state);
    struct error error;
    int64_t units = (int64_t)sim_random_between(&node->world->random, 1, 1000);
    sim_state_watch(node_state(node), true);
    if (spoil_stock(records, units, true)) {
        ledger_close(node->core.ledger);
        node->core.ledger =
            ledger_open_knowing(records, node->core.config.ledger_version_known, &error);
        if (node->core.ledger == NULL) {
            world_fail(node->world, CHECK_FAIL_STOP, "a spoilt state can't be opened: %s",
                       error.text);
            abort(); /* nothing goes on without a ledger */
        }
        node->shall_spoil = false;
        node->spoilt_from = node->spoilt_from != 0 ? node->spoilt_from : applied_index;
        checks_spoilt(node->checks, node->number, true);
        world_count(node->world, STAT_SPOILT_STATES);
        trace_note(&node->world->trace, node->number, TRACE_SPOILT, applied_index);
    }
    sim_state_watch(node_state(node), false);
}

static bool state_commit(void *context, uint64_t applied_index, struct error *error)
{
    const struct store *store = context;
    struct sim_node *node = store->node;
    if (node_ends_here(node)) {
        return error_set(error, "the process has ended");
    }
    if (node->shall_spoil && is_cores(store)) {
        spoil_state(node, applied_index);
    }
    if (!store->inner.ops->commit(store->inner.state, applied_index, error)) {
        return false;
    }
    sim_node_report(node);
    sim_state_watch(store->state, true);
    checks_applied(node->checks, node->number, applied_index, node->core.ledger);
    sim_state_watch(store->state, false);
    world_count(node->world, STAT_ENTRIES_APPLIED);
    if (sim_random_chance(&node->world->random, node->plan->flush_permille)) {
        sim_state_flush(store->state);
        trace_note(&node->world->trace, node->number, TRACE_STATE_FLUSHED, applied_index);
    }
    return true;
}

static uint64_t state_applied_index(const void *context)
{
    const struct store *store = context;
    return store->inner.ops->applied_index(store->inner.state);
}

static void *state_view_open(void *context)
{
    const struct store *store = context;
    return store->inner.ops->view_open(store->inner.state);
}

static bool state_check(void *context, struct error *error)
{
    const struct store *store = context;
    return store->inner.ops->check(store->inner.state, error);
}

static bool state_checkpoint(void *context, const char *path, uint64_t *applied_index,
                             struct error *error)
{
    const struct store *store = context;
    struct sim_node *node = store->node;
    if (node_ends_here(node)) {
        return error_set(error, "the process has ended");
    }
    bool made = store->inner.ops->checkpoint(store->inner.state, path, applied_index, error);
    if (made) {
        trace_note(&node->world->trace, node->number, TRACE_CHECKPOINT, *applied_index);
    }
    return made;
}

/* What could not be flushed matters of the state that the core goes by. One that was replaced, or
 * was staged and is of no use, fails as it likes. */
static bool state_close(void *context, struct error *error)
{
    struct store *store = context;
    bool matters = is_cores(store);
    if (!matters) {
        sim_state_watch(store->state, true);
    }
    bool closed = store->inner.ops->close(store->inner.state, error);
    if (!matters) {
        sim_state_watch(store->state, false);
    }
    free(store);
    return closed;
}

static bool open_state(void *context, const char *path, struct state_store *state, bool *is_foreign,
                       struct error *error)
{
    struct sim_node *node = context;
    struct state_store inner;
    if (is_foreign != NULL) {
        *is_foreign = false;
    }
    if (node_ends_here(node)) {
        return error_set(error, "the process has ended");
    }
    if (!sim_states_open(node->states, path, &inner, error)) {
        return false;
    }
    struct store *store = memory_zalloc(sizeof *store);
    *store = (struct store){
        .node = node,
        .number = ++node->stores_opened,
        .state = sim_states_at(node->states, path),
        .inner = inner,
        .ops =
            {
                .records = state_records,
                .commit = state_commit,
                .applied_index = state_applied_index,
                .view_open = state_view_open,
                /* A view is the inner store's own. */
                .view_records = inner.ops->view_records,
                .view_applied_index = inner.ops->view_applied_index,
                .view_close = inner.ops->view_close,
                .checkpoint = state_checkpoint,
                .check = state_check,
                .close = state_close,
            },
    };
    *state = (struct state_store){&store->ops, store};
    return true;
}

const struct core_env node_env = {
    .monotonic_ms = monotonic_ms,
    .wall_ms = wall_ms,
    .send = send,
    .send_bulk = send_bulk,
    .write_log = write_log,
    .open_state = open_state,
    .run_in_pool = run_in_pool,
    .role_changed = role_changed,
    .warn = warn,
    .quiet = quiet,
};
