/*
 * sim_clock.h - the two clocks of a simulated machine. Both run at a rate of their own; the
 * monotonic one never goes back and begins anew when the machine does; the wall clock jumps when
 * somebody sets it.
 *
 * Units: the world's microseconds in, the machine's milliseconds out.
 */
#ifndef TESTS_SIM_CLOCK_H
#define TESTS_SIM_CLOCK_H

#include <stdint.h>

/* When all simulated wall clocks would agree, in Unix milliseconds: some day in 2025. */
#define SIM_WALL_BEGIN_MS INT64_C(1750000000000)

struct sim_clock {
    uint64_t since_us;   /* world time of the last change of rate */
    uint64_t elapsed_us; /* the machine's own time then, since it was made */
    int64_t rate_ppm;    /* faster by so many millionths */
    uint64_t boot_us;    /* the machine's own time when it started, less where its clock began */
    int64_t wall_offset_ms;
};

/* The machine's own time, which nothing but the rate changes. */
static inline uint64_t sim_clock_elapsed_us(const struct sim_clock *clock, uint64_t now_us)
{
    int64_t passed_us = (int64_t)(now_us - clock->since_us);
    return clock->elapsed_us + (uint64_t)(passed_us + passed_us * clock->rate_ppm / 1000000);
}

static inline void sim_clock_set_rate(struct sim_clock *clock, uint64_t now_us, int64_t rate_ppm)
{
    clock->elapsed_us = sim_clock_elapsed_us(clock, now_us);
    clock->since_us = now_us;
    clock->rate_ppm = rate_ppm;
}

/* The machine starts: its monotonic clock shows about this, anything. */
static inline void sim_clock_boot(struct sim_clock *clock, uint64_t now_us, uint64_t begin_us)
{
    clock->boot_us = sim_clock_elapsed_us(clock, now_us) - begin_us;
}

static inline uint64_t sim_clock_monotonic_ms(const struct sim_clock *clock, uint64_t now_us)
{
    return (sim_clock_elapsed_us(clock, now_us) - clock->boot_us) / 1000;
}

static inline int64_t sim_clock_wall_ms(const struct sim_clock *clock, uint64_t now_us)
{
    return SIM_WALL_BEGIN_MS + clock->wall_offset_ms +
           (int64_t)(sim_clock_elapsed_us(clock, now_us) / 1000);
}

/* How long, in the world's time, until the monotonic clock shows this; 0: it does. */
static inline uint64_t sim_clock_until_us(const struct sim_clock *clock, uint64_t now_us,
                                          uint64_t monotonic_ms)
{
    int64_t left_us = (int64_t)(monotonic_ms * 1000 + clock->boot_us) -
                      (int64_t)sim_clock_elapsed_us(clock, now_us);
    if (left_us <= 0) {
        return 0;
    }
    /* One more than the quotient: never early. */
    return (uint64_t)(left_us * 1000000 / (1000000 + clock->rate_ppm)) + 1;
}

#endif
