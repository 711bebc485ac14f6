/*
 * Little room (node/core/disk_watch.c): commands are refused, the leadership goes where there is
 * room, the log is trimmed, and all of it ends when there is room again.
 */
#include "core_world.h"

#include <errno.h>
#include <string.h>

#define RESERVE ((uint64_t)1 << 20)

static struct world *world_of(size_t node_count)
{
    struct world *world = world_new(node_count);
    world->trailing_entries = 8;
    world->disk_reserve_bytes = RESERVE;
    for (uint64_t id = 1; id <= node_count; id++) {
        assert_true(world_start(world, id));
    }
    WORLD_UNTIL(world, 5000, world_leader(world) != 0);
    return world;
}

static void set_free(struct world *world, uint64_t id, uint64_t bytes)
{
    struct world_node *node = &world->nodes[id];
    const uint64_t large = UINT64_MAX / 2;
    uint64_t left;
    struct error error;
    sim_disk_set_capacity(node->disk, large);
    assert_true(node->files.free_bytes(node->files.context, node->data, &left, &error));
    sim_disk_set_capacity(node->disk, large - left + bytes);
}

static const struct disk_watch *watch_of(const struct world *world, uint64_t id)
{
    return world->nodes[id].core.disk_watch;
}

static bool is_low(const struct world *world, uint64_t id)
{
    return disk_watch_is_low(watch_of(world, id));
}

static bool is_told(const struct world *world, uint64_t id, uint64_t bytes)
{
    uint64_t found;
    return disk_watch_free_bytes(watch_of(world, id), &found) && found == bytes;
}

static void a_leader_without_room_hands_over(void **state)
{
    (void)state;
    struct world *world = world_of(3);
    uint64_t low = world_leader(world);
    world_write(world, 10);
    set_free(world, low, RESERVE - 1);
    WORLD_UNTIL(world, 2000, is_low(world, low));
    WORLD_UNTIL(world, 2000, world_leader(world) != low && world_leader(world) != 0);
    world_write(world, 10);
    WORLD_UNTIL(world, 2000, world_has_caught_up(world, low)); /* it follows */
    struct error why;
    assert_true(disk_watch_refuses(watch_of(world, low), &why));
    assert_non_null(strstr(why.text, "has 0 MiB of its disk left, less than its reserve of 1 MiB"));
    world_free(world);
}

/* Whoever has room is found, wherever it stands in the round. */
static void the_leadership_goes_round_to_who_has_room(void **state)
{
    (void)state;
    struct world *world = world_of(5);
    uint64_t first = world_leader(world);
    uint64_t with_room = first == 1 ? 5 : first - 1; /* the last one that is asked */
    for (uint64_t id = 1; id <= 5; id++) {
        if (id != with_room) {
            set_free(world, id, RESERVE / 2);
        }
    }
    WORLD_UNTIL(world, 10000, world_leader(world) == with_room);
    world_go(world, 5000);
    assert_int_equal(world_leader(world), with_room);
    world_write(world, 10);
    world_free(world);
}

static void nobody_has_room(void **state)
{
    (void)state;
    struct world *world = world_of(3);
    for (uint64_t id = 1; id <= 3; id++) {
        set_free(world, id, 0);
    }
    WORLD_UNTIL(world, 2000, is_low(world, 1) && is_low(world, 2) && is_low(world, 3));
    uint64_t term = world->nodes[1].core.term;
    world_go(world, 5000);
    WORLD_UNTIL(world, 2000, world_leader(world) != 0);
    uint64_t leader = world_leader(world);
    struct proposal command = {.command_count = 1};
    assert_false(core_propose(&world->nodes[leader].core, &command));
    assert_in_range(world->nodes[leader].core.term, term, term + 6); /* once round, and quiet */
    term = world->nodes[leader].core.term;
    world_go(world, 20000);
    assert_int_equal(world->nodes[leader].core.term, term);
    for (uint64_t id = 1; id <= 3; id++) {
        sim_disk_set_capacity(world->nodes[id].disk, UINT64_MAX);
    }
    WORLD_UNTIL(world, 2000, !is_low(world, 1) && !is_low(world, 2) && !is_low(world, 3));
    world_write(world, 10);
    world_free(world);
}

static void it_does_not_flap(void **state)
{
    (void)state;
    struct world *world = world_of(1);
    WORLD_UNTIL(world, 2000, is_told(world, 1, UINT64_MAX));
    for (uint64_t bytes = RESERVE + 1; bytes >= RESERVE; bytes--) {
        set_free(world, 1, bytes);
        WORLD_UNTIL(world, 2000, is_told(world, 1, bytes));
        assert_false(is_low(world, 1));
    }
    static const uint64_t low[] = {RESERVE - 1, RESERVE, RESERVE + RESERVE / 8 - 1, RESERVE - 1};
    for (size_t i = 0; i < sizeof low / sizeof low[0]; i++) {
        set_free(world, 1, low[i]);
        WORLD_UNTIL(world, 2000, is_told(world, 1, low[i]));
        assert_true(is_low(world, 1));
    }
    assert_int_equal(world->nodes[1].warning_count, 1);
    set_free(world, 1, RESERVE + RESERVE / 8);
    WORLD_UNTIL(world, 2000, !is_low(world, 1));
    assert_int_equal(world->nodes[1].warning_count, 2);
    world_free(world);
}

static void the_log_is_trimmed_for_room(void **state)
{
    (void)state;
    struct world *world = world_of(1);
    for (size_t i = 0; i < 100; i++) {
        world_write(world, 1); /* an entry each */
    }
    world_go(world, 1000);
    assert_int_equal(world_status(world, 1).snapshot_index, 0);
    uint64_t before = log_store_disk_bytes(world->nodes[1].core.log);
    set_free(world, 1, RESERVE / 2);
    WORLD_UNTIL(world, 3000, world_status(world, 1).snapshot_index > 0);
    WORLD_UNTIL(world, 3000, log_store_disk_bytes(world->nodes[1].core.log) < before);
    uint64_t index = world_status(world, 1).snapshot_index;
    world_go(world, 5000); /* and not again: nothing has come */
    assert_int_equal(world_status(world, 1).snapshot_index, index);
    world_free(world);
}

static void a_disk_that_can_not_be_asked_ends_the_node(void **state)
{
    (void)state;
    struct world *world = world_of(1);
    world_go(world, 1000);
    sim_disk_set_failing(world->nodes[1].disk, SIM_FREE_BYTES, EIO);
    WORLD_UNTIL(world, 2000, world->nodes[1].is_stopped);
    assert_non_null(strstr(world->nodes[1].error.text, world->nodes[1].data));
    world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_leader_without_room_hands_over),
        cmocka_unit_test(the_leadership_goes_round_to_who_has_room),
        cmocka_unit_test(nobody_has_room),
        cmocka_unit_test(it_does_not_flap),
        cmocka_unit_test(the_log_is_trimmed_for_room),
        cmocka_unit_test(a_disk_that_can_not_be_asked_ends_the_node),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
