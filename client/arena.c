/*
 * arena.c - see arena.h. The happy path is one comparison and one addition; a request that does not
 * fit opens a new chunk and leaves the rest of the old one unused. Nothing here can fail.
 */
#include "arena.h"

#include <assert.h>
#include <stdalign.h>
#include <stdlib.h>

#include "holdfast/holdfast.h"

#define ARENA_ALIGNMENT   alignof(max_align_t)
#define ARENA_CHUNK_BYTES 4096

struct arena_chunk {
    struct arena_chunk *next;
    alignas(max_align_t) uint8_t data[];
};

/* What stands in front of every public struct. The word is a guard against pointers that hf_free
 * never gave out, and against freeing twice. */
#define OBJECT_ALIVE UINT64_C(0x686f6c6466617374)
#define OBJECT_FREED UINT64_C(0x6465616464656164)

struct object {
    uint64_t state;
    struct arena arena;
    alignas(max_align_t) uint8_t data[];
};

static size_t round_up(size_t size)
{
    assert(size <= SIZE_MAX - ARENA_ALIGNMENT);
    return (size + ARENA_ALIGNMENT - 1) & ~(ARENA_ALIGNMENT - 1);
}

void arena_init(struct arena *arena, void *room, size_t room_bytes)
{
    assert((uintptr_t)room % ARENA_ALIGNMENT == 0);
    arena->next = room;
    arena->end = room == NULL ? NULL : (uint8_t *)room + room_bytes;
    arena->chunks = NULL;
}

void arena_free(struct arena *arena)
{
    while (arena->chunks != NULL) {
        struct arena_chunk *chunk = arena->chunks;
        arena->chunks = chunk->next;
        free(chunk);
    }
    arena->next = NULL;
    arena->end = NULL;
}

void *arena_alloc(struct arena *arena, size_t size)
{
    size = round_up(size);
    if (arena->next == NULL || (size_t)(arena->end - arena->next) < size) {
        size_t capacity = size > ARENA_CHUNK_BYTES ? size : ARENA_CHUNK_BYTES;
        struct arena_chunk *chunk = memory_alloc(sizeof(*chunk) + capacity);
        chunk->next = arena->chunks;
        arena->chunks = chunk;
        arena->next = chunk->data;
        arena->end = chunk->data + capacity;
    }
    void *memory = arena->next;
    arena->next += size;
    return memory;
}

void *arena_zalloc_array(struct arena *arena, size_t count, size_t size)
{
    if (count == 0) {
        return NULL;
    }
    assert(count <= SIZE_MAX / 2 / size);
    void *memory = arena_alloc(arena, count * size);
    memset(memory, 0, count * size);
    return memory;
}

char *arena_copy_string(struct arena *arena, const char *text)
{
    if (text == NULL) {
        return NULL;
    }
    size_t size = strlen(text) + 1;
    char *copy = arena_alloc(arena, size);
    memcpy(copy, text, size);
    return copy;
}

static void *allocator_alloc(void *arena, size_t size)
{
    return arena_alloc(arena, size);
}

static void allocator_free(void *arena, void *memory)
{
    (void)arena;
    (void)memory;
}

ProtobufCAllocator arena_allocator(struct arena *arena)
{
    return (ProtobufCAllocator){
        .alloc = allocator_alloc, .free = allocator_free, .allocator_data = arena};
}

static struct object *object_of(void *data)
{
    struct object *object = (struct object *)(void *)((uint8_t *)data - sizeof(struct object));
    assert(object->state == OBJECT_ALIVE && "not an object of libholdfast, or freed twice");
    return object;
}

void *object_new(size_t size, size_t room_bytes)
{
    size = round_up(size);
    room_bytes = round_up(room_bytes);
    struct object *object = memory_alloc(sizeof(*object) + size + room_bytes);
    object->state = OBJECT_ALIVE;
    memset(object->data, 0, size);
    arena_init(&object->arena, object->data + size, room_bytes);
    return object->data;
}

struct arena *object_arena(void *data)
{
    return &object_of(data)->arena;
}

void object_free(void *data)
{
    if (data == NULL) {
        return;
    }
    struct object *object = object_of(data);
    object->state = OBJECT_FREED;
    arena_free(&object->arena);
    free(object);
}

void hf_free(void *object)
{
    object_free(object);
}
