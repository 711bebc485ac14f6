/*
 * single.c - orders of one line each over 20 SKUs: the stocks hang together by nothing, so that the
 * search for *some* order that explains the answers, without the log's, can look at each by itself.
 * What it costs grows with what is under way at once and with what nobody knows, so the rate is
 * low.
 */
#include "trade.h"

static void *single_open(const struct workload_options *options)
{
    static const struct shop_shape shape = {.stock_count = 20,
                                            .hot_permille = 200,
                                            .lines_most = 1,
                                            .quantity_most = 3,
                                            .on_hand = 30,
                                            .open_most = 6};
    return shop_open(&shape, options);
}

static void single_turn(void *shared, struct client *client, uint32_t client_number)
{
    static const struct trade_mix mix = {
        .make = 32, .finish = 28, .meddle = 10, .restock = 6, .parts = 15};
    trade_turn(shared, client, client_number, &mix);
}

const struct workload workload_single = {
    .name = "single",
    .help = "orders of one line over 20 SKUs, for the search that knows no log indexes",
    .rate = 500,
    .open = single_open,
    .close = shop_close,
    .begin = shop_begin,
    .turn = single_turn,
    .end = shop_end,
};
