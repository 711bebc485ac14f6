/*
 * replica_freshness_test.c - how old the applied state is: never younger than it is told, whoever
 * has been stopped, cut off or elected meanwhile.
 */
#include "replica_fixture.h"

static const uint64_t UNKNOWN = UINT64_MAX;

static uint64_t age_ms(const struct fixture *fixture)
{
    uint64_t ms;
    return replica_state_age(fixture->replica, fixture->now_ms, &ms) ? ms : UNKNOWN;
}

static void pass(struct fixture *fixture, uint64_t ms)
{
    fixture->now_ms += ms;
    assert_true(replica_tick(fixture->replica, fixture->now_ms, &fixture->error));
}

/* ---- a follower ---- */

/* A message behind the log's end that echoes our clock of `echo_ago_ms` ago, of a leader who had
 * its majority `confirmed_ago_ms` before it sent it. */
static struct peer_message heartbeat(const struct fixture *fixture, uint64_t term, uint64_t commit,
                                     uint64_t echo_ago_ms, uint64_t confirmed_ago_ms)
{
    uint64_t last = fixture->log_last;
    struct peer_message append = fixture_append(term, last, fixture->log[last]->term, commit);
    append.append_entries.clock = (struct peer_clock){
        .now_ms = 77777,
        .echo_ms = fixture->now_ms - echo_ago_ms,
        .confirmed_ago_ms = confirmed_ago_ms,
    };
    return append;
}

static void hear(struct fixture *fixture, uint64_t leader_id, uint64_t term, uint64_t commit,
                 uint64_t echo_ago_ms)
{
    assert_true(
        fixture_receive(fixture, leader_id, heartbeat(fixture, term, commit, echo_ago_ms, 0)));
}

static void hear_entry(struct fixture *fixture, uint64_t leader_id, uint64_t term, uint64_t commit,
                       uint64_t echo_ago_ms)
{
    struct peer_message append = heartbeat(fixture, term, commit, echo_ago_ms, 0);
    fixture_append_entry(&append, term, ENTRY_COMMAND, BYTES_LITERAL("x"));
    assert_true(fixture_receive(fixture, leader_id, append));
}

/* Follows member 2, who leads in `term` and has its barrier applied here. */
static void follow(struct fixture *fixture, uint64_t term)
{
    fixture_start_follower(fixture, 3, term);
    struct peer_message append = fixture_append(term, 1, 1, 2);
    fixture_append_entry(&append, term, ENTRY_COMMAND, BYTES_LITERAL("barrier"));
    assert_true(fixture_receive(fixture, 2, append));
    assert_true(fixture_sync_all(fixture));
    assert_int_equal(fixture->applied_index, 2);
}

static void nothing_is_known_before_an_echo_is_heard(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_new();
    follow(fixture, 4);
    pass(fixture, 10);
    assert_int_equal(age_ms(fixture), UNKNOWN);
    hear(fixture, 2, 4, 2, 7);
    assert_int_equal(age_ms(fixture), 7);
    fixture_free(fixture);
}

static void the_age_is_of_the_echo_and_of_the_leaders_word(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_new();
    follow(fixture, 4);
    pass(fixture, 100);
    assert_true(fixture_receive(fixture, 2, heartbeat(fixture, 4, 2, 20, 30)));
    assert_int_equal(age_ms(fixture), 50);
    pass(fixture, 50);
    assert_int_equal(age_ms(fixture), 100); /* time alone does nothing */
    hear(fixture, 2, 4, 2, 10);
    assert_int_equal(age_ms(fixture), 10);
    hear(fixture, 2, 4, 2, 60); /* late: it stays as young as it was */
    assert_int_equal(age_ms(fixture), 10);
    fixture_free(fixture);
}

/* Of an earlier life, when the machine had been up for longer; or older than this one. */
static void moments_that_can_not_be_ours_do_not_count(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_new();
    follow(fixture, 4);
    struct peer_message append = heartbeat(fixture, 4, 2, 0, 0);
    append.append_entries.clock.echo_ms = fixture->now_ms + 1;
    assert_true(fixture_receive(fixture, 2, append));
    assert_int_equal(age_ms(fixture), UNKNOWN);
    append = heartbeat(fixture, 4, 2, 0, fixture->now_ms + 1);
    assert_true(fixture_receive(fixture, 2, append));
    assert_int_equal(age_ms(fixture), UNKNOWN);
    fixture_free(fixture);
}

