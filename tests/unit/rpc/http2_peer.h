/*
 * http2_peer.h - an HTTP/2 client for tests, straight on nghttp2: it says exactly what a test wants
 * it to say, and writes down what comes back, frame by frame. No I/O: bytes in, bytes out.
 */
#ifndef TEST_HTTP2_PEER_H
#define TEST_HTTP2_PEER_H

#include <nghttp2/nghttp2.h>

#include "base/bytes.h"
#include "header_list.h"

struct peer_stream {
    int32_t id;
    struct header_list headers; /* of all HEADERS frames */
    unsigned headers_frames;
    unsigned data_frames;
    struct buffer data;
    bool ended;  /* END_STREAM has come */
    bool closed; /* nghttp2 let it go */
    uint32_t error_code;
    struct buffer body; /* ours, raw */
    size_t body_sent;
    size_t body_part; /* at most so much in one DATA frame; 0: no bound */
    bool keep_open;   /* no END_STREAM after the body */
};

struct peer {
    nghttp2_session *h2;
    struct peer_stream **streams;
    size_t stream_count;
    unsigned goaway_count;
    int32_t goaway_last_stream_ids[8];
    uint32_t goaway_error;
    unsigned ping_acks;
    unsigned settings;
    uint32_t max_concurrent_streams;
    bool hold_windows; /* gives no window back */
};

struct peer_request {
    const char *path; /* default "/test.Test/Echo" */
    const char *method;
    const char *content_type; /* default application/grpc; "" leaves it out */
    const char *extra[40];    /* name, value, name, value, ..., NULL */
    struct bytes body;        /* raw: prefix included */
    size_t body_part;
    bool no_body;   /* END_STREAM on the HEADERS */
    bool keep_open; /* neither there nor after the body */
};

/* initial_window: what the server may send on a stream before it is opened further; 0: nghttp2's
 * default. */
struct peer *peer_new(uint32_t initial_window, bool hold_windows);
void peer_free(struct peer *peer);
struct peer_stream *peer_send_request(struct peer *peer, const struct peer_request *request);
/* Adds to a body that was kept open. */
void peer_send_more(struct peer *peer, struct peer_stream *stream, struct bytes more, bool end);
void peer_reset(struct peer *peer, struct peer_stream *stream, uint32_t code);
void peer_output(struct peer *peer, struct buffer *out); /* appends what it wants to send */
bool peer_input(struct peer *peer, struct bytes data);   /* false: the server broke HTTP/2 */

/* A message with its prefix. */
void frame_message(struct buffer *out, struct bytes message);
/* Stream's header by name, "" when it has none. */
const char *peer_header(const struct peer_stream *stream, const char *name);

#endif
