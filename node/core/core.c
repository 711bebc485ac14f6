/*
 * core.c - the wiring of a node's parts, and the calls that drive them (core.h).
 *
 * The happy path of a command: core_propose puts it into the proposer; at the end of the turn
 * core_flush submits one entry; replica -> write_log and send; a majority -> replica_apply
 * (replica_env.c): ledger, state store, proposer, the proposal's owner. Of a read: core_propose ->
 * reads -> core_tick -> replica_read_confirmed -> core_answer_read -> the proposal's owner. Of a
 * snapshot: core_upkeep -> snapshots -> the pool; of one from another node: replica_fetch_snapshot
 * -> fetching -> the pool -> replica_install_snapshot -> fetching -> core_replace_state.
 *
 * Possible failures: at the open each is one clear line; later a failed disk, a broken contract of
 * libraft, or a state that can't be read or written: the call returns false and so does every later
 * one of the replica's.
 */
#include "core.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>

#include "base/planted.h"
#include "found.h"
#include "members.h"
#include "replica_env.h"
#include "timekeeping.h"

uint64_t core_now_ms(const struct core *core)
{
    return core->env.monotonic_ms(core->env.context);
}

/* What a callback of the replica without a result has met ends the call that it came from. */
static bool checked(struct core *core, bool ok, struct error *error)
{
    if (ok && core->failed) {
        *error = core->failure;
        return false;
    }
    return ok;
}

bool core_is_working(const struct core *core)
{
    return !core->failed && !core->is_abandoned;
}

void core_fail(struct core *core, const struct error *error)
{
    if (!core->failed) {
        core->failed = true;
        core->failure = *error;
    }
}

/* ---- the pool ---- */

bool core_work_start(struct core *core, struct pool_work *work, struct error *error)
{
    core->works++;
    if (!core->env.run_in_pool(core->env.context, work, error)) {
        core->works--;
        return false;
    }
    return true;
}

void core_work_ended(struct core *core)
{
    assert(core->works > 0);
    core->works--;
    if (core->works == 0 && core->is_abandoned) {
        core->env.quiet(core->env.context);
    }
}

/* ---- what it is ---- */

bool core_leads(const struct core *core)
{
    return core->state == REPLICA_LEADER;
}

uint64_t core_applied_index(const struct core *core)
{
    return core->state_store.ops->applied_index(core->state_store.state);
}

bool core_knows_leader(const struct core *core)
{
    return core_leads(core) || (core->leader_id != 0 && core->removed_index == 0);
}

/* A voter that hears nothing of its leader knows none soon; a standby, which elects nobody, goes on
 * knowing it. */
static bool hears_leader(const struct core *core)
{
    uint64_t age_ms;
    return core_knows_leader(core) &&
           contacts_age_ms(&core->contacts, core->leader_id, core_now_ms(core), &age_ms) &&
           age_ms < PEER_SILENCE_MS;
}

/* A leader tells its time with its appends once its barrier is applied (ledger_clock_told). */
bool core_can_serve(const struct core *core)
{
    if (!core_leads(core)) {
        return hears_leader(core) && core->clock.heard_ms != 0;
    }
    struct replica_status status;
    replica_status_get(core->replica, &status);
    return status.barrier_applied && core_knows_time(core);
}

bool core_is_behind(const struct core *core)
{
    struct replica_status status;
    replica_status_get(core->replica, &status);
    return status.last_index > status.applied_index + LIMIT_READ_LAG;
}

bool core_state_age(const struct core *core, uint64_t *age_ms)
{
    return replica_state_age(core->replica, core_now_ms(core), age_ms);
}

/* ---- the state ---- */

void core_snapshot_of(const struct replica_snapshot *from, struct snapshot *to)
{
    assert(from->configuration.len <= LIMIT_CONFIGURATION_BYTES);
    *to = (struct snapshot){
        .index = from->index,
        .term = from->term,
        .configuration_index = from->configuration_index,
        .configuration_len = (uint32_t)from->configuration.len,
    };
    memcpy(to->configuration, from->configuration.data, from->configuration.len);
}

