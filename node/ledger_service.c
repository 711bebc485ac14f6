/*
 * ledger_service.c - the way in. A command: leader -> admission -> proposer; follower -> the
 * leader. A read: query -> the reads, on any node; but a follower that is far behind takes a
 * linearizable one to the leader. Each handler is a line; the way is the same for all.
 *
 * Possible failures, each answered at once: INVALID_ARGUMENT (form), RESOURCE_EXHAUSTED (queue
 * full), UNAVAILABLE (no leader known, or a forwarded call reached a node that can't answer it).
 */
#include <stdio.h>

#include "node.h"
#include "peers.h"
#include "pending_call.h"
#include "service.h"

static void refuse_leaderless(const struct node *node, struct rpc_call *call)
{
    char words[256];
    if (!peers_describe_outsider(node, words, sizeof words)) {
        snprintf(words, sizeof words,
                 "no leader is known: the cluster has no quorum, or is electing; nothing was "
                 "executed, try again");
    }
    rpc_call_fail(call, RPC_UNAVAILABLE, "%s", words);
}

/* To the leader, which is another node; once at most. */
static void pass_on(struct node *node, struct rpc_call *call, struct bytes message, bool is_read)
{
    const char *leader = forwarder_leader(node->forwarder);
    if (leader == NULL) {
        refuse_leaderless(node, call);
    } else if (rpc_call_metadata(call, METADATA_FORWARDED) != NULL) {
        rpc_call_set_metadata(call, METADATA_LEADER, leader);
        rpc_call_fail(call, RPC_UNAVAILABLE, "leadership has moved to %s; nothing was executed",
                      leader);
    } else {
        forwarder_forward(node->forwarder, call, message, is_read);
    }
}

/* True: another node leads, and the command is taken care of. */
static bool passed_on(struct node *node, struct rpc_call *call, struct bytes message)
{
    if (core_leads(&node->core)) {
        return false;
    }
    pass_on(node, call, message, false);
    return true;
}

static void command(struct node *node, struct rpc_call *call, enum ledger_command_kind kind,
                    struct bytes message)
{
    if (passed_on(node, call, message) ||
        pending_call_refused_unread(node, call, message.len, false)) {
        return;
    }
    struct admitted admitted = {0};
    struct error error;
    if (admission_command(node->admission, kind, message, &admitted, &error)) {
        pending_call_propose(node, call, &admitted, PENDING_SINGLE);
    } else {
        rpc_call_fail(call, RPC_INVALID_ARGUMENT, "%s", error.text);
    }
    buffer_free(&admitted.encoded);
}

static void query(struct node *node, struct rpc_call *call, enum query_kind kind,
                  struct bytes message)
{
    struct query_freshness freshness;
    struct error error;
    if (pending_call_refused_unread(node, call, message.len, true)) {
        return;
    }
    if (!query_check(kind, &node->arena, message, &freshness, &error)) {
        rpc_call_fail(call, RPC_INVALID_ARGUMENT, "%s", error.text);
    } else if (freshness.consistency == READ_STALE) {
        pending_call_read(node, call, kind, &freshness, message);
    } else if (!core_knows_leader(&node->core)) {
        refuse_leaderless(node, call);
    } else if (!core_leads(&node->core) && core_is_behind(&node->core) &&
               forwarder_leader(node->forwarder) != NULL) {
        pass_on(node, call, message, true);
    } else {
        pending_call_read(node, call, kind, &freshness, message);
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
    if (passed_on(node, call, message) ||
        pending_call_refused_unread(node, call, message.len, false)) {
        return;
    }
    struct admitted admitted = {0};
    struct error error;
    if (admission_execute(node->admission, message, &admitted, &error)) {
        pending_call_propose(node, call, &admitted, PENDING_BATCH);
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
