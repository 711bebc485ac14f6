/*
 * test_server.c - the server on real sockets: addresses, time limits, slow and rude clients, drain
 * and close. (What it says in HTTP/2 is tested without sockets.)
 */
#include "cmocka_all.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/codec.h"
#include "base/limits.h"
#include "http2_peer.h"
#include "loop_fixture.h"
#include "socket_peer.h"

/* An HTTP/2 client on a socket. */
struct connected_peer {
    struct socket_peer socket;
    struct peer *peer;
    struct buffer raw; /* all that came */
};

static void connect_peer(struct loop_fixture *fixture, struct connected_peer *peer,
                         uint32_t initial_window, bool hold_windows)
{
    socket_peer_connect(&peer->socket, &fixture->loop, rpc_server_port(fixture->server));
    peer->peer = peer_new(initial_window, hold_windows);
    peer->raw = (struct buffer){0};
}

/* Last stream ids of the GOAWAY frames that came. By hand: nghttp2 does not look at a second one
 * when nothing is open any more. */
static size_t find_goaways(const struct connected_peer *peer, uint32_t *last_stream_ids, size_t max)
{
    struct reader in = reader_of(buffer_bytes(&peer->raw));
    size_t count = 0;
    while (reader_left(&in) >= 9) {
        struct bytes head = read_raw(&in, 9);
        size_t len = (size_t)head.data[0] << 16 | (size_t)head.data[1] << 8 | head.data[2];
        struct bytes payload = read_raw(&in, len);
        if (head.data[3] == NGHTTP2_GOAWAY && payload.len >= 4 && count < max) {
            struct reader goaway = reader_of(payload);
            last_stream_ids[count] = read_u32_be(&goaway);
            count++;
        }
    }
    return count;
}

/* One round: what the peer wants to say leaves, what has come is taken. */
static void exchange(struct connected_peer *peer)
{
    struct buffer out = {0};
    if (peer->socket.received.len != 0) {
        buffer_append_bytes(&peer->raw, buffer_bytes(&peer->socket.received));
        assert_true(peer_input(peer->peer, buffer_bytes(&peer->socket.received)));
        buffer_clear(&peer->socket.received);
    }
    peer_output(peer->peer, &out);
    if (out.len != 0 && !peer->socket.ended) {
        socket_peer_send(&peer->socket, buffer_bytes(&out));
    }
    buffer_free(&out);
}

struct wait {
    struct connected_peer *peer;
    struct peer_stream *stream;
};

static bool stream_ended(void *context)
{
    struct wait *wait = context;
    exchange(wait->peer);
    return wait->stream->ended || wait->stream->closed;
}

static bool connection_ended(void *context)
{
    struct connected_peer *peer = context;
    exchange(peer);
    return peer->socket.ended;
}

static void close_peer(struct connected_peer *peer)
{
    socket_peer_close(&peer->socket);
    peer_free(peer->peer);
    buffer_free(&peer->raw);
}

static struct peer_stream *call(struct connected_peer *peer, const char *path, struct bytes message)
{
    struct buffer body = {0};
    frame_message(&body, message);
    struct peer_stream *stream = peer_send_request(
        peer->peer, &(struct peer_request){.path = path, .body = buffer_bytes(&body)});
    buffer_free(&body);
    return stream;
}

static void wait_for(struct loop_fixture *fixture, struct connected_peer *peer,
                     struct peer_stream *stream)
{
    struct wait wait = {peer, stream};
    run_until(&fixture->loop, stream_ended, &wait);
}

static void echo_works(struct loop_fixture *fixture, struct connected_peer *peer)
{
    struct peer_stream *stream = call(peer, "/test.Test/Echo", BYTES_LITERAL("hello"));
    wait_for(fixture, peer, stream);
    assert_string_equal(peer_header(stream, "grpc-status"), "0");
    assert_int_equal(stream->data.len, 10);
}

/* ---- listening ---- */

