/*
 * shop.h - what workloads share: SKUs, orders made of them, and what a shopkeeper does with both.
 *
 * Orders are numbers, 1, 2, 3, ...; the lines of order n are drawn from the seed and n, so that any
 * client that knows the number can say the same as any other. Names carry the seed: two runs on one
 * cluster have nothing in common.
 *
 * Doubts. A command on an order whose outcome is unknown makes the order a doubt of its client: the
 * client, by then a new process, reads or releases it before it does anything else, again and again
 * until there is an answer. A command on a stock is given again, under its request id. So what
 * nobody knows is known soon, or surely at the end, when all is read (docs/jepsen.md).
 *
 * Threads: all calls with a client's number come from that client's thread; what is shared is
 * locked. Ownership: the shop owns all.
 */
#ifndef JEPSEN_SHOP_H
#define JEPSEN_SHOP_H

#include "workload.h"

#define SHOP_LINES 4  /* of an order */
#define SHOP_NAME  48 /* bytes of a name */
#define SHOP_OPEN  64

struct shop_shape {
    uint32_t stock_count;
    bool even;             /* all SKUs are wanted alike; else by Zipf's law */
    uint32_t hot_permille; /* of all lines are for the first SKU, before the rest is drawn */
    uint32_t lines_most;   /* of an order: 1 to this, to SHOP_LINES */
    int64_t quantity_most; /* of a line */
    int64_t on_hand;       /* at the beginning; a hot SKU has ten times as much */
    int64_t ttl_ms;        /* 0: the ledger's own */
    /* 0: lines are drawn one by one. Else SKUs 0 to group - 1 belong together, and so on, and an
     * order has a line for each SKU of one group, all of one quantity; at most SHOP_LINES. */
    uint32_t group;
    uint32_t open_most; /* orders that a client is to finish: 1 to SHOP_OPEN */
};

struct shop;

struct shop *shop_open(const struct shop_shape *shape, const struct workload_options *options);

/* ---- names and draws ---- */

struct shop_order {
    uint64_t number;
    char id[SHOP_NAME];
    uint32_t line_count;
    hf_line lines[SHOP_LINES]; /* of different SKUs; the names are the shop's */
};
/* The order of this number, in full. */
void shop_order(const struct shop *shop, uint64_t number, struct shop_order *order);
/* One that nobody has heard of. */
void shop_new_order(struct shop *shop, struct shop_order *order);
/* One of the last that were made, by anybody. False: there is none yet. */
bool shop_recent_order(struct shop *shop, struct random *random, struct shop_order *order);
const char *shop_sku(const struct shop *shop, uint32_t sku);
uint32_t shop_stock_count(const struct shop *shop);
/* As lines are drawn. */
uint32_t shop_draw_sku(const struct shop *shop, struct random *random);
/* 0 to bound - 1; so many of a thousand. */
uint32_t draw_below(struct random *random, uint32_t bound);
bool draw_permille(struct random *random, uint32_t permille);

/* ---- commands; a doubt that they leave is the client's ---- */

enum client_outcome shop_command(struct shop *shop, struct client *client, uint32_t client_number,
                                 const struct shop_order *order, hf_command command);
enum client_outcome shop_reserve(struct shop *shop, struct client *client, uint32_t client_number,
                                 const struct shop_order *order);
enum client_outcome shop_deduct(struct shop *shop, struct client *client, uint32_t client_number,
                                const struct shop_order *order);
enum client_outcome shop_release(struct shop *shop, struct client *client, uint32_t client_number,
                                 const struct shop_order *order);
/* One line of it, and a part of that line. */
enum client_outcome shop_deduct_part(struct shop *shop, struct client *client,
                                     uint32_t client_number, const struct shop_order *order,
                                     bool final);
enum client_outcome shop_release_part(struct shop *shop, struct client *client,
                                      uint32_t client_number, const struct shop_order *order);
/* `request` NULL: one of its own. */
enum client_outcome shop_adjust(struct shop *shop, struct client *client, uint32_t client_number,
                                uint32_t sku, int64_t change, const char *request);
/* Looks after one of the client's doubts. True: there was one, and the turn is over. */
bool shop_settle(struct shop *shop, struct client *client, uint32_t client_number);

/* Orders that the client has reserved, and is to finish, not before `due_ns` of clock.h (0: at
 * once). False: it has as many as it may. */
bool shop_keep_open(struct shop *shop, uint32_t client_number, const struct shop_order *order,
                    int64_t due_ns);
/* The one that is due first, if it is due. False: there is none. */
bool shop_take_open(struct shop *shop, uint32_t client_number, struct shop_order *order,
                    int64_t now_ns);

/* ---- as workloads have them: `shared` is the shop ---- */

void shop_close(void *shared);
/* Sets all stocks. */
bool shop_begin(void *shared, struct client *client, struct error *error);
/* The client's share of all orders, stocks and histories. */
bool shop_end(void *shared, struct client *client, uint32_t client_number, struct error *error);

#endif
