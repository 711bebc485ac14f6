/*
 * Dialling: what goes wrong on the way to a peer, how often it is told, and what is tried next. The
 * resolver is this test's own, so that it can fail and change its mind.
 */
#include "fixture.h"

#include <dlfcn.h>
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- the resolver ---- */

typedef int getaddrinfo_function(const char *, const char *, const struct addrinfo *,
                                 struct addrinfo **);

/* Answers for "peer.test": fails so often, then gives these numeric addresses, in order. Called on
 * libuv's pool: written before the transport opens, the counter read under libuv's own ordering. */
static int lookups_that_fail;
static const char *lookup_addresses[3];
static int lookups;

static struct addrinfo *system_lookup(const char *host, const struct addrinfo *hints, int *status)
{
    getaddrinfo_function *real;
    *(void **)&real = dlsym(RTLD_NEXT, "getaddrinfo");
    struct addrinfo *found = NULL;
    *status = real(host, NULL, hints, &found);
    return found;
}

int getaddrinfo(const char *host, const char *service, const struct addrinfo *hints,
                struct addrinfo **found)
{
    int status;
    if (host == NULL || strcmp(host, "peer.test") != 0) {
        getaddrinfo_function *real;
        *(void **)&real = dlsym(RTLD_NEXT, "getaddrinfo");
        return real(host, service, hints, found);
    }
    if (++lookups <= lookups_that_fail) {
        return EAI_AGAIN;
    }
    struct addrinfo **end = found;
    *found = NULL;
    for (size_t i = 0; i < 3 && lookup_addresses[i] != NULL; i++) {
        *end = system_lookup(lookup_addresses[i], hints, &status);
        if (status != 0) {
            return status;
        }
        end = &(*end)->ai_next;
    }
    return *found != NULL ? 0 : EAI_NONAME;
}

static void resolver(int fail, const char *first, const char *second)
{
    lookups = 0;
    lookups_that_fail = fail;
    lookup_addresses[0] = first;
    lookup_addresses[1] = second;
    lookup_addresses[2] = NULL;
}

/* Node 1 knows node 2 as peer.test; node 2 listens on 127.0.0.1. */
static struct node *open_with_name(struct fixture *fixture)
{
    snprintf(fixture->address[2], sizeof fixture->address[2], "peer.test:%u", fixture->port[2]);
    members(fixture, 2);
    return node_open(fixture, 1);
}

static struct node *open_named(struct fixture *fixture)
{
    struct transport_config config = node_config(fixture, 2);
    char listen[64];
    snprintf(listen, sizeof listen, "127.0.0.1:%u", fixture->port[2]);
    config.listen_address = listen;
    return node_open_with(fixture, 2, &config);
}

static void says(const struct node *node, const char *what)
{
    if (strstr(node->reason, what) == NULL) {
        fail_msg("\"%s\" does not say \"%s\"", node->reason, what);
    }
}

/* ---- names ---- */

static void a_name_that_can_not_be_resolved_is_told_once_and_tried_again(void **state)
{
    struct fixture *fixture = *state;
    resolver(3, "127.0.0.1", NULL);
    struct node *a = open_with_name(fixture);
    wait_for(fixture, a->disconnected[2] == 1);
    says(a, "peer.test");
    says(a, "looking the name up: temporary failure");
    struct node *b = open_named(fixture);
    wait_for(fixture, transport_is_connected(a->transport, b->id));
    assert_int_equal(a->disconnected[2], 1);
    assert_int_equal(lookups, 4);
}

static void a_name_is_looked_up_again_at_each_reconnect(void **state)
{
    struct fixture *fixture = *state;
    resolver(0, "127.0.0.1", NULL);
    struct node *a = open_with_name(fixture);
    struct node *b = open_named(fixture);
    wait_for(fixture, transport_is_connected(a->transport, 2));
    int before = lookups;
    node_close(b);
    wait_for(fixture, b->transport == NULL && a->disconnected[2] > 0);
    open_named(fixture);
    wait_for(fixture, transport_is_connected(a->transport, 2));
    assert_true(lookups > before);
}

static void all_addresses_of_a_name_are_tried(void **state)
{
    struct fixture *fixture = *state;
    resolver(0, "127.0.0.2", "127.0.0.1"); /* nobody listens on the first */
    struct node *b = open_with_name(fixture);
    open_named(fixture);
    wait_for(fixture, transport_is_connected(b->transport, 2));
    assert_int_equal(b->disconnected[2], 0);
    assert_int_equal(lookups, 1);
}

