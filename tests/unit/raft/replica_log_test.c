/*
 * replica_log_test.c - the log of one replica: what is stored before what leaves (rule 3), the
 * order and generations of writes (rule 4), received appends in parts (rule 7), configurations
 * (rule 8), what is applied and when (rule 9).
 */
#include "replica_fixture.h"

#include <string.h>

static struct peer_message append_of(uint64_t term, uint64_t prev_index, uint64_t prev_term,
                                     uint64_t leader_commit, size_t count)
{
    struct peer_message append = fixture_append(term, prev_index, prev_term, leader_commit);
    for (size_t i = 0; i < count; i++) {
        fixture_append_entry(&append, term, ENTRY_COMMAND, BYTES_LITERAL("command"));
    }
    return append;
}

/* ---- rule 3 ---- */

static void votes_are_stored_before_they_leave(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_new();
    fixture_start_follower(fixture, 3, 1);
    assert_true(fixture_receive(fixture, 2, fixture_vote(2, 2, 1, 1, false)));
    const struct peer_message *reply = fixture_sent_last(fixture, 2, PEER_REQUEST_VOTE_RESULT);
    assert_non_null(reply);
    assert_true(reply->request_vote_result.vote_granted);
    assert_int_equal(fixture->term, 2);
    assert_int_equal(fixture->vote, 2);
    const char *stored = strchr(fixture->trace, 'H');
    const char *sent = strchr(fixture->trace, 'M');
    assert_true(stored != NULL && sent != NULL && stored < sent);
    fixture_free(fixture);
}

static void a_candidacy_is_stored_before_it_is_announced(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_new();
    fixture_start_follower(fixture, 3, 1);
    assert_true(fixture_tick(fixture));
    assert_int_equal(fixture->term, 1); /* a pre-vote costs no term */
    fixture_forget(fixture);
    assert_true(fixture_receive(fixture, 2, fixture_vote_result(1, 2, true, true)));
    assert_int_equal(fixture->term, 2);
    assert_int_equal(fixture->vote, 1);
    assert_string_equal(fixture->trace, "HSMM");
    fixture_free(fixture);
}

static void a_new_term_is_stored_before_its_entries(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_new();
    fixture_start_follower(fixture, 3, 1);
    assert_true(fixture_receive(fixture, 2, append_of(4, 1, 1, 1, 1)));
    assert_string_equal(fixture->trace, "HSW");
    assert_int_equal(fixture->leader_id, 2);
    fixture_free(fixture);
}

/* ---- rule 4 ---- */

static void only_synced_entries_are_reported(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_new();
    fixture_start_follower(fixture, 3, 1);
    assert_true(fixture_receive(fixture, 2, append_of(1, 1, 1, 1, 3)));
    assert_int_equal(fixture->sent_count, 0);
    assert_true(fixture_sync_all(fixture));
    const struct peer_message *reply = fixture_sent_last(fixture, 2, PEER_APPEND_ENTRIES_RESULT);
    assert_non_null(reply);
    assert_int_equal(reply->append_entries_result.rejected, 0);
    assert_int_equal(reply->append_entries_result.last_log_index, 4);
    assert_int_equal(reply->sent_term, 1);
    fixture_free(fixture);
}

/* Entries 2 to 4 of leader 2 are being written when leader 3 replaces 3 and 4 by entries of its
 * own. The completion of the first write speaks of entries that are gone: taken for the new ones it
 * would report to leader 3 what is not on disk. */
static void completions_of_truncated_writes_do_not_count(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_new();
    fixture_start_follower(fixture, 3, 1);
    assert_true(fixture_receive(fixture, 2, append_of(1, 1, 1, 1, 3)));
    struct peer_message append = fixture_append(2, 2, 1, 1);
    fixture_append_entry(&append, 2, ENTRY_COMMAND, BYTES_LITERAL("new"));
    fixture_append_entry(&append, 2, ENTRY_COMMAND, BYTES_LITERAL("new"));
    assert_true(fixture_receive(fixture, 3, append));
    assert_int_equal(fixture->write_count, 2);
    assert_int_equal(fixture->writes[1].first_index, 3);
    assert_true(fixture->writes[1].generation > fixture->writes[0].generation);

    fixture_forget(fixture);
    assert_true(fixture_sync_one(fixture));
    assert_null(fixture_sent_last(fixture, 3, PEER_APPEND_ENTRIES_RESULT));
    struct replica_status status;
    replica_status_get(fixture->replica, &status);
    assert_int_equal(status.durable_index, 1);
    assert_int_equal(status.last_index, 4);

    assert_true(fixture_sync_one(fixture));
    const struct peer_message *reply = fixture_sent_last(fixture, 3, PEER_APPEND_ENTRIES_RESULT);
    assert_non_null(reply);
    assert_int_equal(reply->append_entries_result.last_log_index, 4);
    fixture_free(fixture);
}

