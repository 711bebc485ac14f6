/*
 * limits.c - the bounds that one replica goes by: those it was given, and base/limits.h's for the
 * rest.
 *
 * Invariant: what base/limits.h has the compiler check between its bounds holds between these too.
 * They are our own, so one that breaks it is a mistake of ours.
 */
#include <assert.h>

#include "base/limits.h"
#include "raft/replica.h"

static size_t limit_or(size_t given, size_t otherwise)
{
    return given != 0 ? given : otherwise;
}

struct replica_limits replica_limits_complete(const struct replica_limits *given)
{
    const struct replica_limits limits = {
        .tail_entries = limit_or(given->tail_entries, LIMIT_LOG_TAIL_ENTRIES),
        .tail_bytes = limit_or(given->tail_bytes, LIMIT_LOG_TAIL_BYTES),
        .unsynced_entries = limit_or(given->unsynced_entries, LIMIT_UNSYNCED_ENTRIES),
        .unsynced_bytes = limit_or(given->unsynced_bytes, LIMIT_UNSYNCED_BYTES),
        .inflight_entries = limit_or(given->inflight_entries, LIMIT_INFLIGHT_ENTRIES),
        .inflight_bytes = limit_or(given->inflight_bytes, LIMIT_INFLIGHT_BYTES),
        .raft_inflight_entries =
            limit_or(given->raft_inflight_entries, LIMIT_RAFT_INFLIGHT_ENTRIES),
        .append_entries = limit_or(given->append_entries, LIMIT_APPEND_ENTRIES),
        .append_bytes = limit_or(given->append_bytes, LIMIT_APPEND_BYTES),
        .append_turn_bytes = limit_or(given->append_turn_bytes, LIMIT_APPEND_TURN_BYTES),
        .apply_turn_entries = limit_or(given->apply_turn_entries, LIMIT_APPLY_TURN_ENTRIES),
        .apply_turn_bytes = limit_or(given->apply_turn_bytes, LIMIT_APPLY_TURN_BYTES),
        .trailing_entries = limit_or(given->trailing_entries, SNAPSHOT_TRAILING_ENTRIES),
    };
    /* Others refuse a larger append, and a transport's queue must take a turn's frames. */
    assert(limits.append_entries <= LIMIT_APPEND_ENTRIES);
    assert(limits.append_bytes <= LIMIT_APPEND_BYTES);
    assert(limits.append_bytes <= limits.append_turn_bytes);
    assert(limits.append_turn_bytes <= LIMIT_APPEND_TURN_BYTES);
    /* A leader's writes have their places in the log's queue. */
    assert(limits.inflight_entries <= LIMIT_INFLIGHT_ENTRIES);
    /* We stop before libraft does; and, where both are given, who is not far behind needs no
     * snapshot (rule 12). Tests of snapshots alone are content with a short log. */
    assert(limits.inflight_entries < limits.raft_inflight_entries);
    assert(given->raft_inflight_entries == 0 ||
           2 * limits.raft_inflight_entries <= limits.trailing_entries);
    /* What is not synced fits the tail in memory, for it is nowhere else; one entry that is larger
     * than a frame's bound is held all the same. */
    assert(limits.unsynced_entries + limits.append_entries <= limits.tail_entries);
    assert(limits.unsynced_bytes + limits.append_bytes <= limits.tail_bytes);
    assert(limits.inflight_bytes + limits.append_bytes <= limits.tail_bytes);
    return limits;
}
