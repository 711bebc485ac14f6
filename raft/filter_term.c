/*
 * filter_term.c - rule 5: requests and replies of other terms.
 *
 * Requests. libraft answers an AppendEntries of an older term with a rejection whose last_log_index
 * was never set (recv_append_entries.c, `goto reply`): whatever lies on the stack may make the
 * leader commit what nobody has. So such a request is not fed. But it must be answered: a node one
 * term ahead of a live leader hears from nobody else, and only its term in a reply makes the leader
 * step down (dissertation, section 3.3 and figure 3.1).
 *
 * Replies. Every reply echoes the term at which its question was sent. A reply to an earlier term
 * counts for nothing: it speaks of another election, or of a log that has changed since. A vote
 * result reaches only a candidate: libraft looks at candidate_state, and may take the term from the
 * result, before it looks whether it is one (recv_request_vote_result.c), and would leave a healthy
 * leader for the term of a late reply. A rejection of what the peer is known to have is older than
 * that knowledge: on a probed follower libraft would set next_index behind match_index and from
 * then on send it empty messages for ever (progress.c, progressMaybeDecrement; replication.c, the
 * unsigned difference in sendAppendEntries). And nothing counts that comes before we asked over the
 * present connection.
 *
 * What answers a question about reads brings the question's own number back (read_index.c): it may
 * come over any connection.
 */
#include <assert.h>

#include "base/planted.h"
#include "filter.h"

bool filter_append_is_stale(const struct peer_message *append, uint64_t current_term)
{
    return append->append_entries.term < current_term && !PLANTED(STALE_APPEND_FED);
}

struct peer_message filter_stale_append_rejection(const struct peer_message *append,
                                                  uint64_t current_term)
{
    uint64_t prev = append->append_entries.prev_log_index;
    return (struct peer_message){
        .type = PEER_APPEND_ENTRIES_RESULT,
        .sent_term = append->sent_term,
        .append_entries_result =
            {
                .term = current_term,
                .rejected = prev > 0 ? prev : 1, /* 0 would mean success */
                .last_log_index = 0,
            },
    };
}

bool filter_reply_counts(const struct peer_message *reply, const struct filter_asked *asked)
{
    if (reply->sent_term != asked->current_term && !PLANTED(OLD_ECHO_COUNTS)) {
        return false;
    }
    if (reply->type == PEER_READ_INDEX_RESULT) {
        return asked->state == REPLICA_LEADER;
    }
    if (reply->type == PEER_READ_ANSWER) {
        return asked->state == REPLICA_FOLLOWER;
    }
    if (!asked->over_this_connection && !PLANTED(OLD_CONNECTION_COUNTS)) {
        return false;
    }
    if (reply->type == PEER_REQUEST_VOTE_RESULT) {
        return asked->state == REPLICA_CANDIDATE || PLANTED(LATE_VOTE_COUNTS);
    }
    assert(reply->type == PEER_APPEND_ENTRIES_RESULT);
    if (asked->state != REPLICA_LEADER) {
        return false;
    }
    if (reply->append_entries_result.term > asked->current_term) {
        return true;
    }
    uint64_t rejected = reply->append_entries_result.rejected;
    return rejected == 0 || rejected > asked->match_index || PLANTED(LATE_REJECTION_COUNTS);
}
