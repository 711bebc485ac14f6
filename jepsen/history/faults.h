/*
 * faults.h - when which fault was there: the nemesis' events as windows of time.
 *
 * A window of fault X reaches from the first "start-X" to the last "stop-X" or "finish-X" before
 * the next "start-X"; one that nobody stopped reaches to the end. Any other word is a moment: the
 * two events of one act (about to, done) make one window, from the one to the other.
 */
#ifndef JEPSEN_FAULTS_H
#define JEPSEN_FAULTS_H

#include "history.h"

struct fault_window {
    struct bytes name;  /* "partition", "transfer-leader"; lives in the history */
    struct bytes value; /* what the nemesis said of it first; empty: nothing */
    int64_t from_ns;
    int64_t until_ns;
    bool moment;
    bool ended;
};

/* In the order of their beginnings; the caller frees. */
struct fault_window *fault_windows(const struct history *history, uint32_t *count);
/* What kind of fault it is: the name's first word, "partition" of "partition-halves"; a moment's
 * whole name. */
struct bytes fault_kind(const struct fault_window *window);

#endif
