/*
 * test_endpoints.c - which endpoint is asked next, when leaders are named, nodes fail, and the
 * table is full.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "endpoints.h"

static struct endpoints endpoints;
static struct error error;
static void *dropped;

static int three_endpoints(void **state)
{
    (void)state;
    dropped = NULL;
    return endpoints_init(&endpoints, "a:1,b:2,c:3", 0, &error) ? 0 : -1;
}

static const char *chosen(uint64_t now_ms)
{
    return endpoints.items[endpoints_choose(&endpoints, now_ms)].address;
}

static size_t index_of(const char *address)
{
    size_t index = endpoints_lookup(&endpoints, address);
    assert_int_not_equal(index, ENDPOINT_NONE);
    return index;
}

static void fail_at(const char *address, uint64_t began_ms, uint64_t now_ms)
{
    endpoints_failed(&endpoints, index_of(address), began_ms, now_ms);
}

static void a_list_is_taken_apart(void **state)
{
    (void)state;
    assert_true(endpoints_init(&endpoints, "h:1", 7, &error));
    assert_int_equal(endpoints.count, 1);
    assert_true(endpoints_init(&endpoints, "[::1]:7070,node.example:80,[::1]:7070", 4, &error));
    assert_int_equal(endpoints.count, 2); /* a repeated address counts once */
    assert_string_equal(endpoints.items[0].address, "[::1]:7070");
    assert_string_equal(endpoints.items[1].address, "node.example:80");
    assert_int_equal(endpoints.preferred, 0);
    assert_true(endpoints_init(&endpoints, "a:1,b:2,c:3", 5, &error));
    assert_int_equal(endpoints.preferred, 2); /* clients spread */
}

static void a_malformed_list_is_refused(void **state)
{
    (void)state;
    static const char *const empties[] = {"", ",", "a:1,", ",a:1", "a:1,,b:2"};
    for (size_t i = 0; i < sizeof(empties) / sizeof(empties[0]); i++) {
        assert_false(endpoints_init(&endpoints, empties[i], 0, &error));
        assert_non_null(strstr(error.text, "empty address"));
    }
    char list[LIMIT_ADDRESS_BYTES + 2];
    memset(list, 'x', sizeof(list) - 1);
    list[sizeof(list) - 1] = '\0';
    assert_false(endpoints_init(&endpoints, list, 0, &error));
    list[sizeof(list) - 2] = '\0';
    assert_true(endpoints_init(&endpoints, list, 0, &error));
}

static void seventeen_endpoints_are_too_many(void **state)
{
    (void)state;
    char list[256] = "";
    size_t len = 0;
    for (int i = 0; i < LIMIT_CLIENT_GIVEN_ENDPOINTS; i++) {
        len += (size_t)snprintf(list + len, sizeof(list) - len, "%sh:%d", i > 0 ? "," : "", i);
    }
    assert_true(endpoints_init(&endpoints, list, 0, &error));
    snprintf(list + len, sizeof(list) - len, ",last:1");
    assert_false(endpoints_init(&endpoints, list, 0, &error));
}

static void the_preferred_one_stays_while_it_answers(void **state)
{
    (void)state;
    for (uint64_t now_ms = 0; now_ms < 10; now_ms++) {
        assert_string_equal(chosen(now_ms), "a:1");
        endpoints_answered(&endpoints, index_of("a:1"));
    }
}

static void any_one_may_be_drawn_that_is_not_suspect(void **state)
{
    (void)state;
    for (uint64_t random = 0; random < 6; random++) {
        assert_int_equal(endpoints_choose_any(&endpoints, random, 0), random % 3);
    }
    fail_at("b:2", 10, 10);
    assert_int_equal(endpoints_choose_any(&endpoints, 4, 10), 2);
    assert_int_equal(endpoints_choose_any(&endpoints, 4, 10 + CLIENT_SUSPECT_MIN_MS), 1);
    assert_string_equal(chosen(0), "a:1"); /* it is the preferred one still */
}

