/*
 * checks_said.c - what leaves a node must be true of its disk, and of its log.
 *
 * A message is a promise: a term that the sender never falls behind, a vote that it never gives to
 * another, entries that it will find again after any crash. So whatever a message says is held
 * against what the disk had when it left. What a leader sends is also what makes it one: the
 * entries it sends are in its own log, and its commit index in a message counts as said.
 */
#include "checks_internal.h"

/* The term in which the sender speaks as its own; 0: the message carries none. */
static uint64_t term_of(const struct peer_message *message)
{
    switch (message->type) {
    case PEER_REQUEST_VOTE:
        return message->sent_term;
    case PEER_REQUEST_VOTE_RESULT:
        /* A granted pre-vote repeats the term that was asked for. */
        return message->request_vote_result.pre_vote && message->request_vote_result.vote_granted
                   ? 0
                   : message->request_vote_result.term;
    case PEER_APPEND_ENTRIES:
        return message->append_entries.term;
    case PEER_APPEND_ENTRIES_RESULT:
        return message->append_entries_result.term;
    case PEER_TIMEOUT_NOW:
        return message->timeout_now.term;
    case PEER_INSTALL_SNAPSHOT:
        return message->install_snapshot.term;
    case PEER_CHECKPOINT_ASK:
    case PEER_CHECKPOINT_PART:
    case PEER_PING:
    case PEER_PONG:
        return 0;
    case PEER_DIGEST_REPORT:
    case PEER_DIGEST_DIFFERS:
    case PEER_DIGEST_BORNE_OUT:
    case PEER_READ_INDEX:
    case PEER_READ_ASK:
    case PEER_READ_ANSWER: /* the echo of a term in which it led, and leads */
        return message->sent_term;
    case PEER_READ_INDEX_RESULT:
        return message->read_index_result.term;
    }
    return 0;
}

/* Nobody speaks in a term that it could forget, nor in one that it has left. */
static void check_term(struct checks *checks, size_t node, uint64_t term)
{
    const struct node_view *view = &checks->nodes[node];
    if (term != 0 && term != view->term) {
        world_fail(checks->world, term > view->term ? CHECK_SAID_DURABLE : CHECK_VOTE,
                   "n%zu speaks in term %" PRIu64 ", its disk has term %" PRIu64, node + 1, term,
                   view->term);
    }
}

/* A vote that leaves, for itself in a request. That it does not change later is the disk's matter
 * (checks_hard_state). */
static void check_vote(struct checks *checks, size_t node, uint64_t term, uint64_t voted_for)
{
    const struct node_view *view = &checks->nodes[node];
    if (view->term != term || view->voted_for != voted_for) {
        world_fail(checks->world, CHECK_SAID_DURABLE,
                   "n%zu votes for n%" PRIu64 " in term %" PRIu64 ", its disk has n%" PRIu64
                   " in term %" PRIu64,
                   node + 1, voted_for, term, view->voted_for, view->term);
    }
}

/* Nobody disturbs the others with a new term before a majority has said that it would vote for it
 * (dissertation, section 9.6): of the voters of the candidate's latest configuration. A candidate
 * that has lost goes on to the next term without asking.
 */
static void check_pre_votes(struct checks *checks, size_t node, uint64_t term)
{
    struct node_view *view = &checks->nodes[node];
    const struct term_view *record = checks_term(checks, node, term);
    if (record == NULL) {
        return;
    }
    bool goes_on = view->stands_in == term || (view->stands_in != 0 && view->stands_in + 1 == term);
    const struct known *configuration = checks_configuration_of(view);
    node_set pre_votes = record->candidacies[node].pre_votes | (node_set)1 << node;
    if (!goes_on && !checks_is_majority(configuration, pre_votes)) {
        world_fail(checks->world, CHECK_VOTE,
                   "n%zu asks for votes in term %" PRIu64 " with %zu pre-votes of %zu", node + 1,
                   term, checks_voters_among(configuration, pre_votes),
                   checks_set_size(configuration->voters));
    }
    view->stands_in = term;
}

