/*
 * request.h - a call on the client's side.
 *
 *    WAITING ---- a connection is there ----> SUBMITTED ---- outcome ----> ENDED
 *       +---- deadline, cancelled, no connection came about ----------------^
 *
 * A request's message counts as sent when nghttp2 has framed its last byte: no server executes a
 * unary call before it has the whole message. Everything that ends a request before that leaves it
 * `never_sent`.
 */
#ifndef RPC_REQUEST_H
#define RPC_REQUEST_H

#include "deadline_queue.h"
#include "grpc_framing.h"
#include "header_list.h"
#include "rpc/client.h"

struct http2_client_session;

enum request_state {
    REQUEST_WAITING,
    REQUEST_SUBMITTED,
    REQUEST_ENDED,
};

/* What is known of it when it ends. */
enum request_fate {
    REQUEST_NEVER_SENT, /* surely not executed */
    REQUEST_LOST,       /* executed or not */
    REQUEST_ANSWERED,   /* the status is the server's own */
};

struct rpc_request {
    struct rpc_client *client;
    struct http2_client_session *session; /* while SUBMITTED */
    struct rpc_request *next;             /* in one of the lists below */
    struct rpc_request *previous;
    struct request_list *list;
    enum request_state state;
    int32_t stream_id;
    struct deadline_entry deadline;
    rpc_callback callback;
    void *context;
    size_t held_bytes; /* its part of the client's total */

    struct buffer path;
    struct header_list headers;
    struct buffer message; /* its prefix included */
    size_t message_sent;

    struct grpc_message_reader reply;
    bool reply_complete;
    struct header_list reply_headers;
    size_t reply_header_bytes;
    int http_status;  /* 0: none has come */
    long grpc_status; /* -1: none has come */
};

struct request_list {
    struct rpc_request *first;
    struct rpc_request *last;
    size_t count;
};

void request_list_add(struct request_list *list, struct rpc_request *request);
void request_list_remove(struct rpc_request *request);

static inline bool request_is_sent(const struct rpc_request *request)
{
    return request->message.len != 0 && request->message_sent == request->message.len;
}

/* For an end that is not the server's. */
static inline enum request_fate request_fate_without_answer(const struct rpc_request *request)
{
    return request_is_sent(request) ? REQUEST_LOST : REQUEST_NEVER_SENT;
}

/* Counts bytes of a reply; false when the client holds too much. */
bool request_hold(struct rpc_request *request, size_t bytes);
/* Runs the callback; the request is gone afterwards. `message` may be NULL. A request that is still
 * part of a session is taken out of it by the caller, see http2_client_session_drop. */
void request_end(struct rpc_request *request, enum rpc_status status, enum request_fate fate,
                 const char *message);

#endif
