/*
 * cluster.c - a run: storms, healing, quiet spells.
 */
#include "cluster_internal.h"

#include <inttypes.h>
#include <stdlib.h>

#include "space.h"

/* Once everything is mended: so many election timeouts until the cluster serves and all are equal.
 * Several rounds of split votes, and a log to catch up with. */
#define RECOVERY_TIMEOUTS 60
#define QUIET_PROBES      16
#define QUIET_GAP_US      150000
/* The first ones bring back followers that were lost of late: they may wait. */
#define QUIET_WARM_UP 3
/* A storm of few events ends all the same. */
#define STORM_MOST_US UINT64_C(120000000)
#define TIDY_SLICE_US 50000
/* Notes of a failed run, of all nodes in the order of time. */
#define NOTES_SHOWN 120
_Static_assert(NOTES_SHOWN <= TRACE_KEPT, "or some of them are gone");

/* ---- the network's events ---- */

static uint64_t ready_at_us(void *context, size_t node)
{
    struct cluster *cluster = context;
    return sim_node_ready_at_us(&cluster->nodes[node]);
}

static void received(void *context, size_t from, size_t to, struct peer_message *message)
{
    struct cluster *cluster = context;
    sim_node_receive(&cluster->nodes[to], from, message);
}

static enum sim_net_hello hello(void *context, size_t from, size_t to)
{
    struct cluster *cluster = context;
    return sim_node_hello(&cluster->nodes[from], &cluster->nodes[to]);
}

/* ---- healing ---- */

struct sim_node *cluster_leader(struct cluster *cluster)
{
    struct sim_node *leader = NULL;
    for (size_t i = 0; i < cluster->plan.node_count; i++) {
        struct sim_node *node = &cluster->nodes[i];
        if (sim_node_leads(node) && !node->is_wiped &&
            (leader == NULL || node->core.term > leader->core.term)) {
            leader = node;
        }
    }
    return leader;
}

/* Does it count: is it part of what shall settle? */
static bool counts(const struct cluster *cluster, const struct sim_node *node)
{
    return !node->is_held_down && !node->is_wiped && membership_has(&cluster->membership, node);
}

/* One leader, the members that shall be, all that count in its term, everything applied everywhere.
 */
static bool has_settled(struct cluster *cluster)
{
    struct sim_node *leader = cluster_leader(cluster);
    struct replica_status status;
    if (leader == NULL || !membership_steer(&cluster->membership, leader) ||
        !replacements_steer(&cluster->replacements, leader)) {
        return false;
    }
    replica_status_get(leader->core.replica, &status);
    if (!status.barrier_applied || status.applied_index != status.last_index) {
        return false;
    }
    for (size_t i = 0; i < cluster->plan.node_count; i++) {
        const struct sim_node *node = &cluster->nodes[i];
        if (!counts(cluster, node)) {
            continue;
        }
        if (!node->is_up || sim_node_ready_at_us(node) > cluster->world.now_us ||
            node->core.term != leader->core.term ||
            core_applied_index(&node->core) != status.applied_index) {
            return false;
        }
    }
    return true;
}

/* Why not, for whoever has to find out. */
static void fail_unsettled(struct cluster *cluster, uint64_t waited_ms)
{
    char text[400] = "";
    size_t len = 0;
    for (size_t i = 0; i < cluster->plan.node_count && len < sizeof text; i++) {
        const struct sim_node *node = &cluster->nodes[i];
        if (!node->is_up) {
            len += (size_t)snprintf(text + len, sizeof text - len, "; n%zu down%s", i + 1,
                                    node->is_wiped ? ", wiped" : "");
            continue;
        }
        len += (size_t)snprintf(
            text + len, sizeof text - len, "; n%zu%s%s term %" PRIu64 " applied %" PRIu64, i + 1,
            node->is_wiped ? " wiped" : "", sim_node_leads(node) ? " leads" : "", node->core.term,
            core_applied_index(&node->core));
    }
    world_fail(&cluster->world, CHECK_LIVENESS,
               "no healthy cluster %" PRIu64 " ms after everything was mended%s", waited_ms, text);
}

/* ---- does a bare majority serve? ---- */

static void majority_heard(void *context, struct operation *operation)
{
    struct cluster *cluster = context;
    cluster->asked = NULL;
    cluster->majority_serves = operation->outcome == OUTCOME_ANSWERED;
}

/* Has whoever leads answered a command since the minority went down? If not, it is asked: somebody
 * may still believe to lead who does not, so one who fails, or is another by now, is asked anew. */
