/*
 * test_http2_server_session.c - what a conformant gRPC server must get right, item by item, without
 * a socket: a peer on nghttp2 on one side, the session on the other, bytes carried by hand.
 */
#include "cmocka_all.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/limits.h"
#include "http2_peer.h"
#include "http2_server_session.h"

struct fixture {
    struct call_registry *registry;
    struct http2_server_session *session;
    struct peer *peer;
    struct rpc_call *held[64]; /* by /test.Test/Hold, not answered */
    size_t held_count;
    size_t echoed;
    size_t cancelled;
    size_t message_bytes; /* of the last message */
    bool answer_when_cancelled;
};

static void on_echo(void *context, struct rpc_call *call, struct bytes message)
{
    struct fixture *fixture = context;
    fixture->echoed++;
    fixture->message_bytes = message.len;
    const char *echo = rpc_call_metadata(call, "echo-header");
    if (echo != NULL) {
        rpc_call_set_metadata(call, "echo-header", echo);
    }
    rpc_call_reply(call, message);
}

static void on_take(void *context, struct rpc_call *call, struct bytes message)
{
    (void)context;
    struct buffer reply = {0};
    buffer_append_bytes(&reply, message);
    rpc_call_reply_take(call, &reply);
    assert_null(reply.data);
    /* Answered, and yet the message is there until the handler returns. */
    assert_true(message.len == 0 || message.data[0] == 'm');
}

static void on_fail(void *context, struct rpc_call *call, struct bytes message)
{
    (void)context;
    rpc_call_set_metadata(call, "holdfast-leader", "10.0.0.7:7070");
    rpc_call_fail(call, RPC_UNAVAILABLE, "%.*s", (int)message.len, (const char *)message.data);
    assert_true(message.len == 0 || message.data[0] != 0xdd);
}

static void on_cancelled(void *context, struct rpc_call *call)
{
    struct fixture *fixture = context;
    fixture->cancelled++;
    if (fixture->answer_when_cancelled) {
        for (size_t i = 0; i < fixture->held_count; i++) {
            if (fixture->held[i] == call) {
                fixture->held[i] = NULL;
            }
        }
        rpc_call_fail(call, RPC_CANCELLED, "as you wish");
    }
}

static void on_hold(void *context, struct rpc_call *call, struct bytes message)
{
    (void)message;
    struct fixture *fixture = context;
    assert_true(fixture->held_count < 64);
    fixture->held[fixture->held_count] = call;
    fixture->held_count++;
    rpc_call_set_cancelled(call, on_cancelled, fixture);
}

static void wake(void *owner)
{
    (void)owner;
}

static struct fixture *open_fixture(const struct rpc_server_limits *limits)
{
    struct fixture *fixture = memory_zalloc(sizeof *fixture);
    static const struct rpc_method methods[] = {
        {"/test.Test/Echo", on_echo},
        {"/test.Test/Take", on_take},
        {"/test.Test/Fail", on_fail},
        {"/test.Test/Hold", on_hold},
    };
    struct rpc_server_config config = {.methods = methods, .method_count = 4, .context = fixture};
    if (limits != NULL) {
        config.limits = *limits;
    }
    fixture->registry = call_registry_new(&config, 0);
    fixture->registry->now_ms = 1000000;
    fixture->session = http2_server_session_new(fixture->registry, wake, NULL);
    fixture->peer = peer_new(0, false);
    return fixture;
}

/* Carries bytes until neither side has any; at most `part` at a time (0: no bound). False when the
 * session wants to be cut. */
static bool pump_in_parts(struct fixture *fixture, size_t part)
{
    struct error error;
    struct buffer wire = {0};
    bool fine = true;
    for (bool moved = true; moved && fine;) {
        moved = false;
        buffer_clear(&wire);
        peer_output(fixture->peer, &wire);
        for (size_t at = 0; at < wire.len && fine;) {
            size_t len = part != 0 && wire.len - at > part ? part : wire.len - at;
            fine = http2_server_session_receive(fixture->session, bytes_of(wire.data + at, len),
                                                &error);
            at += len;
            moved = true;
        }
        buffer_clear(&wire);
        fine = fine && http2_server_session_gather(fixture->session, &wire, 256u << 10, &error);
        if (fine && wire.len != 0) {
            moved = true;
            assert_true(peer_input(fixture->peer, buffer_bytes(&wire)));
        }
    }
    buffer_free(&wire);
    if (fine) {
        http2_server_session_turn_over(fixture->session);
    }
    return fine;
}

