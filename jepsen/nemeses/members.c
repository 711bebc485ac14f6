/*
 * members.c - nodes that join and leave while the cluster works, leaders that hand over, snapshots
 * that are taken and logs that are trimmed.
 *
 * Changes of members go on while other faults do, as far as the cluster takes them; what is left of
 * them then is done by `finish`, when no fault is on any more. A node leaves its disk only once the
 * cluster has let it go, so that none of these loses anything - but for member-lost, which is
 * alone.
 *
 * Fails: a disk or a process that can't be had, or a change that a cluster without faults does not
 * take; the run ends.
 */
#include "member_plan.h"

#include <stdio.h>
#include <stdlib.h>

#define TURN_MS 400 /* of the nemesis' thread, at a turn */

struct members {
    struct member_plan plan;
    uint32_t meanwhile; /* steps that are done while the fault is on; the rest behind it */
};

static struct members *members_new(void)
{
    return memory_zalloc(sizeof(struct members));
}

static bool turn(struct nemesis_ground *ground, void *state, struct error *error)
{
    struct members *members = state;
    return member_plan_advance(ground, &members->plan, members->meanwhile, TURN_MS, error);
}

static bool stop(struct nemesis_ground *ground, void *state, struct buffer *value,
                 struct error *error)
{
    struct members *members = state;
    (void)error;
    members->meanwhile = members->plan.count;
    member_plan_write(value, ground, &members->plan);
    return true;
}

static bool finish(struct nemesis_ground *ground, void *state, struct buffer *value,
                   struct error *error)
{
    struct members *members = state;
    bool fine = member_plan_finish(ground, &members->plan, error);
    member_plan_write(value, ground, &members->plan);
    free(members);
    return fine;
}

/* ---- one for another ---- */

static bool start_replace(struct nemesis_ground *ground, void **state, struct buffer *value,
                          struct error *error)
{
    struct members *members = members_new();
    struct ground_ids nodes = ground_members(ground);
    uint32_t id = nodes.ids[ground_draw(ground, nodes.count)];
    bool joins_first = ground_draw(ground, 2) == 0;
    (void)error;
    *state = members;
    if (!member_plan_has_room(ground, 1, value)) {
        return true;
    }
    if (joins_first) {
        member_plan_join(&members->plan);
    }
    member_plan_leave(&members->plan, id);
    if (!joins_first) {
        member_plan_join(&members->plan);
    }
    members->meanwhile = members->plan.count;
    buffer_printf(value, "{:leaves \"n%u\" :first %s}", id, joins_first ? ":join" : ":leave");
    return true;
}

static bool start_lost(struct nemesis_ground *ground, void **state, struct buffer *value,
                       struct error *error)
{
    struct members *members = members_new();
    struct ground_ids nodes = ground_members(ground);
    uint32_t id = nodes.ids[ground_draw(ground, nodes.count)];
    *state = members;
    if (!member_plan_has_room(ground, 1, value)) {
        return true;
    }
    member_plan_leave(&members->plan, id);
    member_plan_join(&members->plan);
    members->meanwhile = members->plan.count;
    buffer_printf(value, "{:lost \"n%u\"}", id);
    return nodes_wipe(ground->nodes, id, error);
}

/* ---- two more, and two less ---- */

#define GROWTH 2

static bool start_grow(struct nemesis_ground *ground, void **state, struct buffer *value,
                       struct error *error)
{
    struct members *members = members_new();
    struct ground_ids leaving = ground_members(ground);
    (void)error;
    ground_shuffle(ground, &leaving);
    leaving.count = leaving.count < GROWTH ? leaving.count : GROWTH;
    *state = members;
    if (!member_plan_has_room(ground, leaving.count, value)) {
        return true;
    }
    for (uint32_t i = 0; i < leaving.count; i++) {
        member_plan_join(&members->plan);
    }
    for (uint32_t i = 0; i < leaving.count; i++) {
        member_plan_leave(&members->plan, leaving.ids[i]);
    }
    members->meanwhile = leaving.count; /* large until it stops */
    buffer_printf(value, "{:join %u :will-leave ", leaving.count);
    ground_write_hosts(value, ground, &leaving);
    buffer_printf(value, "}");
    return true;
}