static void a_truncation_takes_durable_back(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_new();
    fixture_start_follower(fixture, 3, 1);
    assert_true(fixture_receive(fixture, 2, append_of(1, 1, 1, 1, 3)));
    assert_true(fixture_sync_all(fixture));
    assert_true(fixture_receive(fixture, 3, append_of(2, 2, 1, 4, 1)));
    struct replica_status status;
    replica_status_get(fixture->replica, &status);
    assert_int_equal(status.last_index, 3);
    assert_int_equal(status.durable_index, 2);
    assert_int_equal(fixture->applied_index, 2); /* 3 is committed, but not durable here */
    assert_true(fixture_sync_all(fixture));
    assert_int_equal(fixture->applied_index, 3);
    fixture_free(fixture);
}

/* ---- rule 7 ---- */

/* A heartbeat whose previous index lies behind the commit index. */
static void the_commit_index_does_not_go_back(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_new();
    fixture_start_follower(fixture, 3, 2);
    assert_true(fixture_receive(fixture, 2, append_of(2, 1, 1, 8, 9)));
    struct replica_status status;
    replica_status_get(fixture->replica, &status);
    assert_int_equal(status.commit_index, 8);
    assert_true(fixture_receive(fixture, 2, fixture_append(2, 5, 2, 9)));
    replica_status_get(fixture->replica, &status);
    assert_int_equal(status.commit_index, 8);
    assert_int_equal(raft_commit_index(&fixture->replica->raft), 8);
    fixture_free(fixture);
}

/* A change in the middle of a message: libraft would note the index of the message's first entry,
 * and not roll the change back when it is truncated. */
static void a_change_inside_a_message_is_rolled_back(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_new();
    struct replica_member members[LIMIT_NODES];
    fixture_start_follower(fixture, 3, 1);
    struct peer_message append = append_of(2, 1, 1, 1, 1);
    fixture_append_entry(&append, 2, ENTRY_CHANGE, fixture_configuration(4));
    assert_true(fixture_receive(fixture, 2, append));
    assert_int_equal(fixture->replica->raft.configuration_uncommitted_index, 3);
    assert_int_equal(replica_members(fixture->replica, members, LIMIT_NODES), 4);
    assert_true(fixture_sync_all(fixture));
    append = fixture_append(3, 2, 2, 1);
    fixture_append_entry(&append, 3, ENTRY_COMMAND, BYTES_LITERAL("instead"));
    assert_true(fixture_receive(fixture, 3, append));
    assert_int_equal(replica_members(fixture->replica, members, LIMIT_NODES), 3);
    assert_int_equal(fixture->replica->change_count, 0);
    fixture_free(fixture);
}

/* One message commits change A and brings change B: A must be settled before B arrives, or B's
 * truncation rolls back too far. */
static void a_commit_is_settled_before_the_next_change(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_new();
    struct replica_member members[LIMIT_NODES];
    fixture_start_follower(fixture, 3, 1);
    struct peer_message append = fixture_append(2, 1, 1, 1);
    fixture_append_entry(&append, 2, ENTRY_CHANGE, fixture_configuration(4));
    assert_true(fixture_receive(fixture, 2, append));
    assert_true(fixture_sync_all(fixture));
    append = fixture_append(2, 2, 2, 2);
    fixture_append_entry(&append, 2, ENTRY_CHANGE, fixture_configuration(5));
    assert_true(fixture_receive(fixture, 2, append));
    assert_int_equal(fixture->replica->raft.configuration_committed_index, 2);
    assert_int_equal(replica_members(fixture->replica, members, LIMIT_NODES), 5);
    append = fixture_append(3, 2, 2, 2);
    fixture_append_entry(&append, 3, ENTRY_COMMAND, BYTES_LITERAL("instead"));
    assert_true(fixture_receive(fixture, 3, append));
    assert_int_equal(replica_members(fixture->replica, members, LIMIT_NODES), 4);
    fixture_free(fixture);
}

/* The leader has started again and does not know yet what is committed. But the first change is: or
 * nobody could have made the second. */
