/*
 * test_http2_server_session.c - what a conformant gRPC server must get right, item by item, without
 * a socket.
 */
#include "cmocka_all.h"

#include <stdlib.h>

#include "base/limits.h"
#include "session_fixture.h"

/* ---- a call that goes well ---- */

static void call_is_answered_with_headers_data_and_trailers(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_open(NULL);
    struct peer_stream *stream =
        send_message(fixture, NULL, BYTES_LITERAL("hello"), "echo-header", "kept");
    pump(fixture);
    assert_reply(stream, BYTES_LITERAL("hello"));
    assert_string_equal(peer_header(stream, "echo-header"), "kept");
    assert_true(stream->closed);
    assert_true(http2_server_session_is_greeted(fixture->session));
    assert_int_equal(fixture->peer->max_concurrent_streams, LIMIT_STREAMS_PER_CONNECTION);
    stream = send_message(fixture, "/test.Test/Take", BYTES_LITERAL("mine"), NULL, NULL);
    pump(fixture);
    assert_reply(stream, BYTES_LITERAL("mine"));
    fixture_close(fixture);
}

static void empty_message_is_answered(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_open(NULL);
    struct peer_stream *stream = send_message(fixture, NULL, BYTES_LITERAL(""), NULL, NULL);
    pump(fixture);
    assert_reply(stream, BYTES_LITERAL(""));
    fixture_close(fixture);
}

static void connection_may_be_cut_into_any_pieces(void **state)
{
    (void)state;
    for (size_t part = 1; part < 40; part++) {
        struct fixture *fixture = fixture_open(NULL);
        struct peer_stream *stream =
            send_message(fixture, NULL, BYTES_LITERAL("byte by byte"), NULL, NULL);
        assert_true(pump_in_parts(fixture, part));
        assert_reply(stream, BYTES_LITERAL("byte by byte"));
        fixture_close(fixture);
    }
}

static void message_may_be_cut_across_data_frames(void **state)
{
    (void)state;
    struct buffer body = {0};
    frame_message(&body, BYTES_LITERAL("cut anywhere"));
    for (size_t part = 1; part <= body.len; part++) {
        struct fixture *fixture = fixture_open(NULL);
        struct peer_stream *stream = send_raw(
            fixture, (struct peer_request){.body = buffer_bytes(&body), .body_part = part});
        assert_reply(stream, BYTES_LITERAL("cut anywhere"));
        fixture_close(fixture);
    }
    /* With the stream's end in a frame of its own, after each prefix of the body. */
    for (size_t first = 0; first <= body.len; first++) {
        struct fixture *fixture = fixture_open(NULL);
        struct peer_stream *stream = send_raw(
            fixture, (struct peer_request){.body = bytes_of(body.data, first), .keep_open = true});
        assert_int_equal(fixture->echoed, 0);
        peer_send_more(fixture->peer, stream, bytes_of(body.data + first, body.len - first), false);
        pump(fixture);
        assert_int_equal(fixture->echoed, 0); /* a second message could still come */
        peer_send_more(fixture->peer, stream, BYTES_LITERAL(""), true);
        pump(fixture);
        assert_reply(stream, BYTES_LITERAL("cut anywhere"));
        fixture_close(fixture);
    }
    buffer_free(&body);
}

static void large_messages_pass_through_small_windows(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_open(NULL);
    size_t len = LIMIT_MESSAGE_BYTES;
    uint8_t *data = memory_alloc(len);
    for (size_t i = 0; i < len; i++) {
        data[i] = (uint8_t)(i * 2654435761u >> 24);
    }
    /* Our window is smaller than the message, the peer's is 64 KiB: both must be given back. */
    struct peer_stream *stream = send_message(fixture, NULL, bytes_of(data, len), NULL, NULL);
    pump(fixture);
    assert_reply(stream, bytes_of(data, len));
    /* And again and again on the same connection: its window does not leak. */
    for (int i = 0; i < 8; i++) {
        stream = send_message(fixture, NULL, bytes_of(data, len), NULL, NULL);
        pump(fixture);
        assert_status(stream, "0");
    }
    free(data);
    fixture_close(fixture);
}

/* ---- what is refused ---- */