static void pump(struct fixture *fixture)
{
    assert_true(pump_in_parts(fixture, 0));
}

static void close_fixture(struct fixture *fixture)
{
    peer_free(fixture->peer);
    if (fixture->session != NULL) {
        http2_server_session_free(fixture->session);
    }
    for (size_t i = 0; i < fixture->held_count; i++) {
        if (fixture->held[i] != NULL) {
            rpc_call_reply(fixture->held[i], BYTES_LITERAL("too late"));
        }
    }
    assert_int_equal(fixture->registry->stats.calls, 0);
    assert_int_equal(fixture->registry->stats.call_bytes, 0);
    assert_int_equal(fixture->registry->references, 1);
    call_registry_unref(fixture->registry);
    free(fixture);
}

static struct peer_stream *send_message(struct fixture *fixture, const char *path,
                                        struct bytes message, const char *name, const char *value)
{
    struct buffer body = {0};
    frame_message(&body, message);
    struct peer_request request = {.path = path, .body = buffer_bytes(&body)};
    request.extra[0] = name;
    request.extra[1] = value;
    struct peer_stream *stream = peer_send_request(fixture->peer, &request);
    buffer_free(&body);
    return stream;
}

static struct peer_stream *send_raw(struct fixture *fixture, struct peer_request request)
{
    struct peer_stream *stream = peer_send_request(fixture->peer, &request);
    pump(fixture);
    return stream;
}

static void assert_status(const struct peer_stream *stream, const char *grpc_status)
{
    assert_true(stream->ended);
    assert_string_equal(peer_header(stream, ":status"), "200");
    assert_string_equal(peer_header(stream, "content-type"), "application/grpc");
    assert_string_equal(peer_header(stream, "grpc-status"), grpc_status);
}

/* One HEADERS frame with END_STREAM, and no data. */
static void assert_trailers_only(const struct peer_stream *stream, const char *grpc_status)
{
    assert_status(stream, grpc_status);
    assert_int_equal(stream->headers_frames, 1);
    assert_int_equal(stream->data_frames, 0);
    assert_true(stream->closed);
    assert_int_equal(stream->error_code, NGHTTP2_NO_ERROR);
}

static void assert_reply(const struct peer_stream *stream, struct bytes message)
{
    assert_status(stream, "0");
    assert_int_equal(stream->headers_frames, 2);
    struct buffer expected = {0};
    frame_message(&expected, message);
    assert_true(bytes_equal(buffer_bytes(&stream->data), buffer_bytes(&expected)));
    buffer_free(&expected);
}

/* ---- a call that goes well ---- */

static void call_is_answered_with_headers_data_and_trailers(void **state)
{
    (void)state;
    struct fixture *fixture = open_fixture(NULL);
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
    close_fixture(fixture);
}

static void empty_message_is_answered(void **state)
{
    (void)state;
    struct fixture *fixture = open_fixture(NULL);
    struct peer_stream *stream = send_message(fixture, NULL, BYTES_LITERAL(""), NULL, NULL);
    pump(fixture);
    assert_reply(stream, BYTES_LITERAL(""));
    close_fixture(fixture);
}

static void connection_may_be_cut_into_any_pieces(void **state)
{
    (void)state;
    for (size_t part = 1; part < 40; part++) {
        struct fixture *fixture = open_fixture(NULL);
        struct peer_stream *stream =
            send_message(fixture, NULL, BYTES_LITERAL("byte by byte"), NULL, NULL);
        assert_true(pump_in_parts(fixture, part));
        assert_reply(stream, BYTES_LITERAL("byte by byte"));
        close_fixture(fixture);
    }
}

