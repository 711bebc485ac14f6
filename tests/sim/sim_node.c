/*
 * sim_node.c - the life of a node's process, and what its machine keeps when that ends.
 *
 * Invariant: the core is open exactly if core_is_open; it runs exactly if is_up. A process that
 * ends has its core closed with is_crashing set, so that nothing of what it does then is heard.
 */
#include "sim_node_internal.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#define FOUND_AT_ONCE 512

void sim_node_joins_at(char address[SIM_ADDRESS_BYTES], size_t number)
{
    snprintf(address, SIM_ADDRESS_BYTES, "n%zu:7000", number + 1);
}

void sim_node_init(struct sim_node *node, struct world *world, struct sim_net *net,
                   struct checks *checks, const struct plan *plan, size_t number)
{
    struct random *random = &world->random;
    memset(node, 0, sizeof *node);
    node->world = world;
    node->net = net;
    node->checks = checks;
    node->plan = plan;
    node->number = number;
    bool is_founder = number < plan->founder_count;
    for (size_t i = 0; i < plan->founder_count; i++) {
        /* Each founder is told another order, itself first. */
        size_t k = is_founder ? (i + number) % plan->founder_count : number;
        snprintf(node->addresses[i], sizeof node->addresses[i], "n%zu", k + 1);
        node->members[i] = (struct replica_member){k + 1, REPLICA_VOTER, node->addresses[i]};
    }
    node->disk = sim_disk_new(random_next(random));
    node->files = sim_disk_files(node->disk);
    node->states = sim_states_new(node->disk);
    node->incarnation = random_next(random) | 1;
    node->pool_most_us = plan->pool_most_us;
    node->pool_refuses_permille = plan->pool_refuses_permille;
    if (!is_founder) {
        sim_node_joins_at(node->addresses[0], number);
        node->place = SIM_SPARE;
        node->is_wiped = true;
        checks_spare(checks, number);
    }
    node->log_first = 1;
    node->program = LEDGER_VERSION;
    node->disk_least_us = plan->disk_least_us;
    node->disk_most_us = plan->disk_most_us;
    int64_t drift = plan->drift_ppm;
    node->clock.rate_ppm = (int64_t)sim_random_below(random, (uint64_t)drift * 2 + 1) - drift;
    int64_t skew = plan->wall_skew_ms;
    node->clock.wall_offset_ms = (int64_t)sim_random_below(random, (uint64_t)skew * 2 + 1) - skew;
    if (number < plan->wrong_clocks) {
        node->clock.wall_offset_ms += plan->wrong_by_ms;
    }
    checks_wall(checks, number, &node->clock);
}

static void count_segments(struct sim_node *node)
{
    node->world->stats.counts[STAT_SEGMENTS] += sim_disk_count(node->disk, SIM_ALLOCATE);
}

void sim_node_free(struct sim_node *node)
{
    count_segments(node);
    if (node->core_is_open) {
        node->ended = NULL;
        node_begin_end(node, SIM_KILLED);
        node_end(node);
    }
    log_run_free(&node->log_run);
    sim_states_free(node->states);
    sim_disk_free(node->disk);
}

bool sim_node_is_crashing(const struct sim_node *node)
{
    return node->is_crashing;
}

/* ---- the end ---- */

void node_begin_end(struct sim_node *node, enum sim_end how)
{
    node->is_crashing = true;
    node->end_how = how;
    node_log_interrupt(node);
    /* Inside a call: what it still does to files comes to nothing, or to a part of one operation,
     * as if that had been the point. */
    if (sim_disk_has_power(node->disk)) {
        sim_disk_cut_power(node->disk, 1);
    }
}

static enum sim_loss draw_loss(struct random *random)
{
    uint64_t draw = sim_random_below(random, 10);
    return draw < 6 ? SIM_LOSE_SOME : draw < 9 ? SIM_LOSE_ALL : SIM_LOSE_NONE;
}

