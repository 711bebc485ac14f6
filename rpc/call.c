/*
 * call.c - the life of a call on the server's side, as drawn in call.h, and the registry's totals.
 *
 * Invariants: stats.calls counts the calls in RECEIVING and HANDLED; stats.call_bytes is the sum of
 * held_bytes over all calls; a call is linked into its session's list exactly while it has one; it
 * is in the deadline queue only with a session and in RECEIVING or HANDLED.
 * The happy path: call_begin -> call_start_clock -> call_handle -> rpc_call_reply -> (the session
 * sends) -> call_abandon when the stream closes.
 * What can fail: too many calls, too many bytes; both are answered by the session at once.
 */
#include "call.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/hash.h"
#include "base/limits.h"
#include "http2_server_session.h"

/* Calls kept for the next ones, and what each may keep of its memory. */
#define FREE_CALLS_KEPT 1024
#define FREE_BYTES_KEPT 4096
/* A call's own weight in the total of bytes held: the structs of ours and of nghttp2, so that many
 * empty calls count too. */
#define CALL_OVERHEAD_BYTES 1024

/* ---- the registry ---- */

static size_t or_default_size(size_t value, size_t otherwise)
{
    return value != 0 ? value : otherwise;
}

static uint64_t or_default_ms(uint64_t value, uint64_t otherwise)
{
    return value != 0 ? value : otherwise;
}

static struct rpc_server_limits limits_with_defaults(const struct rpc_server_limits *from)
{
    return (struct rpc_server_limits){
        .message_bytes = or_default_size(from->message_bytes, LIMIT_MESSAGE_BYTES),
        .headers = or_default_size(from->headers, LIMIT_HEADERS),
        .header_bytes = or_default_size(from->header_bytes, LIMIT_HEADER_BYTES),
        .connections = or_default_size(from->connections, LIMIT_CONNECTIONS),
        .streams_per_connection =
            or_default_size(from->streams_per_connection, LIMIT_STREAMS_PER_CONNECTION),
        .calls = or_default_size(from->calls, LIMIT_CALLS),
        .call_bytes = or_default_size(from->call_bytes, LIMIT_CALL_BYTES),
        .send_bytes_per_connection =
            or_default_size(from->send_bytes_per_connection, LIMIT_SEND_BYTES_PER_CONNECTION),
        .deadline_ms = or_default_ms(from->deadline_ms, LIMIT_DEADLINE_MS),
        .default_deadline_ms = or_default_ms(from->default_deadline_ms, DEFAULT_DEADLINE_MS),
        .preface_timeout_ms = or_default_ms(from->preface_timeout_ms, LIMIT_PREFACE_MS),
        .stall_timeout_ms = or_default_ms(from->stall_timeout_ms, LIMIT_STALL_MS),
    };
}

struct call_registry *call_registry_new(const struct rpc_server_config *config, size_t extra)
{
    struct call_registry *registry = memory_zalloc(sizeof *registry);
    registry->limits = limits_with_defaults(&config->limits);
    registry->notice_context = config->context;
    registry->on_notice = config->on_notice;
    registry->references = 1;
    registry->method_slots = 16;
    while (registry->method_slots < 2 * (config->method_count + extra)) {
        registry->method_slots *= 2;
    }
    registry->methods = memory_zalloc(registry->method_slots * sizeof registry->methods[0]);
    for (size_t i = 0; i < config->method_count; i++) {
        call_registry_add_method(registry, config->methods[i].path, config->methods[i].handler,
                                 config->context);
    }
    return registry;
}

/* The slot that holds the path, or the free one where it belongs. */
static struct call_method *method_slot(const struct call_registry *registry, struct bytes path)
{
    size_t mask = registry->method_slots - 1;
    for (size_t at = (size_t)hash128_of(path).low & mask;; at = (at + 1) & mask) {
        struct call_method *slot = &registry->methods[at];
        if (slot->path == NULL || bytes_equal(bytes_of_string(slot->path), path)) {
            return slot;
        }
    }
}