static void a_failure_moves_on_round_the_table(void **state)
{
    (void)state;
    fail_at("a:1", 0, 10);
    assert_string_equal(chosen(10), "b:2");
    fail_at("b:2", 10, 20);
    assert_string_equal(chosen(20), "c:3");
    /* once its time is over, a is not chosen again: c works */
    assert_string_equal(chosen(100000), "c:3");
}

static void where_all_fail_the_first_to_recover_is_tried(void **state)
{
    (void)state;
    fail_at("a:1", 0, 10);
    fail_at("b:2", 0, 11);
    fail_at("c:3", 0, 12);
    assert_string_equal(chosen(12), "a:1");
    fail_at("a:1", 12, 13); /* twice now: suspect for longer */
    assert_string_equal(chosen(13), "b:2");
    fail_at("b:2", 13, 14);
    assert_string_equal(chosen(14), "c:3");
}

static void one_failure_that_ends_many_calls_counts_once(void **state)
{
    (void)state;
    for (int i = 0; i < 64; i++) {
        fail_at("a:1", 5, 10);
    }
    assert_int_equal(endpoints.items[0].failures, 1);
    assert_int_equal(endpoints.items[0].suspect_until_ms, 10 + CLIENT_SUSPECT_MIN_MS);
    fail_at("a:1", 11, 200);
    assert_int_equal(endpoints.items[0].failures, 2);
    assert_int_equal(endpoints.items[0].suspect_until_ms, 200 + 2 * CLIENT_SUSPECT_MIN_MS);
}

static void suspicion_is_capped_and_ends_with_an_answer(void **state)
{
    (void)state;
    uint64_t now_ms = 0;
    for (int i = 0; i < 100; i++) {
        fail_at("a:1", now_ms + 1, now_ms + 2);
        now_ms += 2;
    }
    assert_int_equal(endpoints.items[0].suspect_until_ms, now_ms + CLIENT_SUSPECT_MAX_MS);
    endpoints_answered(&endpoints, 0);
    assert_int_equal(endpoints.items[0].suspect_until_ms, 0);
    fail_at("a:1", now_ms + 1, now_ms + 2);
    assert_int_equal(endpoints.items[0].suspect_until_ms, now_ms + 2 + CLIENT_SUSPECT_MIN_MS);
}

static void a_named_leader_is_preferred(void **state)
{
    (void)state;
    endpoints_leader_named(&endpoints, index_of("c:3"), 5);
    assert_string_equal(chosen(5), "c:3");
    size_t index = endpoints_find(&endpoints, "d:4", ENDPOINT_LEADER, 6, &dropped);
    assert_int_equal(index, 3); /* it need not be among the given ones */
    endpoints_leader_named(&endpoints, index, 6);
    assert_string_equal(chosen(6), "d:4");
    fail_at("d:4", 6, 7);
    assert_string_equal(chosen(7), "a:1");
}

/* Nodes go on naming a leader that has just died. */
static void a_suspect_leader_is_not_believed_in(void **state)
{
    (void)state;
    fail_at("a:1", 0, 10);
    endpoints_leader_named(&endpoints, index_of("a:1"), 11);
    assert_string_equal(chosen(11), "b:2");
    endpoints_leader_named(&endpoints, index_of("a:1"), 10 + CLIENT_SUSPECT_MIN_MS);
    assert_string_equal(chosen(10 + CLIENT_SUSPECT_MIN_MS), "a:1");
}

static void a_node_that_was_only_asked_gets_no_calls(void **state)
{
    (void)state;
    size_t asked = endpoints_find(&endpoints, "other:9", ENDPOINT_ASKED, 1, &dropped);
    fail_at("a:1", 1, 2);
    fail_at("b:2", 1, 2);
    fail_at("c:3", 1, 2);
    assert_int_not_equal(endpoints_choose(&endpoints, 3), asked);
    /* until it turns out to be the leader */
    assert_int_equal(endpoints_find(&endpoints, "other:9", ENDPOINT_LEADER, 3, &dropped), asked);
    assert_int_equal(endpoints_choose(&endpoints, 3), asked);
    /* and it does not fall back */
    endpoints_find(&endpoints, "other:9", ENDPOINT_ASKED, 4, &dropped);
    assert_int_equal(endpoints.items[asked].origin, ENDPOINT_LEADER);
}

