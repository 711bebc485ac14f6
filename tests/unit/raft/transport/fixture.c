/*
 * fixture.c - nodes record every event they are told, and check in each that it may come now: never
 * after transport_close, and `connected` and `disconnected` only when the transport says the same.
 */
#include "fixture.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- events ---- */

static void on_closed(void *context)
{
    struct node *node = context;
    node->transport = NULL;
    node->closing = false;
}

static void close_in(struct node *node, int event)
{
    if (node->close_in == event) {
        node_close(node);
    }
}

static void on_received(void *context, uint64_t peer_id, struct peer_message *message)
{
    struct node *node = context;
    assert_false(node->closing);
    if (node->received_count == node->received_capacity) {
        node->received_capacity = node->received_capacity * 2 + 16;
        node->received =
            memory_realloc(node->received, node->received_capacity * sizeof *node->received);
    }
    node->received[node->received_count++] = (struct received){peer_id, *message};
    close_in(node, CLOSE_IN_RECEIVED);
}

static void on_connected(void *context, uint64_t peer_id, uint64_t incarnation,
                         const char *client_address)
{
    struct node *node = context;
    assert_false(node->closing);
    assert_non_null(client_address);
    assert_true(transport_is_connected(node->transport, peer_id));
    node->connected[peer_id]++;
    node->incarnation[peer_id] = incarnation;
    close_in(node, CLOSE_IN_CONNECTED);
}

static void on_disconnected(void *context, uint64_t peer_id, const char *reason)
{
    struct node *node = context;
    assert_false(node->closing);
    assert_false(transport_is_connected(node->transport, peer_id));
    node->disconnected[peer_id]++;
    snprintf(node->reason, sizeof node->reason, "%s", reason);
    close_in(node, CLOSE_IN_DISCONNECTED);
}

static bool on_admit(void *context, uint64_t peer_id, uint64_t incarnation, struct error *why)
{
    struct node *node = context;
    assert_false(node->closing);
    close_in(node, CLOSE_IN_ADMIT);
    return incarnation != node->forbidden_incarnation ||
           error_set(why, "node %d was wiped", (int)peer_id);
}

static void on_refused(void *context, uint64_t peer_id, const char *reason)
{
    struct node *node = context;
    assert_false(node->closing);
    node->refused[peer_id]++;
    snprintf(node->reason, sizeof node->reason, "%s", reason);
    close_in(node, CLOSE_IN_REFUSED);
}

static uint64_t on_removed_at(void *context, uint64_t peer_id)
{
    const struct node *node = context;
    assert_false(node->closing);
    return peer_id <= NODES ? node->removed_index[peer_id] : 0;
}

static void on_told_removed(void *context, uint64_t peer_id, uint64_t removed_index)
{
    struct node *node = context;
    assert_false(node->closing);
    node->told_removed[peer_id] = removed_index;
}

static void on_turned_away(void *context, const char *who, const char *reason)
{
    struct node *node = context;
    assert_false(node->closing);
    node->turned_away++;
    snprintf(node->who, sizeof node->who, "%s", who);
    snprintf(node->why, sizeof node->why, "%s", reason);
    close_in(node, CLOSE_IN_TURNED_AWAY);
}

/* ---- the loop ---- */

static void on_tick(uv_timer_t *timer)
{
    (void)timer;
}

uint64_t wait_begin(struct fixture *fixture)
{
    (void)fixture;
    return uv_hrtime() / 1000000;
}

void wait_turn(struct fixture *fixture, uint64_t since_ms, const char *condition, int line)
{
    if (uv_hrtime() / 1000000 - since_ms > WAIT_LIMIT_MS) {
        fail_msg("line %d: waited in vain for %s", line, condition);
    }
    uv_run(&fixture->loop, UV_RUN_ONCE);
}

/* ---- setup ---- */

/* Bound and not listening: nobody else gets the port, a node can (both have SO_REUSEADDR), and
 * connecting to it is refused. */
static int reserve_port(uint16_t *port)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    int on = 1;
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on), 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    assert_int_equal(bind(fd, (struct sockaddr *)&address, len), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
    *port = ntohs(address.sin_port);
    return fd;
}

int fixture_setup(void **state)
{
    struct fixture *fixture = memory_zalloc(sizeof *fixture);
    assert_int_equal(uv_loop_init(&fixture->loop), 0);
    uv_timer_init(&fixture->loop, &fixture->tick);
    uv_timer_start(&fixture->tick, on_tick, 5, 5);
    for (uint64_t id = 1; id <= NODES; id++) {
        fixture->nodes[id].fixture = fixture;
        fixture->nodes[id].id = id;
        fixture->reserved[id] = reserve_port(&fixture->port[id]);
        snprintf(fixture->address[id], sizeof fixture->address[id], "127.0.0.1:%u",
                 fixture->port[id]);
    }
    *state = fixture;
    return 0;
}

