/*
 * due.c - what time does at the head of each entry: orders whose hold time has run out expire, and
 * records whose age is over are trimmed. Oldest first, then by id, no more than the bounds allow;
 * what is left waits for the next entry and counts as alive until then.
 *
 * The bounds (docs/decisions/003, Time): a fixed number, and what the entry itself can have made.
 */
#include <stdlib.h>

#include "base/limits.h"
#include "state.h"

struct due {
    int64_t when_ms;
    enum ledger_kind kind; /* of records to trim: an order's sorts before a request's */
    struct bytes id;
    uint64_t cost; /* lines to expire, bytes to trim */
};
struct due_list {
    ARRAY_OF(struct due) all;
    int64_t next_ms; /* of what is not due yet */
};

static int by_time(const void *left, const void *right)
{
    const struct due *a = left;
    const struct due *b = right;
    if (a->when_ms != b->when_ms) {
        return a->when_ms < b->when_ms ? -1 : 1;
    }
    return a->kind != b->kind ? (int)a->kind - (int)b->kind : bytes_compare(a->id, b->id);
}

static void consider(struct due_list *list, int64_t now_ms, struct due due)
{
    if (due.when_ms < now_ms) {
        *array_add(&list->all) = due;
    } else if (due.when_ms < list->next_ms) {
        list->next_ms = due.when_ms;
    }
}

/* Sorts what is due and leaves in the list what the bounds allow. */
static void choose(struct due_list *list, uint64_t count_limit, uint64_t cost_limit)
{
    uint64_t cost = 0;
    uint32_t chosen = 0;
    if (list->all.count > 1) {
        qsort(list->all.items, list->all.count, sizeof *list->all.items, by_time);
    }
    while (chosen < list->all.count && chosen < count_limit &&
           cost + list->all.items[chosen].cost <= cost_limit) {
        cost += list->all.items[chosen++].cost;
    }
    if (chosen < list->all.count) {
        list->next_ms = list->all.items[chosen].when_ms;
    }
    list->all.count = chosen;
}

/* ---- expiry ---- */

static void expire(struct model *model, uint64_t order_limit, uint64_t line_limit)
{
    int64_t hold_now_ms = model->time_ms - model->credits_ms;
    struct due_list list = {.next_ms = INT64_MAX};
    if (model->no_expiry_before_hold_ms >= hold_now_ms) {
        return;
    }
    for (uint32_t i = 0; i < model->orders.count; i++) {
        const struct order_record *order = state_order_now(&model->orders.items[i]);
        if (order != NULL && order->state == ORDER_ACTIVE) {
            consider(&list, hold_now_ms,
                     (struct due){order->expires_hold_ms, LEDGER_KIND_ORDER,
                                  model->orders.items[i].id, order->line_count});
        }
    }
    choose(&list, order_limit, line_limit);
    for (uint32_t i = 0; i < list.all.count; i++) {
        struct bytes id = list.all.items[i].id;
        const struct order_record *order = state_order_now(state_order(model, id));
        struct order_version *version = state_change_order(model, id, order->line_count);
        rules_give_back(model, version, id, HISTORY_EXPIRE, NULL);
        rules_settle(model, version, ORDER_EXPIRED);
    }
    model->no_expiry_before_hold_ms = list.next_ms;
    free(list.all.items);
}

/* ---- trimming ---- */

static uint64_t order_bytes(const struct order_record *order)
{
    struct buffer encoded = {0};
    order_record_encode(&encoded, order);
    uint64_t bytes = encoded.len;
    buffer_free(&encoded);
    return bytes;
}

static uint64_t request_bytes(const struct request_record *reply)
{
    struct buffer encoded = {0};
    request_record_encode(&encoded, reply);
    uint64_t bytes = encoded.len;
    buffer_free(&encoded);
    return bytes;
}

static void trim(struct model *model, uint64_t record_limit, uint64_t byte_limit)
{
    struct due_list list = {.next_ms = INT64_MAX};
    if (model->no_trimming_before_ms >= model->time_ms) {
        return;
    }
    for (uint32_t i = 0; i < model->orders.count; i++) {
        const struct order_record *order = state_order_now(&model->orders.items[i]);
        if (order != NULL && order->state != ORDER_ACTIVE) {
            bool due = order->purge_ms < model->time_ms;
            consider(&list, model->time_ms,
                     (struct due){order->purge_ms, LEDGER_KIND_ORDER, model->orders.items[i].id,
                                  due ? order_bytes(order) : 0});
        }
    }
    for (uint32_t i = 0; i < model->requests.count; i++) {
        const struct request_record *reply = &model->requests.items[i].reply;
        bool due = reply->purge_ms < model->time_ms;
        consider(&list, model->time_ms,
                 (struct due){reply->purge_ms, LEDGER_KIND_REQUEST, model->requests.items[i].id,
                              due ? request_bytes(reply) : 0});
    }
    choose(&list, record_limit, byte_limit);
    for (uint32_t i = 0; i < list.all.count; i++) {
        struct bytes id = list.all.items[i].id;
        if (list.all.items[i].kind == LEDGER_KIND_ORDER) {
            const struct order_record *order = state_order_now(state_order(model, id));
            state_change_order(model, id, order->line_count)->present = false;
        } else {
            state_remove_request(model,
                                 (uint32_t)(state_request(model, id) - model->requests.items));
        }
    }
    model->no_trimming_before_ms = list.next_ms;
    free(list.all.items);
}

/* "What the entry itself can have made": an order and two records a command; as many lines as its
 * bytes can hold (14 each at least); records of lines take less than eight times the lines' bytes.
 */
void due_sweep(struct model *model, uint32_t command_count, size_t entry_bytes)
{
    expire(model, LIMIT_EXPIRED_ORDERS_PER_ENTRY + (uint64_t)command_count,
           LIMIT_EXPIRED_LINES_PER_ENTRY + entry_bytes / 14);
    trim(model, LIMIT_TRIMMED_RECORDS_PER_ENTRY + 2 * (uint64_t)command_count,
         LIMIT_TRIMMED_BYTES_PER_ENTRY + 8 * entry_bytes);
}

int64_t model_next_due_ms(const struct model *model)
{
    int64_t next_ms = INT64_MAX;
    for (uint32_t i = 0; i < model->orders.count; i++) {
        const struct order_record *order = state_order_now(&model->orders.items[i]);
        if (order != NULL) {
            int64_t due_ms = order->state == ORDER_ACTIVE
                                 ? order->expires_hold_ms + model->credits_ms
                                 : order->purge_ms;
            next_ms = due_ms + 1 < next_ms ? due_ms + 1 : next_ms;
        }
    }
    for (uint32_t i = 0; i < model->requests.count; i++) {
        int64_t due_ms = model->requests.items[i].reply.purge_ms;
        next_ms = due_ms + 1 < next_ms ? due_ms + 1 : next_ms;
    }
    return next_ms;
}