/* The age is of what is applied. */
static void a_moment_counts_when_its_commits_are_applied(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_new();
    follow(fixture, 4);
    hear(fixture, 2, 4, 2, 0);
    pass(fixture, 10);
    hear_entry(fixture, 2, 4, 3, 0); /* the disk is slow */
    pass(fixture, 10);
    hear_entry(fixture, 2, 4, 4, 0);
    pass(fixture, 10);
    hear_entry(fixture, 2, 4, 5, 0);
    assert_int_equal(age_ms(fixture), 30);
    assert_true(fixture_sync_one(fixture));
    assert_int_equal(fixture->applied_index, 3);
    assert_int_equal(age_ms(fixture), 20);
    assert_true(fixture_sync_one(fixture));
    assert_int_equal(age_ms(fixture), 20); /* of three that waited two were kept */
    assert_true(fixture_sync_one(fixture));
    assert_int_equal(age_ms(fixture), 0);
    fixture_free(fixture);
}

/* Its predecessor may have committed, and acknowledged, what it does not know to be committed. */
static void a_new_leader_counts_with_its_barrier(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_new();
    follow(fixture, 4);
    hear(fixture, 2, 4, 2, 0);
    pass(fixture, 10);
    hear(fixture, 3, 5, 2, 0);
    assert_int_equal(fixture->leader_id, 3);
    assert_int_equal(age_ms(fixture), 10);
    hear_entry(fixture, 3, 5, 3, 0);
    assert_int_equal(age_ms(fixture), 10);
    assert_true(fixture_sync_all(fixture));
    assert_int_equal(fixture->applied_index, 3);
    assert_int_equal(age_ms(fixture), 0);
    fixture_free(fixture);
}

/* Whoever made it known. */
static void what_was_committed_stays_committed(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_new();
    follow(fixture, 4);
    hear(fixture, 2, 4, 2, 0);
    pass(fixture, 10);
    hear_entry(fixture, 2, 4, 3, 0); /* the disk is slow */
    pass(fixture, 10);
    hear(fixture, 2, 4, 9, 0); /* entries 4 to 9 are still to come */
    hear(fixture, 2, 4, 2, 0);
    assert_int_equal(age_ms(fixture), 20);
    assert_true(fixture_sync_all(fixture));
    assert_int_equal(fixture->applied_index, 3);
    assert_int_equal(age_ms(fixture), 10);
    fixture_free(fixture);
}

static void a_lost_leader_leaves_the_age(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_new();
    follow(fixture, 4);
    hear(fixture, 2, 4, 2, 0);
    uint64_t heard_ms = fixture->now_ms;
    while (fixture->state == REPLICA_FOLLOWER) {
        assert_true(fixture_tick(fixture));
    }
    assert_int_equal(age_ms(fixture), fixture->now_ms - heard_ms);
    fixture_free(fixture);
}

static void a_leader_of_the_past_says_nothing(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_new();
    follow(fixture, 4);
    pass(fixture, 10);
    hear(fixture, 3, 3, 2, 0);
    assert_int_equal(age_ms(fixture), UNKNOWN);
    fixture_free(fixture);
}

static const struct peer_clock *result_clock(const struct fixture *fixture, uint64_t peer_id)
{
    const struct peer_message *result =
        fixture_sent_last(fixture, peer_id, PEER_APPEND_ENTRIES_RESULT);
    assert_non_null(result);
    return &result->append_entries_result.clock;
}

