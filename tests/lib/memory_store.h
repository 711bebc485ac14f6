/*
 * memory_store.h - a struct ledger_store in memory, for tests and simulations.
 *
 * It is as strict as the contract in ledger/store.h: what get and scan show is a copy that ends at
 * the next call - freed in a build with AddressSanitizer, so that a user who keeps a view too long
 * is caught, and scribbled over in any other, where simulations want their speed; a visitor that
 * calls the store is caught by an assertion. What get and put cost does not grow with the records,
 * but for a put that adds one.
 *
 * Ownership: the caller frees the store; interfaces made from it end with it. Threads: one.
 */
#ifndef TESTS_MEMORY_STORE_H
#define TESTS_MEMORY_STORE_H

#include "ledger/store.h"

struct memory_store;

struct memory_store *memory_store_new(void);
void memory_store_free(struct memory_store *store); /* NULL is allowed */
/* The same records in a store of their own: what a snapshot or a crash leaves behind. */
struct memory_store *memory_store_copy(const struct memory_store *store);

struct ledger_store memory_store_interface(struct memory_store *store);

/* The same records, byte for byte? */
bool memory_store_equal(const struct memory_store *a, const struct memory_store *b);
size_t memory_store_count(const struct memory_store *store); /* of all kinds */
size_t memory_store_count_kind(const struct memory_store *store, enum ledger_kind kind);
/* Calls of any kind so far: what an operation costs. */
uint64_t memory_store_calls(const struct memory_store *store);
/* Those that were made to fail. */
uint64_t memory_store_failures(const struct memory_store *store);
/* The n-th call from now (1: the next) and all behind it fail; 0: none fails any more. */
void memory_store_fail_at(struct memory_store *store, uint64_t n);
/* While a test looks through an interface of the user's, calls neither count nor fail. */
void memory_store_watch(struct memory_store *store, bool watched);

/* ---- for those who keep books about a store (sim_state.h) ---- */

/* One more call, without any effect: it counts, and fails if its time has come. */
bool memory_store_call(struct memory_store *store, struct error *error);
/* These two are no calls: they do not count, do not fail, and end no view. */
/* The value itself, until it is changed; false: there is none. */
bool memory_store_peek(const struct memory_store *store, enum ledger_kind kind, struct bytes key,
                       struct bytes *value);
/* NULL: no record. */
void memory_store_set(struct memory_store *store, enum ledger_kind kind, struct bytes key,
                      const struct bytes *value);

#endif
