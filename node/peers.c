/*
 * peers.c - what a node makes of the other members: who may join, who is connected under which
 * incarnation, who refuses us.
 *
 * Possible failures: a state that can't be read ends the process, and so does being refused by so
 * many that no majority is left.
 */
#include "peers.h"

#include "core/members.h"
#include "node.h"

void peers_connected(void *context, uint64_t peer_id, uint64_t incarnation,
                     const char *client_address)
{
    struct node *node = context;
    size_t slot = core_member_slot(&node->core, peer_id);
    if (slot < LIMIT_NODES) {
        node->refused[slot] = false;
    }
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

/* A node that so many members refuse that the rest can't make a majority with it will never take
 * part: it says so and ends. One refusal may be the other's mistake. */
void peers_refused(void *context, uint64_t peer_id, const char *reason)
{
    struct node *node = context;
    log_error("refused-by-peer", LOG_NUMBER("peer", peer_id), LOG_TEXT("reason", reason));
    size_t slot = core_member_slot(&node->core, peer_id);
    if (slot < LIMIT_NODES) {
        node->refused[slot] = true;
    }
    size_t refusals = 0;
    for (size_t i = 0; i < node->options->member_count; i++) {
        refusals += node->refused[i];
    }
    size_t majority = node->options->member_count / 2 + 1;
    if (node->options->member_count - refusals < majority) {
        log_fatal("refused", reason);
    }
}

/* Somebody who is no member of this cluster, or not the one it says: already limited in rate by the
 * transport. */
void peers_turned_away(void *context, const char *who, const char *reason)
{
    (void)context;
    log_warning("turned-away", LOG_TEXT("who", who), LOG_TEXT("reason", reason));
}
