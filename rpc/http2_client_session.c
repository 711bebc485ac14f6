/*
 * http2_client_session.c - gRPC over one HTTP/2 connection, client's side, on nghttp2; no I/O.
 *
 * The happy path of a request: submit (HEADERS) -> read_message (DATA) -> on_header, ... ->
 * on_data_chunk_recv (the reply) -> on_header of the trailers (grpc-status) -> on_frame_recv with
 * END_STREAM -> conclude -> request_end.
 *
 * What can fail: the call (grpc-status; its words are the server's); what the server makes of
 * HTTP/2 (a status of its own for each, below); the stream (RST_STREAM, GOAWAY: on_stream_close);
 * the connection (receive and gather say why, the owner disconnects). Whichever comes first ends
 * the request, takes it out of its stream, and what comes later finds none.
 */
#include "http2_client_session.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/limits.h"
#include "http2_common.h"

struct http2_client_session {
    nghttp2_session *h2;
    struct http2_client_session_events events;
    const char *authority;
    struct request_list requests;
    bool ready;
    bool said_goodbye; /* the server did */
    bool disconnected;
};

/* ---- ends of a request ---- */

static void take_out(struct rpc_request *request)
{
    nghttp2_session_set_stream_user_data(request->session->h2, request->stream_id, NULL);
    request_list_remove(request);
    request->session = NULL;
}

static void reset_stream(struct http2_client_session *session, int32_t stream_id, uint32_t code)
{
    int result = nghttp2_submit_rst_stream(session->h2, NGHTTP2_FLAG_NONE, stream_id, code);
    assert(result == 0);
    session->events.wake(session->events.owner);
}

void http2_client_session_drop(struct rpc_request *request)
{
    struct http2_client_session *session = request->session;
    int32_t stream_id = request->stream_id;
    take_out(request);
    if (!session->disconnected) {
        reset_stream(session, stream_id, NGHTTP2_CANCEL);
    }
}

/* The server's answer can't be used. */
static void end_broken(struct rpc_request *request, enum rpc_status status, const char *message)
{
    http2_client_session_drop(request);
    request_end(request, status, REQUEST_LOST, message);
}

/* The gRPC project's http-grpc-status-mapping.md. */
static enum rpc_status status_of_http(int http_status)
{
    switch (http_status) {
    case 400:
        return RPC_INTERNAL;
    case 401:
        return RPC_UNAUTHENTICATED;
    case 403:
        return RPC_PERMISSION_DENIED;
    case 404:
        return RPC_UNIMPLEMENTED;
    case 429:
    case 502:
    case 503:
    case 504:
        return RPC_UNAVAILABLE;
    default:
        return RPC_UNKNOWN;
    }
}

/* PROTOCOL-HTTP2.md, Errors. */
static enum rpc_status status_of_reset(uint32_t code)
{
    switch (code) {
    case NGHTTP2_REFUSED_STREAM:
        return RPC_UNAVAILABLE;
    case NGHTTP2_CANCEL:
        return RPC_CANCELLED;
    case NGHTTP2_ENHANCE_YOUR_CALM:
        return RPC_RESOURCE_EXHAUSTED;
    case NGHTTP2_INADEQUATE_SECURITY:
        return RPC_PERMISSION_DENIED;
    default:
        return RPC_INTERNAL;
    }
}

/* The server has said all it will say. The request has been taken out of its stream. */
static void conclude(struct rpc_request *request)
{
    char text[96];
    if (request->grpc_status < 0) {
        if (request->http_status == 200 || request->http_status == 0) {
            request_end(request, RPC_UNKNOWN, REQUEST_LOST,
                        "the server ended the call without a status");
            return;
        }
        snprintf(text, sizeof text, "the server answered with HTTP status %d",
                 request->http_status);
        request_end(request, status_of_http(request->http_status), REQUEST_LOST, text);
        return;
    }
    enum rpc_status status = rpc_status_of_number(request->grpc_status);
    if (status == RPC_OK && !request->reply_complete) {
        request_end(request, RPC_INTERNAL, REQUEST_LOST,
                    "the server said OK without a whole reply");
        return;
    }
    const char *encoded = header_list_find(&request->reply_headers, "grpc-message");
    struct buffer message = {0};
    grpc_percent_decode(&message, bytes_of_string(encoded));
    buffer_append(&message, "", 1);
    request_end(request, status, REQUEST_ANSWERED, (const char *)message.data);
    buffer_free(&message);
}

