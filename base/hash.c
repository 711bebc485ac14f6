/*
 * hash.c - libxxhash and ISA-L behind our own types.
 */
#include "base/hash.h"

#include <isa-l/crc.h>
/* Short keys are hashed at every put: a call would cost more than the hash. */
#define XXH_INLINE_ALL
#include <xxhash.h>

static struct hash128 from_xxh(XXH128_hash_t hash)
{
    return (struct hash128){hash.low64, hash.high64};
}

struct hash128 hash128_of(struct bytes data)
{
    return from_xxh(XXH3_128bits(data.data, data.len));
}

struct hash128 hash128_of_pair(struct bytes a, struct bytes b)
{
    /* The first part seeds the second: no copy, and the boundary counts. */
    XXH128_hash_t first = XXH3_128bits(a.data, a.len);
    XXH128_hash_t second = XXH3_128bits_withSeed(b.data, b.len, first.low64);
    return (struct hash128){second.low64 ^ first.high64, second.high64 + first.low64};
}

struct hash128 hash128_add(struct hash128 a, struct hash128 b)
{
    uint64_t low = a.low + b.low;
    return (struct hash128){low, a.high + b.high + (low < a.low)};
}

struct hash128 hash128_subtract(struct hash128 a, struct hash128 b)
{
    return (struct hash128){a.low - b.low, a.high - b.high - (a.low < b.low)};
}

bool hash128_equal(struct hash128 a, struct hash128 b)
{
    return a.low == b.low && a.high == b.high;
}

uint32_t crc32c(uint32_t crc, const void *data, size_t len)
{
    /* ISA-L neither inverts for us nor takes more than an int. */
    const uint8_t *next = data;
    uint32_t state = ~crc;
    while (len > 0) {
        int part = len > (1 << 30) ? 1 << 30 : (int)len;
        state = crc32_iscsi((unsigned char *)(uintptr_t)next, part, state);
        next += part;
        len -= (size_t)part;
    }
    return ~state;
}