void call_registry_add_method(struct call_registry *registry, const char *path, rpc_handler handler,
                              void *context)
{
    struct call_method *slot = method_slot(registry, bytes_of_string(path));
    assert(slot->path == NULL); /* no path twice */
    *slot = (struct call_method){.path = path, .handler = handler, .context = context};
}

const struct call_method *call_registry_find_method(const struct call_registry *registry,
                                                    struct bytes path)
{
    const struct call_method *slot = method_slot(registry, path);
    return slot->path != NULL ? slot : NULL;
}

static void call_free(struct rpc_call *call)
{
    header_list_free(&call->headers.list);
    header_list_free(&call->reply_headers);
    buffer_free(&call->message.body);
    buffer_free(&call->reply);
    free(call);
}

void call_registry_unref(struct call_registry *registry)
{
    assert(registry->references > 0);
    registry->references--;
    if (registry->references > 0) {
        return;
    }
    while (registry->free_calls != NULL) {
        struct rpc_call *call = registry->free_calls;
        registry->free_calls = call->next;
        call_free(call);
    }
    deadline_queue_free(&registry->deadlines);
    free(registry->methods);
    free(registry);
}

void call_registry_notice(struct call_registry *registry, const char *format, ...)
{
    if (registry->on_notice == NULL) {
        return;
    }
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    registry->on_notice(registry->notice_context, text);
}

static struct rpc_call *call_of_deadline(struct deadline_entry *entry)
{
    return (struct rpc_call *)(void *)((char *)entry - offsetof(struct rpc_call, deadline));
}

void call_registry_expire(struct call_registry *registry)
{
    struct deadline_entry *entry;
    while ((entry = deadline_queue_first(&registry->deadlines)) != NULL &&
           entry->due_ms <= registry->now_ms) {
        struct rpc_call *call = call_of_deadline(entry);
        http2_server_session_refuse(call->session, call->stream_id, RPC_DEADLINE_EXCEEDED,
                                    "the deadline passed before the call was done",
                                    &call->reply_headers);
        call_abandon(call);
    }
}

/* ---- a call's beginning and end ---- */

static void move_to(struct rpc_call *call, enum call_state next)
{
    static const bool allowed[4][4] = {
        [CALL_FREE] = {[CALL_RECEIVING] = true},
        [CALL_RECEIVING] = {[CALL_HANDLED] = true, [CALL_FREE] = true},
        [CALL_HANDLED] = {[CALL_SENDING] = true, [CALL_FREE] = true},
        [CALL_SENDING] = {[CALL_FREE] = true},
    };
    assert(allowed[call->state][next]);
    call->state = next;
}

static void link_to(struct rpc_call *call, struct http2_server_session *session)
{
    struct rpc_call **first = http2_server_session_calls(session);
    call->session = session;
    call->previous = NULL;
    call->next = *first;
    if (call->next != NULL) {
        call->next->previous = call;
    }
    *first = call;
}

static void unlink_from_session(struct rpc_call *call)
{
    if (call->session == NULL) {
        return;
    }
    if (call->previous != NULL) {
        call->previous->next = call->next;
    } else {
        *http2_server_session_calls(call->session) = call->next;
    }
    if (call->next != NULL) {
        call->next->previous = call->previous;
    }
    http2_server_session_forget(call->session, call);
    call->session = NULL;
    call->next = NULL;
    call->previous = NULL;
}

struct rpc_call *call_begin(struct call_registry *registry, struct http2_server_session *session,
                            int32_t stream_id)
{
    if (registry->stats.calls >= registry->limits.calls ||
        registry->stats.call_bytes + CALL_OVERHEAD_BYTES > registry->limits.call_bytes) {
        return NULL;
    }
    struct rpc_call *call = registry->free_calls;
    if (call != NULL) {
        registry->free_calls = call->next;
        registry->free_count--;
    } else {
        call = memory_zalloc(sizeof *call);
        call->registry = registry;
    }
    registry->references++;
    registry->stats.calls++;
    move_to(call, CALL_RECEIVING);
    call->stream_id = stream_id;
    call->headers.timeout_ms = UINT64_MAX;
    call->held_bytes = CALL_OVERHEAD_BYTES;
    registry->stats.call_bytes += CALL_OVERHEAD_BYTES;
    link_to(call, session);
    return call;
}

