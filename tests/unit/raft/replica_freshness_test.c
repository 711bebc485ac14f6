/*
 * replica_freshness_test.c - how old the applied state is: never younger than it is, whoever has
 * been stopped, cut off or elected meanwhile.
 */
#include "replica_fixture.h"

static const uint64_t UNKNOWN = UINT64_MAX;

static uint64_t age_ms(const struct fixture *fixture)
{
    uint64_t ms;
    return replica_state_age(fixture->replica, fixture->now_ms, &ms) ? ms : UNKNOWN;
}

/* The owner's loop sleeps for so long; what it then hears came before its next turn. */
static void sleep_ms(struct fixture *fixture, uint64_t ms)
{
    fixture->now_ms += ms;
}

static void turn(struct fixture *fixture)
{
    assert_true(replica_tick(fixture->replica, fixture->now_ms, &fixture->error));
}

/* A heartbeat of this term's leader behind the log's end. */
static void heartbeat(struct fixture *fixture, uint64_t leader_id, uint64_t term, uint64_t commit)
{
    uint64_t last = fixture->log_last;
    assert_true(fixture_receive(fixture, leader_id,
                                fixture_append(term, last, fixture->log[last]->term, commit)));
}

static void receive_entry(struct fixture *fixture, uint64_t leader_id, uint64_t term,
                          uint64_t commit)
{
    uint64_t last = fixture->log_last;
    struct peer_message append = fixture_append(term, last, fixture->log[last]->term, commit);
    fixture_append_entry(&append, term, ENTRY_COMMAND, BYTES_LITERAL("x"));
    assert_true(fixture_receive(fixture, leader_id, append));
}

/* Follows member 2, who leads in `term` and has its barrier applied here. */
static void follow(struct fixture *fixture, uint64_t term)
{
    fixture_start_follower(fixture, 3, term);
    receive_entry(fixture, 2, term, 2);
    assert_true(fixture_sync_all(fixture));
    assert_int_equal(fixture->applied_index, 2);
    turn(fixture);
}

static void nothing_is_known_before_a_leader_is_heard(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_new();
    fixture_start_follower(fixture, 3, 1);
    turn(fixture);
    assert_int_equal(age_ms(fixture), UNKNOWN);
    heartbeat(fixture, 2, 1, 1); /* of term 1, as the entry that is applied */
    assert_int_equal(age_ms(fixture), 0);
    fixture_free(fixture);
}

static void a_heartbeat_renews_what_is_applied(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_new();
    follow(fixture, 4);
    sleep_ms(fixture, 30);
    assert_int_equal(age_ms(fixture), 30);
    turn(fixture);
    heartbeat(fixture, 2, 4, 2);
    assert_int_equal(age_ms(fixture), 0);
    sleep_ms(fixture, 50);
    turn(fixture);
    assert_int_equal(age_ms(fixture), 50); /* turns alone do nothing */
    fixture_free(fixture);
}

/* The process was stopped: the heartbeat may be as old as the last turn before. */
static void what_waited_in_the_socket_is_no_news(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_new();
    follow(fixture, 4);
    heartbeat(fixture, 2, 4, 2);
    sleep_ms(fixture, 10000);
    heartbeat(fixture, 2, 4, 2);
    assert_int_equal(age_ms(fixture), 10000);
    turn(fixture);
    sleep_ms(fixture, 20);
    heartbeat(fixture, 2, 4, 2);
    assert_int_equal(age_ms(fixture), 20);
    fixture_free(fixture);
}

/* The age is of what is applied, and what is committed since makes it no younger. */
static void a_moment_counts_when_its_commits_are_applied(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_new();
    follow(fixture, 4);
    heartbeat(fixture, 2, 4, 2);
    sleep_ms(fixture, 10);
    turn(fixture);
    receive_entry(fixture, 2, 4, 3); /* the disk is slow */
    sleep_ms(fixture, 10);
    turn(fixture);
    receive_entry(fixture, 2, 4, 4);
    sleep_ms(fixture, 10);
    turn(fixture);
    receive_entry(fixture, 2, 4, 5);
    assert_int_equal(age_ms(fixture), 30);
    assert_true(fixture_sync_one(fixture));
    assert_int_equal(fixture->applied_index, 3);
    assert_int_equal(age_ms(fixture), 20);
    assert_true(fixture_sync_one(fixture));
    assert_int_equal(age_ms(fixture), 20); /* of two that wait the older was kept, and the newest */
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
    heartbeat(fixture, 2, 4, 2);
    sleep_ms(fixture, 10);
    turn(fixture);
    heartbeat(fixture, 3, 5, 2);
    assert_int_equal(fixture->leader_id, 3);
    assert_int_equal(age_ms(fixture), 10);
    receive_entry(fixture, 3, 5, 3);
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
    heartbeat(fixture, 2, 4, 2);
    sleep_ms(fixture, 10);
    turn(fixture);
    receive_entry(fixture, 2, 4, 3); /* the disk is slow */
    sleep_ms(fixture, 10);
    turn(fixture);
    heartbeat(fixture, 2, 4, 9); /* entries 4 to 9 are still to come */
    heartbeat(fixture, 2, 4, 2); /* an older one, late */
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
    heartbeat(fixture, 2, 4, 2);
    uint64_t heard_ms = fixture->now_ms;
    while (fixture->state == REPLICA_FOLLOWER) {
        assert_true(fixture_tick(fixture));
    }
    assert_int_equal(age_ms(fixture), fixture->now_ms - heard_ms);
    fixture_free(fixture);
}

