/*
 * The connection of its own for checkpoints: made by a question, used both ways, closed when idle;
 * what it carries and what it refuses; its rules for newer and older ones; and that the ordinary
 * connection notices nothing.
 */
#include "fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void open_pair(struct fixture *fixture, struct node **a, struct node **b)
{
    members(fixture, 2);
    *a = node_open(fixture, 1);
    *b = node_open(fixture, 2);
    wait_for(fixture, transport_is_connected((*a)->transport, 2) &&
                          transport_is_connected((*b)->transport, 1));
}

static struct peer_message ask_for(uint64_t offset)
{
    struct peer_message message = {.type = PEER_CHECKPOINT_ASK};
    message.checkpoint_ask.file = 1;
    message.checkpoint_ask.offset = offset;
    message.checkpoint_ask.max_bytes = LIMIT_CHECKPOINT_PART_BYTES;
    return message;
}

static void ask(struct node *node, uint64_t to, uint64_t offset)
{
    const struct peer_message message = ask_for(offset);
    transport_send_bulk(node->transport, to, &message);
}

static void give(struct node *node, uint64_t to, uint64_t offset)
{
    struct buffer bytes = {0};
    memset(buffer_reserve(&bytes, LIMIT_CHECKPOINT_PART_BYTES), 'p', LIMIT_CHECKPOINT_PART_BYTES);
    bytes.len = LIMIT_CHECKPOINT_PART_BYTES;
    struct peer_message message = {.type = PEER_CHECKPOINT_PART};
    message.checkpoint_part.file = 1;
    message.checkpoint_part.offset = offset;
    message.checkpoint_part.size = UINT64_MAX;
    message.checkpoint_part.data = entry_new_take(ENTRY_COMMAND, &bytes);
    transport_send_bulk(node->transport, to, &message);
    peer_message_free(&message);
}

static bool received_ask(const struct node *node, size_t at, uint64_t offset)
{
    const struct peer_message *message = &node->received[at].message;
    return message->type == PEER_CHECKPOINT_ASK && message->checkpoint_ask.offset == offset;
}

static bool received_part(const struct node *node, size_t at, uint64_t offset)
{
    const struct peer_message *message = &node->received[at].message;
    return message->type == PEER_CHECKPOINT_PART && message->checkpoint_part.offset == offset &&
           message->checkpoint_part.data->data.len == LIMIT_CHECKPOINT_PART_BYTES;
}

static enum bulk_state bulk_state_of(struct node *node, uint64_t peer_id)
{
    return node_peer(node, peer_id)->bulk.state;
}

static bool is_taken(struct node *node, uint64_t peer_id)
{
    return node_peer(node, peer_id)->bulk.incoming != NULL;
}

/* ---- its life ---- */

static void a_question_makes_the_connection(void **state)
{
    struct fixture *fixture = *state;
    struct node *a;
    struct node *b;
    open_pair(fixture, &a, &b);
    assert_int_equal(bulk_state_of(b, 1), BULK_NONE);
    assert_false(is_taken(a, 2));
    for (uint64_t i = 0; i < 3; i++) {
        ask(b, 1, i);
        wait_for(fixture, a->received_count == i + 1);
        assert_true(received_ask(a, i, i));
        assert_int_equal(a->received[i].from, 2);
        give(a, 2, i);
        wait_for(fixture, b->received_count == i + 1);
        assert_true(received_part(b, i, i));
        assert_int_equal(b->received[i].from, 1);
    }
    /* Neither side has one the other way, and the ordinary ones are the first ones. */
    assert_int_equal(bulk_state_of(a, 2), BULK_NONE);
    assert_false(is_taken(b, 1));
    assert_int_equal(a->connected[2], 1);
    assert_int_equal(b->connected[1], 1);
    send_number(a, 2, 77);
    wait_for(fixture, b->received_count == 4);
    assert_true(received_number(b, 3, 1, 77));
}

