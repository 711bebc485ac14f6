/*
 * recovery.c - what is left of a cluster that has lost its majority, in the directory of one of its
 * nodes, becomes a cluster of one (recovery.h).
 *
 * The happy path: the old directory is opened as for a start, which takes its lock and judges
 * manifest, log and state; the whole log counts as committed; the state is copied by a checkpoint
 * into the new directory, the rest of the log is applied to the copy, and the new manifest says:
 * another cluster, the same node and incarnation (the state has it registered), a snapshot at the
 * end of the log whose only member is this node. The log is empty: no entry 1 can tell whom it was
 * founded by, and who joins later gets the snapshot.
 *
 * Possible failures: the old directory is in use, or damaged, or belongs to a node that joins and
 * has no log; the new one is there already; a disk. The old directory stays as it was, but for what
 * any start does to it. A new one that was not finished is refused by a start: its state has
 * applied more than its log holds.
 */
#include "recovery.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "core/core.h"
#include "core/found.h"
#include "log.h"
#include "storage/state_db.h"

#define READ_AT_ONCE       512
#define READ_AT_ONCE_BYTES ((size_t)4 << 20)

struct recovery {
    const struct node_options *options;
    struct core old;
    uint64_t last_index;
    uint64_t last_term;
    uint64_t term; /* the node's */

    struct data_directory *directory;
    struct state_store state;
    struct ledger *ledger;
    uint64_t cluster_id;
};

static bool open_state(void *context, const char *path, struct state_store *state, bool *is_foreign,
                       struct error *error)
{
    const struct state_db_options options = {.path = path, .is_foreign = is_foreign};
    (void)context;
    struct state_db *db = state_db_open(&options, error);
    if (db != NULL) {
        *state = state_db_interface(db);
    }
    return db != NULL;
}

static void warn(void *context, const char *what, const char *words)
{
    (void)context;
    log_warning(what, LOG_TEXT("message", words));
}

/* ---- the old directory ---- */

static bool open_old(struct recovery *recovery, struct error *error)
{
    const struct core_env env = {.open_state = open_state, .warn = warn};
    const struct core_config config = {
        .id = recovery->options->id,
        .address = recovery->options->advertise_peer,
        .data = recovery->options->data,
        .files = &file_system_posix,
        .new_incarnation = 1, /* the directory is not new */
    };
    if (!core_open(&recovery->old, &config, &env, error)) {
        return false;
    }
    const struct core_found *found = recovery->old.found;
    recovery->last_index = log_store_last_index(recovery->old.log);
    recovery->last_term =
        found->count > 0 ? found->entries[found->count - 1]->term : found->snapshot.term;
    recovery->term = data_directory_term(recovery->old.directory);
    return recovery->last_index > 0 ||
           error_set(error, "%s has no log: its node never was reached by its cluster",
                     recovery->options->data);
}

static void describe(const struct recovery *recovery)
{
    const struct core *old = &recovery->old;
    printf("node %" PRIu64 " of cluster %016" PRIx64 ", in %s\n"
           "  its log ends with entry %" PRIu64 " of term %" PRIu64 ", %" PRIu64
           " are applied; peers reach it at %s\n\n"
           "FORCING A NEW CLUSTER out of this node alone means:\n"
           "  - what the others acknowledged behind that entry IS LOST, and nobody can say what\n"
           "  - what stands in this log and was never acknowledged COUNTS from now on\n"
           "  - the others never come back: each needs a new id and an empty directory\n"
           "Compare the last entries of all directories that are left, and take the one whose "
           "term, then\nwhose entry is the highest. Be sure that no other node runs, or ever will "
           "with what it has.\n\n",
           old->config.id, old->cluster_id, recovery->options->data, recovery->last_index,
           recovery->last_term, core_applied_index(old), old->address);
    fflush(stdout); /* before whatever stderr says */
}

/* A word for another cluster is a mistake about the directory, or about the cluster. */
static bool check_confirmed(const struct recovery *recovery, struct error *error)
{
    uint64_t cluster_id = recovery->old.cluster_id;
    uint64_t confirmed_id = recovery->options->confirmed_cluster_id;
    return confirmed_id == cluster_id ||
           error_set(error,
                     "nothing was made: cluster %016" PRIx64
                     " is to be given up, and this directory is of cluster %016" PRIx64
                     ": --confirm-data-loss %016" PRIx64 " gives up that one",
                     confirmed_id, cluster_id, cluster_id);
}

static void tell_how(const struct recovery *recovery)
{
    printf("nothing was made. To make %s, say which cluster is given up:\n"
           "  --confirm-data-loss %016" PRIx64 "\n",
           recovery->options->force_new_cluster, recovery->old.cluster_id);
}

/* ---- the new one ---- */

static bool is_vacant(const char *path, struct error *error)
{
    if (access(path, F_OK) == 0) {
        return error_set(error, "%s is there already: name a directory that is not", path);
    }
    return errno == ENOENT || error_set(error, "can't look at %s: %s", path, strerror(errno));
}

static bool draw_cluster_id(uint64_t *cluster_id, struct error *error)
{
    *cluster_id = 0;
    while (*cluster_id == 0) {
        if (getrandom(cluster_id, sizeof *cluster_id, 0) != sizeof *cluster_id) {
            return error_set(error, "the system gives no random bytes");
        }
    }
    return true;
}

