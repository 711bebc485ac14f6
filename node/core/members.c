/*
 * members.c - who the members are, which of them may take part, and who may become one.
 *
 * The members are those of the latest configuration that the replica has, in its log or its
 * snapshot, committed or not (dissertation, section 4.1). Who founded the cluster matters no more
 * once there is one.
 *
 * Incarnations (Raft rule 0): a node that comes back under a known id with another incarnation has
 * forgotten what it once acknowledged. The leader registers them through the log, of founders and
 * of those who come later alike, as their hellos tell. From that follows, for ids:
 * - an id whose incarnation is registered is never given to another directory: it is not added
 *   again once it was removed;
 * - a standby gets no vote before its incarnation is registered: whoever knows of the vote, for it
 *   stands behind the registration in the log, can tell a directory that was wiped;
 * - who joins knows no registrations before it has the log: it may have taken in a node that was
 *   wiped. So they are asked for again with each message, until the sender's is in the state. Those
 *   in the log count from the moment they are there, as configurations do: it may be elected, with
 *   the wiped node's vote, before anybody tells it what is committed;
 * - one that never connected was never registered: it can be removed, and its id is free again.
 *
 * Removed is who is registered, hence was added, and is not in the latest committed configuration:
 * that is behind the registration, and such an id never comes back. A removed node gets no log any
 * more, so it mostly learns of it when the others refuse its hello.
 */
#include "members.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/address.h"
#include "base/planted.h"

static bool is_member(const struct core *core, uint64_t id)
{
    struct replica_member members[LIMIT_NODES];
    size_t count = replica_members(core->replica, members, LIMIT_NODES);
    for (size_t i = 0; i < count; i++) {
        if (members[i].id == id) {
            return true;
        }
    }
    return false;
}

/* NULL: it has never connected. */
static struct known_incarnation *find_known(struct core *core, uint64_t id)
{
    for (size_t i = 0; i < LIMIT_PEERS_KNOWN; i++) {
        if (core->known[i].id == id) {
            return &core->known[i];
        }
    }
    return NULL;
}

/* ---- who may take part ---- */

void core_note_registrations(struct core *core, uint64_t first_index, struct entry *const *entries,
                             size_t count)
{
    registrations_cut(&core->logged, first_index);
    for (size_t i = 0; i < count; i++) {
        if (entries[i]->type == ENTRY_COMMAND) {
            registrations_note(&core->logged, entries[i]->index, entries[i]->data);
        }
    }
}

/* *incarnation: as which the node is registered in the state, or in the log behind it; 0: in
 * neither. */
static bool find_registration(struct core *core, uint64_t id, uint64_t *incarnation,
                              bool *is_applied, struct error *error)
{
    if (!ledger_node_incarnation(core->ledger, id, incarnation, is_applied, error)) {
        return false;
    }
    if (!*is_applied) {
        *incarnation = registrations_find(&core->logged, id, core_applied_index(core));
    }
    return true;
}

bool core_admit(struct core *core, uint64_t peer_id, uint64_t incarnation, bool *admitted,
                struct error *why, struct error *error)
{
    uint64_t registered;
    bool is_applied;
    *admitted = true;
    if (!find_registration(core, peer_id, &registered, &is_applied, error)) {
        return false;
    }
    if (registered != 0 && registered != incarnation && !PLANTED(WIPED_NODE_ADMITTED)) {
        *admitted = false;
        error_set(why,
                  "node %" PRIu64 " is registered with incarnation %016" PRIx64 ", not %016" PRIx64
                  ": its data directory was lost or replaced, and it must not vote with an "
                  "empty memory; start it with its old directory, or replace it: remove node "
                  "%" PRIu64 " and add a node with a new id and an empty directory",
                  peer_id, registered, incarnation, peer_id);
    }
    return true;
}

/* Tells once for each connection. */
static void tell_unheard(struct core *core, struct known_incarnation *known, uint64_t registered)
{
    struct error words;
    if (known->is_refused) {
        return;
    }
    known->is_refused = true;
    error_set(&words,
              "node %" PRIu64 " was taken in with incarnation %016" PRIx64
              " before its registration with %016" PRIx64
              " was known here: its data directory was lost or replaced, and it is not heard; "
              "remove node %" PRIu64 " and add a node with a new id and an empty directory",
              known->id, known->incarnation, registered, known->id);
    core->env.warn(core->env.context, "members", words.text);
}

bool core_hears(struct core *core, uint64_t peer_id, bool *heard, struct error *error)
{
    uint64_t registered;
    bool is_applied;
    struct known_incarnation *known = find_known(core, peer_id);
    *heard = true;
    if (known == NULL || known->is_registered) {
        return true;
    }
    if (!find_registration(core, peer_id, &registered, &is_applied, error)) {
        return false;
    }
    known->is_registered = is_applied && registered == known->incarnation;
    if (registered != 0 && registered != known->incarnation && !PLANTED(WIPED_NODE_ADMITTED) &&
        !PLANTED(WIPED_NODE_HEARD)) {
        *heard = false;
        tell_unheard(core, known, registered);
    }
    return true;
}

