/*
 * receive.c - a message from a peer: through the filters, then into libraft.
 *
 * Happy path: a sound message of our term or a later one is fed; an AppendEntries
 * in parts, with the CONFIGURATION events that each part's commit index brings in between (rules 7
 * and 8).
 *
 * What is refused is ignored and harms nobody: a malformed message (rule 15), a reply that answers
 * nothing (rule 5), a second leader of our own term (libraft would write its follower's state over
 * the leader's: recv_append_entries.c asserts only). An AppendEntries of an older term is answered
 * by us.
 *
 * What fails: libraft finds entries that contradict committed ones (RAFT_SHUTDOWN). Some member's
 * log is wrong then, and it may be ours: stop.
 */
#include <stdio.h>

#include "base/planted.h"
#include "configuration.h"
#include "filter.h"
#include "replica_internal.h"

/* Room for what a leader itself writes: its submits in flight, a no-op, a barrier. */
#define WRITES_KEPT_FREE (LIMIT_INFLIGHT_ENTRIES + 8)
_Static_assert(WRITES_KEPT_FREE < LIMIT_LOG_WRITES, "a follower must be able to write too");

bool replica_backlog_is_full(const struct replica *replica)
{
    return replica->unsynced_bytes > replica->limits.unsynced_bytes ||
           replica->last_index - replica->durable_index > replica->limits.unsynced_entries ||
           replica->write_count >= LIMIT_LOG_WRITES - WRITES_KEPT_FREE;
}

static const char *address_of(const struct replica *replica, uint64_t peer_id)
{
    const struct raft_configuration *configuration = &replica->raft.configuration;
    for (unsigned i = 0; i < configuration->n; i++) {
        if (configuration->servers[i].id == peer_id) {
            return configuration->servers[i].address;
        }
    }
    return "";
}

bool replica_feed_message(struct replica *replica, uint64_t peer_id, struct raft_message *message,
                          struct entry *const *source, size_t source_count, struct error *error)
{
    /* A copy: the event itself may replace the configuration that the address stands in. */
    char address[LIMIT_ADDRESS_BYTES + 1];
    snprintf(address, sizeof address, "%s", address_of(replica, peer_id));
    message->server_id = peer_id;
    message->server_address = address;
    struct raft_event event = {.type = RAFT_RECEIVE, .receive = {.message = message}};
    bool fed = replica_feed(replica, &event, source, source_count, error);
    message->server_address = NULL;
    return fed;
}

static bool feed_append_part(struct replica *replica, uint64_t peer_id,
                             const struct peer_message *append,
                             const struct filter_append_part *part, struct error *error)
{
    struct entry *const *source = append->append_entries.entries + part->first;
    struct raft_message message = {
        .type = RAFT_APPEND_ENTRIES,
        .append_entries =
            {
                .term = append->append_entries.term,
                .prev_log_index = part->prev_log_index,
                .prev_log_term = part->prev_log_term,
                /* Rule 12: nothing is committed before the snapshot is durable. */
                .leader_commit = replica->install.under_way ? 0 : part->leader_commit,
                .n_entries = (unsigned)part->count,
            },
    };
    if (part->count > 0) {
        message.append_entries.entries = replica_raft_entries(replica, source, part->count, error);
        if (message.append_entries.entries == NULL) {
            return false;
        }
    }
    replica->leader_term = append->append_entries.term;
    replica->leader_heard_ms = replica->now_ms;
    return replica_feed_message(replica, peer_id, &message, part->count > 0 ? source : NULL,
                                part->count, error);
}

/* What has the same index and term in two logs is the same, and so is everything before it
 * (dissertation, section 3.5: Log Matching). */
static void note_match(struct replica *replica, const struct peer_message *append)
{
    size_t count = append->append_entries.entry_count;
    uint64_t index = append->append_entries.prev_log_index + count;
    uint64_t term = count > 0 ? append->append_entries.entries[count - 1]->term
                              : append->append_entries.prev_log_term;
    const struct entry *ours = tail_get(&replica->tail, index);
    bool is_news = replica->matched_term != replica->term || index > replica->matched_index;
    if (ours != NULL && ours->term == term && is_news) {
        replica->matched_index = index;
        replica->matched_term = replica->term;
    }
}