bool cluster_serves(struct cluster *cluster)
{
    struct sim_node *leader = cluster_leader(cluster);
    if (cluster->majority_serves) {
        return true;
    }
    if (cluster->asked != NULL && (cluster->asked->is_over || cluster->asked->node != leader)) {
        operation_forget(cluster->asked, false);
        cluster->asked = NULL;
    }
    if (cluster->asked == NULL && leader != NULL) {
        request_probe(&cluster->probe, cluster->probes_made++);
        cluster->asked = operation_ask(&cluster->clients.operations, &cluster->probe, leader, false,
                                       majority_heard, cluster);
    }
    return false;
}

void cluster_wait(struct cluster *cluster, bool (*is_done)(struct cluster *cluster))
{
    uint64_t begin_us = cluster->world.now_us;
    uint64_t most_ms = (uint64_t)RECOVERY_TIMEOUTS * cluster->plan.election_timeout_ms;
    while (!cluster->world.failed && !is_done(cluster)) {
        uint64_t waited_ms = (cluster->world.now_us - begin_us) / 1000;
        if (waited_ms > most_ms) {
            fail_unsettled(cluster, waited_ms);
        }
        world_run_until(&cluster->world, cluster->world.now_us + SLICE_US);
    }
}

void cluster_wait_settled(struct cluster *cluster)
{
    cluster_wait(cluster, has_settled);
}

bool cluster_majority_has_settled(struct cluster *cluster)
{
    return cluster_serves(cluster) && has_settled(cluster);
}

/* Takes down all but a bare majority of those that count, or nobody. */
static bool hold_a_minority_down(struct cluster *cluster)
{
    struct random *random = &cluster->world.random;
    size_t left = faults_sound_nodes(&cluster->faults);
    size_t majority = cluster->plan.founder_count / 2 + 1;
    if (left == majority || sim_random_chance(random, 500)) {
        return false;
    }
    world_count(&cluster->world, STAT_MINORITIES);
    while (left > majority) {
        struct sim_node *node = &cluster->nodes[sim_random_below(random, cluster->plan.node_count)];
        if (!node->is_held_down && !node->is_wiped) {
            trace_note(&cluster->world.trace, node->number, TRACE_HELD_DOWN, 0);
            node->is_held_down = true;
            sim_node_end(node, SIM_POWER_CUT);
            left--;
        }
    }
    cluster->majority_serves = false;
    return true;
}

/* Who is left must do: commit something new, too. */
static void wait_for_majority(struct cluster *cluster)
{
    uint64_t committed = checks_count(cluster->checks).committed;
    cluster_wait(cluster, cluster_majority_has_settled);
    if (!cluster->world.failed && checks_count(cluster->checks).committed > committed) {
        world_count(&cluster->world, STAT_MAJORITIES);
    }
}

uint64_t cluster_awake_at_us(const struct cluster *cluster)
{
    uint64_t at_us = cluster->world.now_us;
    for (size_t i = 0; i < cluster->plan.node_count; i++) {
        uint64_t ready_at_us = sim_node_ready_at_us(&cluster->nodes[i]);
        at_us = ready_at_us > at_us ? ready_at_us : at_us;
    }
    return at_us;
}

static void note_recovery(struct cluster *cluster, uint64_t since_us)
{
    uint64_t now_us = cluster->world.now_us;
    uint64_t took_us = now_us > since_us ? now_us - since_us : 0;
    stats_recovered(&cluster->world.stats, took_us, cluster->plan.election_timeout_ms);
    if (took_us / 1000 > cluster->result->recovered_ms) {
        cluster->result->recovered_ms = took_us / 1000;
    }
}

static void let_minority_up(struct cluster *cluster)
{
    for (size_t i = 0; i < cluster->plan.node_count && !cluster->world.failed; i++) {
        cluster->nodes[i].is_held_down = false;
        sim_node_start(&cluster->nodes[i]);
    }
    cluster_wait_settled(cluster);
}

/* ---- whose state is wrong ---- */

/* All that was committed is on the others: what those had who have stopped is not needed any more.
 */
static void replace_the_spoilt(struct cluster *cluster)
{
    for (size_t i = 0; i < cluster->plan.node_count && !cluster->world.failed; i++) {
        if (cluster->nodes[i].is_retired) {
            sim_node_wipe(&cluster->nodes[i]);
            sim_node_start(&cluster->nodes[i]);
        }
    }
}

/* Each has looked at its disk since there is room. */
bool cluster_disks_have_room(struct cluster *cluster)
{
    return low_disks_have_room(&cluster->low_disks);
}

