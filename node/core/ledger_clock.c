/*
 * ledger_clock.c - pure arithmetic: both clocks are handed in.
 */
#include "ledger_clock.h"

#define SLEW_DIVISOR  10
#define SLEW_EVERY_MS 100

void ledger_clock_contact(struct ledger_clock *clock, uint64_t monotonic_ms)
{
    clock->contact_known = true;
    clock->last_contact_ms = monotonic_ms;
}

void ledger_clock_lead(struct ledger_clock *clock, uint64_t monotonic_ms, int64_t wall_ms,
                       int64_t ledger_time_ms, int64_t *stamp_ms, int64_t *credit_ms)
{
    *stamp_ms = wall_ms > ledger_time_ms ? wall_ms : ledger_time_ms;
    *credit_ms =
        clock->contact_known ? (int64_t)(monotonic_ms - clock->last_contact_ms) : *stamp_ms;
    clock->last_stamp_ms = *stamp_ms;
    clock->base_ms = *stamp_ms;
    clock->base_monotonic_ms = monotonic_ms;
    clock->leading_ms = monotonic_ms;
    ledger_clock_contact(clock, monotonic_ms);
}

void ledger_clock_leading(struct ledger_clock *clock, uint64_t monotonic_ms)
{
    if (clock->leading_ms > clock->last_contact_ms) {
        ledger_clock_contact(clock, clock->leading_ms);
    }
    clock->leading_ms = monotonic_ms;
}

int64_t ledger_clock_peek(const struct ledger_clock *clock, uint64_t monotonic_ms)
{
    int64_t now = clock->base_ms + (int64_t)(monotonic_ms - clock->base_monotonic_ms);
    return now > clock->last_stamp_ms ? now : clock->last_stamp_ms;
}

int64_t ledger_clock_stamp(struct ledger_clock *clock, uint64_t monotonic_ms, int64_t wall_ms)
{
    int64_t elapsed = (int64_t)(monotonic_ms - clock->base_monotonic_ms);
    if (elapsed >= SLEW_EVERY_MS) {
        int64_t most = elapsed / SLEW_DIVISOR;
        int64_t slew = wall_ms - (clock->base_ms + elapsed);
        if (slew > most) {
            slew = most;
        } else if (slew < -most) {
            slew = -most;
        }
        clock->base_ms += elapsed + slew;
        clock->base_monotonic_ms = monotonic_ms;
    }
    clock->last_stamp_ms = ledger_clock_peek(clock, monotonic_ms);
    ledger_clock_contact(clock, monotonic_ms);
    return clock->last_stamp_ms;
}
