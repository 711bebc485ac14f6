/*
 * call_request.c - takes in a request piece by piece and holds it against gRPC's rules and our
 * limits.
 *
 * The happy path: call_take_header, ... -> call_check_headers -> call_take_message, ... ->
 * call_check_message. What can fail is the request, and each way has its status: those of the gRPC
 * project's PROTOCOL-HTTP2.md, statuscodes.md and compression.md.
 */
#include "call_request.h"

#include <stdarg.h>
#include <stdio.h>

static bool refuse(struct call_refusal *why, enum rpc_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static bool refuse(struct call_refusal *why, enum rpc_status status, const char *format, ...)
{
    *why = (struct call_refusal){.status = status};
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(why->text, sizeof why->text, format, arguments);
    va_end(arguments);
    return false;
}

static bool refuse_in_http(struct call_refusal *why, int http_status)
{
    *why = (struct call_refusal){.http_status = http_status};
    return false;
}

#define IS(bytes, wanted) bytes_equal(bytes, BYTES_LITERAL(wanted))

void call_take_header(struct rpc_call *call, struct bytes name, struct bytes value)
{
    const struct rpc_server_limits *limits = &call->registry->limits;
    bool keep = name.len > 0 && name.data[0] != ':';
    if (IS(name, ":path")) {
        call->method = call_registry_find_method(call->registry, value);
        keep = call->method == NULL; /* to say what is unknown */
    } else if (IS(name, ":method")) {
        call->headers.is_post = IS(value, "POST");
    } else if (IS(name, "content-type")) {
        call->headers.is_grpc = grpc_content_type_matches(value);
    } else if (IS(name, "grpc-timeout")) {
        call->headers.timeout_malformed = !grpc_timeout_parse(value, &call->headers.timeout_ms);
    } else if (IS(name, "grpc-encoding")) {
        call->headers.encoding_unknown = !IS(value, "identity");
    }
    call->headers.bytes += name.len + value.len;
    if (call->headers.list.count >= limits->headers || call->headers.bytes > limits->header_bytes) {
        call->headers.too_large = true;
    } else if (keep) {
        header_list_add(&call->headers.list, name, value);
    }
}

static bool refuse_unknown_method(const struct rpc_call *call, struct call_refusal *why)
{
    /* The path is what the client said: shown as far as it is readable. */
    const char *path = header_list_find(&call->headers.list, ":path");
    refuse(why, RPC_UNIMPLEMENTED, "unknown method %.200s", path != NULL ? path : "");
    for (char *at = why->text; *at != '\0'; at++) {
        if ((unsigned char)*at < 0x20 || (unsigned char)*at > 0x7e) {
            *at = '?';
        }
    }
    return false;
}

bool call_check_headers(struct rpc_call *call, struct call_refusal *why)
{
    const struct rpc_server_limits *limits = &call->registry->limits;
    call->headers.complete = true;
    if (!call->headers.is_post) {
        return refuse_in_http(why, 405);
    }
    if (!call->headers.is_grpc) {
        return refuse_in_http(why, 415);
    }
    if (call->headers.too_large) {
        return refuse(why, RPC_RESOURCE_EXHAUSTED,
                      "the request's headers exceed %zu fields or %zu bytes", limits->headers,
                      limits->header_bytes);
    }
    if (call->method == NULL) {
        return refuse_unknown_method(call, why);
    }
    if (call->headers.encoding_unknown) {
        refuse(why, RPC_UNIMPLEMENTED,
               "this grpc-encoding is not supported: send messages uncompressed");
        why->tell_encodings = true;
        return false;
    }
    if (call->headers.timeout_malformed) {
        return refuse(why, RPC_INVALID_ARGUMENT,
                      "grpc-timeout is not at most 8 digits and one of H, M, S, m, u, n");
    }
    return true;
}

bool call_take_message(struct rpc_call *call, struct bytes data, struct call_refusal *why)
{
    size_t limit = call->registry->limits.message_bytes;
    size_t before = call->message.body.len;
    if (!call_hold(call, data.len)) {
        return refuse(why, RPC_RESOURCE_EXHAUSTED,
                      "the server holds as many bytes of calls as it may: try again later");
    }
    switch (grpc_message_reader_feed(&call->message, data, limit)) {
    case GRPC_MESSAGE_INCOMPLETE:
    case GRPC_MESSAGE_COMPLETE:
        call_unhold(call, data.len - (call->message.body.len - before)); /* the prefix */
        return true;
    case GRPC_MESSAGE_COMPRESSED:
        refuse(why, RPC_INTERNAL,
               "the message is marked compressed, but no grpc-encoding is named");
        why->tell_encodings = true;
        return false;
    case GRPC_MESSAGE_BAD_FLAG:
        return refuse(why, RPC_INTERNAL, "the message's first byte is neither 0 nor 1");
    case GRPC_MESSAGE_TOO_LARGE:
        return refuse(why, RPC_RESOURCE_EXHAUSTED, "the message has %u bytes, the limit is %zu",
                      call->message.announced_bytes, limit);
    case GRPC_MESSAGE_SECOND:
        break;
    }
    return refuse(why, RPC_UNIMPLEMENTED, "a unary method takes one message: more came");
}

bool call_check_message(struct rpc_call *call, struct call_refusal *why)
{
    if (!grpc_message_reader_begun(&call->message)) {
        return refuse(why, RPC_UNIMPLEMENTED, "a unary method takes one message: none came");
    }
    if (grpc_message_reader_feed(&call->message, (struct bytes){NULL, 0}, SIZE_MAX) !=
        GRPC_MESSAGE_COMPLETE) {
        return refuse(why, RPC_INTERNAL, "the message is cut short");
    }
    return true;
}
