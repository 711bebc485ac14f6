/*
 * plan.c - drawing a run.
 */
#include "plan.h"

#include <string.h>

#include "request.h"

/* Somewhere between the two, each order of magnitude as likely as the others. */
static uint64_t between_magnitudes(struct random *random, uint64_t low, uint64_t high)
{
    uint64_t doublings = 0;
    while (low << doublings < high) {
        doublings++;
    }
    uint64_t from = low << sim_random_below(random, doublings + 1);
    uint64_t value = sim_random_between(random, from, 2 * from);
    return value < high ? value : high;
}

size_t plan_choose(struct random *random, const unsigned *weights, size_t count)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < count; i++) {
        sum += weights[i];
    }
    if (sum == 0) {
        return count;
    }
    uint64_t at = sim_random_below(random, sum);
    size_t i = 0;
    while (at >= weights[i]) {
        at -= weights[i++];
    }
    return i;
}

struct sim_net_weather plan_calm(void)
{
    return (struct sim_net_weather){.least_us = 50, .most_us = 500, .in_order = true};
}

struct sim_net_weather plan_weather(struct random *random)
{
    struct sim_net_weather weather = plan_calm();
    weather.in_order = sim_random_chance(random, 500);
    switch (sim_random_below(random, 5)) {
    case 0:
        break;
    case 1:
        weather.loss_permille = (unsigned)sim_random_between(random, 10, 200);
        weather.twice_permille = (unsigned)sim_random_between(random, 0, 50);
        break;
    case 2:
        weather.twice_permille = (unsigned)sim_random_between(random, 0, 200);
        weather.late_permille = (unsigned)sim_random_between(random, 10, 300);
        weather.late_us = between_magnitudes(random, 10000, 1000000);
        break;
    case 3:
        weather.most_us = between_magnitudes(random, 1000, 60000);
        weather.loss_permille = (unsigned)sim_random_between(random, 0, 50);
        break;
    case 4:
        /* Some copies come when several terms have passed. */
        weather.in_order = false;
        weather.twice_permille = (unsigned)sim_random_between(random, 0, 300);
        weather.late_permille = (unsigned)sim_random_between(random, 10, 200);
        weather.late_us = between_magnitudes(random, 1000000, 8000000);
        break;
    }
    return weather;
}

/* Thresholds that a run comes to all the time, and a log behind snapshots that is so short that who
 * is away for a while needs one. Behind draw_limits. */
static void draw_snapshots(struct plan *plan, struct random *random)
{
    struct replica_limits *replica = &plan->replica_limits;
    if (plan->proposer_limits.inflight_entries == 0 && sim_random_chance(random, 500)) {
        plan->proposer_limits.inflight_entries = (size_t)sim_random_between(random, 1, 3);
    }
    size_t proposed = plan->proposer_limits.inflight_entries;
    plan->snapshot_log_entries = between_magnitudes(random, 4, 256);
    plan->snapshot_log_bytes = between_magnitudes(random, 2048, 262144);
    /* Each costs what the state does; where entries are large, so is that. */
    if (plan->batch_most > 12) {
        plan->snapshot_log_entries += 64;
        plan->snapshot_log_bytes += 262144;
    }
    plan->held_log_bytes = plan->log_segment_bytes * sim_random_between(random, 1, 4) *
                           sim_random_between(random, 1, 8);
    /* A log counts by whole segments, and one that is held must be able to grow while a checkpoint
     * is fetched: else each is withdrawn before it has been. */
    uint64_t least = 2 * plan->snapshot_log_bytes + 4 * plan->log_segment_bytes;
    if (plan->held_log_bytes < least) {
        plan->held_log_bytes = least;
    }
    plan->checkpoint_ask_ms = between_magnitudes(random, 20, 500);
    plan->checkpoint_kept_ms = between_magnitudes(random, 500, 4000);
    plan->staging_kept_ms = between_magnitudes(random, 500, 4000);
    replica->inflight_entries = (proposed != 0 ? proposed : TARGET_INFLIGHT_ENTRIES) +
                                (size_t)sim_random_between(random, 1, 4);
    replica->raft_inflight_entries =
        replica->inflight_entries + (size_t)sim_random_between(random, 1, 8);
    replica->trailing_entries = 2 * replica->raft_inflight_entries +
                                sim_random_below(random, 2) * between_magnitudes(random, 1, 64);
}