/* Rule 7. Our log is the leader's up to here: the part before was accepted. */
static bool settle_before(struct replica *replica, const struct peer_message *append,
                          const struct filter_append_part *part, struct error *error)
{
    if (part->count == 0 || append->append_entries.entries[part->first]->type != ENTRY_CHANGE ||
        PLANTED(CHANGE_NOT_SETTLED)) {
        return true;
    }
    return replica_settle_changes(replica, part->prev_log_index, error);
}

static bool receive_append_entries(struct replica *replica, uint64_t peer_id,
                                   struct peer_message *append, struct error *error)
{
    if (filter_append_is_stale(append, replica->term)) {
        struct peer_message rejection = filter_stale_append_rejection(append, replica->term);
        replica_send_message(replica, peer_id, &rejection);
        return true;
    }
    if (replica->state == REPLICA_LEADER && append->append_entries.term == replica->term) {
        return true;
    }
    if (!filter_append_is_of_cluster(append, replica->cluster_id)) {
        replica->refused_count++;
        return true;
    }
    filter_append_skip_trimmed(append, replica->first_index, replica->snapshot.index,
                               replica->snapshot.term);
    bool full = replica_backlog_is_full(replica);
    if ((replica->install.under_way || full) && append->append_entries.entry_count > 0) {
        replica->dropped_count += full ? 1 : 0;
        filter_append_drop_entries(append);
    }
    struct filter_append_cursor cursor = {0};
    struct filter_append_part part;
    /* Before it is fed: the result, which is sent meanwhile, echoes it. */
    replica_peer_slot(replica, peer_id)->clock_ms = append->append_entries.clock.now_ms;
    replica->answering = append;
    replica->rejected = false;
    bool fed = true;
    while (fed && !replica->rejected && filter_append_next(append, &cursor, &part)) {
        if (part.first > 0 && replica_backlog_is_full(replica)) {
            replica->dropped_count++;
            break;
        }
        fed = settle_before(replica, append, &part, error) &&
              feed_append_part(replica, peer_id, append, &part, error) &&
              replica_feed_configurations(replica, error);
    }
    replica->answering = NULL;
    if (replica->leader_id == peer_id) {
        note_match(replica, append);
        replica_freshness_heard_leader(replica, append);
    }
    return fed;
}

static bool receive_request_vote(struct replica *replica, uint64_t peer_id,
                                 const struct peer_message *request, struct error *error)
{
    struct raft_message message = {
        .type = RAFT_REQUEST_VOTE,
        .request_vote =
            {
                .version = 2,
                .term = request->request_vote.term,
                .candidate_id = request->request_vote.candidate_id,
                .last_log_index = request->request_vote.last_log_index,
                .last_log_term = request->request_vote.last_log_term,
                .disrupt_leader = request->request_vote.disrupt_leader,
                .pre_vote = request->request_vote.pre_vote,
            },
    };
    replica->answering = request;
    bool fed = replica_feed_message(replica, peer_id, &message, NULL, 0, error);
    replica->answering = NULL;
    return fed;
}

static struct filter_asked what_was_asked(const struct replica *replica,
                                          const struct replica_peer *peer)
{
    return (struct filter_asked){
        .state = replica->state,
        .current_term = replica->term,
        .over_this_connection = peer->asked,
        .match_index = replica_match_index(replica, peer->id),
    };
}