static void method_other_than_post_is_405(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_open(NULL);
    static const char *const methods[] = {"GET", "PUT", "HEAD", "post"};
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++) {
        struct peer_stream *stream =
            send_raw(fixture, (struct peer_request){.method = methods[i], .no_body = true});
        assert_true(stream->ended);
        assert_string_equal(peer_header(stream, ":status"), "405");
        assert_string_equal(peer_header(stream, "allow"), "POST");
    }
    fixture_close(fixture);
}

static void content_type_other_than_grpc_is_415(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_open(NULL);
    static const char *const types[] = {"", "application/json", "application/grpc-web",
                                        "text/plain"};
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        struct peer_stream *stream = send_raw(
            fixture, (struct peer_request){.content_type = types[i], .body = BYTES_LITERAL("{}")});
        assert_true(stream->ended);
        assert_string_equal(peer_header(stream, ":status"), "415");
        assert_string_equal(peer_header(stream, "grpc-status"), "");
    }
    assert_int_equal(fixture->echoed, 0);
    struct buffer body = {0};
    frame_message(&body, BYTES_LITERAL("x"));
    struct peer_stream *stream =
        send_raw(fixture, (struct peer_request){.content_type = "application/grpc+proto",
                                                .body = buffer_bytes(&body)});
    assert_reply(stream, BYTES_LITERAL("x"));
    buffer_free(&body);
    fixture_close(fixture);
}

static void unknown_method_is_unimplemented(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_open(NULL);
    static const char *const paths[] = {"/test.Test/Nothing", "/", "/test.Test/Echo/", "*",
                                        "/test.test/Echo"};
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        struct peer_stream *stream =
            send_message(fixture, paths[i], BYTES_LITERAL("x"), NULL, NULL);
        bool sendable = strcmp(paths[i], "*") != 0; /* HTTP itself refuses that one */
        pump(fixture);
        if (sendable) {
            assert_trailers_only(stream, "12");
            assert_non_null(strstr(peer_header(stream, "grpc-message"), paths[i]));
        } else {
            assert_true(stream->closed);
        }
    }
    char path[5000];
    memset(path, 'a', sizeof path);
    path[0] = '/';
    path[sizeof path - 1] = '\0';
    struct peer_stream *stream = send_message(fixture, path, BYTES_LITERAL("x"), NULL, NULL);
    pump(fixture);
    assert_trailers_only(stream, "12");
    fixture_close(fixture);
}

static void message_over_the_limit_is_refused_at_its_prefix(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_open(&(struct rpc_server_limits){.message_bytes = 1000});
    struct buffer body = {0};
    uint8_t data[1001] = {0};
    frame_message(&body, bytes_of(data, 1000));
    struct peer_stream *stream =
        send_raw(fixture, (struct peer_request){.body = buffer_bytes(&body)});
    assert_status(stream, "0");
    buffer_clear(&body);
    frame_message(&body, bytes_of(data, 1001));
    stream =
        send_raw(fixture, (struct peer_request){.body = bytes_of(body.data, 5), .keep_open = true});
    /* Nothing but the prefix has come, and the client is told to stop sending. */
    assert_trailers_only(stream, "8");
    assert_non_null(strstr(peer_header(stream, "grpc-message"), "1001"));
    assert_int_equal(fixture->echoed, 1);
    buffer_free(&body);
    fixture_close(fixture);
}

static void unary_call_takes_exactly_one_message(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_open(NULL);
    assert_trailers_only(send_raw(fixture, (struct peer_request){.no_body = true}), "12");
    assert_trailers_only(send_raw(fixture, (struct peer_request){.body = BYTES_LITERAL("")}), "12");
    struct buffer body = {0};
    frame_message(&body, BYTES_LITERAL("one"));
    frame_message(&body, BYTES_LITERAL("two"));
    for (size_t part = 0; part <= body.len; part++) {
        struct peer_stream *stream = send_raw(
            fixture, (struct peer_request){.body = buffer_bytes(&body), .body_part = part});
        assert_trailers_only(stream, "12");
    }
    assert_int_equal(fixture->echoed, 0);
    buffer_free(&body);
    fixture_close(fixture);
}

static void message_cut_short_is_internal(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_open(NULL);
    struct buffer body = {0};
    frame_message(&body, BYTES_LITERAL("short"));
    for (size_t len = 1; len < body.len; len++) {
        assert_trailers_only(
            send_raw(fixture, (struct peer_request){.body = bytes_of(body.data, len)}), "13");
    }
    assert_int_equal(fixture->echoed, 0);
    buffer_free(&body);
    fixture_close(fixture);
}

