/*
 * orders.c - what a shop does all day: orders are reserved, paid or given up, goods come in, and
 * people look. One SKU is in every third order, the rest are wanted by Zipf's law, and there is a
 * little less than everybody wants: refusals are as usual as grants.
 *
 * Each client finishes what it has reserved, so that holds don't pile up; now and then it meddles
 * with orders of others, so that commands on one order race.
 */
#include "shop.h"

static void *orders_open(const struct workload_options *options)
{
    static const struct shop_shape shape = {
        .stock_count = 50, .hot_permille = 300, .lines_most = 3, .quantity_most = 3, .on_hand = 40};
    return shop_open(&shape, options);
}

static void orders_close(void *shared)
{
    shop_close(shared);
}

static bool orders_begin(void *shared, struct client *client, struct error *error)
{
    return shop_begin(shared, client, error);
}

static void make_order(struct shop *shop, struct client *client, uint32_t number)
{
    struct shop_order order;
    shop_new_order(shop, &order);
    if (shop_reserve(shop, client, number, &order) == CLIENT_OK &&
        !shop_keep_open(shop, number, &order)) {
        shop_release(shop, client, number, &order);
    }
}

static void finish_order(struct shop *shop, struct client *client, uint32_t number)
{
    struct shop_order order;
    if (!shop_take_open(shop, number, &order)) {
        return;
    }
    uint32_t draw = draw_below(client_random(client), 100);
    if (draw < 55) {
        shop_deduct(shop, client, number, &order);
    } else if (draw < 65) {
        shop_deduct_part(shop, client, number, &order, true);
    } else if (draw < 75) {
        if (shop_deduct_part(shop, client, number, &order, false) != CLIENT_UNKNOWN) {
            shop_deduct(shop, client, number, &order);
        }
    } else if (draw < 80) {
        if (shop_release_part(shop, client, number, &order) != CLIENT_UNKNOWN) {
            shop_release(shop, client, number, &order);
        }
    } else {
        shop_release(shop, client, number, &order);
    }
}

/* With an order of anybody's. */
static void meddle(struct shop *shop, struct client *client, uint32_t number)
{
    struct shop_order order;
    if (!shop_recent_order(shop, client_random(client), &order)) {
        return;
    }
    uint32_t draw = draw_below(client_random(client), 100);
    if (draw < 40) {
        shop_reserve(shop, client, number, &order);
    } else if (draw < 60) {
        shop_deduct(shop, client, number, &order);
    } else if (draw < 70) {
        shop_deduct_part(shop, client, number, &order, draw < 64);
    } else if (draw < 90) {
        shop_release(shop, client, number, &order);
    } else {
        shop_release_part(shop, client, number, &order);
    }
}

static void restock(struct shop *shop, struct client *client, uint32_t number)
{
    struct random *random = client_random(client);
    uint32_t sku = shop_draw_sku(shop, random);
    bool damaged = draw_permille(random, 100);
    int64_t change = 1 + draw_below(random, damaged ? 4 : 20);
    shop_adjust(shop, client, number, sku, damaged ? -change : change);
}

static void look(struct shop *shop, struct client *client)
{
    struct random *random = client_random(client);
    struct shop_order order;
    if (draw_permille(random, 500)) {
        hf_line stock = {.sku = shop_sku(shop, shop_draw_sku(shop, random))};
        client_read_stock(client, &stock, 1, NULL, NULL);
    } else if (shop_recent_order(shop, random, &order)) {
        client_read_order(client, order.id, NULL, NULL);
    }
}

static void orders_turn(void *shared, struct client *client, uint32_t client_number)
{
    struct shop *shop = shared;
    if (shop_settle(shop, client, client_number)) {
        return;
    }
    uint32_t draw = draw_below(client_random(client), 100);
    if (draw < 35) {
        make_order(shop, client, client_number);
    } else if (draw < 68) {
        finish_order(shop, client, client_number);
    } else if (draw < 78) {
        meddle(shop, client, client_number);
    } else if (draw < 83) {
        restock(shop, client, client_number);
    } else {
        look(shop, client);
    }
}

static bool orders_end(void *shared, struct client *client, uint32_t client_number,
                       struct error *error)
{
    return shop_end(shared, client, client_number, error);
}

const struct workload workload_orders = {
    .name = "orders",
    .help =
        "orders of one to three lines, reserved, deducted, released; one hot SKU, others by Zipf",
    .open = orders_open,
    .close = orders_close,
    .begin = orders_begin,
    .turn = orders_turn,
    .end = orders_end,
};
