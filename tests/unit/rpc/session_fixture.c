/*
 * session_fixture.c - the session under test with its methods: /test.Test/Echo, Take (replies by
 * rpc_call_reply_take), Fail, Hold (does not answer by itself).
 */
#include "cmocka_all.h"

#include <stdlib.h>

#include "session_fixture.h"

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
}

static void on_fail(void *context, struct rpc_call *call, struct bytes message)
{
    (void)context;
    struct buffer copy = {0};
    buffer_append_bytes(&copy, message);
    rpc_call_set_metadata(call, "holdfast-leader", "10.0.0.7:7070");
    rpc_call_fail(call, RPC_UNAVAILABLE, "%.*s", (int)message.len, (const char *)message.data);
    /* The call is over, and yet the message is there until the handler returns. */
    assert_true(bytes_equal(message, buffer_bytes(&copy)));
    buffer_free(&copy);
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

struct fixture *fixture_open(const struct rpc_server_limits *limits)
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

bool pump_in_parts(struct fixture *fixture, size_t part)
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

void pump(struct fixture *fixture)
{
    assert_true(pump_in_parts(fixture, 0));
}

void fixture_close(struct fixture *fixture)
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

struct peer_stream *send_message(struct fixture *fixture, const char *path, struct bytes message,
                                 const char *name, const char *value)
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

struct peer_stream *send_raw(struct fixture *fixture, struct peer_request request)
{
    struct peer_stream *stream = peer_send_request(fixture->peer, &request);
    pump(fixture);
    return stream;
}

void assert_status(const struct peer_stream *stream, const char *grpc_status)
{
    assert_true(stream->ended);
    assert_string_equal(peer_header(stream, ":status"), "200");
    assert_string_equal(peer_header(stream, "content-type"), "application/grpc");
    assert_string_equal(peer_header(stream, "grpc-status"), grpc_status);
}

void assert_trailers_only(const struct peer_stream *stream, const char *grpc_status)
{
    assert_status(stream, grpc_status);
    assert_int_equal(stream->headers_frames, 1);
    assert_int_equal(stream->data_frames, 0);
    assert_true(stream->closed);
    assert_int_equal(stream->error_code, NGHTTP2_NO_ERROR);
}

void assert_reply(const struct peer_stream *stream, struct bytes message)
{
    assert_status(stream, "0");
    assert_int_equal(stream->headers_frames, 2);
    struct buffer expected = {0};
    frame_message(&expected, message);
    assert_true(bytes_equal(buffer_bytes(&stream->data), buffer_bytes(&expected)));
    buffer_free(&expected);
}
