/*
 * test_http2_server_bounds.c - clients that ask for too much, break HTTP/2, or flood: each is
 * refused or cut, and what was held for it is given back.
 */
#include "cmocka_all.h"

#include <stdlib.h>
#include <uv.h>

#include "base/limits.h"
#include "session_fixture.h"

/* ---- bounds ---- */

static void what_is_thrown_away_does_not_use_up_the_window(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_open(&(struct rpc_server_limits){.message_bytes = 1000});
    pump(fixture);
    struct buffer body = {0};
    size_t len = 900000;
    uint8_t *data = memory_zalloc(len);
    frame_message(&body, bytes_of(data, len));
    /* All of it leaves before the peer hears that nobody wants it: twice the connection's window.
     */
    for (size_t sent = 0; sent < 2 * LIMIT_WINDOW_BYTES_PER_CONNECTION; sent += len) {
        struct peer_stream *stream =
            send_raw(fixture, (struct peer_request){.body = buffer_bytes(&body)});
        assert_true(stream->ended);
        assert_string_equal(peer_header(stream, "grpc-status"), "8");
    }
    struct peer_stream *stream = send_message(fixture, NULL, BYTES_LITERAL("x"), NULL, NULL);
    pump(fixture);
    assert_reply(stream, BYTES_LITERAL("x"));
    free(data);
    buffer_free(&body);
    fixture_close(fixture);
}

static void calls_over_the_total_are_refused_at_once(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_open(&(struct rpc_server_limits){.calls = 3});
    for (int i = 0; i < 3; i++) {
        send_message(fixture, "/test.Test/Hold", BYTES_LITERAL("x"), NULL, NULL);
    }
    pump(fixture);
    struct peer_stream *stream = send_message(fixture, NULL, BYTES_LITERAL("x"), NULL, NULL);
    pump(fixture);
    assert_trailers_only(stream, "8");
    assert_int_equal(fixture->registry->stats.calls_refused, 1);
    rpc_call_reply(fixture->held[0], BYTES_LITERAL("done"));
    fixture->held[0] = NULL;
    stream = send_message(fixture, NULL, BYTES_LITERAL("x"), NULL, NULL);
    pump(fixture);
    assert_reply(stream, BYTES_LITERAL("x"));
    fixture_close(fixture);
}

static void bytes_over_the_total_are_refused_at_once(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_open(&(struct rpc_server_limits){.call_bytes = 100000});
    uint8_t data[60000] = {0};
    struct buffer body = {0};
    frame_message(&body, bytes_of(data, sizeof data));
    struct peer_stream *first =
        send_raw(fixture, (struct peer_request){.body = buffer_bytes(&body), .keep_open = true});
    struct peer_stream *second =
        send_raw(fixture, (struct peer_request){.body = buffer_bytes(&body)});
    assert_trailers_only(second, "8");
    assert_true(fixture->registry->stats.call_bytes <= 100000);
    peer_send_more(fixture->peer, first, BYTES_LITERAL(""), true);
    pump(fixture);
    assert_status(first, "0");
    /* All is given back, so there is room again. */
    assert_int_equal(fixture->registry->stats.call_bytes, 0);
    second = send_raw(fixture, (struct peer_request){.body = buffer_bytes(&body)});
    assert_status(second, "0");
    buffer_free(&body);
    fixture_close(fixture);
}

static void client_that_leaves_replies_lying_gets_no_more(void **state)
{
    (void)state;
    struct fixture *fixture =
        fixture_open(&(struct rpc_server_limits){.send_bytes_per_connection = 100000});
    peer_free(fixture->peer);
    fixture->peer = peer_new(1, true); /* one byte a stream, and never more */
    uint8_t data[30000] = {0};
    struct peer_stream *last = NULL;
    for (int i = 0; i < 6; i++) {
        last = send_message(fixture, NULL, bytes_of(data, sizeof data), NULL, NULL);
        pump(fixture);
    }
    assert_trailers_only(last, "8");
    assert_int_equal(fixture->echoed, 4);
    assert_true(http2_server_session_waiting_bytes(fixture->session) <= 100000 + 30000);
    assert_true(http2_server_session_is_behind(fixture->session));
    fixture_close(fixture);
}

