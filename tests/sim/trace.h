/*
 * trace.h - the last things that happened on each node of a simulated cluster, kept as numbers in a
 * ring per node and put into words only when somebody wants to read them: a note costs some stores
 * and multiplications, so it is always on.
 *
 * The digest of all notes, and of every byte of the messages among them, is the run's fingerprint:
 * the same seed gives the same one, twice, and whatever compiled it. So a note carries numbers that
 * the seed decides, never an address, a size of a struct or a time of day.
 *
 * Nodes are counted from 0 where they are an argument, as everywhere in the simulator; among the
 * numbers, and in words, they are told by their ids, from 1.
 *
 * Threads: none. Memory: all of it is in the struct.
 */
#ifndef TESTS_SIM_TRACE_H
#define TESTS_SIM_TRACE_H

#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/limits.h"

struct peer_message;

#define TRACE_NUMBERS 4   /* of one note */
#define TRACE_KEPT    128 /* notes of each node: a power of two */

/* Who else has notes: what befalls the cluster as a whole, and its clients. */
#define TRACE_WORLD   LIMIT_NODES
#define TRACE_CLIENTS (LIMIT_NODES + 1)
#define TRACE_TRACKS  (LIMIT_NODES + 2)

/* What happens, and how it is told: printf's format and arguments, v being the note's numbers.
 * Expanded in trace.c alone. To add an event, add a line. */
