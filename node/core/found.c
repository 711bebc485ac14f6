/*
 * found.c - the directory first (whose is it?), then the whole log is read and judged, then the
 * state is opened and held against it.
 */
#include "found.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Forgets the entries from this index on: others took their place, or they are not the log's. */
static void cut(struct core_found *found, uint64_t index)
{
    while (found->count > 0 && found->entries[found->count - 1]->index >= index) {
        entry_release(found->entries[--found->count]);
    }
    registrations_cut(found->logged, index);
}

static bool load_record(void *context, const struct log_record *record, struct error *error)
{
    struct core_found *found = context;
    cut(found, record->index);
    if (found->count > 0 && record->index != found->entries[found->count - 1]->index + 1) {
        /* against log_store.h's word */
        return error_set(error, "entry %" PRIu64 " follows entry %" PRIu64, record->index,
                         found->entries[found->count - 1]->index);
    }
    /* What a snapshot covers is in the state. */
    if (record->type == ENTRY_COMMAND && record->index > found->snapshot.index) {
        registrations_note(found->logged, record->index, record->data);
    }
    if (found->count == found->capacity) {
        found->capacity = found->capacity != 0 ? found->capacity * 2 : 1024;
        found->entries =
            memory_realloc((void *)found->entries, found->capacity * sizeof(struct entry *));
    }
    /* Only configurations are looked into at the start; other bytes stay on disk. */
    struct bytes data = record->type == ENTRY_CHANGE ? record->data : (struct bytes){0};
    found->entries[found->count++] =
        entry_new_copy(record->index, record->term, (enum entry_type)record->type, data);
    return true;
}

void core_found_free(struct core_found *found)
{
    if (found == NULL) {
        return;
    }
    for (size_t i = 0; i < found->count; i++) {
        entry_release(found->entries[i]);
    }
    free((void *)found->entries);
    free(found);
}

/* The log holds its first entry. */
static bool begin_log(void *context, struct error *error)
{
    return data_directory_begin_log(context, error);
}

static bool open_log(struct core *core, struct core_found *found, struct error *error)
{
    struct log_store_options log = {
        .files = core->config.files,
        .directory = data_directory_log_path(core->directory),
        .cluster_id = core->cluster_id,
        .segment_bytes = core->config.log_segment_bytes,
        .snapshot_index = found->snapshot.index,
        .snapshot_term = found->snapshot.term,
        .begun = data_directory_log_begun(core->directory),
        .begin = begin_log,
        .begin_context = core->directory,
    };
    struct error torn = {""};
    core->log = log_store_open(&log, load_record, found, &torn, error);
    if (core->log != NULL && torn.text[0] != '\0') {
        core->env.warn(core->env.context, "log", torn.text);
    }
    if (core->log == NULL) {
        return false;
    }
    /* A log that a snapshot replaces was shown, and is gone. */
    cut(found, log_store_last_index(core->log) + 1);
    if (found->count > 0 && found->entries[0]->index < log_store_first_index(core->log)) {
        cut(found, 0);
    }
    return true;
}

static bool open_state(struct core *core, const struct core_found *found, struct error *error)
{
    const char *path = data_directory_state_path(core->directory);
    uint64_t reached_index = found->snapshot.index;
    if (reached_index > 0 && !data_directory_has_state(core->directory)) {
        return error_set(error,
                         "%s is gone, the state of this node, which had applied entry %" PRIu64
                         " when the last snapshot was taken: put it back, or " ADVICE_NODE_LOST,
                         path, reached_index);
    }
    if (!core->env.open_state(core->env.context, path, &core->state_store, NULL, error)) {
        return false;
    }
    uint64_t applied_index = core_applied_index(core);
    uint64_t last_index = log_store_last_index(core->log);
    if (applied_index > last_index) {
        return error_set(error,
                         "the state in %s has applied entry %" PRIu64
                         ", but the log ends at %" PRIu64
                         ": parts of the log are missing; put them back, or " ADVICE_NODE_LOST,
                         path, applied_index, last_index);
    }
    return applied_index >= reached_index ||
           error_set(error,
                     "the state in %s has applied entry %" PRIu64 ", and had applied %" PRIu64
                     " when the last snapshot was taken: put back the state that this node had, "
                     "or " ADVICE_NODE_LOST,
                     path, applied_index, reached_index);
}

/* The latest members' list says where peers connect: they do whatever this node is told. */
static bool find_address(struct core *core, const struct core_found *found, struct error *error)
{
    const char *told = core->config.address;
    struct bytes latest =
        bytes_of(found->snapshot.configuration, found->snapshot.configuration_len);
    struct error difference;
    for (size_t i = 0; i < found->count; i++) {
        if (found->entries[i]->type == ENTRY_CHANGE) {
            latest = found->entries[i]->data;
        }
    }
    if (latest.len == 0 || !replica_address_in(latest, core->config.id, core->address)) {
        if (told == NULL) {
            return error_set(error,
                             "no list of members on disk has node %" PRIu64
                             " yet: it must be told the address where its peers connect",
                             core->config.id);
        }
        snprintf(core->address, sizeof core->address, "%s", told);
    } else if (told != NULL && strcmp(told, core->address) != 0) {
        error_set(&difference,
                  "the other nodes connect to %s, as the list of members says; this node was told "
                  "%s: a node that moves must be replaced by one with a new id",
                  core->address, told);
        core->env.warn(core->env.context, "members", difference.text);
    }
    return true;
}

bool core_found_open(struct core *core, struct core_found *found, struct error *error)
{
    const struct data_directory_options directory = {
        .files = core->config.files,
        .path = core->config.data,
        .cluster_id = core->cluster_id,
        .node_id = core->config.id,
        .new_incarnation = core->config.new_incarnation,
    };
    core->directory = data_directory_open(&directory, error);
    if (core->directory == NULL) {
        return false;
    }
    core->cluster_id = data_directory_cluster_id(core->directory);
    data_directory_snapshot(core->directory, &found->snapshot);
    found->logged = &core->logged;
    /* The log before the state: a node that refuses a damaged log has changed nothing. */
    if (!open_log(core, found, error) || !open_state(core, found, error)) {
        return false;
    }
    core->ledger = ledger_open_knowing(core->state_store.ops->records(core->state_store.state),
                                       core->config.ledger_version_known, error);
    return core->ledger != NULL && find_address(core, found, error);
}
