/*
 * stats.h - what happened how often in a simulated run: that a run does something is seen by its
 * counts, and a list of seeds in which one of the faults never occurred proves nothing about it.
 */
#ifndef TESTS_SIM_STATS_H
#define TESTS_SIM_STATS_H

#include <stdbool.h>
#include <stdint.h>

/* X(name, words, must): `must` be above 0 over any longer list of seeds as they come. */
#define STATS(X)                                                                                   \
    /* clients */                                                                                  \
    X(COMMANDS, "commands acknowledged", true)                                                     \
    X(REFUSALS, "refused by the ledger", true)                                                     \
    X(READS, "reads answered", true)                                                               \
    X(STALE_READS, "of them stale", true)                                                          \
    X(AGES, "that tell their age", true)                                                           \
    X(NOT_EXECUTED, "surely not executed", true)                                                   \
    X(UNKNOWN, "outcomes unknown", true)                                                           \
    X(RETRIES, "retries under the same identity", true)                                            \
    X(REPLAYED, "retries found executed", true)                                                    \
    X(KEPT_REFUSALS, "refusals of orders repeated", false)                                         \
    X(HELD_UP, "requests held up on their way", false)                                             \
    X(CANCELLED, "cancelled while they waited", true)                                              \
    X(AUDITS, "audits", true)                                                                      \
    X(QUEUE_FULL, "proposals refused by a full queue", true)                                       \
    X(PUT_OFF, "registrations put off by one", true)                                               \
    X(PROPOSALS, "commands' proposals applied", true)                                              \
    X(PROPOSED_ENTRIES, "in so many entries", true)                                                \
    X(GROUPS, "of them with several", true)                                                        \
    /* replication */                                                                              \
    X(MESSAGES, "messages", true)                                                                  \
    X(ELECTIONS, "elections won", true)                                                            \
    X(STARTS, "starts", true)                                                                      \
    X(ENTRIES_APPLIED, "entries applied", true)                                                    \
    X(TRUNCATIONS, "truncations", true)                                                            \
    X(SNAPSHOTS, "snapshots taken", true)                                                          \
    X(TRIMS, "trims of a log", true)                                                               \
    X(FETCHES, "parts of checkpoints", true)                                                       \
    X(FETCHES_GIVEN_UP, "fetches given up", true)                                                  \
    X(INSTALLS, "snapshots installed", true)                                                       \
    X(TRANSFERS, "hand-overs begun", true)                                                         \
    X(TRANSFERS_REFUSED, "hand-overs refused", true)                                               \
    X(CHANGES, "changes of members", true)                                                         \
    X(CHANGES_REFUSED, "changes refused", true)                                                    \
    X(CHANGES_UNDONE, "changes undone by another leader", true)                                    \
    X(STRIKES, "leaders struck over a change", true)                                               \
    X(PROGRAMS, "starts of another program", true)                                                 \
    X(RAISES, "raises of the ledger's version", true)                                              \
    X(RAISES_REFUSED, "raises refused", true)                                                      \
    X(TOO_OLD, "programs too old for the ledger", true)                                            \
    X(EVICTED, "entries out of the tail", true)                                                    \
    X(READ_BACK, "of them read from disk for a peer", true)                                        \
    X(DROPPED, "appends a full backlog dropped", true)                                             \
    X(SPLIT, "appends in several frames", true)                                                    \
    X(CUT_SHORT, "appends cut short by a turn's bound", true)                                      \
    X(SEGMENTS, "log segments begun", true)                                                        \
    /* faults: nodes */                                                                            \
    X(POWER_CUTS, "power cuts", true)                                                              \
    X(BLACKOUTS, "blackouts", true)                                                                \
    X(KILLS, "kills", true)                                                                        \
    X(STOPS, "orderly stops", true)                                                                \
    X(CRASHED_IN_TURN, "crashes inside a turn", true)                                              \
    X(CRASHED_IN_START, "crashes inside a start", true)                                            \
    X(CRASHED_IN_FILE, "crashes inside a file operation", true)                                    \
    X(CRASHED_IN_APPEND, "crashes while the log was written", true)                                \
    X(CRASHED_IN_POOL, "crashes inside work in the pool", true)                                    \
    X(TORN_BATCHES, "torn batches", true)                                                          \
    X(PAUSES, "pauses", true)                                                                      \
    X(WIPES, "wiped directories", true)                                                            \
    X(JOINS, "new nodes put in", true)                                                             \
    X(REPLACED, "wiped nodes replaced", true)                                                      \
    X(TAKEN_AWAY, "of them taken away", true)                                                      \
    X(IDS_REFUSED, "used ids not added again", true)                                               \
    X(UNHEARD, "connections of wiped nodes unheard", true)                                         \
    X(SPOILT_STATES, "states gone wrong", true)                                                    \
    X(SPOILT_STOPPED, "nodes stopped for that", true)                                              \
    X(SPOILT_CURED, "back to a right state", true)                                                 \
    X(SPOILT_COPIES, "wrong states given to others", false)                                        \
    X(UNDECIDED, "wrong states that nobody could tell", false)                                     \
    X(BEYOND_REPAIR, "of them most", false)                                                        \
    X(REFUSED_HELLOS, "hellos refused", true)                                                      \
    /* faults: disks */                                                                            \
    X(SLOW_DISKS, "slow disks", true)                                                              \
    X(FULL_DISKS, "full disks", true)                                                              \
    X(SCARCE_DISKS, "disks with little room", true)                                                \
    X(LOW_DISKS, "disks found low", true)                                                          \
    X(ROOM_AGAIN, "of them found roomy again", true)                                               \
    X(LOW_REFUSALS, "commands refused for that", true)                                             \
    X(LOW_DRILLS, "quiet clusters with a low disk", true)                                          \
    X(LOW_HANDOVERS, "of them that handed over", true)                                             \
    X(BROKEN_DISKS, "disks with I/O errors", true)                                                 \
    X(FAIL_STOPS, "nodes stopped by their disk", true)                                             \
    X(REFUSED_STARTS, "starts refused by a disk", true)                                            \
    X(STATE_FAILURES, "state databases that failed", true)                                         \
    X(POOL_REFUSALS, "audits the pool refused", true)                                              \
    /* faults: clocks */                                                                           \
    X(WALL_JUMPS, "jumps of a wall clock", true)                                                   \
    X(DRIFTS, "changes of a clock's rate", true)                                                   \
    X(CLOCK_WARNINGS, "warnings of a wrong clock", true)                                           \
    /* faults: network */                                                                          \
    X(LOST, "messages lost", true)                                                                 \
    X(TWICE, "messages doubled", true)                                                             \
    X(LATE, "messages late", true)                                                                 \
    X(OVERTAKEN, "messages overtaken", true)                                                       \
    X(FROM_OLD_CONNECTIONS, "messages of old connections", true)                                   \
    X(CUTS, "one-way cuts", true)                                                                  \
    X(PARTITIONS, "partitions", true)                                                              \
    X(BREAKS, "broken connections", true)                                                          \
    X(CODED, "messages through the codec", true)                                                   \
    /* spells */                                                                                   \
    X(STORMS, "storms", true)                                                                      \
    X(HEALINGS, "healings", true)                                                                  \
    X(MINORITIES, "healings of a bare majority", true)                                             \
    X(MAJORITIES, "of them that committed anew", true)                                             \
    X(QUIET_SPELLS, "quiet spells", true)                                                          \
    X(ABSENCES, "of these without one node", true)

