/*
 * request.h - what the clients of a simulated cluster ask for: commands on few SKUs, warehouses and
 * orders, so that they meet; and reads of stock.
 *
 * A request is kept as its decoded commands: each attempt encodes them anew, with trace ids of its
 * own, which don't count for a command's identity.
 *
 * Ownership: a request owns all its texts. It must not move.
 */
#ifndef TESTS_SIM_REQUEST_H
#define TESTS_SIM_REQUEST_H

#include "core/proposal.h"
#include "ledger/command.h"
#include "plan.h"

#define REQUEST_COMMANDS 200
#define REQUEST_LINES    4
/* One of them encoded, at most. */
#define REQUEST_COMMAND_BYTES 1024

struct request {
    bool is_read;       /* of an order, or of a stock: */
    struct bytes id;    /* the order, or the SKU */
    uint32_t warehouse; /* 0: of an order */
    enum read_consistency consistency;
    bool has_floor;     /* it must show what its client has seen: */
    uint64_t min_index; /* the client's to set */

    size_t count;
    struct ledger_command commands[REQUEST_COMMANDS];
    struct ledger_line lines[REQUEST_COMMANDS][REQUEST_LINES];
    char order_ids[REQUEST_COMMANDS][32];
    char request_ids[REQUEST_COMMANDS][64];
    char actor[32];
    uint64_t firsts[REQUEST_COMMANDS]; /* each command's first attempt, for the checks; 0: none */
};

struct request_origin {
    size_t client;
    uint64_t made;  /* requests of this client so far */
    uint64_t total; /* of all clients */
    int64_t wall_ms;
};

/* Draws a client's next request. */
void request_draw(struct request *request, struct random *random, const struct plan *plan,
                  const struct request_origin *origin);
/* Of commands: an attempt may have been executed, or may be yet. */
void request_sent_before(struct request *request);
/* A command that is refused by nobody: adds one to some stock. */
void request_probe(struct request *request, uint64_t number);
/* A raise of the ledger's version. */
void request_raise(struct request *request, unsigned version);

#endif
