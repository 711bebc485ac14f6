/*
 * fetching.c - the phases of fetching.h until a state is staged, and behind it, one function for
 * the end of each; fetching_install.c puts it in place of our own.
 *
 * Invariants: at most one piece of work in the pool, and none in the phases idle, waiting, list,
 * parts and staged; `receiver` exists from opening to checking, `state` from checking to
 * installing. A newer offer waits in `next` until the work under way is done.
 */
#include "fetching_internal.h"

#include <inttypes.h>
#include <stdlib.h>

#include "core.h"
#include "snapshots.h"
#include "storage/checkpoint.h"

/* Files that come without the sum that was announced, in one fetch. */
#define MOST_WRONG 3

struct fetching *fetching_new(struct core *core)
{
    struct fetching *fetching = memory_zalloc(sizeof *fetching);
    fetching->core = core;
    return fetching;
}

void fetching_forget(struct fetching *fetching)
{
    if (fetching->receiver != NULL) {
        checkpoint_receiver_close(fetching->receiver);
        fetching->receiver = NULL;
    }
    checkpoint_list_free(&fetching->list);
    buffer_free(&fetching->list_bytes);
    entry_release(fetching->part);
    fetching->part = NULL;
}

/* What it could not flush nobody needs: it is replaced, or was never used. */
static void close_state(struct state_store *state)
{
    struct error ignored;
    if (state->ops != NULL) {
        (void)state->ops->close(state->state, &ignored);
        *state = (struct state_store){0};
    }
}

void fetching_free(struct fetching *fetching)
{
    if (fetching == NULL) {
        return;
    }
    fetching_forget(fetching);
    close_state(&fetching->state);
    close_state(&fetching->old_state);
    free(fetching->old_checkpoint);
    free(fetching->path);
    free(fetching);
}

bool fetching_progress_get(const struct fetching *fetching, struct fetching_progress *progress)
{
    *progress = (struct fetching_progress){
        .peer_id = fetching->offer.peer_id,
        .index = fetching->offer.snapshot.index,
        .bytes = fetching->bytes,
        .total_bytes = fetching->total_bytes,
        .is_installing =
            fetching->phase == FETCHING_STAGED || fetching->phase == FETCHING_INSTALLING,
    };
    return fetching->phase != FETCHING_IDLE && fetching->phase != FETCHING_WAITING &&
           fetching->phase != FETCHING_CLEANING;
}

bool fetching_installed_get(const struct fetching *fetching, struct fetching_installed *installed)
{
    *installed = fetching->installed;
    return installed->count > 0;
}

bool fetching_is_staged(const struct fetching *fetching)
{
    /* While the old one is removed, the state is the new one already, and stays. */
    return fetching->phase == FETCHING_STAGED || fetching->phase == FETCHING_INSTALLING;
}

static void begin(struct fetching *fetching);

/* A pool that refuses is asked again at the next upkeep. */
static void start_step(struct fetching *fetching)
{
    struct error ignored;
    fetching->is_refused = !core_work_start(fetching->core, &fetching->work, &ignored);
}

void fetching_run_step(struct fetching *fetching, enum fetching_phase phase,
                       void (*run)(struct pool_work *work), void (*done)(struct pool_work *work))
{
    fetching->phase = phase;
    fetching->ok = false;
    fetching->error.text[0] = '\0';
    fetching->work = (struct pool_work){run, done};
    start_step(fetching);
}

/* ---- ends ---- */

static void give_up(struct fetching *fetching, const char *why)
{
    struct core *core = fetching->core;
    struct error words;
    error_set(&words, "fetching the state at entry %" PRIu64 " from node %" PRIu64 ": %s",
              fetching->offer.snapshot.index, fetching->offer.peer_id, why);
    core->env.warn(core->env.context, "snapshot", words.text);
    fetching_forget(fetching);
    fetching->phase = FETCHING_WAITING;
    fetching->asked_ms = core_now_ms(core);
}

static void clean(struct pool_work *work)
{
    struct fetching *fetching = (struct fetching *)work;
    struct core *core = fetching->core;
    const struct file_system *files = core->config.files;
    bool installed = fetching->old_state.ops != NULL;
    close_state(&fetching->old_state);
    close_state(&fetching->state);
    fetching->ok = installed ? data_directory_remove_old(core->directory, &fetching->error)
                             : files->remove_tree(files->context, fetching->path, &fetching->error);
    if (fetching->ok && fetching->old_checkpoint != NULL) {
        fetching->ok =
            files->remove_tree(files->context, fetching->old_checkpoint, &fetching->error);
    }
}

