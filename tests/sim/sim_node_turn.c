/*
 * sim_node_turn.c - a node's loop: events, turns, and what a call into the core may come to.
 *
 * A call that returns false must have been given a failure by the disk or by the state's database,
 * or have met the end that was planned for it; one that returns true must have met neither
 * (CHECK_FAIL_STOP). The log's thread is held to the same where it writes; of its failure the loop
 * hears later, in its words.
 *
 * The order of events within a turn is theirs; timers, reads and the submit come at its end, as in
 * node/node.c. A turn that takes more than one event stays open for a while.
 */
#include "sim_node_internal.h"

#include <stdlib.h>

#include "core/upgrade.h"

/* What a turn costs: a node that wants to go on at once does so after this. */
#define TURN_US 50

static void report_hard_state(struct sim_node *node)
{
    uint64_t term = data_directory_term(node->core.directory);
    uint64_t vote = data_directory_voted_for(node->core.directory);
    if (term != node->stored_term || vote != node->stored_vote) {
        node->stored_term = term;
        node->stored_vote = vote;
        checks_hard_state(node->checks, node->number, term, vote);
    }
}

/* What a leader takes the others to have. */
static void report_matches(struct sim_node *node, const struct replica_status *status)
{
    for (size_t i = 0; status->state == REPLICA_LEADER && i < node->plan->node_count; i++) {
        if (i != node->number) {
            checks_match(node->checks, node->number, i,
                         replica_match_index(node->core.replica, i + 1));
        }
    }
}

/* The replica stands at a snapshot that is being installed; or the core at its state. */
static void report_install(struct sim_node *node, const struct replica_status *status)
{
    if (status->installing && !node->is_installing) {
        checks_installing(node->checks, node->number, status->last_index);
        node->log_asked = status->last_index;
    }
    node->is_installing = status->installing;
    uint64_t store = node_store_number(node);
    if (store != node->store_seen) {
        node->store_seen = store;
        node_judge_state(node);
        sim_state_watch(node_state(node), true);
        checks_replaced(node->checks, node->number, core_applied_index(&node->core),
                        ledger_digest(node->core.ledger));
        sim_state_watch(node_state(node), false);
    }
}

void sim_node_report(struct sim_node *node)
{
    struct replica_status status;
    report_hard_state(node);
    replica_status_get(node->core.replica, &status);
    report_install(node, &status);
    checks_transferring(node->checks, node->number, status.transferring_to);
    if (status.transferring_to != 0) {
        node->handed_over_at_us = node->world->now_us;
    }
    report_matches(node, &status);
    checks_commit_index(node->checks, node->number, status.commit_index);
}

void node_report_members(struct sim_node *node)
{
    struct replica_member members[LIMIT_NODES];
    size_t count = replica_members(node->core.replica, members, LIMIT_NODES);
    checks_members(node->checks, node->number, members, count);
}

/* The disk or the state has failed, and the process stops itself: its last words are in `error`. */
static void stop_failed(struct sim_node *node, const struct error *error)
{
    enum sim_end how = sim_random_chance(&node->world->random, 300) ? SIM_POWER_CUT : SIM_KILLED;
    if (error->text[0] == '\0') {
        world_fail(node->world, CHECK_FAIL_STOP, "node %zu stops without a word", node->number + 1);
    }
    world_count(node->world, node->is_up ? STAT_FAIL_STOPS : STAT_REFUSED_STARTS);
    trace_note(&node->world->trace, node->number, TRACE_STOPPED, 0);
    node_begin_end(node, how);
    node_end(node);
}

uint64_t node_disk_failures(struct sim_node *node)
{
    uint64_t before = node->failures_seen;
    node->failures_seen = sim_disk_failures(node->disk);
    return node->failures_seen - before;
}

uint64_t node_state_failures(struct sim_node *node)
{
    uint64_t before = node->state_failures_seen;
    node->state_failures_seen = sim_states_failures(node->states);
    return node->state_failures_seen - before;
}

/* Has work in the pool met a failure of which the loop has not heard yet? Manifest and log take
 * nothing more behind it. */
static bool has_failed_in_pool(const struct sim_node *node)
{
    bool failed = false;
    for (size_t i = 0; i < node->work_count; i++) {
        failed = failed || node->works[i].has_failed;
    }
    return failed;
}

/* Is the error the log's failure, or what the log says to whoever reads it behind that? */
static bool is_log_failure(const struct sim_node *node, const struct error *error)
{
    return node->log_failed &&
           (error == &node->log_failure || strstr(error->text, "the log failed before") != NULL);
}

