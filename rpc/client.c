/*
 * client.c - the client as a whole: requests that wait, the connection they go to, deadlines, the
 * bounds of it all.
 *
 * Invariants: `current` is the connection new requests go to or wait for, NULL when disconnected;
 * requests wait only while `current` is connecting, or in `refused` until the turn is over; each is
 * in exactly one list until it ends; held_bytes is the sum over all of them.
 *
 * The happy path: rpc_client_call -> (waits for on_ready) -> client_connection_submit ->
 * request_end. What can fail: the connection, which ends what waits for it or is on it; the
 * deadline; the bounds.
 */
#include "rpc/client.h"

#include <assert.h>
#include <stdlib.h>

#include "base/address.h"
#include "base/limits.h"
#include "client_connection.h"

#define READ_BUFFER_BYTES          (64u << 10)
#define DEFAULT_CONNECT_TIMEOUT_MS 3000
#define DEFAULT_KEEPALIVE_MS       5000
/* Requests kept for the next ones, and what each may keep of its memory. */
#define FREE_REQUESTS_KEPT 1024
#define FREE_BYTES_KEPT    4096
/* A request's own weight in the total, so that many empty ones count too. */
#define REQUEST_OVERHEAD_BYTES 1024

struct rpc_client {
    struct client_connection_host host;
    struct rpc_client_config config;
    struct client_connection *current;
    bool current_ready;
    enum rpc_client_state state;
    struct request_list waiting;
    struct request_list refused; /* over a bound: ended at the end of the turn */
    struct turn_item refuse_item;
    struct deadline_queue deadlines;
    uv_timer_t timer;
    uint64_t timer_armed_ms; /* UINT64_MAX: it is off */
    size_t call_count;
    size_t held_bytes;
    struct rpc_request *free_requests;
    size_t free_count;
    size_t open_parts; /* the timer and the turn, until they are closed */
    bool closing;
    void (*closed)(void *context);
    void *closed_context;
};

static struct rpc_client *client_of_host(struct client_connection_host *host)
{
    return (struct rpc_client *)(void *)((char *)host - offsetof(struct rpc_client, host));
}

static void tell_state(struct rpc_client *client, enum rpc_client_state state, const char *reason)
{
    if (client->state != state) {
        client->state = state;
        if (client->config.on_state != NULL && !client->closing) {
            client->config.on_state(client->config.context, state, reason);
        }
    }
}

/* ---- lists ---- */

void request_list_add(struct request_list *list, struct rpc_request *request)
{
    assert(request->list == NULL);
    request->list = list;
    request->next = NULL;
    request->previous = list->last;
    if (list->last != NULL) {
        list->last->next = request;
    } else {
        list->first = request;
    }
    list->last = request;
    list->count++;
}

void request_list_remove(struct rpc_request *request)
{
    struct request_list *list = request->list;
    if (request->previous != NULL) {
        request->previous->next = request->next;
    } else {
        list->first = request->next;
    }
    if (request->next != NULL) {
        request->next->previous = request->previous;
    } else {
        list->last = request->previous;
    }
    list->count--;
    request->list = NULL;
    request->next = NULL;
    request->previous = NULL;
}

/* The first one, taken out; NULL when there is none. */
static struct rpc_request *request_list_take(struct request_list *list)
{
    struct rpc_request *request = list->first;
    if (request == NULL) {
        return NULL;
    }
    list->first = request->next;
    if (list->first != NULL) {
        list->first->previous = NULL;
    } else {
        list->last = NULL;
    }
    list->count--;
    request->list = NULL;
    request->next = NULL;
    return request;
}

/* ---- requests ---- */

static struct rpc_request *request_new(struct rpc_client *client)
{
    struct rpc_request *request = client->free_requests;
    if (request != NULL) {
        client->free_requests = request->next;
        client->free_count--;
        request->next = NULL;
    } else {
        request = memory_zalloc(sizeof *request);
        request->client = client;
    }
    request->grpc_status = -1;
    client->call_count++;
    return request;
}

static void keep_small(struct buffer *buffer)
{
    buffer_clear(buffer);
    if (buffer->capacity > FREE_BYTES_KEPT) {
        buffer_free(buffer);
    }
}

static void request_free(struct rpc_request *request)
{
    buffer_free(&request->path);
    buffer_free(&request->message);
    buffer_free(&request->reply.body);
    header_list_free(&request->headers);
    header_list_free(&request->reply_headers);
    free(request);
}