static void it_is_closed_when_idle_and_made_again(void **state)
{
    struct fixture *fixture = *state;
    struct node *a;
    struct node *b;
    open_pair(fixture, &a, &b);
    ask(b, 1, 1);
    wait_for(fixture, a->received_count == 1);
    struct bulk *bulk = &node_peer(b, 1)->bulk;
    assert_in_range(bulk->deadline_ms, uv_now(&fixture->loop) + 1,
                    uv_now(&fixture->loop) + PEER_BULK_IDLE_MS);
    bulk->deadline_ms = uv_now(&fixture->loop) + 10; /* as if nothing had been asked since */
    transport_arm_timer(b->transport);
    wait_for(fixture, bulk_state_of(b, 1) == BULK_NONE && !is_taken(a, 2));
    assert_int_equal(a->disconnected[2] + b->disconnected[1], 0);
    assert_int_equal(a->turned_away + b->turned_away, 0);
    ask(b, 1, 2);
    wait_for(fixture, a->received_count == 2);
    assert_true(received_ask(a, 1, 2));
}

static void the_newest_question_waits_for_the_connection(void **state)
{
    struct fixture *fixture = *state;
    struct node *a;
    struct node *b;
    open_pair(fixture, &a, &b);
    for (uint64_t i = 1; i <= 5; i++) {
        ask(b, 1, i);
    }
    wait_for(fixture, a->received_count == 1);
    assert_true(received_ask(a, 0, 5));
    assert_int_equal(statistics_of(b).frames_dropped, 4);
}

static void a_question_to_who_is_away_is_dropped(void **state)
{
    struct fixture *fixture = *state;
    members(fixture, 2);
    struct node *b = node_open(fixture, 2);
    ask(b, 1, 1);
    assert_int_equal(bulk_state_of(b, 1), BULK_NONE);
    assert_int_equal(statistics_of(b).frames_dropped, 1);
    struct node *a = node_open(fixture, 1);
    wait_for(fixture, transport_is_connected(b->transport, 1));
    ask(b, 1, 2);
    wait_for(fixture, a->received_count == 1);
    assert_true(received_ask(a, 0, 2));
}

static void a_lost_connection_is_made_again_by_the_next_question(void **state)
{
    struct fixture *fixture = *state;
    struct node *a;
    struct node *b;
    open_pair(fixture, &a, &b);
    ask(b, 1, 1);
    wait_for(fixture, a->received_count == 1);
    connection_close(node_peer(a, 2)->bulk.incoming);
    node_peer(a, 2)->bulk.incoming = NULL;
    give(a, 2, 1); /* the part has nowhere to go */
    assert_int_equal(statistics_of(a).frames_dropped, 1);
    wait_for(fixture, bulk_state_of(b, 1) == BULK_NONE);
    ask(b, 1, 1);
    wait_for(fixture, a->received_count == 2);
    give(a, 2, 1);
    wait_for(fixture, b->received_count == 1);
    assert_true(received_part(b, 0, 1));
    assert_int_equal(b->connected[1], 1);
}

static void a_node_that_comes_back_serves_again(void **state)
{
    struct fixture *fixture = *state;
    struct node *a;
    struct node *b;
    open_pair(fixture, &a, &b);
    ask(b, 1, 1);
    wait_for(fixture, a->received_count == 1);
    node_close(a);
    wait_for(fixture, bulk_state_of(b, 1) == BULK_NONE && a->transport == NULL &&
                          !transport_is_connected(b->transport, 1));
    node_forget_received(a);
    a = node_open(fixture, 1);
    wait_for(fixture, transport_is_connected(b->transport, 1));
    ask(b, 1, 2);
    wait_for(fixture, a->received_count == 1);
    assert_true(received_ask(a, 0, 2));
}

/* ---- bounds ---- */