static bool open_new(struct recovery *recovery, struct error *error)
{
    const struct data_directory_options options = {
        .files = &file_system_posix,
        .path = recovery->options->force_new_cluster,
        .cluster_id = recovery->cluster_id,
        .node_id = recovery->old.config.id,
        .new_incarnation = data_directory_incarnation(recovery->old.directory),
    };
    const struct state_store *from = &recovery->old.state_store;
    uint64_t applied_index;
    recovery->directory = data_directory_open(&options, error);
    if (recovery->directory == NULL) {
        return false;
    }
    const char *path = data_directory_state_path(recovery->directory);
    if (!from->ops->checkpoint(from->state, path, &applied_index, error) ||
        !open_state(NULL, path, &recovery->state, NULL, error)) {
        return false;
    }
    recovery->ledger = ledger_open(recovery->state.ops->records(recovery->state.state), error);
    return recovery->ledger != NULL;
}

static void ignore_result(void *context, uint32_t position, const struct ledger_result *result)
{
    (void)context;
    (void)position;
    (void)result; /* nobody waits for it any more */
}

static bool apply(struct recovery *recovery, const struct log_record *record, struct error *error)
{
    if (record->type == ENTRY_COMMAND &&
        !ledger_apply(recovery->ledger, record->index, record->data, ignore_result, NULL, error)) {
        return error_wrap(error, "entry %" PRIu64 " can't be applied", record->index);
    }
    return recovery->state.ops->commit(recovery->state.state, record->index, error);
}

static bool apply_log(struct recovery *recovery, struct error *error)
{
    static struct log_record records[READ_AT_ONCE];
    uint64_t index = recovery->state.ops->applied_index(recovery->state.state);
    bool ok = true;
    while (ok && index < recovery->last_index) {
        struct buffer memory = {0};
        size_t count = log_store_read(recovery->old.log, index + 1, READ_AT_ONCE,
                                      READ_AT_ONCE_BYTES, records, &memory, error);
        ok = count > 0;
        for (size_t i = 0; ok && i < count; i++) {
            ok = apply(recovery, &records[i], error);
            index = records[i].index;
        }
        buffer_free(&memory);
    }
    return ok;
}

/* The state is durable before the manifest names what it has reached. */
static bool close_state(struct recovery *recovery, struct error *error)
{
    bool closed = true;
    ledger_close(recovery->ledger);
    recovery->ledger = NULL;
    if (recovery->state.ops != NULL) {
        closed = recovery->state.ops->close(recovery->state.state, error);
        recovery->state.ops = NULL;
    }
    return closed;
}

static bool name_only_member(struct recovery *recovery, struct error *error)
{
    const struct replica_member self = {recovery->old.config.id, REPLICA_VOTER,
                                        recovery->old.address};
    struct buffer configuration = {0};
    uint64_t unused;
    struct snapshot snapshot = {
        .index = recovery->last_index,
        .term = recovery->last_term,
        .configuration_index = recovery->last_index,
    };
    if (!replica_bootstrap_entry(&self, 1, &configuration, &unused, error)) {
        return false;
    }
    snapshot.configuration_len = (uint32_t)configuration.len;
    memcpy(snapshot.configuration, configuration.data, configuration.len);
    buffer_free(&configuration);
    /* The state's directory, by name, before the manifest says what it has reached. */
    return file_system_posix.sync_directory(file_system_posix.context,
                                            recovery->options->force_new_cluster, error) &&
           data_directory_store_hard_state(recovery->directory, recovery->term, 0, error) &&
           data_directory_store_snapshot(recovery->directory, &snapshot, error);
}

static bool recover(struct recovery *recovery, struct error *error)
{
    return is_vacant(recovery->options->force_new_cluster, error) &&
           draw_cluster_id(&recovery->cluster_id, error) && open_new(recovery, error) &&
           apply_log(recovery, error) && close_state(recovery, error) &&
           name_only_member(recovery, error);
}

static void tell_done(const struct recovery *recovery)
{
    printf("done: cluster %016" PRIx64 " has one member, node %" PRIu64
           ", and everything up to entry %" PRIu64 ".\n"
           "start it:  holdfastd --data %s --client-address HOST:PORT\n"
           "keep %s until you are sure, and never start a node with it again.\n",
           recovery->cluster_id, recovery->options->id, recovery->last_index,
           recovery->options->force_new_cluster, recovery->options->data);
}

enum recovery_end recovery_run(const struct node_options *options, struct error *error)
{
    struct recovery recovery = {.options = options};
    enum recovery_end end = RECOVERY_FAILED;
    struct error ignored;
    bool opened = open_old(&recovery, error);
    if (opened) {
        describe(&recovery);
    }
    if (opened && options->confirmed_cluster_id == 0) {
        tell_how(&recovery);
        end = RECOVERY_TOLD;
    } else if (opened && check_confirmed(&recovery, error) && recover(&recovery, error)) {
        tell_done(&recovery);
        end = RECOVERY_DONE;
    }
    close_state(&recovery, &ignored);
    if (recovery.directory != NULL) {
        data_directory_close(recovery.directory);
    }
    if (opened || recovery.old.directory != NULL) {
        core_close(&recovery.old, &ignored); /* what could not be flushed, the old log has */
    }
    return end;
}
