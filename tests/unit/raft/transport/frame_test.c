/*
 * Frames: what goes in comes out; what is torn, flipped, forged or random is refused, or decodes to
 * something that keeps every rule of frame_decode.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/codec.h"
#include "base/hash.h"
#include "frame.h"
#include "peer.pb-c.h"

typedef Holdfast__Peer__V1__Header Header;
typedef Holdfast__Peer__V1__Entry Entry;
typedef Holdfast__Peer__V1__AppendEntries AppendEntries;
typedef Holdfast__Peer__V1__AppendEntriesResult AppendEntriesResult;
typedef Holdfast__Peer__V1__Clock Clock;

#define FUZZ_ROUNDS 20000

/* ---- helpers ---- */

static struct buffer flatten(struct frame *frame)
{
    struct buffer bytes = {0};
    for (size_t i = 0; i < frame_part_count(frame); i++) {
        buffer_append_bytes(&bytes, frame_part(frame, i));
    }
    assert_int_equal(bytes.len, frame->total_bytes);
    frame_free(frame);
    return bytes;
}

static void put_u32(uint8_t *at, uint32_t value)
{
    for (size_t i = 0; i < 4; i++) {
        at[i] = (uint8_t)(value >> (8 * i));
    }
}

static void seal(struct buffer *bytes)
{
    uint32_t crc = crc32c(0, bytes->data, 12);
    put_u32(bytes->data + 12, crc32c(crc, bytes->data + 16, bytes->len - 16));
}

/* A sealed frame of any header and body, right or wrong. */
static struct buffer forge(struct bytes header, struct bytes body)
{
    struct buffer bytes = {0};
    buffer_append(&bytes, "HfPr", 4);
    write_u32(&bytes, (uint32_t)header.len);
    write_u32(&bytes, (uint32_t)body.len);
    write_u32(&bytes, 0);
    buffer_append_bytes(&bytes, header);
    buffer_append_bytes(&bytes, body);
    seal(&bytes);
    return bytes;
}

static struct buffer forge_proto(const Header *header, size_t body_len)
{
    struct buffer packed = {0};
    buffer_reserve(&packed, holdfast__peer__v1__header__get_packed_size(header) + 1);
    packed.len = holdfast__peer__v1__header__pack(header, packed.data);
    uint8_t *body = memory_zalloc(body_len);
    struct buffer bytes = forge(buffer_bytes(&packed), bytes_of(body, body_len));
    free(body);
    buffer_free(&packed);
    return bytes;
}

static bool measure_and_decode(struct bytes bytes, struct frame_content *content,
                               struct error *error)
{
    size_t total;
    if (!frame_measure(bytes, LIMIT_PEER_FRAME_BYTES, &total, error)) {
        return false;
    }
    if (total == 0 || total > bytes.len) {
        return error_set(error, "incomplete");
    }
    return frame_decode(bytes_of(bytes.data, total), content, error);
}

static void decode(struct buffer bytes, struct frame_content *content)
{
    struct error error;
    size_t total;
    assert_true(frame_measure(buffer_bytes(&bytes), bytes.len, &total, &error));
    assert_int_equal(total, bytes.len);
    if (!frame_decode(buffer_bytes(&bytes), content, &error)) {
        fail_msg("refused: %s", error.text);
    }
    buffer_free(&bytes);
}

static void refused(struct buffer bytes, const char *says)
{
    struct error error = {{0}};
    struct frame_content content;
    assert_false(measure_and_decode(buffer_bytes(&bytes), &content, &error));
    if (strstr(error.text, says) == NULL) {
        fail_msg("\"%s\" does not say \"%s\"", error.text, says);
    }
    buffer_free(&bytes);
}

static void round_trip(const struct peer_message *message, struct peer_message *out)
{
    struct frame_content content;
    decode(flatten(frame_of_message(message)), &content);
    assert_int_equal(content.kind, FRAME_MESSAGE);
    *out = content.message;
    assert_int_equal(out->type, message->type);
    assert_int_equal(out->sent_term, message->sent_term);
}

/* An AppendEntries of `count` entries behind prev_index, of growing lengths from 0. */
static struct peer_message append(size_t count, uint64_t prev_index)
{
    struct peer_message message = {.type = PEER_APPEND_ENTRIES, .sent_term = 9};
    message.append_entries.term = 9;
    message.append_entries.prev_log_index = prev_index;
    message.append_entries.prev_log_term = 3;
    message.append_entries.leader_commit = 41;
    message.append_entries.clock = (struct peer_clock){UINT64_MAX, 12, 13};
    message.append_entries.ledger_time_ms = LIMIT_TIME_MS;
    message.append_entries.entries = memory_alloc(count * sizeof *message.append_entries.entries);
    message.append_entries.entry_count = count;
    for (size_t i = 0; i < count; i++) {
        uint8_t bytes[64];
        memset(bytes, (int)('a' + i % 26), sizeof bytes);
        message.append_entries.entries[i] =
            entry_new_copy(prev_index + 1 + i, 3 + i * 6 / count, (enum entry_type)(1 + i % 3),
                           bytes_of(bytes, i % sizeof bytes));
    }
    return message;
}

static struct buffer some_frame(void)
{
    struct peer_message message = append(5, 100);
    struct buffer bytes = flatten(frame_of_message(&message));
    peer_message_free(&message);
    return bytes;
}

static struct hello some_hello(void)
{
    return (struct hello){.protocol_version = 1,
                          .cluster_id = UINT64_MAX - 1,
                          .node_id = 2,
                          .to_node_id = 3,
                          .incarnation = UINT64_MAX,
                          .session = 77,
                          .connection = 5,
                          .client_address = "[2001:db8::7]:8000",
                          .peer_address = "seven:7000"};
}

/* ---- round trips ---- */

