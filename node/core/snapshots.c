/*
 * snapshots.c - one thing at a time: a snapshot, or the removal of a checkpoint.
 *
 * The order within a snapshot, so that a crash at any point is one that the next start can read
 * (storage/data_directory.h, raft/snapshot.c): the state is flushed up to an index (that is what
 * makes a checkpoint), the names of its files and of its directory are durable, the manifest says
 * {index, term, members}, libraft's log begins behind it, the log's segments go.
 *
 * The checkpoint itself need not survive: the next start removes it.
 */
#include "snapshots.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>

#include "base/planted.h"
#include "checkpoint_server.h"
#include "core.h"

/* A follower that needs a checkpoint says so with each heartbeat: one that has not for so long does
 * not need it any more. */
#define WANTED_MS 2000
/* A call waits no longer: the flush of a write buffer takes a small part of it. */
#define CALL_MS 30000

enum snapshots_phase {
    SNAPSHOTS_IDLE,
    SNAPSHOTS_TAKING,
    SNAPSHOTS_STORING,
    SNAPSHOTS_TRIMMING,
    SNAPSHOTS_REMOVING,
};

struct snapshots {
    struct pool_work work; /* first */
    struct core *core;
    enum snapshots_phase phase;
    bool is_held;
    bool is_abandoned; /* no more calls */
    struct checkpoint_server server;

    bool is_wanted; /* a checkpoint that there is not */
    uint64_t wanted_ms;
    uint64_t applied_bytes; /* since the last snapshot of this life */
    uint64_t stored_index;  /* of the manifest's snapshot: what the log is trimmed by */
    int64_t taken_ms;

    STAILQ_HEAD(snapshot_calls, snapshot_call) calls; /* in the order in which they came */
    size_t call_count;

    /* Of what is under way. */
    bool is_refused; /* its step, by the pool */
    bool ok;
    struct error error;
    char *old_path; /* a checkpoint to be removed first; NULL: none */
    char *path;
    bool is_kept; /* it will be offered: a list is made */
    uint64_t bytes_before;
    uint64_t index; /* what the checkpoint holds */
    struct checkpoint_list list;
    struct replica_snapshot point;
    struct snapshot snapshot;
    uint64_t trim_up_to;
};

static void note_stored(struct snapshots *snapshots)
{
    data_directory_snapshot(snapshots->core->directory, &snapshots->snapshot);
    snapshots->stored_index = snapshots->snapshot.index;
}

struct snapshots *snapshots_new(struct core *core)
{
    struct snapshots *snapshots = memory_zalloc(sizeof *snapshots);
    snapshots->core = core;
    snapshots->server.core = core;
    note_stored(snapshots);
    STAILQ_INIT(&snapshots->calls);
    return snapshots;
}

/* Of what is under way no memory is left. */
static void forget_work(struct snapshots *snapshots)
{
    free(snapshots->old_path);
    free(snapshots->path);
    snapshots->old_path = NULL;
    snapshots->path = NULL;
    checkpoint_list_free(&snapshots->list);
    snapshots->phase = SNAPSHOTS_IDLE;
}

void snapshots_free(struct snapshots *snapshots)
{
    if (snapshots == NULL) {
        return;
    }
    assert(snapshots->call_count == 0);
    forget_work(snapshots);
    free(checkpoint_server_withdraw(&snapshots->server));
    free(snapshots);
}

void snapshots_applied(struct snapshots *snapshots, size_t bytes)
{
    snapshots->applied_bytes += bytes;
}

uint64_t snapshots_stored_index(const struct snapshots *snapshots)
{
    return snapshots->stored_index;
}

/* What libraft's log begins behind: that of the manifest, or what the state held at the start. */
static uint64_t last_snapshot(const struct snapshots *snapshots)
{
    struct replica_status status;
    replica_status_get(snapshots->core->replica, &status);
    return status.snapshot_index;
}

/* ---- steps ---- */

/* A pool that refuses is asked again at the next upkeep. */
static void start_step(struct snapshots *snapshots)
{
    struct error ignored;
    snapshots->is_refused = !core_work_start(snapshots->core, &snapshots->work, &ignored);
}

static void run_step(struct snapshots *snapshots, enum snapshots_phase phase,
                     void (*run)(struct pool_work *work), void (*done)(struct pool_work *work))
{
    snapshots->phase = phase;
    snapshots->ok = false;
    snapshots->error.text[0] = '\0';
    snapshots->work = (struct pool_work){run, done};
    start_step(snapshots);
}

