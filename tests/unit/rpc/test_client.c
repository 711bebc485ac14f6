/*
 * test_client.c - the client against our server. What ours never would do is
 * test_client_by_hand.c's.
 */
#include "client_fixture.h"

#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/limits.h"

static void call_brings_the_reply(void **state)
{
    (void)state;
    struct loop_fixture fixture;
    loop_fixture_open(&fixture, NULL);
    struct states states;
    struct rpc_client *client = open_client(&fixture.loop, fixture.address, &states);
    struct result result;
    call(client, "/test.Test/Echo", BYTES_LITERAL("hello"), 0, &result);
    assert_int_equal(rpc_client_state(client), RPC_CLIENT_CONNECTING);
    run_until(&fixture.loop, flag_is_set, &result.done);
    assert_outcome(&result, RPC_OK, false);
    assert_true(result.answered);
    assert_true(bytes_equal(buffer_bytes(&result.body), BYTES_LITERAL("hello")));
    assert_string_equal(result.message, "");
    assert_int_equal(states.last, RPC_CLIENT_CONNECTED);
    buffer_free(&result.body);
    call(client, "/test.Test/Echo", BYTES_LITERAL(""), 0, &result);
    run_until(&fixture.loop, flag_is_set, &result.done);
    assert_outcome(&result, RPC_OK, false);
    assert_int_equal(result.body.len, 0);
    assert_int_equal(states.changes, 2);
    assert_int_equal(rpc_client_call_count(client), 0);
    close_client(&fixture.loop, client);
    loop_fixture_close(&fixture);
}

static void metadata_goes_both_ways(void **state)
{
    (void)state;
    struct loop_fixture fixture;
    loop_fixture_open(&fixture, NULL);
    struct rpc_client *client = open_client(&fixture.loop, fixture.address, NULL);
    const struct rpc_metadata metadata[] = {{"echo-header", "there and back"}, {"x-other", "1"}};
    struct result result = {0};
    rpc_client_call(client, "/test.Test/Echo", BYTES_LITERAL("x"), 0, metadata, 2, on_outcome,
                    &result);
    run_until(&fixture.loop, flag_is_set, &result.done);
    assert_outcome(&result, RPC_OK, false);
    buffer_free(&result.body);
    call(client, "/test.Test/Fail", BYTES_LITERAL("100% schön"), 0, &result);
    run_until(&fixture.loop, flag_is_set, &result.done);
    assert_outcome(&result, RPC_FAILED_PRECONDITION, false);
    assert_true(result.answered);
    assert_string_equal(result.message, "100% schön");
    assert_string_equal(result.leader, "10.0.0.7:7070");
    assert_int_equal(result.body.len, 0);
    call(client, "/test.Test/Nothing", BYTES_LITERAL("x"), 0, &result);
    run_until(&fixture.loop, flag_is_set, &result.done);
    assert_outcome(&result, RPC_UNIMPLEMENTED, false);
    close_client(&fixture.loop, client);
    loop_fixture_close(&fixture);
}

static void host_names_are_looked_up(void **state)
{
    (void)state;
    struct loop_fixture fixture;
    loop_fixture_open(&fixture, NULL);
    char address[64];
    snprintf(address, sizeof address, "localhost:%u", rpc_server_port(fixture.server));
    struct rpc_client *client = open_client(&fixture.loop, address, NULL);
    struct result result;
    call(client, "/test.Test/Echo", BYTES_LITERAL("x"), 0, &result);
    run_until(&fixture.loop, flag_is_set, &result.done);
    assert_outcome(&result, RPC_OK, false);
    buffer_free(&result.body);
    close_client(&fixture.loop, client);
    client = open_client(&fixture.loop, "no.such.host.invalid:7070", NULL);
    call(client, "/test.Test/Echo", BYTES_LITERAL("x"), 0, &result);
    run_until(&fixture.loop, flag_is_set, &result.done);
    assert_outcome(&result, RPC_UNAVAILABLE, true);
    assert_non_null(strstr(result.message, "no.such.host.invalid:7070"));
    close_client(&fixture.loop, client);
    struct error error = {""};
    assert_null(
        rpc_client_open(&fixture.loop, &(struct rpc_client_config){.address = "no-port"}, &error));
    assert_true(error.text[0] != '\0');
    loop_fixture_close(&fixture);
}