static void server_listens_on_every_form_of_address(void **state)
{
    (void)state;
    static const char *const addresses[] = {"127.0.0.1:0", "[::1]:0", "localhost:0", "0.0.0.0:0"};
    uv_loop_t loop;
    uv_loop_init(&loop);
    for (size_t i = 0; i < sizeof addresses / sizeof addresses[0]; i++) {
        struct error error = {""};
        struct rpc_server *server =
            rpc_server_open(&loop, &(struct rpc_server_config){.address = addresses[i]}, &error);
        if (server == NULL && i == 1) {
            print_message("# no IPv6 here: %s\n", error.text);
            continue;
        }
        assert_non_null(server);
        assert_true(rpc_server_port(server) != 0);
        bool closed = false;
        rpc_server_close(server, set_flag, &closed);
        run_until(&loop, flag_is_set, &closed);
    }
    assert_int_equal(uv_loop_close(&loop), 0);
}

static void address_that_can_not_be_had_is_said_in_words(void **state)
{
    (void)state;
    struct loop_fixture fixture;
    loop_fixture_open(&fixture, NULL);
    const char *const addresses[] = {fixture.address, "203.0.113.7:7070", "no-port",
                                     "no.such.host.invalid:7070"};
    for (size_t i = 0; i < sizeof addresses / sizeof addresses[0]; i++) {
        struct error error = {""};
        assert_null(rpc_server_open(&fixture.loop,
                                    &(struct rpc_server_config){.address = addresses[i]}, &error));
        assert_true(strlen(error.text) > 10);
        assert_non_null(strstr(error.text, addresses[i]));
    }
    loop_fixture_close(&fixture);
}

/* ---- time and rudeness ---- */

static void silent_connection_is_closed(void **state)
{
    (void)state;
    struct loop_fixture fixture;
    loop_fixture_open(&fixture, &(struct rpc_server_limits){.preface_timeout_ms = 100});
    struct socket_peer silent;
    struct socket_peer half;
    struct connected_peer honest;
    socket_peer_connect(&silent, &fixture.loop, rpc_server_port(fixture.server));
    socket_peer_connect(&half, &fixture.loop, rpc_server_port(fixture.server));
    connect_peer(&fixture, &honest, 0, false);
    socket_peer_send(&half, BYTES_LITERAL("PRI * HTTP/2.0\r\n"));
    echo_works(&fixture, &honest);
    run_until(&fixture.loop, flag_is_set, &silent.ended);
    run_until(&fixture.loop, flag_is_set, &half.ended);
    echo_works(&fixture, &honest); /* idle, but it has spoken */
    assert_int_equal(rpc_server_stats(fixture.server).connections_dropped, 2);
    assert_int_equal(fixture.notices, 2);
    assert_non_null(strstr(fixture.notice, "did not begin to speak"));
    socket_peer_close(&silent);
    socket_peer_close(&half);
    close_peer(&honest);
    loop_fixture_close(&fixture);
}

static void garbage_is_cut_and_noticed(void **state)
{
    (void)state;
    struct loop_fixture fixture;
    loop_fixture_open(&fixture, NULL);
    struct socket_peer rude;
    socket_peer_connect(&rude, &fixture.loop, rpc_server_port(fixture.server));
    socket_peer_send(&rude, BYTES_LITERAL("GET /index.html HTTP/1.1\r\nHost: here\r\n\r\n"));
    run_until(&fixture.loop, flag_is_set, &rude.ended);
    assert_int_equal(rpc_server_stats(fixture.server).connections_dropped, 1);
    assert_int_equal(fixture.notices, 1);
    socket_peer_close(&rude);
    /* A good beginning, then a broken frame: the client is told by GOAWAY before the end. */
    struct connected_peer broken;
    connect_peer(&fixture, &broken, 0, false);
    exchange(&broken);
    const uint8_t data_on_stream_0[] = {0, 0, 1, 0, 0, 0, 0, 0, 0, 'x'};
    socket_peer_send(&broken.socket, bytes_of(data_on_stream_0, sizeof data_on_stream_0));
    run_until(&fixture.loop, connection_ended, &broken);
    assert_int_equal(broken.peer->goaway_count, 1);
    assert_int_equal(broken.peer->goaway_error, NGHTTP2_PROTOCOL_ERROR);
    assert_non_null(strstr(fixture.notice, "broke the protocol"));
    close_peer(&broken);
    loop_fixture_close(&fixture);
}