static bool receive_reply(struct replica *replica, struct replica_peer *peer,
                          const struct peer_message *reply, struct error *error)
{
    struct filter_asked asked = what_was_asked(replica, peer);
    struct raft_message message = {0};
    if (!filter_reply_counts(reply, &asked)) {
        return true;
    }
    if (reply->type == PEER_REQUEST_VOTE_RESULT) {
        message.type = RAFT_REQUEST_VOTE_RESULT;
        message.request_vote_result = (struct raft_request_vote_result){
            .version = 2, /* from 2 on libraft tells pre-votes from votes */
            .term = reply->request_vote_result.term,
            .vote_granted = reply->request_vote_result.vote_granted,
            .pre_vote = reply->request_vote_result.pre_vote,
        };
    } else {
        message.type = RAFT_APPEND_ENTRIES_RESULT;
        message.append_entries_result = (struct raft_append_entries_result){
            .version = 2,
            .term = reply->append_entries_result.term,
            .rejected = reply->append_entries_result.rejected,
            .last_log_index = reply->append_entries_result.last_log_index,
            .capacity = (unsigned short)reply->append_entries_result.capacity,
        };
        if (reply->append_entries_result.term == replica->term) {
            replica_freshness_heard_follower(replica, peer, reply);
        }
    }
    return replica_feed_message(replica, peer->id, &message, NULL, 0, error);
}

/* libraft knows no reads; what is committed they may tell it. */
static bool receive_read_reply(struct replica *replica, const struct replica_peer *peer,
                               const struct peer_message *reply, struct error *error)
{
    struct filter_asked asked = what_was_asked(replica, peer);
    if (!filter_reply_counts(reply, &asked)) {
        return true;
    }
    if (reply->type == PEER_READ_ANSWER) {
        return replica_receive_read_answer(replica, peer->id, reply, error);
    }
    replica_receive_read_index_result(replica, peer->id, reply);
    return true;
}

static bool receive_timeout_now(struct replica *replica, uint64_t peer_id,
                                const struct peer_message *request, struct error *error)
{
    struct raft_message message = {
        .type = RAFT_TIMEOUT_NOW,
        .timeout_now =
            {
                .term = request->timeout_now.term,
                .last_log_index = request->timeout_now.last_log_index,
                .last_log_term = request->timeout_now.last_log_term,
            },
    };
    /* Only the leader of this very term may tell us to take over; libraft would take the term from
     * anyone whom it followed last. */
    if (request->timeout_now.term != replica->term || replica->leader_id != peer_id) {
        return true;
    }
    return replica_feed_message(replica, peer_id, &message, NULL, 0, error);
}

bool replica_receive_message(struct replica *replica, uint64_t peer_id,
                             struct peer_message *message, struct error *error)
{
    struct error why;
    struct replica_peer *peer = replica_peer_slot(replica, peer_id);
    if (peer == NULL || !filter_message_is_sound(peer_id, message, &why)) {
        replica->refused_count++;
        return true;
    }
    switch (message->type) {
    case PEER_APPEND_ENTRIES:
        return receive_append_entries(replica, peer_id, message, error);
    case PEER_REQUEST_VOTE:
        return receive_request_vote(replica, peer_id, message, error);
    case PEER_REQUEST_VOTE_RESULT:
    case PEER_APPEND_ENTRIES_RESULT:
        return receive_reply(replica, peer, message, error);
    case PEER_TIMEOUT_NOW:
        return receive_timeout_now(replica, peer_id, message, error);
    case PEER_INSTALL_SNAPSHOT:
        replica_receive_snapshot(replica, peer_id, message);
        return true;
    case PEER_READ_INDEX:
        replica_receive_read_index(replica, peer_id, message);
        return true;
    case PEER_READ_INDEX_RESULT:
    case PEER_READ_ANSWER:
        return receive_read_reply(replica, peer, message, error);
    case PEER_READ_ASK:
        replica_receive_read_ask(replica, peer, message);
        return true;
    case PEER_CHECKPOINT_ASK:
    case PEER_CHECKPOINT_PART:
    case PEER_DIGEST_REPORT:
    case PEER_DIGEST_DIFFERS:
    case PEER_DIGEST_BORNE_OUT:
    case PEER_PING:
    case PEER_PONG:
        break; /* not sound: the owner's, and the owner has not taken it */
    }
    return true;
}
