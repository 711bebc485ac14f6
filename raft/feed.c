/*
 * feed.c - one event into libraft's core, and its update out, in an order that survives a crash at
 * any point of it.
 *
 * The order (docs/replication.md, "The turn of the loop"):
 *   1. term and vote, stored and synced before anything that depends on them leaves (rule 3)
 *   2. state, term, leader: told to the owner
 *   3. a snapshot to install: a new generation, and a log that is empty (snapshot.c)
 *   4. entries: a truncation opens a new generation (rule 4), then the write is queued
 *   5. the commit index, so that no message says more of it than we do; apply follows at the end of
 *      the turn, CONFIGURATION events before the next event (rule 8)
 *   6. messages, which are valid until the next step only
 *   7. the timer (rule 14)
 *
 * What libraft does with entry bytes (0.22.1): it keeps (index, term) alone in its trail. Only the
 * bytes of RAFT_CHANGE are read, by configurationDecode, which copies (restore.c, RestoreEntries;
 * replication.c, replicationAppend; client.c, ClientSubmit). `buf` of other entries is never looked
 * at, and nothing is freed but `entries[0].batch` of a received message that brings nothing new
 * (recv_append_entries.c, at `reply`). update.entries.batch points into the array that the event
 * carried, or at `struct raft`'s own barrier. So libraft gets empty buffers and a batch of one byte
 * to free, and our references take the place of the bytes: no entry is copied.
 *
 * Errors: any failure of raft_step, any failed disk call, any broken contract (rule 2). libraft's
 * own assertions are compiled out, so the contracts are checked here, always.
 */
#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>

#include "base/planted.h"
#include "configuration.h"
#include "replica_internal.h"

_Static_assert((int)RAFT_COMMAND == (int)ENTRY_COMMAND && (int)RAFT_BARRIER == (int)ENTRY_BARRIER &&
                   (int)RAFT_CHANGE == (int)ENTRY_CHANGE,
               "entry types are libraft's");
_Static_assert((int)RAFT_FOLLOWER == (int)REPLICA_FOLLOWER &&
                   (int)RAFT_CANDIDATE == (int)REPLICA_CANDIDATE &&
                   (int)RAFT_LEADER == (int)REPLICA_LEADER,
               "states are libraft's");

static const char *event_name(enum raft_event_type type)
{
    switch (type) {
    case RAFT_START:
        return "START";
    case RAFT_RECEIVE:
        return "RECEIVE";
    case RAFT_PERSISTED_ENTRIES:
        return "PERSISTED_ENTRIES";
    case RAFT_CONFIGURATION:
        return "CONFIGURATION";
    case RAFT_TIMEOUT:
        return "TIMEOUT";
    case RAFT_SUBMIT:
        return "SUBMIT";
    case RAFT_SNAPSHOT:
        return "SNAPSHOT";
    case RAFT_PERSISTED_SNAPSHOT:
        return "PERSISTED_SNAPSHOT";
    case RAFT_TRANSFER:
        return "TRANSFER";
    default:
        return "an event of a kind that is not used";
    }
}

struct raft_entry *replica_raft_entries(struct replica *replica, struct entry *const *entries,
                                        size_t count, struct error *error)
{
    if (count > replica->scratch_capacity) {
        replica->scratch = memory_realloc(replica->scratch, count * sizeof *replica->scratch);
        replica->scratch_capacity = count;
    }
    void *batch = raft_malloc(1);
    if (batch == NULL) {
        error_set(error, "no memory for a batch of %zu entries", count);
        return NULL;
    }
    for (size_t i = 0; i < count; i++) {
        replica->scratch[i] = (struct raft_entry){
            .term = entries[i]->term,
            .type = (enum raft_entry_type)entries[i]->type,
            .batch = batch,
        };
        if (entries[i]->type == ENTRY_CHANGE) {
            replica->scratch[i].buf = configuration_raft_buffer(entries[i]->data);
        }
    }
    return replica->scratch;
}

