/*
 * freshness.c - how old the state is that is applied here, for reads that are content with it and
 * want to know.
 *
 * The state is as of a moment when it holds everything that was committed at that moment, as far as
 * who led then knew. A follower learns of such moments from its leader's appends: each says how far
 * the log was committed when it was sent. A leader learns of them from its followers: what a
 * majority of the voters has answered in its term, nobody else can have led before, and its own
 * commit index was all there was.
 *
 * Invariants:
 * - A moment counts once everything that was known to be committed then is applied here, by
 *   whomever it was made known: a new leader's commit index may lie behind its predecessor's.
 * - And once an entry of that leader's term, or of a later one, is applied (rule 10): until its own
 *   barrier is committed a leader may not know what its predecessor has committed.
 * - The moment of a message is the end of the turn of the owner's loop before the one that reads
 * it. What is read now may have waited in the socket since then: a process that was stopped for a
 *   minute finds a minute's messages, and must not take the first of them for news.
 *
 * What is not counted: the time that a message took on its way; and that a leader which has lost
 * its majority learns it only after an election timeout, for which it goes on calling its commit
 * index the latest.
 *
 * Two moments at most wait for what must be applied first: the older one, for it comes first, and
 * the newest.
 */
#include <stdlib.h>

#include "replica_internal.h"

void replica_freshness_settle(struct replica *replica)
{
    struct replica_freshness *freshness = &replica->freshness;
    while (freshness->waiting_count > 0) {
        const struct replica_moment *next = &freshness->waiting[0];
        if (replica->applied_index < next->commit_index || replica->applied_term < next->term) {
            return;
        }
        freshness->is_known = true;
        freshness->as_of_ms = next->ms;
        freshness->waiting[0] = freshness->waiting[1];
        freshness->waiting_count--;
    }
}

static void note(struct replica *replica, uint64_t ms, uint64_t commit_index)
{
    struct replica_freshness *freshness = &replica->freshness;
    if (commit_index > freshness->commit_index) {
        freshness->commit_index = commit_index;
    }
    size_t place = freshness->waiting_count == 0 ? 0 : 1;
    freshness->waiting[place] = (struct replica_moment){ms, freshness->commit_index, replica->term};
    freshness->waiting_count = place + 1;
}

void replica_freshness_heard_leader(struct replica *replica, uint64_t leader_commit)
{
    note(replica, replica->freshness.turn_ms, leader_commit);
}

void replica_freshness_heard_follower(struct replica *replica, struct replica_peer *peer)
{
    peer->heard_ms = replica->freshness.turn_ms;
    peer->heard_term = replica->term;
}

static int later_first(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a;
    uint64_t y = *(const uint64_t *)b;
    return x < y ? 1 : x > y ? -1 : 0;
}

/* When a majority of the voters, this replica included, had answered in this term; 0: not yet. */
static uint64_t majority_heard_ms(const struct replica *replica)
{
    uint64_t heard_ms[LIMIT_NODES];
    uint64_t voters[LIMIT_NODES];
    size_t count = replica_voters(replica, voters);
    for (size_t i = 0; i < count; i++) {
        heard_ms[i] = voters[i] == replica->id ? replica->now_ms : 0;
        for (size_t k = 0; k < LIMIT_PEERS_KNOWN; k++) {
            const struct replica_peer *peer = &replica->peers[k];
            if (peer->id == voters[i] && peer->heard_term == replica->term) {
                heard_ms[i] = peer->heard_ms;
            }
        }
    }
    qsort(heard_ms, count, sizeof heard_ms[0], later_first);
    return heard_ms[count / 2];
}

void replica_freshness_tick(struct replica *replica)
{
    if (replica->state == REPLICA_LEADER) {
        uint64_t ms = majority_heard_ms(replica);
        if (ms != 0) {
            note(replica, ms, replica->commit_index);
        }
    }
    replica->freshness.turn_ms = replica->now_ms;
}

bool replica_state_age(const struct replica *replica, uint64_t now_ms, uint64_t *age_ms)
{
    const struct replica_freshness *freshness = &replica->freshness;
    *age_ms = now_ms > freshness->as_of_ms ? now_ms - freshness->as_of_ms : 0;
    return freshness->is_known;
}
