/*
 * workload.h - what clients do. A workload is one file that defines one `struct workload`, and a
 * line in workloads.c.
 *
 * A run: `open`; one client calls `begin` on a healthy cluster, without faults (set all stocks
 * here, once); then every client thread calls `turn` over and over until the time is up, while the
 * nemesis is at work; then, healed and healthy again, every client thread calls `end` once, and
 * reads its share of what the checkers need: all orders, all stocks, all histories. `turn` makes
 * one operation, or the few that belong together; it must not block beyond its calls' timeouts.
 * load.h does all this.
 */
#ifndef JEPSEN_WORKLOAD_H
#define JEPSEN_WORKLOAD_H

#include "check.h"
#include "client.h"

#define WORKLOAD_STOCKS 10000 /* SKUs of one workload, at most */

struct workload_options {
    uint64_t seed; /* of what it draws, and of the names of its stocks and orders */
    uint32_t client_count;
    uint32_t stock_count; /* 0: the workload's own */
};

struct workload {
    const char *name;
    const char *help; /* one line */
    /* Operations a second of all clients, at most: what is checked in all its ways must be small.
     * 0: as many as get answers. */
    uint32_t rate;
    /* Shared by all clients; the workload locks what they share. */
    void *(*open)(const struct workload_options *options);
    void (*close)(void *shared);
    bool (*begin)(void *shared, struct client *client, struct error *error);
    void (*turn)(void *shared, struct client *client, uint32_t client_number);
    bool (*end)(void *shared, struct client *client, uint32_t client_number, struct error *error);
    /* What its histories are to be judged by, where it differs; NULL: the defaults. */
    void (*judge)(struct check_options *options);
};

extern const struct workload *const workloads[]; /* up to a NULL */
const struct workload *workload_find(const char *name);

#endif
