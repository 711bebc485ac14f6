/*
 * spoil_stock.h - a fault that no checksum sees: one stock of a state is changed behind its
 * ledger's back, as by a flipped bit of memory. The digest, which the ledger keeps by itself, goes
 * wrong when that stock is changed next.
 */
#ifndef TESTS_SPOIL_STOCK_H
#define TESTS_SPOIL_STOCK_H

#include "ledger/record.h"
#include "ledger/store.h"

struct spoil_stock {
    struct buffer key;
    struct buffer value;
    bool found;
};

static inline bool spoil_stock_visit(void *context, struct bytes key, struct bytes value)
{
    struct spoil_stock *spoil = (struct spoil_stock *)context;
    struct stock_record stock;
    struct error error;
    spoil->found = stock_record_decode(value, &stock, &error);
    if (spoil->found) {
        stock.on_hand++;
        buffer_append_bytes(&spoil->key, key);
        stock_record_encode(&spoil->value, &stock);
    }
    return false;
}

/* The first stock has one unit more from now on. False: there is none, or the store fails. The
 * change goes to disk with the next commit. */
static inline bool spoil_stock(struct ledger_store records)
{
    struct spoil_stock spoil = {.found = false};
    struct error error;
    bool spoilt = records.ops->scan(records.store, LEDGER_KIND_STOCK, bytes_of(NULL, 0),
                                    bytes_of(NULL, 0), spoil_stock_visit, &spoil, &error) &&
                  spoil.found &&
                  records.ops->put(records.store, LEDGER_KIND_STOCK, buffer_bytes(&spoil.key),
                                   buffer_bytes(&spoil.value), &error);
    buffer_free(&spoil.key);
    buffer_free(&spoil.value);
    return spoilt;
}

#endif
