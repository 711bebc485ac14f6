/*
 * decode_parts.h - what decode.c and decode_cluster.c share: the way from a reply's bytes to a
 * message, and from its fields to those of the public structs.
 */
#ifndef CLIENT_DECODE_PARTS_H
#define CLIENT_DECODE_PARTS_H

#include <stdalign.h>

#include "arena.h"
#include "base/error.h"
#include "google/protobuf/timestamp.pb-c.h"

/* A reply's message lives here until its object is filled; a common one needs no malloc. */
#define SCRATCH_BYTES 4096

struct scratch {
    alignas(max_align_t) uint8_t room[SCRATCH_BYTES];
    struct arena arena;
};

/* The message, valid until arena_free(&scratch->arena). NULL: the bytes are none. */
void *decode_unpack(struct scratch *scratch, const ProtobufCMessageDescriptor *descriptor,
                    struct bytes reply, struct error *error);

/* Unix time; NULL is 0. */
int64_t decode_timestamp_ms(const Google__Protobuf__Timestamp *timestamp);
/* Strings of replies are never NULL. */
const char *decode_text(struct arena *arena, const char *text);

#endif
