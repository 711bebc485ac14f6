/*
 * trade.c - see trade.h. Whatever is answered is fine; what is not answered is a doubt (shop.h).
 */
#include "trade.h"

void trade_make_order(struct shop *shop, struct client *client, uint32_t client_number)
{
    struct shop_order order;
    shop_new_order(shop, &order);
    if (shop_reserve(shop, client, client_number, &order) == CLIENT_OK &&
        !shop_keep_open(shop, client_number, &order, 0)) {
        shop_release(shop, client, client_number, &order);
    }
}

/* A line, or a part of one, and then the rest. */
static void finish_by_parts(struct shop *shop, struct client *client, uint32_t client_number,
                            const struct shop_order *order)
{
    uint32_t draw = draw_below(client_random(client), 100);
    if (draw < 40) {
        shop_deduct_part(shop, client, client_number, order, true);
    } else if (draw < 70) {
        if (shop_deduct_part(shop, client, client_number, order, false) != CLIENT_UNKNOWN) {
            shop_deduct(shop, client, client_number, order);
        }
    } else if (shop_release_part(shop, client, client_number, order) != CLIENT_UNKNOWN) {
        shop_release(shop, client, client_number, order);
    }
}

void trade_finish_order(struct shop *shop, struct client *client, uint32_t client_number,
                        uint32_t parts)
{
    struct random *random = client_random(client);
    struct shop_order order;
    if (!shop_take_open(shop, client_number, &order, 0)) {
        return;
    }
    if (draw_below(random, 100) < parts) {
        finish_by_parts(shop, client, client_number, &order);
    } else if (draw_below(random, 100) < 70) {
        shop_deduct(shop, client, client_number, &order);
    } else {
        shop_release(shop, client, client_number, &order);
    }
}

/* Parts bring a request id each, and checkers keep few of one order: seldom. */
static void meddle(struct shop *shop, struct client *client, uint32_t client_number, uint32_t parts)
{
    struct random *random = client_random(client);
    struct shop_order order;
    if (!shop_recent_order(shop, random, &order)) {
        return;
    }
    uint32_t draw = draw_below(random, 100);
    if (draw_below(random, 100) < parts / 2) {
        if (draw < 50) {
            shop_deduct_part(shop, client, client_number, &order, draw < 20);
        } else {
            shop_release_part(shop, client, client_number, &order);
        }
    } else if (draw < 50) {
        shop_reserve(shop, client, client_number, &order);
    } else if (draw < 75) {
        shop_deduct(shop, client, client_number, &order);
    } else {
        shop_release(shop, client, client_number, &order);
    }
}

static void restock(struct shop *shop, struct client *client, uint32_t client_number)
{
    struct random *random = client_random(client);
    uint32_t sku = shop_draw_sku(shop, random);
    bool damaged = draw_permille(random, 100);
    int64_t change = 1 + draw_below(random, damaged ? 4 : 20);
    shop_adjust(shop, client, client_number, sku, damaged ? -change : change, NULL);
}

void trade_look(struct shop *shop, struct client *client)
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

void trade_turn(struct shop *shop, struct client *client, uint32_t client_number,
                const struct trade_mix *mix)
{
    if (shop_settle(shop, client, client_number)) {
        return;
    }
    uint32_t draw = draw_below(client_random(client), 100);
    uint32_t below = mix->make;
    if (draw < below) {
        trade_make_order(shop, client, client_number);
    } else if (draw < (below += mix->finish)) {
        trade_finish_order(shop, client, client_number, mix->parts);
    } else if (draw < (below += mix->meddle)) {
        meddle(shop, client, client_number, mix->parts);
    } else if (draw < below + mix->restock) {
        restock(shop, client, client_number);
    } else {
        trade_look(shop, client);
    }
}