static void client_that_leaves_replies_lying_is_cut_when_memory_is_short(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_open(&(struct rpc_server_limits){.call_bytes = 100000});
    peer_free(fixture->peer);
    fixture->peer = peer_new(1, true);
    uint8_t data[30000] = {0};
    bool cut = false;
    for (int i = 0; i < 10 && !cut; i++) {
        send_message(fixture, NULL, bytes_of(data, sizeof data), NULL, NULL);
        cut = !pump_in_parts(fixture, 0);
        assert_true(fixture->registry->stats.call_bytes <= 100000);
    }
    assert_true(cut || fixture->registry->stats.calls_refused > 0);
    fixture_close(fixture);
}

static void streams_over_the_connections_limit_end_it_or_are_refused(void **state)
{
    (void)state;
    struct fixture *fixture =
        fixture_open(&(struct rpc_server_limits){.streams_per_connection = 4});
    /* The peer has not heard of the limit yet: it opens ten at once. */
    struct peer_stream *streams[10];
    for (int i = 0; i < 10; i++) {
        streams[i] = send_message(fixture, "/test.Test/Hold", BYTES_LITERAL("x"), NULL, NULL);
    }
    pump_in_parts(fixture, 0);
    size_t refused = 0;
    for (int i = 0; i < 10; i++) {
        refused += streams[i]->closed && streams[i]->error_code == NGHTTP2_REFUSED_STREAM;
    }
    assert_int_equal(fixture->held_count, 4);
    assert_int_equal(refused, 6);
    fixture_close(fixture);
}

static void memory_of_many_calls_is_given_back(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_open(NULL);
    for (int i = 0; i < 2000; i++) {
        struct peer_stream *stream = send_message(fixture, NULL, BYTES_LITERAL("x"), NULL, NULL);
        if (i % 500 == 499) {
            pump(fixture);
            assert_reply(stream, BYTES_LITERAL("x"));
        }
    }
    assert_int_equal(fixture->registry->stats.calls_total, 2000);
    assert_true(fixture->registry->free_count <= 1024);
    fixture_close(fixture);
}

static void header_bombs_end_the_connection(void **state)
{
    (void)state;
    /* 100 fields of the table's entry, which stands for 4,000 bytes each. */
    struct fixture *fixture = fixture_open(NULL);
    pump(fixture);
    char value[4000];
    memset(value, 'v', sizeof value);
    value[sizeof value - 1] = '\0';
    struct peer_request request = {.no_body = true};
    for (size_t i = 0; i < 18; i++) {
        request.extra[2 * i] = "x-bomb";
        request.extra[2 * i + 1] = value;
    }
    struct peer_stream *stream = peer_send_request(fixture->peer, &request);
    pump_in_parts(fixture, 0);
    /* nghttp2 itself gives up on a header block of 64 KiB. */
    assert_true(stream->closed || fixture->peer->goaway_count > 0);
    assert_int_equal(fixture->registry->stats.call_bytes, 0);
    fixture_close(fixture);
}

static void many_resets_are_no_attack_and_too_many_are(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_open(NULL);
    fixture->answer_when_cancelled = true;
    uint64_t start = uv_hrtime();
    size_t rounds = 0;
    bool cut = false;
    while (!cut && rounds < 2 * LIMIT_STREAM_RESETS_BURST / 32) {
        struct peer_stream *streams[32];
        fixture->held_count = 0;
        for (size_t i = 0; i < 32; i++) {
            streams[i] = send_message(fixture, "/test.Test/Hold", BYTES_LITERAL("x"), NULL, NULL);
        }
        cut = !pump_in_parts(fixture, 0);
        for (size_t i = 0; i < 32 && !cut; i++) {
            peer_reset(fixture->peer, streams[i], NGHTTP2_CANCEL);
        }
        cut = cut || !pump_in_parts(fixture, 0) || fixture->peer->goaway_count > 0;
        rounds++;
    }
    /* As many as a node's calls may expire together and be honest; what goes on and on, faster than
     * the rate, is not. */
    assert_true(rounds * 32 >= LIMIT_STREAM_RESETS_BURST);
    uint64_t seconds = (uv_hrtime() - start) / 1000000000 + 2;
    assert_true(cut || rounds * 32 <=
                           LIMIT_STREAM_RESETS_BURST + LIMIT_STREAM_RESETS_PER_SECOND * seconds);
    fixture_close(fixture);
}