static void message_may_be_cut_across_data_frames(void **state)
{
    (void)state;
    struct buffer body = {0};
    frame_message(&body, BYTES_LITERAL("cut anywhere"));
    for (size_t part = 1; part <= body.len; part++) {
        struct fixture *fixture = open_fixture(NULL);
        struct peer_stream *stream = send_raw(
            fixture, (struct peer_request){.body = buffer_bytes(&body), .body_part = part});
        assert_reply(stream, BYTES_LITERAL("cut anywhere"));
        close_fixture(fixture);
    }
    /* With the stream's end in a frame of its own, after each prefix of the body. */
    for (size_t first = 0; first <= body.len; first++) {
        struct fixture *fixture = open_fixture(NULL);
        struct peer_stream *stream = send_raw(
            fixture, (struct peer_request){.body = bytes_of(body.data, first), .keep_open = true});
        assert_int_equal(fixture->echoed, 0);
        peer_send_more(fixture->peer, stream, bytes_of(body.data + first, body.len - first), false);
        pump(fixture);
        assert_int_equal(fixture->echoed, 0); /* a second message could still come */
        peer_send_more(fixture->peer, stream, BYTES_LITERAL(""), true);
        pump(fixture);
        assert_reply(stream, BYTES_LITERAL("cut anywhere"));
        close_fixture(fixture);
    }
    buffer_free(&body);
}

static void large_messages_pass_through_small_windows(void **state)
{
    (void)state;
    struct fixture *fixture = open_fixture(NULL);
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
    close_fixture(fixture);
}

/* ---- what is refused ---- */

static void method_other_than_post_is_405(void **state)
{
    (void)state;
    struct fixture *fixture = open_fixture(NULL);
    static const char *const methods[] = {"GET", "PUT", "HEAD", "post"};
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++) {
        struct peer_stream *stream =
            send_raw(fixture, (struct peer_request){.method = methods[i], .no_body = true});
        assert_true(stream->ended);
        assert_string_equal(peer_header(stream, ":status"), "405");
        assert_string_equal(peer_header(stream, "allow"), "POST");
    }
    close_fixture(fixture);
}

static void content_type_other_than_grpc_is_415(void **state)
{
    (void)state;
    struct fixture *fixture = open_fixture(NULL);
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
    close_fixture(fixture);
}

static void unknown_method_is_unimplemented(void **state)
{
    (void)state;
    struct fixture *fixture = open_fixture(NULL);
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
    close_fixture(fixture);
}

static void message_over_the_limit_is_refused_at_its_prefix(void **state)
{
    (void)state;
    struct fixture *fixture = open_fixture(&(struct rpc_server_limits){.message_bytes = 1000});
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
    close_fixture(fixture);
}

static void unary_call_takes_exactly_one_message(void **state)
{
    (void)state;
    struct fixture *fixture = open_fixture(NULL);
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
    close_fixture(fixture);
}

static void message_cut_short_is_internal(void **state)
{
    (void)state;
    struct fixture *fixture = open_fixture(NULL);
    struct buffer body = {0};
    frame_message(&body, BYTES_LITERAL("short"));
    for (size_t len = 1; len < body.len; len++) {
        assert_trailers_only(
            send_raw(fixture, (struct peer_request){.body = bytes_of(body.data, len)}), "13");
    }
    assert_int_equal(fixture->echoed, 0);
    buffer_free(&body);
    close_fixture(fixture);
}

static void compression_is_refused_as_the_protocol_says(void **state)
{
    (void)state;
    struct fixture *fixture = open_fixture(NULL);
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
    close_fixture(fixture);
}

static void headers_over_the_limits_are_refused(void **state)
{
    (void)state;
    struct fixture *fixture =
        open_fixture(&(struct rpc_server_limits){.headers = 8, .header_bytes = 1000});
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
    close_fixture(fixture);
}

static void header_bombs_end_the_connection(void **state)
{
    (void)state;
    /* 100 fields of the table's entry, which stands for 4,000 bytes each. */
    struct fixture *fixture = open_fixture(NULL);
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
    close_fixture(fixture);
}

/* ---- statuses and their words ---- */

