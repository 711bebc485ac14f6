/*
 * replica.c - the public calls, and the turn around each.
 *
 * A turn: what happened is fed to libraft; then the CONFIGURATION events that it committed (rule
 * 8), the barrier if we have become leader and owe it (rule 10), what may be applied (rule 9), and
 * the tail is brought back to its bounds. Each call runs a whole turn; none may be made from within
 * one (rule 1).
 *
 * A turn that fails has broken the replica: every later call fails with the same words, for the
 * process must stop (rule 2).
 */
#include <assert.h>
#include <inttypes.h>

#include "base/planted.h"
#include "configuration.h"
#include "replica_internal.h"

bool replica_turn_begin(struct replica *replica, uint64_t now_ms, struct error *error)
{
    assert(!replica->in_turn); /* a callback of the env has called back: rule 1 */
    if (replica->broken) {
        *error = replica->failure;
        return false;
    }
    if (now_ms < replica->now_ms) {
        replica->broken = true;
        error_set(&replica->failure,
                  "the monotonic clock went back from %" PRIu64 " ms to %" PRIu64 " ms",
                  replica->now_ms, now_ms);
        *error = replica->failure;
        return false;
    }
    replica->now_ms = now_ms;
    replica->in_turn = true;
    return true;
}

static bool submit_barrier_if_owed(struct replica *replica, struct error *error)
{
    struct buffer bytes = {0};
    if (replica->state != REPLICA_LEADER || replica->barrier_term == replica->term) {
        return true;
    }
    replica->env.make_barrier(replica->env.context, replica->term, &bytes);
    struct entry *barrier = entry_new_take(ENTRY_COMMAND, &bytes);
    replica->barrier_term = replica->term;
    if (PLANTED(NO_BARRIER)) {
        entry_release(barrier);
        return true;
    }
    return replica_submit_entry(replica, barrier, &replica->barrier_index, error);
}

bool replica_turn_end(struct replica *replica, bool succeeded, struct error *error)
{
    /* The configurations come before and behind the barrier: a lone voter's commits at once. */
    succeeded = succeeded && replica_feed_configurations(replica, error) &&
                submit_barrier_if_owed(replica, error) &&
                replica_feed_configurations(replica, error) &&
                replica_apply_committed(replica, error) && replica_transfer_step(replica, error);
    if (succeeded) {
        replica_install_when_quiet(replica);
        replica_freshness_settle(replica);
        replica->evicted_count += tail_evict(&replica->tail, replica->durable_index);
    } else {
        replica->broken = true;
        replica->failure = *error;
    }
    replica->in_turn = false;
    return succeeded;
}

bool replica_start(struct replica *replica, const struct replica_disk *disk, uint64_t now_ms,
                   struct error *error)
{
    assert(!replica->started);
    if (!replica_turn_begin(replica, now_ms, error)) {
        return false;
    }
    replica->started = true;
    return replica_turn_end(replica, replica_start_from(replica, disk, error), error);
}

bool replica_receive(struct replica *replica, uint64_t peer_id, struct peer_message *message,
                     uint64_t now_ms, struct error *error)
{
    assert(replica->started);
    bool received = replica_turn_begin(replica, now_ms, error);
    if (received) {
        received = replica_turn_end(
            replica, replica_receive_message(replica, peer_id, message, error), error);
    }
    peer_message_free(message);
    return received;
}

void replica_peer_connected(struct replica *replica, uint64_t peer_id)
{
    assert(replica->started && !replica->in_turn);
    struct replica_peer *peer = replica_peer_slot(replica, peer_id);
    if (peer != NULL) {
        peer->asked = false;
        peer->clock_ms = 0; /* it may have started anew, with its machine and its clock */
    }
}

/* Takes the completed write out of the queue: those before it are done too, for the log is FIFO. */
static bool complete_writes(struct replica *replica, uint64_t generation, uint64_t last_index)
{
    while (replica->write_count > 0) {
        struct replica_write write = replica->writes[replica->write_head];
        replica->write_head = (replica->write_head + 1) % LIMIT_LOG_WRITES;
        replica->write_count--;
        if (write.generation == generation && write.last_index == last_index) {
            return true;
        }
    }
    return false;
}

