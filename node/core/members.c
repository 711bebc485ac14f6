/*
 * members.c - who may take part, and the registration of incarnations in the log (Raft rule 0): a
 * node that comes back under a known id with another incarnation has forgotten what it once
 * acknowledged.
 */
#include "members.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/planted.h"

size_t core_member_slot(const struct core *core, uint64_t id)
{
    for (size_t i = 0; i < core->config.member_count; i++) {
        if (core->config.members[i].id == id) {
            return i;
        }
    }
    return LIMIT_NODES;
}

bool core_admit(struct core *core, uint64_t peer_id, uint64_t incarnation, bool *admitted,
                struct error *why, struct error *error)
{
    uint64_t registered;
    bool found;
    *admitted = true;
    if (!ledger_node_incarnation(core->ledger, peer_id, &registered, &found, error)) {
        return false;
    }
    if (!found) {
        registered = registrations_find(&core->logged, peer_id, core_applied_index(core));
        found = registered != 0;
    }
    if (found && registered != incarnation && !PLANTED(WIPED_NODE_ADMITTED)) {
        *admitted = false;
        error_set(why,
                  "node %" PRIu64 " is registered with incarnation %016" PRIx64 ", not %016" PRIx64
                  ": its data directory was lost or replaced, and it must not vote with an "
                  "empty memory; start it with its old directory, or leave it stopped: the other "
                  "nodes serve without it, and it can't be replaced yet",
                  peer_id, registered, incarnation);
    }
    return true;
}

void core_peer_connected(struct core *core, uint64_t peer_id, uint64_t incarnation)
{
    size_t slot = core_member_slot(core, peer_id);
    if (slot < LIMIT_NODES) {
        core->incarnations[slot] = incarnation;
    }
    wall_clocks_connected(&core->wall_clocks, peer_id);
    replica_peer_connected(core->replica, peer_id);
}

static bool was_registered(const struct core *core, uint64_t id)
{
    for (size_t i = 0; i < core->registered_count; i++) {
        if (core->registered[i] == id) {
            return true;
        }
    }
    return false;
}

/* ---- a registration is a proposal of the node's own: nobody waits for its answer ---- */

static void registration_result(struct proposal *proposal, const struct ledger_result *result)
{
    (void)proposal;
    (void)result; /* refused if another one was faster: the first one stays */
}

static void registration_applied(struct proposal *proposal)
{
    free(proposal);
}

static void registration_failed(struct proposal *proposal, enum proposal_failure failure)
{
    (void)failure; /* the next leader registers */
    free(proposal);
}

static bool propose_registration(struct core *core, uint64_t id, uint64_t incarnation)
{
    static const struct proposal_ops ops = {
        .result = registration_result,
        .applied = registration_applied,
        .failed = registration_failed,
    };
    struct ledger_command command = {
        .kind = LEDGER_REGISTER_NODE, .node_id = id, .incarnation = incarnation};
    struct proposal *proposal = memory_zalloc(sizeof *proposal);
    proposal->ops = &ops;
    proposal->command_count = 1;
    proposal->line_count = 1;
    ledger_command_encode(&proposal->data, &command);
    if (proposer_add(core->proposer, proposal)) {
        return true;
    }
    buffer_free(&proposal->data);
    free(proposal);
    return false;
}

bool core_register_members(struct core *core, struct error *error)
{
    for (size_t i = 0; i < core->config.member_count; i++) {
        uint64_t id = core->config.members[i].id;
        uint64_t incarnation = id == core->config.id ? data_directory_incarnation(core->directory)
                                                     : core->incarnations[i];
        if (incarnation == 0 || was_registered(core, id)) {
            continue;
        }
        uint64_t registered;
        bool found;
        if (!ledger_node_incarnation(core->ledger, id, &registered, &found, error)) {
            return false;
        }
        if (!found && !propose_registration(core, id, incarnation)) {
            core->registrations_put_off++;
            return true; /* full: again at the next upkeep */
        }
        core->registered[core->registered_count++] = id;
    }
    return true;
}