static void a_name_without_addresses_is_told(void **state)
{
    struct fixture *fixture = *state;
    resolver(0, NULL, NULL);
    struct node *a = open_with_name(fixture);
    wait_for(fixture, a->disconnected[2] == 1);
    says(a, "looking the name up: unknown node or service");
}

/* ---- connecting ---- */

static void a_peer_that_is_not_there_is_told_once(void **state)
{
    struct fixture *fixture = *state;
    members(fixture, 2);
    struct node *a = node_open(fixture, 1);
    wait_for(fixture, node_peer(a, 2)->failures >= 4);
    assert_int_equal(a->disconnected[2], 1);
    says(a, fixture->address[2]);
    says(a, "connection refused");
}

static void waiting_grows_to_its_limit_and_no_further(void **state)
{
    struct fixture *fixture = *state;
    members(fixture, 2);
    struct node *a = node_open(fixture, 1);
    struct peer *peer = node_peer(a, 2);
    for (unsigned failure = 1; failure <= 12; failure++) {
        wait_for(fixture, peer->failures == failure && peer->state == DIAL_WAITING);
        uint64_t whole = (uint64_t)PEER_BACKOFF_FIRST_MS << (failure - 1);
        whole = whole < PEER_BACKOFF_LAST_MS ? whole : PEER_BACKOFF_LAST_MS;
        assert_true(peer->deadline_ms - peer->attempt_ms >= whole / 2);
        uint64_t left = peer->deadline_ms - uv_now(&fixture->loop);
        assert_true(left <= whole);
        dial_hurry(peer); /* as if the time were over */
    }
}

/* A listener whose backlog is full answers nothing, like a machine that is gone. */
static void connecting_has_a_deadline(void **state)
{
    struct fixture *fixture = *state;
    members(fixture, 2);
    raw_listen(fixture, 2, 0);
    raw_connect(fixture, 2);
    struct node *a = node_open(fixture, 1);
    wait_for(fixture, a->disconnected[2] == 1);
    says(a, "no connection in time");
}

static void the_answer_to_hello_has_a_deadline(void **state)
{
    struct fixture *fixture = *state;
    members(fixture, 2);
    int listener = raw_listen(fixture, 2, 8);
    struct node *a = node_open(fixture, 1);
    int fd = raw_accept(fixture, listener);
    wait_for(fixture, a->disconnected[2] == 1);
    says(a, "no answer to our hello in time");
    raw_wait_closed(fixture, fd);
    raw_welcome(fixture, listener, 2);
    wait_for(fixture, a->connected[2] == 1);
}

/* ---- answers ---- */

/* Reads the hello, answers with the frame, and waits for what node 1 says about it. */
static void answer_with(struct fixture *fixture, struct node *a, int listener, struct frame *answer,
                        const char *what)
{
    size_t before = a->disconnected[2];
    int fd = raw_accept(fixture, listener);
    struct frame_content content;
    raw_read_frame(fixture, fd, &content);
    raw_send_frame(fixture, fd, answer);
    raw_wait_closed(fixture, fd);
    wait_for(fixture, a->disconnected[2] == before + 1);
    says(a, what);
    assert_int_equal(a->connected[2], 0);
}

static void answers_of_others_are_not_accepted(void **state)
{
    struct fixture *fixture = *state;
    members(fixture, 3);
    int listener = raw_listen(fixture, 2, 8);
    struct node *a = &fixture->nodes[1];
    a->forbidden_incarnation = 666;
    node_open(fixture, 1);
    struct hello hello = hello_of(2, 1);
    answer_with(fixture, a, listener, frame_of_hello(&hello), "something else than the answer");
    hello = hello_of(3, 1);
    answer_with(fixture, a, listener, frame_of_answer(&hello, ""), "leads to node 3");
    hello = hello_of(2, 1);
    hello.protocol_version = 7;
    answer_with(fixture, a, listener, frame_of_answer(&hello, ""), "peer protocol 7");
    hello = hello_of(2, 1);
    hello.cluster_id = 0xbad;
    answer_with(fixture, a, listener, frame_of_answer(&hello, ""), "cluster 0000000000000bad");
    hello = hello_of(1, 1);
    answer_with(fixture, a, listener, frame_of_answer(&hello, ""), "the same id");
    hello = hello_of(2, 1);
    hello.incarnation = 666;
    answer_with(fixture, a, listener, frame_of_answer(&hello, ""), "node 2 was wiped");
    struct entry *entry = entry_new_copy(1, 1, ENTRY_COMMAND, BYTES_LITERAL("x"));
    struct peer_message message = {.type = PEER_APPEND_ENTRIES, .sent_term = 1};
    message.append_entries.term = 1;
    message.append_entries.entries = &entry;
    message.append_entries.entry_count = 1;
    answer_with(fixture, a, listener, frame_of_message(&message), "something else");
    entry_release(entry);
}

