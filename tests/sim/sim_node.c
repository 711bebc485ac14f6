/*
 * sim_node.c - the replica's environment, simulated, with checks at every call.
 */
#include "sim_node.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/codec.h"

#define PROPOSAL_MARK 0x70726f70u
#define BARRIER_MARK  0x62617272u

static uint64_t clock_ms(const struct sim_node *node)
{
    return (node->world->now_us + node->clock_offset_us) / 1000;
}

/* Is this the call at which the node crashes? */
static bool is_crashing(struct sim_node *node)
{
    if (!node->crashing && node->calls_to_crash > 0 && --node->calls_to_crash == 0) {
        node->crashing = true;
        world_note(node->world, "crash inside a turn", node->number, 0, 0);
    }
    return node->crashing;
}

/* ---- the replica's environment ---- */

static bool store_hard_state(void *context, uint64_t term, uint64_t voted_for, struct error *error)
{
    struct sim_node *node = context;
    bool was_crashing = node->crashing;
    if (is_crashing(node)) {
        /* The crash comes before the sync, or right behind it. */
        if (!was_crashing && sim_random_chance(&node->world->random, 500)) {
            sim_disk_store_hard_state(&node->disk, term, voted_for);
        }
        return error_set(error, "crash");
    }
    sim_disk_store_hard_state(&node->disk, term, voted_for);
    return true;
}

static void write_log(void *context, uint64_t generation, uint64_t first_index,
                      struct entry *const *entries, size_t count)
{
    struct sim_node *node = context;
    if (!is_crashing(node)) {
        world_note(node->world, "write", node->number, first_index, first_index + count - 1);
        sim_disk_write(&node->disk, generation, first_index, entries, count);
    }
}

static size_t read_log(void *context, uint64_t first_index, size_t max_count, size_t max_bytes,
                       struct entry **entries, struct error *error)
{
    struct sim_node *node = context;
    if (is_crashing(node)) {
        error_set(error, "crash");
        return 0;
    }
    return sim_disk_read(&node->disk, first_index, max_count, max_bytes, entries);
}

/* Rules 3 and 4, seen from outside: what leaves a node is on its disk. */
static void check_message(struct sim_node *node, size_t to, const struct peer_message *message)
{
    const struct sim_disk *disk = &node->disk;
    uint64_t term = 0;
    switch (message->type) {
    case PEER_REQUEST_VOTE:
        term = message->sent_term;
        break;
    case PEER_REQUEST_VOTE_RESULT:
        if (message->request_vote_result.vote_granted && !message->request_vote_result.pre_vote) {
            term = message->request_vote_result.term;
            if (disk->term != term || disk->voted_for != to + 1) {
                world_fail(node->world,
                           "node %zu grants a vote in term %" PRIu64 " that it has not stored",
                           node->number, term);
            }
        }
        break;
    case PEER_APPEND_ENTRIES:
        term = message->append_entries.term;
        break;
    case PEER_APPEND_ENTRIES_RESULT:
        term = message->append_entries_result.term;
        if (message->append_entries_result.rejected == 0 &&
            message->append_entries_result.last_log_index > disk->log.last) {
            world_fail(node->world,
                       "node %zu acknowledges entry %" PRIu64 ", its disk ends at %" PRIu64,
                       node->number, message->append_entries_result.last_log_index, disk->log.last);
        }
        break;
    case PEER_TIMEOUT_NOW:
        term = message->timeout_now.term;
        break;
    case PEER_INSTALL_SNAPSHOT: /* nobody takes one here */
    case PEER_READ_INDEX:
    case PEER_READ_ASK:
        term = message->sent_term;
        break;
    case PEER_READ_INDEX_RESULT:
        term = message->read_index_result.term;
        break;
    case PEER_READ_ANSWER:
    case PEER_CHECKPOINT_ASK:
    case PEER_CHECKPOINT_PART:
        break;
    }
    if (term > disk->term) {
        world_fail(node->world, "node %zu speaks in term %" PRIu64 ", its disk knows term %" PRIu64,
                   node->number, term, disk->term);
    }
}

