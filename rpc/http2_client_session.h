/*
 * http2_client_session.h - one HTTP/2 connection of a client, without the connection: requests and
 * bytes in, bytes and outcomes out.
 *
 * Never freed inside its own callbacks: http2_client_session_disconnect may be called from
 * anywhere, free only from the loop.
 */
#ifndef RPC_HTTP2_CLIENT_SESSION_H
#define RPC_HTTP2_CLIENT_SESSION_H

#include "base/bytes.h"
#include "base/error.h"
#include "request.h"

struct http2_client_session;

struct http2_client_session_events {
    void *owner;
    void (*wake)(void *owner);    /* there may be something to send, or the end is near */
    void (*ready)(void *owner);   /* the server's SETTINGS have come */
    void (*goodbye)(void *owner); /* the server takes no new calls: GOAWAY */
};

/* `authority` must outlive the session. */
struct http2_client_session *
http2_client_session_new(const char *authority, const struct http2_client_session_events *events);
/* Ends its requests with UNAVAILABLE and the reason, or CANCELLED without one. Their callbacks run
 * inside. */
void http2_client_session_disconnect(struct http2_client_session *session, const char *reason);
/* Must be disconnected. */
void http2_client_session_free(struct http2_client_session *session);

/* Sends the request; false when the connection can take no more streams, ever. */
bool http2_client_session_submit(struct http2_client_session *session, struct rpc_request *request,
                                 uint64_t timeout_ms);
/* Takes a request out, telling the server that nobody waits for it any more. */
void http2_client_session_drop(struct rpc_request *request);
/* Asks the server for a sign of life. */
void http2_client_session_ask(struct http2_client_session *session);

bool http2_client_session_receive(struct http2_client_session *session, struct bytes data,
                                  struct error *error);
bool http2_client_session_gather(struct http2_client_session *session, struct buffer *out,
                                 size_t enough_bytes, struct error *error);
/* Nothing to read and nothing to send any more. */
bool http2_client_session_is_finished(const struct http2_client_session *session);
size_t http2_client_session_request_count(const struct http2_client_session *session);

#endif
