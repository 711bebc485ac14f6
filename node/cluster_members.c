/*
 * cluster_members.c - the members as this node sees them: who is connected is its own view; what a
 * member has of the log, and when it was last heard from, only a leader knows.
 */
#include "cluster_members.h"

#include <inttypes.h>
#include <stdio.h>

#include "core/contacts.h"
#include "core/timekeeping.h"

const char *cluster_client_address(const struct node *node, uint64_t id)
{
    if (id == node->core.config.id) {
        return node->options->advertise_client;
    }
    const char *address = id != 0 ? transport_client_address(node->transport, id) : NULL;
    return address != NULL ? address : "";
}

char *cluster_id_text(char text[CLUSTER_ID_TEXT_BYTES], uint64_t id)
{
    snprintf(text, CLUSTER_ID_TEXT_BYTES, "%016" PRIx64, id);
    return text;
}

static void fill_as_leader(const struct node *node, Holdfast__V1__Member *member)
{
    const struct core *core = &node->core;
    if (member->node_id == core->config.id) {
        struct replica_status status;
        replica_status_get(core->replica, &status);
        member->match_index = status.durable_index;
        member->heard = true;
        return;
    }
    member->match_index = replica_match_index(core->replica, member->node_id);
    member->heard = contacts_age_ms(&core->contacts, member->node_id, core_now_ms(core),
                                    &member->last_contact_ms);
}

void cluster_members_fill(const struct node *node, struct cluster_members *out)
{
    out->count = replica_members(node->core.replica, out->members, LIMIT_NODES);
    for (size_t i = 0; i < out->count; i++) {
        const struct replica_member *from = &out->members[i];
        Holdfast__V1__Member *member = &out->messages[i];
        holdfast__v1__member__init(member);
        member->node_id = from->id;
        member->role = from->role == REPLICA_VOTER ? HOLDFAST__V1__MEMBER__ROLE__VOTER
                                                   : HOLDFAST__V1__MEMBER__ROLE__STANDBY;
        /* protobuf-c's strings are not const; packing does not change them */
        member->peer_address = (char *)(uintptr_t)from->address;
        member->client_address = (char *)(uintptr_t)cluster_client_address(node, from->id);
        member->connected =
            from->id == node->core.config.id || transport_is_connected(node->transport, from->id);
        if (core_leads(&node->core)) {
            fill_as_leader(node, member);
        }
        if (core_clock_offset(&node->core, from->id, &member->clock_offset_ms)) {
            member->clock_case = HOLDFAST__V1__MEMBER__CLOCK_CLOCK_OFFSET_MS;
        }
        out->pointers[i] = member;
    }
}

/* `members` has room for LIMIT_NODES. */
static struct contacts_view view_of(const struct node *node, struct replica_member *members)
{
    return (struct contacts_view){
        .self_id = node->core.config.id,
        .now_ms = core_now_ms(&node->core),
        .silence_ms = (uint64_t)CLUSTER_SILENCE_TIMEOUTS * node->options->election_timeout_ms,
        .members = members,
        .member_count = replica_members(node->core.replica, members, LIMIT_NODES),
    };
}

bool cluster_allows_change(const struct node *node, const struct replica_change *change,
                           struct error *why)
{
    struct replica_member members[LIMIT_NODES];
    const struct contacts_view view = view_of(node, members);
    return contacts_allow_change(&node->core.contacts, &view, change, why);
}

uint64_t cluster_successor(const struct node *node)
{
    struct replica_member members[LIMIT_NODES];
    uint64_t matches[LIMIT_NODES];
    const struct contacts_view view = view_of(node, members);
    for (size_t i = 0; i < view.member_count; i++) {
        matches[i] = replica_match_index(node->core.replica, members[i].id);
    }
    return contacts_successor(&node->core.contacts, &view, matches);
}
