/*
 * handovers.c - asking for hand-overs (handovers.h).
 *
 * Invariant: while a storm lasts and the plan has hand-overs, one attempt is in the world's queue.
 */
#include "handovers.h"

#define STRUCK_PERMILLE 300

void handovers_init(struct handovers *handovers, struct world *world, struct faults *faults,
                    struct sim_node *nodes, const struct plan *plan)
{
    *handovers = (struct handovers){.world = world, .faults = faults, .nodes = nodes, .plan = plan};
}

/* Whoever believes to lead; now and then anybody. */
static struct sim_node *draw_leader(struct handovers *handovers)
{
    struct random *random = &handovers->world->random;
    size_t count = handovers->plan->node_count;
    size_t from = (size_t)sim_random_below(random, count);
    if (sim_random_chance(random, 50)) {
        return &handovers->nodes[from];
    }
    for (size_t i = 0; i < count; i++) {
        struct sim_node *node = &handovers->nodes[(from + i) % count];
        if (sim_node_leads(node)) {
            return node;
        }
    }
    return NULL;
}

/* The other one is gone, or does not hear; or it is the leader who does not. */
static void strike(struct handovers *handovers, struct sim_node *leader, uint64_t to)
{
    struct random *random = &handovers->world->random;
    uint64_t us = sim_random_between(random, 1000, handovers->plan->fault_us);
    struct sim_node *other = to != 0 ? &handovers->nodes[to - 1] : leader;
    world_count(handovers->world, STAT_STRIKES);
    switch (sim_random_below(random, 4)) {
    case 0:
        faults_part(handovers->faults, UINT64_C(1) << other->number, us);
        break;
    case 1:
        sim_node_pause(other, us);
        break;
    case 2:
        sim_node_end(other, sim_random_chance(random, 700) ? SIM_POWER_CUT : SIM_KILLED);
        break;
    default:
        sim_node_end_in_call(leader, SIM_POWER_CUT, sim_random_between(random, 1, 20));
    }
}

static void attempt_after(struct handovers *handovers, uint64_t us);

static void attempt(void *owner, void *object, uint64_t value)
{
    struct handovers *handovers = owner;
    struct random *random = &handovers->world->random;
    (void)object;
    if (!handovers->is_storm || value != handovers->planned) {
        world_was_idle(handovers->world);
        return;
    }
    struct sim_node *leader = draw_leader(handovers);
    /* 0: to whom the leader likes. */
    uint64_t to = sim_random_below(random, handovers->plan->node_count + 1);
    uint64_t gap_us = sim_random_between(random, 1, 2 * handovers->plan->handover_gap_us);
    bool is_struck = sim_random_chance(random, STRUCK_PERMILLE);
    if (leader == NULL) {
        world_was_idle(handovers->world);
    } else if (sim_node_hand_over(leader, to) && is_struck) {
        strike(handovers, leader, to);
    }
    attempt_after(handovers, gap_us);
}

static void attempt_after(struct handovers *handovers, uint64_t us)
{
    world_after(handovers->world, us, attempt, handovers, NULL, ++handovers->planned);
}

void handovers_begin_storm(struct handovers *handovers)
{
    handovers->is_storm = true;
    if (handovers->plan->handover_gap_us > 0) {
        attempt_after(handovers, handovers->plan->handover_gap_us);
    }
}

void handovers_end_storm(struct handovers *handovers)
{
    handovers->is_storm = false;
}

bool handovers_ask_quietly(struct handovers *handovers, struct sim_node *leader)
{
    struct replica_member members[LIMIT_NODES];
    size_t voters = 0;
    size_t count = replica_members(leader->core.replica, members, LIMIT_NODES);
    for (size_t i = 0; i < count; i++) {
        voters += members[i].role == REPLICA_VOTER;
    }
    if (voters < 2 || handovers->plan->handover_gap_us == 0 ||
        !sim_random_chance(&handovers->world->random, 500)) {
        return false;
    }
    bool begun = sim_node_hand_over(leader, 0);
    if (!begun) {
        world_fail(handovers->world, CHECK_TRANSFER,
                   "n%zu leads a quiet cluster of %zu voters and does not hand over",
                   leader->number + 1, voters);
    }
    return begun;
}
