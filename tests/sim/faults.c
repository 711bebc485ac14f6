/*
 * faults.c - drawing faults, and mending them.
 *
 * Invariant: a node that is down and not held down has a start in the world's queue. All
 * other events of an earlier storm do nothing.
 */
#include "faults.h"

#include <errno.h>

#include "sim_node_internal.h"

/* What a piece of work in the pool takes, at the most, when nothing is wrong. */
#define POOL_CALM_US 2000

struct fault_context {
    struct faults *faults;
    struct sim_node *node;
    uint64_t us; /* how long it lasts */
};

void faults_init(struct faults *faults, struct world *world, struct sim_net *net,
                 struct sim_node *nodes, const struct plan *plan)
{
    *faults = (struct faults){.world = world, .net = net, .nodes = nodes, .plan = plan};
}

static struct random *random_of(struct faults *faults)
{
    return &faults->world->random;
}

static bool is_over(struct faults *faults, uint64_t storm)
{
    if (faults->is_storm && faults->storm == storm) {
        return false;
    }
    world_was_idle(faults->world);
    return true;
}

static enum sim_end draw_end(struct faults *faults)
{
    return sim_random_chance(random_of(faults), 600) ? SIM_POWER_CUT : SIM_KILLED;
}

static void end_in_file(struct faults *faults, struct sim_node *node, uint64_t most)
{
    /* One statement each: the order of evaluation must not depend on the compiler. */
    enum sim_end how = draw_end(faults);
    uint64_t nth = sim_random_between(random_of(faults), 1, most);
    sim_node_end_in_file(node, how, nth);
}

/* ---- starting again ---- */

/* Also in another storm than that which ended it: nobody else would start it. */
static void restart(void *owner, void *object, uint64_t value)
{
    struct faults *faults = owner;
    struct sim_node *node = object;
    (void)value;
    if (node->is_up) {
        world_was_idle(faults->world);
        return;
    }
    /* Some try again before they have looked at the disk. */
    if ((node->disk_is_faulty || node->state_is_faulty) &&
        sim_random_chance(random_of(faults), 600)) {
        sim_node_mend(node);
    }
    /* Others don't come far. */
    if (faults->is_storm && faults->plan->fault_weights[FAULT_CRASH_IN_FILE] > 0 &&
        sim_random_chance(random_of(faults), 100)) {
        end_in_file(faults, node, 25);
    }
    /* The newest program helps; some try the old one again first. */
    if (node->is_too_old && (!faults->is_storm || sim_random_chance(random_of(faults), 700))) {
        node->program = faults->plan->newest_version;
    }
    sim_node_start(node);
}

static void restart_after(struct faults *faults, struct sim_node *node, uint64_t us)
{
    world_after(faults->world, us, restart, faults, node, 0);
}

void faults_node_ended(void *context, struct sim_node *node)
{
    struct faults *faults = context;
    /* Also behind a storm: a disk may have failed in it, and the loop hear of it only now. */
    uint64_t most_us = faults->is_storm ? faults->plan->fault_us : 10000;
    restart_after(faults, node, sim_random_between(random_of(faults), 100, most_us));
}

/* ---- links ---- */

static void mend_link(void *owner, void *object, uint64_t storm)
{
    struct faults *faults = owner;
    const struct sim_net_link *link = object;
    size_t place = (size_t)(link - &faults->net->links[0][0]);
    if (!is_over(faults, storm)) {
        trace_note(&faults->world->trace, place / LIMIT_NODES, TRACE_LINK_MENDED,
                   place % LIMIT_NODES + 1);
        sim_net_cut(faults->net, place / LIMIT_NODES, place % LIMIT_NODES, false);
    }
}

static void cut_link(struct faults *faults, size_t from, size_t to, uint64_t us)
{
    trace_note(&faults->world->trace, from, TRACE_LINK_CUT, to + 1);
    sim_net_cut(faults->net, from, to, true);
    world_after(faults->world, us, mend_link, faults, &faults->net->links[from][to], faults->storm);
}

