/*
 * frame_encode.c - frames out of messages.
 *
 * The happy path: a message's fields go into a Header, which is packed behind the 16 bytes that
 * begin a frame; entries follow by reference, and the CRC covers them all.
 *
 * What can fail: nothing. A message beyond the limits is our own mistake, and asserted.
 */
#include "frame.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/codec.h"
#include "base/hash.h"
#include "frame_wire.h"

static struct frame *build(const Header *header, struct entry *const *entries, size_t entry_count)
{
    size_t header_bytes = holdfast__peer__v1__header__get_packed_size(header);
    size_t body_bytes = 0;
    for (size_t i = 0; i < entry_count; i++) {
        body_bytes += entries[i]->data.len;
    }
    assert(header_bytes <= LIMIT_PEER_HEADER_BYTES);
    assert(FRAME_PREFIX_BYTES + header_bytes + body_bytes <= LIMIT_PEER_FRAME_BYTES);

    struct frame *frame = memory_zalloc(sizeof *frame);
    frame->total_bytes = FRAME_PREFIX_BYTES + header_bytes + body_bytes;
    if (entry_count > 0) {
        frame->entries = memory_alloc(entry_count * sizeof *frame->entries);
        frame->entry_count = entry_count;
    }
    struct buffer *head = &frame->head;
    buffer_reserve(head, FRAME_PREFIX_BYTES + header_bytes);
    write_u32(head, FRAME_MAGIC);
    write_u32(head, (uint32_t)header_bytes);
    write_u32(head, (uint32_t)body_bytes);
    uint8_t *packed = head->data + FRAME_PREFIX_BYTES;
    holdfast__peer__v1__header__pack(header, packed);

    uint32_t crc = crc32c(crc32c(0, head->data, head->len), packed, header_bytes);
    for (size_t i = 0; i < entry_count; i++) {
        frame->entries[i] = entry_reference(entries[i]);
        crc = crc32c(crc, entries[i]->data.data, entries[i]->data.len);
    }
    write_u32(head, crc);
    head->len += header_bytes;
    return frame;
}

static Hello hello_to_proto(const struct hello *hello)
{
    Hello proto = HOLDFAST__PEER__V1__HELLO__INIT;
    proto.protocol_version = hello->protocol_version;
    proto.cluster_id = hello->cluster_id;
    proto.node_id = hello->node_id;
    proto.to_node_id = hello->to_node_id;
    proto.incarnation = hello->incarnation;
    proto.client_address = (char *)(uintptr_t)hello->client_address;
    proto.session = hello->session;
    proto.connection = hello->connection;
    proto.peer_address = (char *)(uintptr_t)hello->peer_address;
    proto.purpose = hello->purpose;
    return proto;
}

struct frame *frame_of_hello(const struct hello *hello)
{
    Hello proto = hello_to_proto(hello);
    Header header = HOLDFAST__PEER__V1__HEADER__INIT;
    header.body_case = HOLDFAST__PEER__V1__HEADER__BODY_HELLO;
    header.hello = &proto;
    return build(&header, NULL, 0);
}

struct frame *frame_of_answer(const struct hello *hello, const char *refusal)
{
    return frame_of_removal(hello, refusal, 0);
}

struct frame *frame_of_removal(const struct hello *hello, const char *refusal,
                               uint64_t removed_index)
{
    char text[LIMIT_PEER_REASON_BYTES + 1];
    snprintf(text, sizeof text, "%s", refusal);
    Hello proto = hello_to_proto(hello);
    Answer answer = HOLDFAST__PEER__V1__ANSWER__INIT;
    answer.hello = &proto;
    answer.refusal = text;
    answer.removed_index = removed_index;
    Header header = HOLDFAST__PEER__V1__HEADER__INIT;
    header.body_case = HOLDFAST__PEER__V1__HEADER__BODY_ANSWER;
    header.answer = &answer;
    return build(&header, NULL, 0);
}

static Clock clock_to_proto(const struct peer_clock *clock)
{
    Clock proto = HOLDFAST__PEER__V1__CLOCK__INIT;
    proto.now_ms = clock->now_ms;
    proto.echo_ms = clock->echo_ms;
    proto.confirmed_ago_ms = clock->confirmed_ago_ms;
    return proto;
}

