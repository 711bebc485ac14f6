/*
 * socket_peer.h - a raw socket on the test's loop: says any bytes, keeps what comes, reads or does
 * not.
 */
#ifndef TEST_SOCKET_PEER_H
#define TEST_SOCKET_PEER_H

#include <uv.h>

#include "base/bytes.h"

struct socket_peer {
    uv_tcp_t tcp;
    uv_connect_t connect;
    bool connected;
    bool ended; /* the other side closed, or reset */
    bool closed;
    bool reading;
    struct buffer received;
    size_t writes_waiting;
};

void socket_peer_connect(struct socket_peer *peer, uv_loop_t *loop, int port);
/* Takes a connection of a listener of the test's own. */
void socket_peer_accept(struct socket_peer *peer, uv_stream_t *listener);
void socket_peer_send(struct socket_peer *peer, struct bytes data);
void socket_peer_read(struct socket_peer *peer, bool on);
void socket_peer_close(struct socket_peer *peer); /* and runs the loop until it is gone */
/* The same with RST. */
void socket_peer_reset(struct socket_peer *peer);

#endif
