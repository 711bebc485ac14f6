/*
 * refusals.h - which nodes refuse this one, as far as it matters: of the members no refusal is ever
 * forgotten for want of room.
 *
 * Bounds: LIMIT_PEERS_KNOWN, which is more than there are members; in a full table a refusal of a
 * node that is no member any more makes room. Threads: the loop's. Pure.
 */
#ifndef NODE_REFUSALS_H
#define NODE_REFUSALS_H

#include "base/limits.h"
#include "raft/replica.h"

/* Zero-initialise. */
struct refusals {
    uint64_t ids[LIMIT_PEERS_KNOWN];
    size_t count;
};

void refusals_note(struct refusals *refusals, uint64_t id, const struct replica_member *members,
                   size_t member_count);
void refusals_forget(struct refusals *refusals, uint64_t id);
/* Is a majority of the voters left that does not refuse us? A node without members has none to
 * count. */
bool refusals_leave_majority(const struct refusals *refusals, const struct replica_member *members,
                             size_t member_count);

#endif
