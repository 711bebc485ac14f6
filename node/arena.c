/*
 * arena.c - a list of chunks, newest first; the oldest, of fixed size, stays for the next request.
 */
#include "arena.h"

#include <stdalign.h>
#include <stdlib.h>

#include "base/bytes.h"

#define CHUNK_BYTES ((size_t)64 << 10)

struct arena_chunk {
    struct arena_chunk *older;
    size_t used;
    size_t size;
    alignas(max_align_t) uint8_t data[];
};

static void *allocate(void *context, size_t size)
{
    return arena_alloc(context, size);
}

static void release(void *context, void *memory)
{
    (void)context;
    (void)memory;
}

static struct arena_chunk *chunk_new(struct arena_chunk *older, size_t size)
{
    struct arena_chunk *chunk = memory_alloc(sizeof *chunk + size);
    chunk->older = older;
    chunk->used = 0;
    chunk->size = size;
    return chunk;
}

void arena_init(struct arena *arena, size_t limit_bytes)
{
    arena->allocator =
        (ProtobufCAllocator){.alloc = allocate, .free = release, .allocator_data = arena};
    arena->chunks = chunk_new(NULL, CHUNK_BYTES);
    arena->used = 0;
    arena->limit = limit_bytes;
}

void *arena_alloc(struct arena *arena, size_t size)
{
    const size_t align = alignof(max_align_t);
    if (size > arena->limit - arena->used || arena->limit - arena->used - size < align) {
        return NULL;
    }
    size = (size + align - 1) / align * align;
    struct arena_chunk *chunk = arena->chunks;
    if (chunk->size - chunk->used < size) {
        chunk = chunk_new(chunk, size > CHUNK_BYTES ? size : CHUNK_BYTES);
        arena->chunks = chunk;
    }
    void *memory = chunk->data + chunk->used;
    chunk->used += size;
    arena->used += size;
    return memory;
}

void arena_reset(struct arena *arena)
{
    while (arena->chunks->older != NULL) {
        struct arena_chunk *older = arena->chunks->older;
        free(arena->chunks);
        arena->chunks = older;
    }
    arena->chunks->used = 0;
    arena->used = 0;
}

void arena_free(struct arena *arena)
{
    arena_reset(arena);
    free(arena->chunks);
    arena->chunks = NULL;
}
