/*
 * expiry.c - holds that last a few seconds, while their orders are deducted, released, and taken
 * again, right when they end.
 *
 * An expiry has no answer of its own: only the next answer about its order tells that it has been.
 * So each client comes back to every order that it has made, soon after the hold has ended; and
 * holds are not so short that all orders are always in doubt.
 */
#include "clock.h"
#include "shop.h"

#define TTL_MS INT64_C(3000)
#define MS_NS  INT64_C(1000000)

static void *expiry_open(const struct workload_options *options)
{
    static const struct shop_shape shape = {.stock_count = 60,
                                            .even = true,
                                            .lines_most = 2,
                                            .quantity_most = 2,
                                            .on_hand = 8,
                                            .ttl_ms = TTL_MS,
                                            .open_most = 16};
    return shop_open(&shape, options);
}

/* Most are looked after in the last tenth of their time and in as long behind it. */
static int64_t draw_due_ns(struct random *random)
{
    int64_t span_ms = TTL_MS / 10;
    int64_t wait_ms = draw_permille(random, 800)
                          ? TTL_MS - span_ms + draw_below(random, (uint32_t)(3 * span_ms))
                          : draw_below(random, (uint32_t)TTL_MS);
    return clock_now_ns() + wait_ms * MS_NS;
}

static void make_order(struct shop *shop, struct client *client, uint32_t client_number)
{
    struct shop_order order;
    shop_new_order(shop, &order);
    if (shop_reserve(shop, client, client_number, &order) == CLIENT_OK &&
        !shop_keep_open(shop, client_number, &order, draw_due_ns(client_random(client)))) {
        shop_release(shop, client, client_number, &order);
    }
}

static void look(struct shop *shop, struct client *client, uint32_t client_number,
                 const struct shop_order *order)
{
    const hf_order *shown = NULL;
    enum client_outcome outcome = client_read_order(client, order->id, NULL, &shown);
    bool is_over =
        outcome == CLIENT_OK && shown->verdict == HF_OK && shown->state != HF_STATE_ACTIVE;
    if (!is_over &&
        !shop_keep_open(shop, client_number, order, draw_due_ns(client_random(client)))) {
        shop_release(shop, client, client_number, order);
    }
}

/* It may have ended, or may end meanwhile. */
static void finish_order(struct shop *shop, struct client *client, uint32_t client_number,
                         const struct shop_order *order)
{
    uint32_t draw = draw_below(client_random(client), 100);
    if (draw < 35) {
        shop_deduct(shop, client, client_number, order);
    } else if (draw < 55) {
        hf_command deduct = {.kind = HF_DEDUCT, .reacquire = true};
        shop_command(shop, client, client_number, order, deduct);
    } else if (draw < 75) {
        shop_release(shop, client, client_number, order);
    } else if (draw < 85) {
        shop_reserve(shop, client, client_number, order);
        look(shop, client, client_number, order);
    } else {
        look(shop, client, client_number, order);
    }
}

static void restock(struct shop *shop, struct client *client, uint32_t client_number)
{
    struct random *random = client_random(client);
    shop_adjust(shop, client, client_number, shop_draw_sku(shop, random),
                1 + draw_below(random, 12), NULL);
}

static void expiry_turn(void *shared, struct client *client, uint32_t client_number)
{
    struct shop *shop = shared;
    struct shop_order order;
    if (shop_settle(shop, client, client_number)) {
        return;
    }
    if (shop_take_open(shop, client_number, &order, clock_now_ns())) {
        finish_order(shop, client, client_number, &order);
        return;
    }
    uint32_t draw = draw_below(client_random(client), 100);
    if (draw < 60) {
        make_order(shop, client, client_number);
    } else if (draw < 65) {
        restock(shop, client, client_number);
    } else {
        hf_line stock = {.sku = shop_sku(shop, shop_draw_sku(shop, client_random(client)))};
        client_read_stock(client, &stock, 1, NULL, NULL);
    }
}

const struct workload workload_expiry = {
    .name = "expiry",
    .help = "holds of 3 s, that end while they are deducted, released and taken again",
    .rate = 1000,
    .open = expiry_open,
    .close = shop_close,
    .begin = shop_begin,
    .turn = expiry_turn,
    .end = shop_end,
};