#define TRACE_U "%" PRIu64
#define TRACE_X "%016" PRIx64
#define TRACE_EVENTS(X)                                                                            \
    /* ---- noted by the checks, as they are told ---- */                                          \
    X(HARD_STATE, ("stores term " TRACE_U ", vote n" TRACE_U, v[0], v[1]))                         \
    X(LOG_ASKED,                                                                                   \
      ("log: writes " TRACE_U " to " TRACE_U ", last of term " TRACE_U, v[0], v[1], v[2]))         \
    X(LOG_DURABLE, ("log: " TRACE_U " writes durable, ends at " TRACE_U, v[0], v[1]))              \
    X(LOG_FOUND, ("finds its log: ends at " TRACE_U ", term " TRACE_U ", begins at " TRACE_U,      \
                  v[0], v[1], v[2]))                                                               \
    X(SNAPSHOT, ("snapshot at " TRACE_U ", term " TRACE_U ", stored", v[0], v[1]))                 \
    X(TRIMMED, ("log trimmed: begins at " TRACE_U, v[0]))                                          \
    X(INSTALLING, ("installs a snapshot at " TRACE_U ": its log is forgotten", v[0]))              \
    X(INSTALLED, ("snapshot at " TRACE_U " installed on its disk", v[0]))                          \
    X(REPLACED, ("goes on with the state at " TRACE_U ", digest %016" PRIx64, v[0], v[1]))         \
    X(HANDS_OVER, ("hands its leadership to n" TRACE_U " (0: to nobody any more)", v[0]))          \
    X(STARTED, ("starts: state at " TRACE_U ", digest %016" PRIx64, v[0], v[1]))                   \
    X(FOLLOWER, ("becomes FOLLOWER, term " TRACE_U, v[0]))                                         \
    X(CANDIDATE, ("becomes CANDIDATE, term " TRACE_U, v[0]))                                       \
    X(LEADER, ("becomes LEADER, term " TRACE_U, v[0]))                                             \
    X(COMMIT_INDEX, ("commit index " TRACE_U, v[0]))                                               \
    X(APPLIED, ("applies " TRACE_U ", digest %016" PRIx64, v[0], v[1]))                            \
    X(ASKED, ("op-" TRACE_U ": %s asked", v[0], kind_name(v[1])))                                  \
    X(ASKED_READ, ("op-" TRACE_U ": a read asked", v[0]))                                          \
    X(RESULT,                                                                                      \
      ("op-" TRACE_U ": %s at " TRACE_U "." TRACE_U, v[0], verdict_name(v[1]), v[2], v[3]))        \
    X(ASKED_STALE_READ,                                                                            \
      ("op-" TRACE_U ": a stale read asked, of " TRACE_U " at least", v[0], v[1]))                 \
    X(READ_AGE, ("op-" TRACE_U ": n" TRACE_U " says that its state is " TRACE_U " ms old", v[0],   \
                 v[1], v[2]))                                                                      \
    X(NOT_EXECUTED, ("op-" TRACE_U ": surely not executed", v[0]))                                 \
    X(UNKNOWN, ("op-" TRACE_U ": outcome unknown", v[0]))                                          \
    X(READ, ("op-" TRACE_U ": read by n" TRACE_U " at " TRACE_U ", %s", v[0], v[1], v[2],          \
             v[3] != 0 ? "found" : "not found"))                                                   \
    /* ---- messages: trace_sent, trace_received. Of terms the sender's own. ---- */               \
    X(SENT_REQUEST_VOTE, ("-> n" TRACE_U " asks for %s in term " TRACE_U ", log ends at " TRACE_U, \
                          v[0], v[1] != 0 ? "a pre-vote" : "its vote", v[2], v[3]))                \
    X(SENT_VOTE, ("-> n" TRACE_U " %s %s, term " TRACE_U, v[0], v[1] != 0 ? "grants" : "denies",   \
                  v[2] != 0 ? "a pre-vote" : "a vote", v[3]))                                      \
    X(SENT_APPEND,                                                                                 \
      ("-> n" TRACE_U " append behind " TRACE_U ": " TRACE_U " entries, commit index " TRACE_U,    \
       v[0], v[1], v[2], v[3]))                                                                    \
    X(SENT_ACKNOWLEDGEMENT,                                                                        \
      ("-> n" TRACE_U " has up to " TRACE_U ", term " TRACE_U, v[0], v[1], v[2]))                  \
    X(SENT_REJECTION,                                                                              \
      ("-> n" TRACE_U " rejects what follows " TRACE_U ", log ends at " TRACE_U ", term " TRACE_U, \
       v[0], v[1], v[2], v[3]))                                                                    \
    X(SENT_TIMEOUT_NOW, ("-> n" TRACE_U " shall lead, term " TRACE_U, v[0], v[1]))                 \
    X(SENT_READ_INDEX,                                                                             \
      ("-> n" TRACE_U " do we lead still, term " TRACE_U ", round " TRACE_U, v[0], v[1], v[2]))    \
    X(SENT_READ_INDEX_RESULT,                                                                      \
      ("-> n" TRACE_U " we are in term " TRACE_U ", round " TRACE_U, v[0], v[1], v[2]))            \
    X(SENT_READ_ASK,                                                                               \
      ("-> n" TRACE_U " where may we read, term " TRACE_U ", round " TRACE_U, v[0], v[1], v[2]))   \
    X(SENT_READ_ANSWER,                                                                            \
      ("-> n" TRACE_U " reads may show " TRACE_U ", round " TRACE_U, v[0], v[1], v[2]))            \
    X(SENT_DIGEST, ("-> n" TRACE_U " state at " TRACE_U " has digest ..." TRACE_X                  \
                    ", stems from " TRACE_U " others",                                             \
                    v[0], v[1], v[2], v[3]))                                                       \
    X(SENT_BORNE_OUT,                                                                              \
      ("-> n" TRACE_U " state at " TRACE_U " with digest ..." TRACE_X " is borne out", v[0], v[1], \
       v[2]))                                                                                      \
    X(SENT_DIFFERENCE,                                                                             \
      ("-> n" TRACE_U " shall stop: at " TRACE_U " it has digest ..." TRACE_X ", a majority "      \
       "..." TRACE_X,                                                                              \
       v[0], v[1], v[2], v[3]))                                                                    \
    X(SENT_INSTALL_SNAPSHOT,                                                                       \
      ("-> n" TRACE_U " offers its snapshot at " TRACE_U " of term " TRACE_U ", checkpoint "       \
       "%016" PRIx64,                                                                              \
       v[0], v[1], v[2], v[3]))                                                                    \
    X(SENT_CHECKPOINT_ASK,                                                                         \
      ("-> n" TRACE_U " asks for file " TRACE_U " from " TRACE_U " on of checkpoint %016" PRIx64,  \
       v[0], v[1], v[2], v[3]))                                                                    \
    X(SENT_CHECKPOINT_PART,                                                                        \
      ("-> n" TRACE_U " file " TRACE_U " from " TRACE_U " on: %" PRId64 " bytes", v[0], v[1],      \
       v[2], (int64_t)v[3]))                                                                       \
    X(RECEIVED_REQUEST_VOTE,                                                                       \
      ("<- n" TRACE_U " asks for %s in term " TRACE_U ", log ends at " TRACE_U, v[0],              \
       v[1] != 0 ? "a pre-vote" : "our vote", v[2], v[3]))                                         \
    X(RECEIVED_VOTE, ("<- n" TRACE_U " %s %s, term " TRACE_U, v[0],                                \
                      v[1] != 0 ? "grants" : "denies", v[2] != 0 ? "a pre-vote" : "a vote", v[3])) \
    X(RECEIVED_APPEND,                                                                             \
      ("<- n" TRACE_U " append behind " TRACE_U ": " TRACE_U " entries, commit index " TRACE_U,    \
       v[0], v[1], v[2], v[3]))                                                                    \
    X(RECEIVED_ACKNOWLEDGEMENT,                                                                    \
      ("<- n" TRACE_U " has up to " TRACE_U ", term " TRACE_U, v[0], v[1], v[2]))                  \
    X(RECEIVED_REJECTION,                                                                          \
      ("<- n" TRACE_U " rejects what follows " TRACE_U ", log ends at " TRACE_U ", term " TRACE_U, \
       v[0], v[1], v[2], v[3]))                                                                    \
    X(RECEIVED_TIMEOUT_NOW, ("<- n" TRACE_U " wants us to lead, term " TRACE_U, v[0], v[1]))       \
    X(RECEIVED_READ_INDEX,                                                                         \
      ("<- n" TRACE_U " asks whether it leads, term " TRACE_U ", round " TRACE_U, v[0], v[1],      \
       v[2]))                                                                                      \
    X(RECEIVED_READ_INDEX_RESULT,                                                                  \
      ("<- n" TRACE_U " is in term " TRACE_U ", round " TRACE_U, v[0], v[1], v[2]))                \
    X(RECEIVED_READ_ASK,                                                                           \
      ("<- n" TRACE_U " asks where it may read, term " TRACE_U ", round " TRACE_U, v[0], v[1],     \
       v[2]))                                                                                      \
    X(RECEIVED_READ_ANSWER,                                                                        \
      ("<- n" TRACE_U " reads may show " TRACE_U ", round " TRACE_U, v[0], v[1], v[2]))            \
    X(RECEIVED_DIGEST, ("<- n" TRACE_U " state at " TRACE_U " has digest ..." TRACE_X              \
                        ", stems from " TRACE_U " others",                                         \
                        v[0], v[1], v[2], v[3]))                                                   \
    X(RECEIVED_BORNE_OUT,                                                                          \
      ("<- n" TRACE_U " state at " TRACE_U " with digest ..." TRACE_X " is borne out", v[0], v[1], \
       v[2]))                                                                                      \
    X(RECEIVED_DIFFERENCE,                                                                         \
      ("<- n" TRACE_U " says to stop: at " TRACE_U " we have digest ..." TRACE_X ", a majority "   \
       "..." TRACE_X,                                                                              \
       v[0], v[1], v[2], v[3]))                                                                    \
    X(RECEIVED_INSTALL_SNAPSHOT,                                                                   \
      ("<- n" TRACE_U " offers its snapshot at " TRACE_U " of term " TRACE_U ", checkpoint "       \
       "%016" PRIx64,                                                                              \
       v[0], v[1], v[2], v[3]))                                                                    \
    X(RECEIVED_CHECKPOINT_ASK,                                                                     \
      ("<- n" TRACE_U " asks for file " TRACE_U " from " TRACE_U " on of checkpoint %016" PRIx64,  \
       v[0], v[1], v[2], v[3]))                                                                    \
    X(RECEIVED_CHECKPOINT_PART,                                                                    \
      ("<- n" TRACE_U " file " TRACE_U " from " TRACE_U " on: %" PRId64 " bytes", v[0], v[1],      \
       v[2], (int64_t)v[3]))                                                                       \
    /* ---- a node's life ---- */                                                                  \
    X(STARTING, ("is started"))                                                                    \
    X(STOPPING, ("is stopped in order"))                                                           \
    X(CRASH, ("CRASHES: %s", v[0] == 0 ? "power cut" : "killed"))                                  \
    X(CRASH_IN_CALL, ("is about to crash in a call"))                                              \
    X(STOPPED, ("STOPS, as it must: its disk failed"))                                             \
    X(PAUSED, ("is paused for " TRACE_U " us", v[0]))                                              \
    X(SPOILT, ("its state goes WRONG, from " TRACE_U " on", v[0]))                                 \
    X(SPOILT_COPY, ("has a WRONG state at " TRACE_U " from another node", v[0]))                   \
    X(SPOILT_STOPPED, ("STOPS, as it must: its state is wrong"))                                   \
    X(WIPED, ("loses its directory"))                                                              \
    X(JOINS, ("joins"))                                                                            \
    X(TAKEN_AWAY, ("is taken away"))                                                               \
    X(HELD_DOWN, ("is held down"))                                                                 \
    X(CLOCK_JUMP, ("wall clock jumps by %" PRId64 " ms", (int64_t)v[0]))                           \
    X(CLOCK_DRIFT, ("clock drifts by %" PRId64 " ppm", (int64_t)v[0]))                             \
    X(PROGRAM, ("runs a program that knows ledger version " TRACE_U, v[0]))                        \
    X(MAY_RAISE, ("may raise the ledger to version " TRACE_U, v[0]))                               \
    X(TOO_OLD, ("STOPS, as it must: its program is too old"))                                      \
    X(CHANGE, ("is asked to %s n" TRACE_U ": %s",                                                  \
               v[0] == 1   ? "add"                                                                 \
               : v[0] == 2 ? "promote"                                                             \
                           : "remove",                                                             \
               v[1], v[2] != 0 ? "it does" : "refused"))                                           \
    /* ---- disks ---- */                                                                          \
    X(DISK_SLOW, ("disk slow: up to " TRACE_U " us a sync", v[0]))                                 \
    X(DISK_MENDED, ("disk mended"))                                                                \
    X(DISK_FULL, ("disk full"))                                                                    \
    X(DISK_FAILS, ("disk fails"))                                                                  \
    X(DISK_SCARCE, ("disk: " TRACE_U " bytes are left", v[0]))                                     \
    X(DISK_LOW, ("finds its disk low: " TRACE_U " bytes are free", v[0]))                          \
    X(ROOM, ("finds room on its disk: " TRACE_U " bytes are free", v[0]))                          \
    X(LOG_TORN, ("cuts a torn batch off its log, which ends at " TRACE_U, v[0]))                   \
    X(LOG_REPLACED, ("drops the log that a snapshot has replaced"))                                \
    X(CHECKPOINT, ("checkpoint made at " TRACE_U, v[0]))                                           \
    X(FETCH_GIVEN_UP, ("gives a fetch up"))                                                        \
    X(TRANSFER,                                                                                    \
      ("is asked to hand over to n" TRACE_U ": %s", v[0], v[1] != 0 ? "it does" : "refused"))      \
    X(STATE_FLUSHED, ("state flushed at " TRACE_U, v[0]))                                          \
    X(AUDIT, ("audited at " TRACE_U, v[0]))                                                        \
    /* ---- the network ---- */                                                                    \
    X(CONNECTED, ("connected to n" TRACE_U, v[0]))                                                 \
    X(DISCONNECTED, ("disconnected from n" TRACE_U, v[0]))                                         \
    X(LINK_CUT, ("link to n" TRACE_U " cut", v[0]))                                                \
    X(LINK_MENDED, ("link to n" TRACE_U " mended", v[0]))                                          \
    X(WEATHER, ("network: up to " TRACE_U " us, lost " TRACE_U " of 1000, doubled " TRACE_U        \
                ", late " TRACE_U,                                                                 \
                v[0], v[1], v[2], v[3]))                                                           \
    /* ---- the cluster ---- */                                                                    \
    X(BEGIN, ("seed " TRACE_U ": " TRACE_U " nodes", v[0], v[1]))                                  \
    X(FAULT, ("fault %s on n" TRACE_U " for " TRACE_U " us", fault_name(v[0]), v[1], v[2]))        \
    X(PARTED, ("parted: sides " TRACE_U, v[0]))                                                    \
    X(HEALED, ("everything is mended"))                                                            \
    X(QUIET, ("a quiet spell begins"))                                                             \
    X(END, ("the end"))