static bool is_held(const struct fetching *fetching)
{
    return core_now_ms(fetching->core) < fetching->held_until_ms;
}

static void clean_done(struct pool_work *work)
{
    struct fetching *fetching = (struct fetching *)work;
    struct core *core = fetching->core;
    free(fetching->old_checkpoint);
    fetching->old_checkpoint = NULL;
    fetching->is_left = false;
    fetching->phase = is_held(fetching) ? FETCHING_WAITING : FETCHING_IDLE;
    if (!fetching->ok) {
        core_fail(core, &fetching->error);
    } else if (fetching->next.peer_id != 0 && core_is_working(core)) {
        begin(fetching);
    }
    core_work_ended(core);
}

void fetching_clean(struct fetching *fetching)
{
    fetching_run_step(fetching, FETCHING_CLEANING, clean, clean_done);
}

void fetching_drop_staged(struct fetching *fetching)
{
    snapshots_release(fetching->core->snapshots);
    fetching_forget(fetching);
    fetching_clean(fetching);
}

/* ---- questions ---- */

static void ask(struct fetching *fetching)
{
    struct core *core = fetching->core;
    const struct peer_message question = {
        .type = PEER_CHECKPOINT_ASK,
        .checkpoint_ask =
            {
                .checkpoint = fetching->offer.checkpoint,
                .file = fetching->file,
                .offset = fetching->offset,
                .max_bytes = LIMIT_CHECKPOINT_PART_BYTES,
            },
    };
    fetching->asked_ms = core_now_ms(core);
    core->env.send_bulk(core->env.context, fetching->offer.peer_id, &question);
}

static void ask_anew(struct fetching *fetching, enum fetching_phase phase, uint32_t file,
                     uint64_t offset)
{
    fetching->phase = phase;
    fetching->file = file;
    fetching->offset = offset;
    fetching->asks = 1;
    ask(fetching);
}

static void begin(struct fetching *fetching)
{
    fetching_forget(fetching);
    fetching->offer = fetching->next;
    fetching->next.peer_id = 0;
    fetching->begun_ms = core_now_ms(fetching->core);
    fetching->wrong = 0;
    fetching->bytes = 0;
    fetching->total_bytes = 0;
    free(fetching->path);
    fetching->path = memory_strdup(data_directory_staging_path(fetching->core->directory));
    ask_anew(fetching, FETCHING_LIST, 0, 0);
}

void fetching_offer(struct fetching *fetching, uint64_t peer_id,
                    const struct replica_snapshot *snapshot, struct hash128 checkpoint)
{
    if (is_held(fetching)) {
        return; /* it is made again when the replica has been told to forget it (fetching_upkeep) */
    }
    fetching->next.peer_id = peer_id;
    fetching->next.checkpoint = checkpoint;
    core_snapshot_of(snapshot, &fetching->next.snapshot);
    switch (fetching->phase) {
    case FETCHING_IDLE:
    case FETCHING_WAITING:
    case FETCHING_LIST:
    case FETCHING_PARTS:
        begin(fetching);
        break;
    case FETCHING_STAGED:
        fetching_drop_staged(fetching);
        break;
    case FETCHING_OPENING:
    case FETCHING_WRITING:
    case FETCHING_CHECKING:
    case FETCHING_INSTALLING:
    case FETCHING_CLEANING:
        break; /* when the work is done */
    }
}

/* A piece of work has ended: may the fetch that it is part of go on? */
static bool goes_on(struct fetching *fetching)
{
    if (!fetching->ok) {
        core_fail(fetching->core, &fetching->error);
        return false;
    }
    if (!core_is_working(fetching->core)) {
        return false;
    }
    if (fetching->next.peer_id == 0) {
        return true;
    }
    if (fetching->state.ops != NULL) {
        fetching_drop_staged(fetching);
    } else {
        begin(fetching);
    }
    return false;
}

/* ---- checking ---- */

static void check(struct pool_work *work)
{
    struct fetching *fetching = (struct fetching *)work;
    struct core *core = fetching->core;
    bool is_opened = false;
    fetching->is_foreign = false;
    if (checkpoint_receiver_finish(fetching->receiver, &fetching->error)) {
        is_opened = core->env.open_state(core->env.context, fetching->path, &fetching->state,
                                         &fetching->is_foreign, &fetching->error);
    }
    fetching->ok = is_opened || fetching->is_foreign;
    if (!is_opened) {
        error_wrap(&fetching->error, "the state at entry %" PRIu64 " from node %" PRIu64,
                   fetching->offer.snapshot.index, fetching->offer.peer_id);
    }
}

