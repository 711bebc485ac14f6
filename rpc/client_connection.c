/*
 * client_connection.c - libuv's side of a client's connection.
 *
 *    LOOKING_UP -> CONNECTING -> GREETING -> READY ---> CLOSING -> freed
 *         |             | ^         |          | GOAWAY    ^
 *         |             +-+ next    |          +-> RETIRED-+ last request ended
 *         +-------------+-----------+---- failed, too late, silent ---> CLOSING
 *
 * The addresses a name stands for are tried one after the other, within the one timeout. GREETING
 * ends with the server's SETTINGS: requests only go to something that speaks HTTP/2.
 *
 * What can fail: every step; each has its words, and all end in lose(): the client is told, then
 * the requests end, then the handle closes.
 */
#include "client_connection.h"

#include <assert.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/limits.h"
#include "wire.h"

/* Rounds of gather and write in one turn, so that one connection can't keep the loop. */
#define WRITES_PER_TURN 4

enum connection_state {
    CONNECTION_LOOKING_UP,
    CONNECTION_CONNECTING,
    CONNECTION_GREETING,
    CONNECTION_READY,
    CONNECTION_RETIRED,
    CONNECTION_CLOSING,
};

struct client_connection {
    struct client_connection_host *host;
    struct client_connection *next;
    struct client_connection *previous;
    enum connection_state state;
    uv_getaddrinfo_t lookup;
    bool looking_up;
    struct addrinfo *addresses;
    struct addrinfo *address; /* tried now */
    uv_connect_t connect;
    int connect_error; /* of the last attempt */
    uv_tcp_t tcp;
    bool tcp_open;    /* the handle is initialized and not yet closed */
    bool tcp_closing; /* uv_close was called */
    struct http2_client_session *session;
    struct wire wire;
    struct turn_item item;
    uint64_t started_ms;
    uint64_t heard_ms; /* last time bytes came, or there was something to wait for again */
    uint64_t asked_ms; /* 0: no PING is on its way */
};

static uint64_t now_ms(const struct client_connection *connection)
{
    return uv_now(connection->host->loop);
}

/* ---- the end ---- */

static void free_if_over(struct client_connection *connection)
{
    if (connection->state != CONNECTION_CLOSING || connection->looking_up || connection->tcp_open) {
        return;
    }
    struct client_connection_host *host = connection->host;
    if (connection->previous != NULL) {
        connection->previous->next = connection->next;
    } else {
        host->connections = connection->next;
    }
    if (connection->next != NULL) {
        connection->next->previous = connection->previous;
    }
    http2_client_session_free(connection->session);
    wire_free(&connection->wire);
    uv_freeaddrinfo(connection->addresses);
    free(connection);
    host->on_closed(host);
}

static void on_tcp_closed(uv_handle_t *handle)
{
    struct client_connection *connection = handle->data;
    connection->tcp_open = false;
    connection->tcp_closing = false;
    free_if_over(connection);
}

static void close_tcp(struct client_connection *connection, uv_close_cb closed)
{
    if (connection->tcp_open && !connection->tcp_closing) {
        connection->tcp_closing = true;
        uv_close((uv_handle_t *)&connection->tcp, closed);
    }
}

/* Where neither a look-up nor a handle is open, the caller frees. */
void client_connection_cut(struct client_connection *connection, const char *reason)
{
    if (connection->state == CONNECTION_CLOSING) {
        return;
    }
    connection->state = CONNECTION_CLOSING;
    loop_turn_remove(&connection->host->turn, &connection->item);
    if (connection->looking_up) {
        (void)uv_cancel((uv_req_t *)&connection->lookup); /* too late for that: it ends by itself */
    }
    close_tcp(connection, on_tcp_closed);
    http2_client_session_disconnect(connection->session, reason);
}

static struct client_connection *connection_of_item(struct turn_item *item)
{
    return (struct client_connection *)(void *)((char *)item -
                                                offsetof(struct client_connection, item));
}

/* `detail` may be NULL. */
static void lose(struct client_connection *connection, const char *what, const char *detail)
{
    if (connection->state == CONNECTION_CLOSING) {
        return;
    }
    struct error reason;
    error_set(&reason, "%s: %s%s%s", connection->host->authority, what, detail != NULL ? ": " : "",
              detail != NULL ? detail : "");
    connection->host->on_lost(connection->host, connection, reason.text);
    client_connection_cut(connection, reason.text);
}

/* ---- sending ---- */

static void flush(struct client_connection *connection)
{
    struct error error;
    for (int i = 0; i < WRITES_PER_TURN && !connection->wire.busy; i++) {
        if (!http2_client_session_gather(connection->session, &connection->wire.gathered,
                                         LIMIT_WRITE_BYTES, &error)) {
            lose(connection, "the connection failed", error.text);
            return;
        }
        if (connection->state == CONNECTION_CLOSING || connection->wire.gathered.len == 0) {
            break;
        }
        bool more = connection->wire.gathered.len >= LIMIT_WRITE_BYTES;
        int result = wire_write(&connection->wire);
        if (result != 0) {
            lose(connection, "the connection is lost", uv_strerror(result));
            return;
        }
        if (!more) {
            break;
        }
        if (i == WRITES_PER_TURN - 1) {
            loop_turn_add(&connection->host->turn, &connection->item);
        }
    }
}

