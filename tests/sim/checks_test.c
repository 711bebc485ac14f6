/*
 * checks_test.c - the checks of elections, logs and commits can fail: each is shown what it must
 * let pass, and what it must not.
 */
#include "cmocka_test.h"

#include "checks_scene.h"

/* n1 leads term 2 of three nodes, or five, without the vote of n3; its entry 2 is on all disks. */
static struct entry *a_term_of(struct scene *scene, size_t nodes)
{
    scene_begin(scene, nodes);
    scene_elect(scene, 0, 2, N(1) | N(3), scene->entries[0]);
    struct entry *entry = scene_barrier(scene, 2, 2);
    scene_store(scene, ALL, entry);
    return entry;
}

static struct entry *a_term(struct scene *scene)
{
    return a_term_of(scene, 3);
}

static void sent_append(struct scene *scene, size_t node, uint64_t term, const struct entry *prev,
                        struct entry *entry, uint64_t commit_index)
{
    const struct peer_message message = {
        .type = PEER_APPEND_ENTRIES,
        .sent_term = term,
        .append_entries = {.term = term,
                           .prev_log_index = prev->index,
                           .prev_log_term = prev->term,
                           .leader_commit = commit_index,
                           .entries = &entry,
                           .entry_count = entry != NULL ? 1 : 0},
    };
    checks_sent(scene->checks, node, (node + 1) % scene->count, &message);
}

static void sent_result(struct scene *scene, size_t node, size_t to, uint64_t term,
                        uint64_t rejected, uint64_t last_index)
{
    const struct peer_message message = {
        .type = PEER_APPEND_ENTRIES_RESULT,
        .sent_term = term,
        .append_entries_result = {.term = term, .rejected = rejected, .last_log_index = last_index},
    };
    checks_sent(scene->checks, node, to, &message);
}

/* ---- what is right ---- */

static void a_life_in_order_passes(void **state)
{
    (void)state;
    struct scene scene;
    struct entry *second = a_term(&scene);
    sent_append(&scene, 0, 2, scene.entries[0], second, 1);
    sent_result(&scene, 1, 0, 2, 0, 2);
    sent_result(&scene, 2, 0, 2, 3, 2);
    scene_commit(&scene, ALL, 2);
    scene_apply(&scene, ALL, scene.entries[0]);
    scene_apply(&scene, ALL, second);
    /* The third entry reaches n1's disk alone, n2 leads a term without it, and n1 gives it up. */
    struct entry *lost = scene_barrier(&scene, 3, 2);
    struct entry *third = scene_barrier(&scene, 3, 3);
    scene_store(&scene, N(0), lost);
    scene_elect(&scene, 1, 3, N(2), second);
    scene_store(&scene, N(1) | N(2), third);
    sent_append(&scene, 1, 3, second, third, 2);
    scene_commit(&scene, N(1) | N(2), 3);
    scene_hear(&scene, 0, 3);
    scene_store(&scene, N(0), third);
    scene_commit(&scene, N(0), 3);
    scene_apply(&scene, ALL, third);
    checks_end(scene.checks);
    scene_passes(&scene);
}

static void one_node_is_a_majority(void **state)
{
    (void)state;
    struct scene scene;
    scene_begin(&scene, 1);
    scene_elect(&scene, 0, 2, 0, scene.entries[0]);
    struct entry *second = scene_barrier(&scene, 2, 2);
    scene_store(&scene, ALL, second);
    /* Its next term commits what it has, without an entry of its own. */
    scene_elect(&scene, 0, 3, 0, second);
    scene_commit(&scene, ALL, 2);
    scene_apply(&scene, ALL, scene.entries[0]);
    scene_apply(&scene, ALL, second);
    checks_end(scene.checks);
    scene_passes(&scene);
}

