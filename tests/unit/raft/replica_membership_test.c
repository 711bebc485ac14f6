/*
 * replica_membership_test.c - changes of members (rule 11): one server at a time, nothing unsafe,
 * and a configuration that counts as soon as it is in the log.
 */
#include "configuration.h"
#include "replica_fixture.h"

#include <stdlib.h>
#include <string.h>

static bool change(struct fixture *fixture, enum replica_change_kind kind, uint64_t id,
                   const char *address)
{
    const struct replica_change change = {kind, id, address};
    bool accepted;
    struct error why = {""};
    assert_true(replica_change_members(fixture->replica, &change, fixture->now_ms, &accepted, &why,
                                       &fixture->error));
    assert_true(accepted == (why.text[0] == '\0'));
    return accepted;
}

static const struct replica_member *member(struct fixture *fixture, uint64_t id)
{
    static struct replica_member members[LIMIT_NODES];
    size_t count = replica_members(fixture->replica, members, LIMIT_NODES);
    for (size_t i = 0; i < count; i++) {
        if (members[i].id == id) {
            return &members[i];
        }
    }
    return NULL;
}

/* The last entry is on the leader's disk and on those of these peers. */
static void acknowledge(struct fixture *fixture, uint64_t peer_id)
{
    uint64_t term = fixture->term;
    assert_true(fixture_sync_all(fixture));
    assert_true(fixture_receive(fixture, peer_id, fixture_append_success(term, fixture->log_last)));
}

static void a_standby_counts_when_it_is_in_the_log(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_new();
    fixture_start_leader(fixture, 3, 1);
    uint64_t before = fixture->log_last;
    fixture_forget(fixture);
    assert_true(change(fixture, REPLICA_ADD_STANDBY, 4, "m4:7000"));
    assert_int_equal(fixture->log_last, before + 1);
    assert_int_equal(fixture->log[before + 1]->type, ENTRY_CHANGE);
    assert_non_null(member(fixture, 4));
    assert_int_equal(member(fixture, 4)->role, REPLICA_STANDBY);
    /* It is asked at once what it has. */
    assert_true(fixture_tick(fixture));
    assert_true(fixture_sent_count(fixture, 4, PEER_APPEND_ENTRIES) > 0);
    /* Its acknowledgement is none of a majority's. */
    assert_true(fixture_receive(fixture, 4, fixture_append_success(fixture->term, before + 1)));
    assert_int_equal(fixture->applied_index, before);
    acknowledge(fixture, 2);
    assert_int_equal(fixture->applied_index, before + 1);
    fixture_free(fixture);
}

static void one_change_at_a_time(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_new();
    fixture_start_leader(fixture, 3, 1);
    assert_true(change(fixture, REPLICA_ADD_STANDBY, 4, "m4:7000"));
    assert_false(change(fixture, REPLICA_REMOVE, 3, NULL));
    acknowledge(fixture, 2);
    assert_true(change(fixture, REPLICA_REMOVE, 3, NULL));
    assert_null(member(fixture, 3));
    fixture_free(fixture);
}

/* Of two voters that stay, both are the majority; the removed one's word is worth nothing. */
static void a_removed_voter_does_not_count(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_new();
    fixture_start_leader(fixture, 3, 1);
    assert_true(change(fixture, REPLICA_REMOVE, 3, NULL));
    uint64_t index = fixture->log_last;
    assert_true(fixture_sync_all(fixture));
    assert_true(fixture_receive(fixture, 3, fixture_append_success(fixture->term, index)));
    assert_int_equal(fixture->applied_index, index - 1);
    acknowledge(fixture, 2);
    assert_int_equal(fixture->applied_index, index);
    fixture_free(fixture);
}

static void only_a_standby_that_has_caught_up_is_promoted(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_new();
    fixture_start_leader(fixture, 3, 1);
    assert_true(change(fixture, REPLICA_ADD_STANDBY, 4, "m4:7000"));
    acknowledge(fixture, 2);
    for (uint64_t i = 0; i <= LIMIT_PROMOTION_LAG; i++) {
        fixture_submit(fixture, "x");
        acknowledge(fixture, 2);
        /* A new turn of the loop, in which as much is applied again; no time has passed. */
        assert_true(replica_tick(fixture->replica, fixture->now_ms, &fixture->error));
    }
    assert_false(change(fixture, REPLICA_PROMOTE, 4, NULL));
    assert_true(fixture_tick(fixture));
    assert_true(
        fixture_receive(fixture, 4, fixture_append_success(fixture->term, fixture->log_last)));
    assert_true(change(fixture, REPLICA_PROMOTE, 4, NULL));
    assert_int_equal(member(fixture, 4)->role, REPLICA_VOTER);
    /* Three of four are needed now. */
    uint64_t index = fixture->log_last;
    acknowledge(fixture, 2);
    assert_int_equal(fixture->applied_index, index - 1);
    acknowledge(fixture, 4);
    assert_int_equal(fixture->applied_index, index);
    fixture_free(fixture);
}