static void connections_over_the_limit_are_closed(void **state)
{
    (void)state;
    struct loop_fixture fixture;
    loop_fixture_open(&fixture, &(struct rpc_server_limits){.connections = 2});
    struct connected_peer honest[2];
    connect_peer(&fixture, &honest[0], 0, false);
    connect_peer(&fixture, &honest[1], 0, false);
    echo_works(&fixture, &honest[0]);
    struct socket_peer third;
    socket_peer_connect(&third, &fixture.loop, rpc_server_port(fixture.server));
    run_until(&fixture.loop, flag_is_set, &third.ended);
    assert_int_equal(rpc_server_stats(fixture.server).connections_refused, 1);
    echo_works(&fixture, &honest[1]);
    socket_peer_close(&third);
    close_peer(&honest[0]);
    run_for(&fixture.loop, 10);
    connect_peer(&fixture, &honest[0], 0, false); /* there is room again */
    echo_works(&fixture, &honest[0]);
    close_peer(&honest[0]);
    close_peer(&honest[1]);
    loop_fixture_close(&fixture);
}

static bool connection_dropped(void *context)
{
    struct loop_fixture *fixture = context;
    return rpc_server_stats(fixture->server).connections_dropped > 0;
}

static void client_that_does_not_read_is_bounded_and_dropped(void **state)
{
    (void)state;
    struct loop_fixture fixture;
    loop_fixture_open(&fixture, &(struct rpc_server_limits){.send_bytes_per_connection = 1u << 20,
                                                            .stall_timeout_ms = 200});
    fixture.reply_bytes = 200000;
    struct connected_peer slow;
    struct connected_peer honest;
    connect_peer(&fixture, &honest, 0, false);
    connect_peer(&fixture, &slow, INT32_MAX, true);
    /* A window for everything, and nobody takes it from the socket. */
    nghttp2_submit_window_update(slow.peer->h2, NGHTTP2_FLAG_NONE, 0, 1 << 30);
    socket_peer_read(&slow.socket, false);
    size_t most = 0;
    for (int i = 0; i < 300; i++) {
        call(&slow, "/test.Test/Large", BYTES_LITERAL("x"));
        exchange(&slow);
        uv_run(&fixture.loop, UV_RUN_NOWAIT);
        size_t held = rpc_server_stats(fixture.server).call_bytes;
        most = held > most ? held : most;
    }
    echo_works(&fixture, &honest);
    assert_true(most > (1u << 19)); /* it did pile up */
    assert_true(most < (4u << 20)); /* 300 replies would be 60 MB */
    /* Nor is it read from: a flood of what must be answered would end it otherwise. */
    for (int i = 0; i < 5000; i++) {
        nghttp2_submit_ping(slow.peer->h2, NGHTTP2_FLAG_NONE, NULL);
    }
    exchange(&slow);
    run_until(&fixture.loop, connection_dropped, &fixture);
    assert_non_null(strstr(fixture.notice, "takes nothing"));
    assert_int_equal(rpc_server_stats(fixture.server).call_bytes, 0);
    echo_works(&fixture, &honest);
    close_peer(&slow);
    close_peer(&honest);
    loop_fixture_close(&fixture);
}

static void client_that_keeps_its_window_shut_is_dropped(void **state)
{
    (void)state;
    struct loop_fixture fixture;
    loop_fixture_open(&fixture, &(struct rpc_server_limits){.stall_timeout_ms = 200});
    struct connected_peer slow;
    connect_peer(&fixture, &slow, 1, true);
    call(&slow, "/test.Test/Large", BYTES_LITERAL("x"));
    run_until(&fixture.loop, connection_ended, &slow);
    assert_int_equal(rpc_server_stats(fixture.server).connections_dropped, 1);
    close_peer(&slow);
    loop_fixture_close(&fixture);
}

static bool nothing_held(void *context)
{
    struct loop_fixture *fixture = context;
    return fixture->cancelled == fixture->held_count && fixture->held_count > 0;
}

static void calls_of_a_lost_connection_are_cancelled(void **state)
{
    (void)state;
    struct loop_fixture fixture;
    loop_fixture_open(&fixture, NULL);
    for (int reset = 0; reset <= 1; reset++) {
        struct connected_peer peer;
        connect_peer(&fixture, &peer, 0, false);
        for (int i = 0; i < 10; i++) {
            call(&peer, "/test.Test/Hold", BYTES_LITERAL("x"));
        }
        echo_works(&fixture, &peer);
        if (reset) {
            socket_peer_reset(&peer.socket);
        }
        close_peer(&peer);
        run_until(&fixture.loop, nothing_held, &fixture);
        loop_fixture_answer_held(&fixture);
        fixture.cancelled = 0;
        assert_int_equal(rpc_server_stats(fixture.server).calls, 0);
    }
    loop_fixture_close(&fixture);
}