static void a_leader_of_the_past_need_not_have_what_came_later(void **state)
{
    (void)state;
    struct scene scene;
    struct entry *second = a_term(&scene);
    /* n1 has the votes for term 3, and hears of it only when term 4 has committed. */
    scene_pre_votes(&scene, 0, 3);
    scene_vote(&scene, 0, 0, 3);
    const struct peer_message request = {
        .type = PEER_REQUEST_VOTE,
        .sent_term = 3,
        .request_vote = {.term = 3, .candidate_id = 1, .last_log_index = 2, .last_log_term = 2}};
    checks_sent(scene.checks, 0, 1, &request);
    scene_vote(&scene, 1, 0, 3);
    scene_elect(&scene, 1, 4, N(2), second);
    struct entry *third = scene_barrier(&scene, 3, 4);
    scene_store(&scene, N(1) | N(2), third);
    scene_commit(&scene, N(1), 3);
    checks_role(scene.checks, 0, REPLICA_LEADER, 3);
    scene_passes(&scene);
}

/* ---- elections ---- */

static void two_leaders_of_a_term(void **state)
{
    (void)state;
    struct scene scene;
    a_term(&scene);
    checks_hard_state(scene.checks, 2, 2, 3);
    checks_role(scene.checks, 2, REPLICA_LEADER, 2);
    scene_fails(&scene, CHECK_ONE_LEADER, "term 2 has two leaders: n1 and n3");
}

static void a_leader_without_votes(void **state)
{
    (void)state;
    struct scene scene;
    scene_begin(&scene, 3);
    scene_elect(&scene, 0, 2, 0, scene.entries[0]);
    scene_fails(&scene, CHECK_ONE_LEADER, "leads term 2 with 1 votes of 3");
}

static void a_leader_that_only_acts_as_one(void **state)
{
    (void)state;
    struct scene scene;
    a_term(&scene);
    sent_append(&scene, 2, 2, scene.entries[0], NULL, 1);
    scene_fails(&scene, CHECK_ONE_LEADER, "two leaders: n1 and n3");
}

static void votes_of_a_wiped_node_count_for_nothing(void **state)
{
    (void)state;
    struct scene scene;
    scene_begin(&scene, 3);
    checks_wiped(scene.checks, 1);
    scene_elect(&scene, 0, 2, N(1), scene.entries[0]);
    scene_fails(&scene, CHECK_ONE_LEADER, "leads term 2 with 1 votes of 3");
}

static void a_term_that_falls(void **state)
{
    (void)state;
    struct scene scene;
    scene_begin(&scene, 3);
    checks_hard_state(scene.checks, 0, 3, 1);
    checks_hard_state(scene.checks, 0, 2, 0);
    scene_fails(&scene, CHECK_VOTE, "fell from 3 to 2");
}

static void a_vote_that_changes(void **state)
{
    (void)state;
    struct scene scene;
    scene_begin(&scene, 3);
    checks_hard_state(scene.checks, 0, 3, 1);
    checks_hard_state(scene.checks, 0, 3, 2);
    scene_fails(&scene, CHECK_VOTE, "went from n1 to n2");
}

static void a_term_out_of_nowhere(void **state)
{
    (void)state;
    struct scene scene;
    scene_begin(&scene, 3);
    checks_hard_state(scene.checks, 0, UINT64_MAX, 0);
    scene_fails(&scene, CHECK_VOTE, "no election can have reached");
}

static void a_term_that_nobody_stood_for(void **state)
{
    (void)state;
    struct scene scene;
    a_term(&scene);
    checks_hard_state(scene.checks, 2, 3, 0);
    scene_fails(&scene, CHECK_VOTE, "n3 is in term 3, for which nobody has stood");
}

static void ask_for_votes(struct scene *scene, uint64_t term)
{
    const struct peer_message request = {
        .type = PEER_REQUEST_VOTE,
        .sent_term = term,
        .request_vote = {.term = term, .candidate_id = 3, .last_log_index = 1, .last_log_term = 1}};
    scene_vote(scene, 2, 2, term);
    checks_sent(scene->checks, 2, 0, &request);
}

static void a_candidate_without_pre_votes(void **state)
{
    (void)state;
    struct scene scene;
    scene_begin(&scene, 3);
    scene_pre_votes(&scene, 2, 2);
    ask_for_votes(&scene, 2);
    /* It goes on to the next term without asking, while it has not given up. */
    ask_for_votes(&scene, 3);
    checks_role(scene.checks, 2, REPLICA_FOLLOWER, 3);
    ask_for_votes(&scene, 4);
    scene_fails(&scene, CHECK_VOTE, "n3 asks for votes in term 4 with 1 pre-votes of 3");
}

