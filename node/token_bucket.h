/*
 * token_bucket.h - how fast something may leave: a bucket that fills at the rate, up to what may
 * leave at once. Pure: the clock is handed in.
 *
 * It is kept as one number, the time at which the bucket will be full again: what was taken moves
 * it on by the time that refilling takes, so nothing is counted in ticks and no fraction is lost.
 * As long as the bucket is not empty anything may be taken, also more than there is; the debt is
 * waited for afterwards. So over any while T no more leaves than rate * T + burst + the largest
 * piece.
 *
 * Units: nanoseconds of a clock that never goes back, bytes. Threads: none of its own.
 */
#ifndef NODE_TOKEN_BUCKET_H
#define NODE_TOKEN_BUCKET_H

#include <stddef.h>
#include <stdint.h>

struct token_bucket {
    uint64_t rate;     /* bytes per second; 0: no limit */
    uint64_t burst_ns; /* an empty bucket is full after so long */
    uint64_t full_ns;  /* when it will be */
};

/* Full. `rate` is 0, or at least 1 KiB per second; the burst at most 1 GiB. */
struct token_bucket token_bucket_of(uint64_t rate, uint64_t burst_bytes);
/* How long from now until something may be taken; 0: now. */
uint64_t token_bucket_wait_ns(const struct token_bucket *bucket, uint64_t now_ns);
/* At most 1 GiB. */
void token_bucket_take(struct token_bucket *bucket, uint64_t now_ns, size_t bytes);

#endif