static void a_follower_echoes_its_leaders_clock(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_new();
    follow(fixture, 4);
    pass(fixture, 5);
    hear(fixture, 2, 4, 2, 0);
    assert_int_equal(result_clock(fixture, 2)->now_ms, fixture->now_ms);
    assert_int_equal(result_clock(fixture, 2)->echo_ms, 77777);
    /* When a write has completed, the latest. */
    hear_entry(fixture, 2, 4, 2, 0);
    struct peer_message append = heartbeat(fixture, 4, 2, 0, 0);
    append.append_entries.clock.now_ms = 88888;
    assert_true(fixture_receive(fixture, 2, append));
    pass(fixture, 5);
    fixture_forget(fixture);
    assert_true(fixture_sync_all(fixture));
    assert_int_equal(result_clock(fixture, 2)->now_ms, fixture->now_ms);
    assert_int_equal(result_clock(fixture, 2)->echo_ms, 88888);
    fixture_free(fixture);
}

/* ---- a leader ---- */

/* The peer has what we have, and echoes our clock of so long ago. */
static void answer(struct fixture *fixture, uint64_t peer_id, uint64_t echo_ago_ms)
{
    struct peer_message result = fixture_append_success(fixture->term, fixture->log_last);
    result.append_entries_result.clock =
        (struct peer_clock){.now_ms = 55555, .echo_ms = fixture->now_ms - echo_ago_ms};
    assert_true(fixture_receive(fixture, peer_id, result));
}

/* One that has heard nobody: the fixture's answers echo nothing. */
static void lead(struct fixture *fixture, size_t member_count)
{
    fixture_start_leader(fixture, member_count, 1);
    pass(fixture, 1);
    assert_int_equal(age_ms(fixture), UNKNOWN);
}

static void a_leader_is_as_fresh_as_its_majority(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_new();
    lead(fixture, 5);
    answer(fixture, 5, 10);
    pass(fixture, 0);
    assert_int_equal(age_ms(fixture), UNKNOWN); /* two of five */
    answer(fixture, 2, 20);
    pass(fixture, 0);
    assert_int_equal(age_ms(fixture), 20);
    answer(fixture, 4, 0);
    pass(fixture, 0);
    assert_int_equal(age_ms(fixture), 10); /* the third of them by age */
    pass(fixture, 50);
    assert_int_equal(age_ms(fixture), 60);
    fixture_free(fixture);
}

/* What waited in the socket of a process that was stopped echoes what was sent before. */
static void a_leader_that_wakes_up_is_old(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_new();
    lead(fixture, 3);
    answer(fixture, 2, 0);
    pass(fixture, 0);
    fixture->now_ms += 10000;
    answer(fixture, 2, 9999);
    answer(fixture, 3, 9990);
    assert_true(replica_tick(fixture->replica, fixture->now_ms, &fixture->error));
    assert_int_equal(age_ms(fixture), 9990);
    fixture_free(fixture);
}

static void an_older_echo_changes_nothing(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_new();
    lead(fixture, 3);
    answer(fixture, 2, 10);
    answer(fixture, 2, 50); /* overtaken on its way */
    struct peer_message result = fixture_append_success(fixture->term, fixture->log_last);
    result.append_entries_result.clock.echo_ms = fixture->now_ms + 1; /* not our clock */
    assert_true(fixture_receive(fixture, 2, result));
    pass(fixture, 0);
    assert_int_equal(age_ms(fixture), 10);
    fixture_free(fixture);
}

static void a_leaders_age_is_of_what_it_has_applied(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_new();
    lead(fixture, 3);
    answer(fixture, 2, 0);
    pass(fixture, 0);
    assert_int_equal(age_ms(fixture), 0);
    pass(fixture, 20);
    uint64_t index = fixture_submit(fixture, "committed by the others, not on our disk yet");
    pass(fixture, 0);
    answer(fixture, 2, 0);
    answer(fixture, 3, 0);
    pass(fixture, 0);
    assert_int_equal(fixture->applied_index, index - 1);
    assert_int_equal(age_ms(fixture), 20);
    assert_true(fixture_sync_all(fixture));
    assert_int_equal(age_ms(fixture), 0);
    fixture_free(fixture);
}

