/*
 * transfer.c - handing over the leadership (rule 13; dissertation, section 3.10).
 *
 * The happy path: this replica leads and its barrier is applied; the other one is a voter, not this
 * one, and not far behind. From now on replica_can_submit says no. When everything in the log is
 * applied here - so that whoever proposed it has its answer - and the other one is known to have
 * all of it, libraft gets TRANSFER and tells it to stand for election at once. It is elected in a
 * later term, or this replica goes on leading.
 *
 * Why not leave the waiting to libraft, which offers it: it takes any acknowledgement for the last
 * one (replication.c, replicationUpdate, compares the match index with the message's own), sends
 * its only TIMEOUT_NOW too early, and the other one ignores it.
 *
 * Bounded: WAIT_TIMEOUTS election timeouts for the other one to catch up (the heartbeats that it is
 * sent are clock enough); then libraft's own, one election timeout from TRANSFER (timeout.c,
 * timeoutLeader). What is lost on the way is not
 * repeated: the hand-over ends, and may be asked for again.
 */
#include <assert.h>
#include <inttypes.h>

#include "base/planted.h"
#include "replica_internal.h"

#define WAIT_TIMEOUTS 2

static const struct raft_server *find(const struct replica *replica, uint64_t id)
{
    const struct raft_configuration *configuration = &replica->raft.configuration;
    for (unsigned i = 0; i < configuration->n; i++) {
        if (configuration->servers[i].id == id) {
            return &configuration->servers[i];
        }
    }
    return NULL;
}

/* The voter that has most of the log; 0: there is no other one. */
static uint64_t best_voter(const struct replica *replica)
{
    uint64_t voters[LIMIT_NODES];
    size_t count = replica_voters(replica, voters);
    uint64_t best = 0;
    uint64_t best_match = 0;
    for (size_t i = 0; i < count; i++) {
        uint64_t match = replica_match_index(replica, voters[i]);
        if (voters[i] != replica->id && (best == 0 || match > best_match)) {
            best = voters[i];
            best_match = match;
        }
    }
    return best;
}

static bool may_hand_over(const struct replica *replica, uint64_t to, struct error *why)
{
    if (replica->state != REPLICA_LEADER || !replica_barrier_is_applied(replica)) {
        return error_set(why, "this node does not lead, or not for long enough yet");
    }
    if (replica->transfer.to != 0) {
        return error_set(why, "the leadership is being handed to node %" PRIu64 " already",
                         replica->transfer.to);
    }
    if (to == 0) {
        return error_set(why, "there is no other voter to hand the leadership to");
    }
    if (to == replica->id) {
        return error_set(why, "node %" PRIu64 " leads already", to);
    }
    const struct raft_server *server = find(replica, to);
    if (server == NULL) {
        return error_set(why, "node %" PRIu64 " is no member", to);
    }
    if (server->role != RAFT_VOTER) {
        return error_set(why, "node %" PRIu64 " has no vote: promote it first", to);
    }
    uint64_t lacks = replica->last_index - replica_match_index(replica, to);
    if (lacks > LIMIT_TRANSFER_LAG) {
        return error_set(why,
                         "node %" PRIu64 " lacks %" PRIu64
                         " entries, and %d are allowed: try again when it has caught up",
                         to, lacks, LIMIT_TRANSFER_LAG);
    }
    return true;
}

bool replica_transfer_leadership(struct replica *replica, uint64_t to, uint64_t now_ms,
                                 bool *accepted, struct error *why, struct error *error)
{
    *accepted = false;
    if (!replica_turn_begin(replica, now_ms, error)) {
        return false;
    }
    if (to == 0 && replica->state == REPLICA_LEADER) {
        to = best_voter(replica);
    }
    *accepted = may_hand_over(replica, to, why);
    if (*accepted) {
        replica->transfer = (struct replica_transfer){
            .to = to,
            .deadline_ms = replica->now_ms + WAIT_TIMEOUTS * (uint64_t)replica->election_timeout_ms,
        };
    }
    return replica_turn_end(replica, true, error);
}

static bool is_ready(const struct replica *replica)
{
    if (PLANTED(TRANSFER_UNREADY)) {
        return true;
    }
    return replica->applied_index == replica->last_index &&
           replica_match_index(replica, replica->transfer.to) == replica->last_index;
}

bool replica_transfer_step(struct replica *replica, struct error *error)
{
    struct replica_transfer *transfer = &replica->transfer;
    if (transfer->to == 0) {
        return true;
    }
    bool over = transfer->begun
                    ? raft_transferee(&replica->raft) == 0
                    : replica->now_ms >= transfer->deadline_ms && !PLANTED(TRANSFER_NEVER_ENDS);
    if (replica->state != REPLICA_LEADER || over) {
        *transfer = (struct replica_transfer){0};
        return true;
    }
    if (transfer->begun || !is_ready(replica)) {
        return true;
    }
    transfer->begun = true;
    struct raft_event event = {.type = RAFT_TRANSFER, .transfer = {.server_id = transfer->to}};
    return replica_feed(replica, &event, NULL, 0, error);
}
