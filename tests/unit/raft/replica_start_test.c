/*
 * replica_start_test.c - starting from a disk, sound or not, or with nothing (rules 0 and 11), how
 * libraft is set up (rule 1), and that every failure is final (rule 2).
 */
#include "replica_fixture.h"

#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- damaged disks ---- */

static void start_is_refused(struct fixture *fixture, const char *because)
{
    assert_false(fixture_start(fixture, 1, 3));
    assert_non_null(strstr(fixture->error.text, because));
    fixture_free(fixture);
}

static struct fixture *founded(uint64_t term)
{
    struct fixture *fixture = fixture_new();
    fixture_found(fixture, 3);
    fixture->term = term;
    return fixture;
}

static void damaged_disks_are_refused(void **state)
{
    (void)state;
    struct fixture *fixture = founded(3);
    fixture_disk_append(fixture, 4, ENTRY_COMMAND, BYTES_LITERAL("x")); /* above the stored term */
    start_is_refused(fixture, "damaged");

    fixture = founded(3);
    fixture_disk_append(fixture, 3, ENTRY_COMMAND, BYTES_LITERAL("x"));
    fixture_disk_append(fixture, 2, ENTRY_COMMAND, BYTES_LITERAL("x")); /* terms fall */
    start_is_refused(fixture, "damaged");

    fixture = founded(3);
    fixture_disk_append(fixture, 2, ENTRY_COMMAND, BYTES_LITERAL("x"));
    fixture->log[2]->index = 3; /* a gap */
    start_is_refused(fixture, "damaged");

    fixture = founded(3);
    fixture_disk_append(fixture, 2, (enum entry_type)7, BYTES_LITERAL("x"));
    start_is_refused(fixture, "unknown type");

    fixture = founded(3);
    fixture_disk_append(fixture, 2, ENTRY_CHANGE, BYTES_LITERAL("x"));
    start_is_refused(fixture, "configuration in entry 2");

    fixture = founded(3);
    fixture->applied_index = 2;
    start_is_refused(fixture, "lost entries");

    fixture = fixture_new();
    fixture->applied_index = 2;
    start_is_refused(fixture, "no log on disk");

    fixture = fixture_new();
    fixture_disk_append(fixture, 1, ENTRY_COMMAND, BYTES_LITERAL("x"));
    fixture->term = 1;
    start_is_refused(fixture, "founded by other members");
}

/* ---- a node that joins ---- */

static struct fixture *joining(void)
{
    struct fixture *fixture = fixture_new();
    fixture->joins = true;
    assert_true(fixture_start(fixture, 4, 3 + 1));
    fixture_forget(fixture);
    return fixture;
}

static void a_node_that_joins_has_nothing_and_stands_for_nothing(void **state)
{
    (void)state;
    struct fixture *fixture = joining();
    struct replica_member members[LIMIT_NODES];
    assert_int_equal(fixture->log_last, 0);
    assert_int_equal(replica_members(fixture->replica, members, LIMIT_NODES), 0);
    assert_int_equal(replica_members_index(fixture->replica), 0);
    assert_int_equal(replica_committed_members_index(fixture->replica), 0);
    assert_false(replica_is_committed_member(fixture->replica, 4));
    assert_false(replica_can_snapshot(fixture->replica));
    for (int i = 0; i < 50; i++) {
        assert_true(fixture_tick(fixture));
    }
    assert_int_equal(fixture->sent_count, 0);
    assert_int_equal(fixture->term, 1);
    /* It begins again with what it has stored: a term. */
    uint64_t term = fixture->term;
    fixture_free(fixture);
    fixture = fixture_new();
    fixture->joins = true;
    fixture->term = term + 7;
    assert_true(fixture_start(fixture, 4, 4));
    assert_int_equal(fixture->term, term + 7);
    fixture_free(fixture);
}

static void entry_1_must_be_the_clusters(void **state)
{
    (void)state;
    struct fixture *fixture = joining();
    uint64_t version = replica_members_version(fixture->replica);
    struct replica_status status;
    const struct bytes others[] = {fixture_configuration(3), BYTES_LITERAL("no members")};
    for (size_t i = 0; i < 2; i++) {
        struct peer_message append = fixture_append(2, 0, 0, 1);
        fixture_append_entry(&append, 1, ENTRY_CHANGE, others[i]);
        assert_true(fixture_receive(fixture, 1, append));
    }
    struct peer_message append = fixture_append(2, 0, 0, 1);
    fixture_append_entry(&append, 2, ENTRY_CHANGE, fixture_configuration(4)); /* not term 1 */
    assert_true(fixture_receive(fixture, 1, append));
    append = fixture_append(2, 0, 0, 1);
    fixture_append_entry(&append, 1, ENTRY_COMMAND, fixture_configuration(4));
    assert_true(fixture_receive(fixture, 1, append));
    replica_status_get(fixture->replica, &status);
    assert_int_equal(status.refused_count, 4);
    assert_int_equal(fixture->log_last, 0);
    assert_int_equal(replica_members_version(fixture->replica), version);

    append = fixture_append(2, 0, 0, 1);
    fixture_append_entry(&append, 1, ENTRY_CHANGE, fixture_configuration(4));
    fixture_append_entry(&append, 2, ENTRY_COMMAND, BYTES_LITERAL("x"));
    assert_true(fixture_receive(fixture, 1, append));
    assert_int_equal(fixture->log_last, 2);
    assert_int_equal(fixture->leader_id, 1);
    assert_int_equal(replica_members_index(fixture->replica), 1);
    assert_true(replica_members_version(fixture->replica) != version);
    assert_true(fixture_sync_all(fixture));
    assert_int_equal(fixture->applied_index, 1);
    assert_int_equal(replica_committed_members_index(fixture->replica), 1);
    assert_true(replica_is_committed_member(fixture->replica, 4));
    fixture_free(fixture);
}

