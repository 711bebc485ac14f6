/*
 * session_fixture.h - a server's session and a peer on nghttp2, face to face without a socket:
 * bytes are carried by hand.
 */
#ifndef TEST_SESSION_FIXTURE_H
#define TEST_SESSION_FIXTURE_H

#include "http2_peer.h"
#include "http2_server_session.h"

struct fixture {
    struct call_registry *registry;
    struct http2_server_session *session;
    struct peer *peer;
    struct rpc_call *held[64]; /* by /test.Test/Hold, not answered */
    size_t held_count;
    size_t echoed;
    size_t cancelled;
    size_t message_bytes; /* of the last message */
    bool answer_when_cancelled;
};

struct fixture *fixture_open(const struct rpc_server_limits *limits);
/* Whatever was held is given back: checked here, for every test. */
void fixture_close(struct fixture *fixture);

/* Carries bytes until neither side has any; at most `part` at a time (0: no bound). False when the
 * session wants to be cut. */
bool pump_in_parts(struct fixture *fixture, size_t part);
void pump(struct fixture *fixture);

struct peer_stream *send_message(struct fixture *fixture, const char *path, struct bytes message,
                                 const char *name, const char *value);
struct peer_stream *send_raw(struct fixture *fixture, struct peer_request request);

void assert_status(const struct peer_stream *stream, const char *grpc_status);
/* One HEADERS frame with END_STREAM, and no data. */
void assert_trailers_only(const struct peer_stream *stream, const char *grpc_status);
void assert_reply(const struct peer_stream *stream, struct bytes message);

#endif