static void check_request_vote(struct checks *checks, size_t node,
                               const struct peer_message *message)
{
    const struct node_view *view = &checks->nodes[node];
    uint64_t last_index = message->request_vote.last_log_index;
    uint64_t last_term = message->request_vote.last_log_term;
    const struct known *last = checks_log_at(&view->disk, last_index);
    /* Every node makes the same entry 1 by itself: to have it no disk is needed. */
    if (last_index > 1 && (last == NULL || last->entry->term != last_term)) {
        world_fail(checks->world, CHECK_SAID_DURABLE,
                   "n%zu stands for election with an entry %" PRIu64 " of term %" PRIu64
                   ", which its disk does not have",
                   node + 1, last_index, last_term);
        return;
    }
    if (message->request_vote.pre_vote) {
        checks->nodes[node].stands_in = 0;
        return;
    }
    if (!message->request_vote.disrupt_leader) {
        check_pre_votes(checks, node, message->request_vote.term);
    }
    check_vote(checks, node, message->request_vote.term, node + 1);
    struct term_view *record = checks_term(checks, node, message->request_vote.term);
    if (record != NULL) {
        record->candidacies[node].last_log_index = last_index;
        record->candidacies[node].last_log_term = last_term;
    }
}

/* A vote is for a log that is no worse than the voter's (dissertation, section 3.6.1). */
static void check_vote_result(struct checks *checks, size_t node, size_t to,
                              const struct peer_message *message)
{
    const struct node_view *view = &checks->nodes[node];
    uint64_t term = message->request_vote_result.term;
    if (!message->request_vote_result.vote_granted) {
        return;
    }
    if (message->request_vote_result.pre_vote) {
        struct term_view *asked = checks_term(checks, node, term);
        if (asked != NULL) {
            asked->candidacies[to].pre_votes |= (node_set)1 << node;
        }
        return;
    }
    check_vote(checks, node, term, to + 1);
    struct term_view *record = checks_term(checks, node, term);
    if (record == NULL) {
        return;
    }
    struct candidacy *candidacy = &record->candidacies[to];
    const struct known *last = checks_log_at(&view->asked, view->asked.last);
    uint64_t last_term = last != NULL ? last->entry->term : 0;
    if (last_term > candidacy->last_log_term ||
        (last_term == candidacy->last_log_term && view->asked.last > candidacy->last_log_index)) {
        world_fail(checks->world, CHECK_VOTE,
                   "n%zu votes in term %" PRIu64 " for n%zu, whose log ends at (%" PRIu64
                   ", term %" PRIu64 "); its own at (%" PRIu64 ", term %" PRIu64 ")",
                   node + 1, term, to + 1, candidacy->last_log_index, candidacy->last_log_term,
                   view->asked.last, last_term);
        return;
    }
    candidacy->votes |= (node_set)1 << node;
}

static void check_append(struct checks *checks, size_t node, const struct peer_message *message)
{
    const struct known_log *log = &checks->nodes[node].asked;
    uint64_t prev_index = message->append_entries.prev_log_index;
    const struct known *prev = checks_log_at(log, prev_index);
    checks_leads(checks, node, message->append_entries.term);
    if (prev_index != 0 &&
        (prev == NULL || prev->entry->term != message->append_entries.prev_log_term)) {
        world_fail(checks->world, CHECK_LOG_MATCHING,
                   "n%zu sends what follows (%" PRIu64 ", term %" PRIu64
                   "), which its log does not have",
                   node + 1, prev_index, message->append_entries.prev_log_term);
        return;
    }
    for (size_t i = 0; i < message->append_entries.entry_count; i++) {
        const struct entry *entry = message->append_entries.entries[i];
        const struct known *own = checks_log_at(log, prev_index + 1 + i);
        if (own == NULL || !checks_same_entry(own->entry, entry)) {
            world_fail(checks->world, CHECK_LOG_MATCHING,
                       "n%zu sends (%" PRIu64 ", term %" PRIu64 ") as its entry %" PRIu64
                       ", which it is not",
                       node + 1, entry->index, entry->term, prev_index + 1 + i);
            return;
        }
    }
    if (message->append_entries.leader_commit > checks->nodes[node].commit_index) {
        checks_commits(checks, node, message->append_entries.leader_commit);
    }
}

