/*
 * apply.c - committed entries to the owner (rule 9).
 *
 * Invariant: an entry is applied when it is committed and durable here, in log order, each once in
 * a life of the process; the owner stores its applied index with what the entry changed, in one
 * atomic write, so that it is once over all lives. (libraft commits on a majority of followers
 * while the leader's own disk is still writing: the leader must not show what it might lose and see
 * replaced.)
 *
 * A turn applies a bounded number of entries; a restarted node with a long log to replay goes on in
 * the next turns and hears its leader in between.
 */
#include <inttypes.h>

#include "base/planted.h"
#include "replica_internal.h"

#define APPLY_READ_ENTRIES 64

static uint64_t may_apply_up_to(const struct replica *replica)
{
    if (PLANTED(ACK_BEFORE_QUORUM) && replica->state == REPLICA_LEADER) {
        return replica->durable_index;
    }
    if (PLANTED(APPLY_BEFORE_DURABLE)) {
        return replica->commit_index;
    }
    return replica->commit_index < replica->durable_index ? replica->commit_index
                                                          : replica->durable_index;
}

bool replica_has_more_to_apply(const struct replica *replica)
{
    /* Rule 12: during an install the state belongs to nobody. */
    return !replica->install.under_way && replica->applied_index < may_apply_up_to(replica);
}

static bool apply_entry(struct replica *replica, const struct entry *entry, struct error *error)
{
    if (!replica->env.apply(replica->env.context, entry, error)) {
        return error_wrap(error, "applying entry %" PRIu64, entry->index);
    }
    replica->applied_index = entry->index;
    replica->applied_term = entry->term;
    replica->applied_entries++;
    replica->applied_bytes += entry->data.len;
    if (replica->state == REPLICA_LEADER && entry->index >= replica->own_first_index) {
        replica->inflight_bytes -= entry->data.len;
    }
    return true;
}

bool replica_apply_committed(struct replica *replica, struct error *error)
{
    const struct replica_limits *limits = &replica->limits;
    struct entry *entries[APPLY_READ_ENTRIES];
    while (replica_has_more_to_apply(replica) &&
           replica->applied_entries < limits->apply_turn_entries &&
           replica->applied_bytes < limits->apply_turn_bytes) {
        uint64_t first = replica->applied_index + 1;
        uint64_t left = may_apply_up_to(replica) - first + 1;
        size_t wanted = limits->apply_turn_entries - replica->applied_entries;
        wanted = wanted < APPLY_READ_ENTRIES ? wanted : APPLY_READ_ENTRIES;
        wanted = left < wanted ? (size_t)left : wanted;
        size_t count =
            replica_entries_get(replica, first, wanted,
                                limits->apply_turn_bytes - replica->applied_bytes, entries, error);
        if (count == 0) {
            return false;
        }
        bool applied = true;
        for (size_t i = 0; i < count; i++) {
            applied = applied && apply_entry(replica, entries[i], error);
            entry_release(entries[i]);
        }
        if (!applied) {
            return false;
        }
    }
    return true;
}