int fixture_teardown(void **state)
{
    struct fixture *fixture = *state;
    for (size_t i = 0; i < fixture->raw_count; i++) {
        close(fixture->raw[i]);
    }
    for (uint64_t id = 1; id <= NODES; id++) {
        struct node *node = &fixture->nodes[id];
        if (node->transport != NULL && !node->closing) {
            node_close(node);
        }
        close(fixture->reserved[id]);
    }
    uv_close((uv_handle_t *)&fixture->tick, NULL);
    uv_run(&fixture->loop, UV_RUN_DEFAULT);
    for (uint64_t id = 1; id <= NODES; id++) {
        assert_null(fixture->nodes[id].transport);
        node_forget_received(&fixture->nodes[id]);
        free(fixture->nodes[id].received);
    }
    /* Fails if anything was left open. */
    assert_int_equal(uv_loop_close(&fixture->loop), 0);
    free(fixture);
    return 0;
}

void members(struct fixture *fixture, size_t count)
{
    assert_true(count <= NODES);
    for (size_t i = 0; i < count; i++) {
        fixture->members[i] = (struct replica_member){
            .id = i + 1, .role = REPLICA_VOTER, .address = fixture->address[i + 1]};
    }
    fixture->member_count = count;
}

static const char *client_address_of(uint64_t id)
{
    static const char *const addresses[] = {"", "one:8001", "two:8002", "three:8003", "four:8004"};
    return id <= NODES ? addresses[id] : "";
}

struct transport_config node_config(struct fixture *fixture, uint64_t id)
{
    return (struct transport_config){
        .cluster_id = TEST_CLUSTER,
        .node_id = id,
        .incarnation = INCARNATION(id),
        .listen_address = fixture->address[id],
        .client_address = client_address_of(id),
        .peer_address = fixture->address[id],
        .members = fixture->members,
        .member_count = fixture->member_count,
    };
}

struct node *node_open_with(struct fixture *fixture, uint64_t id,
                            const struct transport_config *config)
{
    struct node *node = &fixture->nodes[id];
    assert_null(node->transport);
    const struct transport_events events = {
        .context = node,
        .received = on_received,
        .connected = on_connected,
        .disconnected = on_disconnected,
        .admit = on_admit,
        .removed_at = on_removed_at,
        .told_removed = on_told_removed,
        .refused = on_refused,
        .turned_away = on_turned_away,
    };
    struct error error;
    node->transport = transport_open(&fixture->loop, config, &events, &error);
    if (node->transport == NULL) {
        fail_msg("node %d did not open: %s", (int)id, error.text);
    }
    return node;
}

struct node *node_open(struct fixture *fixture, uint64_t id)
{
    struct transport_config config = node_config(fixture, id);
    return node_open_with(fixture, id, &config);
}

void node_close(struct node *node)
{
    node->closing = true;
    transport_close(node->transport, on_closed, node);
}

void node_forget_received(struct node *node)
{
    for (size_t i = 0; i < node->received_count; i++) {
        peer_message_free(&node->received[i].message);
    }
    node->received_count = 0;
}

struct peer *node_peer(struct node *node, uint64_t id)
{
    struct peer *peer = transport_find_peer(node->transport, id);
    assert_non_null(peer);
    return peer;
}

struct transport_statistics statistics_of(const struct node *node)
{
    struct transport_statistics statistics;
    transport_statistics_get(node->transport, &statistics);
    return statistics;
}

void send_number(struct node *node, uint64_t to, uint64_t number)
{
    struct peer_message message = {.type = PEER_TIMEOUT_NOW, .sent_term = node->id};
    message.timeout_now.term = node->id;
    message.timeout_now.last_log_index = number;
    transport_send(node->transport, to, &message);
}

bool received_number(const struct node *node, size_t at, uint64_t from, uint64_t number)
{
    assert_true(at < node->received_count);
    const struct received *received = &node->received[at];
    return received->from == from && received->message.type == PEER_TIMEOUT_NOW &&
           received->message.timeout_now.last_log_index == number;
}

/* ---- raw sockets ---- */

static int keep(struct fixture *fixture, int fd)
{
    assert_true(fd >= 0);
    assert_true(fixture->raw_count < sizeof fixture->raw / sizeof fixture->raw[0]);
    assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    fixture->raw[fixture->raw_count++] = fd;
    return fd;
}

