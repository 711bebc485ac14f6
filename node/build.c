/*
 * build.c - the release's own.
 */
#include "build.h"

#include <time.h>

#include "ledger/command.h"

uint16_t build_ledger_version_known(void)
{
    return LEDGER_VERSION;
}

int64_t build_wall_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}