static void what_was_heard_in_another_term_does_not_count(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_new();
    lead(fixture, 3);
    for (size_t i = 0; i < LIMIT_PEERS_KNOWN; i++) {
        if (fixture->replica->peers[i].id != 0) {
            fixture->replica->peers[i].heard_ms = fixture->now_ms;
            fixture->replica->peers[i].heard_term = fixture->term - 1;
        }
    }
    pass(fixture, 0);
    assert_int_equal(age_ms(fixture), UNKNOWN);
    answer(fixture, 2, 10);
    pass(fixture, 0);
    assert_int_equal(age_ms(fixture), 10); /* not the moment of then */
    fixture_free(fixture);
}

static const struct peer_clock *append_clock(const struct fixture *fixture, uint64_t peer_id)
{
    const struct peer_message *append = fixture_sent_last(fixture, peer_id, PEER_APPEND_ENTRIES);
    assert_non_null(append);
    return &append->append_entries.clock;
}

static void a_leader_tells_what_it_knows(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_new();
    lead(fixture, 5);
    answer(fixture, 2, 10);
    fixture_submit(fixture, "no majority has been heard");
    assert_int_equal(append_clock(fixture, 2)->now_ms, fixture->now_ms);
    assert_int_equal(append_clock(fixture, 2)->echo_ms, 0);
    answer(fixture, 3, 5);
    pass(fixture, 5);
    fixture_submit(fixture, "a majority has been heard");
    assert_int_equal(append_clock(fixture, 2)->now_ms, fixture->now_ms);
    assert_int_equal(append_clock(fixture, 2)->echo_ms, 55555);
    assert_int_equal(append_clock(fixture, 2)->confirmed_ago_ms, 15);
    assert_int_equal(append_clock(fixture, 3)->confirmed_ago_ms, 15);
    /* Whoever connects anew may have another clock. */
    replica_peer_connected(fixture->replica, 2);
    fixture_submit(fixture, "one has come back");
    assert_int_equal(append_clock(fixture, 2)->echo_ms, 0);
    assert_int_equal(append_clock(fixture, 3)->echo_ms, 55555);
    fixture_free(fixture);
}

static void a_lone_voter_is_fresh(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_new();
    fixture_found(fixture, 1);
    fixture->term = 1;
    assert_true(fixture_start(fixture, 1, 1));
    pass(fixture, 0);
    assert_int_equal(age_ms(fixture), UNKNOWN); /* its barrier is not on its disk */
    assert_true(fixture_sync_all(fixture));
    assert_int_equal(age_ms(fixture), 0);
    fixture_free(fixture);
}

/* A node that starts again, and that nobody writes to: the log says of which term its state is. */
static void a_restarted_follower_believes_its_leader(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_new();
    fixture_found(fixture, 3);
    fixture_disk_append(fixture, 4, ENTRY_COMMAND, BYTES_LITERAL("barrier"));
    fixture->term = 4;
    fixture->applied_index = 2;
    assert_true(fixture_start(fixture, 1, 3));
    hear(fixture, 2, 4, 2, 5);
    assert_int_equal(age_ms(fixture), 5);
    fixture_free(fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_known_before_an_echo_is_heard),
        cmocka_unit_test(the_age_is_of_the_echo_and_of_the_leaders_word),
        cmocka_unit_test(moments_that_can_not_be_ours_do_not_count),
        cmocka_unit_test(a_moment_counts_when_its_commits_are_applied),
        cmocka_unit_test(a_new_leader_counts_with_its_barrier),
        cmocka_unit_test(what_was_committed_stays_committed),
        cmocka_unit_test(a_lost_leader_leaves_the_age),
        cmocka_unit_test(a_leader_of_the_past_says_nothing),
        cmocka_unit_test(a_follower_echoes_its_leaders_clock),
        cmocka_unit_test(a_leader_is_as_fresh_as_its_majority),
        cmocka_unit_test(a_leader_that_wakes_up_is_old),
        cmocka_unit_test(an_older_echo_changes_nothing),
        cmocka_unit_test(a_leaders_age_is_of_what_it_has_applied),
        cmocka_unit_test(what_was_heard_in_another_term_does_not_count),
        cmocka_unit_test(a_leader_tells_what_it_knows),
        cmocka_unit_test(a_lone_voter_is_fresh),
        cmocka_unit_test(a_restarted_follower_believes_its_leader),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
