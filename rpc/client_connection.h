/*
 * client_connection.h - one connection of a client: from looking up the name to its last byte.
 */
#ifndef RPC_CLIENT_CONNECTION_H
#define RPC_CLIENT_CONNECTION_H

#include <stdbool.h>
#include <uv.h>

#include "base/address.h"
#include "http2_client_session.h"
#include "loop_turn.h"

struct client_connection;

/* What a client's connections share, and what they tell it. None is called from within
 * client_connection_open. */
struct client_connection_host {
    uv_loop_t *loop;
    struct loop_turn turn;
    struct address address;
    char authority[LIMIT_ADDRESS_BYTES + 1];
    uint64_t connect_timeout_ms;
    uint64_t keepalive_ms;
    char *read_buffer;
    size_t read_buffer_bytes;
    struct client_connection *connections;
    /* The server speaks HTTP/2: requests may be submitted. */
    void (*on_ready)(struct client_connection_host *host, struct client_connection *connection);
    /* No more requests here; those submitted may still end well. */
    void (*on_goodbye)(struct client_connection_host *host, struct client_connection *connection);
    /* It did not come about, or is gone; its requests end right after this. */
    void (*on_lost)(struct client_connection_host *host, struct client_connection *connection,
                    const char *reason);
    /* Its memory is gone. */
    void (*on_closed)(struct client_connection_host *host);
};

struct client_connection *client_connection_open(struct client_connection_host *host);
/* Cuts it. Requests end with UNAVAILABLE and the reason, or CANCELLED without; on_lost is not
 * called. */
void client_connection_cut(struct client_connection *connection, const char *reason);
/* Once on_ready was called. False when it can take no more, ever. */
bool client_connection_submit(struct client_connection *connection, struct rpc_request *request,
                              uint64_t timeout_ms);
/* No new requests: closes as soon as the last one has ended. */
void client_connection_retire(struct client_connection *connection);
/* When it wants client_connection_sweep to be called; UINT64_MAX: never. */
uint64_t client_connection_due_ms(const struct client_connection *connection);
void client_connection_sweep(struct client_connection *connection);
struct client_connection *client_connection_next(struct client_connection *connection);

#endif
