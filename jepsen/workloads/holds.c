/*
 * holds.c - a set: every order holds one unit of one SKU, and there is no end of them. What is read
 * is the stocks' histories, over and over: each hold that was granted is in every later reading,
 * once.
 *
 * Histories grow, so readings become rarer: they have at most ROWS rows an operation, all in all.
 */
#include "shop.h"

#include <stdlib.h>

#define ROWS 8

struct holds {
    struct shop *shop;
    uint64_t *rows; /* of each client: that it has read */
};

static void *holds_open(const struct workload_options *options)
{
    static const struct shop_shape shape = {.stock_count = 20,
                                            .lines_most = 1,
                                            .quantity_most = 1,
                                            .on_hand = INT64_C(1000000000),
                                            .open_most = 8};
    struct holds *holds = memory_zalloc(sizeof *holds);
    holds->shop = shop_open(&shape, options);
    holds->rows = memory_zalloc(options->client_count * sizeof *holds->rows);
    return holds;
}

static void holds_close(void *shared)
{
    struct holds *holds = shared;
    shop_close(holds->shop);
    free(holds->rows);
    free(holds);
}

static bool holds_begin(void *shared, struct client *client, struct error *error)
{
    struct holds *holds = shared;
    return shop_begin(holds->shop, client, error);
}

static void make_hold(struct shop *shop, struct client *client, uint32_t client_number)
{
    struct shop_order order;
    shop_new_order(shop, &order);
    if (shop_reserve(shop, client, client_number, &order) == CLIENT_OK &&
        draw_permille(client_random(client), 30)) {
        shop_release(shop, client, client_number, &order);
    }
}

static void read_set(struct holds *holds, struct client *client, uint32_t client_number)
{
    uint32_t sku = shop_draw_sku(holds->shop, client_random(client));
    uint32_t count = 0;
    client_read_history(client, shop_sku(holds->shop, sku), 0, &count);
    holds->rows[client_number] += count;
}

static void holds_turn(void *shared, struct client *client, uint32_t client_number)
{
    struct holds *holds = shared;
    if (shop_settle(holds->shop, client, client_number)) {
        return;
    }
    if (draw_permille(client_random(client), 20) &&
        holds->rows[client_number] < ROWS * client_operations(client)) {
        read_set(holds, client, client_number);
    } else {
        make_hold(holds->shop, client, client_number);
    }
}

static bool holds_end(void *shared, struct client *client, uint32_t client_number,
                      struct error *error)
{
    struct holds *holds = shared;
    return shop_end(holds->shop, client, client_number, error);
}

/* Without the search: of a stock with fifty thousand holds it costs a minute, and its answers say
 * no more than the set's. */
static void holds_judge(struct check_options *options)
{
    for (uint32_t i = 0; i < checker_count; i++) {
        if (checkers[i].run == check_linearizable) {
            options->skip |= UINT64_C(1) << i;
        }
    }
}

const struct workload workload_holds = {
    .name = "holds",
    .help = "unique holds of one unit as a set, and readings of histories that must show them",
    .open = holds_open,
    .close = holds_close,
    .begin = holds_begin,
    .turn = holds_turn,
    .end = holds_end,
    .judge = holds_judge,
};
