/*
 * node.c - wiring and life cycle. The happy path of a command through here: a handler gives it
 * to the core (pending_call.c); at the end of the turn on_turn submits one entry; replica ->
 * write_log (log thread) and send (transport); a majority -> apply: ledger, state database,
 * answers.
 *
 * Possible failures: at start-up each is one clear line and nothing runs; later a failed disk or a
 * broken contract of libraft ends the process (log_fatal), and so does a state database that can't
 * be written.
 */
#include "node.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "addresses.h"
#include "build.h"
#include "peers.h"
#include "service.h"

#define DRAIN_MS 10000
/* What a turn of the loop spends on answering reads: small beside a heartbeat's interval, large
 * beside what a turn costs. */
#define READ_TURN_NS 10000000

static uint64_t monotonic_ms(void)
{
    return uv_hrtime() / 1000000;
}

/* Something that a node does not survive (core.h): Raft rule 2. */
void node_must(const char *event, bool ok, const struct error *error)
{
    if (!ok) {
        log_fatal(event, error->text);
    }
}

void node_describe_leader(const struct node *node, char *text, size_t size)
{
    const char *address = forwarder_leader(node->forwarder);
    if (node->closing > 0) {
        snprintf(text, size, "this node is stopping; nothing was executed");
    } else if (peers_describe_outsider(node, text, size)) {
        /* said */
    } else if (address != NULL) {
        snprintf(text, size, "leadership has moved to %s; nothing was executed, try again",
                 address);
    } else {
        snprintf(text, size,
                 "leadership is lost and no new leader is known; nothing was executed, try again");
    }
}

/* ---- what the core asks of the world (core/core.h) ---- */

static uint64_t env_monotonic_ms(void *context)
{
    (void)context;
    return monotonic_ms();
}

static int64_t env_wall_ms(void *context)
{
    (void)context;
    return build_wall_ms();
}

static void env_send(void *context, uint64_t peer_id, const struct peer_message *message)
{
    struct node *node = context;
    transport_send(node->transport, peer_id, message);
}

static void env_send_bulk(void *context, uint64_t peer_id, const struct peer_message *message)
{
    struct node *node = context;
    bulk_sender_send(&node->bulk_sender, peer_id, message);
}

static void send_bulk_now(void *context, uint64_t peer_id, const struct peer_message *message)
{
    struct node *node = context;
    transport_send_bulk(node->transport, peer_id, message);
}

static bool env_write_log(void *context, uint64_t generation, uint64_t first_index,
                          struct entry *const *entries, size_t count, struct error *error)
{
    struct node *node = context;
    return log_writer_queue(node->log_writer, generation, first_index, entries, count) ||
           error_set(error, "the queue of the log's thread is full: the disk is far too slow, or "
                            "the replica broke its in-flight bound");
}

static bool env_open_state(void *context, const char *path, struct state_store *state,
                           bool *is_foreign, struct error *error)
{
    (void)context;
    struct state_db_options options = {.path = path, .is_foreign = is_foreign};
    struct state_db *db = state_db_open(&options, error);
    if (db == NULL) {
        return false;
    }
    *state = state_db_interface(db);
    return true;
}

static void env_warn(void *context, const char *what, const char *words)
{
    (void)context;
    log_warning(what, LOG_TEXT("message", words));
}

struct pool_request {
    uv_work_t request;
    struct pool_work *work;
};

static void env_run_in_pool_run(uv_work_t *request)
{
    struct pool_request *pool_request = request->data;
    pool_request->work->run(pool_request->work);
}

static void env_run_in_pool_done(uv_work_t *request, int status)
{
    struct pool_request *pool_request = request->data;
    (void)status; /* nothing is ever cancelled */
    pool_request->work->done(pool_request->work);
    free(pool_request);
}

static bool env_run_in_pool(void *context, struct pool_work *work, struct error *error)
{
    struct node *node = context;
    struct pool_request *request = memory_zalloc(sizeof *request);
    request->request.data = request;
    request->work = work;
    int status =
        uv_queue_work(node->loop, &request->request, env_run_in_pool_run, env_run_in_pool_done);
    if (status != 0) {
        free(request);
        return error_set(error, "the pool takes no work: %s", uv_strerror(status));
    }
    return true;
}

static void part_closed(void *context);

static void env_quiet(void *context)
{
    const struct node *node = context;
    if (node->closing > 0) {
        part_closed(context);
    }
}

static const char *state_name(enum replica_state state)
{
    switch (state) {
    case REPLICA_FOLLOWER:
        return "follower";
    case REPLICA_CANDIDATE:
        return "candidate";
    case REPLICA_LEADER:
        break;
    }
    return "leader";
}

/* Where the leader's clients connect may become known only later, with its hello: called again from
 * the upkeep. */
