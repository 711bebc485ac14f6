/*
 * arena.h - memory for decoding one request: handed out in a row, given back all at once. What
 * protobuf-c decodes with many small allocations costs a pointer increment each, and a request
 * can't take more than the arena's limit.
 *
 * Ownership: what the allocator hands out is valid until arena_reset. Threads: one user at a time.
 */
#ifndef NODE_ARENA_H
#define NODE_ARENA_H

#include <protobuf-c/protobuf-c.h>
#include <stddef.h>

struct arena_chunk;

struct arena {
    ProtobufCAllocator allocator; /* to be given to protobuf-c; frees do nothing */
    struct arena_chunk *chunks;
    size_t used;
    size_t limit;
};

void arena_init(struct arena *arena, size_t limit_bytes);
/* NULL when the limit is reached. Aligned for any type. */
void *arena_alloc(struct arena *arena, size_t size);
/* Gives everything back but the first chunk. */
void arena_reset(struct arena *arena);
void arena_free(struct arena *arena);

#endif
