/*
 * sim_net_test.c - the network loses, doubles, delays and reorders what it is told to, and nothing
 * else; connections begin with a hello; a message through the codec is the same message.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include <stdlib.h>

#include "sim_clock.h"
#include "sim_net.h"

#define NODES 3
#define MOST  4000

struct scene {
    struct world world;
    struct sim_net net;
    uint64_t terms[MOST]; /* of what arrived, in order: the messages' numbers */
    size_t arrived;
    enum sim_net_hello answer;
    unsigned hellos;
    uint64_t ready_at_us[NODES];
};

static uint64_t ready_at_us(void *context, size_t node)
{
    const struct scene *scene = context;
    return scene->ready_at_us[node];
}

static void received(void *context, size_t from, size_t to, struct peer_message *message)
{
    struct scene *scene = context;
    assert_true(from < NODES && to < NODES && from != to);
    assert_true(scene->arrived < MOST);
    scene->terms[scene->arrived++] = message->sent_term;
    peer_message_free(message);
}

static enum sim_net_hello hello(void *context, size_t from, size_t to)
{
    struct scene *scene = context;
    assert_true(from != to);
    scene->hellos++;
    return scene->answer;
}

static const struct sim_net_weather calm = {.least_us = 50, .most_us = 500, .in_order = true};

static struct scene *scene_new(const struct sim_net_weather *weather)
{
    static const struct sim_net_events events = {
        .ready_at_us = ready_at_us, .received = received, .hello = hello};
    struct scene *scene = memory_zalloc(sizeof *scene);
    world_init(&scene->world, 1, NULL);
    sim_net_init(&scene->net, &scene->world, NODES, &events);
    scene->net.events.context = scene;
    sim_net_set_weather(&scene->net, weather);
    for (size_t i = 0; i < NODES; i++) {
        sim_net_up(&scene->net, i);
    }
    world_run_until(&scene->world, 100000);
    assert_int_equal(scene->hellos, NODES * (NODES - 1));
    return scene;
}

static void scene_free(struct scene *scene)
{
    sim_net_free(&scene->net);
    world_free(&scene->world);
    free(scene);
}

/* A message that is told by its number, with an entry on board. */
static void send(struct scene *scene, size_t from, size_t to, uint64_t number)
{
    struct entry *entry = entry_new_copy(2, 1, ENTRY_COMMAND, BYTES_LITERAL("bytes"));
    struct peer_message message = {
        .type = PEER_APPEND_ENTRIES,
        .sent_term = number,
        .append_entries = {.term = number,
                           .prev_log_index = 1,
                           .prev_log_term = 1,
                           .entries = &entry,
                           .entry_count = 1},
    };
    sim_net_send(&scene->net, from, to, &message);
    entry_release(entry);
}

static void send_many(struct scene *scene, uint64_t count)
{
    for (uint64_t i = 1; i <= count; i++) {
        send(scene, 0, 1, i);
        world_run_until(&scene->world, scene->world.now_us + 20);
    }
    world_run_until(&scene->world, scene->world.now_us + 2000000);
}

static size_t overtaken(const struct scene *scene)
{
    size_t count = 0;
    for (size_t i = 1; i < scene->arrived; i++) {
        count += scene->terms[i] < scene->terms[i - 1];
    }
    return count;
}

static void a_calm_network_brings_all_in_order(void **state)
{
    (void)state;
    struct scene *scene = scene_new(&calm);
    send_many(scene, 1000);
    assert_int_equal(scene->arrived, 1000);
    assert_int_equal(overtaken(scene), 0);
    scene_free(scene);
}

static void messages_are_lost_doubled_and_overtaken(void **state)
{
    (void)state;
    const struct sim_net_weather bad = {.loss_permille = 300,
                                        .twice_permille = 100,
                                        .late_permille = 100,
                                        .least_us = 50,
                                        .most_us = 500,
                                        .late_us = 100000};
    struct scene *scene = scene_new(&bad);
    send_many(scene, 1000);
    assert_in_range(scene->world.stats.counts[STAT_LOST], 250, 350);
    assert_in_range(scene->world.stats.counts[STAT_TWICE], 40, 100);
    assert_int_equal(scene->arrived, 1000 - scene->world.stats.counts[STAT_LOST] +
                                         scene->world.stats.counts[STAT_TWICE]);
    assert_true(overtaken(scene) > 50);
    scene_free(scene);
}

