/*
 * cluster_change.c - the leader's part of a change of members, and of a hand-over, between the call
 * and its answer.
 *
 * The happy path: the core accepts the change, which is the last entry of the log then; the answer
 * is laid out at once, since the members behind this change are known now; when the entry is
 * applied here and the term is still the same, it is sent. A hand-over is over when this node
 * follows somebody else.
 *
 * What can fail, each answered: this node does not lead, or not for long enough (UNAVAILABLE, with
 * the leader's address); the core or the contacts refuse (FAILED_PRECONDITION); the leadership is
 * lost behind the proposal, or the node stops (UNKNOWN); the other node does not take over in time
 * (FAILED_PRECONDITION).
 */
#include "cluster_change.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>

#include "cluster_members.h"
#include "node.h"
#include "reply.h"

enum change_state {
    CHANGE_CONFIRMING, /* a read of ours is under way */
    CHANGE_PROPOSED,   /* among those that wait */
    CHANGE_HANDING_OVER,
};

struct cluster_change {
    struct proposal confirmation; /* first: what the reads give back is this */
    struct cluster_change *next;
    struct node *node;
    struct rpc_call *call;
    enum change_state state;
    struct replica_change asked; /* kind 0: a hand-over to asked.id */
    char *address;               /* asked.address */
    uint64_t term;               /* in which it was proposed, or begun */
    uint64_t index;
    struct buffer reply;
};

static void change_free(struct cluster_change *change)
{
    buffer_free(&change->reply);
    free(change->address);
    free(change);
}

static void end_failed(struct cluster_change *change, enum rpc_status status, const char *words)
{
    rpc_call_fail(change->call, status, "%s", words);
    change_free(change);
}

static void end_not_leading(struct cluster_change *change)
{
    char words[256];
    const char *leader = forwarder_leader(change->node->forwarder);
    if (leader != NULL) {
        rpc_call_set_metadata(change->call, METADATA_LEADER, leader);
    }
    if (core_leads(&change->node->core)) {
        snprintf(words, sizeof words,
                 "this node leads, but not for long enough yet, or not much longer: nothing was "
                 "done, try again");
    } else {
        node_describe_leader(change->node, words, sizeof words);
    }
    end_failed(change, RPC_UNAVAILABLE, words);
}

/* ---- answers ---- */

/* With the members as they are now. */
static void lay_out_members(struct cluster_change *change, uint64_t index, bool unchanged)
{
    char cluster_id[CLUSTER_ID_TEXT_BYTES];
    struct cluster_members members;
    cluster_members_fill(change->node, &members);
    Holdfast__V1__ChangeMembersResponse response = HOLDFAST__V1__CHANGE_MEMBERS_RESPONSE__INIT;
    response.log_index = index;
    response.unchanged = unchanged;
    response.n_members = members.count;
    response.members = members.pointers;
    response.cluster_id = cluster_id_text(cluster_id, change->node->core.cluster_id);
    reply_pack(&change->reply, &response.base);
}

static void lay_out_leader(struct cluster_change *change, bool unchanged)
{
    const struct core *core = &change->node->core;
    Holdfast__V1__TransferLeadershipResponse response =
        HOLDFAST__V1__TRANSFER_LEADERSHIP_RESPONSE__INIT;
    response.leader_id = core->leader_id;
    response.term = core->term;
    response.leader_client_address =
        (char *)(uintptr_t)cluster_client_address(change->node, core->leader_id);
    response.unchanged = unchanged;
    reply_pack(&change->reply, &response.base);
}

static void end_done(struct cluster_change *change)
{
    rpc_call_reply_take(change->call, &change->reply);
    change_free(change);
}

/* ---- what is so already ---- */

static bool change_is_pending(const struct node *node)
{
    return node->changes.proposed_term == node->core.term &&
           core_applied_index(&node->core) < node->changes.proposed_index;
}

static bool members_are_so(const struct node *node, const struct replica_change *asked)
{
    struct replica_member members[LIMIT_NODES];
    size_t count = replica_members(node->core.replica, members, LIMIT_NODES);
    size_t i = 0;
    while (i < count && members[i].id != asked->id) {
        i++;
    }
    switch (asked->kind) {
    case REPLICA_ADD_STANDBY:
        return i < count && strcmp(members[i].address, asked->address) == 0;
    case REPLICA_PROMOTE:
        return i < count && members[i].role == REPLICA_VOTER;
    case REPLICA_REMOVE:
        break;
    }
    return i == count;
}

