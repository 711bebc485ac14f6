/*
 * witness_requests.c - commands that only a request id tells from their repetition: which of those
 * that were sent under one id takes effect, and which only repeat its answer. What those on orders
 * do is told by their orders; those on stocks, SetStock and AdjustStock, become effects here.
 *
 * The first that the log has under an id is the original; the rest must repeat its verdict, or be
 * refused for other fields. If the first that was answered is itself a repetition, the original is
 * one of those that nobody has an answer of.
 */
#include <stdlib.h>

#include "witness.h"

struct attempt {
    uint32_t request;
    bool hidden; /* behind the answered ones of its id */
    uint64_t key;
    uint32_t operation;
};

struct requests {
    struct witness *witness;
    const struct history *history;
    const struct attempt *answered; /* of one id, by key */
    uint32_t answered_count;
    const struct attempt *hidden;
    uint32_t hidden_count;
};

static const struct operation *operation_at(const struct requests *requests, uint32_t at)
{
    return &requests->history->operations.items[at];
}

static int by_request(const void *left, const void *right)
{
    const struct attempt *a = left;
    const struct attempt *b = right;
    if (a->request != b->request) {
        return a->request < b->request ? -1 : 1;
    }
    if (a->hidden != b->hidden) {
        return a->hidden - b->hidden;
    }
    return a->key < b->key ? -1 : a->key > b->key;
}

static bool is_on_stock(const struct operation *command)
{
    return command->function == FUNCTION_SET_STOCK || command->function == FUNCTION_ADJUST_STOCK;
}

/* How the command acts on its stock when nobody knows where. */
static struct witness_effect effect_of(const struct requests *requests, uint32_t at, uint64_t from,
                                       uint64_t until, bool sure)
{
    const struct operation *command = operation_at(requests, at);
    bool plain = command->function == FUNCTION_ADJUST_STOCK && !command->has_expected_version;
    int64_t quantity = operation_quantity(requests->history, command);
    return (struct witness_effect){
        .from = from,
        .until = until,
        .on_hand = plain ? quantity : 0,
        .need = plain && quantity < 0 ? -quantity : 0,
        .stock = operation_stock(requests->history, command),
        .operation = at,
        .kind = plain ? EFFECT_ADD : EFFECT_COMMAND,
        .sure = sure,
    };
}

/* The earliest floor of hidden commands that could be this one's original; NAME_NONE: there is
 * none. */
static uint32_t find_original(const struct requests *requests, const struct operation *repetition,
                              bool equal, uint64_t before, uint64_t *floor)
{
    uint32_t found = NAME_NONE;
    for (uint32_t i = 0; i < requests->hidden_count; i++) {
        uint32_t at = requests->hidden[i].operation;
        uint64_t from = requests->witness->floors[at];
        if (from < before &&
            commands_equal(requests->history, operation_at(requests, at), repetition) == equal &&
            (found == NAME_NONE || from < *floor)) {
            found = at;
            *floor = from;
        }
    }
    return found;
}

static void complain(const struct requests *requests, uint32_t at, uint32_t original,
                     const char *what)
{
    requests->witness->broken = true;
    check_invalid(requests->witness->check, CHECK_NAMES(at, original), "%s", what);
}

/* Answers behind the original repeat it. */
static void check_repetitions(const struct requests *requests, uint32_t original, uint32_t first,
                              bool sure_verdict)
{
    const struct operation *one = operation_at(requests, original);
    for (uint32_t i = first; i < requests->answered_count; i++) {
        uint32_t at = requests->answered[i].operation;
        const struct operation *other = operation_at(requests, at);
        bool equal = commands_equal(requests->history, one, other);
        if (equal && other->verdict == HF_IDEMPOTENCY_MISMATCH) {
            complain(requests, at, original, "refused as another request, but it is the same");
        } else if (equal && !other->replayed && other->verdict != HF_REQUEST_EXPIRED) {
            complain(requests, at, original, "done twice under one request id");
        } else if (equal && sure_verdict && other->replayed && other->verdict != one->verdict) {
            complain(requests, at, original, "a repetition has another verdict than its original");
        } else if (!equal && other->verdict != HF_IDEMPOTENCY_MISMATCH &&
                   other->verdict != HF_REQUEST_EXPIRED) {
            complain(requests, at, original, "another command was taken under a request id in use");
        }
    }
}