static void parts_that_are_not_taken_are_dropped(void **state)
{
    struct fixture *fixture = *state;
    members(fixture, 2);
    struct node *a = node_open(fixture, 1);
    int listener = raw_listen(fixture, 2, 8);
    int ordinary = raw_welcome(fixture, listener, 2);
    wait_for(fixture, transport_is_connected(a->transport, 2));
    int fd = raw_connect(fixture, 1);
    struct hello hello = hello_of(2, 1);
    hello.purpose = HELLO_BULK;
    raw_send_frame(fixture, fd, frame_of_hello(&hello));
    wait_for(fixture, is_taken(a, 2));
    for (uint64_t i = 0; i < 64; i++) {
        give(a, 2, i);
    }
    assert_in_range(node_peer(a, 2)->bulk.incoming->queued_bytes, LIMIT_CHECKPOINT_PART_BYTES,
                    LIMIT_PEER_BULK_BYTES);
    assert_in_range(statistics_of(a).frames_dropped, 62, 63);
    /* What stands there keeps no other message waiting. */
    send_number(a, 2, 5);
    struct frame_content content;
    raw_read_frame(fixture, ordinary, &content);
    assert_int_equal(content.kind, FRAME_MESSAGE);
    assert_int_equal(content.message.timeout_now.last_log_index, 5);
    raw_read_frame(fixture, fd, &content); /* the answer to the hello */
    raw_read_frame(fixture, fd, &content);
    assert_int_equal(content.message.checkpoint_part.offset, 0);
    peer_message_free(&content.message);
}

/* ---- newer and older ---- */

static int raw_bulk(struct fixture *fixture, uint64_t session, uint64_t number)
{
    int fd = raw_connect(fixture, 1);
    struct hello hello = hello_of(2, 1);
    hello.session = session;
    hello.connection = number;
    hello.purpose = HELLO_BULK;
    raw_send_frame(fixture, fd, frame_of_hello(&hello));
    return fd;
}

static void a_newer_one_replaces_the_older_and_leaves_the_ordinary(void **state)
{
    struct fixture *fixture = *state;
    members(fixture, 2);
    struct node *a = node_open(fixture, 1);
    const struct peer_message question = ask_for(3);
    int ordinary = raw_member(fixture, 2, 1, 7, 1);
    int older = raw_bulk(fixture, 7, 2);
    wait_for(fixture, is_taken(a, 2));
    const struct connection *first = node_peer(a, 2)->bulk.incoming;
    int newer = raw_bulk(fixture, 7, 4);
    raw_wait_closed(fixture, older);
    assert_true(is_taken(a, 2) && node_peer(a, 2)->bulk.incoming != first);
    raw_wait_closed(fixture, raw_bulk(fixture, 7, 3)); /* it waited in a backlog, perhaps */
    raw_send_frame(fixture, newer, frame_of_message(&question));
    wait_for(fixture, a->received_count == 1);
    assert_true(received_ask(a, 0, 3));
    /* The ordinary one has a lower number, and is there still. */
    assert_true(raw_is_open(ordinary));
    assert_non_null(node_peer(a, 2)->incoming);
    raw_bulk(fixture, 8, 1); /* another life of node 2 */
    raw_wait_closed(fixture, newer);
    assert_true(raw_is_open(ordinary));
}

/* ---- what belongs where ---- */

static void an_unknown_purpose_is_refused(void **state)
{
    struct fixture *fixture = *state;
    members(fixture, 2);
    struct node *a = node_open(fixture, 1);
    int fd = raw_connect(fixture, 1);
    struct hello hello = hello_of(2, 1);
    hello.purpose = 2;
    raw_send_frame(fixture, fd, frame_of_hello(&hello));
    struct frame_content content;
    raw_read_frame(fixture, fd, &content);
    assert_non_null(strstr(content.refusal, "for purpose 2"));
    assert_non_null(strstr(a->why, "for purpose 2"));
    assert_false(is_taken(a, 2));
}

/* The connection ends, the reason is told, no message came of it. */
static void is_turned_away(struct fixture *fixture, struct node *node, int fd,
                           const struct peer_message *message, const char *why)
{
    raw_send_frame(fixture, fd, frame_of_message(message));
    raw_wait_closed(fixture, fd);
    assert_non_null(strstr(node->why, why));
    assert_int_equal(node->received_count, 0);
}

static void each_connection_carries_its_own(void **state)
{
    struct fixture *fixture = *state;
    members(fixture, 2);
    struct node *a = node_open(fixture, 1);
    const struct peer_message question = ask_for(1);
    const struct peer_message gone = {.type = PEER_CHECKPOINT_PART};
    struct peer_message number = {.type = PEER_TIMEOUT_NOW, .sent_term = 1};
    number.timeout_now.term = 1;
    is_turned_away(fixture, a, raw_member(fixture, 2, 1, 7, 1), &question, "its other connection");
    is_turned_away(fixture, a, raw_member(fixture, 2, 1, 7, 2), &gone, "its other connection");
    is_turned_away(fixture, a, raw_bulk(fixture, 7, 3), &number, "something else than questions");
    is_turned_away(fixture, a, raw_bulk(fixture, 7, 4), &gone, "something else than questions");
    assert_false(is_taken(a, 2));
}

