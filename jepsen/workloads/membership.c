/*
 * membership.c - a moderate trade, for runs in which nodes join, leave, and are brought up by
 * snapshots: enough is written that a node which was away is behind the log of the others, and so
 * little that one which joins catches up. Nothing is done line by line, so that every order's end
 * is known exactly, and sums add up.
 */
#include "trade.h"

static void *membership_open(const struct workload_options *options)
{
    static const struct shop_shape shape = {.stock_count = 200,
                                            .hot_permille = 100,
                                            .lines_most = 4,
                                            .quantity_most = 3,
                                            .on_hand = 60,
                                            .open_most = 16};
    return shop_open(&shape, options);
}

static void membership_turn(void *shared, struct client *client, uint32_t client_number)
{
    static const struct trade_mix mix = {.make = 40, .finish = 36, .meddle = 4, .restock = 8};
    trade_turn(shared, client, client_number, &mix);
}

const struct workload workload_membership = {
    .name = "membership",
    .help = "a moderate trade over 200 SKUs, for changes of members and for snapshots",
    .rate = 1500,
    .open = membership_open,
    .close = shop_close,
    .begin = shop_begin,
    .turn = membership_turn,
    .end = shop_end,
};