static void compression_is_refused_as_the_protocol_says(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_open(NULL);
    struct peer_stream *stream =
        send_message(fixture, NULL, BYTES_LITERAL("x"), "grpc-encoding", "gzip");
    pump(fixture);
    assert_trailers_only(stream, "12");
    assert_string_equal(peer_header(stream, "grpc-accept-encoding"), "identity");
    stream = send_message(fixture, NULL, BYTES_LITERAL("x"), "grpc-encoding", "identity");
    pump(fixture);
    assert_reply(stream, BYTES_LITERAL("x"));
    /* Marked compressed without an encoding: compression.md wants INTERNAL. */
    const uint8_t compressed[] = {1, 0, 0, 0, 1, 'x'};
    stream =
        send_raw(fixture, (struct peer_request){.body = bytes_of(compressed, sizeof compressed)});
    assert_trailers_only(stream, "13");
    assert_string_equal(peer_header(stream, "grpc-accept-encoding"), "identity");
    const uint8_t odd[] = {2, 0, 0, 0, 1, 'x'};
    assert_trailers_only(
        send_raw(fixture, (struct peer_request){.body = bytes_of(odd, sizeof odd)}), "13");
    assert_int_equal(fixture->echoed, 1);
    fixture_close(fixture);
}

static void headers_over_the_limits_are_refused(void **state)
{
    (void)state;
    struct fixture *fixture =
        fixture_open(&(struct rpc_server_limits){.headers = 8, .header_bytes = 1000});
    struct buffer body = {0};
    frame_message(&body, BYTES_LITERAL("x"));
    struct peer_request request = {.body = buffer_bytes(&body)};
    for (size_t i = 0; i < 6; i++) { /* content-type and te besides */
        request.extra[2 * i] = "x-many";
        request.extra[2 * i + 1] = "v";
    }
    assert_reply(send_raw(fixture, request), BYTES_LITERAL("x"));
    request.extra[12] = "x-many";
    request.extra[13] = "v";
    assert_trailers_only(send_raw(fixture, request), "8");
    char value[1001];
    memset(value, 'v', sizeof value);
    value[1000] = '\0';
    struct peer_request large = {.body = buffer_bytes(&body), .extra = {"x-large", value}};
    assert_trailers_only(send_raw(fixture, large), "8");
    assert_int_equal(fixture->echoed, 1);
    buffer_free(&body);
    fixture_close(fixture);
}

/* ---- statuses and their words ---- */

static void failure_is_one_headers_frame_with_encoded_words(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_open(NULL);
    struct peer_stream *stream =
        send_message(fixture, "/test.Test/Fail", BYTES_LITERAL("50% für\nalle"), NULL, NULL);
    pump(fixture);
    assert_trailers_only(stream, "14");
    assert_string_equal(peer_header(stream, "grpc-message"), "50%25 f%C3%BCr%0Aalle");
    assert_string_equal(peer_header(stream, "holdfast-leader"), "10.0.0.7:7070");
    fixture_close(fixture);
}

static void long_and_broken_words_are_made_presentable(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_open(NULL);
    /* "ü" falls across the limit: it is left out whole. */
    char words[LIMIT_STATUS_MESSAGE_BYTES + 100];
    memset(words, 'a', sizeof words);
    memcpy(words + LIMIT_STATUS_MESSAGE_BYTES - 1, "ü", 2);
    struct peer_stream *stream =
        send_message(fixture, "/test.Test/Fail", bytes_of(words, sizeof words), NULL, NULL);
    pump(fixture);
    assert_trailers_only(stream, "14");
    assert_int_equal(strlen(peer_header(stream, "grpc-message")), LIMIT_STATUS_MESSAGE_BYTES - 1);
    char *long_words = memory_zalloc(100000);
    stream = send_message(fixture, "/test.Test/Fail", bytes_of(long_words, 100000), NULL, NULL);
    pump(fixture);
    assert_trailers_only(stream, "14");
    free(long_words);
    stream = send_message(fixture, "/test.Test/Fail", BYTES_LITERAL("a\xff\xfeg"), NULL, NULL);
    pump(fixture);
    assert_string_equal(peer_header(stream, "grpc-message"), "a??g");
    fixture_close(fixture);
}

