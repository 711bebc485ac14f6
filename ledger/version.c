/*
 * version.c - RaiseVersion, and which versions of the rules this program can go by.
 *
 * The ledger's version says what commands mean. It stands in the state, so that snapshots carry it,
 * begins with LEDGER_VERSION_FIRST, and is raised by a command in the log only: every replica
 * judges the commands behind it by the same rules, whatever program it runs. An entry's header
 * names the version that its leader's state had; that may have been raised since, and never names
 * one that the state has not come to.
 *
 * What can fail: a program that does not know a version can't apply what comes behind it. It must
 * stop then, and can't refuse with a verdict, for others do know it and go on.
 */
#include "machine.h"

#include <inttypes.h>

#include "base/limits.h"
#include "base/planted.h"

bool ledger_version_is_known(const struct ledger *ledger, const char *what, unsigned version,
                             struct error *error)
{
    return version <= ledger->version_known || PLANTED(UNKNOWN_VERSION_APPLIED) ||
           error_set(error,
                     "%s ledger version %u, this program knows versions up to %u: " ADVICE_UPGRADE,
                     what, version, ledger->version_known, version);
}

bool ledger_begin_version(struct ledger *ledger, const struct ledger_entry_header *header,
                          struct error *error)
{
    if (ledger->clock.ledger_version == 0) {
        ledger->clock.ledger_version = LEDGER_VERSION_FIRST;
    }
    if (!ledger_version_is_known(ledger, "it is of", header->ledger_version, error)) {
        return false;
    }
    return header->ledger_version <= ledger->clock.ledger_version ||
           error_set(error, "it is of ledger version %u, but the ledger was raised to %u only",
                     header->ledger_version, ledger->clock.ledger_version);
}

bool ledger_raise_version(struct ledger *ledger, const struct ledger_command *command,
                          struct ledger_result *result, struct error *error)
{
    uint16_t before = ledger->clock.ledger_version;
    if (!ledger_version_is_known(ledger, "it raises the ledger to", command->version, error)) {
        return false;
    }
    if (command->version < before && !PLANTED(VERSION_LOWERED)) {
        result->verdict = LEDGER_VERSION_MISMATCH;
        return true;
    }
    result->verdict = LEDGER_OK;
    result->replayed = command->version == before;
    ledger->clock.ledger_version = command->version;
    return true;
}

unsigned ledger_version(const struct ledger *ledger)
{
    return ledger->clock.ledger_version != 0 ? ledger->clock.ledger_version : LEDGER_VERSION_FIRST;
}
