/*
 * ledger_clock.c - pure arithmetic. The happy path: lead, then stamps; `settle` takes a new base or
 * slews before each. Nothing can fail: clocks may show anything.
 */
#include "ledger_clock.h"

#include "base/planted.h"

#define SLEW_DIVISOR  10
#define SLEW_EVERY_MS 100

void ledger_clock_heard(struct ledger_clock *clock, uint64_t monotonic_ms, int64_t own_wall_ms,
                        int64_t told_ms)
{
    clock->heard_ms = told_ms;
    clock->heard_own_ms = own_wall_ms;
    clock->heard_monotonic_ms = monotonic_ms;
}

int64_t ledger_clock_peek(const struct ledger_clock *clock, uint64_t monotonic_ms)
{
    int64_t now = clock->base_ms + (int64_t)(monotonic_ms - clock->base_monotonic_ms);
    return now > clock->last_stamp_ms ? now : clock->last_stamp_ms;
}

int64_t ledger_clock_told(const struct ledger_clock *clock, uint64_t monotonic_ms)
{
    if (!clock->is_leading || !clock->is_begun || clock->base_ms == 0) {
        return 0;
    }
    return ledger_clock_peek(clock, monotonic_ms) - clock->stepped_ms;
}

void ledger_clock_leading(struct ledger_clock *clock, uint64_t monotonic_ms)
{
    if (clock->leading_ms > clock->heard_monotonic_ms) {
        ledger_clock_heard(clock, clock->leading_ms, clock->heard_own_ms,
                           ledger_clock_told(clock, clock->leading_ms));
    }
    clock->leading_ms = monotonic_ms;
}

void ledger_clock_lost(struct ledger_clock *clock)
{
    clock->is_leading = false;
}

bool ledger_clock_is_blind(const struct ledger_clock *clock)
{
    return !clock->is_settled && !clock->is_continued;
}

bool ledger_clock_is_idle(const struct ledger_clock *clock, uint64_t monotonic_ms)
{
    return monotonic_ms - clock->stamped_ms >= LEDGER_IDLE_STAMP_MS;
}

static void set_base(struct ledger_clock *clock, uint64_t monotonic_ms, int64_t now_ms)
{
    clock->base_ms = now_ms < LIMIT_TIME_MS ? now_ms : LIMIT_TIME_MS;
    clock->base_monotonic_ms = monotonic_ms;
}

static struct ledger_stamp give(struct ledger_clock *clock, uint64_t monotonic_ms,
                                int64_t credit_ms)
{
    int64_t now_ms = ledger_clock_peek(clock, monotonic_ms);
    clock->last_stamp_ms = now_ms < LIMIT_TIME_MS ? now_ms : LIMIT_TIME_MS;
    clock->stamped_ms = monotonic_ms;
    if (clock->owed_ms > 0) {
        clock->stepped_stamp_ms = clock->last_stamp_ms;
        clock->owed_ms = 0;
    }
    return (struct ledger_stamp){clock->last_stamp_ms, credit_ms};
}

struct ledger_stamp ledger_clock_lead(struct ledger_clock *clock, uint64_t monotonic_ms,
                                      const struct wall_time *wall, int64_t applied_ms)
{
    int64_t heard_ms = clock->heard_ms;
    int64_t base_ms = applied_ms;
    if (wall->is_known) {
        base_ms = wall->ms;
    } else if (heard_ms != 0) {
        base_ms = heard_ms + (int64_t)(monotonic_ms - clock->heard_monotonic_ms);
    }
    set_base(clock, monotonic_ms, base_ms > applied_ms ? base_ms : applied_ms);
    clock->is_settled = wall->is_known;
    clock->is_continued = heard_ms != 0;
    clock->last_stamp_ms = clock->base_ms;
    clock->stepped_ms = 0;
    clock->leading_ms = monotonic_ms;
    int64_t credit_ms = clock->base_ms - heard_ms;
    if (PLANTED(CREDIT_BY_WALL_CLOCK) && clock->heard_own_ms != 0) {
        credit_ms = wall->own_ms - clock->heard_own_ms;
    }
    clock->is_leading = true;
    clock->heard_ms = 0;
    clock->is_begun = false;
    return give(clock, monotonic_ms, credit_ms > 0 ? credit_ms : 0);
}

void ledger_clock_begun(struct ledger_clock *clock)
{
    clock->is_begun = true;
}

/* What may be slewed now, as much as has been earned: only time in which it was known where to
 * counts. */
static int64_t slew_ms(int64_t elapsed_ms, int64_t behind_ms)
{
    int64_t most_ms = elapsed_ms / SLEW_DIVISOR;
    if (PLANTED(NO_SLEW)) {
        return behind_ms;
    }
    if (behind_ms > most_ms) {
        return most_ms;
    }
    return behind_ms < -most_ms ? -most_ms : behind_ms;
}

/* A step, if one may be made, else a slew, now and then. */
static void settle(struct ledger_clock *clock, uint64_t monotonic_ms, const struct wall_time *wall)
{
    int64_t elapsed_ms = (int64_t)(monotonic_ms - clock->base_monotonic_ms);
    int64_t now_ms = clock->base_ms + elapsed_ms;
    int64_t behind_ms = wall->is_known ? wall->ms - now_ms : 0;
    bool is_step = behind_ms > 0 &&
                   (!clock->is_settled || (behind_ms > LIMIT_CLOCK_STEP_MS && !wall->is_lone));
    clock->is_settled = clock->is_settled || wall->is_known;
    if (is_step) {
        clock->owed_ms += behind_ms;
        clock->stepped_ms += behind_ms;
        set_base(clock, monotonic_ms, wall->ms);
    } else if (elapsed_ms >= SLEW_EVERY_MS) {
        set_base(clock, monotonic_ms, now_ms + slew_ms(elapsed_ms, behind_ms));
    }
}

struct ledger_stamp ledger_clock_stamp(struct ledger_clock *clock, uint64_t monotonic_ms,
                                       const struct wall_time *wall, int64_t applied_ms)
{
    /* What was stamped before this lead is applied by now, and may lie ahead. */
    if (ledger_clock_peek(clock, monotonic_ms) < applied_ms) {
        set_base(clock, monotonic_ms, applied_ms);
    }
    if (clock->owed_ms == 0 && applied_ms >= clock->stepped_stamp_ms) {
        clock->stepped_ms = 0;
    }
    settle(clock, monotonic_ms, wall);
    ledger_clock_heard(clock, monotonic_ms, wall->own_ms, ledger_clock_told(clock, monotonic_ms));
    return give(clock, monotonic_ms, clock->owed_ms);
}