static void begin_digests(struct core *core)
{
    struct lineage lineage;
    data_directory_lineage(core->directory, &lineage);
    core->state_generation = data_directory_generation(core->directory);
    digests_forget(core->digests);
    digests_set_lineage(core->digests, &lineage);
}

bool core_replace_state(struct core *core, const struct state_store *state, struct error *error)
{
    struct ledger *ledger = ledger_open_knowing(state->ops->records(state->state),
                                                core->config.ledger_version_known, error);
    if (ledger == NULL) {
        return false;
    }
    ledger_close(core->ledger);
    core->ledger = ledger;
    core->state_store = *state;
    begin_digests(core);
    registrations_free(&core->logged); /* the log that they stood in is gone */
    return true;
}

/* ---- what the digests ask ---- */

static size_t digests_members(void *context, struct replica_member *members, size_t capacity)
{
    struct core *core = context;
    return replica_members(core->replica, members, capacity);
}

static void digests_warn(void *context, const char *words)
{
    struct core *core = context;
    core->env.warn(core->env.context, "digest", words);
}

static void digests_stop(void *context, const struct error *why)
{
    core_fail(context, why);
}

/* One generation's digests are noted; the manifest may name the next one already. */
static void digests_borne_out(void *context)
{
    struct core *core = context;
    struct error error;
    if (!data_directory_forget_lineage(core->directory, core->state_generation, &error)) {
        core_fail(core, &error);
    }
}

static bool is_of_digests(const struct peer_message *message)
{
    return message->type == PEER_DIGEST_REPORT || message->type == PEER_DIGEST_DIFFERS ||
           message->type == PEER_DIGEST_BORNE_OUT;
}

static bool receive_digest(struct core *core, uint64_t peer_id, const struct peer_message *message,
                           struct error *error)
{
    struct replica_status status;
    replica_status_get(core->replica, &status);
    if (core_is_working(core)) {
        digests_receive(core->digests, peer_id, message, status.last_index);
    }
    return checked(core, true, error);
}

/* ---- what the reads ask ---- */

static bool reads_join(void *context, uint64_t *round)
{
    struct core *core = context;
    return replica_read_join(core->replica, round);
}

/* ---- what the proposer asks ---- */

static bool proposer_can_submit(void *context)
{
    struct core *core = context;
    return core_leads(core) && replica_can_submit(core->replica) && core_knows_time(core);
}

static void proposer_stamp(void *context, struct ledger_entry_header *header)
{
    struct core *core = context;
    struct ledger_stamp stamp = core_stamp(core);
    header->ledger_version = (uint16_t)ledger_version(core->ledger);
    header->time_ms = stamp.time_ms;
    header->outage_credit_ms = stamp.credit_ms;
    if (PLANTED(STAMP_BY_WALL_CLOCK)) {
        header->time_ms = core->env.wall_ms(core->env.context);
    }
}

static bool proposer_submit(void *context, struct entry *entry, uint64_t *index, uint64_t *term,
                            struct error *error)
{
    struct core *core = context;
    *term = core->term;
    return checked(core, replica_submit(core->replica, entry, core_now_ms(core), index, error),
                   error);
}

/* ---- events ---- */