/* Its state is wrong, and it has found out. Its directory is kept until the cluster has healed;
 * then it comes back without one. */
static void stop_spoilt(struct sim_node *node)
{
    world_count(node->world, STAT_SPOILT_STOPPED);
    trace_note(&node->world->trace, node->number, TRACE_SPOILT_STOPPED, 0);
    sim_node_retire(node);
}

void sim_node_retire(struct sim_node *node)
{
    if (node->is_up) {
        node_begin_end(node, SIM_KILLED);
        node_end(node);
    }
    node->is_retired = true;
    node->is_wiped = true; /* it counts as one, for who shall settle and lead */
}

/* The ledger is of a version, or is raised to one, that its program does not know: so it says, and
 * so it is. */
static bool is_too_old(const struct sim_node *node, const struct error *error)
{
    return strstr(error->text, "this program knows versions up to") != NULL &&
           checks_needs_program(node->checks, node->number);
}

static void stop_too_old(struct sim_node *node)
{
    world_count(node->world, STAT_TOO_OLD);
    trace_note(&node->world->trace, node->number, TRACE_TOO_OLD, 0);
    node_begin_end(node, SIM_KILLED);
    node_end(node);
    node->is_too_old = true;
}

bool node_survives(struct sim_node *node, bool ok, const struct error *error)
{
    return node_survives_failure(node, ok, false, error);
}

bool node_survives_failure(struct sim_node *node, bool ok, bool failed, const struct error *error)
{
    bool disk_failed = node_disk_failures(node) > 0 || failed;
    bool state_failed = node_state_failures(node) > 0;
    if (node->is_crashing || !sim_disk_has_power(node->disk)) {
        if (!node->is_crashing) {
            world_count(node->world, node->is_up ? STAT_CRASHED_IN_FILE : STAT_CRASHED_IN_START);
        }
        node_end(node);
        return false;
    }
    if (ok && (disk_failed || state_failed)) {
        world_fail(node->world, CHECK_FAIL_STOP, "node %zu goes on though its %s failed",
                   node->number + 1, disk_failed ? "disk" : "state's database");
        return false;
    }
    if (!ok && node->spoilt_from != 0 && strstr(error->text, "the state of this node is wrong")) {
        stop_spoilt(node);
        return false;
    }
    if (!ok && is_too_old(node, error)) {
        stop_too_old(node);
        return false;
    }
    if (!ok && !disk_failed && !state_failed && !is_log_failure(node, error) &&
        !has_failed_in_pool(node)) {
        world_fail(node->world, CHECK_FAIL_STOP, "node %zu stops though nothing has failed: %s",
                   node->number + 1, error->text);
        return false;
    }
    if (!ok) {
        stop_failed(node, error);
        return false;
    }
    if (node->is_up) {
        sim_node_report(node);
    }
    return !node->world->failed;
}

/* ---- the end of a turn ---- */

static void arm_timer(struct sim_node *node);

static void wake(void *owner, void *object, uint64_t at_us)
{
    struct sim_node *node = owner;
    struct world *world = node->world;
    (void)object;
    if (!node->is_up || node->wake_at_us != at_us) {
        world_was_idle(world);
        return;
    }
    node->wake_at_us = 0;
    if (node->paused_until_us > world->now_us) {
        world_was_idle(world);
        node->wake_at_us = node->paused_until_us;
        world_at(world, node->wake_at_us, wake, node, NULL, node->wake_at_us);
        return;
    }
    if (sim_clock_until_us(&node->clock, world->now_us, core_next_ms(&node->core)) > 0) {
        world_was_idle(world); /* put off meanwhile */
        arm_timer(node);
        return;
    }
    node_after_event(node);
}

static void arm_timer(struct sim_node *node)
{
    struct world *world = node->world;
    uint64_t left_us = sim_clock_until_us(&node->clock, world->now_us, core_next_ms(&node->core));
    uint64_t late_us = sim_random_below(&world->random, node->plan->timer_late_us);
    uint64_t at_us = world->now_us + (left_us > 0 ? left_us + late_us : TURN_US);
    if (node->wake_at_us == 0 || at_us < node->wake_at_us) {
        node->wake_at_us = at_us;
        world_at(world, at_us, wake, node, NULL, at_us);
    }
}

static bool answer_reads(struct sim_node *node)
{
    struct error error;
    bool answered = true;
    for (unsigned i = 0; answered && i < node->plan->reads_per_turn; i++) {
        bool ok = core_answer_read(&node->core, &answered, &error);
        if (!node_survives(node, ok, &error)) {
            return false;
        }
    }
    return true;
}

