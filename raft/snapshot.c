/*
 * snapshot.c - snapshots: what a log that does not begin at 1 begins behind (rule 12; dissertation,
 * chapter 5).
 *
 * Of a snapshot this folder knows a point of the log {index, term, configuration}. The state that
 * stands there is the owner's: taking, keeping, carrying and installing it are calls of struct
 * replica_env.
 *
 * Taking: the owner makes its state durable at some applied index, asks what that point is
 * (replica_snapshot_at), stores it, and says so (replica_snapshot_taken): libraft's log then begins
 * behind it, less the trailing entries, and the owner may remove what lies before that from the
 * disk. In this order a crash leaves a log that is too long, never one that is too short.
 *
 * Sending: a follower lacks what our log begins behind. libraft says so again and again, for as
 * long as it is true (replication.c, sendSnapshot: after a rejection at the snapshot's index, or
 * install_snapshot_timeout). What leaves is a descriptor; without a checkpoint to name, nothing.
 *
 * Receiving: an offer of the leader whom we follow goes to the owner, who fetches the checkpoint
 * out of band; the same offer again only brings its term up to date. Once all is staged the message
 * is fed, if it is still wanted. libraft then forgets its log at once (TrailRestore), and waits
 * (snapshot.installing); so do we, until the log's writer has nothing to do, and until the owner
 * has made the switch; PERSISTED_SNAPSHOT ends it.
 *
 * Invariants:
 * - What is told about a snapshot - its configuration, libraft's commit index - is committed as
 *   far as libraft knows: else replicationSnapshot would take a configuration for committed and
 *   keep the index of another one.
 * - libraft's log never begins before the one on disk: what it gives to send can be read.
 * - While an install is under way, nothing is applied, no entries are written, the commit index
 *   stands still and no SNAPSHOT event is fed. libraft would take a heartbeat at the snapshot's
 *   index for a commit of it, before it is durable; it leaks a second install message; and it
 *   answers neither.
 * - An install never takes back what is committed here: checked.
 *
 * What can fail: libraft, or the owner's disk: final (rule 2). A fetch that fails is forgotten.
 */
#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>

#include "base/planted.h"
#include "configuration.h"
#include "filter.h"
#include "replica_internal.h"

/* ---- the point ---- */

void replica_settle_configuration(struct replica *replica, struct entry *configuration)
{
    if (replica->settled_count == replica->settled_capacity) {
        replica->settled_capacity = replica->settled_capacity * 2 + 4;
        replica->settled = memory_realloc((void *)replica->settled,
                                          replica->settled_capacity * sizeof(struct entry *));
    }
    replica->settled[replica->settled_count++] = entry_reference(configuration);
}

/* Forgets the first `count`. */
static void drop_settled(struct replica *replica, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        entry_release(replica->settled[i]);
    }
    replica->settled_count -= count;
    if (replica->settled_count == 0) {
        return; /* a node that joins may never have had one */
    }
    memmove((void *)replica->settled, (void *)(replica->settled + count),
            replica->settled_count * sizeof(struct entry *));
}

void replica_set_snapshot(struct replica *replica, uint64_t index, uint64_t term,
                          struct entry *configuration)
{
    struct entry *before = replica->snapshot.configuration;
    replica->snapshot = (struct replica_point){index, term, entry_reference(configuration)};
    entry_release(before);
}

/* The members as of this index: the last configuration up to it. */
static size_t settled_at(const struct replica *replica, uint64_t index)
{
    size_t place = 0;
    assert(replica->settled_count > 0 && replica->settled[0]->index <= index);
    if (PLANTED(SNAPSHOT_OF_LATEST_MEMBERS)) {
        return replica->settled_count - 1;
    }
    while (place + 1 < replica->settled_count && replica->settled[place + 1]->index <= index) {
        place++;
    }
    return place;
}

static struct replica_snapshot public_form(uint64_t index, uint64_t term,
                                           const struct entry *configuration)
{
    return (struct replica_snapshot){
        .index = index,
        .term = term,
        .configuration_index = configuration->index,
        .configuration = configuration->data,
    };
}

/* ---- taking ---- */

bool replica_can_snapshot(const struct replica *replica)
{
    return replica->started && !replica->broken && !replica->install.under_way &&
           replica->applied_index > replica->snapshot.index &&
           replica->raft_commit_index >= replica->applied_index;
}

