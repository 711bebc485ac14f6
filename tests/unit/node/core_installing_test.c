/*
 * What a core has fetched becomes its state: a crash at any point of it recovers, audits and stops
 * come in between, and the real database is carried as the one in memory is (node/core/fetching.c,
 * audit.c; Raft rule 12).
 */
#include "core_snapshot_world.h"

#include <stdlib.h>
#include <string.h>

/* The power goes at each operation in turn, from the offer until the node has caught up. */
static void an_install_survives_a_power_cut_at_any_point(void **state)
{
    (void)state;
    static const enum sim_loss losses[] = {SIM_LOSE_ALL, SIM_LOSE_SOME, SIM_LOSE_NONE};
    size_t cuts = 0;
    bool was_cut = true;
    for (uint64_t n = 0; was_cut; n++) {
        struct world *world = world_with_one_behind();
        struct world_node *node = &world->nodes[3];
        world_start_3(world);
        sim_disk_cut_power(node->disk, n / 3 + 1);
        uint64_t end_ms = world->now_ms + 20000;
        while (!node->is_stopped && !(world_has_caught_up(world, 3) && world_is_tidy(world, 3))) {
            assert_true(world->now_ms < end_ms);
            world_step(world);
        }
        was_cut = node->is_stopped;
        if (was_cut) {
            cuts++;
            world_crash(world, 3, losses[n % 3]);
            world_start_3(world);
            WORLD_UNTIL(world, 20000, world_has_caught_up(world, 3) && world_is_tidy(world, 3));
            world_write(world, 1);
        }
        world_free(world);
    }
    assert_true(cuts >= 120);
}

/* An audit reads the state that is to go: it is waited for, and none begins. */
static void audit_ended(struct audit *audit)
{
    assert_true(audit->ok);
    assert_int_equal(audit->result.violation_count, 0);
    free(audit);
}

/* Begins an audit whose work is kept out of the pool: the others go round it. */
static struct pool_work *begin_audit(struct world_node *node)
{
    enum audit_refusal why;
    struct error error;
    struct audit *audit = memory_zalloc(sizeof *audit);
    audit->ended = audit_ended;
    assert_true(audit_start(audit, &node->core, &why, &error));
    return node->works[--node->work_count];
}

static void an_audit_is_waited_for(void **state)
{
    (void)state;
    struct world *world = world_with_one_behind();
    struct world_node *node = &world->nodes[3];
    enum audit_refusal why;
    struct error error;
    world_start_3(world);
    WORLD_UNTIL(world, 10000, world->part_count > 3);
    struct pool_work *audit = begin_audit(node);
    WORLD_UNTIL(world, 10000, fetching_is_staged(node->core.fetching));
    world_go(world, 500);
    assert_false(world_status(world, 3).installing);
    assert_int_equal(data_directory_generation(node->core.directory), 1);
    audit->run(audit);
    audit->done(audit);
    struct audit second = {.ended = audit_ended};
    assert_false(audit_start(&second, &node->core, &why, &error));
    assert_int_equal(why, AUDIT_BUSY);
    assert_non_null(strstr(error.text, "replace its state"));
    WORLD_UNTIL(world, 5000, world_has_caught_up(world, 3));
    WORLD_UNTIL(world, 1000, world_is_tidy(world, 3));
    audit = begin_audit(node);
    audit->run(audit);
    audit->done(audit);
    world_free(world);
}

/* Once the state is the new one it may be read: the removal of the old one does not concern it. */
static void an_audit_may_begin_while_the_old_state_is_removed(void **state)
{
    (void)state;
    struct world *world = world_with_one_behind();
    struct world_node *node = &world->nodes[3];
    struct fetching_installed installed;
    world_start_3(world);
    WORLD_UNTIL(world, 10000, fetching_installed_get(node->core.fetching, &installed));
    assert_int_equal(installed.count, 1);
    assert_int_equal(installed.peer_id, world_leader(world));
    assert_true(installed.bytes > 0);
    assert_int_equal(installed.index, core_applied_index(&node->core));
    assert_false(world_is_tidy(world, 3));
    struct pool_work *audit = begin_audit(node);
    WORLD_UNTIL(world, 1000, world_is_tidy(world, 3));
    audit->run(audit);
    audit->done(audit);
    WORLD_UNTIL(world, 5000, world_has_caught_up(world, 3));
    world_free(world);
}

static void stopped_audit_ended(struct audit *audit)
{
    assert_false(audit->ok);
    assert_non_null(strstr(audit->error.text, "stop"));
    free(audit);
}

/* A node that is to end does not wait until the whole state is read. */
static void an_audit_is_told_to_stop(void **state)
{
    (void)state;
    struct world *world = world_with_one_behind();
    struct world_node *node = &world->nodes[1];
    enum audit_refusal why;
    struct error error;
    struct pool_work *work = begin_audit(node);
    ((struct audit *)work)->ended = stopped_audit_ended;
    audits_stop(&node->core);
    struct audit second = {.ended = audit_ended};
    assert_false(audit_start(&second, &node->core, &why, &error));
    assert_int_equal(why, AUDIT_GIVEN_UP);
    assert_non_null(strstr(error.text, "stopping"));
    assert_true(node->core.is_auditing);
    work->run(work);
    work->done(work);
    assert_false(node->core.is_auditing);
    assert_int_equal(node->core.works, 0);
    world_free(world);
}

/* It waits for an audit when its leader offers another one: what is installed is never one state
 * under the other one's index. */
