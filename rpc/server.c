/*
 * server.c - the server as a whole: its listening socket, its timers, its connections, its end.
 *
 * The happy path: rpc_server_open -> on_connection, ... -> rpc_server_drain -> rpc_server_close.
 * What can fail: opening (the address is taken, or no address of this machine); later on, single
 * connections only.
 *
 * Lives: the server goes when rpc_server_close was called and its last handle is closed. The
 * registry of calls stays until the last call is answered.
 */
#include "rpc/server.h"

#include <assert.h>
#include <netdb.h>
#include <stdlib.h>

#include "base/address.h"
#include "base/limits.h"
#include "health.h"
#include "server_connection.h"

#define LISTEN_BACKLOG    511
#define READ_BUFFER_BYTES (64u << 10)
#define SWEEP_MS          1000

struct rpc_server {
    struct server_connection_host host;
    uv_tcp_t listener;
    uv_timer_t deadline_timer;
    uv_timer_t sweep_timer;
    uint64_t deadline_armed_ms; /* UINT64_MAX: the timer is off */
    struct health health;
    uint16_t port;
    size_t open_parts; /* handles of ours and the turn, until they are closed */
    bool listening;
    bool draining;
    bool closing;
    void (*drained)(void *context);
    void *drained_context;
    void (*closed)(void *context);
    void *closed_context;
};

static struct rpc_server *server_of_host(struct server_connection_host *host)
{
    return (struct rpc_server *)(void *)((char *)host - offsetof(struct rpc_server, host));
}

/* ---- the end ---- */

static void finish_if_over(struct rpc_server *server)
{
    if (server->host.connections != NULL) {
        return;
    }
    if (server->draining && !server->closing && server->drained != NULL) {
        void (*drained)(void *context) = server->drained;
        server->drained = NULL;
        drained(server->drained_context);
        return; /* the server may be closing now */
    }
    if (server->closing && server->open_parts == 0) {
        void (*closed)(void *context) = server->closed;
        void *context = server->closed_context;
        health_close(&server->health);
        call_registry_unref(server->host.registry);
        free(server->host.read_buffer);
        free(server);
        if (closed != NULL) {
            closed(context);
        }
    }
}

static void on_part_closed(void *context)
{
    struct rpc_server *server = context;
    assert(server->open_parts > 0);
    server->open_parts--;
    finish_if_over(server);
}

static void on_handle_closed(uv_handle_t *handle)
{
    on_part_closed(handle->data);
}

static void on_connection_closed(struct server_connection_host *host)
{
    finish_if_over(server_of_host(host));
}

/* ---- time ---- */

static void arm_deadline(struct rpc_server *server);

static void on_deadline(uv_timer_t *timer)
{
    struct rpc_server *server = timer->data;
    server->deadline_armed_ms = UINT64_MAX;
    server->host.registry->now_ms = uv_now(server->host.loop);
    call_registry_expire(server->host.registry);
    if (!server->closing) {
        arm_deadline(server);
    }
}

/* The timer is due no later than the first deadline; it may be earlier, then it finds nothing. */
static void arm_deadline(struct rpc_server *server)
{
    struct deadline_entry *first = deadline_queue_first(&server->host.registry->deadlines);
    if (first == NULL || first->due_ms >= server->deadline_armed_ms) {
        return;
    }
    uint64_t now = uv_now(server->host.loop);
    server->deadline_armed_ms = first->due_ms;
    uv_timer_start(&server->deadline_timer, on_deadline,
                   first->due_ms > now ? first->due_ms - now : 0, 0);
}

static void on_received(struct server_connection_host *host)
{
    struct rpc_server *server = server_of_host(host);
    if (!server->closing) {
        arm_deadline(server);
    }
}

static void on_sweep(uv_timer_t *timer)
{
    struct rpc_server *server = timer->data;
    struct server_connection *at = server->host.connections;
    while (at != NULL) {
        struct server_connection *next = server_connection_next(at);
        server_connection_sweep(at); /* closing frees later, so `next` stays */
        at = next;
    }
}

static uint64_t sweep_interval_ms(const struct rpc_server_limits *limits)
{
    uint64_t shortest = limits->preface_timeout_ms < limits->stall_timeout_ms
                            ? limits->preface_timeout_ms
                            : limits->stall_timeout_ms;
    uint64_t interval = shortest / 4 + 1;
    return interval < SWEEP_MS ? interval : SWEEP_MS;
}

/* ---- listening ---- */

static void on_connection(uv_stream_t *listener, int status)
{
    struct rpc_server *server = listener->data;
    if (status != 0) {
        call_registry_notice(server->host.registry, "a connection could not be accepted: %s",
                             uv_strerror(status));
        return;
    }
    server_connection_accept(&server->host, listener);
}

