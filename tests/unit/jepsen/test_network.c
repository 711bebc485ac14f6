/*
 * test_network.c - what the switch does to packets between hosts: nothing, at first; then each
 * fault alone, on its direction alone. Datagrams tell most of it, for nobody repeats them; a
 * transfer by TCP says what the switch can carry.
 */
#include "../../lib/cmocka_test.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "network.h"
#include "sandbox.h"

#define PORT        7000
#define PATIENCE_MS 10000
#define QUIET_MS    200 /* nothing within it: nothing comes */

static struct network *network;

static double now_ms(void)
{
    return (double)clock_now_ns() / 1e6;
}

struct making {
    uint32_t host;
    int type;
    int fd;
};

static void *make_socket(void *argument)
{
    struct making *making = argument;
    struct error error;
    if (network_enter(network, making->host, &error)) {
        making->fd = socket(AF_INET, making->type | SOCK_CLOEXEC, 0);
    }
    return NULL;
}

static struct sockaddr_in address_of(uint32_t host)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(PORT)};
    assert_int_equal(inet_pton(AF_INET, network_address(network, host), &address.sin_addr), 1);
    return address;
}

/* A socket belongs to the network in which it was made, whoever uses it. */
static int socket_on(uint32_t host, int type, bool is_bound)
{
    struct making making = {host, type, -1};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, make_socket, &making), 0);
    pthread_join(thread, NULL);
    assert_true(making.fd >= 0);
    if (is_bound) {
        const int one = 1;
        const int room = 8 << 20;
        struct sockaddr_in address = address_of(host);
        setsockopt(making.fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
        setsockopt(making.fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room);
        assert_int_equal(bind(making.fd, (struct sockaddr *)&address, sizeof address), 0);
    }
    return making.fd;
}

static void send_number(int from, uint32_t to, uint32_t number)
{
    struct sockaddr_in address = address_of(to);
    assert_int_equal(
        sendto(from, &number, sizeof number, 0, (struct sockaddr *)&address, sizeof address),
        sizeof number);
}

/* False: nothing came. */
static bool receive_number(int at, uint32_t *number, int timeout_ms)
{
    struct pollfd socket = {.fd = at, .events = POLLIN};
    return poll(&socket, 1, timeout_ms) == 1 &&
           recv(at, number, sizeof *number, 0) == (ssize_t)sizeof *number;
}

static int sockets[3]; /* of hosts 1 and 2 */

static int open_network(void **state)
{
    struct error error;
    (void)state;
    network = network_open(3, 42, &error);
    if (network == NULL) {
        fprintf(stderr, "%s\n", error.text);
        return -1;
    }
    sockets[1] = socket_on(1, SOCK_DGRAM, true);
    sockets[2] = socket_on(2, SOCK_DGRAM, true);
    return 0;
}

static int close_network(void **state)
{
    (void)state;
    (void)close(sockets[1]);
    (void)close(sockets[2]);
    network_close(network);
    return 0;
}

static void expect_passes(uint32_t from, uint32_t to, bool passes)
{
    static uint32_t next = 1000;
    uint32_t number = ++next;
    uint32_t got = 0;
    send_number(sockets[from], to, number);
    assert_int_equal(receive_number(sockets[to], &got, passes ? PATIENCE_MS : QUIET_MS), passes);
    assert_int_equal(got, passes ? number : 0);
}

static void test_cut_is_one_way(void **state)
{
    (void)state;
    expect_passes(1, 2, true);
    expect_passes(2, 1, true);
    network_set_fault(network, 1, 2, (struct network_fault){.cut = true});
    assert_true(network_fault_of(network, 1, 2).cut);
    assert_false(network_fault_of(network, 2, 1).cut);
    expect_passes(1, 2, false);
    expect_passes(2, 1, true);
    network_heal(network);
    expect_passes(1, 2, true);
    expect_passes(2, 1, true);
    assert_int_equal(network_count(network).cut, 1);
}

static void test_cut_takes_what_is_on_its_way(void **state)
{
    uint32_t got;
    (void)state;
    network_set_fault(network, 1, 2, (struct network_fault){.delay_ms = 100});
    send_number(sockets[1], 2, 1);
    while (network_count(network).delayed == 0) {
        (void)poll(NULL, 0, 1);
    }
    network_set_fault(network, 1, 2, (struct network_fault){.cut = true});
    assert_false(receive_number(sockets[2], &got, 100 + QUIET_MS));
}

