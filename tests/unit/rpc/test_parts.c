/*
 * test_parts.c - the small parts under server and client: the deadline queue against a sorted list,
 * header lists, the work put off to the end of the loop's turn.
 */
#include "cmocka_all.h"

#include <stdlib.h>

#include "deadline_queue.h"
#include "header_list.h"
#include "loop_turn.h"

/* ---- deadline_queue ---- */

#define ENTRIES 500

static void deadlines_come_out_in_order(void **state)
{
    (void)state;
    static struct deadline_entry entries[ENTRIES];
    struct deadline_queue queue = {0};
    uint64_t seed = 42;
    for (int round = 0; round < 50; round++) {
        size_t queued = 0;
        for (size_t i = 0; i < ENTRIES; i++) {
            seed = seed * 6364136223846793005u + 1442695040888963407u;
            deadline_queue_add(&queue, &entries[i], (seed >> 33) % 100);
            queued++;
        }
        for (size_t i = 0; i < ENTRIES; i++) {
            seed = seed * 6364136223846793005u + 1442695040888963407u;
            if ((seed >> 33) % 3 == 0) {
                deadline_queue_remove(&queue, &entries[i]);
                deadline_queue_remove(&queue, &entries[i]); /* not queued: nothing happens */
                queued--;
            }
        }
        uint64_t last = 0;
        struct deadline_entry *first;
        while ((first = deadline_queue_first(&queue)) != NULL) {
            assert_true(first->due_ms >= last);
            last = first->due_ms;
            deadline_queue_remove(&queue, first);
            queued--;
        }
        assert_int_equal(queued, 0);
    }
    deadline_queue_free(&queue);
}

/* ---- header_list ---- */

static void headers_are_found_by_name(void **state)
{
    (void)state;
    struct header_list list = {0};
    assert_null(header_list_find(&list, "a"));
    header_list_add(&list, BYTES_LITERAL("a"), BYTES_LITERAL("1"));
    header_list_add(&list, BYTES_LITERAL("empty"), bytes_of(NULL, 0));
    header_list_add(&list, BYTES_LITERAL("a"), BYTES_LITERAL("2"));
    header_list_add(&list, BYTES_LITERAL("1"), BYTES_LITERAL("a"));
    assert_string_equal(header_list_find(&list, "a"), "1");
    assert_string_equal(header_list_find(&list, "empty"), "");
    assert_string_equal(header_list_find(&list, "1"), "a");
    assert_null(header_list_find(&list, "empt"));
    assert_null(header_list_find(&list, "2"));
    size_t count = 0;
    for (struct header_cursor at = {0}; header_list_next(&list, &at);) {
        count++;
    }
    assert_int_equal(count, 4);
    header_list_clear(&list);
    assert_null(header_list_find(&list, "a"));
    header_list_free(&list);
}

/* ---- loop_turn ---- */

struct counted {
    struct turn_item item;
    struct loop_turn *turn;
    int runs;
    int runs_wanted;
    struct counted *other; /* added when this one runs */
};

static void count_run(struct turn_item *item)
{
    struct counted *counted = (struct counted *)item;
    counted->runs++;
    if (counted->runs < counted->runs_wanted) {
        loop_turn_add(counted->turn, &counted->other->item);
    }
}

static void set_flag(void *context)
{
    *(bool *)context = true;
}

static void add_two(uv_timer_t *timer)
{
    struct counted *items = timer->data;
    loop_turn_add(items[0].turn, &items[0].item);
    loop_turn_add(items[0].turn, &items[1].item);
    loop_turn_add(items[0].turn, &items[0].item); /* once is enough */
}

static void turn_runs_what_was_added_before_the_loop_waits(void **state)
{
    (void)state;
    uv_loop_t loop;
    uv_loop_init(&loop);
    struct loop_turn turn;
    loop_turn_open(&turn, &loop);
    struct counted items[2] = {
        {.item.run = count_run, .turn = &turn, .runs_wanted = 1},
        {.item.run = count_run, .turn = &turn, .runs_wanted = 1},
    };
    uv_timer_t timer;
    uv_timer_init(&loop, &timer);
    timer.data = items;
    uv_timer_start(&timer, add_two, 1, 0);
    uv_run(&loop, UV_RUN_DEFAULT); /* ends: nothing keeps the loop when nothing waits */
    assert_int_equal(items[0].runs, 1);
    assert_int_equal(items[1].runs, 1);
    /* Added from outside of the loop. */
    loop_turn_add(&turn, &items[0].item);
    loop_turn_add(&turn, &items[1].item);
    loop_turn_remove(&turn, &items[1].item);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(items[0].runs, 2);
    assert_int_equal(items[1].runs, 1);
    bool closed = false;
    loop_turn_close(&turn, set_flag, &closed);
    uv_close((uv_handle_t *)&timer, NULL);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_true(closed);
    assert_int_equal(uv_loop_close(&loop), 0);
}

static void add_in_prepare(uv_prepare_t *prepare)
{
    struct counted *counted = prepare->data;
    if (counted->runs == 0) {
        loop_turn_add(counted->turn, &counted->item);
    }
}

static void ring(uv_timer_t *timer)
{
    *(bool *)timer->data = true;
}

/* The loop is about to wait when the item is added, and must not. */
static void turn_item_added_in_the_last_moment_is_not_waited_over(void **state)
{
    (void)state;
    uv_loop_t loop;
    uv_loop_init(&loop);
    struct loop_turn turn;
    loop_turn_open(&turn, &loop);
    struct counted item = {.item.run = count_run, .turn = &turn, .runs_wanted = 1};
    bool rang = false;
    uv_timer_t timer;
    uv_timer_init(&loop, &timer);
    timer.data = &rang;
    uv_timer_start(&timer, ring, 5000, 0);
    uv_prepare_t prepare;
    uv_prepare_init(&loop, &prepare);
    prepare.data = &item;
    uv_prepare_start(&prepare, add_in_prepare);
    while (item.runs == 0) {
        uv_run(&loop, UV_RUN_ONCE);
    }
    assert_false(rang);
    bool closed = false;
    loop_turn_close(&turn, set_flag, &closed);
    uv_close((uv_handle_t *)&timer, NULL);
    uv_close((uv_handle_t *)&prepare, NULL);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_true(closed);
    assert_int_equal(uv_loop_close(&loop), 0);
}

static void turn_items_that_add_each_other_do_not_keep_the_loop(void **state)
{
    (void)state;
    uv_loop_t loop;
    uv_loop_init(&loop);
    struct loop_turn turn;
    loop_turn_open(&turn, &loop);
    struct counted items[2] = {
        {.item.run = count_run, .turn = &turn, .runs_wanted = 1000, .other = &items[1]},
        {.item.run = count_run, .turn = &turn, .runs_wanted = 1000, .other = &items[0]},
    };
    loop_turn_add(&turn, &items[0].item);
    uv_run(&loop, UV_RUN_NOWAIT);
    assert_true(items[0].runs >= 1 && items[0].runs <= 3);
    bool closed = false;
    loop_turn_close(&turn, set_flag, &closed); /* what waits is forgotten */
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_true(closed);
    assert_true(items[0].runs <= 3);
    assert_int_equal(uv_loop_close(&loop), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(deadlines_come_out_in_order),
        cmocka_unit_test(headers_are_found_by_name),
        cmocka_unit_test(turn_runs_what_was_added_before_the_loop_waits),
        cmocka_unit_test(turn_item_added_in_the_last_moment_is_not_waited_over),
        cmocka_unit_test(turn_items_that_add_each_other_do_not_keep_the_loop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