static void a_full_table_drops_what_is_unused_for_longest(void **state)
{
    (void)state;
    int connections[LIMIT_CLIENT_ENDPOINTS];
    char address[32];
    for (uint64_t i = endpoints.count; i < LIMIT_CLIENT_ENDPOINTS; i++) {
        snprintf(address, sizeof(address), "n:%d", (int)i);
        size_t index = endpoints_find(&endpoints, address, ENDPOINT_LEADER, i, &dropped);
        assert_int_equal(index, i);
        assert_null(dropped);
        endpoints.items[index].connection = &connections[i];
    }
    endpoints_begin(&endpoints, index_of("n:3"), 100); /* in use */
    endpoints_leader_named(&endpoints, index_of("n:4"), 100);
    size_t index = endpoints_find(&endpoints, "new:1", ENDPOINT_LEADER, 101, &dropped);
    assert_int_equal(index, 5);
    assert_ptr_equal(dropped, &connections[5]);
    assert_null(endpoints.items[index].connection);
    assert_int_equal(endpoints_lookup(&endpoints, "n:5"), ENDPOINT_NONE);
    assert_string_equal(chosen(101), "n:4");
    index_of("a:1"); /* the given ones stay */

    for (size_t i = 0; i < endpoints.count; i++) {
        endpoints_begin(&endpoints, i, 102);
    }
    assert_int_equal(endpoints_find(&endpoints, "new:2", ENDPOINT_LEADER, 103, &dropped),
                     ENDPOINT_NONE);
    endpoints_end(&endpoints, 7);
    assert_int_equal(endpoints_find(&endpoints, "new:2", ENDPOINT_LEADER, 103, &dropped), 7);
}

static void an_address_that_is_too_long_has_no_entry(void **state)
{
    (void)state;
    char address[LIMIT_ADDRESS_BYTES + 2];
    memset(address, 'x', sizeof(address) - 1);
    address[sizeof(address) - 1] = '\0';
    assert_int_equal(endpoints_find(&endpoints, address, ENDPOINT_LEADER, 1, &dropped),
                     ENDPOINT_NONE);
    assert_int_equal(endpoints_find(&endpoints, "", ENDPOINT_LEADER, 1, &dropped), ENDPOINT_NONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_list_is_taken_apart),
        cmocka_unit_test(a_malformed_list_is_refused),
        cmocka_unit_test(seventeen_endpoints_are_too_many),
        cmocka_unit_test_setup(the_preferred_one_stays_while_it_answers, three_endpoints),
        cmocka_unit_test_setup(any_one_may_be_drawn_that_is_not_suspect, three_endpoints),
        cmocka_unit_test_setup(a_failure_moves_on_round_the_table, three_endpoints),
        cmocka_unit_test_setup(where_all_fail_the_first_to_recover_is_tried, three_endpoints),
        cmocka_unit_test_setup(one_failure_that_ends_many_calls_counts_once, three_endpoints),
        cmocka_unit_test_setup(suspicion_is_capped_and_ends_with_an_answer, three_endpoints),
        cmocka_unit_test_setup(a_named_leader_is_preferred, three_endpoints),
        cmocka_unit_test_setup(a_suspect_leader_is_not_believed_in, three_endpoints),
        cmocka_unit_test_setup(a_node_that_was_only_asked_gets_no_calls, three_endpoints),
        cmocka_unit_test_setup(a_full_table_drops_what_is_unused_for_longest, three_endpoints),
        cmocka_unit_test_setup(an_address_that_is_too_long_has_no_entry, three_endpoints),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