void replica_remember_change(struct replica *replica, struct entry *entry)
{
    if (replica->change_count == replica->change_capacity) {
        replica->change_capacity = replica->change_capacity * 2 + 4;
        replica->changes = memory_realloc((void *)replica->changes,
                                          replica->change_capacity * sizeof(struct entry *));
    }
    replica->changes[replica->change_count++] = entry_reference(entry);
    replica->members_version++;
}

static bool store_hard_state(struct replica *replica, struct error *error)
{
    uint64_t term = raft_current_term(&replica->raft);
    uint64_t vote = raft_voted_for(&replica->raft);
    if (term == replica->stored_term && vote == replica->stored_vote) {
        return true;
    }
    if (term < replica->stored_term) {
        return error_set(error, "the term went back from %" PRIu64 " to %" PRIu64,
                         replica->stored_term, term);
    }
    if (!replica->env.store_hard_state(replica->env.context, term, vote, error)) {
        return error_wrap(error, "storing term %" PRIu64 " and vote %" PRIu64, term, vote);
    }
    replica->stored_term = term;
    replica->stored_vote = vote;
    return true;
}

static uint64_t known_leader(struct replica *replica)
{
    raft_id leader = 0;
    const char *address;
    /* libraft keeps the last leader when it takes a new term from elsewhere (recv.c,
     * recvBumpCurrentTerm): it is this term's leader only if its entries were. */
    if (replica->state == REPLICA_FOLLOWER && replica->leader_term != replica->term) {
        return 0;
    }
    raft_leader(&replica->raft, &leader, &address);
    return leader;
}

static void report_state(struct replica *replica)
{
    enum replica_state old_state = replica->state;
    uint64_t old_term = replica->term;
    uint64_t old_leader = replica->leader_id;
    replica->state = (enum replica_state)raft_state(&replica->raft);
    replica->term = raft_current_term(&replica->raft);
    replica->leader_id = known_leader(replica);
    bool new_leadership = replica->state == REPLICA_LEADER &&
                          (old_state != REPLICA_LEADER || old_term != replica->term);
    if (new_leadership) {
        replica->own_first_index = replica->last_index + 1;
        replica->inflight_bytes = 0;
    }
    if (replica->state != old_state || replica->term != old_term ||
        replica->leader_id != old_leader) {
        replica->env.state_changed(replica->env.context, replica->state, replica->term,
                                   replica->leader_id);
    }
    /* A leader that hands over names no leader, and is one still. */
    bool same_leader = replica->state == REPLICA_LEADER || replica->leader_id == old_leader;
    if (replica->state != old_state || replica->term != old_term || !same_leader) {
        replica_reads_fail(replica);
    }
}

static void truncate_from(struct replica *replica, uint64_t index)
{
    /* Rule 4: completions of writes that were queued before speak of entries that are gone. */
    replica->generation++;
    for (uint64_t i = replica->last_index; i >= index && i > replica->durable_index; i--) {
        struct entry *entry = tail_get(&replica->tail, i);
        assert(entry != NULL);
        replica->unsynced_bytes -= entry->data.len;
    }
    if (replica->durable_index >= index) {
        replica->durable_index = index - 1;
    }
    tail_truncate(&replica->tail, index);
    replica->last_index = index - 1;
    while (replica->change_count > 0 &&
           replica->changes[replica->change_count - 1]->index >= index) {
        entry_release(replica->changes[--replica->change_count]);
        replica->members_version++;
    }
}

void replica_write(struct replica *replica, struct entry *const *entries, size_t count)
{
    uint64_t first = entries[0]->index;
    assert(first == replica->last_index + 1);
    for (size_t i = 0; i < count; i++) {
        tail_append(&replica->tail, entries[i]);
        replica->unsynced_bytes += entries[i]->data.len;
        if (replica->state == REPLICA_LEADER) {
            replica->inflight_bytes += entries[i]->data.len;
        }
    }
    replica->last_index += count;
    assert(replica->write_count < LIMIT_LOG_WRITES);
    size_t position = (replica->write_head + replica->write_count++) % LIMIT_LOG_WRITES;
    replica->writes[position] = (struct replica_write){replica->generation, replica->last_index};
    replica->env.write_log(replica->env.context, replica->generation, first, entries, count);
}

