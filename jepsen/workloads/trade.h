/*
 * trade.h - what a shop does all day, for workloads that need a load of everything: orders are
 * reserved, paid or given up, goods come in, people look.
 *
 * Each client finishes what it has reserved, so that holds don't pile up; now and then it meddles
 * with orders of others, so that commands on one order race.
 */
#ifndef JEPSEN_TRADE_H
#define JEPSEN_TRADE_H

#include "shop.h"

/* Of a hundred turns; what is left looks. */
struct trade_mix {
    uint32_t make;
    uint32_t finish;
    uint32_t meddle;
    uint32_t restock;
    uint32_t parts; /* of a hundred orders that are finished: line by line */
};

/* One turn: a doubt, if the client has one, else something of the mix. */
void trade_turn(struct shop *shop, struct client *client, uint32_t client_number,
                const struct trade_mix *mix);

void trade_make_order(struct shop *shop, struct client *client, uint32_t client_number);
/* Nothing happens where the client has none. */
void trade_finish_order(struct shop *shop, struct client *client, uint32_t client_number,
                        uint32_t parts);
void trade_look(struct shop *shop, struct client *client);

#endif
