/*
 * generate.c - see generate.h. The order of draws is part of what a seed means: each draw is a
 * statement of its own, since C leaves the order of evaluation within one to the compiler.
 */
#include "generator.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/limits.h"

static const int64_t minute_ms = 60000;
static const int64_t hour_ms = 3600000;
static const int64_t day_ms = 86400000;

static void draw_shape(struct generator *g)
{
    struct shape *s = &g->shape;
    s->skus = 1 + below(g, 8);
    s->warehouses = 1 + below(g, 3);
    s->orders = one_of(g, 6, 60, 600);
    s->requests = one_of(g, 30, 1000, 100000);
    s->quantity = one_of(g, 2, 8, 40);
    s->stock = s->quantity * 20;
    s->lines = 1 + below(g, 6);
    s->batch = one_of(g, 1, 6, 30);
    s->reserve_percent = 45;
    s->stock_chance = one_of(g, 60, 200, 500);
    s->again_chance = one_of(g, 20, 100, 300);
    s->malformed_chance = one_of(g, 0, 5, 40);
    s->tick_chance = one_of(g, 20, 100, 300);
    s->jump_chance = one_of(g, 20, 150, 400);
    s->far_chance = one_of(g, 0, 2, 20);
    s->credit_chance = one_of(g, 0, 30, 200);
    s->reopen_chance = one_of(g, 0, 5, 100);
    s->reacquire_chance = one_of(g, 50, 250, 600);
    s->step_ms = (int64_t[]){3, 1000, 10 * minute_ms, 5 * hour_ms}[below(g, 4)];
    s->ttl_ms = (int64_t[]){5, 30000, 2 * hour_ms, 7 * day_ms}[below(g, 4)];
    if (below(g, 8) == 0) { /* a crowd */
        s->orders = 2000;
        s->batch = one_of(g, 40, 150, 300);
        s->ttl_ms = 100;
        s->step_ms = 3;
        s->jump_chance = 20;
        s->quantity = 2;
        s->stock = 4000;
        s->lines = 1 + below(g, 2);
        s->stock_chance = 20;
        s->again_chance = 20;
        s->leap_chance = 100;
        s->reserve_percent = 90;
    }
}

/* ---- parts ---- */

struct bytes generator_text(struct generator *g, const char *prefix, uint32_t number)
{
    char *room = g->texts[g->texts_used++ % TEXTS];
    int length = snprintf(room, TEXT_ROOM, "%s%" PRIu32, prefix, number);
    return bytes_of(room, (size_t)length);
}

/* Names that begin with one another or differ by case: byte for byte is not everybody's order. */
static struct bytes sku_number(uint32_t number)
{
    static const char *const skus[] = {"A", "AA", "B", "b", "A-1", "\xc3\x84", "a", "ZZZ"};
    return bytes_of_string(skus[number]);
}

static struct bytes some_sku(struct generator *g)
{
    return sku_number(below(g, g->shape.skus));
}

static struct bytes some_order(struct generator *g)
{
    uint32_t number = below(g, g->shape.orders);
    return generator_text(g, "o", number);
}

/* Warehouse 0 and 1 are the same one. */
static uint32_t some_warehouse(struct generator *g)
{
    return below(g, g->shape.warehouses + 1);
}

static void note_moment(struct generator *g, int64_t moment_ms, bool hold)
{
    g->moments[g->moment_count++ % MOMENTS] =
        (struct moment){hold ? moment_ms - g->credits_ms : moment_ms, hold};
}

/* A Reserve that was sent not long ago; NULL if none is found. */
static const struct ledger_command *some_reserve(struct generator *g)
{
    uint32_t known = g->recent_count < RECENT ? g->recent_count : RECENT;
    uint32_t from = below(g, RECENT);
    for (uint32_t i = 0; i < known; i++) {
        const struct ledger_command *command = g->recent[(from + i) % known];
        if (command->kind == LEDGER_RESERVE && command->line_count <= LINES) {
            return command;
        }
    }
    return NULL;
}

