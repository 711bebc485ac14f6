/*
 * dial.c - our connection to each peer that has an address, made again and again for as long as it
 * is one (peers.c). We send over it; what comes back is the answer to our hello and nothing else.
 *
 * Happy path: dial_begin -> WAITING -> (host name: RESOLVING, on_resolved) -> CONNECTING,
 * dialled_on_connect: hello -> GREETING, dialled_on_frame: answer -> CONNECTED, the owner's
 * `connected`.
 *
 * What can fail: the look-up, each of the addresses found, the hello (too slow, refused by the
 * other side, or the answer is not acceptable to us), the connection later. Addresses are tried one
 * after the other; when none is left the peer waits, longer each time, and looks its name up again.
 * A connection from the peer to us shows that it lives, and ends the waiting.
 *
 * Invariants: the transitions below and no others; `outgoing` is set exactly in CONNECTING,
 * GREETING and CONNECTED. The owner hears `connected` and `disconnected` in turn; attempts that
 * fail are told when their reason changes, not each time.
 */
#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "transport_private.h"

static const struct {
    const char *name;
    unsigned next; /* bits of the states that may follow */
    bool has_connection;
} states[] = {
    [DIAL_WAITING] = {"waiting", 1u << DIAL_RESOLVING | 1u << DIAL_CONNECTING, false},
    [DIAL_RESOLVING] = {"resolving", 1u << DIAL_CONNECTING | 1u << DIAL_WAITING, false},
    [DIAL_CONNECTING] = {"connecting",
                         1u << DIAL_CONNECTING | 1u << DIAL_GREETING | 1u << DIAL_WAITING, true},
    [DIAL_GREETING] = {"greeting",
                       1u << DIAL_CONNECTING | 1u << DIAL_CONNECTED | 1u << DIAL_WAITING, true},
    [DIAL_CONNECTED] = {"connected", 1u << DIAL_WAITING, true},
};

static void enter(struct peer *peer, enum dial_state state, uint64_t deadline_ms)
{
    assert((states[peer->state].next & 1u << state) != 0);
    assert(states[state].has_connection == (peer->outgoing != NULL));
    peer->state = state;
    peer->deadline_ms = deadline_ms;
    transport_arm_timer(peer->transport);
}

static uint64_t now_ms(const struct peer *peer)
{
    return uv_now(peer->transport->loop);
}

/* ---- failing and waiting ---- */

/* Half of it is random, so that nodes that lost each other at once do not come back at once. */
static uint64_t spread(struct peer *peer, uint64_t whole_ms)
{
    return whole_ms / 2 + random_next(&peer->transport->random) % (whole_ms / 2 + 1);
}

/* Attempts begin further and further apart, counted from beginning to beginning: one that hung
 * until its deadline has waited enough. A moment passes in any case. */
static void wait_and_retry(struct peer *peer)
{
    uint64_t whole_ms = PEER_BACKOFF_FIRST_MS;
    for (unsigned i = 0; i < peer->failures && whole_ms < PEER_BACKOFF_LAST_MS; i++) {
        whole_ms *= 2;
    }
    if (whole_ms > PEER_BACKOFF_LAST_MS) {
        whole_ms = PEER_BACKOFF_LAST_MS;
    }
    peer->failures++;
    uint64_t spread_out_ms = peer->attempt_ms + spread(peer, whole_ms);
    uint64_t soonest_ms = now_ms(peer) + spread(peer, PEER_BACKOFF_FIRST_MS);
    enter(peer, DIAL_WAITING, spread_out_ms > soonest_ms ? spread_out_ms : soonest_ms);
}

static void remember(struct peer *peer, const char *reason)
{
    snprintf(peer->told, sizeof peer->told, "%s", reason);
}

/* Not told yet since the last connection? Then it is about to be. */
static bool is_news(struct peer *peer, const char *reason)
{
    bool news = strcmp(peer->told, reason) != 0;
    remember(peer, reason);
    return news;
}

static void connect_next(struct peer *peer);

/* The attempt is over with nothing left to try. */
static void give_up(struct peer *peer, const char *reason)
{
    wait_and_retry(peer);
    const struct transport_events *events = &peer->transport->events;
    if (is_news(peer, reason)) {
        events->disconnected(events->context, peer->id, reason);
    }
    peer_rest(peer);
}

/* An address did not lead to the peer: the next one, or give up. */
static void try_another(struct peer *peer, const char *reason)
{
    if (peer->candidate_next < peer->candidate_count) {
        connect_next(peer);
    } else {
        give_up(peer, reason);
    }
}

