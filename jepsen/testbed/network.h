/*
 * network.h - the network of a run: hosts in network namespaces of their own, joined by a switch of
 * ours.
 *
 * Each host has a TUN device; the switch is a thread that carries packets from one to the other and
 * decides, for each directed pair of hosts, what becomes of them: passed on, dropped, delayed,
 * reordered, thinned to a rate. So every fault of a network is in one place, one-way ones too, is
 * drawn from the run's seed, and needs no kernel module (netem is not there everywhere).
 *
 * Hosts are numbered from 1: the nodes', by node id, then the clients', last the operator's
 * (nodes.h). Host H has the address 10.77.0.H. Nothing is routed: from here no packet reaches any
 * other network. Packets are IPv4, of NETWORK_MTU bytes at most.
 *
 * Threads: any. Errors: only of opening and entering; a packet that can't be delivered is lost, as
 * on a wire. Ownership: network_close ends the switch and frees; the namespaces go with their last
 * process.
 */
#ifndef JEPSEN_NETWORK_H
#define JEPSEN_NETWORK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

#define NETWORK_HOSTS 96
#define NETWORK_MTU   9000 /* bytes of a packet; and of what is lost or delayed at once */

struct network;

/* What befalls packets on their way from one host to another; zeroed: nothing. */
struct network_fault {
    bool cut; /* what is on its way already is lost, too */
    uint32_t delay_ms;
    uint32_t jitter_ms; /* besides: 0 to so much, so that packets overtake each other */
    uint32_t loss_permille;
    uint32_t duplicate_permille;
    uint64_t bytes_per_second; /* 0: no limit; who would wait for a second is lost */
};

/* What the switch has done since it was opened. */
struct network_counts {
    uint64_t delivered; /* packets; duplicates too */
    uint64_t cut;
    uint64_t lost;       /* drawn */
    uint64_t overflowed; /* a queue was full, or a kernel's */
    uint64_t duplicated;
    uint64_t delayed;
};

/* 1 to NETWORK_HOSTS hosts. */
struct network *network_open(uint32_t host_count, uint64_t seed, struct error *error);
/* Who still is on a host is alone there from now on. NULL is fine. */
void network_close(struct network *network);
uint32_t network_host_count(const struct network *network);
/* "10.77.0.3"; lives as long as the network. */
const char *network_address(const struct network *network, uint32_t host);
/* The calling thread, and the threads and processes that it makes, live on that host from now on.
 * May be called between fork and exec. */
bool network_enter(struct network *network, uint32_t host, struct error *error);
/* From one host to the other, this direction alone; replaces what was said before. Once it returns,
 * no packet passes by the old rule. */
void network_set_fault(struct network *network, uint32_t from, uint32_t to,
                       struct network_fault fault);
struct network_fault network_fault_of(struct network *network, uint32_t from, uint32_t to);
/* All links as new; what is on its way arrives when it was meant to. */
void network_heal(struct network *network);
struct network_counts network_count(struct network *network);

#endif
