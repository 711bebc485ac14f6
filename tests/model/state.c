/*
 * state.c - the arrays of the model and how things in them are found.
 *
 * Nothing here knows a rule. What is written down is checked where it is cheap: a stock that falls
 * below zero here is a mistake of the model's own, and stops it.
 */
#include "state.h"

#include <assert.h>
#include <stdlib.h>

#include "base/hash.h"

void *array_room(void *items, uint32_t *capacity, uint32_t count, size_t size)
{
    assert(count < NONE);
    if (count == *capacity) {
        *capacity = *capacity == 0 ? 4 : *capacity * 2;
        items = memory_realloc(items, *capacity * size);
    }
    memset((uint8_t *)items + count * size, 0, size);
    return items;
}

/* ---- names ---- */

/* Where the text stands in the table, or the empty place where it would. */
static uint32_t table_place(const struct model *model, struct bytes text)
{
    uint32_t mask = model->name_table_size - 1;
    uint32_t place = (uint32_t)hash128_of(text).low & mask;
    while (model->name_table[place] != 0 &&
           !bytes_equal(model->names.items[model->name_table[place] - 1].text, text)) {
        place = (place + 1) & mask;
    }
    return place;
}

/* At most half full, so that a free place is always near. */
static void table_grow(struct model *model)
{
    model->name_table_size = model->name_table_size == 0 ? 64 : model->name_table_size * 2;
    free(model->name_table);
    model->name_table = memory_zalloc(model->name_table_size * sizeof *model->name_table);
    for (uint32_t i = 0; i < model->names.count; i++) {
        model->name_table[table_place(model, model->names.items[i].text)] = i + 1;
    }
}

static struct name *find_name(const struct model *model, struct bytes text)
{
    uint32_t position = model->name_table[table_place(model, text)];
    return position != 0 ? &model->names.items[position - 1] : NULL;
}

static struct name *make_name(struct model *model, struct bytes text)
{
    struct name *name = find_name(model, text);
    if (name == NULL) {
        if ((model->names.count + 1) * 2 > model->name_table_size) {
            table_grow(model);
        }
        name = array_add(&model->names);
        *name =
            (struct name){bytes_of(memory_copy(text.data, text.len), text.len), NONE, NONE, NONE};
        model->name_table[table_place(model, name->text)] = model->names.count;
    }
    return name;
}

struct bytes state_text(struct model *model, struct bytes text)
{
    return make_name(model, text)->text;
}

int state_compare_keys(struct bytes sku_a, uint32_t warehouse_a, struct bytes sku_b,
                       uint32_t warehouse_b)
{
    int order = bytes_compare(sku_a, sku_b);
    return order != 0 ? order : (warehouse_a > warehouse_b) - (warehouse_a < warehouse_b);
}

/* ---- the whole ---- */

struct model *model_new(void)
{
    struct model *model = memory_zalloc(sizeof *model);
    model->settings = ledger_settings_default();
    model->no_expiry_before_hold_ms = INT64_MAX;
    model->no_trimming_before_ms = INT64_MAX;
    table_grow(model);
    return model;
}

static void free_request(struct request *request)
{
    free(request->lines);
    free(request->failed_lines);
}

void model_free(struct model *model)
{
    if (model == NULL) {
        return;
    }
    for (uint32_t i = 0; i < model->names.count; i++) {
        free((void *)model->names.items[i].text.data);
    }
    for (uint32_t i = 0; i < model->stocks.count; i++) {
        free(model->stocks.items[i].changes.items);
    }
    for (uint32_t i = 0; i < model->orders.count; i++) {
        struct order *order = &model->orders.items[i];
        for (uint32_t k = 0; k < order->versions.count; k++) {
            free(order->versions.items[k].lines);
        }
        free(order->versions.items);
    }
    for (uint32_t i = 0; i < model->requests.count; i++) {
        free_request(&model->requests.items[i]);
    }
    free(model->names.items);
    free(model->name_table);
    free(model->stocks.items);
    free(model->orders.items);
    free(model->requests.items);
    free(model->nodes.items);
    free(model->touched_stocks.items);
    free(model->touched_orders.items);
    wants_free(&model->wants);
    free(model->failed.items);
    free(model);
}

/* ---- stocks ---- */

