/*
 * recovery.h - disaster recovery, for when a majority of the voters is lost for good: out of the
 * directory of one stopped node is made another one, from which a node starts as the only member of
 * a new cluster with the same ledger.
 *
 * Offline, and only with the operator's word: without it, it says what is there and what may be
 * lost, and does nothing. The new cluster has another id: nodes of the old one are refused.
 * Errors: false, with the reason; the old directory is as usable as it was.
 */
#ifndef NODE_RECOVERY_H
#define NODE_RECOVERY_H

#include "options.h"

/* options->force_new_cluster is the directory to make. Prints to stdout. */
bool recovery_run(const struct node_options *options, struct error *error);

#endif