static void end_turn(struct sim_node *node)
{
    struct error error;
    node->is_turn_open = false;
    bool ok = core_tick(&node->core, &error);
    if (node_survives(node, ok, &error) && answer_reads(node) &&
        node_survives(node, core_flush(&node->core, &error), &error)) {
        arm_timer(node);
    }
}

static void turn_is_over(void *owner, void *object, uint64_t life)
{
    struct sim_node *node = owner;
    if (life != node->life || !node->is_turn_open) {
        world_was_idle(node->world);
        return;
    }
    if (node->paused_until_us > node->world->now_us) {
        world_was_idle(node->world);
        world_at(node->world, node->paused_until_us, turn_is_over, node, object, life);
        return;
    }
    end_turn(node);
}

void node_after_event(struct sim_node *node)
{
    struct random *random = &node->world->random;
    if (node->is_turn_open) {
        return;
    }
    if (sim_random_chance(random, node->plan->turn_permille)) {
        node->is_turn_open = true;
        world_after(node->world, sim_random_below(random, node->plan->turn_us), turn_is_over, node,
                    NULL, node->life);
    } else {
        end_turn(node);
    }
}

/* ---- upkeep ---- */

static void upkeep(void *owner, void *object, uint64_t life)
{
    struct sim_node *node = owner;
    struct world *world = node->world;
    struct error error;
    (void)object;
    if (life != node->life) {
        world_was_idle(world);
        return;
    }
    if (node->paused_until_us > world->now_us) {
        world_was_idle(world);
        world_at(world, node->paused_until_us, upkeep, node, NULL, life);
        return;
    }
    if (node_survives(node, core_upkeep(&node->core, &error), &error)) {
        world_after(world, UINT64_C(1000) * CORE_UPKEEP_MS, upkeep, node, NULL, life);
        node_after_event(node);
    }
}

void node_begin_turns(struct sim_node *node)
{
    world_after(node->world, UINT64_C(1000) * CORE_UPKEEP_MS, upkeep, node, NULL, node->life);
    arm_timer(node);
}

/* ---- events ---- */

uint64_t sim_node_ready_at_us(const struct sim_node *node)
{
    uint64_t now_us = node->world->now_us;
    return node->is_up && node->paused_until_us > now_us ? node->paused_until_us : now_us;
}

void sim_node_receive(struct sim_node *node, size_t from, struct peer_message *message)
{
    struct error error;
    if (!node->is_up) {
        peer_message_free(message);
        return;
    }
    trace_received(&node->world->trace, node->number, from, message);
    bool is_append = message->type == PEER_APPEND_ENTRIES;
    if (message->type == PEER_CHECKPOINT_PART) {
        world_count(node->world, STAT_FETCHES);
    }
    bool ok = core_receive(&node->core, from + 1, message, &error);
    if (node_survives(node, ok, &error)) {
        if (is_append && node->core.leader_id == from + 1) {
            checks_heard(node->checks, node->number);
        }
        node_after_event(node);
    }
}

/* Does the node take the other in? False also if it has ended over the question. */
static bool admits(struct sim_node *node, const struct sim_node *peer, bool *ended)
{
    struct error error;
    struct error why;
    bool admitted = false;
    bool ok = core_admit(&node->core, peer->number + 1,
                         data_directory_incarnation(peer->core.directory), &admitted, &why, &error);
    *ended = !node_survives(node, ok, &error);
    if (!*ended && admitted) {
        checks_welcomed(node->checks, node->number, peer->number,
                        data_directory_incarnation(peer->core.directory));
    }
    return admitted;
}

enum sim_net_hello sim_node_hello(struct sim_node *node, struct sim_node *peer)
{
    bool ended = false;
    if (!node->is_up || !peer->is_up) {
        return SIM_NET_DOWN;
    }
    bool welcome = admits(peer, node, &ended);
    if (ended) {
        return SIM_NET_DOWN;
    }
    welcome = welcome && admits(node, peer, &ended);
    if (ended) {
        return SIM_NET_DOWN;
    }
    if (!welcome) {
        return SIM_NET_REFUSED;
    }
    trace_note(&node->world->trace, node->number, TRACE_CONNECTED, peer->number + 1);
    core_peer_connected(&node->core, peer->number + 1,
                        data_directory_incarnation(peer->core.directory));
    return SIM_NET_WELCOME;
}

