/*
 * key.h - the keys of the ledger's records. Byte order is the order of lists and sweeps: numbers
 * are big-endian, and the NUL behind a SKU sorts below every byte that a longer SKU could have
 * there.
 *
 *   META     a name: "clock", "digest"
 *   STOCK    sku NUL warehouse u32
 *   ORDER    order id
 *   HISTORY  sku NUL warehouse u32, index u64, sub u32
 *   REQUEST  request id
 *   EXPIRY   expiry u64 (hold time), order id
 *   PURGE    when u64 (ledger time), kind of the record, its id
 *   NODE     node id u64
 *
 * Expiry and purge rows say all in their keys; their value is the one byte below.
 *
 * Ownership: a key holds its bytes. Ids must have passed ledger_id_check: asserted.
 */
#ifndef LEDGER_KEY_H
#define LEDGER_KEY_H

#include "base/limits.h"
#include "ledger/store.h"

struct ledger_key {
    uint16_t len;
    /* the kind, then the key; a history key is the longest */
    uint8_t data[1 + LIMIT_ID_BYTES + 1 + 4 + 8 + 4];
};

/* The names of META records. */
#define LEDGER_META_CLOCK  "clock"
#define LEDGER_META_DIGEST "digest"

struct ledger_key ledger_key_meta(const char *name);
struct ledger_key ledger_key_stock(struct bytes sku, uint32_t warehouse);
struct ledger_key ledger_key_order(struct bytes order_id);
struct ledger_key ledger_key_history(struct bytes sku, uint32_t warehouse, uint64_t index,
                                     uint32_t sub);
/* Where the rows of one stock begin; behind the last one. */
struct ledger_key ledger_key_history_begin(struct bytes sku, uint32_t warehouse);
struct ledger_key ledger_key_history_end(struct bytes sku, uint32_t warehouse);
struct ledger_key ledger_key_request(struct bytes request_id);
struct ledger_key ledger_key_expiry(int64_t expires_hold_ms, struct bytes order_id);
struct ledger_key ledger_key_purge(int64_t when_ms, enum ledger_kind kind, struct bytes id);
/* Where the rows of a kind that begin with a time begin to be of this time. */
struct ledger_key ledger_key_due_from(enum ledger_kind kind, int64_t when_ms);
struct ledger_key ledger_key_node(uint64_t node_id);

static inline enum ledger_kind ledger_key_kind(const struct ledger_key *key)
{
    return (enum ledger_kind)key->data[0];
}

/* What the store is asked for: the key without its kind. */
static inline struct bytes ledger_key_bytes(const struct ledger_key *key)
{
    return bytes_of(key->data + 1, (size_t)key->len - 1);
}

/* The value of expiry and purge rows: a format version and nothing else. */
static const uint8_t ledger_row_mark[1] = {1};

/* Keys taken apart again; false for bytes that are no such key. Ids view the key. */
bool ledger_key_read_stock(struct bytes key, struct bytes *sku, uint32_t *warehouse);
bool ledger_key_read_history(struct bytes key, struct bytes *sku, uint32_t *warehouse,
                             uint64_t *index, uint32_t *sub);
bool ledger_key_read_expiry(struct bytes key, int64_t *expires_hold_ms, struct bytes *order_id);
bool ledger_key_read_purge(struct bytes key, int64_t *when_ms, enum ledger_kind *kind,
                           struct bytes *id);

#endif
