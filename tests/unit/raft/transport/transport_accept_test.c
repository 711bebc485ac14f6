/*
 * Accepting: strangers of every kind, and members that misbehave. Each loses its connection with a
 * reason; the others notice nothing.
 */
#include "fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void says(const char *text, const char *what)
{
    if (strstr(text, what) == NULL) {
        fail_msg("\"%s\" does not say \"%s\"", text, what);
    }
}

/* ---- refusals, both sides being transports ---- */

/* Node 2 dials node 1 and is not wanted: both are told the same, once, however often it tries. */
static void both_are_told(struct fixture *fixture, const char *reason)
{
    struct node *a = &fixture->nodes[1];
    struct node *b = &fixture->nodes[2];
    wait_for(fixture, b->refused[1] == 1 && a->turned_away >= 1);
    says(b->reason, reason);
    says(a->why, reason);
    says(a->who, "node 2 from 127.0.0.1");
    wait_for(fixture, statistics_of(a).turned_away >= 3);
    assert_int_equal(a->turned_away, 1);
    assert_int_equal(b->refused[1], 1);
    assert_int_equal(b->connected[1], 0);
}

static void another_cluster_is_refused(void **state)
{
    struct fixture *fixture = *state;
    members(fixture, 2);
    node_open(fixture, 1);
    struct transport_config config = node_config(fixture, 2);
    config.cluster_id = 0xbad;
    node_open_with(fixture, 2, &config);
    both_are_told(fixture, "node 2 belongs to cluster 0000000000000bad, node 1 to cluster "
                           "0000000000c0ffee");
}

static void another_protocol_is_refused(void **state)
{
    struct fixture *fixture = *state;
    members(fixture, 2);
    node_open(fixture, 1);
    node_open(fixture, 2)->transport->self.protocol_version = PEER_PROTOCOL_VERSION + 1;
    both_are_told(fixture, "node 2 speaks peer protocol 4, node 1 speaks 3");
}

static void an_incarnation_that_is_not_admitted_is_refused(void **state)
{
    struct fixture *fixture = *state;
    members(fixture, 2);
    fixture->nodes[1].forbidden_incarnation = INCARNATION(2);
    node_open(fixture, 1);
    node_open(fixture, 2);
    both_are_told(fixture, "node 2 was wiped");
    /* It does not want node 2 at the other end of its own connection either. */
    assert_int_equal(fixture->nodes[1].connected[2], 0);
}

static void its_own_id_is_refused(void **state)
{
    struct fixture *fixture = *state;
    members(fixture, 2);
    node_open(fixture, 1);
    /* Node 2's place is taken by one that was given the id 1. It knows node 1's address as node
     * 2's. */
    struct transport_config config = node_config(fixture, 2);
    struct replica_member mistaken[] = {
        {.id = 2, .role = REPLICA_VOTER, .address = fixture->address[1]}};
    config.node_id = 1;
    config.members = mistaken;
    config.member_count = 1;
    struct node *impostor = node_open_with(fixture, 2, &config);
    struct node *a = &fixture->nodes[1];
    wait_for(fixture, impostor->refused[2] == 1 && a->turned_away >= 1);
    says(impostor->reason, "the same id");
    says(a->why, "the same id");
}

static void crossed_addresses_are_refused(void **state)
{
    struct fixture *fixture = *state;
    members(fixture, 3);
    node_open(fixture, 1);
    struct transport_config config = node_config(fixture, 2);
    struct replica_member crossed[] = {
        {.id = 3, .role = REPLICA_VOTER, .address = fixture->address[1]}};
    config.members = crossed;
    config.member_count = 1;
    struct node *b = node_open_with(fixture, 2, &config);
    wait_for(fixture, b->refused[3] == 1);
    says(b->reason, "node 2 means node 3, but its address leads to node 1");
}

/* ---- strangers ---- */

