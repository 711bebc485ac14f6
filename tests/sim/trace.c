/*
 * trace.c - notes of a simulated run: into the digest, into the ring of their node, and into words.
 *
 * The digest takes each word by a multiplication with an odd constant and a shift, both of which
 * can be undone: two runs that differ in one word stay different while the rest is the same.
 */
#include "trace.h"

#include <string.h>

#include "base/hash.h"
#include "ledger/command.h"
#include "plan.h"
#include "raft/message.h"

static uint64_t mix(uint64_t digest, uint64_t word)
{
    digest = (digest ^ word) * UINT64_C(0x9e3779b97f4a7c15);
    return digest ^ digest >> 32;
}

void trace_init(struct trace *trace, const uint64_t *now_us, FILE *out)
{
    memset(trace, 0, sizeof *trace);
    trace->now_us = now_us;
    trace->out = out;
}

/* ---- in words ---- */

static void print_who(FILE *out, size_t node)
{
    switch (node) {
    case TRACE_WORLD:
        fputs("world    ", out);
        break;
    case TRACE_CLIENTS:
        fputs("clients  ", out);
        break;
    default:
        fprintf(out, "n%zu       ", node + 1);
    }
}

static const char *kind_name(uint64_t kind)
{
    switch ((enum ledger_command_kind)kind) {
    case LEDGER_SET_STOCK:
        return "SetStock";
    case LEDGER_ADJUST_STOCK:
        return "AdjustStock";
    case LEDGER_RESERVE:
        return "Reserve";
    case LEDGER_DEDUCT:
        return "Deduct";
    case LEDGER_RELEASE:
        return "Release";
    case LEDGER_REGISTER_NODE:
        return "RegisterNode";
    case LEDGER_RAISE_VERSION:
        return "RaiseVersion";
    }
    return "a command of an unknown kind";
}

static const char *verdict_name(uint64_t verdict)
{
    return ledger_verdict_name((enum ledger_verdict)verdict);
}

static void print_words(FILE *out, enum trace_event event, const uint64_t v[TRACE_NUMBERS])
{
#define TRACE_SAY(...) fprintf(out, __VA_ARGS__)
    switch (event) {
#define X(name, words)                                                                             \
    case TRACE_##name:                                                                             \
        TRACE_SAY words;                                                                           \
        break;
        TRACE_EVENTS(X)
#undef X
    case TRACE_EVENT_COUNT:
        break;
    }
#undef TRACE_SAY
}

static void print_record(FILE *out, size_t node, const struct trace_record *record)
{
    fprintf(out, "%9" PRIu64 ".%03u ms  ", record->at_us / 1000, (unsigned)(record->at_us % 1000));
    print_who(out, node);
    print_words(out, record->event, record->numbers);
    fputc('\n', out);
}

/* ---- noting ---- */

void trace_note_numbers(struct trace *trace, size_t node, enum trace_event event,
                        const uint64_t numbers[TRACE_NUMBERS])
{
    struct trace_record *record = &trace->kept[node][trace->counts[node]++ % TRACE_KEPT];
    record->at_us = *trace->now_us;
    record->number = trace->count++;
    record->event = event;
    uint64_t digest = mix(trace->digest, record->at_us);
    digest = mix(digest, (uint64_t)node << 32 | (uint64_t)event);
    for (size_t i = 0; i < TRACE_NUMBERS; i++) {
        record->numbers[i] = numbers[i];
        digest = mix(digest, numbers[i]);
    }
    trace->digest = digest;
    if (trace->out != NULL) {
        print_record(trace->out, node, record);
    }
}

/* The events of messages sent come in the order of those received. */
#define RECEIVED_BEHIND_SENT (TRACE_RECEIVED_REQUEST_VOTE - TRACE_SENT_REQUEST_VOTE)
_Static_assert(TRACE_RECEIVED_READ_ANSWER - TRACE_SENT_READ_ANSWER == RECEIVED_BEHIND_SENT &&
                   TRACE_RECEIVED_TIMEOUT_NOW - TRACE_SENT_TIMEOUT_NOW == RECEIVED_BEHIND_SENT &&
                   TRACE_RECEIVED_APPEND - TRACE_SENT_APPEND == RECEIVED_BEHIND_SENT &&
                   TRACE_RECEIVED_CHECKPOINT_PART - TRACE_SENT_CHECKPOINT_PART ==
                       RECEIVED_BEHIND_SENT,
               "one list of messages, told from both ends");

/* What a note has no room for counts all the same. */
static void mix_in(struct trace *trace, uint64_t word)
{
    trace->digest = mix(trace->digest, word);
}