static void test_delay(void **state)
{
    uint32_t got;
    (void)state;
    network_set_fault(network, 1, 2, (struct network_fault){.delay_ms = 600});
    double begin = now_ms();
    for (uint32_t i = 0; i < 50; i++) {
        send_number(sockets[1], 2, i);
    }
    for (uint32_t i = 0; i < 50; i++) {
        assert_true(receive_number(sockets[2], &got, PATIENCE_MS));
        assert_int_equal(got, i); /* in order */
    }
    assert_true(now_ms() - begin >= 600);
    begin = now_ms();
    expect_passes(2, 1, true);
    assert_true(now_ms() - begin < 600); /* the other way there is none */
}

static void test_jitter_reorders(void **state)
{
    bool has_come[200] = {false};
    uint32_t overtaken = 0;
    uint32_t highest = 0;
    (void)state;
    network_set_fault(network, 1, 2, (struct network_fault){.jitter_ms = 50});
    for (uint32_t i = 0; i < 200; i++) {
        send_number(sockets[1], 2, i);
    }
    for (uint32_t i = 0; i < 200; i++) {
        uint32_t got;
        assert_true(receive_number(sockets[2], &got, PATIENCE_MS));
        assert_false(has_come[got]);
        has_come[got] = true;
        overtaken += got < highest;
        highest = got > highest ? got : highest;
    }
    assert_true(overtaken > 50);
}

/* What the switch has decided on. */
static uint64_t count_handled(void)
{
    struct network_counts counts = network_count(network);
    return counts.delivered - counts.duplicated + counts.lost + counts.overflowed;
}

/* In parts that no queue is too short for. */
static uint32_t count_received(uint32_t parts)
{
    uint32_t count = 0;
    for (uint32_t part = 0; part < parts; part++) {
        uint64_t delivered = network_count(network).delivered;
        uint64_t handled = count_handled() + 100;
        uint32_t got;
        for (uint32_t i = 0; i < 100; i++) {
            send_number(sockets[1], 2, i);
        }
        for (int left = PATIENCE_MS; count_handled() < handled && left > 0; left--) {
            (void)poll(NULL, 0, 1);
        }
        assert_int_equal(count_handled(), handled);
        for (delivered = network_count(network).delivered - delivered; delivered > 0; delivered--) {
            assert_true(receive_number(sockets[2], &got, PATIENCE_MS));
            count++;
        }
    }
    return count;
}

static void test_loss_and_duplicates(void **state)
{
    (void)state;
    network_set_fault(network, 1, 2, (struct network_fault){.loss_permille = 300});
    uint32_t count = count_received(20);
    assert_in_range(count, 1300, 1500); /* 5 sigma each way: seeded, besides */
    assert_int_equal(network_count(network).lost, 2000 - count);
    network_set_fault(network, 1, 2, (struct network_fault){.duplicate_permille = 300});
    assert_in_range(count_received(20), 2500, 2700);
    network_set_fault(network, 1, 2, (struct network_fault){.loss_permille = 1000});
    assert_int_equal(count_received(1), 0);
}

/* 100 KB/s: 8 KB take 80 ms, and of 50 such packets most find the queue too long. */
static void test_rate(void **state)
{
    uint8_t packet[8000] = {0};
    struct sockaddr_in address = address_of(2);
    uint32_t got;
    (void)state;
    network_set_fault(network, 1, 2, (struct network_fault){.bytes_per_second = 100000});
    double begin = now_ms();
    for (int i = 0; i < 50; i++) {
        assert_true(sendto(sockets[1], packet, sizeof packet, 0, (struct sockaddr *)&address,
                           sizeof address) > 0);
    }
    int count = 0;
    while (receive_number(sockets[2], &got, 500)) {
        count++;
    }
    double spent = now_ms() - begin - 500;
    assert_in_range(count, 10, 30); /* 14, where the sender is not held up */
    assert_true(spent > count * 80 * 0.9);
}

