/*
 * transport.c - the parts put together: open, the turn's end, timers, sending, close.
 *
 * One uv_timer serves all deadlines (the nearest is armed), one uv_prepare the flush: it runs right
 * before the loop waits, when everything that this turn had to say is queued.
 *
 * Invariant of memory: `held` counts the handles and requests that libuv has; the transport is
 * freed when it is closing and the last of them came back. What can fail: only opening.
 */
#include "raft/transport.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "transport_private.h"

bool transport_admits(struct transport *transport, const struct hello *theirs,
                      uint64_t *removed_index, struct error *why)
{
    const struct transport_events *events = &transport->events;
    *removed_index = 0;
    if (events->removed_at != NULL) {
        *removed_index = events->removed_at(events->context, theirs->node_id);
    }
    if (*removed_index != 0) {
        return error_set(why,
                         "node %" PRIu64 " was removed at log index %" PRIu64
                         " of cluster %016" PRIx64 ": stop it, its id is not used again",
                         theirs->node_id, *removed_index, transport->self.cluster_id);
    }
    /* An empty reason would be read as a welcome: there is one whatever the owner says. */
    error_set(why, "node %" PRIu64 " is not admitted", theirs->node_id);
    return transport->events.admit(transport->events.context, theirs->node_id, theirs->incarnation,
                                   why);
}

void transport_keep_client_address(struct peer *peer, const struct hello *hello)
{
    memcpy(peer->client_address, hello->client_address, sizeof peer->client_address);
}

/* ---- timers and the end of the turn ---- */

static void on_prepare(uv_prepare_t *handle)
{
    struct transport *transport = handle->data;
    while (!TAILQ_EMPTY(&transport->dirty)) {
        struct connection *connection = TAILQ_FIRST(&transport->dirty);
        TAILQ_REMOVE(&transport->dirty, connection, next_dirty);
        connection->dirty = false;
        connection_flush(connection);
    }
    if (!transport->closing) {
        uv_prepare_stop(&transport->prepare);
    }
}

void transport_flush_soon(struct transport *transport)
{
    if (!uv_is_active((uv_handle_t *)&transport->prepare)) {
        int status = uv_prepare_start(&transport->prepare, on_prepare);
        assert(status == 0);
    }
}

static void on_timer(uv_timer_t *handle)
{
    struct transport *transport = handle->data;
    uint64_t now_ms = uv_now(transport->loop);
    for (size_t i = 0; i < transport->peer_count && !transport->closing; i++) {
        dial_expire(&transport->peers[i], now_ms);
        if (!transport->closing) {
            bulk_expire(&transport->peers[i], now_ms);
        }
    }
    if (!transport->closing) {
        accept_expire(transport, now_ms);
    }
    if (!transport->closing) {
        transport_arm_timer(transport);
    }
}

void transport_arm_timer(struct transport *transport)
{
    uint64_t nearest_ms = accept_deadline(transport);
    for (size_t i = 0; i < transport->peer_count; i++) {
        uint64_t deadline_ms = transport->peers[i].deadline_ms;
        nearest_ms = deadline_ms < nearest_ms ? deadline_ms : nearest_ms;
        deadline_ms = transport->peers[i].bulk.deadline_ms;
        nearest_ms = deadline_ms < nearest_ms ? deadline_ms : nearest_ms;
    }
    if (nearest_ms == NO_DEADLINE) {
        uv_timer_stop(&transport->timer);
        return;
    }
    uint64_t now_ms = uv_now(transport->loop);
    uint64_t delay_ms = nearest_ms > now_ms ? nearest_ms - now_ms : 0;
    int status = uv_timer_start(&transport->timer, on_timer, delay_ms, 0);
    assert(status == 0);
}

/* ---- opening ---- */

