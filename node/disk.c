/*
 * disk.c - the directory first (whose is it?), then the whole log is read and judged, then the
 * state is opened and held against it.
 */
#include "disk.h"

#include <inttypes.h>
#include <stdlib.h>
#include <sys/random.h>

static bool load_record(void *context, const struct log_record *record, struct error *error)
{
    struct node_disk *disk = context;
    if (record->index != disk->count + 1) {
        /* A truncation: what follows replaces everything from here. */
        if (record->index == 0 || record->index > disk->count) {
            return error_set(error, "entry %" PRIu64 " follows entry %zu", record->index,
                             disk->count);
        }
        while (disk->count >= record->index) {
            entry_release(disk->entries[--disk->count]);
        }
        registrations_truncate(disk->logged, record->index);
    }
    /* They stand near the log's beginning: once each member has one, no entry is decoded any more.
     */
    if (record->type == ENTRY_COMMAND && disk->logged->count < disk->member_count) {
        registrations_note(disk->logged, record->index, record->data, &disk->lines);
    }
    if (disk->count == disk->capacity) {
        disk->capacity = disk->capacity != 0 ? disk->capacity * 2 : 1024;
        disk->entries = memory_realloc(disk->entries, disk->capacity * sizeof *disk->entries);
    }
    /* Only configurations are looked into at the start; other bytes stay on disk. */
    struct bytes data = record->type == ENTRY_CHANGE ? record->data : (struct bytes){0};
    disk->entries[disk->count++] =
        entry_new_copy(record->index, record->term, (enum entry_type)record->type, data);
    return true;
}

void node_disk_free(struct node_disk *disk)
{
    for (size_t i = 0; i < disk->count; i++) {
        entry_release(disk->entries[i]);
    }
    free(disk->entries);
    ledger_command_lines_free(&disk->lines);
}

bool node_disk_open(struct node *node, struct node_disk *disk, struct error *error)
{
    uint64_t incarnation = 0;
    while (incarnation == 0) {
        if (getrandom(&incarnation, sizeof incarnation, 0) != sizeof incarnation) {
            return error_set(error, "the system gives no random bytes");
        }
    }
    struct data_directory_options directory = {
        .files = &file_system_posix,
        .path = node->options->data,
        .cluster_id = node->cluster_id,
        .node_id = node->options->id,
        .new_incarnation = incarnation,
    };
    node->directory = data_directory_open(&directory, error);
    if (node->directory == NULL) {
        return false;
    }
    disk->logged = &node->logged;
    disk->member_count = node->options->member_count;
    /* The log before the state: a node that refuses a damaged log has changed nothing. */
    struct log_store_options log = {
        .files = &file_system_posix,
        .directory = data_directory_log_path(node->directory),
        .cluster_id = node->cluster_id,
    };
    struct error torn = {""};
    node->log = log_store_open(&log, load_record, disk, &torn, error);
    if (node->log == NULL) {
        return false;
    }
    if (torn.text[0] != '\0') {
        log_warning("log", LOG_TEXT("message", torn.text));
    }
    struct state_db_options state = {.path = data_directory_state_path(node->directory)};
    node->db = state_db_open(&state, error);
    if (node->db == NULL) {
        return false;
    }
    if (state_db_applied_index(node->db) > disk->count) {
        return error_set(error,
                         "the state in %s has applied entry %" PRIu64
                         ", but the log ends at %zu: parts of the log are missing; put them back, "
                         "or " ADVICE_NODE_LOST,
                         state.path, state_db_applied_index(node->db), disk->count);
    }
    node->ledger = ledger_open(state_db_store(node->db), error);
    return node->ledger != NULL;
}