static void what_is_unsafe_or_senseless_is_refused(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_new();
    fixture_start_leader(fixture, 3, 1);
    uint64_t before = fixture->log_last;
    assert_false(change(fixture, REPLICA_ADD_STANDBY, 0, "m4:7000"));
    assert_false(change(fixture, REPLICA_ADD_STANDBY, 4, NULL));
    assert_false(change(fixture, REPLICA_ADD_STANDBY, 4, ""));
    assert_false(change(fixture, REPLICA_ADD_STANDBY, 2, "m4:7000")); /* a known id */
    assert_false(change(fixture, REPLICA_ADD_STANDBY, 4, "m2:7000")); /* a known address */
    assert_false(change(fixture, REPLICA_PROMOTE, 2, NULL));
    assert_false(change(fixture, REPLICA_PROMOTE, 4, NULL));
    assert_false(change(fixture, REPLICA_REMOVE, 4, NULL));
    assert_false(change(fixture, REPLICA_REMOVE, 1, NULL)); /* itself */
    assert_int_equal(fixture->log_last, before);
    fixture_free(fixture);
}

static void the_number_of_members_is_bounded(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_new();
    fixture_start_leader(fixture, LIMIT_NODES, 1);
    assert_false(change(fixture, REPLICA_ADD_STANDBY, LIMIT_NODES + 1, "one more:7000"));
    fixture_free(fixture);
}

/* Rule 10: what an earlier leader changed may still be undone, until an entry of ours commits. */
static void changes_wait_for_the_barrier(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_new();
    fixture_start_follower(fixture, 3, 1);
    assert_false(change(fixture, REPLICA_REMOVE, 3, NULL)); /* no leader */
    assert_true(fixture_tick(fixture));
    assert_true(fixture_receive(fixture, 2, fixture_vote_result(1, 2, true, true)));
    assert_true(fixture_receive(fixture, 2, fixture_vote_result(2, 2, true, false)));
    assert_int_equal(fixture->state, REPLICA_LEADER);
    assert_false(change(fixture, REPLICA_REMOVE, 3, NULL));
    acknowledge(fixture, 2);
    assert_true(change(fixture, REPLICA_REMOVE, 3, NULL));
    fixture_free(fixture);
}

/* ---- votes of those who have none ---- */

/* Replica 1 of term 1 goes by entry 2, in which these are the members. */
static struct fixture *start_among(const struct replica_member *members, size_t count)
{
    struct fixture *fixture = fixture_new();
    struct buffer encoded = {0};
    struct error error;
    assert_true(configuration_encode(members, count, &encoded, &error));
    fixture_found(fixture, 2);
    fixture_disk_append(fixture, 1, ENTRY_CHANGE, buffer_bytes(&encoded));
    buffer_free(&encoded);
    fixture->term = 1;
    assert_true(fixture_start(fixture, 1, 2));
    return fixture;
}

static struct fixture *standby_of_2(void)
{
    static const struct replica_member members[] = {{1, REPLICA_STANDBY, "m1:7000"},
                                                    {2, REPLICA_VOTER, "m2:7000"}};
    struct fixture *fixture = start_among(members, 2);
    fixture_forget(fixture);
    return fixture;
}

static bool votes(struct fixture *fixture, uint64_t term, uint64_t last_index, bool pre_vote)
{
    assert_true(fixture_receive(fixture, 2, fixture_vote(term, 2, last_index, 1, pre_vote)));
    const struct peer_message *reply = fixture_sent_last(fixture, 2, PEER_REQUEST_VOTE_RESULT);
    assert_non_null(reply);
    assert_true(reply->request_vote_result.pre_vote == pre_vote);
    return reply->request_vote_result.vote_granted;
}

/* 2 has promoted it in entry 3, and must not lead again without its vote. */
static void a_standby_votes_for_whoever_has_promoted_it(void **state)
{
    (void)state;
    struct fixture *fixture = standby_of_2();
    assert_true(votes(fixture, 2, 3, true));
    assert_true(votes(fixture, 2, 3, false));
    assert_int_equal(fixture->term, 2);
    assert_int_equal(fixture->vote, 2);
    assert_non_null(strstr(fixture->trace, "HSM")); /* stored before it left */
    /* It still holds itself for a standby, and stays a follower. */
    assert_int_equal(member(fixture, 1)->role, REPLICA_STANDBY);
    fixture->now_ms += 10000;
    assert_true(fixture_tick(fixture));
    assert_int_equal(fixture->state, REPLICA_FOLLOWER);
    fixture_free(fixture);
}

