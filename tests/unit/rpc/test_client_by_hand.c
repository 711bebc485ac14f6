/*
 * test_client_by_hand.c - the client against servers by hand that do what ours never would: refuse,
 * break off, answer nonsense, fall silent.
 */
#include "client_fixture.h"

#include <stdio.h>

#include "socket_peer.h"

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

/* Calls have been made, and the connection is there; nothing has been said on it. */
static void open_with_calls(struct hand_server *server, uint64_t keepalive_ms,
                            struct result *results, int count)
{
    open_hand_server(server, 0, keepalive_ms);
    for (int i = 0; i < count; i++) {
        call(server->client, "/test.Test/Echo", BYTES_LITERAL("x"), 0, &results[i]);
    }
    run_until(&server->loop, flag_is_set, &server->accepted);
}

/* Greets, waits for the whole request, answers with raw bytes. */
static void answer_by_hand(struct bytes answer, bool close_after, enum rpc_status status,
                           bool never_sent, const char *words)
{
    struct hand_server server;
    struct result result;
    open_with_calls(&server, 0, &result, 1);
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

/* Of three calls the server takes one at a time, and has the first. */
static void open_with_one_of_three(struct hand_server *server, struct result results[3])
{
    open_with_calls(server, 0, results, 3);
    /* SETTINGS_MAX_CONCURRENT_STREAMS = 1. */
    socket_peer_send(&server->peer, RAW(0, 0, 6, 4, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 1));
    run_until(&server->loop, message_has_come, server);
}

static void calls_beyond_the_servers_streams_wait_here(void **state)
{
    (void)state;
    struct hand_server server;
    struct result results[3];
    open_with_one_of_three(&server, results);
    socket_peer_reset(&server.peer);
    run_until(&server.loop, flag_is_set, &results[2].done);
    assert_outcome(&results[0], RPC_UNAVAILABLE, false);
    assert_outcome(&results[1], RPC_UNAVAILABLE, true);
    assert_outcome(&results[2], RPC_UNAVAILABLE, true);
    close_hand_server(&server);
    /* The same, ended by a goodbye: what waited inside is not lost from sight. */
    open_with_one_of_three(&server, results);
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
    struct result result;
    open_with_calls(&server, 0, &result, 1);
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
    struct result result;
    open_with_calls(&server, 0, &result, 1);
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
    struct result result;
    open_with_calls(&server, 40, &result, 1);
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
