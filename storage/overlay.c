/*
 * overlay.c - an open-addressed hash table of entries that live in an arena, and a list of entries
 * per kind for ranges.
 *
 * Invariants: a key has at most one entry; entries never move and are never taken out before reset
 * (a removal is an entry that says so), hence probing stops at the first empty place; at most half
 * of the places are taken.
 *
 * The happy path of a put of a known key writes the value over the old one where it fits: a stock
 * that a thousand orders of one entry touch costs one value. What can fail: nothing but memory.
 */
#include "overlay.h"

#include <assert.h>
#include <stdlib.h>

#include "base/hash.h"
#include "base/limits.h"

#define KINDS        256
#define CHUNK_BYTES  (256u << 10)
#define FIRST_PLACES 1024u
/* A table that one huge entry has blown up is given back. */
#define KEPT_PLACES (64u << 10)

struct overlay_entry {
    struct overlay_record record;
    uint64_t hash;
    uint8_t *value_memory; /* what record.value views */
    size_t value_capacity;
    struct overlay_entry *next_of_kind;
};

struct chunk {
    struct chunk *next;
    size_t size;
    size_t used;
    max_align_t data[];
};

struct overlay {
    struct overlay_entry **places;
    size_t place_count; /* a power of two */
    size_t count;
    struct overlay_entry *of_kind[KINDS];
    struct chunk *chunks; /* the first is the one being filled */
    struct chunk *spare;
    size_t spare_bytes;
    const struct overlay_record **range;
    size_t range_capacity;
};

/* ---- arena ---- */

static struct chunk *take_chunk(struct overlay *overlay, size_t least)
{
    struct chunk *chunk = overlay->spare;
    if (chunk != NULL && chunk->size >= least) {
        overlay->spare = chunk->next;
        overlay->spare_bytes -= chunk->size;
    } else {
        size_t size = least > CHUNK_BYTES ? least : CHUNK_BYTES;
        chunk = memory_alloc(sizeof *chunk + size);
        chunk->size = size;
    }
    chunk->used = 0;
    chunk->next = overlay->chunks;
    overlay->chunks = chunk;
    return chunk;
}

static void *arena_take(struct overlay *overlay, size_t size)
{
    size_t aligned = (size + _Alignof(max_align_t) - 1) & ~(_Alignof(max_align_t) - 1);
    struct chunk *chunk = overlay->chunks;
    if (chunk == NULL || chunk->size - chunk->used < aligned) {
        chunk = take_chunk(overlay, aligned);
    }
    void *memory = (uint8_t *)chunk->data + chunk->used;
    chunk->used += aligned;
    return memory;
}

/* Ordinary chunks are kept up to the bound, large ones never. */
static void arena_reset(struct overlay *overlay)
{
    while (overlay->chunks != NULL) {
        struct chunk *chunk = overlay->chunks;
        overlay->chunks = chunk->next;
        if (chunk->size == CHUNK_BYTES &&
            overlay->spare_bytes + chunk->size <= STATE_OVERLAY_KEPT_BYTES) {
            chunk->next = overlay->spare;
            overlay->spare = chunk;
            overlay->spare_bytes += chunk->size;
        } else {
            free(chunk);
        }
    }
}

/* ---- table ---- */

static uint64_t hash_of(uint8_t kind, struct bytes key)
{
    return hash128_of(key).low ^ (uint64_t)kind * UINT64_C(0x9e3779b97f4a7c15);
}

static bool is_key(const struct overlay_entry *entry, uint64_t hash, uint8_t kind, struct bytes key)
{
    struct bytes own = entry->record.kind_and_key;
    return entry->hash == hash && own.len == key.len + 1 && own.data[0] == kind &&
           bytes_equal(bytes_of(own.data + 1, key.len), key);
}

/* Where the key's entry is, or would go. */
static struct overlay_entry **place_of(const struct overlay *overlay, uint64_t hash, uint8_t kind,
                                       struct bytes key)
{
    size_t mask = overlay->place_count - 1;
    size_t at = (size_t)hash & mask;
    while (overlay->places[at] != NULL && !is_key(overlay->places[at], hash, kind, key)) {
        at = (at + 1) & mask;
    }
    return &overlay->places[at];
}

static void insert_known_new(struct overlay *overlay, struct overlay_entry *entry)
{
    size_t mask = overlay->place_count - 1;
    size_t at = (size_t)entry->hash & mask;
    while (overlay->places[at] != NULL) {
        at = (at + 1) & mask;
    }
    overlay->places[at] = entry;
}

static void grow(struct overlay *overlay)
{
    struct overlay_entry **old = overlay->places;
    size_t old_count = overlay->place_count;
    overlay->place_count *= 2;
    overlay->places = memory_zalloc(overlay->place_count * sizeof(struct overlay_entry *));
    for (size_t i = 0; i < old_count; i++) {
        if (old[i] != NULL) {
            insert_known_new(overlay, old[i]);
        }
    }
    free(old);
}