static struct frame *build_append_entries(Header *header, const struct peer_message *message)
{
    size_t count = message->append_entries.entry_count;
    struct entry *const *entries = message->append_entries.entries;
    assert(count <= LIMIT_APPEND_ENTRIES);
    Entry *proto = memory_alloc(count * sizeof *proto);
    Entry **pointers = memory_alloc(count * sizeof *pointers);
    for (size_t i = 0; i < count; i++) {
        assert(entries[i]->index == message->append_entries.prev_log_index + 1 + i);
        assert(entries[i]->data.len <= LIMIT_ENTRY_BYTES);
        proto[i] = (Entry)HOLDFAST__PEER__V1__ENTRY__INIT;
        proto[i].term = entries[i]->term;
        proto[i].type = (uint32_t)entries[i]->type;
        proto[i].length = (uint32_t)entries[i]->data.len;
        pointers[i] = &proto[i];
    }
    AppendEntries append = HOLDFAST__PEER__V1__APPEND_ENTRIES__INIT;
    append.term = message->append_entries.term;
    append.prev_log_index = message->append_entries.prev_log_index;
    append.prev_log_term = message->append_entries.prev_log_term;
    append.leader_commit = message->append_entries.leader_commit;
    Clock clock = clock_to_proto(&message->append_entries.clock);
    append.clock = &clock;
    append.ledger_time_ms = message->append_entries.ledger_time_ms;
    append.n_entries = count;
    append.entries = pointers;
    header->body_case = HOLDFAST__PEER__V1__HEADER__BODY_APPEND_ENTRIES;
    header->append_entries = &append;
    struct frame *frame = build(header, entries, count);
    free(pointers);
    free(proto);
    return frame;
}

static struct frame *build_request_vote(Header *header, const struct peer_message *message)
{
    RequestVote vote = HOLDFAST__PEER__V1__REQUEST_VOTE__INIT;
    vote.term = message->request_vote.term;
    vote.candidate_id = message->request_vote.candidate_id;
    vote.last_log_index = message->request_vote.last_log_index;
    vote.last_log_term = message->request_vote.last_log_term;
    vote.disrupt_leader = message->request_vote.disrupt_leader;
    vote.pre_vote = message->request_vote.pre_vote;
    header->body_case = HOLDFAST__PEER__V1__HEADER__BODY_REQUEST_VOTE;
    header->request_vote = &vote;
    return build(header, NULL, 0);
}

static struct frame *build_request_vote_result(Header *header, const struct peer_message *message)
{
    RequestVoteResult result = HOLDFAST__PEER__V1__REQUEST_VOTE_RESULT__INIT;
    result.term = message->request_vote_result.term;
    result.vote_granted = message->request_vote_result.vote_granted;
    result.pre_vote = message->request_vote_result.pre_vote;
    header->body_case = HOLDFAST__PEER__V1__HEADER__BODY_REQUEST_VOTE_RESULT;
    header->request_vote_result = &result;
    return build(header, NULL, 0);
}

static struct frame *build_append_entries_result(Header *header, const struct peer_message *message)
{
    AppendEntriesResult result = HOLDFAST__PEER__V1__APPEND_ENTRIES_RESULT__INIT;
    result.term = message->append_entries_result.term;
    result.rejected = message->append_entries_result.rejected;
    result.last_log_index = message->append_entries_result.last_log_index;
    result.capacity = message->append_entries_result.capacity;
    Clock clock = clock_to_proto(&message->append_entries_result.clock);
    result.clock = &clock;
    header->body_case = HOLDFAST__PEER__V1__HEADER__BODY_APPEND_ENTRIES_RESULT;
    header->append_entries_result = &result;
    return build(header, NULL, 0);
}

static struct frame *build_timeout_now(Header *header, const struct peer_message *message)
{
    TimeoutNow now = HOLDFAST__PEER__V1__TIMEOUT_NOW__INIT;
    now.term = message->timeout_now.term;
    now.last_log_index = message->timeout_now.last_log_index;
    now.last_log_term = message->timeout_now.last_log_term;
    header->body_case = HOLDFAST__PEER__V1__HEADER__BODY_TIMEOUT_NOW;
    header->timeout_now = &now;
    return build(header, NULL, 0);
}