/* A step has ended: may the next one follow? */
static bool goes_on(struct snapshots *snapshots)
{
    if (!snapshots->ok) {
        core_fail(snapshots->core, &snapshots->error);
    }
    return snapshots->ok && core_is_working(snapshots->core);
}

static bool remove_tree(const struct snapshots *snapshots, const char *path, struct error *error)
{
    const struct file_system *files = snapshots->core->config.files;
    return path == NULL || files->remove_tree(files->context, path, error);
}

static void trim(struct pool_work *work)
{
    struct snapshots *snapshots = (struct snapshots *)work;
    snapshots->ok =
        (snapshots->trim_up_to == 0 ||
         log_store_trim(snapshots->core->log, snapshots->trim_up_to, &snapshots->error)) &&
        (snapshots->is_kept || remove_tree(snapshots, snapshots->path, &snapshots->error));
}

static void trim_done(struct pool_work *work)
{
    struct snapshots *snapshots = (struct snapshots *)work;
    struct core *core = snapshots->core;
    if (goes_on(snapshots) && snapshots->is_kept) {
        /* One that takes the place of another, and that nobody has wanted since, stays no longer
         * than that one would have. */
        if (snapshots->is_wanted) {
            snapshots->server.asked_ms = core_now_ms(core);
        }
        checkpoint_server_offer(&snapshots->server, snapshots->path, snapshots->index,
                                &snapshots->list);
        snapshots->path = NULL;
        snapshots->is_wanted = false;
    }
    forget_work(snapshots);
    core_work_ended(core);
}

static void store(struct pool_work *work)
{
    struct snapshots *snapshots = (struct snapshots *)work;
    struct core *core = snapshots->core;
    const struct file_system *files = core->config.files;
    /* The state's directory was made in this life, perhaps: from here on it must not get lost. */
    snapshots->ok =
        files->sync_directory(files->context, core->config.data, &snapshots->error) &&
        data_directory_store_snapshot(core->directory, &snapshots->snapshot, &snapshots->error);
}

static void store_done(struct pool_work *work)
{
    struct snapshots *snapshots = (struct snapshots *)work;
    struct core *core = snapshots->core;
    struct error error;
    if (!goes_on(snapshots)) {
        forget_work(snapshots);
    } else if (!replica_snapshot_taken(core->replica, &snapshots->point, core_now_ms(core),
                                       &snapshots->trim_up_to, &error)) {
        core_fail(core, &error);
        forget_work(snapshots);
    } else {
        snapshots->applied_bytes -= snapshots->bytes_before;
        note_stored(snapshots);
        if (PLANTED(TRIM_PAST_SNAPSHOT)) {
            snapshots->trim_up_to = core_applied_index(core);
        }
        snapshots->taken_ms = core->env.wall_ms(core->env.context);
        run_step(snapshots, SNAPSHOTS_TRIMMING, trim, trim_done);
    }
    core_work_ended(core);
}

static void take(struct pool_work *work)
{
    struct snapshots *snapshots = (struct snapshots *)work;
    const struct core *core = snapshots->core;
    const struct state_store *state = &core->state_store;
    snapshots->ok =
        remove_tree(snapshots, snapshots->old_path, &snapshots->error) &&
        state->ops->checkpoint(state->state, snapshots->path, &snapshots->index,
                               &snapshots->error) &&
        (!snapshots->is_kept || checkpoint_list_make(core->config.files, snapshots->path,
                                                     &snapshots->list, &snapshots->error));
    if (snapshots->ok && snapshots->is_kept) {
        data_directory_lineage(core->directory, &snapshots->list.lineage);
    }
}

static void take_done(struct pool_work *work)
{
    struct snapshots *snapshots = (struct snapshots *)work;
    struct core *core = snapshots->core;
    if (PLANTED(SNAPSHOT_AHEAD)) {
        snapshots->index = core_applied_index(core);
    }
    if (!goes_on(snapshots)) {
        forget_work(snapshots);
    } else if (snapshots->index == last_snapshot(snapshots)) {
        /* Nothing was applied since: it is the last snapshot's checkpoint. */
        snapshots->trim_up_to = 0;
        run_step(snapshots, SNAPSHOTS_TRIMMING, trim, trim_done);
    } else if (!replica_snapshot_at(core->replica, snapshots->index, &snapshots->point,
                                    &snapshots->error)) {
        core_fail(core, &snapshots->error);
        forget_work(snapshots);
    } else {
        core_snapshot_of(&snapshots->point, &snapshots->snapshot);
        run_step(snapshots, SNAPSHOTS_STORING, store, store_done);
    }
    core_work_ended(core);
}