/* ---- many ---- */

static bool all_held(void *context)
{
    struct wait *wait = context;
    exchange(wait->peer);
    return wait->stream->ended;
}

static void thousand_calls_at_once_are_answered(void **state)
{
    (void)state;
    struct loop_fixture fixture;
    loop_fixture_open(&fixture, NULL);
    struct connected_peer peer;
    connect_peer(&fixture, &peer, 0, false);
    echo_works(&fixture, &peer); /* so that the client knows how many it may */
    struct peer_stream *streams[1000];
    for (int i = 0; i < 1000; i++) {
        streams[i] = call(&peer, "/test.Test/Hold", BYTES_LITERAL("x"));
    }
    struct peer_stream *last = call(&peer, "/test.Test/Echo", BYTES_LITERAL("x"));
    struct wait wait = {&peer, last};
    run_until(&fixture.loop, all_held, &wait);
    assert_int_equal(fixture.held_count, 1000);
    assert_int_equal(rpc_server_stats(fixture.server).calls, 1000);
    loop_fixture_answer_held(&fixture);
    for (int i = 0; i < 1000; i++) {
        wait_for(&fixture, &peer, streams[i]);
        assert_string_equal(peer_header(streams[i], "grpc-status"), "0");
    }
    close_peer(&peer);
    loop_fixture_close(&fixture);
}

static void deadline_is_answered_on_time(void **state)
{
    (void)state;
    struct loop_fixture fixture;
    loop_fixture_open(&fixture, NULL);
    struct connected_peer peer;
    connect_peer(&fixture, &peer, 0, false);
    struct buffer body = {0};
    frame_message(&body, BYTES_LITERAL("x"));
    uint64_t start = uv_hrtime();
    struct peer_stream *later =
        peer_send_request(peer.peer, &(struct peer_request){.path = "/test.Test/Hold",
                                                            .body = buffer_bytes(&body),
                                                            .extra = {"grpc-timeout", "300m"}});
    echo_works(&fixture, &peer); /* so that the timer is set for the later one */
    assert_int_equal(fixture.held_count, 1);
    struct peer_stream *sooner =
        peer_send_request(peer.peer, &(struct peer_request){.path = "/test.Test/Hold",
                                                            .body = buffer_bytes(&body),
                                                            .extra = {"grpc-timeout", "20m"}});
    wait_for(&fixture, &peer, sooner);
    assert_string_equal(peer_header(sooner, "grpc-status"), "4");
    assert_false(later->ended);
    wait_for(&fixture, &peer, later);
    uint64_t took_ms = (uv_hrtime() - start) / 1000000;
    assert_string_equal(peer_header(later, "grpc-status"), "4");
    assert_true(took_ms >= 299);
    assert_int_equal(fixture.cancelled, 2);
    buffer_free(&body);
    close_peer(&peer);
    loop_fixture_close(&fixture);
}

/* ---- health ---- */

static void check_health(struct loop_fixture *fixture, struct connected_peer *peer,
                         struct bytes request, const char *status, int serving)
{
    struct peer_stream *stream = call(peer, "/grpc.health.v1.Health/Check", request);
    wait_for(fixture, peer, stream);
    assert_string_equal(peer_header(stream, "grpc-status"), status);
    if (serving >= 0) {
        /* HealthCheckResponse{status = 1}, behind the prefix. */
        assert_int_equal(stream->data.len, 7);
        assert_int_equal(stream->data.data[5], 0x08);
        assert_int_equal(stream->data.data[6], serving);
    }
}

