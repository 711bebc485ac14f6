/*
 * replica_env.c - what the replica asks of its node (raft/replica.h), answered out of the core's
 * parts: hard state, log and messages; entries that are applied; reads and snapshots.
 *
 * The happy path of an entry: replica_write_log, and core_log_written when it is durable; then
 * replica_apply: ledger, state store, and whoever waits for it - the digests, an audit, the
 * proposal's owner, the snapshots.
 *
 * What can fail: where the replica takes an answer, it is false, and the replica fails. Where it
 * takes none, core_fail, and the call that it came from ends with that (core.c, checked). Once the
 * core has failed nothing more is written, sent or applied.
 */
#include "replica_env.h"

#include <inttypes.h>

#include "base/planted.h"
#include "members.h"
#include "timekeeping.h"

#define READ_LOG_MOST 1024

static bool replica_store_hard_state(void *context, uint64_t term, uint64_t voted_for,
                                     struct error *error)
{
    struct core *core = context;
    return data_directory_store_hard_state(core->directory, term, voted_for, error);
}

static void replica_write_log(void *context, uint64_t generation, uint64_t first_index,
                              struct entry *const *entries, size_t count)
{
    struct core *core = context;
    struct error error;
    core_note_registrations(core, first_index, entries, count);
    if (!core->failed &&
        !core->env.write_log(core->env.context, generation, first_index, entries, count, &error)) {
        core_fail(core, &error);
    }
}

static size_t replica_read_log(void *context, uint64_t first_index, size_t max_count,
                               size_t max_bytes, struct entry **entries, struct error *error)
{
    struct core *core = context;
    struct log_record records[READ_LOG_MOST];
    struct buffer memory = {0};
    size_t count = log_store_read(core->log, first_index,
                                  max_count < READ_LOG_MOST ? max_count : READ_LOG_MOST, max_bytes,
                                  records, &memory, error);
    for (size_t i = 0; i < count; i++) {
        entries[i] = entry_new_copy(records[i].index, records[i].term,
                                    (enum entry_type)records[i].type, records[i].data);
    }
    buffer_free(&memory);
    return count;
}

static void replica_send_to(void *context, uint64_t peer_id, const struct peer_message *message)
{
    struct core *core = context;
    if (core->failed) {
        return;
    }
    if (message->type == PEER_APPEND_ENTRIES) {
        struct peer_message with_time = *message; /* the same entries */
        with_time.append_entries.ledger_time_ms =
            ledger_clock_told(&core->clock, core_now_ms(core));
        core->env.send(core->env.context, peer_id, &with_time);
        return;
    }
    core->env.send(core->env.context, peer_id, message);
}

struct applying {
    struct proposer *proposer;
    const struct entry *entry;
};

static void on_result(void *context, uint32_t position, const struct ledger_result *result)
{
    (void)position;
    const struct applying *applying = context;
    proposer_result(applying->proposer, applying->entry->index, applying->entry->term, result);
}

static bool replica_apply(void *context, const struct entry *entry, struct error *error)
{
    struct core *core = context;
    struct applying applying = {core->proposer, entry};
    if (core->failed) { /* in this very turn: nothing is acknowledged any more */
        *error = core->failure;
        return false;
    }
    struct bytes commands = entry->data;
    if (PLANTED(LOCAL_CLOCK_EXPIRY) && entry->type == ENTRY_COMMAND) {
        commands = planted_restamp(commands, core->env.wall_ms(core->env.context));
    }
    if (entry->type == ENTRY_COMMAND &&
        !ledger_apply(core->ledger, entry->index, commands, on_result, &applying, error)) {
        return error_wrap(error, "entry %" PRIu64 " can't be applied", entry->index);
    }
    uint64_t applied_index = PLANTED(APPLIED_INDEX_AHEAD) ? entry->index + 1 : entry->index;
    if (!core->state_store.ops->commit(core->state_store.state, applied_index, error)) {
        return false;
    }
    if (entry->type == ENTRY_COMMAND && core_leads(core) && entry->term == core->term) {
        ledger_clock_begun(&core->clock); /* it is our barrier, or behind it */
    }
    if (digests_wants(core->digests, entry->index)) {
        digests_applied(core->digests, entry->index, ledger_digest(core->ledger));
    }
    audit_applied(core, entry->index);
    proposer_applied(core->proposer, entry->index, entry->term);
    snapshots_applied(core->snapshots, entry->data.len);
    return true;
}

static void replica_make_barrier(void *context, uint64_t term, struct buffer *out)
{
    struct core *core = context;
    (void)term;
    struct ledger_stamp stamp = core_stamp_lead(core);
    const struct ledger_entry_header header = {
        .format = LEDGER_ENTRY_FORMAT,
        .ledger_version = (uint16_t)ledger_version(core->ledger),
        .time_ms = stamp.time_ms,
        .outage_credit_ms = PLANTED(CREDIT_LOST) ? 0 : stamp.credit_ms,
    };
    ledger_entry_begin(out, &header);
    ledger_entry_finish(out, 0);
}

static void replica_state_changed(void *context, enum replica_state state, uint64_t term,
                                  uint64_t leader_id)
{
    struct core *core = context;
    bool leadership_ended = core_leads(core) && (state != REPLICA_LEADER || term != core->term);
    core->state = state;
    core->term = term;
    core->leader_id = leader_id;
    core->registered_count = 0;
    digests_role(core->digests, core_leads(core) ? core->config.id : leader_id, term);
    core->env.role_changed(core->env.context);
    if (leadership_ended) {
        ledger_clock_lost(&core->clock);
        proposer_abandon(core->proposer);
    }
}

static void replica_read_confirmed(void *context, uint64_t round, uint64_t index)
{
    struct core *core = context;
    reads_confirmed(core->reads, round, index);
}

static void replica_read_failed(void *context, uint64_t round)
{
    struct core *core = context;
    reads_failed(core->reads, round);
}

static bool replica_describe_snapshot(void *context, uint64_t peer_id, uint64_t index,
                                      struct hash128 *checkpoint)
{
    struct core *core = context;
    (void)peer_id;
    return snapshots_describe(core->snapshots, index, checkpoint);
}

static void replica_fetch_snapshot(void *context, uint64_t peer_id,
                                   const struct replica_snapshot *snapshot,
                                   struct hash128 checkpoint)
{
    struct core *core = context;
    fetching_offer(core->fetching, peer_id, snapshot, checkpoint);
}

static void replica_install_snapshot(void *context, const struct replica_snapshot *snapshot)
{
    struct core *core = context;
    (void)snapshot; /* the one that is staged */
    fetching_install(core->fetching);
}

struct replica_env core_replica_env(struct core *core)
{
    return (struct replica_env){
        .context = core,
        .store_hard_state = replica_store_hard_state,
        .write_log = replica_write_log,
        .read_log = replica_read_log,
        .send = replica_send_to,
        .apply = replica_apply,
        .make_barrier = replica_make_barrier,
        .state_changed = replica_state_changed,
        .read_confirmed = replica_read_confirmed,
        .read_failed = replica_read_failed,
        .describe_snapshot = replica_describe_snapshot,
        .fetch_snapshot = replica_fetch_snapshot,
        .install_snapshot = replica_install_snapshot,
    };
}