/* Seconds to years off. */
static void draw_wrong_clocks(struct plan *plan, struct random *random)
{
    plan->wrong_clocks = (size_t)sim_random_below(random, (plan->node_count - 1) / 2 + 1);
    plan->wrong_by_ms = (int64_t)between_magnitudes(random, 10000, UINT64_C(300000000000));
    if (sim_random_chance(random, 400)) {
        plan->wrong_by_ms = -plan->wrong_by_ms;
    }
}

static void draw_nodes(struct plan *plan, struct random *random, size_t node_count)
{
    static const uint8_t sizes[] = {1, 2, 3, 3, 3, 3, 3, 3, 4, 5, 5, 5, 7};
    static const uint16_t timeouts_ms[] = {100, 100, 300, 300, 300, 1000};
    size_t size = sizes[sim_random_below(random, sizeof sizes)];
    plan->node_count = node_count != 0 ? node_count : size;
    plan->founder_count = plan->node_count;
    plan->election_timeout_ms =
        timeouts_ms[sim_random_below(random, sizeof timeouts_ms / sizeof timeouts_ms[0])];
    plan->log_segment_bytes = between_magnitudes(random, 4096, 65536);
    plan->flush_permille = (unsigned)between_magnitudes(random, 1, 500);
    plan->turn_permille = (unsigned)sim_random_below(random, 3) * 200;
    plan->turn_us = between_magnitudes(random, 50, 10000);
    plan->timer_late_us = between_magnitudes(random, 10, 5000);
    plan->notice_late_us = between_magnitudes(random, 10, 3000);
    plan->reads_per_turn = (unsigned)sim_random_between(random, 1, 8);
    plan->pool_most_us = between_magnitudes(random, 1000, 100000);
    plan->disk_least_us = between_magnitudes(random, 20, 500);
    plan->disk_most_us = plan->disk_least_us + between_magnitudes(random, 20, 2000);
    plan->drift_ppm = (int64_t)between_magnitudes(random, 10, 30000);
    plan->wall_skew_ms = (int64_t)between_magnitudes(random, 1, 10000);
    draw_wrong_clocks(plan, random);
}

static void draw_clients(struct plan *plan, struct random *random, uint64_t events)
{
    plan->client_count = (size_t)sim_random_between(random, 1, 10);
    /* Each request takes about four events and six for each follower; what happens all the same
     * each second are heartbeats and upkeep. Requests get what is left of a run of this length. */
    uint64_t run_ms = between_magnitudes(random, 3000, 60000);
    uint64_t followers = plan->node_count - 1;
    uint64_t idle_per_s =
        plan->node_count * 25 + followers * 2 * 4 * 1000 / plan->election_timeout_ms;
    uint64_t wanted_per_s = events * 1000 / run_ms;
    uint64_t left_per_s = wanted_per_s > idle_per_s + 50 ? wanted_per_s - idle_per_s : 50;
    plan->think_us = 1000000 * plan->client_count * (4 + 6 * followers) / left_per_s;
    plan->client_timeout_us = between_magnitudes(random, 20000, 2000000);
    plan->client_loss_permille = (unsigned)sim_random_below(random, 3) * 20;
    plan->batch_permille = (unsigned)sim_random_below(random, 3) * 150;
    plan->batch_most = sim_random_chance(random, 60) ? REQUEST_COMMANDS : 12;
    plan->sku_count = (unsigned)sim_random_between(random, 1, 6);
    plan->warehouse_count = (unsigned)sim_random_between(random, 1, 3);
    plan->order_count = (unsigned)between_magnitudes(random, 2, 100);
    plan->longest_ttl_ms = (int64_t)between_magnitudes(random, 10, 100000);
    for (size_t i = 0; i < REQUEST_KINDS; i++) {
        plan->request_weights[i] = (unsigned)sim_random_between(random, 1, 10);
    }
}

