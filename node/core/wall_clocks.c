/*
 * wall_clocks.c - see the header for what is claimed. The happy path: connected -> ask -> answered,
 * and again each second, sooner while nothing is known; whoever stamps entries asks
 * wall_clocks_time.
 *
 * What can fail: answers are lost, late or overtaken. A later one never makes the error smaller
 * than it is, for the echo says when it was asked; and a clock that has not been heard of for
 * LIMIT_CLOCK_AGE_MS is not known any more: it may have been set since.
 */
#include "wall_clocks.h"

#include <assert.h>
#include <stdlib.h>

#include "base/planted.h"

/* Its own, or a free one; NULL: there is none. */
static struct wall_clock *slot(struct wall_clocks *clocks, uint64_t id)
{
    struct wall_clock *free_slot = NULL;
    for (size_t i = 0; i < LIMIT_PEERS_KNOWN; i++) {
        struct wall_clock *peer = &clocks->peers[i];
        if (peer->id == id) {
            return peer;
        }
        if (free_slot == NULL && peer->id == 0) {
            free_slot = peer;
        }
    }
    if (free_slot != NULL) {
        *free_slot = (struct wall_clock){.id = id};
    }
    return free_slot;
}

/* The same for a peer that is to be asked, who always gets one. Members are asked each second, and
 * are fewer than places: who was asked longest ago is none any more, or has told nothing yet. */
static struct wall_clock *place_to_ask(struct wall_clocks *clocks, uint64_t id)
{
    struct wall_clock *peer = slot(clocks, id);
    if (peer != NULL) {
        return peer;
    }
    peer = &clocks->peers[0];
    for (size_t i = 1; i < LIMIT_PEERS_KNOWN; i++) {
        if (clocks->peers[i].asked_ms < peer->asked_ms) {
            peer = &clocks->peers[i];
        }
    }
    *peer = (struct wall_clock){.id = id};
    return peer;
}

const struct wall_clock *wall_clocks_of(const struct wall_clocks *clocks, uint64_t id)
{
    for (size_t i = 0; i < LIMIT_PEERS_KNOWN; i++) {
        if (clocks->peers[i].id == id) {
            return &clocks->peers[i];
        }
    }
    return NULL;
}

void wall_clocks_connected(struct wall_clocks *clocks, uint64_t id)
{
    struct wall_clock *peer = slot(clocks, id);
    if (peer != NULL) {
        *peer = (struct wall_clock){.id = id};
    }
}

static bool is_fresh(const struct wall_clock *peer, uint64_t monotonic_ms)
{
    return peer != NULL && peer->is_known && monotonic_ms - peer->heard_ms <= LIMIT_CLOCK_AGE_MS;
}

bool wall_clocks_ask(struct wall_clocks *clocks, uint64_t id, uint64_t monotonic_ms)
{
    struct wall_clock *peer = place_to_ask(clocks, id);
    uint64_t gap_ms = is_fresh(peer, monotonic_ms) ? CLOCK_ASK_MS : CLOCK_ASK_SOON_MS;
    if (peer->asked_ms != 0 && monotonic_ms - peer->asked_ms < gap_ms) {
        return false;
    }
    peer->asked_ms = monotonic_ms;
    return true;
}

void wall_clocks_answered(struct wall_clocks *clocks, uint64_t id, uint64_t echo_ms,
                          int64_t peer_wall_ms, uint32_t ledger_version_known,
                          uint64_t monotonic_ms)
{
    struct wall_clock *peer = slot(clocks, id);
    /* Not of an earlier life, which had another clock; nor overtaken by a later one. */
    if (peer == NULL || echo_ms > monotonic_ms || echo_ms < peer->echo_ms) {
        return;
    }
    uint64_t round_ms = monotonic_ms - echo_ms;
    peer->echo_ms = echo_ms;
    peer->told_ms = monotonic_ms;
    peer->ledger_version_known = ledger_version_known;
    if (round_ms <= LIMIT_CLOCK_ROUND_MS) {
        peer->is_known = true;
        peer->heard_ms = monotonic_ms;
        peer->offset_ms = peer_wall_ms - (int64_t)monotonic_ms;
        peer->error_ms = (uint32_t)round_ms;
    }
}

bool wall_clocks_offset(const struct wall_clocks *clocks, uint64_t id, uint64_t monotonic_ms,
                        int64_t wall_ms, int64_t *offset_ms)
{
    const struct wall_clock *peer = wall_clocks_of(clocks, id);
    if (!is_fresh(peer, monotonic_ms)) {
        return false;
    }
    *offset_ms = (int64_t)monotonic_ms + peer->offset_ms + peer->error_ms / 2 - wall_ms;
    return true;
}

static int later_first(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a;
    int64_t y = *(const int64_t *)b;
    return x < y ? 1 : x > y ? -1 : 0;
}

/* The latest time that a majority of them has reached. Sorts them. */
static int64_t reached_by_majority(int64_t *shown_ms, size_t count)
{
    qsort(shown_ms, count, sizeof shown_ms[0], later_first);
    return count > 0 ? shown_ms[count / 2] : INT64_MIN;
}

struct wall_time wall_clocks_time(const struct wall_clocks *clocks, uint64_t own_id,
                                  const uint64_t *voters, size_t voter_count, uint64_t monotonic_ms,
                                  int64_t wall_ms)
{
    int64_t least_ms[LIMIT_NODES];
    int64_t most_ms[LIMIT_NODES];
    struct wall_time time = {.own_ms = wall_ms};
    assert(voter_count <= LIMIT_NODES);
    for (size_t i = 0; i < voter_count; i++) {
        const struct wall_clock *peer = wall_clocks_of(clocks, voters[i]);
        least_ms[i] = most_ms[i] = INT64_MIN;
        if (voters[i] == own_id) {
            least_ms[i] = most_ms[i] = wall_ms;
        } else if (is_fresh(peer, monotonic_ms)) {
            least_ms[i] = (int64_t)monotonic_ms + peer->offset_ms;
            most_ms[i] = least_ms[i] + peer->error_ms;
        }
    }
    int64_t borne_ms = reached_by_majority(least_ms, voter_count);
    int64_t borne_most_ms = reached_by_majority(most_ms, voter_count);
    if (borne_ms == INT64_MIN) {
        return time;
    }
    time.is_known = true;
    time.is_lone = voter_count == 1 && voters[0] == own_id;
    time.borne_ms = borne_ms;
    time.is_own = (wall_ms - borne_most_ms <= LIMIT_CLOCK_SKEW_MS &&
                   borne_ms - wall_ms <= LIMIT_CLOCK_SKEW_MS) ||
                  PLANTED(WALL_NOT_BORNE_OUT);
    time.ms = time.is_own ? wall_ms : borne_ms;
    return time;
}
