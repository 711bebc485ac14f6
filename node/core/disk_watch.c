/*
 * disk_watch.c - every DISK_LOOK_MS the free bytes are asked for in the pool and the database on
 * the loop; what is found moves `is_low` over two marks, the reserve and an eighth more.
 *
 * What can fail: the question itself (the directory is gone, the file system answers with an
 * error), and what the database tells. Both are final.
 */
#include "disk_watch.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/planted.h"
#include "core.h"

#define MIB (UINT64_C(1) << 20)

struct disk_watch {
    struct pool_work work; /* first */
    struct core *core;
    bool is_asked; /* in the pool */
    bool is_known;
    bool is_low;
    bool has_handed_over;
    uint64_t asked_ms;
    uint64_t handed_over_ms;
    uint64_t free_bytes;

    /* Of the question under way. */
    bool ok;
    uint64_t found_bytes;
    struct error error;
};

struct disk_watch *disk_watch_new(struct core *core)
{
    struct disk_watch *watch = memory_zalloc(sizeof *watch);
    watch->core = core;
    return watch;
}

void disk_watch_free(struct disk_watch *watch)
{
    free(watch);
}

static uint64_t reserve_of(const struct disk_watch *watch)
{
    return watch->core->config.disk_reserve_bytes;
}

/* From here on commands are taken again. */
static uint64_t enough_of(const struct disk_watch *watch)
{
    return reserve_of(watch) + reserve_of(watch) / 8;
}

/* ---- what was found ---- */

static void tell(const struct disk_watch *watch)
{
    const struct core *core = watch->core;
    struct error words;
    if (watch->is_low) {
        error_set(&words,
                  "%s: %" PRIu64 " MiB of the disk are free, below the reserve of %" PRIu64
                  " MiB: as leader this node takes no commands; make room, or "
                  "lower --disk-reserve",
                  core->config.data, watch->free_bytes / MIB, reserve_of(watch) / MIB);
    } else {
        error_set(&words, "%s: %" PRIu64 " MiB of the disk are free: commands are taken again",
                  core->config.data, watch->free_bytes / MIB);
    }
    core->env.warn(core->env.context, "disk", words.text);
}

static void look_done(struct pool_work *work)
{
    struct disk_watch *watch = (struct disk_watch *)work;
    struct core *core = watch->core;
    watch->is_asked = false;
    if (!watch->ok) {
        core_fail(core, &watch->error);
    } else if (core_is_working(core)) {
        bool was_low = watch->is_low;
        watch->is_known = true;
        watch->free_bytes = watch->found_bytes;
        watch->is_low = watch->free_bytes < (was_low ? enough_of(watch) : reserve_of(watch)) ||
                        (was_low && PLANTED(LOW_DISK_FOR_EVER));
        if (watch->is_low != was_low) {
            tell(watch);
        }
    }
    core_work_ended(core);
}

static void look(struct pool_work *work)
{
    struct disk_watch *watch = (struct disk_watch *)work;
    const struct core *core = watch->core;
    const struct file_system *files = core->config.files;
    watch->ok =
        files->free_bytes(files->context, core->config.data, &watch->found_bytes, &watch->error);
}

/* ---- handing over ---- */

/* The voters that come after this node, by their ids, round to it. */
static size_t voters_after(const struct core *core, uint64_t *ids)
{
    struct replica_member members[LIMIT_NODES];
    size_t member_count = replica_members(core->replica, members, LIMIT_NODES);
    size_t count = 0;
    for (int lap = 0; lap < 2; lap++) { /* members are sorted by id */
        for (size_t i = 0; i < member_count; i++) {
            uint64_t id = members[i].id;
            bool is_due = lap == 0 ? id > core->config.id : id < core->config.id;
            if (is_due && members[i].role == REPLICA_VOTER) {
                ids[count++] = id;
            }
        }
    }
    return count;
}

static void hand_over(struct disk_watch *watch)
{
    struct core *core = watch->core;
    uint64_t now = core_now_ms(core);
    uint64_t ids[LIMIT_NODES];
    if (!core_leads(core) ||
        (watch->has_handed_over && now - watch->handed_over_ms < DISK_HANDOVER_MS &&
         !PLANTED(LOW_DISK_GOES_ROUND))) {
        return;
    }
    size_t count = voters_after(core, ids);
    bool accepted = false;
    for (size_t i = 0; i < count && !accepted; i++) {
        struct error why; /* another one is asked, or the same again later */
        struct error error;
        if (!core_transfer_leadership(core, ids[i], &accepted, &why, &error)) {
            core_fail(core, &error);
            return;
        }
    }
    if (accepted) {
        watch->has_handed_over = true;
        watch->handed_over_ms = now;
    }
}

/* ---- when ---- */

void disk_watch_upkeep(struct disk_watch *watch)
{
    struct core *core = watch->core;
    const struct state_store *state = &core->state_store;
    uint64_t now = core_now_ms(core);
    struct error error;
    if (!watch->is_asked && (!watch->is_known || now - watch->asked_ms >= DISK_LOOK_MS)) {
        if (!state->ops->check(state->state, &error)) {
            core_fail(core, &error);
            return;
        }
        watch->work = (struct pool_work){look, look_done};
        watch->ok = false;
        watch->error.text[0] = '\0';
        watch->asked_ms = now;
        /* A pool that refuses is asked again at the next upkeep. */
        watch->is_asked = core_work_start(core, &watch->work, &error);
    }
    if (watch->is_low && !PLANTED(LOW_DISK_LEADS_ON)) {
        hand_over(watch);
    }
}

/* ---- for others ---- */

bool disk_watch_free_bytes(const struct disk_watch *watch, uint64_t *free_bytes)
{
    *free_bytes = watch->free_bytes;
    return watch->is_known;
}

bool disk_watch_is_low(const struct disk_watch *watch)
{
    return watch->is_low;
}

bool disk_watch_refuses(const struct disk_watch *watch, struct error *why)
{
    if (watch->is_low) {
        error_set(why,
                  "node %" PRIu64 " has %" PRIu64
                  " MiB of its disk left, less than its reserve of %" PRIu64
                  " MiB: as leader it takes no commands until there is room",
                  watch->core->config.id, watch->free_bytes / MIB, reserve_of(watch) / MIB);
    }
    return watch->is_low;
}
