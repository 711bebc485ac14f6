/*
 * checks_commit_test.c - the checks of what is committed and of what is applied can fail: each is
 * shown what it must let pass, and what it must not.
 */
#include "cmocka_test.h"

#include "checks_scene.h"

/* n1 leads term 2; its entry 2 is on the disks of n1 and n2 of three nodes, or of all five. */
static struct entry *a_term(struct scene *scene, size_t nodes)
{
    scene_begin(scene, nodes);
    scene_elect(scene, 0, 2, N(1) | N(3), scene->entries[0]);
    struct entry *entry = scene_barrier(scene, 2, 2);
    scene_store(scene, nodes == 3 ? N(0) | N(1) : ALL, entry);
    return entry;
}

static struct entry *a_committed_term(struct scene *scene)
{
    struct entry *entry = a_term(scene, 3);
    scene_commit(scene, N(0) | N(1), 2);
    return entry;
}

static void sent(struct scene *scene, uint64_t prev_index, uint64_t prev_term, struct entry *entry,
                 uint64_t commit_index)
{
    const struct peer_message message = {
        .type = PEER_APPEND_ENTRIES,
        .sent_term = 2,
        .append_entries = {.term = 2,
                           .prev_log_index = prev_index,
                           .prev_log_term = prev_term,
                           .leader_commit = commit_index,
                           .entries = &entry,
                           .entry_count = 1},
    };
    checks_sent(scene->checks, 0, 1, &message);
}

/* ---- committing ---- */

static void a_commit_on_too_few_disks(void **state)
{
    (void)state;
    struct scene scene;
    a_committed_term(&scene);
    struct entry *third = scene_barrier(&scene, 3, 2);
    scene_store(&scene, N(0), third);
    scene_ask(&scene, 1, third);
    scene_commit(&scene, N(0), 3);
    scene_fails(&scene, CHECK_COMMITTED, "commits entry 3 of term 2, which is on 1 disks of 3");
}

/* n2 says to n1 in this term that it has so much. */
static void acknowledged(struct scene *scene, uint64_t term, uint64_t index)
{
    const struct peer_message message = {
        .type = PEER_APPEND_ENTRIES_RESULT,
        .sent_term = term,
        .append_entries_result = {.term = term, .last_log_index = index},
    };
    checks_sent(scene->checks, 1, 0, &message);
}

static void a_leader_counts_what_was_acknowledged(void **state)
{
    (void)state;
    struct scene scene;
    a_term(&scene, 3);
    acknowledged(&scene, 2, 2);
    checks_match(scene.checks, 0, 1, 2);
    scene_passes(&scene);
}

static void a_leader_counts_what_was_not_acknowledged(void **state)
{
    (void)state;
    struct scene scene;
    a_term(&scene, 3);
    acknowledged(&scene, 2, 1);
    checks_match(scene.checks, 0, 1, 2);
    scene_fails(&scene, CHECK_COMMITTED,
                "n1 leads term 2 and takes n2 to have 2, which has acknowledged 1 in this term");
}

static void a_leader_counts_what_was_acknowledged_in_another_term(void **state)
{
    (void)state;
    struct scene scene;
    struct entry *second = a_term(&scene, 3);
    acknowledged(&scene, 2, 2);
    scene_elect(&scene, 0, 3, N(1), second);
    checks_match(scene.checks, 0, 1, 2);
    scene_fails(&scene, CHECK_COMMITTED, "n1 leads term 3 and takes n2 to have 2");
}

static void a_commit_that_is_said_too_early(void **state)
{
    (void)state;
    struct scene scene;
    a_committed_term(&scene);
    struct entry *third = scene_barrier(&scene, 3, 2);
    scene_store(&scene, N(0), third);
    sent(&scene, 2, 2, third, 3);
    scene_fails(&scene, CHECK_COMMITTED, "commits entry 3 of term 2, which is on 1 disks of 3");
}

static void a_commit_with_the_disk_of_a_wiped_node(void **state)
{
    (void)state;
    struct scene scene;
    a_term(&scene, 3);
    checks_wiped(scene.checks, 1);
    scene_commit(&scene, N(0), 2);
    scene_fails(&scene, CHECK_COMMITTED, "which is on 1 disks of 3");
}

/* Its voice counts that it gave before. */
static void a_commit_by_a_wiped_nodes_acknowledgement(void **state)
{
    (void)state;
    struct scene scene;
    a_term(&scene, 3);
    acknowledged(&scene, 2, 2);
    checks_wiped(scene.checks, 1);
    scene_commit(&scene, N(0), 2);
    scene_passes(&scene);
}

