/*
 * upgrade_service.c - RaiseLedgerVersion: the leader's. Judged by what the members have told
 * (core/upgrade.h), proposed as a command like any other, answered when that is applied here.
 *
 * What can fail, each answered: this node does not lead (UNAVAILABLE, with the leader's address);
 * not every member knows the version, or it would be lowered (FAILED_PRECONDITION, with all who are
 * not ready); the queue is full or the disk is low (RESOURCE_EXHAUSTED); the leadership is lost
 * (UNAVAILABLE, or UNKNOWN behind the proposal: asking again is safe).
 */
#include <assert.h>
#include <stdlib.h>

#include "core/upgrade.h"
#include "holdfast/v1/cluster.pb-c.h"
#include "message_check.h"
#include "node.h"
#include "pending_call.h"
#include "reply.h"
#include "service.h"

struct raise_call {
    struct proposal proposal; /* first: what the proposer gives back is this */
    struct node *node;
    struct rpc_call *call;
    enum ledger_verdict verdict;
    bool unchanged;
    uint64_t log_index;
};

static void on_result(struct proposal *proposal, const struct ledger_result *result)
{
    struct raise_call *raise = (struct raise_call *)proposal;
    raise->verdict = result->verdict;
    raise->unchanged = result->replayed;
    raise->log_index = result->log_index;
}

static void on_applied(struct proposal *proposal)
{
    struct raise_call *raise = (struct raise_call *)proposal;
    unsigned version = ledger_version(raise->node->core.ledger);
    if (raise->verdict == LEDGER_OK) {
        Holdfast__V1__RaiseLedgerVersionResponse response =
            HOLDFAST__V1__RAISE_LEDGER_VERSION_RESPONSE__INIT;
        response.ledger_version = version;
        response.unchanged = raise->unchanged;
        response.log_index = raise->log_index;
        struct buffer out = {0};
        reply_pack(&out, &response.base);
        rpc_call_reply_take(raise->call, &out);
    } else { /* somebody else was faster, and went further */
        rpc_call_fail(raise->call, RPC_FAILED_PRECONDITION,
                      "the ledger is of version %u: it can't be lowered", version);
    }
    free(raise);
}

static void on_failed(struct proposal *proposal, enum proposal_failure failure)
{
    struct raise_call *raise = (struct raise_call *)proposal;
    char words[256];
    switch (failure) {
    case PROPOSAL_NOT_EXECUTED:
        node_describe_leader(raise->node, words, sizeof words);
        rpc_call_fail(raise->call, RPC_UNAVAILABLE, "%s", words);
        break;
    case PROPOSAL_OUTCOME_UNKNOWN:
        rpc_call_fail(raise->call, RPC_UNKNOWN,
                      "leadership was lost behind the proposal: ask for the same again");
        break;
    case PROPOSAL_CANCELLED:
        rpc_call_fail(raise->call, RPC_CANCELLED, "cancelled before it was executed");
        break;
    }
    free(raise);
}

static void on_cancelled(void *context, struct rpc_call *call)
{
    struct raise_call *raise = context;
    (void)call;
    raise->proposal.cancelled = true;
}

static void refuse_not_leading(struct node *node, struct rpc_call *call)
{
    char words[256];
    const char *leader = forwarder_leader(node->forwarder);
    if (leader != NULL) {
        rpc_call_set_metadata(call, METADATA_LEADER, leader);
    }
    node_describe_leader(node, words, sizeof words);
    rpc_call_fail(call, RPC_UNAVAILABLE, "%s", words);
}

static void propose(struct node *node, struct rpc_call *call, unsigned version)
{
    static const struct proposal_ops ops = {
        .result = on_result, .applied = on_applied, .failed = on_failed};
    struct raise_call *raise = memory_zalloc(sizeof *raise);
    raise->proposal.ops = &ops;
    raise->node = node;
    raise->call = call;
    core_fill_raise_version(&raise->proposal, version);
    if (pending_call_refused_unread(node, call, raise->proposal.data.len, false)) {
        buffer_free(&raise->proposal.data);
        free(raise);
        return;
    }
    bool taken = core_propose(&node->core, &raise->proposal);
    assert(taken); /* it leads, and what else may stand against it was asked right now */
    rpc_call_set_cancelled(call, on_cancelled, raise);
}

/* What is meant where no version is named: the newest that all know; where that can't be told, what
 * this node knows, so that the refusal says who is missing. */
static unsigned newest(const struct core *core)
{
    unsigned known = core_version_known_to_all(core);
    return known >= ledger_version(core->ledger) ? known : core->config.ledger_version_known;
}

void upgrade_service_raise(void *context, struct rpc_call *call, struct bytes message)
{
    struct node *node = context;
    struct error error;
    if (!message_check(&holdfast__v1__raise_ledger_version_request__descriptor, message, &error)) {
        rpc_call_fail(call, RPC_INVALID_ARGUMENT, "%s", error.text);
        return;
    }
    Holdfast__V1__RaiseLedgerVersionRequest *request =
        holdfast__v1__raise_ledger_version_request__unpack(NULL, message.len, message.data);
    unsigned version = request != NULL ? request->to : 0;
    if (request == NULL || version > UINT16_MAX) {
        rpc_call_fail(call, RPC_INVALID_ARGUMENT, "to is %u: versions go up to %u", version,
                      UINT16_MAX);
    } else if (!core_leads(&node->core)) {
        refuse_not_leading(node, call);
    } else {
        version = version != 0 ? version : newest(&node->core);
        if (core_may_raise_version(&node->core, version, &error)) {
            propose(node, call, version);
        } else {
            rpc_call_fail(call, RPC_FAILED_PRECONDITION, "%s", error.text);
        }
    }
    if (request != NULL) {
        holdfast__v1__raise_ledger_version_request__free_unpacked(request, NULL);
    }
}