/* The bounds it has met. */
static void count_life(struct sim_node *node)
{
    struct replica_status status;
    uint64_t *counts = node->world->stats.counts;
    if (node->core.replica == NULL) {
        return; /* it has not got so far */
    }
    replica_status_get(node->core.replica, &status);
    counts[STAT_EVICTED] += status.evicted_count;
    counts[STAT_DROPPED] += status.dropped_count;
    counts[STAT_SPLIT] += status.split_count;
    counts[STAT_CUT_SHORT] += status.cut_count;
    counts[STAT_PUT_OFF] += node->core.registrations_put_off;
}

static void close_core(struct sim_node *node)
{
    struct error ignored; /* the store may not be able to close well: it has crashed */
    if (node->core_is_open) {
        if (node->core.proposer != NULL) {
            core_abandon(&node->core); /* what is done in the pool leads to nothing new */
        }
        node_drop_works(node);
        count_life(node);
        core_close(&node->core, &ignored);
        node->core_is_open = false;
    }
}

/* Of a process that is gone: nothing is planned for it, and no event is its. */
static void forget_process(struct sim_node *node)
{
    node_log_clear(node);
    node->life++;
    node->is_up = false;
    node->is_crashing = false;
    node->calls_to_end = 0;
    node->shall_spoil = false;
    node->is_turn_open = false;
    node->wake_at_us = 0;
    node->paused_until_us = 0;
    sim_net_down(node->net, node->number);
    if (node->ended != NULL) {
        node->ended(node->context, node);
    }
}

void node_end(struct sim_node *node)
{
    struct world *world = node->world;
    trace_note(&world->trace, node->number, TRACE_CRASH, node->end_how);
    node->is_crashing = true;
    if (node->end_how == SIM_POWER_CUT) {
        world_count(world, STAT_POWER_CUTS);
        sim_disk_crash(node->disk, draw_loss(&world->random));
        node->is_booted = false;
    } else {
        world_count(world, STAT_KILLS);
        sim_disk_kill(node->disk);
    }
    sim_states_crash(node->states);
    close_core(node);
    forget_process(node);
}

void sim_node_end(struct sim_node *node, enum sim_end how)
{
    if (node->is_up) {
        node_begin_end(node, how);
        node_end(node);
    }
}

void sim_node_end_in_call(struct sim_node *node, enum sim_end how, uint64_t nth)
{
    node->end_how = how;
    node->calls_to_end = nth;
}

void sim_node_end_in_file(struct sim_node *node, enum sim_end how, uint64_t nth)
{
    node->end_how = how;
    sim_disk_cut_power(node->disk, nth);
}

void sim_node_stop(struct sim_node *node)
{
    struct error error;
    if (!node->is_up || node->paused_until_us > node->world->now_us) {
        return;
    }
    core_abandon(&node->core);
    if (!node_finish_works(node) ||
        !node_survives(node, node_log_drain(node), &node->log_failure)) {
        return;
    }
    trace_note(&node->world->trace, node->number, TRACE_STOPPING, 0);
    world_count(node->world, STAT_STOPS);
    count_life(node);
    bool closed = core_close(&node->core, &error);
    node->core_is_open = false;
    bool state_failed = node_state_failures(node) > 0;
    if (closed == state_failed) {
        world_fail(node->world, CHECK_FAIL_STOP, "node %zu %s: %s", node->number + 1,
                   closed ? "takes its state for closed though that failed"
                          : "can't close its state though nothing has failed",
                   closed ? "" : error.text);
    }
    forget_process(node);
}

/* ---- the start ---- */

/* The whole log as the store reads it, for the checks. */
static bool show_log(struct sim_node *node, struct error *error)
{
    struct log_store *log = node->core.log;
    uint64_t first_index = log_store_first_index(log);
    uint64_t total = log_store_last_index(log) + 1 - first_index;
    struct log_record *records = memory_alloc((total + 1) * sizeof *records);
    struct buffer *memories = memory_zalloc((total + 1) * sizeof *memories);
    uint64_t count = 0;
    bool read = true;
    size_t reads = 0;
    while (read && count < total) {
        size_t got = log_store_read(log, first_index + count, FOUND_AT_ONCE, 1 << 20,
                                    records + count, &memories[reads++], error);
        read = got > 0;
        count += got;
    }
    if (read) {
        checks_log_found(node->checks, node->number, first_index, records, (size_t)count);
        node->log_asked = first_index + count - 1;
        node->log_found = first_index + count - 1;
    }
    for (size_t i = 0; i < reads; i++) {
        buffer_free(&memories[i]);
    }
    free(memories);
    free(records);
    return read;
}