struct stock *state_stock(const struct model *model, struct bytes sku, uint32_t warehouse)
{
    const struct name *name = find_name(model, sku);
    uint32_t position = name != NULL ? name->first_stock : NONE;
    while (position != NONE && model->stocks.items[position].warehouse != warehouse) {
        position = model->stocks.items[position].next_of_sku;
    }
    return position != NONE ? &model->stocks.items[position] : NULL;
}

const struct stock_record *state_stock_now(const struct stock *stock)
{
    return &stock->changes.items[stock->changes.count - 1].after;
}

static struct stock *make_stock(struct model *model, struct bytes sku, uint32_t warehouse)
{
    struct stock *stock = state_stock(model, sku, warehouse);
    if (stock == NULL) {
        struct name *name = make_name(model, sku);
        stock = array_add(&model->stocks);
        stock->sku = name->text;
        stock->warehouse = warehouse;
        stock->next_of_sku = name->first_stock;
        name->first_stock = model->stocks.count - 1;
    }
    return stock;
}

static void touch_stock(struct model *model, struct stock *stock)
{
    if (stock->touched_index != model->last_index) {
        stock->touched_index = model->last_index;
        *array_add(&model->touched_stocks) = (uint32_t)(stock - model->stocks.items);
    }
}

void state_change_stock(struct model *model, struct bytes sku, uint32_t warehouse,
                        enum history_op op, int64_t on_hand_change, int64_t reserved_change,
                        struct bytes order_id, const struct ledger_command *command)
{
    static const struct ledger_command nobody;
    const struct ledger_command *who = command != NULL ? command : &nobody;
    struct stock *stock = make_stock(model, sku, warehouse);
    struct stock_record now = stock->changes.count != 0
                                  ? *state_stock_now(stock)
                                  : (struct stock_record){.created_ms = model->time_ms};
    struct change *change = array_add(&stock->changes);
    change->row = (struct history_record){
        .index = model->last_index,
        .sub = model->sub++,
        .op = op,
        .on_hand_before = now.on_hand,
        .on_hand_after = now.on_hand + on_hand_change,
        .reserved_before = now.reserved,
        .reserved_after = now.reserved + reserved_change,
        .time_ms = model->time_ms,
        .order_id = state_text(model, order_id),
        /* an order's lines are told by the order, if all are meant */
        .request_id = order_id.len == 0 || (op != HISTORY_RESERVE && who->line_count > 0)
                          ? state_text(model, who->request_id)
                          : (struct bytes){0},
        .actor = state_text(model, who->actor),
        .reason = state_text(model, who->reason),
        .remark = state_text(model, who->remark),
        .trace_id = state_text(model, who->trace_id),
    };
    if (on_hand_change != 0 || now.version == 0) {
        now.version++;
    }
    now.on_hand += on_hand_change;
    now.reserved += reserved_change;
    now.updated_ms = model->time_ms;
    now.last_index = model->last_index;
    assert(now.on_hand >= 0 && now.reserved >= 0 && now.reserved <= now.on_hand);
    change->after = now;
    stock->on_hand_changes += on_hand_change;
    stock->reserved_changes += reserved_change;
    touch_stock(model, stock);
}

/* ---- orders ---- */

struct order *state_order(const struct model *model, struct bytes order_id)
{
    const struct name *name = find_name(model, order_id);
    return name != NULL && name->order != NONE ? &model->orders.items[name->order] : NULL;
}

const struct order_record *state_order_now(const struct order *order)
{
    if (order == NULL || order->versions.count == 0) {
        return NULL;
    }
    const struct order_version *last = &order->versions.items[order->versions.count - 1];
    return last->present ? &last->record : NULL;
}

struct order_version *state_change_order(struct model *model, struct bytes order_id,
                                         uint32_t line_count)
{
    struct name *name = make_name(model, order_id);
    if (name->order == NONE) {
        name->order = model->orders.count;
        array_add(&model->orders)->id = name->text;
    }
    struct order *order = &model->orders.items[name->order];
    if (order->touched_index != model->last_index) {
        order->touched_index = model->last_index;
        *array_add(&model->touched_orders) = name->order;
    }
    const struct order_record *old = state_order_now(order);
    struct order_record record = old != NULL ? *old : (struct order_record){0};
    assert(line_count >= record.line_count);
    struct order_line *lines = memory_zalloc((line_count + 1) * sizeof *lines);
    if (record.line_count != 0) {
        memcpy(lines, record.lines, record.line_count * sizeof *lines);
    }
    struct order_version *version =
        order->versions.count != 0 ? &order->versions.items[order->versions.count - 1] : NULL;
    if (version == NULL || version->index != model->last_index) {
        version = array_add(&order->versions);
    } else {
        free(version->lines);
    }
    record.lines = lines;
    record.line_count = line_count;
    *version = (struct order_version){model->last_index, true, record, lines};
    return version;
}

