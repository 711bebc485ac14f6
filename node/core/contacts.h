/*
 * contacts.h - when this node last heard from each peer, and what follows from it: would a change
 * of members leave a majority of voters that are heard from?
 *
 * Raft needs no answer to that: a change without a majority behind it just never commits, and
 * nothing does any more. An operator needs it before the change is made.
 *
 * Threads: the loop's. Units: milliseconds of the core's monotonic clock. Bounds:
 * LIMIT_PEERS_KNOWN; the one that has been silent longest makes room.
 */
#ifndef NODE_CORE_CONTACTS_H
#define NODE_CORE_CONTACTS_H

#include "base/limits.h"
#include "raft/replica.h"

/* Zero-initialise. */
struct contacts {
    struct {
        uint64_t peer_id;
        uint64_t heard_ms;
    } items[LIMIT_PEERS_KNOWN];
    size_t count;
};

void contacts_note(struct contacts *contacts, uint64_t peer_id, uint64_t now_ms);
/* Since the peer was last heard from. False: never. */
bool contacts_age_ms(const struct contacts *contacts, uint64_t peer_id, uint64_t now_ms,
                     uint64_t *age_ms);

/* What members and changes are judged by, on the leader. */
struct contacts_view {
    uint64_t self_id;
    uint64_t now_ms;
    uint64_t silence_ms; /* who was not heard from for longer does not count */
    const struct replica_member *members;
    size_t member_count;
};

/* False, and why: behind this change the voters that are heard from would be no majority, or the
 * standby that is to be promoted is not heard from. A change that leaves the voters as they are
 * passes, and so does one that the replica will refuse (of who is no member). */
bool contacts_allow_change(const struct contacts *contacts, const struct contacts_view *view,
                           const struct replica_change *change, struct error *why);

/* Who is best to lead next: of the other voters that are heard from the one that has most of the
 * log; matches[i]: how much members[i] has. 0: none is heard from. */
uint64_t contacts_successor(const struct contacts *contacts, const struct contacts_view *view,
                            const uint64_t *matches);

#endif
