/*
 * shop.c - names, draws, commands and doubts of workloads.
 *
 * Happy path: a command is answered, and nothing is kept of it. Fails: a command of unknown outcome
 * becomes a doubt; the beginning, where a stock can't be set, for a SetStock of unknown outcome
 * would leave much undecided; the end, where a cluster that should be healthy gives no answer in
 * ATTEMPTS calls.
 */
#include "shop.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

/* Of a client: a turn leaves one or two, and none is made while one is open. */
#define DOUBTS   16
#define RECENT   64 /* orders that anybody may meddle with */
#define ATTEMPTS 10

struct doubt {
    uint64_t order; /* 0: the command on a stock */
    bool may_exist; /* a Reserve may come yet: a read alone decides nothing */
    bool is_deep;   /* the command that was to settle it is in doubt too: reads first, until one is
                       answered, or a long outage would heap commands upon one order */
    hf_command command;
    char request[SHOP_NAME];
};

/* Only ever touched by its client's thread. */
struct keeper {
    struct doubt doubts[DOUBTS];
    uint32_t doubt_count;
    struct {
        uint64_t order;
        int64_t due_ns;
    } open[SHOP_OPEN];
    uint32_t open_count;
    uint32_t requests;
};

struct shop {
    struct shop_shape shape;
    struct workload_options options;
    char (*skus)[SHOP_NAME];
    double *weights; /* sums of weights, up to 1 */
    atomic_uint_fast64_t orders;
    struct keeper *keepers;
};

/* ---- names and draws ---- */

uint32_t draw_below(struct random *random, uint32_t bound)
{
    return (uint32_t)((random_next(random) >> 32) * bound >> 32);
}

bool draw_permille(struct random *random, uint32_t permille)
{
    return draw_below(random, 1000) < permille;
}

const char *shop_sku(const struct shop *shop, uint32_t sku)
{
    assert(sku < shop->shape.stock_count);
    return shop->skus[sku];
}

uint32_t shop_stock_count(const struct shop *shop)
{
    return shop->shape.stock_count;
}