/* ---- sending ---- */

static ssize_t read_message(nghttp2_session *h2, int32_t stream_id, uint8_t *out, size_t length,
                            uint32_t *flags, nghttp2_data_source *source, void *user_data)
{
    (void)source;
    (void)user_data;
    /* Through the stream, not through the source: the request may be gone before nghttp2 knows. */
    struct rpc_request *request = nghttp2_session_get_stream_user_data(h2, stream_id);
    if (request == NULL) {
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    }
    size_t left = request->message.len - request->message_sent;
    size_t part = left < length ? left : length;
    memcpy(out, request->message.data + request->message_sent, part);
    request->message_sent += part;
    if (request_is_sent(request)) {
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    }
    return (ssize_t)part;
}

bool http2_client_session_submit(struct http2_client_session *session, struct rpc_request *request,
                                 uint64_t timeout_ms)
{
    assert(!session->disconnected && request->state == REQUEST_WAITING);
    static const nghttp2_nv method = HTTP2_STATIC_HEADER(":method", "POST");
    static const nghttp2_nv scheme = HTTP2_STATIC_HEADER(":scheme", "http");
    static const nghttp2_nv te = HTTP2_STATIC_HEADER("te", "trailers");
    static const nghttp2_nv content_type = HTTP2_STATIC_HEADER("content-type", "application/grpc");
    static const nghttp2_nv user_agent =
        HTTP2_STATIC_HEADER("user-agent", "grpc-c-holdfast/" HOLDFAST_VERSION);
    char timeout[GRPC_TIMEOUT_TEXT_BYTES];
    grpc_timeout_format(timeout_ms, timeout);
    nghttp2_nv fields[8 + LIMIT_REPLY_HEADERS];
    size_t count = 0;
    fields[count++] = method;
    fields[count++] = scheme;
    fields[count++] = http2_header_named(":path", buffer_bytes(&request->path));
    fields[count] = http2_header_named(":authority", bytes_of_string(session->authority));
    fields[count++].flags |= NGHTTP2_NV_FLAG_NO_COPY_VALUE;
    fields[count] = http2_header_named("grpc-timeout", bytes_of_string(timeout));
    /* It differs from call to call: it would only push useful headers out of the table. */
    fields[count++].flags |= NGHTTP2_NV_FLAG_NO_INDEX;
    fields[count++] = content_type;
    fields[count++] = te;
    fields[count++] = user_agent;
    for (struct header_cursor at = {0}; header_list_next(&request->headers, &at);) {
        fields[count++] = http2_header(at.name, at.value);
    }
    nghttp2_data_provider provider = {.read_callback = read_message};
    int32_t stream_id =
        nghttp2_submit_request(session->h2, NULL, fields, count, &provider, request);
    if (stream_id == NGHTTP2_ERR_STREAM_ID_NOT_AVAILABLE) {
        return false;
    }
    assert(stream_id > 0);
    request->stream_id = stream_id;
    request->state = REQUEST_SUBMITTED;
    request->session = session;
    request_list_add(&session->requests, request);
    session->events.wake(session->events.owner);
    return true;
}

void http2_client_session_ask(struct http2_client_session *session)
{
    int result = nghttp2_submit_ping(session->h2, NGHTTP2_FLAG_NONE, NULL);
    assert(result == 0);
    session->events.wake(session->events.owner);
}

/* ---- nghttp2's callbacks ---- */

static struct rpc_request *request_of_stream(nghttp2_session *h2, int32_t stream_id)
{
    return nghttp2_session_get_stream_user_data(h2, stream_id);
}

#define IS(bytes, wanted) bytes_equal(bytes, BYTES_LITERAL(wanted))

/* A status number of up to `digits` digits, or -1. */
static long parse_number(struct bytes text, size_t digits)
{
    if (text.len == 0 || text.len > digits) {
        return -1;
    }
    long value = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] < '0' || text.data[i] > '9') {
            return -1;
        }
        value = value * 10 + (text.data[i] - '0');
    }
    return value;
}

static void take_header(struct rpc_request *request, struct bytes name, struct bytes value)
{
    if (IS(name, ":status")) {
        request->http_status = (int)parse_number(value, 3);
        return;
    }
    if (IS(name, "grpc-status")) {
        long number = parse_number(value, 9);
        request->grpc_status = number >= 0 ? number : RPC_UNKNOWN;
        return;
    }
    /* What exceeds the limits is left out; nothing of gRPC's own is that far behind. */
    request->reply_header_bytes += name.len + value.len;
    if (request->reply_headers.count < LIMIT_HEADERS &&
        request->reply_header_bytes <= LIMIT_HEADER_BYTES) {
        header_list_add(&request->reply_headers, name, value);
    }
}

