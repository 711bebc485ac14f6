/*
 * operation.h - one attempt at a request: on its way to a node, in its core, and on its way back.
 *
 *   asked -> (the way there) -> proposed -> ended, by the core -> (the way back) -> heard
 *
 * The checks are told when it is asked, and when it ends at the node: what a client hears, it hears
 * later or never. An attempt that never reaches a core ends as surely not executed. One whose node
 * crashes has an unknown outcome, and nobody hears of it.
 *
 * Ownership: operations belong to their set; whoever asked may forget one at any time
 * (operation_forget), and is not called for it any more. Threads: one.
 */
#ifndef TESTS_SIM_OPERATION_H
#define TESTS_SIM_OPERATION_H

#include "checks.h"
#include "request.h"
#include "sim_node.h"

enum outcome {
    OUTCOME_NONE, /* not ended */
    OUTCOME_ANSWERED,
    OUTCOME_NOT_EXECUTED,
    OUTCOME_UNKNOWN,
    OUTCOME_LOST, /* it, or its answer: nobody hears of it */
};

struct operations {
    struct world *world;
    struct checks *checks;
    struct sim_node *nodes;
    unsigned loss_permille;    /* of what is asked, and of what is answered */
    unsigned held_up_permille; /* of what is asked: for so long, at most */
    uint64_t held_up_us;
    struct operation *first; /* of all that are */
};

struct operation {
    struct proposal proposal; /* first: the core's handle */
    struct operations *set;
    struct operation *next;
    struct operation *previous;

    struct sim_node *node;
    bool is_retry;
    bool is_read;
    char id[32]; /* of a read: struct request's */
    uint32_t warehouse;
    size_t count;
    size_t answered;

    unsigned raises_to; /* a raise of the ledger's version, which its node judges first; 0: none */
    uint64_t shown_index; /* the highest that its answers name */
    bool is_with_core;
    bool is_over; /* nothing will come of it, and somebody waits all the same */
    enum outcome outcome;
    uint64_t asked_at_us;
    uint64_t ended_at_us;
    /* NULL: nobody waits */
    void (*heard)(void *context, struct operation *operation);
    void *context;

    uint64_t numbers[]; /* of each command, for the checks */
};

/* Asks a node. `heard` is called when the answer arrives; the operation is gone behind it. One that
 * is not heard of stays until it is forgotten. */
struct operation *operation_ask(struct operations *set, struct request *request,
                                struct sim_node *node, bool is_retry,
                                void (*heard)(void *context, struct operation *operation),
                                void *context);
/* Nobody waits for it any more; `cancel` tells the node so. It may be gone behind this. */
void operation_forget(struct operation *operation, bool cancel);
/* When no core has any of them: ends and frees all. */
void operations_free(struct operations *set);

#endif
