/*
 * audit.h - the whole state is read and every invariant of the ledger checked (ledger_audit_run),
 * in the pool, on a frozen view: the loop goes on. One at a time, for it costs a full read.
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

struct audit {
    struct pool_work work;
    struct core *core;
    void *view;
    bool ok; /* else: error */
    struct error error;
    uint64_t applied_index;
    struct ledger_audit result;
    void (*ended)(struct audit *audit); /* on the loop's thread; frees it */
};

/* Fills the rest of the audit, whose `ended` is set, and starts it. False with the reason: another
 * one runs (*busy), or the pool refuses. */
bool audit_start(struct audit *audit, struct core *core, bool *busy, struct error *error);
/* The node stops: one that runs soon ends without a finding, and none begins any more. */
void audits_stop(struct core *core);

#endif