static void what_is_staged_may_be_replaced(void **state)
{
    (void)state;
    struct world *world = world_with_one_behind();
    struct world_node *node = &world->nodes[3];
    uint64_t leader = world_leader(world);
    world_start_3(world);
    WORLD_UNTIL(world, 10000, world->part_count > 3);
    struct pool_work *audit = begin_audit(node);
    WORLD_UNTIL(world, 10000, fetching_is_staged(node->core.fetching));
    uint64_t before = world_status(world, leader).snapshot_index;
    world->nodes[leader].core.config.held_log_bytes = 1;
    world_write(world, 150);
    world_go(world, 2000);
    assert_true(world_status(world, leader).snapshot_index > before);
    audit->run(audit);
    audit->done(audit);
    WORLD_UNTIL(world, 10000, world_has_caught_up(world, 3));
    struct snapshot snapshot;
    data_directory_snapshot(node->core.directory, &snapshot);
    assert_true(snapshot.index > before);
    WORLD_UNTIL(world, 1000, world_is_tidy(world, 3));
    world_free(world);
}

static void it_stops_in_the_middle_of_an_install(void **state)
{
    (void)state;
    for (uint64_t steps = 0; steps < 40; steps++) {
        struct world *world = world_with_one_behind();
        world_start_3(world);
        WORLD_UNTIL(world, 5000, world->part_count > 0);
        world_go(world, steps * 3);
        world_stop(world, 3);
        world_start_3(world);
        WORLD_UNTIL(world, 10000, world_has_caught_up(world, 3));
        WORLD_UNTIL(world, 1000, world_is_tidy(world, 3));
        world_free(world);
    }
}

static void a_pool_that_refuses_is_asked_again(void **state)
{
    (void)state;
    struct world *world = world_that_snapshots(3, 100);
    for (uint64_t id = 1; id <= 3; id++) {
        world->nodes[id].pool_refuses = true;
    }
    world_write(world, 20);
    uint64_t behind = world_leader(world) == 3 ? 2 : 3;
    world_stop(world, behind);
    world_write(world, 300);
    world_go(world, 1000);
    assert_true(world_status(world, world_leader(world)).first_index > 100);
    assert_true(world_start(world, behind));
    WORLD_UNTIL(world, 60000, world_has_caught_up(world, behind));
    WORLD_UNTIL(world, 1000, world_is_tidy(world, behind));
    assert_int_equal(data_directory_generation(world->nodes[behind].core.directory), 2);
    assert_true(world->nodes[behind].refused > 10);
    world_free(world);
}

/* Nothing is retried onto a disk that has failed. */
static void a_disk_that_fails_in_a_fetch_stops_the_node(void **state)
{
    (void)state;
    struct world *world = world_with_one_behind();
    struct world_node *node = &world->nodes[3];
    world_start_3(world);
    WORLD_UNTIL(world, 5000, world->part_count > 3);
    sim_disk_set_failing(node->disk, SIM_WRITE, 5);
    WORLD_UNTIL(world, 5000, node->is_stopped);
    assert_true(node->error.text[0] != '\0');
    world_free(world);
}

/* ---- with the real database ---- */

static void rocksdb_is_carried_too(void **state)
{
    (void)state;
    char directory[] = "/tmp/holdfast-core-XXXXXX";
    struct world *world = world_new(3);
    struct error error;
    assert_non_null(mkdtemp(directory));
    world->directory = directory;
    world->snapshot_log_entries = 100;
    world->trailing_entries = 8;
    for (uint64_t id = 1; id <= 3; id++) {
        assert_true(world_start(world, id));
    }
    WORLD_UNTIL(world, 5000, world_leader(world) != 0);
    world_write(world, 20);
    uint64_t behind = world_leader(world) == 3 ? 2 : 3;
    world_stop(world, behind);
    world_write(world, 300);
    assert_true(world_status(world, world_leader(world)).first_index > 100);
    if (!world_start(world, behind)) {
        fail_msg("%s", world->nodes[behind].error.text);
    }
    WORLD_UNTIL(world, 10000, world_has_caught_up(world, behind));
    struct core *core = &world->nodes[behind].core;
    assert_int_equal(data_directory_generation(core->directory), 2);
    WORLD_UNTIL(world, 1000, world_count_names(world, behind, "state.") == 1);
    world_write(world, 150);
    WORLD_UNTIL(world, 1000, world_has_caught_up(world, behind));
    /* What was installed starts again, and has every invariant. */
    world_stop(world, behind);
    if (!world_start(world, behind)) {
        fail_msg("%s", world->nodes[behind].error.text);
    }
    WORLD_UNTIL(world, 5000, world_has_caught_up(world, behind));
    struct pool_work *audit = begin_audit(&world->nodes[behind]);
    audit->run(audit);
    audit->done(audit);
    for (uint64_t id = 1; id <= 3; id++) {
        world_stop(world, id);
    }
    assert_true(file_system_posix.remove_tree(file_system_posix.context, directory, &error));
    world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_install_survives_a_power_cut_at_any_point),
        cmocka_unit_test(an_audit_is_waited_for),
        cmocka_unit_test(an_audit_is_told_to_stop),
        cmocka_unit_test(an_audit_may_begin_while_the_old_state_is_removed),
        cmocka_unit_test(what_is_staged_may_be_replaced),
        cmocka_unit_test(it_stops_in_the_middle_of_an_install),
        cmocka_unit_test(a_pool_that_refuses_is_asked_again),
        cmocka_unit_test(a_disk_that_fails_in_a_fetch_stops_the_node),
        cmocka_unit_test(rocksdb_is_carried_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