void node_judge_state(struct sim_node *node)
{
    uint64_t index = core_applied_index(&node->core);
    sim_state_watch(node_state(node), true);
    bool is_wrong = checks_is_wrong(node->checks, index, ledger_digest(node->core.ledger));
    sim_state_watch(node_state(node), false);
    if (is_wrong == (node->spoilt_from != 0)) {
        return;
    }
    node->spoilt_from = is_wrong ? index : 0;
    world_count(node->world, is_wrong ? STAT_SPOILT_COPIES : STAT_SPOILT_CURED);
    if (is_wrong) {
        trace_note(&node->world->trace, node->number, TRACE_SPOILT_COPY, index);
    }
    checks_spoilt(node->checks, node->number, is_wrong);
}

bool sim_node_has_copy(const struct sim_node *node)
{
    struct lineage lineage;
    data_directory_lineage(node->core.directory, &lineage);
    return lineage.count > 0;
}

static bool show_found(struct sim_node *node, struct error *error)
{
    struct core *core = &node->core;
    node_judge_state(node); /* what went wrong was not on the disk; or a copy is, unheard of */
    node->stored_term = data_directory_term(core->directory);
    node->stored_vote = data_directory_voted_for(core->directory);
    checks_hard_state(node->checks, node->number, node->stored_term, node->stored_vote);
    /* The pool of an earlier life may have got so far; and only now is there a log to speak of. */
    node_report_snapshot(node);
    if (!show_log(node, error)) {
        return false;
    }
    node->store_seen = node_store_number(node);
    node->is_installing = false;
    checks_started(node->checks, node->number, core_applied_index(core),
                   ledger_digest(core->ledger));
    return true;
}

/* Whoever joins is told it (docs/decisions/008). */
static uint64_t founded_cluster_id(struct sim_node *node)
{
    struct replica_member founders[LIMIT_NODES];
    char addresses[LIMIT_NODES][SIM_ADDRESS_BYTES];
    struct buffer entry = {0};
    uint64_t cluster_id = 0;
    struct error error;
    for (size_t i = 0; i < node->plan->founder_count; i++) {
        snprintf(addresses[i], sizeof addresses[i], "n%zu", i + 1);
        founders[i] = (struct replica_member){i + 1, REPLICA_VOTER, addresses[i]};
    }
    if (!replica_bootstrap_entry(founders, node->plan->founder_count, &entry, &cluster_id,
                                 &error)) {
        world_fail(node->world, CHECK_MEMBERS, "the founders make no cluster: %s", error.text);
    }
    buffer_free(&entry);
    return cluster_id;
}

static bool open_core(struct sim_node *node, struct error *error)
{
    struct random *random = &node->world->random;
    bool is_founder = node->number < node->plan->founder_count;
    const struct core_config config = {
        .id = node->number + 1,
        .address = node->addresses[0],
        .members = is_founder ? node->members : NULL,
        .member_count = is_founder ? node->plan->founder_count : 0,
        .cluster_id = is_founder ? 0 : founded_cluster_id(node),
        .election_timeout_ms = node->plan->election_timeout_ms,
        .data = "/node",
        .files = &node->files,
        .log_segment_bytes = node->plan->log_segment_bytes,
        .new_incarnation = node->incarnation,
        .seed = (uint32_t)random_next(random),
        .replica_limits = node->plan->replica_limits,
        .proposer_limits = node->plan->proposer_limits,
        .digest_interval = node->plan->digest_interval,
        .snapshot_log_entries = node->plan->snapshot_log_entries,
        .snapshot_log_bytes = node->plan->snapshot_log_bytes,
        .held_log_bytes = node->plan->held_log_bytes,
        .checkpoint_ask_ms = node->plan->checkpoint_ask_ms,
        .checkpoint_kept_ms = node->plan->checkpoint_kept_ms,
        .staging_kept_ms = node->plan->staging_kept_ms,
        .disk_reserve_bytes = node->plan->disk_reserve_bytes,
        .ledger_version_known = (uint16_t)node->program,
    };
    struct core_env env = node_env;
    env.context = node;
    node->core_is_open = core_open(&node->core, &config, &env, error);
    return node->core_is_open;
}

