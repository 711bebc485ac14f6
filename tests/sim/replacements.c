/*
 * replacements.c - losing nodes for good, and putting others in their places (replacements.h).
 *
 * Invariant: while a storm lasts and the plan has replacements, one step is in the world's queue. A
 * node is lost only if there is a spare machine.
 */
#include "replacements.h"

void replacements_init(struct replacements *replacements, struct world *world,
                       struct faults *faults, struct sim_node *nodes, const struct plan *plan)
{
    *replacements =
        (struct replacements){.world = world, .faults = faults, .nodes = nodes, .plan = plan};
}

static struct random *random_of(struct replacements *replacements)
{
    return &replacements->world->random;
}

/* ---- machines ---- */

/* node_count: there is none left. */
static size_t spare_machine(const struct replacements *replacements)
{
    size_t i = replacements->plan->founder_count;
    while (i < replacements->plan->node_count && replacements->nodes[i].place != SIM_SPARE) {
        i++;
    }
    return i;
}

static void take_away(struct replacements *replacements)
{
    if (replacements->is_left) {
        replacements->is_left = false;
        sim_node_take_away(&replacements->nodes[replacements->left]);
    }
}

static void lose_one(struct replacements *replacements)
{
    struct random *random = random_of(replacements);
    size_t number = (size_t)sim_random_below(random, replacements->plan->node_count);
    struct sim_node *node = &replacements->nodes[number];
    if (spare_machine(replacements) == replacements->plan->node_count ||
        !faults_can_be_lost(replacements->faults, node)) {
        return;
    }
    take_away(replacements);
    sim_node_end(node, sim_random_chance(random, 500) ? SIM_POWER_CUT : SIM_KILLED);
    sim_node_wipe(node);
    replacements->is_open = true;
    replacements->lost = number;
    replacements->has_successor = false;
    replacements->adds_first = sim_random_chance(random, replacements->plan->add_first_permille);
}

static void put_in(struct replacements *replacements)
{
    replacements->has_successor = true;
    replacements->successor = spare_machine(replacements);
    sim_node_install(&replacements->nodes[replacements->successor]);
}

/* ---- members ---- */

enum standing { OUTSIDE, STANDBY, VOTER };

static enum standing standing_of(const struct sim_node *leader, size_t number)
{
    struct replica_member members[LIMIT_NODES];
    size_t count = replica_members(leader->core.replica, members, LIMIT_NODES);
    for (size_t i = 0; i < count; i++) {
        if (members[i].id == number + 1) {
            return members[i].role == REPLICA_VOTER ? VOTER : STANDBY;
        }
    }
    return OUTSIDE;
}

static bool change(struct sim_node *leader, enum replica_change_kind kind, size_t number)
{
    char address[SIM_ADDRESS_BYTES];
    const struct replica_change change = {kind, number + 1, address};
    sim_node_joins_at(address, number);
    return sim_node_change_members(leader, &change, true);
}

/* The lost one under its old id: not before it is out, where the id is a member's, and never. */
static void err(struct replacements *replacements, struct sim_node *leader)
{
    bool is_out = standing_of(leader, replacements->lost) == OUTSIDE;
    bool accepted = change(leader, REPLICA_ADD_STANDBY, replacements->lost);
    if (is_out && !accepted) {
        world_count(replacements->world, STAT_IDS_REFUSED);
    }
}

/* The latest members of this leader are committed: they stay. */
static bool is_settled(const struct sim_node *leader)
{
    return replica_committed_members_index(leader->core.replica) >=
           replica_members_index(leader->core.replica);
}

static void close_replacement(struct replacements *replacements)
{
    world_count(replacements->world, STAT_REPLACED);
    replacements->is_open = false;
    replacements->is_left = true;
    replacements->left = replacements->lost;
    if (sim_random_chance(random_of(replacements), 500)) {
        take_away(replacements);
    }
}

bool replacements_steer(struct replacements *replacements, struct sim_node *leader)
{
    if (!replacements->is_open) {
        return true;
    }
    if (!replacements->has_successor) {
        put_in(replacements);
    }
    enum standing before = standing_of(leader, replacements->lost);
    enum standing behind = standing_of(leader, replacements->successor);
    bool removes = before != OUTSIDE && (behind == VOTER || !replacements->adds_first);
    if (removes) {
        change(leader, REPLICA_REMOVE, replacements->lost);
    } else if (behind == OUTSIDE) {
        change(leader, REPLICA_ADD_STANDBY, replacements->successor);
    } else if (behind == STANDBY) {
        change(leader, REPLICA_PROMOTE, replacements->successor);
    } else if (is_settled(leader)) {
        close_replacement(replacements);
        return true;
    }
    return false;
}

/* ---- storms ---- */

/* Whoever leads, or believes so. */
static struct sim_node *draw_leader(struct replacements *replacements)
{
    size_t count = replacements->plan->node_count;
    size_t first = (size_t)sim_random_below(random_of(replacements), count);
    for (size_t i = 0; i < count; i++) {
        struct sim_node *node = &replacements->nodes[(first + i) % count];
        if (sim_node_leads(node) && !node->is_wiped) {
            return node;
        }
    }
    return NULL;
}

static void step_after(struct replacements *replacements);

static void step(void *owner, void *object, uint64_t value)
{
    struct replacements *replacements = owner;
    (void)object;
    if (!replacements->is_storm || value != replacements->planned) {
        world_was_idle(replacements->world);
        return;
    }
    struct sim_node *leader = draw_leader(replacements);
    if (!replacements->is_open) {
        lose_one(replacements);
    } else if (!replacements->has_successor) {
        put_in(replacements);
    } else if (leader != NULL && sim_random_chance(random_of(replacements), 100)) {
        err(replacements, leader);
    } else if (leader != NULL) {
        replacements_steer(replacements, leader);
    }
    step_after(replacements);
}

static void step_after(struct replacements *replacements)
{
    uint64_t gap_us =
        sim_random_between(random_of(replacements), 1, 2 * replacements->plan->replace_gap_us);
    world_after(replacements->world, gap_us, step, replacements, NULL, ++replacements->planned);
}

void replacements_begin_storm(struct replacements *replacements)
{
    replacements->is_storm = true;
    if (replacements->plan->replace_gap_us > 0) {
        step_after(replacements);
    }
}

void replacements_end_storm(struct replacements *replacements)
{
    replacements->is_storm = false;
}
