/*
 * checks_commit.c - what is committed, and what is applied of it.
 *
 * Committed for ever is what the first node held for committed, index after index; it must be on a
 * majority of the disks then, of the voters of the latest configuration in that node's log, and
 * checks_log.c sees to it that it stays there. Entry 1 is committed from birth: every node makes
 * the same one.
 *
 * Which term committed it matters once: who leads a later term must have it (Leader Completeness),
 * while a leader of an earlier one, who does not know yet that nobody listens any more, need not.
 * The term of the node that shows it first is that term or a later one, so the check never asks too
 * much.
 */
#include "checks_internal.h"

#include <stdlib.h>

struct committed *checks_committed_at(const struct checks *checks, uint64_t index)
{
    return index >= 1 && index <= checks->committed_last ? &checks->committed[index - 1] : NULL;
}

/* ---- committing ---- */

static void check_leaders_have(struct checks *checks, size_t node, const struct known *known,
                               uint64_t term)
{
    uint64_t index = known->entry->index;
    for (size_t i = 0; i < checks->node_count; i++) {
        const struct node_view *view = &checks->nodes[i];
        if (view->role == REPLICA_LEADER && view->role_term > term &&
            checks_log_at(&view->asked, index) != known) {
            world_fail(checks->world, CHECK_COMMITTED,
                       "n%zu commits entry %" PRIu64 " of term %" PRIu64 " in term %" PRIu64
                       ", n%zu leads term %" PRIu64 " without it",
                       node + 1, index, known->entry->term, term, i + 1, view->role_term);
            return;
        }
    }
}

/* Disks that have it; and those that were wiped since, if they had acknowledged it in this term:
 * whoever was wiped votes no more, and of the others a majority of all has to. */
static node_set disks_of(const struct checks *checks, const struct node_view *view,
                         const struct known *known)
{
    node_set disks = known->on_disks;
    for (size_t i = 0; i < checks->node_count && view->term < checks->term_capacity; i++) {
        if ((known->on_lost >> i & 1) != 0 &&
            checks->terms[view->term].acknowledged[i] >= known->entry->index) {
            disks |= (node_set)1 << i;
        }
    }
    return disks;
}

static void commit_first(struct checks *checks, size_t node, struct known *known)
{
    const struct node_view *view = &checks->nodes[node];
    uint64_t index = known->entry->index;
    node_set disks = disks_of(checks, view, known);
    const struct known *configuration = checks_configuration_of(view);
    if (index > 1 && !checks_is_majority(configuration, disks)) {
        world_fail(checks->world, CHECK_COMMITTED,
                   "n%zu commits entry %" PRIu64 " of term %" PRIu64
                   ", which is on %zu disks of %zu",
                   node + 1, index, known->entry->term, checks_voters_among(configuration, disks),
                   checks_set_size(configuration->voters));
        return;
    }
    checks->committed = checks_room(checks->committed, &checks->committed_capacity,
                                    checks->committed_last, sizeof *checks->committed);
    checks->committed[checks->committed_last++] =
        (struct committed){.known = known, .term = view->term, .at_us = checks->world->now_us};
    known->committed = true;
    checks->counts.committed = checks->committed_last;
    check_leaders_have(checks, node, known, view->term);
    checks_history_committed(checks, known->entry);
}

/* A leader counts disks for entries of its own term only; older ones are committed with them
 * (dissertation, figure 3.7). A lone voter needs to count nobody. */
static void check_own_term(struct checks *checks, size_t node, const struct known *known)
{
    const struct node_view *view = &checks->nodes[node];
    if (view->role == REPLICA_LEADER && known->entry->index > 1 &&
        known->entry->term != view->role_term &&
        checks_set_size(checks_configuration_of(view)->voters) > 1) {
        world_fail(checks->world, CHECK_COMMITTED,
                   "n%zu leads term %" PRIu64 " and commits up to %" PRIu64
                   ", an entry of term %" PRIu64,
                   node + 1, view->role_term, known->entry->index, known->entry->term);
    }
}