static void heal(struct cluster *cluster)
{
    bool members_change = cluster->plan.change_gap_us > 0 || cluster->plan.replace_gap_us > 0;
    bool majority = false;
    sim_clients_rest(&cluster->clients);
    membership_end_storm(&cluster->membership);
    handovers_end_storm(&cluster->handovers);
    upgrades_end_storm(&cluster->upgrades);
    replacements_end_storm(&cluster->replacements);
    low_disks_end_storm(&cluster->low_disks);
    spoilt_find(cluster);
    if (cluster->is_beyond_repair) {
        return;
    }
    if (!members_change) {
        majority = hold_a_minority_down(cluster);
    }
    world_count(&cluster->world, STAT_HEALINGS);
    trace_note(&cluster->world.trace, TRACE_WORLD, TRACE_HEALED, 0);
    uint64_t last_at_us = cluster->net.last_at_us;
    faults_mend_all(&cluster->faults);
    uint64_t awake_us = cluster_awake_at_us(cluster);
    if (majority) {
        wait_for_majority(cluster);
    } else {
        cluster_wait_settled(cluster);
    }
    /* A leader that has no room, as far as it knows, does not serve before it looks again. */
    if (cluster->plan.low_disk_gap_us == 0) {
        note_recovery(cluster, awake_us);
    }
    /* What is a majority is clear again only now that all are voters. */
    if (members_change && !cluster->world.failed) {
        majority = hold_a_minority_down(cluster);
        if (majority) {
            wait_for_majority(cluster);
        }
    }
    let_minority_up(cluster);
    /* What was late in the storm still comes, and may cost somebody a heartbeat; a leader that was
     * parted just before may find only now that it leads no more. What clients sent in the storm,
     * and the network held up, still comes too, and may fill a small queue. */
    uint64_t shown_us = cluster->world.now_us + UINT64_C(3000) * cluster->plan.election_timeout_ms +
                        cluster->plan.held_up_us;
    world_run_until(&cluster->world, last_at_us > shown_us ? last_at_us : shown_us);
    cluster_wait_settled(cluster);
    replace_the_spoilt(cluster);
    cluster_wait(cluster, cluster_disks_have_room);
    cluster_wait_settled(cluster);
}

/* ---- quiet ---- */

/* Round trips, some writes to disks, and the turns of both sides that wait for more: no timer. */
static uint64_t longest_quiet_us(const struct plan *plan)
{
    uint64_t turn_us = plan->turn_permille > 0 ? plan->turn_us : 0;
    return 10000 + 8 * turn_us + 4 * (plan->disk_most_us + plan->notice_late_us);
}

static void probe_heard(void *context, struct operation *operation)
{
    struct cluster *cluster = context;
    uint64_t took_us = operation->ended_at_us - operation->asked_at_us;
    if (operation->outcome != OUTCOME_ANSWERED) {
        world_fail(&cluster->world, CHECK_QUIET, "a quiet leader refuses a command");
    }
    cluster->probes_answered++;
    cluster->probes_slow += took_us > longest_quiet_us(&cluster->plan);
    if (took_us > cluster->slowest_us) {
        cluster->slowest_us = took_us;
    }
}

static void probe(struct cluster *cluster, struct sim_node *leader)
{
    cluster->probes++;
    request_probe(&cluster->probe, cluster->probes_made++);
    operation_ask(&cluster->clients.operations, &cluster->probe, leader, false, probe_heard,
                  cluster);
}

static void check_quiet_terms(struct cluster *cluster, uint64_t term)
{
    for (size_t i = 0; i < cluster->plan.node_count; i++) {
        const struct sim_node *node = &cluster->nodes[i];
        /* One that is outside may know of an older one. */
        bool older = !membership_has(&cluster->membership, node) && node->core.term < term;
        if (!node->is_wiped && !older && node->core.term != term) {
            world_fail(&cluster->world, CHECK_QUIET,
                       "the term of a quiet cluster went from %" PRIu64 " to %" PRIu64, term,
                       node->core.term);
        }
    }
}