/* ---- deadlines and cancellation ---- */

static void deadline_is_kept_by_the_server(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_open(NULL);
    uint64_t start = fixture->registry->now_ms;
    struct peer_stream *stream =
        send_message(fixture, "/test.Test/Hold", BYTES_LITERAL("x"), "grpc-timeout", "50m");
    pump(fixture);
    assert_int_equal(fixture->held_count, 1);
    assert_int_equal(rpc_call_deadline_ms(fixture->held[0]), start + 50);
    fixture->registry->now_ms = start + 49;
    call_registry_expire(fixture->registry);
    pump(fixture);
    assert_false(stream->ended);
    fixture->registry->now_ms = start + 50;
    call_registry_expire(fixture->registry);
    pump(fixture);
    assert_trailers_only(stream, "4");
    assert_int_equal(fixture->cancelled, 1);
    /* The handler's answer comes too late, and nothing happens. */
    assert_string_equal(rpc_call_path(fixture->held[0]), "/test.Test/Hold");
    assert_int_equal(fixture->registry->stats.calls, 1);
    rpc_call_reply(fixture->held[0], BYTES_LITERAL("late"));
    fixture->held[0] = NULL;
    assert_int_equal(fixture->registry->stats.calls, 0);
    pump(fixture);
    assert_int_equal(stream->data.len, 0);
    fixture_close(fixture);
}

static void deadlines_are_bounded_and_defaulted(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_open(NULL);
    uint64_t start = fixture->registry->now_ms;
    send_message(fixture, "/test.Test/Hold", BYTES_LITERAL("x"), NULL, NULL);
    send_message(fixture, "/test.Test/Hold", BYTES_LITERAL("x"), "grpc-timeout", "99999999H");
    pump(fixture);
    assert_int_equal(rpc_call_deadline_ms(fixture->held[0]), start + DEFAULT_DEADLINE_MS);
    assert_int_equal(rpc_call_deadline_ms(fixture->held[1]), start + LIMIT_DEADLINE_MS);
    struct peer_stream *stream =
        send_message(fixture, NULL, BYTES_LITERAL("x"), "grpc-timeout", "soon");
    pump(fixture);
    assert_trailers_only(stream, "3");
    fixture_close(fixture);
}

static void deadline_passes_while_the_message_still_comes(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_open(NULL);
    struct peer_stream *stream =
        send_raw(fixture, (struct peer_request){.body = bytes_of("\0\0\0\0\5he", 7),
                                                .keep_open = true,
                                                .extra = {"grpc-timeout", "10m"}});
    fixture->registry->now_ms += 10;
    call_registry_expire(fixture->registry);
    pump(fixture);
    assert_trailers_only(stream, "4");
    assert_int_equal(fixture->registry->stats.calls, 0);
    fixture_close(fixture);
}

static void cancelled_call_tells_its_handler(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_open(NULL);
    struct peer_stream *first =
        send_message(fixture, "/test.Test/Hold", BYTES_LITERAL("x"), NULL, NULL);
    struct peer_stream *second =
        send_message(fixture, "/test.Test/Hold", BYTES_LITERAL("x"), NULL, NULL);
    pump(fixture);
    peer_reset(fixture->peer, first, NGHTTP2_CANCEL);
    pump(fixture);
    assert_int_equal(fixture->cancelled, 1);
    assert_int_equal(fixture->registry->stats.calls, 2); /* still the handler's */
    fixture->answer_when_cancelled = true;
    peer_reset(fixture->peer, second, NGHTTP2_CANCEL);
    pump(fixture);
    assert_int_equal(fixture->cancelled, 2);
    assert_null(fixture->held[1]);
    assert_int_equal(fixture->registry->stats.calls, 1);
    /* The connection lives on. */
    struct peer_stream *third = send_message(fixture, NULL, BYTES_LITERAL("x"), NULL, NULL);
    pump(fixture);
    assert_reply(third, BYTES_LITERAL("x"));
    fixture_close(fixture);
}

