/*
 * check_names.h - the names of all checks of a simulated cluster: a run that fails says which one,
 * and a planted bug must be caught by the check that is meant for it.
 *
 * What each one means in detail stands in checks.h. The simulator itself raises the last ones from
 * PROGRESS on (cluster.c, drills.c, sim_node*.c, sim_net.c, space.c), and some more of SNAPSHOT,
 * TRANSFER and VERSION; checks*.c raise all others.
 */
#ifndef TESTS_SIM_CHECK_NAMES_H
#define TESTS_SIM_CHECK_NAMES_H

#define CHECK_NAMES(X)                                                                             \
    X(ONE_LEADER, "one-leader")                                                                    \
    X(VOTE, "vote")                                                                                \
    X(SAID_DURABLE, "said-durable")                                                                \
    X(LOG_MATCHING, "log-matching")                                                                \
    X(COMMITTED, "committed")                                                                      \
    X(MEMBERS, "members")                                                                          \
    X(APPLIED, "applied")                                                                          \
    X(DIGEST, "digest")                                                                            \
    X(MODEL, "model")                                                                              \
    X(INVARIANTS, "invariants")                                                                    \
    X(ACKNOWLEDGED, "acknowledged")                                                                \
    X(REAL_TIME, "real-time")                                                                      \
    X(FINAL, "final")                                                                              \
    X(READ, "read")                                                                                \
    X(SNAPSHOT, "snapshot")                                                                        \
    X(TRANSFER, "transfer")                                                                        \
    X(CLOCK, "clock")                                                                              \
    X(PROGRESS, "progress")                                                                        \
    X(SPACE, "space")                                                                              \
    X(VERSION, "version")                                                                          \
    X(RESERVE, "reserve")                                                                          \
    X(LIVENESS, "liveness")                                                                        \
    X(QUIET, "quiet")                                                                              \
    X(FAIL_STOP, "fail-stop")                                                                      \
    X(CODEC, "codec")

enum check {
#define X(name, text) CHECK_##name,
    CHECK_NAMES(X)
#undef X
        CHECK_COUNT
};

static inline const char *check_name(enum check check)
{
    static const char *const names[] = {
#define X(name, text) [CHECK_##name] = text,
        CHECK_NAMES(X)
#undef X
    };
    return names[check];
}

#endif