static bool log_written(struct replica *replica, uint64_t generation, uint64_t last_index,
                        struct error *error)
{
    if (!complete_writes(replica, generation, last_index)) {
        return error_set(error,
                         "the log reports a write up to %" PRIu64 " of generation %" PRIu64
                         " that was not asked for",
                         last_index, generation);
    }
    if (generation != replica->generation && !PLANTED(OLD_GENERATION_COMPLETION)) {
        return true; /* rule 4: of entries that are gone */
    }
    assert(last_index > replica->durable_index && last_index <= replica->last_index);
    replica_became_durable(replica, last_index);
    if (last_index <= replica->raft.last_stored) {
        return true; /* entry 1 of a new node, durable for libraft since START */
    }
    if (replica->state == REPLICA_CANDIDATE) {
        return error_set(error, "a write up to %" PRIu64 " completes while we are candidate",
                         last_index);
    }
    struct raft_event event = {.type = RAFT_PERSISTED_ENTRIES,
                               .persisted_entries = {.index = last_index}};
    return replica_feed(replica, &event, NULL, 0, error);
}

bool replica_log_written(struct replica *replica, uint64_t generation, uint64_t last_index,
                         uint64_t now_ms, struct error *error)
{
    assert(replica->started);
    return replica_turn_begin(replica, now_ms, error) &&
           replica_turn_end(replica, log_written(replica, generation, last_index, error), error);
}

static bool tick(struct replica *replica, struct error *error)
{
    if (replica->now_ms < replica->timer_ms && !PLANTED(EARLY_TIMEOUT)) {
        return true; /* rule 14: never early */
    }
    struct raft_event event = {.type = RAFT_TIMEOUT};
    replica->last_timeout_ms = replica->now_ms;
    replica_begin_lone_term(replica);
    return replica_feed(replica, &event, NULL, 0, error);
}

bool replica_tick(struct replica *replica, uint64_t now_ms, struct error *error)
{
    assert(replica->started);
    /* A new turn of the owner's loop: a new allowance for this call and the others. */
    replica->applied_entries = 0;
    replica->applied_bytes = 0;
    if (!replica_turn_begin(replica, now_ms, error)) {
        return false;
    }
    bool ticked = tick(replica, error);
    if (ticked) {
        replica_reads_tick(replica);
        replica_freshness_tick(replica);
    }
    return replica_turn_end(replica, ticked, error);
}

uint64_t replica_next_ms(const struct replica *replica)
{
    uint64_t reads_ms = replica_reads_next_ms(replica);
    if (replica_has_more_to_apply(replica)) {
        return replica->now_ms;
    }
    return reads_ms < replica->timer_ms ? reads_ms : replica->timer_ms;
}

static size_t inflight_entries(const struct replica *replica)
{
    uint64_t done = replica->applied_index + 1 > replica->own_first_index
                        ? replica->applied_index
                        : replica->own_first_index - 1;
    return (size_t)(replica->last_index - done);
}

bool replica_can_submit(const struct replica *replica)
{
    return replica->started && !replica->broken && replica->state == REPLICA_LEADER &&
           replica->barrier_term == replica->term &&
           (replica->transfer.to == 0 || PLANTED(SUBMIT_WHILE_TRANSFERRING)) &&
           inflight_entries(replica) < replica->limits.inflight_entries &&
           replica->inflight_bytes < replica->limits.inflight_bytes &&
           /* What earlier leaderships wrote may still wait for a slow disk. */
           replica->write_count < LIMIT_LOG_WRITES / 2;
}

bool replica_submit_entry(struct replica *replica, struct entry *entry, uint64_t *index,
                          struct error *error)
{
    entry->index = replica->last_index + 1;
    entry->term = replica->term;
    *index = entry->index;
    bool submitted = false;
    struct raft_entry *entries = replica_raft_entries(replica, &entry, 1, error);
    if (entries != NULL) {
        struct raft_event event = {.type = RAFT_SUBMIT, .submit = {.entries = entries, .n = 1}};
        submitted = replica_feed(replica, &event, &entry, 1, error);
    }
    entry_release(entry);
    return submitted;
}