static void failure_is_one_headers_frame_with_encoded_words(void **state)
{
    (void)state;
    struct fixture *fixture = open_fixture(NULL);
    struct peer_stream *stream =
        send_message(fixture, "/test.Test/Fail", BYTES_LITERAL("50% für\nalle"), NULL, NULL);
    pump(fixture);
    assert_trailers_only(stream, "14");
    assert_string_equal(peer_header(stream, "grpc-message"), "50%25 f%C3%BCr%0Aalle");
    assert_string_equal(peer_header(stream, "holdfast-leader"), "10.0.0.7:7070");
    close_fixture(fixture);
}

static void long_and_broken_words_are_made_presentable(void **state)
{
    (void)state;
    struct fixture *fixture = open_fixture(NULL);
    /* "ü" falls across the limit: it is left out whole. */
    char words[LIMIT_STATUS_MESSAGE_BYTES + 100];
    memset(words, 'a', sizeof words);
    memcpy(words + LIMIT_STATUS_MESSAGE_BYTES - 1, "ü", 2);
    struct peer_stream *stream =
        send_message(fixture, "/test.Test/Fail", bytes_of(words, sizeof words), NULL, NULL);
    pump(fixture);
    assert_trailers_only(stream, "14");
    assert_int_equal(strlen(peer_header(stream, "grpc-message")), LIMIT_STATUS_MESSAGE_BYTES - 1);
    stream = send_message(fixture, "/test.Test/Fail", BYTES_LITERAL("a\xff\xfeg"), NULL, NULL);
    pump(fixture);
    assert_string_equal(peer_header(stream, "grpc-message"), "a??g");
    close_fixture(fixture);
}

/* ---- deadlines and cancellation ---- */

static void deadline_is_kept_by_the_server(void **state)
{
    (void)state;
    struct fixture *fixture = open_fixture(NULL);
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
    close_fixture(fixture);
}

static void deadlines_are_bounded_and_defaulted(void **state)
{
    (void)state;
    struct fixture *fixture = open_fixture(NULL);
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
    close_fixture(fixture);
}

static void deadline_passes_while_the_message_still_comes(void **state)
{
    (void)state;
    struct fixture *fixture = open_fixture(NULL);
    struct peer_stream *stream =
        send_raw(fixture, (struct peer_request){.body = bytes_of("\0\0\0\0\5he", 7),
                                                .keep_open = true,
                                                .extra = {"grpc-timeout", "10m"}});
    fixture->registry->now_ms += 10;
    call_registry_expire(fixture->registry);
    pump(fixture);
    assert_trailers_only(stream, "4");
    assert_int_equal(fixture->registry->stats.calls, 0);
    close_fixture(fixture);
}

static void cancelled_call_tells_its_handler(void **state)
{
    (void)state;
    struct fixture *fixture = open_fixture(NULL);
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
    close_fixture(fixture);
}

static void calls_outlive_their_session(void **state)
{
    (void)state;
    struct fixture *fixture = open_fixture(NULL);
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
    close_fixture(fixture); /* answers the third */
}

static void many_resets_are_no_attack_and_too_many_are(void **state)
{
    (void)state;
    struct fixture *fixture = open_fixture(NULL);
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
    close_fixture(fixture);
}

/* ---- bounds ---- */

static void calls_over_the_total_are_refused_at_once(void **state)
{
    (void)state;
    struct fixture *fixture = open_fixture(&(struct rpc_server_limits){.calls = 3});
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
    close_fixture(fixture);
}

static void bytes_over_the_total_are_refused_at_once(void **state)
{
    (void)state;
    struct fixture *fixture = open_fixture(&(struct rpc_server_limits){.call_bytes = 100000});
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
    close_fixture(fixture);
}

static void client_that_leaves_replies_lying_gets_no_more(void **state)
{
    (void)state;
    struct fixture *fixture =
        open_fixture(&(struct rpc_server_limits){.send_bytes_per_connection = 100000});
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
    close_fixture(fixture);
}

static void client_that_leaves_replies_lying_is_cut_when_memory_is_short(void **state)
{
    (void)state;
    struct fixture *fixture = open_fixture(&(struct rpc_server_limits){.call_bytes = 100000});
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
    close_fixture(fixture);
}

