/*
 * core_world.c - the world around the cores.
 */
#include "core_world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "storage/state_db.h"

/* ---- what a core asks for ---- */

static uint64_t monotonic_ms(void *context)
{
    return ((struct world_node *)context)->world->now_ms;
}

static int64_t wall_ms(void *context)
{
    const struct world_node *node = context;
    return WORLD_WALL_MS + (int64_t)node->world->now_ms + node->wall_off_ms;
}

static void fly(struct world *world, uint64_t from, uint64_t to, const struct peer_message *message)
{
    assert_true(world->flight_count < WORLD_FLIGHT);
    if (to > world->node_count) {
        return; /* a member that is nowhere */
    }
    struct flight *flight = &world->flights[world->flight_count++];
    *flight = (struct flight){from, to, peer_message_copy(message)};
    if (world->sees != NULL) {
        world->sees(&flight->message);
    }
}

static void send(void *context, uint64_t peer_id, const struct peer_message *message)
{
    struct world_node *node = context;
    fly(node->world, node->id, peer_id, message);
}

static void send_bulk(void *context, uint64_t peer_id, const struct peer_message *message)
{
    struct world_node *node = context;
    bool is_part = message->type == PEER_CHECKPOINT_PART;
    node->world->part_count += is_part;
    if (!is_part || !node->world->drops_parts) {
        fly(node->world, node->id, peer_id, message);
    }
}

static bool write_log(void *context, uint64_t generation, uint64_t first_index,
                      struct entry *const *entries, size_t count, struct error *error)
{
    struct world_node *node = context;
    struct log_write write = log_write_make(generation, first_index, entries, count);
    return log_queue_push(node->log, &write) || error_set(error, "the log's queue is full");
}

static bool open_state(void *context, const char *path, struct state_store *state, bool *is_foreign,
                       struct error *error)
{
    struct world_node *node = context;
    if (is_foreign != NULL) {
        *is_foreign = node->opens_no_state;
    }
    if (node->opens_no_state) {
        return error_set(error, "%s has an unknown format", path);
    }
    if (node->reads_no_state) {
        return error_set(error, "%s can't be read", path);
    }
    if (node->world->directory == NULL) {
        return sim_states_open(node->states, path, state, error);
    }
    const struct state_db_options options = {
        .path = path, .write_buffer_bytes = 64 << 10, .is_foreign = is_foreign};
    struct state_db *db = state_db_open(&options, error);
    if (db != NULL) {
        *state = state_db_interface(db);
    }
    return db != NULL;
}

static bool run_in_pool(void *context, struct pool_work *work, struct error *error)
{
    struct world_node *node = context;
    assert_true(node->work_count < WORLD_WORKS);
    if (node->pool_refuses && node->refused++ % 2 == 0) {
        return error_set(error, "the pool refuses");
    }
    node->works[node->work_count++] = work;
    return true;
}

static void role_changed(void *context)
{
    (void)context;
}

static void warn(void *context, const char *what, const char *words)
{
    struct world_node *node = context;
    assert_true(node->warning_count < WORLD_WARNS);
    error_set(&node->warnings[node->warning_count++], "%s: %s", what, words);
}

static void quiet(void *context)
{
    ((struct world_node *)context)->quiets++;
}

/* ---- life ---- */

struct world *world_new(size_t node_count)
{
    return world_new_with(node_count, node_count);
}

