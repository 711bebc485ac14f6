/*
 * wall_clocks.h - what the nodes' wall clocks show, and which time a majority of the voters bears
 * out.
 *
 * Each node asks each other one for its wall clock, each second (PEER_PING, PEER_PONG). An answer
 * was given between question and receipt; both moments are known by the own monotonic clock, so the
 * other's clock is known with an error that is at most the round trip, and no two clocks have to
 * agree for that. What is noted is the least that it can show.
 *
 * The time that is borne out is the latest one that the clocks of a majority of the voters have
 * reached, just as an entry is committed up to where the logs of a majority reach. With a minority
 * of clocks that are wrong, by whatever, and whoever is not heard of: it is never later than some
 * right clock; and where all are heard of never earlier than one either. A lone voter is its own
 * majority.
 *
 * A node's own clock is believed unless it lies more than LIMIT_CLOCK_SKEW_MS off that time, by
 * whatever the errors leave; then that time is gone by in its place.
 *
 * Pure: no clock is read here. Threads: the loop's. Units: milliseconds. Bounds: LIMIT_PEERS_KNOWN;
 * one more that is asked takes the place of whoever was asked longest ago.
 */
#ifndef NODE_CORE_WALL_CLOCKS_H
#define NODE_CORE_WALL_CLOCKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/limits.h"

struct wall_clock {
    uint64_t id;       /* 0: free */
    uint64_t asked_ms; /* monotonic: when it was asked last; 0: never over this connection */
    bool is_known;
    uint64_t echo_ms;              /* monotonic: when it was asked what it answered last */
    uint64_t heard_ms;             /* monotonic: when that came */
    int64_t offset_ms;             /* the least that it shows, less the monotonic clock */
    uint32_t error_ms;             /* it may show so much more */
    uint64_t told_ms;              /* monotonic: when any answer came last */
    uint32_t ledger_version_known; /* 0: not told over this connection */
};

/* Zero-initialise. */
struct wall_clocks {
    struct wall_clock peers[LIMIT_PEERS_KNOWN];
};

/* A connection was made anew: whoever it is has told nothing yet. */
void wall_clocks_connected(struct wall_clocks *clocks, uint64_t id);
/* Is it time to ask this peer? Then the question, with the monotonic clock in it, is on its way. */
bool wall_clocks_ask(struct wall_clocks *clocks, uint64_t id, uint64_t monotonic_ms);
/* The answer, with the question's clock as an echo. One that was longer on its way than would tell
 * anything says nothing of the clock. */
void wall_clocks_answered(struct wall_clocks *clocks, uint64_t id, uint64_t echo_ms,
                          int64_t peer_wall_ms, uint32_t ledger_version_known,
                          uint64_t monotonic_ms);

/* NULL: nothing was told. */
const struct wall_clock *wall_clocks_of(const struct wall_clocks *clocks, uint64_t id);
/* How far the peer's clock is ahead of ours; false: not heard of lately. */
bool wall_clocks_offset(const struct wall_clocks *clocks, uint64_t id, uint64_t monotonic_ms,
                        int64_t wall_ms, int64_t *offset_ms);

/* What to go by. */
struct wall_time {
    bool is_known;  /* a majority of the voters' clocks is; else all but own_ms is 0 */
    bool is_lone;   /* the own clock is the majority */
    bool is_own;    /* `ms` is the own clock's */
    int64_t ms;     /* Unix time */
    int64_t own_ms; /* what the own clock shows */
    int64_t borne_ms;
};
struct wall_time wall_clocks_time(const struct wall_clocks *clocks, uint64_t own_id,
                                  const uint64_t *voters, size_t voter_count, uint64_t monotonic_ms,
                                  int64_t wall_ms);

#endif