bool core_receive(struct core *core, uint64_t peer_id, struct peer_message *message,
                  struct error *error)
{
    bool from_leader = message->type == PEER_APPEND_ENTRIES;
    int64_t told_ms = from_leader ? message->append_entries.ledger_time_ms : 0;
    uint64_t now = core_now_ms(core);
    bool heard;
    if (!core_hears(core, peer_id, &heard, error)) {
        peer_message_free(message);
        return false;
    }
    if (!heard) {
        peer_message_free(message);
        return checked(core, true, error);
    }
    contacts_note(&core->contacts, peer_id, now);
    if (message->type == PEER_CHECKPOINT_ASK || message->type == PEER_CHECKPOINT_PART) {
        if (core_is_working(core) && message->type == PEER_CHECKPOINT_ASK) {
            snapshots_answer(core->snapshots, peer_id, message);
        } else if (core_is_working(core)) {
            fetching_part(core->fetching, peer_id, message);
        }
        peer_message_free(message);
        return checked(core, true, error);
    }
    if (is_of_digests(message)) {
        return receive_digest(core, peer_id, message, error);
    }
    if (message->type == PEER_PING || message->type == PEER_PONG) {
        if (core_is_working(core)) {
            core_clocks_receive(core, peer_id, message);
        }
        return checked(core, true, error);
    }
    if (!checked(core, replica_receive(core->replica, peer_id, message, now, error), error)) {
        return false;
    }
    if (from_leader && core->leader_id == peer_id) {
        core_clocks_heard_leader(core, told_ms);
    }
    return true;
}

bool core_log_written(struct core *core, uint64_t generation, uint64_t last_index,
                      struct error *error)
{
    return checked(
        core, replica_log_written(core->replica, generation, last_index, core_now_ms(core), error),
        error);
}

bool core_upkeep(struct core *core, struct error *error)
{
    reads_sweep(core->reads);
    if (core_is_working(core)) {
        snapshots_upkeep(core->snapshots);
        fetching_upkeep(core->fetching);
        disk_watch_upkeep(core->disk_watch);
        digests_upkeep(core->digests);
        audit_upkeep(core);
        core_clocks_upkeep(core);
    }
    if (!core_note_removal(core, error)) {
        return false;
    }
    if (core->failed || !core_leads(core)) {
        return checked(core, true, error);
    }
    struct replica_status status;
    replica_status_get(core->replica, &status);
    ledger_clock_leading(&core->clock, core_now_ms(core));
    if (!status.barrier_applied) {
        return true;
    }
    if (!core_register_members(core, error)) {
        return false;
    }
    if (core_wants_tick(core) && status.applied_index == status.last_index) {
        proposer_want_tick(core->proposer);
    }
    return core_flush(core, error);
}

bool core_tick(struct core *core, struct error *error)
{
    return checked(core, replica_tick(core->replica, core_now_ms(core), error), error);
}

bool core_answer_read(struct core *core, bool *answered, struct error *error)
{
    return reads_answer(core->reads, core_applied_index(core), answered, error);
}

/* An audit waits for an index that nobody else brings about: entries, one after the other. */
static void want_audited_entry(struct core *core)
{
    struct replica_status status;
    if (core->waiting_audit == NULL || !core_leads(core)) {
        return;
    }
    replica_status_get(core->replica, &status);
    if (status.barrier_applied && status.applied_index == status.last_index &&
        audit_wants_entry(core, status.last_index)) {
        proposer_want_tick(core->proposer);
    }
}

bool core_flush(struct core *core, struct error *error)
{
    want_audited_entry(core);
    return proposer_flush(core->proposer, error);
}

uint64_t core_next_ms(const struct core *core)
{
    return reads_has_answers(core->reads, core_applied_index(core))
               ? core_now_ms(core)
               : replica_next_ms(core->replica);
}

static bool propose_read(struct core *core, struct proposal *read)
{
    uint64_t round;
    if (!reads_add(core->reads, read)) {
        return false;
    }
    /* A follower may have what the read waits for, and not know yet that it is committed: its
     * leader's answer will tell, sooner than the next heartbeat. Who else asks does not matter. */
    if (read->consistency == READ_STALE && read->min_index > core_applied_index(core) &&
        !core_leads(core)) {
        replica_read_join(core->replica, &round);
    }
    return true;
}

