/*
 * Transports together: connections both ways, messages in order, queues, coming back, closing.
 */
#include "fixture.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static bool pair_is_up(struct node *a, struct node *b)
{
    return transport_is_connected(a->transport, b->id) &&
           transport_is_connected(b->transport, a->id);
}

static void open_pair(struct fixture *fixture, struct node **a, struct node **b)
{
    members(fixture, 2);
    *a = node_open(fixture, 1);
    *b = node_open(fixture, 2);
    wait_for(fixture, pair_is_up(*a, *b));
}

static struct entry *entry_of(uint64_t index, size_t len)
{
    struct buffer data = {0};
    uint8_t *bytes = buffer_reserve(&data, len + 1);
    for (size_t i = 0; i < len; i++) { /* no piece looks like another */
        bytes[i] = (uint8_t)(index + i * 7 + (i >> 8) * 3 + (i >> 16));
    }
    data.len = len;
    struct entry *entry = entry_new_take(ENTRY_COMMAND, &data);
    entry->index = index;
    entry->term = 1;
    return entry;
}

static void send_entries(struct node *node, uint64_t to, struct entry **entries, size_t count)
{
    struct peer_message message = {.type = PEER_APPEND_ENTRIES, .sent_term = 1};
    message.append_entries.term = 1;
    message.append_entries.prev_log_index = entries[0]->index - 1;
    message.append_entries.entries = entries;
    message.append_entries.entry_count = count;
    transport_send(node->transport, to, &message);
}

/* ---- together ---- */

static void members_say_hello_and_keep_the_order(void **state)
{
    struct fixture *fixture = *state;
    struct node *a;
    struct node *b;
    open_pair(fixture, &a, &b);
    assert_int_equal(a->connected[2], 1);
    assert_int_equal(a->incarnation[2], INCARNATION(2));
    assert_string_equal(transport_client_address(a->transport, 2), "two:8002");
    assert_string_equal(transport_client_address(b->transport, 1), "one:8001");
    for (uint64_t i = 0; i < 1000; i++) {
        send_number(a, 2, i);
        send_number(b, 1, i);
    }
    wait_for(fixture, a->received_count == 1000 && b->received_count == 1000);
    for (uint64_t i = 0; i < 1000; i++) {
        assert_true(received_number(b, i, 1, i));
        assert_true(received_number(a, i, 2, i));
    }
    assert_int_equal(statistics_of(a).frames_dropped, 0);
    assert_int_equal(statistics_of(a).queued_frames, 0);
    assert_int_equal(statistics_of(a).queued_bytes, 0);
}

static void three_members_all_reach_each_other(void **state)
{
    struct fixture *fixture = *state;
    members(fixture, 3);
    struct node *nodes[] = {node_open(fixture, 1), node_open(fixture, 2), node_open(fixture, 3)};
    wait_for(fixture, pair_is_up(nodes[0], nodes[1]) && pair_is_up(nodes[1], nodes[2]) &&
                          pair_is_up(nodes[0], nodes[2]));
    for (uint64_t from = 1; from <= 3; from++) {
        for (uint64_t to = 1; to <= 3; to++) {
            if (from != to) {
                send_number(nodes[from - 1], to, from * 10 + to);
            }
        }
    }
    for (size_t i = 0; i < 3; i++) {
        wait_for(fixture, nodes[i]->received_count == 2);
        for (size_t k = 0; k < 2; k++) {
            const struct received *received = &nodes[i]->received[k];
            assert_int_equal(received->message.timeout_now.last_log_index,
                             received->from * 10 + nodes[i]->id);
        }
    }
}

static void entries_arrive_as_they_were(void **state)
{
    struct fixture *fixture = *state;
    struct node *a;
    struct node *b;
    open_pair(fixture, &a, &b);
    /* Smaller and larger than every buffer on the way, the limit included. */
    static const size_t sizes[] = {0, 1, 100, 65536, 300000, LIMIT_ENTRY_BYTES, 0, 5};
    enum { COUNT = sizeof sizes / sizeof sizes[0] };
    struct entry *entries[COUNT];
    for (size_t i = 0; i < COUNT; i++) {
        entries[i] = entry_of(i + 1, sizes[i]);
    }
    send_entries(a, 2, entries, COUNT);
    for (size_t i = 0; i < COUNT; i++) {
        send_entries(a, 2, &entries[i], 1);
    }
    wait_for(fixture, b->received_count == 1 + COUNT);
    for (size_t i = 0; i < COUNT; i++) {
        const struct entry *together = b->received[0].message.append_entries.entries[i];
        const struct entry *alone = b->received[1 + i].message.append_entries.entries[0];
        assert_int_equal(together->index, i + 1);
        assert_int_equal(alone->index, i + 1);
        assert_true(bytes_equal(together->data, entries[i]->data));
        assert_true(bytes_equal(alone->data, entries[i]->data));
        entry_release(entries[i]);
    }
    /* What the large frame needed is given back. */
    assert_true(node_peer(b, 1)->incoming->received_capacity <= LIMIT_PEER_RECEIVE_KEPT_BYTES);
}