static void health_is_as_it_was_set(void **state)
{
    (void)state;
    struct loop_fixture fixture;
    loop_fixture_open(&fixture, NULL);
    struct connected_peer peer;
    connect_peer(&fixture, &peer, 0, false);
    struct bytes whole = BYTES_LITERAL("");
    struct bytes ledger = BYTES_LITERAL("\x0a\x06ledger");
    check_health(&fixture, &peer, whole, "0", 1);
    check_health(&fixture, &peer, ledger, "5", -1);
    rpc_server_set_serving(fixture.server, "ledger", true);
    rpc_server_set_serving(fixture.server, "", false);
    check_health(&fixture, &peer, ledger, "0", 1);
    check_health(&fixture, &peer, whole, "0", 2);
    rpc_server_set_serving(fixture.server, "ledger", false);
    check_health(&fixture, &peer, ledger, "0", 2);
    check_health(&fixture, &peer, BYTES_LITERAL("\x0a\xff"), "3", -1);
    struct peer_stream *stream = call(&peer, "/grpc.health.v1.Health/Watch", whole);
    wait_for(&fixture, &peer, stream);
    assert_string_equal(peer_header(stream, "grpc-status"), "12");
    close_peer(&peer);
    loop_fixture_close(&fixture);
}

/* ---- the end ---- */

static void drain_lets_calls_end(void **state)
{
    (void)state;
    struct loop_fixture fixture;
    loop_fixture_open(&fixture, NULL);
    int port = rpc_server_port(fixture.server);
    struct connected_peer busy;
    struct connected_peer idle;
    connect_peer(&fixture, &busy, 0, false);
    connect_peer(&fixture, &idle, 0, false);
    echo_works(&fixture, &idle);
    struct peer_stream *held = call(&busy, "/test.Test/Hold", BYTES_LITERAL("x"));
    echo_works(&fixture, &busy);
    rpc_server_drain(fixture.server, set_flag, &fixture.drained);
    run_until(&fixture.loop, connection_ended, &idle);
    uint32_t last_stream_ids[3];
    assert_int_equal(find_goaways(&idle, last_stream_ids, 3), 2);
    assert_int_equal(last_stream_ids[0], INT32_MAX);
    assert_int_equal(last_stream_ids[1], 1);
    assert_false(fixture.drained);
    assert_false(busy.socket.ended);
    /* Nobody listens any more. */
    struct sockaddr_in address;
    uv_ip4_addr("127.0.0.1", port, &address);
    int probe = socket(AF_INET, SOCK_STREAM, 0);
    assert_true(connect(probe, (struct sockaddr *)&address, sizeof address) != 0);
    close(probe);
    loop_fixture_answer_held(&fixture);
    wait_for(&fixture, &busy, held);
    assert_string_equal(peer_header(held, "grpc-status"), "0");
    run_until(&fixture.loop, connection_ended, &busy);
    close_peer(&busy);
    close_peer(&idle);
    run_until(&fixture.loop, flag_is_set, &fixture.drained);
    loop_fixture_close(&fixture);
}

static void drain_without_connections_ends(void **state)
{
    (void)state;
    struct loop_fixture fixture;
    loop_fixture_open(&fixture, NULL);
    rpc_server_drain(fixture.server, set_flag, &fixture.drained);
    assert_false(fixture.drained);
    run_until(&fixture.loop, flag_is_set, &fixture.drained);
    loop_fixture_close(&fixture);
}

static void drain_does_not_wait_for_clients_that_ignore_it(void **state)
{
    (void)state;
    struct loop_fixture fixture;
    loop_fixture_open(&fixture, NULL);
    struct connected_peer deaf;
    connect_peer(&fixture, &deaf, 0, false);
    echo_works(&fixture, &deaf);
    /* It reads nothing, answers no PING and does not close. */
    socket_peer_read(&deaf.socket, false);
    rpc_server_drain(fixture.server, set_flag, &fixture.drained);
    run_until(&fixture.loop, flag_is_set, &fixture.drained);
    close_peer(&deaf);
    loop_fixture_close(&fixture);
}

static void calls_outlive_the_server(void **state)
{
    (void)state;
    struct loop_fixture fixture;
    loop_fixture_open(&fixture, NULL);
    struct connected_peer peer;
    connect_peer(&fixture, &peer, 0, false);
    call(&peer, "/test.Test/Hold", BYTES_LITERAL("x"));
    echo_works(&fixture, &peer);
    assert_int_equal(fixture.held_count, 1);
    rpc_server_close(fixture.server, set_flag, &fixture.server_closed);
    fixture.server = NULL;
    assert_int_equal(fixture.cancelled, 1);
    run_until(&fixture.loop, flag_is_set, &fixture.server_closed);
    /* It is answered when the server is no more. */
    assert_string_equal(rpc_call_path(fixture.held[0]), "/test.Test/Hold");
    close_peer(&peer);
    loop_fixture_close(&fixture);
}

