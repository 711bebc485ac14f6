/*
 * server_connection.h - one accepted socket and its HTTP/2 session.
 */
#ifndef RPC_SERVER_CONNECTION_H
#define RPC_SERVER_CONNECTION_H

#include <stdbool.h>
#include <uv.h>

#include "call.h"
#include "loop_turn.h"

struct server_connection;

/* What connections share, and how they tell their end. */
struct server_connection_host {
    uv_loop_t *loop;
    struct call_registry *registry;
    struct loop_turn turn;
    char *read_buffer; /* libuv reads one connection at a time */
    size_t read_buffer_bytes;
    uint64_t turn_ms; /* uv_now of the turn that was last read in */
    struct server_connection *connections;
    /* Something was received: deadlines may have come. */
    void (*on_received)(struct server_connection_host *host);
    /* The connection's memory is gone. */
    void (*on_closed)(struct server_connection_host *host);
};

/* Takes the waiting connection of `listener`. One over the limit is closed at once. */
void server_connection_accept(struct server_connection_host *host, uv_stream_t *listener);
/* Cuts it; a reason is told as a notice, NULL: nothing to tell. */
void server_connection_cut(struct server_connection *connection, const char *reason);
void server_connection_say_goodbye(struct server_connection *connection);
/* Looks at the clock for everything that has taken too long. */
void server_connection_sweep(struct server_connection *connection);
struct server_connection *server_connection_next(struct server_connection *connection);

#endif