static void a_refusal_is_told_once_in_the_others_words(void **state)
{
    struct fixture *fixture = *state;
    members(fixture, 2);
    int listener = raw_listen(fixture, 2, 8);
    struct node *a = node_open(fixture, 1);
    struct hello hello = hello_of(2, 1);
    static const char *const words[] = {"not you", "not you", "not you", "still not", "not you"};
    static const size_t told[] = {1, 1, 1, 2, 3};
    for (size_t i = 0; i < 5; i++) {
        int fd = raw_accept(fixture, listener);
        struct frame_content content;
        raw_read_frame(fixture, fd, &content);
        raw_send_frame(fixture, fd, frame_of_answer(&hello, words[i]));
        raw_wait_closed(fixture, fd);
        wait_for(fixture, node_peer(a, 2)->state == DIAL_WAITING);
        assert_int_equal(a->refused[2], told[i]);
        assert_string_equal(a->reason, words[i]);
    }
    assert_int_equal(a->disconnected[2], 0);
}

static void rubbish_in_place_of_an_answer_ends_the_connection(void **state)
{
    struct fixture *fixture = *state;
    members(fixture, 2);
    int listener = raw_listen(fixture, 2, 8);
    struct node *a = node_open(fixture, 1);
    int fd = raw_accept(fixture, listener);
    raw_send(fixture, fd, BYTES_LITERAL("HTTP/1.1 400 Bad Request\r\n\r\n"));
    raw_wait_closed(fixture, fd);
    wait_for(fixture, a->disconnected[2] == 1);
    says(a, "not Holdfast's peer protocol");
    /* And from one that was welcomed: nothing has a place there. */
    fd = raw_welcome(fixture, listener, 2);
    wait_for(fixture, a->connected[2] == 1);
    struct hello hello = hello_of(2, 1);
    raw_send_frame(fixture, fd, frame_of_answer(&hello, ""));
    raw_wait_closed(fixture, fd);
    wait_for(fixture, a->disconnected[2] == 2);
    says(a, "something else than the answer");
}

/* One that welcomes us and hangs up, again and again, is dialled ever more slowly. */
static void a_flapping_peer_is_waited_for(void **state)
{
    struct fixture *fixture = *state;
    members(fixture, 2);
    int listener = raw_listen(fixture, 2, 8);
    struct node *a = node_open(fixture, 1);
    for (unsigned i = 1; i <= 4; i++) {
        int fd = raw_welcome(fixture, listener, 2);
        wait_for(fixture, a->connected[2] == i);
        shutdown(fd, SHUT_RDWR);
        wait_for(fixture, a->disconnected[2] == i);
        assert_int_equal(node_peer(a, 2)->failures, i);
    }
    /* A connection that lasted starts it anew. */
    int fd = raw_welcome(fixture, listener, 2);
    wait_for(fixture, a->connected[2] == 5);
    node_peer(a, 2)->connected_ms -= PEER_STABLE_MS;
    shutdown(fd, SHUT_RDWR);
    wait_for(fixture, a->disconnected[2] == 5);
    assert_int_equal(node_peer(a, 2)->failures, 1);
}

int main(void)
{
#define together(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        together(a_name_that_can_not_be_resolved_is_told_once_and_tried_again),
        together(a_name_is_looked_up_again_at_each_reconnect),
        together(all_addresses_of_a_name_are_tried),
        together(a_name_without_addresses_is_told),
        together(a_peer_that_is_not_there_is_told_once),
        together(waiting_grows_to_its_limit_and_no_further),
        together(connecting_has_a_deadline),
        together(the_answer_to_hello_has_a_deadline),
        together(answers_of_others_are_not_accepted),
        together(a_refusal_is_told_once_in_the_others_words),
        together(rubbish_in_place_of_an_answer_ends_the_connection),
        together(a_flapping_peer_is_waited_for),
    };
    return cmocka_run_group_tests_name("transport_dial", tests, NULL, NULL);
}
