/*
 * table.c - the only way from the rules to the store, so that the digest can't be forgotten.
 *
 * Invariant: ledger->digest = sum modulo 2^128 of hash(kind + key, value) over all records that
 * count (ledger_meta_in_digest has the exceptions). A put subtracts what was there and adds what is
 * there now; whoever changes a record has read it before and knows its hash, so keeping the digest
 * costs two short hashes and no read.
 */
#include "base/planted.h"
#include "machine.h"

bool ledger_load(struct ledger *ledger, const struct ledger_key *key, struct bytes *value,
                 bool *found, struct error *error)
{
    enum store_result result = ledger->store.ops->get(ledger->store.store, ledger_key_kind(key),
                                                      ledger_key_bytes(key), value, error);
    *found = result == STORE_FOUND;
    return result != STORE_ERROR;
}

struct hash128 ledger_record_hash(const struct ledger_key *key, struct bytes value)
{
    return hash128_of_pair(bytes_of(key->data, key->len), value);
}

bool ledger_put(struct ledger *ledger, const struct ledger_key *key, const struct hash128 *before,
                struct bytes value, struct hash128 *after, struct error *error)
{
    struct hash128 hash = ledger_record_hash(key, value);
    if (!ledger->store.ops->put(ledger->store.store, ledger_key_kind(key), ledger_key_bytes(key),
                                value, error)) {
        return false;
    }
    if (before != NULL && !PLANTED(DIGEST_KEEPS_REPLACED)) {
        ledger->digest = hash128_subtract(ledger->digest, *before);
    }
    ledger->digest = hash128_add(ledger->digest, hash);
    if (after != NULL) {
        *after = hash;
    }
    return true;
}

bool ledger_remove(struct ledger *ledger, const struct ledger_key *key, struct hash128 before,
                   struct error *error)
{
    if (!ledger->store.ops->remove(ledger->store.store, ledger_key_kind(key), ledger_key_bytes(key),
                                   error)) {
        return false;
    }
    ledger->digest = hash128_subtract(ledger->digest, before);
    return true;
}

static struct bytes row_mark(void)
{
    return bytes_of(ledger_row_mark, sizeof ledger_row_mark);
}

bool ledger_put_row(struct ledger *ledger, const struct ledger_key *key, struct error *error)
{
    return ledger_put(ledger, key, NULL, row_mark(), NULL, error);
}

bool ledger_remove_row(struct ledger *ledger, const struct ledger_key *key, struct error *error)
{
    return ledger_remove(ledger, key, ledger_record_hash(key, row_mark()), error);
}

struct buffer *ledger_value(struct ledger *ledger)
{
    buffer_clear(&ledger->value);
    return &ledger->value;
}

bool ledger_meta_in_digest(struct bytes name)
{
    return bytes_equal(name, BYTES_LITERAL(LEDGER_META_CLOCK));
}