void checks_commits(struct checks *checks, size_t node, uint64_t commit_index)
{
    struct node_view *view = &checks->nodes[node];
    if (view->lost) {
        return;
    }
    if (commit_index < view->commit_index) {
        world_fail(checks->world, CHECK_COMMITTED,
                   "n%zu: its commit index fell from %" PRIu64 " to %" PRIu64, node + 1,
                   view->commit_index, commit_index);
        return;
    }
    trace_note(&checks->world->trace, node, TRACE_COMMIT_INDEX, commit_index);
    while (view->commit_index < commit_index && !checks->world->failed) {
        uint64_t index = view->commit_index + 1;
        struct known *known = checks_log_at(&view->asked, index);
        if (known == NULL) {
            world_fail(checks->world, CHECK_COMMITTED,
                       "n%zu commits up to %" PRIu64 ", its log ends at %" PRIu64, node + 1,
                       commit_index, view->asked.last);
            return;
        }
        const struct committed *committed = checks_committed_at(checks, index);
        if (committed == NULL) {
            commit_first(checks, node, known);
        } else if (committed->known != known) {
            world_fail(checks->world, CHECK_COMMITTED,
                       "n%zu commits an entry %" PRIu64 " of term %" PRIu64
                       ", committed before is one of term %" PRIu64,
                       node + 1, index, known->entry->term, committed->known->entry->term);
        }
        view->commit_index = index;
        if (index == commit_index) {
            check_own_term(checks, node, known);
        }
    }
}

/* A reply of an earlier term, or a match that an earlier leader knew, counts for nothing: the log
 * may have changed since. What is counted so need not do harm at once, so it is looked at here and
 * not only when it commits something. */
void checks_match(struct checks *checks, size_t node, size_t other, uint64_t match_index)
{
    const struct node_view *view = &checks->nodes[node];
    if (checks->world->failed || view->role != REPLICA_LEADER || checks->nodes[other].lost) {
        return;
    }
    const struct term_view *record = checks_term(checks, node, view->role_term);
    if (record != NULL && match_index > record->acknowledged[other]) {
        world_fail(checks->world, CHECK_COMMITTED,
                   "n%zu leads term %" PRIu64 " and takes n%zu to have %" PRIu64
                   ", which has acknowledged %" PRIu64 " in this term",
                   node + 1, view->role_term, other + 1, match_index, record->acknowledged[other]);
    }
}

void checks_commit_index(struct checks *checks, size_t node, uint64_t commit_index)
{
    if (!checks->world->failed && commit_index != checks->nodes[node].commit_index) {
        checks_commits(checks, node, commit_index);
    }
}

void checks_leader_is_complete(struct checks *checks, size_t node, uint64_t term)
{
    uint64_t index = checks->committed_last;
    while (index > 0 && checks->committed[index - 1].term >= term) {
        index--;
    }
    /* Having that one, it has all before it. */
    const struct committed *committed = checks_committed_at(checks, index);
    if (committed != NULL && checks_log_at(&checks->nodes[node].asked, index) != committed->known) {
        world_fail(checks->world, CHECK_COMMITTED,
                   "n%zu leads term %" PRIu64 " without entry %" PRIu64 " of term %" PRIu64
                   ", which was committed in term %" PRIu64,
                   node + 1, term, index, committed->known->entry->term, committed->term);
    }
}

/* ---- applying ---- */

void checks_started(struct checks *checks, size_t node, uint64_t applied_index,
                    struct hash128 digest)
{
    struct node_view *view = &checks->nodes[node];
    if (checks->world->failed) {
        return;
    }
    trace_note(&checks->world->trace, node, TRACE_STARTED, applied_index, digest.low);
    view->stands_in = 0;
    view->clock = (struct clock_view){0};
    if (view->lost) {
        return;
    }
    if (applied_index > view->applied_most) {
        world_fail(checks->world, CHECK_APPLIED,
                   "n%zu starts with a state of %" PRIu64 ", it never came further than %" PRIu64,
                   node + 1, applied_index, view->applied_most);
        return;
    }
    const struct committed *committed = checks_committed_at(checks, applied_index);
    if (committed != NULL && !view->is_spoilt && !hash128_equal(digest, committed->digest)) {
        world_fail(checks->world, CHECK_DIGEST,
                   "n%zu starts with another state of %" PRIu64 " than it had", node + 1,
                   applied_index);
        return;
    }
    view->applied_index = applied_index;
    checks_version_at(checks, node, committed);
}

