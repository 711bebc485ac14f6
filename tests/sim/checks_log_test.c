/*
 * checks_log_test.c - the checks of logs can fail: each is shown what it must let pass, and what it
 * must not.
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

/* ---- logs ---- */

static void a_log_with_a_gap(void **state)
{
    (void)state;
    struct scene scene;
    a_term(&scene, 3);
    scene_store(&scene, N(0), scene_barrier(&scene, 4, 2));
    scene_fails(&scene, CHECK_LOG_MATCHING, "n1 writes 1 entries at 4 of a log that ends at 2");
}

static void an_entry_in_another_place(void **state)
{
    (void)state;
    struct scene scene;
    a_term(&scene, 3);
    struct entry *entry = scene_barrier(&scene, 4, 2);
    checks_log_asked(scene.checks, 0, 3, &entry, 1);
    scene_fails(&scene, CHECK_LOG_MATCHING, "n1 writes (4, term 2) at 3");
}

static void an_entry_behind_one_of_a_later_term(void **state)
{
    (void)state;
    struct scene scene;
    a_term(&scene, 3);
    scene_store(&scene, N(0), scene_barrier(&scene, 3, 1));
    scene_fails(&scene, CHECK_LOG_MATCHING, "behind an entry of term 2");
}

static void two_entries_of_one_index_and_term(void **state)
{
    (void)state;
    struct scene scene;
    a_term(&scene, 3);
    scene_store(&scene, N(2), scene_barrier(&scene, 2, 2));
    scene_fails(&scene, CHECK_LOG_MATCHING, "n3 writes another entry 2 of term 2");
}

static void the_same_bytes_are_the_same_entry(void **state)
{
    (void)state;
    struct scene scene;
    struct entry *second = a_term(&scene, 3);
    scene_store(&scene, N(2), scene_entry(&scene, 2, 2, second->data));
    scene_passes(&scene);
}

static void an_entry_that_no_leader_made(void **state)
{
    (void)state;
    struct scene scene;
    a_term(&scene, 3);
    scene_store(&scene, N(1), scene_barrier(&scene, 3, 2));
    scene_fails(&scene, CHECK_LOG_MATCHING, "that the leader of this term has not made");
}

static void an_entry_behind_another_one(void **state)
{
    (void)state;
    struct scene scene;
    struct entry *second = a_term(&scene, 5);
    struct entry *old = scene_barrier(&scene, 3, 2);
    scene_store(&scene, N(0) | N(2), old);
    scene_elect(&scene, 1, 3, N(3) | N(4), second);
    struct entry *third = scene_barrier(&scene, 3, 3);
    struct entry *fourth = scene_barrier(&scene, 4, 3);
    scene_store(&scene, N(1), third);
    scene_store(&scene, N(1), fourth);
    /* n3 keeps its own third entry and takes the leader's fourth. */
    scene_store(&scene, N(2), fourth);
    scene_fails(&scene, CHECK_LOG_MATCHING,
                "behind one of term 2, others have it behind one of term 3");
}

static void an_entry_of_a_term_that_is_not_stored(void **state)
{
    (void)state;
    struct scene scene;
    struct entry *second = a_term(&scene, 3);
    scene_ask(&scene, 2, second);
    scene_fails(&scene, CHECK_SAID_DURABLE, "n3 writes an entry of term 2, its disk has term 0");
}

static void a_leader_that_cuts_its_own_log(void **state)
{
    (void)state;
    struct scene scene;
    struct entry *second = a_term(&scene, 3);
    scene_ask(&scene, 0, second);
    scene_fails(&scene, CHECK_LOG_MATCHING, "n1 leads and cuts its own log");
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

static void a_leader_sends_what_it_does_not_have(void **state)
{
    (void)state;
    struct scene scene;
    struct entry *second = a_term(&scene, 3);
    sent(&scene, 2, 2, scene_barrier(&scene, 3, 2), 1);
    scene_fails(&scene, CHECK_LOG_MATCHING, "n1 sends (3, term 2) as its entry 3");
    second = a_term(&scene, 3);
    sent(&scene, 1, 2, second, 1);
    scene_fails(&scene, CHECK_LOG_MATCHING, "what follows (1, term 2), which its log does not");
    a_term(&scene, 3);
    sent(&scene, 1, 1, scene_barrier(&scene, 2, 2), 1);
    scene_fails(&scene, CHECK_LOG_MATCHING, "as its entry 2, which it is not");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_log_with_a_gap),
        cmocka_unit_test(an_entry_in_another_place),
        cmocka_unit_test(an_entry_behind_one_of_a_later_term),
        cmocka_unit_test(two_entries_of_one_index_and_term),
        cmocka_unit_test(the_same_bytes_are_the_same_entry),
        cmocka_unit_test(an_entry_that_no_leader_made),
        cmocka_unit_test(an_entry_behind_another_one),
        cmocka_unit_test(an_entry_of_a_term_that_is_not_stored),
        cmocka_unit_test(a_leader_that_cuts_its_own_log),
        cmocka_unit_test(a_leader_sends_what_it_does_not_have),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
