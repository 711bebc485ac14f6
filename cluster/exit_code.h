/*
 * exit_code.h - what the exit status of every verb means. Scripts rely on these numbers.
 */
#ifndef CLUSTER_EXIT_CODE_H
#define CLUSTER_EXIT_CODE_H

enum exit_code {
    EXIT_CODE_DONE = 0,
    EXIT_CODE_REFUSED = 1,         /* the ledger said no, or a check found something wrong */
    EXIT_CODE_USAGE = 2,           /* wrong usage, bad input file, a fault of this machine */
    EXIT_CODE_UNREACHED = 3,       /* the cluster did not answer; surely nothing was done */
    EXIT_CODE_OUTCOME_UNKNOWN = 4, /* it may have been done: ask again under the same identity */
};

#endif
