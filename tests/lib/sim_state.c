/*
 * sim_state.c - a live store and the way back: an undo journal.
 *
 * Invariant: the live store with the whole journal undone, last change first, is the flushed state;
 * with the part behind `committed` undone it is the state of the last commit. So a commit only
 * moves `committed` and a flush only forgets what is before it.
 *
 * A change is noted before it is tried: undoing one that failed changes nothing.
 */
#include "sim_state.h"

#include <assert.h>
#include <stdlib.h>

#include "sim_state_files.h"

/* What was there before a change. */
struct old_record {
    enum ledger_kind kind;
    bool existed;
    size_t key_at; /* in `bytes`; the value follows */
    size_t key_len;
    size_t value_len;
};

struct handle;

struct sim_state {
    struct memory_store *live;
    uint64_t applied_index;
    uint64_t flushed_index;
    struct old_record *journal;
    size_t journal_count;
    size_t journal_capacity;
    struct buffer bytes; /* of the old records */
    size_t committed;    /* old records that the last commit covers */
    struct handle *open; /* NULL: none, or none that a crash has spared */
    size_t handles;
    const struct file_system *files; /* for checkpoints; NULL: none are taken */
};

/* What a state_store stands on, from open to close. */
struct handle {
    struct sim_state *state;
    struct ledger_store live;
    bool failed; /* a commit has */
    size_t views;
};

struct view {
    struct handle *handle;
    struct memory_store *copy;
    uint64_t applied_index;
};

/* ---- the journal ---- */

static void note_old_record(struct sim_state *state, enum ledger_kind kind, struct bytes key)
{
    if (state->journal_count == state->journal_capacity) {
        state->journal_capacity = state->journal_capacity == 0 ? 64 : state->journal_capacity * 2;
        state->journal =
            memory_realloc(state->journal, state->journal_capacity * sizeof *state->journal);
    }
    struct bytes value = {0};
    bool existed = memory_store_peek(state->live, kind, key, &value);
    state->journal[state->journal_count++] = (struct old_record){
        .kind = kind,
        .existed = existed,
        .key_at = state->bytes.len,
        .key_len = key.len,
        .value_len = value.len,
    };
    buffer_append_bytes(&state->bytes, key);
    buffer_append_bytes(&state->bytes, value);
}

/* Undoes in a store that is like the live one, until so many old records are left. */
static void undo(const struct sim_state *state, struct memory_store *store, size_t left)
{
    for (size_t i = state->journal_count; i-- > left;) {
        const struct old_record *old = &state->journal[i];
        const uint8_t *at = state->bytes.data + old->key_at;
        struct bytes value = bytes_of(at + old->key_len, old->value_len);
        memory_store_set(store, old->kind, bytes_of(at, old->key_len),
                         old->existed ? &value : NULL);
    }
}

void sim_state_flush(struct sim_state *state)
{
    state->flushed_index = state->applied_index;
    size_t kept = state->journal_count - state->committed;
    if (kept == 0) {
        buffer_clear(&state->bytes);
    } else {
        size_t before = state->journal[state->committed].key_at;
        state->bytes.len -= before;
        memmove(state->bytes.data, state->bytes.data + before, state->bytes.len);
        memmove(state->journal, state->journal + state->committed, kept * sizeof *state->journal);
        for (size_t i = 0; i < kept; i++) {
            state->journal[i].key_at -= before;
        }
    }
    state->journal_count = kept;
    state->committed = 0;
}

static size_t unflushed_bytes(const struct sim_state *state)
{
    return state->bytes.len + state->journal_count * sizeof *state->journal;
}

static void lose_unflushed(struct sim_state *state)
{
    undo(state, state->live, 0);
    state->journal_count = 0;
    buffer_clear(&state->bytes);
    state->committed = 0;
    state->applied_index = state->flushed_index;
}

/* ---- the records ---- */

/* Does the handle still reach the database? */
static bool is_alive(const struct handle *handle)
{
    return handle->state->open == handle;
}

static bool fail_dead(struct error *error)
{
    return error_set(error, "the state was open when its machine crashed: open it again");
}

