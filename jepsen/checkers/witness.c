/*
 * witness.c - the order of the log as a witness that the history is linearizable.
 *
 * The ledger names a place in one order for everything that it answers. A witness needs no trust:
 * if that order respects real time, and a naive model that goes through it gives every answer that
 * was given, then the history is linearizable, whoever made the order up.
 *
 *  1. Real time. What had returned before something was invoked has the smaller key; reads too. A
 *     linearizable read stands at or behind all that. No two commands share a place.
 *  2. Orders (witness_orders.c). Each order's commands and reads, in the order of keys, against the
 *     rules of one order's life. What each does to stocks comes out.
 *  3. Stocks (witness_stocks.c). Each stock's effects and all that answers tell about it - reads,
 *     what a refused line found, that a granted one had enough - in the order of keys.
 *
 * Orders meet only in stocks and stocks only in orders, so each is replayed by itself, and the
 * whole costs a sort.
 *
 * What nobody knows. An operation with an unknown outcome may have taken effect at any place behind
 * what was complete when it was invoked, or never; so may an earlier attempt of a command that was
 * sent twice; so may an expiry, from its time on. These have no key, and the replay must place
 * them. First the order that they belong to says what is possible: a Reserve whose order is read
 * later took place before that read and behind the last answer that did not see it. This leaves
 * effects with an interval, and stocks, whose counts are told exactly all the time, place them: no
 * earlier than an answer demands, for to place an effect later than it was hurts nothing that has
 * not seen it. Where several could explain an answer, all explanations are kept until later answers
 * decide. Only when none is left is the history invalid. Explanations are bounded; a history that
 * dies after some were dropped is unknown.
 *
 * Where a stock's history was read, the places that its rows show are tried before all others
 * (witness_rows.c): a witness too needs no trust. They never make a history invalid.
 *
 * Fails, that is misses: one unknown operation with several lines is placed for each stock by
 * itself, so that one torn in time passes here (its final state does not). And where an order may
 * have lived in several ways, stocks are told what each would have done as so many things that may
 * have been, not that it was one of them (but for a Deduct that reacquires, witness_orders.c). The
 * checkers of linearizability and conservation, and of histories' rows, look at the same from other
 * sides.
 */
#include "witness.h"

#include <stdlib.h>

/* ---- lists ---- */

static void *room(void *items, uint32_t count, uint32_t *capacity, size_t size)
{
    if (count == *capacity) {
        *capacity = *capacity < 256 ? 256 : *capacity + *capacity / 2;
        items = memory_realloc(items, *capacity * size);
    }
    return items;
}

void witness_add_effect(struct witness *witness, struct witness_effect effect)
{
    witness->effects.items = room(witness->effects.items, witness->effects.count,
                                  &witness->effects.capacity, sizeof effect);
    witness->effects.items[witness->effects.count++] = effect;
    witness->undecided += effect.from != effect.until;
}

void witness_add_fact(struct witness *witness, struct witness_fact fact)
{
    witness->facts.items =
        room(witness->facts.items, witness->facts.count, &witness->facts.capacity, sizeof fact);
    witness->facts.items[witness->facts.count++] = fact;
}

/* ---- 1. real time ---- */

bool witness_is_hidden(const struct operation *operation)
{
    return operation_is_command(operation) &&
           (operation->outcome == OUTCOME_UNKNOWN ||
            (operation_answered(operation) && operation->attempts > 1));
}

static bool must_be_behind(const struct operation *operation)
{
    return has_key(operation) && !operation->stale;
}

/* An operation that was complete before `event` and has this key. */
static uint32_t who_reached(const struct witness *witness, uint32_t event, uint64_t key)
{
    const struct history *history = witness->history;
    for (uint32_t i = 0; i < history->operations.count; i++) {
        const struct operation *operation = &history->operations.items[i];
        if (operation->completed < event && has_key(operation) && key_of(operation) == key) {
            return i;
        }
    }
    return NAME_NONE;
}

static void begin_operation(struct witness *witness, uint32_t at, uint64_t reached)
{
    const struct operation *operation = &witness->history->operations.items[at];
    witness->floors[at] = reached;
    if (!must_be_behind(operation)) {
        return;
    }
    if (operation_is_command(operation) ? key_of(operation) <= reached && reached != 0
                                        : key_of(operation) < reached) {
        check_invalid(witness->check,
                      CHECK_NAMES(at, who_reached(witness, operation->invoked, reached)),
                      operation_is_command(operation)
                          ? "the log has a command before something that had returned when it was "
                            "invoked"
                          : "a linearizable read does not hold what had returned when it was "
                            "invoked");
    }
}

static void walk_real_time(struct witness *witness)
{
    const struct history *history = witness->history;
    uint64_t reached = 0;
    for (uint32_t event = 0; event < history->events; event++) {
        uint32_t at = history->event_operations.items[event];
        if (at == NAME_NONE) {
            continue;
        }
        const struct operation *operation = &history->operations.items[at];
        if (operation->invoked == event) {
            begin_operation(witness, at, reached);
            continue;
        }
        if (has_key(operation) && key_of(operation) > reached) {
            reached = key_of(operation);
            witness->times_ns[witness->reached_count] = operation->completed_ns;
            witness->reached[witness->reached_count++] = reached;
        }
    }
}

