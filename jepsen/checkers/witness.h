/*
 * witness.h - the parts of the witness checker among themselves. witness.c tells how it works.
 */
#ifndef JEPSEN_WITNESS_H
#define JEPSEN_WITNESS_H

#include "check.h"
#include "log_order.h"
#include "order_rules.h"

/* How something acts on one stock. */
enum effect_kind {
    EFFECT_ADD,    /* on_hand and reserved change by so much, if `need` is available */
    EFFECT_COMMAND /* a SetStock, or an AdjustStock with an expected version: as the command says */
};

/* It takes place at one key, behind `from` and before `until`; from == until: exactly there. */
struct witness_effect {
    uint64_t from;
    uint64_t until;
    int64_t on_hand;
    int64_t reserved;
    int64_t need;
    int64_t due_ns; /* of an expiry: when it was due, as far as can be guessed */
    uint32_t stock;
    uint32_t operation;
    enum effect_kind kind;
    bool sure; /* false: perhaps never */
    bool expiry;
};

/* What an answer tells of one stock. */
enum stock_fact {
    FACT_NEED,      /* it is there, and at least so much is available */
    FACT_AVAILABLE, /* exactly so much */
    FACT_MISSING,   /* it is not there */
    FACT_SEEN,      /* a read: the stock is as history.stocks.items[number] */
    FACT_COMMAND    /* a command on the stock itself, with its answer */
};
struct witness_fact {
    uint64_t key;
    int64_t number;
    uint32_t stock;
    uint32_t operation;
    enum stock_fact fact;
};

struct witness {
    struct check *check;
    const struct history *history;
    const struct check_options *options;
    uint64_t *floors; /* of each operation: the largest key that was complete when it was invoked */
    int64_t *stamps_ns; /* of each operation: when it entered the log, a guess from below: the
                           latest invocation of all that the log has up to it */
    /* The largest key that was complete at each completion, in the order of time. */
    int64_t *times_ns;
    uint64_t *reached;
    uint32_t reached_count;
    HISTORY_LIST(struct witness_effect) effects;
    HISTORY_LIST(struct witness_fact) facts;
    uint64_t undecided; /* effects of which nobody knows the place */
    bool broken; /* an order is invalid or unknown: stocks that don't add up say nothing new */
};

void witness_add_effect(struct witness *witness, struct witness_effect effect);
void witness_add_fact(struct witness *witness, struct witness_fact fact);
/* The largest key that was complete before this time; KEY_NEVER: the history had ended. */
uint64_t witness_reached(const struct witness *witness, int64_t time_ns);
/* Facts that refused lines tell. */
void witness_add_failed(struct witness *witness, uint32_t operation);
/* The operation may have taken effect at a place that no answer tells. */
bool witness_is_hidden(const struct operation *operation);

/* Every order by itself: answers against the model; effects and facts for stocks. `sorted` has the
 * answered operations by key. */
void witness_orders(struct witness *witness, const uint32_t *sorted, uint32_t count);
/* Commands on stocks themselves: which of them take effect, and which only repeat. */
void witness_requests(struct witness *witness, const uint32_t *sorted, uint32_t count);
/* The effects where the stocks' histories show those that no answer places; those that they don't
 * show are left out. Neither more nor less likely to be true; the caller frees. */
struct witness_effect *witness_effects_shown(const struct witness *witness, uint32_t *count);
/* Every stock by itself: facts against effects. */
void witness_stocks(struct witness *witness);

#endif