static void mix_entries(struct trace *trace, struct entry *const *entries, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct hash128 hash = hash128_of(entries[i]->data);
        mix_in(trace, entries[i]->index);
        mix_in(trace, entries[i]->term);
        mix_in(trace, (uint64_t)entries[i]->type);
        mix_in(trace, hash.low);
        mix_in(trace, hash.high);
    }
}

static void mix_clock(struct trace *trace, const struct peer_clock *clock)
{
    mix_in(trace, clock->now_ms);
    mix_in(trace, clock->echo_ms);
    mix_in(trace, clock->confirmed_ago_ms);
}

static void mix_message(struct trace *trace, const struct peer_message *message)
{
    mix_in(trace, message->sent_term);
    switch (message->type) {
    case PEER_REQUEST_VOTE:
        mix_in(trace, message->request_vote.candidate_id);
        mix_in(trace, message->request_vote.last_log_term);
        mix_in(trace, message->request_vote.disrupt_leader);
        break;
    case PEER_REQUEST_VOTE_RESULT:
        break;
    case PEER_APPEND_ENTRIES:
        mix_in(trace, message->append_entries.term);
        mix_in(trace, message->append_entries.prev_log_term);
        mix_clock(trace, &message->append_entries.clock);
        mix_entries(trace, message->append_entries.entries, message->append_entries.entry_count);
        break;
    case PEER_APPEND_ENTRIES_RESULT:
        mix_in(trace, message->append_entries_result.capacity);
        mix_clock(trace, &message->append_entries_result.clock);
        break;
    case PEER_TIMEOUT_NOW:
        mix_in(trace, message->timeout_now.last_log_index);
        mix_in(trace, message->timeout_now.last_log_term);
        break;
    case PEER_READ_INDEX:
    case PEER_READ_INDEX_RESULT:
    case PEER_READ_ASK:
    case PEER_READ_ANSWER:
        break; /* the note has all of it */
    case PEER_DIGEST_REPORT:
        mix_in(trace, message->digest_report.digest.high);
        for (uint32_t i = 0; i < message->digest_report.lineage.count; i++) {
            mix_in(trace, message->digest_report.lineage.ids[i]);
        }
        break;
    case PEER_DIGEST_DIFFERS:
        mix_in(trace, message->digest_differs.digest.high);
        mix_in(trace, message->digest_differs.majority.high);
        break;
    case PEER_DIGEST_BORNE_OUT:
        mix_in(trace, message->digest_borne_out.digest.high);
        break;
    case PEER_INSTALL_SNAPSHOT:
        mix_in(trace, message->install_snapshot.term);
        mix_entries(trace, &message->install_snapshot.configuration, 1);
        break;
    case PEER_CHECKPOINT_ASK:
        mix_in(trace, message->checkpoint_ask.max_bytes);
        break;
    case PEER_CHECKPOINT_PART:
        mix_in(trace, message->checkpoint_part.size);
        if (message->checkpoint_part.data != NULL) {
            mix_in(trace, hash128_of(message->checkpoint_part.data->data).low);
        }
        break;
    case PEER_PING:
    case PEER_PONG:
        break;
    }
}

