/*
 * test_client.c - the client against our server, and against servers by hand that do what ours
 * never would: refuse, break off, answer nonsense, fall silent.
 */
#include "cmocka_all.h"

#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/limits.h"
#include "loop_fixture.h"
#include "socket_peer.h"

/* What came of a call. */
struct result {
    bool done;
    enum rpc_status status;
    bool never_sent;
    bool answered;
    char message[600];
    struct buffer body;
    char leader[64];
};

static void on_outcome(void *context, const struct rpc_outcome *outcome)
{
    struct result *result = context;
    assert_false(result->done); /* exactly once */
    result->done = true;
    result->status = outcome->status;
    result->never_sent = outcome->never_sent;
    result->answered = outcome->answered;
    assert_false(outcome->never_sent && outcome->answered);
    snprintf(result->message, sizeof result->message, "%s", outcome->message);
    buffer_append_bytes(&result->body, outcome->body);
    const char *leader = rpc_outcome_metadata(outcome, "holdfast-leader");
    snprintf(result->leader, sizeof result->leader, "%s", leader != NULL ? leader : "");
}

static void assert_outcome(const struct result *result, enum rpc_status status, bool never_sent)
{
    if (!result->done || result->status != status || result->never_sent != never_sent) {
        fail_msg("%s %s %s \"%s\", wanted %s %s", result->done ? "ended" : "not ended",
                 rpc_status_name(result->status), result->never_sent ? "never sent" : "sent",
                 result->message, rpc_status_name(status), never_sent ? "never sent" : "sent");
    }
}

struct states {
    enum rpc_client_state last;
    size_t changes;
    char reason[600];
};

static void on_state(void *context, enum rpc_client_state state, const char *reason)
{
    struct states *states = context;
    states->last = state;
    states->changes++;
    snprintf(states->reason, sizeof states->reason, "%s", reason != NULL ? reason : "");
}

static struct rpc_client *open_client(uv_loop_t *loop, const char *address, struct states *states)
{
    struct error error = {""};
    struct rpc_client_config config = {.address = address};
    if (states != NULL) {
        *states = (struct states){0};
        config.on_state = on_state;
        config.context = states;
    }
    struct rpc_client *client = rpc_client_open(loop, &config, &error);
    if (client == NULL) {
        fail_msg("%s", error.text);
    }
    return client;
}

static void close_client(uv_loop_t *loop, struct rpc_client *client)
{
    bool closed = false;
    rpc_client_close(client, set_flag, &closed);
    run_until(loop, flag_is_set, &closed);
}

static struct rpc_request *call(struct rpc_client *client, const char *path, struct bytes message,
                                uint64_t deadline_ms, struct result *result)
{
    *result = (struct result){0};
    struct rpc_request *request =
        rpc_client_call(client, path, message, deadline_ms, NULL, 0, on_outcome, result);
    assert_false(result->done); /* never from within */
    return request;
}

/* ---- against our server ---- */

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

/* ---- against servers by hand ---- */

struct hand_server {
    uv_loop_t loop;
    uv_tcp_t listener;
    char address[64];
    struct socket_peer peer;
    bool accepted;
    bool listener_closed;
    struct rpc_client *client;
    struct states states;
};

static void on_hand_connection(uv_stream_t *listener, int status)
{
    struct hand_server *server = listener->data;
    assert_int_equal(status, 0);
    assert_false(server->accepted);
    server->accepted = true;
    socket_peer_accept(&server->peer, listener);
}

static void open_hand_server(struct hand_server *server, uint64_t connect_timeout_ms,
                             uint64_t keepalive_ms)
{
    *server = (struct hand_server){0};
    uv_loop_init(&server->loop);
    uv_tcp_init(&server->loop, &server->listener);
    server->listener.data = server;
    struct sockaddr_in address;
    uv_ip4_addr("127.0.0.1", 0, &address);
    assert_int_equal(uv_tcp_bind(&server->listener, (struct sockaddr *)&address, 0), 0);
    assert_int_equal(uv_listen((uv_stream_t *)&server->listener, 8, on_hand_connection), 0);
    int len = sizeof address;
    uv_tcp_getsockname(&server->listener, (struct sockaddr *)&address, &len);
    snprintf(server->address, sizeof server->address, "127.0.0.1:%u", ntohs(address.sin_port));
    struct error error;
    server->client = rpc_client_open(&server->loop,
                                     &(struct rpc_client_config){
                                         .address = server->address,
                                         .connect_timeout_ms = connect_timeout_ms,
                                         .keepalive_ms = keepalive_ms,
                                         .on_state = on_state,
                                         .context = &server->states,
                                     },
                                     &error);
    assert_non_null(server->client);
}

