/*
 * start.c - from what the disk held to a running core.
 *
 * Happy path: the log's entries are consecutive, their terms do not fall, entry 1 - if the log
 * begins there - is the configuration whose hash is our cluster's id (rule 0), snapshot, hard state
 * and state machine agree with the log; then START. Neither log nor snapshot: a new node; one that
 * founds the cluster gets entry 1, one that joins it gets nothing, and has no vote, no members and
 * no election until a leader has brought it some (timeout.c: "server not in current
 * configuration").
 *
 * Entry 1 of a new node is fed with START, which takes it for durable before its write is: every
 * node makes the same entry 1 of the same members, so a crash in between only makes it again. Our
 * own durable index waits for the write, and so does apply.
 *
 * A lone voter elects itself in START, in the term that the disk gave (raft.c, maybeSelfElect;
 * convert.c, convertToCandidate): entries of two lives would share a term, and a follower could not
 * tell them apart. So the next term and the vote for itself are stored first (rule 11).
 *
 * START begins at what the state has applied, as if that were a snapshot: it is durable, and it is
 * committed, which libraft does not find out by itself before a leader tells it, or a majority has
 * answered. A leader whose only other follower needs a snapshot would wait for that majority for
 * ever: the state is beyond the last snapshot, and no other one can be taken before libraft knows
 * that it is committed.
 *
 * What can fail: anything that shows the disk to be damaged, or another cluster's. The text names
 * it; the node must not start.
 */
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>

#include "base/planted.h"
#include "configuration.h"
#include "replica_internal.h"

struct replica *replica_open(const struct replica_config *config, const struct replica_env *env,
                             struct error *error)
{
    struct replica *replica = memory_zalloc(sizeof *replica);
    uint64_t cluster_id;
    int rv;
    replica->env = *env;
    replica->id = config->id;
    replica->election_timeout_ms = config->election_timeout_ms != 0 ? config->election_timeout_ms
                                                                    : DEFAULT_ELECTION_TIMEOUT_MS;
    uint32_t longest_heartbeat_ms = replica->election_timeout_ms / HEARTBEATS_PER_ELECTION_TIMEOUT;
    replica->heartbeat_ms = config->heartbeat_ms != 0 ? config->heartbeat_ms : longest_heartbeat_ms;
    if (config->id == 0 || config->address == NULL) {
        error_set(error, "a member needs an id above 0 and an address");
        goto err;
    }
    if (replica->heartbeat_ms == 0 || replica->heartbeat_ms > longest_heartbeat_ms) {
        error_set(error,
                  "a heartbeat of %u ms leaves an election timeout of %u ms no room: it may be "
                  "%u ms at most",
                  replica->heartbeat_ms, replica->election_timeout_ms, longest_heartbeat_ms);
        goto err;
    }
    replica->cluster_id = config->cluster_id;
    if (config->member_count > 0) {
        if (!replica_bootstrap_entry(config->members, config->member_count, &replica->bootstrap,
                                     &cluster_id, error)) {
            error_wrap(error, "the initial members");
            goto err;
        }
        if (config->cluster_id != 0 && config->cluster_id != cluster_id) {
            error_set(error,
                      "the initial members make cluster %016" PRIx64 ", and this is cluster "
                      "%016" PRIx64,
                      cluster_id, config->cluster_id);
            goto err;
        }
        replica->cluster_id = cluster_id;
    }
    if (replica->cluster_id == 0) {
        error_set(error, "a node needs initial members or the id of the cluster that it joins");
        goto err;
    }
    rv = raft_init(&replica->raft, NULL, NULL, config->id, config->address);
    if (rv != 0) {
        error_set(error, "raft_init: %s", raft_strerror(rv));
        goto err;
    }
    replica->raft.tracer = NULL;
    raft_seed(&replica->raft, config->seed);
    raft_set_election_timeout(&replica->raft, replica->election_timeout_ms);
    raft_set_heartbeat_timeout(&replica->raft, replica->heartbeat_ms);
    raft_set_pre_vote(&replica->raft, true);
    replica->limits = replica_limits_complete(&config->limits);
    raft_set_max_inflight_entries(&replica->raft, (unsigned)replica->limits.raft_inflight_entries);
    raft_set_install_snapshot_timeout(&replica->raft, replica->election_timeout_ms *
                                                          REPLICA_OFFER_ELECTION_TIMEOUTS);
    replica->state = REPLICA_FOLLOWER;
    replica->generation = 1;
    replica->offer.type = PEER_INSTALL_SNAPSHOT;
    replica_reads_open(replica, config->seed);
    return replica;

err:
    buffer_free(&replica->bootstrap);
    free(replica);
    return NULL;
}

