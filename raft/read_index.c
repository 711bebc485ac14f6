/*
 * read_index.c - linearizable reads without a write to the log (dissertation, section 6.4).
 *
 * What has to be known before a read may be answered from a state: that the state holds everything
 * that was acknowledged before the read came. A leader that has committed an entry of its own term
 * (rule 10) knows an index behind all of that, its commit index, for as long as nobody else leads;
 * and whether somebody else does it learns from the voters, for a later leader has the word of a
 * majority of them.
 *
 * The happy path, a round: reads join (replica_read_join) while the round before is under way; at
 * the end of a turn of the owner's loop the leader notes its commit index and asks the voters "is
 * your term still mine?" (READ_INDEX); with a majority of yes, itself included, the round is
 * confirmed: read_confirmed, and whoever joined may be answered when the index is applied. A
 * follower asks its leader for an index instead (READ_ASK); such questions join the leader's rounds
 * as its own reads do, and the confirmed index goes back as READ_ANSWER. It tells the follower,
 * besides, what is committed.
 *
 * Invariants:
 * - A read joins only a round that has not been sent. Else the commit index could have been noted,
 *   and a yes been given, before the read came - and the answer be older than what was acknowledged
 *   in between.
 * - A yes counts for the round it was asked in, and no other. Rounds are numbered; the number of an
 *   answer must be that of the round under way, and its echo our present term (rule 5). Numbers are
 *   not used twice in one term, not even over restarts: a leader that restarts leads in a later
 *   term, and followers begin to count at a random place (the seed).
 * - A yes is a term equal to ours. A voter with a higher one may have elected somebody; one with a
 *   lower one has not, but it is behind and soon says yes.
 * - The voters are those of the latest configuration as it was when the round was sent. Two that
 *   follow each other differ by one voter, so that their majorities overlap. A leader of a later
 *   term that was elected before had its votes from that configuration or from the one before it,
 *   for a change is only made when the one before is committed (rule 11). So one of those who
 *   elected it is among the majority that says yes, and would not have said it. What changes while
 *   a round is under way does not make it wrong. But it can make it endless, for a voter that was
 *   removed may be switched off: then the round is sent anew, to those who are voters now.
 * - Each round of the owner's ends exactly once, with read_confirmed or with read_failed.
 *
 * What can fail: messages are lost: a question is asked again after a heartbeat's time, of those
 * who have not answered it. Leadership is lost, or the leader whom a follower asked: every round of
 * the owner's fails. A leader that reaches no majority steps down after an election timeout, and a
 * follower that hears nothing from its leader drops it after one, so that no round waits for ever.
 */
#include <assert.h>

#include "base/planted.h"
#include "configuration.h"
#include "replica_internal.h"

void replica_reads_open(struct replica *replica, uint32_t seed)
{
    replica->reads.number = (uint64_t)seed << 32;
    replica->reads.collecting = 1;
}

bool replica_read_join(struct replica *replica, uint64_t *round)
{
    struct replica_reads *reads = &replica->reads;
    assert(replica->started && !replica->in_turn);
    if (replica->broken || (replica->state != REPLICA_LEADER && replica->leader_id == 0)) {
        return false;
    }
    if (PLANTED(READ_JOINS_SENT_ROUND) && reads->under_way && reads->own_round != 0) {
        *round = reads->own_round;
        return true;
    }
    reads->wanted = true;
    *round = reads->collecting;
    return true;
}

/* ---- leader ---- */

static bool is_wanted(const struct replica *replica)
{
    for (size_t i = 0; i < LIMIT_PEERS_KNOWN; i++) {
        if (replica->peers[i].read_waits != 0) {
            return true;
        }
    }
    return replica->reads.wanted;
}

static bool voters_have_changed(const struct replica *replica)
{
    const struct replica_reads *reads = &replica->reads;
    uint64_t voters[LIMIT_NODES];
    size_t count = replica_voters(replica, voters);
    return count != reads->voter_count ||
           memcmp(voters, reads->voters, count * sizeof voters[0]) != 0;
}