static void add_hidden(const struct requests *requests)
{
    struct witness *witness = requests->witness;
    for (uint32_t i = 0; i < requests->hidden_count; i++) {
        uint32_t at = requests->hidden[i].operation;
        bool first = true;
        uint64_t from = witness->floors[at];
        for (uint32_t k = 0; k < requests->hidden_count; k++) {
            uint32_t other = requests->hidden[k].operation;
            bool equal = commands_equal(requests->history, operation_at(requests, at),
                                        operation_at(requests, other));
            first &= !equal || k >= i;
            from = equal && witness->floors[other] < from ? witness->floors[other] : from;
        }
        if (first && is_on_stock(operation_at(requests, at))) {
            witness_add_effect(witness, effect_of(requests, at, from, KEY_NEVER, false));
        }
    }
}

static void place_id(const struct requests *requests)
{
    struct witness *witness = requests->witness;
    if (requests->answered_count == 0) {
        add_hidden(requests);
        return;
    }
    uint32_t at = requests->answered[0].operation;
    const struct operation *first = operation_at(requests, at);
    uint64_t key = key_of(first);
    uint64_t floor = 0;
    bool mismatch = first->verdict == HF_IDEMPOTENCY_MISMATCH;
    if (!first->replayed && !mismatch) {
        if (is_on_stock(first)) {
            witness_add_fact(
                witness, (struct witness_fact){key, 0, operation_stock(requests->history, first),
                                               at, FACT_COMMAND});
        }
        check_repetitions(requests, at, 1, true);
        return;
    }
    uint32_t original = find_original(requests, first, !mismatch, key, &floor);
    if (original == NAME_NONE) {
        complain(requests, at, NAME_NONE,
                 mismatch ? "refused for a request id in use, but nothing else used it"
                          : "called a repetition, but nothing before it did this");
    } else if (mismatch) {
        add_hidden(requests);
        check_repetitions(requests, original, 1, false);
    } else {
        if (first->verdict == HF_OK && is_on_stock(first)) {
            witness_add_effect(witness, effect_of(requests, original, floor, key, true));
        }
        check_repetitions(requests, at, 1, true);
    }
}

/* Its commands stand next to each other: one id after the other. */
static void place_all(struct requests *requests, const struct attempt *attempts, uint32_t count)
{
    for (uint32_t i = 0; i < count;) {
        uint32_t end = i;
        uint32_t answered = 0;
        for (; end < count && (end == i || (attempts[end].request == attempts[i].request &&
                                            attempts[i].request != NAME_NONE));
             end++) {
            answered += !attempts[end].hidden;
        }
        requests->answered = attempts + i;
        requests->answered_count = answered;
        requests->hidden = attempts + i + answered;
        requests->hidden_count = end - i - answered;
        place_id(requests);
        i = end;
    }
}

void witness_requests(struct witness *witness, const uint32_t *sorted, uint32_t count)
{
    const struct history *history = witness->history;
    struct requests requests = {.witness = witness, .history = history};
    struct attempt *attempts =
        memory_alloc((2u * history->operations.count + 1u) * sizeof *attempts);
    uint32_t found = 0;
    for (uint32_t i = 0; i < count; i++) {
        const struct operation *operation = &history->operations.items[sorted[i]];
        if (operation_is_command(operation) && command_needs_request(operation)) {
            attempts[found++] =
                (struct attempt){operation->request, false, key_of(operation), sorted[i]};
        }
    }
    for (uint32_t i = 0; i < history->operations.count; i++) {
        const struct operation *operation = &history->operations.items[i];
        if (operation_is_command(operation) && command_needs_request(operation) &&
            witness_is_hidden(operation)) {
            attempts[found++] = (struct attempt){operation->request, true, i, i};
        }
    }
    qsort(attempts, found, sizeof *attempts, by_request);
    place_all(&requests, attempts, found);
    free(attempts);
}
