/*
 * client.h - a gRPC client: unary calls to one address over one multiplexed HTTP/2 connection, on a
 * libuv loop.
 *
 * Connecting is lazy: a call without a connection begins one and waits for it; rpc_client_connect
 * does so ahead of the first call. There is no retry and no backoff: a failed attempt ends every
 * call that waits for it with UNAVAILABLE and never_sent, a lost connection ends every call on it,
 * and the next call tries again at once. Pacing is the caller's. When the server says goodbye
 * (GOAWAY), its connection lives on for the calls it has accepted, and new calls make a new one.
 *
 * Ownership: path, message and metadata of a call are copied. An outcome and all it points to are
 * valid during the callback only.
 * Callbacks: exactly one per call, never from within rpc_client_call; they may make new calls and
 * cancel others. After rpc_client_close has been called, no new calls.
 * Threads: everything on the loop's thread.
 * Clock: milliseconds of uv_now(loop).
 * Bounds: calls and bytes by base/limits.h; beyond them a call ends with RESOURCE_EXHAUSTED and
 * never_sent.
 */
#ifndef RPC_CLIENT_H
#define RPC_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "base/bytes.h"
#include "base/error.h"
#include "rpc/status.h"

struct rpc_client;
struct rpc_request; /* one call in flight: valid until its callback has returned */

enum rpc_client_state {
    RPC_CLIENT_DISCONNECTED,
    RPC_CLIENT_CONNECTING,
    RPC_CLIENT_CONNECTED, /* the server speaks HTTP/2: its SETTINGS have come */
};

struct rpc_client_config {
    const char *address; /* host:port; copied. A name is looked up at each connection attempt */
    uint64_t connect_timeout_ms; /* look-up, TCP and the server's first words; 0: 3,000 */
    /* With calls open and nothing heard for this long the server is asked (PING); no answer within
     * the same time again loses the connection. 0: 5,000. */
    uint64_t keepalive_ms;
    /* Optional. `reason` says why it is disconnected, else NULL. Told before the calls that the
     * change ends. Must not close the client. */
    void (*on_state)(void *context, enum rpc_client_state state, const char *reason);
    void *context;
};

struct rpc_metadata {
    const char *name; /* lower-case */
    const char *value;
};

struct rpc_outcome {
    enum rpc_status status;
    const char *message; /* words for people, "" when there are none; never NULL */
    struct bytes body;   /* the reply; empty unless OK */
    /* The server surely has not executed the call, and it may be sent elsewhere under any identity:
     * no connection came about, the call still waited here, the stream was refused
     * (REFUSED_STREAM), or the server said goodbye without having taken it. */
    bool never_sent;
    /* The status and the words are the server's own. Neither this nor never_sent: the server may or
     * may not have executed the call; nor is that known when a server answers DEADLINE_EXCEEDED,
     * since its handler may still be at work. */
    bool answered;
    const void *headers; /* for rpc_outcome_metadata */
};

typedef void (*rpc_callback)(void *context, const struct rpc_outcome *outcome);

/* A response header or trailer by its lower-case name, or NULL; the first of several. */
const char *rpc_outcome_metadata(const struct rpc_outcome *outcome, const char *name);

/* NULL and a reason when the address is not of the form host:port. Does not connect. */
struct rpc_client *rpc_client_open(uv_loop_t *loop, const struct rpc_client_config *config,
                                   struct error *error);

/* Begins to connect, unless connected or connecting. */
void rpc_client_connect(struct rpc_client *client);
enum rpc_client_state rpc_client_state(const struct rpc_client *client);

/* deadline_ms is absolute; 0: DEFAULT_DEADLINE_MS from now. It is kept here, and told to the server
 * as grpc-timeout. */
struct rpc_request *rpc_client_call(struct rpc_client *client, const char *path,
                                    struct bytes message, uint64_t deadline_ms,
                                    const struct rpc_metadata *metadata, size_t metadata_count,
                                    rpc_callback callback, void *context);

/* Ends a call with CANCELLED: its callback runs inside. Not from within its own callback. */
void rpc_client_cancel(struct rpc_request *request);

/* Calls neither ended nor cancelled. */
size_t rpc_client_call_count(const struct rpc_client *client);

/* Ends all calls with CANCELLED (their callbacks run inside), cuts the connection. `closed` (may be
 * NULL) is called on a later turn of the loop, when no handle is left and the client is freed. */
void rpc_client_close(struct rpc_client *client, void (*closed)(void *context), void *context);

#endif