static void ask_voters(struct replica *replica)
{
    struct replica_reads *reads = &replica->reads;
    const struct peer_message question = {
        .type = PEER_READ_INDEX,
        .sent_term = replica->term,
        .read_index = {.round = reads->number},
    };
    reads->asked_ms = replica->now_ms;
    for (size_t i = 0; i < reads->voter_count; i++) {
        if (!reads->agreed[i]) {
            replica_send_message(replica, reads->voters[i], &question);
        }
    }
}

static void end_confirmed(struct replica *replica, uint64_t index)
{
    struct replica_reads *reads = &replica->reads;
    reads->under_way = false;
    if (reads->own_round != 0) {
        replica->env.read_confirmed(replica->env.context, reads->own_round, index);
    }
}

/* The round is confirmed once a majority agrees. */
static void count_majority(struct replica *replica)
{
    struct replica_reads *reads = &replica->reads;
    size_t agreed = 0;
    for (size_t i = 0; i < reads->voter_count; i++) {
        agreed += reads->agreed[i];
    }
    if (agreed <= reads->voter_count / 2 && !PLANTED(READ_UNCONFIRMED)) {
        return;
    }
    for (size_t i = 0; i < LIMIT_PEERS_KNOWN; i++) {
        struct replica_peer *peer = &replica->peers[i];
        if (peer->read_under_way != 0) {
            const struct peer_message answer = {
                .type = PEER_READ_ANSWER,
                .sent_term = replica->term,
                .read_answer = {.round = peer->read_under_way, .index = reads->index},
            };
            peer->read_under_way = 0;
            replica_send_message(replica, peer->id, &answer);
        }
    }
    end_confirmed(replica, reads->index);
}

static void send_round(struct replica *replica)
{
    struct replica_reads *reads = &replica->reads;
    reads->number++;
    reads->index = replica->commit_index;
    reads->voter_count = replica_voters(replica, reads->voters);
    for (size_t i = 0; i < reads->voter_count; i++) {
        reads->agreed[i] = reads->voters[i] == replica->id;
    }
    ask_voters(replica);
    count_majority(replica); /* a lone voter is one */
}

/* Those who collect are under way now. */
static void close_collecting(struct replica *replica)
{
    struct replica_reads *reads = &replica->reads;
    reads->under_way = true;
    reads->own_round = reads->wanted ? reads->collecting++ : 0;
    reads->wanted = false;
    for (size_t i = 0; i < LIMIT_PEERS_KNOWN; i++) {
        replica->peers[i].read_under_way = replica->peers[i].read_waits;
        replica->peers[i].read_waits = 0;
    }
}

static bool is_due(const struct replica *replica)
{
    return replica->now_ms >= replica->reads.asked_ms + replica->heartbeat_ms;
}

static void lead_rounds(struct replica *replica)
{
    struct replica_reads *reads = &replica->reads;
    if (!replica_barrier_is_applied(replica) && !PLANTED(READ_BEFORE_BARRIER)) {
        return;
    }
    if (!reads->under_way) {
        if (is_wanted(replica)) {
            close_collecting(replica);
            send_round(replica);
        }
    } else if (voters_have_changed(replica)) {
        send_round(replica);
    } else if (is_due(replica)) {
        ask_voters(replica);
    }
}

void replica_receive_read_index_result(struct replica *replica, uint64_t peer_id,
                                       const struct peer_message *result)
{
    struct replica_reads *reads = &replica->reads;
    if (!reads->under_way || result->read_index_result.round != reads->number ||
        result->read_index_result.term != replica->term) {
        return;
    }
    for (size_t i = 0; i < reads->voter_count; i++) {
        if (reads->voters[i] == peer_id) {
            reads->agreed[i] = true;
        }
    }
    count_majority(replica);
}

/* A follower's question joins the round that collects. One that it repeats is there already. */
void replica_receive_read_ask(struct replica *replica, struct replica_peer *peer,
                              const struct peer_message *ask)
{
    if (replica->state == REPLICA_LEADER && ask->sent_term == replica->term &&
        ask->read_ask.round != peer->read_under_way) {
        peer->read_waits = ask->read_ask.round;
    }
}

/* ---- voter ---- */