bool core_propose(struct core *core, struct proposal *proposal)
{
    if (proposal->is_read) {
        if (proposal->consistency != READ_STALE && core->removed_index != 0) {
            return false;
        }
        return propose_read(core, proposal);
    }
    return core_leads(core) &&
           (!disk_watch_is_low(core->disk_watch) || PLANTED(LOW_DISK_IGNORED)) &&
           proposer_add(core->proposer, proposal);
}

bool core_change_members(struct core *core, const struct replica_change *change, bool *accepted,
                         struct error *why, struct error *error)
{
    *accepted = false;
    bool may;
    if (!core_judge_change(core, change, &may, why, error)) {
        return false;
    }
    return !may || checked(core,
                           replica_change_members(core->replica, change, core_now_ms(core),
                                                  accepted, why, error),
                           error);
}

bool core_transfer_leadership(struct core *core, uint64_t to, bool *accepted, struct error *why,
                              struct error *error)
{
    return checked(
        core,
        replica_transfer_leadership(core->replica, to, core_now_ms(core), accepted, why, error),
        error);
}

/* ---- life ---- */

static void set_defaults(struct core_config *config)
{
    if (config->ledger_version_known == 0) {
        config->ledger_version_known = LEDGER_VERSION;
    }
    if (config->snapshot_log_entries == 0) {
        config->snapshot_log_entries = SNAPSHOT_LOG_ENTRIES;
    }
    if (config->snapshot_log_bytes == 0) {
        config->snapshot_log_bytes = SNAPSHOT_LOG_BYTES;
    }
    if (config->held_log_bytes == 0) {
        config->held_log_bytes = HELD_LOG_BYTES;
    }
    if (config->digest_interval == 0) {
        config->digest_interval = DIGEST_INTERVAL_ENTRIES;
    }
    if (config->checkpoint_ask_ms == 0) {
        config->checkpoint_ask_ms = CHECKPOINT_ASK_MS;
    }
    if (config->checkpoint_kept_ms == 0) {
        config->checkpoint_kept_ms = CHECKPOINT_KEPT_MS;
    }
    if (config->staging_kept_ms == 0) {
        config->staging_kept_ms = STAGING_KEPT_MS;
    }
    /* It is made for an offer that could not be made yet, and must be there when the next is due.
     */
    uint64_t election_timeout_ms = config->election_timeout_ms != 0 ? config->election_timeout_ms
                                                                    : DEFAULT_ELECTION_TIMEOUT_MS;
    uint64_t two_offers_ms = UINT64_C(2) * REPLICA_OFFER_ELECTION_TIMEOUTS * election_timeout_ms;
    if (config->checkpoint_kept_ms < two_offers_ms) {
        config->checkpoint_kept_ms = two_offers_ms;
    }
}

/* Between the bounds of the parts, as base/limits.h has them: room for the barrier. */
static void assert_limits(const struct core_config *config)
{
    struct replica_limits replica = replica_limits_complete(&config->replica_limits);
    struct proposer_limits proposer = proposer_limits_complete(&config->proposer_limits);
    assert(proposer.inflight_entries < replica.inflight_entries);
}

/* As told: by its founders, by its id, or not at all. */
static bool name_cluster(struct core *core, struct error *error)
{
    const struct core_config *config = &core->config;
    struct buffer bootstrap = {0};
    core->cluster_id = config->cluster_id;
    if (config->member_count == 0) {
        return true;
    }
    bool named = replica_bootstrap_entry(config->members, config->member_count, &bootstrap,
                                         &core->cluster_id, error);
    buffer_free(&bootstrap);
    return named &&
           (config->cluster_id == 0 || config->cluster_id == core->cluster_id ||
            error_set(error,
                      "the initial members make cluster %016" PRIx64
                      ", and this node was told cluster %016" PRIx64 ": one of the two is wrong",
                      core->cluster_id, config->cluster_id));
}

