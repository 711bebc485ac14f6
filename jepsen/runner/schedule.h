/*
 * schedule.h - what goes wrong when: the plan of a run, drawn from its seed alone.
 *
 * Quiet spells and storms take turns. A storm is one nemesis or several of different kinds, each
 * with a beginning and an end of its own; a chapter has a mixture of its own: how many at once, how
 * long, how much quiet between. Nemeses come from a bag that is refilled when it is empty, so that
 * each has its turn before any has its second. A run that goes on where others have ended begins
 * with the rest of their bag.
 *
 * Invariants, asserted when a plan is made:
 *   - acts stand in the order of time, none behind the end;
 *   - each fault that starts is stopped, and never starts twice without a stop;
 *   - no two of a kind are on at once; one that `destroys` is on alone, and starts right behind a
 *     check of the cluster's health;
 *   - behind each storm the health is checked.
 *
 * Times are as planned: who waits longer for a healthy cluster is late with all that follows.
 */
#ifndef JEPSEN_SCHEDULE_H
#define JEPSEN_SCHEDULE_H

#include "nemesis.h"

enum act_kind {
    ACT_HEALTH,  /* nothing is on: wait for a healthy cluster */
    ACT_DIGESTS, /* likewise: compare the nodes' states */
    ACT_START,
    ACT_STOP
};

struct act {
    int64_t at_ms;
    enum act_kind kind;
    const struct nemesis *nemesis; /* START, STOP */
    struct random random;          /* START: a sequence of the fault's own */
};

struct schedule {
    struct act *acts;
    uint32_t count;
    uint32_t capacity;
};

struct schedule_choice {
    const struct nemesis *const *among; /* each once; none: quiet all the time */
    uint32_t count;
    const struct nemesis *const
        *first; /* they have their turn before others; not among: left out */
    uint32_t first_count;
};

void schedule_make(struct schedule *schedule, const struct schedule_choice *choice, uint64_t seed,
                   int64_t time_ms);
void schedule_free(struct schedule *schedule);
/* What is left of the bag of runs that have been: of `count` nemeses those that had fewer turns
 * than others. Returns how many; `owed` has room for all. */
uint32_t schedule_owed(const struct nemesis *const *among, const uint32_t *turns, uint32_t count,
                       const struct nemesis **owed);
/* Which invariant is broken, or NULL. */
const char *schedule_fault(const struct schedule *schedule, int64_t time_ms);

#endif