void replica_became_durable(struct replica *replica, uint64_t index)
{
    for (uint64_t i = replica->durable_index + 1; i <= index; i++) {
        struct entry *entry = tail_get(&replica->tail, i);
        assert(entry != NULL);
        replica->unsynced_bytes -= entry->data.len;
    }
    replica->durable_index = index;
}

/* Entries that libraft made itself: the no-op of a new leader, in `struct raft` until the next
 * step. */
static void take_own_entries(struct replica *replica, const struct raft_update *update)
{
    for (unsigned i = 0; i < update->entries.n; i++) {
        const struct raft_entry *own = &update->entries.batch[i];
        struct entry *entry =
            entry_new_copy(update->entries.index + i, own->term, (enum entry_type)own->type,
                           bytes_of(own->buf.base, own->buf.len));
        replica_write(replica, &entry, 1);
        entry_release(entry);
    }
}

static bool take_entries(struct replica *replica, const struct raft_update *update,
                         struct entry *const *source, size_t source_count, struct error *error)
{
    uint64_t index = update->entries.index;
    unsigned count = update->entries.n;
    if (count == 0 || index == 0 || index > replica->last_index + 1 ||
        index <= replica->commit_index) {
        return error_set(error,
                         "libraft gives %u entries from %" PRIu64 ", the log ends at %" PRIu64
                         " and is committed up to %" PRIu64,
                         count, index, replica->last_index, replica->commit_index);
    }
    if (index <= replica->last_index) {
        truncate_from(replica, index);
    }
    if (update->entries.batch == &replica->raft.barrier) {
        take_own_entries(replica, update);
    } else {
        uint64_t skipped = source_count > 0 ? index - source[0]->index : 0;
        if (source_count == 0 || index < source[0]->index || skipped + count != source_count) {
            return error_set(error, "libraft gives %u entries from %" PRIu64 " of %zu others",
                             count, index, source_count);
        }
        for (size_t i = skipped; i < source_count; i++) {
            if (source[i]->type == ENTRY_CHANGE) {
                replica_remember_change(replica, source[i]);
            }
        }
        replica_write(replica, source + skipped, count);
    }
    if (raft_last_index(&replica->raft) != replica->last_index) {
        return error_set(error, "libraft's log ends at %llu, ours at %" PRIu64,
                         raft_last_index(&replica->raft), replica->last_index);
    }
    return true;
}

static bool note_commit(struct replica *replica, struct error *error)
{
    uint64_t commit = raft_commit_index(&replica->raft);
    if (commit < replica->raft_commit_index || commit > replica->last_index) {
        return error_set(error,
                         "libraft's commit index went from %" PRIu64 " to %" PRIu64
                         " in a log that ends at %" PRIu64,
                         replica->raft_commit_index, commit, replica->last_index);
    }
    replica->raft_commit_index = commit;
    if (commit > replica->commit_index) {
        replica->commit_index = commit;
    }
    return true;
}

/* Rule 14. The lower bound stands on the last TIMEOUT and not on now: else a stream of events, each
 * arming anew, would put the deadline off for ever.
 *
 * A leader's TIMEOUT waits until all its followers are due, for at most one heartbeat. libraft
 * counts a follower that has not answered since the last TIMEOUT as lost (timeout.c,
 * checkContactQuorum), so followers that fall due one by one make it lose each other; and one that
 * is lost gets new entries with its next heartbeat only, until it has acknowledged one (progress.c,
 * progressShouldReplicate): the first write after a quiet spell would wait for it. */
