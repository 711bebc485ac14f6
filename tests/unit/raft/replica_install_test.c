/*
 * replica_install_test.c - a follower that is offered a snapshot, fetches and installs it (rule
 * 12), and what of rules 4, 5, 7, 9 and 15 that touches.
 */
#include "replica_fixture.h"

#include <string.h>

/* A follower of leader 2 in term 2, with entry 1 and five of term 1 that the leader knows nothing
 * of. */
static struct fixture *follower(void)
{
    struct fixture *fixture = fixture_new();
    fixture_found(fixture, 3);
    for (int i = 0; i < 5; i++) {
        fixture_disk_append(fixture, 1, ENTRY_COMMAND, BYTES_LITERAL("old"));
    }
    fixture->term = 2;
    fixture->applied_index = 1;
    assert_true(fixture_start(fixture, 1, 3));
    assert_true(fixture_receive(fixture, 2, fixture_append(2, 50, 2, 50)));
    assert_int_equal(fixture->leader_id, 2);
    fixture_forget(fixture);
    return fixture;
}

static bool staged(struct fixture *fixture)
{
    bool wanted = false;
    assert_true(
        replica_snapshot_staged(fixture->replica, fixture->now_ms, &wanted, &fixture->error));
    return wanted;
}

static struct replica_status status_of(const struct fixture *fixture)
{
    struct replica_status status;
    replica_status_get(fixture->replica, &status);
    return status;
}

static void a_snapshot_replaces_log_and_state(void **state)
{
    (void)state;
    struct fixture *fixture = follower();
    struct replica_member members[LIMIT_NODES];
    assert_true(fixture_receive(fixture, 2, fixture_offer(2, 50, 2, 40, 4, 9)));
    assert_int_equal(fixture->fetches, 1);
    assert_int_equal(fixture->fetch_peer, 2);
    assert_int_equal(fixture->fetched_index, 50);
    assert_int_equal(fixture->fetched_checkpoint.low, 9);
    assert_int_equal(status_of(fixture).last_index, 6); /* nothing has happened to the log */

    assert_true(staged(fixture));
    assert_int_equal(fixture->installs, 1);
    assert_int_equal(fixture->installing.index, 50);
    assert_int_equal(fixture->installing.term, 2);
    assert_int_equal(fixture->installing.configuration_index, 40);
    assert_true(bytes_equal(fixture->installing.configuration, fixture_configuration(4)));
    assert_true(status_of(fixture).installing);
    assert_int_equal(status_of(fixture).commit_index, 1);
    assert_int_equal(fixture_sent_count(fixture, 2, PEER_APPEND_ENTRIES_RESULT), 0);

    assert_true(fixture_installed(fixture));
    const struct peer_message *result = fixture_sent_last(fixture, 2, PEER_APPEND_ENTRIES_RESULT);
    assert_non_null(result);
    assert_int_equal(result->sent_term, 2);
    assert_int_equal(result->append_entries_result.rejected, 0);
    assert_int_equal(result->append_entries_result.last_log_index, 50);
    struct replica_status status = status_of(fixture);
    assert_false(status.installing);
    assert_int_equal(status.snapshot_index, 50);
    assert_int_equal(status.first_index, 51);
    assert_int_equal(status.last_index, 50);
    assert_int_equal(status.durable_index, 50);
    assert_int_equal(status.commit_index, 50);
    assert_int_equal(status.applied_index, 50);
    assert_int_equal(replica_members(fixture->replica, members, LIMIT_NODES), 4);
    assert_int_equal(fixture->replica->raft.configuration_committed_index, 40);

    /* The log goes on behind it. */
    struct peer_message append = fixture_append(2, 50, 2, 52);
    fixture_append_entry(&append, 2, ENTRY_COMMAND, BYTES_LITERAL("x"));
    fixture_append_entry(&append, 2, ENTRY_CHANGE, fixture_configuration(5));
    assert_true(fixture_receive(fixture, 2, append));
    assert_true(fixture_sync_all(fixture));
    assert_int_equal(fixture->applied_index, 52);
    assert_int_equal(fixture->replica->raft.configuration_committed_index, 52);
    assert_int_equal(replica_members(fixture->replica, members, LIMIT_NODES), 5);
    fixture_free(fixture);
}

/* ---- offers ---- */

