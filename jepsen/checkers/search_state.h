/*
 * search_state.h - the parts of the search among themselves. search.c tells how it works.
 */
#ifndef JEPSEN_SEARCH_STATE_H
#define JEPSEN_SEARCH_STATE_H

#include "search.h"
#include "stock_rules.h"

#define CHAIN    12 /* optional items before one item */
#define NO_ENTRY UINT32_MAX

/* How hard the search tries to make one item right. */
struct effort {
    uint32_t chains; /* ways */
    uint32_t work;   /* looked at for them */
    uint32_t beyond; /* how much longer than the shortest they may be */
};

/* A call or a return in the list. */
struct entry {
    uint32_t previous;
    uint32_t next;
    uint32_t event;
    uint32_t item;
    bool call;
};

struct undo {
    struct stock_state stock;
    uint32_t item;
    uint32_t order; /* NAME_NONE: it changed none */
    uint8_t state;
    bool tombstone;
    uint8_t line_count;
    struct order_line_state line;
    struct hash_pair {
        uint64_t low;
        uint64_t high;
    } orders_hash;
};

struct chain {
    uint32_t count;
    uint32_t items[CHAIN];
};

/* One step of the way: what came next, and what else could. */
struct frame {
    uint32_t call;        /* entry that is being tried */
    bool explaining;      /* second pass: with optional items */
    struct chain *chains; /* for this call */
    uint32_t chain_count;
    uint32_t chain_next;
    uint32_t undo_count; /* to go back to */
};

struct search {
    const struct history *history;
    const struct search_item *items;
    uint32_t count;
    struct stock_state stock;
    struct order_state *orders; /* by number */
    uint32_t *order_of;         /* item -> order number; NAME_NONE */
    uint32_t *others;           /* order number -> items that must be and are about it */
    uint32_t order_count;
    struct entry *entries; /* [0] is the list's head */
    uint32_t *calls;       /* item -> its entries */
    uint32_t *returns;
    bool *used;
    uint32_t *optional; /* items, by their beginnings */
    uint32_t optional_count;
    struct hash_pair *marks; /* of items */
    struct hash_pair in_order;
    struct hash_pair orders_hash;
    struct hash_pair *seen;
    uint64_t seen_count;
    uint64_t seen_size;
    struct undo *undos;
    uint32_t undo_count;
    uint32_t undo_capacity;
    struct frame *frames;
    uint32_t depth;
    const struct effort *effort;
    bool incomplete; /* something was not tried */
    bool hopeless;   /* nor would it be with more effort */
    uint32_t work;   /* of the chains for one item */
    struct chain trying;
    bool on_stock; /* what is about other orders may help the item too */
    struct search_report *report;
};

/* ---- search_state.c: what is in order, forth and back ---- */

const struct operation *search_operation(const struct search *search, uint32_t item);
void search_toggle(struct hash_pair *hash, struct hash_pair other);
struct hash_pair search_hash_of_order(const struct search *search, uint32_t number);
/* The configuration as it is now. True: it is new. */
bool search_remember(struct search *search);
/* Keeps what this item is about, to go back to. */
void search_push(struct search *search, uint32_t item);
/* The item is in order now, or not any more. */
void search_mark(struct search *search, uint32_t item);
/* Takes the item's call and return out of the list. */
void search_unlink(struct search *search, uint32_t item);
/* Until only so many are kept. */
void search_go_back(struct search *search, uint32_t to);
/* Does the model give the item's answer? If so the state is changed by it. */
bool search_run_item(struct search *search, uint32_t item);
/* Does it, as things are? The state stays. */
bool search_is_right(struct search *search, uint32_t item);
/* An optional item takes effect; false: it would have none. */
bool search_run_optional(struct search *search, uint32_t item);

/* ---- search_chains.c ---- */

/* The chains of optional items, for the frame, that make the item right. */
void search_find_chains(struct search *search, struct frame *frame, uint32_t item);

#endif
