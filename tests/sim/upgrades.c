/*
 * upgrades.c - putting programs in, and raising the ledger's version (upgrades.h).
 *
 * Invariant: while a storm lasts and the plan has upgrades, one attempt is in the world's queue.
 * All programs know at most plan->newest_version.
 */
#include "upgrades.h"

void upgrades_init(struct upgrades *upgrades, struct world *world, struct operations *operations,
                   struct sim_node *nodes, const struct plan *plan)
{
    *upgrades =
        (struct upgrades){.world = world, .operations = operations, .nodes = nodes, .plan = plan};
}

static struct random *random_of(struct upgrades *upgrades)
{
    return &upgrades->world->random;
}

/* ---- programs ---- */

/* Mostly a newer one. */
static unsigned draw_program(struct upgrades *upgrades, const struct sim_node *node)
{
    struct random *random = random_of(upgrades);
    unsigned least = sim_random_chance(random, 800) ? node->program : LEDGER_VERSION_FIRST;
    return (unsigned)sim_random_between(random, least, upgrades->plan->newest_version);
}

/* The node comes back by itself (faults_node_ended). */
static void put_program_in(struct upgrades *upgrades)
{
    struct random *random = random_of(upgrades);
    struct sim_node *node = &upgrades->nodes[sim_random_below(random, upgrades->plan->node_count)];
    if (sim_node_ready_at_us(node) > upgrades->world->now_us) {
        return; /* it would not stop now */
    }
    node->program = draw_program(upgrades, node);
    world_count(upgrades->world, STAT_PROGRAMS);
    if (sim_random_chance(random, 700)) {
        sim_node_stop(node);
    } else {
        sim_node_end(node, SIM_KILLED);
    }
}

/* ---- raises ---- */

static struct sim_node *draw_leader(struct upgrades *upgrades)
{
    size_t count = upgrades->plan->node_count;
    size_t first = (size_t)sim_random_below(random_of(upgrades), count);
    for (size_t i = 0; i < count; i++) {
        struct sim_node *node = &upgrades->nodes[(first + i) % count];
        if (sim_node_leads(node)) {
            return node;
        }
    }
    return NULL;
}

static void ask(struct upgrades *upgrades, struct sim_node *leader, unsigned version,
                void (*heard)(void *context, struct operation *operation))
{
    request_raise(&upgrades->raise, version);
    operation_ask(upgrades->operations, &upgrades->raise, leader, false, heard, upgrades);
}

/* Mostly to the next one; now and then to any, also to an older one and to what nobody knows; and
 * sometimes two operators ask at once. */
static void raise(struct upgrades *upgrades)
{
    struct random *random = random_of(upgrades);
    struct sim_node *leader = draw_leader(upgrades);
    unsigned any = (unsigned)sim_random_between(random, 1, upgrades->plan->newest_version + 1);
    bool is_next = sim_random_chance(random, 700);
    bool are_two = sim_random_chance(random, 300);
    if (leader == NULL) {
        return;
    }
    unsigned next = ledger_version(leader->core.ledger) + 1;
    ask(upgrades, leader, is_next ? next : any, NULL);
    if (are_two) {
        ask(upgrades, leader, is_next ? any : next, NULL);
    }
}

static void attempt_after(struct upgrades *upgrades);

static void attempt(void *owner, void *object, uint64_t value)
{
    struct upgrades *upgrades = owner;
    (void)object;
    if (!upgrades->is_storm || value != upgrades->planned) {
        world_was_idle(upgrades->world);
        return;
    }
    if (sim_random_chance(random_of(upgrades), 500)) {
        put_program_in(upgrades);
    } else {
        raise(upgrades);
    }
    attempt_after(upgrades);
}

static void attempt_after(struct upgrades *upgrades)
{
    uint64_t gap_us =
        sim_random_between(random_of(upgrades), 1, 2 * upgrades->plan->upgrade_gap_us);
    world_after(upgrades->world, gap_us, attempt, upgrades, NULL, ++upgrades->planned);
}

void upgrades_begin_storm(struct upgrades *upgrades)
{
    upgrades->is_storm = true;
    if (upgrades->plan->upgrade_gap_us > 0) {
        attempt_after(upgrades);
    }
}

void upgrades_end_storm(struct upgrades *upgrades)
{
    upgrades->is_storm = false;
}

/* ---- quiet ---- */

/* What the programs of all members know; 0: somebody who is refused can't tell. */
static unsigned known_to_members(const struct upgrades *upgrades, const struct sim_node *leader)
{
    struct replica_member members[LIMIT_NODES];
    size_t count = replica_members(leader->core.replica, members, LIMIT_NODES);
    unsigned least = upgrades->plan->newest_version;
    for (size_t i = 0; i < count; i++) {
        const struct sim_node *node = &upgrades->nodes[members[i].id - 1];
        unsigned known = node->is_wiped ? 0 : node->program;
        least = known < least ? known : least;
    }
    return least;
}

bool upgrades_knows_all(const struct upgrades *upgrades, struct sim_node *leader)
{
    struct error why;
    if (upgrades->plan->upgrade_gap_us == 0) {
        return true;
    }
    unsigned known = known_to_members(upgrades, leader);
    if (known != 0 && sim_node_may_raise(leader, known + 1, &why)) {
        world_fail(upgrades->world, CHECK_VERSION,
                   "n%zu would raise the ledger to version %u, and some member knows %u only",
                   leader->number + 1, known + 1, known);
    }
    return known == 0 || sim_node_may_raise(leader, known, &why);
}

static void heard_raise(void *context, struct operation *operation)
{
    struct upgrades *upgrades = context;
    upgrades->is_raised = operation->outcome == OUTCOME_ANSWERED;
}

bool upgrades_raise_quietly(struct upgrades *upgrades, struct sim_node *leader)
{
    upgrades->is_raised = false;
    if (upgrades->plan->upgrade_gap_us == 0 || !sim_random_chance(random_of(upgrades), 500)) {
        return false;
    }
    unsigned known = known_to_members(upgrades, leader);
    if (known == 0) {
        return false;
    }
    ask(upgrades, leader, known, heard_raise);
    return true;
}
