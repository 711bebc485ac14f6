/*
 * peers.c - who is a peer: members, whom we dial until we are told otherwise, and guests, who came
 * to us and are dialled back where their hello says.
 *
 * Why guests: a node hears whoever belongs to its cluster, member by its own list or not, for a
 * later list may have made them members, and its leader even (dissertation, section 4.1); and it
 * must be able to answer. A node that joins knows nobody but guests.
 *
 * Happy path: transport_follow -> peer_settle -> dial_begin; of a guest: accept.c has judged its
 * hello -> peers_host -> dial_begin. Who is followed no longer becomes a guest, if it is admitted
 * still, and goes with its last connection.
 *
 * Invariants:
 * - at most LIMIT_PEERS_KNOWN; members always find a place, a guest goes if need be.
 * - a guest has a connection to us, or ours to it is being made or stands; peer_rest ends it else.
 * - a place that is free (id 0) has no connection, no look-up and no deadline.
 *
 * What can fail: a member's address that nobody can use: it is told as the reason why it is not
 * connected; nothing else happens.
 */
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

#include "transport_private.h"

struct peer *transport_find_peer(const struct transport *transport, uint64_t id)
{
    for (size_t i = 0; i < transport->peer_count && id != 0; i++) {
        if (transport->peers[i].id == id) {
            return &transport->peers[i];
        }
    }
    return NULL;
}

static void make_free(struct peer *peer, struct transport *transport)
{
    *peer = (struct peer){.transport = transport, .deadline_ms = NO_DEADLINE};
    bulk_begin(peer);
}

void peers_open(struct transport *transport)
{
    transport->peer_count = LIMIT_PEERS_KNOWN;
    transport->peers = memory_zalloc(transport->peer_count * sizeof *transport->peers);
    for (size_t i = 0; i < transport->peer_count; i++) {
        make_free(&transport->peers[i], transport);
    }
}

static void release(struct peer *peer)
{
    dial_close(peer);
    bulk_close(peer);
    if (peer->incoming != NULL) {
        connection_close(peer->incoming);
    }
    make_free(peer, peer->transport);
    transport_arm_timer(peer->transport);
}

static bool is_idle_guest(const struct peer *peer)
{
    return peer->id != 0 && !peer->is_member && peer->incoming == NULL &&
           peer->bulk.incoming == NULL && peer->state == DIAL_WAITING;
}

void peer_rest(struct peer *peer)
{
    if (!peer->transport->closing && is_idle_guest(peer)) {
        release(peer);
    }
}

/* Free, or a guest's: one that we do not reach rather than one that we do. NULL: only members. */
static struct peer *find_place(struct transport *transport)
{
    struct peer *place = NULL;
    for (size_t i = 0; i < transport->peer_count; i++) {
        struct peer *peer = &transport->peers[i];
        if (peer->id == 0) {
            return peer;
        }
        if (!peer->is_member && (place == NULL || peer->state != DIAL_CONNECTED)) {
            place = peer;
        }
    }
    return place;
}

static struct peer *peer_new(struct transport *transport, uint64_t id)
{
    struct peer *peer = find_place(transport);
    assert(peer != NULL);
    if (peer->id != 0) {
        release(peer);
    }
    peer->id = id;
    peer->state = DIAL_WAITING;
    return peer;
}

/* From now on it is dialled there; a connection that stands leads to the right node and stays. */
static void set_address(struct peer *peer, const char *text, struct error *why)
{
    bool same = peer->has_address && strcmp(peer->address_text, text) == 0;
    if (same) {
        return;
    }
    snprintf(peer->address_text, sizeof peer->address_text, "%s", text);
    peer->has_address = address_parse(text, ADDRESS_TO_CONNECT, &peer->address, why);
    if (peer->has_address && peer->state == DIAL_WAITING) {
        dial_begin(peer);
    }
}

/* ---- members ---- */

static bool is_among(uint64_t id, const struct replica_member *members, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (members[i].id == id) {
            return true;
        }
    }
    return false;
}

static void dismiss(struct peer *peer)
{
    const struct hello theirs = {.node_id = peer->id, .incarnation = peer->incoming_incarnation};
    uint64_t removed_index;
    struct error why;
    peer->is_member = false;
    bool stays =
        peer->incoming != NULL && transport_admits(peer->transport, &theirs, &removed_index, &why);
    if (!stays && !peer->transport->closing) {
        release(peer);
    }
}

void transport_follow(struct transport *transport, const struct replica_member *members,
                      size_t count)
{
    assert(count <= LIMIT_NODES);
    for (size_t i = 0; i < transport->peer_count && !transport->closing; i++) {
        struct peer *peer = &transport->peers[i];
        if (peer->id != 0 && !is_among(peer->id, members, count)) {
            dismiss(peer);
        }
    }
    for (size_t i = 0; i < count && !transport->closing; i++) {
        if (members[i].id == transport->self.node_id) {
            continue;
        }
        struct error why = {""};
        struct peer *peer = transport_find_peer(transport, members[i].id);
        if (peer == NULL) {
            peer = peer_new(transport, members[i].id);
        }
        peer->is_member = true;
        set_address(peer, members[i].address, &why);
        if (why.text[0] != '\0') {
            transport->events.disconnected(transport->events.context, members[i].id, why.text);
        }
    }
}

/* ---- guests ---- */

struct peer *peers_host(struct transport *transport, const struct hello *theirs, struct error *why)
{
    struct peer *peer = transport_find_peer(transport, theirs->node_id);
    struct error ignored; /* hello_check has tried the address */
    if (peer == NULL && find_place(transport) == NULL) {
        error_set(why, "node %" PRIu64 " has %zu peers, and that is the limit",
                  transport->self.node_id, transport->peer_count);
        return NULL;
    }
    if (peer == NULL) {
        peer = peer_new(transport, theirs->node_id);
    }
    if (!peer->is_member && theirs->peer_address[0] != '\0') {
        set_address(peer, theirs->peer_address, &ignored);
    }
    return peer;
}