static void a_node_that_speaks_in_a_term_it_has_left(void **state)
{
    (void)state;
    struct scene scene;
    a_term(&scene);
    scene_vote(&scene, 1, 1, 5);
    checks_hard_state(scene.checks, 2, 5, 0);
    sent_result(&scene, 2, 0, 5, 1, 0);
    sent_result(&scene, 2, 0, 4, 1, 0);
    scene_fails(&scene, CHECK_VOTE, "n3 speaks in term 4, its disk has term 5");
}

static void a_role_of_an_older_term(void **state)
{
    (void)state;
    struct scene scene;
    a_term(&scene);
    checks_role(scene.checks, 0, REPLICA_FOLLOWER, 1);
    scene_fails(&scene, CHECK_VOTE, "fell from 2 to 1");
}

static void a_vote_for_a_worse_log(void **state)
{
    (void)state;
    struct scene scene;
    a_term(&scene);
    scene_store(&scene, N(1), scene_barrier(&scene, 3, 2));
    scene_fails(&scene, CHECK_LOG_MATCHING, "the leader of this term has not made");
    struct entry *second = a_term(&scene);
    struct entry *third = scene_barrier(&scene, 3, 2);
    scene_store(&scene, N(0) | N(1), third);
    scene_elect(&scene, 2, 3, N(1), second);
    scene_fails(&scene, CHECK_VOTE, "for n3, whose log ends at (2, term 2); its own at (3");
}

/* ---- said and durable ---- */

static void a_vote_that_is_not_stored(void **state)
{
    (void)state;
    struct scene scene;
    a_term(&scene);
    const struct peer_message vote = {
        .type = PEER_REQUEST_VOTE_RESULT,
        .sent_term = 2,
        .request_vote_result = {.term = 2, .vote_granted = true},
    };
    checks_sent(scene.checks, 2, 0, &vote);
    scene_fails(&scene, CHECK_SAID_DURABLE, "n3 votes for n1 in term 2, its disk has n0");
}

static void a_candidacy_that_is_not_stored(void **state)
{
    (void)state;
    struct scene scene;
    a_term(&scene);
    const struct peer_message request = {
        .type = PEER_REQUEST_VOTE,
        .sent_term = 3,
        .request_vote = {.term = 3, .last_log_index = 2, .last_log_term = 2}};
    checks_sent(scene.checks, 2, 0, &request);
    scene_fails(&scene, CHECK_SAID_DURABLE, "n3 speaks in term 3, its disk has term 2");
}

static void a_candidacy_with_a_log_that_could_be_lost(void **state)
{
    (void)state;
    struct scene scene;
    struct entry *second = a_term(&scene);
    checks_hard_state(scene.checks, 1, 2, 1);
    scene_ask(&scene, 0, scene_barrier(&scene, 3, 2));
    checks_hard_state(scene.checks, 0, 3, 1);
    const struct peer_message request = {
        .type = PEER_REQUEST_VOTE,
        .sent_term = 3,
        .request_vote = {.term = 3, .last_log_index = 3, .last_log_term = 2}};
    (void)second;
    checks_sent(scene.checks, 0, 1, &request);
    scene_fails(&scene, CHECK_SAID_DURABLE, "stands for election with an entry 3 of term 2");
}

static void a_pre_vote_promises_nothing(void **state)
{
    (void)state;
    struct scene scene;
    a_term(&scene);
    const struct peer_message request = {
        .type = PEER_REQUEST_VOTE,
        .sent_term = 2,
        .request_vote = {.term = 3, .last_log_index = 2, .last_log_term = 2, .pre_vote = true}};
    checks_sent(scene.checks, 2, 0, &request);
    const struct peer_message vote = {
        .type = PEER_REQUEST_VOTE_RESULT,
        .sent_term = 7,
        .request_vote_result = {.term = 8, .vote_granted = true, .pre_vote = true},
    };
    checks_sent(scene.checks, 2, 0, &vote);
    scene_passes(&scene);
}