enum trace_event {
#define X(name, words) TRACE_##name,
    TRACE_EVENTS(X)
#undef X
        TRACE_EVENT_COUNT
};

struct trace_record {
    uint64_t at_us;
    uint64_t number; /* of all notes: their order */
    uint64_t numbers[TRACE_NUMBERS];
    enum trace_event event;
};

struct trace {
    const uint64_t *now_us;
    FILE *out; /* NULL: only kept */
    uint64_t digest;
    uint64_t count;
    struct trace_record kept[TRACE_TRACKS][TRACE_KEPT];
    uint64_t counts[TRACE_TRACKS];
};

/* now_us is where the simulated time stands. With `out` each note is also written there at once. */
void trace_init(struct trace *trace, const uint64_t *now_us, FILE *out);

/* Happened to this node (or TRACE_WORLD, TRACE_CLIENTS): one to four numbers, the rest is 0. */
#define trace_note(trace, node, event, ...)                                                        \
    trace_note_numbers((trace), (node), (event), (const uint64_t[TRACE_NUMBERS]){__VA_ARGS__})
void trace_note_numbers(struct trace *trace, size_t node, enum trace_event event,
                        const uint64_t numbers[TRACE_NUMBERS]);
/* A message of this node to the other, and its arrival here from the other. */
void trace_sent(struct trace *trace, size_t node, size_t to, const struct peer_message *message);
void trace_received(struct trace *trace, size_t node, size_t from,
                    const struct peer_message *message);

/* Writes the last `most` notes of all nodes, in their order in time; none is missing up to
 * TRACE_KEPT. */
void trace_print(const struct trace *trace, FILE *out, size_t most);

#endif
