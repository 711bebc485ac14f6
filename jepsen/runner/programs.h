/*
 * programs.h - the files that a run needs, besides itself: found beside this program in the build
 * directory, or where the system keeps them, unless the options name them.
 *
 * Errors: the node's program, or a file that was named, is not there.
 */
#ifndef JEPSEN_PROGRAMS_H
#define JEPSEN_PROGRAMS_H

#include <limits.h>

#include "options.h"

struct programs {
    char node[PATH_MAX];        /* absolute, all of them */
    char disk_faults[PATH_MAX]; /* "": there is none */
    char faketime[PATH_MAX];
};

bool programs_find(struct programs *programs, const struct chaos_options *options,
                   struct error *error);
/* Takes out of the options what needs a library that is not there or more nodes; where they were
 * named one by one: an error. */
bool programs_check_nemeses(struct chaos_options *options, const struct programs *programs,
                            struct error *error);

#endif
