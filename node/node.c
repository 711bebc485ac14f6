/*
 * node.c - wiring and life cycle. The happy path of a command through here: a handler fills the
 * proposer (ledger_service.c); at the end of the turn on_turn submits one entry; replica ->
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
#include <time.h>

#include "disk.h"
#include "peers.h"
#include "service.h"

#define UPKEEP_MS     50
#define DRAIN_MS      10000
#define READ_LOG_MOST 1024
/* What a turn of the loop spends on answering reads: small beside a heartbeat's interval, large
 * beside what a turn costs. */
#define READ_TURN_NS 10000000

static uint64_t monotonic_ms(void)
{
    return uv_hrtime() / 1000000;
}

static int64_t wall_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* A step of the replica failed: Raft rule 2. */
static void must(bool ok, const struct error *error)
{
    if (!ok) {
        log_fatal("replication", error->text);
    }
}

bool node_leads(const struct node *node)
{
    return node->state == REPLICA_LEADER;
}

uint64_t node_applied_index(const struct node *node)
{
    return state_db_applied_index(node->db);
}

void node_describe_leader(const struct node *node, char *text, size_t size)
{
    const char *address = forwarder_leader(node->forwarder);
    if (address != NULL) {
        snprintf(text, size, "leadership has moved to %s; nothing was executed, try again",
                 address);
    } else {
        snprintf(text, size,
                 "leadership is lost and no new leader is known; nothing was executed, try again");
    }
}

/* ---- what the replica asks of its node (raft/replica.h) ---- */

static bool env_store_hard_state(void *context, uint64_t term, uint64_t voted_for,
                                 struct error *error)
{
    struct node *node = context;
    return data_directory_store_hard_state(node->directory, term, voted_for, error);
}

static void env_write_log(void *context, uint64_t generation, uint64_t first_index,
                          struct entry *const *entries, size_t count)
{
    struct node *node = context;
    if (!log_writer_queue(node->log_writer, generation, first_index, entries, count)) {
        log_fatal("log",
                  "the queue of the log's thread is full: the disk is far too slow, or the replica "
                  "broke its in-flight bound");
    }
}

static size_t env_read_log(void *context, uint64_t first_index, size_t max_count, size_t max_bytes,
                           struct entry **entries, struct error *error)
{
    struct node *node = context;
    struct log_record records[READ_LOG_MOST];
    struct buffer memory = {0};
    size_t count = log_store_read(node->log, first_index,
                                  max_count < READ_LOG_MOST ? max_count : READ_LOG_MOST, max_bytes,
                                  records, &memory, error);
    for (size_t i = 0; i < count; i++) {
        entries[i] = entry_new_copy(records[i].index, records[i].term,
                                    (enum entry_type)records[i].type, records[i].data);
    }
    buffer_free(&memory);
    return count;
}

static void env_send(void *context, uint64_t peer_id, const struct peer_message *message)
{
    struct node *node = context;
    transport_send(node->transport, peer_id, message);
}

struct applying {
    struct node *node;
    const struct entry *entry;
};

static void on_result(void *context, uint32_t position, const struct ledger_result *result)
{
    (void)position;
    const struct applying *applying = context;
    proposer_result(applying->node->proposer, applying->entry->index, applying->entry->term,
                    result);
}

static bool env_apply(void *context, const struct entry *entry, struct error *error)
{
    struct node *node = context;
    struct applying applying = {node, entry};
    if (entry->type == ENTRY_COMMAND &&
        !ledger_apply(node->ledger, entry->index, entry->data, on_result, &applying, error)) {
        return error_wrap(error, "entry %" PRIu64 " can't be applied", entry->index);
    }
    if (!state_db_commit(node->db, entry->index, error)) {
        return false;
    }
    proposer_applied(node->proposer, entry->index, entry->term);
    return true;
}

static void env_make_barrier(void *context, uint64_t term, struct buffer *out)
{
    struct node *node = context;
    (void)term;
    struct ledger_entry_header header = {.format = LEDGER_ENTRY_FORMAT,
                                         .ledger_version = LEDGER_VERSION};
    ledger_clock_lead(&node->clock, monotonic_ms(), wall_ms(), ledger_time_ms(node->ledger),
                      &header.time_ms, &header.outage_credit_ms);
    ledger_entry_begin(out, &header);
    ledger_entry_finish(out, 0);
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
    if (node->leader_id != 0 && node->leader_id != node->options->id) {
        address = transport_client_address(node->transport, node->leader_id);
    }
    forwarder_set_leader(node->forwarder, address);
}

static void env_state_changed(void *context, enum replica_state state, uint64_t term,
                              uint64_t leader_id)
{
    struct node *node = context;
    bool led = node_leads(node) && (state != REPLICA_LEADER || term != node->term);
    if (state == node->state && term == node->term && leader_id == node->leader_id) {
        return;
    }
    node->state = state;
    node->term = term;
    node->leader_id = leader_id;
    node->registered_count = 0;
    log_info("role", LOG_TEXT("state", state_name(state)), LOG_NUMBER("term", term),
             LOG_NUMBER("leader", leader_id));
    if (node->forwarder != NULL) {
        node_follow_leader(node);
    }
    if (led) {
        char words[256];
        node_describe_leader(node, words, sizeof words);
        proposer_abandon(node->proposer, words);
    }
}

