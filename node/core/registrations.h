/*
 * registrations.h - the incarnations that the log registers, for those that the state does not know
 * yet.
 *
 * The state lies behind the log, after a crash and whenever no leader has said how far the log is
 * committed. But who may vote must be known before: a member whose directory was lost would else be
 * heard by a node that has its registration in the log, and elect with it a leader that lacks what
 * was acknowledged (Raft rule 0). A registration that never commits may be believed too: it refuses
 * somebody until it is replaced, no more.
 *
 * Invariant: noted is what each entry of the log registers, from the time that its write is queued
 * until another takes its place or the state has applied it.
 *
 * Threads: the loop's. Bounds: the log's; an id is registered once.
 */
#ifndef NODE_REGISTRATIONS_H
#define NODE_REGISTRATIONS_H

#include "base/limits.h"
#include "ledger/command.h"

struct registration {
    uint64_t node_id;
    uint64_t incarnation;
    uint64_t index; /* of the entry that holds it */
};

/* Zero-initialise. */
struct registrations {
    struct registration *items;
    size_t count;
    size_t capacity;
    struct ledger_command_lines lines; /* room for decoding */
};
/* It is empty then. */
void registrations_free(struct registrations *registrations);

/* An entry of commands, in the order of the log. One that can't be read is left out: apply stops
 * the node if it ever commits. */
void registrations_note(struct registrations *registrations, uint64_t index, struct bytes entry);
/* Forgets what entries from this index on hold: others have taken their place. */
void registrations_cut(struct registrations *registrations, uint64_t index);
/* The incarnation that an entry behind applied_index registers for the node; 0: none does. */
uint64_t registrations_find(const struct registrations *registrations, uint64_t node_id,
                            uint64_t applied_index);

#endif