static int bind_and_listen(struct rpc_server *server, const struct sockaddr *address)
{
    int result = uv_tcp_bind(&server->listener, address, 0);
    if (result != 0) {
        return result;
    }
    return uv_listen((uv_stream_t *)&server->listener, LISTEN_BACKLOG, on_connection);
}

static uint16_t port_of_socket(const uv_tcp_t *tcp)
{
    struct sockaddr_storage name;
    int len = sizeof name;
    int result = uv_tcp_getsockname(tcp, (struct sockaddr *)&name, &len);
    assert(result == 0); /* it is bound */
    return name.ss_family == AF_INET6 ? ntohs(((struct sockaddr_in6 *)&name)->sin6_port)
                                      : ntohs(((struct sockaddr_in *)&name)->sin_port);
}

static bool listen_on(struct rpc_server *server, const char *text, struct error *error)
{
    struct address address;
    if (!address_parse(text, ADDRESS_TO_LISTEN, &address, error)) {
        return false;
    }
    char port[8];
    snprintf(port, sizeof port, "%u", address.port);
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    uv_getaddrinfo_t lookup;
    int result = uv_getaddrinfo(server->host.loop, &lookup, NULL, address.host, port, &hints);
    if (result != 0) {
        return error_set(error, "the address %s can't be looked up: %s", text, uv_strerror(result));
    }
    result = bind_and_listen(server, lookup.addrinfo->ai_addr);
    uv_freeaddrinfo(lookup.addrinfo);
    if (result != 0) {
        return error_set(error, "can't listen on %s: %s%s", text, uv_strerror(result),
                         result == UV_EADDRINUSE      ? "; is another server running on this port?"
                         : result == UV_EADDRNOTAVAIL ? "; this machine does not have the address"
                                                      : "");
    }
    server->port = port_of_socket(&server->listener);
    return true;
}

/* ---- public ---- */

struct rpc_server *rpc_server_open(uv_loop_t *loop, const struct rpc_server_config *config,
                                   struct error *error)
{
    struct rpc_server *server = memory_zalloc(sizeof *server);
    server->host.loop = loop;
    server->host.registry = call_registry_new(config, 1);
    server->host.registry->now_ms = uv_now(loop);
    server->host.read_buffer = memory_alloc(READ_BUFFER_BYTES);
    server->host.read_buffer_bytes = READ_BUFFER_BYTES;
    server->host.on_received = on_received;
    server->host.on_closed = on_connection_closed;
    server->deadline_armed_ms = UINT64_MAX;
    health_open(&server->health);
    call_registry_add_method(server->host.registry, HEALTH_CHECK_PATH, health_on_check,
                             &server->health);
    /* None of these touches the system yet. */
    uv_tcp_init(loop, &server->listener);
    uv_timer_init(loop, &server->deadline_timer);
    uv_timer_init(loop, &server->sweep_timer);
    server->listener.data = server;
    server->deadline_timer.data = server;
    server->sweep_timer.data = server;
    loop_turn_open(&server->host.turn, loop);
    server->open_parts = 4;
    server->listening = true;
    if (!listen_on(server, config->address, error)) {
        rpc_server_close(server, NULL, NULL);
        return NULL;
    }
    uint64_t interval = sweep_interval_ms(&server->host.registry->limits);
    uv_timer_start(&server->sweep_timer, on_sweep, interval, interval);
    return server;
}

uint16_t rpc_server_port(const struct rpc_server *server)
{
    return server->port;
}

void rpc_server_set_serving(struct rpc_server *server, const char *service, bool serving)
{
    health_set(&server->health, service, serving);
}

struct rpc_server_stats rpc_server_stats(const struct rpc_server *server)
{
    return server->host.registry->stats;
}

static void stop_listening(struct rpc_server *server)
{
    if (server->listening) {
        server->listening = false;
        uv_close((uv_handle_t *)&server->listener, on_handle_closed);
    }
}

void rpc_server_drain(struct rpc_server *server, void (*drained)(void *context), void *context)
{
    assert(!server->draining && !server->closing);
    server->draining = true;
    server->drained = drained;
    server->drained_context = context;
    stop_listening(server);
    for (struct server_connection *at = server->host.connections; at != NULL;
         at = server_connection_next(at)) {
        server_connection_say_goodbye(at);
    }
    /* Without a connection the listener's end calls back: never from in here. */
}

void rpc_server_close(struct rpc_server *server, void (*closed)(void *context), void *context)
{
    assert(!server->closing);
    server->closing = true;
    server->closed = closed;
    server->closed_context = context;
    stop_listening(server);
    uv_close((uv_handle_t *)&server->deadline_timer, on_handle_closed);
    uv_close((uv_handle_t *)&server->sweep_timer, on_handle_closed);
    for (struct server_connection *at = server->host.connections; at != NULL;
         at = server_connection_next(at)) {
        server_connection_cut(at, NULL);
    }
    loop_turn_close(&server->host.turn, on_part_closed, server);
}