static size_t another(struct faults *faults, size_t than)
{
    size_t other = (size_t)sim_random_below(random_of(faults), faults->plan->node_count - 1);
    return other < than ? other : other + 1;
}

static void fault_cut(const struct fault_context *fault)
{
    struct faults *faults = fault->faults;
    if (faults->plan->node_count > 1) {
        size_t from = fault->node->number;
        size_t to = another(faults, from);
        world_count(faults->world, STAT_CUTS);
        cut_link(faults, from, to, fault->us);
    }
}

void faults_part(struct faults *faults, uint64_t side, uint64_t us)
{
    trace_note(&faults->world->trace, TRACE_WORLD, TRACE_PARTED, side);
    for (size_t a = 0; a < faults->plan->node_count; a++) {
        for (size_t b = 0; b < faults->plan->node_count; b++) {
            if (((side >> a) & 1) != ((side >> b) & 1)) {
                cut_link(faults, a, b, us);
            }
        }
    }
}

/* Each link by itself, one way: nobody sees the same cluster as another. */
static void shred(struct faults *faults, uint64_t us)
{
    unsigned permille = (unsigned)sim_random_between(random_of(faults), 100, 700);
    for (size_t a = 0; a < faults->plan->node_count; a++) {
        for (size_t b = 0; b < faults->plan->node_count; b++) {
            if (a != b && sim_random_chance(random_of(faults), permille)) {
                cut_link(faults, a, b, us);
            }
        }
    }
}

static void fault_partition(const struct fault_context *fault)
{
    struct faults *faults = fault->faults;
    uint64_t side = 0;
    world_count(faults->world, STAT_PARTITIONS);
    switch (sim_random_below(random_of(faults), 3)) {
    case 0:
        side = UINT64_C(1) << fault->node->number;
        break;
    case 1:
        side = random_next(random_of(faults)) & 0xff;
        break;
    default:
        shred(faults, fault->us);
        return;
    }
    faults_part(faults, side, fault->us);
}

static void fault_break(const struct fault_context *fault)
{
    struct faults *faults = fault->faults;
    if (faults->plan->node_count > 1) {
        size_t from = fault->node->number;
        size_t to = another(faults, from);
        world_count(faults->world, STAT_BREAKS);
        trace_note(&faults->world->trace, from, TRACE_DISCONNECTED, to + 1);
        sim_net_break(faults->net, from, to);
    }
}

static void fault_weather(const struct fault_context *fault)
{
    struct faults *faults = fault->faults;
    struct sim_net_weather weather = plan_weather(random_of(faults));
    sim_net_set_weather(faults->net, &weather);
    trace_note(&faults->world->trace, TRACE_WORLD, TRACE_WEATHER, weather.most_us,
               weather.loss_permille, weather.twice_permille, weather.late_permille);
}

/* ---- processes ---- */

static void fault_power_cut(const struct fault_context *fault)
{
    sim_node_end(fault->node, SIM_POWER_CUT);
}

/* The power of the house. */
static void fault_blackout(const struct fault_context *fault)
{
    struct faults *faults = fault->faults;
    world_count(faults->world, STAT_BLACKOUTS);
    for (size_t i = 0; i < faults->plan->node_count; i++) {
        sim_node_end(&faults->nodes[i], SIM_POWER_CUT);
    }
}

static void fault_kill(const struct fault_context *fault)
{
    sim_node_end(fault->node, SIM_KILLED);
}

static void fault_stop(const struct fault_context *fault)
{
    sim_node_stop(fault->node);
}

static void fault_crash_in_call(const struct fault_context *fault)
{
    /* One statement each: the order of evaluation must not depend on the compiler. */
    enum sim_end how = draw_end(fault->faults);
    uint64_t nth = sim_random_between(random_of(fault->faults), 1, 60);
    sim_node_end_in_call(fault->node, how, nth);
}