static bool term_of(struct replica *replica, uint64_t index, uint64_t *term, struct error *error)
{
    struct entry *entry;
    if (replica_entries_get(replica, index, 1, 1, &entry, error) == 0) {
        return false;
    }
    *term = entry->term;
    entry_release(entry);
    return true;
}

bool replica_snapshot_at(struct replica *replica, uint64_t index, struct replica_snapshot *snapshot,
                         struct error *error)
{
    assert(replica_can_snapshot(replica) && !replica->in_turn);
    assert(index > replica->snapshot.index && index <= replica->applied_index);
    uint64_t term;
    if (!term_of(replica, index, &term, error)) {
        replica->broken = true;
        replica->failure = *error;
        return false;
    }
    *snapshot = public_form(index, term, replica->settled[settled_at(replica, index)]);
    return true;
}

static bool feed_snapshot(struct replica *replica, const struct replica_snapshot *snapshot,
                          uint64_t *trim_up_to, struct error *error)
{
    size_t place = settled_at(replica, snapshot->index);
    struct entry *configuration = replica->settled[place];
    uint64_t kept = replica->limits.trailing_entries;
    struct raft_event event = {
        .type = RAFT_SNAPSHOT,
        .snapshot = {.metadata = {.index = snapshot->index,
                                  .term = snapshot->term,
                                  .configuration_index = configuration->index},
                     .trailing = (unsigned)kept},
    };
    if (configuration->index > replica->raft.configuration_committed_index) {
        return error_set(error,
                         "a snapshot at %" PRIu64 " has the members of entry %" PRIu64
                         ", libraft knows those of %llu to be committed",
                         snapshot->index, configuration->index,
                         replica->raft.configuration_committed_index);
    }
    /* libraft takes the configuration over (replication.c, replicationSnapshot). */
    if (!configuration_decode(configuration->data, &event.snapshot.metadata.configuration, error) ||
        !replica_feed(replica, &event, NULL, 0, error)) {
        return false;
    }
    const struct raft_trail *trail = &replica->raft.trail;
    if (trail->snapshot.index != snapshot->index || trail->snapshot.term != snapshot->term) {
        return error_set(error,
                         "libraft has entry %llu of term %llu where a snapshot was taken at "
                         "%" PRIu64 " of term %" PRIu64,
                         trail->snapshot.index, trail->snapshot.term, snapshot->index,
                         snapshot->term);
    }
    *trim_up_to = snapshot->index > kept ? snapshot->index - kept : 0;
    if (*trim_up_to + 1 > replica->first_index) {
        replica->first_index = *trim_up_to + 1;
    }
    replica_set_snapshot(replica, snapshot->index, snapshot->term, configuration);
    drop_settled(replica, place);
    return true;
}

bool replica_snapshot_taken(struct replica *replica, const struct replica_snapshot *snapshot,
                            uint64_t now_ms, uint64_t *trim_up_to, struct error *error)
{
    assert(replica_can_snapshot(replica));
    assert(snapshot->index > replica->snapshot.index && snapshot->index <= replica->applied_index);
    return replica_turn_begin(replica, now_ms, error) &&
           replica_turn_end(replica, feed_snapshot(replica, snapshot, trim_up_to, error), error);
}

/* ---- sending ---- */

bool replica_send_snapshot(struct replica *replica, uint64_t peer_id,
                           const struct raft_install_snapshot *install, struct error *error)
{
    const struct replica_point *snapshot = &replica->snapshot;
    if (install->term != replica->term || install->last_index != snapshot->index ||
        install->last_term != snapshot->term) {
        return error_set(error,
                         "libraft sends a snapshot at %llu of term %llu in term %llu, ours is at "
                         "%" PRIu64 " of term %" PRIu64 " in term %" PRIu64,
                         install->last_index, install->last_term, install->term, snapshot->index,
                         snapshot->term, replica->term);
    }
    struct peer_message message = {
        .type = PEER_INSTALL_SNAPSHOT,
        .sent_term = replica->term,
        .install_snapshot =
            {
                .term = replica->term,
                .index = snapshot->index,
                .last_term = snapshot->term,
                .configuration = snapshot->configuration,
            },
    };
    if (replica->env.describe_snapshot(replica->env.context, peer_id, snapshot->index,
                                       &message.install_snapshot.checkpoint)) {
        replica_send_message(replica, peer_id, &message);
    }
    return true;
}