void replica_close(struct replica *replica)
{
    if (replica == NULL) {
        return;
    }
    raft_close(&replica->raft, NULL);
    tail_free(&replica->tail);
    replica_snapshots_close(replica);
    for (size_t i = 0; i < replica->change_count; i++) {
        entry_release(replica->changes[i]);
    }
    free((void *)replica->changes);
    free(replica->scratch);
    buffer_free(&replica->bootstrap);
    free(replica);
}

/* Where the entries begin: behind the snapshot, if there are none. */
static uint64_t first_index_of(const struct replica_disk *disk)
{
    return disk->entry_count > 0 ? disk->entries[0]->index : disk->snapshot.index + 1;
}

static uint64_t last_index_of(const struct replica_disk *disk)
{
    return first_index_of(disk) + disk->entry_count - 1;
}

/* NULL: it is not in the log. */
static struct entry *entry_at(const struct replica_disk *disk, uint64_t index)
{
    uint64_t first = first_index_of(disk);
    return index >= first && index <= last_index_of(disk) ? disk->entries[index - first] : NULL;
}

static bool check_entries(const struct replica_disk *disk, struct error *error)
{
    uint64_t first = first_index_of(disk);
    uint64_t term = 1;
    for (size_t i = 0; i < disk->entry_count; i++) {
        const struct entry *entry = disk->entries[i];
        if (entry->index != first + i || entry->term < term || entry->term > disk->term) {
            return error_set(error,
                             "the log on disk is damaged: entry %" PRIu64 " of term %" PRIu64
                             " stands where %" PRIu64 " of a term from %" PRIu64 " to %" PRIu64
                             " belongs",
                             entry->index, entry->term, first + i, term, disk->term);
        }
        term = entry->term;
        if (entry->type != ENTRY_COMMAND && entry->type != ENTRY_BARRIER &&
            entry->type != ENTRY_CHANGE) {
            return error_set(error, "entry %" PRIu64 " on disk has the unknown type %d",
                             entry->index, (int)entry->type);
        }
        if (entry->type == ENTRY_CHANGE && !configuration_is_sound(entry->data, error)) {
            return error_wrap(error, "the configuration in entry %" PRIu64 " on disk",
                              entry->index);
        }
    }
    return true;
}

static bool check_applied(const struct replica_disk *disk, struct error *error)
{
    if (disk->applied_index > last_index_of(disk)) {
        return error_set(error,
                         "the state has applied entry %" PRIu64
                         ", but the log on disk ends at %" PRIu64
                         ": the log has lost entries; " ADVICE_NODE_LOST,
                         disk->applied_index, last_index_of(disk));
    }
    if (disk->applied_index < disk->snapshot.index) {
        return error_set(error,
                         "the state has applied entry %" PRIu64 ", but the snapshot says that it "
                         "stands at %" PRIu64 ", and the log may begin there: the state is not the "
                         "one that this node had; " ADVICE_NODE_LOST,
                         disk->applied_index, disk->snapshot.index);
    }
    return true;
}

/* A log that begins at 1 shows who founded it. Of one that was trimmed the data directory knows:
 * its cluster id is the hash of entry 1. */
static bool check_founders(const struct replica *replica, const struct replica_disk *disk,
                           struct error *error)
{
    const struct entry *first = entry_at(disk, 1);
    if (first == NULL ? disk->snapshot.index > 0
                      : first->term == 1 && first->type == ENTRY_CHANGE &&
                            replica_cluster_id(first->data) == replica->cluster_id) {
        return true;
    }
    return error_set(error, "the log on disk was founded by other members than those configured: "
                            "start this node with the members it was founded with");
}

