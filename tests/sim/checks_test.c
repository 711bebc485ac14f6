/*
 * checks_test.c - the checks can fail: each is shown what it must not let pass.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include <string.h>

#include "checks.h"
#include "cluster.h"

#define NODES 3

struct scene {
    struct world world;
    struct sim_disk disks[NODES];
    const struct sim_disk *pointers[NODES];
    struct checks checks;
};

static void written(void *context, uint64_t generation, uint64_t last_index)
{
    (void)context;
    (void)generation;
    (void)last_index;
}

static void scene_begin(struct scene *scene)
{
    world_init(&scene->world, 1, false);
    for (size_t i = 0; i < NODES; i++) {
        sim_disk_init(&scene->disks[i], &scene->world, i, written, scene);
        scene->pointers[i] = &scene->disks[i];
    }
    checks_init(&scene->checks, &scene->world, scene->pointers, NODES);
}

/* Ends with this failure, or with none if `because` is NULL. */
static void scene_end(struct scene *scene, const char *because)
{
    if (because != NULL) {
        assert_true(scene->world.failed);
        assert_non_null(strstr(scene->world.failure.text, because));
    } else {
        assert_false(scene->world.failed);
    }
    world_free(&scene->world);
    checks_free(&scene->checks);
    for (size_t i = 0; i < NODES; i++) {
        sim_disk_free(&scene->disks[i]);
    }
}

static void put(struct scene *scene, size_t node, uint64_t index, uint64_t term, const char *text)
{
    struct entry *entry = entry_new_copy(index, term, ENTRY_COMMAND, bytes_of_string(text));
    sim_disk_write(&scene->disks[node], 1, index, &entry, 1);
    entry_release(entry);
}

static void sync_all(struct scene *scene)
{
    world_run_until(&scene->world, scene->world.now_us + 1000000);
}

/* Entry 1 everywhere, entry 2 on nodes 0 and 1. */
static void scene_two_entries(struct scene *scene)
{
    scene_begin(scene);
    for (size_t i = 0; i < NODES; i++) {
        put(scene, i, 1, 1, "first");
    }
    put(scene, 0, 2, 1, "second");
    put(scene, 1, 2, 1, "second");
    sync_all(scene);
    checks_commit(&scene->checks, 0, 0, 2);
}

static void what_is_right_passes(void **state)
{
    (void)state;
    struct scene scene;
    struct hash128 zero = {0, 0};
    scene_two_entries(&scene);
    checks_commit(&scene.checks, 1, 0, 2);
    checks_leader(&scene.checks, 0, 1);
    checks_leader(&scene.checks, 0, 1);
    checks_leader(&scene.checks, 1, 2);
    for (size_t node = 0; node < 2; node++) {
        struct hash128 hash =
            checks_apply(&scene.checks, node, zero, scene.disks[node].log.entries[0], 0);
        checks_apply(&scene.checks, node, hash, scene.disks[node].log.entries[1], 7);
    }
    checks_acknowledged(&scene.checks, 7);
    put(&scene, 2, 2, 1, "second");
    sync_all(&scene);
    checks_end(&scene.checks);
    scene_end(&scene, NULL);
}

static void two_leaders_of_a_term(void **state)
{
    (void)state;
    struct scene scene;
    scene_begin(&scene);
    checks_leader(&scene.checks, 0, 100);
    checks_leader(&scene.checks, 1, 100);
    scene_end(&scene, "two leaders");
}

static void a_commit_on_one_disk(void **state)
{
    (void)state;
    struct scene scene;
    scene_two_entries(&scene);
    put(&scene, 0, 3, 1, "third");
    sync_all(&scene);
    put(&scene, 1, 3, 1, "third"); /* asked for and not synced */
    checks_commit(&scene.checks, 0, 2, 3);
    scene_end(&scene, "synced on 1 of 3");
}

static void a_commit_index_that_falls(void **state)
{
    (void)state;
    struct scene scene;
    scene_two_entries(&scene);
    checks_commit(&scene.checks, 0, 2, 1);
    scene_end(&scene, "fell from 2 to 1");
}

static void a_committed_entry_that_changes(void **state)
{
    (void)state;
    struct scene scene;
    scene_two_entries(&scene);
    put(&scene, 2, 2, 2, "another");
    checks_commit(&scene.checks, 2, 0, 2);
    scene_end(&scene, "another entry 2");
}

static void an_entry_applied_before_it_is_committed(void **state)
{
    (void)state;
    struct scene scene;
    struct hash128 zero = {0, 0};
    scene_two_entries(&scene);
    put(&scene, 0, 3, 1, "third");
    sync_all(&scene);
    checks_apply(&scene.checks, 0, zero, scene.disks[0].log.entries[2], 0);
    scene_end(&scene, "not the committed one");
}