static enum store_result records_get(void *store, enum ledger_kind kind, struct bytes key,
                                     struct bytes *value, struct error *error)
{
    const struct handle *handle = store;
    if (!is_alive(handle)) {
        fail_dead(error);
        return STORE_ERROR;
    }
    return handle->live.ops->get(handle->live.store, kind, key, value, error);
}

static bool records_put(void *store, enum ledger_kind kind, struct bytes key, struct bytes value,
                        struct error *error)
{
    const struct handle *handle = store;
    if (!is_alive(handle)) {
        return fail_dead(error);
    }
    note_old_record(handle->state, kind, key);
    return handle->live.ops->put(handle->live.store, kind, key, value, error);
}

static bool records_remove(void *store, enum ledger_kind kind, struct bytes key,
                           struct error *error)
{
    const struct handle *handle = store;
    if (!is_alive(handle)) {
        return fail_dead(error);
    }
    note_old_record(handle->state, kind, key);
    return handle->live.ops->remove(handle->live.store, kind, key, error);
}

static bool records_scan(void *store, enum ledger_kind kind, struct bytes from, struct bytes to,
                         store_visit visit, void *context, struct error *error)
{
    const struct handle *handle = store;
    if (!is_alive(handle)) {
        return fail_dead(error);
    }
    return handle->live.ops->scan(handle->live.store, kind, from, to, visit, context, error);
}

/* ---- views ---- */

static struct ledger_store view_live(const struct view *view)
{
    return memory_store_interface(view->copy);
}

static enum store_result view_get(void *store, enum ledger_kind kind, struct bytes key,
                                  struct bytes *value, struct error *error)
{
    struct ledger_store copy = view_live(store);
    return copy.ops->get(copy.store, kind, key, value, error);
}

static bool view_put(void *store, enum ledger_kind kind, struct bytes key, struct bytes value,
                     struct error *error)
{
    (void)store;
    (void)kind;
    (void)key;
    (void)value;
    return error_set(error, "a view of the state is read-only");
}

static bool view_remove(void *store, enum ledger_kind kind, struct bytes key, struct error *error)
{
    return view_put(store, kind, key, bytes_of(NULL, 0), error);
}

static bool view_scan(void *store, enum ledger_kind kind, struct bytes from, struct bytes to,
                      store_visit visit, void *context, struct error *error)
{
    struct ledger_store copy = view_live(store);
    return copy.ops->scan(copy.store, kind, from, to, visit, context, error);
}

static void *state_view_open(void *state)
{
    struct handle *handle = state;
    assert(is_alive(handle));
    struct view *view = memory_alloc(sizeof *view);
    *view = (struct view){
        .handle = handle,
        .copy = memory_store_copy(handle->state->live),
        .applied_index = handle->state->applied_index,
    };
    undo(handle->state, view->copy, handle->state->committed);
    handle->views++;
    return view;
}

static struct ledger_store state_view_records(void *view)
{
    static const struct store_ops ops = {view_get, view_put, view_remove, view_scan};
    return (struct ledger_store){&ops, view};
}

static uint64_t state_view_applied_index(const void *view)
{
    return ((const struct view *)view)->applied_index;
}

static void state_view_close(void *context)
{
    struct view *view = context;
    view->handle->views--;
    memory_store_free(view->copy);
    free(view);
}

/* ---- the store ---- */

static struct ledger_store state_records(void *state)
{
    static const struct store_ops ops = {records_get, records_put, records_remove, records_scan};
    return (struct ledger_store){&ops, state};
}

static bool state_commit(void *context, uint64_t applied_index, struct error *error)
{
    struct handle *handle = context;
    struct sim_state *state = handle->state;
    if (!is_alive(handle)) {
        return fail_dead(error);
    }
    assert(applied_index > state->applied_index); /* an entry is applied once */
    if (handle->failed) {
        return error_set(error, "the state failed before and takes no more: stop the node");
    }
    if (!memory_store_call(state->live, error)) {
        handle->failed = true;
        return false;
    }
    state->applied_index = applied_index;
    state->committed = state->journal_count;
    if (unflushed_bytes(state) > SIM_STATE_UNFLUSHED_BYTES) {
        sim_state_flush(state);
    }
    return true;
}

static uint64_t state_applied_index(const void *state)
{
    const struct handle *handle = state;
    return handle->state->applied_index;
}

