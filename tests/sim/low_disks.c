/*
 * low_disks.c - taking room from disks, and giving it back (low_disks.h).
 *
 * Invariant: while a storm lasts and the plan has low disks, one attempt is in the world's queue.
 */
#include "low_disks.h"

#define SPELL_LEAST_US UINT64_C(100000)
#define SPELL_MOST_US  UINT64_C(6000000)

void low_disks_init(struct low_disks *low_disks, struct world *world, struct sim_node *nodes,
                    const struct plan *plan)
{
    *low_disks = (struct low_disks){.world = world, .nodes = nodes, .plan = plan};
}

static struct random *random_of(struct low_disks *low_disks)
{
    return &low_disks->world->random;
}

/* ---- room ---- */

static void leave(struct low_disks *low_disks, struct sim_node *node, uint64_t bytes)
{
    world_count(low_disks->world, STAT_SCARCE_DISKS);
    trace_note(&low_disks->world->trace, node->number, TRACE_DISK_SCARCE, bytes);
    sim_disk_set_capacity(node->disk, sim_disk_used_bytes(node->disk) + bytes);
    node->disk_is_faulty = true; /* it may fill */
}

void low_disks_take_room(struct low_disks *low_disks, struct sim_node *node)
{
    uint64_t reserve = low_disks->plan->disk_reserve_bytes;
    leave(low_disks, node, reserve / 2 + reserve / 4);
}

bool low_disks_has_room(const struct low_disks *low_disks, const struct sim_node *node)
{
    return sim_disk_free_bytes(node->disk) >= low_disks->plan->disk_reserve_bytes;
}

bool low_disks_have_room(const struct low_disks *low_disks)
{
    for (size_t i = 0; i < low_disks->plan->node_count; i++) {
        const struct sim_node *node = &low_disks->nodes[i];
        if (node->is_up && !node->is_wiped && node->is_low) {
            return false;
        }
    }
    return true;
}

/* ---- storms ---- */

/* Somebody has made room. */
static void give_room(void *owner, void *object, uint64_t storm)
{
    struct low_disks *low_disks = owner;
    if (!low_disks->is_storm || storm != low_disks->storm) {
        world_was_idle(low_disks->world);
        return;
    }
    sim_node_mend(object);
}

/* Mostly the leader's: who follows goes on whatever its disk. */
static struct sim_node *draw_node(struct low_disks *low_disks)
{
    struct random *random = random_of(low_disks);
    size_t count = low_disks->plan->node_count;
    size_t from = (size_t)sim_random_below(random, count);
    bool leads = sim_random_chance(random, 700);
    for (size_t i = 0; i < count && leads; i++) {
        if (sim_node_leads(&low_disks->nodes[(from + i) % count])) {
            return &low_disks->nodes[(from + i) % count];
        }
    }
    return &low_disks->nodes[from];
}

static void attempt_after(struct low_disks *low_disks);

/* About the two marks, or far below: then the disk fills before it is found low. */
static void attempt(void *owner, void *object, uint64_t value)
{
    struct low_disks *low_disks = owner;
    struct random *random = random_of(low_disks);
    uint64_t reserve = low_disks->plan->disk_reserve_bytes;
    (void)object;
    if (!low_disks->is_storm || value != low_disks->planned) {
        world_was_idle(low_disks->world);
        return;
    }
    struct sim_node *node = draw_node(low_disks);
    uint64_t left = sim_random_between(random, reserve / 4, reserve + reserve / 4);
    if (sim_random_chance(random, 50)) {
        left = sim_random_below(random, reserve / 4);
    }
    uint64_t us = sim_random_between(random, SPELL_LEAST_US, SPELL_MOST_US);
    leave(low_disks, node, left);
    world_after(low_disks->world, us, give_room, low_disks, node, low_disks->storm);
    attempt_after(low_disks);
}

static void attempt_after(struct low_disks *low_disks)
{
    uint64_t gap_us =
        sim_random_between(random_of(low_disks), 1, 2 * low_disks->plan->low_disk_gap_us);
    world_after(low_disks->world, gap_us, attempt, low_disks, NULL, ++low_disks->planned);
}

void low_disks_begin_storm(struct low_disks *low_disks)
{
    low_disks->is_storm = true;
    low_disks->storm++;
    if (low_disks->plan->low_disk_gap_us > 0) {
        attempt_after(low_disks);
    }
}

void low_disks_end_storm(struct low_disks *low_disks)
{
    low_disks->is_storm = false;
}

/* ---- drills ---- */

enum low_drill low_disks_draw_drill(struct low_disks *low_disks)
{
    if (low_disks->plan->low_disk_gap_us == 0 || sim_random_chance(random_of(low_disks), 300)) {
        return LOW_NONE;
    }
    return sim_random_chance(random_of(low_disks), 600) ? LOW_ONE : LOW_ALL;
}

static size_t voters_of(const struct sim_node *node)
{
    struct replica_member members[LIMIT_NODES];
    size_t count = replica_members(node->core.replica, members, LIMIT_NODES);
    size_t voters = 0;
    for (size_t i = 0; i < count; i++) {
        voters += members[i].role == REPLICA_VOTER;
    }
    return voters;
}

bool low_disks_must_hand_over(const struct low_disks *low_disks, const struct sim_node *node)
{
    /* Clocks may be slow. */
    uint64_t pause_us = UINT64_C(1000) * DISK_HANDOVER_MS * 11 / 10;
    bool has_lately = node->handed_over_at_us != 0 &&
                      low_disks->world->now_us - node->handed_over_at_us <= pause_us;
    return !has_lately && voters_of(node) > 1;
}

uint64_t low_disks_lives(const struct low_disks *low_disks)
{
    uint64_t lives = 0;
    for (size_t i = 0; i < low_disks->plan->node_count; i++) {
        lives += low_disks->nodes[i].life;
    }
    return lives;
}