static struct overlay_entry *find_or_add(struct overlay *overlay, uint8_t kind, struct bytes key)
{
    uint64_t hash = hash_of(kind, key);
    struct overlay_entry **place = place_of(overlay, hash, kind, key);
    if (*place != NULL) {
        return *place;
    }
    uint8_t *copy = arena_take(overlay, key.len + 1);
    copy[0] = kind;
    if (key.len > 0) {
        memcpy(copy + 1, key.data, key.len);
    }
    struct overlay_entry *entry = arena_take(overlay, sizeof *entry);
    *entry = (struct overlay_entry){
        .record = {.kind_and_key = bytes_of(copy, key.len + 1)},
        .hash = hash,
        .next_of_kind = overlay->of_kind[kind],
    };
    overlay->of_kind[kind] = entry;
    *place = entry;
    overlay->count++;
    if (overlay->count * 2 > overlay->place_count) {
        grow(overlay);
    }
    return entry;
}

/* ---- the interface ---- */

struct overlay *overlay_new(void)
{
    struct overlay *overlay = memory_zalloc(sizeof *overlay);
    overlay->place_count = FIRST_PLACES;
    overlay->places = memory_zalloc(FIRST_PLACES * sizeof(struct overlay_entry *));
    return overlay;
}

static void free_chunks(struct chunk *chunk)
{
    while (chunk != NULL) {
        struct chunk *next = chunk->next;
        free(chunk);
        chunk = next;
    }
}

void overlay_free(struct overlay *overlay)
{
    free_chunks(overlay->chunks);
    free_chunks(overlay->spare);
    free(overlay->places);
    free(overlay->range);
    free(overlay);
}

void overlay_reset(struct overlay *overlay)
{
    if (overlay->count == 0) {
        return;
    }
    if (overlay->place_count > KEPT_PLACES) {
        free(overlay->places);
        overlay->place_count = FIRST_PLACES;
        overlay->places = memory_zalloc(FIRST_PLACES * sizeof(struct overlay_entry *));
    } else {
        memset(overlay->places, 0, overlay->place_count * sizeof(struct overlay_entry *));
    }
    if (overlay->range_capacity > KEPT_PLACES) {
        free(overlay->range);
        overlay->range = NULL;
        overlay->range_capacity = 0;
    }
    memset(overlay->of_kind, 0, sizeof overlay->of_kind);
    overlay->count = 0;
    arena_reset(overlay);
}

void overlay_put(struct overlay *overlay, uint8_t kind, struct bytes key, struct bytes value)
{
    struct overlay_entry *entry = find_or_add(overlay, kind, key);
    if (entry->value_capacity < value.len) {
        /* Some room to grow: records with lines or texts change their length a little. */
        size_t capacity = value.len + value.len / 4;
        uint8_t *copy = arena_take(overlay, capacity);
        memcpy(copy, value.data, value.len);
        entry->value_memory = copy;
        entry->value_capacity = capacity;
    } else if (value.len > 0) {
        memmove(entry->value_memory, value.data, value.len);
    }
    entry->record.value = bytes_of(entry->value_memory, value.len);
    entry->record.removed = false;
}

void overlay_remove(struct overlay *overlay, uint8_t kind, struct bytes key)
{
    struct overlay_entry *entry = find_or_add(overlay, kind, key);
    entry->record.removed = true;
    entry->record.value.len = 0;
}

const struct overlay_record *overlay_find(const struct overlay *overlay, uint8_t kind,
                                          struct bytes key)
{
    if (overlay->of_kind[kind] == NULL) {
        return NULL;
    }
    struct overlay_entry *entry = *place_of(overlay, hash_of(kind, key), kind, key);
    return entry != NULL ? &entry->record : NULL;
}

size_t overlay_count(const struct overlay *overlay)
{
    return overlay->count;
}

static int compare_records(const void *a, const void *b)
{
    const struct overlay_record *const *left = a;
    const struct overlay_record *const *right = b;
    return bytes_compare((*left)->kind_and_key, (*right)->kind_and_key);
}

size_t overlay_range(struct overlay *overlay, uint8_t kind, struct bytes from, struct bytes to,
                     const struct overlay_record *const **records)
{
    size_t count = 0;
    for (const struct overlay_entry *entry = overlay->of_kind[kind]; entry != NULL;
         entry = entry->next_of_kind) {
        struct bytes key =
            bytes_of(entry->record.kind_and_key.data + 1, entry->record.kind_and_key.len - 1);
        if (bytes_compare(key, from) < 0 || (to.len > 0 && bytes_compare(key, to) >= 0)) {
            continue;
        }
        if (count == overlay->range_capacity) {
            overlay->range_capacity = count == 0 ? 64 : count * 2;
            overlay->range = memory_realloc(
                overlay->range, overlay->range_capacity * sizeof(const struct overlay_record *));
        }
        overlay->range[count++] = &entry->record;
    }
    if (count > 1) {
        qsort(overlay->range, count, sizeof(const struct overlay_record *), compare_records);
    }
    *records = overlay->range;
    return count;
}

void overlay_each(struct overlay *overlay,
                  void (*visit)(void *context, const struct overlay_record *record), void *context)
{
    for (unsigned kind = 0; kind < KINDS; kind++) {
        const struct overlay_record *const *records;
        size_t count =
            overlay_range(overlay, (uint8_t)kind, (struct bytes){0}, (struct bytes){0}, &records);
        for (size_t i = 0; i < count; i++) {
            visit(context, records[i]);
        }
    }
}
