/*
 * checks_clock.c - what leaders stamp entries with, held against the world's time, which no node
 * knows, and against the machines' wall clocks.
 *
 * While one node leads, ledger time runs as time does: its own clock may be a little fast or slow,
 * and it is slewed by a tenth at the most; what goes beyond that is a step, and credited. The first
 * command entry of a leadership is its barrier.
 *
 * Holds pay only for time that was led: from one entry to the next for no more than the world's
 * time between them; to a barrier, for no more than up to the moment in which its node last heard
 * of a leader; and for nothing, if it has heard of none since it started.
 *
 * Ledger time is ahead of what a majority of the voters' wall clocks have reached by a bound at
 * most. Beyond it, it goes on from the entry before at its own rate only. What the node knows of
 * the others' clocks may be old: so each counts with the latest that it has shown lately.
 */
#include "checks_internal.h"

#include <stdlib.h>

/* No simulated clock is further off (plan.c), in 1000. */
#define DRIFT_PERMILLE 30
/* A monotonic clock that is as fast, or as slow, as it may be, and slewed by a tenth of what it
 * shows: 1.03 * 1.1 and 0.97 * 0.9. */
#define FASTEST_PERMILLE 1133
#define SLOWEST_PERMILLE 873
/* A stamp may be slewed by a tenth of what has passed since the last slew, and that may lie
 * SLEW_EVERY_MS (node/core/ledger_clock.c) before the time that is looked at. */
#define SLEW_EARLIER_MS 10
/* Two readings of a clock in whole milliseconds; that of the world's time. */
#define ROUNDING_MS 2
/* What one knows of another's clock is so old at most; and by how much their rates may part in that
 * time. */
#define LATELY_US ((LIMIT_CLOCK_AGE_MS + LIMIT_CLOCK_ROUND_MS) * UINT64_C(1100))
#define APART_MS  ((LIMIT_CLOCK_AGE_MS + LIMIT_CLOCK_ROUND_MS) * DRIFT_PERMILLE * 2 / 1000)
#define AHEAD_MS  (LIMIT_CLOCK_SKEW_MS + LIMIT_CLOCK_ROUND_MS + APART_MS)

/* How much further a ledger's clock may show when so much time has passed: at most, at least. */
static int64_t most_passed_ms(uint64_t us)
{
    return (int64_t)(us * FASTEST_PERMILLE / 1000000) + SLEW_EARLIER_MS + ROUNDING_MS;
}

static int64_t least_passed_ms(uint64_t us)
{
    return (int64_t)(us * SLOWEST_PERMILLE / 1000000) - SLEW_EARLIER_MS - ROUNDING_MS;
}

void checks_heard(struct checks *checks, size_t node)
{
    struct clock_view *clock = &checks->nodes[node].clock;
    clock->has_heard = true;
    clock->heard_us = checks->world->now_us;
}

/* ---- wall clocks ---- */

void checks_wall(struct checks *checks, size_t node, const struct sim_clock *clock)
{
    checks->walls[node].clock = clock;
}

static bool was_set_lately(const struct checks *checks, const struct wall_view *wall)
{
    return wall->was_set && checks->world->now_us - wall->set_us <= LATELY_US;
}

void checks_wall_is_set(struct checks *checks, size_t node)
{
    struct wall_view *wall = &checks->walls[node];
    int64_t offset_ms = wall->clock->wall_offset_ms;
    if (!was_set_lately(checks, wall) || offset_ms > wall->before_ms) {
        wall->before_ms = offset_ms;
    }
    wall->was_set = true;
    wall->set_us = checks->world->now_us;
}

static int64_t latest_shown_ms(const struct checks *checks, const struct wall_view *wall)
{
    int64_t shown_ms = sim_clock_wall_ms(wall->clock, checks->world->now_us);
    int64_t offset_ms = wall->clock->wall_offset_ms;
    return was_set_lately(checks, wall) && wall->before_ms > offset_ms
               ? shown_ms + wall->before_ms - offset_ms
               : shown_ms;
}

static int later_first(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a;
    int64_t y = *(const int64_t *)b;
    return x < y ? 1 : x > y ? -1 : 0;
}

