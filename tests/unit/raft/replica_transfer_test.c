/*
 * replica_transfer_test.c - handing over the leadership (rule 13).
 */
#include "replica_fixture.h"

#include <string.h>

static bool transfer(struct fixture *fixture, uint64_t to, const char *because)
{
    bool accepted;
    struct error why = {""};
    assert_true(replica_transfer_leadership(fixture->replica, to, fixture->now_ms, &accepted, &why,
                                            &fixture->error));
    if (!accepted && strstr(why.text, because) == NULL) {
        fail_msg("\"%s\" does not say \"%s\"", why.text, because);
    }
    return accepted;
}

static uint64_t transferring_to(const struct fixture *fixture)
{
    struct replica_status status;
    replica_status_get(fixture->replica, &status);
    return status.transferring_to;
}

static void acknowledge(struct fixture *fixture, uint64_t peer_id)
{
    assert_true(fixture_receive(fixture, peer_id, fixture_append_success(2, fixture->log_last)));
}

static void who_has_everything_is_told_at_once(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_new();
    fixture_start_leader(fixture, 3, 1);
    assert_true(transfer(fixture, 3, ""));
    const struct peer_message *now = fixture_sent_last(fixture, 3, PEER_TIMEOUT_NOW);
    assert_non_null(now);
    assert_int_equal(now->timeout_now.term, 2);
    assert_int_equal(now->timeout_now.last_log_index, fixture->log_last);
    assert_false(replica_can_submit(fixture->replica));
    /* It is elected. */
    struct peer_message vote = fixture_vote(3, 3, fixture->log_last, 2, false);
    vote.request_vote.disrupt_leader = true;
    assert_true(fixture_receive(fixture, 3, vote));
    assert_int_equal(fixture->state, REPLICA_FOLLOWER);
    assert_int_equal(transferring_to(fixture), 0);
    assert_true(
        fixture_sent_last(fixture, 3, PEER_REQUEST_VOTE_RESULT)->request_vote_result.vote_granted);
    fixture_free(fixture);
}

/* libraft alone would take the acknowledgement of the first entry for that of the last. */
static void it_waits_until_the_other_one_has_everything(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_new();
    fixture_start_leader(fixture, 3, 1);
    uint64_t first = fixture_submit(fixture, "x");
    uint64_t last = fixture_submit(fixture, "y");
    assert_true(fixture_sync_all(fixture));
    assert_true(transfer(fixture, 3, ""));
    assert_false(replica_can_submit(fixture->replica)); /* from now on */
    assert_true(fixture_receive(fixture, 3, fixture_append_success(2, first)));
    assert_int_equal(fixture_sent_count(fixture, 3, PEER_TIMEOUT_NOW), 0);
    assert_true(fixture_receive(fixture, 3, fixture_append_success(2, last)));
    assert_int_equal(fixture_sent_count(fixture, 3, PEER_TIMEOUT_NOW), 1);
    assert_int_equal(fixture->applied_index, last); /* whoever proposed it has its answer */
    fixture_free(fixture);
}

/* The other one has it, but it is not committed: of five, two are no majority. */
static void it_waits_until_everything_is_applied(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_new();
    fixture_start_leader(fixture, 5, 1);
    fixture_submit(fixture, "x");
    assert_true(fixture_sync_all(fixture));
    assert_true(transfer(fixture, 3, ""));
    acknowledge(fixture, 3);
    assert_int_equal(fixture_sent_count(fixture, 3, PEER_TIMEOUT_NOW), 0);
    acknowledge(fixture, 4);
    assert_int_equal(fixture_sent_count(fixture, 3, PEER_TIMEOUT_NOW), 1);
    fixture_free(fixture);
}

static void who_does_not_catch_up_is_not_waited_for_long(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_new();
    fixture_start_leader(fixture, 3, 1);
    fixture_submit(fixture, "x");
    assert_true(fixture_sync_all(fixture));
    uint64_t begun_ms = fixture->now_ms;
    assert_true(transfer(fixture, 3, ""));
    acknowledge(fixture, 2);
    while (transferring_to(fixture) != 0) {
        assert_true(fixture->now_ms < begun_ms + 600);
        assert_true(fixture_tick(fixture));
        acknowledge(fixture, 2);
    }
    assert_true(fixture->now_ms >= begun_ms + 600);
    assert_int_equal(fixture_sent_count(fixture, 3, PEER_TIMEOUT_NOW), 0);
    assert_int_equal(fixture->state, REPLICA_LEADER);
    assert_true(replica_can_submit(fixture->replica));
    fixture_free(fixture);
}