static void votes_come_back(void **state)
{
    (void)state;
    struct peer_message out;
    for (unsigned bits = 0; bits < 4; bits++) {
        struct peer_message vote = {.type = PEER_REQUEST_VOTE, .sent_term = UINT64_MAX};
        vote.request_vote.term = UINT64_MAX;
        vote.request_vote.candidate_id = 2;
        vote.request_vote.last_log_index = 3;
        vote.request_vote.last_log_term = 4;
        vote.request_vote.disrupt_leader = bits & 1;
        vote.request_vote.pre_vote = bits & 2;
        round_trip(&vote, &out);
        assert_int_equal(out.request_vote.term, UINT64_MAX);
        assert_int_equal(out.request_vote.candidate_id, 2);
        assert_int_equal(out.request_vote.last_log_index, 3);
        assert_int_equal(out.request_vote.last_log_term, 4);
        assert_int_equal(out.request_vote.disrupt_leader, (bits & 1) != 0);
        assert_int_equal(out.request_vote.pre_vote, (bits & 2) != 0);

        struct peer_message result = {.type = PEER_REQUEST_VOTE_RESULT, .sent_term = 8};
        result.request_vote_result.term = 7;
        result.request_vote_result.vote_granted = bits & 1;
        result.request_vote_result.pre_vote = bits & 2;
        round_trip(&result, &out);
        assert_int_equal(out.request_vote_result.term, 7);
        assert_int_equal(out.request_vote_result.vote_granted, (bits & 1) != 0);
        assert_int_equal(out.request_vote_result.pre_vote, (bits & 2) != 0);
    }
}

static void results_and_timeout_now_come_back(void **state)
{
    (void)state;
    struct peer_message out;
    struct peer_message result = {.type = PEER_APPEND_ENTRIES_RESULT, .sent_term = 0};
    result.append_entries_result.term = 5;
    result.append_entries_result.rejected = 6;
    result.append_entries_result.last_log_index = UINT64_MAX;
    result.append_entries_result.capacity = UINT32_MAX;
    result.append_entries_result.clock = (struct peer_clock){21, UINT64_MAX, 0};
    round_trip(&result, &out);
    assert_int_equal(out.append_entries_result.term, 5);
    assert_int_equal(out.append_entries_result.rejected, 6);
    assert_int_equal(out.append_entries_result.last_log_index, UINT64_MAX);
    assert_int_equal(out.append_entries_result.capacity, UINT32_MAX);
    assert_int_equal(out.append_entries_result.clock.now_ms, 21);
    assert_int_equal(out.append_entries_result.clock.echo_ms, UINT64_MAX);

    struct peer_message now = {.type = PEER_TIMEOUT_NOW, .sent_term = 4};
    now.timeout_now.term = 4;
    now.timeout_now.last_log_index = 5;
    now.timeout_now.last_log_term = 3;
    round_trip(&now, &out);
    assert_int_equal(out.timeout_now.term, 4);
    assert_int_equal(out.timeout_now.last_log_index, 5);
    assert_int_equal(out.timeout_now.last_log_term, 3);
}

static void snapshots_come_back(void **state)
{
    (void)state;
    uint8_t members[LIMIT_CONFIGURATION_BYTES];
    memset(members, 'm', sizeof members);
    struct peer_message offer = {.type = PEER_INSTALL_SNAPSHOT, .sent_term = 9};
    offer.install_snapshot.term = 9;
    offer.install_snapshot.index = UINT64_MAX;
    offer.install_snapshot.last_term = 8;
    offer.install_snapshot.checkpoint = (struct hash128){UINT64_MAX, 7};
    offer.install_snapshot.configuration =
        entry_new_copy(70, 8, ENTRY_CHANGE, bytes_of(members, sizeof members));
    struct peer_message out;
    round_trip(&offer, &out);
    assert_int_equal(out.install_snapshot.term, 9);
    assert_int_equal(out.install_snapshot.index, UINT64_MAX);
    assert_int_equal(out.install_snapshot.last_term, 8);
    assert_true(hash128_equal(out.install_snapshot.checkpoint, offer.install_snapshot.checkpoint));
    assert_int_equal(out.install_snapshot.configuration->index, 70);
    assert_int_equal(out.install_snapshot.configuration->type, ENTRY_CHANGE);
    assert_true(bytes_equal(out.install_snapshot.configuration->data,
                            offer.install_snapshot.configuration->data));
    peer_message_free(&out);
    peer_message_free(&offer);
}

static void pings_and_pongs_come_back(void **state)
{
    (void)state;
    struct peer_message out;
    struct peer_message ping = {.type = PEER_PING, .ping = {.clock_ms = UINT64_MAX}};
    round_trip(&ping, &out);
    assert_int_equal(out.ping.clock_ms, UINT64_MAX);
    struct peer_message pong = {
        .type = PEER_PONG,
        .pong = {.echo_ms = UINT64_MAX - 1, .wall_ms = 5, .ledger_version_known = UINT32_MAX}};
    round_trip(&pong, &out);
    assert_int_equal(out.pong.echo_ms, UINT64_MAX - 1);
    assert_int_equal(out.pong.wall_ms, 5);
    assert_int_equal(out.pong.ledger_version_known, UINT32_MAX);
    /* A clock that shows nonsense is as wrong as can be, and no reason to part. */
    pong.pong.wall_ms = INT64_MIN;
    round_trip(&pong, &out);
    assert_int_equal(out.pong.wall_ms, 0);
    pong.pong.wall_ms = INT64_MAX;
    round_trip(&pong, &out);
    assert_int_equal(out.pong.wall_ms, LIMIT_TIME_MS);
}