bool replica_submit_in_turn(struct replica *replica, struct entry *entry, uint64_t now_ms,
                            uint64_t *index, struct error *error)
{
    if (!replica_turn_begin(replica, now_ms, error)) {
        entry_release(entry);
        return false;
    }
    return replica_turn_end(replica, replica_submit_entry(replica, entry, index, error), error);
}

bool replica_submit(struct replica *replica, struct entry *entry, uint64_t now_ms, uint64_t *index,
                    struct error *error)
{
    assert(replica_can_submit(replica));
    assert(entry->type == ENTRY_COMMAND && entry->index == 0 &&
           entry->data.len <= LIMIT_ENTRY_BYTES);
    return replica_submit_in_turn(replica, entry, now_ms, index, error);
}

bool replica_barrier_is_applied(const struct replica *replica)
{
    return replica->state == REPLICA_LEADER && replica->barrier_term == replica->term &&
           replica->applied_index >= replica->barrier_index;
}

void replica_status_get(const struct replica *replica, struct replica_status *status)
{
    *status = (struct replica_status){
        .state = replica->state,
        .term = replica->term,
        .leader_id = replica->leader_id,
        .commit_index = replica->commit_index,
        .applied_index = replica->applied_index,
        .last_index = replica->last_index,
        .durable_index = replica->durable_index,
        .snapshot_index = replica->snapshot.index,
        .first_index = replica->first_index,
        .installing = replica->install.under_way,
        .transferring_to = replica->transfer.to,
        .refused_count = replica->refused_count,
        .tail_first_index = replica->tail.first_index,
        .evicted_count = replica->evicted_count,
        .dropped_count = replica->dropped_count,
        .split_count = replica->split_count,
        .cut_count = replica->cut_count,
        .barrier_applied = replica_barrier_is_applied(replica),
    };
}

uint64_t replica_match_index(const struct replica *replica, uint64_t member_id)
{
    raft_index index = 0;
    return raft_match_index(&replica->raft, member_id, &index) == 0 ? index : 0;
}

size_t replica_members(const struct replica *replica, struct replica_member *members,
                       size_t capacity)
{
    const struct raft_configuration *configuration = &replica->raft.configuration;
    for (size_t i = 0; i < configuration->n && i < capacity; i++) {
        const struct raft_server *server = &configuration->servers[i];
        members[i].id = server->id;
        members[i].role = server->role == RAFT_VOTER ? REPLICA_VOTER : REPLICA_STANDBY;
        members[i].address = server->address;
    }
    return configuration->n;
}

uint64_t replica_members_version(const struct replica *replica)
{
    return replica->members_version;
}

uint64_t replica_members_index(const struct replica *replica)
{
    uint64_t uncommitted = replica->raft.configuration_uncommitted_index;
    return uncommitted != 0 ? uncommitted : replica->raft.configuration_committed_index;
}

/* The last one up to the commit index, which may be ahead of the cursor of rule 8: what the owner
 * had applied when this life began was committed. */
static const struct entry *committed_members(const struct replica *replica)
{
    const struct entry *latest = NULL;
    if (replica->settled_count > 0) {
        latest = replica->settled[replica->settled_count - 1];
    }
    for (size_t i = 0; i < replica->change_count; i++) {
        if (replica->changes[i]->index <= replica->commit_index) {
            latest = replica->changes[i];
        }
    }
    return latest;
}

uint64_t replica_committed_members_index(const struct replica *replica)
{
    const struct entry *latest = committed_members(replica);
    return latest != NULL ? latest->index : 0;
}

bool replica_is_committed_member(const struct replica *replica, uint64_t id)
{
    const struct entry *latest = committed_members(replica);
    struct raft_configuration configuration;
    struct error error;
    if (latest == NULL) {
        return false;
    }
    bool decoded = configuration_decode(latest->data, &configuration, &error);
    assert(decoded); /* it was found sound when it came */
    bool is_member = configuration_has(&configuration, id);
    raft_configuration_close(&configuration);
    return is_member;
}

size_t replica_voters(const struct replica *replica, uint64_t *voters)
{
    const struct raft_configuration *configuration = &replica->raft.configuration;
    size_t count = 0;
    for (unsigned i = 0; i < configuration->n; i++) {
        if (configuration->servers[i].role == RAFT_VOTER) {
            voters[count++] = configuration->servers[i].id;
        }
    }
    return count;
}