static void draw_faults(struct plan *plan, struct random *random)
{
    static const unsigned weights[] = {
#define X(name, weight) [FAULT_##name] = weight,
        FAULTS(X)
#undef X
    };
    /* One seed in twenty has no faults but the weather, others one kind, most about half of them.
     */
    plan->fault_gap_us =
        sim_random_chance(random, 50) ? 0 : between_magnitudes(random, 15000, 1500000);
    plan->fault_us = between_magnitudes(random, 20000, 2000000);
    if (sim_random_chance(random, 150)) {
        plan->fault_weights[sim_random_below(random, FAULT_COUNT)] = 1;
    } else {
        unsigned on_permille = (unsigned)sim_random_between(random, 200, 900);
        for (size_t i = 0; i < FAULT_COUNT; i++) {
            plan->fault_weights[i] = sim_random_chance(random, on_permille) ? weights[i] : 0;
        }
    }
    plan->wipe_permille = sim_random_chance(random, 200) ? 500 : 0;
    plan->audit_permille = sim_random_chance(random, 300) ? 100 : 0;
}

static void draw_changes(struct plan *plan, struct random *random)
{
    plan->wipe_permille = 0;
    plan->change_gap_us = between_magnitudes(random, 1000, 500000);
    plan->least_voters = (unsigned)sim_random_between(random, 1, plan->node_count - 1);
    plan->haste_permille = (unsigned)sim_random_below(random, 4) * 250;
    plan->strike_permille = (unsigned)sim_random_below(random, 4) * 150;
    plan->absent_permille = (unsigned)sim_random_below(random, 3) * 400;
}

/* Bounds so tight that a run comes to each of them (base/limits.h has the real ones, and how they
 * must lie to each other). */
static void draw_limits(struct plan *plan, struct random *random)
{
    struct replica_limits *replica = &plan->replica_limits;
    struct proposer_limits *proposer = &plan->proposer_limits;
    replica->append_entries = between_magnitudes(random, 1, 64);
    replica->append_bytes = between_magnitudes(random, 128, 16384);
    replica->append_turn_bytes = replica->append_bytes * sim_random_between(random, 1, 8);
    replica->unsynced_entries = between_magnitudes(random, 1, 64);
    replica->unsynced_bytes = between_magnitudes(random, 256, 65536);
    replica->inflight_bytes = between_magnitudes(random, 256, 65536);
    replica->apply_turn_entries = between_magnitudes(random, 4, 64);
    replica->apply_turn_bytes = between_magnitudes(random, 1024, 65536);
    replica->tail_entries = replica->unsynced_entries + replica->append_entries +
                            sim_random_below(random, 2) * between_magnitudes(random, 1, 256);
    replica->tail_bytes =
        (replica->unsynced_bytes > replica->inflight_bytes ? replica->unsynced_bytes
                                                           : replica->inflight_bytes) +
        replica->append_bytes +
        sim_random_below(random, 2) * between_magnitudes(random, 256, 65536);
    proposer->inflight_entries = between_magnitudes(random, 1, 8);
    replica->inflight_entries =
        proposer->inflight_entries + (size_t)sim_random_between(random, 1, 4);
    proposer->entry_bytes = between_magnitudes(random, 128, 65536);
    proposer->entry_lines = between_magnitudes(random, 1, 256);
    proposer->waiting_commands = between_magnitudes(random, 1, 64);
    /* A whole request fits. */
    proposer->waiting_bytes =
        plan->batch_most * REQUEST_COMMAND_BYTES + between_magnitudes(random, 1, 16384);
}

