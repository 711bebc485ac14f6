/*
 * pending_call.h - a client's call while it is with the core (core/proposal.h): commands are
 * answered with their results, a read with what query_run says.
 *
 * Ownership: a call that is taken ends by itself, with exactly one answer. Threads: the loop's.
 */
#ifndef NODE_PENDING_CALL_H
#define NODE_PENDING_CALL_H

#include "admission.h"
#include "query.h"
#include "rpc/server.h"

struct node;

/* SINGLE: one command, answered with its result; BATCH: an Execute. */
enum pending_shape { PENDING_SINGLE, PENDING_BATCH };

/* Take the call, and leave `admitted` empty; or answer it at once, as a full queue does. */
void pending_call_propose(struct node *node, struct rpc_call *call, struct admitted *admitted,
                          enum pending_shape shape);
void pending_call_read(struct node *node, struct rpc_call *call, enum query_kind kind,
                       const struct query_freshness *freshness, struct bytes request);
/* True, and the call is answered: the queue would not take so many bytes, or, of a command, the
 * disk is low. Before anything is decoded: under overload most requests come this far only. */
bool pending_call_refused_unread(struct node *node, struct rpc_call *call, size_t message_bytes,
                                 bool is_read);

#endif
