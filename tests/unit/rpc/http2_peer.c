/*
 * http2_peer.c - the tests' own HTTP/2 client. It holds nghttp2's checks of what we send switched
 * on, so that a server that breaks HTTP/2 is found out, and switches off those of what it sends.
 */
#include "http2_peer.h"

#include <assert.h>
#include <stdlib.h>

#include "grpc_framing.h"

static struct peer_stream *stream_by_id(struct peer *peer, int32_t id)
{
    for (size_t i = peer->stream_count; i > 0; i--) {
        if (peer->streams[i - 1]->id == id) {
            return peer->streams[i - 1];
        }
    }
    return NULL;
}

static int on_header(nghttp2_session *h2, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_len, const uint8_t *value, size_t value_len, uint8_t flags,
                     void *user_data)
{
    (void)h2;
    (void)flags;
    struct peer_stream *stream = stream_by_id(user_data, frame->hd.stream_id);
    header_list_add(&stream->headers, bytes_of(name, name_len), bytes_of(value, value_len));
    return 0;
}

static int on_data(nghttp2_session *h2, uint8_t flags, int32_t stream_id, const uint8_t *data,
                   size_t len, void *user_data)
{
    (void)flags;
    struct peer *peer = user_data;
    struct peer_stream *stream = stream_by_id(peer, stream_id);
    buffer_append(&stream->data, data, len);
    if (!peer->hold_windows) {
        nghttp2_session_consume(h2, stream_id, len);
    }
    return 0;
}

static int on_frame(nghttp2_session *h2, const nghttp2_frame *frame, void *user_data)
{
    struct peer *peer = user_data;
    struct peer_stream *stream = stream_by_id(peer, frame->hd.stream_id);
    switch (frame->hd.type) {
    case NGHTTP2_HEADERS:
        stream->headers_frames++;
        break;
    case NGHTTP2_DATA:
        stream->data_frames++;
        break;
    case NGHTTP2_GOAWAY:
        if (peer->goaway_count < 8) {
            peer->goaway_last_stream_ids[peer->goaway_count] = frame->goaway.last_stream_id;
        }
        peer->goaway_error = frame->goaway.error_code;
        peer->goaway_count++;
        return 0;
    case NGHTTP2_PING:
        peer->ping_acks += (frame->hd.flags & NGHTTP2_FLAG_ACK) != 0;
        return 0;
    case NGHTTP2_SETTINGS:
        peer->settings += (frame->hd.flags & NGHTTP2_FLAG_ACK) == 0;
        peer->max_concurrent_streams =
            nghttp2_session_get_remote_settings(h2, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);
        return 0;
    default:
        return 0;
    }
    if ((frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0) {
        stream->ended = true;
    }
    return 0;
}

static int on_close(nghttp2_session *h2, int32_t stream_id, uint32_t error_code, void *user_data)
{
    (void)h2;
    struct peer_stream *stream = stream_by_id(user_data, stream_id);
    stream->closed = true;
    stream->error_code = error_code;
    return 0;
}

static ssize_t read_body(nghttp2_session *h2, int32_t stream_id, uint8_t *out, size_t length,
                         uint32_t *flags, nghttp2_data_source *source, void *user_data)
{
    (void)h2;
    (void)stream_id;
    (void)user_data;
    struct peer_stream *stream = source->ptr;
    size_t left = stream->body.len - stream->body_sent;
    size_t part = left < length ? left : length;
    if (stream->body_part != 0 && part > stream->body_part) {
        part = stream->body_part;
    }
    if (part == 0 && stream->keep_open) {
        return NGHTTP2_ERR_DEFERRED;
    }
    if (part != 0) {
        memcpy(out, stream->body.data + stream->body_sent, part);
    }
    stream->body_sent += part;
    if (stream->body_sent == stream->body.len && !stream->keep_open) {
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    }
    return (ssize_t)part;
}

struct peer *peer_new(uint32_t initial_window, bool hold_windows)
{
    struct peer *peer = memory_zalloc(sizeof *peer);
    peer->hold_windows = hold_windows;
    nghttp2_session_callbacks *callbacks;
    nghttp2_session_callbacks_new(&callbacks);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
    nghttp2_option *options;
    nghttp2_option_new(&options);
    nghttp2_option_set_no_auto_window_update(options, 1);
    int result = nghttp2_session_client_new2(&peer->h2, callbacks, peer, options);
    assert(result == 0);
    nghttp2_option_del(options);
    nghttp2_session_callbacks_del(callbacks);
    nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, initial_window != 0 ? initial_window : 65535}};
    nghttp2_submit_settings(peer->h2, NGHTTP2_FLAG_NONE, settings, 1);
    return peer;
}

