/*
 * member_plan.c - the steps of a join and of a leave.
 *
 *   join    nodes_add, hf_add_server, nodes_start, hf_promote_server
 *   leave   hf_remove_server - of the leader after hf_transfer_leadership - then nodes_wipe
 *
 * Each call of the library says in the end how it is, whatever became of an earlier attempt ("what
 * is so already is HF_OK"): so a step that was cut off in the middle is simply asked for again.
 *
 * What can fail: a disk or a process that can't be had ends the run. A cluster without faults that
 * does not take a step within MEMBER_PLAN_FINISH_MS is a finding, and ends it too.
 */
#include "member_plan.h"

#include <assert.h>
#include <poll.h>
#include <stdio.h>

#include "clock.h"

#define CALL_MS  1000
#define PAUSE_MS 50

bool member_plan_has_room(struct nemesis_ground *ground, uint32_t joins, struct buffer *value)
{
    bool room = nodes_last(ground->nodes) + joins <= nodes_most(ground->nodes);
    if (!room) {
        buffer_printf(value, "{:left-out \"there is no host for another node\"}");
    }
    return room;
}

static void plan_step(struct member_plan *plan, bool joins, uint32_t id)
{
    assert(plan->count < MEMBER_PLAN_STEPS);
    plan->steps[plan->count].joins = joins;
    plan->steps[plan->count++].id = id;
}

void member_plan_join(struct member_plan *plan)
{
    plan_step(plan, true, 0);
}

void member_plan_leave(struct member_plan *plan, uint32_t id)
{
    plan_step(plan, false, id);
}

/* Was it taken? If not, the plan keeps the words. */
static bool is_taken(struct member_plan *plan, hf_verdict verdict, hf_membership *answer)
{
    if (verdict != HF_OK) {
        snprintf(plan->refusal, sizeof plan->refusal, "%s", answer->message);
    }
    hf_free(answer);
    return verdict == HF_OK;
}

static const hf_call_options call_options = {.timeout_ms = CALL_MS};

/* Sets *done; false: the testbed is at its end. */
static bool try_join(struct nemesis_ground *ground, struct member_plan *plan, uint32_t *id,
                     bool *done, struct error *error)
{
    hf_membership *answer;
    if (*id == 0 && (*id = nodes_add(ground->nodes, error)) == 0) {
        return false;
    }
    hf_client *client = nodes_operator(ground->nodes, error);
    if (client == NULL) {
        return false;
    }
    if (!plan->added) {
        hf_verdict verdict = hf_add_server(client, *id, nodes_peer_address(ground->nodes, *id),
                                           &call_options, &answer);
        if (!is_taken(plan, verdict, answer)) {
            return true;
        }
        /* Another nemesis may have started all that do not run. */
        if (nodes_life(ground->nodes, *id) == NODE_DOWN &&
            !nodes_start(ground->nodes, *id, error)) {
            return false;
        }
        plan->added = true;
    }
    hf_verdict verdict = hf_promote_server(client, *id, &call_options, &answer);
    *done = is_taken(plan, verdict, answer);
    return true;
}

static bool try_leave(struct nemesis_ground *ground, struct member_plan *plan, uint32_t id,
                      bool *done, struct error *error)
{
    hf_membership *answer;
    hf_client *client = nodes_operator(ground->nodes, error);
    if (client == NULL) {
        return false;
    }
    hf_verdict verdict = hf_remove_server(client, id, &call_options, &answer);
    if (!is_taken(plan, verdict, answer)) {
        if (nodes_leader(ground->nodes) == id) {
            /* It is not removed while it leads. What becomes of this, the next try sees. */
            (void)!hf_transfer_leadership(client, 0, &call_options, NULL);
        }
        return true;
    }
    *done = true;
    return nodes_life(ground->nodes, id) == NODE_GONE || nodes_wipe(ground->nodes, id, error);
}

bool member_plan_advance(struct nemesis_ground *ground, struct member_plan *plan, uint32_t until,
                         uint32_t timeout_ms, struct error *error)
{
    int64_t deadline_ms = clock_now_ms() + timeout_ms;
    assert(until <= plan->count);
    while (plan->done < until) {
        bool done = false;
        uint32_t *id = &plan->steps[plan->done].id;
        bool fine = plan->steps[plan->done].joins ? try_join(ground, plan, id, &done, error)
                                                  : try_leave(ground, plan, *id, &done, error);
        if (!fine) {
            return false;
        }
        if (done) {
            plan->done++;
            plan->added = false;
            continue;
        }
        if (clock_now_ms() + PAUSE_MS >= deadline_ms) {
            return true;
        }
        (void)poll(NULL, 0, PAUSE_MS);
    }
    return true;
}

bool member_plan_finish(struct nemesis_ground *ground, struct member_plan *plan,
                        struct error *error)
{
    return member_plan_advance(ground, plan, plan->count, MEMBER_PLAN_FINISH_MS, error) &&
           (plan->done == plan->count ||
            error_set(error, "node %u can't %s the cluster, for %d s without a fault: %s",
                      plan->steps[plan->done].id, plan->steps[plan->done].joins ? "join" : "leave",
                      MEMBER_PLAN_FINISH_MS / 1000, plan->refusal));
}

void member_plan_write(struct buffer *out, const struct nemesis_ground *ground,
                       const struct member_plan *plan)
{
    struct ground_ids left = {.count = 0};
    struct ground_ids joined = {.count = 0};
    for (uint32_t i = 0; i < plan->done; i++) {
        struct ground_ids *ids = plan->steps[i].joins ? &joined : &left;
        ids->ids[ids->count++] = plan->steps[i].id;
    }
    buffer_printf(out, "{:left ");
    ground_write_hosts(out, ground, &left);
    buffer_printf(out, " :joined ");
    ground_write_hosts(out, ground, &joined);
    buffer_printf(out, " :open %u}", plan->count - plan->done);
}