/* It came as it left, and this program can make nothing of it: that of the other node may be newer,
 * or its database's library. Our own state is as good as before. To fetch the same again at once
 * would be of no use, and cost the network much. */
static void refuse_foreign(struct fetching *fetching)
{
    struct core *core = fetching->core;
    struct error words;
    error_set(&words,
              "%s; it is not used, and asked for again in %" PRIu64
              " s: if the other node runs a newer release, bring this one up to it",
              fetching->error.text, core->config.staging_kept_ms / 1000);
    core->env.warn(core->env.context, "snapshot", words.text);
    fetching->held_until_ms = core_now_ms(core) + core->config.staging_kept_ms;
    fetching_drop_staged(fetching);
}

static void check_done(struct pool_work *work)
{
    struct fetching *fetching = (struct fetching *)work;
    struct core *core = fetching->core;
    if (!goes_on(fetching)) {
        core_work_ended(core);
        return;
    }
    if (fetching->is_foreign) {
        refuse_foreign(fetching);
        core_work_ended(core);
        return;
    }
    uint64_t applied = fetching->state.ops->applied_index(fetching->state.state);
    if (applied == fetching->offer.snapshot.index) {
        fetching->phase = FETCHING_STAGED;
        fetching_upkeep(fetching);
    } else {
        struct error words;
        error_set(&words,
                  "node %" PRIu64 " offered the state at entry %" PRIu64
                  ", and gave the one at %" PRIu64,
                  fetching->offer.peer_id, fetching->offer.snapshot.index, applied);
        core->env.warn(core->env.context, "snapshot", words.text);
        replica_snapshot_forget(core->replica);
        fetching_drop_staged(fetching);
    }
    core_work_ended(core);
}

/* ---- parts ---- */

/* The part that is missing next, or the end. */
static void go_on(struct fetching *fetching)
{
    struct checkpoint_range range;
    fetching->bytes = checkpoint_receiver_bytes(fetching->receiver);
    fetching->total_bytes = fetching->list.bytes;
    if (checkpoint_receiver_wants(fetching->receiver, &range)) {
        ask_anew(fetching, FETCHING_PARTS, (uint32_t)range.file + 1, range.offset);
    } else {
        fetching_run_step(fetching, FETCHING_CHECKING, check, check_done);
    }
}

static void write_part(struct pool_work *work)
{
    struct fetching *fetching = (struct fetching *)work;
    fetching->taken =
        checkpoint_receiver_take(fetching->receiver, fetching->part->data, &fetching->error);
    fetching->ok = fetching->taken != CHECKPOINT_FAILED;
}

static void write_part_done(struct pool_work *work)
{
    struct fetching *fetching = (struct fetching *)work;
    entry_release(fetching->part);
    fetching->part = NULL;
    if (goes_on(fetching)) {
        fetching->wrong += fetching->taken == CHECKPOINT_WRONG;
        if (fetching->wrong > MOST_WRONG) {
            give_up(fetching, fetching->error.text);
        } else {
            go_on(fetching);
        }
    }
    core_work_ended(fetching->core);
}

/* ---- opening ---- */

/* Is there room for what is missing, and to open all of it then? */
static bool measure(struct fetching *fetching, struct error *error)
{
    const struct core *core = fetching->core;
    const struct file_system *files = core->config.files;
    uint64_t missing = fetching->list.bytes - checkpoint_receiver_bytes(fetching->receiver) +
                       core->config.state_open_bytes;
    uint64_t free_bytes;
    if (!files->free_bytes(files->context, core->config.data, &free_bytes, error)) {
        return false;
    }
    fetching->missing_bytes = missing > free_bytes ? missing - free_bytes : 0;
    return true;
}

static void look_around(struct pool_work *work)
{
    struct fetching *fetching = (struct fetching *)work;
    fetching->receiver = checkpoint_receiver_open(fetching->core->config.files, fetching->path,
                                                  &fetching->list, &fetching->error);
    fetching->ok = fetching->receiver != NULL && measure(fetching, &fetching->error);
}

static void look_around_done(struct pool_work *work)
{
    struct fetching *fetching = (struct fetching *)work;
    if (goes_on(fetching)) {
        if (fetching->missing_bytes > 0) {
            struct error words;
            error_set(&words, "the disk lacks %" PRIu64 " bytes of the room that it needs",
                      fetching->missing_bytes);
            give_up(fetching, words.text);
        } else {
            go_on(fetching);
        }
    }
    core_work_ended(fetching->core);
}

/* ---- answers ---- */

