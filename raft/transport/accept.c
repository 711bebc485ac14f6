/*
 * accept.c - those who connect to us: strangers until they have said an acceptable hello, then
 * members whose messages we take.
 *
 * Happy path: on_connection -> stranger_on_frame (hello) -> find_refusal (none) -> welcome: answer
 * sent, the peer's older connection dropped -> member_on_frame (messages) -> the owner's
 * `received`.
 *
 * Invariants:
 * - at most LIMIT_PEER_STRANGERS strangers, each with a deadline and a receive buffer of one hello;
 *   one more pushes out the one that has waited longest.
 * - a member has at most one connection to us, the newest it made (rule 5): messages of an older
 *   one never come after those of a newer one.
 * - a message comes from whom the hello named (rule 15).
 * - whoever belongs to our cluster and is admitted becomes a peer, member or guest (peers.c).
 *
 * What can fail: a stranger is refused (told why, then left to hang up until its deadline), says
 * nothing in time, or talks rubbish; a member talks rubbish. Each ends that connection and is
 * reported, within limits; nothing else happens.
 */
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

#include "transport_private.h"

/* ---- reports ---- */

/* The same words are not said again for a while, and no more than a few in a window, so that
 * whoever reaches our port can't fill our log. */
static bool may_report(struct transport *transport, const char *text)
{
    uint64_t now_ms = uv_now(transport->loop);
    if (strcmp(transport->report_last, text) == 0 &&
        now_ms - transport->report_last_ms < PEER_REPORT_REPEAT_MS) {
        return false;
    }
    if (now_ms - transport->report_window_ms >= PEER_REPORT_WINDOW_MS) {
        transport->report_window_ms = now_ms;
        transport->reports_in_window = 0;
    }
    if (transport->reports_in_window >= LIMIT_PEER_REPORTS) {
        return false;
    }
    transport->reports_in_window++;
    snprintf(transport->report_last, sizeof transport->report_last, "%s", text);
    transport->report_last_ms = now_ms;
    return true;
}

void transport_report(struct transport *transport, const char *who, const char *reason)
{
    transport->statistics.turned_away++;
    char text[LIMIT_PEER_REASON_BYTES + 1];
    snprintf(text, sizeof text, "%s: %s", who, reason);
    if (may_report(transport, text) && transport->events.turned_away != NULL) {
        transport->events.turned_away(transport->events.context, who, reason);
    }
}

/* ---- members ---- */

static bool member_on_frame(struct connection *connection, struct frame_content *content,
                            struct error *error)
{
    struct peer *peer = connection->owner;
    if (content->kind != FRAME_MESSAGE) {
        return error_set(error, "node %" PRIu64 " said hello twice", peer->id);
    }
    struct peer_message *message = &content->message;
    if (message->type == PEER_REQUEST_VOTE && message->request_vote.candidate_id != peer->id) {
        return error_set(error, "node %" PRIu64 " asks for votes in the name of node %" PRIu64,
                         peer->id, message->request_vote.candidate_id);
    }
    if (message->type == PEER_CHECKPOINT_ASK || message->type == PEER_CHECKPOINT_PART) {
        peer_message_free(message);
        return error_set(error, "node %" PRIu64 " sent what belongs to its other connection",
                         peer->id);
    }
    struct transport *transport = peer->transport;
    transport->events.received(transport->events.context, peer->id, message);
    return true;
}

static void member_on_end(struct connection *connection, enum connection_end how,
                          const char *reason)
{
    struct peer *peer = connection->owner;
    struct transport *transport = peer->transport;
    uint64_t id = peer->id;
    peer->incoming = NULL;
    peer_rest(peer);
    /* A connection that is merely lost is no news: ours to the peer tells the same. */
    if (how == CONNECTION_RUBBISH) {
        char who[64];
        snprintf(who, sizeof who, "node %" PRIu64, id);
        transport_report(transport, who, reason);
    }
}

static const struct connection_handler member_handler = {
    .on_frame = member_on_frame,
    .on_end = member_on_end,
};

/* ---- strangers ---- */

static void forget_stranger(struct connection *connection)
{
    struct transport *transport = connection->transport;
    TAILQ_REMOVE(&transport->strangers, connection, sibling);
    transport->stranger_count--;
}

static struct frame *answer(struct transport *transport, const struct hello *theirs,
                            const char *refusal, uint64_t removed_index)
{
    struct hello ours = transport->self;
    ours.to_node_id = theirs->node_id;
    return frame_of_removal(&ours, refusal, removed_index);
}

/* It is told why and left to hang up: closing at once could destroy what it has not read yet. */
static void refuse(struct connection *connection, const struct hello *theirs, const char *reason,
                   uint64_t removed_index)
{
    char who[128];
    snprintf(who, sizeof who, "node %" PRIu64 " from %s", theirs->node_id, connection->remote_host);
    bool queued =
        connection_send(connection, answer(connection->transport, theirs, reason, removed_index));
    assert(queued); /* the first frame of its connection */
    connection->refused = true;
    transport_report(connection->transport, who, reason);
}

/* Behind it the connection is its new owner's. */
static void say_welcome(struct connection *connection, struct peer *peer,
                        const struct hello *theirs)
{
    connection_welcome(connection);
    transport_keep_client_address(peer, theirs);
    bool queued = connection_send(connection, answer(connection->transport, theirs, "", 0));
    assert(queued); /* the first frame of its connection */
}