static bool is_so(const struct cluster_change *change)
{
    const struct node *node = change->node;
    if (change->asked.kind == 0) {
        return core_leads(&node->core) && change->asked.id == node->core.config.id;
    }
    return core_leads(&node->core) && !change_is_pending(node) &&
           members_are_so(node, &change->asked);
}

static bool on_confirmed(struct proposal *proposal, struct error *error)
{
    struct cluster_change *change = (struct cluster_change *)proposal;
    (void)error;
    if (!is_so(change)) {
        end_failed(change, RPC_UNAVAILABLE,
                   "the members, or the leader, changed at this very moment; nothing was done, try "
                   "again");
        return true;
    }
    if (change->asked.kind == 0) {
        lay_out_leader(change, true);
    } else {
        lay_out_members(change, core_applied_index(&change->node->core), true);
    }
    end_done(change);
    return true;
}

static void on_not_confirmed(struct proposal *proposal, enum proposal_failure failure)
{
    struct cluster_change *change = (struct cluster_change *)proposal;
    if (failure == PROPOSAL_CANCELLED) {
        end_failed(change, RPC_CANCELLED, "cancelled; nothing was done");
    } else {
        end_not_leading(change);
    }
}

static void on_confirming_cancelled(void *context, struct rpc_call *call)
{
    struct cluster_change *change = context;
    (void)call;
    change->confirmation.cancelled = true;
}

static void confirm(struct cluster_change *change)
{
    static const struct proposal_ops ops = {.read = on_confirmed, .failed = on_not_confirmed};
    change->state = CHANGE_CONFIRMING;
    change->confirmation.ops = &ops;
    change->confirmation.is_read = true;
    change->confirmation.consistency = READ_LINEARIZABLE;
    if (!core_propose(&change->node->core, &change->confirmation)) {
        end_failed(change, RPC_RESOURCE_EXHAUSTED,
                   "too many requests wait for an answer; nothing was done, try again later");
        return;
    }
    rpc_call_set_cancelled(change->call, on_confirming_cancelled, change);
}

/* ---- what waits ---- */

static void unlink_change(struct cluster_change *change)
{
    struct cluster_change **link = &change->node->changes.first;
    while (*link != change) {
        link = &(*link)->next;
    }
    *link = change->next;
}

/* It goes on, and nobody waits for it. */
static void on_waiting_cancelled(void *context, struct rpc_call *call)
{
    struct cluster_change *change = context;
    (void)call;
    unlink_change(change);
    end_failed(change, RPC_CANCELLED, "cancelled: it may still be done");
}

static void wait_for_outcome(struct cluster_change *change, enum change_state state)
{
    struct cluster_changes *changes = &change->node->changes;
    change->state = state;
    change->term = change->node->core.term;
    change->next = changes->first;
    changes->first = change;
    rpc_call_set_cancelled(change->call, on_waiting_cancelled, change);
}

/* Proposed in this term, and nobody else was leader since: what stands at its index is it. */
static void look_at_proposed(struct cluster_change *change)
{
    const struct core *core = &change->node->core;
    if (!core_leads(core) || core->term != change->term) {
        unlink_change(change);
        end_failed(change, RPC_UNKNOWN,
                   "leadership was lost behind the proposal, and the outcome is not known: look at "
                   "the members, or ask for the same again");
        return;
    }
    if (core_applied_index(core) < change->index) {
        return;
    }
    unlink_change(change);
    end_done(change);
}

