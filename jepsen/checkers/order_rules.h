/*
 * order_rules.h - the life of one order, written from the rules (docs/decisions/003): what a
 * command makes of it, and what that asks of and does to stocks. A naive model for checkers; it
 * shares nothing with ledger/ but the words.
 *
 * Stocks are elsewhere: a command whose answer depends on them is judged as if they sufficed, and
 * the effects tell what they must have (`need`). Who holds the stocks looks, and throws the new
 * state away if one does not suffice.
 */
#ifndef JEPSEN_ORDER_RULES_H
#define JEPSEN_ORDER_RULES_H

#include "history.h"

#define ORDER_LINES 64 /* of one order; with more, checkers say unknown */

struct order_line_state {
    uint32_t stock;
    int64_t reserved;
    int64_t deducted;
    int64_t released;
    int64_t expired;
};

struct order_state {
    uint8_t state; /* hf_order_state; NONE: never seen */
    bool tombstone;
    uint8_t line_count;
    struct order_line_state lines[ORDER_LINES]; /* in the order in which they came */
};

/* On one stock; a command has one for each that it touches. */
struct order_effect {
    uint32_t stock;
    int64_t on_hand;
    int64_t reserved;
    int64_t need; /* available before it */
};

struct order_effects {
    uint32_t count;
    struct order_effect items[ORDER_LINES];
};

struct order_answer {
    int verdict; /* hf_verdict */
    bool replayed;
    bool existed;
    bool on_stock; /* OK only if the stocks have what is needed */
    uint8_t state; /* hf_order_state */
};

/* What the command makes of the order. Refused: nothing changes. False: more lines than fit. */
bool order_apply(struct order_state *order, const struct history *history,
                 const struct operation *command, struct order_answer *answer,
                 struct order_effects *effects);
/* The order is active: its time is over. */
void order_expire(struct order_state *order, struct order_effects *effects);
/* Is the order, as it was read, this one? */
bool order_matches(const struct order_state *order, const struct history *history,
                   const struct operation *read);
bool order_states_equal(const struct order_state *a, const struct order_state *b);
void order_copy(struct order_state *to, const struct order_state *from);

/* Does only a request id tell this command's repetition from a second one? */
static inline bool command_needs_request(const struct operation *command)
{
    return command->function == FUNCTION_SET_STOCK || command->function == FUNCTION_ADJUST_STOCK ||
           ((command->function == FUNCTION_DEDUCT || command->function == FUNCTION_RELEASE) &&
            command->asked_count > 0);
}
/* A refusal that is not of the place it has: an earlier attempt of the same call was given it, and
 * the ledger has kept it. */
static inline bool command_repeats_refusal(const struct operation *command)
{
    return command->replayed && command->verdict != HF_OK && command->attempts > 1 &&
           !command_needs_request(command);
}
/* Can it be refused so when an earlier attempt was granted? A Reserve whose order has been closed
 * or changed meanwhile can; a whole Deduct or Release repeats what it did for good. */
static inline bool command_may_be_refused_behind_grant(const struct operation *command)
{
    return command->function == FUNCTION_RESERVE && command->verdict != HF_INSUFFICIENT_STOCK &&
           command->verdict != HF_SKU_NOT_FOUND;
}
/* The same but for who asks, and when. */
bool commands_equal(const struct history *history, const struct operation *a,
                    const struct operation *b);

#endif