void node_follow_leader(struct node *node)
{
    const char *address = NULL;
    uint64_t leader_id = node->core.leader_id;
    if (leader_id != 0 && leader_id != node->options->id && node->core.removed_index == 0) {
        address = transport_client_address(node->transport, leader_id);
    }
    forwarder_set_leader(node->forwarder, address);
}

static void env_role_changed(void *context)
{
    struct node *node = context;
    log_info("role", LOG_TEXT("state", state_name(node->core.state)),
             LOG_NUMBER("term", node->core.term), LOG_NUMBER("leader", node->core.leader_id));
    if (node->forwarder != NULL) {
        node_follow_leader(node);
    }
}

/* ---- events of the loop ---- */

/* Wakes the loop when the replica wants to be called; the call itself is on_turn's, behind the
 * turn's messages. A leader or follower that was kept busy must read what the others said meanwhile
 * before it concludes that they said nothing. */
static void on_replica_timer(uv_timer_t *timer)
{
    /* Due still, and the loop does not sleep over it. Not 0: libuv before 1.45 would run it again
     * at once, for ever. */
    uv_timer_start(timer, on_replica_timer, 1, 0);
}

/* When the replica wants to be called, never early (Raft rule 14); or at once, for reads that wait.
 */
static void arm_replica_timer(struct node *node)
{
    uint64_t now = monotonic_ms();
    uint64_t next = core_next_ms(&node->core);
    uv_update_time(node->loop);
    uv_timer_start(&node->replica_timer, on_replica_timer, next > now ? next - now : 0, 0);
}

/* What this thread has computed so far: less than has passed where it waited, for a processor or
 * for the disk. */
