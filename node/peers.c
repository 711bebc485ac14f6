/*
 * peers.c - what a node makes of the other members: who may join, who is connected under which
 * incarnation, who refuses us, and whose incarnation still has to be registered in the log (Raft
 * rule 0).
 *
 * Possible failures: a state that can't be read ends the process, and so does being refused by so
 * many that no majority is left.
 */
#include "peers.h"

#include <inttypes.h>

#include "node.h"

static size_t member_slot(const struct node *node, uint64_t id)
{
    for (size_t i = 0; i < node->options->member_count; i++) {
        if (node->options->members[i].id == id) {
            return i;
        }
    }
    return LIMIT_NODES;
}

void peers_connected(void *context, uint64_t peer_id, uint64_t incarnation,
                     const char *client_address)
{
    struct node *node = context;
    size_t slot = member_slot(node, peer_id);
    if (slot < LIMIT_NODES) {
        node->incarnations[slot] = incarnation;
        node->refused[slot] = false;
    }
    log_info("peer-connected", LOG_NUMBER("peer", peer_id), LOG_TEXT("client", client_address));
    if (node->closing == 0) {
        replica_peer_connected(node->replica, peer_id);
        node_follow_leader(node);
    }
}

void peers_disconnected(void *context, uint64_t peer_id, const char *reason)
{
    (void)context;
    log_warning("peer-disconnected", LOG_NUMBER("peer", peer_id), LOG_TEXT("reason", reason));
}

/* Raft rule 0: a node that comes back under a known id with another incarnation has forgotten what
 * it once acknowledged. */
bool peers_admit(void *context, uint64_t peer_id, uint64_t incarnation, struct error *why)
{
    struct node *node = context;
    uint64_t registered;
    bool found;
    struct error error;
    if (!ledger_node_incarnation(node->ledger, peer_id, &registered, &found, &error)) {
        log_fatal("state", error.text);
    }
    if (!found) {
        registered = registrations_find(&node->logged, peer_id, node_applied_index(node));
        found = registered != 0;
    }
    if (found && registered != incarnation) {
        return error_set(
            why,
            "node %" PRIu64 " is registered with incarnation %016" PRIx64 ", not %016" PRIx64
            ": its data directory was lost or replaced, and it must not vote with an "
            "empty memory; start it with its old directory, or leave it stopped: the other "
            "nodes serve without it, and it can't be replaced yet",
            peer_id, registered, incarnation);
    }
    return true;
}

/* A node that so many members refuse that the rest can't make a majority with it will never take
 * part: it says so and ends. One refusal may be the other's mistake. */
void peers_refused(void *context, uint64_t peer_id, const char *reason)
{
    struct node *node = context;
    log_error("refused-by-peer", LOG_NUMBER("peer", peer_id), LOG_TEXT("reason", reason));
    size_t slot = member_slot(node, peer_id);
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

static bool was_registered(struct node *node, uint64_t id)
{
    for (size_t i = 0; i < node->registered_count; i++) {
        if (node->registered[i] == id) {
            return true;
        }
    }
    return false;
}

/* The leader registers the incarnation of each member it knows, once per term at most. */
void peers_register(struct node *node)
{
    for (size_t i = 0; i < node->options->member_count; i++) {
        uint64_t id = node->options->members[i].id;
        uint64_t incarnation = id == node->options->id ? data_directory_incarnation(node->directory)
                                                       : node->incarnations[i];
        if (incarnation == 0 || was_registered(node, id)) {
            continue;
        }
        uint64_t registered;
        bool found;
        struct error error;
        if (!ledger_node_incarnation(node->ledger, id, &registered, &found, &error)) {
            log_fatal("state", error.text);
        }
        if (!found) {
            struct ledger_command command = {
                .kind = LEDGER_REGISTER_NODE, .node_id = id, .incarnation = incarnation};
            struct admitted admitted = {.command_count = 1, .line_count = 1};
            ledger_command_encode(&admitted.encoded, &command);
            bool taken = proposer_add_commands(node->proposer, NULL, &admitted, PROPOSER_SINGLE);
            buffer_free(&admitted.encoded);
            if (!taken) {
                return; /* full: again at the next upkeep */
            }
        }
        node->registered[node->registered_count++] = id;
    }
}
