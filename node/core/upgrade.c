/*
 * upgrade.c - may the ledger's version be raised? Each node tells each other one, each second,
 * which version it knows (PEER_PONG); the leader proposes to raise it only when every member of the
 * latest configuration has told that it knows it, standbys too: they get the log as well.
 *
 * What can fail: a member that has told is replaced by an older program before the command is
 * applied there. It stops at the command, and says so; nothing is lost (ledger/version.c).
 */
#include "upgrade.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/planted.h"

static unsigned known_to(const struct core *core, uint64_t id)
{
    if (id == core->config.id) {
        return core->config.ledger_version_known;
    }
    const struct wall_clock *peer = wall_clocks_of(&core->wall_clocks, id);
    bool told_lately = peer != NULL && peer->ledger_version_known != 0 &&
                       core_now_ms(core) - peer->told_ms <= LIMIT_CLOCK_AGE_MS;
    return told_lately ? peer->ledger_version_known : 0;
}

size_t core_member_versions(const struct core *core, struct member_version *versions)
{
    struct replica_member members[LIMIT_NODES];
    size_t count = replica_members(core->replica, members, LIMIT_NODES);
    for (size_t i = 0; i < count; i++) {
        versions[i] = (struct member_version){members[i].id, known_to(core, members[i].id)};
    }
    return count;
}

unsigned core_version_known_to_all(const struct core *core)
{
    struct member_version versions[LIMIT_NODES];
    size_t count = core_member_versions(core, versions);
    unsigned least = core->config.ledger_version_known;
    for (size_t i = 0; i < count; i++) {
        if (versions[i].known < least) {
            least = versions[i].known;
        }
    }
    return least;
}

bool core_may_raise_version(const struct core *core, unsigned version, struct error *why)
{
    struct member_version versions[LIMIT_NODES];
    size_t count = core_member_versions(core, versions);
    unsigned now = ledger_version(core->ledger);
    struct error list = {""};
    size_t len = 0;
    if (version < now) {
        return error_set(why, "the ledger is of version %u: it can't be lowered to %u", now,
                         version);
    }
    for (size_t i = 0; i < count; i++) {
        if (versions[i].known >= version || len >= sizeof list.text) {
            continue;
        }
        len += (size_t)snprintf(list.text + len, sizeof list.text - len,
                                versions[i].known == 0 ? "%snode %" PRIu64 " has not told"
                                                       : "%snode %" PRIu64 " knows %u",
                                len > 0 ? ", " : "", versions[i].node_id, versions[i].known);
    }
    return len == 0 || PLANTED(RAISE_UNASKED) ||
           error_set(why, "not every member knows ledger version %u: %s; upgrade them first",
                     version, list.text);
}

void core_fill_raise_version(struct proposal *proposal, unsigned version)
{
    const struct ledger_command command = {.kind = LEDGER_RAISE_VERSION,
                                           .version = (uint16_t)version};
    proposal->command_count = 1;
    proposal->line_count = 1;
    ledger_command_encode(&proposal->data, &command);
}
