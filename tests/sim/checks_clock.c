/*
 * checks_clock.c - what leaders stamp entries with, held against the world's time, which no node
 * knows.
 *
 * While one node leads, ledger time runs as time does: its own clock may be a little fast or slow,
 * and it is slewed towards the wall clock by a tenth at the most; a wall clock that jumps moves
 * nothing. The first command entry of a leadership is its barrier, and gives back to holds the time
 * since its node last heard of a leader; all there is, if it has heard of none since it started.
 */
#include "checks_internal.h"

/* No simulated clock is further off (plan.c), in 1000. */
#define DRIFT_PERMILLE 30
#define SLEW_PERMILLE  100
#define ROUNDING_MS    3

void checks_heard(struct checks *checks, size_t node)
{
    struct clock_view *clock = &checks->nodes[node].clock;
    clock->has_heard = true;
    clock->heard_us = checks->world->now_us;
}

static void check_barrier(struct checks *checks, size_t node, const struct entry *entry,
                          const struct ledger_entry_header *header)
{
    struct clock_view *clock = &checks->nodes[node].clock;
    int64_t silent_ms = (int64_t)(checks->world->now_us - clock->heard_us) / 1000;
    int64_t least_ms = clock->has_heard
                           ? silent_ms - silent_ms * DRIFT_PERMILLE / 1000 - ROUNDING_MS
                           : header->time_ms;
    if (header->count != 0) {
        world_fail(checks->world, CHECK_CLOCK,
                   "n%zu begins its lead in term %" PRIu64 " with commands, in entry %" PRIu64,
                   node + 1, entry->term, entry->index);
    } else if (header->outage_credit_ms < least_ms) {
        world_fail(checks->world, CHECK_CLOCK,
                   "n%zu gives holds %" PRId64 " ms back with entry %" PRIu64 ", of %" PRId64
                   " ms without a leader",
                   node + 1, header->outage_credit_ms, entry->index, least_ms);
    }
    clock->begin_us = checks->world->now_us;
    clock->begin_ms = header->time_ms;
    clock->owes_barrier = false;
}

static void check_stamp(struct checks *checks, size_t node, const struct entry *entry,
                        const struct ledger_entry_header *header)
{
    const struct clock_view *clock = &checks->nodes[node].clock;
    int64_t passed_ms = (int64_t)(checks->world->now_us - clock->begin_us) / 1000;
    int64_t stamped_ms = header->time_ms - clock->begin_ms;
    /* The two multiply; a thousandth is more than their product's part. */
    int64_t most_off_ms = passed_ms * (DRIFT_PERMILLE + SLEW_PERMILLE + 10) / 1000 + ROUNDING_MS;
    if (stamped_ms < passed_ms - most_off_ms || stamped_ms > passed_ms + most_off_ms) {
        world_fail(checks->world, CHECK_CLOCK,
                   "n%zu stamps entry %" PRIu64 " %" PRId64 " ms behind its barrier, after %" PRId64
                   " ms",
                   node + 1, entry->index, stamped_ms, passed_ms);
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
    if (view->clock.owes_barrier) {
        check_barrier(checks, node, entry, &reader.header);
    } else {
        check_stamp(checks, node, entry, &reader.header);
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
