/*
 * generate_wide.c - few orders, but of thousands of lines, with SKUs of 250 bytes: where the bounds
 * are in lines and in bytes. Made on purpose rather than at random, since chance does not get
 * there.
 */
#include "generator.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/limits.h"

static const int64_t day_ms = 86400000;

enum { WIDE_ORDERS = 9, WIDE_STOCKS = LIMIT_LINES + 1 };

/* Rounds in which a time comes: of orders, of request records and tombstones, of closed orders. */
enum { EXPIRE = 3, FORGET = 20, TRIM = 50 };

/* As many lines from this one on: SKUs of 250 bytes, four warehouses each. */
static struct ledger_line *wide_lines(struct generator *g, uint32_t from, uint32_t count)
{
    struct ledger_line *lines = memory_zalloc((count + 1) * sizeof *lines);
    for (uint32_t i = 0; i < count; i++) {
        char sku[LIMIT_ID_BYTES + 1];
        snprintf(sku, sizeof sku, "%0250" PRIu32, (from + i) / 4);
        lines[i] = (struct ledger_line){command_pool_text(g->pool, bytes_of_string(sku)),
                                        1 + (from + i) % 4, 1};
    }
    return lines;
}

static void wide_command(struct generator *g, struct sequence_entry *entry,
                         const struct ledger_command *command, uint32_t from, uint32_t count)
{
    struct ledger_line *lines = wide_lines(g, from, count);
    sequence_entry_add(entry, command_pool_add_with_lines(g->pool, command, lines, count));
    free(lines);
}

static void wide_stocks(struct generator *g, struct sequence_entry *entry)
{
    struct ledger_line *lines = wide_lines(g, 0, WIDE_STOCKS);
    for (uint32_t i = 0; i < WIDE_STOCKS; i++) {
        struct ledger_command command = {
            .kind = LEDGER_SET_STOCK,
            .request_id = generator_text(g, "first", i),
            .sku = lines[i].sku,
            .warehouse = lines[i].warehouse,
            .quantity = 12,
        };
        sequence_entry_add(entry, command_pool_add(g->pool, &command));
    }
    free(lines);
}

/* Some thousand lines, of which the last may lack; some orders grow to the bound, or would grow to
 * one line beyond it. */
static void wide_reserve(struct generator *g, struct sequence_entry *entry, uint32_t order)
{
    struct ledger_command reserve = {
        .kind = LEDGER_RESERVE,
        .order_id = generator_text(g, "wide", order),
        .has_ttl = true,
        .ttl_ms = 1000 + order / 4,
        .mode = LEDGER_RESERVE_ADD_LINES,
    };
    uint32_t from = one_of(g, 0, 0, 7000);
    uint32_t count = one_of(g, 2500, 3001, 3333);
    wide_command(g, entry, &reserve, from, count);
    if (order % 3 == 0) {
        from = below(g, 2);
        wide_command(g, entry, &reserve, from, LIMIT_LINES);
    }
}

/* Whole, or some lines that the order may have; 200 it has not give a refusal that is kept in
 * part. */
static void wide_act(struct generator *g, struct sequence_entry *entry, uint32_t number,
                     uint32_t most_lines)
{
    struct ledger_command command = {.request_id = generator_text(g, "r", number)};
    command.kind = chance(g, 500) ? LEDGER_DEDUCT : LEDGER_RELEASE;
    command.resent = chance(g, 500);
    command.order_id = generator_text(g, "wide", below(g, WIDE_ORDERS));
    command.reacquire = command.kind == LEDGER_DEDUCT && chance(g, 500);
    command.final = command.kind == LEDGER_DEDUCT && chance(g, 300);
    uint32_t from = one_of(g, 0, 2000, 9000);
    uint32_t count = one_of(g, 0, 3, most_lines);
    wide_command(g, entry, &command, from, count);
}

void generator_make_wide(struct generator *g, struct sequence *sequence)
{
    g->shape = (struct shape){.step_ms = 100};
    wide_stocks(g, generator_next_entry(g, sequence));
    for (uint32_t order = 0; order < WIDE_ORDERS; order++) {
        wide_reserve(g, generator_next_entry(g, sequence), order);
    }
    for (uint32_t round = 0; round < 70; round++) {
        g->time_ms += round == EXPIRE ? 5000 : 0;
        g->time_ms += round == FORGET ? 2 * day_ms : 0;
        g->time_ms += round == TRIM ? 91 * day_ms : 0;
        struct sequence_entry *entry = generator_next_entry(g, sequence);
        /* Most orders expire before something else is done to them. The bytes of a few commands let
         * an entry expire and trim more than a tick may. */
        bool early = round <= EXPIRE + 2;
        uint32_t acts = !chance(g, early ? 300 : 700) ? 0 : early ? 1 : 1 + below(g, 3);
        for (uint32_t i = 0; i < acts; i++) {
            wide_act(g, entry, round * 4 + i, round >= TRIM && round < TRIM + 4 ? 8000 : 200);
        }
    }
}