static void ledger_times_outside_all_times_are_refused(void **state)
{
    (void)state;
    Holdfast__Peer__V1__Clock clock = HOLDFAST__PEER__V1__CLOCK__INIT;
    Holdfast__Peer__V1__AppendEntries append = HOLDFAST__PEER__V1__APPEND_ENTRIES__INIT;
    append.clock = &clock;
    append.ledger_time_ms = -1;
    Header header = HOLDFAST__PEER__V1__HEADER__INIT;
    header.body_case = HOLDFAST__PEER__V1__HEADER__BODY_APPEND_ENTRIES;
    header.append_entries = &append;
    refused(forge_proto(&header, 0), "ledger time -1 ms");
    append.ledger_time_ms = LIMIT_TIME_MS + 1;
    refused(forge_proto(&header, 0), "ledger time 253402300800000 ms");
}

static void snapshots_with_too_many_members_are_refused(void **state)
{
    (void)state;
    uint8_t members[LIMIT_CONFIGURATION_BYTES + 1] = {0};
    Holdfast__Peer__V1__InstallSnapshot install = HOLDFAST__PEER__V1__INSTALL_SNAPSHOT__INIT;
    install.configuration.data = members;
    install.configuration.len = sizeof members;
    Header header = HOLDFAST__PEER__V1__HEADER__INIT;
    header.body_case = HOLDFAST__PEER__V1__HEADER__BODY_INSTALL_SNAPSHOT;
    header.install_snapshot = &install;
    refused(forge_proto(&header, 0), "members of 2561 bytes");
    install.configuration.len = 1;
    refused(forge_proto(&header, 3), "3 bytes follow");
}

static void parts_of_checkpoints_come_back(void **state)
{
    (void)state;
    struct peer_message out;
    struct peer_message ask = {.type = PEER_CHECKPOINT_ASK};
    ask.checkpoint_ask.checkpoint = (struct hash128){1, UINT64_MAX};
    ask.checkpoint_ask.file = UINT32_MAX;
    ask.checkpoint_ask.offset = UINT64_MAX;
    ask.checkpoint_ask.max_bytes = 7;
    round_trip(&ask, &out);
    assert_true(hash128_equal(out.checkpoint_ask.checkpoint, ask.checkpoint_ask.checkpoint));
    assert_int_equal(out.checkpoint_ask.file, UINT32_MAX);
    assert_int_equal(out.checkpoint_ask.offset, UINT64_MAX);
    assert_int_equal(out.checkpoint_ask.max_bytes, 7);

    struct buffer bytes = {0};
    memset(buffer_reserve(&bytes, LIMIT_CHECKPOINT_PART_BYTES), 'p', LIMIT_CHECKPOINT_PART_BYTES);
    bytes.len = LIMIT_CHECKPOINT_PART_BYTES;
    struct peer_message part = {.type = PEER_CHECKPOINT_PART};
    part.checkpoint_part.checkpoint = (struct hash128){3, 4};
    part.checkpoint_part.file = 5;
    part.checkpoint_part.offset = UINT64_MAX - 1;
    part.checkpoint_part.size = UINT64_MAX;
    part.checkpoint_part.data = entry_new_take(ENTRY_COMMAND, &bytes);
    round_trip(&part, &out);
    assert_true(hash128_equal(out.checkpoint_part.checkpoint, part.checkpoint_part.checkpoint));
    assert_int_equal(out.checkpoint_part.file, 5);
    assert_int_equal(out.checkpoint_part.offset, UINT64_MAX - 1);
    assert_int_equal(out.checkpoint_part.size, UINT64_MAX);
    assert_true(bytes_equal(out.checkpoint_part.data->data, part.checkpoint_part.data->data));
    peer_message_free(&out);
    peer_message_free(&part);

    part.checkpoint_part.data = NULL; /* gone */
    round_trip(&part, &out);
    assert_null(out.checkpoint_part.data);
    peer_message_free(&out);
}

static void parts_without_bytes_are_refused(void **state)
{
    (void)state;
    Holdfast__Peer__V1__CheckpointPart part = HOLDFAST__PEER__V1__CHECKPOINT_PART__INIT;
    Header header = HOLDFAST__PEER__V1__HEADER__INIT;
    header.body_case = HOLDFAST__PEER__V1__HEADER__BODY_CHECKPOINT_PART;
    header.checkpoint_part = &part;
    refused(forge_proto(&header, 0), "has 0 bytes");
    refused(forge_proto(&header, LIMIT_CHECKPOINT_PART_BYTES + 1), "has 262145 bytes");
    part.gone = true;
    refused(forge_proto(&header, 3), "has 3 bytes");
}

static void digests_come_back(void **state)
{
    (void)state;
    struct peer_message out;
    struct peer_message report = {.type = PEER_DIGEST_REPORT, .sent_term = 4};
    report.digest_report.index = LIMIT_RAFT_NUMBER - 1;
    report.digest_report.digest = (struct hash128){1, UINT64_MAX};
    for (uint64_t id = 1; id <= LIMIT_LINEAGE; id++) {
        lineage_add(&report.digest_report.lineage, UINT64_MAX - id);
    }
    round_trip(&report, &out);
    assert_true(lineage_is_equal(&out.digest_report.lineage, &report.digest_report.lineage));
    report.digest_report.lineage = (struct lineage){0};
    round_trip(&report, &out);
    assert_int_equal(out.digest_report.lineage.count, 0);
    assert_int_equal(out.sent_term, 4);
    assert_int_equal(out.digest_report.index, LIMIT_RAFT_NUMBER - 1);
    assert_true(hash128_equal(out.digest_report.digest, report.digest_report.digest));

    struct peer_message differs = {.type = PEER_DIGEST_DIFFERS, .sent_term = 4};
    differs.digest_differs.index = 1;
    differs.digest_differs.digest = (struct hash128){2, 3};
    differs.digest_differs.majority = (struct hash128){UINT64_MAX, 4};
    round_trip(&differs, &out);
    assert_int_equal(out.digest_differs.index, 1);
    assert_true(hash128_equal(out.digest_differs.digest, differs.digest_differs.digest));
    assert_true(hash128_equal(out.digest_differs.majority, differs.digest_differs.majority));

    struct peer_message borne_out = {.type = PEER_DIGEST_BORNE_OUT, .sent_term = 4};
    borne_out.digest_borne_out.index = LIMIT_RAFT_NUMBER - 1;
    borne_out.digest_borne_out.digest = (struct hash128){UINT64_MAX, 5};
    round_trip(&borne_out, &out);
    assert_int_equal(out.digest_borne_out.index, LIMIT_RAFT_NUMBER - 1);
    assert_true(hash128_equal(out.digest_borne_out.digest, borne_out.digest_borne_out.digest));
}