/* What a climate (plan.h) is for, and others hardly meet: X(climate, name) must be above 0 over any
 * longer list of its seeds. */
#define STATS_OF_CLIMATES(X)                                                                       \
    X("copies", SPOILT_COPIES)                                                                     \
    X("copies", UNDECIDED)                                                                         \
    X("copies", BEYOND_REPAIR)

enum stat {
#define X(name, words, must) STAT_##name,
    STATS(X)
#undef X
        STAT_COUNT
};

/* How long clusters took to recover once everything was mended, in tenths of their election
 * timeout. The last bucket takes all that is longer. */
#define STATS_RECOVERIES 1000

struct stats {
    uint64_t counts[STAT_COUNT];
    uint64_t recoveries[STATS_RECOVERIES];
};

void stats_recovered(struct stats *stats, uint64_t took_us, uint64_t election_timeout_ms);

void stats_add(struct stats *sum, const struct stats *more);
/* All counts, several to a line, and the times of recovery, onto stdout. */
void stats_print(const struct stats *stats);
/* For a longer list of seeds: prints what must be and is not; true if all of it is. Of seeds as
 * they come (climate NULL): counts that must not be 0, a commit in each healing of a bare majority,
 * recovery about as fast as ever. Of a climate: what it is for. */
bool stats_are_complete(const struct stats *stats, const char *climate);

#endif
