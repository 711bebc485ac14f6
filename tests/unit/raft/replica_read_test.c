/*
 * replica_read_test.c - reads without a write to the log: what a leader must have been told before
 * it vouches for an index, and what a follower must have been told by its leader.
 */
#include "replica_fixture.h"

/* The number of the question that was last sent to this peer. */
static uint64_t asked(const struct fixture *fixture, uint64_t peer_id)
{
    const struct peer_message *question = fixture_sent_last(fixture, peer_id, PEER_READ_INDEX);
    assert_non_null(question);
    assert_int_equal(question->sent_term, fixture->term);
    return question->read_index.round;
}

static size_t questions(const struct fixture *fixture, uint64_t peer_id)
{
    return fixture_sent_count(fixture, peer_id, PEER_READ_INDEX);
}

static uint64_t join(struct fixture *fixture)
{
    uint64_t round = 0;
    assert_true(replica_read_join(fixture->replica, &round));
    assert_int_not_equal(round, 0);
    return round;
}

/* Another turn of the owner's loop; no time has passed. */
static void turn(struct fixture *fixture)
{
    assert_true(replica_tick(fixture->replica, fixture->now_ms, &fixture->error));
}

static void pass(struct fixture *fixture, uint64_t ms)
{
    fixture->now_ms += ms;
    turn(fixture);
}

static void agree(struct fixture *fixture, uint64_t peer_id, uint64_t number)
{
    assert_true(fixture_receive(fixture, peer_id,
                                fixture_read_index_result(fixture->term, number, fixture->term)));
}

static void assert_ended(const struct fixture *fixture, size_t count, uint64_t round,
                         uint64_t index)
{
    assert_int_equal(fixture->reads_ended_count, count);
    assert_int_equal(fixture->reads_ended[count - 1].round, round);
    assert_int_equal(fixture->reads_ended[count - 1].index, index);
}

/* The log is on our disk and on this peer's. */
static void acknowledge(struct fixture *fixture, uint64_t peer_id)
{
    assert_true(fixture_sync_all(fixture));
    assert_true(fixture_receive(fixture, peer_id,
                                fixture_append_success(fixture->term, fixture->log_last)));
}

static uint64_t commit_index(const struct fixture *fixture)
{
    struct replica_status status;
    replica_status_get(fixture->replica, &status);
    return status.commit_index;
}

/* ---- a leader ---- */

static void a_majority_confirms(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_new();
    fixture_start_leader(fixture, 5, 1);
    uint64_t round = join(fixture);
    assert_int_equal(join(fixture), round); /* any number joins */
    assert_int_equal(fixture->sent_count, 0);
    turn(fixture);
    for (uint64_t peer = 2; peer <= 5; peer++) {
        assert_int_equal(questions(fixture, peer), 1);
        assert_int_equal(asked(fixture, peer), asked(fixture, 2));
    }
    assert_int_equal(fixture->log_last, fixture->applied_index); /* nothing is written */
    agree(fixture, 2, asked(fixture, 2));
    agree(fixture, 2, asked(fixture, 2)); /* says it twice, and is one */
    assert_int_equal(fixture->reads_ended_count, 0);
    agree(fixture, 3, asked(fixture, 2));
    assert_ended(fixture, 1, round, commit_index(fixture));
    agree(fixture, 4, asked(fixture, 2));
    assert_int_equal(fixture->reads_ended_count, 1);
    /* What has ended does not end again with the leadership. */
    assert_true(fixture_receive(fixture, 2, fixture_append(fixture->term + 1, 1, 1, 1)));
    assert_int_equal(fixture->reads_ended_count, 1);
    fixture_free(fixture);
}

static void a_lone_voter_confirms_at_once(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_new();
    fixture_found(fixture, 1);
    fixture->term = 1;
    assert_true(fixture_start(fixture, 1, 1));
    assert_true(fixture_sync_all(fixture));
    uint64_t round = join(fixture);
    turn(fixture);
    assert_ended(fixture, 1, round, commit_index(fixture));
    fixture_free(fixture);
}

/* What is acknowledged while the voters are being asked is behind the index that was noted: who
 * comes after it must not be content with the answers. */
