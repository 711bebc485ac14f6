/*
 * next_build.c - in place of node/build.c: a release that knows one ledger version more than this
 * one, with the same rules, on a machine whose wall clock is wrong by HOLDFAST_TEST_CLOCK_FILE's
 * number of milliseconds, read each time: the test sets it while the node runs.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "build.h"
#include "ledger/command.h"

uint16_t build_ledger_version_known(void)
{
    return LEDGER_VERSION + 1;
}

static long long wrong_by_ms(void)
{
    const char *path = getenv("HOLDFAST_TEST_CLOCK_FILE");
    FILE *file = path != NULL ? fopen(path, "r") : NULL;
    long long ms = 0;
    if (file != NULL) {
        if (fscanf(file, "%lld", &ms) != 1) {
            ms = 0; /* it is being written */
        }
        fclose(file);
    }
    return ms;
}

int64_t build_wall_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000 + wrong_by_ms();
}
