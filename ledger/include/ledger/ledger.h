/*
 * ledger.h - the state machine: log entries in, verdicts and record changes out. Deterministic: the
 * same entries give the same records, byte for byte, on every node. No I/O of its own, no clock, no
 * thread, no randomness.
 *
 * Purpose: the rules of stock and orders - reserve, deduct, release, all or nothing over an order's
 * lines, exactly once. Ownership: the caller owns the store and keeps it until ledger_close;
 * results and records that are handed out view memory of the ledger that is valid until the next
 * call. Threads: one at a time. Units: milliseconds of Unix time; quantities in units of stock.
 * Errors: ledger_apply is total over commands - every command gets a verdict. It fails only when
 * the store fails, the entry is damaged, or the entry was written by a newer version: the node must
 * stop then, for its state can no longer follow the log.
 */
#ifndef LEDGER_LEDGER_H
#define LEDGER_LEDGER_H

#include <stdatomic.h>

#include "base/hash.h"
#include "ledger/command.h"
#include "ledger/record.h"
#include "ledger/store.h"

struct ledger;

/* Reads clock, limits and digest from the store (an empty store is a new ledger). NULL and a reason
 * if the store can't be read or was written by a newer version. */
struct ledger *ledger_open(struct ledger_store store, struct error *error);
/* The same by a program that knows versions up to this one: for tests of upgrades. */
struct ledger *ledger_open_knowing(struct ledger_store store, uint16_t version_known,
                                   struct error *error);
void ledger_close(struct ledger *ledger);

struct ledger_result {
    enum ledger_verdict verdict;
    bool replayed;
    uint64_t log_index;
    uint32_t log_position;
    enum order_state order_state; /* ORDER_STATE_NONE where no order is meant */
    bool existed;
    int64_t expires_at_ms; /* 0: none; in ledger time, as of now */
    const struct ledger_failed_line *failed_lines;
    uint32_t failed_line_count;
    bool has_stock; /* SetStock, AdjustStock */
    struct bytes stock_sku;
    uint32_t stock_warehouse;
    struct stock_record stock;
};

/* Gets the result of each command, in order. Must not call the ledger. */
typedef void (*ledger_result_visit)(void *context, uint32_t position,
                                    const struct ledger_result *result);

/* Applies the entry at `index`: first what is due (expiry, trimming), then the commands. visit may
 * be NULL. The changes are in the store, not yet committed: the caller commits them with the index.
 */
bool ledger_apply(struct ledger *ledger, uint64_t index, struct bytes entry,
                  ledger_result_visit visit, void *context, struct error *error);

/* ---- what the node needs to know between entries ---- */

/* What a leader writes into the headers of entries. */
unsigned ledger_version(const struct ledger *ledger);
/* The stamp of the last entry; 0 before the first. */
int64_t ledger_time_ms(const struct ledger *ledger);
/* Sum of all outage credits. A hold kept as expiry e (hold time) ends at ledger time e + credits.
 */
int64_t ledger_credits_ms(const struct ledger *ledger);
/* Ledger time from which an entry would have something to expire or trim; INT64_MAX if nothing is
 * kept. May be early, never late. The leader proposes an empty entry (a tick) then, if nothing else
 * is written. */
int64_t ledger_next_due_ms(const struct ledger *ledger);
/* Could there be orders that will expire? May be true where there are none any more, never false
 * where there are. */
bool ledger_has_holds(const struct ledger *ledger);
struct hash128 ledger_digest(const struct ledger *ledger);
/* The incarnation registered for the node; false if none is. */
bool ledger_node_incarnation(struct ledger *ledger, uint64_t node_id, uint64_t *incarnation,
                             bool *found, struct error *error);

/* ---- reads ---- */

/* *found tells; false only on a store error. An id that no command could name is not found. Views
 * are valid until the next call. */
bool ledger_get_stock(struct ledger *ledger, struct bytes sku, uint32_t warehouse,
                      struct stock_record *stock, bool *found, struct error *error);
bool ledger_get_order(struct ledger *ledger, struct bytes order_id, struct order_record *order,
                      bool *found, struct error *error);

/* Duplicate lines are summed; the failed lines of the result are in order of first appearance.
 * Lines that ledger_lines_check refuses fail with MALFORMED_COMMAND, sums that overflow with
 * OVERFLOW. */
bool ledger_check_stock(struct ledger *ledger, const struct ledger_line *lines, uint32_t line_count,
                        const struct ledger_failed_line **failed, uint32_t *failed_count,
                        struct error *error);

/* Lists go from a cursor (empty: the beginning; else what the visitor was last given) and visit
 * until it returns false. The cursor is opaque bytes; one that does not parse, or is another
 * list's, is refused with false and an error text that begins with "page token". */
typedef bool (*ledger_stock_visit)(void *context, struct bytes sku, uint32_t warehouse,
                                   const struct stock_record *stock, struct bytes cursor);
typedef bool (*ledger_history_visit)(void *context, const struct history_record *row,
                                     struct bytes cursor);
bool ledger_list_stock(struct ledger *ledger, struct bytes cursor, ledger_stock_visit visit,
                       void *context, struct error *error);
bool ledger_list_history(struct ledger *ledger, struct bytes sku, uint32_t warehouse,
                         struct bytes cursor, ledger_history_visit visit, void *context,
                         struct error *error);

/* ---- proof ---- */

struct ledger_audit {
    uint64_t stocks;
    uint64_t orders;
    uint64_t history_rows;
    struct hash128 stored_digest;
    struct hash128 recomputed_digest;
    uint64_t violation_count;
    char violations[100][200]; /* the first hundred, in words */
};

/* Reads every record of a store that stands still (a snapshot) and checks every invariant of the
 * ledger: on_hand >= 0, 0 <= reserved <= on_hand, reserved = sum of open holds, on_hand and
 * reserved = sum of the history's changes, each row beginning where the one before ended, one
 * expiry row per order with open lines, one purge row per record that ends by age, the digest.
 * False only if the store can't be read. Memory: bounded by the number of stocks. Any thread. */
bool ledger_audit_run(struct ledger_store store, struct ledger_audit *audit, struct error *error);
/* The same; another thread may set *stop, and then it soon ends with false. */
bool ledger_audit_run_until(struct ledger_store store, const atomic_bool *stop,
                            struct ledger_audit *audit, struct error *error);

#endif