static void a_read_joins_only_a_round_that_has_not_been_sent(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_new();
    fixture_start_leader(fixture, 3, 1);
    uint64_t before = commit_index(fixture);
    uint64_t first = join(fixture);
    turn(fixture);
    uint64_t first_number = asked(fixture, 2);
    fixture_submit(fixture, "acknowledged");
    acknowledge(fixture, 2);
    assert_int_equal(fixture->applied_index, before + 1);
    uint64_t second = join(fixture);
    assert_int_not_equal(second, first);
    turn(fixture);
    assert_int_equal(questions(fixture, 2), 1); /* one at a time */
    agree(fixture, 2, first_number);
    assert_ended(fixture, 1, first, before);
    turn(fixture);
    assert_int_equal(questions(fixture, 2), 2);
    assert_int_not_equal(asked(fixture, 2), first_number);
    /* A late yes is one to the question that it answers. */
    agree(fixture, 3, first_number);
    assert_int_equal(fixture->reads_ended_count, 1);
    agree(fixture, 3, asked(fixture, 3));
    assert_ended(fixture, 2, second, before + 1);
    fixture_free(fixture);
}

static void only_our_own_term_is_a_yes(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_new();
    fixture_start_leader(fixture, 3, 1);
    uint64_t term = fixture->term;
    join(fixture);
    turn(fixture);
    uint64_t number = asked(fixture, 2);
    assert_true(fixture_receive(fixture, 2, fixture_read_index_result(term, number, term + 1)));
    assert_true(fixture_receive(fixture, 2, fixture_read_index_result(term, number, term - 1)));
    assert_true(fixture_receive(fixture, 2, fixture_read_index_result(term - 1, number, term)));
    assert_true(fixture_receive(fixture, 2, fixture_read_index_result(term + 1, number, term)));
    assert_int_equal(fixture->reads_ended_count, 0);
    agree(fixture, 2, number);
    assert_int_equal(fixture->reads_ended_count, 1);
    fixture_free(fixture);
}

static void change(struct fixture *fixture, enum replica_change_kind kind, uint64_t id,
                   const char *address)
{
    const struct replica_change change = {kind, id, address};
    bool accepted;
    struct error why;
    assert_true(replica_change_members(fixture->replica, &change, fixture->now_ms, &accepted, &why,
                                       &fixture->error));
    assert_true(accepted);
}

static void only_voters_count(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_new();
    fixture_start_leader(fixture, 3, 1);
    change(fixture, REPLICA_ADD_STANDBY, 4, "m4:7000");
    acknowledge(fixture, 2);
    join(fixture);
    turn(fixture);
    assert_int_equal(questions(fixture, 4), 0);
    agree(fixture, 4, asked(fixture, 2)); /* a standby */
    agree(fixture, 9, asked(fixture, 2)); /* a stranger */
    assert_int_equal(fixture->reads_ended_count, 0);
    agree(fixture, 3, asked(fixture, 2));
    assert_int_equal(fixture->reads_ended_count, 1);
    fixture_free(fixture);
}

/* A voter that is removed may be switched off: its word would be waited for for ever. */
static void other_voters_are_asked_anew(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_new();
    fixture_start_leader(fixture, 4, 1);
    uint64_t round = join(fixture);
    turn(fixture);
    uint64_t number = asked(fixture, 2);
    change(fixture, REPLICA_REMOVE, 4, NULL);
    fixture_forget(fixture);
    turn(fixture);
    assert_int_equal(questions(fixture, 4), 0);
    assert_int_not_equal(asked(fixture, 2), number);
    agree(fixture, 2, number);
    assert_int_equal(fixture->reads_ended_count, 0);
    agree(fixture, 2, asked(fixture, 2)); /* of three now */
    assert_ended(fixture, 1, round, commit_index(fixture));
    fixture_free(fixture);
}

