/*
 * build.h - what differs between one build of holdfastd and another: which ledger version it knows,
 * and where its wall clock comes from. A file of its own, so that tests can link another one
 * (tests/integration/next_build.c): a release that does not exist yet, on a machine whose clock is
 * wrong.
 */
#ifndef NODE_BUILD_H
#define NODE_BUILD_H

#include <stdint.h>

/* The newest version of the ledger's rules that it goes by. */
uint16_t build_ledger_version_known(void);
/* Unix time, as the machine has it. */
int64_t build_wall_ms(void);

#endif