static void quiet_spell(struct cluster *cluster)
{
    struct sim_node *leader = cluster_leader(cluster);
    uint64_t term = leader->core.term;
    world_count(&cluster->world, STAT_QUIET_SPELLS);
    trace_note(&cluster->world.trace, TRACE_WORLD, TRACE_QUIET, 0);
    for (unsigned i = 0; i < QUIET_PROBES && !cluster->world.failed; i++) {
        if (i == QUIET_WARM_UP) {
            cluster->slowest_us = 0;
            cluster->probes_slow = 0;
        }
        probe(cluster, leader);
        world_run_until(&cluster->world, cluster->world.now_us + QUIET_GAP_US);
    }
    if (cluster->world.failed) {
        return;
    }
    check_quiet_terms(cluster, term);
    if (cluster->probes_answered != cluster->probes) {
        world_fail(&cluster->world, CHECK_QUIET,
                   "a quiet cluster answered %" PRIu64 " of %" PRIu64 " commands",
                   cluster->probes_answered, cluster->probes);
    }
    /* One in some thousands waits for a heartbeat all the same: libraft's check of its quorum has
     * counted as lost a follower that nobody had asked anything (raft/feed.c, arm_timer). */
    uint64_t heartbeat_us = UINT64_C(1000) * cluster->plan.election_timeout_ms / 4;
    if (cluster->probes_slow > 1 ||
        cluster->slowest_us > longest_quiet_us(&cluster->plan) + heartbeat_us) {
        world_fail(&cluster->world, CHECK_QUIET,
                   "%u commands to a quiet cluster waited for a timer, the longest %" PRIu64 " us",
                   cluster->probes_slow, cluster->slowest_us);
    }
    if (cluster->slowest_us > cluster->result->slowest_ack_us) {
        cluster->result->slowest_ack_us = cluster->slowest_us;
    }
    /* What was proposed last reaches the last follower with a heartbeat. */
    cluster_wait_settled(cluster);
}

static void quiet(struct cluster *cluster)
{
    membership_draw_absent(&cluster->membership, cluster_leader(cluster));
    cluster_wait_settled(cluster);
    if (!cluster->world.failed) {
        drill_upgrade(cluster);
    }
    if (!cluster->world.failed) {
        drill_low_disks(cluster);
    }
    if (!cluster->world.failed) {
        drill_hand_over(cluster);
    }
    if (!cluster->world.failed) {
        quiet_spell(cluster);
    }
    membership_call_back(&cluster->membership);
    cluster_wait_settled(cluster);
}

/* NULL: nothing is left to be cleared away anywhere. */
static struct sim_node *untidy_node(struct cluster *cluster, struct error *left)
{
    for (size_t i = 0; i < cluster->plan.node_count; i++) {
        struct sim_node *node = &cluster->nodes[i];
        if (node->is_up && !node->is_wiped && !space_is_tidy(node, left)) {
            return node;
        }
    }
    return NULL;
}

static void wait_until_tidy(struct cluster *cluster)
{
    struct world *world = &cluster->world;
    uint64_t until_us = world->now_us + 1000 * space_most_ms(&cluster->plan);
    struct error left;
    struct sim_node *untidy = untidy_node(cluster, &left);
    while (!world->failed && untidy != NULL) {
        if (world->now_us >= until_us) {
            world_fail(world, CHECK_SPACE, "n%zu: %s", untidy->number + 1, left.text);
        }
        world_run_until(world, world->now_us + TIDY_SLICE_US);
        untidy = untidy_node(cluster, &left);
    }
}

/* They are all at the same index: one of them is held against the model's records, the others are
 * equal to it. */
static void audit_all(struct cluster *cluster)
{
    const struct sim_node *first = cluster_leader(cluster);
    for (size_t i = 0; i < cluster->plan.node_count && !cluster->world.failed; i++) {
        struct sim_node *node = &cluster->nodes[i];
        if (!node->is_wiped) {
            struct ledger_store records =
                node->core.state_store.ops->records(node->core.state_store.state);
            checks_audit(cluster->checks, i, records, node->core.ledger,
                         &cluster->nodes[i] == first);
        }
    }
}

/* ---- the run ---- */

static void storm(struct cluster *cluster, uint64_t until_event)
{
    struct world *world = &cluster->world;
    uint64_t end_us = world->now_us + STORM_MOST_US;
    world_count(world, STAT_STORMS);
    faults_begin_storm(&cluster->faults);
    membership_begin_storm(&cluster->membership);
    handovers_begin_storm(&cluster->handovers);
    upgrades_begin_storm(&cluster->upgrades);
    replacements_begin_storm(&cluster->replacements);
    low_disks_begin_storm(&cluster->low_disks);
    sim_clients_go(&cluster->clients);
    while (!world->failed && world->event_count < until_event && world->now_us < end_us) {
        world_run_until(world, world->now_us + SLICE_US);
    }
}

static void start_node(void *owner, void *object, uint64_t value)
{
    (void)object;
    (void)value;
    sim_node_start(owner);
}