static void a_cut_is_one_way(void **state)
{
    (void)state;
    struct scene *scene = scene_new(&calm);
    send(scene, 0, 1, 1);
    sim_net_cut(&scene->net, 0, 1, true); /* also for what is under way */
    send(scene, 0, 1, 2);
    send(scene, 1, 0, 3);
    send(scene, 0, 2, 4);
    world_run_until(&scene->world, scene->world.now_us + 10000);
    assert_int_equal(scene->arrived, 2);
    sim_net_cut(&scene->net, 0, 1, false);
    send(scene, 0, 1, 5);
    world_run_until(&scene->world, scene->world.now_us + 10000);
    assert_int_equal(scene->arrived, 3);
    assert_int_equal(scene->terms[2], 5);
    scene_free(scene);
}

static void a_broken_connection_is_made_anew(void **state)
{
    (void)state;
    struct scene *scene = scene_new(&calm);
    unsigned before = scene->hellos;
    send(scene, 0, 1, 1);
    sim_net_break(&scene->net, 0, 1);
    send(scene, 0, 1, 2); /* there is none */
    world_run_until(&scene->world, scene->world.now_us + 100000);
    assert_int_equal(scene->hellos, before + 1);
    assert_int_equal(scene->arrived, 0);
    send(scene, 0, 1, 3);
    world_run_until(&scene->world, scene->world.now_us + 10000);
    assert_int_equal(scene->arrived, 1);
    assert_int_equal(scene->terms[0], 3);
    scene_free(scene);
}

static void some_messages_outlive_their_connection(void **state)
{
    (void)state;
    struct scene *scene = scene_new(&calm);
    scene->net.old_permille = 1000;
    send(scene, 0, 1, 1);
    sim_net_break(&scene->net, 0, 1);
    world_run_until(&scene->world, scene->world.now_us + 100000);
    assert_int_equal(scene->arrived, 1);
    assert_int_equal(scene->world.stats.counts[STAT_FROM_OLD_CONNECTIONS], 1);
    scene_free(scene);
}

static void whoever_is_refused_asks_again(void **state)
{
    (void)state;
    struct scene *scene = scene_new(&calm);
    unsigned before = scene->hellos;
    scene->answer = SIM_NET_REFUSED;
    sim_net_break(&scene->net, 0, 1);
    world_run_until(&scene->world, scene->world.now_us + 3000000);
    assert_in_range(scene->hellos, before + 3, before + 60);
    send(scene, 0, 1, 1);
    scene->answer = SIM_NET_WELCOME;
    world_run_until(&scene->world, scene->world.now_us + 1100000);
    assert_int_equal(scene->arrived, 0);
    send(scene, 0, 1, 2);
    world_run_until(&scene->world, scene->world.now_us + 10000);
    assert_int_equal(scene->arrived, 1);
    scene_free(scene);
}

static void nobody_dials_who_is_down(void **state)
{
    (void)state;
    struct scene *scene = scene_new(&calm);
    unsigned before = scene->hellos;
    sim_net_down(&scene->net, 1);
    world_run_until(&scene->world, scene->world.now_us + 3000000);
    assert_int_equal(scene->hellos, before);
    sim_net_up(&scene->net, 1);
    world_run_until(&scene->world, scene->world.now_us + 100000);
    assert_int_equal(scene->hellos, before + 2 * (NODES - 1));
    scene_free(scene);
}

static void a_node_that_sleeps_hears_later(void **state)
{
    (void)state;
    struct scene *scene = scene_new(&calm);
    scene->ready_at_us[1] = scene->world.now_us + 50000;
    send(scene, 0, 1, 1);
    world_run_until(&scene->world, scene->ready_at_us[1] - 1);
    assert_int_equal(scene->arrived, 0);
    world_run_until(&scene->world, scene->ready_at_us[1]);
    assert_int_equal(scene->arrived, 1);
    scene_free(scene);
}