static bool may_apply(struct checks *checks, size_t node, uint64_t index)
{
    const struct node_view *view = &checks->nodes[node];
    const struct committed *committed = checks_committed_at(checks, index);
    if (index != view->applied_index + 1) {
        world_fail(checks->world, CHECK_APPLIED, "n%zu applies entry %" PRIu64 " behind %" PRIu64,
                   node + 1, index, view->applied_index);
        return false;
    }
    if (index > view->commit_index || committed == NULL) {
        world_fail(checks->world, CHECK_APPLIED,
                   "n%zu applies entry %" PRIu64 ", its commit index is %" PRIu64, node + 1, index,
                   view->commit_index);
        return false;
    }
    if (checks_log_at(&view->disk, index) != committed->known) {
        world_fail(checks->world, CHECK_APPLIED,
                   "n%zu applies entry %" PRIu64 ", which is not on its disk", node + 1, index);
        return false;
    }
    return true;
}

static void note_wrong(struct checks *checks, uint64_t index, struct hash128 digest)
{
    if (checks->wrong_count == checks->wrong_capacity) {
        checks->wrong_capacity = checks->wrong_capacity * 2 + 64;
        checks->wrong =
            memory_realloc(checks->wrong, checks->wrong_capacity * sizeof *checks->wrong);
    }
    checks->wrong[checks->wrong_count++] = (struct wrong_state){index, digest};
}

bool checks_is_wrong(const struct checks *checks, uint64_t index, struct hash128 digest)
{
    if (index > 0 && index <= checks->committed_last && checks->committed[index - 1].applied &&
        hash128_equal(checks->committed[index - 1].digest, digest)) {
        return false;
    }
    for (size_t i = 0; i < checks->wrong_count; i++) {
        if (checks->wrong[i].index == index && hash128_equal(checks->wrong[i].digest, digest)) {
            return true;
        }
    }
    return false;
}

void checks_applied(struct checks *checks, size_t node, uint64_t index, struct ledger *ledger)
{
    struct node_view *view = &checks->nodes[node];
    struct hash128 digest = ledger_digest(ledger);
    if (checks->world->failed || view->lost) {
        return;
    }
    trace_note(&checks->world->trace, node, TRACE_APPLIED, index, digest.low);
    if (!may_apply(checks, node, index) || !checks_model_reach(checks, index)) {
        return;
    }
    view->applied_index = index;
    view->applied_most = index > view->applied_most ? index : view->applied_most;
    struct committed *committed = checks_committed_at(checks, index);
    checks_version_at(checks, node, committed);
    if (checks->world->failed) {
        return;
    }
    if (view->is_spoilt) {
        note_wrong(checks, index, digest);
        return;
    }
    if (committed->applied) {
        if (!hash128_equal(digest, committed->digest)) {
            world_fail(checks->world, CHECK_DIGEST,
                       "n%zu has another state than others at %" PRIu64 ": digest %016" PRIx64
                       ", not %016" PRIx64,
                       node + 1, index, digest.low, committed->digest.low);
        }
        return;
    }
    committed->applied = true;
    committed->digest = digest;
    if (index == checks->model_index) {
        checks_model_compare(checks, node, ledger);
    }
}

/* ---- the end ---- */

static void check_settled(struct checks *checks, size_t node)
{
    const struct node_view *view = &checks->nodes[node];
    for (uint64_t index = 1; index <= checks->committed_last; index++) {
        const struct known *known = checks->committed[index - 1].known;
        if (checks_log_at(&view->disk, index) != known) {
            world_fail(checks->world, CHECK_COMMITTED,
                       "at the end n%zu does not have the committed entry %" PRIu64
                       " of term %" PRIu64 " on its disk",
                       node + 1, index, known->entry->term);
            return;
        }
    }
    if (view->applied_index != checks->committed_last) {
        world_fail(checks->world, CHECK_APPLIED,
                   "at the end n%zu has applied %" PRIu64 " of %" PRIu64 " entries", node + 1,
                   view->applied_index, checks->committed_last);
    }
}

void checks_end(struct checks *checks)
{
    for (size_t node = 0; node < checks->node_count && !checks->world->failed; node++) {
        if (!checks->nodes[node].lost) {
            check_settled(checks, node);
        }
    }
    if (!checks->world->failed) {
        checks_model_end(checks);
    }
    if (!checks->world->failed) {
        checks_history_end(checks);
    }
}