static void recycle(struct rpc_request *request)
{
    struct rpc_client *client = request->client;
    if (client->free_count >= FREE_REQUESTS_KEPT) {
        request_free(request);
        return;
    }
    header_list_clear(&request->headers);
    header_list_clear(&request->reply_headers);
    keep_small(&request->path);
    keep_small(&request->message);
    keep_small(&request->reply.body);
    keep_small(&request->headers.text);
    keep_small(&request->reply_headers.text);
    *request = (struct rpc_request){
        .client = client,
        .path = request->path,
        .message = request->message,
        .reply.body = request->reply.body,
        .headers = request->headers,
        .reply_headers = request->reply_headers,
        .next = client->free_requests,
    };
    client->free_requests = request;
    client->free_count++;
}

bool request_hold(struct rpc_request *request, size_t bytes)
{
    struct rpc_client *client = request->client;
    if (bytes > LIMIT_CLIENT_CALL_BYTES || client->held_bytes > LIMIT_CLIENT_CALL_BYTES - bytes) {
        return false;
    }
    client->held_bytes += bytes;
    request->held_bytes += bytes;
    return true;
}

void request_end(struct rpc_request *request, enum rpc_status status, enum request_fate fate,
                 const char *message)
{
    struct rpc_client *client = request->client;
    assert(request->state != REQUEST_ENDED && request->session == NULL && request->list == NULL);
    request->state = REQUEST_ENDED;
    deadline_queue_remove(&client->deadlines, &request->deadline);
    client->call_count--;
    client->held_bytes -= request->held_bytes;
    const struct rpc_outcome outcome = {
        .status = status,
        .message = message != NULL ? message : "",
        .body = status == RPC_OK ? buffer_bytes(&request->reply.body) : (struct bytes){NULL, 0},
        .never_sent = fate == REQUEST_NEVER_SENT,
        .answered = fate == REQUEST_ANSWERED,
        .headers = &request->reply_headers,
    };
    request->callback(request->context, &outcome);
    recycle(request);
}

const char *rpc_outcome_metadata(const struct rpc_outcome *outcome, const char *name)
{
    return header_list_find(outcome->headers, name);
}

/* Ends a request from our side, wherever it is. */
static void end_here(struct rpc_request *request, enum rpc_status status, const char *message)
{
    enum request_fate fate = request_fate_without_answer(request);
    if (request->session != NULL) {
        http2_client_session_drop(request);
    } else {
        request_list_remove(request);
    }
    request_end(request, status, fate, message);
}

/* ---- time ---- */

static void arm(struct rpc_client *client);

static struct rpc_request *request_of_deadline(struct deadline_entry *entry)
{
    return (struct rpc_request *)(void *)((char *)entry - offsetof(struct rpc_request, deadline));
}

static void on_timer(uv_timer_t *timer)
{
    struct rpc_client *client = timer->data;
    client->timer_armed_ms = UINT64_MAX;
    /* As many as there are now: callbacks may call again with a deadline in the past. */
    for (size_t left = client->deadlines.count; left > 0; left--) {
        struct deadline_entry *entry = deadline_queue_first(&client->deadlines);
        if (entry == NULL || entry->due_ms > uv_now(client->host.loop)) {
            break;
        }
        struct rpc_request *request = request_of_deadline(entry);
        end_here(request, RPC_DEADLINE_EXCEEDED,
                 request->state == REQUEST_WAITING
                     ? "the deadline passed before there was a connection"
                     : "the deadline passed before the server answered");
    }
    struct client_connection *at = client->host.connections;
    while (at != NULL) {
        struct client_connection *next = client_connection_next(at);
        client_connection_sweep(at); /* closing frees later, so `next` stays */
        at = next;
    }
    arm(client);
}

/* The timer is due no later than the first thing that is; it may be earlier, then it finds none. */
static void arm(struct rpc_client *client)
{
    if (client->closing) {
        return;
    }
    struct deadline_entry *first = deadline_queue_first(&client->deadlines);
    uint64_t due = first != NULL ? first->due_ms : UINT64_MAX;
    for (struct client_connection *at = client->host.connections; at != NULL;
         at = client_connection_next(at)) {
        uint64_t its = client_connection_due_ms(at);
        due = its < due ? its : due;
    }
    if (due >= client->timer_armed_ms) {
        return;
    }
    uint64_t now = uv_now(client->host.loop);
    client->timer_armed_ms = due;
    uv_timer_start(&client->timer, on_timer, due > now ? due - now : 0, 0);
}