static void a_wiped_node_takes_nothing_back(void **state)
{
    (void)state;
    struct scene scene;
    struct entry *second = a_committed_term(&scene);
    scene_store(&scene, N(2), second);
    checks_wiped(scene.checks, 1);
    checks_hard_state(scene.checks, 1, 0, 0);
    scene_find(&scene, 1, NULL, 0);
    scene_ask(&scene, 1, scene.entries[0]);
    checks_log_durable(scene.checks, 1, 1);
    scene_commit(&scene, N(1), 1);
    scene_commit(&scene, N(2), 2);
    scene_passes(&scene);
}

static void a_commit_index_that_falls(void **state)
{
    (void)state;
    struct scene scene;
    a_committed_term(&scene);
    scene_commit(&scene, N(0), 1);
    scene_fails(&scene, CHECK_COMMITTED, "n1: its commit index fell from 2 to 1");
}

static void a_commit_behind_the_end_of_the_log(void **state)
{
    (void)state;
    struct scene scene;
    a_committed_term(&scene);
    scene_commit(&scene, N(2), 2);
    scene_fails(&scene, CHECK_COMMITTED, "n3 commits up to 2, its log ends at 1");
}

static void a_commit_of_an_older_terms_entry(void **state)
{
    (void)state;
    struct scene scene;
    a_term(&scene, 3);
    struct entry *second = scene.entries[1];
    scene_elect(&scene, 1, 3, N(2), second);
    scene_commit(&scene, N(1), 2);
    scene_fails(&scene, CHECK_COMMITTED, "leads term 3 and commits up to 2, an entry of term 2");
}

/* Of five nodes n1's third entry of term 2 is on n1, n2 and n3; n4 leads term 3 without it. */
static struct entry *two_thirds(struct scene *scene, struct entry **old)
{
    struct entry *second = a_term(scene, 5);
    *old = scene_barrier(scene, 3, 2);
    scene_store(scene, N(0) | N(1), *old);
    scene_elect(scene, 3, 3, N(2) | N(4), second);
    struct entry *third = scene_barrier(scene, 3, 3);
    scene_store(scene, N(3) | N(4), third);
    return third;
}

static void another_entry_than_the_committed_one(void **state)
{
    (void)state;
    struct scene scene;
    struct entry *old;
    struct entry *third = two_thirds(&scene, &old);
    scene_store(&scene, N(2), third);
    scene_commit(&scene, N(3), 3);
    scene_commit(&scene, N(1), 3);
    scene_fails(&scene, CHECK_COMMITTED,
                "n2 commits an entry 3 of term 2, committed before is one of term 3");
}

static void a_committed_entry_that_is_cut_off(void **state)
{
    (void)state;
    struct scene scene;
    struct entry *second = a_committed_term(&scene);
    /* n3 leads with a log that nobody may vote for, by votes that it should not have had: here
     * they are only said. */
    struct entry *third = scene_barrier(&scene, 3, 2);
    scene_store(&scene, N(0), third);
    scene_store(&scene, N(1), third);
    scene_commit(&scene, N(0), 3);
    scene_vote(&scene, 2, 2, 3);
    scene_hear(&scene, 1, 3);
    checks_log_asked(scene.checks, 1, 2, &second, 1);
    scene_fails(&scene, CHECK_COMMITTED, "n2 cuts its log at 2, its entry 3 of term 2 is");
}

static void a_committed_entry_that_leaves_the_disks(void **state)
{
    (void)state;
    struct scene scene;
    struct entry *old;
    struct entry *third = two_thirds(&scene, &old);
    /* n2 is told to replace its third entry, and before it has, the entry becomes committed. */
    scene_store(&scene, N(2), third);
    struct entry *fourth = scene_barrier(&scene, 4, 3);
    scene_hear(&scene, 1, 3);
    scene_ask(&scene, 1, third);
    scene_store(&scene, N(3), fourth);
    checks_log_durable(scene.checks, 1, 1);
    scene_commit(&scene, N(3), 3);
    scene_passes(&scene);
    a_term(&scene, 5);
    struct entry *kept = scene_barrier(&scene, 3, 2);
    scene_store(&scene, N(0) | N(1), kept);
    scene_hear(&scene, 2, 2);
    scene_ask(&scene, 2, kept);
    scene_ask(&scene, 2, scene.entries[1]);
    checks_log_durable(scene.checks, 2, 1);
    scene_commit(&scene, N(0), 3);
    checks_log_durable(scene.checks, 2, 1);
    scene_fails(&scene, CHECK_COMMITTED,
                "n3: entry 3 of term 2 is committed and leaves its disk; 2 of 5 have it");
}