uint64_t witness_reached(const struct witness *witness, int64_t time_ns)
{
    uint32_t low = 0;
    uint32_t high = witness->reached_count;
    if (time_ns > witness->history->end_ns) {
        return KEY_NEVER;
    }
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (witness->times_ns[middle] < time_ns) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low > 0 ? witness->reached[low - 1] : 0;
}

/* The log's stamps never run back, and no command is in it before it was invoked. */
static void guess_stamps(struct witness *witness, const uint32_t *sorted, uint32_t count)
{
    const struct history *history = witness->history;
    int64_t latest_ns = 0;
    for (uint32_t i = 0; i < history->operations.count; i++) {
        witness->stamps_ns[i] = history->operations.items[i].invoked_ns;
    }
    for (uint32_t i = 0; i < count; i++) {
        const struct operation *operation = &history->operations.items[sorted[i]];
        if (operation_is_command(operation)) {
            latest_ns = operation->invoked_ns > latest_ns ? operation->invoked_ns : latest_ns;
            witness->stamps_ns[sorted[i]] = latest_ns;
        }
    }
}

/* No two commands share a place. */
static void check_places(struct witness *witness, const uint32_t *sorted, uint32_t count)
{
    const struct operation *operations = witness->history->operations.items;
    for (uint32_t i = 1; i < count; i++) {
        if (operation_is_command(&operations[sorted[i]]) &&
            key_of(&operations[sorted[i]]) == key_of(&operations[sorted[i - 1]])) {
            check_invalid(witness->check, CHECK_NAMES(sorted[i - 1], sorted[i]),
                          "two commands have the same place in the log");
        }
    }
}

/* ---- facts of reads ---- */

void witness_add_failed(struct witness *witness, uint32_t at)
{
    const struct history *history = witness->history;
    const struct operation *operation = &history->operations.items[at];
    uint64_t key = key_of(operation);
    for (uint32_t i = 0; i < operation->answered_count; i++) {
        const struct history_failed_line *line = &history->failed.items[operation->answered + i];
        if (line->reason == HF_INSUFFICIENT_STOCK) {
            witness_add_fact(witness, (struct witness_fact){key, line->available, line->stock, at,
                                                            FACT_AVAILABLE});
        } else if (line->reason == HF_SKU_NOT_FOUND) {
            witness_add_fact(witness, (struct witness_fact){key, 0, line->stock, at, FACT_MISSING});
        }
    }
}

static void add_check_stock(struct witness *witness, uint32_t at)
{
    const struct history *history = witness->history;
    const struct operation *operation = &history->operations.items[at];
    witness_add_failed(witness, at);
    for (uint32_t i = 0; i < operation->asked_count; i++) {
        const struct history_line *line = &history->lines.items[operation->asked + i];
        if (!operation_failed_on(history, operation, line->stock)) {
            witness_add_fact(witness, (struct witness_fact){key_of(operation), line->quantity,
                                                            line->stock, at, FACT_NEED});
        }
    }
    if (operation->verdict != HF_OK && operation->answered_count == 0) {
        check_invalid(witness->check, CHECK_NAMES(at), "not available, but no line says why");
    }
}

static void add_reads(struct witness *witness, const uint32_t *sorted, uint32_t count)
{
    const struct history *history = witness->history;
    for (uint32_t i = 0; i < count; i++) {
        const struct operation *operation = &history->operations.items[sorted[i]];
        if (operation->function == FUNCTION_CHECK_STOCK) {
            add_check_stock(witness, sorted[i]);
        }
        for (uint32_t k = 0;
             operation->function == FUNCTION_READ_STOCK && k < operation->answered_count; k++) {
            uint32_t seen = operation->answered + k;
            witness_add_fact(witness, (struct witness_fact){key_of(operation), seen,
                                                            history->stocks.items[seen].stock,
                                                            sorted[i], FACT_SEEN});
        }
    }
}

static bool keys_fit(struct witness *witness)
{
    const struct history *history = witness->history;
    for (uint32_t i = 0; i < history->operations.count; i++) {
        if (history->operations.items[i].log_index >= LOG_INDEX_MOST) {
            check_unknown(witness->check, CHECK_NAMES(i), "a log index of more than 32 bits");
            return false;
        }
    }
    return true;
}

void check_witness(struct check *check, const struct history *history,
                   const struct check_options *options)
{
    uint32_t count;
    uint32_t operations = history->operations.count + 1;
    struct witness witness = {.check = check, .history = history, .options = options};
    if (history->operations.count == 0 || !keys_fit(&witness)) {
        return;
    }
    check_looked(check);
    witness.floors = memory_zalloc(operations * sizeof *witness.floors);
    witness.times_ns = memory_alloc(operations * sizeof *witness.times_ns);
    witness.reached = memory_alloc(operations * sizeof *witness.reached);
    walk_real_time(&witness);
    uint32_t *sorted = log_order(history, &count);
    check_places(&witness, sorted, count);
    witness.stamps_ns = memory_alloc(operations * sizeof *witness.stamps_ns);
    guess_stamps(&witness, sorted, count);
    witness_orders(&witness, sorted, count);
    witness_requests(&witness, sorted, count);
    add_reads(&witness, sorted, count);
    witness_stocks(&witness);
    check_add_fact(check, "replayed", count);
    check_add_fact(check, "effects", witness.effects.count);
    check_add_fact(check, "undecided", (int64_t)witness.undecided);
    free(sorted);
    free(witness.floors);
    free(witness.stamps_ns);
    free(witness.times_ns);
    free(witness.reached);
    free(witness.effects.items);
    free(witness.facts.items);
}
