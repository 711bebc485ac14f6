/*
 * http2_server_session.c - gRPC over one HTTP/2 connection, server's side, on nghttp2; no I/O.
 *
 * The happy path of a call: on_begin_headers (call_begin) -> on_header, ... (call_take_header) ->
 * on_frame_recv HEADERS (take_headers) -> on_data_chunk_recv (call_take_message) -> on_frame_recv
 * with END_STREAM (call_handle: the handler runs) -> rpc_call_reply -> http2_server_session_reply
 * -> read_reply (DATA), trailers -> on_stream_close.
 *
 * What can fail: the request, in ways that each have a status (refuse: one HEADERS frame with
 * END_STREAM, "trailers-only"); the stream (the client resets it: on_stream_close, call_abandon);
 * the connection (nghttp2 sends GOAWAY and the session is finished; or it says an error, and the
 * owner cuts). A stream without a call is one that has been answered: what still comes for it is
 * thrown away, and its window is given back to the connection only.
 *
 * Flow control: a stream's window is opened again as its message is taken in, up to the limit of
 * one message; a message that would go beyond the total of bytes held is refused.
 */
#include "http2_server_session.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/limits.h"
#include "call_request.h"
#include "http2_common.h"

/* About what nghttp2 keeps for a frame that waits. */
#define QUEUED_FRAME_BYTES 256
static const uint8_t goodbye_ping[8] = {'g', 'o', 'o', 'd', 'b', 'y', 'e', 0};

struct http2_server_session {
    nghttp2_session *h2;
    struct call_registry *registry;
    void (*wake)(void *owner);
    void *owner;
    struct rpc_call *calls;
    size_t reply_bytes; /* of replies, not framed yet */
    uint64_t framed_bytes;
    bool greeted;
    bool behind;
    bool saying_goodbye;
    bool asked; /* the goodbye's PING is on its way */
    bool said_last;
    bool disconnected;
    bool failed;     /* fault[] says why; the owner must cut */
    bool complained; /* complaint[] is set, and a GOAWAY with an error is on its way */
    char fault[160];
    char complaint[160];
};

/* ---- answers ---- */

static const nghttp2_nv status_200 = HTTP2_STATIC_HEADER(":status", "200");
static const nghttp2_nv content_type = HTTP2_STATIC_HEADER("content-type", "application/grpc");

/* Appends a handler's headers behind `count` others. */
static size_t add_headers(nghttp2_nv *out, size_t count, const struct header_list *headers)
{
    for (struct header_cursor at = {0}; header_list_next(headers, &at);) {
        out[count] = http2_header(at.name, at.value);
        count++;
    }
    return count;
}

static struct bytes status_digits(enum rpc_status status, char space[4])
{
    int len = snprintf(space, 4, "%u", (unsigned)status % 100);
    return bytes_of(space, (size_t)len);
}

void http2_server_session_refuse(struct http2_server_session *session, int32_t stream_id,
                                 enum rpc_status status, const char *text,
                                 const struct header_list *headers)
{
    if (session->disconnected) {
        return;
    }
    char digits[4];
    struct buffer encoded = {0};
    grpc_percent_encode(&encoded, bytes_of_string(text));
    nghttp2_nv fields[5 + LIMIT_REPLY_HEADERS];
    size_t count = 0;
    fields[count++] = status_200;
    fields[count++] = content_type;
    fields[count++] = http2_header_named("grpc-status", status_digits(status, digits));
    fields[count++] = http2_header_named("grpc-message", buffer_bytes(&encoded));
    if (headers != NULL) {
        count = add_headers(fields, count, headers);
    }
    int result = nghttp2_submit_response(session->h2, stream_id, fields, count, NULL);
    assert(result == 0);
    buffer_free(&encoded);
    session->wake(session->owner);
}

