/*
 * loop_turn.h - work put off to the end of the loop's turn, so that all that one turn brings about
 * for a connection leaves in one write.
 *
 * An item added in any phase of the loop runs before the loop waits again: after the events of this
 * turn (uv_check), before the wait (uv_prepare), or in a turn without waiting (uv_idle keeps the
 * loop awake while items wait). An item added while items run, runs in the next pass.
 */
#ifndef RPC_LOOP_TURN_H
#define RPC_LOOP_TURN_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

struct turn_item {
    void (*run)(struct turn_item *item);
    struct turn_item *next;
    struct turn_item *previous;
    uint64_t pass; /* the one it was added in */
    bool queued;
};

struct loop_turn {
    uv_prepare_t prepare;
    uv_check_t check;
    uv_idle_t idle;
    struct turn_item *first;
    struct turn_item *last;
    uint64_t pass;
    bool closing;
    unsigned handles;
    void (*closed)(void *context);
    void *context;
};

void loop_turn_open(struct loop_turn *turn, uv_loop_t *loop);
void loop_turn_add(struct loop_turn *turn, struct turn_item *item);    /* once is enough */
void loop_turn_remove(struct loop_turn *turn, struct turn_item *item); /* or not queued */
/* Items that still wait are forgotten. */
void loop_turn_close(struct loop_turn *turn, void (*closed)(void *context), void *context);

#endif