static void remove_checkpoint(struct pool_work *work)
{
    struct snapshots *snapshots = (struct snapshots *)work;
    snapshots->ok = remove_tree(snapshots, snapshots->old_path, &snapshots->error);
}

static void remove_checkpoint_done(struct pool_work *work)
{
    struct snapshots *snapshots = (struct snapshots *)work;
    struct core *core = snapshots->core;
    (void)goes_on(snapshots);
    forget_work(snapshots);
    core_work_ended(core);
}

/* ---- when ---- */

static bool is_fetched(const struct snapshots *snapshots)
{
    const struct checkpoint_server *server = &snapshots->server;
    return server->path != NULL && core_now_ms(snapshots->core) - server->asked_ms <
                                       snapshots->core->config.checkpoint_kept_ms;
}

/* The log may not be held back any longer. */
static bool is_outgrown(const struct core *core)
{
    uint64_t entries = log_store_last_index(core->log) + 1 - log_store_first_index(core->log);
    return log_store_disk_bytes(core->log) >= core->config.held_log_bytes ||
           entries >= LIMIT_HELD_LOG_ENTRIES;
}

static bool is_due(const struct snapshots *snapshots)
{
    const struct core *core = snapshots->core;
    if (!replica_can_snapshot(core->replica)) {
        return false;
    }
    if (is_fetched(snapshots) && !is_outgrown(core)) {
        return false;
    }
    uint64_t entries = core_applied_index(core) - snapshots->stored_index;
    /* A log that is trimmed makes room, once there is more than what stays in any case. */
    if (disk_watch_is_low(core->disk_watch) &&
        entries >
            2 * (uint64_t)replica_limits_complete(&core->config.replica_limits).trailing_entries) {
        return true;
    }
    return snapshots->applied_bytes >= core->config.snapshot_log_bytes ||
           entries >= core->config.snapshot_log_entries;
}

/* Somebody needs a checkpoint, and what would be made is one of a snapshot. */
static bool is_wanted(struct snapshots *snapshots)
{
    const struct core *core = snapshots->core;
    if (core_now_ms(core) - snapshots->wanted_ms >= WANTED_MS) {
        snapshots->is_wanted = false;
    }
    return snapshots->is_wanted && (replica_can_snapshot(core->replica) ||
                                    core_applied_index(core) == last_snapshot(snapshots));
}

/* ---- calls ---- */

static void end_first_call(struct snapshots *snapshots, bool ok, uint64_t index, const char *why)
{
    struct snapshot_call *call = STAILQ_FIRST(&snapshots->calls);
    STAILQ_REMOVE_HEAD(&snapshots->calls, next);
    snapshots->call_count--;
    call->ok = ok;
    call->index = index;
    error_set(&call->error, "%s", why);
    call->ended(call);
}

/* Answers those that have what they wait for, or have waited too long. Later ones wait for no less.
 */
static void end_calls(struct snapshots *snapshots)
{
    const struct core *core = snapshots->core;
    uint64_t index = last_snapshot(snapshots);
    const struct snapshot_call *first;
    while ((first = STAILQ_FIRST(&snapshots->calls)) != NULL) {
        if (first->least_index <= index) {
            end_first_call(snapshots, true, index, "");
        } else if (core_now_ms(core) - first->begun_ms >= CALL_MS) {
            end_first_call(snapshots, false, 0,
                           "none could be taken in time; this node has been behind the others, or "
                           "without a leader, or its disk is very slow");
        } else {
            break;
        }
    }
}

void snapshots_abandon(struct snapshots *snapshots)
{
    snapshots->is_abandoned = true;
    while (snapshots->call_count > 0) {
        end_first_call(snapshots, false, 0, "this node is stopping");
    }
}

/* What the state holds is what it held at the start, which libraft's log begins behind already
 * (raft/start.c): no snapshot at that index can be told to it, and the log, which goes back to the
 * manifest's one, is too long for as long as nothing is written. */
static bool is_stuck_at_start(const struct snapshots *snapshots)
{
    const struct core *core = snapshots->core;
    const size_t trailing = replica_limits_complete(&core->config.replica_limits).trailing_entries;
    struct replica_status status;
    replica_status_get(core->replica, &status);
    return snapshots->stored_index < status.snapshot_index &&
           core_applied_index(core) == status.snapshot_index &&
           status.snapshot_index >= status.first_index + trailing;
}