/* So many who hardly think that what they ask gathers behind the entries in flight. */
static void draw_crowd(struct plan *plan, struct random *random)
{
    plan->client_count = (size_t)sim_random_between(random, SIM_CLIENTS / 2, SIM_CLIENTS);
    plan->think_us = between_magnitudes(random, 1, 1000);
    plan->batch_permille = (unsigned)sim_random_below(random, 3) * 150;
    if (sim_random_chance(random, 500)) {
        plan->proposer_limits.inflight_entries = 1;
    }
}

static void draw_digests(struct plan *plan, struct random *random)
{
    plan->digest_interval = between_magnitudes(random, 1, 64);
    plan->spoil_permille = sim_random_chance(random, 200) ? 100 : 0;
}

/* Programs that know different ledger versions, put in while the version is raised. */
static void draw_upgrades(struct plan *plan, struct random *random)
{
    plan->upgrade_gap_us = between_magnitudes(random, 20000, 1000000);
    plan->newest_version = (unsigned)sim_random_between(random, 2, 5);
}

/* A reserve of some segments of the log, and disks that run into it. */
static void draw_low_disks(struct plan *plan, struct random *random)
{
    plan->disk_reserve_bytes = plan->log_segment_bytes * between_magnitudes(random, 4, 64);
    plan->low_disk_gap_us = between_magnitudes(random, 100000, 2000000);
}

/* Nodes lose their directories, and spare machines take their places; the last thing to be drawn.
 * Who would be left of fewer than three is no majority. */
static void draw_replacements(struct plan *plan, struct random *random)
{
    size_t room = LIMIT_NODES - plan->founder_count;
    if (plan->founder_count < 3 || room == 0) {
        return;
    }
    plan->node_count =
        plan->founder_count + (size_t)sim_random_between(random, 1, room < 4 ? room : 4);
    plan->replace_gap_us = between_magnitudes(random, 10000, 500000);
    plan->add_first_permille = (unsigned)sim_random_below(random, 3) * 500;
    plan->change_gap_us = 0;
    plan->wipe_permille = 0;
    plan->spoil_permille = 0;
}

void plan_draw(struct plan *plan, struct random *random, size_t node_count, uint64_t events)
{
    /* Seeds without changes of members are what they would be if there were none, and so are those
     * without tight limits and crowds: these draws come from numbers of their own. */
    struct random own = {.state = random->state ^ UINT64_C(0x6d656d62657273)};
    struct random tight = {.state = random->state ^ UINT64_C(0x6c696d697473)};
    struct random compared = {.state = random->state ^ UINT64_C(0x64696765737473)};
    struct random rolled = {.state = random->state ^ UINT64_C(0x75706772616465)};
    struct random taken = {.state = random->state ^ UINT64_C(0x736e617073686f74)};
    *plan = (struct plan){.storms = (unsigned)sim_random_between(random, 2, 4)};
    draw_nodes(plan, random, node_count);
    plan->coded_permille = (unsigned)sim_random_below(random, 3) * 50;
    plan->old_permille = (unsigned)sim_random_below(random, 3) * 300;
    plan->weather = sim_random_chance(random, 300) ? plan_calm() : plan_weather(random);
    draw_clients(plan, random, events);
    draw_faults(plan, random);
    if (sim_random_chance(&own, 300) && plan->node_count > 1) {
        draw_changes(plan, &own);
    }
    if (sim_random_chance(&tight, 250)) {
        draw_limits(plan, &tight);
    }
    if (sim_random_chance(&tight, 150)) {
        draw_crowd(plan, &tight);
    }
    plan->pool_refuses_permille = sim_random_chance(&tight, 300) ? 300 : 0;
    draw_digests(plan, &compared);
    if (sim_random_chance(&taken, 600)) {
        draw_snapshots(plan, &taken);
    }
    plan->handover_gap_us =
        sim_random_chance(&taken, 300) ? between_magnitudes(&taken, 10000, 1000000) : 0;
    plan->stale_permille = (unsigned)sim_random_below(&taken, 3) * 300;
    plan->floor_permille = (unsigned)sim_random_below(&taken, 3) * 300;
    if (sim_random_chance(&rolled, 100)) {
        draw_upgrades(plan, &rolled);
    }
    if (sim_random_chance(&rolled, 100)) {
        draw_low_disks(plan, &rolled);
    }
    if (sim_random_chance(&rolled, 100)) {
        draw_replacements(plan, &rolled);
    }
}