static bool state_checkpoint(void *context, const char *path, uint64_t *applied_index,
                             struct error *error)
{
    struct handle *handle = context;
    struct sim_state *state = handle->state;
    if (!is_alive(handle)) {
        return fail_dead(error);
    }
    if (handle->failed || state->files == NULL) {
        return error_set(error, handle->failed ? "the state failed before and takes no more"
                                               : "the state knows no files to copy itself to");
    }
    if (!memory_store_call(state->live, error)) {
        handle->failed = true;
        return false;
    }
    sim_state_flush(state);
    *applied_index = state->applied_index;
    if (state->journal_count == 0) {
        memory_store_watch(state->live, true);
        bool written =
            sim_state_write_files(state->live, *applied_index, state->files, path, error);
        memory_store_watch(state->live, false);
        return written;
    }
    struct memory_store *copy = memory_store_copy(state->live);
    undo(state, copy, 0);
    bool written = sim_state_write_files(copy, *applied_index, state->files, path, error);
    memory_store_free(copy);
    return written;
}

static bool state_check(void *context, struct error *error)
{
    const struct handle *handle = context;
    if (!is_alive(handle)) {
        return fail_dead(error);
    }
    return !handle->failed || error_set(error, "the state failed before: stop the node");
}

static bool state_close(void *context, struct error *error)
{
    struct handle *handle = context;
    struct sim_state *state = handle->state;
    assert(handle->views == 0);
    bool flushed = false;
    if (!is_alive(handle)) {
        fail_dead(error);
    } else {
        flushed = handle->failed ? error_set(error, "the state failed before and was not flushed")
                                 : memory_store_call(state->live, error);
        if (flushed) {
            sim_state_flush(state);
        }
        lose_unflushed(state); /* what was not committed, in any case */
        state->open = NULL;
    }
    state->handles--;
    free(handle);
    return flushed;
}

void sim_state_open(struct sim_state *state, struct state_store *out)
{
    static const struct state_store_ops ops = {
        .records = state_records,
        .commit = state_commit,
        .applied_index = state_applied_index,
        .view_open = state_view_open,
        .view_records = state_view_records,
        .view_applied_index = state_view_applied_index,
        .view_close = state_view_close,
        .checkpoint = state_checkpoint,
        .check = state_check,
        .close = state_close,
    };
    assert(state->open == NULL && state->journal_count == 0);
    struct handle *handle = memory_alloc(sizeof *handle);
    *handle = (struct handle){.state = state, .live = memory_store_interface(state->live)};
    state->open = handle;
    state->handles++;
    *out = (struct state_store){&ops, handle};
}

/* ---- the disk ---- */

struct sim_state *sim_state_new(void)
{
    struct sim_state *state = memory_zalloc(sizeof *state);
    state->live = memory_store_new();
    return state;
}

void sim_state_set_files(struct sim_state *state, const struct file_system *files)
{
    state->files = files;
}

struct sim_state *sim_state_load(const struct file_system *files, const char *directory,
                                 struct error *error)
{
    struct sim_state *state = memory_zalloc(sizeof *state);
    state->live = sim_state_read_files(files, directory, &state->applied_index, error);
    if (state->live == NULL) {
        free(state);
        return NULL;
    }
    state->flushed_index = state->applied_index;
    return state;
}

bool sim_state_is_open(const struct sim_state *state)
{
    return state->handles > 0;
}

void sim_state_free(struct sim_state *state)
{
    assert(state->handles == 0);
    memory_store_free(state->live);
    buffer_free(&state->bytes);
    free(state->journal);
    free(state);
}

void sim_state_crash(struct sim_state *state)
{
    state->open = NULL;
    lose_unflushed(state);
}

void sim_state_fail_at(struct sim_state *state, uint64_t n)
{
    memory_store_fail_at(state->live, n);
}

uint64_t sim_state_failures(const struct sim_state *state)
{
    return memory_store_failures(state->live);
}

void sim_state_watch(struct sim_state *state, bool watched)
{
    memory_store_watch(state->live, watched);
}

uint64_t sim_state_applied_index(const struct sim_state *state)
{
    return state->applied_index;
}

uint64_t sim_state_flushed_index(const struct sim_state *state)
{
    return state->flushed_index;
}

const struct memory_store *sim_state_records(const struct sim_state *state)
{
    return state->live;
}