/* A name that stands for two addresses, whatever this machine's names stand for: linked in place of
 * libuv's (--wrap). Nobody listens at the first. */
int __real_uv_getaddrinfo(uv_loop_t *loop, uv_getaddrinfo_t *request, uv_getaddrinfo_cb done,
                          const char *node, const char *service, const struct addrinfo *hints);
int __wrap_uv_getaddrinfo(uv_loop_t *loop, uv_getaddrinfo_t *request, uv_getaddrinfo_cb done,
                          const char *node, const char *service, const struct addrinfo *hints);

static struct {
    uv_getaddrinfo_cb done;
    char service[16];
} two;

static void add_second_address(uv_getaddrinfo_t *request, int status, struct addrinfo *first)
{
    assert_int_equal(status, 0);
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    uv_getaddrinfo_t second;
    assert_int_equal(
        __real_uv_getaddrinfo(request->loop, &second, NULL, "127.0.0.1", two.service, &hints), 0);
    assert_null(first->ai_next);
    first->ai_next = second.addrinfo;
    two.done(request, status, first);
}

int __wrap_uv_getaddrinfo(uv_loop_t *loop, uv_getaddrinfo_t *request, uv_getaddrinfo_cb done,
                          const char *node, const char *service, const struct addrinfo *hints)
{
    if (done != NULL && strcmp(node, "two.test") == 0) {
        two.done = done;
        snprintf(two.service, sizeof two.service, "%s", service);
        return __real_uv_getaddrinfo(loop, request, add_second_address, "127.0.0.1", "1", hints);
    }
    return __real_uv_getaddrinfo(loop, request, done, node, service, hints);
}

static void every_address_of_a_name_is_tried(void **state)
{
    (void)state;
    struct loop_fixture fixture;
    loop_fixture_open(&fixture, NULL);
    char address[64];
    snprintf(address, sizeof address, "two.test:%u", rpc_server_port(fixture.server));
    struct rpc_client *client = open_client(&fixture.loop, address, NULL);
    struct result result;
    call(client, "/test.Test/Echo", BYTES_LITERAL("x"), 0, &result);
    run_until(&fixture.loop, flag_is_set, &result.done);
    assert_outcome(&result, RPC_OK, false);
    buffer_free(&result.body);
    close_client(&fixture.loop, client);
    client = open_client(&fixture.loop, "two.test:1", NULL);
    call(client, "/test.Test/Echo", BYTES_LITERAL("x"), 0, &result);
    run_until(&fixture.loop, flag_is_set, &result.done);
    assert_outcome(&result, RPC_UNAVAILABLE, true);
    close_client(&fixture.loop, client);
    loop_fixture_close(&fixture);
}

static void large_messages_and_no_larger(void **state)
{
    (void)state;
    struct loop_fixture fixture;
    loop_fixture_open(&fixture, NULL);
    struct rpc_client *client = open_client(&fixture.loop, fixture.address, NULL);
    uint8_t *data = memory_zalloc(LIMIT_MESSAGE_BYTES + 1);
    struct result result;
    call(client, "/test.Test/Echo", bytes_of(data, LIMIT_MESSAGE_BYTES), 0, &result);
    run_until(&fixture.loop, flag_is_set, &result.done);
    assert_outcome(&result, RPC_OK, false);
    assert_int_equal(result.body.len, LIMIT_MESSAGE_BYTES);
    buffer_free(&result.body);
    /* Refused at its prefix, while most of it is still here. */
    call(client, "/test.Test/Echo", bytes_of(data, LIMIT_MESSAGE_BYTES + 1), 0, &result);
    run_until(&fixture.loop, flag_is_set, &result.done);
    assert_outcome(&result, RPC_RESOURCE_EXHAUSTED, false);
    fixture.reply_bytes = LIMIT_REPLY_BYTES;
    call(client, "/test.Test/Large", BYTES_LITERAL("x"), 0, &result);
    run_until(&fixture.loop, flag_is_set, &result.done);
    assert_outcome(&result, RPC_OK, false);
    assert_int_equal(result.body.len, LIMIT_REPLY_BYTES);
    buffer_free(&result.body);
    fixture.reply_bytes = LIMIT_REPLY_BYTES + 1;
    call(client, "/test.Test/Large", BYTES_LITERAL("x"), 0, &result);
    run_until(&fixture.loop, flag_is_set, &result.done);
    assert_outcome(&result, RPC_INTERNAL, false);
    /* All of that on one connection, whose windows have not leaked. */
    call(client, "/test.Test/Echo", bytes_of(data, LIMIT_MESSAGE_BYTES), 0, &result);
    run_until(&fixture.loop, flag_is_set, &result.done);
    assert_outcome(&result, RPC_OK, false);
    buffer_free(&result.body);
    assert_int_equal(rpc_server_stats(fixture.server).connections_total, 1);
    free(data);
    close_client(&fixture.loop, client);
    loop_fixture_close(&fixture);
}