static void a_change_settles_the_one_before(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_new();
    struct replica_member members[LIMIT_NODES];
    fixture_start_follower(fixture, 3, 1);
    struct peer_message append = fixture_append(2, 1, 1, 1);
    fixture_append_entry(&append, 2, ENTRY_CHANGE, fixture_configuration(4));
    assert_true(fixture_receive(fixture, 2, append));
    append = fixture_append(3, 2, 2, 1);
    fixture_append_entry(&append, 2, ENTRY_CHANGE, fixture_configuration(5));
    assert_true(fixture_receive(fixture, 2, append));
    assert_int_equal(fixture->replica->commit_index, 1);
    assert_int_equal(fixture->replica->raft.configuration_committed_index, 2);
    assert_int_equal(replica_members(fixture->replica, members, LIMIT_NODES), 5);
    append = fixture_append(4, 2, 2, 1);
    fixture_append_entry(&append, 4, ENTRY_COMMAND, BYTES_LITERAL("instead"));
    assert_true(fixture_receive(fixture, 3, append));
    assert_int_equal(replica_members(fixture->replica, members, LIMIT_NODES), 4);
    fixture_free(fixture);
}

/* What we have in front of it is not what its leader has: nothing follows for ours. */
static void a_change_behind_another_log_settles_nothing(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_new();
    struct replica_member members[LIMIT_NODES];
    fixture_start_follower(fixture, 3, 1);
    struct peer_message append = fixture_append(2, 1, 1, 1);
    fixture_append_entry(&append, 2, ENTRY_CHANGE, fixture_configuration(4));
    assert_true(fixture_receive(fixture, 2, append));
    append = fixture_append(4, 2, 3, 1);
    fixture_append_entry(&append, 4, ENTRY_CHANGE, fixture_configuration(2));
    assert_true(fixture_receive(fixture, 3, append));
    assert_int_equal(fixture->replica->raft.configuration_committed_index, 1);
    append = fixture_append(4, 1, 1, 1);
    fixture_append_entry(&append, 3, ENTRY_COMMAND, BYTES_LITERAL("instead"));
    fixture_append_entry(&append, 4, ENTRY_CHANGE, fixture_configuration(2));
    assert_true(fixture_receive(fixture, 3, append));
    assert_int_equal(fixture->replica->raft.configuration_committed_index, 1);
    assert_int_equal(replica_members(fixture->replica, members, LIMIT_NODES), 2);
    fixture_free(fixture);
}

/* ---- rule 8 ---- */

static void change_on_disk(struct fixture *fixture)
{
    fixture_found(fixture, 3);
    fixture_disk_append(fixture, 1, ENTRY_COMMAND, BYTES_LITERAL("x"));
    fixture_disk_append(fixture, 1, ENTRY_CHANGE, fixture_configuration(4));
    fixture_disk_append(fixture, 1, ENTRY_COMMAND, BYTES_LITERAL("x"));
    fixture->term = 1;
}

/* The owner has applied the change in an earlier life: libraft knows from START. */
static void what_is_applied_is_committed_for_libraft(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_new();
    change_on_disk(fixture);
    fixture->applied_index = 4;
    assert_true(fixture_start(fixture, 1, 3));
    assert_int_equal(raft_commit_index(&fixture->replica->raft), 4);
    assert_int_equal(fixture->replica->change_count, 0);
    assert_int_equal(fixture->replica->raft.configuration_uncommitted_index, 0);
    assert_int_equal(fixture->replica->raft.configuration_committed_index, 3);
    fixture_free(fixture);
}

static void configurations_are_fed_behind_starts_commit_index(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_new();
    change_on_disk(fixture);
    fixture->applied_index = 2;
    assert_true(fixture_start(fixture, 1, 3));
    assert_int_equal(fixture->replica->raft.configuration_uncommitted_index, 3);
    assert_true(fixture_receive(fixture, 2, fixture_append(1, 4, 1, 4)));
    assert_int_equal(fixture->replica->raft.configuration_uncommitted_index, 0);
    assert_int_equal(fixture->replica->raft.configuration_committed_index, 3);
    fixture_free(fixture);
}

/* Nothing is durable, so nothing may be applied: the configuration is fed all the same. */
static void configurations_do_not_wait_for_apply(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_new();
    fixture_start_follower(fixture, 3, 1);
    struct peer_message append = fixture_append(1, 1, 1, 2);
    fixture_append_entry(&append, 1, ENTRY_CHANGE, fixture_configuration(4));
    assert_true(fixture_receive(fixture, 2, append));
    assert_int_equal(fixture->applied_index, 1);
    assert_int_equal(fixture->replica->raft.configuration_committed_index, 2);
    assert_int_equal(fixture->replica->raft.configuration_uncommitted_index, 0);
    fixture_free(fixture);
}

/* ---- rule 9 ---- */