/* ---- the connection ---- */

static void submit(struct rpc_client *client, struct rpc_request *request)
{
    uint64_t now = uv_now(client->host.loop);
    uint64_t due = request->deadline.due_ms;
    uint64_t timeout = due > now ? due - now : 1;
    if (!client_connection_submit(client->current, request, timeout)) {
        /* Two thousand million calls later: this connection's stream ids are used up. */
        client_connection_retire(client->current);
        client->current = NULL;
        client->current_ready = false;
        request_list_add(&client->waiting, request);
        rpc_client_connect(client);
    }
}

static void on_ready(struct client_connection_host *host, struct client_connection *connection)
{
    struct rpc_client *client = client_of_host(host);
    assert(connection == client->current);
    client->current_ready = true;
    tell_state(client, RPC_CLIENT_CONNECTED, NULL);
    while (client->waiting.first != NULL && client->current_ready) {
        submit(client, request_list_take(&client->waiting));
    }
    arm(client);
}

static void on_goodbye(struct client_connection_host *host, struct client_connection *connection)
{
    struct rpc_client *client = client_of_host(host);
    client_connection_retire(connection);
    if (connection == client->current) {
        client->current = NULL;
        client->current_ready = false;
        tell_state(client, RPC_CLIENT_DISCONNECTED, "the server is going away");
    }
}

static void on_lost(struct client_connection_host *host, struct client_connection *connection,
                    const char *reason)
{
    struct rpc_client *client = client_of_host(host);
    if (connection != client->current) {
        return;
    }
    client->current = NULL;
    client->current_ready = false;
    /* Only those that wait now: callbacks may call again, which waits for another connection. */
    struct request_list ending = {0};
    struct rpc_request *request;
    while ((request = request_list_take(&client->waiting)) != NULL) {
        request_list_add(&ending, request);
    }
    tell_state(client, RPC_CLIENT_DISCONNECTED, reason);
    while ((request = request_list_take(&ending)) != NULL) {
        request_end(request, RPC_UNAVAILABLE, REQUEST_NEVER_SENT, reason);
    }
}

void rpc_client_connect(struct rpc_client *client)
{
    if (client->current != NULL || client->closing) {
        return;
    }
    client->current = client_connection_open(&client->host);
    tell_state(client, RPC_CLIENT_CONNECTING, NULL);
    arm(client);
}

enum rpc_client_state rpc_client_state(const struct rpc_client *client)
{
    return client->state;
}

/* ---- calls ---- */

static void end_refused(struct turn_item *item)
{
    struct rpc_client *client =
        (struct rpc_client *)(void *)((char *)item - offsetof(struct rpc_client, refuse_item));
    /* Only those of this turn: callbacks may call again and be refused again. */
    for (size_t left = client->refused.count; left > 0 && client->refused.first != NULL; left--) {
        struct rpc_request *request = request_list_take(&client->refused);
        request_end(request, RPC_RESOURCE_EXHAUSTED, REQUEST_NEVER_SENT,
                    "the client holds as many calls or bytes as it may");
    }
    if (client->refused.first != NULL) {
        loop_turn_add(&client->host.turn, &client->refuse_item);
    }
}

struct rpc_request *rpc_client_call(struct rpc_client *client, const char *path,
                                    struct bytes message, uint64_t deadline_ms,
                                    const struct rpc_metadata *metadata, size_t metadata_count,
                                    rpc_callback callback, void *context)
{
    assert(!client->closing && metadata_count <= LIMIT_REPLY_HEADERS);
    bool too_many = client->call_count >= LIMIT_CLIENT_CALLS;
    struct rpc_request *request = request_new(client);
    request->callback = callback;
    request->context = context;
    if (too_many || message.len > LIMIT_CLIENT_CALL_BYTES ||
        !request_hold(request, REQUEST_OVERHEAD_BYTES + message.len)) {
        request_list_add(&client->refused, request);
        loop_turn_add(&client->host.turn, &client->refuse_item);
        return request;
    }
    buffer_append_bytes(&request->path, bytes_of_string(path));
    for (size_t i = 0; i < metadata_count; i++) {
        header_list_add(&request->headers, bytes_of_string(metadata[i].name),
                        bytes_of_string(metadata[i].value));
    }
    grpc_prefix_write(buffer_reserve(&request->message, GRPC_PREFIX_BYTES + message.len),
                      message.len);
    request->message.len = GRPC_PREFIX_BYTES;
    buffer_append_bytes(&request->message, message);
    uint64_t now = uv_now(client->host.loop);
    deadline_queue_add(&client->deadlines, &request->deadline,
                       deadline_ms != 0 ? deadline_ms : now + DEFAULT_DEADLINE_MS);
    if (client->current_ready) {
        submit(client, request);
    } else {
        request_list_add(&client->waiting, request);
        rpc_client_connect(client);
    }
    arm(client);
    return request;
}