static void frames_of_one_turn_leave_in_one_write(void **state)
{
    struct fixture *fixture = *state;
    struct node *a;
    struct node *b;
    open_pair(fixture, &a, &b);
    struct transport_statistics before = statistics_of(a);
    uint64_t received_before = statistics_of(b).bytes_received;
    for (uint64_t i = 0; i < 500; i++) {
        send_number(a, 2, i);
    }
    assert_int_equal(statistics_of(a).writes, before.writes);
    assert_int_equal(statistics_of(a).queued_frames, 500);
    wait_for(fixture, b->received_count == 500);
    assert_int_equal(statistics_of(a).writes, before.writes + 1);
    assert_int_equal(statistics_of(a).frames_sent, before.frames_sent + 500);
    assert_int_equal(statistics_of(b).bytes_received - received_before,
                     statistics_of(a).bytes_sent - before.bytes_sent);
}

static void sockets_have_their_options(void **state)
{
    struct fixture *fixture = *state;
    struct node *a;
    struct node *b;
    open_pair(fixture, &a, &b);
    struct connection *both[] = {node_peer(a, 2)->outgoing, node_peer(a, 2)->incoming};
    for (size_t i = 0; i < 2; i++) {
        static const struct {
            int level;
            int option;
            int value;
        } options[] = {
            {IPPROTO_TCP, TCP_NODELAY, 1},
            {SOL_SOCKET, SO_KEEPALIVE, 1},
            {IPPROTO_TCP, TCP_USER_TIMEOUT, PEER_SILENCE_MS},
        };
        uv_os_fd_t fd;
        assert_non_null(both[i]);
        assert_int_equal(uv_fileno((uv_handle_t *)&both[i]->tcp, &fd), 0);
        for (size_t k = 0; k < sizeof options / sizeof options[0]; k++) {
            int value = 0;
            socklen_t len = sizeof value;
            assert_int_equal(getsockopt(fd, options[k].level, options[k].option, &value, &len), 0);
            assert_int_equal(value, options[k].value);
        }
    }
}

/* ---- queues ---- */

static void what_has_no_connection_is_dropped(void **state)
{
    struct fixture *fixture = *state;
    members(fixture, 2);
    struct node *a = node_open(fixture, 1);
    send_number(a, 2, 1);
    assert_int_equal(statistics_of(a).frames_dropped, 1);
    assert_int_equal(statistics_of(a).queued_frames, 0);
    assert_null(transport_client_address(a->transport, 2));
    struct node *b = node_open(fixture, 2);
    wait_for(fixture, pair_is_up(a, b));
    send_number(a, 2, 2);
    wait_for(fixture, b->received_count == 1);
    assert_true(received_number(b, 0, 1, 2));
}

/* A peer whose socket takes nothing: the queue fills to its limit and not a frame further; when the
 * peer reads again it gets the oldest, whole and in order. */
static void a_peer_that_does_not_read_costs_bounded_memory(void **state)
{
    struct fixture *fixture = *state;
    members(fixture, 2);
    int listener = raw_listen(fixture, 2, 8);
    struct node *a = node_open(fixture, 1);
    int fd = raw_welcome(fixture, listener, 2);
    wait_for(fixture, transport_is_connected(a->transport, 2));
    struct entry *entry = entry_of(1, 1 << 20);
    uint64_t sent = 0;
    while (statistics_of(a).frames_dropped < 5) {
        entry->index = ++sent;
        send_entries(a, 2, &entry, 1);
        uv_run(&fixture->loop, UV_RUN_NOWAIT);
        assert_true(statistics_of(a).queued_bytes <= LIMIT_PEER_SEND_BYTES);
        assert_true(sent < 1000);
    }
    assert_true(statistics_of(a).queued_bytes > LIMIT_PEER_SEND_BYTES - (2 << 20));
    assert_true(transport_is_connected(a->transport, 2));
    uint64_t expected = sent - 5;
    for (uint64_t i = 1; i <= expected; i++) {
        struct frame_content content;
        raw_read_frame(fixture, fd, &content);
        assert_int_equal(content.message.append_entries.entries[0]->index, i);
        assert_true(bytes_equal(content.message.append_entries.entries[0]->data, entry->data));
        peer_message_free(&content.message);
    }
    wait_for(fixture, statistics_of(a).queued_frames == 0);
    assert_int_equal(statistics_of(a).queued_bytes, 0);
    entry_release(entry);
}