/* libraft commits on the followers' word while the leader's own disk is writing. */
static void a_leader_applies_what_is_durable_here(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_new();
    fixture_start_leader(fixture, 3, 1);
    uint64_t index = fixture_submit(fixture, "x");
    assert_true(fixture_receive(fixture, 2, fixture_append_success(2, index)));
    assert_true(fixture_receive(fixture, 3, fixture_append_success(2, index)));
    struct replica_status status;
    replica_status_get(fixture->replica, &status);
    assert_int_equal(status.commit_index, index);
    assert_int_equal(status.applied_index, index - 1);
    assert_int_equal(fixture->applied_index, index - 1);
    assert_true(fixture_sync_all(fixture));
    assert_int_equal(fixture->applied_index, index);
    fixture_free(fixture);
}

static void apply_goes_on_where_the_state_is(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_new();
    change_on_disk(fixture);
    fixture->applied_index = 2;
    assert_true(fixture_start(fixture, 1, 3));
    assert_int_equal(fixture->applied_index, 2);
    assert_true(fixture_receive(fixture, 2, fixture_append(1, 4, 1, 4)));
    assert_int_equal(fixture->applied_index, 4); /* the fixture checks that each index comes once */
    assert_true(fixture->reads > 0);             /* from disk: nothing of it was in memory */
    fixture_free(fixture);
}

/* A long log is applied over several turns, so that the loop hears its peers in between. */
static void a_long_replay_is_cut_into_turns(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_new();
    const uint64_t last = UINT64_C(3) * LIMIT_APPLY_TURN_ENTRIES;
    fixture_found(fixture, 3);
    while (fixture->log_last < last) {
        fixture_disk_append(fixture, 1, ENTRY_COMMAND, BYTES_LITERAL("x"));
    }
    fixture->term = 1;
    assert_true(fixture_start(fixture, 1, 3));
    assert_int_equal(fixture->applied_index, 1); /* START takes entry 1 for committed */
    assert_true(fixture_receive(fixture, 2, fixture_append(1, last, 1, last)));
    size_t turns = 1;
    while (fixture->applied_index < last) {
        uint64_t before = fixture->applied_index;
        assert_true(before <= turns * LIMIT_APPLY_TURN_ENTRIES + 1); /* entry 1 came with START */
        assert_int_equal(replica_next_ms(fixture->replica), fixture->now_ms); /* at once */
        assert_true(fixture_tick(fixture));
        assert_true(fixture->applied_index > before);
        turns++;
    }
    assert_true(turns >= 3);
    assert_true(replica_next_ms(fixture->replica) > fixture->now_ms);
    fixture_free(fixture);
}

/* Large entries cost most: none is begun when the bound is reached, whatever one read of the log
 * gives. */
static void a_turn_applies_a_bounded_number_of_bytes(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_new();
    const uint64_t last = 20;
    struct buffer large = {0};
    memset(buffer_reserve(&large, LIMIT_APPLY_TURN_BYTES * 2 / 5), 'x',
           LIMIT_APPLY_TURN_BYTES * 2 / 5);
    large.len = LIMIT_APPLY_TURN_BYTES * 2 / 5;
    fixture_found(fixture, 3);
    while (fixture->log_last < last) {
        fixture_disk_append(fixture, 1, ENTRY_COMMAND, buffer_bytes(&large));
    }
    fixture->term = 1;
    assert_true(fixture_start(fixture, 1, 3));
    assert_true(fixture_receive(fixture, 2, fixture_append(1, last, 1, last)));
    while (fixture->applied_index < last) {
        uint64_t before = fixture->applied_index;
        assert_true(fixture_tick(fixture));
        assert_in_range(fixture->applied_index, before + 1, before + 3);
    }
    buffer_free(&large);
    fixture_free(fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(votes_are_stored_before_they_leave),
        cmocka_unit_test(a_candidacy_is_stored_before_it_is_announced),
        cmocka_unit_test(a_new_term_is_stored_before_its_entries),
        cmocka_unit_test(only_synced_entries_are_reported),
        cmocka_unit_test(completions_of_truncated_writes_do_not_count),
        cmocka_unit_test(a_truncation_takes_durable_back),
        cmocka_unit_test(the_commit_index_does_not_go_back),
        cmocka_unit_test(a_change_inside_a_message_is_rolled_back),
        cmocka_unit_test(a_commit_is_settled_before_the_next_change),
        cmocka_unit_test(a_change_settles_the_one_before),
        cmocka_unit_test(a_change_behind_another_log_settles_nothing),
        cmocka_unit_test(what_is_applied_is_committed_for_libraft),
        cmocka_unit_test(configurations_are_fed_behind_starts_commit_index),
        cmocka_unit_test(configurations_do_not_wait_for_apply),
        cmocka_unit_test(a_leader_applies_what_is_durable_here),
        cmocka_unit_test(apply_goes_on_where_the_state_is),
        cmocka_unit_test(a_long_replay_is_cut_into_turns),
        cmocka_unit_test(a_turn_applies_a_bounded_number_of_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