static void a_lineage_without_end_is_refused(void **state)
{
    (void)state;
    uint64_t ids[LIMIT_LINEAGE + 1] = {0};
    Holdfast__Peer__V1__DigestReport report = HOLDFAST__PEER__V1__DIGEST_REPORT__INIT;
    Header header = HOLDFAST__PEER__V1__HEADER__INIT;
    report.index = 1;
    report.n_lineage = LIMIT_LINEAGE + 1;
    report.lineage = ids;
    header.body_case = HOLDFAST__PEER__V1__HEADER__BODY_DIGEST_REPORT;
    header.digest_report = &report;
    refused(forge_proto(&header, 0), "stems from 10 others");
}

static void digests_at_no_index_are_refused(void **state)
{
    (void)state;
    static const uint64_t indexes[] = {0, LIMIT_RAFT_NUMBER, UINT64_MAX};
    for (size_t i = 0; i < 3; i++) {
        Holdfast__Peer__V1__DigestReport report = HOLDFAST__PEER__V1__DIGEST_REPORT__INIT;
        Holdfast__Peer__V1__DigestDiffers differs = HOLDFAST__PEER__V1__DIGEST_DIFFERS__INIT;
        Header header = HOLDFAST__PEER__V1__HEADER__INIT;
        report.index = indexes[i];
        header.body_case = HOLDFAST__PEER__V1__HEADER__BODY_DIGEST_REPORT;
        header.digest_report = &report;
        refused(forge_proto(&header, 0), "which no entry has");
        differs.index = indexes[i];
        header.body_case = HOLDFAST__PEER__V1__HEADER__BODY_DIGEST_DIFFERS;
        header.digest_differs = &differs;
        refused(forge_proto(&header, 0), "which no entry has");
        Holdfast__Peer__V1__DigestBorneOut borne_out = HOLDFAST__PEER__V1__DIGEST_BORNE_OUT__INIT;
        borne_out.index = indexes[i];
        header.body_case = HOLDFAST__PEER__V1__HEADER__BODY_DIGEST_BORNE_OUT;
        header.digest_borne_out = &borne_out;
        refused(forge_proto(&header, 0), "which no entry has");
    }
}

static void questions_about_reads_come_back(void **state)
{
    (void)state;
    struct peer_message out;
    struct peer_message question = {.type = PEER_READ_INDEX, .sent_term = 4};
    question.read_index.round = UINT64_MAX;
    round_trip(&question, &out);
    assert_int_equal(out.read_index.round, UINT64_MAX);

    struct peer_message result = {.type = PEER_READ_INDEX_RESULT, .sent_term = 4};
    result.read_index_result.round = UINT64_MAX - 1;
    result.read_index_result.term = 5;
    round_trip(&result, &out);
    assert_int_equal(out.read_index_result.round, UINT64_MAX - 1);
    assert_int_equal(out.read_index_result.term, 5);

    struct peer_message ask = {.type = PEER_READ_ASK, .sent_term = 6};
    ask.read_ask.round = 7;
    round_trip(&ask, &out);
    assert_int_equal(out.read_ask.round, 7);

    struct peer_message answer = {.type = PEER_READ_ANSWER, .sent_term = 8};
    answer.read_answer.round = 9;
    answer.read_answer.index = UINT64_MAX;
    round_trip(&answer, &out);
    assert_int_equal(out.read_answer.round, 9);
    assert_int_equal(out.read_answer.index, UINT64_MAX);
}

static void entries_come_back(size_t count, uint64_t prev_index)
{
    struct peer_message message = append(count, prev_index);
    struct peer_message out;
    round_trip(&message, &out);
    assert_int_equal(out.append_entries.term, 9);
    assert_int_equal(out.append_entries.prev_log_index, prev_index);
    assert_int_equal(out.append_entries.prev_log_term, 3);
    assert_int_equal(out.append_entries.leader_commit, 41);
    assert_int_equal(out.append_entries.ledger_time_ms, LIMIT_TIME_MS);
    assert_int_equal(out.append_entries.clock.now_ms, UINT64_MAX);
    assert_int_equal(out.append_entries.clock.echo_ms, 12);
    assert_int_equal(out.append_entries.clock.confirmed_ago_ms, 13);
    assert_int_equal(out.append_entries.entry_count, count);
    for (size_t i = 0; i < count; i++) {
        const struct entry *in = message.append_entries.entries[i];
        const struct entry *entry = out.append_entries.entries[i];
        assert_int_equal(entry->index, prev_index + 1 + i);
        assert_int_equal(entry->term, in->term);
        assert_int_equal(entry->type, in->type);
        assert_true(bytes_equal(entry->data, in->data));
    }
    peer_message_free(&out);
    peer_message_free(&message);
}

static void append_entries_come_back(void **state)
{
    (void)state;
    entries_come_back(0, 0);
    entries_come_back(1, 0);
    entries_come_back(100, 41);
    entries_come_back(LIMIT_APPEND_ENTRIES, UINT64_C(1) << 60);
}

