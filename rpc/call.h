/*
 * call.h - a call on the server's side, and the registry that knows all calls of a server: methods,
 * limits, totals, deadlines. No I/O: the owner tells the time and brings the bytes.
 *
 *                 message whole            reply            all sent, or stream gone
 *    RECEIVING ------------------> HANDLED --------> SENDING ------------------------> released
 *        | fault, limit, stream gone  |
 *        v                            | fail: said at once; or the stream is gone already
 *     released                        +----------------------------------------------> released
 *
 * A call in HANDLED belongs to its handler. When its stream ends before the answer, because of the
 * client, the deadline or the server's end, it loses its session, its `cancelled` is called, and
 * the answer that comes later only releases it.
 */
#ifndef RPC_CALL_H
#define RPC_CALL_H

#include "deadline_queue.h"
#include "grpc_framing.h"
#include "header_list.h"
#include "rpc/server.h"

struct http2_server_session;

struct call_method {
    const char *path;
    rpc_handler handler;
    void *context;
};

enum call_state {
    CALL_FREE,
    CALL_RECEIVING,
    CALL_HANDLED,
    CALL_SENDING,
};

struct rpc_call {
    struct call_registry *registry;
    struct http2_server_session *session; /* NULL: nobody waits for the answer */
    struct rpc_call *next;                /* of the session's calls, or of the free ones */
    struct rpc_call *previous;
    const struct call_method *method;
    int32_t stream_id;
    enum call_state state;
    bool in_handler; /* the handler has not returned: the message must stay */
    bool released_in_handler;
    size_t held_bytes; /* its part of the registry's total */
    struct deadline_entry deadline;

    struct {
        bool is_post;
        bool is_grpc;
        bool encoding_unknown;
        bool timeout_malformed;
        bool too_large;
        bool complete;
        uint64_t timeout_ms; /* UINT64_MAX: none */
        size_t bytes;
        struct header_list list;
    } headers;
    struct grpc_message_reader message;

    struct header_list reply_headers;
    struct buffer reply;
    size_t reply_sent; /* of prefix and reply */
    uint8_t reply_prefix[GRPC_PREFIX_BYTES];

    void (*cancelled)(void *context, struct rpc_call *call);
    void *cancelled_context;
};

struct call_registry {
    struct rpc_server_limits limits; /* none is 0 */
    struct call_method *methods;     /* open addressing by the path's hash */
    size_t method_slots;
    void *notice_context;
    void (*on_notice)(void *context, const char *text);
    uint64_t now_ms; /* kept up to date by the owner */
    struct deadline_queue deadlines;
    struct rpc_server_stats stats;
    struct rpc_call *free_calls;
    size_t free_count;
    size_t references; /* the owner, and every call that is not free */
};

struct call_registry *call_registry_new(const struct rpc_server_config *config, size_t extra);
/* Before any call; a path twice is the caller's mistake. `extra` above counts what is added beyond
 * config's table. */
void call_registry_add_method(struct call_registry *registry, const char *path, rpc_handler handler,
                              void *context);
const struct call_method *call_registry_find_method(const struct call_registry *registry,
                                                    struct bytes path);
/* The owner is done; the memory goes with the last call. */
void call_registry_unref(struct call_registry *registry);
void call_registry_notice(struct call_registry *registry, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Answers what is past its deadline at now_ms. */
void call_registry_expire(struct call_registry *registry);

/* A call in RECEIVING, or NULL when there are too many. */
struct rpc_call *call_begin(struct call_registry *registry, struct http2_server_session *session,
                            int32_t stream_id);
/* The deadline runs from here. */
void call_start_clock(struct rpc_call *call);
/* Counts bytes the call holds; false, and not counted, when that is too much for all calls. */
bool call_hold(struct rpc_call *call, size_t bytes);
void call_unhold(struct rpc_call *call, size_t bytes);
/* RECEIVING -> HANDLED, runs the handler. The call may be gone when this returns. */
void call_handle(struct rpc_call *call);
/* The stream is gone, or has been answered over the handler's head. The call may be gone when this
 * returns. */
void call_abandon(struct rpc_call *call);

#endif