/* The latest time that the clocks of a majority of the voters may have reached. */
static int64_t borne_out_ms(const struct checks *checks, const struct node_view *view)
{
    const struct known *configuration = checks_configuration_of(view);
    int64_t shown_ms[LIMIT_NODES];
    size_t count = 0;
    for (size_t i = 0; i < checks->node_count; i++) {
        if ((configuration->voters >> i) & 1) {
            shown_ms[count++] = latest_shown_ms(checks, &checks->walls[i]);
        }
    }
    qsort(shown_ms, count, sizeof shown_ms[0], later_first);
    return shown_ms[count / 2];
}

/* ---- stamps ---- */

/* The commands before these in the node's log. */
static const struct known *stamped_before(const struct node_view *view, uint64_t index)
{
    const struct known *known = NULL;
    while (index > 1 && (known == NULL || !known->is_stamped)) {
        known = checks_log_at(&view->asked, --index);
    }
    return known != NULL && known->is_stamped ? known : NULL;
}

/* From the entry before to this one. */
struct passage {
    uint64_t from_us; /* when the one before was stamped */
    int64_t from_ms;  /* ledger time there: 0 before the first */
    int64_t to_ms;
    int64_t credit_ms;    /* what the ledger takes of it */
    int64_t overtaken_ms; /* as of the one before */
};

static struct passage passage_of(const struct known *before,
                                 const struct ledger_entry_header *header)
{
    struct passage passage = {.to_ms = header->time_ms};
    if (before != NULL) {
        passage.from_us = before->stamped_us;
        passage.overtaken_ms = before->overtaken_ms;
        passage.from_ms = before->ledger_ms;
    }
    if (passage.to_ms < passage.from_ms) {
        passage.to_ms = passage.from_ms;
    }
    int64_t passed_ms = passage.from_ms != 0 ? passage.to_ms - passage.from_ms : 0;
    passage.credit_ms = header->outage_credit_ms < passed_ms ? header->outage_credit_ms : passed_ms;
    return passage;
}

/* How far may what a leader told before it stamped an entry lie ahead of that stamp? What it tells
 * runs with its clock, and goes back only with the slew of a stamp. On their way messages overtake
 * each other here (a TCP connection keeps them in order), so a follower that has the entry may hear
 * last what was told before it.
 *
 * Right before the stamp: what the stamp was slewed back by. That is a tenth at most of what the
 * clock has shown since the last slew, SLEW_EVERY_MS before the entry before at the earliest; so a
 * ninth of what is left of it, which is the time between the two stamps. Twice SLEW_EARLIER_MS, for
 * a ninth of that may lie behind a slew that the entry before hid (time never runs back).
 * Before an earlier entry: what that one leaves room for, less the time between the stamps. A lead
 * tells nothing before its first entry is applied. */
static int64_t overtaken_ms(const struct clock_view *clock, const struct passage *passage)
{
    if (clock->owes_barrier) {
        return 0;
    }
    int64_t between_ms =
        passage->from_ms != 0 ? passage->to_ms - passage->from_ms - passage->credit_ms : 0;
    int64_t slewed_ms = between_ms / 9 + 2 * SLEW_EARLIER_MS;
    int64_t earlier_ms = passage->overtaken_ms - between_ms;
    return slewed_ms > earlier_ms ? slewed_ms : earlier_ms;
}

/* Holds pay for what a leader has told behind the last stamp, as the new one has heard it: told
 * after the stamp, it is no more than what was led since; told before, and overtaken by it, no more
 * than what it may lie ahead. One or the other, and not their sum. A node that has heard of no
 * leader lets holds pay nothing. */
static void check_holds(struct checks *checks, size_t node, const struct entry *entry,
                        const struct passage *passage)
{
    const struct clock_view *clock = &checks->nodes[node].clock;
    bool has_heard = !clock->owes_barrier || clock->has_heard;
    uint64_t led_us = clock->owes_barrier ? clock->heard_us : checks->world->now_us;
    int64_t paid_ms =
        passage->from_ms != 0 ? passage->to_ms - passage->from_ms - passage->credit_ms : 0;
    int64_t most_ms =
        has_heard && led_us >= passage->from_us ? most_passed_ms(led_us - passage->from_us) : 0;
    if (clock->owes_barrier && has_heard && passage->overtaken_ms > most_ms) {
        most_ms = passage->overtaken_ms;
    }
    if (paid_ms > most_ms) {
        world_fail(checks->world, CHECK_CLOCK,
                   "n%zu lets holds pay %" PRId64 " ms with entry %" PRIu64 ", where %" PRId64
                   " ms were led at most",
                   node + 1, paid_ms, entry->index, most_ms);
    }
}