static void the_same_offer_is_fetched_once(void **state)
{
    (void)state;
    struct fixture *fixture = follower();
    for (int i = 0; i < 5; i++) {
        assert_true(fixture_receive(fixture, 2, fixture_offer(2, 50, 2, 1, 3, 9)));
    }
    assert_int_equal(fixture->fetches, 1);
    /* The leader has another checkpoint now: the one before is gone. */
    assert_true(fixture_receive(fixture, 2, fixture_offer(2, 50, 2, 1, 3, 10)));
    assert_int_equal(fixture->fetches, 2);
    assert_true(fixture_receive(fixture, 2, fixture_offer(2, 60, 2, 1, 3, 11)));
    assert_int_equal(fixture->fetches, 3);
    assert_int_equal(fixture->fetched_index, 60);
    /* It failed: the next offer counts as a new one. */
    replica_snapshot_forget(fixture->replica);
    assert_true(fixture_receive(fixture, 2, fixture_offer(2, 60, 2, 1, 3, 11)));
    assert_int_equal(fixture->fetches, 4);
    fixture_free(fixture);
}

/* While it is fetched its leader is elected anew: the fetch is not in vain. */
static void an_offer_of_a_later_term_is_the_same(void **state)
{
    (void)state;
    struct fixture *fixture = follower();
    assert_true(fixture_receive(fixture, 2, fixture_offer(2, 50, 2, 1, 3, 9)));
    assert_true(fixture_receive(fixture, 2, fixture_append(4, 60, 4, 50)));
    assert_true(fixture_receive(fixture, 2, fixture_offer(4, 50, 2, 1, 3, 9)));
    assert_int_equal(fixture->fetches, 1);
    assert_true(staged(fixture));
    assert_true(fixture_installed(fixture));
    assert_int_equal(status_of(fixture).snapshot_index, 50);
    fixture_free(fixture);
}

static void only_the_leader_may_offer(void **state)
{
    (void)state;
    struct fixture *fixture = follower();
    assert_true(fixture_receive(fixture, 3, fixture_offer(2, 50, 2, 1, 3, 9)));
    /* A later term, in which nobody has led yet. */
    assert_true(fixture_receive(fixture, 2, fixture_offer(3, 50, 2, 1, 3, 9)));
    assert_int_equal(fixture->fetches, 0);
    assert_int_equal(fixture->term, 2);
    fixture_free(fixture);
    fixture = fixture_new();
    fixture_start_leader(fixture, 3, 1);
    assert_true(fixture_receive(fixture, 2, fixture_offer(2, 50, 2, 1, 3, 9)));
    assert_int_equal(fixture->fetches, 0);
    fixture_free(fixture);
}

/* Rule 5: libraft would answer with a success whose index was never set. */
static void offers_of_older_terms_are_answered_by_us(void **state)
{
    (void)state;
    struct fixture *fixture = follower();
    assert_true(fixture_receive(fixture, 3, fixture_offer(1, 50, 1, 1, 3, 9)));
    assert_int_equal(fixture->fetches, 0);
    const struct peer_message *reply = fixture_sent_last(fixture, 3, PEER_APPEND_ENTRIES_RESULT);
    assert_non_null(reply);
    assert_int_equal(reply->sent_term, 1);
    assert_int_equal(reply->append_entries_result.term, 2);
    assert_int_equal(reply->append_entries_result.rejected, 50);
    assert_int_equal(reply->append_entries_result.last_log_index, 0);
    fixture_free(fixture);
}

/* Rule 15. */
static void malformed_offers_are_ignored(void **state)
{
    (void)state;
    struct fixture *fixture = follower();
    struct peer_message offers[7];
    for (size_t i = 0; i < 7; i++) {
        offers[i] = fixture_offer(2, 50, 2, 1, 3, 9);
    }
    offers[0].sent_term = 1;
    offers[1].install_snapshot.index = 0;
    offers[2].install_snapshot.last_term = 3;
    offers[3].install_snapshot.last_term = 0;
    offers[4].install_snapshot.configuration->index = 51;
    offers[5].install_snapshot.index = LIMIT_RAFT_NUMBER;
    offers[6].install_snapshot.configuration->data.len--;
    for (size_t i = 0; i < 7; i++) {
        assert_true(fixture_receive(fixture, 2, offers[i]));
        assert_int_equal(status_of(fixture).refused_count, i + 1);
    }
    assert_int_equal(fixture->fetches, 0);
    fixture_free(fixture);
}

