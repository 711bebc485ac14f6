/*
 * fixture.h - up to four transports and some raw sockets on one loop and loopback ports. Tests wait
 * for conditions, with a deadline; nothing sleeps.
 */
#ifndef TESTS_RAFT_TRANSPORT_FIXTURE_H
#define TESTS_RAFT_TRANSPORT_FIXTURE_H

/* cmocka's order */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "frame.h"
#include "raft/transport.h"
#include "transport_private.h"

#define NODES          4
#define WAIT_LIMIT_MS  20000
#define TEST_CLUSTER   UINT64_C(0xc0ffee)
#define INCARNATION(n) (100 + (uint64_t)(n))

struct received {
    uint64_t from;
    struct peer_message message;
};

/* Node n has id n; index 0 is not used. */
struct node {
    struct fixture *fixture;
    uint64_t id;
    struct transport *transport; /* NULL: not open */
    bool closing;

    size_t connected[NODES + 1]; /* calls, by peer */
    size_t disconnected[NODES + 1];
    size_t refused[NODES + 1];
    uint64_t incarnation[NODES + 1];
    char reason[600]; /* of the last disconnected or refused */
    size_t turned_away;
    char who[600]; /* of the last turned_away */
    char why[600];
    uint64_t forbidden_incarnation;    /* admit says no to this one */
    uint64_t removed_index[NODES + 1]; /* what removed_at says of this peer */
    uint64_t told_removed[NODES + 1];  /* as this peer said */
    struct received *received;
    size_t received_count;
    size_t received_capacity;
    int close_in; /* the event in whose callback the transport is closed */
};

enum {
    CLOSE_IN_RECEIVED = 1,
    CLOSE_IN_CONNECTED,
    CLOSE_IN_DISCONNECTED,
    CLOSE_IN_ADMIT,
    CLOSE_IN_REFUSED,
    CLOSE_IN_TURNED_AWAY
};

struct fixture {
    uv_loop_t loop;
    uv_timer_t tick; /* wakes the loop for conditions that are not events */
    struct node nodes[NODES + 1];
    int reserved[NODES + 1]; /* bound sockets that keep a node's port while it is not open */
    uint16_t port[NODES + 1];
    char address[NODES + 1][64];
    struct replica_member members[NODES];
    size_t member_count;
    int raw[64]; /* sockets of the test, closed at the end */
    size_t raw_count;
};

int fixture_setup(void **state);
int fixture_teardown(void **state);

/* Nodes 1 to n are members, at 127.0.0.1. */
void members(struct fixture *fixture, size_t count);
struct transport_config node_config(struct fixture *fixture, uint64_t id);
struct node *node_open(struct fixture *fixture, uint64_t id);
struct node *node_open_with(struct fixture *fixture, uint64_t id,
                            const struct transport_config *config);
void node_close(struct node *node);
void node_forget_received(struct node *node);
struct peer *node_peer(struct node *node, uint64_t id);
struct transport_statistics statistics_of(const struct node *node);

/* Messages with a number in them. */
void send_number(struct node *node, uint64_t to, uint64_t number);
bool received_number(const struct node *node, size_t at, uint64_t from, uint64_t number);

/* One turn of the loop; fails the test once `since_ms` lies too far back. */
uint64_t wait_begin(struct fixture *fixture);
void wait_turn(struct fixture *fixture, uint64_t since_ms, const char *condition, int line);
#define wait_for(fixture, condition)                                                               \
    do {                                                                                           \
        uint64_t since_ms_ = wait_begin(fixture);                                                  \
        while (!(condition)) {                                                                     \
            wait_turn(fixture, since_ms_, #condition, __LINE__);                                   \
        }                                                                                          \
    } while (0)

/* Raw sockets: what no transport would say. */
int raw_connect(struct fixture *fixture, uint64_t node_id);
int raw_listen(struct fixture *fixture, uint64_t node_id, int backlog); /* at the node's port */
int raw_accept(struct fixture *fixture, int listener);
void raw_send(struct fixture *fixture, int fd, struct bytes bytes);
void raw_send_frame(struct fixture *fixture, int fd, struct frame *frame);
/* The next frame, byte by byte as far as the socket has it. */
void raw_read_frame(struct fixture *fixture, int fd, struct frame_content *content);
void raw_wait_closed(struct fixture *fixture, int fd); /* what still comes is thrown away */
bool raw_is_open(int fd);
/* Nodes' hellos, as they should be. */
struct hello hello_of(uint64_t from, uint64_t to);
/* A member's raw connection to the node, welcomed. */
int raw_member(struct fixture *fixture, uint64_t from, uint64_t to, uint64_t session,
               uint64_t number);
/* Accepts a node's connection at the raw listener and welcomes it in the name of `from`. */
int raw_welcome(struct fixture *fixture, int listener, uint64_t from);

#endif