static void messages_of_others_say_nothing(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_new();
    follow(fixture, 4);
    sleep_ms(fixture, 10);
    turn(fixture);
    heartbeat(fixture, 3, 3, 2); /* replaced long ago */
    assert_int_equal(age_ms(fixture), 10);
    fixture_free(fixture);
}

/* ---- a leader ---- */

static void a_leader_is_as_fresh_as_its_majority(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_new();
    fixture_start_leader(fixture, 5, 1);
    uint64_t term = fixture->term;
    turn(fixture);
    assert_int_equal(age_ms(fixture), 0);
    sleep_ms(fixture, 20);
    turn(fixture);
    assert_int_equal(age_ms(fixture), 20);
    assert_true(fixture_receive(fixture, 5, fixture_append_success(term, fixture->log_last)));
    turn(fixture);
    assert_int_equal(age_ms(fixture), 20); /* two of five */
    assert_true(fixture_receive(fixture, 2, fixture_append_success(term, fixture->log_last)));
    turn(fixture);
    assert_int_equal(age_ms(fixture), 0);
    /* It was stopped, and reads what they said before. */
    sleep_ms(fixture, 10000);
    assert_true(fixture_receive(fixture, 4, fixture_append_success(term, fixture->log_last)));
    assert_true(fixture_receive(fixture, 3, fixture_append_success(term, fixture->log_last)));
    turn(fixture);
    assert_int_equal(age_ms(fixture), 10000);
    fixture_free(fixture);
}

static void a_leaders_age_is_of_what_it_has_applied(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_new();
    fixture_start_leader(fixture, 3, 1);
    turn(fixture);
    sleep_ms(fixture, 20);
    uint64_t index = fixture_submit(fixture, "committed by the others, not on our disk yet");
    turn(fixture);
    assert_true(fixture_receive(fixture, 2, fixture_append_success(fixture->term, index)));
    assert_true(fixture_receive(fixture, 3, fixture_append_success(fixture->term, index)));
    turn(fixture);
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
    fixture_start_leader(fixture, 3, 1);
    turn(fixture);
    sleep_ms(fixture, 10);
    turn(fixture);
    uint64_t term = fixture->term;
    for (size_t i = 0; i < LIMIT_PEERS_KNOWN; i++) {
        if (fixture->replica->peers[i].id != 0) {
            fixture->replica->peers[i].heard_ms = fixture->now_ms;
            fixture->replica->peers[i].heard_term = term - 1;
        }
    }
    sleep_ms(fixture, 10);
    turn(fixture);
    assert_int_equal(age_ms(fixture), 20);
    fixture_free(fixture);
}

static void a_lone_voter_is_fresh(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_new();
    fixture_found(fixture, 1);
    fixture->term = 1;
    assert_true(fixture_start(fixture, 1, 1));
    turn(fixture);
    assert_int_equal(age_ms(fixture), UNKNOWN); /* its barrier is not on its disk */
    assert_true(fixture_sync_all(fixture));
    turn(fixture);
    assert_int_equal(age_ms(fixture), 0);
    fixture_free(fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_known_before_a_leader_is_heard),
        cmocka_unit_test(a_heartbeat_renews_what_is_applied),
        cmocka_unit_test(what_waited_in_the_socket_is_no_news),
        cmocka_unit_test(a_moment_counts_when_its_commits_are_applied),
        cmocka_unit_test(a_new_leader_counts_with_its_barrier),
        cmocka_unit_test(what_was_committed_stays_committed),
        cmocka_unit_test(a_lost_leader_leaves_the_age),
        cmocka_unit_test(messages_of_others_say_nothing),
        cmocka_unit_test(a_leader_is_as_fresh_as_its_majority),
        cmocka_unit_test(a_leaders_age_is_of_what_it_has_applied),
        cmocka_unit_test(what_was_heard_in_another_term_does_not_count),
        cmocka_unit_test(a_lone_voter_is_fresh),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
