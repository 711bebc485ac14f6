/*
 * ledger_service.c - the way in. A command: leader -> admission -> proposer; follower -> the
 * leader. A read: the same, with the query in place of admission. Each handler is a line; the way
 * is the same for all.
 *
 * Possible failures, each answered at once: INVALID_ARGUMENT (form), RESOURCE_EXHAUSTED (queue
 * full), UNAVAILABLE (no leader known, or a forwarded call reached a node that does not lead).
 */
#include "node.h"
#include "service.h"

/* Takes the call to the leader if that is another node. True: taken care of. */
static bool passed_on(struct node *node, struct rpc_call *call, struct bytes message, bool is_read)
{
    if (node_leads(node)) {
        return false;
    }
    const char *leader = forwarder_leader(node->forwarder);
    if (leader == NULL) {
        rpc_call_fail(call, RPC_UNAVAILABLE,
                      "no leader is known: the cluster has no quorum, or is electing; nothing was "
                      "executed, try again");
    } else if (rpc_call_metadata(call, METADATA_FORWARDED) != NULL) {
        rpc_call_set_metadata(call, METADATA_LEADER, leader);
        rpc_call_fail(call, RPC_UNAVAILABLE, "leadership has moved to %s; nothing was executed",
                      leader);
    } else {
        forwarder_forward(node->forwarder, call, message, is_read);
    }
    return true;
}

static void refuse_full(struct rpc_call *call)
{
    rpc_call_fail(call, RPC_RESOURCE_EXHAUSTED,
                  "too many requests wait for the log; nothing was executed, try again later");
}

/* Refuses before anything is decoded: under overload most requests come this far only. */
static bool refused_unread(struct node *node, struct rpc_call *call, struct bytes message)
{
    if (!proposer_is_full(node->proposer, message.len)) {
        return false;
    }
    refuse_full(call);
    return true;
}

static void propose(struct node *node, struct rpc_call *call, struct admitted *admitted,
                    enum proposer_shape shape)
{
    if (!proposer_add_commands(node->proposer, call, admitted, shape)) {
        refuse_full(call);
    }
}

static void command(struct node *node, struct rpc_call *call, enum ledger_command_kind kind,
                    struct bytes message)
{
    if (passed_on(node, call, message, false) || refused_unread(node, call, message)) {
        return;
    }
    struct admitted admitted = {0};
    struct error error;
    if (admission_command(node->admission, kind, message, &admitted, &error)) {
        propose(node, call, &admitted, PROPOSER_SINGLE);
    } else {
        rpc_call_fail(call, RPC_INVALID_ARGUMENT, "%s", error.text);
    }
    buffer_free(&admitted.encoded);
}

static void query(struct node *node, struct rpc_call *call, enum query_kind kind,
                  struct bytes message)
{
    if (passed_on(node, call, message, true) || refused_unread(node, call, message)) {
        return;
    }
    struct error error;
    if (!query_check(kind, &node->arena, message, &error)) {
        rpc_call_fail(call, RPC_INVALID_ARGUMENT, "%s", error.text);
    } else if (!proposer_add_read(node->proposer, call, kind, message)) {
        refuse_full(call);
    }
}

void ledger_service_set_stock(void *context, struct rpc_call *call, struct bytes message)
{
    command(context, call, LEDGER_SET_STOCK, message);
}

void ledger_service_adjust_stock(void *context, struct rpc_call *call, struct bytes message)
{
    command(context, call, LEDGER_ADJUST_STOCK, message);
}

void ledger_service_reserve(void *context, struct rpc_call *call, struct bytes message)
{
    command(context, call, LEDGER_RESERVE, message);
}

void ledger_service_deduct(void *context, struct rpc_call *call, struct bytes message)
{
    command(context, call, LEDGER_DEDUCT, message);
}

void ledger_service_release(void *context, struct rpc_call *call, struct bytes message)
{
    command(context, call, LEDGER_RELEASE, message);
}

void ledger_service_execute(void *context, struct rpc_call *call, struct bytes message)
{
    struct node *node = context;
    if (passed_on(node, call, message, false) || refused_unread(node, call, message)) {
        return;
    }
    struct admitted admitted = {0};
    struct error error;
    if (admission_execute(node->admission, message, &admitted, &error)) {
        propose(node, call, &admitted, PROPOSER_BATCH);
    } else {
        rpc_call_fail(call, RPC_INVALID_ARGUMENT, "%s", error.text);
    }
    buffer_free(&admitted.encoded);
}

void ledger_service_get_stock(void *context, struct rpc_call *call, struct bytes message)
{
    query(context, call, QUERY_GET_STOCK, message);
}

void ledger_service_batch_get_stock(void *context, struct rpc_call *call, struct bytes message)
{
    query(context, call, QUERY_BATCH_GET_STOCK, message);
}

void ledger_service_check_stock(void *context, struct rpc_call *call, struct bytes message)
{
    query(context, call, QUERY_CHECK_STOCK, message);
}

void ledger_service_list_stock(void *context, struct rpc_call *call, struct bytes message)
{
    query(context, call, QUERY_LIST_STOCK, message);
}

void ledger_service_get_order(void *context, struct rpc_call *call, struct bytes message)
{
    query(context, call, QUERY_GET_ORDER, message);
}

void ledger_service_list_history(void *context, struct rpc_call *call, struct bytes message)
{
    query(context, call, QUERY_LIST_HISTORY, message);
}

void ledger_service_answer_read(void *context, struct rpc_call *call, enum query_kind kind,
                                struct bytes request)
{
    struct node *node = context;
    struct buffer response = {0};
    struct error error;
    switch (query_run(kind, &node->arena, &node->replies, node->ledger, node_applied_index(node),
                      request, &response, &error)) {
    case QUERY_DONE:
        rpc_call_reply_take(call, &response);
        break;
    case QUERY_REFUSED:
        rpc_call_fail(call, RPC_INVALID_ARGUMENT, "%s", error.text);
        break;
    case QUERY_FAILED:
        log_fatal("state", error.text);
    }
    buffer_free(&response);
}
