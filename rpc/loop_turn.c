/*
 * loop_turn.c - a list of items and three libuv handles that run them; the handles are active only
 * while something waits.
 *
 * Nothing here can fail: starting and stopping these handles can't, and items are part of what they
 * belong to.
 */
#include "loop_turn.h"

#include <assert.h>

static void run_items(struct loop_turn *turn)
{
    /* Only what waits now: what is added meanwhile belongs to the next pass, so that two items
     * can't keep the loop here by adding each other. */
    turn->pass++;
    while (turn->first != NULL && turn->first->pass < turn->pass) {
        struct turn_item *item = turn->first;
        loop_turn_remove(turn, item);
        item->run(item);
    }
}

static void on_prepare(uv_prepare_t *handle)
{
    run_items(handle->data);
}

static void on_check(uv_check_t *handle)
{
    run_items(handle->data);
}

static void on_idle(uv_idle_t *handle)
{
    /* Its being active is what it is for: the loop does not wait. */
    (void)handle;
}

void loop_turn_open(struct loop_turn *turn, uv_loop_t *loop)
{
    *turn = (struct loop_turn){.handles = 3};
    uv_prepare_init(loop, &turn->prepare);
    uv_check_init(loop, &turn->check);
    uv_idle_init(loop, &turn->idle);
    turn->prepare.data = turn;
    turn->check.data = turn;
    turn->idle.data = turn;
}

void loop_turn_add(struct loop_turn *turn, struct turn_item *item)
{
    if (item->queued || turn->closing) {
        return;
    }
    if (turn->first == NULL) {
        uv_prepare_start(&turn->prepare, on_prepare);
        uv_check_start(&turn->check, on_check);
        uv_idle_start(&turn->idle, on_idle);
    }
    item->queued = true;
    item->pass = turn->pass;
    item->next = NULL;
    item->previous = turn->last;
    if (turn->last != NULL) {
        turn->last->next = item;
    } else {
        turn->first = item;
    }
    turn->last = item;
}

void loop_turn_remove(struct loop_turn *turn, struct turn_item *item)
{
    if (!item->queued) {
        return;
    }
    item->queued = false;
    if (item->previous != NULL) {
        item->previous->next = item->next;
    } else {
        turn->first = item->next;
    }
    if (item->next != NULL) {
        item->next->previous = item->previous;
    } else {
        turn->last = item->previous;
    }
    if (turn->first == NULL && !turn->closing) {
        uv_prepare_stop(&turn->prepare);
        uv_check_stop(&turn->check);
        uv_idle_stop(&turn->idle);
    }
}

static void on_closed(uv_handle_t *handle)
{
    struct loop_turn *turn = handle->data;
    assert(turn->handles > 0);
    turn->handles--;
    if (turn->handles == 0) {
        turn->closed(turn->context);
    }
}

void loop_turn_close(struct loop_turn *turn, void (*closed)(void *context), void *context)
{
    assert(!turn->closing);
    turn->closing = true;
    turn->closed = closed;
    turn->context = context;
    while (turn->first != NULL) {
        loop_turn_remove(turn, turn->first);
    }
    uv_close((uv_handle_t *)&turn->prepare, on_closed);
    uv_close((uv_handle_t *)&turn->check, on_closed);
    uv_close((uv_handle_t *)&turn->idle, on_closed);
}