uint32_t shop_draw_sku(const struct shop *shop, struct random *random)
{
    if (draw_permille(random, shop->shape.hot_permille)) {
        return 0;
    }
    double at = (double)(random_next(random) >> 11) / (double)(UINT64_C(1) << 53);
    uint32_t low = 0;
    uint32_t high = shop->shape.stock_count - 1;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (shop->weights[middle] <= at) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/* Zipf's law with the exponent 1: the k-th most wanted SKU is wanted 1/k as often. */
static double *weight_table(uint32_t count, bool even)
{
    double *sums = memory_alloc(count * sizeof *sums);
    double sum = 0;
    for (uint32_t i = 0; i < count; i++) {
        sum += even ? 1.0 : 1.0 / (i + 1);
        sums[i] = sum;
    }
    for (uint32_t i = 0; i < count; i++) {
        sums[i] /= sum;
    }
    return sums;
}

static void draw_group(const struct shop *shop, struct random *random, struct shop_order *order)
{
    uint32_t first = shop_draw_sku(shop, random) / shop->shape.group * shop->shape.group;
    int64_t quantity = 1 + draw_below(random, (uint32_t)shop->shape.quantity_most);
    for (uint32_t i = first; i < first + shop->shape.group && i < shop->shape.stock_count; i++) {
        order->lines[order->line_count++] = (hf_line){shop_sku(shop, i), 0, quantity};
    }
}

void shop_order(const struct shop *shop, uint64_t number, struct shop_order *order)
{
    struct random random = random_sequence(shop->options.seed, number);
    *order = (struct shop_order){.number = number};
    snprintf(order->id, sizeof order->id, "o%" PRIx64 "-%" PRIu64, shop->options.seed, number);
    if (shop->shape.group != 0) {
        draw_group(shop, &random, order);
        return;
    }
    uint32_t wanted = 1 + draw_below(&random, shop->shape.lines_most);
    for (uint32_t i = 0; i < wanted; i++) {
        const char *sku = shop_sku(shop, shop_draw_sku(shop, &random));
        int64_t quantity = 1 + draw_below(&random, (uint32_t)shop->shape.quantity_most);
        bool is_new = true;
        for (uint32_t k = 0; k < order->line_count; k++) {
            is_new &= order->lines[k].sku != sku;
        }
        if (is_new) {
            order->lines[order->line_count++] = (hf_line){sku, 0, quantity};
        }
    }
}

void shop_new_order(struct shop *shop, struct shop_order *order)
{
    shop_order(shop, atomic_fetch_add(&shop->orders, 1) + 1, order);
}

bool shop_recent_order(struct shop *shop, struct random *random, struct shop_order *order)
{
    uint64_t last = atomic_load(&shop->orders);
    if (last == 0) {
        return false;
    }
    uint32_t back = draw_below(random, last < RECENT ? (uint32_t)last : RECENT);
    shop_order(shop, last - back, order);
    return true;
}

/* ---- doubts ---- */

static struct keeper *keeper_of(struct shop *shop, uint32_t client_number)
{
    assert(client_number < shop->options.client_count);
    return &shop->keepers[client_number];
}

/* Clients settle before they go on, so there is room. */
static struct doubt *add_doubt(struct shop *shop, uint32_t client_number)
{
    struct keeper *keeper = keeper_of(shop, client_number);
    assert(keeper->doubt_count < DOUBTS);
    struct doubt *doubt = &keeper->doubts[keeper->doubt_count++];
    *doubt = (struct doubt){0};
    return doubt;
}

enum client_outcome shop_command(struct shop *shop, struct client *client, uint32_t client_number,
                                 const struct shop_order *order, hf_command command)
{
    command.order_id = order->id;
    enum client_outcome outcome = client_command(client, &command, NULL);
    if (outcome == CLIENT_UNKNOWN) {
        struct doubt *doubt = add_doubt(shop, client_number);
        doubt->order = order->number;
        doubt->may_exist = command.kind == HF_RESERVE;
    }
    return outcome;
}

static bool is_answer(enum client_outcome outcome)
{
    return outcome == CLIENT_OK || outcome == CLIENT_REFUSED;
}

/* A Reserve in doubt is released more often than read: a read that does not see it decides nothing,
 * for it may still come; a Release leaves a mark that keeps it out. */
static bool settle_order(struct shop *shop, struct client *client, struct doubt *doubt)
{
    struct shop_order order;
    shop_order(shop, doubt->order, &order);
    if (!doubt->is_deep && draw_permille(client_random(client), doubt->may_exist ? 700 : 300)) {
        hf_command release = {.kind = HF_RELEASE, .order_id = order.id};
        enum client_outcome outcome = client_command(client, &release, NULL);
        doubt->is_deep = outcome == CLIENT_UNKNOWN;
        return is_answer(outcome);
    }
    return is_answer(client_read_order(client, order.id, NULL, NULL));
}

static bool settle_request(struct client *client, struct doubt *doubt)
{
    if (doubt->is_deep) {
        hf_line stock = {.sku = doubt->command.sku};
        doubt->is_deep = !is_answer(client_read_stock(client, &stock, 1, NULL, NULL));
        return false;
    }
    hf_command again = doubt->command;
    again.request_id = doubt->request;
    enum client_outcome outcome = client_command(client, &again, NULL);
    doubt->is_deep = outcome == CLIENT_UNKNOWN;
    return is_answer(outcome);
}

bool shop_settle(struct shop *shop, struct client *client, uint32_t client_number)
{
    struct keeper *keeper = keeper_of(shop, client_number);
    if (keeper->doubt_count == 0) {
        return false;
    }
    struct doubt *doubt = &keeper->doubts[keeper->doubt_count - 1];
    bool is_settled =
        doubt->order != 0 ? settle_order(shop, client, doubt) : settle_request(client, doubt);
    keeper->doubt_count -= is_settled;
    return true;
}

/* ---- commands ---- */

enum client_outcome shop_reserve(struct shop *shop, struct client *client, uint32_t client_number,
                                 const struct shop_order *order)
{
    hf_command reserve = {.kind = HF_RESERVE,
                          .lines = order->lines,
                          .line_count = order->line_count,
                          .ttl_ms = shop->shape.ttl_ms};
    return shop_command(shop, client, client_number, order, reserve);
}

enum client_outcome shop_deduct(struct shop *shop, struct client *client, uint32_t client_number,
                                const struct shop_order *order)
{
    return shop_command(shop, client, client_number, order, (hf_command){.kind = HF_DEDUCT});
}

enum client_outcome shop_release(struct shop *shop, struct client *client, uint32_t client_number,
                                 const struct shop_order *order)
{
    return shop_command(shop, client, client_number, order, (hf_command){.kind = HF_RELEASE});
}

static hf_line part_of(struct client *client, const struct shop_order *order)
{
    struct random *random = client_random(client);
    hf_line line = order->lines[draw_below(random, order->line_count)];
    line.quantity = 1 + draw_below(random, (uint32_t)line.quantity);
    return line;
}

enum client_outcome shop_deduct_part(struct shop *shop, struct client *client,
                                     uint32_t client_number, const struct shop_order *order,
                                     bool final)
{
    hf_line line = part_of(client, order);
    hf_command deduct = {.kind = HF_DEDUCT, .lines = &line, .line_count = 1, .final = final};
    return shop_command(shop, client, client_number, order, deduct);
}

enum client_outcome shop_release_part(struct shop *shop, struct client *client,
                                      uint32_t client_number, const struct shop_order *order)
{
    hf_line line = part_of(client, order);
    hf_command release = {.kind = HF_RELEASE, .lines = &line, .line_count = 1};
    return shop_command(shop, client, client_number, order, release);
}

enum client_outcome shop_adjust(struct shop *shop, struct client *client, uint32_t client_number,
                                uint32_t sku, int64_t change, const char *given)
{
    struct keeper *keeper = keeper_of(shop, client_number);
    char request[SHOP_NAME];
    if (given != NULL) {
        snprintf(request, sizeof request, "%s", given);
    } else {
        snprintf(request, sizeof request, "a%" PRIx64 "-%" PRIu32 "-%" PRIu32, shop->options.seed,
                 client_number, ++keeper->requests);
    }
    hf_command adjust = {.kind = HF_ADJUST_STOCK,
                         .sku = shop_sku(shop, sku),
                         .quantity = change,
                         .reason = change > 0 ? "RECEIVE" : "DAMAGE",
                         .request_id = request};
    enum client_outcome outcome = client_command(client, &adjust, NULL);
    if (outcome == CLIENT_UNKNOWN) {
        struct doubt *doubt = add_doubt(shop, client_number);
        doubt->command = adjust;
        memcpy(doubt->request, request, sizeof request);
    }
    return outcome;
}

/* ---- orders that are to be finished ---- */

bool shop_keep_open(struct shop *shop, uint32_t client_number, const struct shop_order *order,
                    int64_t due_ns)
{
    struct keeper *keeper = keeper_of(shop, client_number);
    if (keeper->open_count == shop->shape.open_most) {
        return false;
    }
    keeper->open[keeper->open_count].order = order->number;
    keeper->open[keeper->open_count].due_ns = due_ns;
    keeper->open_count++;
    return true;
}

bool shop_take_open(struct shop *shop, uint32_t client_number, struct shop_order *order,
                    int64_t now_ns)
{
    struct keeper *keeper = keeper_of(shop, client_number);
    uint32_t first = 0;
    for (uint32_t i = 1; i < keeper->open_count; i++) {
        first = keeper->open[i].due_ns < keeper->open[first].due_ns ? i : first;
    }
    if (keeper->open_count == 0 || keeper->open[first].due_ns > now_ns) {
        return false;
    }
    shop_order(shop, keeper->open[first].order, order);
    keeper->open_count--;
    memmove(keeper->open + first, keeper->open + first + 1,
            (keeper->open_count - first) * sizeof *keeper->open);
    return true;
}

/* ---- beginning and end ---- */

static bool set_stock(struct shop *shop, struct client *client, uint32_t sku, struct error *error)
{
    const hf_result *result = NULL;
    hf_command set = {.kind = HF_SET_STOCK,
                      .sku = shop_sku(shop, sku),
                      .quantity = shop->shape.on_hand *
                                  (sku == 0 && shop->shape.hot_permille > 0 ? 10 : 1)};
    if (client_command(client, &set, &result) == CLIENT_OK) {
        return !result->replayed ||
               error_set(error, "the stock of %s is there: a run with this seed has been before",
                         set.sku);
    }
    return error_set(error, "the stock of %s can't be set: %s", set.sku,
                     result != NULL ? result->message : "no answer");
}

bool shop_begin(void *shared, struct client *client, struct error *error)
{
    struct shop *shop = shared;
    for (uint32_t i = 0; i < shop->shape.stock_count; i++) {
        if (!set_stock(shop, client, i, error)) {
            return false;
        }
    }
    return true;
}

static bool read_order(struct shop *shop, struct client *client, uint64_t number,
                       struct error *error)
{
    struct shop_order order;
    shop_order(shop, number, &order);
    for (int i = 0; i < ATTEMPTS; i++) {
        if (client_read_order(client, order.id, NULL, NULL) == CLIENT_OK) {
            return true;
        }
    }
    return error_set(error, "order %s can't be read", order.id);
}

static bool read_stock(struct shop *shop, struct client *client, uint32_t sku, struct error *error)
{
    hf_line stock = {.sku = shop_sku(shop, sku)};
    bool is_read = false;
    bool has_rows = false;
    for (int i = 0; i < ATTEMPTS && !(is_read && has_rows); i++) {
        is_read = is_read || client_read_stock(client, &stock, 1, NULL, NULL) == CLIENT_OK;
        has_rows = has_rows || client_read_history(client, stock.sku, 0, NULL) == CLIENT_OK;
    }
    return (is_read && has_rows) ||
           error_set(error, "the %s of %s can't be read", is_read ? "history" : "stock", stock.sku);
}

bool shop_end(void *shared, struct client *client, uint32_t client_number, struct error *error)
{
    struct shop *shop = shared;
    uint32_t share = shop->options.client_count;
    for (uint64_t i = client_number; i < atomic_load(&shop->orders); i += share) {
        if (!read_order(shop, client, i + 1, error)) {
            return false;
        }
    }
    for (uint32_t i = client_number; i < shop->shape.stock_count; i += share) {
        if (!read_stock(shop, client, i, error)) {
            return false;
        }
    }
    return true;
}

/* ---- life ---- */

struct shop *shop_open(const struct shop_shape *shape, const struct workload_options *options)
{
    struct shop *shop = memory_zalloc(sizeof *shop);
    shop->shape = *shape;
    shop->options = *options;
    if (options->stock_count != 0) {
        shop->shape.stock_count = options->stock_count;
    }
    assert(shop->shape.stock_count <= WORKLOAD_STOCKS && shape->lines_most <= SHOP_LINES &&
           shape->group <= SHOP_LINES && shape->open_most <= SHOP_OPEN);
    shop->weights = weight_table(shop->shape.stock_count, shape->even);
    shop->skus = memory_alloc(shop->shape.stock_count * sizeof *shop->skus);
    for (uint32_t i = 0; i < shop->shape.stock_count; i++) {
        snprintf(shop->skus[i], sizeof shop->skus[i], "s%" PRIx64 "-%" PRIu32, options->seed, i);
    }
    shop->keepers = memory_zalloc(options->client_count * sizeof *shop->keepers);
    return shop;
}

void shop_close(void *shared)
{
    struct shop *shop = shared;
    free(shop->keepers);
    free(shop->skus);
    free(shop->weights);
    free(shop);
}
