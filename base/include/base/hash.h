/*
 * hash.h - the two hashes of the project. XXH3-128 (libxxhash) where equality or a digest is
 * wanted; CRC-32C (ISA-L) where a disk or a wire must not lie. Neither resists an attacker who may
 * choose its input; nothing here relies on that.
 */
#ifndef BASE_HASH_H
#define BASE_HASH_H

#include "base/bytes.h"

struct hash128 {
    uint64_t low;
    uint64_t high;
};

struct hash128 hash128_of(struct bytes data);
/* The hash of a then b, with a boundary between them: ("a","bc") and ("ab","c") differ. */
struct hash128 hash128_of_pair(struct bytes a, struct bytes b);
/* Sums modulo 2^128, for digests that must not depend on order. */
struct hash128 hash128_add(struct hash128 a, struct hash128 b);
struct hash128 hash128_subtract(struct hash128 a, struct hash128 b);
bool hash128_equal(struct hash128 a, struct hash128 b);

/* CRC-32C (RFC 3720, Castagnoli). Chain by passing the last result; begin with 0. */
uint32_t crc32c(uint32_t crc, const void *data, size_t len);

#endif