static void send_message(void *context, uint64_t peer_id, const struct peer_message *message)
{
    struct sim_node *node = context;
    if (is_crashing(node)) {
        return;
    }
    if (peer_id == 0 || peer_id > node->node_count || peer_id == node->number + 1) {
        world_fail(node->world, "node %zu sends to the stranger %" PRIu64, node->number, peer_id);
        return;
    }
    check_message(node, (size_t)peer_id - 1, message);
    sim_net_send(node->net, node->number, (size_t)peer_id - 1, message);
}

static uint64_t proposal_of(const struct entry *entry)
{
    struct reader in = reader_of(entry->data);
    if (entry->type != ENTRY_COMMAND || read_u32(&in) != PROPOSAL_MARK) {
        return 0;
    }
    return read_u64(&in);
}

static void acknowledge(struct sim_node *node, const struct entry *entry, uint64_t proposal)
{
    while (node->pending_count > 0 && node->pending[0].index <= entry->index) {
        struct sim_proposal first = node->pending[0];
        node->pending_count--;
        memmove(node->pending, node->pending + 1, node->pending_count * sizeof first);
        if (first.index == entry->index && first.term == entry->term) {
            if (first.id != proposal) {
                world_fail(node->world,
                           "entry %" PRIu64 " of term %" PRIu64 " is proposal %" PRIu64
                           ", not %" PRIu64,
                           entry->index, entry->term, proposal, first.id);
            }
            uint64_t waited_us = node->world->now_us - first.at_us;
            node->worst_ack_us = waited_us > node->worst_ack_us ? waited_us : node->worst_ack_us;
            node->acknowledged_count++;
            checks_acknowledged(node->checks, proposal);
        }
    }
}

static void note_commit(struct sim_node *node)
{
    struct replica_status status;
    replica_status_get(node->replica, &status);
    checks_commit(node->checks, node->number, node->commit_seen, status.commit_index);
    node->commit_seen = status.commit_index;
}

static bool apply(void *context, const struct entry *entry, struct error *error)
{
    struct sim_node *node = context;
    if (is_crashing(node)) {
        return error_set(error, "crash");
    }
    if (entry->index != node->state.applied_index + 1) {
        world_fail(node->world, "node %zu applies entry %" PRIu64 " behind %" PRIu64, node->number,
                   entry->index, node->state.applied_index);
    }
    note_commit(node);
    uint64_t proposal = proposal_of(entry);
    world_note(node->world, "apply", node->number, entry->index, proposal);
    node->state.hash = checks_apply(node->checks, node->number, node->state.hash, entry, proposal);
    node->state.applied_index = entry->index;
    acknowledge(node, entry, proposal);
    if (sim_random_chance(&node->world->random, node->flush_permille)) {
        node->flushed = node->state;
    }
    return true;
}

static void make_barrier(void *context, uint64_t term, struct buffer *out)
{
    (void)context;
    write_u32(out, BARRIER_MARK);
    write_u64(out, term);
}

static void state_changed(void *context, enum replica_state state, uint64_t term,
                          uint64_t leader_id)
{
    struct sim_node *node = context;
    if (node->crashing) {
        return;
    }
    static const char *const names[] = {"", "follower", "candidate", "LEADER"};
    world_note(node->world, names[state], node->number, term, leader_id);
    if (state == REPLICA_LEADER) {
        checks_leader(node->checks, node->number, term);
    }
    node->pending_count = 0; /* outcome unknown */
}

/* ---- calls into the replica ---- */

static void wake(void *owner, void *payload);

static void after_call(struct sim_node *node, bool succeeded, const struct error *error)
{
    if (node->crashing) {
        sim_node_crash(node);
        return;
    }
    if (!succeeded) {
        world_fail(node->world, "node %zu has stopped: %s", node->number, error->text);
        return;
    }
    note_commit(node);
    uint64_t next_us = replica_next_ms(node->replica) * 1000 - node->clock_offset_us;
    if (replica_next_ms(node->replica) <= clock_ms(node)) {
        next_us = node->world->now_us + 50; /* at once: one turn of a loop */
    }
    if (node->wake_at_us == 0 || next_us < node->wake_at_us) {
        node->wake_at_us = next_us;
        world_at(node->world, next_us, wake, node, memory_copy(&node->life, sizeof node->life),
                 free);
    }
}

