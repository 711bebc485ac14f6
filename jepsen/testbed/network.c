/*
 * network.c - the switch: a thread that carries packets between hosts.
 *
 * The happy path is short: a packet is read from one host's device, its destination looked at, and
 * it is written to the other's. Whether it is, and when, is the link's fault's to say; a packet
 * that has to wait is copied and kept in a heap, by the time at which it is due.
 *
 * Invariants: faults change only while the switch handles no packet (the mutex is held for a turn),
 * so that a cut holds from the moment in which network_set_fault returns. A link is cut when a
 * packet would leave and when it would arrive. Without jitter, and while the fault stays the same,
 * packets of a link keep their order.
 *
 * What can fail: opening. After that: memory for waiting packets is bounded, by link and
 * altogether, and what finds no room is lost, as is what the kernel has no room for; both are
 * counted.
 */
#include "network.h"

#include <assert.h>
#include <errno.h>
#include <linux/virtio_net.h>
#include <netinet/ip.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/random.h"
#include "clock.h"
#include "network_host.h"

#define NS_PER_MS     UINT64_C(1000000)
#define NS_PER_SECOND UINT64_C(1000000000)

#define PACKET_BYTES (sizeof(struct virtio_net_hdr) + NETWORK_MTU)
/* Read from one host before the next one has its turn. */
#define TURN_PACKETS 64
/* Waiting packets: what ten connections have under way at most, and what a test machine can spare.
 */
#define LINK_HELD_BYTES    ((size_t)16 << 20)
#define NETWORK_HELD_BYTES ((size_t)256 << 20)
/* A router does not keep packets for longer: they would only come twice. */
#define RATE_QUEUE_NS NS_PER_SECOND

struct link {
    struct network_fault fault;
    uint64_t free_at_ns; /* the wire of a limited rate is taken until then */
    size_t held_bytes;
};

struct held {
    uint64_t due_ns;
    uint64_t number; /* of equal times the first comes first */
    uint32_t from;   /* from 0, as `to` */
    uint32_t to;
    size_t len;
    uint8_t *data;
};

struct network {
    uint32_t host_count;
    struct network_host hosts[NETWORK_HOSTS];
    pthread_t thread;
    int epoll_fd;
    int end_fd;
    pthread_mutex_t mutex; /* all below */
    struct link links[NETWORK_HOSTS][NETWORK_HOSTS];
    struct network_counts counts;
    struct random random;
    /* A binary heap, the earliest first. Only the switch's. */
    struct held *heap;
    size_t heap_count;
    size_t heap_room;
    size_t held_bytes;
    uint64_t held_number;
};

/* ---- packets that wait ---- */

static bool is_before(const struct held *a, const struct held *b)
{
    return a->due_ns != b->due_ns ? a->due_ns < b->due_ns : a->number < b->number;
}

static void heap_push(struct network *network, struct held held)
{
    if (network->heap_count == network->heap_room) {
        network->heap_room = network->heap_room == 0 ? 256 : 2 * network->heap_room;
        network->heap = memory_realloc(network->heap, network->heap_room * sizeof *network->heap);
    }
    size_t at = network->heap_count++;
    for (; at > 0 && is_before(&held, &network->heap[(at - 1) / 2]); at = (at - 1) / 2) {
        network->heap[at] = network->heap[(at - 1) / 2];
    }
    network->heap[at] = held;
}

static struct held heap_pop(struct network *network)
{
    struct held first = network->heap[0];
    struct held last = network->heap[--network->heap_count];
    size_t at = 0;
    for (;;) {
        size_t child = 2 * at + 1;
        if (child + 1 < network->heap_count &&
            is_before(&network->heap[child + 1], &network->heap[child])) {
            child++;
        }
        if (child >= network->heap_count || !is_before(&network->heap[child], &last)) {
            break;
        }
        network->heap[at] = network->heap[child];
        at = child;
    }
    network->heap[at] = last;
    return first;
}

static void hold(struct network *network, uint32_t from, uint32_t to, const void *data, size_t len,
                 uint64_t due_ns)
{
    struct link *link = &network->links[from][to];
    if (link->held_bytes + len > LINK_HELD_BYTES ||
        network->held_bytes + len > NETWORK_HELD_BYTES) {
        network->counts.overflowed++;
        return;
    }
    link->held_bytes += len;
    network->held_bytes += len;
    network->counts.delayed++;
    heap_push(network,
              (struct held){due_ns, network->held_number++, from, to, len, memory_copy(data, len)});
}

/* ---- what becomes of a packet ---- */

static void deliver(struct network *network, uint32_t from, uint32_t to, const void *data,
                    size_t len)
{
    if (network->links[from][to].fault.cut) {
        network->counts.cut++;
    } else if (write(network->hosts[to].device_fd, data, len) == (ssize_t)len) {
        network->counts.delivered++;
    } else {
        network->counts.overflowed++;
    }
}

