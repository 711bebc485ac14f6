/*
 * pending_call.c - from the proposer's words to the client's: each result is packed as it comes,
 * for what it views is the ledger's.
 *
 * Possible failures, each answered: RESOURCE_EXHAUSTED (queue full, disk low), UNAVAILABLE (surely
 * not executed), UNKNOWN (outcome unknown), CANCELLED, INVALID_ARGUMENT (a page token that only the
 * ledger can judge). A state that can't be read ends the process.
 */
#include "pending_call.h"

#include <stdlib.h>

#include "node.h"
#include "reply.h"

struct pending_call {
    struct proposal proposal; /* first: what the proposer gives back is this */
    struct node *node;
    struct rpc_call *call;
    enum pending_shape shape;
    enum query_kind query;
    struct buffer reply;
};

static void pending_call_free(struct pending_call *pending)
{
    if (pending->proposal.is_read) {
        buffer_free(&pending->proposal.data);
    }
    buffer_free(&pending->reply);
    free(pending);
}

static void on_cancelled(void *context, struct rpc_call *call)
{
    struct pending_call *pending = context;
    (void)call;
    pending->proposal.cancelled = true;
}

static void command_result(struct proposal *proposal, const struct ledger_result *result)
{
    struct pending_call *pending = (struct pending_call *)proposal;
    struct arena *arena = &pending->node->replies;
    arena_reset(arena);
    Holdfast__V1__CommandResult *message = reply_result(arena, result);
    if (pending->shape == PENDING_BATCH) {
        reply_pack_field(&pending->reply, 1, &message->base);
    } else {
        reply_pack(&pending->reply, &message->base);
    }
}

static void command_applied(struct proposal *proposal)
{
    struct pending_call *pending = (struct pending_call *)proposal;
    rpc_call_reply_take(pending->call, &pending->reply);
    pending_call_free(pending);
}

static bool read_now(struct proposal *proposal, struct error *error)
{
    struct pending_call *pending = (struct pending_call *)proposal;
    struct node *node = pending->node;
    bool stale = proposal->consistency == READ_STALE;
    uint64_t age_ms = 0;
    if (stale && !core_state_age(&node->core, &age_ms)) {
        rpc_call_fail(pending->call, RPC_UNAVAILABLE,
                      "this node has heard of no leader since it started, and can't tell how old "
                      "its state is: ask another one, or again later");
        pending_call_free(pending);
        return true;
    }
    const struct query_state state = {
        .ledger = node->core.ledger,
        .applied_index = core_applied_index(&node->core),
        .age_ms = stale ? &age_ms : NULL,
    };
    enum query_outcome outcome = query_run(pending->query, &node->arena, &node->replies, &state,
                                           buffer_bytes(&proposal->data), &pending->reply, error);
    switch (outcome) {
    case QUERY_DONE:
        rpc_call_reply_take(pending->call, &pending->reply);
        break;
    case QUERY_REFUSED:
        rpc_call_fail(pending->call, RPC_INVALID_ARGUMENT, "%s", error->text);
        break;
    case QUERY_FAILED:
        break; /* the process ends */
    }
    pending_call_free(pending);
    return outcome != QUERY_FAILED;
}

static void call_failed(struct proposal *proposal, enum proposal_failure failure)
{
    struct pending_call *pending = (struct pending_call *)proposal;
    char words[256];
    switch (failure) {
    case PROPOSAL_NOT_EXECUTED:
        node_describe_leader(pending->node, words, sizeof words);
        rpc_call_fail(pending->call, RPC_UNAVAILABLE, "%s", words);
        break;
    case PROPOSAL_OUTCOME_UNKNOWN:
        rpc_call_fail(pending->call, RPC_UNKNOWN,
                      "%s after the command was proposed: its outcome is unknown; "
                      "send it again only under the same order id or request id",
                      pending->node->closing > 0 ? "this node stopped" : "leadership was lost");
        break;
    case PROPOSAL_CANCELLED:
        rpc_call_fail(pending->call, RPC_CANCELLED, "cancelled before it was executed");
        break;
    }
    pending_call_free(pending);
}

static struct pending_call *pending_call_new(struct node *node, struct rpc_call *call)
{
    static const struct proposal_ops ops = {
        .result = command_result,
        .applied = command_applied,
        .read = read_now,
        .failed = call_failed,
    };
    struct pending_call *pending = memory_zalloc(sizeof *pending);
    pending->proposal.ops = &ops;
    pending->node = node;
    pending->call = call;
    return pending;
}

static void refuse_full(struct rpc_call *call)
{
    rpc_call_fail(call, RPC_RESOURCE_EXHAUSTED,
                  "too many requests wait for an answer; nothing was executed, try again later");
}

/* The caller has seen that the core may take it; nothing has happened since. */
static void propose(struct pending_call *pending)
{
    if (core_propose(&pending->node->core, &pending->proposal)) {
        rpc_call_set_cancelled(pending->call, on_cancelled, pending);
        return;
    }
    refuse_full(pending->call);
    if (!pending->proposal.is_read) {
        buffer_free(&pending->proposal.data);
    }
    pending_call_free(pending);
}

void pending_call_propose(struct node *node, struct rpc_call *call, struct admitted *admitted,
                          enum pending_shape shape)
{
    struct pending_call *pending = pending_call_new(node, call);
    pending->shape = shape;
    pending->proposal.data = admitted->encoded;
    pending->proposal.command_count = admitted->command_count;
    pending->proposal.line_count = admitted->line_count;
    admitted->encoded = (struct buffer){0};
    propose(pending);
}

void pending_call_read(struct node *node, struct rpc_call *call, enum query_kind kind,
                       const struct query_freshness *freshness, struct bytes request)
{
    struct pending_call *pending = pending_call_new(node, call);
    pending->query = kind;
    pending->proposal.is_read = true;
    pending->proposal.consistency = freshness->consistency;
    pending->proposal.min_index = freshness->min_index;
    buffer_append_bytes(&pending->proposal.data, request);
    propose(pending);
}

bool pending_call_refused_unread(struct node *node, struct rpc_call *call, size_t message_bytes,
                                 bool is_read)
{
    struct error why;
    if (!is_read && disk_watch_refuses(node->core.disk_watch, &why)) {
        rpc_call_fail(call, RPC_RESOURCE_EXHAUSTED, "%s; nothing was executed", why.text);
        return true;
    }
    bool full = is_read ? reads_is_full(node->core.reads, message_bytes)
                        : proposer_is_full(node->core.proposer, message_bytes);
    if (full) {
        refuse_full(call);
    }
    return full;
}
