/*
 * contacts.c - a small table, and a count over the voters behind a change.
 */
#include "contacts.h"

#include <inttypes.h>

void contacts_note(struct contacts *contacts, uint64_t peer_id, uint64_t now_ms)
{
    size_t oldest = 0;
    for (size_t i = 0; i < contacts->count; i++) {
        if (contacts->items[i].peer_id == peer_id) {
            contacts->items[i].heard_ms = now_ms;
            return;
        }
        if (contacts->items[i].heard_ms < contacts->items[oldest].heard_ms) {
            oldest = i;
        }
    }
    size_t place = contacts->count < LIMIT_PEERS_KNOWN ? contacts->count++ : oldest;
    contacts->items[place].peer_id = peer_id;
    contacts->items[place].heard_ms = now_ms;
}

bool contacts_age_ms(const struct contacts *contacts, uint64_t peer_id, uint64_t now_ms,
                     uint64_t *age_ms)
{
    for (size_t i = 0; i < contacts->count; i++) {
        if (contacts->items[i].peer_id == peer_id) {
            uint64_t heard_ms = contacts->items[i].heard_ms;
            *age_ms = now_ms > heard_ms ? now_ms - heard_ms : 0;
            return true;
        }
    }
    return false;
}

static bool is_heard(const struct contacts *contacts, const struct contacts_view *view, uint64_t id)
{
    uint64_t age_ms;
    return id == view->self_id ||
           (contacts_age_ms(contacts, id, view->now_ms, &age_ms) && age_ms <= view->silence_ms);
}

static bool votes_behind(const struct replica_member *member, const struct replica_change *change)
{
    if (member->id == change->id) {
        return change->kind == REPLICA_PROMOTE ||
               (change->kind == REPLICA_ADD_STANDBY && member->role == REPLICA_VOTER);
    }
    return member->role == REPLICA_VOTER;
}

bool contacts_allow_change(const struct contacts *contacts, const struct contacts_view *view,
                           const struct replica_change *change, struct error *why)
{
    bool changes_voters = false;
    size_t voters = 0;
    size_t heard = 0;
    uint64_t silent_id = 0;
    for (size_t i = 0; i < view->member_count; i++) {
        const struct replica_member *member = &view->members[i];
        bool votes = votes_behind(member, change);
        changes_voters = changes_voters || votes != (member->role == REPLICA_VOTER);
        voters += votes;
        if (votes && is_heard(contacts, view, member->id)) {
            heard++;
        } else if (votes) {
            silent_id = member->id;
        }
    }
    if (!changes_voters) {
        return true;
    }
    if (change->kind == REPLICA_PROMOTE && !is_heard(contacts, view, change->id)) {
        return error_set(why,
                         "node %" PRIu64 " is not heard from: start it, and promote it when it has "
                         "caught up",
                         change->id);
    }
    if (heard * 2 > voters) {
        return true;
    }
    return error_set(why,
                     "behind this change %zu of %zu voters would be heard from, and that is no "
                     "majority: nothing could be written any more; bring node %" PRIu64
                     " back first, or remove it instead",
                     heard, voters, silent_id);
}

uint64_t contacts_successor(const struct contacts *contacts, const struct contacts_view *view,
                            const uint64_t *matches)
{
    uint64_t best = 0;
    uint64_t best_match = 0;
    for (size_t i = 0; i < view->member_count; i++) {
        const struct replica_member *member = &view->members[i];
        if (member->role == REPLICA_VOTER && member->id != view->self_id &&
            is_heard(contacts, view, member->id) && (best == 0 || matches[i] > best_match)) {
            best = member->id;
            best_match = matches[i];
        }
    }
    return best;
}