/* ---- receiving ---- */

static bool has_offer(const struct replica *replica)
{
    return replica->offer.install_snapshot.term != 0;
}

static bool is_same_offer(const struct replica *replica, uint64_t peer_id,
                          const struct peer_message *offer)
{
    const struct peer_message *known = &replica->offer;
    return has_offer(replica) && replica->offer_peer == peer_id &&
           known->install_snapshot.index == offer->install_snapshot.index &&
           known->install_snapshot.last_term == offer->install_snapshot.last_term &&
           hash128_equal(known->install_snapshot.checkpoint, offer->install_snapshot.checkpoint);
}

static void forget_offer(struct replica *replica)
{
    if (has_offer(replica)) {
        peer_message_free(&replica->offer);
    }
    replica->offer = (struct peer_message){.type = PEER_INSTALL_SNAPSHOT};
    replica->offer_peer = 0;
}

static bool is_wanted(const struct replica *replica, uint64_t peer_id,
                      const struct peer_message *offer)
{
    return replica->state == REPLICA_FOLLOWER && replica->leader_id == peer_id &&
           offer->install_snapshot.term == replica->term && !replica->install.under_way &&
           offer->install_snapshot.index > replica->commit_index;
}

void replica_receive_snapshot(struct replica *replica, uint64_t peer_id,
                              const struct peer_message *offer)
{
    if (filter_offer_is_stale(offer, replica->term)) {
        const struct peer_message rejection = filter_stale_offer_rejection(offer, replica->term);
        replica_send_message(replica, peer_id, &rejection);
        return;
    }
    /* A leader offers nothing before it has heard from us in its term; so we know that term, and
     * from its heartbeats that it leads. */
    if (!is_wanted(replica, peer_id, offer)) {
        return;
    }
    if (is_same_offer(replica, peer_id, offer)) {
        replica->offer.sent_term = offer->sent_term;
        replica->offer.install_snapshot.term = offer->install_snapshot.term;
        return;
    }
    forget_offer(replica);
    replica->offer = peer_message_copy(offer);
    replica->offer_peer = peer_id;
    const struct replica_snapshot snapshot =
        public_form(offer->install_snapshot.index, offer->install_snapshot.last_term,
                    offer->install_snapshot.configuration);
    replica->env.fetch_snapshot(replica->env.context, peer_id, &snapshot,
                                offer->install_snapshot.checkpoint);
}

void replica_snapshot_forget(struct replica *replica)
{
    assert(!replica->in_turn && !replica->install.under_way);
    forget_offer(replica);
}

static bool feed_offer(struct replica *replica, struct error *error)
{
    const struct peer_message *offer = &replica->offer;
    struct raft_message message = {
        .type = RAFT_INSTALL_SNAPSHOT,
        .install_snapshot =
            {
                .term = offer->install_snapshot.term,
                .last_index = offer->install_snapshot.index,
                .last_term = offer->install_snapshot.last_term,
                .conf_index = offer->install_snapshot.configuration->index,
                .data = {NULL, 0},
            },
    };
    if (!configuration_decode(offer->install_snapshot.configuration->data,
                              &message.install_snapshot.conf, error)) {
        return false;
    }
    replica->answering = offer;
    replica->leader_term = offer->install_snapshot.term;
    bool fed = replica_feed_message(replica, replica->offer_peer, &message, NULL, 0, error);
    replica->answering = NULL;
    return fed;
}

bool replica_snapshot_staged(struct replica *replica, uint64_t now_ms, bool *wanted,
                             struct error *error)
{
    assert(replica->started && has_offer(replica) && !replica->install.under_way);
    *wanted = false;
    if (!replica_turn_begin(replica, now_ms, error)) {
        return false;
    }
    bool fed = true;
    if (is_wanted(replica, replica->offer_peer, &replica->offer)) {
        fed = feed_offer(replica, error);
        *wanted = replica->install.under_way;
    }
    if (!*wanted) {
        forget_offer(replica);
    }
    return replica_turn_end(replica, fed, error);
}

