/*
 * random.h - numbers that spread retries, fill tests and draw loads: small, seeded, the same on
 * every machine. Not for secrets, nor for what must be unique: those ask the system.
 *
 * splitmix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, 2014): a counter
 * through a mixer; two seeds that are close give unrelated sequences. Whoever wants many sequences
 * of one seed takes random_sequence. Threads: one user at a time.
 */
#ifndef BASE_RANDOM_H
#define BASE_RANDOM_H

#include <stdint.h>

struct random {
    uint64_t state; /* any seed */
};

static inline uint64_t random_next(struct random *random)
{
    uint64_t z = random->state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

/* Sequence `n` of this seed. Not the one of seed + n, which neighbouring seeds would share, nor one
 * some steps of the counter away, which would be the same some draws later: seed and number go
 * through the mixer, one after the other. */
static inline struct random random_sequence(uint64_t seed, uint64_t n)
{
    struct random mixed = {seed};
    mixed.state = random_next(&mixed) + n;
    return (struct random){random_next(&mixed)};
}

#endif
