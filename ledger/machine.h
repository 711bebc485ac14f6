/*
 * machine.h - the inside of the state machine, shared by the files that make it up.
 *
 * How it is cut: ledger.c opens and drives (one entry: clock, what is due, commands, digest);
 * table.c is the only way to the store's records and keeps the digest; stock.c and order.c are what
 * can happen to a stock and to an order; stock_commands.c, reserve.c, deduct.c, release.c,
 * node.c and version.c are the commands; request.c tells repetitions by request ids; due.c expires
 * and trims; query.c reads; audit.c proves.
 *
 * All functions that return bool return false only if the store failed or contradicts itself, with
 * the reason in the error: the node must stop. A refusal is a verdict in the result and returns
 * true.
 *
 * Memory: everything that grows with a command (lines, failed lines, encoded values) lives in
 * struct ledger and is reused, so that the steady state allocates nothing.
 */
#ifndef LEDGER_MACHINE_H
#define LEDGER_MACHINE_H

#include "key.h"
#include "ledger/ledger.h"
#include "ledger/settings.h"
#include "lines.h"

/* A stock as it was read, and the hash it stands with in the digest. */
struct stock_slot {
    bool found;
    struct hash128 hash; /* if found */
    struct stock_record record;
};

struct stock_slots {
    struct stock_slot *items;
    uint32_t capacity;
};

/* An order being worked on. record.lines is lines.items; ids and texts view `bytes` (what was
 * stored) or the entry. */
struct order_slot {
    bool found;
    struct hash128 hash; /* if found */
    struct order_record record;
    struct order_lines lines;
    struct buffer bytes;
};

struct ledger {
    struct ledger_store store;
    struct ledger_settings settings;
    uint16_t version_known;
    struct clock_record clock;
    bool clock_stored;
    struct hash128 clock_hash; /* if stored */
    struct hash128 digest;

    /* Lower bounds of the first expiry and purge rows, INT64_MAX if there are none: a cache of the
     * store that spares each entry a scan. Set exactly by each sweep, lowered by each put; removing
     * the first row leaves it too low, which costs one scan for nothing. */
    int64_t first_expiry_hold_ms;
    int64_t first_purge_ms;

    /* The entry being applied. */
    uint64_t index;
    uint32_t sub; /* next history row's place in it */

    /* Reused from command to command. */
    struct ledger_command_lines command_lines;
    struct line_set lines;
    struct stock_slots stocks; /* parallel to lines */
    struct order_slot order;
    struct failed_lines failed;
    struct buffer value; /* a record being encoded */
    struct buffer due;   /* keys of rows that are due */
    struct order_lines query_lines;
};

/* ---- time ---- */

static inline int64_t ledger_now_ms(const struct ledger *ledger)
{
    return ledger->clock.time_ms;
}

/* Ledger time without the outages: what expiries are kept in. Never negative, never runs back. */
static inline int64_t ledger_hold_now_ms(const struct ledger *ledger)
{
    return ledger->clock.time_ms - ledger->clock.credits_ms;
}

/* ---- table.c ---- */

bool ledger_load(struct ledger *ledger, const struct ledger_key *key, struct bytes *value,
                 bool *found, struct error *error);
/* What a record adds to the digest. */
struct hash128 ledger_record_hash(const struct ledger_key *key, struct bytes value);
/* `before`: the hash of the record that is replaced, NULL if there is none. `after` may be NULL. */
bool ledger_put(struct ledger *ledger, const struct ledger_key *key, const struct hash128 *before,
                struct bytes value, struct hash128 *after, struct error *error);
bool ledger_remove(struct ledger *ledger, const struct ledger_key *key, struct hash128 before,
                   struct error *error);
/* Rows that say all in their key. */
bool ledger_put_row(struct ledger *ledger, const struct ledger_key *key, struct error *error);
bool ledger_remove_row(struct ledger *ledger, const struct ledger_key *key, struct error *error);
/* The reused buffer, empty. */
struct buffer *ledger_value(struct ledger *ledger);
/* Does this META record count in the digest? All that the ledger writes, but the digest itself. */
bool ledger_meta_in_digest(struct bytes name);
/* Sets the text "the state database contradicts itself ...: " and what was found. False. */
#define ledger_contradiction(error, ...)                                                           \
    (error_set(error, __VA_ARGS__),                                                                \
     error_wrap(error, "the state database contradicts itself (" ADVICE_STATE_LOST ")"))

/* ---- stock.c ---- */

bool ledger_load_stock(struct ledger *ledger, struct bytes sku, uint32_t warehouse,
                       struct stock_slot *slot, struct error *error);
/* Room for one slot per line of ledger->lines. */
void ledger_prepare_stocks(struct ledger *ledger);

/* Is so much available of the stock? Sets the line's `available`, and its reason if not. */
void ledger_judge_line(struct summed_line *line, const struct stock_slot *stock, int64_t available);

