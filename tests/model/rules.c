/*
 * rules.c - what each command does to stocks and orders: the decisions of the ledger, case by case,
 * in the order in which they are to be made. A command that is refused has changed nothing when the
 * refusal is found, for nothing is changed before the last check.
 *
 * form.c has sorted the command's lines by SKU and warehouse; refusals list them by appearance.
 */
#include <assert.h>
#include <stdlib.h>

#include "base/limits.h"
#include "state.h"

/* ---- stock ---- */

static void show_stock(const struct model *model, const struct ledger_command *command,
                       struct ledger_result *result)
{
    const struct stock *stock =
        state_stock(model, command->sku, ledger_warehouse(command->warehouse));
    if (stock != NULL) {
        result->has_stock = true;
        result->stock_sku = stock->sku;
        result->stock_warehouse = stock->warehouse;
        result->stock = *state_stock_now(stock);
    }
}

static enum ledger_verdict set_stock(struct model *model, const struct ledger_command *command)
{
    uint32_t warehouse = ledger_warehouse(command->warehouse);
    const struct stock *stock = state_stock(model, command->sku, warehouse);
    const struct stock_record *now = stock != NULL ? state_stock_now(stock) : NULL;
    uint64_t version = now != NULL ? now->version : 0; /* a missing stock has version 0 */
    if (command->has_expected_version && command->expected_version != version) {
        return command->expected_version == 0 ? LEDGER_ALREADY_EXISTS : LEDGER_VERSION_MISMATCH;
    }
    if (now != NULL && command->quantity < now->reserved) {
        return LEDGER_BELOW_RESERVED;
    }
    int64_t change = command->quantity - (now != NULL ? now->on_hand : 0);
    if (now == NULL || change != 0) {
        state_change_stock(model, command->sku, warehouse, HISTORY_SET, change, 0,
                           command->order_id, command);
    }
    return LEDGER_OK;
}

static enum ledger_verdict adjust_stock(struct model *model, const struct ledger_command *command)
{
    uint32_t warehouse = ledger_warehouse(command->warehouse);
    const struct stock *stock = state_stock(model, command->sku, warehouse);
    if (stock == NULL) {
        return LEDGER_SKU_NOT_FOUND;
    }
    const struct stock_record *now = state_stock_now(stock);
    if (command->has_expected_version && command->expected_version != now->version) {
        return LEDGER_VERSION_MISMATCH;
    }
    if (command->quantity > LIMIT_QUANTITY - now->on_hand) {
        return LEDGER_OVERFLOW;
    }
    if (-command->quantity > now->on_hand - now->reserved) {
        return LEDGER_INSUFFICIENT_STOCK;
    }
    state_change_stock(model, command->sku, warehouse, HISTORY_ADJUST, command->quantity, 0,
                       command->order_id, command);
    return LEDGER_OK;
}

void rules_stock(struct model *model, const struct ledger_command *command,
                 struct ledger_result *result)
{
    result->verdict = command->kind == LEDGER_SET_STOCK ? set_stock(model, command)
                                                        : adjust_stock(model, command);
    show_stock(model, command, result);
}

/* ---- orders, what they have in common ---- */

int64_t rules_available(const struct model *model, struct bytes sku, uint32_t warehouse)
{
    const struct stock *stock = state_stock(model, sku, warehouse);
    return stock != NULL ? state_stock_now(stock)->on_hand - state_stock_now(stock)->reserved : 0;
}

void rules_fail_line(struct model *model, struct ledger_result *result, const struct want *want,
                     int64_t available, enum ledger_verdict reason)
{
    if (model->failed.count == 0) {
        result->verdict = reason;
    }
    *array_add(&model->failed) =
        (struct ledger_failed_line){want->sku, want->warehouse, want->quantity, available, reason};
}

enum ledger_verdict rules_closed_verdict(enum order_state state)
{
    switch (state) {
    case ORDER_DEDUCTED:
        return LEDGER_ORDER_DEDUCTED;
    case ORDER_RELEASED:
        return LEDGER_ORDER_RELEASED;
    case ORDER_EXPIRED:
        return LEDGER_ORDER_EXPIRED;
    case ORDER_RETURNED:
        return LEDGER_ORDER_RETURNED;
    case ORDER_STATE_NONE:
    case ORDER_ACTIVE:
        break;
    }
    assert(false && "the order is not closed");
    return LEDGER_VERDICT_UNSPECIFIED;
}

/* Open units of the order's line become something else, or nothing becomes open: the stock's other
 * count of what is held. */
