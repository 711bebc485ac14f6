/*
 * members.h - of core.h, what members.c does for core.c and for who wires a core.
 */
#ifndef NODE_CORE_MEMBERS_H
#define NODE_CORE_MEMBERS_H

#include "core.h"

/* The member's place in config.members; LIMIT_NODES: no member. */
size_t core_member_slot(const struct core *core, uint64_t id);
/* The leader's, now and then: proposes the incarnations that are known and not registered, each
 * once per term at most. False: the node must stop. */
bool core_register_members(struct core *core, struct error *error);

#endif