void sim_node_start(struct sim_node *node)
{
    struct world *world = node->world;
    struct error error;
    if (node->is_up || node->is_held_down || node->is_retired || node->place != SIM_IN_USE ||
        world->failed) {
        return;
    }
    if (!node->is_booted) {
        sim_clock_boot(&node->clock, world->now_us, sim_random_below(&world->random, 1000000000));
        node->is_booted = true;
    }
    node->life++;
    node->is_too_old = false;
    node->is_low = false;
    node->has_told_room = false;
    node->handed_over_at_us = 0;
    checks_program(node->checks, node->number, node->program);
    node->led_term = 0;
    node->group_index = 0;
    node_disk_failures(node); /* an earlier process's */
    node_state_failures(node);
    world_count(world, STAT_STARTS);
    trace_note(&world->trace, node->number, TRACE_STARTING, 0);
    if (!node_survives(node, open_core(node, &error), &error) ||
        !node_survives(node, show_found(node, &error), &error) ||
        !node_survives(node, core_start(&node->core, &error), &error)) {
        return;
    }
    node->is_up = true;
    sim_node_report(node);
    node_report_members(node);
    sim_net_up(node->net, node->number);
    node_begin_turns(node);
}

/* ---- what befalls it ---- */

void sim_node_pause(struct sim_node *node, uint64_t us)
{
    uint64_t until_us = node->world->now_us + us;
    if (node->is_up && until_us > node->paused_until_us) {
        world_count(node->world, STAT_PAUSES);
        trace_note(&node->world->trace, node->number, TRACE_PAUSED, us);
        node->paused_until_us = until_us;
    }
}

void sim_node_wipe(struct sim_node *node)
{
    struct random *random = &node->world->random;
    assert(!node->is_up);
    world_count(node->world, STAT_WIPES);
    count_segments(node);
    sim_states_free(node->states);
    sim_disk_free(node->disk);
    node->disk = sim_disk_new(random_next(random));
    node->files = sim_disk_files(node->disk);
    node->states = sim_states_new(node->disk);
    node->incarnation = random_next(random) | 1;
    node->state_failures_seen = 0;
    node->failures_seen = 0;
    node->snapshot_seen = 0;
    node->generation_seen = 0;
    node->log_first = 1;
    node->is_wiped = true;
    node->is_retired = false;
    node->spoilt_from = 0;
    checks_wiped(node->checks, node->number);
}

void sim_node_install(struct sim_node *node)
{
    assert(node->place == SIM_SPARE && !node->is_up);
    world_count(node->world, STAT_JOINS);
    sim_node_mend(node); /* what befell the machine before is of no matter */
    node->place = SIM_IN_USE;
    node->is_wiped = false;
    checks_joins(node->checks, node->number);
    sim_node_start(node);
}

void sim_node_take_away(struct sim_node *node)
{
    world_count(node->world, STAT_TAKEN_AWAY);
    trace_note(&node->world->trace, node->number, TRACE_TAKEN_AWAY, 0);
    node->place = SIM_GONE;
    sim_node_end(node, SIM_POWER_CUT);
}

void sim_node_spoil(struct sim_node *node)
{
    node->shall_spoil = true;
}

void sim_node_mend(struct sim_node *node)
{
    node->shall_spoil = false;
    sim_disk_mend(node->disk);
    sim_states_fail_at(node->states, 0);
    node->disk_is_faulty = false;
    node->state_is_faulty = false;
    node->calls_to_end = 0;
    node->disk_least_us = node->plan->disk_least_us;
    node->disk_most_us = node->plan->disk_most_us;
    trace_note(&node->world->trace, node->number, TRACE_DISK_MENDED, 0);
}