static void dialled_on_end(struct connection *connection, enum connection_end how,
                           const char *reason)
{
    (void)how;
    struct peer *peer = connection->owner;
    enum dial_state state = peer->state;
    peer->outgoing = NULL;
    char text[LIMIT_PEER_REASON_BYTES + 1];
    snprintf(text, sizeof text, "%s: %s", peer->address_text, reason);
    if (state != DIAL_CONNECTED) {
        try_another(peer, text);
        return;
    }
    if (now_ms(peer) - peer->connected_ms >= PEER_STABLE_MS) {
        peer->failures = 0;
    }
    wait_and_retry(peer);
    const struct transport_events *events = &peer->transport->events;
    remember(peer, text);
    events->disconnected(events->context, peer->id, text);
    peer_rest(peer);
}

/* ---- hello ---- */

bool dial_greet(struct connection *connection, enum hello_purpose purpose)
{
    struct peer *peer = connection->owner;
    struct transport *transport = peer->transport;
    struct error error;
    if (!connection_start(connection, &error)) {
        connection_fail(connection, CONNECTION_LOST, error.text);
        return false;
    }
    struct hello hello = transport->self;
    hello.to_node_id = peer->id;
    hello.connection = ++transport->connections_made;
    hello.purpose = purpose;
    bool queued = connection_send(connection, frame_of_hello(&hello));
    assert(queued); /* the first frame of its connection */
    return true;
}

static void dialled_on_connect(struct connection *connection)
{
    struct peer *peer = connection->owner;
    if (dial_greet(connection, HELLO_MESSAGES)) {
        enter(peer, DIAL_GREETING, now_ms(peer) + PEER_HELLO_TIMEOUT_MS);
    }
}

/* The peer does not want us. That is for its operator to mend: the other addresses, if any, lead to
 * the same node. */
static void refused(struct peer *peer, const char *reason, uint64_t removed_index)
{
    struct transport *transport = peer->transport;
    connection_close(peer->outgoing);
    peer->outgoing = NULL;
    wait_and_retry(peer);
    const struct transport_events *events = &transport->events;
    if (removed_index != 0 && events->told_removed != NULL) {
        events->told_removed(events->context, peer->id, removed_index);
    }
    if (!transport->closing && is_news(peer, reason)) {
        events->refused(events->context, peer->id, reason);
    }
    peer_rest(peer);
}

bool dial_accepts(struct peer *peer, const struct hello *theirs, struct error *why)
{
    struct transport *transport = peer->transport;
    if (!hello_check(&transport->self, theirs, why)) {
        return false;
    }
    if (theirs->node_id != peer->id) {
        return error_set(why, "the address leads to node %" PRIu64 ": check the peer addresses",
                         theirs->node_id);
    }
    uint64_t removed_index;
    return transport_admits(transport, theirs, &removed_index, why);
}

static bool dialled_on_frame(struct connection *connection, struct frame_content *content,
                             struct error *error)
{
    struct peer *peer = connection->owner;
    struct transport *transport = peer->transport;
    if (content->kind == FRAME_MESSAGE) {
        peer_message_free(&content->message);
    }
    if (content->kind != FRAME_ANSWER || peer->state != DIAL_GREETING) {
        return error_set(error, "it sent something else than the answer to our hello");
    }
    if (content->refusal[0] != '\0') {
        refused(peer, content->refusal, content->removed_index);
        return true;
    }
    bool acceptable = dial_accepts(peer, &content->hello, error);
    if (connection->ended || !acceptable) {
        return acceptable; /* ended: the owner closed the transport when asked */
    }
    enter(peer, DIAL_CONNECTED, NO_DEADLINE);
    peer->connected_ms = now_ms(peer);
    peer->told[0] = '\0';
    transport_keep_client_address(peer, &content->hello);
    transport->events.connected(transport->events.context, peer->id, content->hello.incarnation,
                                peer->client_address);
    return true;
}

static const struct connection_handler dialled_handler = {
    .on_connect = dialled_on_connect,
    .on_frame = dialled_on_frame,
    .on_end = dialled_on_end,
};

/* ---- addresses ---- */

static void connect_next(struct peer *peer)
{
    assert(peer->candidate_next < peer->candidate_count);
    const struct sockaddr_storage *address = &peer->candidates[peer->candidate_next++];
    peer->outgoing = connection_new(peer->transport, &dialled_handler, peer);
    enter(peer, DIAL_CONNECTING, now_ms(peer) + PEER_CONNECT_TIMEOUT_MS);
    int status = connection_connect(peer->outgoing, (const struct sockaddr *)address);
    if (status < 0) {
        connection_fail(peer->outgoing, CONNECTION_LOST, uv_strerror(status));
    }
}

static void set_port(struct sockaddr_storage *address, uint16_t port)
{
    if (address->ss_family == AF_INET) {
        ((struct sockaddr_in *)address)->sin_port = htons(port);
    } else {
        ((struct sockaddr_in6 *)address)->sin6_port = htons(port);
    }
}

