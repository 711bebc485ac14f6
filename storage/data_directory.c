/*
 * data_directory.c - opening a node's directory, and keeping its manifest.
 *
 * The happy path of an open: make the directory if it is absent, lock it, read the manifest, check
 * that it is this node's, write it back to both slots (manifest.h), make log/, remove the state
 * generations that it does not name, and checkpoints. A new directory gets its manifest by writing
 * a file beside it, whole and synced, and renaming that: a manifest that is there was once right in
 * both slots.
 *
 * Invariant of an install: whatever generation the manifest names, in whichever slot, is on the
 * disk, name and all, before it is named; and no generation is removed before both slots name
 * another. So each crash leaves a manifest whose state is there.
 *
 * What can fail: the directory holds somebody else's files; the lock is held; the directory can't
 * be written; the manifest is damaged, newer, another node's, or gone while a log or a state stands
 * beside its place (then it was there once). After a failed write or sync of the manifest nothing
 * is stored any more: the node must stop.
 */
#include "storage/data_directory.h"

#include <assert.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/planted.h"
#include "directory_contents.h"
#include "manifest.h"

#define FIRST_GENERATION 1

struct data_directory {
    struct file_system files;
    char *path;
    char *log_path;
    struct file *lock;
    struct file *manifest_file;
    struct buffer slot;
    bool is_new;
    bool has_state;

    pthread_mutex_t *mutex;   /* guards what follows, and whose turn it is to store */
    struct manifest manifest; /* as stored */
    char *state_path;
    char *staging_path;
    bool failed;
};

/* Somebody's files, and no node's: not a place to begin in. Looked at before the lock is made, so
 * that nothing is. A file system's own lost+found is nobody's. */
static bool refuse_foreign(const struct data_directory *directory, struct error *error)
{
    const struct file_system *files = &directory->files;
    struct directory_contents contents = {0};
    bool listed =
        files->list(files->context, directory->path, directory_contents_note, &contents, error);
    if (listed && contents.foreign != NULL && !contents.manifest && !contents.log &&
        contents.generation_count == 0) {
        listed = error_set(error,
                           "%s is no node's data directory: it holds %s, and no manifest; give an "
                           "empty directory, or one that a node has made",
                           directory->path, contents.foreign);
    }
    directory_contents_free(&contents);
    return listed;
}