static struct sockaddr_in loopback(uint16_t port)
{
    return (struct sockaddr_in){
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

int raw_connect(struct fixture *fixture, uint64_t node_id)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = loopback(fixture->port[node_id]);
    /* The kernel completes it: the listener's backlog has room. */
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    return keep(fixture, fd);
}

int raw_listen(struct fixture *fixture, uint64_t node_id, int backlog)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int on = 1;
    int small = 16 << 10; /* inherited by what is accepted */
    struct sockaddr_in address = loopback(fixture->port[node_id]);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on), 0);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small), 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(fd, backlog), 0);
    return keep(fixture, fd);
}

int raw_accept(struct fixture *fixture, int listener)
{
    int fd;
    wait_for(fixture, (fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC)) >= 0);
    return keep(fixture, fd);
}

void raw_send(struct fixture *fixture, int fd, struct bytes bytes)
{
    size_t sent = 0;
    uint64_t since_ms = wait_begin(fixture);
    while (sent < bytes.len) {
        ssize_t count = send(fd, bytes.data + sent, bytes.len - sent, MSG_NOSIGNAL);
        if (count > 0) {
            sent += (size_t)count;
        } else {
            assert_int_equal(errno, EAGAIN);
            wait_turn(fixture, since_ms, "room to send", __LINE__);
        }
    }
}

void raw_send_frame(struct fixture *fixture, int fd, struct frame *frame)
{
    for (size_t i = 0; i < frame_part_count(frame); i++) {
        raw_send(fixture, fd, frame_part(frame, i));
    }
    frame_free(frame);
}

static void raw_read(struct fixture *fixture, int fd, uint8_t *out, size_t len)
{
    uint64_t since_ms = wait_begin(fixture);
    while (len > 0) {
        ssize_t count = recv(fd, out, len, 0);
        if (count > 0) {
            out += count;
            len -= (size_t)count;
            continue;
        }
        if (count == 0 || errno != EAGAIN) {
            fail_msg("the connection ended where a frame was expected");
        }
        wait_turn(fixture, since_ms, "bytes to read", __LINE__);
    }
}

void raw_read_frame(struct fixture *fixture, int fd, struct frame_content *content)
{
    struct buffer bytes = {0};
    struct error error;
    size_t total;
    raw_read(fixture, fd, buffer_reserve(&bytes, FRAME_PREFIX_BYTES), FRAME_PREFIX_BYTES);
    bytes.len = FRAME_PREFIX_BYTES;
    assert_true(frame_measure(buffer_bytes(&bytes), LIMIT_PEER_FRAME_BYTES, &total, &error));
    raw_read(fixture, fd, buffer_reserve(&bytes, total - bytes.len), total - bytes.len);
    bytes.len = total;
    assert_true(frame_decode(buffer_bytes(&bytes), content, &error));
    buffer_free(&bytes);
}

static bool drained_to_the_end(int fd)
{
    char bytes[4096];
    ssize_t count;
    while ((count = recv(fd, bytes, sizeof bytes, 0)) > 0) {
    }
    return count == 0 || errno != EAGAIN;
}

void raw_wait_closed(struct fixture *fixture, int fd)
{
    wait_for(fixture, drained_to_the_end(fd));
}

bool raw_is_open(int fd)
{
    char byte;
    ssize_t count = recv(fd, &byte, 1, MSG_PEEK);
    return count > 0 || (count < 0 && errno == EAGAIN);
}

struct hello hello_of(uint64_t from, uint64_t to)
{
    struct hello hello = {
        .protocol_version = PEER_PROTOCOL_VERSION,
        .cluster_id = TEST_CLUSTER,
        .node_id = from,
        .to_node_id = to,
        .incarnation = INCARNATION(from),
        .session = 1000 + from,
        .connection = 1,
    };
    snprintf(hello.client_address, sizeof hello.client_address, "%s", client_address_of(from));
    return hello;
}

int raw_member(struct fixture *fixture, uint64_t from, uint64_t to, uint64_t session,
               uint64_t number)
{
    int fd = raw_connect(fixture, to);
    struct hello hello = hello_of(from, to);
    hello.session = session;
    hello.connection = number;
    raw_send_frame(fixture, fd, frame_of_hello(&hello));
    struct frame_content content;
    raw_read_frame(fixture, fd, &content);
    assert_int_equal(content.kind, FRAME_ANSWER);
    assert_string_equal(content.refusal, "");
    assert_int_equal(content.hello.node_id, to);
    assert_int_equal(content.hello.to_node_id, from);
    return fd;
}

int raw_welcome(struct fixture *fixture, int listener, uint64_t from)
{
    int fd = raw_accept(fixture, listener);
    struct frame_content content;
    raw_read_frame(fixture, fd, &content);
    assert_int_equal(content.kind, FRAME_HELLO);
    assert_int_equal(content.hello.to_node_id, from);
    struct hello hello = hello_of(from, content.hello.node_id);
    raw_send_frame(fixture, fd, frame_of_answer(&hello, ""));
    return fd;
}