/* A change behind entry 1 that is undone leaves the founders, though nobody has said yet that entry
 * 1 is committed. */
static void a_change_behind_entry_1_can_be_undone(void **state)
{
    (void)state;
    struct fixture *fixture = joining();
    struct replica_member members[LIMIT_NODES];
    struct peer_message append = fixture_append(2, 0, 0, 0);
    fixture_append_entry(&append, 1, ENTRY_CHANGE, fixture_configuration(4));
    fixture_append_entry(&append, 2, ENTRY_CHANGE, fixture_configuration(5));
    assert_true(fixture_receive(fixture, 1, append));
    assert_int_equal(replica_members(fixture->replica, members, LIMIT_NODES), 5);
    assert_int_equal(replica_members_index(fixture->replica), 2);
    assert_int_equal(replica_committed_members_index(fixture->replica), 1);
    assert_true(fixture_sync_all(fixture));
    append = fixture_append(3, 1, 1, 1);
    fixture_append_entry(&append, 3, ENTRY_COMMAND, BYTES_LITERAL("x"));
    uint64_t version = replica_members_version(fixture->replica);
    assert_true(fixture_receive(fixture, 2, append));
    assert_int_equal(replica_members(fixture->replica, members, LIMIT_NODES), 4);
    assert_int_equal(replica_members_index(fixture->replica), 1);
    assert_true(replica_members_version(fixture->replica) != version);
    fixture_free(fixture);
}

/* ---- rule 1 ---- */

static void libraft_is_set_up_as_the_rules_say(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_new();
    fixture_start_follower(fixture, 3, 1);
    const struct raft *raft = &fixture->replica->raft;
    assert_null(raft->tracer);
    assert_int_equal(raft->capacity, 0);
    assert_int_equal(raft->capacity_threshold, 0);
    assert_true(raft->pre_vote);
    assert_int_equal(raft->max_inflight_entries, LIMIT_RAFT_INFLIGHT_ENTRIES);
    assert_int_equal(raft->election_timeout, 300);
    assert_int_equal(raft->heartbeat_timeout, 75);
    fixture_free(fixture);
}

static void the_clock_must_not_go_back(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_new();
    fixture_start_follower(fixture, 3, 1);
    fixture->now_ms -= 1;
    assert_false(replica_tick(fixture->replica, fixture->now_ms, &fixture->error));
    assert_non_null(strstr(fixture->error.text, "clock went back"));
    fixture_free(fixture);
}

static void a_callback_must_not_call_back(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_new();
    fixture_found(fixture, 3);
    fixture->term = 1;
    fixture->call_back = true;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
        signal(SIGABRT, SIG_DFL);
        close(STDERR_FILENO);
        fixture_start(fixture, 1, 3); /* applies entry 1, whose callback calls back */
        _exit(0);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    fixture_free(fixture);
}

/* ---- rule 2 ---- */

static void every_call_fails_with(struct fixture *fixture, const char *text)
{
    struct error error = {""};
    assert_false(replica_tick(fixture->replica, fixture->now_ms + 1000, &error));
    assert_non_null(strstr(error.text, text));
    struct peer_message append = fixture_append(9, 1, 1, 1);
    error.text[0] = '\0';
    assert_false(replica_receive(fixture->replica, 2, &append, fixture->now_ms + 1000, &error));
    assert_non_null(strstr(error.text, text));
    assert_false(replica_can_submit(fixture->replica));
}

static void a_failed_hard_state_is_final(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_new();
    fixture_start_follower(fixture, 3, 1);
    fixture->fail_store = true;
    assert_false(fixture_receive(fixture, 2, fixture_vote(2, 2, 1, 1, false)));
    assert_non_null(strstr(fixture->error.text, "disk is full"));
    assert_int_equal(fixture->sent_count, 0); /* rule 3: the vote did not leave */
    fixture->fail_store = false;
    every_call_fails_with(fixture, "disk is full");
    fixture_free(fixture);
}