static bool take_lock(struct data_directory *directory, struct error *error)
{
    const struct file_system *files = &directory->files;
    if (!files->make_directory(files->context, directory->path, error) ||
        !refuse_foreign(directory, error)) {
        return false;
    }
    char *path = directory_join(directory->path, "lock");
    directory->lock = files->open(files->context, path, true, error);
    free(path);
    if (directory->lock == NULL) {
        return error_wrap(error, "the data directory must be writable for the user that runs the "
                                 "node");
    }
    return files->lock(directory->lock, error) ||
           error_wrap(error, "the data directory %s can't be locked", directory->path);
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
    char *temporary = directory_join(directory->path, "manifest.new");
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
    if (options->cluster_id != 0 && manifest->cluster_id != options->cluster_id) {
        return error_set(error,
                         "the data directory %s belongs to cluster %016" PRIx64
                         ", and this node was told cluster %016" PRIx64
                         " (by its id, or by the initial members that make it): check the "
                         "directory, or leave both out, for a node that has its directory needs "
                         "neither",
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

static bool read_manifest_file(const struct file_system *files, struct file *file, const char *path,
                               struct manifest *manifest, struct error *error)
{
    uint8_t *content = memory_alloc(MANIFEST_BYTES);
    size_t got;
    bool read = files->read(file, 0, content, MANIFEST_BYTES, &got, error) &&
                manifest_choose(bytes_of(content, got), path, manifest, error);
    free(content);
    return read;
}

bool data_directory_owner(const struct file_system *files, const char *path,
                          struct data_owner *owner, struct error *error)
{
    struct manifest manifest;
    char *name = directory_join(path, "manifest");
    struct file *file = files->open(files->context, name, false, error);
    bool read = file != NULL && read_manifest_file(files, file, name, &manifest, error);
    if (file != NULL) {
        files->close(file);
    }
    if (read) {
        *owner = (struct data_owner){manifest.cluster_id, manifest.node_id};
    }
    free(name);
    return read;
}

static bool read_manifest(struct data_directory *directory, const char *path, struct error *error)
{
    return read_manifest_file(&directory->files, directory->manifest_file, path,
                              &directory->manifest, error);
}

static bool load_manifest(struct data_directory *directory,
                          const struct data_directory_options *options,
                          const struct directory_contents *contents, struct error *error)
{
    const struct file_system *files = &directory->files;
    char *path = directory_join(directory->path, "manifest");
    bool loaded;
    if (!contents->manifest && (contents->log || contents->generation_count > 0)) {
        loaded = error_set(error,
                           "%s is missing, though the directory holds a node's data: put back the "
                           "one that this node wrote last, or " ADVICE_NODE_LOST,
                           path);
    } else if (!contents->manifest && options->cluster_id == 0) {
        loaded = error_set(error,
                           "the data directory %s is new, and this node was told neither the "
                           "members it founds a cluster with nor the cluster that it joins",
                           directory->path);
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

/* Removes a directory in ours, and its path's memory. */
static bool remove_and_free(const struct data_directory *directory, char *path, struct error *error)
{
    const struct file_system *files = &directory->files;
    bool removed = files->remove_tree(files->context, path, error);
    free(path);
    return removed;
}

static bool remove_generations(const struct data_directory *directory,
                               const struct directory_contents *contents, uint64_t from,
                               uint64_t to, struct error *error)
{
    for (size_t i = 0; i < contents->generation_count; i++) {
        uint64_t generation = contents->generations[i];
        if (generation >= from && generation < to &&
            !remove_and_free(directory, directory_state_path(directory->path, generation), error)) {
            return false;
        }
    }
    return true;
}

/* What no manifest names any more, or has named yet. */
static bool remove_leftovers(const struct data_directory *directory,
                             const struct directory_contents *contents, struct error *error)
{
    uint64_t generation = directory->manifest.state_generation;
    for (size_t i = 0; i < contents->checkpoint_count; i++) {
        if (!remove_and_free(directory, directory_join(directory->path, contents->checkpoints[i]),
                             error)) {
            return false;
        }
    }
    return remove_generations(directory, contents, 0, generation, error) &&
           remove_generations(directory, contents, generation + 1, UINT64_MAX, error);
}

static void set_paths(struct data_directory *directory)
{
    uint64_t generation = directory->manifest.state_generation;
    free(directory->state_path);
    free(directory->staging_path);
    directory->state_path = directory_state_path(directory->path, generation);
    directory->staging_path = directory_state_path(directory->path, generation + 1);
}

struct data_directory *data_directory_open(const struct data_directory_options *options,
                                           struct error *error)
{
    struct data_directory *directory = memory_zalloc(sizeof *directory);
    struct file_system *files = &directory->files;
    struct directory_contents contents = {0};
    *files = *options->files;
    directory->path = memory_strdup(options->path);
    directory->log_path = directory_join(options->path, "log");
    directory->mutex = memory_alloc(sizeof *directory->mutex);
    int result = pthread_mutex_init(directory->mutex, NULL);
    assert(result == 0);
    bool opened =
        take_lock(directory, error) &&
        files->list(files->context, directory->path, directory_contents_note, &contents, error) &&
        load_manifest(directory, options, &contents, error) &&
        files->make_directory(files->context, directory->log_path, error) &&
        remove_leftovers(directory, &contents, error) &&
        files->sync_directory(files->context, directory->path, error);
    directory->has_state =
        opened && directory_contents_has(&contents, directory->manifest.state_generation);
    directory_contents_free(&contents);
    if (!opened) {
        data_directory_close(directory);
        return NULL;
    }
    set_paths(directory);
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
    int result = pthread_mutex_destroy(directory->mutex);
    assert(result == 0);
    free(directory->mutex);
    buffer_free(&directory->slot);
    free(directory->staging_path);
    free(directory->state_path);
    free(directory->log_path);
    free(directory->path);
    free(directory);
}

/* ---- what the manifest says ---- */

bool data_directory_is_new(const struct data_directory *directory)
{
    return directory->is_new;
}

bool data_directory_has_state(const struct data_directory *directory)
{
    return directory->has_state;
}

/* A number that storing may change. */
static uint64_t get_locked(const struct data_directory *directory, const uint64_t *number)
{
    pthread_mutex_lock(directory->mutex);
    uint64_t value = *number;
    pthread_mutex_unlock(directory->mutex);
    return value;
}

uint64_t data_directory_cluster_id(const struct data_directory *directory)
{
    return directory->manifest.cluster_id;
}

uint64_t data_directory_incarnation(const struct data_directory *directory)
{
    return directory->manifest.incarnation; /* for ever */
}

uint64_t data_directory_term(const struct data_directory *directory)
{
    return get_locked(directory, &directory->manifest.term);
}

uint64_t data_directory_voted_for(const struct data_directory *directory)
{
    return get_locked(directory, &directory->manifest.voted_for);
}

uint64_t data_directory_generation(const struct data_directory *directory)
{
    return get_locked(directory, &directory->manifest.state_generation);
}

void data_directory_snapshot(const struct data_directory *directory, struct snapshot *snapshot)
{
    pthread_mutex_lock(directory->mutex);
    *snapshot = directory->manifest.snapshot;
    pthread_mutex_unlock(directory->mutex);
}

void data_directory_lineage(const struct data_directory *directory, struct lineage *lineage)
{
    pthread_mutex_lock(directory->mutex);
    *lineage = directory->manifest.lineage;
    pthread_mutex_unlock(directory->mutex);
}

bool data_directory_log_begun(const struct data_directory *directory)
{
    pthread_mutex_lock(directory->mutex);
    bool begun = directory->manifest.log_begun;
    pthread_mutex_unlock(directory->mutex);
    return begun;
}

const char *data_directory_log_path(const struct data_directory *directory)
{
    return directory->log_path;
}

const char *data_directory_state_path(const struct data_directory *directory)
{
    pthread_mutex_lock(directory->mutex);
    const char *path = directory->state_path;
    pthread_mutex_unlock(directory->mutex);
    return path;
}

const char *data_directory_staging_path(const struct data_directory *directory)
{
    pthread_mutex_lock(directory->mutex);
    const char *path = directory->staging_path;
    pthread_mutex_unlock(directory->mutex);
    return path;
}

char *data_directory_checkpoint_path(const struct data_directory *directory, uint64_t index)
{
    return directory_checkpoint_path(directory->path, index);
}

/* ---- storing ---- */

/* The record that comes next, to be changed and stored. The mutex is held from here to
 * store_record: nobody else's change comes between. */
static struct manifest next_record(struct data_directory *directory)
{
    pthread_mutex_lock(directory->mutex);
    struct manifest next = directory->manifest;
    next.sequence++;
    return next;
}

static bool store_record(struct data_directory *directory, const struct manifest *next,
                         struct error *error)
{
    bool stored;
    if (directory->failed) {
        stored = error_set(error, "%s: the manifest failed before and takes no more: stop the node",
                           directory->path);
    } else {
        stored = write_slots(directory, directory->manifest_file, next, error);
        directory->failed = !stored;
    }
    if (stored) {
        bool installed = next->state_generation != directory->manifest.state_generation;
        directory->manifest = *next;
        if (installed) {
            set_paths(directory);
        }
    }
    pthread_mutex_unlock(directory->mutex);
    return stored;
}

bool data_directory_store_hard_state(struct data_directory *directory, uint64_t term,
                                     uint64_t voted_for, struct error *error)
{
    struct manifest next = next_record(directory);
    assert(term >= next.term); /* a term never falls */
    next.term = term;
    next.voted_for = voted_for;
    return store_record(directory, &next, error);
}

bool data_directory_store_snapshot(struct data_directory *directory,
                                   const struct snapshot *snapshot, struct error *error)
{
    struct manifest next = next_record(directory);
    assert(snapshot->index > next.snapshot.index); /* what was trimmed does not come back */
    next.snapshot = *snapshot;
    return store_record(directory, &next, error);
}

bool data_directory_begin_log(struct data_directory *directory, struct error *error)
{
    if (data_directory_log_begun(directory)) {
        return true;
    }
    struct manifest next = next_record(directory);
    next.log_begun = true;
    return store_record(directory, &next, error);
}

bool data_directory_forget_lineage(struct data_directory *directory, uint64_t generation,
                                   struct error *error)
{
    struct manifest next = next_record(directory);
    if (next.state_generation != generation || next.lineage.count == 0) {
        pthread_mutex_unlock(directory->mutex);
        return true;
    }
    next.lineage = (struct lineage){0};
    return store_record(directory, &next, error);
}

static bool count_name(void *context, const char *name)
{
    size_t *count = context;
    (void)name;
    (*count)++;
    return true;
}

/* Its names were synced by who gathered it; its own name is not yet. */
static bool settle_staging(const struct data_directory *directory, struct error *error)
{
    const struct file_system *files = &directory->files;
    const char *path = directory->staging_path;
    size_t count = 0;
    if (!files->list(files->context, path, count_name, &count, error)) {
        return false;
    }
    return count > 0 ? files->sync_directory(files->context, directory->path, error)
                     : error_set(error, "%s holds no state to install", path);
}

bool data_directory_install(struct data_directory *directory, const struct snapshot *snapshot,
                            const struct lineage *lineage, struct error *error)
{
    struct manifest next = next_record(directory);
    assert(snapshot->index > next.snapshot.index); /* else there is nothing to install */
    if (!directory->failed && !settle_staging(directory, error)) {
        directory->failed = true;
        pthread_mutex_unlock(directory->mutex);
        return false;
    }
    next.snapshot = *snapshot;
    next.lineage = *lineage;
    next.state_generation++;
    next.log_begun = false;
    return store_record(directory, &next, error);
}

bool data_directory_remove_old(struct data_directory *directory, struct error *error)
{
    const struct file_system *files = &directory->files;
    struct directory_contents contents = {0};
    uint64_t generation = data_directory_generation(directory);
    bool removed =
        files->list(files->context, directory->path, directory_contents_note, &contents, error) &&
        remove_generations(directory, &contents, 0, generation, error) &&
        files->sync_directory(files->context, directory->path, error);
    directory_contents_free(&contents);
    return removed;
}
