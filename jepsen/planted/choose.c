/*
 * choose.c - makes holdfastd a node with a planted bug (base/planted.h): HOLDFAST_PLANTED names it,
 * before main. Without it, or with one that does not exist, the process ends: a run that believes
 * it has a bug and has none would prove nothing.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/planted.h"

__attribute__((constructor)) static void choose(void)
{
    const char *name = getenv("HOLDFAST_PLANTED");
    if (name == NULL || !planted_choose(name)) {
        fprintf(stderr,
                "holdfastd-planted: HOLDFAST_PLANTED=%s: name a bug of base/planted.h, or use "
                "holdfastd\n",
                name != NULL ? name : "");
        exit(2);
    }
}