static int on_header(nghttp2_session *h2, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_len, const uint8_t *value, size_t value_len, uint8_t flags,
                     void *user_data)
{
    (void)flags;
    (void)user_data;
    struct rpc_request *request = request_of_stream(h2, frame->hd.stream_id);
    if (request != NULL) {
        take_header(request, bytes_of(name, name_len), bytes_of(value, value_len));
    }
    return 0;
}

static void take_reply_bytes(struct rpc_request *request, struct bytes data)
{
    if (request->http_status != 200) {
        return; /* a page of words from something that is no gRPC server */
    }
    if (!request_hold(request, data.len)) {
        end_broken(request, RPC_UNKNOWN, "the reply does not fit beside what the client holds");
        return;
    }
    switch (grpc_message_reader_feed(&request->reply, data, LIMIT_REPLY_BYTES)) {
    case GRPC_MESSAGE_INCOMPLETE:
        return;
    case GRPC_MESSAGE_COMPLETE:
        request->reply_complete = true;
        return;
    case GRPC_MESSAGE_COMPRESSED:
        end_broken(request, RPC_INTERNAL, "the reply is compressed, which was not asked for");
        return;
    case GRPC_MESSAGE_BAD_FLAG:
        end_broken(request, RPC_INTERNAL, "the reply's first byte is neither 0 nor 1");
        return;
    case GRPC_MESSAGE_TOO_LARGE:
        end_broken(request, RPC_INTERNAL, "the reply is larger than the client takes");
        return;
    case GRPC_MESSAGE_SECOND:
        end_broken(request, RPC_INTERNAL, "the server sent a second reply to a unary call");
        return;
    }
}

static int on_data_chunk_recv(nghttp2_session *h2, uint8_t flags, int32_t stream_id,
                              const uint8_t *data, size_t len, void *user_data)
{
    (void)flags;
    struct http2_client_session *session = user_data;
    if (session->disconnected) {
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    }
    struct rpc_request *request = request_of_stream(h2, stream_id);
    if (request != NULL) {
        take_reply_bytes(request, bytes_of(data, len));
        if (session->disconnected) {
            return NGHTTP2_ERR_CALLBACK_FAILURE;
        }
        request = request_of_stream(h2, stream_id);
    }
    int result = request != NULL ? nghttp2_session_consume(h2, stream_id, len)
                                 : nghttp2_session_consume_connection(h2, len);
    return result == 0 ? 0 : NGHTTP2_ERR_CALLBACK_FAILURE;
}

static void on_end_stream(struct http2_client_session *session, struct rpc_request *request)
{
    int32_t stream_id = request->stream_id;
    take_out(request);
    if (!request_is_sent(request)) {
        reset_stream(session, stream_id, NGHTTP2_NO_ERROR); /* nobody reads the rest */
    }
    conclude(request);
}

