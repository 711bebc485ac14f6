/*
 * memory_store.h - a struct ledger_store in memory, for tests and simulations.
 *
 * It is as strict as the contract in ledger/store.h: what get and scan show is a copy that is freed
 * at the next call, so that a user who keeps a view too long is caught by AddressSanitizer; a
 * visitor that calls the store is caught by an assertion.
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
/* The n-th call from now (1: the next) and all behind it fail; 0: none fails any more. */
void memory_store_fail_at(struct memory_store *store, uint64_t n);

#endif