static ssize_t read_reply(nghttp2_session *h2, int32_t stream_id, uint8_t *out, size_t length,
                          uint32_t *flags, nghttp2_data_source *source, void *user_data)
{
    (void)source;
    struct http2_server_session *session = user_data;
    /* Through the stream, not through the source: the call may be gone before nghttp2 knows. */
    struct rpc_call *call = nghttp2_session_get_stream_user_data(h2, stream_id);
    if (call == NULL) {
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    }
    size_t total = GRPC_PREFIX_BYTES + call->reply.len;
    size_t used = 0;
    if (call->reply_sent < GRPC_PREFIX_BYTES) {
        size_t left = GRPC_PREFIX_BYTES - call->reply_sent;
        used = left < length ? left : length;
        memcpy(out, call->reply_prefix + call->reply_sent, used);
        call->reply_sent += used;
    }
    if (call->reply_sent >= GRPC_PREFIX_BYTES && call->reply_sent < total && used < length) {
        size_t left = total - call->reply_sent;
        size_t part = left < length - used ? left : length - used;
        memcpy(out + used, call->reply.data + (call->reply_sent - GRPC_PREFIX_BYTES), part);
        call->reply_sent += part;
        used += part;
    }
    assert(used <= session->reply_bytes);
    session->reply_bytes -= used;
    session->framed_bytes += used;
    if (call->reply_sent == total) {
        static const nghttp2_nv status_ok = HTTP2_STATIC_HEADER("grpc-status", "0");
        *flags |= NGHTTP2_DATA_FLAG_EOF | NGHTTP2_DATA_FLAG_NO_END_STREAM;
        int result = nghttp2_submit_trailer(h2, stream_id, &status_ok, 1);
        assert(result == 0);
    }
    return (ssize_t)used;
}

void http2_server_session_reply(struct http2_server_session *session, struct rpc_call *call)
{
    assert(!session->disconnected);
    session->reply_bytes += GRPC_PREFIX_BYTES + call->reply.len;
    nghttp2_nv fields[2 + LIMIT_REPLY_HEADERS];
    fields[0] = status_200;
    fields[1] = content_type;
    size_t count = add_headers(fields, 2, &call->reply_headers);
    nghttp2_data_provider provider = {.read_callback = read_reply};
    int result = nghttp2_submit_response(session->h2, call->stream_id, fields, count, &provider);
    assert(result == 0);
    session->wake(session->owner);
}

/* ---- requests ---- */

/* A request that is no gRPC gets a plain HTTP answer, so that no HTTP client takes it for success.
 */
static void answer_in_http(struct http2_server_session *session, int32_t stream_id, int http_status)
{
    static const nghttp2_nv not_post[] = {HTTP2_STATIC_HEADER(":status", "405"),
                                          HTTP2_STATIC_HEADER("allow", "POST")};
    static const nghttp2_nv not_grpc[] = {HTTP2_STATIC_HEADER(":status", "415"),
                                          HTTP2_STATIC_HEADER("accept", "application/grpc")};
    assert(http_status == 405 || http_status == 415);
    int result = nghttp2_submit_response(session->h2, stream_id,
                                         http_status == 405 ? not_post : not_grpc, 2, NULL);
    assert(result == 0);
    session->wake(session->owner);
}

/* Answers a call that has not reached its handler; it is gone afterwards. */
static void refuse_call(struct http2_server_session *session, struct rpc_call *call,
                        const struct call_refusal *why)
{
    if (why->http_status != 0) {
        answer_in_http(session, call->stream_id, why->http_status);
        call_abandon(call);
        return;
    }
    if (why->status == RPC_RESOURCE_EXHAUSTED) {
        session->registry->stats.calls_refused++;
    }
    struct header_list headers = {0};
    if (why->tell_encodings) {
        header_list_add(&headers, BYTES_LITERAL("grpc-accept-encoding"), BYTES_LITERAL("identity"));
    }
    http2_server_session_refuse(session, call->stream_id, why->status, why->text, &headers);
    header_list_free(&headers);
    call_abandon(call);
}