static struct frame *build_install_snapshot(Header *header, const struct peer_message *message)
{
    const struct entry *configuration = message->install_snapshot.configuration;
    InstallSnapshot install = HOLDFAST__PEER__V1__INSTALL_SNAPSHOT__INIT;
    assert(configuration->data.len <= LIMIT_CONFIGURATION_BYTES);
    install.term = message->install_snapshot.term;
    install.index = message->install_snapshot.index;
    install.last_term = message->install_snapshot.last_term;
    install.configuration_index = configuration->index;
    install.configuration.data = (uint8_t *)(uintptr_t)configuration->data.data;
    install.configuration.len = configuration->data.len;
    install.checkpoint_low = message->install_snapshot.checkpoint.low;
    install.checkpoint_high = message->install_snapshot.checkpoint.high;
    header->body_case = HOLDFAST__PEER__V1__HEADER__BODY_INSTALL_SNAPSHOT;
    header->install_snapshot = &install;
    return build(header, NULL, 0);
}

static struct frame *build_read_index(Header *header, const struct peer_message *message)
{
    ReadIndex read = HOLDFAST__PEER__V1__READ_INDEX__INIT;
    read.round = message->read_index.round;
    header->body_case = HOLDFAST__PEER__V1__HEADER__BODY_READ_INDEX;
    header->read_index = &read;
    return build(header, NULL, 0);
}

static struct frame *build_read_index_result(Header *header, const struct peer_message *message)
{
    ReadIndexResult result = HOLDFAST__PEER__V1__READ_INDEX_RESULT__INIT;
    result.round = message->read_index_result.round;
    result.term = message->read_index_result.term;
    header->body_case = HOLDFAST__PEER__V1__HEADER__BODY_READ_INDEX_RESULT;
    header->read_index_result = &result;
    return build(header, NULL, 0);
}

static struct frame *build_read_ask(Header *header, const struct peer_message *message)
{
    ReadAsk ask = HOLDFAST__PEER__V1__READ_ASK__INIT;
    ask.round = message->read_ask.round;
    header->body_case = HOLDFAST__PEER__V1__HEADER__BODY_READ_ASK;
    header->read_ask = &ask;
    return build(header, NULL, 0);
}

static struct frame *build_read_answer(Header *header, const struct peer_message *message)
{
    ReadAnswer answer = HOLDFAST__PEER__V1__READ_ANSWER__INIT;
    answer.round = message->read_answer.round;
    answer.index = message->read_answer.index;
    header->body_case = HOLDFAST__PEER__V1__HEADER__BODY_READ_ANSWER;
    header->read_answer = &answer;
    return build(header, NULL, 0);
}

static struct frame *build_checkpoint_ask(Header *header, const struct peer_message *message)
{
    CheckpointAsk ask = HOLDFAST__PEER__V1__CHECKPOINT_ASK__INIT;
    ask.checkpoint_low = message->checkpoint_ask.checkpoint.low;
    ask.checkpoint_high = message->checkpoint_ask.checkpoint.high;
    ask.file = message->checkpoint_ask.file;
    ask.offset = message->checkpoint_ask.offset;
    ask.max_bytes = message->checkpoint_ask.max_bytes;
    header->body_case = HOLDFAST__PEER__V1__HEADER__BODY_CHECKPOINT_ASK;
    header->checkpoint_ask = &ask;
    return build(header, NULL, 0);
}

static struct frame *build_checkpoint_part(Header *header, const struct peer_message *message)
{
    struct entry *data = message->checkpoint_part.data;
    CheckpointPart part = HOLDFAST__PEER__V1__CHECKPOINT_PART__INIT;
    part.checkpoint_low = message->checkpoint_part.checkpoint.low;
    part.checkpoint_high = message->checkpoint_part.checkpoint.high;
    part.file = message->checkpoint_part.file;
    part.offset = message->checkpoint_part.offset;
    part.size = message->checkpoint_part.size;
    part.gone = data == NULL;
    header->body_case = HOLDFAST__PEER__V1__HEADER__BODY_CHECKPOINT_PART;
    header->checkpoint_part = &part;
    assert(data == NULL || data->data.len <= LIMIT_CHECKPOINT_PART_BYTES);
    return build(header, &data, data != NULL ? 1 : 0);
}

static struct frame *build_digest_report(Header *header, const struct peer_message *message)
{
    DigestReport report = HOLDFAST__PEER__V1__DIGEST_REPORT__INIT;
    report.index = message->digest_report.index;
    report.digest_low = message->digest_report.digest.low;
    report.digest_high = message->digest_report.digest.high;
    uint64_t ids[LIMIT_LINEAGE]; /* protobuf-c wants them to be writable */
    report.n_lineage = message->digest_report.lineage.count;
    memcpy(ids, message->digest_report.lineage.ids, sizeof ids);
    report.lineage = ids;
    header->body_case = HOLDFAST__PEER__V1__HEADER__BODY_DIGEST_REPORT;
    header->digest_report = &report;
    return build(header, NULL, 0);
}

