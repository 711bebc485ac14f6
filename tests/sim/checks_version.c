/*
 * checks_version.c - the checks of the ledger's version (docs/decisions/010): who may go by it, and
 * who may raise it.
 *
 * Which version stands behind an entry the model says. A node whose program does not know it must
 * stop there: if it goes on it judges commands by rules that it does not have, and the digest need
 * not show that at once.
 *
 * A leader goes by what the members have told it. What it may rely on follows from outside: each of
 * them has run a program that knows the version, and not too long ago. When a program ended is not
 * told here, so one counts until another has taken its place: never too little is allowed.
 */
#include "checks_internal.h"

#include <assert.h>

/* A leader's clock may run slow (plan.c, drift_ppm), and a question takes a while to be answered.
 */
#define FRESH_US (UINT64_C(1000) * LIMIT_CLOCK_AGE_MS * 11 / 10)

void checks_program(struct checks *checks, size_t node, unsigned version_known)
{
    struct program_view *program = &checks->programs[node];
    assert(version_known >= 1 && version_known <= CHECKS_VERSIONS);
    trace_note(&checks->world->trace, node, TRACE_PROGRAM, version_known);
    if (version_known != program->known) {
        program->last_us[program->known] = checks->world->now_us;
        program->known = version_known;
    }
}

void checks_version_raised(struct checks *checks, unsigned version)
{
    checks->raised_to = version > checks->raised_to ? version : checks->raised_to;
}

bool checks_needs_program(const struct checks *checks, size_t node)
{
    return checks->raised_to > checks->programs[node].known;
}

void checks_version_at(struct checks *checks, size_t node, const struct committed *committed)
{
    unsigned known = checks->programs[node].known;
    if (!checks->world->failed && committed != NULL && committed->ledger_version > known) {
        world_fail(checks->world, CHECK_VERSION,
                   "n%zu stands at %" PRIu64
                   ", where the ledger is of version %u, and its program knows %u",
                   node + 1, committed->known->entry->index, committed->ledger_version, known);
    }
}

static bool has_known_lately(const struct checks *checks, size_t node, unsigned version)
{
    const struct program_view *program = &checks->programs[node];
    bool known = program->known >= version;
    for (unsigned i = version; i <= CHECKS_VERSIONS && !known; i++) {
        known = program->last_us[i] != 0 && checks->world->now_us - program->last_us[i] <= FRESH_US;
    }
    return known;
}

void checks_may_raise(struct checks *checks, size_t node, unsigned version)
{
    const struct known *configuration = checks_configuration_of(&checks->nodes[node]);
    if (checks->world->failed || checks->nodes[node].lost || configuration == NULL) {
        return;
    }
    trace_note(&checks->world->trace, node, TRACE_MAY_RAISE, version);
    node_set members = configuration->voters | configuration->standbys;
    for (size_t i = 0; i < checks->node_count; i++) {
        if ((members >> i & 1) != 0 && !has_known_lately(checks, i, version)) {
            world_fail(checks->world, CHECK_VERSION,
                       "n%zu would raise the ledger to version %u, and n%zu runs a program that "
                       "knows %u",
                       node + 1, version, i + 1, checks->programs[i].known);
            return;
        }
    }
    /* Who applies it first may be one that was put back since. */
    checks_version_raised(checks, version);
}