static void deliver_due(struct network *network)
{
    uint64_t now = network->heap_count > 0 ? (uint64_t)clock_now_ns() : 0;
    while (network->heap_count > 0 && network->heap[0].due_ns <= now) {
        struct held held = heap_pop(network);
        network->links[held.from][held.to].held_bytes -= held.len;
        network->held_bytes -= held.len;
        /* The analyzer does not see that the heap holds each packet once.
         * NOLINTNEXTLINE(clang-analyzer-unix.Malloc) */
        deliver(network, held.from, held.to, held.data, held.len);
        free(held.data);
    }
}

static bool draw(struct network *network, uint32_t permille)
{
    return permille > 0 && random_next(&network->random) % 1000 < permille;
}

/* When the last byte has left, where the rate is limited. False: the queue before it is too long.
 */
static bool take_wire(struct link *link, size_t len, uint64_t *at_ns)
{
    if (link->fault.bytes_per_second == 0) {
        return true;
    }
    uint64_t begin = link->free_at_ns > *at_ns ? link->free_at_ns : *at_ns;
    if (begin - *at_ns > RATE_QUEUE_NS) {
        return false;
    }
    link->free_at_ns = begin + len * NS_PER_SECOND / link->fault.bytes_per_second;
    *at_ns = link->free_at_ns;
    return true;
}

static void send_once(struct network *network, uint32_t from, uint32_t to, const void *data,
                      size_t len)
{
    struct link *link = &network->links[from][to];
    const struct network_fault *fault = &link->fault;
    if (fault->delay_ms == 0 && fault->jitter_ms == 0 && fault->bytes_per_second == 0) {
        deliver(network, from, to, data, len);
        return;
    }
    uint64_t due_ns = (uint64_t)clock_now_ns();
    if (!take_wire(link, len, &due_ns)) {
        network->counts.overflowed++;
        return;
    }
    due_ns += fault->delay_ms * NS_PER_MS;
    if (fault->jitter_ms > 0) {
        due_ns += random_next(&network->random) % (fault->jitter_ms * NS_PER_MS + 1);
    }
    hold(network, from, to, data, len, due_ns);
}

/* The host that a packet goes to, from 0; host_count: none. */
static uint32_t destination_of(const struct network *network, const uint8_t *data, size_t len)
{
    struct iphdr header;
    if (len < sizeof(struct virtio_net_hdr) + sizeof header) {
        return network->host_count;
    }
    memcpy(&header, data + sizeof(struct virtio_net_hdr), sizeof header);
    const uint8_t *address = (const uint8_t *)&header.daddr;
    bool is_ours = header.version == 4 && address[0] == 10 && address[1] == 77 && address[2] == 0 &&
                   address[3] >= 1 && address[3] <= network->host_count;
    return is_ours ? (uint32_t)address[3] - 1 : network->host_count;
}

static void carry(struct network *network, uint32_t from, const uint8_t *data, size_t len)
{
    uint32_t to = destination_of(network, data, len);
    if (to == network->host_count) {
        return;
    }
    const struct network_fault *fault = &network->links[from][to].fault;
    if (fault->cut) {
        network->counts.cut++;
        return;
    }
    if (draw(network, fault->loss_permille)) {
        network->counts.lost++;
        return;
    }
    send_once(network, from, to, data, len);
    if (draw(network, fault->duplicate_permille)) {
        network->counts.duplicated++;
        send_once(network, from, to, data, len);
    }
}

/* ---- the thread ---- */

static void take_from(struct network *network, uint32_t from)
{
    uint8_t packet[PACKET_BYTES];
    for (int i = 0; i < TURN_PACKETS; i++) {
        ssize_t len = read(network->hosts[from].device_fd, packet, sizeof packet);
        if (len <= 0) {
            /* EAGAIN; anything else is a device that is no more, which nobody misses. */
            return;
        }
        carry(network, from, packet, (size_t)len);
    }
}

static void *run_switch(void *argument)
{
    struct network *network = argument;
    struct epoll_event events[NETWORK_HOSTS + 1];
    for (;;) {
        struct timespec timeout = {0};
        if (network->heap_count > 0) {
            uint64_t now = (uint64_t)clock_now_ns();
            uint64_t due = network->heap[0].due_ns;
            uint64_t left = due > now ? due - now : 0;
            timeout.tv_sec = (time_t)(left / NS_PER_SECOND);
            timeout.tv_nsec = (long)(left % NS_PER_SECOND);
        }
        int count = epoll_pwait2(network->epoll_fd, events, NETWORK_HOSTS + 1,
                                 network->heap_count > 0 ? &timeout : NULL, NULL);
        assert(count >= 0 || errno == EINTR);
        pthread_mutex_lock(&network->mutex);
        deliver_due(network);
        for (int i = 0; i < count; i++) {
            if (events[i].data.u32 == NETWORK_HOSTS) {
                pthread_mutex_unlock(&network->mutex);
                return NULL;
            }
            take_from(network, events[i].data.u32);
        }
        pthread_mutex_unlock(&network->mutex);
    }
}

/* ---- opening ---- */

struct hosts_work {
    struct network *network;
    struct error error;
    bool ok;
};

/* On a thread of its own, which wanders from namespace to namespace. */
static void *make_hosts(void *argument)
{
    struct hosts_work *work = argument;
    struct network *network = work->network;
    work->ok = true;
    for (uint32_t i = 0; i < network->host_count && work->ok; i++) {
        work->ok = network_host_open(&network->hosts[i], i + 1, NETWORK_MTU, &work->error);
    }
    return NULL;
}

