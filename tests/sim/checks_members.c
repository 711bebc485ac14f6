/*
 * checks_members.c - the checks of configurations: by which one each node goes, who is a majority
 * of it, and how a leader may change it.
 *
 * A configuration counts from the moment it is in a log, committed or not (dissertation, section
 * 4.1), so the one that a node goes by follows from its log alone. Two logs that have an entry in
 * common are the same up to there (checks_log.c); so each known entry names the latest
 * configuration of the logs that end with it, and nobody has to look for one.
 */
#include "checks_internal.h"

#include "configuration.h"

static node_set bit(uint64_t id)
{
    return (node_set)1 << (id - 1);
}

/* ---- who is a majority ---- */

const struct known *checks_configuration_of(const struct node_view *view)
{
    const struct known *last = checks_log_at(&view->asked, view->asked.last);
    return last != NULL ? last->configuration : NULL;
}

size_t checks_voters_among(const struct known *configuration, node_set set)
{
    return checks_set_size(set & configuration->voters);
}

bool checks_is_majority(const struct known *configuration, node_set set)
{
    return checks_voters_among(configuration, set) > checks_set_size(configuration->voters) / 2;
}

const struct known *checks_configuration_committed(const struct checks *checks)
{
    return checks_committed_at(checks, checks->committed_last)->known->configuration;
}

/* ---- what an entry says ---- */

static bool read_members(struct checks *checks, size_t node, struct known *known)
{
    struct error why;
    struct raft_configuration configuration;
    if (!configuration_is_sound(known->entry->data, &why) ||
        !configuration_decode(known->entry->data, &configuration, &why)) {
        world_fail(checks->world, CHECK_MEMBERS,
                   "n%zu writes a configuration at %" PRIu64 " that can't be read: %s", node + 1,
                   known->entry->index, why.text);
        return false;
    }
    for (unsigned i = 0; i < configuration.n; i++) {
        const struct raft_server *server = &configuration.servers[i];
        if (server->id > checks->node_count) {
            world_fail(checks->world, CHECK_MEMBERS,
                       "n%zu writes a configuration at %" PRIu64 " with the stranger n%llu",
                       node + 1, known->entry->index, server->id);
        } else if (server->role == RAFT_VOTER) {
            known->voters |= bit(server->id);
        } else {
            known->standbys |= bit(server->id);
        }
    }
    raft_configuration_close(&configuration);
    return !checks->world->failed;
}

bool checks_configuration_read(struct checks *checks, size_t node, struct known *known,
                               const struct known *previous)
{
    if (known->entry->type == ENTRY_CHANGE) {
        known->configuration = known;
        return read_members(checks, node, known);
    }
    if (previous == NULL) {
        world_fail(checks->world, CHECK_MEMBERS, "n%zu: entry 1 of its log names no members",
                   node + 1);
        return false;
    }
    known->configuration = previous->configuration;
    return true;
}

/* ---- changes ---- */

/* A standby comes, a standby gets a vote, or somebody goes; and nothing else. */
static bool is_one_step(const struct known *from, const struct known *to)
{
    node_set before = from->voters | from->standbys;
    node_set after = to->voters | to->standbys;
    node_set come = after & ~before;
    node_set gone = before & ~after;
    node_set promoted = to->voters & ~from->voters;
    node_set demoted = from->voters & ~to->voters & after;
    return demoted == 0 && (promoted & come) == 0 &&
           checks_set_size(come) + checks_set_size(gone) + checks_set_size(promoted) == 1;
}

/* ---- ids ---- */

void checks_keep_ids(struct checks *checks)
{
    checks->keeps_ids = true;
}

void checks_registered(struct checks *checks, uint64_t index, uint64_t id, uint64_t incarnation)
{
    if (id >= 1 && id <= checks->node_count && checks->registered[id - 1].index == 0) {
        checks->registered[id - 1] = (struct registered_view){index, incarnation};
    }
}

