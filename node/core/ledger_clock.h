/*
 * ledger_clock.h - the time that a leader stamps entries with.
 *
 * Ledger time never runs back. A leader follows its monotonic clock from a base and is slewed
 * towards the time to go by (wall_clocks.h: its wall clock as far as a majority of the voters bears
 * it out) by at most a tenth of the time that passes. So a jump of its wall clock never becomes a
 * jump of ledger time, and a ledger time that is ahead of everybody runs at nine tenths until they
 * have caught up. docs/decisions/009 has the reasons.
 *
 * A base is the largest of the last stamp and the time to go by. It is taken
 * - when a lead begins; if no majority's clocks are known then, ledger time goes on from where this
 *   node last heard it, by the monotonic clock, and the base is taken as soon as they are;
 * - in the midst of a lead, when a majority of more than one bears out a time that lies more than
 *   LIMIT_CLOCK_STEP_MS ahead: all of them were wrong, and have been set.
 *
 * Holds are kept in ledger time without credits, and that runs only while somebody leads: a new
 * leader's first entry credits all that lies between the ledger time which was last heard of a
 * leader and its own stamp, be it an outage or a difference of clocks; and each later step is
 * credited whole. No wall clock has a part in that.
 *
 * Pure: all clocks are handed in. Threads: the loop's. Units: milliseconds.
 */
#ifndef NODE_LEDGER_CLOCK_H
#define NODE_LEDGER_CLOCK_H

#include "wall_clocks.h"

/* Zero-initialise. */
struct ledger_clock {
    int64_t last_stamp_ms;
    int64_t base_ms; /* ledger time at base_monotonic_ms */
    uint64_t base_monotonic_ms;
    uint64_t stamped_ms; /* monotonic: when the last stamp was given */
    bool is_leading;
    bool is_begun;            /* the lead's first entry is applied */
    bool is_continued;        /* it began from what a leader told */
    bool is_settled;          /* in this lead, the base was held against a majority's clocks */
    int64_t owed_ms;          /* what the next stamp credits */
    int64_t stepped_ms;       /* all steps of this lead that may not be applied yet */
    int64_t stepped_stamp_ms; /* the stamp that credited the last of them */
    uint64_t leading_ms;      /* monotonic: when it last looked and led */
    int64_t heard_ms; /* ledger time, as told by the last leader, or as its own; 0: of none */
    uint64_t heard_monotonic_ms; /* when */
    int64_t heard_own_ms;        /* the own wall clock then: for a planted bug */
};

/* What goes into an entry's header. */
struct ledger_stamp {
    int64_t time_ms;
    int64_t credit_ms;
};

/* The leader has told the time; 0: it has not, yet, and what another one told is of no use any
 * more: the new one may have begun behind that. */
void ledger_clock_heard(struct ledger_clock *clock, uint64_t monotonic_ms, int64_t own_wall_ms,
                        int64_t told_ms);

/* Still leader: to be called now and then, for a leader that nobody writes to is no outage. What
 * lies behind the call before counts as led; what lies behind this one, only with the next: the
 * process may have been stopped in between, and not know yet that it has lost the lead. */
void ledger_clock_leading(struct ledger_clock *clock, uint64_t monotonic_ms);
/* Leader no more, or of another term, which begins with ledger_clock_lead. */
void ledger_clock_lost(struct ledger_clock *clock);

/* Becoming leader: the stamp of the term's first entry. `applied_ms` is the last stamp that was
 * applied (0: none); later ones may stand in the log, not yet known to be committed: the ledger
 * takes an earlier stamp for the last one, and of the credit only what has passed since the entry
 * before. A node that has heard no leader since it started credits all of that: it knows no better,
 * and a leader stamps an entry each LEDGER_IDLE_STAMP_MS while there are holds. */
struct ledger_stamp ledger_clock_lead(struct ledger_clock *clock, uint64_t monotonic_ms,
                                      const struct wall_time *wall, int64_t applied_ms);

/* That entry is applied. What the ledger's time shows can't tell: where clocks are behind it, or
 * not known yet, the entry may be stamped as those before it are. */
void ledger_clock_begun(struct ledger_clock *clock);

/* A leader's next stamp. */
struct ledger_stamp ledger_clock_stamp(struct ledger_clock *clock, uint64_t monotonic_ms,
                                       const struct wall_time *wall, int64_t applied_ms);
/* About what the next stamp will be. */
int64_t ledger_clock_peek(const struct ledger_clock *clock, uint64_t monotonic_ms);
/* What a leader tells the others, and itself for later: 0, nothing, until its first entry is
 * applied, and then without the steps that are not applied yet. Whatever of it lies behind an entry
 * that could still be lost would come without the entry's credit, and holds would pay for it. */
int64_t ledger_clock_told(const struct ledger_clock *clock, uint64_t monotonic_ms);
/* Has a leader been silent for so long that it should stamp an entry, if there are holds? */
bool ledger_clock_is_idle(const struct ledger_clock *clock, uint64_t monotonic_ms);
/* A leader that knows neither a majority's clocks nor what any leader told has no idea of the time:
 * no commands should be judged by it. */
bool ledger_clock_is_blind(const struct ledger_clock *clock);

#endif
