/*
 * check_set.c - unique holds as a set, as in Jepsen's set-full: each order that was granted a hold
 * of a stock is an element, each linearizable reading of the stock's history shows the set.
 *
 * An element is known once its Reserve was acknowledged, or a reading that has returned shows it. A
 * reading that is invoked later must show it. Of each element:
 *
 *   stable       shown by every reading from some moment on; if some before that, but behind its
 *                being known, did not show it, it is also stale
 *   lost         known, and the last readings behind that don't show it
 *   never read   no reading was invoked after it was known
 *   doubled      shown twice by one reading
 *   unexpected   shown, but surely never reserved
 *
 * Lost, stale, doubled and unexpected elements make the history invalid.
 */
#include <stdlib.h>

#include "order_table.h"

struct element {
    uint32_t order;
    uint32_t reserve;     /* acknowledged, or NAME_NONE */
    uint32_t known;       /* event from which on it is known */
    uint32_t missed;      /* reading that should have shown it and did not; the first */
    uint32_t last_missed; /* the last */
    uint32_t shown;       /* the last reading that showed it */
    bool asked;           /* some reading was invoked behind its being known */
};

struct set {
    struct check *check;
    const struct history *history;
    struct order_facts *orders;
    uint32_t *readings; /* of one stock, in the order of invocation */
    uint32_t reading_count;
    struct element *elements;
    uint32_t element_count;
    uint32_t element_capacity;
    uint32_t *places; /* order -> element + 1, of this stock */
    uint32_t *marks;  /* order -> reading + 1 that showed it last */
    int64_t stable;
    int64_t lost;
    int64_t stale;
    int64_t never_read;
};

static const struct operation *operation_at(const struct set *set, uint32_t at)
{
    return &set->history->operations.items[at];
}

static struct element *element_of(struct set *set, uint32_t order)
{
    if (set->places[order] == 0) {
        if (set->element_count == set->element_capacity) {
            set->element_capacity = set->element_capacity * 2 + 64;
            set->elements =
                memory_realloc(set->elements, set->element_capacity * sizeof *set->elements);
        }
        set->elements[set->element_count] = (struct element){
            order, NAME_NONE, HISTORY_NEVER, NAME_NONE, NAME_NONE, NAME_NONE, false};
        set->places[order] = ++set->element_count;
    }
    return &set->elements[set->places[order] - 1];
}

/* Elements that were acknowledged. */
static void take_holds(struct set *set, uint32_t stock)
{
    for (uint32_t i = 0; i < set->history->operations.count; i++) {
        const struct operation *operation = operation_at(set, i);
        if (operation->function == FUNCTION_RESERVE && operation->outcome == OUTCOME_OK &&
            reserve_units(set->history, i, stock) > 0) {
            struct element *element = element_of(set, operation->order);
            if (operation->completed < element->known) {
                element->known = operation->completed;
                element->reserve = i;
            }
        }
    }
}

/* Marks what the reading shows. */
static void take_rows(struct set *set, uint32_t reading)
{
    const struct operation *read = operation_at(set, reading);
    for (uint32_t i = 0; i < read->answered_count; i++) {
        const struct history_row *row = &set->history->rows.items[read->answered + i];
        if (row->op != HF_OP_RESERVE || row->order == NAME_NONE) {
            continue;
        }
        if (set->marks[row->order] == reading + 1) {
            check_invalid(set->check, CHECK_NAMES(reading, set->orders[row->order].reserve),
                          "a hold is there twice");
        }
        set->marks[row->order] = reading + 1;
        struct element *element = element_of(set, row->order);
        if (!set->orders[row->order].possible && element->shown == NAME_NONE) {
            check_invalid(set->check, CHECK_NAMES(reading, set->orders[row->order].reserve),
                          "a hold is there that nobody was granted");
        }
        element->shown = reading;
    }
}

/* What was known when the reading was invoked must be in it. */
static void compare(struct set *set, uint32_t reading)
{
    const struct operation *read = operation_at(set, reading);
    for (uint32_t i = 0; i < set->element_count; i++) {
        struct element *element = &set->elements[i];
        bool shown = set->marks[element->order] == reading + 1;
        if (element->known < read->invoked) {
            element->asked = true;
            if (!shown) {
                element->missed = element->missed == NAME_NONE ? reading : element->missed;
                element->last_missed = reading;
            }
        }
        if (shown && read->completed < element->known) {
            element->known = read->completed;
        }
    }
}

static void judge(struct set *set)
{
    for (uint32_t i = 0; i < set->element_count; i++) {
        const struct element *element = &set->elements[i];
        uint32_t missed = element->missed;
        if (!element->asked) {
            set->never_read++;
        } else if (missed == NAME_NONE) {
            set->stable++;
        } else if (element->shown == NAME_NONE ||
                   operation_at(set, element->shown)->invoked <
                       operation_at(set, element->last_missed)->invoked) {
            set->lost++;
            check_invalid(set->check, CHECK_NAMES(element->reserve, missed), "a hold is lost");
        } else {
            set->stale++;
            check_invalid(set->check, CHECK_NAMES(element->reserve, missed, element->shown),
                          "a linearizable reading is stale: it lacks a hold that was known");
        }
    }
}

static void check_stock(struct set *set, uint32_t stock)
{
    take_holds(set, stock);
    for (uint32_t i = 0; i < set->reading_count; i++) {
        take_rows(set, set->readings[i]);
        compare(set, set->readings[i]);
    }
    judge(set);
    for (uint32_t i = 0; i < set->element_count; i++) {
        set->places[set->elements[i].order] = 0;
    }
    set->element_count = 0;
}

static void find_readings(struct set *set, uint32_t stock)
{
    set->reading_count = 0;
    for (uint32_t i = 0; i < set->history->operations.count; i++) {
        const struct operation *operation = operation_at(set, i);
        if (operation->function == FUNCTION_READ_HISTORY && operation->verdict == HF_OK &&
            !operation->stale && operation_stock(set->history, operation) == stock) {
            set->readings[set->reading_count++] = i;
        }
    }
}

void check_set(struct check *check, const struct history *history,
               const struct check_options *options)
{
    size_t texts = history->texts.count + 1u;
    struct set set = {.check = check,
                      .history = history,
                      .orders = order_table(history, options),
                      .readings = memory_alloc((history->operations.count + 1u) * sizeof(uint32_t)),
                      .places = memory_zalloc(texts * sizeof(uint32_t)),
                      .marks = memory_zalloc(texts * sizeof(uint32_t))};
    bool any = false;
    for (uint32_t i = 0; i < history->operations.count && !any; i++) {
        any = operation_at(&set, i)->function == FUNCTION_READ_HISTORY &&
              operation_at(&set, i)->verdict == HF_OK;
    }
    for (uint32_t stock = 0; any && stock < history_stock_count(history); stock++) {
        find_readings(&set, stock);
        if (set.reading_count > 0) {
            check_looked(check);
            check_stock(&set, stock);
        }
    }
    check_add_fact(check, "stable", set.stable);
    check_add_fact(check, "lost", set.lost);
    check_add_fact(check, "stale", set.stale);
    check_add_fact(check, "never-read", set.never_read);
    free(set.orders);
    free(set.readings);
    free(set.elements);
    free(set.places);
    free(set.marks);
}