static void the_largest_entry_fits(void **state)
{
    (void)state;
    struct buffer data = {0};
    memset(buffer_reserve(&data, LIMIT_ENTRY_BYTES), 'x', LIMIT_ENTRY_BYTES);
    data.len = LIMIT_ENTRY_BYTES;
    struct entry *entry = entry_new_take(ENTRY_COMMAND, &data);
    entry->index = 1;
    entry->term = 1;
    struct peer_message message = {.type = PEER_APPEND_ENTRIES, .sent_term = 1};
    message.append_entries.term = 1;
    message.append_entries.entries = &entry;
    message.append_entries.entry_count = 1;
    struct peer_message out;
    round_trip(&message, &out);
    assert_true(bytes_equal(out.append_entries.entries[0]->data, entry->data));
    peer_message_free(&out);
    entry_release(entry);
}

/* The frame shows the entries' own bytes and holds them, whoever else lets go. */
static void entries_are_referenced_not_copied(void **state)
{
    (void)state;
    struct peer_message message = append(3, 0);
    const uint8_t *data[3];
    for (size_t i = 0; i < 3; i++) {
        data[i] = message.append_entries.entries[i]->data.data;
    }
    struct frame *frame = frame_of_message(&message);
    peer_message_free(&message);
    assert_int_equal(frame_part_count(frame), 4);
    for (size_t i = 0; i < 3; i++) {
        assert_ptr_equal(frame_part(frame, 1 + i).data, data[i]);
    }
    assert_int_equal(frame_part(frame, 3).data[1], 'c');
    frame_free(frame);
}

static void hello_and_answer_come_back(void **state)
{
    (void)state;
    struct hello hello = some_hello();
    struct frame_content content;
    decode(flatten(frame_of_hello(&hello)), &content);
    assert_int_equal(content.kind, FRAME_HELLO);
    assert_int_equal(content.hello.protocol_version, 1);
    assert_int_equal(content.hello.cluster_id, UINT64_MAX - 1);
    assert_int_equal(content.hello.node_id, 2);
    assert_int_equal(content.hello.to_node_id, 3);
    assert_int_equal(content.hello.incarnation, UINT64_MAX);
    assert_int_equal(content.hello.session, 77);
    assert_int_equal(content.hello.connection, 5);
    assert_string_equal(content.hello.client_address, "[2001:db8::7]:8000");
    assert_string_equal(content.hello.peer_address, "seven:7000");

    decode(flatten(frame_of_answer(&hello, "")), &content);
    assert_int_equal(content.kind, FRAME_ANSWER);
    assert_int_equal(content.hello.node_id, 2);
    assert_string_equal(content.refusal, "");
    decode(flatten(frame_of_answer(&hello, "no,\n\x1b[31mnever\xff")), &content);
    assert_string_equal(content.refusal, "no,??[31mnever?");
}

static void the_longest_hello_and_refusal_fit_a_strangers_frame(void **state)
{
    (void)state;
    struct hello hello;
    memset(&hello, 0xff, sizeof hello);
    memset(hello.client_address, 'a', LIMIT_ADDRESS_BYTES);
    hello.client_address[LIMIT_ADDRESS_BYTES] = '\0';
    memcpy(hello.peer_address, hello.client_address, sizeof hello.peer_address);
    char refusal[5000];
    memset(refusal, 'r', sizeof refusal - 1);
    refusal[sizeof refusal - 1] = '\0';
    struct buffer bytes = flatten(frame_of_removal(&hello, refusal, UINT64_MAX));
    assert_true(bytes.len <= LIMIT_PEER_HELLO_BYTES);
    struct frame_content content;
    decode(bytes, &content);
    assert_int_equal(strlen(content.refusal), LIMIT_PEER_REASON_BYTES);
    assert_int_equal(strlen(content.hello.client_address), LIMIT_ADDRESS_BYTES);
    assert_int_equal(strlen(content.hello.peer_address), LIMIT_ADDRESS_BYTES);
    assert_true(content.removed_index == UINT64_MAX);
}

/* ---- damage ---- */

static void every_truncation_is_incomplete(void **state)
{
    (void)state;
    struct buffer bytes = some_frame();
    struct error error;
    for (size_t len = 0; len < bytes.len; len++) {
        size_t total;
        assert_true(frame_measure(bytes_of(bytes.data, len), bytes.len, &total, &error));
        assert_int_equal(total, len < FRAME_PREFIX_BYTES ? 0 : bytes.len);
    }
    buffer_free(&bytes);
}

/* Even when the lengths agree with what is left. */
static void every_shortened_frame_is_refused(void **state)
{
    (void)state;
    struct buffer bytes = some_frame();
    uint32_t header_len = bytes.data[4]; /* it is short */
    assert_int_equal(bytes.data[5], 0);
    for (size_t len = FRAME_PREFIX_BYTES; len < bytes.len; len++) {
        struct error error;
        struct frame_content content;
        struct buffer shorter = {0};
        buffer_append(&shorter, bytes.data, len);
        uint32_t rest = (uint32_t)(len - FRAME_PREFIX_BYTES);
        put_u32(shorter.data + 4, rest < header_len ? rest : header_len);
        put_u32(shorter.data + 8, rest < header_len ? 0 : rest - header_len);
        assert_false(measure_and_decode(buffer_bytes(&shorter), &content, &error));
        assert_non_null(strstr(error.text, "damaged"));
        /* Sealed again, as a forger would: a shorter header may be a header, but then it lacks
         * entries. */
        seal(&shorter);
        if (measure_and_decode(buffer_bytes(&shorter), &content, &error)) {
            assert_int_equal(content.kind, FRAME_MESSAGE);
            peer_message_free(&content.message);
        }
        buffer_free(&shorter);
    }
    buffer_free(&bytes);
}