static void calls_outlive_their_session(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_open(NULL);
    for (int i = 0; i < 3; i++) {
        send_message(fixture, "/test.Test/Hold", BYTES_LITERAL("x"), "x-number", "7");
    }
    pump(fixture);
    http2_server_session_free(fixture->session);
    fixture->session = NULL;
    assert_int_equal(fixture->cancelled, 3);
    assert_string_equal(rpc_call_metadata(fixture->held[0], "x-number"), "7");
    rpc_call_set_metadata(fixture->held[0], "unheard", "of");
    rpc_call_fail(fixture->held[0], RPC_ABORTED, "nobody hears this");
    struct buffer reply = {0};
    buffer_append(&reply, "nor this", 8);
    rpc_call_reply_take(fixture->held[1], &reply);
    fixture->held[0] = NULL;
    fixture->held[1] = NULL;
    assert_int_equal(fixture->registry->stats.calls, 1);
    fixture_close(fixture); /* answers the third */
}

/* ---- the end ---- */

static void goodbye_is_said_twice_and_nothing_is_lost_between(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_open(NULL);
    struct peer_stream *held =
        send_message(fixture, "/test.Test/Hold", BYTES_LITERAL("x"), NULL, NULL);
    pump(fixture);
    http2_server_session_say_goodbye(fixture->session);
    /* The notice is on its way; a call crosses it, as it may. */
    struct error error;
    struct buffer wire = {0};
    assert_true(http2_server_session_gather(fixture->session, &wire, SIZE_MAX, &error));
    struct peer_stream *crossing = send_message(fixture, NULL, BYTES_LITERAL("x"), NULL, NULL);
    struct buffer request = {0};
    peer_output(fixture->peer, &request);
    assert_true(http2_server_session_receive(fixture->session, buffer_bytes(&request), &error));
    assert_true(peer_input(fixture->peer, buffer_bytes(&wire)));
    assert_int_equal(fixture->peer->goaway_count, 1);
    assert_int_equal(fixture->peer->goaway_last_stream_ids[0], INT32_MAX);
    pump(fixture); /* the PING's answer brings the second */
    assert_int_equal(fixture->peer->goaway_count, 2);
    assert_int_equal(fixture->peer->goaway_last_stream_ids[1], crossing->id);
    assert_int_equal(fixture->peer->goaway_error, NGHTTP2_NO_ERROR);
    assert_reply(crossing, BYTES_LITERAL("x"));
    assert_false(http2_server_session_is_finished(fixture->session));
    rpc_call_reply(fixture->held[0], BYTES_LITERAL("bye"));
    fixture->held[0] = NULL;
    pump(fixture);
    assert_reply(held, BYTES_LITERAL("bye"));
    assert_true(http2_server_session_is_finished(fixture->session));
    assert_null(http2_server_session_complaint(fixture->session));
    buffer_free(&wire);
    buffer_free(&request);
    fixture_close(fixture);
}

static void ping_is_answered(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_open(NULL);
    nghttp2_submit_ping(fixture->peer->h2, NGHTTP2_FLAG_NONE, NULL);
    pump(fixture);
    assert_int_equal(fixture->peer->ping_acks, 1);
    fixture_close(fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(call_is_answered_with_headers_data_and_trailers),
        cmocka_unit_test(empty_message_is_answered),
        cmocka_unit_test(connection_may_be_cut_into_any_pieces),
        cmocka_unit_test(message_may_be_cut_across_data_frames),
        cmocka_unit_test(large_messages_pass_through_small_windows),
        cmocka_unit_test(method_other_than_post_is_405),
        cmocka_unit_test(content_type_other_than_grpc_is_415),
        cmocka_unit_test(unknown_method_is_unimplemented),
        cmocka_unit_test(message_over_the_limit_is_refused_at_its_prefix),
        cmocka_unit_test(unary_call_takes_exactly_one_message),
        cmocka_unit_test(message_cut_short_is_internal),
        cmocka_unit_test(compression_is_refused_as_the_protocol_says),
        cmocka_unit_test(headers_over_the_limits_are_refused),
        cmocka_unit_test(failure_is_one_headers_frame_with_encoded_words),
        cmocka_unit_test(long_and_broken_words_are_made_presentable),
        cmocka_unit_test(deadline_is_kept_by_the_server),
        cmocka_unit_test(deadlines_are_bounded_and_defaulted),
        cmocka_unit_test(deadline_passes_while_the_message_still_comes),
        cmocka_unit_test(cancelled_call_tells_its_handler),
        cmocka_unit_test(calls_outlive_their_session),
        cmocka_unit_test(goodbye_is_said_twice_and_nothing_is_lost_between),
        cmocka_unit_test(ping_is_answered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
