/*
 * connection.h - one TCP connection between members as a stream of frames, both ways.
 *
 * Life: connection_new, then either connection_connect or connection_accept, connection_start when
 * TCP stands, frames in and out, and exactly one end: its owner closes it (connection_close,
 * nothing is told), or it ends by itself (on_end, told once). After either, no callback comes any
 * more and the owner must forget the pointer; the memory goes when libuv lets go of the handle.
 *
 * Threads: the loop's.
 */
#ifndef RAFT_TRANSPORT_CONNECTION_H
#define RAFT_TRANSPORT_CONNECTION_H

#include <netinet/in.h>
#include <sys/queue.h>
#include <uv.h>

#include "frame.h"

struct connection;
struct transport;

enum connection_end {
    CONNECTION_LOST = 1,    /* closed, reset, timed out: what networks do */
    CONNECTION_RUBBISH = 2, /* the other side broke the protocol */
};

/* Who owns a connection hears of it through these. They may close any connection, and the whole
 * transport. */
struct connection_handler {
    void (*on_connect)(struct connection *connection); /* TCP stands; of connection_connect only */
    /* A whole frame. Takes over a message's entries. False: it has no place here, and the
     * connection ends with the error as its reason. */
    bool (*on_frame)(struct connection *connection, struct frame_content *content,
                     struct error *error);
    void (*on_end)(struct connection *connection, enum connection_end how, const char *reason);
};

STAILQ_HEAD(frame_queue, frame);

struct connection {
    uv_tcp_t tcp;
    uv_connect_t connect;
    uv_write_t write;
    struct transport *transport;
    char remote_host[INET6_ADDRSTRLEN]; /* of an accepted one, for reports */

    /* The owner's. */
    const struct connection_handler *handler;
    void *owner;
    uint64_t deadline_ms;            /* of a stranger */
    bool refused;                    /* a stranger that was told so */
    TAILQ_ENTRY(connection) sibling; /* among the strangers */

    /* In: the beginning of the next frame. */
    uint8_t *received;
    size_t received_len;
    size_t received_capacity;
    size_t limit_bytes; /* of a frame that may come */

    /* Out: what waits, of it the first writing_count frames are in the kernel's hands. */
    struct frame_queue queue;
    size_t queued_frames;
    size_t queued_bytes;
    size_t writing_count;
    bool dirty;
    TAILQ_ENTRY(connection) next_dirty;

    bool ended;
};

struct connection *connection_new(struct transport *transport,
                                  const struct connection_handler *handler, void *owner);
/* Both return libuv's error if they fail at once; the owner then closes the connection. */
int connection_connect(struct connection *connection, const struct sockaddr *address);
int connection_accept(struct connection *connection, uv_stream_t *listener);
/* Socket options, and begins to read. False and an error: the owner closes the connection. */
bool connection_start(struct connection *connection, struct error *error);

/* Hello is over: frames of full size may come. */
void connection_welcome(struct connection *connection);

/* Takes the frame over and queues it: it leaves at the end of this turn of the loop. False, and the
 * frame is gone, if the queue is full. */
bool connection_send(struct connection *connection, struct frame *frame);
/* Writes what is queued. Called by the transport at the end of the turn. */
void connection_flush(struct connection *connection);

void connection_close(struct connection *connection);
/* Ends it as if by itself: on_end is called. */
void connection_fail(struct connection *connection, enum connection_end how, const char *reason);

#endif