struct stock_change {
    enum history_op op;
    int64_t on_hand;  /* by how much */
    int64_t reserved; /* by how much */
    struct bytes order_id;
    const struct ledger_command *command; /* who and why; NULL: the ledger itself */
};
/* Changes the stock (creating it if it was not found) and writes the history row. The slot follows.
 */
bool ledger_change_stock(struct ledger *ledger, struct bytes sku, uint32_t warehouse,
                         struct stock_slot *slot, const struct stock_change *change,
                         struct error *error);
void ledger_result_stock(struct ledger_result *result, const struct ledger_command *command,
                         const struct stock_slot *slot);

/* ---- order.c ---- */

/* Into ledger->order. */
bool ledger_load_order(struct ledger *ledger, struct bytes order_id, struct error *error);
bool ledger_save_order(struct ledger *ledger, struct bytes order_id, struct error *error);
/* Everything still open goes back to stock, as released (HISTORY_RELEASE) or expired. */
bool ledger_give_back_open(struct ledger *ledger, struct bytes order_id, enum history_op op,
                           const struct ledger_command *command, struct error *error);
/* After its lines have changed: if nothing is open any more the order is closed by `act`; then it
 * is saved. */
bool ledger_settle_order(struct ledger *ledger, struct bytes order_id, enum order_state act,
                         struct error *error);
/* Keeps a closed order until `when_ms`. */
bool ledger_schedule_purge(struct ledger *ledger, enum ledger_kind kind, struct bytes id,
                           int64_t when_ms, struct error *error);
/* ORDER_DEDUCTED for DEDUCTED and so on; not for ACTIVE. */
enum ledger_verdict ledger_closed_verdict(enum order_state state);
/* If a line of ledger->lines has a reason: the refusal, with all of them in order of first
 * appearance, and true. */
bool ledger_refuse_lines(struct ledger *ledger, struct ledger_result *result);
/* The first line of ledger->order at or behind `from` that is not below this stock; line_count if
 * there is none. Both lists are sorted: walk them together. */
uint32_t ledger_seek_order_line(const struct order_record *order, uint32_t from,
                                const struct summed_line *line);
bool ledger_order_line_is(const struct order_record *order, uint32_t at,
                          const struct summed_line *line);

/* ---- the commands ---- */

bool ledger_set_stock(struct ledger *ledger, const struct ledger_command *command,
                      struct ledger_result *result, struct error *error);
bool ledger_adjust_stock(struct ledger *ledger, const struct ledger_command *command,
                         struct ledger_result *result, struct error *error);
bool ledger_reserve(struct ledger *ledger, const struct ledger_command *command,
                    struct ledger_result *result, struct error *error);
bool ledger_deduct(struct ledger *ledger, const struct ledger_command *command,
                   struct ledger_result *result, struct error *error);
bool ledger_release(struct ledger *ledger, const struct ledger_command *command,
                    struct ledger_result *result, struct error *error);
bool ledger_register_node(struct ledger *ledger, const struct ledger_command *command,
                          struct ledger_result *result, struct error *error);

bool ledger_raise_version(struct ledger *ledger, const struct ledger_command *command,
                          struct ledger_result *result, struct error *error);

/* ---- version.c ---- */

bool ledger_version_is_known(const struct ledger *ledger, const char *what, unsigned version,
                             struct error *error);
/* The head of an entry: can it be applied? */
bool ledger_begin_version(struct ledger *ledger, const struct ledger_entry_header *header,
                          struct error *error);

/* ---- request.c ---- */

/* Could the request still be told from a repetition of one that was applied? */
bool ledger_request_is_timely(const struct ledger *ledger, const struct ledger_command *command);
/* Of a command that is told by its order: may it still change something? Not if it is an attempt of
 * a request that may have been refused, so long ago that nothing tells. */
bool ledger_order_request_may_act(const struct ledger *ledger,
                                  const struct ledger_command *command);
/* *is_known: there is a record of the request, and the result is there. Uses ledger->lines. */
bool ledger_repeat_request(struct ledger *ledger, const struct ledger_command *command,
                           struct ledger_result *result, bool *is_known, struct error *error);
/* Must the verdict of a request that was not known be kept? */
bool ledger_request_is_kept(const struct ledger_command *command,
                            const struct ledger_result *result);
/* Uses ledger->lines. */
bool ledger_keep_request(struct ledger *ledger, const struct ledger_command *command,
                         const struct ledger_result *result, struct error *error);

/* ---- due.c ---- */

/* Reads the lower bounds from the store. */
bool ledger_load_due(struct ledger *ledger, struct error *error);
/* The head of an entry: expires and trims what is due, within bounds. */
bool ledger_sweep(struct ledger *ledger, uint32_t command_count, size_t entry_bytes,
                  struct error *error);

#endif