/* The word is lost on its way. */
static void who_is_told_and_does_nothing_is_not_waited_for_long(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_new();
    fixture_start_leader(fixture, 3, 1);
    uint64_t begun_ms = fixture->now_ms;
    assert_true(transfer(fixture, 3, ""));
    while (transferring_to(fixture) != 0) {
        assert_true(fixture_tick(fixture));
        acknowledge(fixture, 2);
        acknowledge(fixture, 3);
        assert_true(fixture->now_ms <= begun_ms + 600);
    }
    assert_int_equal(fixture->state, REPLICA_LEADER);
    assert_true(replica_can_submit(fixture->replica));
    /* And again. */
    fixture_forget(fixture);
    assert_true(transfer(fixture, 3, ""));
    assert_int_equal(fixture_sent_count(fixture, 3, PEER_TIMEOUT_NOW), 1);
    fixture_free(fixture);
}

static void with_nobody_named_it_goes_to_who_has_most(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_new();
    fixture_start_leader(fixture, 3, 1);
    fixture_submit(fixture, "x");
    assert_true(fixture_sync_all(fixture));
    acknowledge(fixture, 3);
    assert_true(transfer(fixture, 0, ""));
    assert_int_equal(transferring_to(fixture), 3);
    assert_int_equal(fixture_sent_count(fixture, 3, PEER_TIMEOUT_NOW), 1);
    fixture_free(fixture);
}

static void what_cannot_be_is_refused_with_the_reason(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_new();
    fixture_start_follower(fixture, 3, 1);
    assert_false(transfer(fixture, 2, "does not lead"));
    assert_false(transfer(fixture, 0, "does not lead"));
    fixture_free(fixture);

    fixture = fixture_new();
    fixture_start_leader(fixture, 3, 1);
    assert_false(transfer(fixture, 1, "leads already"));
    assert_false(transfer(fixture, 9, "is no member"));
    const struct replica_change change = {REPLICA_ADD_STANDBY, 4, "m4:7000"};
    bool accepted;
    struct error why;
    assert_true(replica_change_members(fixture->replica, &change, fixture->now_ms, &accepted, &why,
                                       &fixture->error));
    assert_true(accepted);
    assert_true(fixture_sync_all(fixture));
    acknowledge(fixture, 2);
    assert_false(transfer(fixture, 4, "has no vote"));
    for (int i = 0; i <= LIMIT_TRANSFER_LAG; i++) {
        fixture_submit(fixture, "x");
        assert_true(fixture_sync_all(fixture));
        acknowledge(fixture, 2);
        assert_true(replica_tick(fixture->replica, fixture->now_ms, &fixture->error));
    }
    assert_false(transfer(fixture, 3, "lacks 1002 entries"));
    assert_true(replica_can_submit(fixture->replica)); /* nothing has changed */
    assert_true(transfer(fixture, 2, ""));
    assert_false(transfer(fixture, 3, "handed to node 2 already"));
    /* Nor are members changed meanwhile. */
    const struct replica_change removal = {REPLICA_REMOVE, 3, NULL};
    assert_true(replica_change_members(fixture->replica, &removal, fixture->now_ms, &accepted, &why,
                                       &fixture->error));
    assert_false(accepted);
    fixture_free(fixture);

    fixture = fixture_new();
    assert_true(fixture_start(fixture, 1, 1));
    assert_true(fixture_sync_all(fixture));
    assert_false(transfer(fixture, 0, "no other voter"));
    fixture_free(fixture);
}

/* The lead is lost while it waits. */
static void losing_the_lead_ends_it(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_new();
    fixture_start_leader(fixture, 3, 1);
    fixture_submit(fixture, "x");
    assert_true(transfer(fixture, 3, ""));
    assert_true(fixture_receive(fixture, 2, fixture_append(5, 1, 1, 1)));
    assert_int_equal(fixture->state, REPLICA_FOLLOWER);
    assert_int_equal(transferring_to(fixture), 0);
    fixture_free(fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_has_everything_is_told_at_once),
        cmocka_unit_test(it_waits_until_the_other_one_has_everything),
        cmocka_unit_test(it_waits_until_everything_is_applied),
        cmocka_unit_test(who_does_not_catch_up_is_not_waited_for_long),
        cmocka_unit_test(who_is_told_and_does_nothing_is_not_waited_for_long),
        cmocka_unit_test(with_nobody_named_it_goes_to_who_has_most),
        cmocka_unit_test(what_cannot_be_is_refused_with_the_reason),
        cmocka_unit_test(losing_the_lead_ends_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
