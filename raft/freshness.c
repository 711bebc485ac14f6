/*
 * freshness.c - how old the state is that is applied here, for reads that are content with it and
 * want to know.
 *
 * A state is as of a moment when it holds everything that had been committed by then, by whomever.
 * No clock is compared with another one's: each node tells moments by its own, sends its clock with
 * its appends and their results, and gets it back as an echo, from whoever has received it since.
 *
 * A leader: a result that echoes the leader's clock was sent later than that moment, by a node that
 * was in the leader's term still. Once a majority of the voters has done so, nobody else can have
 * led, let alone committed anything, before the earliest of these moments: what was committed by
 * then is behind the leader's commit index. That is its confirmed moment.
 *
 * A follower: an append carries the leader's commit index, how long ago the leader's confirmed
 * moment lay when it was sent, and the follower's clock as an echo. It was sent later than the
 * moment of the echo; so the leader's confirmed moment is later than that moment less that while.
 *
 * Invariants:
 * - A moment counts once everything that was known to be committed then is applied here, by
 *   whomever it was made known.
 * - And once an entry of that leader's term, or of a later one, is applied (rule 10): until its own
 *   barrier is committed, a leader may not know what its predecessor has committed.
 * - Only what was sent in the present term counts. And no echo of a clock that we have not reached:
 *   it is of an earlier life, which had another one. For the same reason nobody echoes what a peer
 *   said before it was connected anew.
 *
 * So neither a message that was long on its way, nor one that waited in the socket of a process
 * that was stopped, nor a leader that has been replaced and does not know it, makes a state look
 * younger than it is. It looks older: by a round trip, and by up to two heartbeats where nothing is
 * written.
 *
 * Two moments at most wait for what must be applied first: the older one, for it comes first, and
 * the newest.
 */
#include <stdlib.h>

#include "base/planted.h"
#include "replica_internal.h"

void replica_freshness_settle(struct replica *replica)
{
    struct replica_freshness *freshness = &replica->freshness;
    while (freshness->waiting_count > 0) {
        const struct replica_moment *next = &freshness->waiting[0];
        bool is_applied =
            replica->applied_index >= next->commit_index && replica->applied_term >= next->term;
        if (!is_applied && !PLANTED(AGE_BEFORE_APPLIED)) {
            return;
        }
        if (next->ms > freshness->as_of_ms) {
            freshness->as_of_ms = next->ms;
        }
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

/* ---- the leader's confirmed moment ---- */

static int later_first(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a;
    uint64_t y = *(const uint64_t *)b;
    return x < y ? 1 : x > y ? -1 : 0;
}

/* 0: a majority has not been heard in this term. */
static uint64_t confirmed_ms(const struct replica *replica)
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
    if (PLANTED(AGE_OF_OLD_ECHO)) {
        return replica->now_ms;
    }
    qsort(heard_ms, count, sizeof heard_ms[0], later_first);
    return heard_ms[count / 2];
}

void replica_freshness_tick(struct replica *replica)
{
    if (replica->state == REPLICA_LEADER) {
        uint64_t ms = confirmed_ms(replica);
        if (ms != 0) {
            note(replica, ms, replica->commit_index);
        }
    }
}

/* ---- clocks that travel ---- */

struct peer_clock replica_freshness_for_append(const struct replica *replica,
                                               const struct replica_peer *peer)
{
    uint64_t confirmed = confirmed_ms(replica);
    struct peer_clock clock = {.now_ms = replica->now_ms};
    if (confirmed != 0) {
        clock.echo_ms = peer->clock_ms;
        clock.confirmed_ago_ms = replica->now_ms - confirmed;
    }
    return clock;
}

struct peer_clock replica_freshness_for_result(const struct replica *replica,
                                               const struct replica_peer *peer)
{
    return (struct peer_clock){.now_ms = replica->now_ms, .echo_ms = peer->clock_ms};
}

void replica_freshness_heard_leader(struct replica *replica, const struct peer_message *append)
{
    const struct peer_clock *clock = &append->append_entries.clock;
    if (PLANTED(AGE_OF_LAST_APPEND)) {
        note(replica, replica->now_ms, append->append_entries.leader_commit);
        return;
    }
    if (clock->echo_ms <= replica->now_ms && clock->echo_ms > clock->confirmed_ago_ms) {
        note(replica, clock->echo_ms - clock->confirmed_ago_ms,
             append->append_entries.leader_commit);
    }
}

void replica_freshness_heard_follower(struct replica *replica, struct replica_peer *peer,
                                      const struct peer_message *result)
{
    const struct peer_clock *clock = &result->append_entries_result.clock;
    peer->clock_ms = clock->now_ms;
    if (peer->heard_term != replica->term) {
        peer->heard_term = replica->term;
        peer->heard_ms = 0;
    }
    if (clock->echo_ms <= replica->now_ms && clock->echo_ms > peer->heard_ms) {
        peer->heard_ms = clock->echo_ms;
    }
}

bool replica_state_age(const struct replica *replica, uint64_t now_ms, uint64_t *age_ms)
{
    uint64_t as_of_ms = replica->freshness.as_of_ms;
    *age_ms = now_ms > as_of_ms ? now_ms - as_of_ms : 0;
    return as_of_ms != 0;
}