/* Some lines of what was reserved, and as much of each or less. */
static void give_lines_of(struct generator *g, struct ledger_command *command,
                          const struct ledger_command *reserve)
{
    command->line_count = 0;
    for (uint32_t i = 0; i < reserve->line_count; i++) {
        int64_t most = reserve->lines[i].quantity;
        if (most < 1 || most > LIMIT_QUANTITY || chance(g, 400)) {
            continue;
        }
        struct ledger_line *line = &g->lines[command->line_count++];
        *line = reserve->lines[i];
        line->quantity = 1 + (int64_t)sim_random_below(&g->random, (uint64_t)most);
    }
    command->lines = g->lines;
}

static void give_lines(struct generator *g, struct ledger_command *command)
{
    command->line_count = 1 + below(g, g->shape.lines);
    for (uint32_t i = 0; i < command->line_count; i++) {
        g->lines[i].sku = some_sku(g);
        g->lines[i].warehouse = some_warehouse(g);
        g->lines[i].quantity = 1 + below(g, g->shape.quantity);
    }
    command->lines = g->lines;
}

/* When it was made: at the very edges of what is still taken as new, beyond them, or hardly ago. */
static int64_t some_requested_at(struct generator *g)
{
    int64_t old_ms = g->settings.request_retention_ms - g->settings.request_margin_ms;
    int64_t edge = (int64_t)below(g, 3) - 1;
    switch (below(g, 6)) {
    case 0:
        return g->time_ms - old_ms + edge;
    case 1:
        return g->time_ms + g->settings.request_margin_ms + edge;
    case 2:
        return g->time_ms - (int64_t)below(g, 40) * hour_ms;
    case 3:
        return g->time_ms + (int64_t)below(g, 3) * hour_ms;
    default:
        return g->time_ms - (int64_t)below(g, 5000);
    }
}

static int64_t some_ttl(struct generator *g)
{
    if (chance(g, 30)) {
        return g->settings.longest_ttl_ms - 1 + (int64_t)below(g, 3);
    }
    return 1 + (int64_t)sim_random_below(&g->random, (uint64_t)g->shape.ttl_ms);
}

static void dress(struct generator *g, struct ledger_command *command)
{
    uint32_t dress = below(g, 8);
    uint32_t number = below(g, 4);
    if (dress & 1) {
        command->actor = generator_text(g, "actor", number);
    }
    if (dress & 2) {
        command->remark = generator_text(g, "remark", number);
    }
    if (dress & 4) {
        command->trace_id = generator_text(g, "trace", number);
    }
}

/* ---- commands ---- */

static void stock_command(struct generator *g, struct ledger_command *command)
{
    uint32_t most = g->shape.quantity * 12;
    command->kind = chance(g, 300) ? LEDGER_SET_STOCK : LEDGER_ADJUST_STOCK;
    command->sku = some_sku(g);
    command->warehouse = some_warehouse(g);
    command->quantity = below(g, most);
    if (chance(g, 4)) {
        command->quantity = LIMIT_QUANTITY - below(g, 3);
    }
    if (command->kind == LEDGER_ADJUST_STOCK) {
        if (chance(g, 400) || command->quantity == 0) {
            command->quantity = -1 - command->quantity / 2;
        }
        command->reason = generator_text(g, "reason", below(g, 3));
    } else if (chance(g, 200)) {
        command->reason = generator_text(g, "reason", below(g, 3));
    }
    command->has_expected_version = chance(g, 250);
    if (command->has_expected_version) {
        command->expected_version = below(g, 10);
    }
}

