/*
 * forwarder.h - a follower hands what it can't answer to the leader, and hands the leader's answer
 * back as it came.
 *
 * The client learns the leader's client address from the answer's metadata `holdfast-leader` and
 * goes there directly next time. A call is forwarded once at most: it carries `holdfast-forwarded`,
 * and a node that is not the leader refuses such a call.
 *
 * Outcomes: never sent -> UNAVAILABLE; the connection to the leader was lost behind a command ->
 * UNKNOWN. A node never sends a command a second time. Ownership: takes calls over. Threads: the
 * loop's. Bounds: those of rpc/client.h.
 */
#ifndef NODE_FORWARDER_H
#define NODE_FORWARDER_H

#include <uv.h>

#include "base/bytes.h"
#include "rpc/server.h"

#define METADATA_LEADER    "holdfast-leader"
#define METADATA_FORWARDED "holdfast-forwarded"

struct forwarder;

struct forwarder *forwarder_new(uv_loop_t *loop);
/* Where the leader is; NULL: nobody is known. Connections to others end when their calls have. */
void forwarder_set_leader(struct forwarder *forwarder, const char *client_address);
const char *forwarder_leader(const struct forwarder *forwarder);
/* `is_read`: a lost connection is UNAVAILABLE, for nothing can have changed. */
void forwarder_forward(struct forwarder *forwarder, struct rpc_call *call, struct bytes message,
                       bool is_read);
/* Answers everything; `closed` when no handle is left. */
void forwarder_close(struct forwarder *forwarder, void (*closed)(void *context), void *context);

#endif
