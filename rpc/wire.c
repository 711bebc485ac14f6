/*
 * wire.c - writes to a socket: at once as far as it takes them (uv_try_write, no allocation), the
 * rest by uv_write from a buffer of its own.
 *
 * Invariant: `leaving` is not empty exactly while busy. The happy path: gather, wire_write, done at
 * once. What can fail: the socket; its owner cuts the connection.
 */
#include "wire.h"

#include <assert.h>
#include <limits.h>

void wire_open(struct wire *wire, uv_stream_t *stream, void (*done)(struct wire *wire, int status))
{
    *wire = (struct wire){.stream = stream, .done = done};
    wire->request.data = wire;
}

static void on_written(uv_write_t *request, int status)
{
    struct wire *wire = request->data;
    wire->busy = false;
    buffer_clear(&wire->leaving);
    if (status != UV_ECANCELED) {
        wire->done(wire, status);
    }
}

static uv_buf_t whole(struct buffer *buffer, size_t from)
{
    assert(buffer->len - from <= UINT_MAX);
    return uv_buf_init((char *)buffer->data + from, (unsigned)(buffer->len - from));
}

int wire_write(struct wire *wire)
{
    assert(!wire->busy);
    if (wire->gathered.len == 0) {
        return 0;
    }
    uv_buf_t all = whole(&wire->gathered, 0);
    int taken = uv_try_write(wire->stream, &all, 1);
    if (taken == UV_EAGAIN) {
        taken = 0;
    }
    if (taken < 0) {
        return taken;
    }
    wire->handed_bytes += wire->gathered.len;
    if ((size_t)taken == wire->gathered.len) {
        buffer_clear(&wire->gathered);
        return 0;
    }
    struct buffer spare = wire->leaving;
    wire->leaving = wire->gathered;
    wire->gathered = spare;
    uv_buf_t rest = whole(&wire->leaving, (size_t)taken);
    int result = uv_write(&wire->request, wire->stream, &rest, 1, on_written);
    wire->busy = result == 0;
    return result;
}

uint64_t wire_progress(const struct wire *wire)
{
    return wire->handed_bytes - uv_stream_get_write_queue_size(wire->stream);
}

void wire_free(struct wire *wire)
{
    assert(!wire->busy);
    buffer_free(&wire->gathered);
    buffer_free(&wire->leaving);
}
