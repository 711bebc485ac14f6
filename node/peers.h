/*
 * peers.h - the transport's events that are not messages, and whom it connects to. A context is the
 * struct node.
 */
#ifndef NODE_PEERS_H
#define NODE_PEERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

struct node;

/* As struct transport_events wants them (raft/transport.h). */
void peers_connected(void *context, uint64_t peer_id, uint64_t incarnation,
                     const char *client_address);
void peers_disconnected(void *context, uint64_t peer_id, const char *reason);
bool peers_admit(void *context, uint64_t peer_id, uint64_t incarnation, struct error *why);
uint64_t peers_removed_at(void *context, uint64_t peer_id);
void peers_told_removed(void *context, uint64_t peer_id, uint64_t removed_index);
void peers_refused(void *context, uint64_t peer_id, const char *reason);
void peers_turned_away(void *context, const char *who, const char *reason);

/* Why a node serves nobody that is no member, for clients. False: it is one, as far as it knows. */
bool peers_describe_outsider(const struct node *node, char *text, size_t size);
/* Behind each upkeep: the transport connects to the members as they are now. */
void peers_follow(struct node *node);

#endif