static void a_role_that_is_not_stored(void **state)
{
    (void)state;
    struct scene scene;
    a_term(&scene);
    checks_role(scene.checks, 1, REPLICA_CANDIDATE, 3);
    scene_fails(&scene, CHECK_SAID_DURABLE, "n2 acts in term 3, its disk has term 2");
}

static void an_acknowledgement_of_what_is_not_synced(void **state)
{
    (void)state;
    struct scene scene;
    a_term(&scene);
    struct entry *third = scene_barrier(&scene, 3, 2);
    scene_ask(&scene, 0, third);
    scene_ask(&scene, 1, third);
    sent_result(&scene, 1, 0, 2, 0, 3);
    scene_fails(&scene, CHECK_SAID_DURABLE, "acknowledges entry 3, its disk ends at 2");
}

static void an_acknowledgement_of_another_entry(void **state)
{
    (void)state;
    struct scene scene;
    struct entry *second = a_term(&scene);
    scene_store(&scene, N(0), scene_barrier(&scene, 3, 2));
    scene_elect(&scene, 1, 3, N(2), second);
    struct entry *third = scene_barrier(&scene, 3, 3);
    scene_store(&scene, N(1), third);
    /* n1 asks for n2's third entry, and acknowledges when its own, older one is durable. */
    scene_hear(&scene, 0, 3);
    scene_ask(&scene, 0, third);
    sent_result(&scene, 0, 1, 3, 0, 3);
    scene_fails(&scene, CHECK_SAID_DURABLE, "its disk has another one, of term 2");
}

static void an_acknowledgement_in_another_term(void **state)
{
    (void)state;
    struct scene scene;
    a_term(&scene);
    scene_vote(&scene, 2, 2, 3);
    checks_hard_state(scene.checks, 1, 3, 0);
    const struct peer_message message = {
        .type = PEER_APPEND_ENTRIES_RESULT,
        .sent_term = 2,
        .append_entries_result = {.term = 3, .last_log_index = 2},
    };
    checks_sent(scene.checks, 1, 0, &message);
    scene_fails(&scene, CHECK_SAID_DURABLE, "in term 3 what was sent in term 2");
}

static void a_rejection_that_claims_too_much(void **state)
{
    (void)state;
    struct scene scene;
    a_term(&scene);
    sent_result(&scene, 1, 0, 2, 7, 0xa5a5a5a5);
    scene_fails(&scene, CHECK_SAID_DURABLE, "it ends at 2");
}

static void more_writes_than_were_asked(void **state)
{
    (void)state;
    struct scene scene;
    a_term(&scene);
    checks_log_durable(scene.checks, 0, 1);
    scene_fails(&scene, CHECK_SAID_DURABLE, "1 writes of its log are durable, 0 were under way");
}

static void a_log_that_forgets(void **state)
{
    (void)state;
    struct scene scene;
    a_term(&scene);
    scene_find(&scene, 1, scene.entries, 1);
    scene_fails(&scene, CHECK_SAID_DURABLE, "finds a log that ends at 1");
}

static void a_log_with_entries_of_nobody(void **state)
{
    (void)state;
    struct scene scene;
    a_term(&scene);
    struct entry *found[] = {scene.entries[0], scene_barrier(&scene, 2, 2)};
    scene_find(&scene, 1, found, 2);
    scene_fails(&scene, CHECK_SAID_DURABLE, "which nobody wrote there");
}

/* Under way on n3 are (3, 4) of term 2, then (3, 4) of term 3. */
static void writes_under_way(struct scene *scene, struct entry *old[2], struct entry *new[2])
{
    struct entry *second = a_term_of(scene, 5);
    for (size_t i = 0; i < 2; i++) {
        old[i] = scene_barrier(scene, 3 + i, 2);
        scene_store(scene, N(0), old[i]);
    }
    checks_log_asked(scene->checks, 2, 3, old, 2);
    scene_elect(scene, 1, 3, N(3) | N(4), second);
    for (size_t i = 0; i < 2; i++) {
        new[i] = scene_barrier(scene, 3 + i, 3);
        scene_store(scene, N(1), new[i]);
    }
    scene_hear(scene, 2, 3);
    checks_log_asked(scene->checks, 2, 3, new, 2);
}

