/*
 * membership.c - the operator of a simulated cluster (membership.h).
 *
 * Invariant: while a storm lasts and the plan has changes, one attempt is in the world's queue.
 */
#include "membership.h"

#define CALL_MOST 20 /* calls outside in which a change is written and sent, and a few more */

void membership_init(struct membership *membership, struct world *world, struct faults *faults,
                     struct sim_node *nodes, const struct plan *plan)
{
    *membership =
        (struct membership){.world = world, .faults = faults, .nodes = nodes, .plan = plan};
}

static struct random *random_of(struct membership *membership)
{
    return &membership->world->random;
}

/* ---- what may be asked for ---- */

enum standing { OUTSIDE, STANDBY, VOTER };

struct standings {
    enum standing of[LIMIT_NODES];
    size_t voters;
};

static struct standings standings_at(const struct membership *membership,
                                     const struct sim_node *node)
{
    struct standings standings = {0};
    struct replica_member members[LIMIT_NODES];
    size_t count = replica_members(node->core.replica, members, LIMIT_NODES);
    for (size_t i = 0; i < count; i++) {
        size_t number = (size_t)members[i].id - 1;
        if (number < membership->plan->node_count) {
            standings.of[number] = members[i].role == REPLICA_VOTER ? VOTER : STANDBY;
            standings.voters += members[i].role == REPLICA_VOTER;
        }
    }
    return standings;
}

/* One step up for the node of this number, or out. */
static struct replica_change change_for(const struct membership *membership, size_t number,
                                        enum standing from, bool out)
{
    enum replica_change_kind kind = out               ? REPLICA_REMOVE
                                    : from == OUTSIDE ? REPLICA_ADD_STANDBY
                                                      : REPLICA_PROMOTE;
    /* A node's own address is the first that it was told. */
    return (struct replica_change){kind, number + 1, membership->nodes[number].addresses[0]};
}

/* Mostly one that makes sense to ask for: of another node than the leader, and none that takes the
 * last votes. */
static struct replica_change draw_change(struct membership *membership,
                                         const struct sim_node *leader)
{
    const struct plan *plan = membership->plan;
    struct standings now = standings_at(membership, leader);
    size_t number = (size_t)sim_random_below(random_of(membership), plan->node_count);
    while (!sim_random_chance(random_of(membership), 10) &&
           (number == leader->number ||
            (now.of[number] == VOTER && now.voters <= plan->least_voters))) {
        number = (number + 1) % plan->node_count;
    }
    bool out = now.of[number] == VOTER
                   ? now.voters > plan->least_voters
                   : now.of[number] == STANDBY && sim_random_chance(random_of(membership), 200);
    return change_for(membership, number, now.of[number], out);
}

/* ---- what befalls a leader meanwhile ---- */

static uint64_t draw_us(struct membership *membership)
{
    return sim_random_between(random_of(membership), 1000, membership->plan->fault_us);
}

/* With the leader stay some of the others, or nobody. */
static void cut_off(struct membership *membership, const struct sim_node *leader)
{
    uint64_t side = UINT64_C(1) << leader->number;
    unsigned permille = (unsigned)sim_random_below(random_of(membership), 3) * 250;
    for (size_t i = 0; i < membership->plan->node_count; i++) {
        side |= (uint64_t)sim_random_chance(random_of(membership), permille) << i;
    }
    uint64_t us = draw_us(membership);
    faults_part(membership->faults, side, us);
}

/* It is cut off while it still leads, or will end inside one of the calls to come. */
static void strike_before(struct membership *membership, struct sim_node *leader)
{
    struct random *random = random_of(membership);
    world_count(membership->world, STAT_STRIKES);
    if (sim_random_chance(random, 500)) {
        cut_off(membership, leader);
        return;
    }
    enum sim_end how = sim_random_chance(random, 700) ? SIM_POWER_CUT : SIM_KILLED;
    uint64_t nth = sim_random_between(random, 1, CALL_MOST);
    sim_node_end_in_call(leader, how, nth);
}

/* It has proposed the change. */
static void strike_behind(struct membership *membership, struct sim_node *leader)
{
    struct random *random = random_of(membership);
    world_count(membership->world, STAT_STRIKES);
    switch (sim_random_below(random, 4)) {
    case 0:
        cut_off(membership, leader);
        break;
    case 1:
        sim_node_pause(leader, draw_us(membership));
        break;
    default:
        sim_node_end(leader, sim_random_chance(random, 700) ? SIM_POWER_CUT : SIM_KILLED);
    }
}