static void wake(void *owner, void *payload)
{
    struct sim_node *node = owner;
    struct error error;
    uint64_t life = *(uint64_t *)payload;
    if (life != node->life || node->replica == NULL) {
        free(payload);
        return;
    }
    if (node->world->now_us < node->paused_until_us) {
        world_at(node->world, node->paused_until_us, wake, node, payload, free);
        return;
    }
    free(payload);
    if (node->world->now_us >= node->wake_at_us) {
        node->wake_at_us = 0;
    }
    after_call(node, replica_tick(node->replica, clock_ms(node), &error), &error);
}

/* Completions that came while the node was paused: they keep their order. */
static void complete_late(void *owner, void *payload)
{
    struct sim_node *node = owner;
    struct error error;
    uint64_t life = *(uint64_t *)payload;
    if (life == node->life && node->world->now_us < node->paused_until_us) {
        world_at(node->world, node->paused_until_us, complete_late, node, payload, free);
        return;
    }
    free(payload);
    size_t done = 0;
    while (life == node->life && done < node->late_count) {
        struct sim_completion late = node->late[done++];
        after_call(node,
                   replica_log_written(node->replica, late.generation, late.last_index,
                                       clock_ms(node), &error),
                   &error);
    }
    if (life == node->life) {
        node->late_count = 0;
    }
}

static void log_written(void *context, uint64_t generation, uint64_t last_index)
{
    struct sim_node *node = context;
    struct error error;
    if (node->replica == NULL) {
        return;
    }
    if (node->world->now_us < node->paused_until_us || node->late_count > 0) {
        if (node->late_count == 0) {
            world_at(node->world, node->paused_until_us, complete_late, node,
                     memory_copy(&node->life, sizeof node->life), free);
        }
        if (node->late_count == SIM_LATE) {
            world_fail(node->world, "node %zu has more than %d writes in flight", node->number,
                       SIM_LATE);
            return;
        }
        node->late[node->late_count++] = (struct sim_completion){generation, last_index};
        return;
    }
    after_call(node,
               replica_log_written(node->replica, generation, last_index, clock_ms(node), &error),
               &error);
}

struct arrival {
    size_t from;
    struct peer_message message;
};

static void arrival_free(void *payload)
{
    struct arrival *arrival = payload;
    peer_message_free(&arrival->message);
    free(arrival);
}

static void receive_later(void *owner, void *payload)
{
    struct arrival *arrival = payload;
    sim_node_receive(owner, arrival->from, &arrival->message);
    free(arrival);
}

void sim_node_receive(struct sim_node *node, size_t from, struct peer_message *message)
{
    struct error error;
    if (node->replica == NULL) {
        peer_message_free(message);
        return;
    }
    if (node->world->now_us < node->paused_until_us) {
        struct arrival arrival = {from, *message};
        world_at(node->world, node->paused_until_us, receive_later, node,
                 memory_copy(&arrival, sizeof arrival), arrival_free);
        return;
    }
    world_note(node->world, "receive", node->number, from, (uint64_t)message->type);
    after_call(node, replica_receive(node->replica, from + 1, message, clock_ms(node), &error),
               &error);
}

void sim_node_connected(struct sim_node *node, size_t to)
{
    if (node->replica != NULL) {
        world_note(node->world, "connected", node->number, to, 0);
        replica_peer_connected(node->replica, to + 1);
    }
}

bool sim_node_submit(struct sim_node *node, uint64_t id, size_t bytes)
{
    struct error error;
    struct buffer data = {0};
    struct replica_status status;
    if (node->replica == NULL || node->world->now_us < node->paused_until_us ||
        !replica_can_submit(node->replica)) {
        return false;
    }
    if (node->pending_count == SIM_PENDING) {
        world_fail(node->world, "node %zu takes more than %d proposals at once", node->number,
                   SIM_PENDING);
        return false;
    }
    write_u32(&data, PROPOSAL_MARK);
    write_u64(&data, id);
    memset(buffer_reserve(&data, bytes), (int)(id & 0xff), bytes);
    data.len += bytes;
    replica_status_get(node->replica, &status);
    struct sim_proposal *proposal = &node->pending[node->pending_count++];
    *proposal = (struct sim_proposal){id, status.last_index + 1, status.term, node->world->now_us};
    world_note(node->world, "submit", node->number, proposal->index, id);
    uint64_t expected = proposal->index;
    uint64_t index = 0;
    bool submitted = replica_submit(node->replica, entry_new_take(ENTRY_COMMAND, &data),
                                    clock_ms(node), &index, &error);
    if (submitted && index != expected) {
        world_fail(node->world,
                   "node %zu: proposal %" PRIu64 " got index %" PRIu64 ", not %" PRIu64,
                   node->number, id, index, expected);
    }
    after_call(node, submitted, &error);
    return true;
}

