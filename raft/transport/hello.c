/*
 * hello.c - the tests a hello must pass, in the order that gives the most useful reason: first what
 * makes the rest unreadable (protocol), then where the sender belongs (cluster), then who it is.
 * Whether the id is a member and its incarnation the registered one, the transport asks its owner.
 */
#include "hello.h"

#include <inttypes.h>

#include "base/address.h"

bool hello_check(const struct hello *ours, const struct hello *theirs, struct error *why)
{
    if (theirs->protocol_version != ours->protocol_version) {
        return error_set(why,
                         "node %" PRIu64 " speaks peer protocol %" PRIu32 ", node %" PRIu64
                         " speaks %" PRIu32 ": run releases that share a protocol",
                         theirs->node_id, theirs->protocol_version, ours->node_id,
                         ours->protocol_version);
    }
    if (theirs->cluster_id != ours->cluster_id) {
        return error_set(why,
                         "node %" PRIu64 " belongs to cluster %016" PRIx64 ", node %" PRIu64
                         " to cluster %016" PRIx64
                         ": check that all nodes were started with the same members",
                         theirs->node_id, theirs->cluster_id, ours->node_id, ours->cluster_id);
    }
    if (theirs->node_id == 0) {
        return error_set(why, "a node without an id reached node %" PRIu64, ours->node_id);
    }
    if (theirs->node_id == ours->node_id) {
        return error_set(why,
                         "node %" PRIu64 " was reached by a node of the same id: give each node "
                         "its own id, and check that no peer address leads back to it",
                         ours->node_id);
    }
    if (theirs->to_node_id != ours->node_id) {
        return error_set(why,
                         "node %" PRIu64 " means node %" PRIu64 ", but its address leads to node "
                         "%" PRIu64 ": check the peer addresses",
                         theirs->node_id, theirs->to_node_id, ours->node_id);
    }
    if (theirs->purpose != HELLO_MESSAGES && theirs->purpose != HELLO_BULK) {
        return error_set(why,
                         "node %" PRIu64 " wants a connection for purpose %" PRIu32
                         ", which node %" PRIu64 " does not know: run releases that share one",
                         theirs->node_id, theirs->purpose, ours->node_id);
    }
    struct address address;
    struct error bad;
    if (theirs->client_address[0] != '\0' &&
        !address_parse(theirs->client_address, ADDRESS_TO_CONNECT, &address, &bad)) {
        return error_set(why, "node %" PRIu64 " gives a client address nobody can use: %s",
                         theirs->node_id, bad.text);
    }
    if (theirs->peer_address[0] != '\0' &&
        !address_parse(theirs->peer_address, ADDRESS_TO_CONNECT, &address, &bad)) {
        return error_set(why, "node %" PRIu64 " gives a peer address nobody can use: %s",
                         theirs->node_id, bad.text);
    }
    return true;
}

bool hello_is_older(const struct hello *hello, uint64_t session, uint64_t connection)
{
    return hello->session == session && hello->connection <= connection;
}