static void a_question_is_repeated_until_it_is_answered(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_new();
    fixture_start_leader(fixture, 5, 1);
    uint64_t round = join(fixture);
    assert_int_equal(replica_next_ms(fixture->replica), fixture->now_ms);
    turn(fixture);
    uint64_t number = asked(fixture, 2);
    uint64_t heartbeat_ms = DEFAULT_ELECTION_TIMEOUT_MS / HEARTBEATS_PER_ELECTION_TIMEOUT;
    assert_true(replica_next_ms(fixture->replica) > fixture->now_ms);
    assert_true(replica_next_ms(fixture->replica) <= fixture->now_ms + heartbeat_ms);
    agree(fixture, 2, number);
    pass(fixture, heartbeat_ms - 1);
    assert_int_equal(questions(fixture, 3), 1);
    pass(fixture, 1);
    assert_int_equal(questions(fixture, 2), 1);
    assert_int_equal(questions(fixture, 3), 2);
    assert_int_equal(asked(fixture, 3), number); /* the same: an answer to either will do */
    turn(fixture);
    assert_int_equal(questions(fixture, 3), 2);
    agree(fixture, 3, number);
    assert_ended(fixture, 1, round, commit_index(fixture));
    assert_true(replica_next_ms(fixture->replica) > fixture->now_ms);
    fixture_free(fixture);
}

/* Rule 10: until an entry of its own term is committed, a leader's commit index may lie behind what
 * its predecessor acknowledged. */
static void rounds_wait_for_the_barrier(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_new();
    fixture_start_follower(fixture, 3, 1);
    assert_true(fixture_tick(fixture));
    assert_true(fixture_receive(fixture, 2, fixture_vote_result(1, 2, true, true)));
    assert_true(fixture_receive(fixture, 2, fixture_vote_result(2, 2, true, false)));
    assert_int_equal(fixture->state, REPLICA_LEADER);
    uint64_t round = join(fixture);
    turn(fixture);
    assert_int_equal(questions(fixture, 2), 0);
    assert_true(replica_next_ms(fixture->replica) > fixture->now_ms); /* and no busy loop */
    acknowledge(fixture, 2);
    assert_int_equal(replica_next_ms(fixture->replica), fixture->now_ms);
    turn(fixture);
    agree(fixture, 2, asked(fixture, 2));
    assert_ended(fixture, 1, round, fixture->log_last);
    fixture_free(fixture);
}

static void lost_leadership_fails_all_rounds_once(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_new();
    fixture_start_leader(fixture, 3, 1);
    uint64_t term = fixture->term;
    uint64_t first = join(fixture);
    turn(fixture);
    uint64_t number = asked(fixture, 2);
    uint64_t second = join(fixture);
    assert_true(fixture_receive(fixture, 2, fixture_append(term + 1, 1, 1, 1)));
    assert_int_equal(fixture->state, REPLICA_FOLLOWER);
    assert_int_equal(fixture->reads_ended_count, 2);
    assert_int_equal(fixture->reads_ended[0].round, first);
    assert_int_equal(fixture->reads_ended[0].index, 0);
    assert_ended(fixture, 2, second, 0);
    assert_true(fixture_receive(fixture, 3, fixture_read_index_result(term, number, term)));
    assert_int_equal(fixture->reads_ended_count, 2);
    /* Nobody waits any more; and what comes later is asked of the new leader. */
    fixture_forget(fixture);
    turn(fixture);
    assert_int_equal(fixture->sent_count, 0);
    uint64_t third = join(fixture);
    assert_true(third > second);
    turn(fixture);
    const struct peer_message *question = fixture_sent_last(fixture, 2, PEER_READ_ASK);
    assert_non_null(question);
    assert_true(
        fixture_receive(fixture, 2, fixture_read_answer(term + 1, question->read_ask.round, 5)));
    assert_ended(fixture, 3, third, 5);
    fixture_free(fixture);
}

/* It names no leader meanwhile, and is one until somebody else is elected. */
static void a_leader_that_hands_over_keeps_its_rounds(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_new();
    fixture_start_leader(fixture, 3, 1);
    uint64_t round = join(fixture);
    turn(fixture);
    fixture->replica->raft.leader_state.transferee = 2;
    assert_true(fixture_receive(fixture, 2, fixture_append_success(fixture->term, 1)));
    assert_int_equal(fixture->leader_id, 0);
    assert_int_equal(fixture->reads_ended_count, 0);
    assert_true(join(fixture) > round);
    agree(fixture, 2, asked(fixture, 2));
    assert_ended(fixture, 1, round, commit_index(fixture));
    /* Nobody answers it any more: it is one no longer, and no other is known. */
    for (size_t i = 0; i < 32 && fixture->state == REPLICA_LEADER; i++) {
        assert_true(fixture_tick(fixture));
    }
    assert_int_equal(fixture->state, REPLICA_FOLLOWER);
    assert_ended(fixture, 2, round + 1, 0);
    fixture_free(fixture);
}

