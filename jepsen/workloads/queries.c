/*
 * queries.c - every question there is, at every freshness, while a trade goes on: stocks, one and
 * many; availability; orders; histories. Linearizable, stale, and of an index that the client has
 * been told of, or of one that is yet to come.
 */
#include "trade.h"

#define STOCKS_MOST 8

static void *queries_open(const struct workload_options *options)
{
    static const struct shop_shape shape = {.stock_count = 40,
                                            .hot_permille = 200,
                                            .lines_most = 3,
                                            .quantity_most = 3,
                                            .on_hand = 60,
                                            .open_most = 8};
    return shop_open(&shape, options);
}

static hf_call_options draw_freshness(struct client *client)
{
    struct random *random = client_random(client);
    uint64_t told = client_log_index(client);
    switch (draw_below(random, 6)) {
    case 0:
    case 1:
        return (hf_call_options){.consistency = HF_STALE};
    case 2:
        return (hf_call_options){.consistency = HF_STALE, .min_log_index = told};
    case 3:
        return (hf_call_options){.consistency = HF_STALE,
                                 .min_log_index = told + draw_below(random, 3)};
    case 4:
        return (hf_call_options){.min_log_index = told};
    default:
        return (hf_call_options){.consistency = HF_LINEARIZABLE};
    }
}

/* Different ones. */
static uint32_t draw_stocks(struct shop *shop, struct random *random, hf_line *lines)
{
    uint32_t wanted = 1 + draw_below(random, STOCKS_MOST);
    uint32_t count = 0;
    for (uint32_t i = 0; i < wanted; i++) {
        const char *sku = shop_sku(shop, shop_draw_sku(shop, random));
        bool is_new = true;
        for (uint32_t k = 0; k < count; k++) {
            is_new &= lines[k].sku != sku;
        }
        if (is_new) {
            lines[count++] = (hf_line){.sku = sku};
        }
    }
    return count;
}

static void ask(struct shop *shop, struct client *client)
{
    struct random *random = client_random(client);
    hf_call_options options = draw_freshness(client);
    hf_line lines[STOCKS_MOST];
    struct shop_order order;
    uint32_t draw = draw_below(random, 1000);
    if (draw < 350) {
        client_read_stock(client, lines, draw_stocks(shop, random, lines), &options, NULL);
    } else if (draw < 600) {
        uint32_t count = draw_stocks(shop, random, lines);
        for (uint32_t i = 0; i < count; i++) {
            lines[i].quantity = 1 + draw_below(random, 40);
        }
        client_check_stock(client, lines, count, &options, NULL);
    } else if (draw < 998) {
        if (shop_recent_order(shop, random, &order)) {
            client_read_order(client, order.id, &options, NULL);
        }
    } else {
        client_read_history(client, shop_sku(shop, shop_draw_sku(shop, random)), 0, NULL);
    }
}

static void queries_turn(void *shared, struct client *client, uint32_t client_number)
{
    static const struct trade_mix mix = {
        .make = 40, .finish = 38, .meddle = 12, .restock = 6, .parts = 10};
    struct shop *shop = shared;
    if (draw_permille(client_random(client), 600)) {
        ask(shop, client);
    } else {
        trade_turn(shop, client, client_number, &mix);
    }
}

const struct workload workload_queries = {
    .name = "queries",
    .help = "every read at every freshness, while a trade goes on",
    .open = queries_open,
    .close = shop_close,
    .begin = shop_begin,
    .turn = queries_turn,
    .end = shop_end,
};
