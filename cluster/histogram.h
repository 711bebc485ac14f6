/*
 * histogram.h - latencies in fixed memory, each kept to better than 1 % (the log-linear layout that
 * HdrHistogram made known): values below 2^8 have a bucket each, above that every power of two is
 * cut into 2^7 equal buckets. Nanoseconds up to 2^42 (73 minutes); what is longer counts as that.
 */
#ifndef CLUSTER_HISTOGRAM_H
#define CLUSTER_HISTOGRAM_H

#include <stdbool.h>
#include <stdint.h>

#define HISTOGRAM_SUB_BITS 7
#define HISTOGRAM_MAX_BITS 42
#define HISTOGRAM_BUCKETS  ((HISTOGRAM_MAX_BITS - HISTOGRAM_SUB_BITS + 1) << HISTOGRAM_SUB_BITS)

struct histogram {
    uint64_t count;
    uint64_t max_ns; /* exact */
    uint64_t buckets[HISTOGRAM_BUCKETS];
};

void histogram_record(struct histogram *histogram, uint64_t value_ns);
/* The smallest bound that at least `percent` of the values don't exceed, never above max_ns; 0 for
 * an empty histogram. 0 < percent <= 100. */
uint64_t histogram_percentile_ns(const struct histogram *histogram, double percent);
double histogram_percentile_ms(const struct histogram *histogram, double percent);
double histogram_max_ms(const struct histogram *histogram);

#endif