static void the_queue_is_bounded_in_frames_too(void **state)
{
    struct fixture *fixture = *state;
    struct node *a;
    struct node *b;
    open_pair(fixture, &a, &b);
    for (uint64_t i = 0; i < LIMIT_PEER_SEND_FRAMES + 10; i++) {
        send_number(a, 2, i);
    }
    assert_int_equal(statistics_of(a).queued_frames, LIMIT_PEER_SEND_FRAMES);
    assert_int_equal(statistics_of(a).frames_dropped, 10);
    wait_for(fixture, b->received_count == LIMIT_PEER_SEND_FRAMES);
    for (uint64_t i = 0; i < LIMIT_PEER_SEND_FRAMES; i++) {
        assert_true(received_number(b, i, 1, i));
    }
}

static void a_lost_connection_drops_its_queue(void **state)
{
    struct fixture *fixture = *state;
    members(fixture, 2);
    int listener = raw_listen(fixture, 2, 8);
    struct node *a = node_open(fixture, 1);
    int fd = raw_welcome(fixture, listener, 2);
    wait_for(fixture, transport_is_connected(a->transport, 2));
    struct entry *entry = entry_of(1, 4 << 20);
    for (int i = 0; i < 4; i++) {
        send_entries(a, 2, &entry, 1);
    }
    entry_release(entry);
    uv_run(&fixture->loop, UV_RUN_NOWAIT);
    assert_true(statistics_of(a).queued_frames > 0);
    shutdown(fd, SHUT_RDWR);
    wait_for(fixture, a->disconnected[2] == 1);
    fd = raw_welcome(fixture, listener, 2);
    wait_for(fixture, a->connected[2] == 2);
    assert_int_equal(statistics_of(a).queued_frames, 0);
    assert_int_equal(statistics_of(a).queued_bytes, 0);
    send_number(a, 2, 77);
    struct frame_content content;
    raw_read_frame(fixture, fd, &content);
    assert_int_equal(content.message.type, PEER_TIMEOUT_NOW);
}

/* ---- coming back ---- */

static void a_peer_that_comes_back_is_reached_again(void **state)
{
    struct fixture *fixture = *state;
    struct node *a;
    struct node *b;
    open_pair(fixture, &a, &b);
    for (uint64_t round = 1; round <= 5; round++) {
        node_close(b);
        wait_for(fixture, b->transport == NULL && a->disconnected[2] == round);
        assert_false(transport_is_connected(a->transport, 2));
        assert_non_null(transport_client_address(a->transport, 2)); /* still the best we know */
        struct transport_config config = node_config(fixture, 2);
        config.incarnation = 200 + round;
        config.client_address = "moved:9000";
        node_open_with(fixture, 2, &config);
        wait_for(fixture, pair_is_up(a, b));
        assert_int_equal(a->connected[2], 1 + round);
        assert_int_equal(a->incarnation[2], 200 + round);
        assert_string_equal(transport_client_address(a->transport, 2), "moved:9000");
        send_number(a, 2, round);
        send_number(b, 1, round);
        wait_for(fixture, a->received_count == round && b->received_count == round);
    }
}

/* However long we would have waited: that it calls us shows that it lives. */
static void a_connection_from_the_peer_ends_our_waiting(void **state)
{
    struct fixture *fixture = *state;
    members(fixture, 2);
    struct node *a = node_open(fixture, 1);
    wait_for(fixture, a->disconnected[2] == 1 && node_peer(a, 2)->state == DIAL_WAITING);
    node_peer(a, 2)->deadline_ms = NO_DEADLINE;
    struct node *b = node_open(fixture, 2);
    wait_for(fixture, pair_is_up(a, b));
}

/* ---- addresses ---- */

