/*
 * wire.h - the sending half of a socket: gathered bytes leave in one write; what the socket does
 * not take at once is kept and nothing more is taken until it is gone.
 */
#ifndef RPC_WIRE_H
#define RPC_WIRE_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "base/bytes.h"

struct wire {
    uv_stream_t *stream;
    struct buffer gathered; /* the user appends here, then calls wire_write */
    struct buffer leaving;
    uv_write_t request;
    bool busy;
    uint64_t handed_bytes; /* to the socket, in all */
    /* A write that had to wait is done (0) or failed; not called for a closed handle. */
    void (*done)(struct wire *wire, int status);
};

void wire_open(struct wire *wire, uv_stream_t *stream, void (*done)(struct wire *wire, int status));
/* Writes what is gathered. 0, or libuv's error. Not while busy. */
int wire_write(struct wire *wire);
/* Grows as the socket takes bytes: what has not changed is stuck. */
uint64_t wire_progress(const struct wire *wire);
/* After the handle has been closed. */
void wire_free(struct wire *wire);

#endif
