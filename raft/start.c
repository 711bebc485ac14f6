/*
 * start.c - from what the disk held to a running core.
 *
 * Happy path: the log's entries are consecutive, their terms do not fall, entry 1 is the
 * configuration that our own members make (rule 0), hard state and state machine agree with the
 * log; then START. An empty log is a new node: it gets entry 1.
 *
 * Entry 1 of a new node is fed with START, which takes it for durable before its write is: every
 * node makes the same entry 1 of the same members, so a crash in between only makes it again. Our
 * own durable index waits for the write, and so does apply.
 *
 * A lone voter elects itself in START, in the term that the disk gave (raft.c, maybeSelfElect;
 * convert.c, convertToCandidate): entries of two lives would share a term, and a follower could not
 * tell them apart. So the next term and the vote for itself are stored first (rule 11).
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
    if (!replica_bootstrap_entry(config->members, config->member_count, &replica->bootstrap,
                                 &cluster_id, error)) {
        error_wrap(error, "the initial members");
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
    raft_set_max_inflight_entries(&replica->raft, LIMIT_RAFT_INFLIGHT_ENTRIES);
    raft_set_pre_vote(&replica->raft, true);
    replica->limits = replica_limits_complete(&config->limits);
    replica->state = REPLICA_FOLLOWER;
    replica->generation = 1;
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
    for (size_t i = 0; i < replica->change_count; i++) {
        entry_release(replica->changes[i]);
    }
    free((void *)replica->changes);
    free(replica->scratch);
    buffer_free(&replica->bootstrap);
    free(replica);
}

static bool check_entries(const struct replica *replica, const struct replica_disk *disk,
                          struct error *error)
{
    uint64_t term = 1;
    for (size_t i = 0; i < disk->entry_count; i++) {
        const struct entry *entry = disk->entries[i];
        if (entry->index != i + 1 || entry->term < term || entry->term > disk->term) {
            return error_set(error,
                             "the log on disk is damaged: entry %" PRIu64 " of term %" PRIu64
                             " stands where %zu of a term from %" PRIu64 " to %" PRIu64 " belongs",
                             entry->index, entry->term, i + 1, term, disk->term);
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
    if (disk->applied_index > disk->entry_count) {
        return error_set(
            error,
            "the state has applied entry %" PRIu64
            ", but the log on disk ends at %zu: the log has lost entries; " ADVICE_NODE_LOST,
            disk->applied_index, disk->entry_count);
    }
    const struct entry *first = disk->entries[0];
    if (first->term != 1 || first->type != ENTRY_CHANGE ||
        !bytes_equal(first->data, buffer_bytes(&replica->bootstrap))) {
        return error_set(error,
                         "the log on disk was founded by other members than those configured: "
                         "start this node with the members it was founded with");
    }
    return true;
}

/* Rule 11: is this replica the only voter of the latest configuration in the log? */
static bool is_lone_voter(const struct replica *replica, struct entry *const *entries, size_t count,
                          bool *lone, struct error *error)
{
    struct raft_configuration configuration;
    size_t i = count;
    *lone = false;
    while (entries[i - 1]->type != ENTRY_CHANGE) { /* entry 1 is one: checked */
        i--;
    }
    if (!configuration_decode(entries[i - 1]->data, &configuration, error)) {
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

static bool feed_start(struct replica *replica, struct entry *const *entries, size_t count,
                       struct error *error)
{
    /* If START fails, libraft frees the array and the batch (restore.c, entryBatchesDestroy), else
     * they stay ours; a failure stops the process. */
    struct raft_entry *array = raft_calloc(count, sizeof *array);
    void *batch = raft_malloc(1);
    if (array == NULL || batch == NULL) {
        return error_set(error, "no memory for a log of %zu entries", count);
    }
    for (size_t i = 0; i < count; i++) {
        array[i].term = entries[i]->term;
        array[i].type = (enum raft_entry_type)entries[i]->type;
        if (entries[i]->type == ENTRY_CHANGE) {
            array[i].buf = configuration_raft_buffer(entries[i]->data);
        }
        array[i].batch = batch;
    }
    struct raft_event event = {
        .type = RAFT_START,
        .start =
            {
                .term = replica->stored_term,
                .voted_for = replica->stored_vote,
                .start_index = 1,
                .entries = array,
                .n_entries = (unsigned)count,
            },
    };
    if (!replica_feed(replica, &event, NULL, 0, error)) {
        return false;
    }
    raft_free(batch);
    raft_free(array);
    return true;
}

/* `found`: how many of the entries the disk had; a new node's entry 1 is still to be written. */
static bool start_log(struct replica *replica, struct entry *const *entries, size_t count,
                      size_t found, uint64_t applied_index, struct error *error)
{
    bool lone;
    uint64_t term = replica->stored_term > 0 ? replica->stored_term : 1;
    uint64_t vote = replica->stored_vote;
    if (!is_lone_voter(replica, entries, count, &lone, error)) {
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
    tail_init(&replica->tail, found + 1, replica->limits.tail_entries, replica->limits.tail_bytes);
    replica->last_index = found;
    replica->durable_index = found;
    if (found < count) {
        replica_write(replica, entries + found, count - found);
    }
    /* The cursor of rule 8: START takes nothing but entry 1 for committed (raft.c, stepStart),
     * however far the owner has applied. With snapshots it will be the snapshot's index. */
    uint64_t cursor = PLANTED(CONFIGURATIONS_FROM_APPLIED) ? applied_index : 1;
    for (size_t i = 1; i < count; i++) {
        if (entries[i]->type == ENTRY_CHANGE && entries[i]->index > cursor) {
            replica_remember_change(replica, entries[i]);
        }
    }
    replica->applied_index = applied_index;
    replica->applied_term = applied_index > 0 ? entries[applied_index - 1]->term : 0;
    replica->commit_index = applied_index;
    replica->last_timeout_ms = replica->now_ms;
    return feed_start(replica, entries, count, error);
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
    if (disk->entry_count > 0) {
        if (!check_entries(replica, disk, error)) {
            return false;
        }
        return start_log(replica, disk->entries, disk->entry_count, disk->entry_count,
                         disk->applied_index, error);
    }
    if (disk->applied_index > 0) {
        return error_set(error,
                         "the state has applied entry %" PRIu64
                         ", but there is no log on disk: " ADVICE_NODE_LOST,
                         disk->applied_index);
    }
    struct entry *first = entry_new_copy(1, 1, ENTRY_CHANGE, buffer_bytes(&replica->bootstrap));
    bool started = start_log(replica, &first, 1, 0, 0, error);
    entry_release(first);
    return started;
}