/* ---- storms ---- */

/* Anybody who believes to lead; sometimes anybody. */
static struct sim_node *draw_leader(struct membership *membership)
{
    struct random *random = random_of(membership);
    size_t count = membership->plan->node_count;
    size_t first = (size_t)sim_random_below(random, count);
    if (sim_random_chance(random, 20)) {
        return &membership->nodes[first];
    }
    for (size_t i = 0; i < count; i++) {
        struct sim_node *node = &membership->nodes[(first + i) % count];
        if (sim_node_leads(node)) {
            return node;
        }
    }
    return NULL;
}

/* True: the change was proposed. */
static bool ask_for_change(struct membership *membership, struct sim_node *leader)
{
    enum { SPARED, STRUCK_BEFORE, STRUCK_BEHIND } strike = SPARED;
    struct random *random = random_of(membership);
    const struct replica_change change = draw_change(membership, leader);
    if (sim_random_chance(random, membership->plan->strike_permille)) {
        strike = sim_random_chance(random, 500) ? STRUCK_BEFORE : STRUCK_BEHIND;
    }
    if (strike == STRUCK_BEFORE) {
        strike_before(membership, leader);
    }
    bool changed = sim_node_change_members(leader, &change, false);
    if (strike == STRUCK_BEHIND && changed) {
        strike_behind(membership, leader);
    }
    return changed;
}

static void attempt_after(struct membership *membership, uint64_t us);

static void attempt(void *owner, void *object, uint64_t value)
{
    struct membership *membership = owner;
    struct random *random = random_of(membership);
    const struct plan *plan = membership->plan;
    (void)object;
    if (!membership->is_storm || value != membership->planned) {
        world_was_idle(membership->world);
        return;
    }
    struct sim_node *leader = draw_leader(membership);
    uint64_t gap_us = sim_random_between(random, 1, 2 * plan->change_gap_us);
    if (leader == NULL || !leader->is_up) {
        world_was_idle(membership->world);
        attempt_after(membership, gap_us);
        return;
    }
    bool in_haste =
        ask_for_change(membership, leader) && sim_random_chance(random, plan->haste_permille);
    attempt_after(membership, in_haste ? sim_random_between(random, 1, 10000) : gap_us);
}

static void attempt_after(struct membership *membership, uint64_t us)
{
    world_after(membership->world, us, attempt, membership, NULL, ++membership->planned);
}

void membership_begin_storm(struct membership *membership)
{
    membership->is_storm = true;
    if (membership->plan->change_gap_us > 0) {
        attempt_after(membership, membership->plan->change_gap_us);
    }
}

void membership_end_storm(struct membership *membership)
{
    membership->is_storm = false;
}

/* ---- behind storms ---- */

static enum standing wanted(const struct membership *membership, size_t number)
{
    if (!membership->has_absent || membership->absent != number) {
        return VOTER;
    }
    return membership->absent_is_standby ? STANDBY : OUTSIDE;
}

bool membership_steer(struct membership *membership, struct sim_node *leader)
{
    if (membership->plan->change_gap_us == 0) {
        return true;
    }
    struct standings now = standings_at(membership, leader);
    for (size_t i = 0; i < membership->plan->node_count; i++) {
        enum standing wish = wanted(membership, i);
        if (now.of[i] != wish) {
            const struct replica_change change =
                change_for(membership, i, now.of[i], now.of[i] > wish);
            sim_node_change_members(leader, &change, false);
            return false;
        }
    }
    return true;
}

void membership_draw_absent(struct membership *membership, const struct sim_node *leader)
{
    struct random *random = random_of(membership);
    const struct plan *plan = membership->plan;
    if (plan->change_gap_us == 0 || !sim_random_chance(random, plan->absent_permille)) {
        return;
    }
    size_t other = (size_t)sim_random_below(random, plan->node_count - 1);
    membership->has_absent = true;
    world_count(membership->world, STAT_ABSENCES);
    membership->absent = other < leader->number ? other : other + 1;
    membership->absent_is_standby = sim_random_chance(random, 300);
}

void membership_call_back(struct membership *membership)
{
    membership->has_absent = false;
}

bool membership_has(const struct membership *membership, const struct sim_node *node)
{
    return wanted(membership, node->number) != OUTSIDE;
}