static void an_entry_applied_before_it_is_durable(void **state)
{
    (void)state;
    struct scene scene;
    struct hash128 zero = {0, 0};
    scene_two_entries(&scene);
    put(&scene, 2, 2, 1, "second");
    checks_apply(&scene.checks, 2, zero, scene.disks[2].view.entries[1], 0);
    scene_end(&scene, "not on its disk");
}

static void states_that_differ(void **state)
{
    (void)state;
    struct scene scene;
    struct hash128 zero = {0, 0};
    struct hash128 one = {1, 0};
    scene_two_entries(&scene);
    checks_apply(&scene.checks, 0, zero, scene.disks[0].log.entries[0], 0);
    checks_apply(&scene.checks, 1, one, scene.disks[1].log.entries[0], 0);
    scene_end(&scene, "another state");
}

static void a_lost_acknowledgement(void **state)
{
    (void)state;
    struct scene scene;
    scene_two_entries(&scene);
    checks_acknowledged(&scene.checks, 5);
    checks_end(&scene.checks);
    scene_end(&scene, "acknowledged and is lost");
}

static void a_proposal_applied_twice(void **state)
{
    (void)state;
    struct scene scene;
    struct hash128 zero = {0, 0};
    scene_two_entries(&scene);
    struct hash128 hash = checks_apply(&scene.checks, 0, zero, scene.disks[0].log.entries[0], 5);
    checks_apply(&scene.checks, 0, hash, scene.disks[0].log.entries[1], 5);
    scene_end(&scene, "twice");
}

static void a_node_without_a_committed_entry(void **state)
{
    (void)state;
    struct scene scene;
    scene_two_entries(&scene);
    checks_end(&scene.checks);
    scene_end(&scene, "node 2 does not have the committed entry 2");
}

static void a_vote_that_changes(void **state)
{
    (void)state;
    struct scene scene;
    scene_begin(&scene);
    sim_disk_store_hard_state(&scene.disks[0], 3, 1);
    sim_disk_store_hard_state(&scene.disks[0], 3, 2);
    scene_end(&scene, "voted for 1 and for 2");
}

static void a_term_that_falls(void **state)
{
    (void)state;
    struct scene scene;
    scene_begin(&scene);
    sim_disk_store_hard_state(&scene.disks[0], 3, 1);
    sim_disk_store_hard_state(&scene.disks[0], 2, 0);
    scene_end(&scene, "fell from 3 to 2");
}

static void a_crash_loses_what_is_not_synced(void **state)
{
    (void)state;
    struct scene scene;
    size_t lost = 0;
    size_t kept = 0;
    scene_begin(&scene);
    for (size_t i = 0; i < 100; i++) {
        struct sim_disk disk;
        struct entry *entries[3];
        sim_disk_init(&disk, &scene.world, 9, written, &scene);
        for (uint64_t k = 0; k < 3; k++) {
            entries[k] = entry_new_copy(k + 1, 1, ENTRY_COMMAND, BYTES_LITERAL("x"));
            sim_disk_write(&disk, 1, k + 1, &entries[k], 1);
            entry_release(entries[k]);
        }
        sim_disk_crash(&disk);
        assert_int_equal(disk.view.last, disk.log.last);
        assert_in_range(disk.log.last, 0, 3);
        lost += disk.log.last < 3;
        kept += disk.log.last > 0;
        world_run_until(&scene.world, scene.world.now_us + 1000000);
        sim_disk_free(&disk);
    }
    assert_true(lost > 10 && kept > 10);
    scene_end(&scene, NULL);
}

static void a_seed_is_a_run(void **state)
{
    (void)state;
    struct cluster_options options = {.seed = 17, .ticks_ms = 5000, .node_count = 3};
    struct cluster_result first;
    struct cluster_result again;
    struct cluster_result other;
    cluster_run(&options, &first);
    cluster_run(&options, &again);
    options.seed = 18;
    cluster_run(&options, &other);
    assert_false(first.failed);
    assert_int_equal(first.digest, again.digest);
    assert_int_equal(first.event_count, again.event_count);
    assert_int_not_equal(first.digest, other.digest);
    assert_true(first.acknowledged_count > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_right_passes),
        cmocka_unit_test(two_leaders_of_a_term),
        cmocka_unit_test(a_commit_on_one_disk),
        cmocka_unit_test(a_commit_index_that_falls),
        cmocka_unit_test(a_committed_entry_that_changes),
        cmocka_unit_test(an_entry_applied_before_it_is_committed),
        cmocka_unit_test(an_entry_applied_before_it_is_durable),
        cmocka_unit_test(states_that_differ),
        cmocka_unit_test(a_lost_acknowledgement),
        cmocka_unit_test(a_proposal_applied_twice),
        cmocka_unit_test(a_node_without_a_committed_entry),
        cmocka_unit_test(a_vote_that_changes),
        cmocka_unit_test(a_term_that_falls),
        cmocka_unit_test(a_crash_loses_what_is_not_synced),
        cmocka_unit_test(a_seed_is_a_run),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