/* ---- what the proposer asks ---- */

static bool proposer_can_submit(void *context)
{
    struct node *node = context;
    return node_leads(node) && replica_can_submit(node->replica);
}

static void proposer_stamp(void *context, struct ledger_entry_header *header)
{
    struct node *node = context;
    header->time_ms = ledger_clock_stamp(&node->clock, monotonic_ms(), wall_ms());
}

static void proposer_submit(void *context, struct entry *entry, uint64_t *index, uint64_t *term)
{
    struct node *node = context;
    struct error error;
    *term = node->term;
    must(replica_submit(node->replica, entry, monotonic_ms(), index, &error), &error);
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
    uint64_t next = proposer_has_answers(node->proposer) ? now : replica_next_ms(node->replica);
    uv_update_time(node->loop);
    uv_timer_start(&node->replica_timer, on_replica_timer, next > now ? next - now : 0, 0);
}

/* A turn that takes as long as this endangers the leadership: an operator should see it. */
static void note_slow_turn(struct node *node, uint64_t now)
{
    uint64_t since = uv_now(node->loop); /* when this turn's events were fetched */
    if (now - since >= node->options->election_timeout_ms / 3 && now - node->last_slow_ms >= 1000) {
        node->last_slow_ms = now;
        log_warning("slow-turn", LOG_NUMBER("ms", now - since));
    }
}

/* As many reads as fit a turn; at least one, so that it goes on. */
static void answer_reads(struct node *node)
{
    uint64_t end = uv_hrtime() + READ_TURN_NS;
    while (proposer_answer_read(node->proposer) && uv_hrtime() < end) {
    }
}

static void on_turn(uv_check_t *turn)
{
    struct node *node = turn->data;
    struct error error;
    if (node->closing > 0) {
        return;
    }
    uint64_t now = monotonic_ms();
    note_slow_turn(node, now);
    must(replica_tick(node->replica, now, &error), &error);
    answer_reads(node);
    proposer_flush(node->proposer);
    arm_replica_timer(node);
}