/* ---- a voter ---- */

static void a_voter_tells_its_term(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_new();
    fixture_start_follower(fixture, 3, 4);
    for (uint64_t term = 3; term <= 5; term++) {
        fixture_forget(fixture);
        assert_true(fixture_receive(fixture, 2, fixture_read_index(term, 17)));
        const struct peer_message *result = fixture_sent_last(fixture, 2, PEER_READ_INDEX_RESULT);
        assert_non_null(result);
        assert_int_equal(result->sent_term, term); /* the echo */
        assert_int_equal(result->read_index_result.round, 17);
        assert_int_equal(result->read_index_result.term, 4);
        assert_int_equal(fixture->term, 4); /* a question is no reason to follow */
    }
    fixture_free(fixture);
}

static void a_leader_agrees_with_no_second_one(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_new();
    fixture_start_leader(fixture, 3, 1);
    assert_true(fixture_receive(fixture, 2, fixture_read_index(fixture->term, 17)));
    assert_int_equal(fixture_sent_count(fixture, 2, PEER_READ_INDEX_RESULT), 0);
    /* Of one of an earlier term it knows nothing bad, and tells it the term. */
    assert_true(fixture_receive(fixture, 2, fixture_read_index(fixture->term - 1, 17)));
    assert_int_equal(fixture_sent_count(fixture, 2, PEER_READ_INDEX_RESULT), 1);
    fixture_free(fixture);
}

/* ---- a follower's question, at the leader ---- */

static void followers_questions_join_the_next_round(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_new();
    fixture_start_leader(fixture, 3, 1);
    uint64_t term = fixture->term;
    uint64_t index = commit_index(fixture);
    assert_true(fixture_receive(fixture, 2, fixture_read_ask(term, 70)));
    assert_int_equal(replica_next_ms(fixture->replica), fixture->now_ms);
    turn(fixture);
    uint64_t number = asked(fixture, 3);
    /* Under way: a repeated question is part of it, a new one is not. */
    assert_true(fixture_receive(fixture, 2, fixture_read_ask(term, 70)));
    assert_true(fixture_receive(fixture, 3, fixture_read_ask(term, 90)));
    assert_int_equal(fixture_sent_count(fixture, 2, PEER_READ_ANSWER), 0);
    agree(fixture, 3, number);
    const struct peer_message *answer = fixture_sent_last(fixture, 2, PEER_READ_ANSWER);
    assert_non_null(answer);
    assert_int_equal(answer->sent_term, term);
    assert_int_equal(answer->read_answer.round, 70);
    assert_int_equal(answer->read_answer.index, index);
    assert_int_equal(fixture_sent_count(fixture, 3, PEER_READ_ANSWER), 0);
    assert_int_equal(fixture->reads_ended_count, 0); /* none of ours was in it */
    turn(fixture);
    agree(fixture, 3, asked(fixture, 3));
    assert_int_equal(fixture_sent_last(fixture, 3, PEER_READ_ANSWER)->read_answer.round, 90);
    assert_int_equal(fixture_sent_count(fixture, 2, PEER_READ_ANSWER), 1);
    turn(fixture);
    assert_int_equal(questions(fixture, 2), 2); /* nobody waits: nothing is asked */
    /* The answer was lost. */
    assert_true(fixture_receive(fixture, 3, fixture_read_ask(term, 90)));
    turn(fixture);
    agree(fixture, 2, asked(fixture, 2));
    assert_int_equal(fixture_sent_count(fixture, 3, PEER_READ_ANSWER), 2);
    fixture_free(fixture);
}