static void deadline_is_kept_here_too(void **state)
{
    (void)state;
    struct loop_fixture fixture;
    loop_fixture_open(&fixture, NULL);
    struct rpc_client *client = open_client(&fixture.loop, fixture.address, NULL);
    struct result result;
    uv_update_time(&fixture.loop);
    uint64_t start = uv_hrtime();
    call(client, "/test.Test/Hold", BYTES_LITERAL("x"), uv_now(&fixture.loop) + 50, &result);
    run_until(&fixture.loop, flag_is_set, &result.done);
    uint64_t took_ms = (uv_hrtime() - start) / 1000000;
    assert_outcome(&result, RPC_DEADLINE_EXCEEDED, false);
    assert_true(took_ms >= 49);
    /* The server knew the deadline, or was told: its handler is cancelled. */
    run_for(&fixture.loop, 20);
    assert_int_equal(fixture.cancelled, 1);
    /* A deadline in the past, and one that passes while there is no connection. */
    call(client, "/test.Test/Hold", BYTES_LITERAL("x"), 1, &result);
    run_until(&fixture.loop, flag_is_set, &result.done);
    assert_int_equal(result.status, RPC_DEADLINE_EXCEEDED);
    close_client(&fixture.loop, client);
    loop_fixture_close(&fixture);
}

static void cancelled_call_ends_at_once(void **state)
{
    (void)state;
    struct loop_fixture fixture;
    loop_fixture_open(&fixture, NULL);
    struct rpc_client *client = open_client(&fixture.loop, fixture.address, NULL);
    struct result result;
    struct rpc_request *request = call(client, "/test.Test/Hold", BYTES_LITERAL("x"), 0, &result);
    rpc_client_cancel(request); /* still waiting for the connection */
    assert_outcome(&result, RPC_CANCELLED, true);
    struct result echo;
    request = call(client, "/test.Test/Hold", BYTES_LITERAL("x"), 0, &result);
    call(client, "/test.Test/Echo", BYTES_LITERAL("x"), 0, &echo);
    run_until(&fixture.loop, flag_is_set, &echo.done);
    buffer_free(&echo.body);
    assert_int_equal(fixture.held_count, 1);
    rpc_client_cancel(request);
    assert_outcome(&result, RPC_CANCELLED, false);
    call(client, "/test.Test/Echo", BYTES_LITERAL("x"), 0, &echo);
    run_until(&fixture.loop, flag_is_set, &echo.done);
    buffer_free(&echo.body);
    assert_int_equal(fixture.cancelled, 1);
    /* Submitted in this turn and cancelled in it: nothing of it leaves. */
    request = call(client, "/test.Test/Hold", BYTES_LITERAL("x"), 0, &result);
    rpc_client_cancel(request);
    assert_outcome(&result, RPC_CANCELLED, true);
    call(client, "/test.Test/Echo", BYTES_LITERAL("x"), 0, &echo);
    run_until(&fixture.loop, flag_is_set, &echo.done);
    buffer_free(&echo.body);
    assert_int_equal(fixture.held_count, 1);
    close_client(&fixture.loop, client);
    loop_fixture_close(&fixture);
}

struct crowd {
    struct result *results;
    size_t count;
};