void peer_free(struct peer *peer)
{
    nghttp2_session_del(peer->h2);
    for (size_t i = 0; i < peer->stream_count; i++) {
        header_list_free(&peer->streams[i]->headers);
        buffer_free(&peer->streams[i]->data);
        buffer_free(&peer->streams[i]->body);
        free(peer->streams[i]);
    }
    free(peer->streams);
    free(peer);
}

static nghttp2_nv field(const char *name, const char *value)
{
    return (nghttp2_nv){
        .name = (uint8_t *)(uintptr_t)name,
        .value = (uint8_t *)(uintptr_t)value,
        .namelen = strlen(name),
        .valuelen = strlen(value),
        .flags = NGHTTP2_NV_FLAG_NONE,
    };
}

struct peer_stream *peer_send_request(struct peer *peer, const struct peer_request *request)
{
    struct peer_stream *stream = memory_zalloc(sizeof *stream);
    nghttp2_nv fields[32];
    size_t count = 0;
    fields[count++] = field(":method", request->method != NULL ? request->method : "POST");
    fields[count++] = field(":scheme", "http");
    fields[count++] = field(":path", request->path != NULL ? request->path : "/test.Test/Echo");
    fields[count++] = field(":authority", "test");
    const char *content_type =
        request->content_type != NULL ? request->content_type : "application/grpc";
    if (content_type[0] != '\0') {
        fields[count++] = field("content-type", content_type);
    }
    fields[count++] = field("te", "trailers");
    for (size_t i = 0; request->extra[i] != NULL; i += 2) {
        fields[count++] = field(request->extra[i], request->extra[i + 1]);
    }
    buffer_append_bytes(&stream->body, request->body);
    stream->body_part = request->body_part;
    stream->keep_open = request->keep_open;
    nghttp2_data_provider provider = {.source.ptr = stream, .read_callback = read_body};
    stream->id = nghttp2_submit_request(peer->h2, NULL, fields, count,
                                        request->no_body ? NULL : &provider, NULL);
    assert(stream->id > 0);
    peer->streams =
        memory_realloc(peer->streams, (peer->stream_count + 1) * sizeof(peer->streams[0]));
    peer->streams[peer->stream_count] = stream;
    peer->stream_count++;
    return stream;
}

void peer_send_more(struct peer *peer, struct peer_stream *stream, struct bytes more, bool end)
{
    buffer_append_bytes(&stream->body, more);
    stream->keep_open = !end;
    nghttp2_session_resume_data(peer->h2, stream->id);
}

void peer_reset(struct peer *peer, struct peer_stream *stream, uint32_t code)
{
    nghttp2_submit_rst_stream(peer->h2, NGHTTP2_FLAG_NONE, stream->id, code);
}

void peer_output(struct peer *peer, struct buffer *out)
{
    for (;;) {
        const uint8_t *data;
        ssize_t len = nghttp2_session_mem_send(peer->h2, &data);
        assert(len >= 0);
        if (len == 0) {
            return;
        }
        buffer_append(out, data, (size_t)len);
    }
}

bool peer_input(struct peer *peer, struct bytes data)
{
    ssize_t used = nghttp2_session_mem_recv(peer->h2, data.data, data.len);
    return used == (ssize_t)data.len;
}

void frame_message(struct buffer *out, struct bytes message)
{
    grpc_prefix_write(buffer_reserve(out, GRPC_PREFIX_BYTES), message.len);
    out->len += GRPC_PREFIX_BYTES;
    buffer_append_bytes(out, message);
}

const char *peer_header(const struct peer_stream *stream, const char *name)
{
    const char *value = header_list_find(&stream->headers, name);
    return value != NULL ? value : "";
}
