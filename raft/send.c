/*
 * send.c - libraft's messages out to the peers.
 *
 * libraft gives an AppendEntries as (previous index, number of entries): the entries are filled in
 * here, from the tail or from disk, and leave in as many frames as the bounds on one frame ask for,
 * in order, each with the previous entry of its own. What a turn's bound (LIMIT_APPEND_TURN_BYTES)
 * leaves out, or a full queue drops, counts as lost: libraft has moved next_index past all of it
 * (replication.c, sendAppendEntries, in the pipeline state), the follower rejects what comes behind
 * the gap, and libraft begins again behind what it knows to match (progress.c,
 * progressMaybeDecrement). A follower that is being probed answers a shortened message by what it
 * has, and the rest follows at once.
 *
 * Echo (rule 5): requests carry our term; a reply carries the term its request was sent at. Results
 * that libraft sends when a write completes answer no single request: they speak of entries of the
 * current term's leader (replication.c, followerPersistEntriesDone), so their echo is that term.
 */
#include <assert.h>
#include <inttypes.h>

#include "configuration.h"
#include "filter.h"
#include "replica_internal.h"

/* Who is no member of our latest configuration may be one of a later one, and its leader even
 * (dissertation, section 4.1: a server uses whatever configuration its log has, and accepts
 * requests of those outside of it). The transport has seen to it that it is a node of this cluster,
 * and which (rule 15). */
struct replica_peer *replica_peer_slot(struct replica *replica, uint64_t peer_id)
{
    struct replica_peer *vacant = NULL;
    if (peer_id == replica->id || peer_id == 0) {
        return NULL;
    }
    for (size_t i = 0; i < LIMIT_PEERS_KNOWN; i++) {
        struct replica_peer *peer = &replica->peers[i];
        if (peer->id == peer_id) {
            return peer;
        }
        /* A stranger that was heard of once makes room; members are at most LIMIT_NODES. */
        if (vacant == NULL || (vacant->id != 0 && peer->id == 0)) {
            if (peer->id == 0 || !configuration_has(&replica->raft.configuration, peer->id)) {
                vacant = peer;
            }
        }
    }
    assert(vacant != NULL);
    *vacant = (struct replica_peer){.id = peer_id};
    return vacant;
}

static bool is_request(enum peer_message_type type)
{
    return type == PEER_REQUEST_VOTE || type == PEER_APPEND_ENTRIES || type == PEER_TIMEOUT_NOW ||
           type == PEER_INSTALL_SNAPSHOT;
}

void replica_send_message(struct replica *replica, uint64_t peer_id,
                          const struct peer_message *message)
{
    struct replica_peer *peer = replica_peer_slot(replica, peer_id);
    if (peer == NULL) {
        return; /* nobody, or ourselves */
    }
    if (is_request(message->type)) {
        peer->asked = true;
    }
    if (message->type == PEER_APPEND_ENTRIES) {
        replica->last_append_ms = replica->now_ms;
    }
    replica->env.send(replica->env.context, peer_id, message);
}

size_t replica_entries_get(struct replica *replica, uint64_t first, size_t max_count,
                           size_t max_bytes, struct entry **out, struct error *error)
{
    uint64_t in_log = replica->last_index - first + 1;
    if (max_count > in_log) {
        max_count = (size_t)in_log;
    }
    size_t count = 0;
    size_t bytes = 0;
    struct entry *entry = tail_get(&replica->tail, first);
    if (entry == NULL) {
        /* Not in the tail means durable: the tail evicts nothing else. */
        uint64_t on_disk = replica->tail.first_index - first;
        if (max_count > on_disk) {
            max_count = (size_t)on_disk;
        }
        count =
            replica->env.read_log(replica->env.context, first, max_count, max_bytes, out, error);
        if (count == 0) {
            error_wrap(error, "reading the log from entry %" PRIu64, first);
            return 0;
        }
        bool sound = count <= max_count;
        for (size_t i = 0; i < count && sound; i++) {
            sound = out[i]->index == first + i;
        }
        if (!sound) {
            error_set(error,
                      "the log on disk gives %zu entries where %zu from %" PRIu64 " were asked for",
                      count, max_count, first);
            return 0;
        }
        return count;
    }
    while (count < max_count && entry != NULL &&
           (count == 0 || bytes + entry->data.len <= max_bytes)) {
        out[count++] = entry_reference(entry);
        bytes += entry->data.len;
        entry = tail_get(&replica->tail, first + count);
    }
    return count;
}

