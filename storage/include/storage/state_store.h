/*
 * state_store.h - the state machine's database as a node sees it, whatever keeps the records:
 * state_db.h with RocksDB, or a simulator's, in memory (tests/lib/sim_state.h).
 *
 * Contract: changes made through `records` are seen at once and written by `commit`, all together
 * with the applied index, or none of them. After a crash the store stands at the index of some
 * commit it once made - not of the last one, and never between two.
 *
 * Ownership: whoever opened a store closes it, and its views before it. Threads: one at a time for
 * everything but a checkpoint and a view, which another thread may read and close. Errors: a failed
 * commit is final.
 */
#ifndef STORAGE_STATE_STORE_H
#define STORAGE_STATE_STORE_H

#include "base/error.h"
#include "ledger/store.h"

struct state_store_ops {
    struct ledger_store (*records)(void *state);
    /* The index grows with each commit. */
    bool (*commit)(void *state, uint64_t applied_index, struct error *error);
    /* Of the last commit found or made; 0: a new store. */
    uint64_t (*applied_index)(const void *state);
    /* A frozen, read-only view of the last committed state. */
    void *(*view_open)(void *state);
    struct ledger_store (*view_records)(void *view);
    uint64_t (*view_applied_index)(const void *view);
    void (*view_close)(void *view);
    /* Makes `path` a store of its own, at an applied index between the call and its return, and
     * makes this one's flushed state reach that index as well: behind it the log may be trimmed.
     * From any thread. */
    bool (*checkpoint)(void *state, const char *path, uint64_t *applied_index, struct error *error);
    /* False: something has failed in the background that no call has told yet; final, like a failed
     * commit. Cheap. */
    bool (*check)(void *state, struct error *error);
    /* Frees in any case; false: what is in memory could not be written, and the log has it. */
    bool (*close)(void *state, struct error *error);
};

struct state_store {
    const struct state_store_ops *ops; /* NULL: none is open */
    void *state;
};

#endif
