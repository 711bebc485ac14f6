/*
 * hello.h - who a member is, and whether two members belong together. Pure: what they say to each
 * other in, a verdict out.
 */
#ifndef RAFT_TRANSPORT_HELLO_H
#define RAFT_TRANSPORT_HELLO_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/limits.h"

/* What the caller will use its connection for; others are refused. */
enum hello_purpose {
    HELLO_MESSAGES = 0,
    HELLO_BULK = 1, /* questions for parts of a checkpoint, and the parts: bulk.c */
};

struct hello {
    uint32_t protocol_version;
    uint64_t cluster_id;
    uint64_t node_id;
    uint64_t to_node_id; /* whom the sender means to speak to */
    uint64_t incarnation;
    uint64_t session;                             /* random, one per opened transport */
    uint64_t connection;                          /* counts the connections of a session */
    char client_address[LIMIT_ADDRESS_BYTES + 1]; /* empty: none */
    char peer_address[LIMIT_ADDRESS_BYTES + 1];   /* where to answer it; empty: as members do */
    uint32_t purpose;
};

/* Does `theirs` come from another node of our cluster that means us and speaks our protocol? False
 * and the reason, worded so that it reads right in the logs of both. */
bool hello_check(const struct hello *ours, const struct hello *theirs, struct error *why);

/* Was the hello sent before the session's connection of this number? Of different sessions nothing
 * is known: the one heard last counts as the newer. */
bool hello_is_older(const struct hello *hello, uint64_t session, uint64_t connection);

#endif
