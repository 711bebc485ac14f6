/*
 * transport.h - connections between members over TCP, on the node's libuv loop.
 *
 * Each member connects to each other one and sends over the connection it made; it receives over
 * those it accepted. The first frame of a connection is a hello {protocol version, cluster id, node
 * id, incarnation, client and peer address}, answered in kind; a stranger (other cluster, other
 * protocol, a removed node, or another incarnation than the log has registered) is refused with a
 * reason that both sides are told. Frames are as raft/transport/frame.h has them.
 *
 * Members come and go (transport_follow). Who is no member by our list and is admitted is heard all
 * the same, and connected to at the address that its hello gives, for as long as it is connected to
 * us: a later list, which it has, may have made it one.
 *
 * Parts of checkpoints have connections of their own (transport_send_bulk), both ways over the one
 * that who asks has made; its hello says so.
 *
 * Delivery: in order within a connection, at most once, with gaps: what is queued when a connection
 * ends, or finds the queue full, is dropped. A peer's newer connection to us ends its older one, so
 * that nothing of the older comes after it (rule 5).
 *
 * Threads: the loop's. Callbacks come from the loop, never from within transport_send; they may
 * call anything here, transport_close included. After transport_close none comes but `closed`.
 * Errors: a peer that misbehaves loses its connection, never the process; failing to bind is an
 * error. Writing to a connection that has just ended must not end the process either: opening a
 * transport sets SIGPIPE to be ignored where it still has its default.
 * Bounds: frames, queues and strangers by base/limits.h.
 */
#ifndef RAFT_TRANSPORT_H
#define RAFT_TRANSPORT_H

#include <uv.h>

#include "base/error.h"
#include "raft/message.h"
#include "raft/replica.h"

struct transport;

/* 2: with READ_INDEX and READ_ASK. */
#define PEER_PROTOCOL_VERSION 3

/* Copied by transport_open. */
struct transport_config {
    uint64_t cluster_id;
    uint64_t node_id;
    uint64_t incarnation;
    const char *listen_address; /* host:port; IPv4, [IPv6] or a host name; port 0: any free one */
    const char *client_address; /* advertised to clients; "": none */
    const char *peer_address; /* where nodes connect that do not have this one among their members;
                                 NULL: they can't */
    const struct replica_member *members; /* to begin with; this node may be among them */
    size_t member_count;
};

struct transport_events {
    void *context;
    /* A whole, decoded message from a member that said hello. Takes over its entries. */
    void (*received)(void *context, uint64_t peer_id, struct peer_message *message);
    /* Our outgoing connection to the peer is up (again), hello accepted. */
    void (*connected)(void *context, uint64_t peer_id, uint64_t incarnation,
                      const char *client_address);
    /* The connection is lost, or could not be made for a reason that was not told yet. */
    void (*disconnected)(void *context, uint64_t peer_id, const char *reason);
    /* May a peer with this id and incarnation join? False: refused, and `why` says so to both
     * sides. */
    bool (*admit)(void *context, uint64_t peer_id, uint64_t incarnation, struct error *why);
    /* Was this node removed, by the log's entry at this index or one before? 0: no. A removed one
     * is not admitted, and told so. May be NULL: none was. */
    uint64_t (*removed_at)(void *context, uint64_t peer_id);
    /* A peer refuses us because we were removed; `refused` is called too. May be NULL. */
    void (*told_removed)(void *context, uint64_t peer_id, uint64_t removed_index);
    /* Another member refuses us, in its words. Told when the words change. */
    void (*refused)(void *context, uint64_t peer_id, const char *reason);
    /* We ended a connection that somebody made to us: a stranger that was refused, was silent or
     * talked rubbish, or a member that talked rubbish. For the log; repetitions are left out. May
     * be NULL. */
    void (*turned_away)(void *context, const char *who, const char *reason);
};

/* Resolves the listen address (this blocks, where it is a host name), binds, listens, begins to
 * connect. NULL and a reason if the address can't be bound or a member's address is none; the loop
 * must then still run until it has nothing left, before it is closed. */
struct transport *transport_open(uv_loop_t *loop, const struct transport_config *config,
                                 const struct transport_events *events, struct error *error);
/* These are the members from now on, at most LIMIT_NODES, this node may be among them: they are
 * dialled for as long as they are. Of all others who are connected to us it is asked again whether
 * they are admitted; call it also when that may have changed. */
void transport_follow(struct transport *transport, const struct replica_member *members,
                      size_t count);
/* Queues, or drops when there is no connection or the queue is full. Frames queued in one turn of
 * the loop leave in one write. The message stays the caller's; its entries are referenced until
 * they are written. To somebody who is no peer (any more): dropped. */
void transport_send(struct transport *transport, uint64_t peer_id,
                    const struct peer_message *message);
/* The same for a question for a part of a checkpoint, or a part, over a connection of its own: so
 * that what is large keeps no other message waiting. A question makes that connection, to where the
 * peer is connected already; it is closed when nothing has used it for PEER_BULK_IDLE_MS. A part
 * leaves over the connection that its question came by. Dropped are a question that comes while
 * another one waits for the connection (that one), and a part behind LIMIT_PEER_BULK_BYTES; whoever
 * asked asks again. */
void transport_send_bulk(struct transport *transport, uint64_t peer_id,
                         const struct peer_message *message);
bool transport_is_connected(const struct transport *transport, uint64_t peer_id);
/* The peer's client address as it said in its hello; NULL if not heard of yet. Valid until the loop
 * runs again. */
const char *transport_client_address(const struct transport *transport, uint64_t peer_id);
/* The port that is listened on. */
uint16_t transport_port(const struct transport *transport);

struct transport_statistics {
    uint64_t frames_sent;
    uint64_t bytes_sent;
    uint64_t writes; /* gathered writes that carried them */
    uint64_t frames_received;
    uint64_t bytes_received;
    uint64_t frames_dropped; /* no connection, or its queue full */
    uint64_t turned_away;    /* all, told or not */
    uint64_t queued_frames;  /* now, for all peers */
    uint64_t queued_bytes;
};
void transport_statistics_get(const struct transport *transport,
                              struct transport_statistics *statistics);

/* Closes everything; `closed` (may be NULL) is called when no handle is left and the transport is
 * freed. */
void transport_close(struct transport *transport, void (*closed)(void *context), void *context);

#endif