struct order_line *state_order_line(const struct order_record *order, struct order_line *lines,
                                    struct bytes sku, uint32_t warehouse)
{
    uint32_t from = 0;
    uint32_t to = order->line_count;
    while (from < to) {
        uint32_t middle = from + (to - from) / 2;
        int side = state_compare_keys(sku, warehouse, lines[middle].sku, lines[middle].warehouse);
        if (side == 0) {
            return &lines[middle];
        }
        if (side < 0) {
            to = middle;
        } else {
            from = middle + 1;
        }
    }
    return NULL;
}

/* ---- requests ---- */

struct request *state_request(const struct model *model, struct bytes request_id)
{
    const struct name *name = find_name(model, request_id);
    return name != NULL && name->request != NONE ? &model->requests.items[name->request] : NULL;
}

struct request *state_add_request(struct model *model, struct bytes request_id)
{
    struct name *name = make_name(model, request_id);
    assert(name->request == NONE);
    name->request = model->requests.count;
    struct request *request = array_add(&model->requests);
    request->id = name->text;
    return request;
}

/* The last one takes its place. */
void state_remove_request(struct model *model, uint32_t position)
{
    struct request *request = &model->requests.items[position];
    free_request(request);
    find_name(model, request->id)->request = NONE;
    model->requests.count--;
    if (position != model->requests.count) {
        *request = model->requests.items[model->requests.count];
        find_name(model, request->id)->request = position;
    }
}

/* ---- what it holds ---- */

uint64_t model_last_index(const struct model *model)
{
    return model->last_index;
}

unsigned model_version(const struct model *model)
{
    return model->version != 0 ? model->version : 1;
}

bool model_node_incarnation(const struct model *model, uint64_t node_id, uint64_t *incarnation)
{
    for (uint32_t i = 0; i < model->nodes.count; i++) {
        if (model->nodes.items[i].id == node_id) {
            *incarnation = model->nodes.items[i].incarnation;
            return true;
        }
    }
    return false;
}

bool model_stock_at(const struct model *model, struct bytes sku, uint32_t warehouse, uint64_t index,
                    struct stock_record *stock)
{
    const struct stock *found = state_stock(model, sku, ledger_warehouse(warehouse));
    for (uint32_t i = found != NULL ? found->changes.count : 0; i > 0; i--) {
        if (found->changes.items[i - 1].row.index <= index) {
            *stock = found->changes.items[i - 1].after;
            return true;
        }
    }
    return false;
}

bool model_order_at(const struct model *model, struct bytes order_id, uint64_t index,
                    struct order_record *order)
{
    const struct order *found = state_order(model, order_id);
    for (uint32_t i = found != NULL ? found->versions.count : 0; i > 0; i--) {
        const struct order_version *version = &found->versions.items[i - 1];
        if (version->index <= index) {
            *order = version->record;
            return version->present;
        }
    }
    return false;
}

bool model_request(const struct model *model, struct bytes request_id,
                   struct request_record *request)
{
    const struct request *found = state_request(model, request_id);
    if (found != NULL) {
        *request = found->reply;
    }
    return found != NULL;
}

void model_list_requests(const struct model *model,
                         void (*visit)(void *context, struct bytes request_id), void *context)
{
    for (uint32_t i = 0; i < model->requests.count; i++) {
        visit(context, model->requests.items[i].id);
    }
}

struct model_counts model_count(const struct model *model)
{
    struct model_counts counts = {
        .stocks = model->stocks.count,
        .requests = model->requests.count,
        .nodes = model->nodes.count,
    };
    for (uint32_t i = 0; i < model->stocks.count; i++) {
        counts.history_rows += model->stocks.items[i].changes.count;
    }
    for (uint32_t i = 0; i < model->orders.count; i++) {
        const struct order_record *order = state_order_now(&model->orders.items[i]);
        counts.orders += order != NULL;
        counts.open_orders += order != NULL && order->state == ORDER_ACTIVE;
        counts.closed_orders += order != NULL && order->state != ORDER_ACTIVE;
    }
    return counts;
}