static void host_names_are_resolved(void **state)
{
    struct fixture *fixture = *state;
    for (uint64_t id = 1; id <= 2; id++) {
        snprintf(fixture->address[id], sizeof fixture->address[id], "localhost:%u",
                 fixture->port[id]);
    }
    members(fixture, 2);
    /* Listening at a fixed family: localhost may well be [::1] first. */
    char listen[64];
    struct node *nodes[3] = {NULL};
    for (uint64_t id = 1; id <= 2; id++) {
        struct transport_config config = node_config(fixture, id);
        snprintf(listen, sizeof listen, "127.0.0.1:%u", fixture->port[id]);
        config.listen_address = listen;
        nodes[id] = node_open_with(fixture, id, &config);
    }
    wait_for(fixture, pair_is_up(nodes[1], nodes[2]));
    send_number(nodes[1], 2, 5);
    wait_for(fixture, nodes[2]->received_count == 1);
}

static void a_host_name_can_be_listened_on(void **state)
{
    struct fixture *fixture = *state;
    members(fixture, 1);
    struct transport_config config = node_config(fixture, 1);
    config.listen_address = "localhost:0";
    struct node *a = node_open_with(fixture, 1, &config);
    assert_int_not_equal(transport_port(a->transport), 0);
}

static void ipv6_works(void **state)
{
    struct fixture *fixture = *state;
    int probe = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in6 address = {.sin6_family = AF_INET6, .sin6_addr = in6addr_loopback};
    bool has_ipv6 = probe >= 0 && bind(probe, (struct sockaddr *)&address, sizeof address) == 0;
    if (probe >= 0) {
        close(probe);
    }
    if (!has_ipv6) {
        print_message("# no IPv6 on this machine\n");
        skip();
    }
    for (uint64_t id = 1; id <= 2; id++) {
        snprintf(fixture->address[id], sizeof fixture->address[id], "[::1]:%u", fixture->port[id]);
    }
    members(fixture, 2);
    struct node *a = node_open(fixture, 1);
    struct node *b = node_open(fixture, 2);
    wait_for(fixture, pair_is_up(a, b));
    send_number(a, 2, 6);
    wait_for(fixture, b->received_count == 1);
    assert_int_equal(transport_port(a->transport), fixture->port[1]);
}

/* ---- opening ---- */

static void open_fails(struct fixture *fixture, const struct transport_config *config,
                       const char *says)
{
    const struct transport_events events = {0};
    struct error error = {{0}};
    assert_null(transport_open(&fixture->loop, config, &events, &error));
    if (strstr(error.text, says) == NULL) {
        fail_msg("\"%s\" does not say \"%s\"", error.text, says);
    }
}

static void what_can_not_be_opened_says_why(void **state)
{
    struct fixture *fixture = *state;
    members(fixture, 3);
    raw_listen(fixture, 1, 8);
    struct transport_config config = node_config(fixture, 1);
    open_fails(fixture, &config, "address already in use");
    open_fails(fixture, &config, fixture->address[1]);
    config.listen_address = "nowhere";
    open_fails(fixture, &config, "no port");
    config.listen_address = "203.0.113.1:0"; /* not of this machine (RFC 5737) */
    open_fails(fixture, &config, "203.0.113.1:0: ");
    config = node_config(fixture, 2);
    config.client_address = "x";
    open_fails(fixture, &config, "client address");
    config = node_config(fixture, 2);
    fixture->members[2].address = "three";
    open_fails(fixture, &config, "node 3: address \"three\" has no port");
    fixture->members[2] = fixture->members[0];
    open_fails(fixture, &config, "node 1 is twice among the members");
}

static void port_0_is_chosen_and_told(void **state)
{
    struct fixture *fixture = *state;
    members(fixture, 2);
    struct transport_config config = node_config(fixture, 1);
    config.listen_address = "127.0.0.1:0";
    struct node *a = node_open_with(fixture, 1, &config);
    fixture->port[1] = transport_port(a->transport);
    int fd = raw_member(fixture, 2, 1, 1, 1);
    assert_true(raw_is_open(fd));
}

/* ---- closing ---- */

static void closing_before_anything_has_happened(void **state)
{
    struct fixture *fixture = *state;
    members(fixture, 3);
    struct node *a = node_open(fixture, 1);
    node_close(a);
    wait_for(fixture, a->transport == NULL);
}

