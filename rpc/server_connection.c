/*
 * server_connection.c - libuv's side of a connection: reads into the session, gathers once per turn
 * of the loop, writes once, and sees to it that nobody holds the server up.
 *
 *     OPEN --- session finished ---> LINGERING --- end of input, or time ---> CLOSING ---> freed
 *      +--- fault, silence, stall, close ---------------------------------------^
 *
 * LINGERING: everything is sent and our end is shut; what still comes is read and thrown away, for
 * closing a socket with unread input resets it, and a reset may destroy what the client has not
 * read yet.
 *
 * Back-pressure: while a write waits for the socket and more than the limit waits behind it, the
 * connection is not read from. (While only the client's windows are shut it is read, or they would
 * stay shut; new calls are refused then, see the session.) What makes no progress for the stall
 * timeout is cut.
 */
#include "server_connection.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/limits.h"
#include "http2_server_session.h"
#include "wire.h"

/* Rounds of gather and write in one turn, so that one connection can't keep the loop. */
#define WRITES_PER_TURN 4
/* How long the goodbye's notice works before the real one is said to a client that does not answer
 * PING, and how long a connection lingers. */
#define GOODBYE_MS      1000
#define LINGER_MS       1000
#define TCP_KEEPALIVE_S 60

enum connection_state {
    CONNECTION_OPEN,
    CONNECTION_LINGERING,
    CONNECTION_CLOSING,
};

struct server_connection {
    uv_tcp_t tcp;
    struct server_connection_host *host;
    struct server_connection *next;
    struct server_connection *previous;
    struct http2_server_session *session;
    struct wire wire;
    struct turn_item item;
    uv_shutdown_t shutdown;
    enum connection_state state;
    bool reading;
    bool saying_goodbye;
    uint64_t opened_ms;
    uint64_t goodbye_ms;
    uint64_t linger_ms;
    uint64_t progress; /* as last seen, and */
    uint64_t progress_ms;
};

static uint64_t now_ms(const struct server_connection *connection)
{
    return uv_now(connection->host->loop);
}

static void link_to_host(struct server_connection *connection)
{
    struct server_connection_host *host = connection->host;
    connection->previous = NULL;
    connection->next = host->connections;
    if (connection->next != NULL) {
        connection->next->previous = connection;
    }
    host->connections = connection;
    host->registry->stats.connections++;
}

static void unlink_from_host(struct server_connection *connection)
{
    struct server_connection_host *host = connection->host;
    if (connection->previous != NULL) {
        connection->previous->next = connection->next;
    } else {
        host->connections = connection->next;
    }
    if (connection->next != NULL) {
        connection->next->previous = connection->previous;
    }
    host->registry->stats.connections--;
}

/* ---- the end ---- */

static void on_closed(uv_handle_t *handle)
{
    struct server_connection *connection = handle->data;
    struct server_connection_host *host = connection->host;
    unlink_from_host(connection);
    http2_server_session_free(connection->session);
    wire_free(&connection->wire);
    free(connection);
    host->on_closed(host);
}

/* Who it is that has to be looked for when something on the network speaks nonsense to us. */
static void format_client(const struct server_connection *connection, char *text, size_t size)
{
    struct sockaddr_storage address;
    int len = sizeof address;
    char host[INET6_ADDRSTRLEN];
    bool known = uv_tcp_getpeername(&connection->tcp, (struct sockaddr *)&address, &len) == 0 &&
                 uv_ip_name((struct sockaddr *)&address, host, sizeof host) == 0;
    snprintf(text, size, "%s", known ? host : "an address that is gone");
}

void server_connection_cut(struct server_connection *connection, const char *reason)
{
    if (connection->state == CONNECTION_CLOSING) {
        return;
    }
    connection->state = CONNECTION_CLOSING;
    struct server_connection_host *host = connection->host;
    if (reason != NULL) {
        host->registry->stats.connections_dropped++;
        char client[64];
        format_client(connection, client, sizeof client);
        call_registry_notice(host->registry, "connection cut: the client at %s %s", client, reason);
    }
    loop_turn_remove(&host->turn, &connection->item);
    http2_server_session_disconnect(connection->session);
    uv_close((uv_handle_t *)&connection->tcp, on_closed);
}

static void on_shutdown(uv_shutdown_t *request, int status)
{
    struct server_connection *connection = request->data;
    if (status != 0 && status != UV_ECANCELED) {
        server_connection_cut(connection, NULL); /* the client was gone already */
    }
}

