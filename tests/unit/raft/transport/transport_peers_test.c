/*
 * Peers that come and go while the transport runs (peers.c): members are dialled for as long as
 * they are followed, guests are heard and answered for as long as they are connected, who was
 * removed is refused and told so.
 */
#include "fixture.h"

#include <string.h>
#include <unistd.h>

/* These and no others are members for the node. */
static void follow(struct node *node, const uint64_t *ids, size_t count)
{
    struct replica_member members[NODES];
    for (size_t i = 0; i < count; i++) {
        members[i] = (struct replica_member){ids[i], REPLICA_VOTER, node->fixture->address[ids[i]]};
    }
    transport_follow(node->transport, members, count);
}

#define FOLLOW(node, ...)                                                                          \
    follow((node), (const uint64_t[]){__VA_ARGS__},                                                \
           sizeof((const uint64_t[]){__VA_ARGS__}) / sizeof(uint64_t))

static void says(const char *text, const char *words)
{
    if (strstr(text, words) == NULL) {
        fail_msg("\"%s\" does not say \"%s\"", text, words);
    }
}

static struct node *open_alone(struct fixture *fixture, uint64_t id)
{
    members(fixture, 0);
    return node_open(fixture, id);
}

static bool both_connected(const struct node *a, const struct node *b)
{
    return transport_is_connected(a->transport, b->id) &&
           transport_is_connected(b->transport, a->id);
}

static void a_member_that_comes_is_dialled(void **state)
{
    struct fixture *fixture = *state;
    struct node *a = open_alone(fixture, 1);
    struct node *b = open_alone(fixture, 2);
    assert_null(transport_find_peer(a->transport, 2));
    FOLLOW(a, 1, 2);
    FOLLOW(b, 1, 2);
    wait_for(fixture, both_connected(a, b));
    send_number(a, 2, 7);
    wait_for(fixture, b->received_count == 1);
    assert_true(received_number(b, 0, 1, 7));
    assert_string_equal(transport_client_address(b->transport, 1), "one:8001");

    /* Again: nothing is made anew. */
    FOLLOW(a, 2, 1);
    send_number(a, 2, 8);
    wait_for(fixture, b->received_count == 2);
    assert_int_equal(a->connected[2], 1);
    assert_int_equal(a->disconnected[2], 0);
}

/* A node that joins knows nobody: whoever dials it is its guest, and it answers. */
static void a_guest_is_heard_and_answered(void **state)
{
    struct fixture *fixture = *state;
    struct node *joins = open_alone(fixture, 4);
    struct node *leader = open_alone(fixture, 1);
    FOLLOW(leader, 1, 4);
    wait_for(fixture, both_connected(leader, joins));
    assert_false(node_peer(joins, 1)->is_member);
    assert_int_equal(joins->incarnation[1], INCARNATION(1));
    send_number(leader, 4, 1);
    wait_for(fixture, joins->received_count == 1);
    send_number(joins, 1, 2);
    wait_for(fixture, leader->received_count == 1);
    assert_true(received_number(leader, 0, 4, 2));

    /* What was a guest's connection goes on as a member's. */
    FOLLOW(joins, 1, 4);
    assert_true(node_peer(joins, 1)->is_member);
    assert_true(transport_is_connected(joins->transport, 1));
    assert_int_equal(joins->connected[1], 1);
}

static void a_guest_goes_with_its_connections(void **state)
{
    struct fixture *fixture = *state;
    struct node *joins = open_alone(fixture, 4);
    struct node *leader = open_alone(fixture, 1);
    FOLLOW(leader, 1, 4);
    wait_for(fixture, both_connected(leader, joins));
    node_close(leader);
    wait_for(fixture, transport_find_peer(joins->transport, 1) == NULL);
    assert_int_equal(joins->disconnected[1], 1);
    /* And comes again. */
    leader = open_alone(fixture, 1);
    FOLLOW(leader, 1, 4);
    wait_for(fixture, both_connected(leader, joins));
}

/* It is heard, and there is nowhere to answer it. */
static void a_guest_without_an_address_is_not_dialled(void **state)
{
    struct fixture *fixture = *state;
    struct node *a = open_alone(fixture, 1);
    int fd = raw_member(fixture, 3, 1, 5, 1);
    assert_int_equal(node_peer(a, 3)->state, DIAL_WAITING);
    assert_true(node_peer(a, 3)->deadline_ms == NO_DEADLINE);
    struct peer_message message = {.type = PEER_TIMEOUT_NOW, .sent_term = 1};
    message.timeout_now.last_log_index = 9;
    raw_send_frame(fixture, fd, frame_of_message(&message));
    wait_for(fixture, a->received_count == 1);
    assert_true(received_number(a, 0, 3, 9));
    send_number(a, 3, 1); /* dropped */
    assert_int_equal(statistics_of(a).frames_dropped, 1);
    /* A newer connection ends the older one, and the guest stays. */
    int newer = raw_member(fixture, 3, 1, 5, 2);
    raw_wait_closed(fixture, fd);
    assert_true(raw_is_open(newer));
    shutdown(newer, SHUT_RDWR);
    wait_for(fixture, transport_find_peer(a->transport, 3) == NULL);
}

