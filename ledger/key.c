/*
 * key.c - keys put together and taken apart. Taking apart trusts nothing: keys come from a disk.
 */
#include "key.h"

#include <assert.h>

#include "base/codec.h"

static struct ledger_key key_begin(enum ledger_kind kind)
{
    struct ledger_key key;
    key.data[0] = (uint8_t)kind;
    key.len = 1;
    return key;
}

static void add_bytes(struct ledger_key *key, struct bytes part)
{
    assert(part.len <= sizeof key->data - key->len);
    if (part.len != 0) {
        memcpy(key->data + key->len, part.data, part.len);
    }
    key->len = (uint16_t)(key->len + part.len);
}

static void add_number(struct ledger_key *key, uint64_t value, size_t width)
{
    assert(width <= sizeof key->data - key->len);
    for (size_t i = 0; i < width; i++) {
        key->data[key->len + i] = (uint8_t)(value >> (8 * (width - 1 - i)));
    }
    key->len = (uint16_t)(key->len + width);
}

static void add_stock(struct ledger_key *key, struct bytes sku, uint32_t warehouse)
{
    assert(sku.len >= 1 && sku.len <= LIMIT_ID_BYTES && warehouse != 0);
    add_bytes(key, sku);
    add_number(key, 0, 1);
    add_number(key, warehouse, 4);
}

struct ledger_key ledger_key_meta(const char *name)
{
    struct ledger_key key = key_begin(LEDGER_KIND_META);
    add_bytes(&key, bytes_of_string(name));
    return key;
}

struct ledger_key ledger_key_stock(struct bytes sku, uint32_t warehouse)
{
    struct ledger_key key = key_begin(LEDGER_KIND_STOCK);
    add_stock(&key, sku, warehouse);
    return key;
}

struct ledger_key ledger_key_order(struct bytes order_id)
{
    struct ledger_key key = key_begin(LEDGER_KIND_ORDER);
    add_bytes(&key, order_id);
    return key;
}

struct ledger_key ledger_key_history_begin(struct bytes sku, uint32_t warehouse)
{
    struct ledger_key key = key_begin(LEDGER_KIND_HISTORY);
    add_stock(&key, sku, warehouse);
    return key;
}

struct ledger_key ledger_key_history_end(struct bytes sku, uint32_t warehouse)
{
    /* No entry has this index: above every row of this stock, below the next stock's. */
    return ledger_key_history(sku, warehouse, UINT64_MAX, UINT32_MAX);
}

struct ledger_key ledger_key_history(struct bytes sku, uint32_t warehouse, uint64_t index,
                                     uint32_t sub)
{
    struct ledger_key key = ledger_key_history_begin(sku, warehouse);
    add_number(&key, index, 8);
    add_number(&key, sub, 4);
    return key;
}

struct ledger_key ledger_key_request(struct bytes request_id)
{
    struct ledger_key key = key_begin(LEDGER_KIND_REQUEST);
    add_bytes(&key, request_id);
    return key;
}

struct ledger_key ledger_key_due_from(enum ledger_kind kind, int64_t when_ms)
{
    assert(when_ms >= 0);
    struct ledger_key key = key_begin(kind);
    add_number(&key, (uint64_t)when_ms, 8);
    return key;
}

struct ledger_key ledger_key_expiry(int64_t expires_hold_ms, struct bytes order_id)
{
    struct ledger_key key = ledger_key_due_from(LEDGER_KIND_EXPIRY, expires_hold_ms);
    add_bytes(&key, order_id);
    return key;
}

struct ledger_key ledger_key_purge(int64_t when_ms, enum ledger_kind kind, struct bytes id)
{
    struct ledger_key key = ledger_key_due_from(LEDGER_KIND_PURGE, when_ms);
    add_number(&key, (uint64_t)kind, 1);
    add_bytes(&key, id);
    return key;
}

struct ledger_key ledger_key_node(uint64_t node_id)
{
    struct ledger_key key = key_begin(LEDGER_KIND_NODE);
    add_number(&key, node_id, 8);
    return key;
}

static bool valid_id(struct bytes id)
{
    return id.len >= 1 && id.len <= LIMIT_ID_BYTES && memchr(id.data, 0, id.len) == NULL;
}

/* sku NUL warehouse, with `tail` bytes behind it. */
static bool read_stock_part(struct reader *in, size_t tail, struct bytes *sku, uint32_t *warehouse)
{
    size_t fixed = 1 + 4 + tail;
    if (reader_left(in) <= fixed) {
        return false;
    }
    *sku = read_raw(in, reader_left(in) - fixed);
    uint8_t nul = read_u8(in);
    *warehouse = read_u32_be(in);
    return valid_id(*sku) && nul == 0 && *warehouse != 0;
}

bool ledger_key_read_stock(struct bytes key, struct bytes *sku, uint32_t *warehouse)
{
    struct reader in = reader_of(key);
    return read_stock_part(&in, 0, sku, warehouse) && reader_finished(&in);
}

bool ledger_key_read_history(struct bytes key, struct bytes *sku, uint32_t *warehouse,
                             uint64_t *index, uint32_t *sub)
{
    struct reader in = reader_of(key);
    if (!read_stock_part(&in, 8 + 4, sku, warehouse)) {
        return false;
    }
    *index = read_u64_be(&in);
    *sub = read_u32_be(&in);
    return reader_finished(&in);
}

bool ledger_key_read_expiry(struct bytes key, int64_t *expires_hold_ms, struct bytes *order_id)
{
    struct reader in = reader_of(key);
    uint64_t expires = read_u64_be(&in);
    *order_id = read_raw(&in, reader_left(&in));
    *expires_hold_ms = (int64_t)expires;
    return reader_finished(&in) && expires <= LIMIT_DUE_MS && valid_id(*order_id);
}

bool ledger_key_read_purge(struct bytes key, int64_t *when_ms, enum ledger_kind *kind,
                           struct bytes *id)
{
    struct reader in = reader_of(key);
    uint64_t when = read_u64_be(&in);
    *kind = (enum ledger_kind)read_u8(&in);
    *id = read_raw(&in, reader_left(&in));
    *when_ms = (int64_t)when;
    return reader_finished(&in) && when <= LIMIT_DUE_MS && valid_id(*id) &&
           (*kind == LEDGER_KIND_ORDER || *kind == LEDGER_KIND_REQUEST);
}