void checks_welcomed(struct checks *checks, size_t node, size_t other, uint64_t incarnation)
{
    const struct node_view *view = &checks->nodes[node];
    const struct registered_view *registered = &checks->registered[other];
    if (checks->world->failed || view->lost || view->is_spoilt) {
        return;
    }
    if (registered->index != 0 && view->applied_index >= registered->index &&
        incarnation != registered->incarnation) {
        world_fail(checks->world, CHECK_MEMBERS,
                   "n%zu takes n%zu in, whose directory is not the one that %" PRIu64
                   " has registered",
                   node + 1, other + 1, registered->index);
    }
}

/* Each id belongs to one directory, which is registered before it has a vote. */
static void check_ids(struct checks *checks, size_t node, const struct known *from,
                      const struct known *to)
{
    node_set come = (to->voters | to->standbys) & ~(from->voters | from->standbys);
    node_set promoted = to->voters & ~from->voters;
    for (size_t i = 0; i < checks->node_count && checks->keeps_ids; i++) {
        bool is_registered = checks->registered[i].index != 0;
        if ((come >> i & 1) != 0 && is_registered) {
            world_fail(checks->world, CHECK_MEMBERS,
                       "n%zu adds n%zu at %" PRIu64 ", an id that %" PRIu64 " has registered",
                       node + 1, i + 1, to->entry->index, checks->registered[i].index);
        } else if ((promoted >> i & 1) != 0 && !is_registered) {
            world_fail(checks->world, CHECK_MEMBERS,
                       "n%zu gives n%zu a vote at %" PRIu64 ", and its directory is not registered",
                       node + 1, i + 1, to->entry->index);
        }
    }
}

void checks_configuration_made(struct checks *checks, size_t node, const struct known *known,
                               const struct known *previous)
{
    const struct node_view *view = &checks->nodes[node];
    const struct known *from = previous->configuration;
    const struct known *committed = checks_log_at(&view->asked, view->commit_index);
    uint64_t index = known->entry->index;
    if (from->entry->index > view->commit_index) {
        world_fail(checks->world, CHECK_MEMBERS,
                   "n%zu changes the members at %" PRIu64 ", its commit index is %" PRIu64
                   " and the change at %" PRIu64 " not committed",
                   node + 1, index, view->commit_index, from->entry->index);
    } else if (committed == NULL || committed->entry->term != known->entry->term) {
        world_fail(checks->world, CHECK_MEMBERS,
                   "n%zu changes the members at %" PRIu64
                   " before an entry of its own term %" PRIu64 " is committed",
                   node + 1, index, known->entry->term);
    } else if (!is_one_step(from, known)) {
        world_fail(checks->world, CHECK_MEMBERS,
                   "n%zu changes more than one server at %" PRIu64 ": voters %x and standbys %x "
                   "become %x and %x",
                   node + 1, index, from->voters, from->standbys, known->voters, known->standbys);
    } else if ((known->voters & bit(node + 1)) == 0) {
        world_fail(checks->world, CHECK_MEMBERS, "n%zu leads and takes its own vote at %" PRIu64,
                   node + 1, index);
    } else {
        check_ids(checks, node, from, known);
    }
}

void checks_members(struct checks *checks, size_t node, const struct replica_member *members,
                    size_t count)
{
    const struct known *latest = checks_configuration_of(&checks->nodes[node]);
    node_set voters = 0;
    node_set standbys = 0;
    if (checks->world->failed) {
        return;
    }
    for (size_t i = 0; i < count; i++) {
        *(members[i].role == REPLICA_VOTER ? &voters : &standbys) |= bit(members[i].id);
    }
    /* Who joins has none yet. */
    if (voters != (latest != NULL ? latest->voters : 0) ||
        standbys != (latest != NULL ? latest->standbys : 0)) {
        world_fail(
            checks->world, CHECK_MEMBERS,
            "n%zu goes by voters %x and standbys %x, the latest configuration in its log, at "
            "%" PRIu64 ", has %x and %x",
            node + 1, voters, standbys, latest != NULL ? latest->entry->index : 0,
            latest != NULL ? latest->voters : 0, latest != NULL ? latest->standbys : 0);
    }
}