static void take_headers(struct http2_server_session *session, struct rpc_call *call)
{
    struct call_refusal why;
    if (!call_check_headers(call, &why)) {
        refuse_call(session, call, &why);
        return;
    }
    if (session->reply_bytes > session->registry->limits.send_bytes_per_connection) {
        why = (struct call_refusal){
            .status = RPC_RESOURCE_EXHAUSTED,
            .text = "too many bytes of earlier replies wait to be taken on this connection"};
        refuse_call(session, call, &why);
        return;
    }
    call_start_clock(call);
}

static void end_request(struct http2_server_session *session, struct rpc_call *call)
{
    struct call_refusal why;
    if (call_check_message(call, &why)) {
        call_handle(call);
    } else {
        refuse_call(session, call, &why);
    }
}

/* ---- nghttp2's callbacks ---- */

static struct rpc_call *call_of_stream(nghttp2_session *h2, int32_t stream_id)
{
    return nghttp2_session_get_stream_user_data(h2, stream_id);
}

static int on_begin_headers(nghttp2_session *h2, const nghttp2_frame *frame, void *user_data)
{
    struct http2_server_session *session = user_data;
    if (session->disconnected) {
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    }
    if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST) {
        return 0;
    }
    struct rpc_call *call = call_begin(session->registry, session, frame->hd.stream_id);
    if (call != NULL) {
        nghttp2_session_set_stream_user_data(h2, frame->hd.stream_id, call);
    }
    return 0;
}

static int on_header(nghttp2_session *h2, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_len, const uint8_t *value, size_t value_len, uint8_t flags,
                     void *user_data)
{
    (void)flags;
    (void)user_data;
    struct rpc_call *call = call_of_stream(h2, frame->hd.stream_id);
    if (call != NULL && !call->headers.complete) { /* trailers say nothing to us */
        call_take_header(call, bytes_of(name, name_len), bytes_of(value, value_len));
    }
    return 0;
}

static int on_data_chunk_recv(nghttp2_session *h2, uint8_t flags, int32_t stream_id,
                              const uint8_t *data, size_t len, void *user_data)
{
    (void)flags;
    struct http2_server_session *session = user_data;
    if (session->disconnected) {
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    }
    struct rpc_call *call = call_of_stream(h2, stream_id);
    if (call != NULL && call->state == CALL_RECEIVING) {
        struct call_refusal why;
        if (!call_take_message(call, bytes_of(data, len), &why)) {
            refuse_call(session, call, &why);
            call = NULL;
        }
    }
    int result = call != NULL ? nghttp2_session_consume(h2, stream_id, len)
                              : nghttp2_session_consume_connection(h2, len);
    return result == 0 ? 0 : NGHTTP2_ERR_CALLBACK_FAILURE;
}

static void on_request_headers(struct http2_server_session *session, int32_t stream_id)
{
    struct rpc_call *call = call_of_stream(session->h2, stream_id);
    if (call == NULL) {
        session->registry->stats.calls_refused++;
        http2_server_session_refuse(session, stream_id, RPC_RESOURCE_EXHAUSTED,
                                    "the server has as many calls as it may: try again later",
                                    NULL);
        return;
    }
    take_headers(session, call);
}

