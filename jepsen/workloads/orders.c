/*
 * orders.c - the trade of a whole shop. One SKU is in every third line, the rest are wanted by
 * Zipf's law, and there is a little less than everybody wants: refusals are as usual as grants.
 */
#include "trade.h"

static void *orders_open(const struct workload_options *options)
{
    static const struct shop_shape shape = {.stock_count = 50,
                                            .hot_permille = 300,
                                            .lines_most = 3,
                                            .quantity_most = 3,
                                            .on_hand = 40,
                                            .open_most = 8};
    return shop_open(&shape, options);
}

static void orders_turn(void *shared, struct client *client, uint32_t client_number)
{
    static const struct trade_mix mix = {
        .make = 35, .finish = 33, .meddle = 10, .restock = 5, .parts = 25};
    trade_turn(shared, client, client_number, &mix);
}

const struct workload workload_orders = {
    .name = "orders",
    .help =
        "orders of one to three lines, reserved, deducted, released; one hot SKU, others by Zipf",
    .open = orders_open,
    .close = shop_close,
    .begin = shop_begin,
    .turn = orders_turn,
    .end = shop_end,
};