static void begin(struct cluster *cluster, const struct cluster_options *options)
{
    static const struct sim_net_events events = {
        .ready_at_us = ready_at_us, .received = received, .hello = hello};
    struct world *world = &cluster->world;
    struct plan *plan = &cluster->plan;
    world_init(world, options->seed, options->trace);
    world->deaf = options->deaf;
    plan_draw(plan, &world->random, options->node_count, options->events);
    plan_bend(plan, &world->random, options->climate);
    trace_note(&world->trace, TRACE_WORLD, TRACE_BEGIN, options->seed, plan->node_count);
    cluster->checks = checks_new(world, plan->node_count);
    sim_net_init(&cluster->net, world, plan->node_count, &events);
    cluster->net.events.context = cluster;
    cluster->net.weather = plan->weather;
    cluster->net.coded_permille = plan->coded_permille;
    cluster->net.old_permille = plan->old_permille;
    faults_init(&cluster->faults, world, &cluster->net, cluster->nodes, plan);
    membership_init(&cluster->membership, world, &cluster->faults, cluster->nodes, plan);
    handovers_init(&cluster->handovers, world, &cluster->faults, cluster->nodes, plan);
    low_disks_init(&cluster->low_disks, world, cluster->nodes, plan);
    replacements_init(&cluster->replacements, world, &cluster->faults, cluster->nodes, plan);
    if (plan->replace_gap_us > 0) {
        checks_keep_ids(cluster->checks);
    }
    for (size_t i = 0; i < plan->node_count; i++) {
        sim_node_init(&cluster->nodes[i], world, &cluster->net, cluster->checks, plan, i);
        cluster->nodes[i].ended = faults_node_ended;
        cluster->nodes[i].context = &cluster->faults;
        world_at(world, sim_random_below(&world->random, 100000), start_node, &cluster->nodes[i],
                 NULL, 0);
    }
    sim_clients_init(&cluster->clients, world, cluster->checks, cluster->nodes, plan);
    upgrades_init(&cluster->upgrades, world, &cluster->clients.operations, cluster->nodes, plan);
}

static void conclude(struct cluster *cluster)
{
    struct world *world = &cluster->world;
    if (!world->failed) {
        spoilt_wait_until_borne_out(cluster);
    }
    if (!world->failed) {
        wait_until_tidy(cluster);
    }
    if (!world->failed) {
        cluster_wait_settled(cluster); /* a leader may write an entry of its own at any time */
    }
    audit_all(cluster);
    if (!world->failed) {
        checks_end(cluster->checks);
    }
}

static void run(struct cluster *cluster, uint64_t events)
{
    struct world *world = &cluster->world;
    for (unsigned i = 1; i <= cluster->plan.storms && !world->failed && !cluster->is_beyond_repair;
         i++) {
        storm(cluster, events * i / cluster->plan.storms);
        if (!world->failed) {
            heal(cluster);
        }
        if (!world->failed && !cluster->is_beyond_repair) {
            quiet(cluster);
        }
    }
    if (!cluster->is_beyond_repair) {
        conclude(cluster);
    }
    trace_note(&world->trace, TRACE_WORLD, TRACE_END, world->random.state, world->event_count);
}

static void end(struct cluster *cluster)
{
    struct cluster_result *result = cluster->result;
    struct world *world = &cluster->world;
    result->failed = world->failed;
    result->failed_check = world->failed_check;
    result->failure = world->failure;
    result->digest = world->trace.digest;
    result->event_count = world->event_count;
    result->simulated_ms = world->now_us / 1000;
    result->node_count = cluster->plan.founder_count;
    for (size_t i = 0; i < cluster->plan.node_count; i++) {
        const struct sim_node *node = &cluster->nodes[i];
        if (!node->is_wiped && node->stored_term > result->term) {
            result->term = node->stored_term;
        }
    }
    for (size_t i = 0; i < cluster->plan.node_count; i++) {
        sim_node_free(&cluster->nodes[i]);
    }
    result->stats = world->stats;
    sim_clients_free(&cluster->clients);
    sim_net_free(&cluster->net);
    checks_free(cluster->checks);
    world_free(world);
}

static const struct cluster *running;

void cluster_print_last(FILE *out)
{
    if (running != NULL) {
        trace_print(&running->world.trace, out, NOTES_SHOWN);
    }
}

void cluster_run(const struct cluster_options *options, struct cluster_result *result, FILE *out)
{
    struct cluster *cluster = memory_zalloc(sizeof *cluster);
    *result = (struct cluster_result){0};
    cluster->result = result;
    running = cluster;
    begin(cluster, options);
    run(cluster, options->events);
    if (cluster->world.failed && options->trace == NULL) {
        cluster_print_last(out);
    }
    end(cluster);
    running = NULL;
    free(cluster);
}