/* Blocks where the host is a name: nothing else happens yet while a node starts. */
static bool resolve_listen_address(uv_loop_t *loop, const struct address *address,
                                   struct sockaddr_storage *out, struct error *error)
{
    if (address->kind != ADDRESS_NAME) {
        int status = address->kind == ADDRESS_IPV4
                         ? uv_ip4_addr(address->host, address->port, (struct sockaddr_in *)out)
                         : uv_ip6_addr(address->host, address->port, (struct sockaddr_in6 *)out);
        assert(status == 0); /* address_parse has checked the literal */
        return true;
    }
    char port[6];
    snprintf(port, sizeof port, "%u", address->port);
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    uv_getaddrinfo_t lookup;
    int status = uv_getaddrinfo(loop, &lookup, NULL, address->host, port, &hints);
    if (status < 0) {
        return error_set(error, "looking the name up: %s", uv_strerror(status));
    }
    memcpy(out, lookup.addrinfo->ai_addr, lookup.addrinfo->ai_addrlen);
    uv_freeaddrinfo(lookup.addrinfo);
    return true;
}

static bool begin_listening(struct transport *transport, const char *text, struct error *error)
{
    struct address address;
    struct sockaddr_storage where;
    if (!address_parse(text, ADDRESS_TO_LISTEN, &address, error)) {
        return false;
    }
    if (!resolve_listen_address(transport->loop, &address, &where, error)) {
        return error_wrap(error, "can't listen for peers on %s", text);
    }
    int status = uv_tcp_bind(&transport->listener, (struct sockaddr *)&where, 0);
    if (status == 0) {
        status = accept_begin(transport);
    }
    if (status < 0) {
        return error_set(error, "can't listen for peers on %s: %s", text, uv_strerror(status));
    }
    return true;
}

static bool check_members(const struct transport_config *config, struct error *error)
{
    struct address address;
    for (size_t i = 0; i < config->member_count; i++) {
        const struct replica_member *member = &config->members[i];
        if (member->id == config->node_id) {
            continue;
        }
        for (size_t k = 0; k < i; k++) {
            if (config->members[k].id == member->id) {
                return error_set(error, "node %" PRIu64 " is twice among the members", member->id);
            }
        }
        if (!address_parse(member->address, ADDRESS_TO_CONNECT, &address, error)) {
            return error_wrap(error, "node %" PRIu64, member->id);
        }
    }
    return true;
}

static bool copy_identity(struct transport *transport, const struct transport_config *config,
                          struct error *error)
{
    transport->self = (struct hello){
        .protocol_version = PEER_PROTOCOL_VERSION,
        .cluster_id = config->cluster_id,
        .node_id = config->node_id,
        .incarnation = config->incarnation,
    };
    struct address address;
    if (config->client_address[0] != '\0' &&
        !address_parse(config->client_address, ADDRESS_TO_CONNECT, &address, error)) {
        return error_wrap(error, "the client address to be told to others");
    }
    snprintf(transport->self.client_address, sizeof transport->self.client_address, "%s",
             config->client_address);
    if (config->peer_address != NULL) {
        if (!address_parse(config->peer_address, ADDRESS_TO_CONNECT, &address, error)) {
            return error_wrap(error, "the peer address to be told to others");
        }
        snprintf(transport->self.peer_address, sizeof transport->self.peer_address, "%s",
                 config->peer_address);
    }
    uint64_t seeds[2];
    int status = uv_random(NULL, NULL, seeds, sizeof seeds, 0, NULL);
    if (status < 0) {
        return error_set(error, "the system gives no random numbers: %s", uv_strerror(status));
    }
    transport->self.session = seeds[0];
    transport->random.state = seeds[1];
    return true;
}

static void ignore_sigpipe(void)
{
    struct sigaction action;
    int status = sigaction(SIGPIPE, NULL, &action);
    assert(status == 0);
    if (action.sa_handler == SIG_DFL) {
        action.sa_handler = SIG_IGN;
        status = sigaction(SIGPIPE, &action, NULL);
        assert(status == 0);
    }
}

