/*
 * sim_states.c - paths and the databases behind them.
 *
 * Invariant: a database counts while the file OPEN in its directory has its number. The file is
 * synced, name and all, when the database is made, as a database does with its own files; the
 * directory's own name is left to whoever relies on it.
 */
#include "sim_states.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/codec.h"

struct item {
    char *path;
    uint64_t number;
    struct sim_state *state;
    bool is_loaded; /* from the files of a checkpoint, on which it stands */
};

struct sim_states {
    struct sim_disk *disk;
    struct file_system files;
    struct item *items;
    size_t count;
    uint64_t next_number;
    uint64_t fail_at;
    uint64_t past_failures; /* of those that are gone */
};

struct sim_states *sim_states_new(struct sim_disk *disk)
{
    struct sim_states *states = memory_zalloc(sizeof *states);
    states->disk = disk;
    states->files = sim_disk_files(disk);
    states->next_number = 1;
    return states;
}

void sim_states_free(struct sim_states *states)
{
    for (size_t i = 0; i < states->count; i++) {
        sim_state_free(states->items[i].state);
        free(states->items[i].path);
    }
    free(states->items);
    free(states);
}

static char *join(const char *directory, const char *name)
{
    struct buffer path = {0};
    buffer_printf(&path, "%s/%s", directory, name);
    buffer_append(&path, "", 1);
    return (char *)path.data;
}

/* 0: no database was ever opened here. */
static uint64_t number_at(const struct sim_states *states, const char *path)
{
    uint64_t number = 0;
    char *open = join(path, "OPEN");
    if (sim_disk_exists(states->disk, open)) {
        struct reader in = reader_of(sim_disk_content(states->disk, open));
        number = read_u64(&in);
    }
    free(open);
    return number;
}

/* What has lost its directory is gone. */
static void forget_removed(struct sim_states *states)
{
    size_t kept = 0;
    for (size_t i = 0; i < states->count; i++) {
        struct item *item = &states->items[i];
        if (number_at(states, item->path) == item->number || sim_state_is_open(item->state)) {
            states->items[kept++] = *item;
        } else {
            states->past_failures += sim_state_failures(item->state);
            sim_state_free(item->state);
            free(item->path);
        }
    }
    states->count = kept;
}

static struct item *find(const struct sim_states *states, const char *path)
{
    uint64_t number = number_at(states, path);
    for (size_t i = 0; i < states->count; i++) {
        if (states->items[i].number == number && strcmp(states->items[i].path, path) == 0) {
            return &states->items[i];
        }
    }
    return NULL;
}

static bool note_open(struct sim_states *states, const char *path, struct error *error)
{
    const struct file_system *files = &states->files;
    struct buffer number = {0};
    char *open = join(path, "OPEN");
    write_u64(&number, states->next_number);
    struct file *file = files->open(files->context, open, true, error);
    bool noted = file != NULL && files->write(file, 0, number.data, number.len, error) &&
                 files->sync(file, error);
    if (file != NULL) {
        files->close(file);
    }
    noted = noted && files->sync_directory(files->context, path, error);
    free(open);
    buffer_free(&number);
    return noted;
}

static bool is_filled(const struct sim_states *states, const char *path)
{
    char *current = join(path, "CURRENT");
    bool filled = sim_disk_exists(states->disk, current);
    free(current);
    return filled;
}

/* A database that was filled stands on these files for good: a power cut may have taken what nobody
 * has synced. */
static bool still_stands(const struct sim_states *states, const struct item *item,
                         struct error *error)
{
    struct sim_state *again =
        item->is_loaded ? sim_state_load(&states->files, item->path, error) : NULL;
    if (again != NULL) {
        sim_state_free(again);
    }
    return again != NULL || !item->is_loaded;
}

static struct sim_state *make(struct sim_states *states, const char *path, struct error *error)
{
    const struct file_system *files = &states->files;
    struct sim_state *state =
        is_filled(states, path) ? sim_state_load(files, path, error) : sim_state_new();
    bool made = state != NULL && files->make_directory(files->context, path, error) &&
                note_open(states, path, error);
    if (!made && state != NULL) {
        sim_state_free(state);
        state = NULL;
    }
    return state;
}

bool sim_states_open(struct sim_states *states, const char *path, struct state_store *out,
                     struct error *error)
{
    forget_removed(states);
    struct item *item = find(states, path);
    if (item != NULL && !still_stands(states, item, error)) {
        return false;
    }
    if (item == NULL) {
        struct sim_state *state = make(states, path, error);
        if (state == NULL) {
            return false;
        }
        sim_state_set_files(state, &states->files);
        sim_state_fail_at(state, states->fail_at);
        states->items = memory_realloc(states->items, (states->count + 1) * sizeof *states->items);
        item = &states->items[states->count++];
        *item = (struct item){memory_strdup(path), states->next_number++, state,
                              is_filled(states, path)};
    }
    sim_state_open(item->state, out);
    return true;
}

void sim_states_crash(struct sim_states *states)
{
    for (size_t i = 0; i < states->count; i++) {
        sim_state_crash(states->items[i].state);
    }
}

void sim_states_fail_at(struct sim_states *states, uint64_t n)
{
    states->fail_at = n;
    for (size_t i = 0; i < states->count; i++) {
        sim_state_fail_at(states->items[i].state, n);
    }
}

uint64_t sim_states_failures(const struct sim_states *states)
{
    uint64_t failures = states->past_failures;
    for (size_t i = 0; i < states->count; i++) {
        failures += sim_state_failures(states->items[i].state);
    }
    return failures;
}

struct sim_state *sim_states_at(struct sim_states *states, const char *path)
{
    const struct item *item = find(states, path);
    return item != NULL ? item->state : NULL;
}

size_t sim_states_count(struct sim_states *states)
{
    forget_removed(states);
    return states->count;
}