struct closer {
    struct rpc_server *server;
    struct rpc_call *calls[8];
    size_t call_count;
    size_t cancelled;
    bool closed;
};

static void on_closer_cancelled(void *context, struct rpc_call *of)
{
    (void)of;
    struct closer *closer = context;
    closer->cancelled++;
}

/* The third call closes the server under the others and itself; more lie behind it in the input. */
static void on_closer_call(void *context, struct rpc_call *of, struct bytes message)
{
    struct closer *closer = context;
    rpc_call_set_cancelled(of, on_closer_cancelled, closer);
    closer->calls[closer->call_count] = of;
    closer->call_count++;
    if (closer->call_count == 3) {
        rpc_server_close(closer->server, set_flag, &closer->closed);
        assert_int_equal(closer->cancelled, 3);
        assert_true(bytes_equal(message, BYTES_LITERAL("x")));
    }
}

static void server_may_be_closed_inside_a_handler(void **state)
{
    (void)state;
    struct closer closer = {0};
    uv_loop_t loop;
    uv_loop_init(&loop);
    const struct rpc_method method = {"/test.Test/Close", on_closer_call};
    struct error error = {""};
    closer.server = rpc_server_open(
        &loop,
        &(struct rpc_server_config){
            .address = "127.0.0.1:0", .methods = &method, .method_count = 1, .context = &closer},
        &error);
    assert_non_null(closer.server);
    struct connected_peer peer;
    socket_peer_connect(&peer.socket, &loop, rpc_server_port(closer.server));
    peer.peer = peer_new(0, false);
    peer.raw = (struct buffer){0};
    for (int i = 0; i < 6; i++) {
        call(&peer, "/test.Test/Close", BYTES_LITERAL("x"));
    }
    exchange(&peer);
    run_until(&loop, flag_is_set, &closer.closed);
    assert_int_equal(closer.call_count, 3);
    for (size_t i = 0; i < closer.call_count; i++) {
        rpc_call_reply(closer.calls[i], BYTES_LITERAL("late"));
    }
    close_peer(&peer);
    assert_int_equal(uv_loop_close(&loop), 0);
}

static void close_server(void *context)
{
    struct closer *closer = context;
    rpc_server_close(closer->server, set_flag, &closer->closed);
}

static void server_may_be_closed_inside_drained(void **state)
{
    (void)state;
    struct closer closer = {0};
    uv_loop_t loop;
    uv_loop_init(&loop);
    struct error error = {""};
    closer.server =
        rpc_server_open(&loop, &(struct rpc_server_config){.address = "127.0.0.1:0"}, &error);
    assert_non_null(closer.server);
    rpc_server_drain(closer.server, close_server, &closer);
    run_until(&loop, flag_is_set, &closer.closed);
    assert_int_equal(uv_loop_close(&loop), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(server_listens_on_every_form_of_address),
        cmocka_unit_test(address_that_can_not_be_had_is_said_in_words),
        cmocka_unit_test(silent_connection_is_closed),
        cmocka_unit_test(garbage_is_cut_and_noticed),
        cmocka_unit_test(connections_over_the_limit_are_closed),
        cmocka_unit_test(client_that_does_not_read_is_bounded_and_dropped),
        cmocka_unit_test(client_that_keeps_its_window_shut_is_dropped),
        cmocka_unit_test(calls_of_a_lost_connection_are_cancelled),
        cmocka_unit_test(thousand_calls_at_once_are_answered),
        cmocka_unit_test(deadline_is_answered_on_time),
        cmocka_unit_test(health_is_as_it_was_set),
        cmocka_unit_test(drain_lets_calls_end),
        cmocka_unit_test(drain_without_connections_ends),
        cmocka_unit_test(drain_does_not_wait_for_clients_that_ignore_it),
        cmocka_unit_test(calls_outlive_the_server),
        cmocka_unit_test(server_may_be_closed_inside_a_handler),
        cmocka_unit_test(server_may_be_closed_inside_drained),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