static bool watch(struct network *network, int fd, uint32_t number)
{
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = number};
    return epoll_ctl(network->epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0;
}

static bool open_descriptors(struct network *network, struct error *error)
{
    network->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    network->end_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    bool ok = network->epoll_fd >= 0 && network->end_fd >= 0 &&
              watch(network, network->end_fd, NETWORK_HOSTS);
    for (uint32_t i = 0; ok && i < network->host_count; i++) {
        ok = watch(network, network->hosts[i].device_fd, i);
    }
    return ok || error_set(error, "can't watch the hosts' devices: %s", strerror(errno));
}

/* No signal's handler runs on the switch's thread. */
static int start_quiet_thread(pthread_t *thread, void *(*run)(void *), void *argument)
{
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int code = pthread_create(thread, NULL, run, argument);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return code;
}

static void network_free(struct network *network)
{
    for (uint32_t i = 0; i < network->host_count; i++) {
        network_host_close(&network->hosts[i]);
    }
    if (network->epoll_fd >= 0) {
        (void)close(network->epoll_fd);
    }
    if (network->end_fd >= 0) {
        (void)close(network->end_fd);
    }
    for (size_t i = 0; i < network->heap_count; i++) {
        free(network->heap[i].data);
    }
    free(network->heap);
    pthread_mutex_destroy(&network->mutex);
    free(network);
}

struct network *network_open(uint32_t host_count, uint64_t seed, struct error *error)
{
    assert(host_count >= 1 && host_count <= NETWORK_HOSTS);
    struct network *network = memory_zalloc(sizeof *network);
    network->host_count = host_count;
    network->random.state = seed;
    network->epoll_fd = network->end_fd = -1;
    pthread_mutex_init(&network->mutex, NULL);
    for (uint32_t i = 0; i < host_count; i++) {
        network->hosts[i] = (struct network_host){.namespace_fd = -1, .device_fd = -1};
    }
    struct hosts_work work = {.network = network, .ok = false};
    pthread_t maker;
    int code = start_quiet_thread(&maker, make_hosts, &work);
    if (code == 0) {
        pthread_join(maker, NULL);
        *error = work.error;
    } else {
        error_set(error, "can't start a thread: %s", strerror(code));
    }
    if (!work.ok || !open_descriptors(network, error)) {
        network_free(network);
        return NULL;
    }
    code = start_quiet_thread(&network->thread, run_switch, network);
    if (code != 0) {
        error_set(error, "can't start a thread: %s", strerror(code));
        network_free(network);
        return NULL;
    }
    return network;
}

void network_close(struct network *network)
{
    if (network == NULL) {
        return;
    }
    uint64_t one = 1;
    ssize_t written = write(network->end_fd, &one, sizeof one);
    assert(written == (ssize_t)sizeof one);
    pthread_join(network->thread, NULL);
    network_free(network);
}

/* ---- hosts and faults ---- */

uint32_t network_host_count(const struct network *network)
{
    return network->host_count;
}

static uint32_t index_of(const struct network *network, uint32_t host)
{
    assert(host >= 1 && host <= network->host_count);
    return host - 1;
}

const char *network_address(const struct network *network, uint32_t host)
{
    return network->hosts[index_of(network, host)].address;
}

bool network_enter(struct network *network, uint32_t host, struct error *error)
{
    const struct network_host *entered = &network->hosts[index_of(network, host)];
    return setns(entered->namespace_fd, CLONE_NEWNET) == 0 ||
           error_set(error, "can't enter the network of host %s: %s", entered->address,
                     strerror(errno));
}

void network_set_fault(struct network *network, uint32_t from, uint32_t to,
                       struct network_fault fault)
{
    struct link *link = &network->links[index_of(network, from)][index_of(network, to)];
    assert(fault.loss_permille <= 1000 && fault.duplicate_permille <= 1000);
    pthread_mutex_lock(&network->mutex);
    link->fault = fault;
    link->free_at_ns = 0;
    pthread_mutex_unlock(&network->mutex);
}

struct network_fault network_fault_of(struct network *network, uint32_t from, uint32_t to)
{
    struct link *link = &network->links[index_of(network, from)][index_of(network, to)];
    pthread_mutex_lock(&network->mutex);
    struct network_fault fault = link->fault;
    pthread_mutex_unlock(&network->mutex);
    return fault;
}

void network_heal(struct network *network)
{
    pthread_mutex_lock(&network->mutex);
    for (uint32_t from = 0; from < network->host_count; from++) {
        for (uint32_t to = 0; to < network->host_count; to++) {
            network->links[from][to].fault = (struct network_fault){0};
            network->links[from][to].free_at_ns = 0;
        }
    }
    pthread_mutex_unlock(&network->mutex);
}

struct network_counts network_count(struct network *network)
{
    pthread_mutex_lock(&network->mutex);
    struct network_counts counts = network->counts;
    pthread_mutex_unlock(&network->mutex);
    return counts;
}
