/*
 * recovery.h - disaster recovery, for when a majority of the voters is lost for good: out of the
 * directory of one stopped node is made another one, from which a node starts as the only member of
 * a new cluster with the same ledger.
 *
 * Offline, and only with the operator's word: without it, it says what is there, what may be lost
 * and how to say so, and does nothing. The new cluster has another id: nodes of the old one are
 * refused. Errors: the reason; the old directory is as usable as it was.
 */
#ifndef NODE_RECOVERY_H
#define NODE_RECOVERY_H

#include "options.h"

enum recovery_end {
    RECOVERY_DONE,
    RECOVERY_TOLD,  /* what it would do; it was not told to do it */
    RECOVERY_FAILED /* the error says why */
};

/* options->force_new_cluster is the directory to make. Prints to stdout. */
enum recovery_end recovery_run(const struct node_options *options, struct error *error);

#endif