static void on_listener_closed(uv_handle_t *handle)
{
    struct hand_server *server = handle->data;
    server->listener_closed = true;
}

static void close_hand_server(struct hand_server *server)
{
    close_client(&server->loop, server->client);
    if (server->accepted) {
        socket_peer_close(&server->peer);
    }
    uv_close((uv_handle_t *)&server->listener, on_listener_closed);
    run_until(&server->loop, flag_is_set, &server->listener_closed);
    assert_int_equal(uv_loop_close(&server->loop), 0);
}

#define RAW(...) bytes_of((const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))
#define SETTINGS 0, 0, 0, 4, 0, 0, 0, 0, 0
/* HPACK: an entry of the static table, and a literal up to its value's length. */
#define STATUS_200  0x88
#define GRPC_STATUS 0x00, 11, 'g', 'r', 'p', 'c', '-', 's', 't', 'a', 't', 'u', 's', 1

static bool message_has_come(void *context)
{
    struct hand_server *server = context;
    /* The request's DATA frame ends with the message "x". */
    return server->peer.received.len > 6 &&
           memcmp(server->peer.received.data + server->peer.received.len - 6, "\0\0\0\0\1x", 6) ==
               0;
}

static bool has_come(const struct hand_server *server, struct bytes wanted)
{
    struct bytes all = buffer_bytes(&server->peer.received);
    for (size_t at = 0; at + wanted.len <= all.len; at++) {
        if (memcmp(all.data + at, wanted.data, wanted.len) == 0) {
            return true;
        }
    }
    return false;
}

static bool request_has_come(void *context)
{
    return has_come(context, RAW(1, 4, 0, 0, 0, 1)); /* HEADERS, END_HEADERS, stream 1 */
}

static bool reset_has_come(void *context)
{
    return has_come(context, RAW(0, 0, 4, 3, 0, 0, 0, 0, 1, 0, 0, 0, 0));
}

/* Greets, waits for the whole request, answers with raw bytes. */
static void answer_by_hand(struct bytes answer, bool close_after, enum rpc_status status,
                           bool never_sent, const char *words)
{
    struct hand_server server;
    open_hand_server(&server, 0, 0);
    struct result result;
    call(server.client, "/test.Test/Echo", BYTES_LITERAL("x"), 0, &result);
    run_until(&server.loop, flag_is_set, &server.accepted);
    socket_peer_send(&server.peer, RAW(SETTINGS));
    run_until(&server.loop, message_has_come, &server);
    socket_peer_send(&server.peer, answer);
    if (close_after) {
        run_for(&server.loop, 5);
        socket_peer_close(&server.peer);
        server.accepted = false;
    }
    run_until(&server.loop, flag_is_set, &result.done);
    assert_outcome(&result, status, never_sent);
    if (words != NULL && strstr(result.message, words) == NULL) {
        fail_msg("\"%s\" does not say \"%s\"", result.message, words);
    }
    buffer_free(&result.body);
    close_hand_server(&server);
}

