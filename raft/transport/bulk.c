/*
 * bulk.c - a connection of its own for the parts of a checkpoint, so that no message of Raft's
 * waits behind megabytes: made by the node that fetches, used both ways, there only while there is
 * something to fetch.
 *
 * Happy path, for who fetches: bulk_ask -> CONNECTING, bulk_on_connect: hello -> GREETING,
 * dialled_on_frame: answer -> CONNECTED, the question leaves; parts come back, each question moves
 * the deadline; none for PEER_BULK_IDLE_MS: closed. For who serves: accept.c has judged the hello
 * -> bulk_take; questions come in, bulk_give sends parts.
 *
 * Nothing here tries again, looks a name up, or waits for a peer: the connection goes where the
 * ordinary one stands, and while that one is down a question is dropped. Who fetches asks again
 * (node/core/fetching.c), and so makes the next attempt.
 *
 * Invariants: `outgoing` is set in all states but NONE; a peer has one such connection to us, the
 * newest it made, as with the ordinary one; questions go one way over it and parts the other.
 *
 * What can fail: connecting, the hello, the connection; a peer that sends something else. Each ends
 * this connection, and the last is reported; the ordinary one goes on.
 */
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

#include "transport_private.h"

static uint64_t now_ms(const struct peer *peer)
{
    return uv_now(peer->transport->loop);
}

static void enter(struct bulk *bulk, struct peer *peer, enum bulk_state state, uint64_t for_ms)
{
    bulk->state = state;
    bulk->deadline_ms = state == BULK_NONE ? NO_DEADLINE : now_ms(peer) + for_ms;
    transport_arm_timer(peer->transport);
}

static void report(struct peer *peer, const char *reason)
{
    char who[64];
    snprintf(who, sizeof who, "node %" PRIu64 ", for a checkpoint", peer->id);
    transport_report(peer->transport, who, reason);
}

/* ---- who fetches ---- */

static void forget_outgoing(struct peer *peer)
{
    struct bulk *bulk = &peer->bulk;
    bulk->outgoing = NULL;
    if (bulk->question != NULL) {
        frame_free(bulk->question);
        bulk->question = NULL;
    }
    enter(bulk, peer, BULK_NONE, 0);
}

static void bulk_on_connect(struct connection *connection)
{
    struct peer *peer = connection->owner;
    if (dial_greet(connection, HELLO_BULK)) {
        enter(&peer->bulk, peer, BULK_GREETING, PEER_HELLO_TIMEOUT_MS);
    }
}

static bool take_answer(struct peer *peer, const struct frame_content *content, struct error *error)
{
    struct bulk *bulk = &peer->bulk;
    struct connection *connection = bulk->outgoing;
    if (content->refusal[0] != '\0') {
        connection_close(connection);
        forget_outgoing(peer);
        report(peer, content->refusal);
        return true;
    }
    bool accepted = dial_accepts(peer, &content->hello, error);
    if (connection->ended || !accepted) {
        return accepted; /* ended: the owner closed the transport when asked */
    }
    struct frame *question = bulk->question;
    bulk->question = NULL;
    connection_welcome(connection);
    enter(bulk, peer, BULK_CONNECTED, PEER_BULK_IDLE_MS);
    bool queued = connection_send(connection, question);
    assert(queued); /* behind the hello alone, which has been answered */
    return true;
}

static bool dialled_on_frame(struct connection *connection, struct frame_content *content,
                             struct error *error)
{
    struct peer *peer = connection->owner;
    struct transport *transport = peer->transport;
    bool is_message = content->kind == FRAME_MESSAGE;
    if (peer->bulk.state == BULK_GREETING && content->kind == FRAME_ANSWER) {
        return take_answer(peer, content, error);
    }
    if (peer->bulk.state == BULK_CONNECTED && is_message &&
        content->message.type == PEER_CHECKPOINT_PART) {
        transport->events.received(transport->events.context, peer->id, &content->message);
        return true;
    }
    if (is_message) {
        peer_message_free(&content->message);
    }
    return error_set(error, "it sent something else than what it was asked for");
}

