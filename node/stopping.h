/*
 * stopping.h - how a node ends when it is told to: it hands the leadership over, if it has it, and
 * goes on serving meanwhile; then it drains.
 *
 *     node_stop -> HANDING_OVER -> DRAINING -> closed
 *                      |   (a second node_stop, or time)
 *                      '--------------------------^
 *
 * Why hand over: without it the others notice after an election timeout that nobody leads. With it
 * they wait for one round trip and two writes to a disk.
 *
 * Invariants. A hand-over never keeps a node from ending: it is given STOPPING_HAND_OVER_TIMEOUTS
 * election timeouts, and whatever became of it, the drain begins. Nothing is taken from a client
 * meanwhile that the node would not have taken before.
 *
 * Threads: the loop's.
 */
#ifndef NODE_STOPPING_H
#define NODE_STOPPING_H

#include <stdbool.h>
#include <stdint.h>

/* One for those who are behind to catch up, one for the election. */
#define STOPPING_HAND_OVER_TIMEOUTS 2

struct node;

enum stopping_state { STOPPING_NOT, STOPPING_HANDING_OVER, STOPPING_DRAINING };

struct stopping {
    enum stopping_state state;
    uint64_t until_ms; /* HANDING_OVER */
    uint64_t to;       /* HANDING_OVER: 0: to nobody yet */
};

/* The node is to end. True: it leads, and there is somebody to hand over to; stopping_look tells
 * when that is over. False: nothing to wait for. */
bool stopping_begin(struct node *node);
/* At the end of each turn while it hands over. True: it is over, one way or the other. */
bool stopping_look(struct node *node);

#endif