void replica_receive_read_index(struct replica *replica, uint64_t peer_id,
                                const struct peer_message *question)
{
    const struct peer_message result = {
        .type = PEER_READ_INDEX_RESULT,
        .sent_term = question->sent_term,
        .read_index_result = {.round = question->read_index.round, .term = replica->term},
    };
    /* Rule 15: a second leader of our own term is none. */
    if (replica->state != REPLICA_LEADER || question->sent_term != replica->term) {
        replica_send_message(replica, peer_id, &result);
    }
}

/* ---- follower ---- */

static void ask_leader(struct replica *replica)
{
    const struct peer_message ask = {
        .type = PEER_READ_ASK,
        .sent_term = replica->term,
        .read_ask = {.round = replica->reads.number},
    };
    replica->reads.asked_ms = replica->now_ms;
    replica_send_message(replica, replica->leader_id, &ask);
}

static void follow_rounds(struct replica *replica)
{
    struct replica_reads *reads = &replica->reads;
    if (!reads->under_way && reads->wanted) {
        close_collecting(replica);
        reads->number++;
        ask_leader(replica);
    } else if (reads->under_way && is_due(replica)) {
        ask_leader(replica);
    }
}

/* The index is a commit index, and the next append may be a heartbeat away: what we are known to
 * share with the leader is applied now. libraft gets to know it as from an empty append of the
 * leader behind that entry, for nothing may be applied of which it does not know that it is
 * committed (snapshot.c); its answer to that nobody has asked for. During an install there is no
 * such entry: nothing is written, so the tail is empty. */
static bool feed_commit(struct replica *replica, uint64_t index, struct error *error)
{
    const struct entry *entry = tail_get(&replica->tail, index);
    if (replica->matched_term != replica->term || index > replica->matched_index ||
        index <= replica->commit_index || entry == NULL) {
        return true;
    }
    if (PLANTED(READ_ANSWER_UNTOLD)) {
        replica->commit_index = index;
        return true;
    }
    struct raft_message message = {
        .type = RAFT_APPEND_ENTRIES,
        .append_entries =
            {
                .term = replica->term,
                .prev_log_index = index,
                .prev_log_term = entry->term,
                .leader_commit = index,
            },
    };
    replica->is_silent = true;
    bool fed = replica_feed_message(replica, replica->leader_id, &message, NULL, 0, error);
    replica->is_silent = false;
    return fed;
}

bool replica_receive_read_answer(struct replica *replica, uint64_t peer_id,
                                 const struct peer_message *answer, struct error *error)
{
    struct replica_reads *reads = &replica->reads;
    uint64_t index = answer->read_answer.index;
    if (!reads->under_way || peer_id != replica->leader_id ||
        answer->read_answer.round != reads->number) {
        return true;
    }
    if (!feed_commit(replica, index, error)) {
        return false;
    }
    end_confirmed(replica, index);
    return true;
}

/* ---- both ---- */

void replica_reads_tick(struct replica *replica)
{
    if (replica->state == REPLICA_LEADER) {
        lead_rounds(replica);
    } else if (replica->leader_id != 0) {
        follow_rounds(replica);
    }
}

uint64_t replica_reads_next_ms(const struct replica *replica)
{
    const struct replica_reads *reads = &replica->reads;
    bool leads = replica->state == REPLICA_LEADER;
    if (leads ? !replica_barrier_is_applied(replica) : replica->leader_id == 0) {
        return UINT64_MAX;
    }
    if (reads->under_way) {
        return reads->asked_ms + replica->heartbeat_ms;
    }
    return (leads ? is_wanted(replica) : reads->wanted) ? replica->now_ms : UINT64_MAX;
}

void replica_reads_fail(struct replica *replica)
{
    struct replica_reads *reads = &replica->reads;
    uint64_t own_round = reads->under_way ? reads->own_round : 0;
    uint64_t collecting = reads->wanted ? reads->collecting++ : 0;
    reads->under_way = false;
    reads->wanted = false;
    for (size_t i = 0; i < LIMIT_PEERS_KNOWN; i++) {
        replica->peers[i].read_waits = 0;
        replica->peers[i].read_under_way = 0;
    }
    if (own_round != 0) {
        replica->env.read_failed(replica->env.context, own_round);
    }
    if (collecting != 0) {
        replica->env.read_failed(replica->env.context, collecting);
    }
}
