/*
 * registrations.h - the incarnations that the log on disk registers, for those that the state does
 * not know yet.
 *
 * After a crash the state lies behind the log and catches up only when a leader says how far the
 * log is committed. But who may vote for that leader must be known before: a member whose directory
 * was lost would else be admitted by a node that has its registration in the log, and elect with it
 * a leader that lacks what was acknowledged (Raft rule 0). A registration that never commits may be
 * believed too: it refuses somebody until it is replaced, no more.
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
};
/* It is empty then. */
void registrations_free(struct registrations *registrations);

/* An entry of commands, in the order of the log. `lines` is room for decoding. One that can't be
 * read is left out: apply stops the node if it ever commits. */
void registrations_note(struct registrations *registrations, uint64_t index, struct bytes entry,
                        struct ledger_command_lines *lines);
/* Forgets what entries from this index on hold: others have taken their place. */
void registrations_cut(struct registrations *registrations, uint64_t index);
/* The incarnation that an entry behind applied_index registers for the node; 0: none does. */
uint64_t registrations_find(const struct registrations *registrations, uint64_t node_id,
                            uint64_t applied_index);

#endif
