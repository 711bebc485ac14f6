/*
 * checks.c - the checks of a node's term, vote and role, and of elections.
 *
 * A term's leader is whoever acts as one first: by its role, or by a message that only a leader
 * sends. It must have been given the votes of a majority, its own among them, by nodes that have
 * stored them: of the voters of the latest configuration in its own log (dissertation, section
 * 4.1), whatever those nodes hold for the latest.
 */
#include "checks_internal.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct checks *checks_new(struct world *world, size_t node_count)
{
    assert(node_count >= 1 && node_count <= LIMIT_NODES);
    struct checks *checks = memory_zalloc(sizeof *checks);
    checks->world = world;
    checks->node_count = node_count;
    checks->model = model_new();
    for (size_t i = 0; i < LIMIT_NODES; i++) {
        checks->nodes[i].role = REPLICA_FOLLOWER;
        checks->programs[i].known = LEDGER_VERSION;
    }
    checks->raised_to = LEDGER_VERSION_FIRST;
    return checks;
}

void checks_free(struct checks *checks)
{
    if (checks == NULL) {
        return;
    }
    checks_model_free(checks);
    checks_log_free(checks);
    ledger_command_lines_free(&checks->lines);
    free(checks->terms);
    free(checks->committed);
    free(checks->wrong);
    free(checks->operations);
    free(checks);
}

struct checks_counts checks_count(const struct checks *checks)
{
    return checks->counts;
}

void *checks_room(void *items, uint64_t *capacity, uint64_t count, size_t size)
{
    if (count >= *capacity) {
        uint64_t before = *capacity;
        *capacity = count * 2 + 64;
        items = memory_realloc(items, *capacity * size);
        memset((uint8_t *)items + before * size, 0, (*capacity - before) * size);
    }
    return items;
}

size_t checks_set_size(node_set set)
{
    size_t size = 0;
    for (; set != 0; set &= set - 1) {
        size++;
    }
    return size;
}

/* ---- term and vote ---- */

struct term_view *checks_term(struct checks *checks, size_t node, uint64_t term)
{
    if (term > CHECKS_TERMS) {
        world_fail(checks->world, CHECK_VOTE,
                   "n%zu is in term %" PRIu64 ", which no election can have reached", node + 1,
                   term);
        return NULL;
    }
    checks->terms = checks_room(checks->terms, &checks->term_capacity, term, sizeof *checks->terms);
    return &checks->terms[term];
}

void checks_hard_state(struct checks *checks, size_t node, uint64_t term, uint64_t voted_for)
{
    struct node_view *view = &checks->nodes[node];
    if (checks->world->failed) {
        return;
    }
    trace_note(&checks->world->trace, node, TRACE_HARD_STATE, term, voted_for);
    if (term < view->term) {
        world_fail(checks->world, CHECK_VOTE,
                   "n%zu: the term on its disk fell from %" PRIu64 " to %" PRIu64, node + 1,
                   view->term, term);
        return;
    }
    if (term == view->term && view->voted_for != 0 && voted_for != view->voted_for) {
        world_fail(checks->world, CHECK_VOTE,
                   "n%zu: its vote in term %" PRIu64 " went from n%" PRIu64 " to n%" PRIu64
                   " on its disk",
                   node + 1, term, view->voted_for, voted_for);
        return;
    }
    view->term = term;
    view->voted_for = voted_for;
    struct term_view *record = checks_term(checks, node, term);
    if (record == NULL || view->lost) {
        return;
    }
    if (voted_for == node + 1) {
        record->candidacies[node].votes |= (node_set)1 << node;
        record->has_candidate = true;
    } else if (term > 1 && !record->has_candidate) {
        /* Term 1 is the cluster's first; each other one begins with a vote for oneself. */
        world_fail(checks->world, CHECK_VOTE,
                   "n%zu is in term %" PRIu64 ", for which nobody has stood", node + 1, term);
    }
}

void checks_wiped(struct checks *checks, size_t node)
{
    struct node_view *view = &checks->nodes[node];
    if (checks->world->failed) {
        return;
    }
    trace_note(&checks->world->trace, node, TRACE_WIPED, 0);
    checks_log_wiped(checks, node);
    checks->lost |= (node_set)1 << node;
    *view = (struct node_view){
        .disk = view->disk, .asked = view->asked, .lost = true, .role = REPLICA_FOLLOWER};
}

void checks_spare(struct checks *checks, size_t node)
{
    checks->nodes[node].lost = true;
    checks->lost |= (node_set)1 << node;
}

void checks_joins(struct checks *checks, size_t node)
{
    trace_note(&checks->world->trace, node, TRACE_JOINS, 0);
    checks->nodes[node].lost = false;
    checks->lost &= ~((node_set)1 << node);
}

void checks_spoilt(struct checks *checks, size_t node, bool is_spoilt)
{
    checks->nodes[node].is_spoilt = is_spoilt;
}

/* ---- who leads ---- */

void checks_leads(struct checks *checks, size_t node, uint64_t term)
{
    struct term_view *record = checks_term(checks, node, term);
    if (record == NULL || (record->has_leader && record->leader == node)) {
        return;
    }
    if (record->has_leader) {
        world_fail(checks->world, CHECK_ONE_LEADER,
                   "term %" PRIu64 " has two leaders: n%zu and n%zu", term, record->leader + 1,
                   node + 1);
        return;
    }
    const struct known *configuration = checks_configuration_of(&checks->nodes[node]);
    if (configuration == NULL || (configuration->voters >> node & 1) == 0) {
        world_fail(checks->world, CHECK_ONE_LEADER,
                   "n%zu leads term %" PRIu64 ", and its configuration gives it no vote", node + 1,
                   term);
        return;
    }
    node_set votes = record->candidacies[node].votes;
    if (!checks_is_majority(configuration, votes)) {
        world_fail(checks->world, CHECK_ONE_LEADER,
                   "n%zu leads term %" PRIu64 " with %zu votes of %zu", node + 1, term,
                   checks_voters_among(configuration, votes),
                   checks_set_size(configuration->voters));
        return;
    }
    record->has_leader = true;
    record->leader = node;
    checks_leader_is_complete(checks, node, term);
}

void checks_role(struct checks *checks, size_t node, enum replica_state state, uint64_t term)
{
    static const enum trace_event events[] = {[REPLICA_FOLLOWER] = TRACE_FOLLOWER,
                                              [REPLICA_CANDIDATE] = TRACE_CANDIDATE,
                                              [REPLICA_LEADER] = TRACE_LEADER};
    struct node_view *view = &checks->nodes[node];
    if (checks->world->failed) {
        return;
    }
    trace_note(&checks->world->trace, node, events[state], term);
    if (term < view->role_term) {
        world_fail(checks->world, CHECK_VOTE, "n%zu: its term fell from %" PRIu64 " to %" PRIu64,
                   node + 1, view->role_term, term);
        return;
    }
    if (term > view->term) {
        world_fail(checks->world, CHECK_SAID_DURABLE,
                   "n%zu acts in term %" PRIu64 ", its disk has term %" PRIu64, node + 1, term,
                   view->term);
        return;
    }
    /* Else it is the leader that has changed: one that hands over names none. */
    if (state != view->role || term != view->role_term) {
        checks_clock_role(checks, node, view->role, state);
    }
    view->role = state;
    view->role_term = term;
    if (state != REPLICA_CANDIDATE) {
        view->stands_in = 0;
    }
    if (state == REPLICA_LEADER) {
        checks_leads(checks, node, term);
    }
}
