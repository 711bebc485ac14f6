/* refusals.c - a table without order; see the header. Nothing here can fail. */
#include "refusals.h"

#include <assert.h>

_Static_assert(LIMIT_PEERS_KNOWN > LIMIT_NODES, "a full table has one that is no member");

static bool has(const struct refusals *refusals, uint64_t id)
{
    for (size_t i = 0; i < refusals->count; i++) {
        if (refusals->ids[i] == id) {
            return true;
        }
    }
    return false;
}

static bool is_member(uint64_t id, const struct replica_member *members, size_t member_count)
{
    for (size_t i = 0; i < member_count; i++) {
        if (members[i].id == id) {
            return true;
        }
    }
    return false;
}

void refusals_forget(struct refusals *refusals, uint64_t id)
{
    size_t kept = 0;
    for (size_t i = 0; i < refusals->count; i++) {
        if (refusals->ids[i] != id) {
            refusals->ids[kept++] = refusals->ids[i];
        }
    }
    refusals->count = kept;
}

void refusals_note(struct refusals *refusals, uint64_t id, const struct replica_member *members,
                   size_t member_count)
{
    assert(member_count <= LIMIT_NODES);
    if (has(refusals, id)) {
        return;
    }
    if (refusals->count < LIMIT_PEERS_KNOWN) {
        refusals->ids[refusals->count++] = id;
        return;
    }
    size_t place = 0;
    while (is_member(refusals->ids[place], members, member_count)) {
        place++;
        assert(place < refusals->count); /* more places than members */
    }
    refusals->ids[place] = id;
}

bool refusals_leave_majority(const struct refusals *refusals, const struct replica_member *members,
                             size_t member_count)
{
    size_t voters = 0;
    size_t refusing = 0;
    for (size_t i = 0; i < member_count; i++) {
        if (members[i].role == REPLICA_VOTER) {
            voters++;
            refusing += has(refusals, members[i].id);
        }
    }
    return voters == 0 || voters - refusing >= voters / 2 + 1;
}