static void every_flipped_bit_is_refused(void **state)
{
    (void)state;
    struct hello hello = some_hello();
    struct buffer frames[] = {some_frame(), flatten(frame_of_hello(&hello)),
                              flatten(frame_of_answer(&hello, "no"))};
    for (size_t f = 0; f < sizeof frames / sizeof frames[0]; f++) {
        for (size_t bit = 0; bit < frames[f].len * 8; bit++) {
            struct error error;
            struct frame_content content;
            frames[f].data[bit / 8] ^= (uint8_t)(1u << bit % 8);
            assert_false(measure_and_decode(buffer_bytes(&frames[f]), &content, &error));
            frames[f].data[bit / 8] ^= (uint8_t)(1u << bit % 8);
        }
        buffer_free(&frames[f]);
    }
}

static void lengths_beyond_the_limit_are_refused_at_the_prefix(void **state)
{
    (void)state;
    static const struct {
        uint32_t header;
        uint32_t body;
        size_t limit;
        bool ok;
    } cases[] = {
        {10, LIMIT_PEER_FRAME_BYTES - 26, LIMIT_PEER_FRAME_BYTES, true},
        {10, LIMIT_PEER_FRAME_BYTES - 25, LIMIT_PEER_FRAME_BYTES, false},
        {LIMIT_PEER_HEADER_BYTES, 0, LIMIT_PEER_FRAME_BYTES, true},
        {LIMIT_PEER_HEADER_BYTES + 1, 0, LIMIT_PEER_FRAME_BYTES, false},
        {UINT32_MAX, UINT32_MAX, LIMIT_PEER_FRAME_BYTES, false},
        {0, UINT32_MAX, LIMIT_PEER_FRAME_BYTES, false},
        {LIMIT_PEER_HELLO_BYTES - 16, 0, LIMIT_PEER_HELLO_BYTES, true},
        {LIMIT_PEER_HELLO_BYTES - 15, 0, LIMIT_PEER_HELLO_BYTES, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint8_t prefix[FRAME_PREFIX_BYTES] = "HfPr";
        put_u32(prefix + 4, cases[i].header);
        put_u32(prefix + 8, cases[i].body);
        struct error error;
        size_t total;
        bool ok = frame_measure(bytes_of(prefix, sizeof prefix), cases[i].limit, &total, &error);
        assert_int_equal(ok, cases[i].ok);
    }
    struct error error;
    size_t total;
    assert_false(frame_measure(BYTES_LITERAL("GET / HTTP/1.1\r\n"), 1 << 20, &total, &error));
    assert_non_null(strstr(error.text, "not Holdfast's peer protocol"));
}

/* ---- forgery ---- */

#define FORGED_ENTRIES 3

struct forged {
    Header header;
    AppendEntries append;
    Clock clock;
    Entry entries[FORGED_ENTRIES];
    Entry *pointers[FORGED_ENTRIES];
};

/* Right until the caller makes it wrong: three entries of 4 bytes. */
static void forge_append(struct forged *forged)
{
    forged->header = (Header)HOLDFAST__PEER__V1__HEADER__INIT;
    forged->append = (AppendEntries)HOLDFAST__PEER__V1__APPEND_ENTRIES__INIT;
    for (size_t i = 0; i < FORGED_ENTRIES; i++) {
        forged->entries[i] = (Entry)HOLDFAST__PEER__V1__ENTRY__INIT;
        forged->entries[i].term = 4 + i;
        forged->entries[i].type = ENTRY_COMMAND;
        forged->entries[i].length = 4;
        forged->pointers[i] = &forged->entries[i];
    }
    forged->append.term = 6;
    forged->append.prev_log_term = 4;
    forged->append.n_entries = FORGED_ENTRIES;
    forged->append.entries = forged->pointers;
    forged->clock = (Clock)HOLDFAST__PEER__V1__CLOCK__INIT;
    forged->append.clock = &forged->clock;
    forged->header.body_case = HOLDFAST__PEER__V1__HEADER__BODY_APPEND_ENTRIES;
    forged->header.append_entries = &forged->append;
}

static void entries_that_do_not_fit_their_frame_are_refused(void **state)
{
    (void)state;
    struct forged forged;
    struct frame_content content;
    forge_append(&forged);
    decode(forge_proto(&forged.header, 12), &content);
    peer_message_free(&content.message);

    refused(forge_proto(&forged.header, 13), "1 bytes follow the last entry");
    refused(forge_proto(&forged.header, 11), "entry 3 of an AppendEntries claims 4 bytes");
    refused(forge_proto(&forged.header, 0), "entry 1 of an AppendEntries claims 4 bytes");
    forged.entries[1].length = UINT32_MAX;
    refused(forge_proto(&forged.header, 12), "entry 2 of an AppendEntries claims 4294967295");
    forge_append(&forged);
    forged.entries[0].length = LIMIT_ENTRY_BYTES + 1;
    refused(forge_proto(&forged.header, LIMIT_ENTRY_BYTES + 9), "entry 1 of an AppendEntries");
    forge_append(&forged);
    forged.append.n_entries = 0;
    refused(forge_proto(&forged.header, 12), "12 bytes follow");
}

static void messages_without_their_clock_are_refused(void **state)
{
    (void)state;
    struct forged forged;
    forge_append(&forged);
    forged.append.clock = NULL;
    refused(forge_proto(&forged.header, 12), "no clock");
    AppendEntriesResult result = HOLDFAST__PEER__V1__APPEND_ENTRIES_RESULT__INIT;
    Header header = HOLDFAST__PEER__V1__HEADER__INIT;
    header.body_case = HOLDFAST__PEER__V1__HEADER__BODY_APPEND_ENTRIES_RESULT;
    header.append_entries_result = &result;
    refused(forge_proto(&header, 0), "no clock");
    /* header field 7, the result's field 5, an unknown field in it */
    static const uint8_t unknown[] = {0x3a, 4, 0x2a, 2, 0x78, 1};
    refused(forge(bytes_of(unknown, sizeof unknown), (struct bytes){0}), "one this release does");
}

static void impossible_entries_are_refused(void **state)
{
    (void)state;
    struct forged forged;
    static const uint32_t types[] = {0, 4, UINT32_MAX};
    for (size_t i = 0; i < 3; i++) {
        forge_append(&forged);
        forged.entries[1].type = types[i];
        refused(forge_proto(&forged.header, 12), "unknown type");
    }
    forge_append(&forged);
    forged.entries[0].term = 3;
    refused(forge_proto(&forged.header, 12), "entry 1 of an AppendEntries has term 3");
    forge_append(&forged);
    forged.entries[2].term = 4;
    refused(forge_proto(&forged.header, 12), "entry 3 of an AppendEntries has term 4");
    forge_append(&forged);
    forged.entries[2].term = 7;
    refused(forge_proto(&forged.header, 12), "entry 3 of an AppendEntries has term 7");
    forge_append(&forged);
    forged.append.prev_log_term = 0;
    forged.entries[0].term = 0;
    refused(forge_proto(&forged.header, 12), "entry 1 of an AppendEntries has term 0");
    forge_append(&forged);
    forged.append.prev_log_index = UINT64_MAX - 2;
    refused(forge_proto(&forged.header, 12), "the end of all logs");
}

static void too_many_entries_are_refused(void **state)
{
    (void)state;
    struct forged forged;
    forge_append(&forged);
    Entry *pointers[LIMIT_APPEND_ENTRIES + 1];
    for (size_t i = 0; i <= LIMIT_APPEND_ENTRIES; i++) {
        pointers[i] = &forged.entries[0];
    }
    forged.append.entries = pointers;
    forged.append.n_entries = LIMIT_APPEND_ENTRIES + 1;
    refused(forge_proto(&forged.header, (LIMIT_APPEND_ENTRIES + 1) * 4), "has 1025 entries");
}

static void bodies_without_entries_are_refused(void **state)
{
    (void)state;
    Holdfast__Peer__V1__TimeoutNow now = HOLDFAST__PEER__V1__TIMEOUT_NOW__INIT;
    Header header = HOLDFAST__PEER__V1__HEADER__INIT;
    header.body_case = HOLDFAST__PEER__V1__HEADER__BODY_TIMEOUT_NOW;
    header.timeout_now = &now;
    refused(forge_proto(&header, 1), "1 bytes follow a message without entries");
}

/* Nobody's, at the end of a message: field 100, varint 1. */
static const uint8_t unknown_field[] = {0xa0, 0x06, 0x01};

static void unknown_fields_are_refused_in_messages(void **state)
{
    (void)state;
    /* of the header */
    struct peer_message now = {.type = PEER_TIMEOUT_NOW, .sent_term = 4};
    struct frame *frame = frame_of_message(&now);
    struct buffer packed = {0};
    buffer_append(&packed, frame->head.data + 16, frame->head.len - 16);
    frame_free(frame);
    buffer_append(&packed, unknown_field, sizeof unknown_field);
    refused(forge(buffer_bytes(&packed), (struct bytes){0}), "fields this release does not know");
    buffer_free(&packed);
    /* of the message: header field 8, length 2 */
    static const uint8_t nested[] = {0x42, 2, 0x78, 0x01};
    refused(forge(bytes_of(nested, sizeof nested), (struct bytes){0}),
            "fields this release does not know");
    /* of a question about reads: header field 10, length 2 */
    static const uint8_t read[] = {0x52, 2, 0x78, 0x01};
    refused(forge(bytes_of(read, sizeof read), (struct bytes){0}),
            "fields this release does not know");
    /* of an entry: header field 6, AppendEntries' field 5 */
    static const uint8_t entry[] = {0x32, 10, 0x08, 1, 0x2a, 6, 0x08, 1, 0x10, 1, 0x78, 1};
    refused(forge(bytes_of(entry, sizeof entry), (struct bytes){0}), "entry 1 of an AppendEntries");
    /* a kind of message that does not exist: field 100 */
    static const uint8_t kind[] = {0xa2, 0x06, 0};
    refused(forge(bytes_of(kind, sizeof kind), (struct bytes){0}), "a kind this release");
    refused(forge((struct bytes){0}, (struct bytes){0}), "a kind this release");
}

static void unknown_fields_are_let_pass_in_hellos(void **state)
{
    (void)state;
    struct hello hello = some_hello();
    hello.client_address[0] = '\0';
    struct frame *frame = frame_of_hello(&hello);
    struct buffer packed = {0};
    buffer_append(&packed, frame->head.data + 16, frame->head.len - 16);
    frame_free(frame);
    assert_int_equal(packed.data[0], 0x12); /* header field 2, one byte of length */
    buffer_append(&packed, unknown_field, sizeof unknown_field);
    packed.data[1] = (uint8_t)(packed.data[1] + sizeof unknown_field);
    struct frame_content content;
    decode(forge(buffer_bytes(&packed), (struct bytes){0}), &content);
    assert_int_equal(content.kind, FRAME_HELLO);
    assert_int_equal(content.hello.session, 77);
    buffer_free(&packed);
}

static void answers_need_a_hello(void **state)
{
    (void)state;
    static const uint8_t answer[] = {0x1a, 0};
    refused(forge(bytes_of(answer, sizeof answer), (struct bytes){0}), "from whom");
    Holdfast__Peer__V1__Hello hello = HOLDFAST__PEER__V1__HELLO__INIT;
    char address[LIMIT_ADDRESS_BYTES + 2];
    memset(address, 'a', sizeof address);
    address[sizeof address - 1] = '\0';
    hello.client_address = address;
    Header header = HOLDFAST__PEER__V1__HEADER__INIT;
    header.body_case = HOLDFAST__PEER__V1__HEADER__BODY_HELLO;
    header.hello = &hello;
    refused(forge_proto(&header, 0), "client address of 260 bytes");
}

/* ---- fuzz ---- */

static uint64_t fuzz_state;

static uint32_t fuzz_number(void)
{
    fuzz_state = fuzz_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(fuzz_state >> 33);
}

/* Whatever was accepted keeps the rules. */
static void check_content(struct frame_content *content)
{
    if (content->kind != FRAME_MESSAGE) {
        assert_true(strlen(content->hello.client_address) <= LIMIT_ADDRESS_BYTES);
        assert_true(strlen(content->refusal) <= LIMIT_PEER_REASON_BYTES);
        return;
    }
    struct peer_message *message = &content->message;
    assert_in_range(message->type, PEER_REQUEST_VOTE, PEER_DIGEST_BORNE_OUT);
    if (message->type == PEER_APPEND_ENTRIES) {
        uint64_t term = message->append_entries.prev_log_term;
        assert_true(message->append_entries.entry_count <= LIMIT_APPEND_ENTRIES);
        for (size_t i = 0; i < message->append_entries.entry_count; i++) {
            const struct entry *entry = message->append_entries.entries[i];
            assert_int_equal(entry->index, message->append_entries.prev_log_index + 1 + i);
            assert_true(entry->term >= term && entry->term <= message->append_entries.term);
            assert_in_range(entry->type, ENTRY_COMMAND, ENTRY_CHANGE);
            term = entry->term;
        }
    }
    peer_message_free(message);
}

static void random_bytes_do_no_harm(void **state)
{
    (void)state;
    fuzz_state = 20261120;
    size_t accepted = 0;
    for (size_t round = 0; round < FUZZ_ROUNDS; round++) {
        uint8_t header[96];
        size_t header_len = fuzz_number() % sizeof header;
        for (size_t i = 0; i < header_len; i++) {
            header[i] = (uint8_t)fuzz_number();
        }
        uint8_t body[32] = {0};
        struct buffer bytes =
            forge(bytes_of(header, header_len), bytes_of(body, fuzz_number() % sizeof body));
        if (round % 4 == 0) { /* not even a frame */
            for (size_t i = 0; i < bytes.len; i++) {
                bytes.data[i] = (uint8_t)fuzz_number();
            }
        }
        struct frame_content content;
        struct error error = {{0}};
        if (measure_and_decode(buffer_bytes(&bytes), &content, &error)) {
            accepted++;
            check_content(&content);
        } else {
            assert_true(error.text[0] != '\0');
        }
        buffer_free(&bytes);
    }
    assert_true(accepted < FUZZ_ROUNDS / 2);
}

/* Sealed again after the damage, so that it gets past the CRC. */
static void mutated_frames_do_no_harm(void **state)
{
    (void)state;
    fuzz_state = 42;
    struct hello hello = some_hello();
    struct buffer seeds[] = {some_frame(), flatten(frame_of_hello(&hello)),
                             flatten(frame_of_answer(&hello, "because"))};
    size_t accepted = 0;
    for (size_t round = 0; round < FUZZ_ROUNDS; round++) {
        const struct buffer *seed = &seeds[round % 3];
        struct buffer bytes = {0};
        buffer_append_bytes(&bytes, buffer_bytes(seed));
        for (size_t i = 0; i <= fuzz_number() % 3; i++) {
            size_t at = FRAME_PREFIX_BYTES + fuzz_number() % (bytes.len - FRAME_PREFIX_BYTES);
            bytes.data[at] = (uint8_t)fuzz_number();
        }
        seal(&bytes);
        struct frame_content content;
        struct error error = {{0}};
        if (measure_and_decode(buffer_bytes(&bytes), &content, &error)) {
            accepted++;
            check_content(&content);
        }
        buffer_free(&bytes);
    }
    assert_true(accepted > 0 && accepted < FUZZ_ROUNDS); /* both ways were walked */
    for (size_t i = 0; i < 3; i++) {
        buffer_free(&seeds[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(votes_come_back),
        cmocka_unit_test(results_and_timeout_now_come_back),
        cmocka_unit_test(questions_about_reads_come_back),
        cmocka_unit_test(snapshots_come_back),
        cmocka_unit_test(parts_of_checkpoints_come_back),
        cmocka_unit_test(parts_without_bytes_are_refused),
        cmocka_unit_test(digests_come_back),
        cmocka_unit_test(digests_at_no_index_are_refused),
        cmocka_unit_test(a_lineage_without_end_is_refused),
        cmocka_unit_test(pings_and_pongs_come_back),
        cmocka_unit_test(ledger_times_outside_all_times_are_refused),
        cmocka_unit_test(snapshots_with_too_many_members_are_refused),
        cmocka_unit_test(append_entries_come_back),
        cmocka_unit_test(the_largest_entry_fits),
        cmocka_unit_test(entries_are_referenced_not_copied),
        cmocka_unit_test(hello_and_answer_come_back),
        cmocka_unit_test(the_longest_hello_and_refusal_fit_a_strangers_frame),
        cmocka_unit_test(every_truncation_is_incomplete),
        cmocka_unit_test(every_shortened_frame_is_refused),
        cmocka_unit_test(every_flipped_bit_is_refused),
        cmocka_unit_test(lengths_beyond_the_limit_are_refused_at_the_prefix),
        cmocka_unit_test(entries_that_do_not_fit_their_frame_are_refused),
        cmocka_unit_test(messages_without_their_clock_are_refused),
        cmocka_unit_test(impossible_entries_are_refused),
        cmocka_unit_test(too_many_entries_are_refused),
        cmocka_unit_test(bodies_without_entries_are_refused),
        cmocka_unit_test(unknown_fields_are_refused_in_messages),
        cmocka_unit_test(unknown_fields_are_let_pass_in_hellos),
        cmocka_unit_test(answers_need_a_hello),
        cmocka_unit_test(random_bytes_do_no_harm),
        cmocka_unit_test(mutated_frames_do_no_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
