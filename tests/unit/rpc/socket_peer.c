/*
 * socket_peer.c - a raw socket for tests.
 */
#include "socket_peer.h"

#include "cmocka_all.h"

#include <stdlib.h>

#include "loop_fixture.h"

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *out)
{
    (void)handle;
    *out = uv_buf_init(memory_alloc(suggested), (unsigned)suggested);
}

static void on_read(uv_stream_t *stream, ssize_t len, const uv_buf_t *buffer)
{
    struct socket_peer *peer = stream->data;
    if (len < 0) {
        peer->ended = true;
        uv_read_stop(stream);
    } else {
        buffer_append(&peer->received, buffer->base, (size_t)len);
    }
    free(buffer->base);
}

static void on_connect(uv_connect_t *request, int status)
{
    struct socket_peer *peer = request->data;
    assert_int_equal(status, 0);
    peer->connected = true;
    uv_tcp_nodelay(&peer->tcp, 1);
    socket_peer_read(peer, true);
}

void socket_peer_connect(struct socket_peer *peer, uv_loop_t *loop, int port)
{
    *peer = (struct socket_peer){0};
    struct sockaddr_in address;
    uv_ip4_addr("127.0.0.1", port, &address);
    uv_tcp_init(loop, &peer->tcp);
    peer->tcp.data = peer;
    peer->connect.data = peer;
    assert_int_equal(
        uv_tcp_connect(&peer->connect, &peer->tcp, (struct sockaddr *)&address, on_connect), 0);
    run_until(loop, flag_is_set, &peer->connected);
}

void socket_peer_accept(struct socket_peer *peer, uv_stream_t *listener)
{
    *peer = (struct socket_peer){.connected = true};
    uv_tcp_init(listener->loop, &peer->tcp);
    peer->tcp.data = peer;
    assert_int_equal(uv_accept(listener, (uv_stream_t *)&peer->tcp), 0);
    socket_peer_read(peer, true);
}

struct write {
    uv_write_t request;
    struct socket_peer *peer;
    uint8_t *data;
};

static void on_written(uv_write_t *request, int status)
{
    (void)status; /* a test that wants to know looks at `ended` */
    struct write *write = (struct write *)request;
    write->peer->writes_waiting--;
    free(write->data);
    free(write);
}

void socket_peer_send(struct socket_peer *peer, struct bytes data)
{
    struct write *write = memory_zalloc(sizeof *write);
    write->peer = peer;
    write->data = memory_copy(data.data, data.len);
    uv_buf_t part = uv_buf_init((char *)write->data, (unsigned)data.len);
    peer->writes_waiting++;
    assert_int_equal(uv_write(&write->request, (uv_stream_t *)&peer->tcp, &part, 1, on_written), 0);
}

void socket_peer_read(struct socket_peer *peer, bool on)
{
    if (on && !peer->reading) {
        assert_int_equal(uv_read_start((uv_stream_t *)&peer->tcp, on_alloc, on_read), 0);
    } else if (!on && peer->reading) {
        uv_read_stop((uv_stream_t *)&peer->tcp);
    }
    peer->reading = on;
}

static void on_closed(uv_handle_t *handle)
{
    struct socket_peer *peer = handle->data;
    peer->closed = true;
}

void socket_peer_close(struct socket_peer *peer)
{
    uv_loop_t *loop = peer->tcp.loop;
    if (!uv_is_closing((uv_handle_t *)&peer->tcp)) {
        uv_close((uv_handle_t *)&peer->tcp, on_closed);
    }
    run_until(loop, flag_is_set, &peer->closed);
    buffer_free(&peer->received);
}

void socket_peer_reset(struct socket_peer *peer)
{
    assert_int_equal(uv_tcp_close_reset(&peer->tcp, on_closed), 0);
}