bool snapshots_call(struct snapshots *snapshots, struct snapshot_call *call, struct error *why)
{
    const struct core *core = snapshots->core;
    if (!core_is_working(core) || snapshots->is_abandoned) {
        return error_set(why, "this node is stopping");
    }
    if (snapshots->call_count == LIMIT_SNAPSHOT_CALLS) {
        return error_set(why, "%d calls wait for a snapshot of this node already",
                         LIMIT_SNAPSHOT_CALLS);
    }
    if (is_fetched(snapshots)) {
        return error_set(why,
                         "another node fetches the snapshot at entry %" PRIu64
                         " from this one, or has within the last %" PRIu64
                         " s; a newer one would make it begin anew: ask again then",
                         snapshots->server.index, core->config.checkpoint_kept_ms / 1000);
    }
    if (is_stuck_at_start(snapshots)) {
        return error_set(why,
                         "nothing has been written since this node started: its state at entry "
                         "%" PRIu64 " is on its disk, but the log can be trimmed only behind what "
                         "comes next; ask again then",
                         core_applied_index(core));
    }
    call->least_index = core_applied_index(core);
    call->begun_ms = core_now_ms(core);
    STAILQ_INSERT_TAIL(&snapshots->calls, call, next);
    snapshots->call_count++;
    return true;
}

int64_t snapshots_taken_ms(const struct snapshots *snapshots)
{
    return snapshots->taken_ms;
}

static bool is_called_for(const struct snapshots *snapshots)
{
    return snapshots->call_count > 0 && !is_fetched(snapshots) &&
           replica_can_snapshot(snapshots->core->replica);
}

/* ---- now and then ---- */

static void begin(struct snapshots *snapshots, bool is_kept)
{
    struct core *core = snapshots->core;
    snapshots->old_path = checkpoint_server_withdraw(&snapshots->server);
    snapshots->path = data_directory_checkpoint_path(core->directory, core_applied_index(core));
    snapshots->is_kept = is_kept;
    snapshots->bytes_before = snapshots->applied_bytes;
    run_step(snapshots, SNAPSHOTS_TAKING, take, take_done);
}

void snapshots_upkeep(struct snapshots *snapshots)
{
    struct checkpoint_server *server = &snapshots->server;
    end_calls(snapshots);
    if (snapshots->phase != SNAPSHOTS_IDLE && snapshots->is_refused) {
        start_step(snapshots);
    }
    if (snapshots->phase != SNAPSHOTS_IDLE || snapshots->is_held) {
        return;
    }
    bool wanted = is_wanted(snapshots);
    bool due = is_due(snapshots) || is_called_for(snapshots);
    bool removal = server->path != NULL && !is_fetched(snapshots);
    /* What is offered goes first; what is being read of it is read to its end. */
    server->is_held = wanted || due || removal;
    if (!server->is_held || checkpoint_server_is_busy(server)) {
        return;
    }
    if (wanted || due) {
        begin(snapshots, wanted || is_fetched(snapshots));
    } else {
        snapshots->old_path = checkpoint_server_withdraw(server);
        run_step(snapshots, SNAPSHOTS_REMOVING, remove_checkpoint, remove_checkpoint_done);
    }
    server->is_held = false;
}

/* ---- for others ---- */

bool snapshots_describe(struct snapshots *snapshots, uint64_t index, struct hash128 *checkpoint)
{
    struct checkpoint_server *server = &snapshots->server;
    uint64_t now = core_now_ms(snapshots->core);
    if (server->path != NULL) {
        /* What is offered is the last snapshot's: it is withdrawn before the next one is begun. */
        assert(server->index == index);
        server->asked_ms = now;
        *checkpoint = server->name;
        return true;
    }
    snapshots->is_wanted = true;
    snapshots->wanted_ms = now;
    return false;
}

void snapshots_answer(struct snapshots *snapshots, uint64_t peer_id, const struct peer_message *ask)
{
    checkpoint_server_answer(&snapshots->server, peer_id, ask);
}

/* ---- another state ---- */

bool snapshots_hold(struct snapshots *snapshots)
{
    snapshots->is_held = true;
    snapshots->server.is_held = true;
    return snapshots->phase == SNAPSHOTS_IDLE && !checkpoint_server_is_busy(&snapshots->server);
}

void snapshots_release(struct snapshots *snapshots)
{
    snapshots->is_held = false;
    snapshots->server.is_held = false;
}

char *snapshots_replaced(struct snapshots *snapshots)
{
    assert(snapshots->phase == SNAPSHOTS_IDLE);
    char *path = checkpoint_server_withdraw(&snapshots->server);
    snapshots->applied_bytes = 0;
    note_stored(snapshots);
    snapshots->taken_ms = snapshots->core->env.wall_ms(snapshots->core->env.context);
    snapshots->is_wanted = false;
    snapshots_release(snapshots);
    return path;
}