static struct frame *build_digest_borne_out(Header *header, const struct peer_message *message)
{
    DigestBorneOut borne_out = HOLDFAST__PEER__V1__DIGEST_BORNE_OUT__INIT;
    borne_out.index = message->digest_borne_out.index;
    borne_out.digest_low = message->digest_borne_out.digest.low;
    borne_out.digest_high = message->digest_borne_out.digest.high;
    header->body_case = HOLDFAST__PEER__V1__HEADER__BODY_DIGEST_BORNE_OUT;
    header->digest_borne_out = &borne_out;
    return build(header, NULL, 0);
}

static struct frame *build_digest_differs(Header *header, const struct peer_message *message)
{
    DigestDiffers differs = HOLDFAST__PEER__V1__DIGEST_DIFFERS__INIT;
    differs.index = message->digest_differs.index;
    differs.digest_low = message->digest_differs.digest.low;
    differs.digest_high = message->digest_differs.digest.high;
    differs.majority_low = message->digest_differs.majority.low;
    differs.majority_high = message->digest_differs.majority.high;
    header->body_case = HOLDFAST__PEER__V1__HEADER__BODY_DIGEST_DIFFERS;
    header->digest_differs = &differs;
    return build(header, NULL, 0);
}

static struct frame *build_ping(Header *header, const struct peer_message *message)
{
    Ping ping = HOLDFAST__PEER__V1__PING__INIT;
    ping.clock_ms = message->ping.clock_ms;
    header->body_case = HOLDFAST__PEER__V1__HEADER__BODY_PING;
    header->ping = &ping;
    return build(header, NULL, 0);
}

static struct frame *build_pong(Header *header, const struct peer_message *message)
{
    Pong pong = HOLDFAST__PEER__V1__PONG__INIT;
    pong.echo_ms = message->pong.echo_ms;
    pong.wall_ms = message->pong.wall_ms;
    pong.ledger_version_known = message->pong.ledger_version_known;
    header->body_case = HOLDFAST__PEER__V1__HEADER__BODY_PONG;
    header->pong = &pong;
    return build(header, NULL, 0);
}

struct frame *frame_of_message(const struct peer_message *message)
{
    Header header = HOLDFAST__PEER__V1__HEADER__INIT;
    header.sent_term = message->sent_term;
    switch (message->type) {
    case PEER_REQUEST_VOTE:
        return build_request_vote(&header, message);
    case PEER_REQUEST_VOTE_RESULT:
        return build_request_vote_result(&header, message);
    case PEER_APPEND_ENTRIES:
        return build_append_entries(&header, message);
    case PEER_APPEND_ENTRIES_RESULT:
        return build_append_entries_result(&header, message);
    case PEER_TIMEOUT_NOW:
        return build_timeout_now(&header, message);
    case PEER_INSTALL_SNAPSHOT:
        return build_install_snapshot(&header, message);
    case PEER_READ_INDEX:
        return build_read_index(&header, message);
    case PEER_READ_INDEX_RESULT:
        return build_read_index_result(&header, message);
    case PEER_READ_ASK:
        return build_read_ask(&header, message);
    case PEER_READ_ANSWER:
        return build_read_answer(&header, message);
    case PEER_CHECKPOINT_ASK:
        return build_checkpoint_ask(&header, message);
    case PEER_CHECKPOINT_PART:
        return build_checkpoint_part(&header, message);
    case PEER_DIGEST_REPORT:
        return build_digest_report(&header, message);
    case PEER_DIGEST_DIFFERS:
        return build_digest_differs(&header, message);
    case PEER_DIGEST_BORNE_OUT:
        return build_digest_borne_out(&header, message);
    case PEER_PING:
        return build_ping(&header, message);
    case PEER_PONG:
        return build_pong(&header, message);
    }
    assert(false && "a message has one of the types above");
    abort();
}

void frame_free(struct frame *frame)
{
    for (size_t i = 0; i < frame->entry_count; i++) {
        entry_release(frame->entries[i]);
    }
    free(frame->entries);
    buffer_free(&frame->head);
    free(frame);
}