static bool all_done(void *context)
{
    struct crowd *crowd = context;
    for (size_t i = 0; i < crowd->count; i++) {
        if (!crowd->results[i].done) {
            return false;
        }
    }
    return true;
}

static void thousand_calls_at_once(void **state)
{
    (void)state;
    struct loop_fixture fixture;
    loop_fixture_open(&fixture, NULL);
    struct rpc_client *client = open_client(&fixture.loop, fixture.address, NULL);
    struct crowd crowd = {memory_zalloc(3000 * sizeof(struct result)), 3000};
    for (size_t i = 0; i < crowd.count; i++) {
        char text[24];
        snprintf(text, sizeof text, "%zu", i);
        call(client, "/test.Test/Echo", bytes_of_string(text), 0, &crowd.results[i]);
    }
    run_until(&fixture.loop, all_done, &crowd);
    for (size_t i = 0; i < crowd.count; i++) {
        char text[24];
        snprintf(text, sizeof text, "%zu", i);
        assert_outcome(&crowd.results[i], RPC_OK, false);
        assert_true(bytes_equal(buffer_bytes(&crowd.results[i].body), bytes_of_string(text)));
        buffer_free(&crowd.results[i].body);
    }
    assert_int_equal(rpc_server_stats(fixture.server).connections_total, 1);
    free(crowd.results);
    close_client(&fixture.loop, client);
    loop_fixture_close(&fixture);
}

static void bounds_refuse_later_and_never_from_within(void **state)
{
    (void)state;
    struct loop_fixture fixture;
    loop_fixture_open(&fixture, NULL);
    struct rpc_client *client = open_client(&fixture.loop, fixture.address, NULL);
    size_t piece = 4u << 20;
    uint8_t *data = memory_zalloc(piece);
    struct result results[16];
    for (size_t i = 0; i < 16; i++) {
        call(client, "/test.Test/Hold", bytes_of(data, piece), 0, &results[i]);
    }
    run_until(&fixture.loop, flag_is_set, &results[15].done);
    assert_outcome(&results[15], RPC_RESOURCE_EXHAUSTED, true);
    close_client(&fixture.loop, client);
    for (size_t i = 0; i < 15; i++) {
        assert_int_equal(results[i].status, RPC_CANCELLED);
    }
    client = open_client(&fixture.loop, fixture.address, NULL);
    struct crowd crowd = {memory_zalloc((LIMIT_CLIENT_CALLS + 1) * sizeof(struct result)),
                          LIMIT_CLIENT_CALLS + 1};
    for (size_t i = 0; i < crowd.count; i++) {
        call(client, "/test.Test/Echo", BYTES_LITERAL("x"), 0, &crowd.results[i]);
    }
    run_until(&fixture.loop, all_done, &crowd);
    assert_outcome(&crowd.results[LIMIT_CLIENT_CALLS], RPC_RESOURCE_EXHAUSTED, true);
    for (size_t i = 0; i < crowd.count; i++) {
        if (i < LIMIT_CLIENT_CALLS) {
            assert_outcome(&crowd.results[i], RPC_OK, false);
        }
        buffer_free(&crowd.results[i].body);
    }
    free(crowd.results);
    free(data);
    close_client(&fixture.loop, client);
    loop_fixture_close(&fixture);
}