static void only_a_leader_of_the_askers_term_is_asked(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_new();
    fixture_start_leader(fixture, 3, 1);
    assert_true(fixture_receive(fixture, 2, fixture_read_ask(fixture->term - 1, 70)));
    assert_true(fixture_receive(fixture, 2, fixture_read_ask(fixture->term + 1, 70)));
    turn(fixture);
    assert_int_equal(questions(fixture, 2), 0);
    fixture_free(fixture);

    fixture = fixture_new();
    fixture_start_follower(fixture, 3, 1);
    assert_true(fixture_receive(fixture, 2, fixture_read_ask(1, 70)));
    assert_true(fixture_tick(fixture)); /* a candidate; then a leader */
    assert_true(fixture_receive(fixture, 2, fixture_vote_result(1, 2, true, true)));
    assert_true(fixture_receive(fixture, 2, fixture_vote_result(2, 2, true, false)));
    acknowledge(fixture, 2);
    turn(fixture);
    assert_int_equal(questions(fixture, 2), 0);
    fixture_free(fixture);
}

/* A leader that comes back for another term owes nobody an answer of the last. */
static void lost_leadership_forgets_the_followers_questions(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_new();
    fixture_start_leader(fixture, 3, 1);
    uint64_t term = fixture->term;
    assert_true(fixture_receive(fixture, 2, fixture_read_ask(term, 70)));
    turn(fixture);
    assert_true(fixture_receive(fixture, 3, fixture_read_ask(term, 90)));
    assert_true(fixture_receive(fixture, 2, fixture_append(term + 1, 1, 1, 1)));
    for (size_t i = 0; i < LIMIT_PEERS_KNOWN; i++) {
        assert_int_equal(fixture->replica->peers[i].read_waits, 0);
        assert_int_equal(fixture->replica->peers[i].read_under_way, 0);
    }
    fixture_free(fixture);
}

/* ---- a follower ---- */

static void follow(struct fixture *fixture, uint64_t leader_id, uint64_t term)
{
    fixture_start_follower(fixture, 3, term);
    assert_true(fixture_receive(fixture, leader_id, fixture_append(term, 1, 1, 1)));
    assert_int_equal(fixture->leader_id, leader_id);
    fixture_forget(fixture);
}

static uint64_t ask(const struct fixture *fixture, uint64_t leader_id)
{
    const struct peer_message *question = fixture_sent_last(fixture, leader_id, PEER_READ_ASK);
    assert_non_null(question);
    assert_int_equal(question->sent_term, fixture->term);
    return question->read_ask.round;
}

static void a_follower_asks_its_leader(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_new();
    follow(fixture, 2, 4);
    uint64_t first = join(fixture);
    assert_int_equal(replica_next_ms(fixture->replica), fixture->now_ms);
    turn(fixture);
    uint64_t number = ask(fixture, 2);
    assert_int_equal(fixture->sent_count, 1);
    uint64_t second = join(fixture);
    assert_int_not_equal(second, first);
    turn(fixture);
    assert_int_equal(fixture->sent_count, 1); /* one at a time */
    /* Not the leader's, not to this question, not of this term. */
    assert_true(fixture_receive(fixture, 3, fixture_read_answer(4, number, 9)));
    assert_true(fixture_receive(fixture, 2, fixture_read_answer(4, number + 1, 9)));
    assert_true(fixture_receive(fixture, 2, fixture_read_answer(3, number, 9)));
    assert_int_equal(fixture->reads_ended_count, 0);
    assert_true(fixture_receive(fixture, 2, fixture_read_answer(4, number, 9)));
    assert_ended(fixture, 1, first, 9);
    assert_true(fixture_receive(fixture, 2, fixture_read_answer(4, number, 9))); /* twice */
    assert_int_equal(fixture->reads_ended_count, 1);
    turn(fixture);
    assert_int_not_equal(ask(fixture, 2), number);
    assert_true(fixture_receive(fixture, 2, fixture_read_answer(4, number, 10))); /* late */
    assert_int_equal(fixture->reads_ended_count, 1);
    assert_true(fixture_receive(fixture, 2, fixture_read_answer(4, ask(fixture, 2), 11)));
    assert_ended(fixture, 2, second, 11);
    fixture_free(fixture);
}