static void keep_small(struct buffer *buffer)
{
    buffer_clear(buffer);
    if (buffer->capacity > FREE_BYTES_KEPT) {
        buffer_free(buffer);
    }
}

static void release(struct rpc_call *call)
{
    if (call->in_handler) {
        /* The handler may still look at its message. */
        call->released_in_handler = true;
        return;
    }
    struct call_registry *registry = call->registry;
    call_unhold(call, call->held_bytes);
    header_list_clear(&call->headers.list);
    header_list_clear(&call->reply_headers);
    grpc_message_reader_reset(&call->message);
    keep_small(&call->headers.list.text);
    keep_small(&call->reply_headers.text);
    keep_small(&call->message.body);
    keep_small(&call->reply);
    *call = (struct rpc_call){
        .registry = registry,
        .headers.list = call->headers.list,
        .reply_headers = call->reply_headers,
        .message.body = call->message.body,
        .reply = call->reply,
        .next = registry->free_calls,
    };
    if (registry->free_count < FREE_CALLS_KEPT) {
        registry->free_calls = call;
        registry->free_count++;
    } else {
        call_free(call);
    }
    call_registry_unref(registry);
}

/* Out of its session and its deadline, and no longer counted among the unanswered. */
static void end(struct rpc_call *call)
{
    if (call->state == CALL_RECEIVING || call->state == CALL_HANDLED) {
        call->registry->stats.calls--;
    }
    deadline_queue_remove(&call->registry->deadlines, &call->deadline);
    unlink_from_session(call);
    move_to(call, CALL_FREE);
    release(call);
}

void call_start_clock(struct rpc_call *call)
{
    const struct rpc_server_limits *limits = &call->registry->limits;
    uint64_t timeout_ms = call->headers.timeout_ms;
    if (timeout_ms == UINT64_MAX) {
        timeout_ms = limits->default_deadline_ms;
    }
    if (timeout_ms > limits->deadline_ms) {
        timeout_ms = limits->deadline_ms;
    }
    deadline_queue_add(&call->registry->deadlines, &call->deadline,
                       call->registry->now_ms + timeout_ms);
}

bool call_hold(struct rpc_call *call, size_t bytes)
{
    struct call_registry *registry = call->registry;
    if (bytes > registry->limits.call_bytes ||
        registry->stats.call_bytes > registry->limits.call_bytes - bytes) {
        return false;
    }
    registry->stats.call_bytes += bytes;
    call->held_bytes += bytes;
    return true;
}

void call_unhold(struct rpc_call *call, size_t bytes)
{
    assert(bytes <= call->held_bytes && bytes <= call->registry->stats.call_bytes);
    call->held_bytes -= bytes;
    call->registry->stats.call_bytes -= bytes;
}

void call_handle(struct rpc_call *call)
{
    move_to(call, CALL_HANDLED);
    call->registry->stats.calls_total++;
    call->in_handler = true;
    call->method->handler(call->method->context, call, buffer_bytes(&call->message.body));
    call->in_handler = false;
    if (call->released_in_handler) {
        release(call);
        return;
    }
    call_unhold(call, call->message.body.len);
    grpc_message_reader_reset(&call->message);
    keep_small(&call->message.body);
}

void call_abandon(struct rpc_call *call)
{
    if (call->state != CALL_HANDLED) {
        end(call);
        return;
    }
    deadline_queue_remove(&call->registry->deadlines, &call->deadline);
    unlink_from_session(call);
    void (*cancelled)(void *context, struct rpc_call *of) = call->cancelled;
    call->cancelled = NULL;
    if (cancelled != NULL) {
        cancelled(call->cancelled_context, call);
    }
}

/* ---- what handlers see ---- */

const char *rpc_call_path(const struct rpc_call *call)
{
    return call->method->path;
}

const char *rpc_call_metadata(const struct rpc_call *call, const char *name)
{
    return header_list_find(&call->headers.list, name);
}

uint64_t rpc_call_deadline_ms(const struct rpc_call *call)
{
    return call->deadline.due_ms;
}