static void read_on(struct server_connection *connection);

static void linger(struct server_connection *connection)
{
    const char *complaint = http2_server_session_complaint(connection->session);
    struct call_registry *registry = connection->host->registry;
    if (complaint != NULL) {
        registry->stats.connections_dropped++;
        call_registry_notice(registry, "connection ended: the client broke the protocol: %s",
                             complaint);
    }
    connection->state = CONNECTION_LINGERING;
    connection->linger_ms = now_ms(connection);
    loop_turn_remove(&connection->host->turn, &connection->item);
    http2_server_session_disconnect(connection->session);
    connection->shutdown.data = connection;
    if (uv_shutdown(&connection->shutdown, (uv_stream_t *)&connection->tcp, on_shutdown) != 0) {
        server_connection_cut(connection, NULL);
        return;
    }
    read_on(connection);
}

/* ---- sending ---- */

static bool has_too_much_waiting(const struct server_connection *connection)
{
    return http2_server_session_waiting_bytes(connection->session) >
           connection->host->registry->limits.send_bytes_per_connection;
}

static void flush(struct server_connection *connection)
{
    struct error error;
    for (int i = 0; i < WRITES_PER_TURN && !connection->wire.busy; i++) {
        if (!http2_server_session_gather(connection->session, &connection->wire.gathered,
                                         LIMIT_WRITE_BYTES, &error)) {
            server_connection_cut(connection, error.text);
            return;
        }
        if (connection->wire.gathered.len == 0) {
            break;
        }
        bool more = connection->wire.gathered.len >= LIMIT_WRITE_BYTES;
        if (wire_write(&connection->wire) != 0) {
            server_connection_cut(connection, NULL); /* the client is gone */
            return;
        }
        if (!more) {
            break;
        }
        if (i == WRITES_PER_TURN - 1) {
            loop_turn_add(&connection->host->turn, &connection->item);
        }
    }
    http2_server_session_turn_over(connection->session);
    if (!connection->wire.busy && http2_server_session_is_finished(connection->session)) {
        linger(connection);
    }
}

static void on_turn(struct turn_item *item)
{
    struct server_connection *connection =
        (struct server_connection *)(void *)((char *)item -
                                             offsetof(struct server_connection, item));
    assert(connection->state == CONNECTION_OPEN);
    if (!connection->wire.busy) {
        flush(connection);
    }
}

static void wake(void *owner)
{
    struct server_connection *connection = owner;
    if (connection->state == CONNECTION_OPEN) {
        loop_turn_add(&connection->host->turn, &connection->item);
    }
}

static void on_wire_done(struct wire *wire, int status)
{
    struct server_connection *connection =
        (struct server_connection *)(void *)((char *)wire -
                                             offsetof(struct server_connection, wire));
    if (connection->state != CONNECTION_OPEN) {
        return;
    }
    if (status != 0) {
        server_connection_cut(connection, NULL); /* the client is gone */
        return;
    }
    read_on(connection);
    wake(connection);
}

/* ---- receiving ---- */

/* Has this turn of the loop read enough? uv_now stands still while a turn's events are handled. The
 * first read of a turn is always made, so that clients get on even where others keep the loop busy.
 */
static bool turn_is_over(struct server_connection_host *host, uv_loop_t *loop)
{
    uint64_t turn_ms = uv_now(loop);
    if (turn_ms != host->turn_ms) {
        host->turn_ms = turn_ms;
        return false;
    }
    return uv_hrtime() / 1000000 >= turn_ms + TURN_READ_MS;
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *out)
{
    (void)suggested;
    struct server_connection *connection = handle->data;
    struct server_connection_host *host = connection->host;
    if (turn_is_over(host, handle->loop)) {
        *out = uv_buf_init(NULL, 0); /* what came stays in the socket until the next turn */
        return;
    }
    *out = uv_buf_init(host->read_buffer, (unsigned)host->read_buffer_bytes);
}