static void an_address_nobody_can_use_is_refused(void **state)
{
    struct fixture *fixture = *state;
    open_alone(fixture, 1);
    int fd = raw_connect(fixture, 1);
    struct hello hello = hello_of(3, 1);
    strcpy(hello.peer_address, "nowhere");
    raw_send_frame(fixture, fd, frame_of_hello(&hello));
    struct frame_content content;
    raw_read_frame(fixture, fd, &content);
    says(content.refusal, "peer address nobody can use");
    assert_int_equal(content.removed_index, 0);
}

/* As many as there are places; then each new one takes a guest's, and never a member's. */
static void guests_are_bounded(void **state)
{
    struct fixture *fixture = *state;
    struct node *a = open_alone(fixture, 1);
    FOLLOW(a, 1, 2);
    for (uint64_t i = 0; i < 2 * LIMIT_PEERS_KNOWN; i++) {
        raw_member(fixture, 100 + i, 1, 5, 1);
        size_t peers = 0;
        for (size_t k = 0; k < a->transport->peer_count; k++) {
            peers += a->transport->peers[k].id != 0;
        }
        assert_true(peers == (i + 2 < LIMIT_PEERS_KNOWN ? i + 2 : LIMIT_PEERS_KNOWN));
        assert_non_null(transport_find_peer(a->transport, 2));
    }
    assert_non_null(transport_find_peer(a->transport, 100 + 2 * LIMIT_PEERS_KNOWN - 1));
    /* Members find their places all the same. */
    FOLLOW(a, 1, 2, 3, 4);
    assert_true(node_peer(a, 3)->is_member && node_peer(a, 4)->is_member);
}

static void who_is_followed_no_longer_is_a_guest_while_it_is_connected(void **state)
{
    struct fixture *fixture = *state;
    struct node *a = open_alone(fixture, 1);
    struct node *b = open_alone(fixture, 2);
    FOLLOW(a, 1, 2, 3); /* 3 does not run */
    FOLLOW(b, 1, 2);
    wait_for(fixture, both_connected(a, b));
    FOLLOW(a, 1);
    assert_null(transport_find_peer(a->transport, 3));
    assert_false(node_peer(a, 2)->is_member);
    assert_true(both_connected(a, b)); /* it may still be told what it has to know */
    FOLLOW(b, 2);
    assert_true(both_connected(a, b)); /* each is the other's guest */
    node_close(b);
    wait_for(fixture, transport_find_peer(a->transport, 2) == NULL);
}

static void who_was_removed_is_refused_and_told_so(void **state)
{
    struct fixture *fixture = *state;
    struct node *a = open_alone(fixture, 1);
    struct node *b = open_alone(fixture, 2);
    FOLLOW(a, 1, 2);
    FOLLOW(b, 1, 2);
    wait_for(fixture, both_connected(a, b));
    a->removed_index[2] = 57;
    FOLLOW(a, 1);
    assert_null(transport_find_peer(a->transport, 2));
    wait_for(fixture, b->told_removed[1] == 57);
    wait_for(fixture, b->refused[1] == 1);
    says(b->reason, "node 2 was removed at log index 57 of cluster 0000000000c0ffee");
    assert_int_equal(b->disconnected[1], 1);
    assert_false(transport_is_connected(b->transport, 1));
    assert_null(transport_find_peer(a->transport, 2));
    /* It need not go on asking. */
    transport_follow(b->transport, NULL, 0);
    assert_null(transport_find_peer(b->transport, 1));
}

static void a_name_may_be_looked_up_when_nobody_wants_it_any_more(void **state)
{
    struct fixture *fixture = *state;
    struct node *a = open_alone(fixture, 1);
    const struct replica_member named = {3, REPLICA_VOTER, "localhost:1"};
    for (int i = 0; i < 3; i++) {
        transport_follow(a->transport, &named, 1);
        wait_for(fixture, node_peer(a, 3)->state == DIAL_RESOLVING);
        transport_follow(a->transport, NULL, 0);
        assert_null(transport_find_peer(a->transport, 3));
    }
    size_t before = a->disconnected[3];
    transport_follow(a->transport, &named, 1);
    wait_for(fixture, a->disconnected[3] > before); /* and it can be dialled again */
    assert_true(a->transport->held >= 3);
}

static void a_member_whose_address_is_none_is_told_of(void **state)
{
    struct fixture *fixture = *state;
    struct node *a = open_alone(fixture, 1);
    const struct replica_member broken = {3, REPLICA_VOTER, "no port"};
    transport_follow(a->transport, &broken, 1);
    assert_int_equal(a->disconnected[3], 1);
    assert_true(node_peer(a, 3)->deadline_ms == NO_DEADLINE);
    const struct replica_member mended = {3, REPLICA_VOTER, fixture->address[3]};
    transport_follow(a->transport, &mended, 1);
    members(fixture, 0);
    struct node *c = node_open(fixture, 3);
    wait_for(fixture, both_connected(a, c));
}

int main(void)
{
#define together(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        together(a_member_that_comes_is_dialled),
        together(a_guest_is_heard_and_answered),
        together(a_guest_goes_with_its_connections),
        together(a_guest_without_an_address_is_not_dialled),
        together(an_address_nobody_can_use_is_refused),
        together(guests_are_bounded),
        together(who_is_followed_no_longer_is_a_guest_while_it_is_connected),
        together(who_was_removed_is_refused_and_told_so),
        together(a_name_may_be_looked_up_when_nobody_wants_it_any_more),
        together(a_member_whose_address_is_none_is_told_of),
    };
    return cmocka_run_group_tests_name("transport_peers", tests, NULL, NULL);
}