static void count_held(struct model *model, const struct order_line *line, int64_t change)
{
    state_stock(model, line->sku, line->warehouse)->held += change;
}

static int64_t open_of(const struct order_line *line)
{
    return line->reserved - line->deducted - line->released - line->expired;
}

void rules_give_back(struct model *model, struct order_version *version, struct bytes order_id,
                     enum history_op op, const struct ledger_command *command)
{
    for (uint32_t i = 0; i < version->record.line_count; i++) {
        struct order_line *line = &version->lines[i];
        int64_t open = open_of(line);
        if (open > 0) {
            *(op == HISTORY_EXPIRE ? &line->expired : &line->released) += open;
            count_held(model, line, -open);
            state_change_stock(model, line->sku, line->warehouse, op, 0, -open, order_id, command);
        }
    }
}

void rules_settle(struct model *model, struct order_version *version, enum order_state act)
{
    struct order_record *order = &version->record;
    for (uint32_t i = 0; i < order->line_count; i++) {
        if (open_of(&order->lines[i]) > 0) {
            return;
        }
    }
    order->state = act;
    order->closed_ms = model->time_ms;
    order->purge_ms =
        model->time_ms + (order->tombstone ? model->settings.tombstone_retention_ms
                                           : model->settings.closed_order_retention_ms);
    if (order->purge_ms < model->no_trimming_before_ms) {
        model->no_trimming_before_ms = order->purge_ms;
    }
}

/* ---- Reserve ---- */

/* The lines that are to be held anew, left in model->wants. Otherwise false: `result` tells that
 * the order repeats, conflicts, or can't grow. */
static bool lines_to_add(struct model *model, const struct order_record *order,
                         const struct ledger_command *command, struct ledger_result *result)
{
    struct wants *wants = &model->wants;
    uint32_t fresh = 0;
    bool conflict =
        command->mode == LEDGER_RESERVE_WHOLE && wants->count != order->line_count; /* fewer */
    for (uint32_t i = 0; i < wants->count; i++) {
        const struct want *want = &wants->items[i];
        const struct order_line *line =
            state_order_line(order, (struct order_line *)order->lines, want->sku, want->warehouse);
        if (line == NULL) {
            conflict |= command->mode == LEDGER_RESERVE_WHOLE;
            wants->items[fresh++] = *want;
        } else {
            conflict |= line->reserved != want->quantity;
        }
    }
    if (conflict) {
        result->verdict = LEDGER_ORDER_CONFLICT;
        return false;
    }
    if (fresh == 0) {
        result->verdict = LEDGER_OK;
        result->replayed = true;
        return false;
    }
    wants->count = fresh;
    if (order->line_count + fresh > LIMIT_LINES) {
        result->verdict = LEDGER_LIMIT_EXCEEDED;
        return false;
    }
    return true;
}

static bool all_available(struct model *model, struct ledger_result *result)
{
    wants_sort_by_appearance(&model->wants);
    for (uint32_t i = 0; i < model->wants.count; i++) {
        const struct want *want = &model->wants.items[i];
        int64_t available = rules_available(model, want->sku, want->warehouse);
        if (state_stock(model, want->sku, want->warehouse) == NULL) {
            rules_fail_line(model, result, want, 0, LEDGER_SKU_NOT_FOUND);
        } else if (available < want->quantity) {
            rules_fail_line(model, result, want, available, LEDGER_INSUFFICIENT_STOCK);
        }
    }
    return model->failed.count == 0;
}

static int by_line_key(const void *left, const void *right)
{
    const struct order_line *a = left;
    const struct order_line *b = right;
    return state_compare_keys(a->sku, a->warehouse, b->sku, b->warehouse);
}

