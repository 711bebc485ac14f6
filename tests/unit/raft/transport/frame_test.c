/*
 * Frames: what goes in comes out, and what no frame may say is refused. What is torn, flipped,
 * forged or random is frame_damage_test.c's.
 */
#include "frame_fixture.h"

#include <string.h>

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
        frame_round_trip(&vote, &out);
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
        frame_round_trip(&result, &out);
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
    frame_round_trip(&result, &out);
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
    frame_round_trip(&now, &out);
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
    frame_round_trip(&offer, &out);
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
    frame_round_trip(&ping, &out);
    assert_int_equal(out.ping.clock_ms, UINT64_MAX);
    struct peer_message pong = {
        .type = PEER_PONG,
        .pong = {.echo_ms = UINT64_MAX - 1, .wall_ms = 5, .ledger_version_known = UINT32_MAX}};
    frame_round_trip(&pong, &out);
    assert_int_equal(out.pong.echo_ms, UINT64_MAX - 1);
    assert_int_equal(out.pong.wall_ms, 5);
    assert_int_equal(out.pong.ledger_version_known, UINT32_MAX);
    /* A clock that shows nonsense is as wrong as can be, and no reason to part. */
    pong.pong.wall_ms = INT64_MIN;
    frame_round_trip(&pong, &out);
    assert_int_equal(out.pong.wall_ms, 0);
    pong.pong.wall_ms = INT64_MAX;
    frame_round_trip(&pong, &out);
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
    frame_must_be_refused(frame_forge_proto(&header, 0), "ledger time -1 ms");
    append.ledger_time_ms = LIMIT_TIME_MS + 1;
    frame_must_be_refused(frame_forge_proto(&header, 0), "ledger time 253402300800000 ms");
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
    frame_must_be_refused(frame_forge_proto(&header, 0), "members of 2561 bytes");
    install.configuration.len = 1;
    frame_must_be_refused(frame_forge_proto(&header, 3), "3 bytes follow");
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
    frame_round_trip(&ask, &out);
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
    frame_round_trip(&part, &out);
    assert_true(hash128_equal(out.checkpoint_part.checkpoint, part.checkpoint_part.checkpoint));
    assert_int_equal(out.checkpoint_part.file, 5);
    assert_int_equal(out.checkpoint_part.offset, UINT64_MAX - 1);
    assert_int_equal(out.checkpoint_part.size, UINT64_MAX);
    assert_true(bytes_equal(out.checkpoint_part.data->data, part.checkpoint_part.data->data));
    peer_message_free(&out);
    peer_message_free(&part);

    part.checkpoint_part.data = NULL; /* gone */
    frame_round_trip(&part, &out);
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
    frame_must_be_refused(frame_forge_proto(&header, 0), "has 0 bytes");
    frame_must_be_refused(frame_forge_proto(&header, LIMIT_CHECKPOINT_PART_BYTES + 1),
                          "has 262145 bytes");
    part.gone = true;
    frame_must_be_refused(frame_forge_proto(&header, 3), "has 3 bytes");
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
    frame_round_trip(&report, &out);
    assert_true(lineage_is_equal(&out.digest_report.lineage, &report.digest_report.lineage));
    report.digest_report.lineage = (struct lineage){0};
    frame_round_trip(&report, &out);
    assert_int_equal(out.digest_report.lineage.count, 0);
    assert_int_equal(out.sent_term, 4);
    assert_int_equal(out.digest_report.index, LIMIT_RAFT_NUMBER - 1);
    assert_true(hash128_equal(out.digest_report.digest, report.digest_report.digest));

    struct peer_message differs = {.type = PEER_DIGEST_DIFFERS, .sent_term = 4};
    differs.digest_differs.index = 1;
    differs.digest_differs.digest = (struct hash128){2, 3};
    differs.digest_differs.majority = (struct hash128){UINT64_MAX, 4};
    frame_round_trip(&differs, &out);
    assert_int_equal(out.digest_differs.index, 1);
    assert_true(hash128_equal(out.digest_differs.digest, differs.digest_differs.digest));
    assert_true(hash128_equal(out.digest_differs.majority, differs.digest_differs.majority));

    struct peer_message borne_out = {.type = PEER_DIGEST_BORNE_OUT, .sent_term = 4};
    borne_out.digest_borne_out.index = LIMIT_RAFT_NUMBER - 1;
    borne_out.digest_borne_out.digest = (struct hash128){UINT64_MAX, 5};
    frame_round_trip(&borne_out, &out);
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
    frame_must_be_refused(frame_forge_proto(&header, 0), "stems from 10 others");
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
        frame_must_be_refused(frame_forge_proto(&header, 0), "which no entry has");
        differs.index = indexes[i];
        header.body_case = HOLDFAST__PEER__V1__HEADER__BODY_DIGEST_DIFFERS;
        header.digest_differs = &differs;
        frame_must_be_refused(frame_forge_proto(&header, 0), "which no entry has");
        Holdfast__Peer__V1__DigestBorneOut borne_out = HOLDFAST__PEER__V1__DIGEST_BORNE_OUT__INIT;
        borne_out.index = indexes[i];
        header.body_case = HOLDFAST__PEER__V1__HEADER__BODY_DIGEST_BORNE_OUT;
        header.digest_borne_out = &borne_out;
        frame_must_be_refused(frame_forge_proto(&header, 0), "which no entry has");
    }
}

