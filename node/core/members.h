/*
 * members.h - of core.h, what members.c does for core.c.
 */
#ifndef NODE_CORE_MEMBERS_H
#define NODE_CORE_MEMBERS_H

#include "core.h"

/* These are about to be the log's, from first_index on: which incarnations do they register? */
void core_note_registrations(struct core *core, uint64_t first_index, struct entry *const *entries,
                             size_t count);
/* The leader's, now and then: proposes the incarnations that are known and not registered, each
 * once per term at most. False: the node must stop. */
bool core_register_members(struct core *core, struct error *error);
/* Now and then: has this node been removed? Sets core->removed_index. */
bool core_note_removal(struct core *core, struct error *error);
/* Before the replica is asked: what it can't know. *may false: and why. */
bool core_judge_change(struct core *core, const struct replica_change *change, bool *may,
                       struct error *why, struct error *error);

#endif