static int on_frame_recv(nghttp2_session *h2, const nghttp2_frame *frame, void *user_data)
{
    struct http2_client_session *session = user_data;
    if (session->disconnected) {
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    }
    switch (frame->hd.type) {
    case NGHTTP2_SETTINGS:
        if ((frame->hd.flags & NGHTTP2_FLAG_ACK) == 0 && !session->ready) {
            session->ready = true;
            session->events.ready(session->events.owner);
        }
        break;
    case NGHTTP2_GOAWAY:
        if (!session->said_goodbye) {
            session->said_goodbye = true;
            session->events.goodbye(session->events.owner);
        }
        break;
    case NGHTTP2_HEADERS:
    case NGHTTP2_DATA:
        if ((frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0) {
            struct rpc_request *request = request_of_stream(h2, frame->hd.stream_id);
            if (request != NULL) {
                on_end_stream(session, request);
            }
        }
        break;
    default:
        break;
    }
    return session->disconnected ? NGHTTP2_ERR_CALLBACK_FAILURE : 0;
}

static int on_stream_close(nghttp2_session *h2, int32_t stream_id, uint32_t error_code,
                           void *user_data)
{
    (void)user_data;
    struct rpc_request *request = request_of_stream(h2, stream_id);
    if (request == NULL) {
        return 0;
    }
    char text[96];
    snprintf(text, sizeof text, "the server reset the call: %s",
             nghttp2_http2_strerror(error_code));
    bool refused = error_code == NGHTTP2_REFUSED_STREAM;
    enum request_fate fate = refused ? REQUEST_NEVER_SENT : request_fate_without_answer(request);
    take_out(request);
    request_end(request, status_of_reset(error_code), fate,
                refused ? "the server did not take the call" : text);
    return 0;
}

static int on_frame_not_send(nghttp2_session *h2, const nghttp2_frame *frame, int code,
                             void *user_data)
{
    (void)h2;
    (void)code;
    struct http2_client_session *session = user_data;
    if (frame->hd.type != NGHTTP2_HEADERS) {
        return 0;
    }
    /* A request that still waited inside nghttp2 when the server said goodbye: it has no stream. */
    for (struct rpc_request *at = session->requests.first; at != NULL; at = at->next) {
        if (at->stream_id == frame->hd.stream_id) {
            take_out(at);
            request_end(at, RPC_UNAVAILABLE, REQUEST_NEVER_SENT, "the server takes no more calls");
            break;
        }
    }
    return 0;
}

/* ---- the session ---- */

static nghttp2_session *open_h2(struct http2_client_session *session)
{
    nghttp2_session_callbacks *callbacks = NULL;
    int result = nghttp2_session_callbacks_new(&callbacks);
    assert(result == 0);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data_chunk_recv);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame_recv);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
    nghttp2_session_callbacks_set_on_frame_not_send_callback(callbacks, on_frame_not_send);
    nghttp2_option *options = http2_options_new();
    nghttp2_session *h2 = NULL;
    result = nghttp2_session_client_new3(&h2, callbacks, session, options, http2_memory());
    assert(result == 0);
    nghttp2_option_del(options);
    nghttp2_session_callbacks_del(callbacks);
    return h2;
}

struct http2_client_session *
http2_client_session_new(const char *authority, const struct http2_client_session_events *events)
{
    struct http2_client_session *session = memory_zalloc(sizeof *session);
    session->events = *events;
    session->authority = authority;
    session->h2 = open_h2(session);
    static const nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, LIMIT_WINDOW_BYTES_PER_STREAM},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, LIMIT_HEADER_BYTES},
        {NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1},
    };
    int result = nghttp2_submit_settings(session->h2, NGHTTP2_FLAG_NONE, settings,
                                         sizeof settings / sizeof settings[0]);
    assert(result == 0);
    result = nghttp2_session_set_local_window_size(session->h2, NGHTTP2_FLAG_NONE, 0,
                                                   LIMIT_WINDOW_BYTES_PER_CONNECTION);
    assert(result == 0);
    return session;
}

void http2_client_session_disconnect(struct http2_client_session *session, const char *reason)
{
    session->disconnected = true;
    while (session->requests.first != NULL) {
        struct rpc_request *request = session->requests.first;
        enum request_fate fate = request_fate_without_answer(request);
        take_out(request);
        request_end(request, reason != NULL ? RPC_UNAVAILABLE : RPC_CANCELLED, fate,
                    reason != NULL ? reason : "the client was closed");
    }
}

void http2_client_session_free(struct http2_client_session *session)
{
    assert(session->disconnected && session->requests.first == NULL);
    nghttp2_session_del(session->h2);
    free(session);
}

bool http2_client_session_receive(struct http2_client_session *session, struct bytes data,
                                  struct error *error)
{
    assert(!session->disconnected);
    ssize_t used = nghttp2_session_mem_recv(session->h2, data.data, data.len);
    return used >= 0 ? true : error_set(error, "%s", nghttp2_strerror((int)used));
}

bool http2_client_session_gather(struct http2_client_session *session, struct buffer *out,
                                 size_t enough_bytes, struct error *error)
{
    while (!session->disconnected && out->len < enough_bytes) {
        const uint8_t *data;
        ssize_t len = nghttp2_session_mem_send(session->h2, &data);
        if (len < 0) {
            return error_set(error, "%s", nghttp2_strerror((int)len));
        }
        if (len == 0) {
            break;
        }
        buffer_append(out, data, (size_t)len);
    }
    return true;
}

bool http2_client_session_is_finished(const struct http2_client_session *session)
{
    return nghttp2_session_want_read(session->h2) == 0 &&
           nghttp2_session_want_write(session->h2) == 0;
}

size_t http2_client_session_request_count(const struct http2_client_session *session)
{
    return session->requests.count;
}