static void arm_timer(struct replica *replica)
{
    uint64_t timeout = raft_timeout(&replica->raft);
    uint64_t gap = REPLICA_TIMER_GAP_MS;
    if (replica->state == REPLICA_LEADER && !PLANTED(HEARTBEATS_NOT_ALIGNED)) {
        uint64_t all_due = replica->last_append_ms + replica->heartbeat_ms;
        uint64_t latest = timeout + replica->heartbeat_ms;
        gap = replica->heartbeat_ms;
        if (all_due > timeout) {
            timeout = all_due < latest ? all_due : latest;
        }
    }
    uint64_t earliest = replica->last_timeout_ms + gap;
    replica->timer_ms = timeout > earliest ? timeout : earliest;
}

/* What the event came to, in the order that the top of this file gives. */
static bool take_update(struct replica *replica, const struct raft_update *update,
                        struct entry *const *source, size_t source_count, struct error *error)
{
    if (!PLANTED(VOTE_AFTER_MESSAGES) && !store_hard_state(replica, error)) {
        return false;
    }
    report_state(replica);
    if ((update->flags & RAFT_UPDATE_SNAPSHOT) && !replica_take_snapshot(replica, update, error)) {
        return false;
    }
    if ((update->flags & RAFT_UPDATE_ENTRIES) &&
        !take_entries(replica, update, source, source_count, error)) {
        return false;
    }
    if (!note_commit(replica, error)) {
        return false;
    }
    if (update->flags & RAFT_UPDATE_MESSAGES) {
        for (unsigned i = 0; i < update->messages.n; i++) {
            if (!replica_send(replica, &update->messages.batch[i], error)) {
                return false;
            }
        }
    }
    if (PLANTED(VOTE_AFTER_MESSAGES) && !store_hard_state(replica, error)) {
        return false;
    }
    arm_timer(replica);
    return true;
}

bool replica_feed(struct replica *replica, struct raft_event *event, struct entry *const *source,
                  size_t source_count, struct error *error)
{
    struct raft_update update = {0};
    event->time = replica->now_ms;
    event->capacity = 0;
    if (PLANTED(STALE_APPEND_FED)) {
        planted_poison_stack();
    }
    struct replica_lent_vote lent;
    replica_lend_vote(replica, event, &lent);
    int rv = raft_step(&replica->raft, event, &update);
    replica_take_vote_back(replica, &lent);
    if (rv != 0) {
        if (event->type == RAFT_SUBMIT) {
            raft_free(event->submit.entries[0].batch);
        }
        const char *detail = raft_errmsg(&replica->raft);
        return error_set(error, "libraft can't go on after %s: %s%s%s", event_name(event->type),
                         raft_strerror(rv), detail[0] != '\0' ? ": " : "", detail);
    }
    bool has_entries = (update.flags & RAFT_UPDATE_ENTRIES) != 0 && update.entries.n > 0;
    void *batch = has_entries ? update.entries.batch[0].batch : NULL;
    bool taken = take_update(replica, &update, source, source_count, error);
    raft_free(batch); /* ours, whatever became of the entries */
    return taken;
}

bool replica_settle_changes(struct replica *replica, uint64_t up_to, struct error *error)
{
    if (PLANTED(NO_CONFIGURATION_EVENTS)) {
        return true;
    }
    if (PLANTED(CONFIGURATIONS_WAIT_FOR_APPLY) && up_to > replica->applied_index) {
        up_to = replica->applied_index;
    }
    while (replica->change_count > 0 && replica->changes[0]->index <= up_to) {
        struct entry *change = replica->changes[0];
        replica->change_count--;
        memmove((void *)replica->changes, (void *)(replica->changes + 1),
                replica->change_count * sizeof(struct entry *));
        struct raft_event event = {.type = RAFT_CONFIGURATION,
                                   .configuration = {.index = change->index}};
        /* libraft takes the configuration over (replication.c,
         * replicationApplyConfigurationChange). */
        bool fed = configuration_decode(change->data, &event.configuration.conf, error) &&
                   replica_feed(replica, &event, NULL, 0, error);
        replica_settle_configuration(replica, change);
        entry_release(change);
        if (!fed) {
            return false;
        }
    }
    return true;
}

bool replica_feed_configurations(struct replica *replica, struct error *error)
{
    return replica_settle_changes(replica, replica->raft_commit_index, error);
}