static void follow_with_entry(struct fixture *fixture)
{
    follow(fixture, 2, 4);
    struct peer_message append = fixture_append(4, 1, 1, 1);
    fixture_append_entry(&append, 4, ENTRY_COMMAND, BYTES_LITERAL("x"));
    assert_true(fixture_receive(fixture, 2, append));
    assert_true(fixture_sync_all(fixture));
    assert_int_equal(fixture->applied_index, 1);
}

static void hear_index(struct fixture *fixture, uint64_t leader_id, uint64_t index)
{
    join(fixture);
    turn(fixture);
    assert_true(fixture_receive(
        fixture, leader_id, fixture_read_answer(fixture->term, ask(fixture, leader_id), index)));
}

/* It need not wait for the next append to hear what is committed. */
static void an_answer_tells_a_follower_what_is_committed(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_new();
    follow_with_entry(fixture);
    size_t results = fixture_sent_count(fixture, 2, PEER_APPEND_ENTRIES_RESULT);
    hear_index(fixture, 2, 2);
    assert_int_equal(fixture->applied_index, 2);
    /* libraft knows it, too, and nobody hears what it says to that. */
    assert_int_equal(raft_commit_index(&fixture->replica->raft), 2);
    assert_int_equal(fixture_sent_count(fixture, 2, PEER_APPEND_ENTRIES_RESULT), results);
    hear_index(fixture, 2, 1); /* an older one */
    assert_int_equal(commit_index(fixture), 2);
    struct peer_message append = fixture_append(4, 2, 4, 2);
    fixture_append_entry(&append, 4, ENTRY_COMMAND, BYTES_LITERAL("y"));
    assert_true(fixture_receive(fixture, 2, append));
    assert_true(fixture_receive(fixture, 2, fixture_append(4, 2, 4, 2))); /* late: no news */
    hear_index(fixture, 2, 3);
    assert_int_equal(commit_index(fixture), 3);
    assert_int_equal(fixture->applied_index, 2); /* rule 9: not on its disk yet */
    assert_true(fixture_sync_all(fixture));
    assert_int_equal(fixture->applied_index, 3);
    fixture_free(fixture);
}

/* What it has and the leader may not have, or not the same. */
static void an_answer_commits_nothing_that_may_differ(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_new();
    follow_with_entry(fixture);
    hear_index(fixture, 2, 3); /* it lacks the last */
    assert_int_equal(fixture->applied_index, 1);
    /* Of another leader it is known to share the first entry only. */
    assert_true(fixture_receive(fixture, 3, fixture_append(5, 1, 1, 1)));
    assert_int_equal(fixture->leader_id, 3);
    hear_index(fixture, 3, 2);
    assert_int_equal(fixture->applied_index, 1);
    /* An entry of the same index and another term is another one. */
    assert_true(fixture_receive(fixture, 3, fixture_append(5, 2, 5, 1)));
    hear_index(fixture, 3, 2);
    assert_int_equal(fixture->applied_index, 1);
    /* The same: now it does. */
    assert_true(fixture_receive(fixture, 3, fixture_append(5, 2, 4, 1)));
    hear_index(fixture, 3, 2);
    assert_int_equal(fixture->applied_index, 2);
    fixture_free(fixture);
}

static void a_follower_repeats_its_question(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_new();
    follow(fixture, 2, 4);
    join(fixture);
    turn(fixture);
    uint64_t number = ask(fixture, 2);
    uint64_t heartbeat_ms = DEFAULT_ELECTION_TIMEOUT_MS / HEARTBEATS_PER_ELECTION_TIMEOUT;
    assert_int_equal(replica_next_ms(fixture->replica), fixture->now_ms + heartbeat_ms);
    pass(fixture, heartbeat_ms - 1);
    assert_int_equal(fixture->sent_count, 1);
    pass(fixture, 1);
    assert_int_equal(fixture->sent_count, 2);
    assert_int_equal(ask(fixture, 2), number);
    fixture_free(fixture);
}

