/*
 * http2_server_session.h - one HTTP/2 connection of a server, without the connection: bytes in,
 * bytes out, calls in between. nghttp2 speaks HTTP/2; here is gRPC's use of it.
 *
 * Never freed inside its own callbacks: what ends it there only marks it
 * (http2_server_session_fault), and the owner, woken, disconnects and frees it later.
 */
#ifndef RPC_HTTP2_SERVER_SESSION_H
#define RPC_HTTP2_SERVER_SESSION_H

#include "base/bytes.h"
#include "base/error.h"
#include "call.h"

struct http2_server_session;

/* `wake` is called whenever there may be something to send or to end; often, so it must be cheap
 * when it is repeated. */
struct http2_server_session *http2_server_session_new(struct call_registry *registry,
                                                      void (*wake)(void *owner), void *owner);
/* Ends all its calls' streams; nothing is received or sent any more. May be called from anywhere,
 * also inside a handler. */
void http2_server_session_disconnect(struct http2_server_session *session);
/* Disconnects first. Not inside a handler. */
void http2_server_session_free(struct http2_server_session *session);

/* Takes what came from the client; handlers run inside. False with a reason: cut the connection. */
bool http2_server_session_receive(struct http2_server_session *session, struct bytes data,
                                  struct error *error);
/* Appends what is to be sent, until `out` holds `enough_bytes` or there is nothing more. */
bool http2_server_session_gather(struct http2_server_session *session, struct buffer *out,
                                 size_t enough_bytes, struct error *error);
/* Call after the last gather of a turn: what is left could not be sent. */
void http2_server_session_turn_over(struct http2_server_session *session);

/* Nothing to read and nothing to send: the connection can be closed. */
bool http2_server_session_is_finished(const struct http2_server_session *session);
/* Why nghttp2 ended the connection with an error, or NULL. */
const char *http2_server_session_complaint(const struct http2_server_session *session);
/* Has the client said its preface and its SETTINGS? */
bool http2_server_session_is_greeted(const struct http2_server_session *session);
/* Replies waiting, in bytes: not framed yet; and about what nghttp2 has queued besides. */
size_t http2_server_session_waiting_bytes(const struct http2_server_session *session);
/* Grows with every byte of a reply that is framed. */
uint64_t http2_server_session_framed_bytes(const struct http2_server_session *session);
/* Had it replies left over when its last turn was over? */
bool http2_server_session_is_behind(const struct http2_server_session *session);

/* Goodbye, first part: a notice, and a PING whose answer brings the second. */
void http2_server_session_say_goodbye(struct http2_server_session *session);
/* Second part, for a client that does not answer: the real GOAWAY. */
void http2_server_session_say_last(struct http2_server_session *session);

/* For call.c. */
struct rpc_call **http2_server_session_calls(struct http2_server_session *session);
/* The call leaves its stream, which may go on without it. */
void http2_server_session_forget(struct http2_server_session *session, const struct rpc_call *call);
bool http2_server_session_is_disconnected(const struct http2_server_session *session);
void http2_server_session_reply(struct http2_server_session *session, struct rpc_call *call);
void http2_server_session_refuse(struct http2_server_session *session, int32_t stream_id,
                                 enum rpc_status status, const char *text,
                                 const struct header_list *headers);
/* Marks the session as to be cut; the next receive or gather says why. */
void http2_server_session_fault(struct http2_server_session *session, const char *why);

#endif