struct world *world_new_with(size_t founder_count, size_t node_count)
{
    struct world *world = memory_zalloc(sizeof *world);
    assert_true(founder_count <= node_count && node_count <= WORLD_NODES);
    world->node_count = node_count;
    world->founder_count = founder_count;
    world->now_ms = 1000;
    for (uint64_t id = 1; id <= node_count; id++) {
        struct world_node *node = &world->nodes[id];
        snprintf(world->addresses[id - 1], sizeof world->addresses[id - 1], "n%d:7000", (int)id);
        world->members[id - 1] =
            (struct replica_member){id, REPLICA_VOTER, world->addresses[id - 1]};
        node->world = world;
        node->id = id;
        node->disk = sim_disk_new(1000 + id);
        node->files = sim_disk_files(node->disk);
        node->states = sim_states_new(node->disk);
        node->incarnation = 70 + id;
        node->log = memory_zalloc(sizeof *node->log);
    }
    struct buffer bootstrap = {0};
    struct error error;
    assert_true(replica_bootstrap_entry(world->members, founder_count, &bootstrap,
                                        &world->cluster_id, &error));
    buffer_free(&bootstrap);
    return world;
}

bool world_start(struct world *world, uint64_t id)
{
    struct world_node *node = &world->nodes[id];
    if (world->directory == NULL) {
        snprintf(node->data, sizeof node->data, "data");
    } else {
        snprintf(node->data, sizeof node->data, "%s/%d", world->directory, (int)id);
        node->files = file_system_posix;
    }
    const struct core_env env = {
        .context = node,
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
    bool founds = id <= world->founder_count;
    const struct core_config config = {
        .id = id,
        .address = node->is_told_nothing ? NULL : world->addresses[id - 1],
        .members = world->members,
        .member_count = founds && !node->is_told_nothing ? world->founder_count : 0,
        .cluster_id = founds || node->is_told_nothing ? 0 : world->cluster_id,
        .data = node->data,
        .files = &node->files,
        .log_segment_bytes = 4096,
        .new_incarnation = node->incarnation,
        .ledger_version_known = node->ledger_version_known,
        .seed = (uint32_t)(id * 7919 + world->now_ms),
        .snapshot_log_entries = world->snapshot_log_entries,
        .held_log_bytes = world->held_log_bytes,
        .disk_reserve_bytes = world->disk_reserve_bytes,
        .digest_interval = world->digest_interval,
        .checkpoint_kept_ms = world->checkpoint_kept_ms,
        .election_timeout_ms = world->election_timeout_ms,
        .replica_limits = {.trailing_entries = world->trailing_entries,
                           .apply_turn_entries = world->apply_turn_entries},
    };
    assert_false(node->is_up);
    node->is_stopped = false;
    node->warning_count = 0;
    node->quiets = 0;
    if (!core_open(&node->core, &config, &env, &node->error)) {
        node->is_stopped = true;
        return false;
    }
    node->is_up = true;
    if (!core_start(&node->core, &node->error)) {
        node->is_stopped = true;
        return false;
    }
    for (uint64_t peer = 1; peer <= world->node_count; peer++) {
        if (peer != id && world->nodes[peer].is_up) {
            core_peer_connected(&node->core, peer, world->nodes[peer].incarnation);
            core_peer_connected(&world->nodes[peer].core, id, node->incarnation);
        }
    }
    return true;
}

static void drop_flights(struct world *world, uint64_t id)
{
    size_t kept = 0;
    for (size_t i = 0; i < world->flight_count; i++) {
        if (world->flights[i].to == id || world->flights[i].from == id) {
            peer_message_free(&world->flights[i].message);
        } else {
            world->flights[kept++] = world->flights[i];
        }
    }
    world->flight_count = kept;
}

/* Of a process that is gone. */
static void forget_process(struct world_node *node)
{
    struct error ignored;
    while (node->work_count > 0) { /* `done` alone: it must cope with what was not run */
        struct pool_work *work = node->works[--node->work_count];
        work->done(work);
    }
    core_close(&node->core, &ignored);
    log_queue_clear(node->log);
    log_run_clear(&node->run);
    node->is_up = false;
    drop_flights(node->world, node->id);
}

void world_crash(struct world *world, uint64_t id, enum sim_loss loss)
{
    struct world_node *node = &world->nodes[id];
    assert_null(world->directory);
    sim_disk_crash(node->disk, loss);
    sim_states_crash(node->states);
    if (node->is_up) {
        forget_process(node);
    }
}

static void do_work(struct world_node *node)
{
    struct pool_work *work = node->works[0];
    node->work_count--;
    memmove((void *)node->works, (void *)(node->works + 1),
            node->work_count * sizeof(struct pool_work *));
    work->run(work);
    work->done(work);
}

static void note_stop(struct world_node *node, bool ok, const struct error *error)
{
    if (!ok && !node->is_stopped) {
        node->is_stopped = true;
        node->error = *error;
    }
}

static bool runs(const struct world_node *node)
{
    return node->is_up && !node->is_stopped;
}

static void write_logs(struct world_node *node)
{
    static struct log_completion done[LIMIT_LOG_WRITES];
    struct error error;
    while (runs(node) && log_queue_take(node->log, &node->run)) {
        bool ok = log_run_append(&node->run, node->core.log, &error);
        if (ok) {
            log_queue_complete(node->log, &node->run);
        }
        log_run_clear(&node->run);
        note_stop(node, ok, &error);
    }
    size_t count = log_queue_take_done(node->log, done);
    for (size_t i = 0; i < count && runs(node); i++) {
        bool ok = core_log_written(&node->core, done[i].generation, done[i].last_index, &error);
        note_stop(node, ok, &error);
    }
}

void world_stop(struct world *world, uint64_t id)
{
    struct world_node *node = &world->nodes[id];
    assert_true(runs(node));
    write_logs(node);
    core_abandon(&node->core);
    bool worked = node->core.works > 0;
    while (node->work_count > 0) {
        do_work(node);
    }
    assert_int_equal(node->quiets, worked ? 1 : 0);
    assert_true(core_close(&node->core, &node->error));
    log_queue_clear(node->log);
    node->is_up = false;
    sim_disk_kill(node->disk);
    drop_flights(world, id);
}

void world_free(struct world *world)
{
    for (uint64_t id = 1; id <= world->node_count; id++) {
        struct world_node *node = &world->nodes[id];
        if (node->is_up) {
            world_crash(world, id, SIM_LOSE_NONE);
        }
        log_run_free(&node->run);
        free(node->log);
        sim_states_free(node->states);
        sim_disk_free(node->disk);
    }
    for (size_t i = 0; i < world->flight_count; i++) {
        peer_message_free(&world->flights[i].message);
    }
    free(world);
}

/* ---- time ---- */

static void deliver(struct world *world)
{
    static struct flight now[WORLD_FLIGHT];
    size_t count = world->flight_count;
    memcpy(now, world->flights, count * sizeof now[0]);
    world->flight_count = 0;
    for (size_t i = 0; i < count; i++) {
        struct world_node *node = &world->nodes[now[i].to];
        struct error error;
        if (!runs(node) || world->is_cut[now[i].to] || world->is_cut[now[i].from]) {
            peer_message_free(&now[i].message);
        } else {
            note_stop(node, core_receive(&node->core, now[i].from, &now[i].message, &error),
                      &error);
        }
    }
}

static void end_turn(struct world_node *node)
{
    struct error error;
    if (runs(node) && node->world->now_ms % CORE_UPKEEP_MS == 0) {
        note_stop(node, core_upkeep(&node->core, &error), &error);
    }
    if (runs(node)) {
        note_stop(node, core_tick(&node->core, &error), &error);
    }
    if (runs(node)) {
        note_stop(node, core_flush(&node->core, &error), &error);
    }
}

void world_step(struct world *world)
{
    world->now_ms++;
    deliver(world);
    for (uint64_t id = 1; id <= world->node_count; id++) {
        struct world_node *node = &world->nodes[id];
        if (runs(node)) {
            write_logs(node);
        }
        if (runs(node) && node->work_count > 0 && !node->pool_is_shut) {
            do_work(node);
        }
        end_turn(node);
    }
}

void world_go(struct world *world, uint64_t ms)
{
    for (uint64_t i = 0; i < ms; i++) {
        world_step(world);
    }
}

/* ---- looking, and writing ---- */

struct replica_status world_status(const struct world *world, uint64_t id)
{
    struct replica_status status;
    replica_status_get(world->nodes[id].core.replica, &status);
    return status;
}

uint64_t world_leader(const struct world *world)
{
    uint64_t leader = 0;
    uint64_t term = 0;
    for (uint64_t id = 1; id <= world->node_count; id++) {
        const struct world_node *node = &world->nodes[id];
        if (runs(node) && !world->is_cut[id]) {
            struct replica_status status = world_status(world, id);
            if (status.state == REPLICA_LEADER && status.barrier_applied && status.term > term) {
                leader = id;
                term = status.term;
            }
        }
    }
    return leader;
}

struct write {
    struct proposal proposal;
    enum ledger_verdict verdict;
    size_t *open;
};

static void write_result(struct proposal *proposal, const struct ledger_result *result)
{
    assert_int_equal(result->verdict, ((struct write *)proposal)->verdict);
}

static void write_applied(struct proposal *proposal)
{
    struct write *write = (struct write *)proposal;
    (*write->open)--;
    free(write);
}

static void write_failed(struct proposal *proposal, enum proposal_failure failure)
{
    (void)failure; /* nobody waits for this one */
    free(proposal);
}

void world_propose(struct world *world, uint64_t leader, const struct ledger_command *command,
                   enum ledger_verdict verdict, size_t *open)
{
    static const struct proposal_ops ops = {
        .result = write_result, .applied = write_applied, .failed = write_failed};
    struct write *write = memory_zalloc(sizeof *write);
    *write = (struct write){.proposal = {.ops = &ops, .command_count = 1, .line_count = 1},
                            .verdict = verdict,
                            .open = open};
    ledger_command_encode(&write->proposal.data, command);
    (*open)++;
    assert_true(core_propose(&world->nodes[leader].core, &write->proposal));
}

static void propose(struct world *world, uint64_t leader, size_t *open)
{
    char sku[32];
    char request[32];
    uint64_t number = world->next_request++;
    snprintf(sku, sizeof sku, "sku-%d", (int)(number % 50));
    snprintf(request, sizeof request, "request-%d", (int)number);
    const struct ledger_command command = {
        .kind = LEDGER_SET_STOCK,
        .request_id = bytes_of_string(request),
        .sku = bytes_of_string(sku),
        .warehouse = 1,
        .quantity = (int64_t)number,
    };
    world_propose(world, leader, &command, LEDGER_OK, open);
}

void world_write(struct world *world, size_t count)
{
    size_t open = 0;
    for (size_t i = 0; i < count; i++) {
        WORLD_UNTIL(world, 5000, world_leader(world) != 0);
        propose(world, world_leader(world), &open);
        WORLD_UNTIL(world, 5000, open == 0);
    }
}

bool world_has_caught_up(const struct world *world, uint64_t id)
{
    uint64_t leader = world_leader(world);
    const struct world_node *node = &world->nodes[id];
    return leader != 0 && runs(node) && !world_status(world, id).installing &&
           core_applied_index(&node->core) == core_applied_index(&world->nodes[leader].core) &&
           hash128_equal(ledger_digest(node->core.ledger),
                         ledger_digest(world->nodes[leader].core.ledger));
}

struct counting {
    const char *prefix;
    size_t count;
};

static bool count_name(void *context, const char *name)
{
    struct counting *counting = context;
    counting->count += strncmp(name, counting->prefix, strlen(counting->prefix)) == 0;
    return true;
}

size_t world_count_names(struct world *world, uint64_t id, const char *prefix)
{
    struct counting counting = {prefix, 0};
    struct error error;
    const struct file_system *files = &world->nodes[id].files;
    assert_true(files->list(files->context, world->nodes[id].data, count_name, &counting, &error));
    return counting.count;
}
