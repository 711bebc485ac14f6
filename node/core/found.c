/*
 * found.c - the directory first (whose is it?), then the whole log is read and judged, then the
 * state is opened and held against it.
 */
#include "found.h"

#include <inttypes.h>
#include <stdlib.h>

static bool load_record(void *context, const struct log_record *record, struct error *error)
{
    struct core_found *found = context;
    if (record->index != found->count + 1) { /* against log_store.h's word */
        return error_set(error, "entry %" PRIu64 " follows entry %zu", record->index, found->count);
    }
    /* They stand near the log's beginning: once each member has one, no entry is decoded any more.
     */
    if (record->type == ENTRY_COMMAND && found->logged->count < found->member_count) {
        registrations_note(found->logged, record->index, record->data, &found->lines);
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
    ledger_command_lines_free(&found->lines);
    free(found);
}

static bool open_log(struct core *core, struct core_found *found, struct error *error)
{
    struct log_store_options log = {
        .files = core->config.files,
        .directory = data_directory_log_path(core->directory),
        .cluster_id = core->cluster_id,
        .segment_bytes = core->config.log_segment_bytes,
    };
    struct error torn = {""};
    core->log = log_store_open(&log, load_record, found, &torn, error);
    if (core->log != NULL && torn.text[0] != '\0') {
        core->env.warn(core->env.context, "log", torn.text);
    }
    return core->log != NULL;
}

static bool open_state(struct core *core, const struct core_found *found, struct error *error)
{
    const char *path = data_directory_state_path(core->directory);
    if (!core->env.open_state(core->env.context, path, &core->state_store, error)) {
        return false;
    }
    uint64_t applied_index = core_applied_index(core);
    return applied_index <= found->count ||
           error_set(error,
                     "the state in %s has applied entry %" PRIu64
                     ", but the log ends at %zu: parts of the log are missing; put them back, "
                     "or " ADVICE_NODE_LOST,
                     path, applied_index, found->count);
}

bool core_found_open(struct core *core, struct core_found *found, struct error *error)
{
    struct data_directory_options directory = {
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
    found->logged = &core->logged;
    found->member_count = core->config.member_count;
    /* The log before the state: a node that refuses a damaged log has changed nothing. */
    if (!open_log(core, found, error) || !open_state(core, found, error)) {
        return false;
    }
    core->ledger = ledger_open(core->state_store.ops->records(core->state_store.state), error);
    return core->ledger != NULL;
}