static void order_command(struct generator *g, struct ledger_command *command)
{
    command->kind = LEDGER_RESERVE;
    if (below(g, 100) >= g->shape.reserve_percent) {
        command->kind = chance(g, 600) ? LEDGER_DEDUCT : LEDGER_RELEASE;
    }
    command->order_id = some_order(g);
    const struct ledger_command *reserve = chance(g, 700) ? some_reserve(g) : NULL;
    bool lines = chance(g, 500);
    if (command->kind == LEDGER_RESERVE) {
        give_lines(g, command);
    } else if (reserve != NULL) { /* an order that may be open */
        command->order_id = reserve->order_id;
        if (lines) {
            give_lines_of(g, command, reserve);
        }
    } else if (lines) {
        give_lines(g, command);
    }
    if (chance(g, 300)) {
        command->reason = generator_text(g, "reason", below(g, 3));
    }
    if (command->kind == LEDGER_RESERVE) {
        command->mode = chance(g, 350) ? LEDGER_RESERVE_ADD_LINES : LEDGER_RESERVE_WHOLE;
        command->has_ttl = chance(g, 800);
        if (command->has_ttl) {
            command->ttl_ms = some_ttl(g);
        }
    }
    if (command->kind == LEDGER_DEDUCT) {
        command->final = chance(g, 250);
        command->reacquire = chance(g, g->shape.reacquire_chance);
    }
}

static void fresh_command(struct generator *g, struct ledger_command *command)
{
    *command = (struct ledger_command){0};
    if (chance(g, 10)) {
        command->kind = LEDGER_REGISTER_NODE;
        command->node_id = 1 + below(g, 3);
        command->incarnation = 1 + below(g, 2);
        return;
    }
    if (chance(g, 3)) {
        command->kind = LEDGER_RAISE_VERSION;
        command->version = (uint16_t)(1 + below(g, SEQUENCE_VERSION_KNOWN));
        return;
    }
    if (chance(g, g->shape.stock_chance)) {
        stock_command(g, command);
    } else {
        order_command(g, command);
    }
    if (ledger_command_needs_request_id(command) || chance(g, 200)) {
        uint32_t number = below(g, g->shape.requests);
        command->request_id = generator_text(g, "r", number);
        command->resent = chance(g, 400);
    }
    if (chance(g, 150)) {
        command->requested_at_ms = some_requested_at(g);
    }
    dress(g, command);
}

/* A field other than it was. */
static void change_field(struct generator *g, struct ledger_command *command)
{
    switch (below(g, 8)) {
    case 0:
        command->quantity += 1;
        break;
    case 1:
        command->warehouse = some_warehouse(g);
        break;
    case 2:
        command->reason = generator_text(g, "reason", 7);
        break;
    case 3:
        if (command->kind == LEDGER_SET_STOCK || command->kind == LEDGER_ADJUST_STOCK) {
            command->has_expected_version = !command->has_expected_version;
            command->expected_version = 0;
        }
        break;
    case 4:
        command->order_id = some_order(g);
        break;
    case 5:
        command->final ^= command->kind == LEDGER_DEDUCT;
        break;
    case 6:
        command->reacquire ^= command->kind == LEDGER_DEDUCT;
        break;
    default:
        if (command->line_count > 0) {
            g->lines[below(g, command->line_count)].quantity += 1;
        }
        break;
    }
}

/* The same in other words: lines in another order, one of them in two parts. */
static void reword(struct generator *g, struct ledger_command *command)
{
    uint32_t count = command->line_count;
    if (count >= 2) {
        uint32_t a = below(g, count);
        uint32_t b = below(g, count);
        struct ledger_line line = g->lines[a];
        g->lines[a] = g->lines[b];
        g->lines[b] = line;
    }
    if (count >= 1 && count < LINES && g->lines[0].quantity >= 2) {
        g->lines[count] = g->lines[0];
        g->lines[count].quantity = 1;
        g->lines[0].quantity -= 1;
        command->line_count++;
    }
    if (count >= 1 && g->lines[0].warehouse <= 1) {
        g->lines[0].warehouse ^= 1;
    }
    if (command->warehouse <= 1 && command->sku.len != 0) {
        command->warehouse ^= 1;
    }
}