/* ---- climates ---- */

enum climate plan_climate(const char *name)
{
    static const char *const names[] = {
#define X(name, text) [CLIMATE_##name] = text,
        CLIMATES(X)
#undef X
    };
    size_t i = 0;
    while (i < CLIMATE_COUNT && strcmp(names[i], name) != 0) {
        i++;
    }
    return (enum climate)i;
}

/* Answers overtake each other, or are lost while questions arrive; the nodes themselves are sound,
 * so that what they believe of each other grows old. */
static void bend_to_disorder(struct plan *plan, struct random *random)
{
    static const unsigned weights[FAULT_COUNT] = {
        [FAULT_CUT] = 6,   [FAULT_PARTITION] = 3, [FAULT_PAUSE] = 3,
        [FAULT_BREAK] = 3, [FAULT_SLOW_DISK] = 3,
    };
    plan->weather = plan_calm();
    plan->weather.in_order = false;
    if (sim_random_chance(random, 500)) {
        plan->weather.loss_permille = (unsigned)sim_random_between(random, 10, 200);
    }
    plan->weather.twice_permille = (unsigned)sim_random_between(random, 0, 200);
    plan->weather.late_permille = (unsigned)sim_random_between(random, 10, 300);
    plan->weather.late_us = between_magnitudes(random, 10000, 1000000);
    memcpy(plan->fault_weights, weights, sizeof weights);
    plan->fault_gap_us = between_magnitudes(random, 50000, 400000);
    plan->election_timeout_ms = 100;
    plan->think_us *= 4;
    plan->change_gap_us = 0;
}

/* Links that carry one way only, under load: what a leader has not heard of has happened. */
static void bend_to_one_way(struct plan *plan, struct random *random)
{
    memset(plan->fault_weights, 0, sizeof plan->fault_weights);
    plan->fault_weights[FAULT_CUT] = 2;
    plan->fault_weights[FAULT_KILL] = 2;
    plan->election_timeout_ms = 100;
    plan->fault_weights[FAULT_SLOW_DISK] = 1;
    plan->weather = plan_calm();
    plan->fault_gap_us = between_magnitudes(random, 20000, 200000);
    plan->fault_us = between_magnitudes(random, 100000, 500000);
    plan->think_us = between_magnitudes(random, 2000, 20000);
    plan->change_gap_us = 0;
}

/* Nodes are away for so long that they need a snapshot, and end while they get it. */
static void bend_to_snapshots(struct plan *plan, struct random *random)
{
    static const unsigned weights[FAULT_COUNT] = {
        [FAULT_PARTITION] = 6,     [FAULT_CUT] = 2,           [FAULT_PAUSE] = 6,
        [FAULT_KILL] = 3,          [FAULT_POWER_CUT] = 3,     [FAULT_STOP] = 2,
        [FAULT_CRASH_IN_FILE] = 6, [FAULT_CRASH_IN_CALL] = 3, [FAULT_SLOW_DISK] = 3,
        [FAULT_FULL_DISK] = 1,     [FAULT_BREAK] = 2,         [FAULT_FAILED_OPERATION] = 2,
        [FAULT_WEATHER] = 1,       [FAULT_BLACKOUT] = 1,
    };
    plan->proposer_limits.inflight_entries = (size_t)sim_random_between(random, 1, 3);
    draw_snapshots(plan, random);
    plan->snapshot_log_entries = between_magnitudes(random, 4, 64);
    plan->replica_limits.trailing_entries = 2 * plan->replica_limits.raft_inflight_entries;
    memcpy(plan->fault_weights, weights, sizeof weights);
    plan->fault_us = between_magnitudes(random, 500000, 4000000);
    plan->fault_gap_us = plan->fault_us / sim_random_between(random, 1, 5);
    plan->election_timeout_ms = 100;
    plan->batch_most = 12;
    plan->think_us = plan->think_us / sim_random_between(random, 1, 4) + 1;
    plan->pool_most_us = between_magnitudes(random, 1000, 30000);
}