/* ---- what is staged may be late ---- */

static void a_new_leader_makes_it_unwanted(void **state)
{
    (void)state;
    struct fixture *fixture = follower();
    assert_true(fixture_receive(fixture, 2, fixture_offer(2, 50, 2, 1, 3, 9)));
    assert_true(fixture_receive(fixture, 3, fixture_append(3, 60, 3, 50)));
    assert_false(staged(fixture));
    assert_int_equal(fixture->installs, 0);
    assert_int_equal(status_of(fixture).last_index, 6);
    fixture_free(fixture);
}

/* The log has come to it by itself: nothing that is applied may be taken back. */
static void a_log_that_has_all_of_it_makes_it_unwanted(void **state)
{
    (void)state;
    struct fixture *fixture = follower();
    assert_true(fixture_receive(fixture, 2, fixture_offer(2, 5, 2, 1, 3, 9)));
    struct peer_message append = fixture_append(2, 1, 1, 1);
    for (int i = 0; i < 5; i++) {
        fixture_append_entry(&append, 2, ENTRY_COMMAND, BYTES_LITERAL("x"));
    }
    assert_true(fixture_receive(fixture, 2, append));
    assert_true(fixture_sync_all(fixture));
    assert_false(staged(fixture)); /* libraft finds entry 5 of term 2 */
    assert_int_equal(status_of(fixture).last_index, 6);

    assert_true(fixture_receive(fixture, 2, fixture_offer(2, 5, 2, 1, 3, 9)));
    assert_true(fixture_receive(fixture, 2, fixture_append(2, 6, 2, 6)));
    assert_false(staged(fixture)); /* it is committed */
    assert_int_equal(fixture->installs, 0);
    size_t fetches = fixture->fetches;
    assert_true(fixture_receive(fixture, 2, fixture_offer(2, 5, 2, 1, 3, 9)));
    assert_int_equal(fixture->fetches, fetches);
    assert_int_equal(fixture->applied_index, 6);
    fixture_free(fixture);
}

/* ---- while it is installed ---- */

/* The log's writer is busy with entries of the old log: they are not in the way of the switch. */
static void an_install_waits_for_the_log(void **state)
{
    (void)state;
    struct fixture *fixture = follower();
    assert_true(fixture_receive(fixture, 2, fixture_offer(2, 50, 2, 1, 3, 9)));
    for (int i = 0; i < 2; i++) {
        struct peer_message append = fixture_append(2, i == 0 ? 1 : 2, i == 0 ? 1 : 2, 1);
        fixture_append_entry(&append, 2, ENTRY_COMMAND, BYTES_LITERAL("x"));
        assert_true(fixture_receive(fixture, 2, append));
    }
    assert_int_equal(fixture->write_count, 2);
    assert_true(staged(fixture));
    assert_int_equal(fixture->installs, 0);
    fixture_forget(fixture);
    assert_true(fixture_sync_one(fixture));
    assert_int_equal(fixture->installs, 0);
    assert_true(fixture_sync_one(fixture));
    assert_int_equal(fixture->installs, 1);
    /* Rule 4: what was written then is of another generation. */
    assert_int_equal(fixture_sent_count(fixture, 2, PEER_APPEND_ENTRIES_RESULT), 0);
    assert_int_equal(status_of(fixture).durable_index, 1);
    assert_true(fixture_installed(fixture));
    assert_int_equal(status_of(fixture).durable_index, 50);
    fixture_free(fixture);
}

