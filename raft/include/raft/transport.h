/*
 * transport.h - connections between members over TCP, on the node's libuv loop.
 *
 * Each member connects to each other one and sends over the connection it made; it receives over
 * those it accepted. The first frame of a connection is a hello {protocol version, cluster id, node
 * id, incarnation, client address}, answered in kind; a stranger (other cluster, other protocol,
 * unknown id, or another incarnation than the log has registered) is refused with a reason that
 * both sides log.
 *
 * Threads: the loop's. Errors: a peer that misbehaves loses its connection, never the process;
 * failing to bind is an error. Bounds: frames, queues and strangers by base/limits.h.
 */
#ifndef RAFT_TRANSPORT_H
#define RAFT_TRANSPORT_H

#include <uv.h>

#include "base/error.h"
#include "raft/message.h"
#include "raft/replica.h"

struct transport;

#define PEER_PROTOCOL_VERSION 1

struct transport_config {
    uint64_t cluster_id;
    uint64_t node_id;
    uint64_t incarnation;
    const char *listen_address; /* host:port; IPv4, [IPv6] or a host name */
    const char *client_address; /* advertised to clients */
    const struct replica_member *members;
    size_t member_count;
};

struct transport_events {
    void *context;
    /* A whole, decoded message from a member that said hello. Takes over its entries. */
    void (*received)(void *context, uint64_t peer_id, struct peer_message *message);
    /* Our outgoing connection to the peer is up (again), hello accepted. */
    void (*connected)(void *context, uint64_t peer_id, uint64_t incarnation,
                      const char *client_address);
    void (*disconnected)(void *context, uint64_t peer_id, const char *reason);
    /* May a peer with this id and incarnation join? False: refused, and `why` says so to both
     * sides. */
    bool (*admit)(void *context, uint64_t peer_id, uint64_t incarnation, struct error *why);
    /* Another member refuses us, in its words. */
    void (*refused)(void *context, uint64_t peer_id, const char *reason);
};

/* Binds, listens, begins to connect. NULL and a reason if the address can't be bound. */
struct transport *transport_open(uv_loop_t *loop, const struct transport_config *config,
                                 const struct transport_events *events, struct error *error);
/* Queues, or drops when there is no connection or the queue is full. Frames queued in one turn of
 * the loop leave in one write. */
void transport_send(struct transport *transport, uint64_t peer_id,
                    const struct peer_message *message);
bool transport_is_connected(const struct transport *transport, uint64_t peer_id);
/* The peer's client address as it said in its hello; NULL if not heard of yet. */
const char *transport_client_address(const struct transport *transport, uint64_t peer_id);
/* Closes everything; `closed` is called when no handle is left and the transport is freed. */
void transport_close(struct transport *transport, void (*closed)(void *context), void *context);

#endif