static void good_answer_by_hand(void **state)
{
    (void)state;
    answer_by_hand(RAW(0, 0, 1, 1, 4, 0, 0, 0, 1, STATUS_200,         /* HEADERS */
                       0, 0, 6, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 'y', /* DATA */
                       0, 0, 15, 1, 5, 0, 0, 0, 1, GRPC_STATUS, '0'), /* trailers */
                   false, RPC_OK, false, "");
    /* Words with broken escapes are shown as far as they go; an unknown status is UNKNOWN. */
    answer_by_hand(RAW(0, 0, 37, 1, 5, 0, 0, 0, 1, STATUS_200, GRPC_STATUS, '9', 0x00, 12, 'g', 'r',
                       'p', 'c', '-', 'm', 'e', 's', 's', 'a', 'g', 'e', 6, '%', 'z', '%', '4', '1',
                       '%'),
                   false, RPC_FAILED_PRECONDITION, false, "%zA%");
    answer_by_hand(RAW(0, 0, 17, 1, 5, 0, 0, 0, 1, STATUS_200, 0x00, 11, 'g', 'r', 'p', 'c', '-',
                       's', 't', 'a', 't', 'u', 's', 2, '7', '7'),
                   false, RPC_UNKNOWN, false, NULL);
}

static void answers_that_are_no_grpc_are_told_apart(void **state)
{
    (void)state;
    /* 404 (static entry 13), 500 (14), 503 (literal), 200 without a status. */
    answer_by_hand(RAW(0, 0, 1, 1, 5, 0, 0, 0, 1, 0x8d), false, RPC_UNIMPLEMENTED, false, "404");
    answer_by_hand(RAW(0, 0, 1, 1, 5, 0, 0, 0, 1, 0x8e), false, RPC_UNKNOWN, false, "500");
    answer_by_hand(RAW(0, 0, 5, 1, 5, 0, 0, 0, 1, 0x08, 3, '5', '0', '3'), false, RPC_UNAVAILABLE,
                   false, "503");
    answer_by_hand(RAW(0, 0, 1, 1, 5, 0, 0, 0, 1, STATUS_200), false, RPC_UNKNOWN, false,
                   "without a status");
    /* A page of words with a 404 is not taken for a message. */
    answer_by_hand(
        RAW(0, 0, 1, 1, 4, 0, 0, 0, 1, 0x8d, 0, 0, 5, 0, 1, 0, 0, 0, 1, '<', 'h', 't', 'm', 'l'),
        false, RPC_UNIMPLEMENTED, false, "404");
}

static void broken_replies_are_internal(void **state)
{
    (void)state;
    /* OK without a message, two messages, compressed, an odd flag, too large. */
    answer_by_hand(RAW(0, 0, 16, 1, 5, 0, 0, 0, 1, STATUS_200, GRPC_STATUS, '0'), false,
                   RPC_INTERNAL, false, "without a whole reply");
    answer_by_hand(RAW(0, 0, 1, 1, 4, 0, 0, 0, 1, STATUS_200, 0, 0, 10, 0, 0, 0, 0, 0, 1, 0, 0, 0,
                       0, 0, 0, 0, 0, 0, 0),
                   false, RPC_INTERNAL, false, "second reply");
    answer_by_hand(
        RAW(0, 0, 1, 1, 4, 0, 0, 0, 1, STATUS_200, 0, 0, 6, 0, 0, 0, 0, 0, 1, 1, 0, 0, 0, 1, 'y'),
        false, RPC_INTERNAL, false, "compressed");
    answer_by_hand(
        RAW(0, 0, 1, 1, 4, 0, 0, 0, 1, STATUS_200, 0, 0, 6, 0, 0, 0, 0, 0, 1, 9, 0, 0, 0, 1, 'y'),
        false, RPC_INTERNAL, false, "neither 0 nor 1");
    answer_by_hand(
        RAW(0, 0, 1, 1, 4, 0, 0, 0, 1, STATUS_200, 0, 0, 5, 0, 0, 0, 0, 0, 1, 0, 0x7f, 0, 0, 0),
        false, RPC_INTERNAL, false, "larger");
}

static void resets_are_mapped(void **state)
{
    (void)state;
    answer_by_hand(RAW(0, 0, 4, 3, 0, 0, 0, 0, 1, 0, 0, 0, 7), false, RPC_UNAVAILABLE, true,
                   "did not take");
    answer_by_hand(RAW(0, 0, 4, 3, 0, 0, 0, 0, 1, 0, 0, 0, 8), false, RPC_CANCELLED, false, NULL);
    answer_by_hand(RAW(0, 0, 4, 3, 0, 0, 0, 0, 1, 0, 0, 0, 2), false, RPC_INTERNAL, false, NULL);
    answer_by_hand(RAW(0, 0, 4, 3, 0, 0, 0, 0, 1, 0, 0, 0, 11), false, RPC_RESOURCE_EXHAUSTED,
                   false, NULL);
}