static void fault_crash_in_file(const struct fault_context *fault)
{
    end_in_file(fault->faults, fault->node, 40);
}

static void fault_pause(const struct fault_context *fault)
{
    sim_node_pause(fault->node, fault->us);
}

/* ---- disks ---- */

static void mend_speed(void *owner, void *object, uint64_t storm)
{
    struct faults *faults = owner;
    struct sim_node *node = object;
    if (!is_over(faults, storm)) {
        node->disk_least_us = faults->plan->disk_least_us;
        node->disk_most_us = faults->plan->disk_most_us;
    }
}

static void fault_slow_disk(const struct fault_context *fault)
{
    struct faults *faults = fault->faults;
    fault->node->disk_least_us = 10000;
    fault->node->disk_most_us = sim_random_between(random_of(faults), 10000, 500000);
    world_count(faults->world, STAT_SLOW_DISKS);
    trace_note(&faults->world->trace, fault->node->number, TRACE_DISK_SLOW,
               fault->node->disk_most_us);
    world_after(faults->world, fault->us, mend_speed, faults, fault->node, faults->storm);
}

/* Space comes back when somebody makes some; it is found missing when the log needs a segment. */
static void mend_disk(void *owner, void *object, uint64_t storm)
{
    struct faults *faults = owner;
    if (!is_over(faults, storm)) {
        sim_node_mend(object);
    }
}

static void fault_full_disk(const struct fault_context *fault)
{
    struct faults *faults = fault->faults;
    struct sim_node *node = fault->node;
    uint64_t used = sim_disk_used_bytes(node->disk);
    uint64_t left = sim_random_below(random_of(faults), 2 * faults->plan->log_segment_bytes);
    world_count(faults->world, STAT_FULL_DISKS);
    trace_note(&faults->world->trace, node->number, TRACE_DISK_FULL, 0);
    sim_disk_set_capacity(node->disk, used + left);
    node->disk_is_faulty = true;
    world_after(faults->world, fault->us, mend_disk, faults, node, faults->storm);
}

static void fault_failed_operation(const struct fault_context *fault)
{
    /* Those that a node makes all the time, and those of a start. */
    static const enum sim_operation often[] = {SIM_WRITE, SIM_SYNC, SIM_WRITE, SIM_SYNC, SIM_READ};
    struct random *random = random_of(fault->faults);
    enum sim_operation operation =
        sim_random_chance(random, 600)
            ? often[sim_random_below(random, 5)]
            : (enum sim_operation)sim_random_below(random, SIM_OPERATIONS);
    uint64_t nth =
        sim_random_between(random, 1, operation == SIM_WRITE || operation == SIM_SYNC ? 30 : 3);
    world_count(fault->faults->world, STAT_BROKEN_DISKS);
    trace_note(&fault->faults->world->trace, fault->node->number, TRACE_DISK_FAILS, operation);
    sim_disk_fail(fault->node->disk, operation, nth, EIO);
    fault->node->disk_is_faulty = true;
}

static void fault_broken_disk(const struct fault_context *fault)
{
    struct faults *faults = fault->faults;
    unsigned permille = (unsigned)sim_random_between(random_of(faults), 100, 1000);
    for (int operation = 0; operation < SIM_OPERATIONS; operation++) {
        if (sim_random_chance(random_of(faults), permille)) {
            sim_disk_set_failing(fault->node->disk, (enum sim_operation)operation, EIO);
        }
    }
    world_count(faults->world, STAT_BROKEN_DISKS);
    trace_note(&faults->world->trace, fault->node->number, TRACE_DISK_FAILS, SIM_OPERATIONS);
    fault->node->disk_is_faulty = true;
}

static void fault_failed_state(const struct fault_context *fault)
{
    world_count(fault->faults->world, STAT_STATE_FAILURES);
    sim_states_fail_at(fault->node->states, sim_random_between(random_of(fault->faults), 1, 300));
    fault->node->state_is_faulty = true;
}

