/*
 * network.h - the network of a run: hosts in network namespaces of their own, joined by a switch of
 * ours.
 *
 * Each host has a TAP device; the switch is a thread that carries frames from one to the other and
 * decides, for each directed pair of hosts, what becomes of them: passed on, dropped, delayed,
 * reordered, thinned to a rate. So every fault of a network is in one place, one-way ones too, is
 * drawn from the run's seed, and needs no kernel module (netem is not there everywhere).
 *
 * Hosts are numbered from 1: the nodes', by node id, then the clients'. Host H has the address
 * 10.77.0.H. Nothing is routed: from here no packet reaches any other network.
 *
 * Threads: any. Errors: only of opening and entering; a frame that can't be delivered is lost, as
 * on a wire. Ownership: network_close ends the switch and frees; the namespaces go with their last
 * process.
 */
#ifndef JEPSEN_NETWORK_H
#define JEPSEN_NETWORK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

#define NETWORK_HOSTS 96

struct network;

/* What befalls frames on their way from one host to another; zeroed: nothing. */
struct network_fault {
    bool cut;
    uint32_t delay_ms;
    uint32_t jitter_ms; /* besides: 0 to so much, so that frames overtake each other */
    uint32_t loss_permille;
    uint32_t duplicate_permille;
    uint64_t bytes_per_second; /* 0: no limit */
};

struct network *network_open(uint32_t host_count, uint64_t seed, struct error *error);
void network_close(struct network *network);
/* "10.77.0.3"; lives as long as the network. */
const char *network_address(const struct network *network, uint32_t host);
/* The calling thread, and the threads and processes that it makes, live on that host from now on.
 */
bool network_enter(struct network *network, uint32_t host, struct error *error);
/* From one host to the other, this direction alone; replaces what was said before. */
void network_set_fault(struct network *network, uint32_t from, uint32_t to,
                       struct network_fault fault);
struct network_fault network_fault_of(struct network *network, uint32_t from, uint32_t to);
/* All links as new. */
void network_heal(struct network *network);

#endif