static void note_message(struct trace *trace, size_t node, size_t other, int shift,
                         const struct peer_message *message)
{
    enum trace_event event = TRACE_EVENT_COUNT;
    uint64_t v[TRACE_NUMBERS] = {(uint64_t)other + 1};
    switch (message->type) {
    case PEER_REQUEST_VOTE:
        event = TRACE_SENT_REQUEST_VOTE;
        v[1] = message->request_vote.pre_vote;
        v[2] = message->request_vote.term;
        v[3] = message->request_vote.last_log_index;
        break;
    case PEER_REQUEST_VOTE_RESULT:
        event = TRACE_SENT_VOTE;
        v[1] = message->request_vote_result.vote_granted;
        v[2] = message->request_vote_result.pre_vote;
        v[3] = message->request_vote_result.term;
        break;
    case PEER_APPEND_ENTRIES:
        event = TRACE_SENT_APPEND;
        v[1] = message->append_entries.prev_log_index;
        v[2] = message->append_entries.entry_count;
        v[3] = message->append_entries.leader_commit;
        break;
    case PEER_APPEND_ENTRIES_RESULT:
        if (message->append_entries_result.rejected == 0) {
            event = TRACE_SENT_ACKNOWLEDGEMENT;
            v[1] = message->append_entries_result.last_log_index;
            v[2] = message->append_entries_result.term;
        } else {
            event = TRACE_SENT_REJECTION;
            v[1] = message->append_entries_result.rejected;
            v[2] = message->append_entries_result.last_log_index;
            v[3] = message->append_entries_result.term;
        }
        break;
    case PEER_TIMEOUT_NOW:
        event = TRACE_SENT_TIMEOUT_NOW;
        v[1] = message->timeout_now.term;
        break;
    case PEER_READ_INDEX:
        event = TRACE_SENT_READ_INDEX;
        v[1] = message->sent_term;
        v[2] = message->read_index.round;
        break;
    case PEER_READ_INDEX_RESULT:
        event = TRACE_SENT_READ_INDEX_RESULT;
        v[1] = message->read_index_result.term;
        v[2] = message->read_index_result.round;
        break;
    case PEER_READ_ASK:
        event = TRACE_SENT_READ_ASK;
        v[1] = message->sent_term;
        v[2] = message->read_ask.round;
        break;
    case PEER_READ_ANSWER:
        event = TRACE_SENT_READ_ANSWER;
        v[1] = message->read_answer.index;
        v[2] = message->read_answer.round;
        break;
    case PEER_DIGEST_REPORT:
        event = TRACE_SENT_DIGEST;
        v[1] = message->digest_report.index;
        v[2] = message->digest_report.digest.low;
        v[3] = message->digest_report.lineage.count;
        break;
    case PEER_DIGEST_DIFFERS:
        event = TRACE_SENT_DIFFERENCE;
        v[1] = message->digest_differs.index;
        v[2] = message->digest_differs.digest.low;
        v[3] = message->digest_differs.majority.low;
        break;
    case PEER_DIGEST_BORNE_OUT:
        event = TRACE_SENT_BORNE_OUT;
        v[1] = message->digest_borne_out.index;
        v[2] = message->digest_borne_out.digest.low;
        break;
    case PEER_INSTALL_SNAPSHOT:
        event = TRACE_SENT_INSTALL_SNAPSHOT;
        v[1] = message->install_snapshot.index;
        v[2] = message->install_snapshot.last_term;
        v[3] = message->install_snapshot.checkpoint.low;
        break;
    case PEER_CHECKPOINT_ASK:
        event = TRACE_SENT_CHECKPOINT_ASK;
        v[1] = message->checkpoint_ask.file;
        v[2] = message->checkpoint_ask.offset;
        v[3] = message->checkpoint_ask.checkpoint.low;
        break;
    case PEER_CHECKPOINT_PART:
        event = TRACE_SENT_CHECKPOINT_PART;
        v[1] = message->checkpoint_part.file;
        v[2] = message->checkpoint_part.offset;
        v[3] = message->checkpoint_part.data != NULL ? message->checkpoint_part.data->data.len
                                                     : UINT64_MAX; /* it is gone: -1 */
        break;
    case PEER_PING:
    case PEER_PONG:
        break; /* told by what becomes of them */
    }
    if (event != TRACE_EVENT_COUNT) {
        trace_note_numbers(trace, node, (enum trace_event)((int)event + shift), v);
        mix_message(trace, message);
    }
}

void trace_sent(struct trace *trace, size_t node, size_t to, const struct peer_message *message)
{
    note_message(trace, node, to, 0, message);
}

void trace_received(struct trace *trace, size_t node, size_t from,
                    const struct peer_message *message)
{
    note_message(trace, node, from, RECEIVED_BEHIND_SENT, message);
}

/* ---- reading ---- */

static uint64_t kept(const struct trace *trace, size_t node)
{
    uint64_t count = trace->counts[node];
    return count < TRACE_KEPT ? count : TRACE_KEPT;
}

/* The note that has `behind` of this node's later than itself. */
static const struct trace_record *from_end(const struct trace *trace, size_t node, uint64_t behind)
{
    return &trace->kept[node][(trace->counts[node] - 1 - behind) % TRACE_KEPT];
}

/* Of those who have notes left to print, the node with the oldest; TRACE_TRACKS: nobody has. */
static size_t oldest(const struct trace *trace, const uint64_t left[TRACE_TRACKS])
{
    size_t found = TRACE_TRACKS;
    for (size_t node = 0; node < TRACE_TRACKS; node++) {
        if (left[node] > 0 &&
            (found == TRACE_TRACKS || from_end(trace, node, left[node] - 1)->number <
                                          from_end(trace, found, left[found] - 1)->number)) {
            found = node;
        }
    }
    return found;
}

void trace_print(const struct trace *trace, FILE *out, size_t most)
{
    uint64_t left[TRACE_TRACKS];
    uint64_t total = 0;
    for (size_t node = 0; node < TRACE_TRACKS; node++) {
        left[node] = kept(trace, node);
        total += left[node];
    }
    for (size_t node = oldest(trace, left); node < TRACE_TRACKS; node = oldest(trace, left)) {
        left[node]--;
        if (total-- <= most) {
            print_record(out, node, from_end(trace, node, left[node]));
        }
    }
}
