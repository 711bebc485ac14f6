/*
 * histogram.c - the log-linear buckets. Zero-initialised is empty. Nothing can fail.
 */
#include "histogram.h"

#include <assert.h>
#include <math.h>

#define SUB_COUNT (UINT64_C(1) << HISTOGRAM_SUB_BITS)
#define MAX_VALUE ((UINT64_C(1) << HISTOGRAM_MAX_BITS) - 1)

/* A value of b bits, b > SUB_BITS, is shifted right by b - SUB_BITS - 1 so that its top SUB_BITS +
 * 1 bits are left; the shift numbers the group of SUB_COUNT buckets. */
static uint64_t bucket_of(uint64_t value)
{
    if (value < SUB_COUNT) {
        return value;
    }
    unsigned bits = 64 - (unsigned)__builtin_clzll(value);
    unsigned shift = bits - HISTOGRAM_SUB_BITS - 1;
    return (uint64_t)shift * SUB_COUNT + (value >> shift);
}

/* The largest value that falls into the bucket. */
static uint64_t bucket_top(uint64_t bucket)
{
    if (bucket < 2 * SUB_COUNT) {
        return bucket;
    }
    unsigned shift = (unsigned)(bucket / SUB_COUNT) - 1;
    uint64_t top_bits = bucket - (uint64_t)shift * SUB_COUNT;
    return ((top_bits + 1) << shift) - 1;
}

void histogram_record(struct histogram *histogram, uint64_t value_ns)
{
    uint64_t bucket = bucket_of(value_ns < MAX_VALUE ? value_ns : MAX_VALUE);
    assert(bucket < HISTOGRAM_BUCKETS);
    histogram->buckets[bucket]++;
    histogram->count++;
    if (value_ns > histogram->max_ns) {
        histogram->max_ns = value_ns;
    }
}

uint64_t histogram_percentile_ns(const struct histogram *histogram, double percent)
{
    assert(percent > 0 && percent <= 100);
    uint64_t rank = (uint64_t)ceil((double)histogram->count * percent / 100);
    uint64_t seen = 0;
    for (uint64_t bucket = 0; bucket < HISTOGRAM_BUCKETS; bucket++) {
        seen += histogram->buckets[bucket];
        if (seen >= rank && seen > 0) {
            uint64_t top = bucket_top(bucket);
            bool last = seen == histogram->count;
            return last || top > histogram->max_ns ? histogram->max_ns : top;
        }
    }
    return histogram->max_ns;
}

double histogram_percentile_ms(const struct histogram *histogram, double percent)
{
    return (double)histogram_percentile_ns(histogram, percent) / 1e6;
}

double histogram_max_ms(const struct histogram *histogram)
{
    return (double)histogram->max_ns / 1e6;
}