static void close_if_over(struct client_connection *connection)
{
    if (connection->wire.busy) {
        return;
    }
    if (connection->state == CONNECTION_RETIRED &&
        http2_client_session_request_count(connection->session) == 0) {
        lose(connection, "the server went away", NULL);
    } else if (http2_client_session_is_finished(connection->session)) {
        lose(connection, "the server broke the protocol", NULL);
    }
}

static void on_turn(struct turn_item *item)
{
    struct client_connection *connection = connection_of_item(item);
    assert(connection->state == CONNECTION_GREETING || connection->state == CONNECTION_READY ||
           connection->state == CONNECTION_RETIRED);
    if (!connection->wire.busy) {
        flush(connection);
    }
    if (connection->state != CONNECTION_CLOSING) {
        close_if_over(connection);
    }
}

static void wake(void *owner)
{
    struct client_connection *connection = owner;
    switch (connection->state) {
    case CONNECTION_GREETING:
    case CONNECTION_READY:
    case CONNECTION_RETIRED:
        loop_turn_add(&connection->host->turn, &connection->item);
        return;
    case CONNECTION_LOOKING_UP:
    case CONNECTION_CONNECTING: /* the first flush comes with the connection */
    case CONNECTION_CLOSING:
        return;
    }
}

static void on_wire_done(struct wire *wire, int status)
{
    struct client_connection *connection =
        (struct client_connection *)(void *)((char *)wire -
                                             offsetof(struct client_connection, wire));
    if (status != 0) {
        lose(connection, "the connection is lost", uv_strerror(status));
        return;
    }
    wake(connection);
}

/* ---- receiving ---- */

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *out)
{
    (void)suggested;
    struct client_connection *connection = handle->data;
    *out =
        uv_buf_init(connection->host->read_buffer, (unsigned)connection->host->read_buffer_bytes);
}

static void on_read(uv_stream_t *stream, ssize_t len, const uv_buf_t *buffer)
{
    struct client_connection *connection = stream->data;
    if (len == UV_EOF) {
        lose(connection, "the server closed the connection", NULL);
        return;
    }
    if (len < 0) {
        lose(connection, "the connection is lost", uv_strerror((int)len));
        return;
    }
    if (len == 0 || connection->state == CONNECTION_CLOSING) {
        return;
    }
    connection->heard_ms = now_ms(connection);
    connection->asked_ms = 0;
    struct error error;
    if (!http2_client_session_receive(connection->session, bytes_of(buffer->base, (size_t)len),
                                      &error)) {
        lose(connection, "the server broke the protocol", error.text);
        return;
    }
    wake(connection);
}

static void on_ready(void *owner)
{
    struct client_connection *connection = owner;
    assert(connection->state == CONNECTION_GREETING);
    connection->state = CONNECTION_READY;
    connection->host->on_ready(connection->host, connection);
}

static void on_goodbye(void *owner)
{
    struct client_connection *connection = owner;
    if (connection->state == CONNECTION_READY) {
        connection->host->on_goodbye(connection->host, connection);
    } else if (connection->state == CONNECTION_GREETING) {
        lose(connection, "the server takes no calls", NULL);
    }
}

/* ---- connecting ---- */

static void start_attempt(struct client_connection *connection);

static void on_attempt_closed(uv_handle_t *handle)
{
    struct client_connection *connection = handle->data;
    connection->tcp_open = false;
    connection->tcp_closing = false;
    if (connection->state != CONNECTION_CLOSING) {
        if (connection->address->ai_next != NULL) {
            connection->address = connection->address->ai_next;
            start_attempt(connection);
            return;
        }
        lose(connection, "can't connect", uv_strerror(connection->connect_error));
    }
    free_if_over(connection);
}

/* The next address is tried, or the client is told, when the handle is closed: never from within a
 * call of the client's. */
static void fail_attempt(struct client_connection *connection, int why)
{
    connection->connect_error = why;
    close_tcp(connection, on_attempt_closed);
}

static void on_connect(uv_connect_t *request, int status)
{
    struct client_connection *connection = request->data;
    if (connection->state != CONNECTION_CONNECTING) {
        return; /* closing */
    }
    if (status != 0) {
        fail_attempt(connection, status);
        return;
    }
    (void)uv_tcp_nodelay(&connection->tcp, 1); /* only tunes */
    int result = uv_read_start((uv_stream_t *)&connection->tcp, on_alloc, on_read);
    assert(result == 0); /* it is connected, and not being read */
    connection->state = CONNECTION_GREETING;
    wake(connection);
}

