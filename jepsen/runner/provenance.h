/*
 * provenance.h - what exactly was run: the source's commit, the program's SHA-256, the kernel.
 *
 * Asks git and sha256sum; what can't be found out is "unknown": it does not stop a run.
 */
#ifndef JEPSEN_PROVENANCE_H
#define JEPSEN_PROVENANCE_H

struct provenance {
    char commit[128];  /* "7fa4d1...", with -dirty; of the tree that this program lies in */
    char sha256[72];   /* of the node's program */
    char version[128]; /* what it says itself */
    char kernel[256];
};

/* `planted`: the bug that the program is to run with; NULL: it is a normal one. */
void provenance_find(struct provenance *provenance, const char *program, const char *planted);

#endif