/* ---- clocks ---- */

static void fault_wall_jump(const struct fault_context *fault)
{
    static const uint64_t most_ms[] = {1000, 60000, 7200000, UINT64_C(8640000000),
                                       UINT64_C(300000000000)};
    struct random *random = random_of(fault->faults);
    uint64_t most = most_ms[sim_random_below(random, 5)];
    int64_t jump_ms = (int64_t)sim_random_below(random, 2 * most + 1) - (int64_t)most;
    world_count(fault->faults->world, STAT_WALL_JUMPS);
    trace_note(&fault->faults->world->trace, fault->node->number, TRACE_CLOCK_JUMP,
               (uint64_t)jump_ms);
    checks_wall_is_set(fault->node->checks, fault->node->number);
    fault->node->clock.wall_offset_ms += jump_ms;
}

static void fault_drift(const struct fault_context *fault)
{
    struct world *world = fault->faults->world;
    int64_t most = fault->faults->plan->drift_ppm;
    int64_t rate = (int64_t)sim_random_below(&world->random, (uint64_t)most * 2 + 1) - most;
    world_count(world, STAT_DRIFTS);
    trace_note(&world->trace, fault->node->number, TRACE_CLOCK_DRIFT, (uint64_t)rate);
    sim_clock_set_rate(&fault->node->clock, world->now_us, rate);
}

/* ---- one after the other ---- */

static void (*const kinds[FAULT_COUNT])(const struct fault_context *fault) = {
    [FAULT_POWER_CUT] = fault_power_cut,
    [FAULT_BLACKOUT] = fault_blackout,
    [FAULT_KILL] = fault_kill,
    [FAULT_STOP] = fault_stop,
    [FAULT_CRASH_IN_CALL] = fault_crash_in_call,
    [FAULT_CRASH_IN_FILE] = fault_crash_in_file,
    [FAULT_PAUSE] = fault_pause,
    [FAULT_SLOW_DISK] = fault_slow_disk,
    [FAULT_FULL_DISK] = fault_full_disk,
    [FAULT_FAILED_OPERATION] = fault_failed_operation,
    [FAULT_BROKEN_DISK] = fault_broken_disk,
    [FAULT_FAILED_STATE] = fault_failed_state,
    [FAULT_WALL_JUMP] = fault_wall_jump,
    [FAULT_DRIFT] = fault_drift,
    [FAULT_CUT] = fault_cut,
    [FAULT_PARTITION] = fault_partition,
    [FAULT_BREAK] = fault_break,
    [FAULT_WEATHER] = fault_weather,
};

/* Leaders have more to lose. */
static struct sim_node *draw_node(struct faults *faults)
{
    struct random *random = random_of(faults);
    if (sim_random_chance(random, 300)) {
        for (size_t i = 0; i < faults->plan->node_count; i++) {
            if (sim_node_leads(&faults->nodes[i])) {
                return &faults->nodes[i];
            }
        }
    }
    return &faults->nodes[sim_random_below(random, faults->plan->node_count)];
}

static void fault_after(struct faults *faults);

/* Who has stopped for its state can't come back, as members that change must. */
static void spoil_one(struct faults *faults)
{
    struct sim_node *node = draw_node(faults);
    if (faults->plan->change_gap_us == 0 && faults_can_be_lost(faults, node)) {
        sim_node_spoil(node);
    }
}