static void goodbye_says_which_calls_were_taken(void **state)
{
    (void)state;
    /* Last stream id 0: the call was not taken. 1: it was, and then the connection ends. */
    answer_by_hand(RAW(0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0), false, RPC_UNAVAILABLE,
                   true, NULL);
    answer_by_hand(RAW(0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0), true, RPC_UNAVAILABLE,
                   false, NULL);
}

static void lost_and_broken_connections_leave_the_outcome_open(void **state)
{
    (void)state;
    answer_by_hand(RAW(0, 0, 0, 4, 1, 0, 0, 0, 0), true, RPC_UNAVAILABLE, false, "closed");
    /* DATA on stream 0 breaks HTTP/2. */
    answer_by_hand(RAW(0, 0, 1, 0, 0, 0, 0, 0, 0, 'x'), false, RPC_UNAVAILABLE, false, NULL);
}

static void calls_beyond_the_servers_streams_wait_here(void **state)
{
    (void)state;
    struct hand_server server;
    open_hand_server(&server, 0, 0);
    struct result results[3];
    for (int i = 0; i < 3; i++) {
        call(server.client, "/test.Test/Echo", BYTES_LITERAL("x"), 0, &results[i]);
    }
    run_until(&server.loop, flag_is_set, &server.accepted);
    /* SETTINGS_MAX_CONCURRENT_STREAMS = 1. */
    socket_peer_send(&server.peer, RAW(0, 0, 6, 4, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 1));
    run_until(&server.loop, message_has_come, &server);
    socket_peer_reset(&server.peer);
    run_until(&server.loop, flag_is_set, &results[2].done);
    assert_outcome(&results[0], RPC_UNAVAILABLE, false);
    assert_outcome(&results[1], RPC_UNAVAILABLE, true);
    assert_outcome(&results[2], RPC_UNAVAILABLE, true);
    close_hand_server(&server);
    /* The same, ended by a goodbye: what waited inside is not lost from sight. */
    open_hand_server(&server, 0, 0);
    for (int i = 0; i < 3; i++) {
        call(server.client, "/test.Test/Echo", BYTES_LITERAL("x"), 0, &results[i]);
    }
    run_until(&server.loop, flag_is_set, &server.accepted);
    socket_peer_send(&server.peer, RAW(0, 0, 6, 4, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 1));
    run_until(&server.loop, message_has_come, &server);
    socket_peer_send(&server.peer, RAW(0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0));
    /* And the taken one is answered, which makes room for the next, which may not go. */
    socket_peer_send(&server.peer, RAW(0, 0, 16, 1, 5, 0, 0, 0, 1, STATUS_200, GRPC_STATUS, '5'));
    run_until(&server.loop, flag_is_set, &results[0].done);
    run_until(&server.loop, flag_is_set, &results[1].done);
    run_until(&server.loop, flag_is_set, &results[2].done);
    assert_outcome(&results[0], RPC_NOT_FOUND, false);
    assert_outcome(&results[1], RPC_UNAVAILABLE, true);
    assert_outcome(&results[2], RPC_UNAVAILABLE, true);
    for (int i = 1; i < 3; i++) {
        assert_non_null(strstr(results[i].message, "takes no more calls"));
    }
    close_hand_server(&server);
}

/* The server answers while it lets nothing of the message in: the stream must not stay open. */
static void early_answer_lets_the_stream_go(void **state)
{
    (void)state;
    struct hand_server server;
    open_hand_server(&server, 0, 0);
    struct result result;
    call(server.client, "/test.Test/Echo", BYTES_LITERAL("x"), 0, &result);
    run_until(&server.loop, flag_is_set, &server.accepted);
    /* SETTINGS_INITIAL_WINDOW_SIZE = 0. */
    socket_peer_send(&server.peer, RAW(0, 0, 6, 4, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0));
    run_until(&server.loop, request_has_come, &server);
    socket_peer_send(&server.peer, RAW(0, 0, 16, 1, 5, 0, 0, 0, 1, STATUS_200, GRPC_STATUS, '8'));
    run_until(&server.loop, flag_is_set, &result.done);
    assert_outcome(&result, RPC_RESOURCE_EXHAUSTED, false);
    assert_true(result.answered);
    run_until(&server.loop, reset_has_come, &server);
    close_hand_server(&server);
}