static void a_crash_keeps_some_of_what_was_under_way(void **state)
{
    (void)state;
    struct scene scene;
    struct entry *old[2];
    struct entry *new[2];
    writes_under_way(&scene, old, new);
    struct entry *durable[] = {scene.entries[0], scene.entries[1]};
    scene_find(&scene, 2, durable, 2);
    scene_passes(&scene);
    writes_under_way(&scene, old, new);
    struct entry *half[] = {scene.entries[0], scene.entries[1], old[0]};
    scene_find(&scene, 2, half, 3);
    scene_passes(&scene);
    writes_under_way(&scene, old, new);
    struct entry *torn[] = {scene.entries[0], scene.entries[1], new[0]};
    scene_find(&scene, 2, torn, 3);
    scene_passes(&scene);
    writes_under_way(&scene, old, new);
    checks_log_durable(scene.checks, 2, 2);
    struct entry *whole[] = {scene.entries[0], scene.entries[1], new[0], new[1]};
    scene_find(&scene, 2, whole, 4);
    scene_passes(&scene);
}

static void a_crash_mixes_two_writes(void **state)
{
    (void)state;
    struct scene scene;
    struct entry *old[2];
    struct entry *new[2];
    writes_under_way(&scene, old, new);
    struct entry *mixed[] = {scene.entries[0], scene.entries[1], old[0], new[1]};
    scene_find(&scene, 2, mixed, 4);
    scene_fails(&scene, CHECK_SAID_DURABLE, "finds a log that ends at 4");
}

static void a_write_goes_back_behind_a_durable_one(void **state)
{
    (void)state;
    struct scene scene;
    struct entry *old[2];
    struct entry *new[2];
    writes_under_way(&scene, old, new);
    checks_log_durable(scene.checks, 2, 2);
    struct entry *before[] = {scene.entries[0], scene.entries[1], old[0], old[1]};
    scene_find(&scene, 2, before, 4);
    scene_fails(&scene, CHECK_SAID_DURABLE,
                "has at 3 term 2; durable were 4 entries, there term 3");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_life_in_order_passes),
        cmocka_unit_test(one_node_is_a_majority),
        cmocka_unit_test(a_leader_of_the_past_need_not_have_what_came_later),
        cmocka_unit_test(two_leaders_of_a_term),
        cmocka_unit_test(a_leader_without_votes),
        cmocka_unit_test(a_leader_that_only_acts_as_one),
        cmocka_unit_test(votes_of_a_wiped_node_count_for_nothing),
        cmocka_unit_test(a_term_that_falls),
        cmocka_unit_test(a_vote_that_changes),
        cmocka_unit_test(a_term_out_of_nowhere),
        cmocka_unit_test(a_term_that_nobody_stood_for),
        cmocka_unit_test(a_candidate_without_pre_votes),
        cmocka_unit_test(a_node_that_speaks_in_a_term_it_has_left),
        cmocka_unit_test(a_role_of_an_older_term),
        cmocka_unit_test(a_vote_for_a_worse_log),
        cmocka_unit_test(a_vote_that_is_not_stored),
        cmocka_unit_test(a_candidacy_that_is_not_stored),
        cmocka_unit_test(a_candidacy_with_a_log_that_could_be_lost),
        cmocka_unit_test(a_pre_vote_promises_nothing),
        cmocka_unit_test(a_role_that_is_not_stored),
        cmocka_unit_test(an_acknowledgement_of_what_is_not_synced),
        cmocka_unit_test(an_acknowledgement_of_another_entry),
        cmocka_unit_test(an_acknowledgement_in_another_term),
        cmocka_unit_test(a_rejection_that_claims_too_much),
        cmocka_unit_test(more_writes_than_were_asked),
        cmocka_unit_test(a_log_that_forgets),
        cmocka_unit_test(a_log_with_entries_of_nobody),
        cmocka_unit_test(a_crash_keeps_some_of_what_was_under_way),
        cmocka_unit_test(a_crash_mixes_two_writes),
        cmocka_unit_test(a_write_goes_back_behind_a_durable_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
