/*
 * filter_shape.c - rule 15: nothing malformed reaches libraft, whose assertions are compiled out.
 *
 * A sound member never sends what is refused here, so refusing costs nothing; each check stands for
 * an assumption that libraft makes without looking: positive terms that do not fall along the log
 * (dissertation, figure 3.2, Log Matching), consecutive indexes, a previous term exactly when there
 * is a previous index, configurations that decode, the candidate asking for itself. Terms and
 * indexes beyond LIMIT_RAFT_NUMBER would let libraft's sums overflow.
 */
#include <inttypes.h>

#include "base/limits.h"
#include "configuration.h"
#include "filter.h"

static bool is_plausible(uint64_t number)
{
    return number < LIMIT_RAFT_NUMBER;
}

static bool request_vote_is_sound(uint64_t peer_id, const struct peer_message *message,
                                  struct error *why)
{
    /* A pre-vote asks for the term after the asker's (dissertation, section 9.6). */
    uint64_t expected = message->sent_term + (message->request_vote.pre_vote ? 1 : 0);
    if (message->request_vote.candidate_id != peer_id) {
        return error_set(why, "peer %" PRIu64 " asks for votes for %" PRIu64, peer_id,
                         message->request_vote.candidate_id);
    }
    if (message->request_vote.term == 0 || message->request_vote.term != expected) {
        return error_set(why, "a vote for term %" PRIu64 " is asked for in term %" PRIu64,
                         message->request_vote.term, message->sent_term);
    }
    if (!is_plausible(message->request_vote.term) ||
        !is_plausible(message->request_vote.last_log_index) ||
        message->request_vote.last_log_term >= message->request_vote.term) {
        return error_set(why,
                         "a vote request whose log can't be: last entry %" PRIu64
                         " of term %" PRIu64 " for term %" PRIu64,
                         message->request_vote.last_log_index, message->request_vote.last_log_term,
                         message->request_vote.term);
    }
    return true;
}

static bool entry_is_sound(const struct entry *entry, uint64_t index, uint64_t least_term,
                           uint64_t most_term, struct error *why)
{
    if (entry->index != index) {
        return error_set(why, "entry %" PRIu64 " where %" PRIu64 " belongs", entry->index, index);
    }
    if (entry->term == 0 || entry->term < least_term || entry->term > most_term) {
        return error_set(why, "entry %" PRIu64 " has term %" PRIu64 ", not %" PRIu64 " to %" PRIu64,
                         index, entry->term, least_term, most_term);
    }
    if (entry->data.len > LIMIT_ENTRY_BYTES) {
        return error_set(why, "entry %" PRIu64 " has %zu bytes, more than %u", index,
                         entry->data.len, LIMIT_ENTRY_BYTES);
    }
    switch (entry->type) {
    case ENTRY_COMMAND:
    case ENTRY_BARRIER:
        return true;
    case ENTRY_CHANGE:
        return configuration_is_sound(entry->data, why) || error_wrap(why, "entry %" PRIu64, index);
    }
    return error_set(why, "entry %" PRIu64 " has the unknown type %d", index, (int)entry->type);
}

static bool append_entries_is_sound(const struct peer_message *message, struct error *why)
{
    uint64_t term = message->append_entries.term;
    uint64_t index = message->append_entries.prev_log_index;
    uint64_t last_term = message->append_entries.prev_log_term;
    size_t count = message->append_entries.entry_count;
    if (term == 0 || term != message->sent_term || !is_plausible(term)) {
        return error_set(why, "entries of term %" PRIu64 " sent in term %" PRIu64, term,
                         message->sent_term);
    }
    if (!is_plausible(index) || !is_plausible(message->append_entries.leader_commit) ||
        (index == 0) != (last_term == 0) || last_term > term) {
        return error_set(why, "entries of term %" PRIu64 " behind %" PRIu64 " of term %" PRIu64,
                         term, index, last_term);
    }
    if (count > LIMIT_APPEND_ENTRIES) {
        return error_set(why, "%zu entries at once, more than %d", count, LIMIT_APPEND_ENTRIES);
    }
    for (size_t i = 0; i < count; i++) {
        const struct entry *entry = message->append_entries.entries[i];
        if (!entry_is_sound(entry, ++index, last_term, term, why)) {
            return false;
        }
        last_term = entry->term;
    }
    return true;
}