static void drain_loses_no_call(void **state)
{
    (void)state;
    struct loop_fixture fixture;
    loop_fixture_open(&fixture, NULL);
    struct states states;
    struct rpc_client *client = open_client(&fixture.loop, fixture.address, &states);
    struct result held;
    struct result echo;
    call(client, "/test.Test/Hold", BYTES_LITERAL("x"), 0, &held);
    call(client, "/test.Test/Echo", BYTES_LITERAL("x"), 0, &echo);
    run_until(&fixture.loop, flag_is_set, &echo.done);
    buffer_free(&echo.body);
    rpc_server_drain(fixture.server, set_flag, &fixture.drained);
    /* Calls crossing the goodbye are answered, or surely were not executed: never in between. */
    size_t answered = 0;
    size_t refused = 0;
    for (int i = 0; i < 200; i++) {
        call(client, "/test.Test/Echo", BYTES_LITERAL("x"), 0, &echo);
        size_t before = fixture.echoed;
        run_until(&fixture.loop, flag_is_set, &echo.done);
        if (echo.status == RPC_OK) {
            answered++;
        } else {
            assert_outcome(&echo, RPC_UNAVAILABLE, true);
            assert_int_equal(fixture.echoed, before);
            refused++;
        }
        buffer_free(&echo.body);
    }
    assert_true(refused > 0);
    assert_int_equal(answered + refused, 200);
    assert_false(held.done);
    assert_false(fixture.drained);
    loop_fixture_answer_held(&fixture);
    run_until(&fixture.loop, flag_is_set, &held.done);
    assert_outcome(&held, RPC_OK, false);
    buffer_free(&held.body);
    run_until(&fixture.loop, flag_is_set, &fixture.drained);
    assert_int_equal(states.last, RPC_CLIENT_DISCONNECTED);
    close_client(&fixture.loop, client);
    loop_fixture_close(&fixture);
}

static void nobody_listening_is_unavailable_and_never_sent(void **state)
{
    (void)state;
    struct loop_fixture fixture;
    loop_fixture_open(&fixture, NULL);
    char address[64];
    snprintf(address, sizeof address, "%s", fixture.address);
    loop_fixture_close(&fixture);
    uv_loop_t loop;
    uv_loop_init(&loop);
    struct states states;
    struct rpc_client *client = open_client(&loop, address, &states);
    struct result results[3];
    for (int i = 0; i < 3; i++) {
        call(client, "/test.Test/Echo", BYTES_LITERAL("x"), 0, &results[i]);
    }
    run_until(&loop, flag_is_set, &results[2].done);
    for (int i = 0; i < 3; i++) {
        assert_outcome(&results[i], RPC_UNAVAILABLE, true);
        assert_non_null(strstr(results[i].message, "connection refused"));
        assert_non_null(strstr(results[i].message, address));
    }
    assert_int_equal(states.changes, 2);
    assert_int_equal(states.last, RPC_CLIENT_DISCONNECTED);
    assert_non_null(strstr(states.reason, "connection refused"));
    /* And the next call tries again. */
    call(client, "/test.Test/Echo", BYTES_LITERAL("x"), 0, &results[0]);
    run_until(&loop, flag_is_set, &results[0].done);
    assert_int_equal(states.changes, 4);
    close_client(&loop, client);
    assert_int_equal(uv_loop_close(&loop), 0);
}

static void killed_server_leaves_the_outcome_open(void **state)
{
    (void)state;
    struct loop_fixture fixture;
    loop_fixture_open(&fixture, NULL);
    struct states states;
    struct rpc_client *client = open_client(&fixture.loop, fixture.address, &states);
    struct result held;
    struct result echo;
    call(client, "/test.Test/Hold", BYTES_LITERAL("x"), 0, &held);
    call(client, "/test.Test/Echo", BYTES_LITERAL("x"), 0, &echo);
    run_until(&fixture.loop, flag_is_set, &echo.done);
    buffer_free(&echo.body);
    rpc_server_close(fixture.server, set_flag, &fixture.server_closed);
    fixture.server = NULL;
    run_until(&fixture.loop, flag_is_set, &held.done);
    assert_outcome(&held, RPC_UNAVAILABLE, false);
    assert_false(held.answered);
    assert_int_equal(states.last, RPC_CLIENT_DISCONNECTED);
    close_client(&fixture.loop, client);
    loop_fixture_close(&fixture);
}

struct retry {
    struct rpc_client *client;
    struct result last;
    int left;
};

static void on_retry(void *context, const struct rpc_outcome *outcome)
{
    struct retry *retry = context;
    if (retry->left == 0) {
        on_outcome(&retry->last, outcome);
        return;
    }
    retry->left--;
    rpc_client_call(retry->client, "/test.Test/Echo", BYTES_LITERAL("x"), 0, NULL, 0, on_retry,
                    retry);
}