/* Do snapshot and log tell one history? */
static bool check_snapshot(const struct replica_disk *disk, struct error *error)
{
    const struct replica_snapshot *snapshot = &disk->snapshot;
    if (snapshot->index == 0) {
        return first_index_of(disk) == 1 ||
               error_set(error,
                         "the log on disk begins at entry %" PRIu64
                         ", and there is no snapshot that it follows; " ADVICE_NODE_LOST,
                         first_index_of(disk));
    }
    if (snapshot->index >= LIMIT_RAFT_NUMBER || snapshot->term == 0 ||
        snapshot->term > disk->term || snapshot->configuration_index == 0 ||
        snapshot->configuration_index > snapshot->index ||
        !configuration_is_sound(snapshot->configuration, error)) {
        return error_set(error,
                         "the snapshot on disk is damaged: entry %" PRIu64 " of term %" PRIu64
                         ", members of entry %" PRIu64,
                         snapshot->index, snapshot->term, snapshot->configuration_index);
    }
    if (first_index_of(disk) > snapshot->index + 1 || last_index_of(disk) < snapshot->index) {
        return error_set(error,
                         "the log on disk reaches from entry %" PRIu64 " to %" PRIu64
                         " and does not follow the snapshot at %" PRIu64 "; " ADVICE_NODE_LOST,
                         first_index_of(disk), last_index_of(disk), snapshot->index);
    }
    const struct entry *at = entry_at(disk, snapshot->index);
    const struct entry *behind = entry_at(disk, snapshot->index + 1);
    bool agree = (at == NULL || at->term == snapshot->term) &&
                 (behind == NULL || behind->term >= snapshot->term);
    for (uint64_t i = first_index_of(disk); agree && i <= snapshot->index; i++) {
        const struct entry *entry = entry_at(disk, i);
        bool made_members = i == snapshot->configuration_index;
        if (i >= snapshot->configuration_index && (entry->type == ENTRY_CHANGE) != made_members) {
            agree = false;
        }
        if (made_members && !bytes_equal(entry->data, snapshot->configuration)) {
            agree = false;
        }
    }
    return agree || error_set(error,
                              "the log on disk tells another history than the snapshot at %" PRIu64
                              " of term %" PRIu64 "; " ADVICE_NODE_LOST,
                              snapshot->index, snapshot->term);
}

/* Rule 11: is this replica the only voter of the latest configuration, in the log or, if it has
 * none, in the snapshot? */
static bool is_lone_voter(const struct replica *replica, const struct replica_disk *disk,
                          bool *lone, struct error *error)
{
    struct raft_configuration configuration;
    struct bytes latest = disk->snapshot.configuration;
    for (size_t i = 0; i < disk->entry_count; i++) {
        if (disk->entries[i]->type == ENTRY_CHANGE) {
            latest = disk->entries[i]->data;
        }
    }
    *lone = false;
    if (latest.len == 0) {
        return true; /* it joins */
    }
    if (!configuration_decode(latest, &configuration, error)) {
        return false;
    }
    for (unsigned k = 0; k < configuration.n; k++) {
        if (configuration.servers[k].id == replica->id) {
            *lone = configuration.servers[k].role == RAFT_VOTER &&
                    configuration_voter_count(&configuration) == 1;
        }
    }
    raft_configuration_close(&configuration);
    return true;
}

static struct raft_entry *start_entries(const struct replica_disk *disk, void *batch)
{
    struct raft_entry *array = raft_calloc(disk->entry_count, sizeof *array);
    for (size_t i = 0; array != NULL && i < disk->entry_count; i++) {
        array[i].term = disk->entries[i]->term;
        array[i].type = (enum raft_entry_type)disk->entries[i]->type;
        if (disk->entries[i]->type == ENTRY_CHANGE) {
            array[i].buf = configuration_raft_buffer(disk->entries[i]->data);
        }
        array[i].batch = batch;
    }
    return array;
}

static bool feed_start(struct replica *replica, const struct replica_disk *disk,
                       struct error *error)
{
    struct raft_snapshot_metadata metadata = {
        .index = disk->snapshot.index,
        .term = disk->snapshot.term,
        .configuration_index = disk->snapshot.configuration_index,
    };
    /* libraft takes the configuration over (restore.c, RestoreSnapshot). */
    bool has_snapshot = disk->snapshot.index > 0;
    if (has_snapshot &&
        !configuration_decode(disk->snapshot.configuration, &metadata.configuration, error)) {
        return false;
    }
    /* If START fails, libraft frees the array and the batch (restore.c, entryBatchesDestroy), else
     * they stay ours; a failure stops the process. */
    void *batch = raft_malloc(1);
    struct raft_entry *array = disk->entry_count > 0 ? start_entries(disk, batch) : NULL;
    if (batch == NULL || (array == NULL && disk->entry_count > 0)) {
        return error_set(error, "no memory for a log of %zu entries", disk->entry_count);
    }
    struct raft_event event = {
        .type = RAFT_START,
        .start =
            {
                .term = replica->stored_term,
                .voted_for = replica->stored_vote,
                .metadata = has_snapshot ? &metadata : NULL,
                .start_index = first_index_of(disk),
                .entries = array,
                .n_entries = (unsigned)disk->entry_count,
            },
    };
    if (!replica_feed(replica, &event, NULL, 0, error)) {
        return false;
    }
    raft_free(batch);
    raft_free(array);
    return true;
}

