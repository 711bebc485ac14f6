/*
 * token_bucket.c - the arithmetic; within the bounds of the header nothing overflows: 2^30 bytes at
 * 2^10 bytes a second are 2^20 seconds, 2^50 nanoseconds.
 */
#include "token_bucket.h"

#include <assert.h>

#define SECOND_NS  UINT64_C(1000000000)
#define MOST_BYTES (UINT64_C(1) << 30)
#define LEAST_RATE UINT64_C(1024)

static uint64_t refill_ns(uint64_t rate, uint64_t bytes)
{
    assert(bytes <= MOST_BYTES);
    return bytes * SECOND_NS / rate;
}

struct token_bucket token_bucket_of(uint64_t rate, uint64_t burst_bytes)
{
    assert(rate == 0 || rate >= LEAST_RATE);
    return (struct token_bucket){
        .rate = rate,
        .burst_ns = rate != 0 ? refill_ns(rate, burst_bytes) : 0,
    };
}

uint64_t token_bucket_wait_ns(const struct token_bucket *bucket, uint64_t now_ns)
{
    uint64_t filling_ns = bucket->full_ns > now_ns ? bucket->full_ns - now_ns : 0;
    if (filling_ns == 0 || filling_ns < bucket->burst_ns) {
        return 0;
    }
    return filling_ns - bucket->burst_ns + 1; /* not empty any more */
}

void token_bucket_take(struct token_bucket *bucket, uint64_t now_ns, size_t bytes)
{
    if (bucket->rate != 0) {
        uint64_t from_ns = bucket->full_ns > now_ns ? bucket->full_ns : now_ns;
        bucket->full_ns = from_ns + refill_ns(bucket->rate, bytes);
    }
}