static void on_read(uv_stream_t *stream, ssize_t len, const uv_buf_t *buffer)
{
    struct server_connection *connection = stream->data;
    if (len == UV_ENOBUFS) {
        return; /* on_alloc put it off */
    }
    if (len < 0) {
        server_connection_cut(connection, NULL); /* the client closed, or its machine did */
        return;
    }
    if (len == 0 || connection->state != CONNECTION_OPEN) {
        return;
    }
    struct error error;
    struct server_connection_host *host = connection->host;
    host->registry->now_ms = now_ms(connection);
    bool received = http2_server_session_receive(connection->session,
                                                 bytes_of(buffer->base, (size_t)len), &error);
    if (!received) {
        server_connection_cut(connection, error.text);
        return;
    }
    if (connection->wire.busy && has_too_much_waiting(connection)) {
        uv_read_stop(stream);
        connection->reading = false;
    }
    wake(connection);
    host->on_received(host);
}

static void read_on(struct server_connection *connection)
{
    if (connection->reading) {
        return;
    }
    int result = uv_read_start((uv_stream_t *)&connection->tcp, on_alloc, on_read);
    assert(result == 0); /* it is open, and not being read */
    connection->reading = true;
}

/* ---- from the server ---- */

void server_connection_say_goodbye(struct server_connection *connection)
{
    if (connection->state == CONNECTION_OPEN && !connection->saying_goodbye) {
        connection->saying_goodbye = true;
        connection->goodbye_ms = now_ms(connection);
        http2_server_session_say_goodbye(connection->session);
    }
}

static void sweep_open(struct server_connection *connection)
{
    const struct rpc_server_limits *limits = &connection->host->registry->limits;
    uint64_t now = now_ms(connection);
    if (!http2_server_session_is_greeted(connection->session) &&
        now - connection->opened_ms >= limits->preface_timeout_ms) {
        server_connection_cut(connection, "did not begin to speak HTTP/2 in time");
        return;
    }
    uint64_t progress =
        wire_progress(&connection->wire) + http2_server_session_framed_bytes(connection->session);
    bool waiting =
        connection->wire.busy || http2_server_session_waiting_bytes(connection->session) > 0;
    if (!waiting || progress != connection->progress) {
        connection->progress = progress;
        connection->progress_ms = now;
    } else if (now - connection->progress_ms >= limits->stall_timeout_ms) {
        server_connection_cut(connection, "takes nothing of what waits for it");
        return;
    }
    if (connection->saying_goodbye && now - connection->goodbye_ms >= GOODBYE_MS) {
        http2_server_session_say_last(connection->session);
    }
}

void server_connection_sweep(struct server_connection *connection)
{
    switch (connection->state) {
    case CONNECTION_OPEN:
        sweep_open(connection);
        return;
    case CONNECTION_LINGERING:
        if (now_ms(connection) - connection->linger_ms >= LINGER_MS) {
            server_connection_cut(connection, NULL);
        }
        return;
    case CONNECTION_CLOSING:
        return;
    }
}

struct server_connection *server_connection_next(struct server_connection *connection)
{
    return connection->next;
}

void server_connection_accept(struct server_connection_host *host, uv_stream_t *listener)
{
    struct call_registry *registry = host->registry;
    struct server_connection *connection = memory_zalloc(sizeof *connection);
    connection->host = host;
    connection->opened_ms = uv_now(host->loop);
    connection->progress_ms = connection->opened_ms;
    connection->item.run = on_turn;
    connection->session = http2_server_session_new(registry, wake, connection);
    int result = uv_tcp_init(host->loop, &connection->tcp);
    assert(result == 0); /* no socket is made yet: nothing to fail */
    connection->tcp.data = connection;
    wire_open(&connection->wire, (uv_stream_t *)&connection->tcp, on_wire_done);
    link_to_host(connection);
    registry->stats.connections_total++;
    result = uv_accept(listener, (uv_stream_t *)&connection->tcp);
    if (result != 0) {
        call_registry_notice(registry, "a connection could not be accepted: %s",
                             uv_strerror(result));
        server_connection_cut(connection, NULL);
        return;
    }
    if (registry->stats.connections > registry->limits.connections) {
        registry->stats.connections_refused++;
        call_registry_notice(registry, "connection refused: there are %zu, as many as there may be",
                             registry->limits.connections);
        server_connection_cut(connection, NULL);
        return;
    }
    /* Both only tune: a socket that does not take them is about to fail by itself. */
    (void)uv_tcp_nodelay(&connection->tcp, 1);
    (void)uv_tcp_keepalive(&connection->tcp, 1, TCP_KEEPALIVE_S);
    read_on(connection);
    wake(connection);
}