bool core_find_removed(struct core *core, uint64_t id, uint64_t *removed_index, struct error *error)
{
    uint64_t registered;
    bool found;
    *removed_index = 0;
    if (!ledger_node_incarnation(core->ledger, id, &registered, &found, error)) {
        return false;
    }
    if (found && !replica_is_committed_member(core->replica, id)) {
        *removed_index = replica_committed_members_index(core->replica);
    }
    return true;
}

void core_told_removed(struct core *core, uint64_t removed_index)
{
    if (removed_index > core->told_removed_index) {
        core->told_removed_index = removed_index;
    }
}

/* What the others say counts until the log has got beyond it: an id that was free may be added
 * again. */
bool core_note_removal(struct core *core, struct error *error)
{
    if (!core_find_removed(core, core->config.id, &core->removed_index, error)) {
        return false;
    }
    if (core->removed_index == 0 &&
        core->told_removed_index > replica_members_index(core->replica)) {
        core->removed_index = core->told_removed_index;
    }
    return true;
}

/* ---- incarnations ---- */

/* Its own, or a free one. Members are fewer than places: if need be somebody else makes room. */
static struct known_incarnation *known_place(struct core *core, uint64_t id)
{
    struct known_incarnation *vacant = NULL;
    for (size_t i = 0; i < LIMIT_PEERS_KNOWN; i++) {
        struct known_incarnation *known = &core->known[i];
        if (known->id == id) {
            return known;
        }
        bool is_better = vacant == NULL || (vacant->id != 0 && known->id == 0);
        if (is_better && (known->id == 0 || !is_member(core, known->id))) {
            vacant = known;
        }
    }
    return vacant;
}

void core_peer_connected(struct core *core, uint64_t peer_id, uint64_t incarnation)
{
    struct known_incarnation *known = known_place(core, peer_id);
    *known = (struct known_incarnation){.id = peer_id, .incarnation = incarnation};
    digests_peer_connected(core->digests, peer_id);
    wall_clocks_connected(&core->wall_clocks, peer_id);
    replica_peer_connected(core->replica, peer_id);
}

static uint64_t known_incarnation_of(struct core *core, uint64_t id)
{
    if (id == core->config.id) {
        return data_directory_incarnation(core->directory);
    }
    const struct known_incarnation *known = find_known(core, id);
    return known != NULL ? known->incarnation : 0;
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

static void note_registered(struct core *core, uint64_t id)
{
    if (core->registered_count == LIMIT_PEERS_KNOWN) {
        core->registered_count =
            0; /* the ledger is asked again; what comes twice changes nothing */
    }
    core->registered[core->registered_count++] = id;
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
    struct replica_member members[LIMIT_NODES];
    size_t count = replica_members(core->replica, members, LIMIT_NODES);
    for (size_t i = 0; i < count; i++) {
        uint64_t id = members[i].id;
        uint64_t incarnation = known_incarnation_of(core, id);
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
        note_registered(core, id);
    }
    return true;
}

/* ---- who may become a member ---- */

/* Of a leader whose barrier is applied: all that earlier terms have registered is in the state, and
 * what this one has proposed it knows. */
static bool may_be_added(struct core *core, const struct replica_change *change, bool *may,
                         struct error *why, struct error *error)
{
    struct address address;
    uint64_t incarnation;
    bool registered;
    *may = false;
    if (!ledger_node_incarnation(core->ledger, change->id, &incarnation, &registered, error)) {
        return false;
    }
    if (is_member(core, change->id)) {
        *may = true; /* the replica says so better */
    } else if (change->id == 0 || change->id > UINT32_MAX) {
        error_set(why, "a node's id is a number from 1 to %u", UINT32_MAX);
    } else if ((registered || was_registered(core, change->id)) && !PLANTED(ID_GIVEN_AGAIN)) {
        error_set(why,
                  "id %" PRIu64 " was used: take a new id and an empty directory, or what the node "
                  "of that id has acknowledged could be forgotten",
                  change->id);
    } else if (change->address == NULL ||
               !address_parse(change->address, ADDRESS_TO_CONNECT, &address, why)) {
        if (change->address == NULL) {
            error_set(why, "a new member needs an address");
        }
    } else {
        *may = true;
    }
    return true;
}

static bool may_be_promoted(struct core *core, const struct replica_change *change, bool *may,
                            struct error *why, struct error *error)
{
    uint64_t incarnation;
    bool registered;
    if (!ledger_node_incarnation(core->ledger, change->id, &incarnation, &registered, error)) {
        return false;
    }
    *may = registered || !is_member(core, change->id) || PLANTED(UNREGISTERED_PROMOTED);
    if (!*may) {
        error_set(why,
                  "node %" PRIu64 " has not been connected for long enough to register its data "
                  "directory: check that it runs and can be reached, and try again",
                  change->id);
    }
    return true;
}

bool core_judge_change(struct core *core, const struct replica_change *change, bool *may,
                       struct error *why, struct error *error)
{
    *may = true;
    if (!core_leads(core)) {
        return true; /* the replica says so */
    }
    switch (change->kind) {
    case REPLICA_ADD_STANDBY:
        return may_be_added(core, change, may, why, error);
    case REPLICA_PROMOTE:
        return may_be_promoted(core, change, may, why, error);
    case REPLICA_REMOVE:
        break;
    }
    return true;
}