static void closing_at_every_turn_of_a_connection(void **state)
{
    struct fixture *fixture = *state;
    snprintf(fixture->address[2], sizeof fixture->address[2], "localhost:%u", fixture->port[2]);
    members(fixture, 2);
    struct transport_config config = node_config(fixture, 2);
    char listen[64];
    snprintf(listen, sizeof listen, "127.0.0.1:%u", fixture->port[2]);
    config.listen_address = listen;
    node_open_with(fixture, 2, &config);
    struct node *a = &fixture->nodes[1];
    for (int turns = 0; turns < 40; turns++) {
        node_open(fixture, 1);
        for (int i = 0; i < turns; i++) {
            uv_run(&fixture->loop, UV_RUN_NOWAIT);
            if (transport_is_connected(a->transport, 2)) {
                send_number(a, 2, 1);
            }
        }
        node_close(a);
        wait_for(fixture, a->transport == NULL);
    }
}

static void closing_with_a_full_queue(void **state)
{
    struct fixture *fixture = *state;
    members(fixture, 2);
    int listener = raw_listen(fixture, 2, 8);
    struct node *a = node_open(fixture, 1);
    raw_welcome(fixture, listener, 2);
    wait_for(fixture, transport_is_connected(a->transport, 2));
    struct entry *entry = entry_of(1, 4 << 20);
    for (int i = 0; i < 4; i++) {
        send_entries(a, 2, &entry, 1);
        uv_run(&fixture->loop, UV_RUN_NOWAIT);
    }
    entry_release(entry);
    assert_true(statistics_of(a).queued_frames > 0);
    node_close(a);
    wait_for(fixture, a->transport == NULL);
}

static void closing_from_within_events(void **state)
{
    struct fixture *fixture = *state;
    struct node *a = &fixture->nodes[1];
    static const int events[] = {CLOSE_IN_RECEIVED, CLOSE_IN_CONNECTED, CLOSE_IN_DISCONNECTED,
                                 CLOSE_IN_ADMIT,    CLOSE_IN_REFUSED,   CLOSE_IN_TURNED_AWAY};
    for (size_t i = 0; i < sizeof events / sizeof events[0]; i++) {
        members(fixture, 2);
        a->close_in = events[i];
        node_open(fixture, 1);
        struct node *b = NULL;
        int listener = -1;
        int fd = -1;
        switch (events[i]) {
        case CLOSE_IN_RECEIVED:
        case CLOSE_IN_CONNECTED:
        case CLOSE_IN_ADMIT:
            b = node_open(fixture, 2);
            if (events[i] == CLOSE_IN_RECEIVED) {
                wait_for(fixture, pair_is_up(a, b));
                send_number(b, 1, 1); /* two in one read: the second must not come */
                send_number(b, 1, 2);
            }
            break;
        case CLOSE_IN_DISCONNECTED:
            break; /* nobody is there */
        case CLOSE_IN_REFUSED:
            listener = raw_listen(fixture, 2, 8);
            fd = raw_accept(fixture, listener);
            struct hello hello = hello_of(2, 1);
            raw_send_frame(fixture, fd, frame_of_answer(&hello, "go away"));
            break;
        case CLOSE_IN_TURNED_AWAY:
            raw_send(fixture, raw_connect(fixture, 1), BYTES_LITERAL("GET / HTTP/1.1\r\n\r\n"));
            break;
        }
        wait_for(fixture, a->transport == NULL);
        a->close_in = 0;
        if (b != NULL) {
            node_close(b);
            wait_for(fixture, b->transport == NULL);
        }
        if (listener >= 0) {
            assert_true(close(listener) == 0 && close(fd) == 0);
            fixture->raw_count -= 2;
        }
    }
    assert_int_equal(a->received_count, 1);
}

int main(void)
{
#define together(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        together(members_say_hello_and_keep_the_order),
        together(three_members_all_reach_each_other),
        together(entries_arrive_as_they_were),
        together(frames_of_one_turn_leave_in_one_write),
        together(sockets_have_their_options),
        together(what_has_no_connection_is_dropped),
        together(a_peer_that_does_not_read_costs_bounded_memory),
        together(the_queue_is_bounded_in_frames_too),
        together(a_lost_connection_drops_its_queue),
        together(a_peer_that_comes_back_is_reached_again),
        together(a_connection_from_the_peer_ends_our_waiting),
        together(host_names_are_resolved),
        together(a_host_name_can_be_listened_on),
        together(ipv6_works),
        together(what_can_not_be_opened_says_why),
        together(port_0_is_chosen_and_told),
        together(closing_before_anything_has_happened),
        together(closing_at_every_turn_of_a_connection),
        together(closing_with_a_full_queue),
        together(closing_from_within_events),
    };
    return cmocka_run_group_tests_name("transport", tests, NULL, NULL);
}
