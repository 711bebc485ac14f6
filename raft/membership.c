/*
 * membership.c - changes of the cluster's members (rule 11; dissertation, chapter 4): one change at
 * a time, one server per change, the order of the others kept, for libraft finds a server's
 * progress by its place.
 *
 * The happy path: this replica leads and its own barrier is applied (section 4.1 with the
 * correction of 2015: a leader must have committed an entry of its own term before it changes
 * members - rule 10); no other change is uncommitted; the new configuration follows from the latest
 * one; it is submitted like any entry and counts from the moment it is in the log.
 *
 * What is refused leaves everything as it was: the caller is told why in words for an operator.
 */
#include <assert.h>
#include <inttypes.h>
#include <string.h>

#include "base/planted.h"
#include "configuration.h"
#include "replica_internal.h"

static size_t find_id(const struct replica_member *members, size_t count, uint64_t id)
{
    size_t i = 0;
    while (i < count && members[i].id != id) {
        i++;
    }
    return i;
}

static bool add_standby(struct replica_member *members, size_t *count,
                        const struct replica_change *change, struct error *why)
{
    if (change->id == 0 || change->address == NULL) {
        return error_set(why, "a new member needs an id above 0 and an address");
    }
    if (find_id(members, *count, change->id) < *count) {
        return error_set(why, "node %" PRIu64 " is a member already", change->id);
    }
    for (size_t i = 0; i < *count; i++) {
        if (strcmp(members[i].address, change->address) == 0) {
            return error_set(why, "%s is the address of node %" PRIu64 " already", change->address,
                             members[i].id);
        }
    }
    if (*count == LIMIT_NODES) {
        return error_set(why, "the cluster has %d members, and that is the limit", LIMIT_NODES);
    }
    members[(*count)++] = (struct replica_member){change->id, REPLICA_STANDBY, change->address};
    return true;
}

static bool promote(const struct replica *replica, struct replica_member *members, size_t count,
                    const struct replica_change *change, struct error *why)
{
    size_t i = find_id(members, count, change->id);
    if (i == count) {
        return error_set(why, "node %" PRIu64 " is no member: add it first", change->id);
    }
    if (members[i].role == REPLICA_VOTER) {
        return error_set(why, "node %" PRIu64 " has a vote already", change->id);
    }
    /* A voter that is far behind makes the others' majority wait for it (section 4.2.1). */
    uint64_t match = replica_match_index(replica, change->id);
    if (replica->last_index - match > LIMIT_PROMOTION_LAG) {
        return error_set(why,
                         "node %" PRIu64 " lacks %" PRIu64
                         " entries, and %d are allowed: try again when it has caught up",
                         change->id, replica->last_index - match, LIMIT_PROMOTION_LAG);
    }
    /* However few they are: those that are gone from the log come with a whole state. */
    if (match + 1 < replica->first_index) {
        return error_set(why,
                         "node %" PRIu64 " lacks entries up to %" PRIu64
                         ", which only a snapshot holds: try again when it has got that",
                         change->id, replica->first_index - 1);
    }
    members[i].role = REPLICA_VOTER;
    return true;
}

static bool remove_member(const struct replica *replica, struct replica_member *members,
                          size_t *count, const struct replica_change *change, struct error *why)
{
    size_t i = find_id(members, *count, change->id);
    if (i == *count) {
        return error_set(why, "node %" PRIu64 " is no member", change->id);
    }
    if (change->id == replica->id) {
        return error_set(why, "node %" PRIu64 " leads: hand the leadership over first", change->id);
    }
    memmove(&members[i], &members[i + 1], (*count - i - 1) * sizeof members[0]);
    (*count)--;
    return true;
}

static bool may_change(const struct replica *replica, struct error *why)
{
    if (!replica_can_submit(replica) ||
        (!replica_barrier_is_applied(replica) && !PLANTED(CHANGE_BEFORE_BARRIER))) {
        return error_set(why, "this node does not lead, or not for long enough yet");
    }
    if ((replica->raft.configuration_uncommitted_index != 0 || replica->change_count > 0) &&
        !PLANTED(CHANGE_BEFORE_CHANGE)) {
        return error_set(why, "another change of members is under way: wait for it to end");
    }
    return true;
}

/* The members behind the change, encoded. */
static bool make_configuration(const struct replica *replica, const struct replica_change *change,
                               struct buffer *out, struct error *why)
{
    struct replica_member members[LIMIT_NODES];
    size_t count = replica_members(replica, members, LIMIT_NODES);
    switch (change->kind) {
    case REPLICA_ADD_STANDBY:
        if (!add_standby(members, &count, change, why)) {
            return false;
        }
        break;
    case REPLICA_PROMOTE:
        if (!promote(replica, members, count, change, why)) {
            return false;
        }
        break;
    case REPLICA_REMOVE:
        if (!remove_member(replica, members, &count, change, why)) {
            return false;
        }
        break;
    }
    return configuration_encode(members, count, out, why);
}

bool replica_change_members(struct replica *replica, const struct replica_change *change,
                            uint64_t now_ms, bool *accepted, struct error *why, struct error *error)
{
    struct buffer encoded = {0};
    *accepted = may_change(replica, why) && make_configuration(replica, change, &encoded, why);
    if (!*accepted) {
        buffer_free(&encoded);
        return true;
    }
    uint64_t index;
    return replica_submit_in_turn(replica, entry_new_take(ENTRY_CHANGE, &encoded), now_ms, &index,
                                  error);
}