bool core_open(struct core *core, const struct core_config *config, const struct core_env *env,
               struct error *error)
{
    *core = (struct core){.config = *config, .env = *env, .state = REPLICA_FOLLOWER};
    assert_limits(config);
    set_defaults(&core->config);
    core->found = memory_zalloc(sizeof *core->found);
    if (!name_cluster(core, error) || !core_found_open(core, core->found, error)) {
        struct error ignored; /* nothing was applied: what could not be flushed is not missed */
        core_close(core, &ignored);
        return false;
    }
    return true;
}

bool core_start(struct core *core, struct error *error)
{
    const struct proposer_env proposer = {
        .context = core,
        .can_submit = proposer_can_submit,
        .stamp = proposer_stamp,
        .submit = proposer_submit,
    };
    core->proposer = proposer_new(&proposer, &core->config.proposer_limits);
    const struct reads_env reads = {.context = core, .join = reads_join};
    core->reads = reads_new(&reads);
    core->snapshots = snapshots_new(core);
    core->fetching = fetching_new(core);
    core->disk_watch = disk_watch_new(core);
    const struct replica_env env = core_replica_env(core);
    const struct digests_env digests = {
        .context = core,
        .send = env.send,
        .members = digests_members,
        .warn = digests_warn,
        .stop = digests_stop,
        .borne_out = digests_borne_out,
    };
    core->digests = digests_new(core->config.id, core->config.digest_interval, &digests);
    begin_digests(core);
    if (PLANTED(LINEAGE_FORGOTTEN)) {
        digests_set_lineage(core->digests, &(struct lineage){0});
    }
    const struct replica_config config = {
        .id = core->config.id,
        .address = core->address,
        .members = core->config.members,
        .member_count = core->config.member_count,
        .cluster_id = core->cluster_id,
        .election_timeout_ms = core->config.election_timeout_ms,
        .heartbeat_ms = core->config.heartbeat_ms,
        .seed = core->config.seed,
        .limits = core->config.replica_limits,
    };
    core->replica = replica_open(&config, &env, error);
    if (core->replica == NULL) {
        return false;
    }
    const struct snapshot *snapshot = &core->found->snapshot;
    const struct replica_disk disk = {
        .snapshot =
            {
                .index = snapshot->index,
                .term = snapshot->term,
                .configuration_index = snapshot->configuration_index,
                .configuration = bytes_of(snapshot->configuration, snapshot->configuration_len),
            },
        .term = data_directory_term(core->directory),
        .voted_for = data_directory_voted_for(core->directory),
        .entries = core->found->entries,
        .entry_count = core->found->count,
        .applied_index = core_applied_index(core),
    };
    bool started = replica_start(core->replica, &disk, core_now_ms(core), error);
    core_found_free(core->found);
    core->found = NULL;
    return checked(core, started, error);
}

void core_abandon(struct core *core)
{
    core->is_abandoned = true;
    audit_abandon(core);
    proposer_abandon(core->proposer);
    reads_abandon(core->reads);
    snapshots_abandon(core->snapshots);
}

bool core_close(struct core *core, struct error *error)
{
    bool flushed = true;
    assert(core->works == 0);
    if (core->proposer != NULL) {
        core_abandon(core);
        proposer_free(core->proposer);
        reads_free(core->reads);
    }
    disk_watch_free(core->disk_watch);
    digests_free(core->digests);
    fetching_free(core->fetching);
    snapshots_free(core->snapshots);
    replica_close(core->replica);
    core_found_free(core->found);
    ledger_close(core->ledger);
    if (core->state_store.ops != NULL) {
        flushed = core->state_store.ops->close(core->state_store.state, error);
    }
    if (core->log != NULL) {
        log_store_close(core->log);
    }
    if (core->directory != NULL) {
        data_directory_close(core->directory);
    }
    registrations_free(&core->logged);
    if (core->failed) { /* the stop had begun before anybody could be told */
        *error = core->failure;
        flushed = false;
    }
    *core = (struct core){0};
    return flushed;
}