/* ---- installing ---- */

static void forget_log(struct replica *replica)
{
    replica->generation++; /* rule 4: nothing of what is being written counts any more */
    replica->matched_term = 0;
    tail_free(&replica->tail);
    replica->unsynced_bytes = 0;
    if (replica->durable_index > replica->commit_index) {
        replica->durable_index = replica->commit_index;
    }
    for (size_t i = 0; i < replica->change_count; i++) {
        entry_release(replica->changes[i]);
    }
    replica->change_count = 0;
    replica->members_version++;
}

bool replica_take_snapshot(struct replica *replica, const struct raft_update *update,
                           struct error *error)
{
    struct replica_install *install = &replica->install;
    assert(!install->under_way && has_offer(replica));
    install->metadata = update->snapshot.metadata;
    uint64_t index = install->metadata.index;
    install->under_way = true;
    if (index != replica->offer.install_snapshot.index ||
        install->metadata.term != replica->offer.install_snapshot.last_term ||
        index <= replica->commit_index || raft_last_index(&replica->raft) != index) {
        return error_set(error,
                         "libraft installs a snapshot at %" PRIu64 " of term %llu over a log that "
                         "is committed up to %" PRIu64 " and then ends at %llu",
                         index, install->metadata.term, replica->commit_index,
                         raft_last_index(&replica->raft));
    }
    forget_log(replica);
    tail_init(&replica->tail, index + 1, LIMIT_LOG_TAIL_ENTRIES, LIMIT_LOG_TAIL_BYTES);
    replica->last_index = index;
    replica->first_index = index + 1;
    return true;
}

void replica_install_when_quiet(struct replica *replica)
{
    struct replica_install *install = &replica->install;
    if (!install->under_way || install->asked || replica->write_count > 0) {
        return;
    }
    install->asked = true;
    const struct peer_message *offer = &replica->offer;
    const struct replica_snapshot snapshot =
        public_form(offer->install_snapshot.index, offer->install_snapshot.last_term,
                    offer->install_snapshot.configuration);
    replica->env.install_snapshot(replica->env.context, &snapshot);
}

/* Everything up to the snapshot is committed, durable and applied: that is what was installed. */
static void stand_at_snapshot(struct replica *replica)
{
    const struct peer_message *offer = &replica->offer;
    struct entry *configuration = offer->install_snapshot.configuration;
    uint64_t index = offer->install_snapshot.index;
    replica->durable_index = index;
    replica->commit_index = index;
    replica->applied_index = index;
    replica->applied_term = offer->install_snapshot.last_term;
    replica_set_snapshot(replica, index, offer->install_snapshot.last_term, configuration);
    drop_settled(replica, replica->settled_count);
    replica_settle_configuration(replica, configuration);
    replica->members_version++;
    forget_offer(replica);
}

static bool feed_installed(struct replica *replica, struct error *error)
{
    struct replica_install *install = &replica->install;
    /* libraft takes the configuration over (restore.c, RestoreSnapshot), and tells the leader. */
    struct raft_event event = {
        .type = RAFT_PERSISTED_SNAPSHOT,
        .persisted_snapshot = {.metadata = install->metadata, .offset = 0, .last = true},
    };
    *install = (struct replica_install){0};
    stand_at_snapshot(replica);
    if (!replica_feed(replica, &event, NULL, 0, error)) {
        return false;
    }
    return replica->raft_commit_index == replica->snapshot.index ||
           error_set(error, "libraft is committed up to %" PRIu64 " behind a snapshot at %" PRIu64,
                     replica->raft_commit_index, replica->snapshot.index);
}

bool replica_snapshot_installed(struct replica *replica, uint64_t now_ms, struct error *error)
{
    assert(replica->started && replica->install.under_way && replica->install.asked);
    return replica_turn_begin(replica, now_ms, error) &&
           replica_turn_end(replica, feed_installed(replica, error), error);
}

void replica_snapshots_close(struct replica *replica)
{
    if (replica->install.under_way) {
        raft_configuration_close(&replica->install.metadata.configuration);
    }
    forget_offer(replica);
    drop_settled(replica, replica->settled_count);
    free((void *)replica->settled);
    entry_release(replica->snapshot.configuration);
}