static void server_without_http2_is_never_sent_to(void **state)
{
    (void)state;
    struct hand_server server;
    open_hand_server(&server, 0, 0);
    struct result result;
    call(server.client, "/test.Test/Echo", BYTES_LITERAL("x"), 0, &result);
    run_until(&server.loop, flag_is_set, &server.accepted);
    socket_peer_send(&server.peer, BYTES_LITERAL("HTTP/1.1 400 Bad Request\r\n\r\n"));
    run_until(&server.loop, flag_is_set, &result.done);
    assert_outcome(&result, RPC_UNAVAILABLE, true);
    close_hand_server(&server);
    /* And one that accepts and says nothing. */
    open_hand_server(&server, 60, 0);
    call(server.client, "/test.Test/Echo", BYTES_LITERAL("x"), 0, &result);
    run_until(&server.loop, flag_is_set, &result.done);
    assert_outcome(&result, RPC_UNAVAILABLE, true);
    assert_non_null(strstr(result.message, "in time"));
    close_hand_server(&server);
    /* A deadline shorter than that. */
    open_hand_server(&server, 0, 0);
    call(server.client, "/test.Test/Echo", BYTES_LITERAL("x"), uv_now(&server.loop) + 20, &result);
    run_until(&server.loop, flag_is_set, &result.done);
    assert_outcome(&result, RPC_DEADLINE_EXCEEDED, true);
    close_hand_server(&server);
}

static void silent_server_is_given_up(void **state)
{
    (void)state;
    struct hand_server server;
    open_hand_server(&server, 0, 40);
    struct result result;
    call(server.client, "/test.Test/Echo", BYTES_LITERAL("x"), 0, &result);
    run_until(&server.loop, flag_is_set, &server.accepted);
    socket_peer_send(&server.peer, RAW(SETTINGS));
    run_until(&server.loop, flag_is_set, &result.done);
    assert_outcome(&result, RPC_UNAVAILABLE, false);
    assert_non_null(strstr(result.message, "no sign of life"));
    assert_int_equal(server.states.last, RPC_CLIENT_DISCONNECTED);
    close_hand_server(&server);
}

static void slow_server_that_lives_is_waited_for(void **state)
{
    (void)state;
    struct loop_fixture fixture;
    loop_fixture_open(&fixture, NULL);
    struct error error;
    struct rpc_client *client = rpc_client_open(
        &fixture.loop, &(struct rpc_client_config){.address = fixture.address, .keepalive_ms = 20},
        &error);
    assert_non_null(client);
    struct result result;
    call(client, "/test.Test/Hold", BYTES_LITERAL("x"), 0, &result);
    run_for(&fixture.loop, 150); /* several times asked, and answered */
    assert_false(result.done);
    loop_fixture_answer_held(&fixture);
    run_until(&fixture.loop, flag_is_set, &result.done);
    assert_outcome(&result, RPC_OK, false);
    buffer_free(&result.body);
    close_client(&fixture.loop, client);
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
        cmocka_unit_test(good_answer_by_hand),
        cmocka_unit_test(answers_that_are_no_grpc_are_told_apart),
        cmocka_unit_test(broken_replies_are_internal),
        cmocka_unit_test(resets_are_mapped),
        cmocka_unit_test(goodbye_says_which_calls_were_taken),
        cmocka_unit_test(lost_and_broken_connections_leave_the_outcome_open),
        cmocka_unit_test(calls_beyond_the_servers_streams_wait_here),
        cmocka_unit_test(early_answer_lets_the_stream_go),
        cmocka_unit_test(server_without_http2_is_never_sent_to),
        cmocka_unit_test(silent_server_is_given_up),
        cmocka_unit_test(slow_server_that_lives_is_waited_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