/* Success: the disk has, up to there, what the asking leader has. The leader's log is only longer
 * while it leads. */
static void check_append_result(struct checks *checks, size_t node, size_t to,
                                const struct peer_message *message)
{
    const struct node_view *view = &checks->nodes[node];
    const struct node_view *leader = &checks->nodes[to];
    uint64_t index = message->append_entries_result.last_log_index;
    if (message->append_entries_result.rejected != 0) {
        if (index > view->asked.last) {
            world_fail(checks->world, CHECK_SAID_DURABLE,
                       "n%zu says that its log ends at %" PRIu64 ", it ends at %" PRIu64, node + 1,
                       index, view->asked.last);
        }
        return;
    }
    const struct known *own = checks_log_at(&view->disk, index);
    /* Every node makes the same entry 1 by itself: to have it no disk is needed. */
    if (own == NULL && index > 1) {
        world_fail(checks->world, CHECK_SAID_DURABLE,
                   "n%zu acknowledges entry %" PRIu64 ", its disk ends at %" PRIu64, node + 1,
                   index, view->disk.last);
        return;
    }
    if (message->sent_term != message->append_entries_result.term) {
        world_fail(checks->world, CHECK_SAID_DURABLE,
                   "n%zu acknowledges in term %" PRIu64 " what was sent in term %" PRIu64, node + 1,
                   message->append_entries_result.term, message->sent_term);
        return;
    }
    if (index > 1 && leader->role == REPLICA_LEADER && leader->role_term == message->sent_term &&
        checks_log_at(&leader->asked, index) != own) {
        world_fail(checks->world, CHECK_SAID_DURABLE,
                   "n%zu acknowledges entry %" PRIu64 " to n%zu, its disk has another one, of "
                   "term %" PRIu64,
                   node + 1, index, to + 1, own->entry->term);
        return;
    }
    struct term_view *record = checks_term(checks, node, message->sent_term);
    if (record != NULL && index > record->acknowledged[node]) {
        record->acknowledged[node] = index;
    }
}

/* The index that a leader vouches for is committed. That it is high enough is what reads show. */
static void check_read_answer(struct checks *checks, size_t node,
                              const struct peer_message *message)
{
    checks_leads(checks, node, message->sent_term);
    if (message->read_answer.index > checks->nodes[node].commit_index) {
        checks_commits(checks, node, message->read_answer.index);
    }
}

void checks_sent(struct checks *checks, size_t node, size_t to, const struct peer_message *message)
{
    if (checks->world->failed) {
        return;
    }
    trace_sent(&checks->world->trace, node, to, message);
    if (checks->nodes[node].lost) {
        return;
    }
    check_term(checks, node, term_of(message));
    switch (message->type) {
    case PEER_REQUEST_VOTE:
        check_request_vote(checks, node, message);
        break;
    case PEER_REQUEST_VOTE_RESULT:
        check_vote_result(checks, node, to, message);
        break;
    case PEER_APPEND_ENTRIES:
        check_append(checks, node, message);
        break;
    case PEER_APPEND_ENTRIES_RESULT:
        check_append_result(checks, node, to, message);
        break;
    case PEER_TIMEOUT_NOW:
        checks_timeout_now(checks, node, to, message);
        break;
    case PEER_INSTALL_SNAPSHOT:
        checks_offered(checks, node, message);
        break;
    case PEER_READ_INDEX:
        checks_leads(checks, node, message->sent_term);
        break;
    case PEER_READ_ANSWER:
        check_read_answer(checks, node, message);
        break;
    case PEER_READ_INDEX_RESULT:
    case PEER_READ_ASK:
    case PEER_CHECKPOINT_ASK:
    case PEER_CHECKPOINT_PART:
    case PEER_DIGEST_REPORT:
    case PEER_DIGEST_DIFFERS:
    case PEER_DIGEST_BORNE_OUT:
    case PEER_PING:
    case PEER_PONG:
        break;
    }
}