static void a_failed_apply_is_final(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_new();
    fixture_start_leader(fixture, 3, 1);
    uint64_t index = fixture_submit(fixture, "x");
    assert_true(fixture_sync_all(fixture));
    fixture->fail_apply = true;
    assert_false(fixture_receive(fixture, 2, fixture_append_success(2, index)));
    every_call_fails_with(fixture, "the state's disk is full");
    fixture_free(fixture);
}

static void a_failed_read_is_final(void **state)
{
    (void)state;
    struct fixture *fixture = founded(1);
    fixture_disk_append(fixture, 1, ENTRY_COMMAND, BYTES_LITERAL("x"));
    fixture->applied_index = 1;
    assert_true(fixture_start(fixture, 1, 3));
    fixture->fail_read = true;
    assert_false(fixture_receive(fixture, 2, fixture_append(1, 2, 1, 2)));
    every_call_fails_with(fixture, "input/output error");
    fixture_free(fixture);
}

/* Committed entries contradicted: somebody's log is wrong, perhaps ours. */
static void contradicted_commits_are_final(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_new();
    fixture_start_follower(fixture, 3, 1);
    struct peer_message append = fixture_append(1, 1, 1, 2);
    fixture_append_entry(&append, 1, ENTRY_COMMAND, BYTES_LITERAL("x"));
    assert_true(fixture_receive(fixture, 2, append));
    append = fixture_append(2, 1, 1, 2);
    fixture_append_entry(&append, 2, ENTRY_COMMAND, BYTES_LITERAL("y"));
    assert_false(fixture_receive(fixture, 3, append));
    every_call_fails_with(fixture, "libraft can't go on");
    fixture_free(fixture);
}

static void writes_nobody_asked_for_are_final(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_new();
    fixture_start_follower(fixture, 3, 1);
    assert_false(replica_log_written(fixture->replica, 1, 5, fixture->now_ms, &fixture->error));
    every_call_fails_with(fixture, "not asked for");
    fixture_free(fixture);
}

/* ---- rule 11: the lone voter ---- */

static void a_lone_voter_begins_a_new_term(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_new();
    fixture_found(fixture, 1);
    fixture_disk_append(fixture, 7, ENTRY_COMMAND, BYTES_LITERAL("x"));
    fixture->term = 7;
    fixture->applied_index = 1;
    assert_true(fixture_start(fixture, 1, 1));
    assert_int_equal(fixture->trace[0], 'H'); /* stored before it leads */
    assert_int_equal(fixture->term, 8);
    assert_int_equal(fixture->vote, 1);
    assert_int_equal(fixture->state, REPLICA_LEADER);
    assert_int_equal(fixture->state_term, 8);
    assert_int_equal(fixture->log[3]->term, 8); /* its barrier */
    assert_int_equal(fixture->applied_index, 2);
    assert_true(fixture_sync_all(fixture));
    assert_int_equal(fixture->applied_index, 3);
    uint64_t index = fixture_submit(fixture, "y");
    assert_int_equal(fixture->applied_index, 3);
    assert_true(fixture_sync_all(fixture));
    assert_int_equal(fixture->applied_index, index);
    fixture_free(fixture);
}

static void a_new_lone_voter_serves(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_new();
    assert_true(fixture_start(fixture, 1, 1));
    assert_int_equal(fixture->term, 2);
    assert_int_equal(fixture->state, REPLICA_LEADER);
    assert_true(fixture_sync_all(fixture));
    assert_int_equal(fixture->applied_index, 2);
    /* Nobody to hear from: it stays leader. */
    for (int i = 0; i < 100; i++) {
        assert_true(fixture_tick(fixture));
    }
    assert_int_equal(fixture->state, REPLICA_LEADER);
    assert_int_equal(fixture->term, 2);
    fixture_free(fixture);
}

static void one_voter_of_three_keeps_its_term(void **state)
{
    (void)state;
    struct fixture *fixture = founded(7);
    assert_true(fixture_start(fixture, 1, 3));
    assert_int_equal(fixture->term, 7);
    assert_int_equal(fixture->state, REPLICA_FOLLOWER);
    fixture_free(fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(damaged_disks_are_refused),
        cmocka_unit_test(a_node_that_joins_has_nothing_and_stands_for_nothing),
        cmocka_unit_test(entry_1_must_be_the_clusters),
        cmocka_unit_test(a_change_behind_entry_1_can_be_undone),
        cmocka_unit_test(libraft_is_set_up_as_the_rules_say),
        cmocka_unit_test(the_clock_must_not_go_back),
        cmocka_unit_test(a_callback_must_not_call_back),
        cmocka_unit_test(a_failed_hard_state_is_final),
        cmocka_unit_test(a_failed_apply_is_final),
        cmocka_unit_test(a_failed_read_is_final),
        cmocka_unit_test(contradicted_commits_are_final),
        cmocka_unit_test(writes_nobody_asked_for_are_final),
        cmocka_unit_test(a_lone_voter_begins_a_new_term),
        cmocka_unit_test(a_new_lone_voter_serves),
        cmocka_unit_test(one_voter_of_three_keeps_its_term),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