static int on_frame_recv(nghttp2_session *h2, const nghttp2_frame *frame, void *user_data)
{
    struct http2_server_session *session = user_data;
    if (session->disconnected) {
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    }
    switch (frame->hd.type) {
    case NGHTTP2_HEADERS:
        if (frame->headers.cat == NGHTTP2_HCAT_REQUEST) {
            on_request_headers(session, frame->hd.stream_id);
        }
        break;
    case NGHTTP2_SETTINGS:
        session->greeted = true;
        return 0;
    case NGHTTP2_PING:
        if ((frame->hd.flags & NGHTTP2_FLAG_ACK) != 0 && session->saying_goodbye &&
            memcmp(frame->ping.opaque_data, goodbye_ping, sizeof goodbye_ping) == 0) {
            http2_server_session_say_last(session);
        }
        return 0;
    case NGHTTP2_DATA:
        break;
    default:
        return 0;
    }
    if ((frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0) {
        struct rpc_call *call = call_of_stream(h2, frame->hd.stream_id);
        if (call != NULL && call->state == CALL_RECEIVING) {
            end_request(session, call);
        }
    }
    return session->disconnected ? NGHTTP2_ERR_CALLBACK_FAILURE : 0;
}

static int on_frame_send(nghttp2_session *h2, const nghttp2_frame *frame, void *user_data)
{
    struct http2_server_session *session = user_data;
    /* nghttp2 sends a PING before anything else; this one must come behind the notice, so that its
     * answer proves that the notice was read. */
    if (frame->hd.type == NGHTTP2_GOAWAY && session->saying_goodbye && !session->asked) {
        session->asked = true;
        int result = nghttp2_submit_ping(h2, NGHTTP2_FLAG_NONE, goodbye_ping);
        assert(result == 0);
    }
    /* Answered before the request's end: the client need not send the rest. */
    if (frame->hd.type == NGHTTP2_HEADERS && (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0 &&
        nghttp2_session_get_stream_remote_close(h2, frame->hd.stream_id) == 0) {
        int result =
            nghttp2_submit_rst_stream(h2, NGHTTP2_FLAG_NONE, frame->hd.stream_id, NGHTTP2_NO_ERROR);
        assert(result == 0);
    }
    return 0;
}

static int on_stream_close(nghttp2_session *h2, int32_t stream_id, uint32_t error_code,
                           void *user_data)
{
    (void)error_code;
    (void)user_data;
    struct rpc_call *call = call_of_stream(h2, stream_id);
    if (call != NULL) {
        call_abandon(call);
    }
    return 0;
}

static int on_error(nghttp2_session *h2, int code, const char *text, size_t len, void *user_data)
{
    (void)h2;
    (void)code;
    struct http2_server_session *session = user_data;
    snprintf(session->complaint, sizeof session->complaint, "%.*s", (int)len, text);
    return 0;
}

static int on_frame_to_send(nghttp2_session *h2, const nghttp2_frame *frame, void *user_data)
{
    (void)h2;
    struct http2_server_session *session = user_data;
    if (frame->hd.type == NGHTTP2_GOAWAY && frame->goaway.error_code != NGHTTP2_NO_ERROR) {
        session->complained = true;
        if (session->complaint[0] == '\0') {
            snprintf(session->complaint, sizeof session->complaint, "HTTP/2 error %s",
                     nghttp2_http2_strerror(frame->goaway.error_code));
        }
    }
    return 0;
}

/* ---- the session ---- */

static nghttp2_session *open_h2(struct http2_server_session *session)
{
    nghttp2_session_callbacks *callbacks = NULL;
    int result = nghttp2_session_callbacks_new(&callbacks);
    assert(result == 0);
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data_chunk_recv);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame_recv);
    nghttp2_session_callbacks_set_before_frame_send_callback(callbacks, on_frame_to_send);
    nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, on_frame_send);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
    nghttp2_session_callbacks_set_error_callback2(callbacks, on_error);
    nghttp2_option *options = http2_options_new();
#ifdef RPC_HAVE_STREAM_RESET_RATE_LIMIT
    nghttp2_option_set_stream_reset_rate_limit(options, LIMIT_STREAM_RESETS_BURST,
                                               LIMIT_STREAM_RESETS_PER_SECOND);
#endif
    nghttp2_session *h2 = NULL;
    result = nghttp2_session_server_new3(&h2, callbacks, session, options, http2_memory());
    assert(result == 0);
    nghttp2_option_del(options);
    nghttp2_session_callbacks_del(callbacks);
    return h2;
}

struct http2_server_session *http2_server_session_new(struct call_registry *registry,
                                                      void (*wake)(void *owner), void *owner)
{
    struct http2_server_session *session = memory_zalloc(sizeof *session);
    session->registry = registry;
    session->wake = wake;
    session->owner = owner;
    session->h2 = open_h2(session);
    const nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS,
         (uint32_t)registry->limits.streams_per_connection},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, LIMIT_WINDOW_BYTES_PER_STREAM},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, (uint32_t)registry->limits.header_bytes},
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

