/*
 * linearizable.c - linearizability without a witness, stock by stock.
 *
 * The log index is not looked at: this holds even if the order that answers name were made up.
 * Linearizability is local, so each stock with its orders is searched by itself (search.h), as long
 * as no order, in any attempt, names two stocks; what hangs together by such orders is left out and
 * counted, and with nothing left the checker is skipped. An order of which nobody names a stock is
 * searched alone. A read of several stocks counts as one read
 * of each; stale reads promise something else and are left out.
 *
 * The searches share one limit of time; the shorter ones go first. What is not decided within it is
 * unknown.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "clock.h"
#include "order_rules.h"
#include "search.h"

struct part {
    uint32_t count;
    uint32_t capacity;
    struct search_item *items;
    bool left_out; /* an order with another stock too */
};

struct partition {
    const struct history *history;
    const struct check_options *options;
    struct part *parts; /* by stock; behind those, by orders that have none */
    uint32_t *stock_of; /* order -> its stock; NAME_NONE: none */
};

static struct search_item *add_item(struct partition *partition, uint32_t stock,
                                    struct search_item item)
{
    struct part *part = &partition->parts[stock];
    if (part->count == part->capacity) {
        part->capacity = part->capacity * 2 + 64;
        part->items = memory_realloc(part->items, part->capacity * sizeof *part->items);
    }
    part->items[part->count++] = item;
    return &part->items[part->count - 1];
}

/* ---- which stock an order belongs to ---- */

static void find_stocks(struct partition *partition)
{
    const struct history *history = partition->history;
    for (uint32_t i = 0; i < history->operations.count; i++) {
        const struct operation *operation = &history->operations.items[i];
        if (!function_is_order_command((enum event_function)operation->function)) {
            continue;
        }
        for (uint32_t k = 0; k < operation->asked_count; k++) {
            uint32_t stock = history->lines.items[operation->asked + k].stock;
            uint32_t *known = &partition->stock_of[operation->order];
            if (*known == NAME_NONE) {
                *known = stock;
            } else if (*known != stock) {
                partition->parts[stock].left_out = true;
                partition->parts[*known].left_out = true;
            }
        }
    }
}

/* ---- items ---- */