static uint64_t thread_cpu_ns(void)
{
    struct timespec time;
    int rc = clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    assert(rc == 0);
    return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

/* A turn that takes as long as this endangers the leadership: an operator should see it, and what
 * of it was the node's own work. */
static void note_slow_turn(struct node *node, uint64_t now)
{
    uint64_t since = uv_now(node->loop); /* when this turn's events were fetched */
    if (now - since >= node->options->election_timeout_ms / 3 && now - node->last_slow_ms >= 1000) {
        node->last_slow_ms = now;
        log_warning("slow-turn", LOG_NUMBER("ms", now - since),
                    LOG_NUMBER("cpu_ms", (thread_cpu_ns() - node->turn_cpu_ns) / 1000000));
    }
}

/* As many reads as fit a turn; at least one, so that it goes on. */
static void answer_reads(struct node *node)
{
    uint64_t end = uv_hrtime() + READ_TURN_NS;
    struct error error;
    bool answered = true;
    while (answered) {
        node_must("state", core_answer_read(&node->core, &answered, &error), &error);
        answered = answered && uv_hrtime() < end;
    }
}

static void begin_drain(struct node *node);

static void on_turn(uv_check_t *turn)
{
    struct node *node = turn->data;
    struct error error;
    if (node->closing > 0) {
        return;
    }
    note_slow_turn(node, monotonic_ms());
    node_must("replication", core_tick(&node->core, &error), &error);
    answer_reads(node);
    node_must("replication", core_flush(&node->core, &error), &error);
    cluster_changes_look(node);
    arm_replica_timer(node);
    if (node->stopping.state == STOPPING_HANDING_OVER && stopping_look(node)) {
        begin_drain(node);
    }
    node->turn_cpu_ns = thread_cpu_ns();
}

static void on_log_written(void *context, uint64_t generation, uint64_t last_index)
{
    struct node *node = context;
    struct error error;
    if (node->closing == 0) {
        node_must("replication", core_log_written(&node->core, generation, last_index, &error),
                  &error);
    }
}

static void on_log_failed(void *context, const struct error *error)
{
    (void)context;
    log_fatal("log", error->text);
}

static void on_peer_message(void *context, uint64_t peer_id, struct peer_message *message)
{
    struct node *node = context;
    struct error error;
    if (node->closing > 0) {
        peer_message_free(message);
        return;
    }
    node_must("replication", core_receive(&node->core, peer_id, message, &error), &error);
}

static void on_notice(void *context, const char *text)
{
    struct node *node = context;
    uint64_t now = monotonic_ms();
    if (now - node->last_notice_ms >= 1000) {
        node->last_notice_ms = now;
        log_warning("client", LOG_TEXT("message", text));
    }
}

/* ---- upkeep: what nobody asks for ---- */

/* The health service says SERVING of a node whose answers come in the time that they take, and
 * nothing else: who waits for it, a balancer or a rolling restart, must not count on a node that is
 * still applying what its last life had not flushed. */
static void follow_health(struct node *node)
{
    bool serving = core_can_serve(&node->core) &&
                   (core_leads(&node->core) || forwarder_leader(node->forwarder) != NULL);
    if (node->stopping.state != STOPPING_NOT || serving == node->serving) {
        return;
    }
    uint64_t now = monotonic_ms();
    log_info(serving ? "serving" : "not-serving", LOG_NUMBER("term", node->core.term),
             LOG_NUMBER("leader", node->core.leader_id),
             LOG_NUMBER("applied", core_applied_index(&node->core)),
             LOG_NUMBER("after_ms", now - node->serving_since_ms));
    node->serving = serving;
    node->serving_since_ms = now;
    rpc_server_set_serving(node->server, "", serving);
    rpc_server_set_serving(node->server, "holdfast.v1.Ledger", serving);
}

static void on_upkeep(uv_timer_t *timer)
{
    struct node *node = timer->data;
    struct error error;
    follow_health(node);
    node_follow_leader(node);
    node_must("replication", core_upkeep(&node->core, &error), &error);
    peers_follow(node);
    snapshot_service_log(node);
}

/* ---- start ---- */

static bool open_network(struct node *node, struct error *error)
{
    const struct transport_config transport = {
        .cluster_id = node->core.cluster_id,
        .node_id = node->options->id,
        .incarnation = data_directory_incarnation(node->core.directory),
        .listen_address =
            node->options->peer_address != NULL ? node->options->peer_address : node->core.address,
        .client_address = node->options->advertise_client,
        .peer_address = node->core.address,
        /* Members: when the replica has started (peers_follow). */
    };
    const struct transport_events events = {
        .context = node,
        .received = on_peer_message,
        .connected = peers_connected,
        .disconnected = peers_disconnected,
        .admit = peers_admit,
        .removed_at = peers_removed_at,
        .told_removed = peers_told_removed,
        .refused = peers_refused,
        .turned_away = peers_turned_away,
    };
    node->transport = transport_open(node->loop, &transport, &events, error);
    if (node->transport == NULL) {
        return false;
    }
    bulk_sender_open(&node->bulk_sender, node->loop, node->options->snapshot_rate_bytes,
                     send_bulk_now, node);
    const struct rpc_server_config server = {
        .address = node->options->client_address,
        .methods = service_methods,
        .method_count = service_method_count,
        .context = node,
        .on_notice = on_notice,
    };
    node->server = rpc_server_open(node->loop, &server, error);
    if (node->server == NULL) {
        return false;
    }
    rpc_server_set_serving(node->server, "", false);
    rpc_server_set_serving(node->server, "holdfast.v1.Ledger", false);
    node->forwarder = forwarder_new(node->loop);
    return true;
}

static bool open_core(struct node *node, struct error *error)
{
    const struct node_options *options = node->options;
    uint64_t random[2] = {0};
    while (random[0] == 0) {
        if (getrandom(random, sizeof random, 0) != sizeof random) {
            return error_set(error, "the system gives no random bytes");
        }
    }
    const struct core_env env = {
        .context = node,
        .monotonic_ms = env_monotonic_ms,
        .wall_ms = env_wall_ms,
        .send = env_send,
        .send_bulk = env_send_bulk,
        .write_log = env_write_log,
        .open_state = env_open_state,
        .run_in_pool = env_run_in_pool,
        .role_changed = env_role_changed,
        .warn = env_warn,
        .quiet = env_quiet,
    };
    const struct core_config config = {
        .id = options->id,
        .address = options->advertise_peer,
        .members = options->members,
        .member_count = options->member_count,
        .cluster_id = options->cluster_id,
        .election_timeout_ms = options->election_timeout_ms,
        .heartbeat_ms = options->heartbeat_ms,
        .state_open_bytes = STATE_WRITE_BUFFER_BYTES,
        .disk_reserve_bytes = options->disk_reserve_bytes,
        .data = options->data,
        .files = &file_system_posix,
        .new_incarnation = random[0],
        .log_segment_bytes = options->log_segment_bytes,
        .snapshot_log_entries = options->snapshot_log_entries,
        .snapshot_log_bytes = options->snapshot_log_bytes,
        .held_log_bytes = options->held_log_bytes,
        .ledger_version_known = build_ledger_version_known(),
        .seed = (uint32_t)random[1],
    };
    return core_open(&node->core, &config, &env, error);
}

static bool start_core(struct node *node, struct error *error)
{
    const struct log_writer_events events = {
        .context = node, .written = on_log_written, .failed = on_log_failed};
    node->log_writer = log_writer_open(node->loop, node->core.log, &events, error);
    return node->log_writer != NULL && core_start(&node->core, error);
}

/* Nothing is there yet that the open could refuse. */
static bool is_first_start(const struct node_options *options)
{
    struct buffer manifest = {0};
    buffer_printf(&manifest, "%s/manifest", options->data);
    buffer_append(&manifest, "", 1);
    bool absent = access((const char *)manifest.data, F_OK) != 0;
    buffer_free(&manifest);
    return absent;
}

bool node_start(struct node *node, uv_loop_t *loop, const struct node_options *options,
                struct error *error)
{
    *node = (struct node){.options = options, .loop = loop, .serving_since_ms = monotonic_ms()};
    node->admission = admission_new();
    arena_init(&node->arena, LIMIT_DECODE_BYTES);
    arena_init(&node->replies, LIMIT_REPLY_ARENA_BYTES);
    if ((is_first_start(options) && !addresses_are_free(options, error)) ||
        !open_core(node, error) || !open_network(node, error) || !start_core(node, error)) {
        return false; /* the process ends: its descriptors and its lock go with it */
    }
    uv_timer_init(loop, &node->replica_timer);
    uv_timer_init(loop, &node->upkeep_timer);
    uv_check_init(loop, &node->turn);
    node->replica_timer.data = node;
    node->upkeep_timer.data = node;
    node->turn.data = node;
    peers_follow(node);
    uv_check_start(&node->turn, on_turn);
    uv_timer_start(&node->upkeep_timer, on_upkeep, CORE_UPKEEP_MS, CORE_UPKEEP_MS);
    arm_replica_timer(node);
    char cluster_id[17];
    snprintf(cluster_id, sizeof cluster_id, "%016" PRIx64, node->core.cluster_id);
    log_info("started", LOG_TEXT("version", HOLDFAST_VERSION), LOG_TEXT("cluster", cluster_id),
             LOG_TEXT("client", options->advertise_client), LOG_TEXT("peer", node->core.address),
             LOG_TEXT("data", options->data),
             LOG_NUMBER("applied", core_applied_index(&node->core)),
             LOG_NUMBER("last", log_store_last_index(node->core.log)));
    return true;
}

/* ---- stop ---- */

static void part_closed(void *context)
{
    struct node *node = context;
    assert(node->closing > 0);
    if (--node->closing > 0) {
        return;
    }
    struct error error;
    uint64_t term = node->core.term;
    /* If not, nothing is lost, the log has it; but somebody should look at the disk. */
    node_must("state", core_close(&node->core, &error), &error);
    admission_free(node->admission);
    arena_free(&node->arena);
    arena_free(&node->replies);
    log_info("stopped", LOG_NUMBER("term", term));
    node->stopped(node->stopped_context);
}

static void handle_closed(uv_handle_t *handle)
{
    part_closed(handle->data);
}

/* Everybody has been answered, or the time for it is over. */
static void close_parts(struct node *node)
{
    if (node->closing > 0) {
        return;
    }
    enum { PARTS = 8 };
    /* One that waits for its index is no part that closes; one that runs must not be waited for:
     * without a drain nobody has stopped it yet. */
    audits_stop(&node->core);
    node->closing = PARTS + (node->core.works > 0 ? 1 : 0);
    core_abandon(&node->core);
    cluster_changes_abandon(node);
    rpc_server_close(node->server, part_closed, node);
    forwarder_close(node->forwarder, part_closed, node);
    bulk_sender_close(&node->bulk_sender, part_closed);
    transport_close(node->transport, part_closed, node);
    log_writer_close(node->log_writer, part_closed, node);
    uv_close((uv_handle_t *)&node->replica_timer, handle_closed);
    uv_close((uv_handle_t *)&node->upkeep_timer, handle_closed);
    uv_close((uv_handle_t *)&node->turn, handle_closed);
}

static void on_drained(void *context)
{
    close_parts(context);
}

static void on_drain_over(uv_timer_t *timer)
{
    struct node *node = timer->data;
    log_warning("stopping", LOG_TEXT("message", "some clients are still connected: cut off"));
    close_parts(node);
}

static void begin_drain(struct node *node)
{
    node->stopping.state = STOPPING_DRAINING;
    audits_stop(&node->core);
    snapshots_abandon(node->core.snapshots); /* the upkeep, which answers them, ends here */
    log_info("draining", LOG_TEXT("message", "no new calls; those that run may end"));
    /* The upkeep's timer has nothing left to do: it bounds the drain. */
    uv_timer_start(&node->upkeep_timer, on_drain_over, DRAIN_MS, 0);
    rpc_server_drain(node->server, on_drained, node);
}

void node_stop(struct node *node, void (*stopped)(void *context), void *context)
{
    if (node->stopping.state != STOPPING_NOT) {
        if (node->closing == 0) {
            log_warning("stopping", LOG_TEXT("message", "told so again: whoever waits is cut off"));
        }
        close_parts(node);
        return;
    }
    node->stopped = stopped;
    node->stopped_context = context;
    log_info("stopping", LOG_TEXT("message", "told to end"));
    rpc_server_set_serving(node->server, "", false);
    rpc_server_set_serving(node->server, "holdfast.v1.Ledger", false);
    if (!stopping_begin(node)) {
        begin_drain(node);
    }
}