static bool append_entries_result_is_sound(const struct peer_message *message, struct error *why)
{
    uint64_t rejected = message->append_entries_result.rejected;
    uint64_t last = message->append_entries_result.last_log_index;
    /* A term above the echo is news; one below it would be a reply from before the question. */
    if (!is_plausible(message->append_entries_result.term) ||
        message->append_entries_result.term < message->sent_term || !is_plausible(rejected) ||
        !is_plausible(last) || (rejected != 0 && last >= rejected)) {
        return error_set(why,
                         "an append reply that can't be: term %" PRIu64 " to a question of %" PRIu64
                         ", rejected %" PRIu64 ", last %" PRIu64,
                         message->append_entries_result.term, message->sent_term, rejected, last);
    }
    return true;
}

static bool install_snapshot_is_sound(const struct peer_message *message, struct error *why)
{
    uint64_t term = message->install_snapshot.term;
    uint64_t index = message->install_snapshot.index;
    uint64_t last_term = message->install_snapshot.last_term;
    const struct entry *configuration = message->install_snapshot.configuration;
    if (term == 0 || term != message->sent_term || !is_plausible(term)) {
        return error_set(why, "a snapshot of term %" PRIu64 " sent in term %" PRIu64, term,
                         message->sent_term);
    }
    if (index == 0 || !is_plausible(index) || last_term == 0 || last_term > term ||
        configuration->index == 0 || configuration->index > index) {
        return error_set(why,
                         "a snapshot that can't be: at %" PRIu64 " of term %" PRIu64
                         ", with the members of entry %" PRIu64,
                         index, last_term, configuration->index);
    }
    return configuration_is_sound(configuration->data, why) ||
           error_wrap(why, "a snapshot at %" PRIu64, index);
}

/* Rounds are counted from 1; terms too, and nobody reads in none. */
static bool read_is_sound(const struct peer_message *message, uint64_t round, uint64_t number,
                          struct error *why)
{
    return (message->sent_term > 0 && is_plausible(message->sent_term) && round > 0 &&
            is_plausible(number)) ||
           error_set(why,
                     "a message about reads that can't be: type %d, term %" PRIu64
                     ", round %" PRIu64 ", number %" PRIu64,
                     (int)message->type, message->sent_term, round, number);
}

bool filter_message_is_sound(uint64_t peer_id, const struct peer_message *message,
                             struct error *why)
{
    switch (message->type) {
    case PEER_REQUEST_VOTE:
        return request_vote_is_sound(peer_id, message, why);
    case PEER_REQUEST_VOTE_RESULT:
        return is_plausible(message->request_vote_result.term) ||
               error_set(why, "a vote reply of term %" PRIu64, message->request_vote_result.term);
    case PEER_APPEND_ENTRIES:
        return append_entries_is_sound(message, why);
    case PEER_APPEND_ENTRIES_RESULT:
        return append_entries_result_is_sound(message, why);
    case PEER_TIMEOUT_NOW:
        return (message->timeout_now.term == message->sent_term &&
                is_plausible(message->timeout_now.term)) ||
               error_set(why, "a timeout-now of term %" PRIu64 " sent in term %" PRIu64,
                         message->timeout_now.term, message->sent_term);
    case PEER_INSTALL_SNAPSHOT:
        return install_snapshot_is_sound(message, why);
    case PEER_READ_INDEX:
        return read_is_sound(message, message->read_index.round, 0, why);
    case PEER_READ_INDEX_RESULT:
        return read_is_sound(message, message->read_index_result.round,
                             message->read_index_result.term, why);
    case PEER_READ_ASK:
        return read_is_sound(message, message->read_ask.round, 0, why);
    case PEER_READ_ANSWER:
        return read_is_sound(message, message->read_answer.round, message->read_answer.index, why);
    case PEER_CHECKPOINT_ASK:
    case PEER_CHECKPOINT_PART:
    case PEER_DIGEST_REPORT:
    case PEER_DIGEST_DIFFERS:
    case PEER_DIGEST_BORNE_OUT:
    case PEER_PING:
    case PEER_PONG:
        break; /* the owners' */
    }
    return error_set(why, "unknown message type %d", (int)message->type);
}

bool filter_append_is_of_cluster(const struct peer_message *append, uint64_t cluster_id)
{
    if (append->append_entries.prev_log_index > 0 || append->append_entries.entry_count == 0) {
        return true;
    }
    const struct entry *first = append->append_entries.entries[0];
    return first->type == ENTRY_CHANGE && first->term == 1 &&
           replica_cluster_id(first->data) == cluster_id;
}