static void on_resolved(uv_getaddrinfo_t *request, int status, struct addrinfo *found)
{
    struct dial_lookup *lookup = request->data;
    struct peer *peer = lookup->peer;
    struct transport *transport = lookup->transport;
    free(lookup);
    bool is_wanted = peer != NULL && !transport->closing;
    if (is_wanted) {
        peer->lookup = NULL;
    }
    if (is_wanted && status == 0) {
        peer->candidate_count = 0;
        peer->candidate_next = 0;
        for (const struct addrinfo *at = found;
             at != NULL && peer->candidate_count < LIMIT_PEER_CANDIDATES; at = at->ai_next) {
            if (at->ai_family == AF_INET || at->ai_family == AF_INET6) {
                struct sockaddr_storage *candidate = &peer->candidates[peer->candidate_count++];
                memcpy(candidate, at->ai_addr, at->ai_addrlen);
                set_port(candidate, peer->address.port);
            }
        }
    }
    uv_freeaddrinfo(found);
    if (is_wanted) {
        char text[LIMIT_PEER_REASON_BYTES + 1];
        snprintf(text, sizeof text, "%s: looking the name up: %s", peer->address_text,
                 status < 0 ? uv_strerror(status) : "it has no address");
        if (status < 0) {
            give_up(peer, text);
        } else {
            try_another(peer, text);
        }
    }
    transport_let_go(transport);
}

/* Looked up anew each time: addresses of names change while nodes are replaced. */
static void resolve(struct peer *peer)
{
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct dial_lookup *lookup = memory_zalloc(sizeof *lookup);
    lookup->request.data = lookup;
    lookup->transport = peer->transport;
    lookup->peer = peer;
    enter(peer, DIAL_RESOLVING, NO_DEADLINE);
    int status = uv_getaddrinfo(peer->transport->loop, &lookup->request, on_resolved,
                                peer->address.host, NULL, &hints);
    if (status < 0) {
        free(lookup);
        char text[LIMIT_PEER_REASON_BYTES + 1];
        snprintf(text, sizeof text, "%s: looking the name up: %s", peer->address_text,
                 uv_strerror(status));
        give_up(peer, text);
        return;
    }
    peer->lookup = lookup;
    transport_hold(peer->transport);
}

static void dial(struct peer *peer)
{
    peer->attempt_ms = now_ms(peer);
    if (peer->address.kind == ADDRESS_NAME) {
        resolve(peer);
        return;
    }
    struct sockaddr_storage *only = &peer->candidates[0];
    int status =
        peer->address.kind == ADDRESS_IPV4
            ? uv_ip4_addr(peer->address.host, peer->address.port, (struct sockaddr_in *)only)
            : uv_ip6_addr(peer->address.host, peer->address.port, (struct sockaddr_in6 *)only);
    assert(status == 0); /* address_parse has checked the literal */
    peer->candidate_count = 1;
    peer->candidate_next = 0;
    connect_next(peer);
}

/* ---- called by the transport ---- */

const struct sockaddr *dial_reached(const struct peer *peer)
{
    return peer->state == DIAL_CONNECTED
               ? (const struct sockaddr *)&peer->candidates[peer->candidate_next - 1]
               : NULL;
}

void dial_begin(struct peer *peer)
{
    peer->state = DIAL_WAITING;
    peer->deadline_ms = now_ms(peer);
    transport_arm_timer(peer->transport);
}

void dial_expire(struct peer *peer, uint64_t now)
{
    if (peer->deadline_ms > now) {
        return;
    }
    switch (peer->state) {
    case DIAL_WAITING:
        dial(peer);
        break;
    case DIAL_CONNECTING:
        connection_fail(peer->outgoing, CONNECTION_LOST, "no connection in time");
        break;
    case DIAL_GREETING:
        connection_fail(peer->outgoing, CONNECTION_LOST, "no answer to our hello in time");
        break;
    case DIAL_RESOLVING:
    case DIAL_CONNECTED:
        assert(false && "these states have no deadline");
    }
}

void dial_hurry(struct peer *peer)
{
    if (peer->state == DIAL_WAITING && peer->has_address) {
        peer->deadline_ms = now_ms(peer);
        transport_arm_timer(peer->transport);
    }
}

void dial_close(struct peer *peer)
{
    if (peer->outgoing != NULL) {
        connection_close(peer->outgoing);
        peer->outgoing = NULL;
    } else if (peer->state == DIAL_RESOLVING && peer->lookup != NULL) {
        peer->lookup->peer = NULL;
        uv_cancel((uv_req_t *)&peer->lookup->request); /* too late is fine: on_resolved looks */
        peer->lookup = NULL;
    }
}