/* Requests stay in the network for longer than their clients wait, while little is in stock and
 * much comes back: what was refused is granted a moment later. */
static void bend_to_held_up(struct plan *plan, struct random *random)
{
    plan->held_up_permille = (unsigned)sim_random_between(random, 100, 400);
    plan->held_up_us = 4 * plan->client_timeout_us;
    plan->order_count = (unsigned)sim_random_between(random, 2, 20);
    plan->fault_gap_us *= 4;
    plan->change_gap_us = 0;
}

/* Without spare machines: what a climate is for does not go together with them. */
static void keep_members(struct plan *plan)
{
    plan->node_count = plan->founder_count;
    plan->replace_gap_us = 0;
}

/* The same as with snapshots; and states go wrong, which may be what others get. They are compared
 * seldom. */
static void bend_to_copies(struct plan *plan, struct random *random)
{
    bend_to_snapshots(plan, random);
    keep_members(plan);
    plan->spoil_permille = 400;
    plan->digest_interval = between_magnitudes(random, 16, 64);
    plan->change_gap_us = 0;
    plan->wipe_permille = 0;
}

void plan_bend(struct plan *plan, struct random *random, enum climate climate)
{
    if (climate == CLIMATE_MEMBERS || climate == CLIMATE_SPOILT) {
        keep_members(plan);
    }
    switch (climate) {
    case CLIMATE_DISORDER:
        bend_to_disorder(plan, random);
        break;
    case CLIMATE_ONE_WAY:
        bend_to_one_way(plan, random);
        break;
    case CLIMATE_MEMBERS:
        /* All that a swarm has, and members come and go in each seed that has more than one. */
        if (plan->node_count > 1 && plan->change_gap_us == 0) {
            draw_changes(plan, random);
        }
        break;
    case CLIMATE_LIMITS:
        /* All that a swarm has, under bounds that it comes to, with and without a crowd. */
        draw_limits(plan, random);
        if (sim_random_chance(random, 500)) {
            draw_crowd(plan, random);
        }
        plan->replica_limits.raft_inflight_entries = 0;
        plan->replica_limits.trailing_entries = 0;
        plan->snapshot_log_entries = 0;
        if (sim_random_chance(random, 500)) {
            draw_snapshots(plan, random);
        }
        break;
    case CLIMATE_SNAPSHOTS:
        bend_to_snapshots(plan, random);
        break;
    case CLIMATE_UPGRADES:
        /* All that a swarm has; and programs come and go, and the ledger's version rises. */
        draw_upgrades(plan, random);
        break;
    case CLIMATE_LOW_DISKS:
        /* All that a swarm has; and disks run low, and have room again. */
        draw_low_disks(plan, random);
        break;
    case CLIMATE_REPLACEMENTS:
        /* All that a swarm has; and nodes are replaced that have lost all. */
        draw_replacements(plan, random);
        break;
    case CLIMATE_SPOILT:
        /* All that a swarm has; and in each storm the states of some nodes go wrong. */
        plan->spoil_permille = 400;
        plan->fault_gap_us = between_magnitudes(random, 50000, 500000);
        plan->change_gap_us = 0;
        plan->wipe_permille = 0;
        break;
    case CLIMATE_COPIES:
        bend_to_copies(plan, random);
        break;
    case CLIMATE_HELD_UP:
        bend_to_held_up(plan, random);
        break;
    case CLIMATE_SWARM:
    case CLIMATE_COUNT:
        break;
    }
}
