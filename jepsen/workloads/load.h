/*
 * load.h - the clients of a run: one thread each, that make a workload's turns as fast as they get
 * answers, or at a bounded rate.
 *
 *     load_open -> load_begin -> load_start ... load_stop -> load_end -> load_close
 *
 * load_begin has one client begin the workload; from load_start to load_stop every thread makes
 * turns; load_end has all clients read, each its share, what the checkers need at the end. Begin
 * and end want a healthy cluster. Each of these three phases has threads of its own, which are gone
 * when it is over; clients live from their first phase to load_close.
 *
 * `enter`, where it is given, is called first in every such thread, with its client's number, and
 * again in that of the next phase: to go into the network namespace of a client host. The library's
 * own threads and sockets are made behind it, and so belong there too.
 *
 * The recorder is flushed every second while turns are made. Errors: what a thread can't do (enter,
 * open its client, begin, end) is told by the phase's last call; calls that the cluster does not
 * answer are no errors. Threads: one owner. Bounds: LOAD_CLIENTS.
 */
#ifndef JEPSEN_LOAD_H
#define JEPSEN_LOAD_H

#include "workload.h"

#define LOAD_CLIENTS 256

struct load_options {
    const struct workload *workload;
    struct recorder *recorder;
    /* Of client i: "host:port,..." from where it is. Copied; asked for by the client's thread,
     * before each turn, for members may have changed. */
    const char *(*endpoints)(void *context, uint32_t client_number);
    bool (*enter)(void *context, uint32_t client_number, struct error *error); /* NULL: nothing */
    void *context;
    uint32_t client_count;
    uint32_t stock_count; /* 0: the workload's own */
    uint32_t rate; /* operations a second, of all clients together; 0: as the workload has it */
    uint32_t timeout_ms; /* of a call */
    bool resends;        /* every second client leaves repetition to the library */
    uint64_t seed;
};

struct load;

/* NULL: an option is out of bounds. */
struct load *load_open(const struct load_options *options, struct error *error);
bool load_begin(struct load *load, struct error *error);
/* False: no threads; nothing was started. */
bool load_start(struct load *load, struct error *error);
/* Waits for the turns that are being made. */
bool load_stop(struct load *load, struct error *error);
bool load_end(struct load *load, struct error *error);
void load_close(struct load *load);

/* Operations recorded so far, by all clients; any thread. */
uint64_t load_operations(const struct load *load);

#endif
