/*
 * audit.c - view, work in the pool, and back. The view is of the last committed state, so what the
 * node applies meanwhile neither disturbs the audit nor is seen by it.
 *
 * What can fail: the index is passed already, or is jumped over by a snapshot from another node, or
 * does not come in time; the pool refuses; the view can't be read. Each ends the audit with words.
 */
#include "core.h"

#include <inttypes.h>

static void audit_run(struct pool_work *work)
{
    struct audit *audit = (struct audit *)work; /* its first member */
    struct ledger_store records = audit->core->state_store.ops->view_records(audit->view);
    audit->ok = ledger_audit_run_until(records, &audit->core->audits_stopped, &audit->result,
                                       &audit->error);
    audit->why = AUDIT_FAILED;
}

static void audit_run_done(struct pool_work *work)
{
    struct audit *audit = (struct audit *)work;
    struct core *core = audit->core;
    core->state_store.ops->view_close(audit->view);
    core->is_auditing = false;
    /* A state that can't be read can't be gone on with either. */
    if (!audit->ok && !atomic_load(&core->audits_stopped)) {
        core_fail(core, &audit->error);
    }
    audit->ended(audit);
    core_work_ended(core); /* which may close the core */
}

static bool begin(struct audit *audit, enum audit_refusal *why, struct error *error)
{
    struct core *core = audit->core;
    *why = AUDIT_BUSY;
    if (fetching_is_staged(core->fetching)) {
        return error_set(error, "this node is about to replace its state by another node's");
    }
    audit->view = core->state_store.ops->view_open(core->state_store.state);
    audit->applied_index = core->state_store.ops->view_applied_index(audit->view);
    core->is_auditing = core_work_start(core, &audit->work, error);
    if (!core->is_auditing) {
        core->state_store.ops->view_close(audit->view);
        *why = AUDIT_FAILED;
    }
    return core->is_auditing;
}

/* ---- one that waits for its index ---- */

static void end_waiting(struct audit *audit, enum audit_refusal why)
{
    audit->core->waiting_audit = NULL;
    audit->ok = false;
    audit->why = why;
    audit->ended(audit);
}

void audit_applied(struct core *core, uint64_t index)
{
    struct audit *audit = core->waiting_audit;
    if (audit == NULL || index != audit->at_index) {
        return;
    }
    enum audit_refusal why;
    core->waiting_audit = NULL;
    if (!begin(audit, &why, &audit->error)) {
        end_waiting(audit, why);
    }
}

void audit_upkeep(struct core *core)
{
    struct audit *audit = core->waiting_audit;
    if (audit == NULL) {
        return;
    }
    uint64_t applied_index = core_applied_index(core);
    if (applied_index >= audit->at_index) {
        error_set(&audit->error,
                  "this node has gone from below log index %" PRIu64 " to %" PRIu64
                  " at once, with a snapshot from another node; try again",
                  audit->at_index, applied_index);
        end_waiting(audit, AUDIT_BEHIND);
    } else if (++audit->upkeeps > AUDIT_WAIT_UPKEEPS) {
        error_set(&audit->error,
                  "this node has applied %" PRIu64 " and has not reached log index %" PRIu64
                  " in %d s; try again when it has caught up, and the cluster has a leader",
                  applied_index, audit->at_index, AUDIT_WAIT_UPKEEPS * CORE_UPKEEP_MS / 1000);
        end_waiting(audit, AUDIT_GIVEN_UP);
    }
}

bool audit_wants_entry(const struct core *core, uint64_t last_index)
{
    const struct audit *audit = core->waiting_audit;
    return audit != NULL && audit->at_index > last_index &&
           audit->at_index - last_index <= LIMIT_AUDIT_ENTRIES;
}

void audit_cancel(struct audit *audit)
{
    if (audit->core->waiting_audit == audit) {
        error_set(&audit->error, "nobody waits for it any more");
        end_waiting(audit, AUDIT_GIVEN_UP);
    }
}

void audits_stop(struct core *core)
{
    atomic_store(&core->audits_stopped, true);
    audit_abandon(core);
}

void audit_abandon(struct core *core)
{
    if (core->waiting_audit != NULL) {
        error_set(&core->waiting_audit->error, "this node is stopping");
        end_waiting(core->waiting_audit, AUDIT_GIVEN_UP);
    }
}

/* ---- start ---- */

bool audit_start(struct audit *audit, struct core *core, enum audit_refusal *why,
                 struct error *error)
{
    uint64_t applied_index = core_applied_index(core);
    *why = AUDIT_GIVEN_UP;
    if (atomic_load(&core->audits_stopped)) {
        return error_set(error, "this node is stopping");
    }
    *why = AUDIT_BUSY;
    if (core->is_auditing || core->waiting_audit != NULL) {
        return error_set(error, "another audit is running on this node");
    }
    *audit = (struct audit){.work = {audit_run, audit_run_done},
                            .core = core,
                            .at_index = audit->at_index,
                            .ended = audit->ended};
    if (audit->at_index == 0 || audit->at_index == applied_index) {
        return begin(audit, why, error);
    }
    *why = AUDIT_BEHIND;
    if (audit->at_index < applied_index) {
        return error_set(error,
                         "this node has applied %" PRIu64 " already, beyond log index %" PRIu64
                         ": ask for a later one",
                         applied_index, audit->at_index);
    }
    core->waiting_audit = audit;
    return true;
}