static void garbage_is_turned_away(void **state)
{
    struct fixture *fixture = *state;
    members(fixture, 2);
    struct node *a = node_open(fixture, 1);
    static const struct {
        struct bytes bytes;
        const char *why;
    } cases[] = {
        {{(const uint8_t *)"GET / HTTP/1.1\r\n\r\n", 18}, "not Holdfast's peer protocol"},
        {{(const uint8_t *)"HfPr\xff\xff\xff\xff\xff\xff\xff\xff\0\0\0\0", 16}, "claims a header"},
        {{(const uint8_t *)"HfPr\x10\0\0\0\0\0\x40\0\0\0\0\0", 16}, "claims 4194336 bytes, 4096"},
        {{(const uint8_t *)"HfPr\1\0\0\0\0\0\0\0\1\2\3\4\5", 17}, "damaged"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int fd = raw_connect(fixture, 1);
        raw_send(fixture, fd, cases[i].bytes);
        raw_wait_closed(fixture, fd);
        assert_int_equal(a->turned_away, i + 1);
        says(a->who, "a stranger from 127.0.0.1");
        says(a->why, cases[i].why);
    }
    assert_int_equal(a->transport->stranger_count, 0);
}

static void messages_before_hello_are_turned_away(void **state)
{
    struct fixture *fixture = *state;
    members(fixture, 2);
    struct node *a = node_open(fixture, 1);
    int fd = raw_connect(fixture, 1);
    struct entry *entry = entry_new_copy(1, 1, ENTRY_COMMAND, BYTES_LITERAL("x"));
    struct peer_message message = {.type = PEER_APPEND_ENTRIES, .sent_term = 1};
    message.append_entries.term = 1;
    message.append_entries.entries = &entry;
    message.append_entries.entry_count = 1;
    raw_send_frame(fixture, fd, frame_of_message(&message));
    entry_release(entry);
    raw_wait_closed(fixture, fd);
    says(a->why, "before a hello");
    assert_int_equal(a->received_count, 0);
}

static void a_silent_stranger_is_turned_away_in_time(void **state)
{
    struct fixture *fixture = *state;
    members(fixture, 2);
    struct node *a = node_open(fixture, 1);
    int silent = raw_connect(fixture, 1);
    int slow = raw_connect(fixture, 1);
    raw_send(fixture, slow, BYTES_LITERAL("HfPr\x10"));
    uint64_t since_ms = wait_begin(fixture);
    wait_for(fixture, a->transport->stranger_count == 2);
    raw_wait_closed(fixture, silent);
    raw_wait_closed(fixture, slow);
    assert_true(wait_begin(fixture) - since_ms + 1 >= PEER_HELLO_TIMEOUT_MS);
    assert_int_equal(statistics_of(a).turned_away, 2);
    assert_int_equal(a->turned_away, 1); /* the same words */
    says(a->why, "no hello in time");
    assert_int_equal(a->transport->stranger_count, 0);
}

static void who_hangs_up_before_hello_is_no_news(void **state)
{
    struct fixture *fixture = *state;
    members(fixture, 2);
    struct node *a = node_open(fixture, 1);
    int fd = raw_connect(fixture, 1);
    wait_for(fixture, a->transport->stranger_count == 1);
    shutdown(fd, SHUT_RDWR);
    wait_for(fixture, a->transport->stranger_count == 0);
    assert_int_equal(a->turned_away, 0);
}

/* Who was refused may read why, and is then left no longer than a silent stranger. */
static void the_refused_are_not_kept(void **state)
{
    struct fixture *fixture = *state;
    members(fixture, 2);
    struct node *a = node_open(fixture, 1);
    struct hello hello = hello_of(2, 1);
    hello.cluster_id = 1;
    int stays = raw_connect(fixture, 1);
    raw_send_frame(fixture, stays, frame_of_hello(&hello));
    struct frame_content content;
    raw_read_frame(fixture, stays, &content);
    assert_int_equal(content.kind, FRAME_ANSWER);
    says(content.refusal, "node 2 belongs to cluster");
    assert_int_equal(content.hello.node_id, 1);
    int insists = raw_connect(fixture, 1);
    raw_send_frame(fixture, insists, frame_of_hello(&hello));
    raw_read_frame(fixture, insists, &content);
    raw_send_frame(fixture, insists, frame_of_hello(&hello));
    raw_wait_closed(fixture, insists);
    raw_wait_closed(fixture, stays);
    assert_int_equal(statistics_of(a).turned_away, 2); /* and not a third time */
    assert_int_equal(a->transport->stranger_count, 0);
    assert_int_equal(a->turned_away, 1);
}

/* More strangers than there is room for: the oldest go, and a member gets in all the same. */
static void strangers_are_bounded(void **state)
{
    struct fixture *fixture = *state;
    members(fixture, 2);
    struct node *a = node_open(fixture, 1);
    enum { MORE = 8 };
    int strangers[LIMIT_PEER_STRANGERS + MORE];
    for (size_t i = 0; i < LIMIT_PEER_STRANGERS + MORE; i++) {
        strangers[i] = raw_connect(fixture, 1);
    }
    int member = raw_member(fixture, 2, 1, 1, 1);
    assert_true(a->transport->stranger_count <= LIMIT_PEER_STRANGERS);
    for (size_t i = 0; i < MORE; i++) {
        raw_wait_closed(fixture, strangers[i]);
    }
    says(a->who, "a stranger from 127.0.0.1");
    assert_true(raw_is_open(member));
}

/* Every reason is another one, and yet the log is not filled. */
static void reports_are_bounded(void **state)
{
    struct fixture *fixture = *state;
    members(fixture, 2);
    struct node *a = node_open(fixture, 1);
    a->forbidden_incarnation = 666;
    for (uint64_t i = 0; i < LIMIT_PEER_REPORTS + 20; i++) {
        struct hello hello = hello_of(50 + i, 1);
        hello.incarnation = a->forbidden_incarnation;
        int fd = raw_connect(fixture, 1);
        raw_send_frame(fixture, fd, frame_of_hello(&hello));
        struct frame_content content;
        raw_read_frame(fixture, fd, &content);
        says(content.refusal, "was wiped");
        close(fd);
        fixture->raw_count--;
    }
    assert_int_equal(statistics_of(a).turned_away, LIMIT_PEER_REPORTS + 20);
    /* A slow machine may have begun another window. */
    assert_in_range(a->turned_away, LIMIT_PEER_REPORTS, LIMIT_PEER_REPORTS + 19);
}

/* ---- members ---- */

static void raw_number(struct fixture *fixture, int fd, uint64_t number)
{
    struct peer_message message = {.type = PEER_TIMEOUT_NOW, .sent_term = 1};
    message.timeout_now.last_log_index = number;
    raw_send_frame(fixture, fd, frame_of_message(&message));
}

static void a_member_that_talks_rubbish_loses_its_connection_only(void **state)
{
    struct fixture *fixture = *state;
    members(fixture, 3);
    struct node *a = node_open(fixture, 1);
    node_open(fixture, 3);
    wait_for(fixture, fixture->nodes[3].connected[1] == 1);
    static const struct bytes cases[] = {
        {(const uint8_t *)"\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n", 16},
        {(const uint8_t *)"HfPr\0\0\0\0\0\0\x80\0\0\0\0\0", 16}, /* 8 MiB and 16 bytes */
    };
    for (uint64_t i = 0; i < 2; i++) {
        int fd = raw_member(fixture, 2, 1, 1, i + 1);
        raw_number(fixture, fd, i);
        raw_send(fixture, fd, cases[i]);
        raw_wait_closed(fixture, fd);
        assert_int_equal(a->received_count, i + 1); /* what came before counts */
        assert_true(received_number(a, i, 2, i));
        assert_int_equal(a->turned_away, i + 1);
        assert_string_equal(a->who, "node 2");
    }
    int fd = raw_member(fixture, 2, 1, 1, 3);
    struct hello hello = hello_of(2, 1);
    raw_send_frame(fixture, fd, frame_of_hello(&hello));
    raw_wait_closed(fixture, fd);
    says(a->why, "said hello twice");

    fd = raw_member(fixture, 2, 1, 1, 4);
    struct peer_message vote = {.type = PEER_REQUEST_VOTE, .sent_term = 1};
    vote.request_vote.candidate_id = 3;
    raw_send_frame(fixture, fd, frame_of_message(&vote));
    raw_wait_closed(fixture, fd);
    says(a->why, "in the name of node 3");
    assert_int_equal(a->received_count, 2);

    send_number(&fixture->nodes[3], 1, 33);
    wait_for(fixture, a->received_count == 3);
    assert_true(received_number(a, 2, 3, 33));
}

/* Random bytes from strangers and from members, in random pieces: the process lives on. */
static void random_bytes_do_no_harm(void **state)
{
    struct fixture *fixture = *state;
    members(fixture, 2);
    struct node *a = node_open(fixture, 1);
    uint64_t random = 7;
    for (uint64_t round = 1; round <= 200; round++) {
        int fd = round % 2 == 0 ? raw_member(fixture, 2, 1, 1, round) : raw_connect(fixture, 1);
        uint8_t bytes[600] = "HfPr";
        for (size_t i = round % 3 == 0 ? 0 : 4; i < sizeof bytes; i++) {
            random = random * UINT64_C(6364136223846793005) + 1442695040888963407;
            bytes[i] = (uint8_t)(random >> 56);
        }
        bytes[6] &= 0x01; /* lengths that are believable now and then */
        bytes[7] = 0;
        bytes[10] = 0;
        bytes[11] = 0;
        ssize_t sent = send(fd, bytes, sizeof bytes, MSG_NOSIGNAL);
        assert_int_equal(sent, sizeof bytes);
        uv_run(&fixture->loop, UV_RUN_NOWAIT);
        close(fd);
        fixture->raw_count--;
    }
    wait_for(fixture, a->transport->stranger_count == 0);
    int fd = raw_member(fixture, 2, 1, 1, 1000);
    raw_number(fixture, fd, 5);
    wait_for(fixture, a->received_count == 1);
}

static void a_newer_connection_replaces_the_older(void **state)
{
    struct fixture *fixture = *state;
    members(fixture, 2);
    struct node *a = node_open(fixture, 1);
    int first = raw_member(fixture, 2, 1, 1, 1);
    raw_number(fixture, first, 1);
    wait_for(fixture, a->received_count == 1);
    int second = raw_member(fixture, 2, 1, 1, 2);
    /* What the older still says is not heard. */
    struct peer_message late = {.type = PEER_TIMEOUT_NOW, .sent_term = 1};
    struct frame *frame = frame_of_message(&late);
    (void)send(first, frame->head.data, frame->head.len, MSG_NOSIGNAL);
    frame_free(frame);
    raw_wait_closed(fixture, first);
    raw_number(fixture, second, 2);
    wait_for(fixture, a->received_count == 2);
    assert_true(received_number(a, 1, 2, 2));
    /* One that was made before and comes late. */
    int late_fd = raw_connect(fixture, 1);
    struct hello hello = hello_of(2, 1);
    hello.session = 1;
    hello.connection = 1;
    raw_send_frame(fixture, late_fd, frame_of_hello(&hello));
    raw_wait_closed(fixture, late_fd);
    raw_number(fixture, second, 3);
    wait_for(fixture, a->received_count == 3);
    /* Another session is a peer that was started again. */
    int third = raw_member(fixture, 2, 1, 2, 1);
    raw_wait_closed(fixture, second);
    raw_number(fixture, third, 4);
    wait_for(fixture, a->received_count == 4);
    assert_true(received_number(a, 3, 2, 4));
    assert_int_equal(a->turned_away, 0);
}

/* Both in one turn of the loop, so that the older has whole messages in the socket when the newer
 * one's hello is read. */
static void a_message_of_the_older_never_comes_after_one_of_the_newer(void **state)
{
    struct fixture *fixture = *state;
    members(fixture, 2);
    struct node *a = node_open(fixture, 1);
    for (uint64_t round = 0; round < 20; round++) {
        int older = raw_member(fixture, 2, 1, 1, 2 * round + 1);
        int newer = raw_connect(fixture, 1);
        struct hello hello = hello_of(2, 1);
        hello.session = 1;
        hello.connection = 2 * round + 2;
        raw_send_frame(fixture, newer, frame_of_hello(&hello));
        raw_number(fixture, newer, 2);
        raw_number(fixture, older, 1);
        node_forget_received(a);
        wait_for(fixture, a->received_count > 0 && received_number(a, a->received_count - 1, 2, 2));
        raw_wait_closed(fixture, older);
        assert_true(received_number(a, a->received_count - 1, 2, 2));
        close(newer);
        close(older);
        fixture->raw_count -= 2;
    }
}

int main(void)
{
#define together(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        together(another_cluster_is_refused),
        together(another_protocol_is_refused),
        together(an_incarnation_that_is_not_admitted_is_refused),
        together(its_own_id_is_refused),
        together(crossed_addresses_are_refused),
        together(garbage_is_turned_away),
        together(messages_before_hello_are_turned_away),
        together(a_silent_stranger_is_turned_away_in_time),
        together(who_hangs_up_before_hello_is_no_news),
        together(the_refused_are_not_kept),
        together(strangers_are_bounded),
        together(reports_are_bounded),
        together(a_member_that_talks_rubbish_loses_its_connection_only),
        together(random_bytes_do_no_harm),
        together(a_newer_connection_replaces_the_older),
        together(a_message_of_the_older_never_comes_after_one_of_the_newer),
    };
    return cmocka_run_group_tests_name("transport_accept", tests, NULL, NULL);
}