static void welcome(struct connection *connection, struct peer *peer, const struct hello *theirs)
{
    forget_stranger(connection);
    if (peer->incoming != NULL) {
        connection_close(peer->incoming);
    }
    peer->incoming = connection;
    peer->incoming_session = theirs->session;
    peer->incoming_number = theirs->connection;
    peer->incoming_incarnation = theirs->incarnation;
    connection->handler = &member_handler;
    connection->owner = peer;
    say_welcome(connection, peer, theirs);
    dial_hurry(peer);
}

static void welcome_bulk(struct connection *connection, struct peer *peer,
                         const struct hello *theirs)
{
    forget_stranger(connection);
    bulk_take(peer, connection, theirs);
    say_welcome(connection, peer, theirs);
}

static bool is_older(const struct peer *peer, const struct hello *hello)
{
    return hello->purpose == HELLO_BULK
               ? bulk_is_older(peer, hello)
               : hello_is_older(hello, peer->incoming_session, peer->incoming_number);
}

static bool is_welcome(struct transport *transport, const struct hello *theirs, struct peer **peer,
                       uint64_t *removed_index, struct error *why)
{
    *removed_index = 0;
    if (!hello_check(&transport->self, theirs, why) ||
        !transport_admits(transport, theirs, removed_index, why) || transport->closing) {
        return false;
    }
    *peer = peers_host(transport, theirs, why);
    return *peer != NULL;
}

static bool stranger_on_frame(struct connection *connection, struct frame_content *content,
                              struct error *error)
{
    if (content->kind != FRAME_HELLO) {
        if (content->kind == FRAME_MESSAGE) {
            peer_message_free(&content->message);
        }
        return error_set(error, "it sent something else before a hello");
    }
    if (connection->refused) {
        return error_set(error, "it goes on after it was refused");
    }
    struct transport *transport = connection->transport;
    struct peer *peer = NULL;
    struct error why;
    uint64_t removed_index;
    bool accepted = is_welcome(transport, &content->hello, &peer, &removed_index, &why);
    if (connection->ended) {
        return true; /* the owner closed the transport when asked */
    }
    if (!accepted) {
        refuse(connection, &content->hello, why.text, removed_index);
    } else if (is_older(peer, &content->hello)) {
        /* It waited in our backlog while the peer gave it up and made a new one. */
        forget_stranger(connection);
        connection_close(connection);
        peer_rest(peer);
    } else if (content->hello.purpose == HELLO_BULK) {
        welcome_bulk(connection, peer, &content->hello);
    } else {
        welcome(connection, peer, &content->hello);
    }
    return true;
}

static void stranger_on_end(struct connection *connection, enum connection_end how,
                            const char *reason)
{
    forget_stranger(connection);
    /* One that hangs up is no news: port scanners and health checks do. */
    if (how == CONNECTION_RUBBISH && !connection->refused) {
        char who[128];
        snprintf(who, sizeof who, "a stranger from %s", connection->remote_host);
        transport_report(connection->transport, who, reason);
    }
}

static const struct connection_handler stranger_handler = {
    .on_frame = stranger_on_frame,
    .on_end = stranger_on_end,
};

static void on_connection(uv_stream_t *listener, int status)
{
    struct transport *transport = listener->data;
    if (transport->closing) {
        return;
    }
    if (status < 0) {
        transport_report(transport, "somebody who wants to connect", uv_strerror(status));
        return;
    }
    struct connection *connection = connection_new(transport, &stranger_handler, NULL);
    struct error error;
    status = connection_accept(connection, listener);
    if (status < 0 || !connection_start(connection, &error)) {
        if (status < 0) {
            error_set(&error, "accepting failed: %s", uv_strerror(status));
        }
        connection_close(connection);
        transport_report(transport, "somebody who wants to connect", error.text);
        return;
    }
    if (transport->stranger_count == LIMIT_PEER_STRANGERS) {
        struct connection *oldest = TAILQ_FIRST(&transport->strangers);
        connection_fail(oldest, CONNECTION_RUBBISH, "too many others said no hello either");
        if (transport->closing) {
            connection_close(connection);
            return;
        }
    }
    connection->deadline_ms = uv_now(transport->loop) + PEER_HELLO_TIMEOUT_MS;
    TAILQ_INSERT_TAIL(&transport->strangers, connection, sibling);
    transport->stranger_count++;
    transport_arm_timer(transport);
}

uint64_t accept_deadline(const struct transport *transport)
{
    const struct connection *first = TAILQ_FIRST(&transport->strangers);
    return first != NULL ? first->deadline_ms : NO_DEADLINE;
}

void accept_expire(struct transport *transport, uint64_t now_ms)
{
    while (accept_deadline(transport) <= now_ms) {
        connection_fail(TAILQ_FIRST(&transport->strangers), CONNECTION_RUBBISH,
                        "it said no hello in time");
    }
}

int accept_begin(struct transport *transport)
{
    return uv_listen((uv_stream_t *)&transport->listener, SOMAXCONN, on_connection);
}

void accept_close(struct transport *transport)
{
    while (!TAILQ_EMPTY(&transport->strangers)) {
        struct connection *connection = TAILQ_FIRST(&transport->strangers);
        forget_stranger(connection);
        connection_close(connection);
    }
    for (size_t i = 0; i < transport->peer_count; i++) {
        struct peer *peer = &transport->peers[i];
        if (peer->incoming != NULL) {
            connection_close(peer->incoming);
            peer->incoming = NULL;
        }
    }
}
