/*
 * planted.h - bugs that are planted into the production code on purpose, to prove that the checks
 * of the simulator and of the chaos suite would find them: a check that nothing has ever turned red
 * proves nothing.
 *
 * In every normal build PLANTED(BUG) is the constant false and leaves nothing in the binary
 * (tests/link looks). In the two programs that are made with -DHOLDFAST_PLANT_BUGS, a simulator
 * (tests/sim, sim-planted) and a node (jepsen/planted, holdfastd-planted), it asks whether this bug
 * was chosen at run time; one at a time, none at first. Which check must catch which bug, and how
 * soon: docs/planted-bugs.md.
 *
 * To plant one: a line below, and one `if (PLANTED(IT))` at the place in the production code where
 * the rule is kept, reading as if the rule had been forgotten there. No #ifdef anywhere else.
 */
#ifndef BASE_PLANTED_H
#define BASE_PLANTED_H

#include "base/bytes.h"

/* Name, as it is chosen by; what is broken, a number being a rule of docs/replication.md; what the
 * node does instead. */
#define PLANTED_BUGS(X)                                                                            \
    /* ---- the log and its promises ---- */                                                       \
    X(ACK_BEFORE_QUORUM, "ack-before-quorum", "rule 9",                                            \
      "a leader applies and answers what is durable on itself alone")                              \
    X(APPLY_BEFORE_DURABLE, "apply-before-durable", "rule 9",                                      \
      "a leader applies what a majority has, before its own disk has it")                          \
    X(APPLIED_INDEX_AHEAD, "applied-index-ahead", "rule 9",                                        \
      "the state is stored with the index behind the one that it stands at")                       \
    X(HARD_STATE_NOT_SYNCED, "hard-state-not-synced", "rule 3", "term and vote are not synced")    \
    X(VOTE_AFTER_MESSAGES, "vote-after-messages", "rule 3",                                        \
      "messages leave before the term and vote that they depend on are stored")                    \
    X(LOG_NOT_SYNCED, "log-not-synced", "rule 4", "the log counts as durable without a sync")      \
    X(SEGMENT_NAME_NOT_SYNCED, "segment-name-not-synced", "storage",                               \
      "a new segment's name is not made durable")                                                  \
    X(LAST_BATCH_NOT_REWRITTEN, "last-batch-not-rewritten", "storage",                             \
      "what a start finds at the log's end counts as durable because it reads well")               \
    X(TORN_BATCH_NOT_ZEROED, "torn-batch-not-zeroed", "storage",                                   \
      "what a torn write has left stays behind the log's end")                                     \
    X(FAILED_WRITE_IGNORED, "failed-write-ignored", "rule 2",                                      \
      "the log goes on after a write or a sync that failed")                                       \
    X(OLD_GENERATION_COMPLETION, "old-generation-completion", "rule 4",                            \
      "the completion of a write that was truncated since counts")                                 \
    /* ---- the filters before libraft's core ---- */                                              \
    X(WIPED_NODE_ADMITTED, "wiped-node-admitted", "rule 0",                                        \
      "a node that has lost its disk takes part as if it had not")                                 \
    X(WIPED_NODE_HEARD, "wiped-node-heard", "rule 0",                                              \
      "who joins goes on hearing a node that it took in before it knew what is registered")        \
    X(UNREGISTERED_PROMOTED, "unregistered-promoted", "rule 0",                                    \
      "a standby gets its vote before its incarnation is registered")                              \
    X(ID_GIVEN_AGAIN, "id-given-again", "rule 0", "an id that was registered is added again")      \
    X(STALE_APPEND_FED, "stale-append-fed", "rule 5",                                              \
      "an append of an older term is fed to libraft, which answers it from what lies on the "      \
      "stack")                                                                                     \
    X(OLD_ECHO_COUNTS, "old-echo-counts", "rule 5",                                                \
      "a reply counts whatever term its question was asked in")                                    \
    X(OLD_CONNECTION_COUNTS, "old-connection-counts", "rule 5",                                    \
      "a reply counts though nothing was asked over this connection")                              \
    X(LATE_VOTE_COUNTS, "late-vote-counts", "rule 5",                                              \
      "a vote's result is fed to a node that is no candidate any more")                            \
    X(LATE_REJECTION_COUNTS, "late-rejection-counts", "rule 5",                                    \
      "a rejection of what the follower is known to have is fed")                                  \
    X(PRE_VOTE_NOT_MENDED, "pre-vote-not-mended", "rule 6",                                        \
      "a denied pre-vote names the asker's term, not ours")                                        \
    X(APPEND_NOT_SPLIT, "append-not-split", "rule 7",                                              \
      "a change inside an append is fed together with the entries around it")                      \
    X(CHANGE_NOT_SETTLED, "change-not-settled", "rule 7",                                          \
      "a change is fed before the one in front of it is settled")                                  \
    X(COMMIT_NOT_BOUNDED, "commit-not-bounded", "rule 7",                                          \
      "a received append is fed with a commit index beyond its own last entry")                    \
    X(NO_CONFIGURATION_EVENTS, "no-configuration-events", "rule 8",                                \
      "libraft is never told that a change of members is committed")                               \
    X(CONFIGURATIONS_WAIT_FOR_APPLY, "configurations-wait-for-apply", "rule 8",                    \
      "a committed change is told only when it has been applied")                                  \
    X(NO_BARRIER, "no-barrier", "rule 10", "a new leader submits no entry of its own first")       \
    X(LONE_VOTER_KEEPS_TERM, "lone-voter-keeps-term", "rule 11",                                   \
      "a lone voter leads again in the term of its last life")                                     \
    X(NO_VOTE_LENT, "no-vote-lent", "rule 11",                                                     \
      "who holds itself for a standby denies its vote to whoever has promoted it")                 \
    X(CHANGE_BEFORE_BARRIER, "change-before-barrier", "rule 11",                                   \
      "a new leader changes members before an entry of its own term is committed")                 \
    X(CHANGE_BEFORE_CHANGE, "change-before-change", "rule 11",                                     \
      "a leader changes members again before the last change is committed")                        \
    X(START_FORGETS_APPLIED, "start-forgets-applied", "rule 12",                                   \
      "a start tells libraft of the last snapshot, and not of what the state has applied since")   \
    X(READ_ANSWER_UNTOLD, "read-answer-untold", "rule 12",                                         \
      "a follower applies what a read's answer says to be committed, and does not tell libraft")   \
    /* ---- snapshots and hand-overs ---- */                                                       \
    X(SNAPSHOT_AHEAD, "snapshot-ahead", "rule 12",                                                 \
      "the manifest names what is applied, and not what the state has flushed")                    \
    X(TRIM_PAST_SNAPSHOT, "trim-past-snapshot", "rule 12",                                         \
      "the log is trimmed up to what is applied")                                                  \
    X(SNAPSHOT_OF_LATEST_MEMBERS, "snapshot-of-latest-members", "rule 12",                         \
      "a snapshot carries the latest members, and not those as of its index")                      \
    X(STAGED_FILES_NOT_SYNCED, "staged-files-not-synced", "rule 12",                               \
      "the files of a fetched state are not synced")                                               \
    X(TRANSFER_UNREADY, "transfer-unready", "rule 13",                                             \
      "the other one is told to take over at once, whatever it lacks")                             \
    X(SUBMIT_WHILE_TRANSFERRING, "submit-while-transferring", "rule 13",                           \
      "a leader that hands over goes on submitting")                                               \
    X(TRANSFER_NEVER_ENDS, "transfer-never-ends", "rule 13",                                       \
      "a leader waits for ever for the one that it hands over to")                                 \
    /* ---- timers ---- */                                                                         \
    X(EARLY_TIMEOUT, "early-timeout", "rule 14", "libraft's timer is fired whenever we look")      \
    X(HEARTBEATS_NOT_ALIGNED, "heartbeats-not-aligned", "rule 14",                                 \
      "a leader's timer fires for each follower on its own")                                       \
    /* ---- disks without room ---- */                                                             \
    X(LOW_DISK_IGNORED, "low-disk-ignored", "disk reserve",                                        \
      "a leader takes commands whatever its disk has left")                                        \
    X(LOW_DISK_LEADS_ON, "low-disk-leads-on", "disk reserve",                                      \
      "a leader whose disk is low does not hand over")                                             \
    X(LOW_DISK_FOR_EVER, "low-disk-for-ever", "disk reserve",                                      \
      "a disk that was low once is held for low")                                                  \
    X(LOW_DISK_GOES_ROUND, "low-disk-goes-round", "disk reserve",                                  \
      "a leader whose disk is low hands over whenever it leads")                                   \
    /* ---- answers ---- */                                                                        \
    X(STALE_READ, "stale-read", "linearizable reads",                                              \
      "a read is answered at once, from whatever has been applied here")                           \
    X(READ_UNCONFIRMED, "read-unconfirmed", "linearizable reads",                                  \
      "a leader vouches for its commit index without asking anybody")                              \
    X(READ_BEFORE_BARRIER, "read-before-barrier", "linearizable reads",                            \
      "a new leader vouches for its commit index before its barrier is applied")                   \
    X(READ_JOINS_SENT_ROUND, "read-joins-sent-round", "linearizable reads",                        \
      "a read is answered by a round that was sent before it came")                                \
    X(READ_NOT_APPLIED, "read-not-applied", "linearizable reads",                                  \
      "a read does not wait until its index is applied")                                           \
    X(MIN_INDEX_IGNORED, "min-index-ignored", "min_log_index",                                     \
      "a stale read does not wait for the index that it names")                                    \
    X(AGE_OF_LAST_APPEND, "age-of-last-append", "stale reads",                                     \
      "the age is the time since the last append")                                                 \
    X(AGE_BEFORE_APPLIED, "age-before-applied", "stale reads",                                     \
      "the age counts what is committed, applied or not")                                          \
    X(AGE_OF_OLD_ECHO, "age-of-old-echo", "stale reads",                                           \
      "a leader takes itself to be confirmed as of now")                                           \
    X(UNKNOWN_AS_FAILED, "unknown-as-failed", "honest answers",                                    \
      "commands that were in the log when the lead was lost are said not to be executed")          \
    /* ---- states compared ---- */                                                                \
    X(DIGEST_OF_ANOTHER_INDEX, "digest-of-another-index", "digests",                               \
      "a report counts at the index behind the one that it names")                                 \
    X(ONE_VOTE_STOPS, "one-vote-stops", "digests",                                                 \
      "who has another digest than any one voter is told to stop")                                 \
    X(LEADER_EXEMPTS_ITSELF, "leader-exempts-itself", "digests",                                   \
      "a leader goes on whose digest is not that of a majority")                                   \
    X(COPIES_COUNT, "copies-count", "digests",                                                     \
      "a state that was fetched from another node bears witness of its own")                       \
    X(LINEAGE_FORGOTTEN, "lineage-forgotten", "digests",                                           \
      "a node that is started again does not know any more that its state is a copy")              \
    /* ---- the ledger ---- */                                                                     \
    X(NO_DEDUPLICATION, "no-deduplication", "exactly once",                                        \
      "records of requests are not looked at")                                                     \
    X(RESENT_FORGOTTEN, "resent-forgotten", "final answers",                                       \
      "an attempt that comes again counts as the first")                                           \
    X(SKIPPED_LINE, "skipped-line", "all or nothing",                                              \
      "the last line of an order is not held, though the order says so")                           \
    X(HOLD_LEAK_ON_REPLAY, "hold-leak-on-replay", "exactly once",                                  \
      "a Reserve that comes again takes its hold again")                                           \
    X(RAISE_UNASKED, "raise-unasked", "ledger versions",                                           \
      "a leader raises the ledger's version whatever the members' programs know")                  \
    X(UNKNOWN_VERSION_APPLIED, "unknown-version-applied", "ledger versions",                       \
      "a node goes on behind a version that its program does not know")                            \
    X(VERSION_LOWERED, "version-lowered", "ledger versions",                                       \
      "a raise to an earlier version lowers the ledger to it")                                     \
    X(LOCAL_CLOCK_EXPIRY, "local-clock-expiry", "equal states",                                    \
      "a replica applies an entry at its own time, not at the entry's")                            \
    X(CREDIT_LOST, "credit-lost", "holds outlive outages",                                         \
      "time without a leader counts against holds")                                                \
    X(STAMP_BY_WALL_CLOCK, "stamp-by-wall-clock", "ledger time",                                   \
      "a leader stamps entries with its wall clock")                                               \
    X(WALL_NOT_BORNE_OUT, "wall-not-borne-out", "ledger time",                                     \
      "a leader goes by its own wall clock, whatever the others' show")                            \
    X(NO_SLEW, "no-slew", "ledger time", "ledger time follows the wall clock at once")             \
    X(CREDIT_BY_WALL_CLOCK, "credit-by-wall-clock", "holds outlive outages",                       \
      "time without a leader is told by the own wall clock")                                       \
    X(DIGEST_KEEPS_REPLACED, "digest-keeps-replaced", "equal states",                              \
      "a record that was replaced still counts in the digest")

enum planted_bug {
    PLANTED_NONE,
#define X(name, text, broken, what) PLANTED_##name,
    PLANTED_BUGS(X)
#undef X
};

#ifdef HOLDFAST_PLANT_BUGS
#define PLANTED(bug) (planted_chosen == PLANTED_##bug)
#else
#define PLANTED(bug) (PLANTED_##bug == PLANTED_NONE) /* a misspelt bug does not compile */
#endif

/* Only tests' programs have these: tests/lib/planted.c. */
extern enum planted_bug planted_chosen;

/* Chooses the bug with this name; NULL: none. False: there is no such bug, or this is a normal
 * build and can have none. */
bool planted_choose(const char *name);

/* For rule 5: fills the stack below the caller's frame with numbers that look like indexes, for
 * what libraft leaves uninitialised there usually reads 0 and does no harm. */
void planted_poison_stack(void);

/* A log entry with another time in its header; valid until the next call. */
struct bytes planted_restamp(struct bytes entry, int64_t time_ms);

#endif
