/*
 * audit.h - the whole state is read and every invariant of the ledger checked (ledger_audit_run),
 * in the pool, on a frozen view: the loop goes on. One at a time, for it costs a full read.
 *
 * An audit may name the index that it wants to see, so that several nodes can be compared: the view
 * is opened right behind the application of that entry, neither sooner nor later. On a leader where
 * nothing else is written empty entries are, until the index is there.
 *
 *   audit_start -> (waiting: audit_applied) -> view -> pool -> ended
 *
 * Invariant: an audit that was started ends once, with `ended`; if it is ok, its view stood at
 * at_index, where one was asked for.
 */
#ifndef NODE_CORE_AUDIT_H
#define NODE_CORE_AUDIT_H

#include "ledger/ledger.h"

struct core;

/* A piece of work for the pool: `run` on some thread, then `done` on the loop's. */
struct pool_work {
    void (*run)(struct pool_work *work);
    void (*done)(struct pool_work *work);
};

enum audit_refusal {
    AUDIT_BUSY = 1, /* another one runs or waits, or the state is about to be replaced */
    AUDIT_BEHIND,   /* the state has passed the index that was asked for */
    AUDIT_GIVEN_UP, /* the index did not come, the node stops, or nobody waits any more */
    AUDIT_FAILED,   /* the state can't be read, or the pool refuses */
};

struct audit {
    struct pool_work work;
    struct core *core;
    void *view;
    uint64_t at_index; /* set by the caller: as of this applied index; 0: as of now */
    bool ok;           /* else: why, and error */
    enum audit_refusal why;
    struct error error;
    uint64_t applied_index;
    struct ledger_audit result;
    void (*ended)(struct audit *audit); /* on the loop's thread; frees it */
    unsigned upkeeps;                   /* that it has waited */
};

/* Fills the rest of the audit, whose `ended` and `at_index` are set, and starts it. False with the
 * reason: it has not begun, and `ended` is not called. */
bool audit_start(struct audit *audit, struct core *core, enum audit_refusal *why,
                 struct error *error);
/* Nobody wants it any more: ends it now if it waits for its index; one that runs runs on. */
void audit_cancel(struct audit *audit);
/* The node stops: one that waits ends now, one that runs soon ends without a finding, and none
 * begins any more. */
void audits_stop(struct core *core);

/* ---- for the core ---- */

/* The state stands at this index. */
void audit_applied(struct core *core, uint64_t index);
/* The one that waits, if any: its index may have been jumped over, or not come in time. */
void audit_upkeep(struct core *core);
/* A leader is to write an empty entry, where nothing else is written. */
bool audit_wants_entry(const struct core *core, uint64_t last_index);
/* The one that waits, if any, ends. */
void audit_abandon(struct core *core);

#endif