void rpc_client_cancel(struct rpc_request *request)
{
    assert(request->state != REQUEST_ENDED);
    end_here(request, RPC_CANCELLED, "the caller cancelled the call");
}

size_t rpc_client_call_count(const struct rpc_client *client)
{
    return client->call_count;
}

/* ---- beginning and end ---- */

static void finish_if_over(struct rpc_client *client)
{
    if (!client->closing || client->open_parts > 0 || client->host.connections != NULL) {
        return;
    }
    assert(client->call_count == 0 && client->held_bytes == 0);
    while (client->free_requests != NULL) {
        struct rpc_request *request = client->free_requests;
        client->free_requests = request->next;
        request_free(request);
    }
    void (*closed)(void *context) = client->closed;
    void *context = client->closed_context;
    deadline_queue_free(&client->deadlines);
    free(client->host.read_buffer);
    free(client);
    if (closed != NULL) {
        closed(context);
    }
}

static void on_part_closed(void *context)
{
    struct rpc_client *client = context;
    assert(client->open_parts > 0);
    client->open_parts--;
    finish_if_over(client);
}

static void on_timer_closed(uv_handle_t *handle)
{
    on_part_closed(handle->data);
}

static void on_connection_closed(struct client_connection_host *host)
{
    finish_if_over(client_of_host(host));
}

struct rpc_client *rpc_client_open(uv_loop_t *loop, const struct rpc_client_config *config,
                                   struct error *error)
{
    struct address address;
    if (!address_parse(config->address, ADDRESS_TO_CONNECT, &address, error)) {
        return NULL;
    }
    struct rpc_client *client = memory_zalloc(sizeof *client);
    client->config = *config;
    client->config.address = NULL; /* the caller's: parsed above */
    client->host.loop = loop;
    client->host.address = address;
    address_format(&address, client->host.authority);
    client->host.connect_timeout_ms =
        config->connect_timeout_ms != 0 ? config->connect_timeout_ms : DEFAULT_CONNECT_TIMEOUT_MS;
    client->host.keepalive_ms =
        config->keepalive_ms != 0 ? config->keepalive_ms : DEFAULT_KEEPALIVE_MS;
    client->host.read_buffer = memory_alloc(READ_BUFFER_BYTES);
    client->host.read_buffer_bytes = READ_BUFFER_BYTES;
    client->host.on_ready = on_ready;
    client->host.on_goodbye = on_goodbye;
    client->host.on_lost = on_lost;
    client->host.on_closed = on_connection_closed;
    client->refuse_item.run = end_refused;
    client->timer_armed_ms = UINT64_MAX;
    uv_timer_init(loop, &client->timer);
    client->timer.data = client;
    loop_turn_open(&client->host.turn, loop);
    client->open_parts = 2;
    return client;
}

static void cancel_all(struct request_list *list)
{
    struct rpc_request *request;
    while ((request = request_list_take(list)) != NULL) {
        request_end(request, RPC_CANCELLED, REQUEST_NEVER_SENT, "the client was closed");
    }
}

void rpc_client_close(struct rpc_client *client, void (*closed)(void *context), void *context)
{
    assert(!client->closing);
    client->closing = true;
    client->closed = closed;
    client->closed_context = context;
    client->current = NULL;
    client->current_ready = false;
    cancel_all(&client->waiting);
    cancel_all(&client->refused);
    struct client_connection *at = client->host.connections;
    while (at != NULL) {
        struct client_connection *next = client_connection_next(at);
        client_connection_cut(at, NULL);
        at = next;
    }
    uv_close((uv_handle_t *)&client->timer, on_timer_closed);
    loop_turn_close(&client->host.turn, on_part_closed, client);
}
