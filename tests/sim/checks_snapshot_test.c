/*
 * checks_snapshot_test.c - the checks of snapshots and of hand-overs: what they let pass, and what
 * not.
 */
#include "checks_scene.h"

#include "cmocka_test.h"

#include <string.h>

static struct snapshot point(const struct scene *scene, uint64_t index, uint64_t term)
{
    struct bytes members = scene->entries[0]->data;
    struct snapshot snapshot = {.index = index,
                                .term = term,
                                .configuration_index = 1,
                                .configuration_len = (uint32_t)members.len};
    memcpy(snapshot.configuration, members.data, members.len);
    return snapshot;
}

/* Entry 2 is committed and applied by n1, which leads term 2. */
static void begin(struct scene *scene)
{
    struct ledger_result result;
    scene_answer(scene, &result);
}

static void a_snapshot_of_what_is_flushed_passes(void **state)
{
    (void)state;
    struct scene scene;
    begin(&scene);
    struct snapshot snapshot = point(&scene, 2, 2);
    checks_snapshot(scene.checks, 0, &snapshot, 2);
    checks_trimmed(scene.checks, 0, 3, 2);
    scene_passes(&scene);
}

static void a_snapshot_beyond_the_state_fails(void **state)
{
    (void)state;
    struct scene scene;
    begin(&scene);
    struct snapshot snapshot = point(&scene, 2, 2);
    checks_snapshot(scene.checks, 0, &snapshot, 1);
    scene_fails(&scene, CHECK_SNAPSHOT, "its state on the disk stands at 1");
}

static void a_snapshot_of_another_term_fails(void **state)
{
    (void)state;
    struct scene scene;
    begin(&scene);
    struct snapshot snapshot = point(&scene, 2, 1);
    checks_snapshot(scene.checks, 0, &snapshot, 2);
    scene_fails(&scene, CHECK_SNAPSHOT, "there stands an entry of term 2");
}

static void a_snapshot_of_other_members_fails(void **state)
{
    (void)state;
    struct scene scene;
    begin(&scene);
    struct snapshot snapshot = point(&scene, 2, 2);
    snapshot.configuration_index = 2;
    checks_snapshot(scene.checks, 0, &snapshot, 2);
    scene_fails(&scene, CHECK_SNAPSHOT, "with the members of entry 2");
}

static void a_snapshot_of_what_is_not_committed_fails(void **state)
{
    (void)state;
    struct scene scene;
    begin(&scene);
    struct snapshot snapshot = point(&scene, 3, 2);
    checks_snapshot(scene.checks, 0, &snapshot, 3);
    scene_fails(&scene, CHECK_SNAPSHOT, "committed are 2 entries");
}

static void a_trim_past_the_snapshot_fails(void **state)
{
    (void)state;
    struct scene scene;
    begin(&scene);
    checks_trimmed(scene.checks, 0, 3, 2);
    scene_fails(&scene, CHECK_SNAPSHOT, "its snapshot is at 0");
}

static void a_state_of_the_committed_log_is_installed(void **state)
{
    (void)state;
    struct scene scene;
    begin(&scene);
    struct snapshot snapshot = point(&scene, 2, 2);
    checks_installing(scene.checks, 2, 2);
    checks_installed(scene.checks, 2, &snapshot);
    checks_snapshot(scene.checks, 2, &snapshot, 2);
    checks_replaced(scene.checks, 2, 2, ledger_digest(scene.ledgers[0]));
    scene_passes(&scene);
}

static void another_state_fails(void **state)
{
    (void)state;
    struct scene scene;
    begin(&scene);
    struct snapshot snapshot = point(&scene, 2, 2);
    checks_installing(scene.checks, 2, 2);
    checks_installed(scene.checks, 2, &snapshot);
    checks_snapshot(scene.checks, 2, &snapshot, 2);
    checks_replaced(scene.checks, 2, 2, (struct hash128){1, 2});
    scene_fails(&scene, CHECK_SNAPSHOT, "n3 goes on with a state at 2");
}

static void a_wrong_state_may_be_anothers(void **state)
{
    (void)state;
    struct scene scene;
    begin(&scene);
    struct snapshot snapshot = point(&scene, 2, 2);
    checks_spoilt(scene.checks, 2, true);
    checks_installing(scene.checks, 2, 2);
    checks_installed(scene.checks, 2, &snapshot);
    checks_snapshot(scene.checks, 2, &snapshot, 2);
    checks_replaced(scene.checks, 2, 2, (struct hash128){1, 2});
    scene_passes(&scene);
}

static void who_hands_over_writes_nothing(void **state)
{
    (void)state;
    struct scene scene;
    begin(&scene);
    checks_transferring(scene.checks, 0, 2);
    scene_ask(&scene, 0, scene_barrier(&scene, 3, 2));
    scene_fails(&scene, CHECK_TRANSFER, "n1 writes entry 3 while it hands its leadership to n2");
}

static void who_lacks_something_is_not_told_to_lead(void **state)
{
    (void)state;
    struct scene scene;
    begin(&scene);
    const struct peer_message message = {
        .type = PEER_TIMEOUT_NOW,
        .sent_term = 2,
        .timeout_now = {.term = 2, .last_log_index = 2, .last_log_term = 2}};
    scene_ask(&scene, 0, scene_barrier(&scene, 3, 2));
    checks_sent(scene.checks, 0, 1, &message);
    scene_fails(&scene, CHECK_TRANSFER, "it has applied 2 of 3 entries");
}

static void a_stale_read_may_be_as_old_as_it_says(void **state)
{
    (void)state;
    struct scene scene;
    begin(&scene);
    scene.world.now_us += 1000000;
    uint64_t read = checks_invoke_read(scene.checks, true, 0);
    checks_read_age(scene.checks, read, 1, 1, 1000);
    scene_passes(&scene);
}

static void a_stale_read_that_lies_about_its_age_fails(void **state)
{
    (void)state;
    struct scene scene;
    begin(&scene);
    scene.world.now_us += 1000000;
    uint64_t read = checks_invoke_read(scene.checks, true, 0);
    checks_read_age(scene.checks, read, 1, 1, 900);
    scene_fails(&scene, CHECK_READ, "calls it 900 ms old");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_snapshot_of_what_is_flushed_passes),
        cmocka_unit_test(a_snapshot_beyond_the_state_fails),
        cmocka_unit_test(a_snapshot_of_another_term_fails),
        cmocka_unit_test(a_snapshot_of_other_members_fails),
        cmocka_unit_test(a_snapshot_of_what_is_not_committed_fails),
        cmocka_unit_test(a_trim_past_the_snapshot_fails),
        cmocka_unit_test(a_state_of_the_committed_log_is_installed),
        cmocka_unit_test(another_state_fails),
        cmocka_unit_test(a_wrong_state_may_be_anothers),
        cmocka_unit_test(who_hands_over_writes_nothing),
        cmocka_unit_test(who_lacks_something_is_not_told_to_lead),
        cmocka_unit_test(a_stale_read_may_be_as_old_as_it_says),
        cmocka_unit_test(a_stale_read_that_lies_about_its_age_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
