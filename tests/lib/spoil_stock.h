/*
 * spoil_stock.h - a fault that no checksum sees: one stock of a state is changed behind its
 * ledger's back. Without the digest, as by a flipped bit: what the ledger keeps goes wrong when
 * that stock is changed next. With it, as if the node had applied an entry in another way than the
 * others; a ledger that is open must be opened anew then, for it has the digest in memory.
 */
#ifndef TESTS_SPOIL_STOCK_H
#define TESTS_SPOIL_STOCK_H

#include "base/hash.h"
#include "ledger/record.h"
#include "ledger/store.h"

#define SPOIL_DIGEST_KEY BYTES_LITERAL("digest")

struct spoil_stock {
    int64_t units;
    struct buffer key;
    struct buffer value;
    struct hash128 change; /* of the digest */
    bool found;
};

static inline struct hash128 spoil_hash(struct bytes key, struct bytes value)
{
    struct buffer full = {0};
    uint8_t kind = LEDGER_KIND_STOCK;
    buffer_append(&full, &kind, 1);
    buffer_append_bytes(&full, key);
    struct hash128 hash = hash128_of_pair(buffer_bytes(&full), value);
    buffer_free(&full);
    return hash;
}

static inline bool spoil_stock_visit(void *context, struct bytes key, struct bytes value)
{
    struct spoil_stock *spoil = (struct spoil_stock *)context;
    struct stock_record stock;
    struct error error;
    spoil->found = stock_record_decode(value, &stock, &error);
    if (spoil->found) {
        stock.on_hand += spoil->units;
        buffer_append_bytes(&spoil->key, key);
        stock_record_encode(&spoil->value, &stock);
        spoil->change =
            hash128_subtract(spoil_hash(key, buffer_bytes(&spoil->value)), spoil_hash(key, value));
    }
    return false;
}

static inline bool spoil_digest(struct ledger_store records, struct hash128 change)
{
    struct hash128 digest;
    struct bytes value;
    struct error error;
    struct buffer record = {0};
    bool spoilt = records.ops->get(records.store, LEDGER_KIND_META, SPOIL_DIGEST_KEY, &value,
                                   &error) == STORE_FOUND &&
                  digest_record_decode(value, &digest, &error);
    if (spoilt) {
        digest_record_encode(&record, hash128_add(digest, change));
        spoilt = records.ops->put(records.store, LEDGER_KIND_META, SPOIL_DIGEST_KEY,
                                  buffer_bytes(&record), &error);
    }
    buffer_free(&record);
    return spoilt;
}

/* The first stock has so many units more from now on. False: there is none, or the store fails. The
 * change goes to disk with the next commit. */
static inline bool spoil_stock(struct ledger_store records, int64_t units, bool keep_digest)
{
    struct spoil_stock spoil = {.units = units};
    struct error error;
    bool spoilt = records.ops->scan(records.store, LEDGER_KIND_STOCK, bytes_of(NULL, 0),
                                    bytes_of(NULL, 0), spoil_stock_visit, &spoil, &error) &&
                  spoil.found &&
                  records.ops->put(records.store, LEDGER_KIND_STOCK, buffer_bytes(&spoil.key),
                                   buffer_bytes(&spoil.value), &error) &&
                  (!keep_digest || spoil_digest(records, spoil.change));
    buffer_free(&spoil.key);
    buffer_free(&spoil.value);
    return spoilt;
}

#endif