static void hold(struct model *model, const struct ledger_command *command,
                 const struct order_record *old)
{
    uint32_t had = old != NULL ? old->line_count : 0;
    struct order_version *version =
        state_change_order(model, command->order_id, had + model->wants.count);
    struct order_record *order = &version->record;
    if (had == 0) {
        int64_t ttl_ms = command->has_ttl ? command->ttl_ms : model->settings.default_ttl_ms;
        order->state = ORDER_ACTIVE;
        order->created_ms = model->time_ms;
        order->expires_hold_ms = model->time_ms - model->credits_ms + ttl_ms;
        order->actor = state_text(model, command->actor);
        order->reason = state_text(model, command->reason);
        if (order->expires_hold_ms < model->no_expiry_before_hold_ms) {
            model->no_expiry_before_hold_ms = order->expires_hold_ms;
        }
    }
    for (uint32_t i = 0; i < model->wants.count; i++) {
        const struct want *want = &model->wants.items[i];
        struct order_line *line = &version->lines[had + i];
        line->sku = state_text(model, want->sku);
        line->warehouse = want->warehouse;
        line->reserved = want->quantity;
    }
    qsort(version->lines + had, model->wants.count, sizeof *version->lines, by_line_key);
    for (uint32_t i = had; i < order->line_count; i++) {
        const struct order_line *line = &version->lines[i];
        count_held(model, line, line->reserved);
        state_change_stock(model, line->sku, line->warehouse, HISTORY_RESERVE, 0, line->reserved,
                           command->order_id, command);
    }
    qsort(version->lines, order->line_count, sizeof *version->lines, by_line_key);
}

void rules_reserve(struct model *model, const struct ledger_command *command,
                   struct ledger_result *result)
{
    const struct order_record *order = state_order_now(state_order(model, command->order_id));
    if (order != NULL) {
        result->order_state = order->state;
        if (order->state != ORDER_ACTIVE) {
            result->verdict = rules_closed_verdict(order->state);
            return;
        }
        result->expires_at_ms = order->expires_hold_ms + model->credits_ms; /* refused or not */
        if (!lines_to_add(model, order, command, result)) {
            return;
        }
    }
    if (!requests_in_time(model, command)) {
        result->verdict = LEDGER_REQUEST_EXPIRED;
        return;
    }
    if (!all_available(model, result)) {
        return;
    }
    hold(model, command, order);
    order = state_order_now(state_order(model, command->order_id));
    result->verdict = LEDGER_OK;
    result->order_state = ORDER_ACTIVE;
    result->expires_at_ms = order->expires_hold_ms + model->credits_ms;
}

/* Under a request id whose refusal may have been forgotten. */
static bool too_late_to_act(const struct model *model, const struct ledger_command *command)
{
    return command->request_id.len != 0 && !requests_in_time(model, command);
}

/* ---- Deduct ---- */

/* Units of the line that can be deducted: what is open, or what has expired if the order's hold is
 * taken again. */
static int64_t deductible(const struct order_line *line, bool reacquire)
{
    return reacquire ? line->expired : open_of(line);
}

static bool any_expired(const struct order_record *order)
{
    for (uint32_t i = 0; i < order->line_count; i++) {
        if (order->lines[i].expired > 0) {
            return true;
        }
    }
    return false;
}

/* Without lines everything is meant that can be had. */
static void want_everything(struct model *model, const struct order_record *order, bool reacquire)
{
    struct wants *wants = &model->wants;
    wants->items = memory_realloc(wants->items, (order->line_count + 1) * sizeof *wants->items);
    wants->count = 0;
    for (uint32_t i = 0; i < order->line_count; i++) {
        const struct order_line *line = &order->lines[i];
        if (deductible(line, reacquire) > 0) {
            wants->items[wants->count++] =
                (struct want){line->sku, line->warehouse, deductible(line, reacquire), i};
        }
    }
}

/* Does the order have what the command names? And if its hold is gone, does the stock? A hold that
 * stands needs no look at the stock: reserved <= on_hand. */
static bool all_deductible(struct model *model, const struct order_record *order, bool reacquire,
                           struct ledger_result *result)
{
    wants_sort_by_appearance(&model->wants);
    for (uint32_t i = 0; i < model->wants.count; i++) {
        const struct want *want = &model->wants.items[i];
        const struct order_line *line =
            state_order_line(order, (struct order_line *)order->lines, want->sku, want->warehouse);
        int64_t most = line != NULL ? deductible(line, reacquire) : 0;
        int64_t available = rules_available(model, want->sku, want->warehouse);
        if (want->quantity > most) {
            rules_fail_line(model, result, want, most, LEDGER_QUANTITY_EXCEEDS_OPEN);
        } else if (reacquire && want->quantity > available) {
            rules_fail_line(model, result, want, available, LEDGER_INSUFFICIENT_STOCK);
        }
    }
    return model->failed.count == 0;
}