static void questions_about_reads_come_back(void **state)
{
    (void)state;
    struct peer_message out;
    struct peer_message question = {.type = PEER_READ_INDEX, .sent_term = 4};
    question.read_index.round = UINT64_MAX;
    frame_round_trip(&question, &out);
    assert_int_equal(out.read_index.round, UINT64_MAX);

    struct peer_message result = {.type = PEER_READ_INDEX_RESULT, .sent_term = 4};
    result.read_index_result.round = UINT64_MAX - 1;
    result.read_index_result.term = 5;
    frame_round_trip(&result, &out);
    assert_int_equal(out.read_index_result.round, UINT64_MAX - 1);
    assert_int_equal(out.read_index_result.term, 5);

    struct peer_message ask = {.type = PEER_READ_ASK, .sent_term = 6};
    ask.read_ask.round = 7;
    frame_round_trip(&ask, &out);
    assert_int_equal(out.read_ask.round, 7);

    struct peer_message answer = {.type = PEER_READ_ANSWER, .sent_term = 8};
    answer.read_answer.round = 9;
    answer.read_answer.index = UINT64_MAX;
    frame_round_trip(&answer, &out);
    assert_int_equal(out.read_answer.round, 9);
    assert_int_equal(out.read_answer.index, UINT64_MAX);
}

static void entries_come_back(size_t count, uint64_t prev_index)
{
    struct peer_message message = some_append(count, prev_index);
    struct peer_message out;
    frame_round_trip(&message, &out);
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
    frame_round_trip(&message, &out);
    assert_true(bytes_equal(out.append_entries.entries[0]->data, entry->data));
    peer_message_free(&out);
    entry_release(entry);
}

/* The frame shows the entries' own bytes and holds them, whoever else lets go. */
static void entries_are_referenced_not_copied(void **state)
{
    (void)state;
    struct peer_message message = some_append(3, 0);
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
    frame_must_decode(frame_flatten(frame_of_hello(&hello)), &content);
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

    frame_must_decode(frame_flatten(frame_of_answer(&hello, "")), &content);
    assert_int_equal(content.kind, FRAME_ANSWER);
    assert_int_equal(content.hello.node_id, 2);
    assert_string_equal(content.refusal, "");
    frame_must_decode(frame_flatten(frame_of_answer(&hello, "no,\n\x1b[31mnever\xff")), &content);
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
    struct buffer bytes = frame_flatten(frame_of_removal(&hello, refusal, UINT64_MAX));
    assert_true(bytes.len <= LIMIT_PEER_HELLO_BYTES);
    struct frame_content content;
    frame_must_decode(bytes, &content);
    assert_int_equal(strlen(content.refusal), LIMIT_PEER_REASON_BYTES);
    assert_int_equal(strlen(content.hello.client_address), LIMIT_ADDRESS_BYTES);
    assert_int_equal(strlen(content.hello.peer_address), LIMIT_ADDRESS_BYTES);
    assert_true(content.removed_index == UINT64_MAX);
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
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
