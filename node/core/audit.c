/*
 * audit.c - view, work in the pool, and back. The view is of the last committed state, so what the
 * node applies meanwhile neither disturbs the audit nor is seen by it.
 */
#include "core.h"

static void audit_run(struct pool_work *work)
{
    struct audit *audit = (struct audit *)work; /* its first member */
    struct ledger_store records = audit->core->state_store.ops->view_records(audit->view);
    audit->ok = ledger_audit_run_until(records, &audit->core->audits_stopped, &audit->result,
                                       &audit->error);
}

static void audit_run_done(struct pool_work *work)
{
    struct audit *audit = (struct audit *)work;
    struct core *core = audit->core;
    core->state_store.ops->view_close(audit->view);
    core->audits--;
    audit->ended(audit);
}

bool audit_start(struct audit *audit, struct core *core, bool *busy, struct error *error)
{
    *busy = atomic_load(&core->audits_stopped);
    if (*busy) {
        return error_set(error, "this node is stopping");
    }
    *busy = core->audits > 0;
    if (*busy) {
        return error_set(error, "another audit is running on this node");
    }
    *busy = fetching_is_staged(core->fetching);
    if (*busy) {
        return error_set(error, "this node is about to replace its state by another node's");
    }
    void (*ended)(struct audit *) = audit->ended;
    *audit = (struct audit){.work = {audit_run, audit_run_done}, .ended = ended};
    audit->core = core;
    audit->view = core->state_store.ops->view_open(core->state_store.state);
    audit->applied_index = core->state_store.ops->view_applied_index(audit->view);
    core->audits++;
    if (!core->env.run_in_pool(core->env.context, &audit->work, error)) {
        core->state_store.ops->view_close(audit->view);
        core->audits--;
        return false;
    }
    return true;
}

void audits_stop(struct core *core)
{
    atomic_store(&core->audits_stopped, true);
}