static void take(struct model *model, struct order_version *version, bool reacquire,
                 const struct ledger_command *command)
{
    wants_sort_by_key(&model->wants);
    for (uint32_t i = 0; i < model->wants.count; i++) {
        const struct want *want = &model->wants.items[i];
        struct order_line *line =
            state_order_line(&version->record, version->lines, want->sku, want->warehouse);
        line->deducted += want->quantity;
        if (reacquire) {
            line->expired -= want->quantity;
        } else {
            count_held(model, line, -want->quantity);
        }
        state_change_stock(model, line->sku, line->warehouse, HISTORY_DEDUCT, -want->quantity,
                           reacquire ? 0 : -want->quantity, command->order_id, command);
    }
}

void rules_deduct(struct model *model, const struct ledger_command *command,
                  struct ledger_result *result)
{
    const struct order_record *order = state_order_now(state_order(model, command->order_id));
    bool whole = command->line_count == 0;
    if (order == NULL) {
        result->verdict = LEDGER_ORDER_NOT_FOUND;
        return;
    }
    result->order_state = order->state;
    if (whole && (order->state == ORDER_DEDUCTED || order->state == ORDER_RETURNED)) {
        result->verdict = LEDGER_OK;
        result->replayed = true;
        return;
    }
    bool reacquire = order->state != ORDER_ACTIVE && command->reacquire && any_expired(order);
    if (order->state != ORDER_ACTIVE && !reacquire) {
        result->verdict = rules_closed_verdict(order->state);
        return;
    }
    if (too_late_to_act(model, command)) {
        result->verdict = LEDGER_REQUEST_EXPIRED;
        return;
    }
    if (whole) {
        want_everything(model, order, reacquire);
    }
    if (!all_deductible(model, order, reacquire, result)) {
        return;
    }
    struct order_version *version = state_change_order(model, command->order_id, order->line_count);
    take(model, version, reacquire, command);
    if (command->final && !reacquire) {
        rules_give_back(model, version, command->order_id, HISTORY_RELEASE, command);
    }
    rules_settle(model, version, ORDER_DEDUCTED);
    result->verdict = LEDGER_OK;
    result->order_state = version->record.state;
}

/* ---- Release ---- */

/* So that a Reserve which comes late can't make a hold that nobody would give back. */
static void leave_tombstone(struct model *model, const struct ledger_command *command)
{
    struct order_version *version = state_change_order(model, command->order_id, 0);
    version->record.tombstone = true;
    version->record.created_ms = model->time_ms;
    version->record.actor = state_text(model, command->actor);
    version->record.reason = state_text(model, command->reason);
    rules_settle(model, version, ORDER_RELEASED);
}

static void release_lines(struct model *model, const struct ledger_command *command,
                          struct order_version *version)
{
    wants_sort_by_key(&model->wants);
    for (uint32_t i = 0; i < model->wants.count; i++) {
        const struct want *want = &model->wants.items[i];
        struct order_line *line =
            state_order_line(&version->record, version->lines, want->sku, want->warehouse);
        line->released += want->quantity;
        count_held(model, line, -want->quantity);
        state_change_stock(model, line->sku, line->warehouse, HISTORY_RELEASE, 0, -want->quantity,
                           command->order_id, command);
    }
}

void rules_release(struct model *model, const struct ledger_command *command,
                   struct ledger_result *result)
{
    const struct order_record *order = state_order_now(state_order(model, command->order_id));
    bool whole = command->line_count == 0;
    if (order == NULL && !whole) {
        result->verdict = LEDGER_ORDER_NOT_FOUND;
        return;
    }
    result->order_state = order != NULL ? order->state : ORDER_STATE_NONE;
    result->existed = order != NULL && !order->tombstone;
    if ((order == NULL || order->state == ORDER_ACTIVE) && too_late_to_act(model, command)) {
        result->verdict = LEDGER_REQUEST_EXPIRED;
        return;
    }
    if (order == NULL) {
        leave_tombstone(model, command);
        result->verdict = LEDGER_OK;
        result->order_state = ORDER_RELEASED;
        return;
    }
    if (whole && (order->state == ORDER_RELEASED || order->state == ORDER_EXPIRED)) {
        result->verdict = LEDGER_OK;
        result->replayed = true;
        return;
    }
    if (order->state != ORDER_ACTIVE) {
        result->verdict = rules_closed_verdict(order->state);
        return;
    }
    if (!all_deductible(model, order, false, result)) {
        return;
    }
    struct order_version *version = state_change_order(model, command->order_id, order->line_count);
    if (whole) {
        rules_give_back(model, version, command->order_id, HISTORY_RELEASE, command);
    } else {
        release_lines(model, command, version);
    }
    rules_settle(model, version, ORDER_RELEASED);
    result->verdict = LEDGER_OK;
    result->order_state = version->record.state;
}