static void another_leader_fails_a_followers_rounds(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_new();
    follow(fixture, 2, 4);
    uint64_t first = join(fixture);
    turn(fixture);
    uint64_t number = ask(fixture, 2);
    uint64_t second = join(fixture);
    assert_true(fixture_receive(fixture, 3, fixture_append(5, 1, 1, 1)));
    assert_int_equal(fixture->reads_ended_count, 2);
    assert_int_equal(fixture->reads_ended[0].round, first);
    assert_ended(fixture, 2, second, 0);
    assert_true(fixture_receive(fixture, 2, fixture_read_answer(4, number, 9)));
    assert_int_equal(fixture->reads_ended_count, 2);
    fixture_free(fixture);
}

static void a_later_term_of_the_same_leader_fails_them_too(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_new();
    follow(fixture, 2, 4);
    uint64_t round = join(fixture);
    assert_true(fixture_receive(fixture, 2, fixture_append(5, 1, 1, 1)));
    assert_int_equal(fixture->leader_id, 2);
    assert_ended(fixture, 1, round, 0);
    fixture_free(fixture);
}

static void a_silent_leader_fails_a_followers_rounds(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_new();
    follow(fixture, 2, 4);
    uint64_t round = join(fixture);
    for (size_t i = 0; i < 32 && fixture->state == REPLICA_FOLLOWER; i++) {
        assert_true(fixture_tick(fixture));
    }
    assert_ended(fixture, 1, round, 0);
    fixture_free(fixture);
}

static void without_a_leader_nobody_reads(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_new();
    uint64_t round;
    fixture_start_follower(fixture, 3, 4);
    assert_false(replica_read_join(fixture->replica, &round));
    assert_true(fixture_tick(fixture));
    assert_int_equal(fixture->state, REPLICA_CANDIDATE);
    assert_false(replica_read_join(fixture->replica, &round));
    turn(fixture);
    assert_int_equal(fixture->reads_ended_count, 0);
    fixture_free(fixture);
}

/* A follower that has restarted in the same term must not take an answer to a question of its last
 * life, which the leader may still give, for one to its own. */
static void each_life_asks_under_numbers_of_its_own(void **state)
{
    (void)state;
    uint64_t numbers[2];
    for (uint64_t life = 0; life < 2; life++) {
        struct fixture *fixture = fixture_new();
        fixture->seed = 8 + (uint32_t)life;
        follow(fixture, 2, 4);
        join(fixture);
        turn(fixture);
        numbers[life] = ask(fixture, 2);
        fixture_free(fixture);
    }
    assert_int_equal(numbers[1] - numbers[0], UINT64_C(1) << 32);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_majority_confirms),
        cmocka_unit_test(a_lone_voter_confirms_at_once),
        cmocka_unit_test(a_read_joins_only_a_round_that_has_not_been_sent),
        cmocka_unit_test(only_our_own_term_is_a_yes),
        cmocka_unit_test(only_voters_count),
        cmocka_unit_test(other_voters_are_asked_anew),
        cmocka_unit_test(a_question_is_repeated_until_it_is_answered),
        cmocka_unit_test(rounds_wait_for_the_barrier),
        cmocka_unit_test(lost_leadership_fails_all_rounds_once),
        cmocka_unit_test(a_leader_that_hands_over_keeps_its_rounds),
        cmocka_unit_test(a_voter_tells_its_term),
        cmocka_unit_test(a_leader_agrees_with_no_second_one),
        cmocka_unit_test(followers_questions_join_the_next_round),
        cmocka_unit_test(only_a_leader_of_the_askers_term_is_asked),
        cmocka_unit_test(lost_leadership_forgets_the_followers_questions),
        cmocka_unit_test(a_follower_asks_its_leader),
        cmocka_unit_test(an_answer_tells_a_follower_what_is_committed),
        cmocka_unit_test(an_answer_commits_nothing_that_may_differ),
        cmocka_unit_test(a_follower_repeats_its_question),
        cmocka_unit_test(another_leader_fails_a_followers_rounds),
        cmocka_unit_test(a_later_term_of_the_same_leader_fails_them_too),
        cmocka_unit_test(a_silent_leader_fails_a_followers_rounds),
        cmocka_unit_test(without_a_leader_nobody_reads),
        cmocka_unit_test(each_life_asks_under_numbers_of_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