static void what_is_under_way_at_the_end_is_freed(void **state)
{
    (void)state;
    struct scene *scene = scene_new(&calm);
    for (uint64_t i = 0; i < 1000; i++) {
        send(scene, 0, 1, i);
    }
    scene_free(scene); /* AddressSanitizer looks */
}

static void the_codec_gives_the_same_message(void **state)
{
    (void)state;
    struct error error;
    struct peer_message decoded;
    struct entry *entries[2] = {
        entry_new_copy(8, 3, ENTRY_COMMAND, BYTES_LITERAL("some bytes")),
        entry_new_copy(9, 4, ENTRY_COMMAND, BYTES_LITERAL("")),
    };
    const struct peer_message message = {
        .type = PEER_APPEND_ENTRIES,
        .sent_term = 4,
        .append_entries = {.term = 4,
                           .prev_log_index = 7,
                           .prev_log_term = 3,
                           .leader_commit = 6,
                           .entries = entries,
                           .entry_count = 2},
    };
    assert_true(sim_net_code(&message, &decoded, &error));
    assert_int_equal(decoded.type, PEER_APPEND_ENTRIES);
    assert_int_equal(decoded.sent_term, 4);
    assert_int_equal(decoded.append_entries.prev_log_index, 7);
    assert_int_equal(decoded.append_entries.leader_commit, 6);
    assert_int_equal(decoded.append_entries.entry_count, 2);
    for (size_t i = 0; i < 2; i++) {
        const struct entry *entry = decoded.append_entries.entries[i];
        assert_ptr_not_equal(entry, entries[i]);
        assert_int_equal(entry->index, entries[i]->index);
        assert_int_equal(entry->term, entries[i]->term);
        assert_true(bytes_equal(entry->data, entries[i]->data));
        entry_release(entries[i]);
    }
    peer_message_free(&decoded);
}

static void clocks_drift_and_never_go_back(void **state)
{
    (void)state;
    struct sim_clock clock = {.rate_ppm = 20000};
    uint64_t shown = 0;
    struct random random = {3};
    sim_clock_boot(&clock, 0, 5000000);
    assert_int_equal(sim_clock_monotonic_ms(&clock, 0), 5000);
    assert_int_equal(sim_clock_monotonic_ms(&clock, 1000000), 6020);
    for (uint64_t now_us = 0; now_us < 5000000; now_us += 997) {
        uint64_t now_ms = sim_clock_monotonic_ms(&clock, now_us);
        assert_true(now_ms >= shown);
        shown = now_ms;
        uint64_t left_us = sim_clock_until_us(&clock, now_us, now_ms + 30);
        assert_true(sim_clock_monotonic_ms(&clock, now_us + left_us) >= now_ms + 30);
        assert_in_range(left_us, 28000, 32000);
        sim_clock_set_rate(&clock, now_us, (int64_t)sim_random_below(&random, 60001) - 30000);
    }
    int64_t wall_ms = sim_clock_wall_ms(&clock, 5000000);
    clock.wall_offset_ms -= 3600000;
    assert_int_equal(sim_clock_wall_ms(&clock, 5000000), wall_ms - 3600000);
    assert_true(sim_clock_monotonic_ms(&clock, 5000000) >= shown);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_calm_network_brings_all_in_order),
        cmocka_unit_test(messages_are_lost_doubled_and_overtaken),
        cmocka_unit_test(a_cut_is_one_way),
        cmocka_unit_test(a_broken_connection_is_made_anew),
        cmocka_unit_test(some_messages_outlive_their_connection),
        cmocka_unit_test(whoever_is_refused_asks_again),
        cmocka_unit_test(nobody_dials_who_is_down),
        cmocka_unit_test(a_node_that_sleeps_hears_later),
        cmocka_unit_test(what_is_under_way_at_the_end_is_freed),
        cmocka_unit_test(the_codec_gives_the_same_message),
        cmocka_unit_test(clocks_drift_and_never_go_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
