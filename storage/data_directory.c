/*
 * data_directory.c - opening a node's directory, and keeping its term and vote.
 *
 * The happy path of an open: make the directory if it is absent, lock it, read the manifest, check
 * that it is this node's, write it back to both slots (manifest.h), make log/, remove the state
 * generations that it does not name. A new directory gets its manifest by writing a file beside it,
 * whole and synced, and renaming that: a manifest that is there was once right in both slots.
 *
 * What can fail: the lock is held; the directory can't be written; the manifest is damaged, newer,
 * another node's, or gone while a log or a state stands beside its place (then it was there once).
 * After a failed write or sync of the manifest nothing is stored any more: the node must stop.
 */
#include "storage/data_directory.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/planted.h"
#include "manifest.h"

#define FIRST_GENERATION 1
#define STATE_PREFIX     "state."

struct data_directory {
    struct file_system files;
    char *path;
    char *log_path;
    char *state_path;
    struct file *lock;
    struct file *manifest_file;
    struct manifest manifest; /* as stored */
    struct buffer slot;
    bool is_new;
    bool failed;
};

/* What stands in the directory. */
struct contents {
    bool manifest;
    bool log;
    uint64_t *generations;
    size_t generation_count;
};

static char *join(const char *directory, const char *name)
{
    struct buffer path = {0};
    buffer_printf(&path, "%s/%s", directory, name);
    buffer_append(&path, "", 1);
    return (char *)path.data;
}

static char *generation_path(const char *directory, uint64_t generation)
{
    char name[sizeof STATE_PREFIX + 20];
    snprintf(name, sizeof name, STATE_PREFIX "%" PRIu64, generation);
    return join(directory, name);
}

/* Only names that we would write ourselves count: digits, no leading zero. */
static bool generation_of_name(const char *name, uint64_t *generation)
{
    size_t prefix = sizeof STATE_PREFIX - 1;
    if (strncmp(name, STATE_PREFIX, prefix) != 0 || name[prefix] == '0' || name[prefix] == '\0' ||
        strlen(name + prefix) > 19) {
        return false;
    }
    *generation = 0;
    for (const char *digit = name + prefix; *digit != '\0'; digit++) {
        if (*digit < '0' || *digit > '9') {
            return false;
        }
        *generation = *generation * 10 + (uint64_t)(*digit - '0');
    }
    return true;
}

static bool note_name(void *context, const char *name)
{
    struct contents *contents = context;
    uint64_t generation;
    if (strcmp(name, "manifest") == 0) {
        contents->manifest = true;
    } else if (strcmp(name, "log") == 0) {
        contents->log = true;
    } else if (generation_of_name(name, &generation)) {
        size_t count = contents->generation_count++;
        contents->generations =
            memory_realloc(contents->generations, (count + 1) * sizeof *contents->generations);
        contents->generations[count] = generation;
    }
    return true;
}

static bool take_lock(struct data_directory *directory, struct error *error)
{
    const struct file_system *files = &directory->files;
    if (!files->make_directory(files->context, directory->path, error)) {
        return false;
    }
    char *path = join(directory->path, "lock");
    directory->lock = files->open(files->context, path, true, error);
    free(path);
    if (directory->lock == NULL) {
        return error_wrap(error, "the data directory must be writable for the user that runs the "
                                 "node");
    }
    return files->lock(directory->lock, error) ||
           error_wrap(error, "the data directory %s is in use by another node", directory->path);
}

/* Slot 0, sync, slot 1, sync: in this order, or one broken slot would not be harmless. */
static bool write_slots(struct data_directory *directory, struct file *file,
                        const struct manifest *manifest, struct error *error)
{
    const struct file_system *files = &directory->files;
    manifest_encode(manifest, &directory->slot);
    assert(directory->slot.len == MANIFEST_SLOT_BYTES);
    for (uint64_t i = 0; i < 2; i++) {
        if (!files->write(file, i * MANIFEST_SLOT_BYTES, directory->slot.data, MANIFEST_SLOT_BYTES,
                          error) ||
            !(PLANTED(HARD_STATE_NOT_SYNCED) || files->sync(file, error))) {
            return false;
        }
    }
    return true;
}

/* Makes the directory's own name durable: before there is a manifest, for behind that nobody would
 * do it any more. */
static bool sync_parent(struct data_directory *directory, struct error *error)
{
    const struct file_system *files = &directory->files;
    char *parent = memory_strdup(directory->path);
    size_t len = strlen(parent);
    while (len > 1 && parent[len - 1] == '/') {
        parent[--len] = '\0';
    }
    char *slash = strrchr(parent, '/');
    const char *name = parent;
    if (slash == NULL) {
        name = ".";
    } else if (slash == parent) {
        name = "/";
    } else {
        *slash = '\0';
    }
    bool synced = files->sync_directory(files->context, name, error);
    free(parent);
    return synced;
}

static bool create_manifest(struct data_directory *directory,
                            const struct data_directory_options *options, const char *path,
                            struct error *error)
{
    const struct file_system *files = &directory->files;
    directory->manifest = (struct manifest){
        .sequence = 1,
        .cluster_id = options->cluster_id,
        .node_id = options->node_id,
        .incarnation = options->new_incarnation,
        .state_generation = FIRST_GENERATION,
    };
    char *temporary = join(directory->path, "manifest.new");
    struct file *file = files->open(files->context, temporary, true, error);
    bool created = file != NULL && write_slots(directory, file, &directory->manifest, error);
    if (file != NULL) {
        files->close(file);
    }
    created = created && sync_parent(directory, error) &&
              files->rename(files->context, temporary, path, error) &&
              files->sync_directory(files->context, directory->path, error);
    free(temporary);
    directory->is_new = created;
    return created;
}

