/* The sender of parts: questions pass, parts wait their turn, one for each node. */
#include "cmocka_test.h"

#include <string.h>

#include "bulk_sender.h"

#define NODES 3

struct fixture {
    uv_loop_t loop;
    struct bulk_sender sender;
    size_t parts[NODES + 1];
    size_t questions;
    uint64_t last_offset[NODES + 1];
    uint64_t bytes;
    bool closed;
};

static void on_send(void *context, uint64_t peer_id, const struct peer_message *message)
{
    struct fixture *fixture = context;
    assert_false(fixture->closed);
    if (message->type == PEER_CHECKPOINT_ASK) {
        fixture->questions++;
        return;
    }
    fixture->parts[peer_id]++;
    fixture->last_offset[peer_id] = message->checkpoint_part.offset;
    fixture->bytes += message->checkpoint_part.data->data.len;
}

static void on_closed(void *context)
{
    struct fixture *fixture = context;
    fixture->closed = true;
}

static void give(struct fixture *fixture, uint64_t peer_id, uint64_t offset)
{
    struct buffer bytes = {0};
    memset(buffer_reserve(&bytes, LIMIT_CHECKPOINT_PART_BYTES), 'p', LIMIT_CHECKPOINT_PART_BYTES);
    bytes.len = LIMIT_CHECKPOINT_PART_BYTES;
    struct peer_message part = {.type = PEER_CHECKPOINT_PART};
    part.checkpoint_part.offset = offset;
    part.checkpoint_part.data = entry_new_take(ENTRY_COMMAND, &bytes);
    bulk_sender_send(&fixture->sender, peer_id, &part);
    peer_message_free(&part);
}

static void open_fixture(struct fixture *fixture, uint64_t rate)
{
    *fixture = (struct fixture){0};
    assert_int_equal(uv_loop_init(&fixture->loop), 0);
    bulk_sender_open(&fixture->sender, &fixture->loop, rate, on_send, fixture);
}

static void close_fixture(struct fixture *fixture)
{
    bulk_sender_close(&fixture->sender, on_closed);
    uv_run(&fixture->loop, UV_RUN_DEFAULT);
    assert_true(fixture->closed);
    assert_int_equal(uv_loop_close(&fixture->loop), 0);
}

static void test_without_a_rate_nothing_waits(void **state)
{
    (void)state;
    struct fixture fixture;
    open_fixture(&fixture, 0);
    for (uint64_t i = 0; i < 100; i++) {
        give(&fixture, 1, i);
    }
    assert_int_equal(fixture.parts[1], 100);
    assert_int_equal(fixture.sender.waiting_count, 0);
    close_fixture(&fixture);
}

static void test_one_part_waits_for_each_node(void **state)
{
    (void)state;
    struct fixture fixture;
    open_fixture(&fixture, LEAST_SNAPSHOT_RATE_BYTES);
    size_t at_once = 0;
    while (fixture.sender.waiting_count == 0) { /* the burst */
        give(&fixture, 1, at_once++);
        assert_in_range(at_once, 1, 8);
    }
    for (uint64_t i = 0; i < 50; i++) {
        give(&fixture, 1, 1000 + i);
        give(&fixture, 2, 2000 + i);
        give(&fixture, 3, 3000 + i);
    }
    assert_int_equal(fixture.sender.waiting_count, 3);
    assert_int_equal(fixture.parts[1], at_once - 1);
    /* Questions don't wait behind them. */
    const struct peer_message question = {.type = PEER_CHECKPOINT_ASK};
    bulk_sender_send(&fixture.sender, 1, &question);
    assert_int_equal(fixture.questions, 1);
    /* Three parts at 1 MiB a second: three quarters of a second, the newest of each. */
    uint64_t begin = uv_hrtime();
    while (fixture.sender.waiting_count > 0) {
        uv_run(&fixture.loop, UV_RUN_ONCE);
    }
    uint64_t took_ms = (uv_hrtime() - begin) / 1000000;
    assert_true(took_ms >= 400);
    assert_int_equal(fixture.last_offset[1], 1049);
    assert_int_equal(fixture.last_offset[2], 2049);
    assert_int_equal(fixture.last_offset[3], 3049);
    assert_int_equal(fixture.parts[1] + fixture.parts[2] + fixture.parts[3], at_once + 2);
    assert_false(uv_is_active((uv_handle_t *)&fixture.sender.timer));
    close_fixture(&fixture);
}

static void test_what_waits_is_dropped_at_the_end(void **state)
{
    (void)state;
    struct fixture fixture;
    open_fixture(&fixture, LEAST_SNAPSHOT_RATE_BYTES);
    for (uint64_t i = 0; i < 20; i++) {
        give(&fixture, 1 + i % NODES, i);
    }
    assert_int_equal(fixture.sender.waiting_count, NODES);
    close_fixture(&fixture); /* nothing is sent behind it, nothing leaks */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_without_a_rate_nothing_waits),
        cmocka_unit_test(test_one_part_waits_for_each_node),
        cmocka_unit_test(test_what_waits_is_dropped_at_the_end),
    };
    return cmocka_run_group_tests_name("bulk_sender", tests, NULL, NULL);
}
