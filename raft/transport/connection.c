/*
 * connection.c - frames over a TCP socket.
 *
 * Happy path, out: connection_send queues; at the end of the loop's turn connection_flush gathers
 * all that waits into one writev and lets the frames go. What the kernel does not take at once
 * becomes one uv_write; until that is done, new frames wait behind it. In: bytes gather in one
 * buffer; each whole frame is decoded where it lies and handed on.
 *
 * Invariants:
 * - queued_frames and queued_bytes stay within LIMIT_PEER_SEND_*: frames that don't fit
 *   are dropped, the newest first, so that what is under way is never torn.
 * - the receive buffer never exceeds one frame of limit_bytes (or the first read's size), and
 *   shrinks again behind a large one.
 * - after `ended` no callback of the handler is called.
 *
 * What can fail: any read or write, by the network; bytes that are no frame. Either ends the
 * connection with a reason. A peer that takes nothing any more is noticed by the kernel: our bytes,
 * or keep-alive probes of a silent connection, stay unacknowledged for PEER_SILENCE_MS.
 */
#include "connection.h"

#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "transport_private.h"

struct connection *connection_new(struct transport *transport,
                                  const struct connection_handler *handler, void *owner)
{
    struct connection *connection = memory_zalloc(sizeof *connection);
    connection->transport = transport;
    connection->handler = handler;
    connection->owner = owner;
    connection->limit_bytes = LIMIT_PEER_HELLO_BYTES;
    STAILQ_INIT(&connection->queue);
    int status = uv_tcp_init(transport->loop, &connection->tcp);
    assert(status == 0); /* without a socket to open it has nothing to fail at */
    connection->tcp.data = connection;
    transport_hold(transport);
    return connection;
}

/* ---- the end ---- */

static void release_frames(struct connection *connection, size_t count)
{
    struct transport *transport = connection->transport;
    for (size_t i = 0; i < count; i++) {
        struct frame *frame = STAILQ_FIRST(&connection->queue);
        STAILQ_REMOVE_HEAD(&connection->queue, next);
        connection->queued_frames--;
        connection->queued_bytes -= frame->total_bytes;
        transport->statistics.queued_frames--;
        transport->statistics.queued_bytes -= frame->total_bytes;
        frame_free(frame);
    }
}

static void on_closed(uv_handle_t *handle)
{
    struct connection *connection = handle->data;
    struct transport *transport = connection->transport;
    /* libuv has called back every request by now: nobody reads the frames any more. */
    release_frames(connection, connection->queued_frames);
    free(connection->received);
    free(connection);
    transport_let_go(transport);
}

void connection_close(struct connection *connection)
{
    assert(!connection->ended);
    connection->ended = true;
    if (connection->dirty) {
        TAILQ_REMOVE(&connection->transport->dirty, connection, next_dirty);
        connection->dirty = false;
    }
    uv_close((uv_handle_t *)&connection->tcp, on_closed);
}

void connection_fail(struct connection *connection, enum connection_end how, const char *reason)
{
    connection_close(connection);
    connection->handler->on_end(connection, how, reason);
}

/* ---- in ---- */

static size_t least_capacity(const struct connection *connection)
{
    return connection->limit_bytes < PEER_RECEIVE_BYTES ? connection->limit_bytes
                                                        : PEER_RECEIVE_BYTES;
}

static void on_allocate(uv_handle_t *handle, size_t suggested, uv_buf_t *out)
{
    (void)suggested;
    struct connection *connection = handle->data;
    if (connection->received == NULL) {
        connection->received_capacity = least_capacity(connection);
        connection->received = memory_alloc(connection->received_capacity);
    }
    assert(connection->received_len < connection->received_capacity);
    *out = uv_buf_init((char *)connection->received + connection->received_len,
                       (unsigned)(connection->received_capacity - connection->received_len));
}

/* Makes room for a frame of `need_bytes`, or gives room back once a large one is through. */
static void fit_buffer(struct connection *connection, size_t need_bytes)
{
    size_t least = least_capacity(connection);
    size_t capacity = need_bytes > least ? need_bytes : least;
    if (capacity > connection->received_capacity) {
        connection->received = memory_realloc(connection->received, capacity);
        connection->received_capacity = capacity;
    } else if (connection->received_len == 0 &&
               connection->received_capacity > LIMIT_PEER_RECEIVE_KEPT_BYTES) {
        connection->received = memory_realloc(connection->received, least);
        connection->received_capacity = least;
    }
}

/* Hands on each whole frame. How many bytes the beginning of the next one will need in all is left
 * in need_bytes. False if the connection has ended. */