/* Node 1 asks a raw socket that plays node 2, and gets this instead of a part. */
static void asked_and_answered(struct fixture *fixture, struct node *a, int listener,
                               struct frame *frame)
{
    uint64_t before = statistics_of(a).turned_away;
    ask(a, 2, 1);
    int fd = raw_welcome(fixture, listener, 2);
    struct frame_content content;
    raw_read_frame(fixture, fd, &content);
    assert_int_equal(content.message.type, PEER_CHECKPOINT_ASK);
    raw_send_frame(fixture, fd, frame);
    wait_for(fixture, bulk_state_of(a, 2) == BULK_NONE);
    assert_int_equal(statistics_of(a).turned_away, before + 1);
    assert_non_null(strstr(a->who, "node 2, for a checkpoint"));
    assert_non_null(strstr(a->why, "something else"));
}

static void who_is_asked_answers_with_parts_only(void **state)
{
    struct fixture *fixture = *state;
    members(fixture, 2);
    int listener = raw_listen(fixture, 2, 8);
    struct node *a = node_open(fixture, 1);
    raw_welcome(fixture, listener, 2);
    wait_for(fixture, transport_is_connected(a->transport, 2));
    const struct peer_message question = ask_for(1);
    struct hello hello = hello_of(2, 1);
    asked_and_answered(fixture, a, listener, frame_of_message(&question));
    asked_and_answered(fixture, a, listener, frame_of_answer(&hello, "no"));
    assert_int_equal(a->received_count, 0);
    assert_true(transport_is_connected(a->transport, 2));
}

static void who_is_refused_says_so(void **state)
{
    struct fixture *fixture = *state;
    members(fixture, 2);
    int listener = raw_listen(fixture, 2, 8);
    struct node *a = node_open(fixture, 1);
    raw_welcome(fixture, listener, 2);
    wait_for(fixture, transport_is_connected(a->transport, 2));
    ask(a, 2, 1);
    int fd = raw_accept(fixture, listener);
    struct frame_content content;
    raw_read_frame(fixture, fd, &content);
    assert_int_equal(content.hello.purpose, HELLO_BULK);
    struct hello hello = hello_of(2, 1);
    raw_send_frame(fixture, fd, frame_of_answer(&hello, "not today"));
    wait_for(fixture, bulk_state_of(a, 2) == BULK_NONE);
    assert_string_equal(a->why, "not today");
    assert_true(transport_is_connected(a->transport, 2));
}

static void closing_in_the_middle_is_clean(void **state)
{
    struct fixture *fixture = *state;
    struct node *a;
    struct node *b;
    open_pair(fixture, &a, &b);
    a->close_in = CLOSE_IN_RECEIVED;
    ask(b, 1, 1);
    wait_for(fixture, a->transport == NULL);
    b->close_in = CLOSE_IN_ADMIT; /* whatever is admitted next */
    ask(b, 1, 2);
    node_forget_received(a);
    a->close_in = 0;
    a = node_open(fixture, 1);
    wait_for(fixture, b->transport == NULL);
}

int main(void)
{
#define together(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        together(a_question_makes_the_connection),
        together(it_is_closed_when_idle_and_made_again),
        together(the_newest_question_waits_for_the_connection),
        together(a_question_to_who_is_away_is_dropped),
        together(a_lost_connection_is_made_again_by_the_next_question),
        together(a_node_that_comes_back_serves_again),
        together(parts_that_are_not_taken_are_dropped),
        together(a_newer_one_replaces_the_older_and_leaves_the_ordinary),
        together(an_unknown_purpose_is_refused),
        together(each_connection_carries_its_own),
        together(who_is_asked_answers_with_parts_only),
        together(who_is_refused_says_so),
        together(closing_in_the_middle_is_clean),
    };
    return cmocka_run_group_tests_name("transport_bulk", tests, NULL, NULL);
}