static void test_an_address_of_nobody(void **state)
{
    (void)state;
    struct sockaddr_in address = address_of(1);
    assert_int_equal(inet_pton(AF_INET, "10.77.0.200", &address.sin_addr), 1);
    assert_int_equal(sendto(sockets[1], "x", 1, 0, (struct sockaddr *)&address, sizeof address), 1);
    /* No route leads out. */
    assert_int_equal(inet_pton(AF_INET, "10.0.0.1", &address.sin_addr), 1);
    assert_int_equal(sendto(sockets[1], "x", 1, 0, (struct sockaddr *)&address, sizeof address),
                     -1);
    assert_int_equal(errno, ENETUNREACH);
    expect_passes(1, 2, true);
}

/* ---- TCP ---- */

static void connect_pair(int *client, int *server)
{
    int listener = socket_on(2, SOCK_STREAM, true);
    struct sockaddr_in address = address_of(2);
    assert_int_equal(listen(listener, 1), 0);
    *client = socket_on(1, SOCK_STREAM, false);
    assert_int_equal(connect(*client, (struct sockaddr *)&address, sizeof address), 0);
    *server = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    assert_true(*server >= 0);
    (void)close(listener);
}

#define TRANSFER_BYTES ((size_t)200 << 20)

static void *send_all(void *argument)
{
    static uint8_t piece[256 << 10];
    int fd = *(int *)argument;
    for (size_t sent = 0; sent < TRANSFER_BYTES;) {
        ssize_t len = send(fd, piece, sizeof piece, MSG_NOSIGNAL);
        if (len <= 0) {
            break;
        }
        sent += (size_t)len;
    }
    (void)shutdown(fd, SHUT_WR);
    return NULL;
}

static void test_throughput(void **state)
{
    static uint8_t piece[256 << 10];
    int client;
    int server;
    pthread_t sender;
    size_t received = 0;
    (void)state;
    connect_pair(&client, &server);
    double begin = now_ms();
    assert_int_equal(pthread_create(&sender, NULL, send_all, &client), 0);
    for (ssize_t len; (len = recv(server, piece, sizeof piece, 0)) > 0;) {
        received += (size_t)len;
    }
    double spent_ms = now_ms() - begin;
    pthread_join(sender, NULL);
    assert_int_equal(received, TRANSFER_BYTES);
    print_message("# %.0f MB/s in one TCP connection\n", (double)received / 1e3 / spent_ms);

    const int one = 1;
    int turns = 2000;
    uint8_t byte = 1;
    (void)close(client);
    (void)close(server);
    connect_pair(&client, &server);
    (void)setsockopt(client, IPPROTO_TCP, 1 /* TCP_NODELAY */, &one, sizeof one);
    begin = now_ms();
    for (int i = 0; i < turns; i++) {
        assert_int_equal(send(client, &byte, 1, 0), 1);
        assert_int_equal(recv(server, &byte, 1, 0), 1);
    }
    print_message("# %.0f us from host to host\n", (now_ms() - begin) * 1e3 / turns);
    (void)close(client);
    (void)close(server);
}

/* A connection outlives a cut: TCP sends again what was lost. */
static void test_tcp_outlives_a_cut(void **state)
{
    int client;
    int server;
    uint8_t byte = 7;
    (void)state;
    connect_pair(&client, &server);
    struct pollfd readable = {.fd = server, .events = POLLIN};
    network_set_fault(network, 1, 2, (struct network_fault){.cut = true});
    assert_int_equal(send(client, &byte, 1, 0), 1);
    assert_int_equal(poll(&readable, 1, QUIET_MS), 0);
    network_heal(network);
    assert_int_equal(poll(&readable, 1, PATIENCE_MS), 1);
    assert_int_equal(recv(server, &byte, 1, 0), 1);
    (void)close(client);
    (void)close(server);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, open_network, close_network)

int main(void)
{
    struct error error;
    if (!sandbox_enter(&error)) {
        printf("1..0 # SKIP %s\n", error.text);
        return geteuid() == 0;
    }
    const struct CMUnitTest tests[] = {
        CASE(test_cut_is_one_way),
        CASE(test_cut_takes_what_is_on_its_way),
        CASE(test_delay),
        CASE(test_jitter_reorders),
        CASE(test_loss_and_duplicates),
        CASE(test_rate),
        CASE(test_an_address_of_nobody),
        CASE(test_throughput),
        CASE(test_tcp_outlives_a_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