static void reply_that_is_reset_half_way_is_let_go(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_open(NULL);
    peer_free(fixture->peer);
    fixture->peer = peer_new(1000, true);
    uint8_t data[30000] = {0};
    struct peer_stream *stream =
        send_message(fixture, NULL, bytes_of(data, sizeof data), NULL, NULL);
    pump(fixture);
    assert_int_equal(stream->data.len, 1000);
    assert_true(http2_server_session_waiting_bytes(fixture->session) >= 29000);
    assert_true(fixture->registry->stats.call_bytes >= 30000);
    assert_int_equal(fixture->registry->stats.calls, 0); /* answered, only not sent */
    peer_reset(fixture->peer, stream, NGHTTP2_CANCEL);
    pump(fixture);
    assert_int_equal(http2_server_session_waiting_bytes(fixture->session), 0);
    assert_int_equal(fixture->registry->stats.call_bytes, 0);
    stream = send_message(fixture, NULL, BYTES_LITERAL("x"), NULL, NULL);
    pump(fixture);
    assert_reply(stream, BYTES_LITERAL("x"));
    fixture_close(fixture);
}

/* ---- malformed by hand ---- */

/* Feeds raw bytes behind a good beginning; the session must end, by an error or by GOAWAY. */
static void assert_ends_connection(const char *what, struct bytes raw)
{
    struct fixture *fixture = fixture_open(NULL);
    struct error error;
    struct buffer wire = {0};
    peer_output(fixture->peer, &wire); /* preface and SETTINGS */
    bool fine = http2_server_session_receive(fixture->session, buffer_bytes(&wire), &error) &&
                http2_server_session_receive(fixture->session, raw, &error);
    buffer_clear(&wire);
    if (fine) {
        fine = http2_server_session_gather(fixture->session, &wire, SIZE_MAX, &error);
    }
    if (fine && !http2_server_session_is_finished(fixture->session)) {
        fail_msg("%s: the connection lives on", what);
    }
    if (fine) {
        assert_non_null(http2_server_session_complaint(fixture->session));
        assert_true(peer_input(fixture->peer, buffer_bytes(&wire)));
        assert_int_equal(fixture->peer->goaway_count, 1);
        assert_true(fixture->peer->goaway_error != NGHTTP2_NO_ERROR);
    }
    buffer_free(&wire);
    fixture_close(fixture);
}

#define RAW(...) bytes_of((const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

static void malformed_frames_end_the_connection(void **state)
{
    (void)state;
    assert_ends_connection("frame larger than allowed", RAW(0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 1));
    assert_ends_connection("DATA on stream 0", RAW(0, 0, 1, 0, 0, 0, 0, 0, 0, 'x'));
    assert_ends_connection("DATA on an idle stream", RAW(0, 0, 1, 0, 0, 0, 0, 0, 9, 'x'));
    assert_ends_connection("HEADERS on stream 0", RAW(0, 0, 1, 1, 5, 0, 0, 0, 0, 0x82));
    assert_ends_connection("HEADERS on an even stream", RAW(0, 0, 1, 1, 5, 0, 0, 0, 2, 0x82));
    assert_ends_connection("HPACK index 0", RAW(0, 0, 1, 1, 5, 0, 0, 0, 1, 0x80));
    assert_ends_connection("HPACK index out of the table",
                           RAW(0, 0, 2, 1, 5, 0, 0, 0, 1, 0xff, 0x70));
    assert_ends_connection("PING of 7 bytes", RAW(0, 0, 7, 6, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7));
    assert_ends_connection("SETTINGS of 5 bytes", RAW(0, 0, 5, 4, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5));
    assert_ends_connection("SETTINGS with a window over 2^31-1",
                           RAW(0, 0, 6, 4, 0, 0, 0, 0, 0, 0, 4, 0xff, 0xff, 0xff, 0xff));
    assert_ends_connection("WINDOW_UPDATE of 0", RAW(0, 0, 4, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0));
    assert_ends_connection("RST_STREAM on an idle stream",
                           RAW(0, 0, 4, 3, 0, 0, 0, 0, 7, 0, 0, 0, 8));
    assert_ends_connection("CONTINUATION without HEADERS", RAW(0, 0, 1, 9, 4, 0, 0, 0, 1, 0x82));
    assert_ends_connection("PUSH_PROMISE from a client",
                           RAW(0, 0, 4, 5, 4, 0, 0, 0, 1, 0, 0, 0, 2));
}