/* A command once more: as it was, dressed otherwise, reworded, or not quite the same. */
static bool again(struct generator *g, struct ledger_command *command)
{
    uint32_t known = g->recent_count < RECENT ? g->recent_count : RECENT;
    if (known == 0) {
        return false;
    }
    *command = *g->recent[below(g, known)];
    if (command->line_count > LINES) {
        return true;
    }
    for (uint32_t i = 0; i < command->line_count; i++) {
        g->lines[i] = command->lines[i];
    }
    command->lines = g->lines;
    switch (below(g, 5)) {
    case 0:
        dress(g, command);
        break;
    case 1:
        reword(g, command);
        break;
    case 2:
        change_field(g, command);
        break;
    case 3:
        command->requested_at_ms = some_requested_at(g);
        break;
    default:
        break;
    }
    command->resent |= command->request_id.len != 0 && chance(g, 500);
    return true;
}

static struct bytes bad_id(struct generator *g)
{
    char *room = g->texts[g->texts_used++ % TEXTS];
    memset(room, 'x', TEXT_ROOM);
    switch (below(g, 5)) {
    case 0:
        return bytes_of(room, 0);
    case 1:
        return bytes_of(room, 256);
    case 2:
        room[1] = '\0';
        return bytes_of(room, 3);
    case 3:
        room[1] = (char)0xff;
        return bytes_of(room, 3);
    default:
        return bytes_of(room, 255); /* a good one */
    }
}

/* At and beyond the edges of form. */
static void spoil(struct generator *g, struct ledger_command *command)
{
    static const int64_t quantities[] = {
        0, -1, LIMIT_QUANTITY, LIMIT_QUANTITY + 1, -LIMIT_QUANTITY, INT64_MAX, INT64_MIN};
    static const int64_t times[] = {-1, LIMIT_TIME_MS, LIMIT_TIME_MS + 1, INT64_MIN, 1};
    struct bytes *const texts[] = {&command->request_id, &command->actor,    &command->reason,
                                   &command->remark,     &command->trace_id, &command->sku,
                                   &command->order_id};
    uint32_t quantity = below(g, sizeof quantities / sizeof quantities[0]);
    uint32_t which = below(g, 6);
    if (which == 0) {
        *texts[below(g, 7)] = bad_id(g);
    } else if (which == 1 && command->line_count > 0) {
        g->lines[below(g, command->line_count)].sku = bad_id(g);
    } else if (which == 2 && command->line_count > 0) {
        g->lines[below(g, command->line_count)].quantity = quantities[quantity];
    } else if (which == 3) {
        command->requested_at_ms = times[below(g, 5)];
    } else if (which == 4 && command->has_ttl) {
        command->ttl_ms = quantities[quantity];
    } else if (command->kind == LEDGER_REGISTER_NODE) {
        command->node_id = below(g, 2);
        command->incarnation = below(g, 2);
    } else if (command->kind == LEDGER_RAISE_VERSION) {
        command->version = 0;
    } else if (command->line_count > 1) {
        /* two lines of one stock, too much only together */
        g->lines[1] = g->lines[0];
        g->lines[0].quantity = LIMIT_QUANTITY;
    } else {
        command->quantity = quantities[quantity];
    }
}

static const struct ledger_command *some_command(struct generator *g)
{
    struct ledger_command command;
    if (!chance(g, g->shape.again_chance) || !again(g, &command)) {
        fresh_command(g, &command);
    }
    bool owned = command.line_count <= LINES;
    if (owned && chance(g, g->shape.malformed_chance)) {
        spoil(g, &command);
    }
    const struct ledger_command *kept = command_pool_add(g->pool, &command);
    g->recent[g->recent_count++ % RECENT] = kept;
    if (kept->has_ttl && kept->ttl_ms > 0 && kept->ttl_ms <= g->settings.longest_ttl_ms) {
        note_moment(g, g->ledger_ms + kept->ttl_ms, true);
    }
    if (chance(g, 60)) {
        note_moment(g, g->ledger_ms + g->settings.request_retention_ms, false);
        note_moment(g, g->ledger_ms + g->settings.closed_order_retention_ms, false);
    }
    return kept;
}

/* ---- time ---- */

