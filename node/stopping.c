/*
 * stopping.c - the hand-over before the end.
 *
 * The happy path: the core takes the request, commands wait, the other node has everything and is
 * elected; this one follows it and knows where its clients connect, so that it can forward what
 * still comes while it drains.
 *
 * What can fail: the core refuses (this node was elected a moment ago, or the best voter lacks too
 * much: it is asked again at the next turn), or the other one does not take over in time. Then the
 * others elect as they would without us.
 */
#include "stopping.h"

#include "cluster_members.h"
#include "node.h"

static void hand_over(struct node *node)
{
    struct stopping *stopping = &node->stopping;
    struct replica_status status;
    struct error why;
    struct error error;
    bool accepted;
    replica_status_get(node->core.replica, &status);
    if (status.transferring_to == 0) {
        node_must(
            "replication",
            core_transfer_leadership(&node->core, cluster_successor(node), &accepted, &why, &error),
            &error);
        replica_status_get(node->core.replica, &status);
    }
    if (status.transferring_to != 0 && status.transferring_to != stopping->to) {
        log_info("handing-over", LOG_NUMBER("to", status.transferring_to),
                 LOG_NUMBER("term", status.term));
    }
    stopping->to = status.transferring_to;
}

static size_t other_voters(const struct node *node)
{
    struct replica_member members[LIMIT_NODES];
    size_t count = replica_members(node->core.replica, members, LIMIT_NODES);
    size_t voters = 0;
    for (size_t i = 0; i < count; i++) {
        voters += members[i].role == REPLICA_VOTER && members[i].id != node->core.config.id;
    }
    return voters;
}

bool stopping_begin(struct node *node)
{
    if (!core_leads(&node->core) || other_voters(node) == 0) {
        return false;
    }
    node->stopping.state = STOPPING_HANDING_OVER;
    node->stopping.until_ms = core_now_ms(&node->core) + (uint64_t)STOPPING_HAND_OVER_TIMEOUTS *
                                                             node->options->election_timeout_ms;
    hand_over(node);
    return true;
}

bool stopping_look(struct node *node)
{
    const struct core *core = &node->core;
    if (core_now_ms(core) >= node->stopping.until_ms) {
        log_warning("handing-over",
                    LOG_TEXT("message", "nobody has taken the leadership over in time: the others "
                                        "will elect when this node is gone"));
        return true;
    }
    if (core_leads(core)) {
        hand_over(node);
        return false;
    }
    return core->leader_id != 0;
}
