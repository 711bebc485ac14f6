/*
 * member_plan.h - changes of the cluster's members, step by step: nodes that join and nodes that
 * leave, asked for as an operator would, while other faults may be on.
 *
 * A plan is a list of steps, done one after the other. Each call of member_plan_advance tries the
 * present one for a moment; the cluster may not take it now - it has no majority, the joiner lags
 * behind - and then it is tried again by the next call. Who leaves is removed from the cluster
 * before its disk is lost, but for one that was wiped before; who joins gets a new id, a new disk,
 * and its vote once it has caught up.
 *
 * Threads: the nemesis'. Errors: only what the testbed can't do; that the cluster refuses is none.
 */
#ifndef JEPSEN_MEMBER_PLAN_H
#define JEPSEN_MEMBER_PLAN_H

#include "ground.h"

#define MEMBER_PLAN_STEPS 16

struct member_plan {
    struct {
        bool joins;  /* else leaves */
        uint32_t id; /* of one that joins: 0, until it has one */
    } steps[MEMBER_PLAN_STEPS];
    uint32_t count;
    uint32_t done;
    bool added;        /* the present joiner is a member, and runs */
    char refusal[256]; /* why the present step was not taken last time */
};

/* Are there hosts for so many more nodes? If not, the value says that the fault is left out: no
 * node's number is used again, and a long run has had them all in the end (nodes_most). */
bool member_plan_has_room(struct nemesis_ground *ground, uint32_t joins, struct buffer *value);
void member_plan_join(struct member_plan *plan);
void member_plan_leave(struct member_plan *plan, uint32_t id);
/* Tries until `until` steps of the plan are done, for about that long. */
bool member_plan_advance(struct nemesis_ground *ground, struct member_plan *plan, uint32_t until,
                         uint32_t timeout_ms, struct error *error);
/* The same, but it must be done within MEMBER_PLAN_FINISH_MS: no fault is on any more. */
#define MEMBER_PLAN_FINISH_MS 120000
bool member_plan_finish(struct nemesis_ground *ground, struct member_plan *plan,
                        struct error *error);
/* {:left ["n1"] :joined ["n4"] :open 1}: what has been done, and how many steps have not. */
void member_plan_write(struct buffer *out, const struct nemesis_ground *ground,
                       const struct member_plan *plan);

#endif
