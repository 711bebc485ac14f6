/*
 * fetching_install.c - a staged state takes the place of our own.
 *
 * Happy path: nothing reads the state that goes any more; the replica still wants the new one, and
 * has it installed (fetching_install); the manifest names it and the log is cut, in the pool; the
 * core goes over to it; the old one is removed. Any failure of our own disk ends the process.
 */
#include <assert.h>

#include "core.h"
#include "fetching_internal.h"
#include "snapshots.h"

static void make_switch(struct pool_work *work)
{
    struct fetching *fetching = (struct fetching *)work;
    const struct core *core = fetching->core;
    const struct snapshot *snapshot = &fetching->offer.snapshot;
    fetching->ok =
        data_directory_install(core->directory, snapshot, &fetching->lineage, &fetching->error) &&
        log_store_reset(core->log, snapshot->index, &fetching->error);
}

static void make_switch_done(struct pool_work *work)
{
    struct fetching *fetching = (struct fetching *)work;
    struct core *core = fetching->core;
    struct error error;
    if (!fetching->ok) {
        core_fail(core, &fetching->error);
    } else if (core_is_working(core)) {
        struct state_store old_state = core->state_store;
        if (!core_replace_state(core, &fetching->state, &error)) {
            core_fail(core, &error); /* each is still where it was, and closed there */
            core_work_ended(core);
            return;
        }
        fetching->old_state = old_state;
        fetching->old_checkpoint = snapshots_replaced(core->snapshots);
        fetching->state = (struct state_store){0};
        fetching->installed = (struct fetching_installed){
            .count = fetching->installed.count + 1,
            .peer_id = fetching->offer.peer_id,
            .index = fetching->offer.snapshot.index,
            .bytes = fetching->total_bytes,
            .took_ms = core_now_ms(core) - fetching->begun_ms,
        };
        if (!replica_snapshot_installed(core->replica, core_now_ms(core), &error)) {
            core_fail(core, &error);
        }
        fetching_clean(fetching);
    }
    core_work_ended(core);
}

void fetching_install(struct fetching *fetching)
{
    assert(fetching->phase == FETCHING_INSTALLING && fetching->state.ops != NULL);
    fetching_run_step(fetching, FETCHING_INSTALLING, make_switch, make_switch_done);
}

void fetching_try_install(struct fetching *fetching)
{
    struct core *core = fetching->core;
    struct error error;
    bool wanted;
    if (!snapshots_hold(core->snapshots) || core->is_auditing) {
        return;
    }
    fetching_forget(fetching);
    /* From within: fetching_install, at once or later. */
    fetching->phase = FETCHING_INSTALLING;
    if (!replica_snapshot_staged(core->replica, core_now_ms(core), &wanted, &error)) {
        core_fail(core, &error);
    } else if (!wanted) {
        fetching_drop_staged(fetching);
    }
}