static void on_log_written(void *context, uint64_t generation, uint64_t last_index)
{
    struct node *node = context;
    struct error error;
    if (node->closing == 0) {
        must(replica_log_written(node->replica, generation, last_index, monotonic_ms(), &error),
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
    bool from_leader = message->type == PEER_APPEND_ENTRIES;
    uint64_t now = monotonic_ms();
    must(replica_receive(node->replica, peer_id, message, now, &error), &error);
    if (from_leader && node->leader_id == peer_id) {
        ledger_clock_contact(&node->clock, now);
    }
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

static void on_upkeep(uv_timer_t *timer)
{
    struct node *node = timer->data;
    bool serving = node_leads(node) || forwarder_leader(node->forwarder) != NULL;
    if (!node->stopping && serving != node->serving) {
        node->serving = serving;
        rpc_server_set_serving(node->server, "", serving);
        rpc_server_set_serving(node->server, "holdfast.v1.Ledger", serving);
    }
    node_follow_leader(node);
    struct replica_status status;
    replica_status_get(node->replica, &status);
    if (node_leads(node)) {
        ledger_clock_leading(&node->clock, monotonic_ms());
    }
    if (node_leads(node) && status.barrier_applied) {
        peers_register(node);
        if (ledger_next_due_ms(node->ledger) <= ledger_clock_peek(&node->clock, monotonic_ms()) &&
            status.applied_index == status.last_index) {
            proposer_want_tick(node->proposer);
        }
        proposer_flush(node->proposer);
    }
}

/* ---- start ---- */

static bool open_network(struct node *node, struct error *error)
{
    const struct transport_config transport = {
        .cluster_id = node->cluster_id,
        .node_id = node->options->id,
        .incarnation = data_directory_incarnation(node->directory),
        .listen_address = node->options->peer_address,
        .client_address = node->options->advertise_client,
        .members = node->options->members,
        .member_count = node->options->member_count,
    };
    const struct transport_events events = {
        .context = node,
        .received = on_peer_message,
        .connected = peers_connected,
        .disconnected = peers_disconnected,
        .admit = peers_admit,
        .refused = peers_refused,
        .turned_away = peers_turned_away,
    };
    node->transport = transport_open(node->loop, &transport, &events, error);
    if (node->transport == NULL) {
        return false;
    }
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

static bool open_replica(struct node *node, const struct node_disk *found, struct error *error)
{
    const struct log_writer_events events = {
        .context = node, .written = on_log_written, .failed = on_log_failed};
    node->log_writer = log_writer_open(node->loop, node->log, &events, error);
    if (node->log_writer == NULL) {
        return false;
    }
    const struct proposer_env proposer = {
        .context = node,
        .can_submit = proposer_can_submit,
        .stamp = proposer_stamp,
        .submit = proposer_submit,
        .answer_read = ledger_service_answer_read,
    };
    node->proposer = proposer_new(&proposer);
    const struct replica_env env = {
        .context = node,
        .store_hard_state = env_store_hard_state,
        .write_log = env_write_log,
        .read_log = env_read_log,
        .send = env_send,
        .apply = env_apply,
        .make_barrier = env_make_barrier,
        .state_changed = env_state_changed,
    };
    /* The incarnation is random and this node's own: as good a seed as any, and different on each
     * node. */
    const uint64_t incarnation = data_directory_incarnation(node->directory);
    const struct replica_config config = {
        .id = node->options->id,
        .address = node->options->advertise_peer,
        .members = node->options->members,
        .member_count = node->options->member_count,
        .election_timeout_ms = node->options->election_timeout_ms,
        .heartbeat_ms = node->options->heartbeat_ms,
        .seed = (uint32_t)(incarnation ^ incarnation >> 32 ^ uv_hrtime()),
    };
    node->replica = replica_open(&config, &env, error);
    if (node->replica == NULL) {
        return false;
    }
    const struct replica_disk disk = {
        .term = data_directory_term(node->directory),
        .voted_for = data_directory_voted_for(node->directory),
        .entries = found->entries,
        .entry_count = found->count,
        .applied_index = state_db_applied_index(node->db),
    };
    return replica_start(node->replica, &disk, monotonic_ms(), error);
}

bool node_start(struct node *node, uv_loop_t *loop, const struct node_options *options,
                struct error *error)
{
    *node = (struct node){.options = options, .loop = loop, .state = REPLICA_FOLLOWER};
    node->admission = admission_new();
    arena_init(&node->arena, LIMIT_DECODE_BYTES);
    arena_init(&node->replies, LIMIT_REPLY_ARENA_BYTES);
    struct buffer bootstrap = {0};
    bool ok = replica_bootstrap_entry(options->members, options->member_count, &bootstrap,
                                      &node->cluster_id, error);
    buffer_free(&bootstrap);
    struct node_disk disk = {0};
    ok = ok && node_disk_open(node, &disk, error) && open_network(node, error) &&
         open_replica(node, &disk, error);
    node_disk_free(&disk);
    if (!ok) {
        return false; /* the process ends: its descriptors and its lock go with it */
    }
    uv_timer_init(loop, &node->replica_timer);
    uv_timer_init(loop, &node->upkeep_timer);
    uv_check_init(loop, &node->turn);
    node->replica_timer.data = node;
    node->upkeep_timer.data = node;
    node->turn.data = node;
    uv_check_start(&node->turn, on_turn);
    uv_timer_start(&node->upkeep_timer, on_upkeep, UPKEEP_MS, UPKEEP_MS);
    arm_replica_timer(node);
    char cluster_id[17];
    snprintf(cluster_id, sizeof cluster_id, "%016" PRIx64, node->cluster_id);
    log_info("started", LOG_TEXT("version", HOLDFAST_VERSION), LOG_TEXT("cluster", cluster_id),
             LOG_TEXT("client", options->advertise_client),
             LOG_TEXT("peer", options->advertise_peer), LOG_TEXT("data", options->data),
             LOG_NUMBER("applied", state_db_applied_index(node->db)),
             LOG_NUMBER("last", log_store_last_index(node->log)));
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
    replica_close(node->replica);
    proposer_free(node->proposer);
    ledger_close(node->ledger);
    if (!state_db_close(node->db, &error)) {
        /* Nothing is lost, the log has it; but somebody should look at the disk. */
        log_fatal("state", error.text);
    }
    log_store_close(node->log);
    data_directory_close(node->directory);
    admission_free(node->admission);
    arena_free(&node->arena);
    arena_free(&node->replies);
    log_info("stopped", LOG_NUMBER("term", node->term));
    node->stopped(node->stopped_context);
}

static void handle_closed(uv_handle_t *handle)
{
    part_closed(handle->data);
}

void node_audit_ended(struct node *node)
{
    node->audits--;
    if (node->closing > 0) {
        part_closed(node);
    }
}

/* Everybody has been answered, or the time for it is over. */
static void close_parts(struct node *node)
{
    if (node->closing > 0) {
        return;
    }
    enum { PARTS = 7 };
    node->closing = PARTS + node->audits;
    proposer_abandon(node->proposer, "this node is stopping; nothing was executed");
    rpc_server_close(node->server, part_closed, node);
    forwarder_close(node->forwarder, part_closed, node);
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

void node_stop(struct node *node, void (*stopped)(void *context), void *context)
{
    if (node->stopping) {
        return;
    }
    node->stopping = true;
    node->stopped = stopped;
    node->stopped_context = context;
    log_info("stopping", LOG_TEXT("message", "no new calls; those that run may end"));
    rpc_server_set_serving(node->server, "", false);
    rpc_server_set_serving(node->server, "holdfast.v1.Ledger", false);
    /* The upkeep's timer has nothing left to do: it bounds the drain. */
    uv_timer_start(&node->upkeep_timer, on_drain_over, DRAIN_MS, 0);
    rpc_server_drain(node->server, on_drained, node);
}