/* The first event behind which the order may have expired; HISTORY_NEVER: none. */
static uint32_t expiry_event(const struct partition *partition, const struct operation *reserve)
{
    const struct history *history = partition->history;
    const struct check_options *options = partition->options;
    int64_t ttl_ms = reserve->number != 0 ? reserve->number : options->default_ttl_ms;
    int64_t time_ns = reserve->invoked_ns + (ttl_ms - options->expiry_slack_ms) * INT64_C(1000000);
    uint32_t low = reserve->invoked;
    uint32_t high = history->events;
    if (time_ns > history->end_ns) {
        return HISTORY_NEVER;
    }
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        uint32_t at = history->event_operations.items[middle];
        const struct operation *operation = at != NAME_NONE ? &history->operations.items[at] : NULL;
        int64_t event_ns = operation == NULL              ? time_ns /* a fault: go left, early */
                           : operation->invoked == middle ? operation->invoked_ns
                                                          : operation->completed_ns;
        if (event_ns < time_ns) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static void add_hidden(struct partition *partition, uint32_t at, uint32_t stock, uint32_t before)
{
    const struct operation *command = &partition->history->operations.items[at];
    add_item(partition, stock,
             (struct search_item){.kind = SEARCH_COMMAND,
                                  .operation = at,
                                  .begins = command->invoked,
                                  .ends = HISTORY_NEVER,
                                  .optional = true,
                                  .before = before});
}

static void add_command(struct partition *partition, uint32_t at, uint32_t stock)
{
    const struct operation *command = &partition->history->operations.items[at];
    bool by_request = command_needs_request(command);
    bool beside = command->verdict == HF_IDEMPOTENCY_MISMATCH ||
                  command->verdict == HF_REQUEST_EXPIRED || command->verdict == HF_LIMIT_EXCEEDED ||
                  command->verdict == HF_OVERFLOW;
    if (command->outcome == OUTCOME_FAILED) {
        return;
    }
    if (command->function == FUNCTION_RESERVE &&
        expiry_event(partition, command) != HISTORY_NEVER) {
        add_item(partition, stock,
                 (struct search_item){.kind = SEARCH_EXPIRE,
                                      .operation = at,
                                      .begins = expiry_event(partition, command),
                                      .ends = HISTORY_NEVER,
                                      .optional = true,
                                      .before = NAME_NONE});
    }
    if (command->outcome == OUTCOME_UNKNOWN) {
        add_hidden(partition, at, stock, NAME_NONE);
        return;
    }
    if (command_repeats_refusal(command)) {
        if (command_may_be_refused_behind_grant(command)) {
            add_hidden(partition, at, stock, NAME_NONE);
        }
        return;
    }
    /* What a request id repeats is of an attempt that nobody has an answer of. */
    if (beside || (by_request && command->replayed)) {
        if (command->attempts > 1 && !beside) {
            add_hidden(partition, at, stock, NAME_NONE);
        }
        return;
    }
    uint32_t place = partition->parts[stock].count;
    add_item(partition, stock,
             (struct search_item){.kind = SEARCH_COMMAND,
                                  .operation = at,
                                  .begins = command->invoked,
                                  .ends = command->completed,
                                  .before = NAME_NONE});
    if (command->attempts > 1 && !by_request) {
        add_hidden(partition, at, stock, place);
    }
}

static void add_read(struct partition *partition, uint32_t at, uint32_t stock,
                     enum search_kind kind, int64_t number)
{
    const struct operation *read = &partition->history->operations.items[at];
    add_item(partition, stock,
             (struct search_item){.kind = kind,
                                  .operation = at,
                                  .number = number,
                                  .begins = read->invoked,
                                  .ends = read->completed,
                                  .before = NAME_NONE});
}

static void add_stock_check(struct partition *partition, uint32_t at)
{
    const struct history *history = partition->history;
    const struct operation *check = &history->operations.items[at];
    for (uint32_t i = 0; i < check->answered_count; i++) {
        const struct history_failed_line *line = &history->failed.items[check->answered + i];
        add_read(partition, at, line->stock,
                 line->reason == HF_SKU_NOT_FOUND ? SEARCH_MISSING : SEARCH_EXACTLY,
                 line->available);
    }
    for (uint32_t i = 0; i < check->asked_count; i++) {
        const struct history_line *line = &history->lines.items[check->asked + i];
        if (!operation_failed_on(history, check, line->stock)) {
            add_read(partition, at, line->stock, SEARCH_NEED, line->quantity);
        }
    }
}

static void add_operation(struct partition *partition, uint32_t at)
{
    const struct history *history = partition->history;
    const struct operation *operation = &history->operations.items[at];
    enum event_function function = (enum event_function)operation->function;
    bool read = !function_is_command(function);
    if (read && (operation->stale || !operation_answered(operation))) {
        return;
    }
    if (operation->order != NAME_NONE) {
        uint32_t stock = partition->stock_of[operation->order];
        if (stock == NAME_NONE) {
            stock = history_stock_count(history) + operation->order;
        }
        if (read) {
            add_read(partition, at, stock, SEARCH_ORDER, 0);
        } else {
            add_command(partition, at, stock);
        }
        return;
    }
    if (!read) {
        add_command(partition, at, operation_stock(history, operation));
    }
    if (function == FUNCTION_CHECK_STOCK) {
        add_stock_check(partition, at);
    }
    for (uint32_t i = 0; function == FUNCTION_READ_STOCK && i < operation->answered_count; i++) {
        uint32_t shown = operation->answered + i;
        add_read(partition, at, history->stocks.items[shown].stock, SEARCH_SEE, shown);
    }
}

/* ---- the searches ---- */

struct sized {
    uint32_t count;
    uint32_t stock;
};

static int by_count(const void *left, const void *right)
{
    const struct sized *a = left;
    const struct sized *b = right;
    if (a->count != b->count) {
        return a->count < b->count ? -1 : 1;
    }
    return a->stock < b->stock ? -1 : a->stock > b->stock;
}

static uint64_t search_part(struct check *check, const struct partition *partition, uint32_t stock,
                            int64_t deadline_ns)
{
    struct search_report report;
    const struct part *part = &partition->parts[stock];
    uint32_t stocks = history_stock_count(partition->history);
    struct bytes sku = stock < stocks ? history_sku(partition->history, stock)
                                      : names_text(&partition->history->texts, stock - stocks);
    search_refine(partition->history, part->items, part->count);
    enum search_outcome outcome =
        search_run(partition->history, part->items, part->count, deadline_ns, &report);
    if (outcome == SEARCH_IMPOSSIBLE) {
        check_invalid(check, CHECK_NAMES(report.stuck),
                      "%.*s: no order of its %" PRIu32 " operations explains all answers; the "
                      "longest explains %" PRIu32 ", and not this one next",
                      (int)sku.len, (const char *)sku.data, part->count, report.furthest);
    } else if (outcome == SEARCH_GAVE_UP) {
        check_unknown(check, CHECK_NAMES(report.stuck),
                      "%.*s: not decided after %" PRIu64 " configurations, at %" PRIu32
                      " of %" PRIu32 " operations",
                      (int)sku.len, (const char *)sku.data, report.configurations, report.furthest,
                      part->count);
    }
    return report.configurations;
}

static void search_all(struct check *check, const struct partition *partition)
{
    uint32_t parts = history_stock_count(partition->history) + partition->history->texts.count;
    struct sized *sized = memory_alloc((parts + 1u) * sizeof *sized);
    int64_t deadline_ns = clock_now_ns() + partition->options->search_limit_ms * INT64_C(1000000);
    uint32_t count = 0;
    uint64_t configurations = 0;
    int64_t operations = 0;
    int64_t left_out = 0;
    for (uint32_t stock = 0; stock < parts; stock++) {
        const struct part *part = &partition->parts[stock];
        if (part->left_out) {
            left_out += part->count;
        } else if (part->count > 0) {
            sized[count++] = (struct sized){part->count, stock};
            operations += part->count;
        }
    }
    qsort(sized, count, sizeof *sized, by_count);
    for (uint32_t i = 0; i < count; i++) {
        check_looked(check);
        configurations += search_part(check, partition, sized[i].stock, deadline_ns);
    }
    check_add_fact(check, "searches", count);
    check_add_fact(check, "operations", operations);
    check_add_fact(check, "left-out", left_out);
    check_add_fact(check, "configurations", (int64_t)configurations);
    free(sized);
}

void check_linearizable(struct check *check, const struct history *history,
                        const struct check_options *options)
{
    size_t texts = history->texts.count + 1u;
    uint32_t parts = history_stock_count(history) + history->texts.count;
    struct partition partition = {
        .history = history,
        .options = options,
        .parts = memory_zalloc((parts + 1u) * sizeof(struct part)),
        .stock_of = memory_alloc(texts * sizeof(uint32_t)),
    };
    memset(partition.stock_of, 0xff, texts * sizeof *partition.stock_of);
    find_stocks(&partition);
    for (uint32_t i = 0; i < history->operations.count; i++) {
        add_operation(&partition, i);
    }
    search_all(check, &partition);
    for (uint32_t i = 0; i < parts; i++) {
        free(partition.parts[i].items);
    }
    free(partition.parts);
    free(partition.stock_of);
}