bool sim_node_is_leader(const struct sim_node *node)
{
    struct replica_status status;
    if (node->replica == NULL) {
        return false;
    }
    replica_status_get(node->replica, &status);
    return status.state == REPLICA_LEADER;
}

/* ---- life ---- */

void sim_node_init(struct sim_node *node, struct world *world, struct sim_net *net,
                   struct checks *checks, size_t number, size_t node_count)
{
    *node = (struct sim_node){.world = world,
                              .net = net,
                              .checks = checks,
                              .number = number,
                              .node_count = node_count,
                              .flush_permille = 50};
    sim_disk_init(&node->disk, world, number, log_written, node);
}

void sim_node_free(struct sim_node *node)
{
    replica_close(node->replica);
    sim_disk_free(&node->disk);
}

void sim_node_start(struct sim_node *node)
{
    struct replica_member members[LIMIT_NODES];
    char addresses[LIMIT_NODES][32];
    struct error error;
    if (node->replica != NULL || node->held_down || node->world->failed) {
        return;
    }
    for (size_t i = 0; i < node->node_count; i++) {
        size_t k = (i + node->number) % node->node_count; /* each node is told another order */
        snprintf(addresses[i], sizeof addresses[i], "n%zu", k + 1);
        members[i] = (struct replica_member){k + 1, REPLICA_VOTER, addresses[i]};
    }
    struct replica_config config = {
        .id = node->number + 1,
        .address = addresses[0],
        .members = members,
        .member_count = node->node_count,
        .seed = (uint32_t)random_next(&node->world->random),
    };
    struct replica_env env = {
        .context = node,
        .store_hard_state = store_hard_state,
        .write_log = write_log,
        .read_log = read_log,
        .send = send_message,
        .apply = apply,
        .make_barrier = make_barrier,
        .state_changed = state_changed,
    };
    struct replica_disk disk = {
        .term = node->disk.term,
        .voted_for = node->disk.voted_for,
        .entries = node->disk.log.entries,
        .entry_count = (size_t)node->disk.log.last,
        .applied_index = node->flushed.applied_index,
    };
    node->life++;
    node->state = node->flushed;
    node->commit_seen = 0;
    node->pending_count = 0;
    node->wake_at_us = 0;
    node->paused_until_us = 0;
    node->late_count = 0;
    node->clock_offset_us = sim_random_below(&node->world->random, 1000000000);
    world_note(node->world, "start", node->number, node->disk.log.last, node->state.applied_index);
    node->replica = replica_open(&config, &env, &error);
    if (node->replica == NULL) {
        world_fail(node->world, "node %zu does not open: %s", node->number, error.text);
        return;
    }
    after_call(node, replica_start(node->replica, &disk, clock_ms(node), &error), &error);
    for (size_t i = 0; i < node->node_count && node->replica != NULL; i++) {
        if (i != node->number) {
            sim_net_break(node->net, node->number, i, true);
            sim_net_break(node->net, i, node->number, true);
        }
    }
}

void sim_node_crash(struct sim_node *node)
{
    if (node->replica == NULL) {
        return;
    }
    world_note(node->world, "crash", node->number, node->disk.log.last, node->disk.pending);
    replica_close(node->replica);
    node->replica = NULL;
    node->crashing = false;
    node->calls_to_crash = 0;
    node->life++;
    node->pending_count = 0;
    sim_disk_crash(&node->disk);
    for (size_t i = 0; i < node->node_count; i++) {
        if (i != node->number) {
            sim_net_break(node->net, node->number, i, false);
            sim_net_break(node->net, i, node->number, false);
        }
    }
}

void sim_node_pause(struct sim_node *node, uint64_t until_us)
{
    if (node->replica != NULL && until_us > node->paused_until_us) {
        world_note(node->world, "pause", node->number, until_us - node->world->now_us, 0);
        node->paused_until_us = until_us;
    }
}
