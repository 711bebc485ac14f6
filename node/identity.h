/*
 * identity.h - which node of which cluster this is: as its data directory says, or, where that is
 * new, as its options do.
 *
 *   new, --id, --initial-cluster   founds the cluster, together with the others
 *   new, --id, --cluster-id        joins it: waits until the leader, told by an operator, reaches
 * it any other                      goes on; what the options say must agree
 *
 * Errors: what was found, what was said, and what to do. Nothing on the disk is changed.
 */
#ifndef NODE_IDENTITY_H
#define NODE_IDENTITY_H

#include "options.h"

enum identity_outcome {
    IDENTITY_FOUND,
    IDENTITY_NOT_TOLD, /* options are missing */
    IDENTITY_UNREADABLE,
};

/* Fills in options->id. */
enum identity_outcome identity_find(struct node_options *options, struct error *error);

#endif
