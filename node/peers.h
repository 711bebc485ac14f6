/*
 * peers.h - the transport's events that are not messages. A
 * context is the struct node.
 */
#ifndef NODE_PEERS_H
#define NODE_PEERS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

struct node;

/* As struct transport_events wants them (raft/transport.h). */
void peers_connected(void *context, uint64_t peer_id, uint64_t incarnation,
                     const char *client_address);
void peers_disconnected(void *context, uint64_t peer_id, const char *reason);
bool peers_admit(void *context, uint64_t peer_id, uint64_t incarnation, struct error *why);
void peers_refused(void *context, uint64_t peer_id, const char *reason);
void peers_turned_away(void *context, const char *who, const char *reason);

#endif