void rpc_call_set_cancelled(struct rpc_call *call,
                            void (*cancelled)(void *context, struct rpc_call *call), void *context)
{
    assert(call->state == CALL_HANDLED);
    call->cancelled = cancelled;
    call->cancelled_context = context;
}

void rpc_call_set_metadata(struct rpc_call *call, const char *name, const char *value)
{
    assert(call->state == CALL_HANDLED && call->reply_headers.count < LIMIT_REPLY_HEADERS);
    assert(name[0] != '\0');
    for (const char *at = name; *at != '\0'; at++) {
        assert((*at >= 'a' && *at <= 'z') || (*at >= '0' && *at <= '9') || *at == '-' ||
               *at == '_' || *at == '.');
    }
    for (const char *at = value; *at != '\0'; at++) {
        assert(*at >= 0x20 && *at <= 0x7e);
    }
    header_list_add(&call->reply_headers, bytes_of_string(name), bytes_of_string(value));
}

/* The reply is in call->reply; sends it, or drops it when nobody waits. */
static void reply(struct rpc_call *call)
{
    assert(call->state == CALL_HANDLED);
    if (call->session == NULL || http2_server_session_is_disconnected(call->session)) {
        end(call);
        return;
    }
    if (call->reply.len > LIMIT_REPLY_BYTES) {
        size_t len = call->reply.len;
        rpc_call_fail(call, RPC_INTERNAL, "the reply has %zu bytes, the limit is %u", len,
                      LIMIT_REPLY_BYTES);
        return;
    }
    /* Never refused, since the work is done; but a client that leaves its replies lying is cut
     * when memory is short. */
    if (!call_hold(call, call->reply.len)) {
        if (http2_server_session_is_behind(call->session)) {
            struct http2_server_session *session = call->session;
            end(call);
            http2_server_session_fault(session, "leaves its replies lying while the server holds "
                                                "more than its limit of bytes");
            return;
        }
        call->held_bytes += call->reply.len;
        call->registry->stats.call_bytes += call->reply.len;
    }
    call->registry->stats.calls--;
    deadline_queue_remove(&call->registry->deadlines, &call->deadline);
    move_to(call, CALL_SENDING);
    grpc_prefix_write(call->reply_prefix, call->reply.len);
    call->reply_sent = 0;
    http2_server_session_reply(call->session, call);
}

void rpc_call_reply(struct rpc_call *call, struct bytes message)
{
    buffer_clear(&call->reply);
    if (call->session != NULL) {
        buffer_append_bytes(&call->reply, message);
    }
    reply(call);
}

void rpc_call_reply_take(struct rpc_call *call, struct buffer *message)
{
    buffer_free(&call->reply);
    call->reply = *message;
    *message = (struct buffer){0};
    reply(call);
}

/* What is not UTF-8 loses its odd bytes; what is too long ends at a character's end. */
static size_t make_presentable(char *text, size_t len, bool cut)
{
    while (cut && len > 0 && ((unsigned char)text[len] & 0xc0) == 0x80) {
        len--;
    }
    if (!bytes_is_utf8(bytes_of(text, len))) {
        for (size_t i = 0; i < len; i++) {
            text[i] = (unsigned char)text[i] < 0x80 ? text[i] : '?';
        }
    }
    text[len] = '\0';
    return len;
}

void rpc_call_fail(struct rpc_call *call, enum rpc_status status, const char *format, ...)
{
    assert(call->state == CALL_HANDLED && status != RPC_OK);
    if (call->session != NULL) {
        char text[LIMIT_STATUS_MESSAGE_BYTES + 2];
        va_list arguments;
        va_start(arguments, format);
        int len = vsnprintf(text, sizeof text, format, arguments);
        va_end(arguments);
        assert(len >= 0);
        bool cut = len > LIMIT_STATUS_MESSAGE_BYTES;
        make_presentable(text, cut ? LIMIT_STATUS_MESSAGE_BYTES : (size_t)len, cut);
        http2_server_session_refuse(call->session, call->stream_id, status, text,
                                    &call->reply_headers);
    }
    end(call);
}