static bool take_frames(struct connection *connection, size_t *taken, size_t *need_bytes)
{
    struct error error;
    struct frame_content content;
    *taken = 0;
    for (;;) {
        struct bytes rest =
            bytes_of(connection->received + *taken, connection->received_len - *taken);
        if (!frame_measure(rest, connection->limit_bytes, need_bytes, &error)) {
            connection_fail(connection, CONNECTION_RUBBISH, error.text);
            return false;
        }
        if (*need_bytes == 0 || *need_bytes > rest.len) {
            return true;
        }
        if (!frame_decode(bytes_of(rest.data, *need_bytes), &content, &error)) {
            connection_fail(connection, CONNECTION_RUBBISH, error.text);
            return false;
        }
        *taken += *need_bytes;
        connection->transport->statistics.frames_received++;
        connection->transport->statistics.bytes_received += *need_bytes;
        bool belongs = connection->handler->on_frame(connection, &content, &error);
        if (connection->ended) {
            return false;
        }
        if (!belongs) {
            connection_fail(connection, CONNECTION_RUBBISH, error.text);
            return false;
        }
    }
}

static void on_read(uv_stream_t *stream, ssize_t count, const uv_buf_t *buffer)
{
    (void)buffer;
    struct connection *connection = stream->data;
    if (connection->ended || count == 0) {
        return; /* 0: would have blocked */
    }
    if (count == UV_EOF) {
        connection_fail(connection, CONNECTION_LOST, "the other side closed the connection");
        return;
    }
    if (count < 0) {
        connection_fail(connection, CONNECTION_LOST, uv_strerror((int)count));
        return;
    }
    connection->received_len += (size_t)count;
    size_t taken;
    size_t need_bytes;
    if (!take_frames(connection, &taken, &need_bytes)) {
        return;
    }
    if (taken > 0) {
        connection->received_len -= taken;
        memmove(connection->received, connection->received + taken, connection->received_len);
    }
    fit_buffer(connection, need_bytes);
}

/* ---- out ---- */

bool connection_send(struct connection *connection, struct frame *frame)
{
    assert(!connection->ended);
    struct transport *transport = connection->transport;
    if (connection->queued_frames >= LIMIT_PEER_SEND_FRAMES ||
        frame->total_bytes > LIMIT_PEER_SEND_BYTES - connection->queued_bytes) {
        frame_free(frame);
        return false;
    }
    STAILQ_INSERT_TAIL(&connection->queue, frame, next);
    connection->queued_frames++;
    connection->queued_bytes += frame->total_bytes;
    transport->statistics.queued_frames++;
    transport->statistics.queued_bytes += frame->total_bytes;
    if (!connection->dirty) {
        TAILQ_INSERT_TAIL(&transport->dirty, connection, next_dirty);
        connection->dirty = true;
        transport_flush_soon(transport);
    }
    return true;
}

struct gathered {
    size_t frames;
    size_t parts;
    size_t bytes;
};

static struct gathered gather(const struct connection *connection, uv_buf_t *parts)
{
    struct gathered gathered = {0};
    const struct frame *frame;
    STAILQ_FOREACH(frame, &connection->queue, next)
    {
        if (gathered.frames > 0 &&
            (gathered.bytes + frame->total_bytes > LIMIT_PEER_WRITE_BYTES ||
             gathered.parts + frame_part_count(frame) > LIMIT_PEER_WRITE_PARTS)) {
            break;
        }
        for (size_t i = 0; i < frame_part_count(frame); i++) {
            struct bytes part = frame_part(frame, i);
            if (part.len > 0) {
                parts[gathered.parts++] =
                    uv_buf_init((char *)(uintptr_t)part.data, (unsigned)part.len);
            }
        }
        gathered.frames++;
        gathered.bytes += frame->total_bytes;
    }
    assert(gathered.parts <= TRANSPORT_PARTS);
    return gathered;
}

static void count_sent(struct connection *connection, size_t count)
{
    struct transport_statistics *statistics = &connection->transport->statistics;
    const struct frame *frame = STAILQ_FIRST(&connection->queue);
    for (size_t i = 0; i < count; i++, frame = STAILQ_NEXT(frame, next)) {
        statistics->frames_sent++;
        statistics->bytes_sent += frame->total_bytes;
    }
}

static void on_written(uv_write_t *request, int status)
{
    struct connection *connection = request->data;
    if (connection->ended) {
        return; /* the frames go with the connection */
    }
    if (status < 0) {
        connection_fail(connection, CONNECTION_LOST, uv_strerror(status));
        return;
    }
    count_sent(connection, connection->writing_count);
    release_frames(connection, connection->writing_count);
    connection->writing_count = 0;
    connection_flush(connection);
}

