/*
 * state_db_interface.c - the state database as a node takes it: state_store.h over state_db.h.
 *
 * Nothing is decided here: each operation is one call of state_db.h, with its types, and fails as
 * that one does.
 */
#include "storage/state_db.h"

static struct ledger_store interface_records(void *state)
{
    return state_db_store(state);
}

static bool interface_commit(void *state, uint64_t applied_index, struct error *error)
{
    return state_db_commit(state, applied_index, error);
}

static uint64_t interface_applied_index(const void *state)
{
    return state_db_applied_index(state);
}

static void *interface_view_open(void *state)
{
    return state_db_view_open(state);
}

static struct ledger_store interface_view_records(void *view)
{
    return state_db_view_store(view);
}

static uint64_t interface_view_applied_index(const void *view)
{
    return state_db_view_applied_index(view);
}

static void interface_view_close(void *view)
{
    state_db_view_close(view);
}

static bool interface_checkpoint(void *state, const char *path, uint64_t *applied_index,
                                 struct error *error)
{
    return state_db_checkpoint(state, path, applied_index, error);
}

static bool interface_check(void *state, struct error *error)
{
    return state_db_check(state, error);
}

static bool interface_close(void *state, struct error *error)
{
    return state_db_close(state, error);
}

struct state_store state_db_interface(struct state_db *db)
{
    static const struct state_store_ops ops = {
        .records = interface_records,
        .commit = interface_commit,
        .applied_index = interface_applied_index,
        .view_open = interface_view_open,
        .view_records = interface_view_records,
        .view_applied_index = interface_view_applied_index,
        .view_close = interface_view_close,
        .checkpoint = interface_checkpoint,
        .check = interface_check,
        .close = interface_close,
    };
    return (struct state_store){&ops, db};
}