/* ---- leaders, snapshots ---- */

/* Asked for over and over; that it is refused now and then is no error. */
struct asking {
    uint32_t turns;
    uint32_t asked;
    uint32_t taken;
};

#define ASK_MS    1000
#define ASK_TURNS (1000 / NEMESIS_TURN_MS)

static bool start_asking(struct nemesis_ground *ground, void **state, struct buffer *value,
                         struct error *error)
{
    (void)ground;
    (void)value;
    (void)error;
    *state = memory_zalloc(sizeof(struct asking));
    return true;
}

static bool stop_asking(struct nemesis_ground *ground, void *state, struct buffer *value,
                        struct error *error)
{
    struct asking *asking = state;
    (void)ground;
    (void)error;
    buffer_printf(value, "{:asked %u :taken %u}", asking->asked, asking->taken);
    free(asking);
    return true;
}

static bool is_asking_turn(struct asking *asking)
{
    return asking->turns++ % ASK_TURNS == 0;
}

static bool turn_leader(struct nemesis_ground *ground, void *state, struct error *error)
{
    static const hf_call_options options = {.timeout_ms = ASK_MS};
    struct asking *asking = state;
    struct ground_ids nodes = ground_living(ground, NODE_RUNNING);
    if (nodes.count == 0 || !is_asking_turn(asking)) {
        return true;
    }
    uint32_t drawn = ground_draw(ground, nodes.count + 1); /* or whom the leader thinks fit */
    hf_client *client = nodes_operator(ground->nodes, error);
    if (client == NULL) {
        return false;
    }
    asking->asked++;
    asking->taken += hf_transfer_leadership(client, drawn > 0 ? nodes.ids[drawn - 1] : 0, &options,
                                            NULL) == HF_OK;
    return true;
}

static bool turn_snapshot(struct nemesis_ground *ground, void *state, struct error *error)
{
    static const hf_call_options options = {.timeout_ms = ASK_MS};
    struct asking *asking = state;
    struct ground_ids nodes = ground_living(ground, NODE_RUNNING);
    if (nodes.count == 0 || !is_asking_turn(asking)) {
        return true;
    }
    uint32_t id = nodes.ids[ground_draw(ground, nodes.count)];
    hf_client *client = nodes_operator(ground->nodes, error);
    if (client == NULL) {
        return false;
    }
    asking->asked++;
    asking->taken +=
        hf_take_snapshot(client, nodes_endpoint(ground->nodes, id), &options, NULL) == HF_OK;
    return true;
}

#define KIND "member"

const struct nemesis nemesis_member_replace = {
    .name = "member-replace",
    .kind = KIND,
    .help = "a node leaves the cluster and another joins, in either order",
    .ends_nodes = true,
    .least_nodes = 3,
    .start = start_replace,
    .stop = stop,
    .turn = turn,
    .finish = finish,
};
const struct nemesis nemesis_member_grow = {
    .name = "member-grow",
    .kind = KIND,
    .help = "two nodes join; then two of those that were there before leave",
    .ends_nodes = true,
    .start = start_grow,
    .stop = stop,
    .turn = turn,
    .finish = finish,
};
const struct nemesis nemesis_member_lost = {
    .name = "member-lost",
    .kind = KIND,
    .help = "a node's disk is lost with all that was on it; it is replaced under a new id",
    .ends_nodes = true,
    .destroys = true,
    .least_nodes = 3,
    .start = start_lost,
    .stop = stop,
    .turn = turn,
    .finish = finish,
};
const struct nemesis nemesis_leader_transfer = {
    .name = "leader-transfer",
    .kind = "leader",
    .help = "the leader hands over to one node or another, each second",
    .start = start_asking,
    .stop = stop_asking,
    .turn = turn_leader,
};
const struct nemesis nemesis_snapshots = {
    .name = "snapshots",
    .kind = "snapshot",
    .help = "some node takes a snapshot and trims its log, each second",
    .start = start_asking,
    .stop = stop_asking,
    .turn = turn_snapshot,
};