/* The kernel took `written` bytes; the rest goes as soon as it takes more. */
static void write_rest(struct connection *connection, uv_buf_t *parts, struct gathered gathered,
                       size_t written)
{
    size_t first = 0;
    while (written >= parts[first].len) {
        written -= parts[first].len;
        first++;
    }
    parts[first].base += written;
    parts[first].len -= written;
    connection->writing_count = gathered.frames;
    connection->write.data = connection;
    int status = uv_write(&connection->write, (uv_stream_t *)&connection->tcp, parts + first,
                          (unsigned)(gathered.parts - first), on_written);
    if (status < 0) {
        connection->writing_count = 0;
        connection_fail(connection, CONNECTION_LOST, uv_strerror(status));
    }
}

void connection_flush(struct connection *connection)
{
    struct transport *transport = connection->transport;
    while (!connection->ended && connection->writing_count == 0 && connection->queued_frames > 0) {
        uv_buf_t *parts = transport->parts;
        struct gathered gathered = gather(connection, parts);
        int status = uv_try_write((uv_stream_t *)&connection->tcp, parts, (unsigned)gathered.parts);
        if (status < 0 && status != UV_EAGAIN) {
            connection_fail(connection, CONNECTION_LOST, uv_strerror(status));
            return;
        }
        size_t written = status > 0 ? (size_t)status : 0;
        transport->statistics.writes++;
        if (written < gathered.bytes) {
            write_rest(connection, parts, gathered, written);
            return;
        }
        count_sent(connection, gathered.frames);
        release_frames(connection, gathered.frames);
    }
}

/* ---- the beginning ---- */

static void on_connected(uv_connect_t *request, int status)
{
    struct connection *connection = request->data;
    if (connection->ended) {
        return;
    }
    if (status < 0) {
        connection_fail(connection, CONNECTION_LOST, uv_strerror(status));
        return;
    }
    connection->handler->on_connect(connection);
}

int connection_connect(struct connection *connection, const struct sockaddr *address)
{
    connection->connect.data = connection;
    return uv_tcp_connect(&connection->connect, &connection->tcp, address, on_connected);
}

int connection_accept(struct connection *connection, uv_stream_t *listener)
{
    int status = uv_accept(listener, (uv_stream_t *)&connection->tcp);
    if (status < 0) {
        return status;
    }
    /* Now, since it can't be asked any more once the connection has ended. */
    struct sockaddr_storage address;
    int len = sizeof address;
    status = uv_tcp_getpeername(&connection->tcp, (struct sockaddr *)&address, &len);
    return status < 0 ? status
                      : uv_ip_name((struct sockaddr *)&address, connection->remote_host,
                                   sizeof connection->remote_host);
}

static bool set_option(uv_os_fd_t fd, int level, int option, int value, const char *name,
                       struct error *error)
{
    if (setsockopt(fd, level, option, &value, sizeof value) != 0) {
        return error_set(error, "setsockopt %s: %s", name,
                         uv_strerror(uv_translate_sys_error(errno)));
    }
    return true;
}

/* NODELAY: a frame is a whole message, waiting for more only adds latency; gathering is done above.
 * The rest makes the kernel notice a peer that is gone without a word (RFC 5482): its machine lost
 * power, a cable was pulled, a firewall forgot us. */
static bool tune(struct connection *connection, struct error *error)
{
    uv_os_fd_t fd;
    int status = uv_fileno((uv_handle_t *)&connection->tcp, &fd);
    if (status < 0) {
        return error_set(error, "the socket is gone: %s", uv_strerror(status));
    }
    return set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1, "TCP_NODELAY", error) &&
           set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1, "SO_KEEPALIVE", error) &&
           set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, 1, "TCP_KEEPIDLE", error) &&
           set_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, 1, "TCP_KEEPINTVL", error) &&
           set_option(fd, IPPROTO_TCP, TCP_KEEPCNT, 2, "TCP_KEEPCNT", error) &&
           set_option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, PEER_SILENCE_MS, "TCP_USER_TIMEOUT",
                      error);
}

bool connection_start(struct connection *connection, struct error *error)
{
    if (!tune(connection, error)) {
        return false;
    }
    int status = uv_read_start((uv_stream_t *)&connection->tcp, on_allocate, on_read);
    return status == 0 || error_set(error, "reading can't begin: %s", uv_strerror(status));
}

void connection_welcome(struct connection *connection)
{
    connection->limit_bytes = LIMIT_PEER_FRAME_BYTES;
}