static void dialled_on_end(struct connection *connection, enum connection_end how,
                           const char *reason)
{
    struct peer *peer = connection->owner;
    forget_outgoing(peer);
    /* One that is merely lost is no news: the fetch says so if it has to be given up. */
    if (how == CONNECTION_RUBBISH) {
        report(peer, reason);
    }
}

static const struct connection_handler dialled_handler = {
    .on_connect = bulk_on_connect,
    .on_frame = dialled_on_frame,
    .on_end = dialled_on_end,
};

bool bulk_ask(struct peer *peer, struct frame *question)
{
    struct bulk *bulk = &peer->bulk;
    const struct sockaddr *address = dial_reached(peer);
    if (bulk->state == BULK_CONNECTED) {
        bulk->deadline_ms = now_ms(peer) + PEER_BULK_IDLE_MS;
        return connection_send(bulk->outgoing, question);
    }
    if (bulk->state != BULK_NONE) {
        frame_free(bulk->question);
        bulk->question = question;
        peer->transport->statistics.frames_dropped++;
        return true;
    }
    if (address == NULL) {
        frame_free(question);
        return false;
    }
    bulk->question = question;
    bulk->outgoing = connection_new(peer->transport, &dialled_handler, peer);
    enter(bulk, peer, BULK_CONNECTING, PEER_CONNECT_TIMEOUT_MS);
    if (connection_connect(bulk->outgoing, address) < 0) {
        /* No callback from within a send: as if nobody had asked. */
        connection_close(bulk->outgoing);
        bulk->question = NULL;
        forget_outgoing(peer);
        frame_free(question);
        return false;
    }
    return true;
}

void bulk_expire(struct peer *peer, uint64_t now)
{
    struct bulk *bulk = &peer->bulk;
    if (bulk->deadline_ms <= now) {
        connection_fail(bulk->outgoing, CONNECTION_LOST, "nothing more to fetch, or no answer");
    }
}

/* ---- who serves ---- */

static bool taken_on_frame(struct connection *connection, struct frame_content *content,
                           struct error *error)
{
    struct peer *peer = connection->owner;
    struct transport *transport = peer->transport;
    bool is_message = content->kind == FRAME_MESSAGE;
    if (is_message && content->message.type == PEER_CHECKPOINT_ASK) {
        transport->events.received(transport->events.context, peer->id, &content->message);
        return true;
    }
    if (is_message) {
        peer_message_free(&content->message);
    }
    return error_set(error, "it sent something else than questions for parts");
}

static void taken_on_end(struct connection *connection, enum connection_end how, const char *reason)
{
    struct peer *peer = connection->owner;
    peer->bulk.incoming = NULL;
    if (how == CONNECTION_RUBBISH) {
        report(peer, reason);
    }
    peer_rest(peer);
}

static const struct connection_handler taken_handler = {
    .on_frame = taken_on_frame,
    .on_end = taken_on_end,
};

bool bulk_is_older(const struct peer *peer, const struct hello *hello)
{
    return hello_is_older(hello, peer->bulk.incoming_session, peer->bulk.incoming_number);
}

void bulk_take(struct peer *peer, struct connection *connection, const struct hello *hello)
{
    struct bulk *bulk = &peer->bulk;
    if (bulk->incoming != NULL) {
        connection_close(bulk->incoming);
    }
    bulk->incoming = connection;
    bulk->incoming_session = hello->session;
    bulk->incoming_number = hello->connection;
    connection->handler = &taken_handler;
    connection->owner = peer;
}

bool bulk_give(struct peer *peer, struct frame *part)
{
    struct connection *connection = peer->bulk.incoming;
    if (connection == NULL ||
        part->total_bytes + connection->queued_bytes > LIMIT_PEER_BULK_BYTES) {
        frame_free(part);
        return false;
    }
    return connection_send(connection, part);
}

/* ---- both ---- */

void bulk_begin(struct peer *peer)
{
    peer->bulk = (struct bulk){.state = BULK_NONE, .deadline_ms = NO_DEADLINE};
}

void bulk_close(struct peer *peer)
{
    struct bulk *bulk = &peer->bulk;
    if (bulk->outgoing != NULL) {
        connection_close(bulk->outgoing);
        forget_outgoing(peer);
    }
    if (bulk->incoming != NULL) {
        connection_close(bulk->incoming);
        bulk->incoming = NULL;
    }
}