static bool check_owner(const struct data_directory *directory,
                        const struct data_directory_options *options, struct error *error)
{
    const struct manifest *manifest = &directory->manifest;
    if (manifest->cluster_id != options->cluster_id) {
        return error_set(error,
                         "the data directory %s belongs to cluster %016" PRIx64
                         ", and the members this node was given make cluster %016" PRIx64
                         ": check the directory and the list of members",
                         directory->path, manifest->cluster_id, options->cluster_id);
    }
    if (manifest->node_id != options->node_id) {
        return error_set(error,
                         "the data directory %s belongs to node %" PRIu64
                         ", and this is node %" PRIu64 ": check the directory and the node's id",
                         directory->path, manifest->node_id, options->node_id);
    }
    return true;
}

static bool read_manifest(struct data_directory *directory, const char *path, struct error *error)
{
    const struct file_system *files = &directory->files;
    uint8_t *content = memory_alloc(MANIFEST_BYTES);
    size_t got;
    bool read = files->read(directory->manifest_file, 0, content, MANIFEST_BYTES, &got, error) &&
                manifest_choose(bytes_of(content, got), path, &directory->manifest, error);
    free(content);
    return read;
}

static bool load_manifest(struct data_directory *directory,
                          const struct data_directory_options *options,
                          const struct contents *contents, struct error *error)
{
    const struct file_system *files = &directory->files;
    char *path = join(directory->path, "manifest");
    bool loaded;
    if (!contents->manifest && (contents->log || contents->generation_count > 0)) {
        loaded = error_set(error,
                           "%s is missing, though the directory holds a node's data: put back the "
                           "one that this node wrote last, or " ADVICE_NODE_LOST,
                           path);
    } else {
        loaded = contents->manifest || create_manifest(directory, options, path, error);
        if (loaded) {
            directory->manifest_file = files->open(files->context, path, false, error);
            loaded = directory->manifest_file != NULL && read_manifest(directory, path, error) &&
                     check_owner(directory, options, error) &&
                     write_slots(directory, directory->manifest_file, &directory->manifest, error);
        }
    }
    free(path);
    return loaded;
}

static bool remove_other_generations(struct data_directory *directory,
                                     const struct contents *contents, struct error *error)
{
    const struct file_system *files = &directory->files;
    for (size_t i = 0; i < contents->generation_count; i++) {
        if (contents->generations[i] == directory->manifest.state_generation) {
            continue;
        }
        char *path = generation_path(directory->path, contents->generations[i]);
        bool removed = files->remove_tree(files->context, path, error);
        free(path);
        if (!removed) {
            return false;
        }
    }
    return true;
}

struct data_directory *data_directory_open(const struct data_directory_options *options,
                                           struct error *error)
{
    struct data_directory *directory = memory_zalloc(sizeof *directory);
    struct file_system *files = &directory->files;
    struct contents contents = {0};
    *files = *options->files;
    directory->path = memory_strdup(options->path);
    directory->log_path = join(options->path, "log");
    bool opened = take_lock(directory, error) &&
                  files->list(files->context, directory->path, note_name, &contents, error) &&
                  load_manifest(directory, options, &contents, error) &&
                  files->make_directory(files->context, directory->log_path, error) &&
                  remove_other_generations(directory, &contents, error) &&
                  files->sync_directory(files->context, directory->path, error);
    free(contents.generations);
    if (!opened) {
        data_directory_close(directory);
        return NULL;
    }
    directory->state_path = generation_path(directory->path, directory->manifest.state_generation);
    return directory;
}

void data_directory_close(struct data_directory *directory)
{
    if (directory->manifest_file != NULL) {
        directory->files.close(directory->manifest_file);
    }
    if (directory->lock != NULL) {
        directory->files.close(directory->lock);
    }
    buffer_free(&directory->slot);
    free(directory->state_path);
    free(directory->log_path);
    free(directory->path);
    free(directory);
}

bool data_directory_is_new(const struct data_directory *directory)
{
    return directory->is_new;
}

uint64_t data_directory_incarnation(const struct data_directory *directory)
{
    return directory->manifest.incarnation;
}

uint64_t data_directory_term(const struct data_directory *directory)
{
    return directory->manifest.term;
}

uint64_t data_directory_voted_for(const struct data_directory *directory)
{
    return directory->manifest.voted_for;
}

uint64_t data_directory_generation(const struct data_directory *directory)
{
    return directory->manifest.state_generation;
}

const char *data_directory_log_path(const struct data_directory *directory)
{
    return directory->log_path;
}

const char *data_directory_state_path(const struct data_directory *directory)
{
    return directory->state_path;
}

bool data_directory_store_hard_state(struct data_directory *directory, uint64_t term,
                                     uint64_t voted_for, struct error *error)
{
    assert(term >= directory->manifest.term); /* a term never falls */
    if (directory->failed) {
        return error_set(error, "%s: the manifest failed before and takes no more: stop the node",
                         directory->path);
    }
    struct manifest next = directory->manifest;
    next.sequence++;
    next.term = term;
    next.voted_for = voted_for;
    if (!write_slots(directory, directory->manifest_file, &next, error)) {
        directory->failed = true;
        return false;
    }
    directory->manifest = next;
    return true;
}
