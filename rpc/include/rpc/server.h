/*
 * server.h - a gRPC server over HTTP/2 on a libuv loop. It knows no service: a table of unary
 * methods is handed in. grpc.health.v1.Health/Check is built in.
 *
 * The life of a call: the whole request message is there -> handler(context, call, message) -> at
 * any later time, on the same thread, exactly one of rpc_call_reply, rpc_call_reply_take and
 * rpc_call_fail. Replies given in one turn of the loop leave in one write per connection.
 *
 * Ownership: the message and what rpc_call_metadata returns belong to the call; the message is
 * valid during the handler only. The call object is valid until it is answered, whatever happened
 * to its stream, its connection or the server: an answer that can't be delivered any more is
 * dropped silently. Nobody else frees it, so every call must be answered.
 * Threads: everything on the loop's thread.
 * Clock: milliseconds of uv_now(loop).
 * Errors: a client that misbehaves loses its call or its connection, never the process. Everything
 * is bounded: what exceeds calls or bytes held is refused at once with RESOURCE_EXHAUSTED.
 */
#ifndef RPC_SERVER_H
#define RPC_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "base/bytes.h"
#include "base/error.h"
#include "rpc/status.h"

struct rpc_server;
struct rpc_call;

typedef void (*rpc_handler)(void *context, struct rpc_call *call, struct bytes message);

struct rpc_method {
    const char *path; /* "/holdfast.v1.Ledger/Reserve" */
    rpc_handler handler;
};

/* Each 0 means: as base/limits.h has it. */
struct rpc_server_limits {
    size_t message_bytes;             /* one request */
    size_t headers;                   /* of one request, and */
    size_t header_bytes;              /* their names and values together */
    size_t connections;               /* more are closed as soon as they are accepted */
    size_t streams_per_connection;    /* told to clients (SETTINGS_MAX_CONCURRENT_STREAMS) */
    size_t calls;                     /* begun and not answered, over all connections */
    size_t call_bytes;                /* requests and replies held, over all connections */
    size_t send_bytes_per_connection; /* waiting to be written; above it we stop reading */
    uint64_t deadline_ms;             /* the longest; a longer one is cut */
    uint64_t default_deadline_ms;     /* for a call that names none */
    uint64_t preface_timeout_ms;      /* a connection must have begun to speak HTTP/2 */
    uint64_t stall_timeout_ms;        /* a client must take something of what waits for it */
};

struct rpc_server_config {
    const char *address;              /* host:port: IPv4, [IPv6], or a name; port 0: any free one */
    const struct rpc_method *methods; /* copied; paths must outlive the server */
    size_t method_count;
    void *context; /* for handlers and on_notice */
    struct rpc_server_limits limits;
    /* Optional: one line about something an operator may want to know (a connection was refused,
     * broke the protocol, was too slow). A hostile client can cause many: the receiver limits their
     * rate. */
    void (*on_notice)(void *context, const char *text);
};

/* Binds and listens. NULL and a reason when the address can't be had. A name is looked up at once,
 * which may block: this is for start-up. */
struct rpc_server *rpc_server_open(uv_loop_t *loop, const struct rpc_server_config *config,
                                   struct error *error);

/* The port it listens on: the chosen one when the address said 0. */
uint16_t rpc_server_port(const struct rpc_server *server);

/* What grpc.health.v1.Health/Check answers for a service, "" meaning the server as a whole.
 * Services never set are NOT_FOUND; "" is SERVING from the start. */
void rpc_server_set_serving(struct rpc_server *server, const char *service, bool serving);

struct rpc_server_stats {
    size_t connections;           /* now */
    size_t calls;                 /* now: begun and not answered */
    size_t call_bytes;            /* now: requests and replies held */
    uint64_t calls_total;         /* handed to a handler */
    uint64_t calls_refused;       /* RESOURCE_EXHAUSTED from us */
    uint64_t connections_total;   /* accepted */
    uint64_t connections_refused; /* over the limit */
    uint64_t connections_dropped; /* cut by us: protocol broken, silent, or too slow */
};

struct rpc_server_stats rpc_server_stats(const struct rpc_server *server);

/* Stops accepting, says goodbye on every connection (GOAWAY as a notice, then the real one), lets
 * calls that have begun end, closes each connection when its last call is done. `drained` is called
 * when no connection is left; then, or at any time before, call rpc_server_close. Deadlines and the
 * stall timeout bound how long it takes. */
void rpc_server_drain(struct rpc_server *server, void (*drained)(void *context), void *context);

/* Cuts all connections; calls not answered yet are cancelled (their callbacks run inside).
 * `closed` (may be NULL) is called on a later turn of the loop, when no handle is left. Calls may
 * still be answered after that, and must be: the last one frees what is left. `drained` is not
 * called any more. */
void rpc_server_close(struct rpc_server *server, void (*closed)(void *context), void *context);

/* ---- calls ---- */

/* The method's path, as in the table. */
const char *rpc_call_path(const struct rpc_call *call);
/* A request header's value by its lower-case name, or NULL; the first of several. Values of -bin
 * headers are base64 as they came. */
const char *rpc_call_metadata(const struct rpc_call *call, const char *name);
/* When the call's time is up, on uv_now's clock. Always set: a call without grpc-timeout has the
 * default. */
uint64_t rpc_call_deadline_ms(const struct rpc_call *call);

/* At most once per call: called when nobody waits for the answer any more, because the client
 * cancelled or went away, the deadline passed (DEADLINE_EXCEEDED has been answered already), or the
 * server was closed. The call must be answered nevertheless; it may be from within. Not called
 * after an answer. */
void rpc_call_set_cancelled(struct rpc_call *call,
                            void (*cancelled)(void *context, struct rpc_call *call), void *context);

/* Adds a header to the answer, before it is given: sent with the first headers, be the answer a
 * reply or a failure. Copied. Name: lower-case; value: printable ASCII (both asserted). */
void rpc_call_set_metadata(struct rpc_call *call, const char *name, const char *value);

/* Answer OK with a message: copied, or with the buffer's memory taken over (it is left empty). */
void rpc_call_reply(struct rpc_call *call, struct bytes message);
void rpc_call_reply_take(struct rpc_call *call, struct buffer *message);

/* Answer with a status other than OK and words for people (UTF-8, cut at
 * LIMIT_STATUS_MESSAGE_BYTES). */
void rpc_call_fail(struct rpc_call *call, enum rpc_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