void http2_server_session_disconnect(struct http2_server_session *session)
{
    session->disconnected = true;
    while (session->calls != NULL) {
        call_abandon(session->calls);
    }
}

void http2_server_session_free(struct http2_server_session *session)
{
    http2_server_session_disconnect(session);
    nghttp2_session_del(session->h2);
    free(session);
}

void http2_server_session_fault(struct http2_server_session *session, const char *why)
{
    if (!session->failed) {
        session->failed = true;
        snprintf(session->fault, sizeof session->fault, "%s", why);
    }
    session->wake(session->owner);
}

bool http2_server_session_receive(struct http2_server_session *session, struct bytes data,
                                  struct error *error)
{
    assert(!session->disconnected);
    ssize_t used = nghttp2_session_mem_recv(session->h2, data.data, data.len);
    if (session->failed) {
        return error_set(error, "%s", session->fault);
    }
    if (used < 0) {
        return error_set(error, "does not speak HTTP/2 as gRPC needs it: %s",
                         nghttp2_strerror((int)used));
    }
    assert((size_t)used == data.len);
    return true;
}

bool http2_server_session_gather(struct http2_server_session *session, struct buffer *out,
                                 size_t enough_bytes, struct error *error)
{
    assert(!session->disconnected);
    while (!session->failed && out->len < enough_bytes) {
        const uint8_t *data;
        ssize_t len = nghttp2_session_mem_send(session->h2, &data);
        if (len < 0) {
            return error_set(error, "%s", nghttp2_strerror((int)len));
        }
        if (len == 0) {
            return true;
        }
        buffer_append(out, data, (size_t)len);
    }
    return session->failed ? error_set(error, "%s", session->fault) : true;
}

void http2_server_session_turn_over(struct http2_server_session *session)
{
    session->behind = session->reply_bytes > 0;
}

bool http2_server_session_is_finished(const struct http2_server_session *session)
{
    return nghttp2_session_want_read(session->h2) == 0 &&
           nghttp2_session_want_write(session->h2) == 0;
}

const char *http2_server_session_complaint(const struct http2_server_session *session)
{
    return session->complained ? session->complaint : NULL;
}

bool http2_server_session_is_disconnected(const struct http2_server_session *session)
{
    return session->disconnected;
}

bool http2_server_session_is_greeted(const struct http2_server_session *session)
{
    return session->greeted;
}

size_t http2_server_session_waiting_bytes(const struct http2_server_session *session)
{
    return session->reply_bytes +
           QUEUED_FRAME_BYTES * nghttp2_session_get_outbound_queue_size(session->h2);
}

uint64_t http2_server_session_framed_bytes(const struct http2_server_session *session)
{
    return session->framed_bytes;
}

bool http2_server_session_is_behind(const struct http2_server_session *session)
{
    return session->behind;
}

void http2_server_session_say_goodbye(struct http2_server_session *session)
{
    if (session->disconnected || session->saying_goodbye) {
        return;
    }
    session->saying_goodbye = true;
    int result = nghttp2_submit_shutdown_notice(session->h2);
    assert(result == 0);
    session->wake(session->owner);
}

void http2_server_session_say_last(struct http2_server_session *session)
{
    if (session->disconnected || session->said_last) {
        return;
    }
    session->said_last = true;
    int result = nghttp2_submit_goaway(session->h2, NGHTTP2_FLAG_NONE,
                                       nghttp2_session_get_last_proc_stream_id(session->h2),
                                       NGHTTP2_NO_ERROR, NULL, 0);
    assert(result == 0);
    session->wake(session->owner);
}

struct rpc_call **http2_server_session_calls(struct http2_server_session *session)
{
    return &session->calls;
}

void http2_server_session_forget(struct http2_server_session *session, const struct rpc_call *call)
{
    if (call->state == CALL_SENDING) {
        session->reply_bytes -= GRPC_PREFIX_BYTES + call->reply.len - call->reply_sent;
    }
    nghttp2_session_set_stream_user_data(session->h2, call->stream_id, NULL);
}
