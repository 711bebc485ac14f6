/*
 * upgrade.h - of core.h, what upgrade.c does for core.c and for who wires a core: the ledger's
 * version is raised once every member has told that it knows it (docs/decisions/010).
 */
#ifndef NODE_CORE_UPGRADE_H
#define NODE_CORE_UPGRADE_H

#include "core.h"

/* What a member has told, lately, over the present connection. */
struct member_version {
    uint64_t node_id;
    unsigned known; /* the newest ledger version that it can go by; 0: it has not told */
};
/* Of all members, standbys too; room for LIMIT_NODES. */
size_t core_member_versions(const struct core *core, struct member_version *versions);

/* The newest version that all members know; 0: somebody has not told. */
unsigned core_version_known_to_all(const struct core *core);
/* May the ledger be raised to this version? False: and why, naming all who are not ready. */
bool core_may_raise_version(const struct core *core, unsigned version, struct error *why);
/* Fills the proposal's data and counts with the command; its owner proposes it in the same turn of
 * the loop. */
void core_fill_raise_version(struct proposal *proposal, unsigned version);

#endif