static bool send_append_entries(struct replica *replica, uint64_t peer_id,
                                const struct raft_append_entries *append, struct error *error)
{
    const struct replica_limits *limits = &replica->limits;
    struct entry *entries[LIMIT_APPEND_ENTRIES];
    uint64_t prev_index = append->prev_log_index;
    uint64_t prev_term = append->prev_log_term;
    uint64_t end = append->prev_log_index + append->n_entries;
    size_t turn_bytes = 0;
    size_t frames = 0;
    const struct peer_clock clock =
        replica_freshness_for_append(replica, replica_peer_slot(replica, peer_id));
    if (append->term != replica->term || end > replica->last_index) {
        return error_set(error,
                         "libraft sends entries up to %" PRIu64 " of term %llu, our log ends at "
                         "%" PRIu64 " in term %" PRIu64,
                         end, append->term, replica->last_index, replica->term);
    }
    do {
        size_t count = 0;
        if (end > prev_index) {
            size_t wanted = (size_t)(end - prev_index);
            count = replica_entries_get(replica, prev_index + 1,
                                        wanted < limits->append_entries ? wanted
                                                                        : limits->append_entries,
                                        limits->append_bytes, entries, error);
            if (count == 0) {
                return false;
            }
        }
        struct peer_message message = {
            .type = PEER_APPEND_ENTRIES,
            .sent_term = replica->term,
            .append_entries =
                {
                    .term = append->term,
                    .prev_log_index = prev_index,
                    .prev_log_term = prev_term,
                    .leader_commit = append->leader_commit,
                    .clock = clock,
                    .entries = entries,
                    .entry_count = count,
                },
        };
        replica_send_message(replica, peer_id, &message);
        frames++;
        for (size_t i = 0; i < count; i++) {
            turn_bytes += entries[i]->data.len;
            prev_term = entries[i]->term;
            entry_release(entries[i]);
        }
        prev_index += count;
    } while (prev_index < end && turn_bytes < limits->append_turn_bytes);
    replica->split_count += frames > 1;
    replica->cut_count += prev_index < end;
    return true;
}

static uint64_t echo(const struct replica *replica)
{
    return replica->answering != NULL ? replica->answering->sent_term : replica->term;
}

bool replica_send(struct replica *replica, const struct raft_message *message, struct error *error)
{
    struct peer_message out = {0};
    if (replica->is_silent) {
        return true;
    }
    switch (message->type) {
    case RAFT_APPEND_ENTRIES:
        return send_append_entries(replica, message->server_id, &message->append_entries, error);
    case RAFT_APPEND_ENTRIES_RESULT:
        out.type = PEER_APPEND_ENTRIES_RESULT;
        out.sent_term = echo(replica);
        out.append_entries_result.term = message->append_entries_result.term;
        out.append_entries_result.rejected = message->append_entries_result.rejected;
        out.append_entries_result.last_log_index = message->append_entries_result.last_log_index;
        out.append_entries_result.capacity = message->append_entries_result.capacity;
        out.append_entries_result.clock =
            replica_freshness_for_result(replica, replica_peer_slot(replica, message->server_id));
        replica->rejected = replica->rejected || message->append_entries_result.rejected > 0;
        break;
    case RAFT_REQUEST_VOTE:
        out.type = PEER_REQUEST_VOTE;
        out.sent_term = replica->term;
        out.request_vote.term = message->request_vote.term;
        out.request_vote.candidate_id = message->request_vote.candidate_id;
        out.request_vote.last_log_index = message->request_vote.last_log_index;
        out.request_vote.last_log_term = message->request_vote.last_log_term;
        out.request_vote.disrupt_leader = message->request_vote.disrupt_leader;
        out.request_vote.pre_vote = message->request_vote.pre_vote;
        break;
    case RAFT_REQUEST_VOTE_RESULT:
        out.type = PEER_REQUEST_VOTE_RESULT;
        out.sent_term = echo(replica);
        out.request_vote_result.term = message->request_vote_result.term;
        out.request_vote_result.vote_granted = message->request_vote_result.vote_granted;
        out.request_vote_result.pre_vote = message->request_vote_result.pre_vote;
        filter_mend_pre_vote_denial(&out, replica->term);
        break;
    case RAFT_TIMEOUT_NOW:
        out.type = PEER_TIMEOUT_NOW;
        out.sent_term = replica->term;
        out.timeout_now.term = message->timeout_now.term;
        out.timeout_now.last_log_index = message->timeout_now.last_log_index;
        out.timeout_now.last_log_term = message->timeout_now.last_log_term;
        break;
    case RAFT_INSTALL_SNAPSHOT:
        return replica_send_snapshot(replica, message->server_id, &message->install_snapshot,
                                     error);
    default:
        return error_set(error, "libraft sends a message of the unexpected type %d",
                         (int)message->type);
    }
    replica_send_message(replica, message->server_id, &out);
    return true;
}
