/*
 * ledger_clock.h - the time that entries are stamped with.
 *
 * Ledger time never runs back. A leader follows its monotonic clock from a base (the largest of the
 * last stamp and the wall clock) and is slewed towards the wall clock by at most a tenth of the
 * time that passes, so that a jump of the wall clock never becomes a jump of expiries. Time without
 * a leader does not count against holds: the first entry of a new leader carries the gap as credit.
 *
 * Threads: the loop's. Units: milliseconds.
 */
#ifndef NODE_LEDGER_CLOCK_H
#define NODE_LEDGER_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

struct ledger_clock {
    int64_t last_stamp_ms;
    int64_t base_ms; /* ledger time at base_monotonic_ms */
    uint64_t base_monotonic_ms;
    bool contact_known;
    uint64_t last_contact_ms; /* monotonic: when this node last heard of a leader, or led */
    uint64_t leading_ms;      /* monotonic: when it last looked and led */
};

/* Word of a leader, or of being it. */
void ledger_clock_contact(struct ledger_clock *clock, uint64_t monotonic_ms);

/* Still leader: to be called now and then, for a leader that nobody writes to is no outage. What
 * lies behind the call before counts as led; what lies behind this one, only with the next: the
 * process may have been stopped in between, and not know yet that it has lost the lead. */
void ledger_clock_leading(struct ledger_clock *clock, uint64_t monotonic_ms);

/* Becoming leader: sets the base, and gives stamp and credit of the term's first entry.
 * `ledger_time_ms` is the last stamp that was applied (0: none); later ones may stand in the log,
 * not yet known to be committed. So the credit is what this node knows: the time since it last
 * heard of a leader, or, when it has heard of none since it started, no bound at all (the stamp
 * itself). The ledger takes of it what has passed since the entry before. */
void ledger_clock_lead(struct ledger_clock *clock, uint64_t monotonic_ms, int64_t wall_ms,
                       int64_t ledger_time_ms, int64_t *stamp_ms, int64_t *credit_ms);

/* A leader's next stamp. */
int64_t ledger_clock_stamp(struct ledger_clock *clock, uint64_t monotonic_ms, int64_t wall_ms);
/* About what the next stamp will be. */
int64_t ledger_clock_peek(const struct ledger_clock *clock, uint64_t monotonic_ms);

#endif