static void a_removed_node_votes_too(void **state)
{
    (void)state;
    static const struct replica_member members[] = {{2, REPLICA_VOTER, "m2:7000"}};
    struct fixture *fixture = start_among(members, 1);
    fixture_forget(fixture);
    assert_true(votes(fixture, 2, 3, false));
    assert_int_equal(fixture->vote, 2);
    assert_null(member(fixture, 1));
    fixture_free(fixture);
}

static void a_standby_looks_at_the_log_all_the_same(void **state)
{
    (void)state;
    struct fixture *fixture = standby_of_2();
    assert_false(votes(fixture, 2, 1, false));
    assert_int_equal(fixture->vote, 0);
    fixture_free(fixture);
}

static void a_standby_has_one_vote(void **state)
{
    (void)state;
    struct fixture *fixture = standby_of_2();
    assert_true(fixture_receive(fixture, 3, fixture_vote(2, 3, 2, 1, false)));
    assert_int_equal(fixture->vote, 3);
    assert_false(votes(fixture, 2, 3, false));
    assert_int_equal(fixture->vote, 3);
    fixture_free(fixture);
}

/* Section 4.2.3: who hears a leader denies; a standby is no candidate that would forget it, so its
 * silence has to be enough. */
static void a_standby_stands_by_its_leader_while_it_hears_it(void **state)
{
    (void)state;
    struct fixture *fixture = standby_of_2();
    fixture->now_ms += 1000;
    assert_true(fixture_receive(fixture, 2, fixture_append(1, 2, 1, 1)));
    fixture->now_ms += fixture->replica->election_timeout_ms - 1;
    assert_false(votes(fixture, 2, 3, true));
    assert_false(votes(fixture, 2, 3, false));
    assert_int_equal(fixture->term, 1);
    fixture->now_ms += 1;
    assert_true(votes(fixture, 2, 3, true));
    assert_true(votes(fixture, 2, 3, false));
    assert_int_equal(fixture->vote, 2);
    fixture_free(fixture);
}

/* ---- lone voters ---- */

static struct fixture *lone_voter_with_standby(void)
{
    static const struct replica_member members[] = {{1, REPLICA_VOTER, "m1:7000"},
                                                    {2, REPLICA_STANDBY, "m2:7000"}};
    struct fixture *fixture = start_among(members, 2);
    assert_int_equal(fixture->state, REPLICA_LEADER);
    return fixture;
}

/* It leads and commits in START, and tells its standby in the same step: no more than what it holds
 * for committed itself (the fixture compares). */
static void a_lone_voter_tells_its_standby_what_is_committed(void **state)
{
    (void)state;
    struct fixture *fixture = lone_voter_with_standby();
    const struct peer_message *append = fixture_sent_last(fixture, 2, PEER_APPEND_ENTRIES);
    assert_non_null(append);
    assert_int_equal(append->append_entries.leader_commit, 2);
    fixture_free(fixture);
}

/* 2 has been outside and stood for election there, and tells of its term. */
static void a_lone_voter_that_stepped_down_begins_a_new_term(void **state)
{
    (void)state;
    struct fixture *fixture = lone_voter_with_standby();
    assert_true(fixture_sync_all(fixture));
    struct peer_message rejection = fixture_append_rejection(fixture->term, 2, 1);
    rejection.append_entries_result.term = 40;
    assert_true(fixture_receive(fixture, 2, rejection));
    assert_int_equal(fixture->state, REPLICA_FOLLOWER);
    assert_int_equal(fixture->term, 40);
    fixture_forget(fixture);
    for (int i = 0; i < 3 && fixture->state != REPLICA_LEADER; i++) {
        assert_int_equal(fixture->term, 40);
        assert_true(fixture_tick(fixture));
    }
    assert_int_equal(fixture->state, REPLICA_LEADER);
    assert_int_equal(fixture->state_term, 41);
    assert_int_equal(fixture->term, 41);
    assert_int_equal(fixture->vote, 1);
    assert_int_equal(fixture->trace[0], 'H'); /* stored before it leads */
    fixture_free(fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_standby_counts_when_it_is_in_the_log),
        cmocka_unit_test(one_change_at_a_time),
        cmocka_unit_test(a_removed_voter_does_not_count),
        cmocka_unit_test(only_a_standby_that_has_caught_up_is_promoted),
        cmocka_unit_test(what_is_unsafe_or_senseless_is_refused),
        cmocka_unit_test(the_number_of_members_is_bounded),
        cmocka_unit_test(changes_wait_for_the_barrier),
        cmocka_unit_test(a_lone_voter_tells_its_standby_what_is_committed),
        cmocka_unit_test(a_lone_voter_that_stepped_down_begins_a_new_term),
        cmocka_unit_test(a_standby_votes_for_whoever_has_promoted_it),
        cmocka_unit_test(a_removed_node_votes_too),
        cmocka_unit_test(a_standby_looks_at_the_log_all_the_same),
        cmocka_unit_test(a_standby_has_one_vote),
        cmocka_unit_test(a_standby_stands_by_its_leader_while_it_hears_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
