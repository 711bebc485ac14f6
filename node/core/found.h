/*
 * found.h - opening what a node has on disk: directory, log, state, ledger, in an order in which a
 * node that refuses has changed nothing; and the log as it was found, for the replica's start.
 *
 * Ownership: what is opened belongs to the core; the entries that were found belong to struct
 * core_found until core_found_free. Errors: false, with what is damaged or missing and what can be
 * done.
 */
#ifndef NODE_CORE_FOUND_H
#define NODE_CORE_FOUND_H

#include "core.h"

struct core_found {
    struct snapshot snapshot; /* the manifest's */
    struct entry **entries;   /* consecutive: the first may be any up to the snapshot's next */
    size_t count;
    size_t capacity;
    struct registrations *logged; /* the first of each node */
};

/* Opens into `core`; on failure some of it is open: core_close. */
bool core_found_open(struct core *core, struct core_found *found, struct error *error);
void core_found_free(struct core_found *found); /* NULL is allowed */

#endif