struct transport *transport_open(uv_loop_t *loop, const struct transport_config *config,
                                 const struct transport_events *events, struct error *error)
{
    ignore_sigpipe();
    struct transport *transport = memory_zalloc(sizeof *transport);
    transport->loop = loop;
    peers_open(transport);
    transport->events = *events;
    TAILQ_INIT(&transport->dirty);
    TAILQ_INIT(&transport->strangers);
    uv_tcp_init(loop, &transport->listener);
    uv_timer_init(loop, &transport->timer);
    uv_prepare_init(loop, &transport->prepare);
    transport->listener.data = transport;
    transport->timer.data = transport;
    transport->prepare.data = transport;
    transport->held = 3;
    if (!copy_identity(transport, config, error) || !check_members(config, error) ||
        !begin_listening(transport, config->listen_address, error)) {
        transport_close(transport, NULL, NULL);
        return NULL;
    }
    uv_update_time(loop);
    transport_follow(transport, config->members, config->member_count);
    return transport;
}

/* ---- in between ---- */

void transport_send(struct transport *transport, uint64_t peer_id,
                    const struct peer_message *message)
{
    struct peer *peer = transport_find_peer(transport, peer_id);
    assert(!transport->closing);
    if (peer == NULL || peer->state != DIAL_CONNECTED ||
        !connection_send(peer->outgoing, frame_of_message(message))) {
        transport->statistics.frames_dropped++;
    }
}

void transport_send_bulk(struct transport *transport, uint64_t peer_id,
                         const struct peer_message *message)
{
    struct peer *peer = transport_find_peer(transport, peer_id);
    assert(!transport->closing);
    assert(message->type == PEER_CHECKPOINT_ASK || message->type == PEER_CHECKPOINT_PART);
    if (peer == NULL) {
        transport->statistics.frames_dropped++;
        return;
    }
    struct frame *frame = frame_of_message(message);
    if (message->type == PEER_CHECKPOINT_ASK ? !bulk_ask(peer, frame) : !bulk_give(peer, frame)) {
        transport->statistics.frames_dropped++;
    }
}

bool transport_is_connected(const struct transport *transport, uint64_t peer_id)
{
    const struct peer *peer = transport_find_peer(transport, peer_id);
    return peer != NULL && peer->state == DIAL_CONNECTED;
}

const char *transport_client_address(const struct transport *transport, uint64_t peer_id)
{
    const struct peer *peer = transport_find_peer(transport, peer_id);
    return peer != NULL && peer->client_address[0] != '\0' ? peer->client_address : NULL;
}

uint16_t transport_port(const struct transport *transport)
{
    struct sockaddr_storage address;
    int len = sizeof address;
    int status = uv_tcp_getsockname(&transport->listener, (struct sockaddr *)&address, &len);
    assert(status == 0); /* it is bound */
    return ntohs(address.ss_family == AF_INET ? ((struct sockaddr_in *)&address)->sin_port
                                              : ((struct sockaddr_in6 *)&address)->sin6_port);
}

void transport_statistics_get(const struct transport *transport,
                              struct transport_statistics *statistics)
{
    *statistics = transport->statistics;
}

/* ---- closing ---- */

void transport_hold(struct transport *transport)
{
    transport->held++;
}

void transport_let_go(struct transport *transport)
{
    assert(transport->held > 0);
    if (--transport->held == 0) {
        assert(transport->closing);
        void (*closed)(void *context) = transport->closed;
        void *context = transport->closed_context;
        free(transport->peers);
        free(transport);
        if (closed != NULL) {
            closed(context);
        }
    }
}

static void on_handle_closed(uv_handle_t *handle)
{
    transport_let_go(handle->data);
}

void transport_close(struct transport *transport, void (*closed)(void *context), void *context)
{
    assert(!transport->closing);
    transport->closing = true;
    transport->closed = closed;
    transport->closed_context = context;
    for (size_t i = 0; i < transport->peer_count; i++) {
        dial_close(&transport->peers[i]);
        bulk_close(&transport->peers[i]);
    }
    accept_close(transport);
    uv_close((uv_handle_t *)&transport->listener, on_handle_closed);
    uv_close((uv_handle_t *)&transport->timer, on_handle_closed);
    uv_close((uv_handle_t *)&transport->prepare, on_handle_closed);
}
