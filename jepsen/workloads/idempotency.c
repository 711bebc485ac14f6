/*
 * idempotency.c - everything is said again: under the same identity with the same words, which must
 * do nothing new, and with others, which must be refused; by whoever said it first and by others;
 * before and behind a failover; by clients that were closed and opened again in between.
 *
 * A restock is a number like an order is: its request id and its words are drawn from it, so that
 * every client can say it again.
 */
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "trade.h"

#define RECENT 32
#define PARTS  3 /* deducts of one line, each under a request id of its own, of one order */

struct idempotency {
    struct shop *shop;
    uint64_t seed;
    atomic_uint_fast64_t restocks;
};

static void *idempotency_open(const struct workload_options *options)
{
    static const struct shop_shape shape = {.stock_count = 30,
                                            .hot_permille = 200,
                                            .lines_most = 3,
                                            .quantity_most = 4,
                                            .on_hand = 80,
                                            .open_most = 8};
    struct idempotency *idempotency = memory_zalloc(sizeof *idempotency);
    idempotency->shop = shop_open(&shape, options);
    idempotency->seed = options->seed;
    return idempotency;
}

static void idempotency_close(void *shared)
{
    struct idempotency *idempotency = shared;
    shop_close(idempotency->shop);
    free(idempotency);
}

static bool idempotency_begin(void *shared, struct client *client, struct error *error)
{
    struct idempotency *idempotency = shared;
    return shop_begin(idempotency->shop, client, error);
}

static bool idempotency_end(void *shared, struct client *client, uint32_t client_number,
                            struct error *error)
{
    struct idempotency *idempotency = shared;
    return shop_end(idempotency->shop, client, client_number, error);
}

/* ---- orders ---- */

/* The same order id, and something else. */
static void reserve_otherwise(struct shop *shop, struct client *client, uint32_t client_number,
                              struct shop_order *order)
{
    struct random *random = client_random(client);
    if (order->line_count > 1 && draw_permille(random, 300)) {
        order->line_count--;
    } else {
        order->lines[draw_below(random, order->line_count)].quantity += 1 + draw_below(random, 3);
    }
    shop_reserve(shop, client, client_number, order);
}

/* One of PARTS: what it says is drawn from the order and its number. Some say something else. */
static void deduct_part(struct idempotency *idempotency, struct client *client,
                        uint32_t client_number, const struct shop_order *order, bool otherwise)
{
    uint32_t part = draw_below(client_random(client), PARTS);
    char request[SHOP_NAME];
    snprintf(request, sizeof request, "d%" PRIx64 "-%" PRIu64 "-%" PRIu32, idempotency->seed,
             order->number, part);
    hf_line line = order->lines[part % order->line_count];
    line.quantity = 1 + (otherwise ? line.quantity : part % line.quantity);
    hf_command deduct = {.kind = HF_DEDUCT, .lines = &line, .line_count = 1, .request_id = request};
    shop_command(idempotency->shop, client, client_number, order, deduct);
}

static void say_again(struct idempotency *idempotency, struct client *client,
                      uint32_t client_number)
{
    struct shop *shop = idempotency->shop;
    struct random *random = client_random(client);
    struct shop_order order;
    if (!shop_recent_order(shop, random, &order)) {
        return;
    }
    uint32_t draw = draw_below(random, 100);
    if (draw < 35) {
        shop_reserve(shop, client, client_number, &order);
    } else if (draw < 50) {
        reserve_otherwise(shop, client, client_number, &order);
    } else if (draw < 65) {
        shop_deduct(shop, client, client_number, &order);
    } else if (draw < 75) {
        shop_release(shop, client, client_number, &order);
    } else {
        deduct_part(idempotency, client, client_number, &order, draw >= 92);
    }
}

/* ---- restocks ---- */

static void restock(struct idempotency *idempotency, struct client *client, uint32_t client_number,
                    uint64_t number, bool otherwise)
{
    struct random random = random_sequence(idempotency->seed, number);
    char request[SHOP_NAME];
    snprintf(request, sizeof request, "s%" PRIx64 "-%" PRIu64, idempotency->seed, number);
    uint32_t sku = shop_draw_sku(idempotency->shop, &random);
    int64_t change = 1 + draw_below(&random, 20);
    shop_adjust(idempotency->shop, client, client_number, sku, otherwise ? change + 1 : change,
                request);
}

static void restock_again(struct idempotency *idempotency, struct client *client,
                          uint32_t client_number)
{
    struct random *random = client_random(client);
    uint64_t last = atomic_load(&idempotency->restocks);
    if (last == 0) {
        return;
    }
    uint64_t back = draw_below(random, last < RECENT ? (uint32_t)last : RECENT);
    restock(idempotency, client, client_number, last - back, draw_permille(random, 200));
}

/* ---- a turn ---- */

static void come_back(struct client *client)
{
    struct error error;
    if (!client_reopen(client,
                       &error)) { /* it goes on as it was: less is tried, nothing is wrong */
        fprintf(stderr, "a client could not be opened again: %s\n", error.text);
    }
}

static void idempotency_turn(void *shared, struct client *client, uint32_t client_number)
{
    struct idempotency *idempotency = shared;
    struct shop *shop = idempotency->shop;
    struct random *random = client_random(client);
    if (draw_permille(random, 5)) {
        come_back(client);
    }
    if (shop_settle(shop, client, client_number)) {
        return;
    }
    uint32_t draw = draw_below(random, 100);
    if (draw < 25) {
        trade_make_order(shop, client, client_number);
    } else if (draw < 45) {
        trade_finish_order(shop, client, client_number, 0);
    } else if (draw < 80) {
        say_again(idempotency, client, client_number);
    } else if (draw < 84) {
        restock(idempotency, client, client_number, atomic_fetch_add(&idempotency->restocks, 1) + 1,
                false);
    } else if (draw < 90) {
        restock_again(idempotency, client, client_number);
    } else {
        trade_look(shop, client);
    }
}

const struct workload workload_idempotency = {
    .name = "idempotency",
    .help =
        "the same identity again, with the same words and with others, by restarted clients too",
    .open = idempotency_open,
    .close = idempotency_close,
    .begin = idempotency_begin,
    .turn = idempotency_turn,
    .end = idempotency_end,
};