static void a_later_leader_without_a_committed_entry(void **state)
{
    (void)state;
    struct scene scene;
    a_committed_term(&scene);
    scene_vote(&scene, 2, 2, 3);
    scene_vote(&scene, 1, 2, 3); /* n2 says so before n3's log is known */
    scene_fails(&scene, CHECK_VOTE, "n2 votes in term 3 for n3");
    /* The same with a vote that its voter gave before it had the entry. */
    scene_begin(&scene, 3);
    struct entry *first = scene.entries[0];
    scene_elect(&scene, 0, 2, N(1), first);
    struct entry *second = scene_barrier(&scene, 2, 2);
    scene_pre_votes(&scene, 2, 3);
    scene_vote(&scene, 2, 2, 3);
    const struct peer_message request = {
        .type = PEER_REQUEST_VOTE,
        .sent_term = 3,
        .request_vote = {.term = 3, .candidate_id = 3, .last_log_index = 1, .last_log_term = 1}};
    checks_sent(scene.checks, 2, 1, &request);
    scene_vote(&scene, 1, 2, 3);
    scene_store(&scene, N(0) | N(1), second);
    scene_commit(&scene, N(0), 2);
    checks_role(scene.checks, 2, REPLICA_LEADER, 3);
    scene_fails(&scene, CHECK_COMMITTED,
                "n3 leads term 3 without entry 2 of term 2, which was committed in term 2");
}

static void a_commit_that_a_later_leader_does_not_have(void **state)
{
    (void)state;
    struct scene scene;
    struct entry *old;
    two_thirds(&scene, &old);
    /* n3 has voted for n4 and takes the old leader's entry all the same. */
    scene_store(&scene, N(2), old);
    scene_commit(&scene, N(0), 3);
    scene_fails(&scene, CHECK_COMMITTED, "in term 2, n4 leads term 3 without it");
}

/* ---- applying ---- */

static void an_entry_applied_before_it_is_committed(void **state)
{
    (void)state;
    struct scene scene;
    a_term(&scene, 3);
    scene_commit(&scene, N(0), 1);
    scene_apply(&scene, N(0), scene.entries[0]);
    scene_apply(&scene, N(0), scene.entries[1]);
    scene_fails(&scene, CHECK_APPLIED, "n1 applies entry 2, its commit index is 1");
}

static void an_entry_applied_before_it_is_durable(void **state)
{
    (void)state;
    struct scene scene;
    struct entry *second = a_committed_term(&scene);
    scene_hear(&scene, 2, 2);
    scene_ask(&scene, 2, second);
    scene_commit(&scene, N(2), 2);
    scene_apply(&scene, N(2), scene.entries[0]);
    scene_apply(&scene, N(2), second);
    scene_fails(&scene, CHECK_APPLIED, "n3 applies entry 2, which is not on its disk");
}

static void an_entry_left_out(void **state)
{
    (void)state;
    struct scene scene;
    struct entry *second = a_committed_term(&scene);
    scene_apply(&scene, N(0), second);
    scene_fails(&scene, CHECK_APPLIED, "n1 applies entry 2 behind 0");
}

static void an_entry_applied_twice(void **state)
{
    (void)state;
    struct scene scene;
    a_committed_term(&scene);
    scene_apply(&scene, N(0), scene.entries[0]);
    scene_apply(&scene, N(0), scene.entries[0]);
    scene_fails(&scene, CHECK_APPLIED, "n1 applies entry 1 behind 1");
}

static struct hash128 digest_of(const struct scene *scene, size_t node)
{
    return ledger_digest(scene->ledgers[node]);
}

/* n1 has applied entry 2 and starts again, with what the caller says of its state. */
static void start_again(struct scene *scene)
{
    struct entry *second = a_committed_term(scene);
    scene_apply(scene, N(0), scene->entries[0]);
    scene_apply(scene, N(0), second);
    checks_hard_state(scene->checks, 0, 2, 1);
    scene_find(scene, 0, scene->entries, 2);
}

static void a_start_goes_on_where_the_state_stands(void **state)
{
    (void)state;
    struct scene scene;
    start_again(&scene);
    checks_started(scene.checks, 0, 1, (struct hash128){0, 0});
    scene_commit(&scene, N(0), 2);
    checks_applied(scene.checks, 0, 2, scene.ledgers[0]);
    scene_passes(&scene);
    start_again(&scene);
    checks_started(scene.checks, 0, 2, digest_of(&scene, 0));
    scene_passes(&scene);
}

static void a_start_with_a_state_from_the_future(void **state)
{
    (void)state;
    struct scene scene;
    start_again(&scene);
    checks_started(scene.checks, 0, 3, digest_of(&scene, 0));
    scene_fails(&scene, CHECK_APPLIED, "n1 starts with a state of 3, it never came further than 2");
}

static void a_start_with_another_state(void **state)
{
    (void)state;
    struct scene scene;
    start_again(&scene);
    checks_started(scene.checks, 0, 1, digest_of(&scene, 0));
    scene_fails(&scene, CHECK_DIGEST, "n1 starts with another state of 1 than it had");
}

