/*
 * network_host.h - one host of a run's network: a network namespace, and the device that leads out
 * of it, whose other end is a descriptor of ours. Used by network.c alone.
 *
 * What is read from the descriptor, and written to it, is one packet each: a struct
 * virtio_net_hdr, then the IP packet. That header says what a network card would still have to do -
 * a checksum that is not filled in yet - and given to the other host as it came, nobody has to.
 */
#ifndef JEPSEN_NETWORK_HOST_H
#define JEPSEN_NETWORK_HOST_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

struct network_host {
    int namespace_fd;
    int device_fd; /* does not block */
    char address[16];
};

/* The calling thread is left in the new host's namespace. */
bool network_host_open(struct network_host *host, uint32_t number, uint32_t mtu,
                       struct error *error);
void network_host_close(struct network_host *host);

#endif