static void nothing_happens_to_the_log_during_an_install(void **state)
{
    (void)state;
    struct fixture *fixture = follower();
    assert_true(fixture_receive(fixture, 2, fixture_offer(2, 50, 2, 1, 3, 9)));
    assert_true(staged(fixture));
    size_t writes = fixture->write_count;
    /* libraft matches a heartbeat at the snapshot's index, and would take it for committed. */
    struct peer_message append = fixture_append(2, 50, 2, 55);
    assert_true(fixture_receive(fixture, 2, append));
    assert_int_equal(status_of(fixture).commit_index, 1);
    assert_int_equal(raft_commit_index(&fixture->replica->raft), 1);
    const struct peer_message *result = fixture_sent_last(fixture, 2, PEER_APPEND_ENTRIES_RESULT);
    assert_non_null(result);
    assert_int_equal(result->append_entries_result.last_log_index, 0); /* nothing is stored */
    append = fixture_append(2, 50, 2, 51);
    fixture_append_entry(&append, 2, ENTRY_COMMAND, BYTES_LITERAL("x"));
    fixture_forget(fixture);
    assert_true(fixture_receive(fixture, 2, append));
    assert_int_equal(fixture->write_count, writes);
    assert_int_equal(fixture->applied_index, 1);
    /* It is a heartbeat, and answered. */
    assert_int_equal(fixture_sent_count(fixture, 2, PEER_APPEND_ENTRIES_RESULT), 1);
    assert_false(replica_can_snapshot(fixture->replica));
    /* Another offer: libraft would not free it. */
    assert_true(fixture_receive(fixture, 2, fixture_offer(2, 60, 2, 1, 3, 10)));
    assert_int_equal(fixture->fetches, 1);
    /* It hears its leader; and without one it does not stand for election. */
    for (int i = 0; i < 10; i++) {
        assert_true(fixture_tick(fixture));
    }
    assert_int_equal(fixture->state, REPLICA_FOLLOWER);
    assert_int_equal(fixture->installs, 1);
    assert_true(fixture_installed(fixture));
    assert_int_equal(status_of(fixture).commit_index, 50);
    fixture_free(fixture);
}

/* A long log is applied over many turns, and is outrun by a snapshot. */
static void nothing_is_applied_during_an_install(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_new();
    const uint64_t last = UINT64_C(3) * LIMIT_APPLY_TURN_ENTRIES;
    fixture_found(fixture, 3);
    while (fixture->log_last < last) {
        fixture_disk_append(fixture, 1, ENTRY_COMMAND, BYTES_LITERAL("x"));
    }
    fixture->term = 1;
    fixture->applied_index = 1;
    assert_true(fixture_start(fixture, 1, 3));
    assert_true(fixture_receive(fixture, 2, fixture_append(1, last, 1, last)));
    uint64_t applied = fixture->applied_index;
    assert_true(applied < last);
    assert_true(replica_can_snapshot(fixture->replica));
    assert_true(fixture_receive(fixture, 2, fixture_offer(1, 5000, 1, 1, 3, 9)));
    assert_true(staged(fixture));
    assert_false(replica_can_snapshot(fixture->replica)); /* of the log that is gone */
    assert_true(fixture_tick(fixture));
    assert_int_equal(fixture->applied_index, applied);
    assert_true(fixture_installed(fixture));
    assert_int_equal(status_of(fixture).applied_index, 5000);
    fixture_free(fixture);
}

static void a_new_leader_is_told_what_was_installed(void **state)
{
    (void)state;
    struct fixture *fixture = follower();
    assert_true(fixture_receive(fixture, 2, fixture_offer(2, 50, 2, 1, 3, 9)));
    assert_true(staged(fixture));
    assert_true(fixture_receive(fixture, 3, fixture_append(3, 70, 3, 60)));
    assert_int_equal(fixture->leader_id, 3);
    fixture_forget(fixture);
    assert_true(fixture_installed(fixture));
    const struct peer_message *result = fixture_sent_last(fixture, 3, PEER_APPEND_ENTRIES_RESULT);
    assert_non_null(result);
    assert_int_equal(result->sent_term, 3);
    assert_int_equal(result->append_entries_result.last_log_index, 50);
    fixture_free(fixture);
}

/* A change that was in the old log, uncommitted, is gone with it. */
static void changes_of_the_old_log_are_forgotten(void **state)
{
    (void)state;
    struct fixture *fixture = follower();
    struct replica_member members[LIMIT_NODES];
    struct peer_message append = fixture_append(2, 1, 1, 1);
    fixture_append_entry(&append, 2, ENTRY_CHANGE, fixture_configuration(5));
    assert_true(fixture_receive(fixture, 2, append));
    assert_true(fixture_sync_all(fixture));
    assert_int_equal(fixture->replica->change_count, 1);
    assert_true(fixture_receive(fixture, 3, fixture_append(3, 60, 3, 50)));
    assert_true(fixture_receive(fixture, 3, fixture_offer(3, 50, 3, 30, 4, 9)));
    assert_true(staged(fixture));
    assert_true(fixture_installed(fixture));
    assert_int_equal(fixture->replica->change_count, 0);
    assert_int_equal(fixture->replica->settled_count, 1);
    assert_int_equal(replica_members(fixture->replica, members, LIMIT_NODES), 4);
    fixture_free(fixture);
}

