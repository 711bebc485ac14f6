/*
 * arena.h - memory that is taken piece by piece and given back at once.
 *
 * An arena serves one encode or one decode. It begins with room that its owner lends (on the
 * stack), so that a common call needs no malloc, and goes on in chunks. An object is what the
 * library hands to its users: a public struct at the front of a block that also holds the arena of
 * everything it points to, so that hf_free needs nothing but the pointer.
 *
 * Ownership: arena_free gives back the chunks, not the lent room. An object belongs to whoever has
 * the pointer. Threads: one at a time. Errors: memory that can't be had aborts. Bounds: what is put
 * in is bounded by the size of a message, which is checked before.
 */
#ifndef CLIENT_ARENA_H
#define CLIENT_ARENA_H

#include <protobuf-c/protobuf-c.h>

#include "base/bytes.h"

struct arena_chunk;

struct arena {
    uint8_t *next;
    uint8_t *end;
    struct arena_chunk *chunks;
};

/* `room` may be NULL with room_bytes 0. */
void arena_init(struct arena *arena, void *room, size_t room_bytes);
void arena_free(struct arena *arena);

/* Aligned for anything; not zeroed. */
void *arena_alloc(struct arena *arena, size_t size);
/* count * size, zeroed; NULL when count is 0. */
void *arena_zalloc_array(struct arena *arena, size_t count, size_t size);
/* A copy with a closing NUL; NULL stays NULL. */
char *arena_copy_string(struct arena *arena, const char *text);

/* For protobuf-c: its free does nothing. Valid while the arena is. */
ProtobufCAllocator arena_allocator(struct arena *arena);

/* A zeroed public struct of `size` bytes, with room for about `room_bytes` more in the same block.
 */
void *object_new(size_t size, size_t room_bytes);
/* The arena of what the object points to. */
struct arena *object_arena(void *object);
void object_free(void *object); /* NULL is fine */

#endif
