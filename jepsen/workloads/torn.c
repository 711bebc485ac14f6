/*
 * torn.c - orders that take the same of three SKUs, and reads across the three. All that is done to
 * one of them is done to the others at the same index, so a read that shows different counts has
 * seen an order in halves; the witness, which knows what each index holds, says so.
 */
#include "trade.h"

#define GROUP 3

static void *torn_open(const struct workload_options *options)
{
    static const struct shop_shape shape = {.stock_count = 30,
                                            .hot_permille = 200,
                                            .quantity_most = 4,
                                            .on_hand = 200,
                                            .group = GROUP,
                                            .open_most = 8};
    return shop_open(&shape, options);
}

static void look_across(struct shop *shop, struct client *client)
{
    struct random *random = client_random(client);
    uint32_t sku = shop_draw_sku(shop, random) / GROUP * GROUP;
    hf_line lines[GROUP];
    uint32_t count = 0;
    while (count < GROUP && sku + count < shop_stock_count(shop)) {
        lines[count] = (hf_line){.sku = shop_sku(shop, sku + count)};
        count++;
    }
    hf_call_options options = {.consistency = HF_STALE, .min_log_index = client_log_index(client)};
    uint32_t draw = draw_below(random, 10);
    if (draw < 5) {
        client_read_stock(client, lines, count, NULL, NULL);
    } else if (draw < 8) {
        client_read_stock(client, lines, count, &options, NULL);
    } else {
        for (uint32_t i = 0; i < count; i++) {
            lines[i].quantity = 1 + draw_below(random, 60);
        }
        client_check_stock(client, lines, count, draw < 9 ? NULL : &options, NULL);
    }
}

/* Goods come in by what was ordered: a group is filled by one SKU at a time, and is short of the
 * others meanwhile, so that orders are refused for one line of three. */
static void torn_turn(void *shared, struct client *client, uint32_t client_number)
{
    static const struct trade_mix mix = {.make = 42, .finish = 40, .meddle = 8, .restock = 10};
    struct shop *shop = shared;
    if (draw_permille(client_random(client), 300)) {
        look_across(shop, client);
    } else {
        trade_turn(shop, client, client_number, &mix);
    }
}

const struct workload workload_torn = {
    .name = "torn",
    .help = "orders over three SKUs that belong together, and reads across the three",
    .open = torn_open,
    .close = shop_close,
    .begin = shop_begin,
    .turn = torn_turn,
    .end = shop_end,
};