/* ---- behind it ---- */

/* A message that was long on its way speaks of entries that the log has no more. Rejected it would
 * be for ever: the leader knows that we have them (rule 5). */
static void what_is_trimmed_is_acknowledged(void **state)
{
    (void)state;
    struct fixture *fixture = follower();
    assert_true(fixture_receive(fixture, 2, fixture_offer(2, 50, 2, 1, 3, 9)));
    assert_true(staged(fixture));
    assert_true(fixture_installed(fixture));
    fixture_forget(fixture);
    assert_true(fixture_receive(fixture, 2, fixture_append(2, 30, 2, 50)));
    const struct peer_message *result = fixture_sent_last(fixture, 2, PEER_APPEND_ENTRIES_RESULT);
    assert_non_null(result);
    assert_int_equal(result->append_entries_result.rejected, 0);
    assert_int_equal(result->append_entries_result.last_log_index, 50);
    /* Some of it is trimmed, some is new. */
    struct peer_message append = fixture_append(2, 48, 2, 50);
    for (int i = 0; i < 4; i++) {
        fixture_append_entry(&append, 2, ENTRY_COMMAND, BYTES_LITERAL("x"));
    }
    assert_true(fixture_receive(fixture, 2, append));
    assert_int_equal(status_of(fixture).last_index, 52);
    assert_int_equal(fixture->writes[fixture->write_count - 1].first_index, 51);
    /* Nothing of it is new. */
    append = fixture_append(2, 10, 2, 50);
    fixture_append_entry(&append, 2, ENTRY_COMMAND, BYTES_LITERAL("x"));
    assert_true(fixture_receive(fixture, 2, append));
    assert_int_equal(status_of(fixture).last_index, 52);
    fixture_free(fixture);
}

static void it_starts_again_behind_what_it_installed(void **state)
{
    (void)state;
    static uint8_t members[1024];
    struct fixture *fixture = follower();
    assert_true(fixture_receive(fixture, 2, fixture_offer(2, 50, 2, 40, 4, 9)));
    assert_true(staged(fixture));
    struct bytes configuration = fixture->installing.configuration;
    memcpy(members, configuration.data, configuration.len);
    fixture->snapshot = fixture->installing;
    fixture->snapshot.configuration = bytes_of(members, configuration.len);
    assert_true(fixture_installed(fixture));
    replica_close(fixture->replica);
    assert_true(fixture_start(fixture, 1, 3));
    assert_int_equal(status_of(fixture).last_index, 50);
    assert_int_equal(status_of(fixture).snapshot_index, 50);
    fixture_free(fixture);
}

/* The process ends in the middle of it: nothing leaks, nothing is asked any more. */
static void it_may_be_closed_in_the_middle(void **state)
{
    (void)state;
    struct fixture *fixture = follower();
    assert_true(fixture_receive(fixture, 2, fixture_offer(2, 50, 2, 1, 3, 9)));
    fixture_free(fixture);
    fixture = follower();
    assert_true(fixture_receive(fixture, 2, fixture_offer(2, 50, 2, 1, 3, 9)));
    assert_true(staged(fixture));
    fixture_free(fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_snapshot_replaces_log_and_state),
        cmocka_unit_test(the_same_offer_is_fetched_once),
        cmocka_unit_test(an_offer_of_a_later_term_is_the_same),
        cmocka_unit_test(only_the_leader_may_offer),
        cmocka_unit_test(offers_of_older_terms_are_answered_by_us),
        cmocka_unit_test(malformed_offers_are_ignored),
        cmocka_unit_test(a_new_leader_makes_it_unwanted),
        cmocka_unit_test(a_log_that_has_all_of_it_makes_it_unwanted),
        cmocka_unit_test(an_install_waits_for_the_log),
        cmocka_unit_test(nothing_happens_to_the_log_during_an_install),
        cmocka_unit_test(nothing_is_applied_during_an_install),
        cmocka_unit_test(a_new_leader_is_told_what_was_installed),
        cmocka_unit_test(changes_of_the_old_log_are_forgotten),
        cmocka_unit_test(what_is_trimmed_is_acknowledged),
        cmocka_unit_test(it_starts_again_behind_what_it_installed),
        cmocka_unit_test(it_may_be_closed_in_the_middle),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