bool sim_node_propose(struct sim_node *node, struct proposal *proposal)
{
    if (!node->is_up) {
        return false;
    }
    bool is_read = proposal->is_read;
    bool taken = core_propose(&node->core, proposal);
    if (core_leads(&node->core)) {
        node_check_room(node, is_read, taken);
    }
    if (!taken) {
        if (core_leads(&node->core) && (is_read || !node->is_low)) {
            world_count(node->world, STAT_QUEUE_FULL);
        }
        return false;
    }
    node_after_event(node);
    return true;
}

void sim_node_count_proposal(struct sim_node *node)
{
    uint64_t index = core_applied_index(&node->core);
    node->group_count = index == node->group_index ? node->group_count + 1 : 1;
    node->group_index = index;
    world_count(node->world, STAT_PROPOSALS);
    if (node->group_count == 1) {
        world_count(node->world, STAT_PROPOSED_ENTRIES);
    } else if (node->group_count == 2) {
        world_count(node->world, STAT_GROUPS);
    }
}

bool sim_node_change_members(struct sim_node *node, const struct replica_change *change,
                             bool by_rules)
{
    struct error error;
    struct error why;
    bool accepted = false;
    if (!node->is_up || node->paused_until_us > node->world->now_us) {
        return false;
    }
    bool ok = by_rules ? core_change_members(&node->core, change, &accepted, &why, &error)
                       : replica_change_members(node->core.replica, change,
                                                core_now_ms(&node->core), &accepted, &why, &error);
    if (!node->is_crashing) {
        world_count(node->world, accepted ? STAT_CHANGES : STAT_CHANGES_REFUSED);
        trace_note(&node->world->trace, node->number, TRACE_CHANGE, change->kind, change->id,
                   accepted);
    }
    if (!node_survives(node, ok, &error)) {
        return false;
    }
    node_after_event(node);
    return accepted && node->is_up;
}

bool sim_node_hand_over(struct sim_node *node, uint64_t to)
{
    struct error error;
    struct error why;
    bool accepted = false;
    if (!node->is_up || node->paused_until_us > node->world->now_us) {
        return false;
    }
    bool ok = core_transfer_leadership(&node->core, to, &accepted, &why, &error);
    if (!node->is_crashing) {
        world_count(node->world, accepted ? STAT_TRANSFERS : STAT_TRANSFERS_REFUSED);
        trace_note(&node->world->trace, node->number, TRACE_TRANSFER, to, accepted);
    }
    if (!node_survives(node, ok, &error)) {
        return false;
    }
    node_after_event(node);
    return accepted && node->is_up;
}

bool sim_node_may_raise(struct sim_node *node, unsigned version, struct error *why)
{
    if (!sim_node_leads(node) || node->paused_until_us > node->world->now_us) {
        return error_set(why, "it does not lead");
    }
    bool may = core_may_raise_version(&node->core, version, why);
    if (may) {
        checks_may_raise(node->checks, node->number, version);
    }
    return may;
}

bool sim_node_leads(const struct sim_node *node)
{
    return node->is_up && core_leads(&node->core);
}

/* ---- audits ---- */

static void audit_ended(struct audit *audit)
{
    struct sim_node *node = (struct sim_node *)audit->core->env.context;
    if (node->is_crashing || node->spoilt_from != 0) {
        free(audit);
        return;
    }
    world_count(node->world, STAT_AUDITS);
    trace_note(&node->world->trace, node->number, TRACE_AUDIT, audit->applied_index);
    if (!audit->ok) {
        world_fail(node->world, CHECK_INVARIANTS, "node %zu's audit can't read the state: %s",
                   node->number + 1, audit->error.text);
    } else if (audit->result.violation_count != 0 ||
               !hash128_equal(audit->result.stored_digest, audit->result.recomputed_digest)) {
        world_fail(node->world, CHECK_INVARIANTS, "node %zu's audit at %" PRIu64 ": %s",
                   node->number + 1, audit->applied_index,
                   audit->result.violation_count != 0 ? audit->result.violations[0]
                                                      : "the digest is not that of the records");
    }
    free(audit);
}

void sim_node_audit(struct sim_node *node)
{
    struct audit *audit = memory_zalloc(sizeof *audit);
    struct error error;
    enum audit_refusal why;
    if (!node->is_up || node->paused_until_us > node->world->now_us) {
        free(audit);
        return;
    }
    audit->ended = audit_ended;
    if (!audit_start(audit, &node->core, &why, &error)) {
        free(audit);
        if (why != AUDIT_BUSY && !node->pool_refused) {
            world_fail(node->world, CHECK_INVARIANTS, "node %zu can't be audited: %s",
                       node->number + 1, error.text);
        }
    }
}