static void garbage_instead_of_http2_is_cut(void **state)
{
    (void)state;
    static const char *const beginnings[] = {
        "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 and so on, a TLS hello",
        "PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n",
    };
    for (size_t i = 0; i < sizeof beginnings / sizeof beginnings[0]; i++) {
        struct fixture *fixture = fixture_open(NULL);
        struct error error = {""};
        assert_false(
            http2_server_session_receive(fixture->session, bytes_of_string(beginnings[i]), &error));
        assert_true(error.text[0] != '\0');
        fixture_close(fixture);
    }
}

static void random_bytes_never_crash(void **state)
{
    (void)state;
    uint64_t seed = 20261120;
    for (int round = 0; round < 1000; round++) {
        struct fixture *fixture = fixture_open(NULL);
        struct buffer wire = {0};
        struct error error;
        /* A good conversation, in which some bytes are changed. */
        send_message(fixture, NULL, BYTES_LITERAL("hello"), "grpc-timeout", "1S");
        send_message(fixture, "/test.Test/Hold", BYTES_LITERAL("hello"), "x-any", "thing");
        peer_output(fixture->peer, &wire);
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        unsigned changes = (unsigned)(seed >> 60);
        for (unsigned i = 0; i < changes; i++) {
            seed = seed * 6364136223846793005u + 1442695040888963407u;
            size_t at = (size_t)(seed >> 33) % wire.len;
            wire.data[at] = (uint8_t)(seed >> 25);
        }
        bool fine = http2_server_session_receive(fixture->session, buffer_bytes(&wire), &error);
        buffer_clear(&wire);
        if (fine) {
            http2_server_session_gather(fixture->session, &wire, SIZE_MAX, &error);
        }
        buffer_free(&wire);
        fixture_close(fixture);
    }
}

static void floods_are_cut(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_open(NULL);
    struct buffer wire = {0};
    struct error error;
    peer_output(fixture->peer, &wire);
    /* SETTINGS after SETTINGS; each wants an answer, and none is taken. */
    const uint8_t settings[] = {0, 0, 0, 4, 0, 0, 0, 0, 0};
    for (int i = 0; i < 100000; i++) {
        buffer_append(&wire, settings, sizeof settings);
    }
    assert_false(http2_server_session_receive(fixture->session, buffer_bytes(&wire), &error));
    buffer_free(&wire);
    fixture_close(fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_thrown_away_does_not_use_up_the_window),
        cmocka_unit_test(calls_over_the_total_are_refused_at_once),
        cmocka_unit_test(bytes_over_the_total_are_refused_at_once),
        cmocka_unit_test(client_that_leaves_replies_lying_gets_no_more),
        cmocka_unit_test(client_that_leaves_replies_lying_is_cut_when_memory_is_short),
        cmocka_unit_test(streams_over_the_connections_limit_end_it_or_are_refused),
        cmocka_unit_test(memory_of_many_calls_is_given_back),
        cmocka_unit_test(header_bombs_end_the_connection),
        cmocka_unit_test(many_resets_are_no_attack_and_too_many_are),
        cmocka_unit_test(reply_that_is_reset_half_way_is_let_go),
        cmocka_unit_test(malformed_frames_end_the_connection),
        cmocka_unit_test(garbage_instead_of_http2_is_cut),
        cmocka_unit_test(random_bytes_never_crash),
        cmocka_unit_test(floods_are_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
