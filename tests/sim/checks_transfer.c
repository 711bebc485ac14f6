/*
 * checks_transfer.c - the checks of handing over the leadership (Raft rule 13): who hands over
 * writes nothing more, and tells the other one to stand for election when all of its log is applied
 * here and on the other one's disk. What is said earlier is said once, and in vain.
 */
#include "checks_internal.h"

void checks_transferring(struct checks *checks, size_t node, uint64_t to)
{
    struct node_view *view = &checks->nodes[node];
    if (to != view->hands_to) {
        view->hands_to = to;
        trace_note(&checks->world->trace, node, TRACE_HANDS_OVER, to);
    }
}

void checks_transfer_asked(struct checks *checks, size_t node, uint64_t first_index)
{
    const struct node_view *view = &checks->nodes[node];
    if (view->hands_to != 0 && view->role == REPLICA_LEADER) {
        world_fail(checks->world, CHECK_TRANSFER,
                   "n%zu writes entry %" PRIu64 " while it hands its leadership to n%" PRIu64,
                   node + 1, first_index, view->hands_to);
    }
}

void checks_timeout_now(struct checks *checks, size_t node, size_t to,
                        const struct peer_message *message)
{
    const struct node_view *view = &checks->nodes[node];
    const struct node_view *other = &checks->nodes[to];
    const struct known *last = checks_log_at(&view->asked, view->asked.last);
    checks_leads(checks, node, message->timeout_now.term);
    if (checks->world->failed) {
        return;
    }
    if (view->applied_index != view->asked.last ||
        message->timeout_now.last_log_index != view->asked.last) {
        world_fail(checks->world, CHECK_TRANSFER,
                   "n%zu hands over to n%zu at %" PRIu64 ", it has applied %" PRIu64 " of %" PRIu64
                   " entries",
                   node + 1, to + 1, message->timeout_now.last_log_index, view->applied_index,
                   view->asked.last);
    } else if (!other->lost && checks_log_at(&other->disk, view->asked.last) != last) {
        world_fail(checks->world, CHECK_TRANSFER,
                   "n%zu hands over to n%zu, whose disk ends at %" PRIu64 " and lacks its entry "
                   "%" PRIu64,
                   node + 1, to + 1, other->disk.last, view->asked.last);
    }
}