static void look_at_hand_over(struct cluster_change *change)
{
    const struct core *core = &change->node->core;
    char words[160];
    struct replica_status status;
    replica_status_get(core->replica, &status);
    bool goes_on = core_leads(core) && status.transferring_to == 0;
    if (core_leads(core) ? !goes_on : core->leader_id == 0) {
        return;
    }
    unlink_change(change);
    if (goes_on) {
        snprintf(words, sizeof words,
                 "the other node did not take over in time, and node %" PRIu64
                 " goes on leading: try again",
                 core->config.id);
        end_failed(change, RPC_FAILED_PRECONDITION, words);
    } else if (change->asked.id != 0 && core->leader_id != change->asked.id) {
        snprintf(words, sizeof words,
                 "node %" PRIu64 " was elected instead of node %" PRIu64 ": ask it to hand over",
                 core->leader_id, change->asked.id);
        end_failed(change, RPC_FAILED_PRECONDITION, words);
    } else {
        lay_out_leader(change, false);
        end_done(change);
    }
}

void cluster_changes_look(struct node *node)
{
    struct cluster_change *next;
    for (struct cluster_change *change = node->changes.first; change != NULL; change = next) {
        next = change->next;
        assert(change->state != CHANGE_CONFIRMING);
        if (change->state == CHANGE_PROPOSED) {
            look_at_proposed(change);
        } else {
            look_at_hand_over(change);
        }
    }
}

void cluster_changes_abandon(struct node *node)
{
    while (node->changes.first != NULL) {
        struct cluster_change *change = node->changes.first;
        node->changes.first = change->next;
        end_failed(change, RPC_UNKNOWN,
                   "this node stopped, and the outcome is not known: look at the members, or ask "
                   "for the same again");
    }
}

/* ---- the beginning ---- */

static struct cluster_change *change_new(struct node *node, struct rpc_call *call)
{
    struct cluster_change *change = memory_zalloc(sizeof *change);
    change->node = node;
    change->call = call;
    return change;
}

/* Leads, for long enough to judge, and is not about to stop leading. */
static bool may_judge(const struct node *node)
{
    struct replica_status status;
    replica_status_get(node->core.replica, &status);
    return core_leads(&node->core) && status.barrier_applied && status.transferring_to == 0;
}

static void propose(struct cluster_change *change)
{
    struct node *node = change->node;
    struct error why;
    struct error error;
    bool accepted;
    node_must("replication",
              core_change_members(&node->core, &change->asked, &accepted, &why, &error), &error);
    if (!accepted) {
        end_failed(change, RPC_FAILED_PRECONDITION, why.text);
        return;
    }
    /* Nothing can have been submitted behind it yet. */
    struct replica_status status;
    replica_status_get(node->core.replica, &status);
    change->index = status.last_index;
    node->changes.proposed_index = change->index;
    node->changes.proposed_term = node->core.term;
    log_info("members",
             LOG_TEXT("change", change->asked.kind == REPLICA_ADD_STANDBY ? "add"
                                : change->asked.kind == REPLICA_PROMOTE   ? "promote"
                                                                          : "remove"),
             LOG_NUMBER("peer", change->asked.id), LOG_NUMBER("index", change->index));
    lay_out_members(change, change->index, false);
    wait_for_outcome(change, CHANGE_PROPOSED);
}

void cluster_change_members(struct node *node, struct rpc_call *call,
                            const struct replica_change *asked)
{
    struct cluster_change *change = change_new(node, call);
    struct error why;
    change->asked = *asked;
    if (asked->address != NULL) {
        change->address = memory_strdup(asked->address);
        change->asked.address = change->address;
    }
    if (!may_judge(node)) {
        end_not_leading(change);
    } else if (is_so(change)) {
        confirm(change);
    } else if (!cluster_allows_change(node, &change->asked, &why)) {
        end_failed(change, RPC_FAILED_PRECONDITION, why.text);
    } else {
        propose(change);
    }
}

void cluster_change_leader(struct node *node, struct rpc_call *call, uint64_t to)
{
    struct cluster_change *change = change_new(node, call);
    struct error why;
    struct error error;
    bool accepted;
    change->asked.id = to;
    if (!may_judge(node)) {
        end_not_leading(change);
        return;
    }
    if (is_so(change)) {
        confirm(change);
        return;
    }
    node_must("replication", core_transfer_leadership(&node->core, to, &accepted, &why, &error),
              &error);
    if (!accepted) {
        end_failed(change, RPC_FAILED_PRECONDITION, why.text);
        return;
    }
    wait_for_outcome(change, CHANGE_HANDING_OVER);
}