static void start_attempt(struct client_connection *connection)
{
    connection->state = CONNECTION_CONNECTING;
    int result = uv_tcp_init(connection->host->loop, &connection->tcp);
    assert(result == 0); /* no socket is made yet: nothing to fail */
    connection->tcp.data = connection;
    connection->tcp_open = true;
    wire_open(&connection->wire, (uv_stream_t *)&connection->tcp, on_wire_done);
    connection->connect.data = connection;
    result = uv_tcp_connect(&connection->connect, &connection->tcp, connection->address->ai_addr,
                            on_connect);
    if (result != 0) {
        fail_attempt(connection, result);
    }
}

static void on_lookup(uv_getaddrinfo_t *request, int status, struct addrinfo *found)
{
    struct client_connection *connection = request->data;
    connection->looking_up = false;
    connection->addresses = found;
    if (connection->state != CONNECTION_CLOSING) {
        if (status == 0) {
            connection->address = found;
            start_attempt(connection);
            return;
        }
        lose(connection, "the name can't be looked up", uv_strerror(status));
    }
    free_if_over(connection);
}

static void begin(struct client_connection *connection)
{
    struct client_connection_host *host = connection->host;
    bool numeric = host->address.kind != ADDRESS_NAME;
    char port[8];
    snprintf(port, sizeof port, "%u", host->address.port);
    const struct addrinfo hints = {
        .ai_socktype = SOCK_STREAM,
        .ai_flags = AI_NUMERICSERV | (numeric ? AI_NUMERICHOST : 0),
    };
    connection->lookup.data = connection;
    int result = uv_getaddrinfo(host->loop, &connection->lookup, numeric ? NULL : on_lookup,
                                host->address.host, port, &hints);
    assert(result == 0); /* the address has been parsed: what else fails is told to on_lookup */
    if (numeric) {
        /* Nothing to wait for; and the thread pool may be busy with disks. */
        connection->addresses = connection->lookup.addrinfo;
        connection->address = connection->addresses;
        start_attempt(connection);
    } else {
        connection->looking_up = true;
    }
}

struct client_connection *client_connection_open(struct client_connection_host *host)
{
    struct client_connection *connection = memory_zalloc(sizeof *connection);
    connection->host = host;
    connection->state = CONNECTION_LOOKING_UP;
    connection->started_ms = uv_now(host->loop);
    connection->item.run = on_turn;
    connection->next = host->connections;
    if (connection->next != NULL) {
        connection->next->previous = connection;
    }
    host->connections = connection;
    const struct http2_client_session_events events = {
        .owner = connection, .wake = wake, .ready = on_ready, .goodbye = on_goodbye};
    connection->session = http2_client_session_new(host->authority, &events);
    begin(connection);
    return connection;
}

/* ---- from the client ---- */

bool client_connection_submit(struct client_connection *connection, struct rpc_request *request,
                              uint64_t timeout_ms)
{
    assert(connection->state == CONNECTION_READY);
    if (http2_client_session_request_count(connection->session) == 0) {
        connection->heard_ms = now_ms(connection); /* silence before was no sign of anything */
    }
    return http2_client_session_submit(connection->session, request, timeout_ms);
}

void client_connection_retire(struct client_connection *connection)
{
    assert(connection->state == CONNECTION_READY);
    connection->state = CONNECTION_RETIRED;
    wake(connection);
}

uint64_t client_connection_due_ms(const struct client_connection *connection)
{
    const struct client_connection_host *host = connection->host;
    switch (connection->state) {
    case CONNECTION_LOOKING_UP:
    case CONNECTION_CONNECTING:
    case CONNECTION_GREETING:
        return connection->started_ms + host->connect_timeout_ms;
    case CONNECTION_READY:
    case CONNECTION_RETIRED:
        if (connection->asked_ms != 0) {
            return connection->asked_ms + host->keepalive_ms;
        }
        return http2_client_session_request_count(connection->session) != 0
                   ? connection->heard_ms + host->keepalive_ms
                   : UINT64_MAX;
    case CONNECTION_CLOSING:
        return UINT64_MAX;
    }
    return UINT64_MAX;
}

void client_connection_sweep(struct client_connection *connection)
{
    if (client_connection_due_ms(connection) > now_ms(connection)) {
        return;
    }
    switch (connection->state) {
    case CONNECTION_LOOKING_UP:
        lose(connection, "the name could not be looked up in time", NULL);
        return;
    case CONNECTION_CONNECTING:
        lose(connection, "can't connect: timed out", NULL);
        return;
    case CONNECTION_GREETING:
        lose(connection, "connected, but no HTTP/2 server answered in time", NULL);
        return;
    case CONNECTION_READY:
    case CONNECTION_RETIRED:
        if (connection->asked_ms != 0) {
            lose(connection, "the server gives no sign of life", NULL);
            return;
        }
        connection->asked_ms = now_ms(connection);
        http2_client_session_ask(connection->session);
        return;
    case CONNECTION_CLOSING:
        return;
    }
}

struct client_connection *client_connection_next(struct client_connection *connection)
{
    return connection->next;
}