static void callbacks_may_call_again(void **state)
{
    (void)state;
    struct loop_fixture fixture;
    loop_fixture_open(&fixture, NULL);
    struct retry retry = {.client = open_client(&fixture.loop, fixture.address, NULL), .left = 50};
    rpc_client_call(retry.client, "/test.Test/Hold", BYTES_LITERAL("x"), uv_now(&fixture.loop) + 20,
                    NULL, 0, on_retry, &retry);
    run_until(&fixture.loop, flag_is_set, &retry.last.done);
    assert_outcome(&retry.last, RPC_OK, false);
    buffer_free(&retry.last.body);
    close_client(&fixture.loop, retry.client);
    loop_fixture_close(&fixture);
    /* Also where each attempt fails. */
    uv_loop_t loop;
    uv_loop_init(&loop);
    retry = (struct retry){.client = open_client(&loop, "127.0.0.1:1", NULL), .left = 50};
    rpc_client_call(retry.client, "/test.Test/Echo", BYTES_LITERAL("x"), 0, NULL, 0, on_retry,
                    &retry);
    run_until(&loop, flag_is_set, &retry.last.done);
    assert_outcome(&retry.last, RPC_UNAVAILABLE, true);
    close_client(&loop, retry.client);
    assert_int_equal(uv_loop_close(&loop), 0);
}

struct closing {
    struct rpc_client *client;
    bool closed;
    size_t outcomes;
};

static void on_closing(void *context, const struct rpc_outcome *outcome)
{
    struct closing *closing = context;
    closing->outcomes++;
    if (closing->outcomes == 1) {
        assert_int_equal(outcome->status, RPC_OK);
        rpc_client_close(closing->client, set_flag, &closing->closed);
    } else {
        assert_int_equal(outcome->status, RPC_CANCELLED);
    }
}

static void client_may_be_closed_inside_a_callback(void **state)
{
    (void)state;
    struct loop_fixture fixture;
    loop_fixture_open(&fixture, NULL);
    struct closing closing = {.client = open_client(&fixture.loop, fixture.address, NULL)};
    for (int i = 0; i < 5; i++) {
        rpc_client_call(closing.client, "/test.Test/Echo", BYTES_LITERAL("x"), 0, NULL, 0,
                        on_closing, &closing);
    }
    run_until(&fixture.loop, flag_is_set, &closing.closed);
    assert_int_equal(closing.outcomes, 5);
    loop_fixture_close(&fixture);
}

static void client_may_be_closed_at_any_time(void **state)
{
    (void)state;
    struct loop_fixture fixture;
    loop_fixture_open(&fixture, NULL);
    static const char *const hosts[] = {"127.0.0.1", "localhost"};
    for (int host = 0; host < 2; host++) {
        char address[64];
        snprintf(address, sizeof address, "%s:%u", hosts[host], rpc_server_port(fixture.server));
        for (int turns = 0; turns < 12; turns++) {
            struct result result;
            struct rpc_client *client = open_client(&fixture.loop, address, NULL);
            call(client, "/test.Test/Hold", BYTES_LITERAL("x"), 0, &result);
            for (int i = 0; i < turns; i++) {
                uv_run(&fixture.loop, UV_RUN_NOWAIT);
            }
            close_client(&fixture.loop, client);
            assert_int_equal(result.status, RPC_CANCELLED);
        }
    }
    loop_fixture_close(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(call_brings_the_reply),
        cmocka_unit_test(metadata_goes_both_ways),
        cmocka_unit_test(host_names_are_looked_up),
        cmocka_unit_test(every_address_of_a_name_is_tried),
        cmocka_unit_test(large_messages_and_no_larger),
        cmocka_unit_test(deadline_is_kept_here_too),
        cmocka_unit_test(cancelled_call_ends_at_once),
        cmocka_unit_test(thousand_calls_at_once),
        cmocka_unit_test(bounds_refuse_later_and_never_from_within),
        cmocka_unit_test(drain_loses_no_call),
        cmocka_unit_test(nobody_listening_is_unavailable_and_never_sent),
        cmocka_unit_test(killed_server_leaves_the_outcome_open),
        cmocka_unit_test(callbacks_may_call_again),
        cmocka_unit_test(client_may_be_closed_inside_a_callback),
        cmocka_unit_test(client_may_be_closed_at_any_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