/* The disk as START is told of it: what is applied is a snapshot. */
static struct replica_disk as_of_applied(const struct replica_disk *disk)
{
    struct replica_disk as_of = *disk;
    const struct entry *applied = entry_at(disk, disk->applied_index);
    if (disk->applied_index <= disk->snapshot.index || applied == NULL ||
        PLANTED(START_FORGETS_APPLIED)) {
        return as_of;
    }
    as_of.snapshot.index = applied->index;
    as_of.snapshot.term = applied->term;
    for (uint64_t i = first_index_of(disk); i <= applied->index; i++) {
        const struct entry *entry = entry_at(disk, i);
        if (entry->type == ENTRY_CHANGE && i > disk->snapshot.index) {
            as_of.snapshot.configuration_index = i;
            as_of.snapshot.configuration = entry->data;
        }
    }
    return as_of;
}

/* The cursor of rule 8: START takes the snapshot for committed, or entry 1, and nothing else
 * (raft.c, stepStart). */
static void set_cursor(struct replica *replica, const struct replica_disk *disk)
{
    uint64_t cursor = disk->snapshot.index > 0 ? disk->snapshot.index : 1;
    if (disk->snapshot.index > 0) {
        struct entry *configuration =
            entry_new_copy(disk->snapshot.configuration_index, disk->snapshot.term, ENTRY_CHANGE,
                           disk->snapshot.configuration);
        replica_set_snapshot(replica, disk->snapshot.index, disk->snapshot.term, configuration);
        replica_settle_configuration(replica, configuration);
        entry_release(configuration);
    } else if (disk->entry_count > 0) {
        replica_settle_configuration(replica, disk->entries[0]);
    } else {
        return; /* it joins: entry 1 comes as any other change does */
    }
    for (size_t i = 0; i < disk->entry_count; i++) {
        struct entry *entry = disk->entries[i];
        if (entry->type == ENTRY_CHANGE && entry->index > cursor) {
            replica_remember_change(replica, entry);
        }
    }
}

/* A founder's entry 1 is still to be written. */
static bool start_log(struct replica *replica, const struct replica_disk *disk, bool is_new,
                      struct error *error)
{
    bool lone;
    uint64_t term = replica->stored_term > 0 ? replica->stored_term : 1;
    uint64_t vote = replica->stored_vote;
    if (!is_lone_voter(replica, disk, &lone, error)) {
        return false;
    }
    if (lone && !PLANTED(LONE_VOTER_KEEPS_TERM)) {
        term++;
        vote = replica->id;
    }
    if (term != replica->stored_term || vote != replica->stored_vote) {
        if (!replica->env.store_hard_state(replica->env.context, term, vote, error)) {
            return false;
        }
        replica->stored_term = term;
        replica->stored_vote = vote;
    }
    /* The log after the hard state: a log whose terms are above the stored one counts as damaged.
     */
    uint64_t found = is_new ? 0 : last_index_of(disk);
    tail_init(&replica->tail, found + 1, replica->limits.tail_entries, replica->limits.tail_bytes);
    replica->first_index = first_index_of(disk);
    replica->last_index = found;
    replica->durable_index = found;
    if (is_new) {
        replica_write(replica, disk->entries, disk->entry_count);
    }
    set_cursor(replica, disk);
    const struct entry *applied = entry_at(disk, disk->applied_index);
    replica->applied_index = disk->applied_index;
    replica->applied_term = applied != NULL ? applied->term : disk->snapshot.term;
    replica->commit_index = disk->applied_index;
    replica->last_timeout_ms = replica->now_ms;
    return feed_start(replica, disk, error);
}

bool replica_start_from(struct replica *replica, const struct replica_disk *disk,
                        struct error *error)
{
    replica->stored_term = disk->term;
    replica->stored_vote = disk->voted_for;
    if (disk->term >= LIMIT_RAFT_NUMBER || disk->entry_count > UINT_MAX) {
        return error_set(error, "term %" PRIu64 " or log of %zu entries on disk can't be true",
                         disk->term, disk->entry_count);
    }
    if (disk->entry_count > 0 || disk->snapshot.index > 0) {
        if (!check_entries(disk, error) || !check_snapshot(disk, error) ||
            !check_applied(disk, error) || !check_founders(replica, disk, error)) {
            return false;
        }
        const struct replica_disk as_of = as_of_applied(disk);
        return start_log(replica, &as_of, false, error);
    }
    if (disk->applied_index > 0) {
        return error_set(error,
                         "the state has applied entry %" PRIu64
                         ", but there is no log on disk: " ADVICE_NODE_LOST,
                         disk->applied_index);
    }
    if (replica->bootstrap.len == 0) {
        return start_log(replica, disk, false, error);
    }
    struct entry *first = entry_new_copy(1, 1, ENTRY_CHANGE, buffer_bytes(&replica->bootstrap));
    struct replica_disk founded = *disk;
    founded.entries = &first;
    founded.entry_count = 1;
    bool started = start_log(replica, &founded, true, error);
    entry_release(first);
    return started;
}
