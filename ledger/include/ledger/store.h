/*
 * store.h - what the ledger asks of whatever keeps its records. The ledger decides and encodes; a
 * store keeps bytes by (kind, key).
 *
 * The kind of a record is part of the interface, not hidden in the key, so that a store may treat
 * kinds differently (a write-behind overlay keeps hot stocks in memory, appends history, and never
 * writes a hold that came and went between two flushes) without the ledger knowing.
 *
 * Contract: a get or a scan sees every put and remove made before it. Nothing is durable before the
 * store's owner commits; the owner commits all changes of one log entry together with that entry's
 * index, or none (storage/state_db.h). Ownership: what get and scan show is valid until the next
 * call on the store; put copies. Threads: one at a time. Errors: a store that can't read or write
 * returns false / STORE_ERROR with the reason; the caller must stop the node.
 */
#ifndef LEDGER_STORE_H
#define LEDGER_STORE_H

#include "base/bytes.h"
#include "base/error.h"

/* The kind byte that stands in front of every key on disk: forever. */
enum ledger_kind {
    LEDGER_KIND_META = 'M',    /* a name: clock, digest */
    LEDGER_KIND_STOCK = 'S',   /* sku NUL warehouse */
    LEDGER_KIND_ORDER = 'O',   /* order id */
    LEDGER_KIND_HISTORY = 'H', /* sku NUL warehouse index sub */
    LEDGER_KIND_REQUEST = 'R', /* request id */
    LEDGER_KIND_EXPIRY = 'E',  /* expiry (hold time), order id: orders with an open line */
    LEDGER_KIND_PURGE = 'P',   /* when (ledger time), kind, id: records that end by age */
    LEDGER_KIND_NODE = 'N',    /* node id: its registered incarnation */
};

enum store_result { STORE_FOUND, STORE_ABSENT, STORE_ERROR };

/* Called for each record of a scan, in key order. Return false to stop. Must not call the store. */
typedef bool (*store_visit)(void *context, struct bytes key, struct bytes value);

struct store_ops {
    enum store_result (*get)(void *store, enum ledger_kind kind, struct bytes key,
                             struct bytes *value, struct error *error);
    bool (*put)(void *store, enum ledger_kind kind, struct bytes key, struct bytes value,
                struct error *error);
    bool (*remove)(void *store, enum ledger_kind kind, struct bytes key, struct error *error);
    /* All records of the kind with from <= key, and key < to unless `to` is empty. */
    bool (*scan)(void *store, enum ledger_kind kind, struct bytes from, struct bytes to,
                 store_visit visit, void *context, struct error *error);
};

struct ledger_store {
    const struct store_ops *ops;
    void *store;
};

#endif
