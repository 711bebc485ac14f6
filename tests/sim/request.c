/*
 * request.c - a weighted choice of what order services might send.
 *
 * Orders are numbered, and a client draws one out of a window that moves on with what it has asked:
 * so orders are reserved, deducted and released by several clients at once, and new ones come.
 */
#include "request.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/limits.h"

static const char *const skus[] = {"A", "AA", "B", "b", "widget", "Widget"};

/* Remarks differ in length, so that batches and segments end anywhere. */
static const char remark[LIMIT_TEXT_BYTES + 1] =
    "a remark of a length that is drawn, so that no two batches of the log need have the same "
    "number of bytes, nor sectors that begin at the same place in them; the longest one is as long "
    "as it may be";

static struct bytes draw_sku(struct random *random, const struct plan *plan)
{
    return bytes_of_string(skus[sim_random_below(random, plan->sku_count)]);
}

static uint32_t draw_warehouse(struct random *random, const struct plan *plan)
{
    /* 0 reads as 1 */
    return (uint32_t)sim_random_below(random, plan->warehouse_count + 1);
}

static struct bytes draw_order(struct request *request, size_t place, struct random *random,
                               const struct plan *plan, uint64_t total)
{
    uint64_t number = total / 3 + sim_random_below(random, plan->order_count);
    snprintf(request->order_ids[place], sizeof request->order_ids[place], "o%" PRIu64, number);
    return bytes_of_string(request->order_ids[place]);
}

static void draw_lines(struct request *request, size_t place, struct random *random,
                       const struct plan *plan, int64_t most)
{
    struct ledger_command *command = &request->commands[place];
    command->line_count = (uint32_t)sim_random_between(random, 1, REQUEST_LINES);
    for (uint32_t i = 0; i < command->line_count; i++) {
        request->lines[place][i].sku = draw_sku(random, plan);
        request->lines[place][i].warehouse = draw_warehouse(random, plan);
        request->lines[place][i].quantity = (int64_t)sim_random_between(random, 1, (uint64_t)most);
    }
    command->lines = request->lines[place];
}

static void draw_reserve(struct request *request, size_t place, struct random *random,
                         const struct plan *plan)
{
    struct ledger_command *command = &request->commands[place];
    command->kind = LEDGER_RESERVE;
    draw_lines(request, place, random, plan, 4);
    command->mode =
        sim_random_chance(random, 200) ? LEDGER_RESERVE_ADD_LINES : LEDGER_RESERVE_WHOLE;
    command->has_ttl = sim_random_chance(random, 700);
    if (command->has_ttl) {
        command->ttl_ms = (int64_t)sim_random_between(random, 1, (uint64_t)plan->longest_ttl_ms);
    }
}

static void draw_order_command(struct request *request, size_t place, enum request_kind kind,
                               struct random *random, const struct plan *plan, uint64_t total)
{
    struct ledger_command *command = &request->commands[place];
    command->order_id = draw_order(request, place, random, plan, total);
    if (kind == REQUEST_RESERVE) {
        draw_reserve(request, place, random, plan);
        return;
    }
    command->kind = kind == REQUEST_DEDUCT ? LEDGER_DEDUCT : LEDGER_RELEASE;
    if (sim_random_chance(random, 400)) {
        draw_lines(request, place, random, plan, 2);
    }
    if (kind == REQUEST_DEDUCT) {
        command->final = sim_random_chance(random, 250);
        command->reacquire = sim_random_chance(random, 250);
    }
}

static void draw_stock_command(struct request *request, size_t place, enum request_kind kind,
                               struct random *random, const struct plan *plan)
{
    struct ledger_command *command = &request->commands[place];
    command->sku = draw_sku(random, plan);
    command->warehouse = draw_warehouse(random, plan);
    if (kind == REQUEST_SET_STOCK) {
        command->kind = LEDGER_SET_STOCK;
        command->quantity = (int64_t)sim_random_below(random, 60);
    } else {
        command->kind = LEDGER_ADJUST_STOCK;
        command->quantity = (int64_t)sim_random_between(random, 1, 40);
        if (sim_random_chance(random, 400)) {
            command->quantity = -command->quantity;
        }
        command->reason = BYTES_LITERAL("COUNTED");
    }
    command->has_expected_version = sim_random_chance(random, 200);
    if (command->has_expected_version) {
        command->expected_version = sim_random_below(random, 8);
    }
}

