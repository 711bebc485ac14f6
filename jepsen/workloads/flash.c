/*
 * flash.c - a flash sale: everybody wants the same few goods, of which there are next to none. Most
 * orders are refused, and the next moment somebody gives up, or a unit comes in, and the same order
 * would be granted. So an attempt that comes too late, behind its refusal, does harm.
 */
#include "trade.h"

static void *flash_open(const struct workload_options *options)
{
    static const struct shop_shape shape = {.stock_count = 8,
                                            .even = true,
                                            .lines_most = 2,
                                            .quantity_most = 1,
                                            .on_hand = 3,
                                            .open_most = 4};
    return shop_open(&shape, options);
}

static void flash_turn(void *shared, struct client *client, uint32_t client_number)
{
    struct shop *shop = shared;
    if (shop_settle(shop, client, client_number)) {
        return;
    }
    uint32_t draw = draw_below(client_random(client), 100);
    if (draw < 45) {
        trade_make_order(shop, client, client_number);
    } else if (draw < 75) {
        trade_finish_order(shop, client, client_number, 0);
    } else if (draw < 90) {
        shop_adjust(shop, client, client_number, shop_draw_sku(shop, client_random(client)), 1,
                    NULL);
    } else {
        trade_look(shop, client);
    }
}

const struct workload workload_flash = {
    .name = "flash",
    .help = "a flash sale: most orders are refused, and would be granted a moment later",
    .open = flash_open,
    .close = shop_close,
    .begin = shop_begin,
    .turn = flash_turn,
    .end = shop_end,
};
