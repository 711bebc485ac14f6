/*
 * peers.c - what a node makes of the other nodes: whom it connects to, who may join, who is
 * connected under which incarnation, who refuses us.
 *
 * The members are the replica's latest ones: the transport follows them (peers_follow, at each
 * upkeep), and is told again when a change commits, for only then is who was removed refused.
 *
 * Possible failures: a state that can't be read ends the process, and so does being refused by so
 * many that no majority is left. A node that was removed goes on, says so, and connects to nobody:
 * whoever asks it shall hear why it does not serve.
 */
#include "peers.h"

#include <inttypes.h>
#include <stdio.h>

#include "core/core.h"
#include "node.h"

/* ---- the transport's events ---- */

void peers_connected(void *context, uint64_t peer_id, uint64_t incarnation,
                     const char *client_address)
{
    struct node *node = context;
    refusals_forget(&node->refusals, peer_id);
    log_info("peer-connected", LOG_NUMBER("peer", peer_id), LOG_TEXT("client", client_address));
    if (node->closing == 0) {
        core_peer_connected(&node->core, peer_id, incarnation);
        node_follow_leader(node);
    }
}

void peers_disconnected(void *context, uint64_t peer_id, const char *reason)
{
    (void)context;
    log_warning("peer-disconnected", LOG_NUMBER("peer", peer_id), LOG_TEXT("reason", reason));
}

bool peers_admit(void *context, uint64_t peer_id, uint64_t incarnation, struct error *why)
{
    struct node *node = context;
    struct error error;
    bool admitted;
    node_must("state", core_admit(&node->core, peer_id, incarnation, &admitted, why, &error),
              &error);
    return admitted;
}

uint64_t peers_removed_at(void *context, uint64_t peer_id)
{
    struct node *node = context;
    struct error error;
    uint64_t removed_index;
    node_must("state", core_find_removed(&node->core, peer_id, &removed_index, &error), &error);
    return removed_index;
}

void peers_told_removed(void *context, uint64_t peer_id, uint64_t removed_index)
{
    struct node *node = context;
    (void)peer_id; /* its words follow (peers_refused) */
    if (node->closing == 0) {
        core_told_removed(&node->core, removed_index);
    }
}

/* A node that so many voters refuse that the rest can't make a majority with it will never take
 * part: it says so and ends. One refusal may be the other's mistake. */
void peers_refused(void *context, uint64_t peer_id, const char *reason)
{
    struct node *node = context;
    struct replica_member members[LIMIT_NODES];
    size_t count = replica_members(node->core.replica, members, LIMIT_NODES);
    log_error("refused-by-peer", LOG_NUMBER("peer", peer_id), LOG_TEXT("reason", reason));
    refusals_note(&node->refusals, peer_id, members, count);
    bool was_removed = node->core.removed_index != 0 || node->core.told_removed_index != 0;
    if (node->closing == 0 && !was_removed &&
        !refusals_leave_majority(&node->refusals, members, count)) {
        log_fatal("refused", reason);
    }
}

/* Somebody who is not of this cluster, or not the one it says: already limited in rate by the
 * transport. */
void peers_turned_away(void *context, const char *who, const char *reason)
{
    (void)context;
    log_warning("turned-away", LOG_TEXT("who", who), LOG_TEXT("reason", reason));
}

/* ---- whom we connect to ---- */

static void note_removal(struct node *node)
{
    uint64_t index = node->core.removed_index;
    if (index == node->removed_index) {
        return;
    }
    node->removed_index = index;
    if (index != 0) {
        log_error("removed", LOG_NUMBER("index", index),
                  LOG_TEXT("message",
                           "this node was removed from the cluster: it serves nobody any "
                           "more; stop it, its directory is not needed"));
    }
}

bool peers_describe_outsider(const struct node *node, char *text, size_t size)
{
    if (node->core.removed_index != 0) {
        snprintf(text, size,
                 "this node was removed from the cluster, at log index %" PRIu64
                 "; nothing was executed: ask the nodes that are members",
                 node->core.removed_index);
        return true;
    }
    if (replica_members_index(node->core.replica) == 0) {
        snprintf(text, size,
                 "this node waits to be added to its cluster (`holdfast cluster add`); nothing was "
                 "executed: ask the nodes that are members");
        return true;
    }
    return false;
}

void peers_follow(struct node *node)
{
    struct replica_member members[LIMIT_NODES];
    const struct replica *replica = node->core.replica;
    bool was_removed = node->core.removed_index != 0;
    const struct followed now = {
        .version = replica_members_version(replica),
        .committed_index = replica_committed_members_index(replica),
        .nobody = was_removed,
    };
    note_removal(node);
    if (node->is_following && now.version == node->followed.version &&
        now.committed_index == node->followed.committed_index &&
        now.nobody == node->followed.nobody) {
        return;
    }
    node->is_following = true;
    node->followed = now;
    size_t count = was_removed ? 0 : replica_members(replica, members, LIMIT_NODES);
    transport_follow(node->transport, members, count);
}