/* Mostly an id of its own; now and then one that this client has used before. */
static struct bytes draw_request_id(struct request *request, size_t place, struct random *random,
                                    const struct request_origin *origin)
{
    uint64_t number = origin->made;
    if (sim_random_chance(random, 30)) {
        number -= sim_random_below(random, number < 20 ? number + 1 : 20);
    }
    snprintf(request->request_ids[place], sizeof request->request_ids[place],
             "r%zu-%" PRIu64 "-%zu", origin->client, number, place);
    return bytes_of_string(request->request_ids[place]);
}

static void draw_command(struct request *request, size_t place, enum request_kind kind,
                         struct random *random, const struct plan *plan,
                         const struct request_origin *origin, int64_t requested_at_ms)
{
    struct ledger_command *command = &request->commands[place];
    *command = (struct ledger_command){0};
    request->firsts[place] = 0;
    if (kind == REQUEST_SET_STOCK || kind == REQUEST_ADJUST_STOCK) {
        draw_stock_command(request, place, kind, random, plan);
    } else {
        draw_order_command(request, place, kind, random, plan, origin->total);
    }
    if (ledger_command_needs_request_id(command) || plan->held_up_permille != 0 ||
        sim_random_chance(random, 200)) {
        command->request_id = draw_request_id(request, place, random, origin);
    }
    command->requested_at_ms = requested_at_ms;
    command->actor = bytes_of_string(request->actor);
    command->remark = bytes_of(remark, (size_t)sim_random_below(random, strlen(remark) + 1));
}

static void draw_read(struct request *request, enum request_kind kind, struct random *random,
                      const struct plan *plan, uint64_t total)
{
    request->consistency =
        sim_random_chance(random, plan->stale_permille) ? READ_STALE : READ_LINEARIZABLE;
    request->has_floor = sim_random_chance(random, plan->floor_permille);
    if (kind == REQUEST_READ_ORDER) {
        request->id = draw_order(request, 0, random, plan, total);
        request->warehouse = 0;
    } else {
        request->id = draw_sku(random, plan);
        request->warehouse = 1 + (uint32_t)sim_random_below(random, plan->warehouse_count);
    }
}

void request_draw(struct request *request, struct random *random, const struct plan *plan,
                  const struct request_origin *origin)
{
    enum request_kind kind =
        (enum request_kind)plan_choose(random, plan->request_weights, REQUEST_KINDS);
    request->is_read = kind == REQUEST_READ || kind == REQUEST_READ_ORDER;
    request->count = 0;
    if (request->is_read) {
        draw_read(request, kind, random, plan, origin->total);
        return;
    }
    snprintf(request->actor, sizeof request->actor, "client %zu", origin->client);
    /* Some services don't say when a request was made. */
    int64_t requested_at_ms = sim_random_chance(random, 800) ? origin->wall_ms : 0;
    request->count = 1;
    if (sim_random_chance(random, plan->batch_permille)) {
        request->count = (size_t)sim_random_between(random, 2, plan->batch_most);
    }
    for (size_t i = 0; i < request->count; i++) {
        if (i > 0) {
            /* Of the kinds that are commands: reads come last. */
            kind = (enum request_kind)plan_choose(random, plan->request_weights, REQUEST_READ);
        }
        draw_command(request, i, kind, random, plan, origin, requested_at_ms);
    }
}

void request_sent_before(struct request *request)
{
    for (size_t i = 0; i < request->count; i++) {
        request->commands[i].resent = true;
    }
}

void request_probe(struct request *request, uint64_t number)
{
    request->is_read = false;
    request->count = 1;
    request->firsts[0] = 0;
    snprintf(request->request_ids[0], sizeof request->request_ids[0], "probe-%" PRIu64, number);
    request->commands[0] = (struct ledger_command){
        .kind = LEDGER_RELEASE,
        .order_id = bytes_of_string(request->request_ids[0]),
        .actor = BYTES_LITERAL("probe"),
    };
}

void request_raise(struct request *request, unsigned version)
{
    request->is_read = false;
    request->count = 1;
    request->firsts[0] = 0;
    request->commands[0] =
        (struct ledger_command){.kind = LEDGER_RAISE_VERSION, .version = (uint16_t)version};
}