static void pass_time(struct generator *g)
{
    if (chance(g, g->shape.leap_chance)) {
        g->time_ms += g->shape.ttl_ms + 1;
        return;
    }
    uint32_t known = g->moment_count < MOMENTS ? g->moment_count : MOMENTS;
    if (known != 0 && chance(g, g->shape.jump_chance)) {
        struct moment moment = g->moments[below(g, known)];
        int64_t moment_ms =
            moment.ms + (moment.hold ? g->credits_ms : 0) + (int64_t)below(g, 3) - 1;
        /* Far moments are for worlds in which days pass. */
        bool far = moment_ms - g->time_ms > 8 * day_ms;
        if (moment_ms > g->time_ms && (!far || chance(g, g->shape.far_chance))) {
            g->time_ms = moment_ms;
            return;
        }
    }
    if (chance(g, g->shape.far_chance)) {
        g->time_ms += (int64_t)below(g, 60) * day_ms;
    } else {
        g->time_ms += (int64_t)sim_random_below(&g->random, (uint64_t)g->shape.step_ms);
    }
}

struct sequence_entry *generator_next_entry(struct generator *g, struct sequence *sequence)
{
    uint64_t index = sequence->count != 0 ? sequence->entries[sequence->count - 1].index : 0;
    index += chance(g, 100) ? 2 : 1;
    pass_time(g);
    /* A new leader's clock may lie behind what its predecessor stamped. */
    int64_t stamp_ms = g->time_ms - (chance(g, 50) ? (int64_t)below(g, 5000) : 0);
    int64_t credit_ms = 0;
    if (chance(g, g->shape.credit_chance)) {
        credit_ms = (int64_t)sim_random_below(&g->random, (uint64_t)(2 * g->shape.step_ms));
    }
    int64_t before_ms = g->ledger_ms;
    g->ledger_ms = stamp_ms > before_ms ? stamp_ms : before_ms;
    if (before_ms != 0) {
        int64_t passed_ms = g->ledger_ms - before_ms;
        g->credits_ms += credit_ms < passed_ms ? credit_ms : passed_ms;
    }
    struct sequence_entry *entry = sequence_add(sequence, index, stamp_ms, credit_ms);
    entry->reopen = chance(g, g->shape.reopen_chance);
    return entry;
}

static void stock_up(struct generator *g, struct sequence_entry *entry)
{
    for (uint32_t sku = 0; sku < g->shape.skus; sku++) {
        for (uint32_t warehouse = 1; warehouse <= g->shape.warehouses; warehouse++) {
            if (chance(g, 100)) {
                continue; /* some are not there yet */
            }
            struct ledger_command command = {
                .kind = LEDGER_SET_STOCK,
                .request_id = generator_text(g, "first", sku * 10 + warehouse),
                .sku = sku_number(sku),
                .warehouse = warehouse,
                .quantity = g->shape.stock + below(g, 2 * (uint64_t)g->shape.orders),
            };
            sequence_entry_add(entry, command_pool_add(g->pool, &command));
        }
    }
}

void generate_sequence(struct sequence *sequence, struct command_pool *pool, uint64_t seed,
                       uint32_t commands)
{
    struct generator g = {
        .random = {seed},
        .settings = ledger_settings_default(),
        .pool = pool,
        .time_ms = INT64_C(1000000000000), /* as the fixture of tests/unit/ledger begins */
    };
    if (seed % 200 == 199) {
        generator_make_wide(&g, sequence);
        return;
    }
    draw_shape(&g);
    stock_up(&g, generator_next_entry(&g, sequence));
    uint64_t made = sequence->entries[0].count;
    while (made < commands) {
        struct sequence_entry *entry = generator_next_entry(&g, sequence);
        uint32_t count = chance(&g, g.shape.tick_chance) ? 0 : 1 + below(&g, g.shape.batch);
        for (uint32_t i = 0; i < count; i++) {
            sequence_entry_add(entry, some_command(&g));
        }
        made += count;
    }
    for (uint32_t i = 0; i < 6; i++) { /* all that is left comes to its end */
        g.time_ms += (int64_t[]){2 * hour_ms, 8 * day_ms, 0, 60 * day_ms, 40 * day_ms, 0}[i];
        generator_next_entry(&g, sequence);
    }
}