static void befall(void *owner, void *object, uint64_t storm)
{
    struct faults *faults = owner;
    struct random *random = random_of(faults);
    (void)object;
    if (is_over(faults, storm)) {
        return;
    }
    size_t kind = plan_choose(random, faults->plan->fault_weights, FAULT_COUNT);
    struct fault_context fault = {.faults = faults, .node = draw_node(faults)};
    fault.us = sim_random_between(random, 1000, faults->plan->fault_us);
    trace_note(&faults->world->trace, TRACE_WORLD, TRACE_FAULT, kind, fault.node->number + 1,
               fault.us);
    if (kind < FAULT_COUNT) {
        kinds[kind](&fault);
    }
    if (sim_random_chance(random, faults->plan->audit_permille)) {
        sim_node_audit(draw_node(faults));
    }
    if (faults->plan->spoil_permille > 0 &&
        sim_random_chance(random, faults->plan->spoil_permille)) {
        spoil_one(faults);
    }
    fault_after(faults);
}

static void fault_after(struct faults *faults)
{
    uint64_t gap_us = sim_random_between(random_of(faults), 1, 2 * faults->plan->fault_gap_us);
    world_after(faults->world, gap_us, befall, faults, NULL, faults->storm);
}

/* ---- wiped nodes ---- */

/* It has its disk, and the state that it should. */
static bool is_sound(const struct sim_node *node)
{
    return !node->is_wiped && node->spoilt_from == 0 && !node->shall_spoil;
}

size_t faults_sound_nodes(const struct faults *faults)
{
    size_t sound = 0;
    for (size_t i = 0; i < faults->plan->node_count; i++) {
        sound += is_sound(&faults->nodes[i]);
    }
    return sound;
}

/* Do all others that count know this node by the directory it has? */
static bool is_registered_everywhere(const struct faults *faults, const struct sim_node *node)
{
    uint64_t incarnation = data_directory_incarnation(node->core.directory);
    for (size_t i = 0; i < faults->plan->node_count; i++) {
        const struct sim_node *other = &faults->nodes[i];
        uint64_t registered = 0;
        bool found = false;
        struct error error;
        if (other == node || other->is_wiped) {
            continue;
        }
        if (!other->is_up) {
            return false;
        }
        sim_state_watch(node_state(other), true);
        bool read = ledger_node_incarnation(other->core.ledger, node->number + 1, &registered,
                                            &found, &error);
        sim_state_watch(node_state(other), false);
        if (!read || !found || registered != incarnation) {
            return false;
        }
    }
    return true;
}

bool faults_can_be_lost(const struct faults *faults, const struct sim_node *node)
{
    size_t majority = faults->plan->founder_count / 2 + 1;
    return node->is_up && is_sound(node) && faults_sound_nodes(faults) > majority &&
           is_registered_everywhere(faults, node);
}

static void wipe_one(struct faults *faults)
{
    struct sim_node *node = draw_node(faults);
    if (faults_can_be_lost(faults, node)) {
        sim_node_end(node, SIM_KILLED);
        sim_node_wipe(node);
    }
}

/* ---- storms ---- */

void faults_begin_storm(struct faults *faults)
{
    faults->is_storm = true;
    faults->storm++;
    for (size_t i = 0; i < faults->plan->node_count; i++) {
        faults->nodes[i].pool_most_us = faults->plan->pool_most_us;
        faults->nodes[i].pool_refuses_permille = faults->plan->pool_refuses_permille;
    }
    if (sim_random_chance(random_of(faults), faults->plan->wipe_permille)) {
        wipe_one(faults);
    }
    if (faults->plan->fault_gap_us > 0) {
        fault_after(faults);
    }
}

void faults_mend_all(struct faults *faults)
{
    const struct sim_net_weather calm = plan_calm();
    faults->is_storm = false;
    sim_net_set_weather(faults->net, &calm);
    for (size_t a = 0; a < faults->plan->node_count; a++) {
        struct sim_node *node = &faults->nodes[a];
        sim_node_mend(node);
        node->pool_most_us = POOL_CALM_US;
        node->pool_refuses_permille = 0;
        for (size_t b = 0; b < faults->plan->node_count; b++) {
            sim_net_cut(faults->net, a, b, false);
        }
        if (node->is_too_old) {
            node->program = faults->plan->newest_version;
        }
        sim_node_start(node);
    }
}