static void streams_over_the_connections_limit_end_it_or_are_refused(void **state)
{
    (void)state;
    struct fixture *fixture =
        open_fixture(&(struct rpc_server_limits){.streams_per_connection = 4});
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
    close_fixture(fixture);
}

static void memory_of_many_calls_is_given_back(void **state)
{
    (void)state;
    struct fixture *fixture = open_fixture(NULL);
    for (int i = 0; i < 2000; i++) {
        struct peer_stream *stream = send_message(fixture, NULL, BYTES_LITERAL("x"), NULL, NULL);
        if (i % 500 == 499) {
            pump(fixture);
            assert_reply(stream, BYTES_LITERAL("x"));
        }
    }
    assert_int_equal(fixture->registry->stats.calls_total, 2000);
    assert_true(fixture->registry->free_count <= 1024);
    close_fixture(fixture);
}

/* ---- the end ---- */

static void goodbye_is_said_twice_and_nothing_is_lost_between(void **state)
{
    (void)state;
    struct fixture *fixture = open_fixture(NULL);
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
    close_fixture(fixture);
}

static void ping_is_answered(void **state)
{
    (void)state;
    struct fixture *fixture = open_fixture(NULL);
    nghttp2_submit_ping(fixture->peer->h2, NGHTTP2_FLAG_NONE, NULL);
    pump(fixture);
    assert_int_equal(fixture->peer->ping_acks, 1);
    close_fixture(fixture);
}

/* ---- malformed by hand ---- */

/* Feeds raw bytes behind a good beginning; the session must end, by an error or by GOAWAY. */
static void assert_ends_connection(const char *what, struct bytes raw)
{
    struct fixture *fixture = open_fixture(NULL);
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
    close_fixture(fixture);
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
        struct fixture *fixture = open_fixture(NULL);
        struct error error = {""};
        assert_false(
            http2_server_session_receive(fixture->session, bytes_of_string(beginnings[i]), &error));
        assert_true(error.text[0] != '\0');
        close_fixture(fixture);
    }
}

static void random_bytes_never_crash(void **state)
{
    (void)state;
    uint64_t seed = 20261120;
    for (int round = 0; round < 1000; round++) {
        struct fixture *fixture = open_fixture(NULL);
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
        close_fixture(fixture);
    }
}

static void floods_are_cut(void **state)
{
    (void)state;
    struct fixture *fixture = open_fixture(NULL);
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
    close_fixture(fixture);
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
        cmocka_unit_test(header_bombs_end_the_connection),
        cmocka_unit_test(failure_is_one_headers_frame_with_encoded_words),
        cmocka_unit_test(long_and_broken_words_are_made_presentable),
        cmocka_unit_test(deadline_is_kept_by_the_server),
        cmocka_unit_test(deadlines_are_bounded_and_defaulted),
        cmocka_unit_test(deadline_passes_while_the_message_still_comes),
        cmocka_unit_test(cancelled_call_tells_its_handler),
        cmocka_unit_test(calls_outlive_their_session),
        cmocka_unit_test(many_resets_are_no_attack_and_too_many_are),
        cmocka_unit_test(calls_over_the_total_are_refused_at_once),
        cmocka_unit_test(bytes_over_the_total_are_refused_at_once),
        cmocka_unit_test(client_that_leaves_replies_lying_gets_no_more),
        cmocka_unit_test(client_that_leaves_replies_lying_is_cut_when_memory_is_short),
        cmocka_unit_test(streams_over_the_connections_limit_end_it_or_are_refused),
        cmocka_unit_test(memory_of_many_calls_is_given_back),
        cmocka_unit_test(goodbye_is_said_twice_and_nothing_is_lost_between),
        cmocka_unit_test(ping_is_answered),
        cmocka_unit_test(malformed_frames_end_the_connection),
        cmocka_unit_test(garbage_instead_of_http2_is_cut),
        cmocka_unit_test(random_bytes_never_crash),
        cmocka_unit_test(floods_are_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