static void take_list(struct fetching *fetching, const struct peer_message *part)
{
    struct error why;
    struct buffer *bytes = &fetching->list_bytes;
    struct bytes data = part->checkpoint_part.data->data;
    if (part->checkpoint_part.size > LIMIT_PEER_FRAME_BYTES ||
        data.len > part->checkpoint_part.size - bytes->len) {
        give_up(fetching, "its list is longer than any list");
        return;
    }
    buffer_append_bytes(bytes, data);
    if (bytes->len < part->checkpoint_part.size) {
        ask_anew(fetching, FETCHING_LIST, 0, bytes->len);
        return;
    }
    if (!hash128_equal(hash128_of(buffer_bytes(bytes)), fetching->offer.checkpoint)) {
        give_up(fetching, "its list is not the one that was offered");
    } else if (!checkpoint_list_decode(buffer_bytes(bytes), &fetching->list, &why)) {
        give_up(fetching, why.text);
    } else {
        buffer_free(bytes);
        fetching->lineage = fetching->list.lineage;
        lineage_add(&fetching->lineage, fetching->offer.peer_id);
        fetching->is_left = true;
        fetching_run_step(fetching, FETCHING_OPENING, look_around, look_around_done);
    }
}

void fetching_part(struct fetching *fetching, uint64_t peer_id, const struct peer_message *part)
{
    struct checkpoint_range range;
    bool is_asked = fetching->phase == FETCHING_LIST || fetching->phase == FETCHING_PARTS;
    if (!is_asked || peer_id != fetching->offer.peer_id ||
        !hash128_equal(part->checkpoint_part.checkpoint, fetching->offer.checkpoint) ||
        part->checkpoint_part.file != fetching->file ||
        part->checkpoint_part.offset != fetching->offset) {
        return; /* to a question that was given up, or asked twice */
    }
    if (part->checkpoint_part.data == NULL) {
        give_up(fetching, "it is gone there");
        return;
    }
    if (fetching->phase == FETCHING_LIST) {
        take_list(fetching, part);
        return;
    }
    if (!checkpoint_receiver_wants(fetching->receiver, &range) ||
        part->checkpoint_part.data->data.len > range.left) {
        give_up(fetching, "a file is longer than was announced");
        return;
    }
    fetching->part = entry_reference(part->checkpoint_part.data);
    fetching_run_step(fetching, FETCHING_WRITING, write_part, write_part_done);
}

/* ---- now and then ---- */

static void remove_left(struct pool_work *work)
{
    struct fetching *fetching = (struct fetching *)work;
    const struct file_system *files = fetching->core->config.files;
    fetching->ok = files->remove_tree(files->context, fetching->path, &fetching->error);
}

static void remove_staged(struct fetching *fetching)
{
    if (fetching->is_left) {
        fetching_run_step(fetching, FETCHING_CLEANING, remove_left, clean_done);
    }
}

/* The log has come to it by itself, after all. */
static bool is_overtaken(struct fetching *fetching)
{
    struct core *core = fetching->core;
    if (core_applied_index(core) < fetching->offer.snapshot.index) {
        return false;
    }
    fetching_forget(fetching);
    fetching->phase = FETCHING_IDLE;
    replica_snapshot_forget(core->replica);
    remove_staged(fetching);
    return true;
}

void fetching_upkeep(struct fetching *fetching)
{
    struct core *core = fetching->core;
    uint64_t waited_ms = core_now_ms(core) - fetching->asked_ms;
    bool has_waited = waited_ms >= core->config.checkpoint_ask_ms;
    switch (fetching->phase) {
    case FETCHING_LIST:
    case FETCHING_PARTS:
        if (is_overtaken(fetching)) {
            break;
        }
        if (has_waited && fetching->asks == LIMIT_CHECKPOINT_ASKS) {
            give_up(fetching, "it does not answer");
        } else if (has_waited) {
            fetching->asks++;
            ask(fetching);
        }
        break;
    case FETCHING_WAITING:
        /* The leader offers with every heartbeat. */
        if (has_waited && !is_held(fetching)) {
            fetching->phase = FETCHING_IDLE;
            fetching->left_ms = core_now_ms(core);
            replica_snapshot_forget(core->replica);
        }
        break;
    case FETCHING_STAGED:
        fetching_try_install(fetching);
        break;
    case FETCHING_IDLE:
        if (core_now_ms(core) - fetching->left_ms >= core->config.staging_kept_ms) {
            remove_staged(fetching);
        }
        break;
    case FETCHING_OPENING:
    case FETCHING_WRITING:
    case FETCHING_CHECKING:
    case FETCHING_INSTALLING:
    case FETCHING_CLEANING:
        if (fetching->is_refused) {
            start_step(fetching);
        }
        break;
    }
}