static void states_that_differ(void **state)
{
    (void)state;
    struct scene scene;
    struct entry *second = a_committed_term(&scene);
    scene_apply(&scene, N(0) | N(1), scene.entries[0]);
    scene_apply(&scene, N(0), second);
    checks_applied(scene.checks, 1, 2, scene.ledgers[1]); /* which has not applied it */
    scene_fails(&scene, CHECK_DIGEST, "n2 has another state than others at 2");
}

static void a_spoilt_state_is_compared_with_nobodys(void **state)
{
    (void)state;
    struct scene scene;
    struct entry *second = a_committed_term(&scene);
    scene_apply(&scene, N(0) | N(1), scene.entries[0]);
    checks_spoilt(scene.checks, 1, true);
    checks_applied(scene.checks, 1, 2, scene.ledgers[1]); /* which has not applied it */
    scene_apply(&scene, N(0), second); /* is held against the model, not against n2's */
    /* Whoever stands in it has it from n2; of what is right, nobody has. */
    assert_true(checks_is_wrong(scene.checks, 2, ledger_digest(scene.ledgers[1])));
    assert_false(checks_is_wrong(scene.checks, 2, ledger_digest(scene.ledgers[0])));
    assert_false(checks_is_wrong(scene.checks, 1, ledger_digest(scene.ledgers[1])));
    scene_passes(&scene);

    second = a_committed_term(&scene);
    scene_apply(&scene, N(0) | N(1), scene.entries[0]);
    scene_apply(&scene, N(0), second);
    checks_spoilt(scene.checks, 1, true);
    checks_spoilt(scene.checks, 1, false);
    checks_applied(scene.checks, 1, 2, scene.ledgers[1]);
    scene_fails(&scene, CHECK_DIGEST, "n2 has another state than others at 2");
}

/* ---- the end ---- */

static void an_end_without_a_committed_entry(void **state)
{
    (void)state;
    struct scene scene;
    struct entry *second = a_committed_term(&scene);
    scene_apply(&scene, N(0) | N(1), scene.entries[0]);
    scene_apply(&scene, N(0) | N(1), second);
    checks_end(scene.checks);
    scene_fails(&scene, CHECK_COMMITTED, "n3 does not have the committed entry 2");
}

static void an_end_with_an_entry_unapplied(void **state)
{
    (void)state;
    struct scene scene;
    struct entry *second = a_committed_term(&scene);
    scene_store(&scene, N(2), second);
    scene_commit(&scene, N(2), 2);
    scene_apply(&scene, ALL, scene.entries[0]);
    scene_apply(&scene, N(0) | N(1), second);
    checks_end(scene.checks);
    scene_fails(&scene, CHECK_APPLIED, "at the end n3 has applied 1 of 2 entries");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_commit_on_too_few_disks),
        cmocka_unit_test(a_leader_counts_what_was_acknowledged),
        cmocka_unit_test(a_leader_counts_what_was_not_acknowledged),
        cmocka_unit_test(a_leader_counts_what_was_acknowledged_in_another_term),
        cmocka_unit_test(a_commit_that_is_said_too_early),
        cmocka_unit_test(a_commit_with_the_disk_of_a_wiped_node),
        cmocka_unit_test(a_commit_by_a_wiped_nodes_acknowledgement),
        cmocka_unit_test(a_wiped_node_takes_nothing_back),
        cmocka_unit_test(a_commit_index_that_falls),
        cmocka_unit_test(a_commit_behind_the_end_of_the_log),
        cmocka_unit_test(a_commit_of_an_older_terms_entry),
        cmocka_unit_test(another_entry_than_the_committed_one),
        cmocka_unit_test(a_committed_entry_that_is_cut_off),
        cmocka_unit_test(a_committed_entry_that_leaves_the_disks),
        cmocka_unit_test(a_later_leader_without_a_committed_entry),
        cmocka_unit_test(a_commit_that_a_later_leader_does_not_have),
        cmocka_unit_test(an_entry_applied_before_it_is_committed),
        cmocka_unit_test(an_entry_applied_before_it_is_durable),
        cmocka_unit_test(an_entry_left_out),
        cmocka_unit_test(an_entry_applied_twice),
        cmocka_unit_test(a_start_goes_on_where_the_state_stands),
        cmocka_unit_test(a_start_with_a_state_from_the_future),
        cmocka_unit_test(a_start_with_another_state),
        cmocka_unit_test(states_that_differ),
        cmocka_unit_test(a_spoilt_state_is_compared_with_nobodys),
        cmocka_unit_test(an_end_without_a_committed_entry),
        cmocka_unit_test(an_end_with_an_entry_unapplied),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