static void check_bound(struct checks *checks, size_t node, const struct entry *entry,
                        const struct passage *passage)
{
    int64_t borne_ms = borne_out_ms(checks, &checks->nodes[node]);
    int64_t rate_ms = most_passed_ms(checks->world->now_us - passage->from_us);
    if (passage->to_ms > borne_ms + AHEAD_MS && passage->to_ms > passage->from_ms + rate_ms) {
        world_fail(checks->world, CHECK_CLOCK,
                   "n%zu stamps entry %" PRIu64 " %" PRId64
                   " ms ahead of the wall clocks of a majority",
                   node + 1, entry->index, passage->to_ms - borne_ms);
    }
}

static void check_barrier(struct checks *checks, size_t node, const struct entry *entry,
                          const struct ledger_entry_header *header, const struct passage *passage)
{
    struct clock_view *clock = &checks->nodes[node].clock;
    if (header->count != 0) {
        world_fail(checks->world, CHECK_CLOCK,
                   "n%zu begins its lead in term %" PRIu64 " with commands, in entry %" PRIu64,
                   node + 1, entry->term, entry->index);
    }
    clock->begin_us = checks->world->now_us;
    clock->begin_ms = header->time_ms;
    clock->begin_ledger_ms = passage->to_ms;
    clock->credits_ms = 0;
    clock->owes_barrier = false;
}

static void check_rate(struct checks *checks, size_t node, const struct entry *entry,
                       const struct ledger_entry_header *header, const struct passage *passage)
{
    struct clock_view *clock = &checks->nodes[node].clock;
    uint64_t passed_us = checks->world->now_us - clock->begin_us;
    /* What the node stamps may lie behind an entry that it has not applied yet; then it may stand
     * still, as the ledger does, or go on below. */
    clock->credits_ms += passage->credit_ms;
    int64_t least_ms = header->time_ms - clock->begin_ms - clock->credits_ms;
    int64_t most_ms = passage->to_ms - clock->begin_ledger_ms - clock->credits_ms;
    if (clock->begin_ms != 0 &&
        (least_ms < least_passed_ms(passed_us) || most_ms > most_passed_ms(passed_us))) {
        world_fail(checks->world, CHECK_CLOCK,
                   "n%zu stamps entry %" PRIu64 " %" PRId64 " ms behind its barrier, after %" PRIu64
                   " ms",
                   node + 1, entry->index, most_ms, passed_us / 1000);
    }
    if (clock->begin_ms == 0) { /* the first leader of all did not know the time */
        clock->begin_us = checks->world->now_us;
        clock->begin_ms = header->time_ms;
        clock->begin_ledger_ms = passage->to_ms;
        clock->credits_ms = 0;
    }
}

void checks_stamped(struct checks *checks, size_t node, const struct entry *entry)
{
    const struct node_view *view = &checks->nodes[node];
    struct ledger_entry_reader reader;
    struct error error;
    if (checks->world->failed || view->lost || view->role != REPLICA_LEADER ||
        entry->term != view->role_term || entry->type != ENTRY_COMMAND) {
        return;
    }
    if (!ledger_entry_open(&reader, entry->data, &error)) {
        world_fail(checks->world, CHECK_CLOCK, "n%zu makes entry %" PRIu64 ": %s", node + 1,
                   entry->index, error.text);
        return;
    }
    struct known *known = checks_log_at(&view->asked, entry->index);
    const struct passage passage = passage_of(stamped_before(view, entry->index), &reader.header);
    known->is_stamped = true;
    known->stamped_us = checks->world->now_us;
    known->overtaken_ms = overtaken_ms(&view->clock, &passage);
    known->ledger_ms = passage.to_ms;
    check_holds(checks, node, entry, &passage);
    check_bound(checks, node, entry, &passage);
    if (view->clock.owes_barrier) {
        check_barrier(checks, node, entry, &reader.header, &passage);
    } else {
        check_rate(checks, node, entry, &reader.header, &passage);
    }
}

void checks_clock_role(struct checks *checks, size_t node, enum replica_state before,
                       enum replica_state state)
{
    struct clock_view *clock = &checks->nodes[node].clock;
    clock->owes_barrier = state == REPLICA_LEADER;
    if (before == REPLICA_LEADER) {
        checks_heard(checks, node); /* of itself */
    }
}
