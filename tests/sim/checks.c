/*
 * checks.c - the invariants of a simulated cluster.
 */
#include "checks.h"

#include <inttypes.h>
#include <stdlib.h>

void checks_init(struct checks *checks, struct world *world, const struct sim_disk *const *disks,
                 size_t node_count)
{
    *checks = (struct checks){.world = world, .node_count = node_count, .disks = disks};
}

void checks_free(struct checks *checks)
{
    for (uint64_t i = 0; i < checks->committed.last; i++) {
        entry_release(checks->committed.entries[i]);
    }
    free((void *)checks->committed.entries);
    free(checks->leader_of_term);
    free(checks->states);
    free(checks->proposals);
}

static bool same_entry(const struct entry *a, const struct entry *b)
{
    return a == b || (a->index == b->index && a->term == b->term && a->type == b->type &&
                      bytes_equal(a->data, b->data));
}

void checks_leader(struct checks *checks, size_t node, uint64_t term)
{
    if (term >= checks->term_count) {
        uint64_t count = term * 2 + 16;
        checks->leader_of_term =
            memory_realloc(checks->leader_of_term, count * sizeof *checks->leader_of_term);
        for (uint64_t i = checks->term_count; i < count; i++) {
            checks->leader_of_term[i] = 0;
        }
        checks->term_count = count;
    }
    uint64_t known = checks->leader_of_term[term];
    if (known != 0 && known != node + 1) {
        world_fail(checks->world, "term %" PRIu64 " has two leaders: nodes %" PRIu64 " and %zu",
                   term, known - 1, node);
    }
    checks->leader_of_term[term] = node + 1;
}

static void entry_becomes_committed(struct checks *checks, size_t node, uint64_t index)
{
    struct entry *entry = sim_log_get(&checks->disks[node]->view, index);
    size_t synced = 0;
    if (entry == NULL) {
        world_fail(checks->world, "node %zu commits entry %" PRIu64 ", which it does not have",
                   node, index);
        return;
    }
    for (size_t i = 0; i < checks->node_count; i++) {
        const struct entry *there = sim_log_get(&checks->disks[i]->log, index);
        synced += there != NULL && same_entry(there, entry);
    }
    if (synced <= checks->node_count / 2) {
        world_fail(checks->world,
                   "node %zu commits entry %" PRIu64 " of term %" PRIu64
                   ", which is synced on %zu of %zu disks",
                   node, index, entry->term, synced, checks->node_count);
    }
    struct sim_log *committed = &checks->committed;
    if (committed->last == committed->capacity) {
        committed->capacity = committed->capacity * 2 + 256;
        committed->entries = memory_realloc((void *)committed->entries,
                                            committed->capacity * sizeof(struct entry *));
    }
    committed->entries[committed->last++] = entry_reference(entry);
}

void checks_commit(struct checks *checks, size_t node, uint64_t before, uint64_t commit_index)
{
    if (commit_index < before) {
        world_fail(checks->world, "node %zu: the commit index fell from %" PRIu64 " to %" PRIu64,
                   node, before, commit_index);
    }
    for (uint64_t index = before + 1; index <= commit_index && !checks->world->failed; index++) {
        if (index > checks->committed.last) {
            /* Entry 1 is committed from birth: every node makes the same one by itself. */
            if (index > 1) {
                entry_becomes_committed(checks, node, index);
                continue;
            }
            struct entry *first = sim_log_get(&checks->disks[node]->view, 1);
            checks->committed.entries = memory_alloc(256 * sizeof(struct entry *));
            checks->committed.capacity = 256;
            checks->committed.entries[checks->committed.last++] = entry_reference(first);
        }
        const struct entry *entry = sim_log_get(&checks->disks[node]->view, index);
        const struct entry *known = sim_log_get(&checks->committed, index);
        if (entry == NULL || !same_entry(entry, known)) {
            world_fail(checks->world,
                       "node %zu has another entry %" PRIu64 " than was committed in term "
                       "%" PRIu64,
                       node, index, known->term);
        }
    }
}

static struct hash128 hash_of(const struct entry *entry)
{
    const uint64_t head[3] = {entry->index, entry->term, (uint64_t)entry->type};
    return hash128_of_pair(bytes_of(head, sizeof head), entry->data);
}

static void note_proposal(struct checks *checks, uint64_t proposal, uint8_t what)
{
    if (proposal >= checks->proposal_count) {
        uint64_t count = proposal * 2 + 256;
        checks->proposals = memory_realloc(checks->proposals, count);
        for (uint64_t i = checks->proposal_count; i < count; i++) {
            checks->proposals[i] = 0;
        }
        checks->proposal_count = count;
    }
    checks->proposals[proposal] |= what;
}

struct hash128 checks_apply(struct checks *checks, size_t node, struct hash128 state,
                            const struct entry *entry, uint64_t proposal)
{
    struct hash128 applied[2] = {state, hash_of(entry)};
    struct hash128 next = hash128_of(bytes_of(applied, sizeof applied));
    uint64_t index = entry->index;
    const struct entry *known = sim_log_get(&checks->committed, index);
    const struct entry *durable = sim_log_get(&checks->disks[node]->log, index);
    if (known == NULL || !same_entry(known, entry)) {
        world_fail(checks->world,
                   "node %zu applies entry %" PRIu64 ", which is not the committed one", node,
                   index);
    }
    if (durable == NULL || !same_entry(durable, entry)) {
        world_fail(checks->world, "node %zu applies entry %" PRIu64 ", which is not on its disk",
                   node, index);
    }
    if (index > checks->state_count) {
        if (index != checks->state_count + 1) {
            world_fail(checks->world,
                       "node %zu applies entry %" PRIu64 " where %" PRIu64 " is next", node, index,
                       checks->state_count + 1);
            return next;
        }
        if (checks->state_count == checks->state_capacity) {
            checks->state_capacity = checks->state_capacity * 2 + 256;
            checks->states =
                memory_realloc(checks->states, checks->state_capacity * sizeof *checks->states);
        }
        checks->states[checks->state_count++] = next;
        if (proposal != 0) {
            if (proposal < checks->proposal_count &&
                (checks->proposals[proposal] & PROPOSAL_APPLIED)) {
                world_fail(checks->world, "proposal %" PRIu64 " is in the log twice", proposal);
            }
            note_proposal(checks, proposal, PROPOSAL_APPLIED);
        }
    } else if (!hash128_equal(next, checks->states[index - 1])) {
        world_fail(checks->world, "node %zu has another state than others at index %" PRIu64, node,
                   index);
    }
    return next;
}

void checks_acknowledged(struct checks *checks, uint64_t proposal)
{
    note_proposal(checks, proposal, PROPOSAL_ACKNOWLEDGED);
}

void checks_end(struct checks *checks)
{
    for (uint64_t i = 0; i < checks->proposal_count; i++) {
        if ((checks->proposals[i] & PROPOSAL_ACKNOWLEDGED) &&
            !(checks->proposals[i] & PROPOSAL_APPLIED)) {
            world_fail(checks->world, "proposal %" PRIu64 " was acknowledged and is lost", i);
        }
    }
    for (size_t node = 0; node < checks->node_count; node++) {
        for (uint64_t index = 1; index <= checks->committed.last; index++) {
            const struct entry *there = sim_log_get(&checks->disks[node]->log, index);
            if (there == NULL || !same_entry(there, sim_log_get(&checks->committed, index))) {
                world_fail(checks->world,
                           "node %zu does not have the committed entry %" PRIu64 " on disk", node,
                           index);
            }
        }
    }
}
