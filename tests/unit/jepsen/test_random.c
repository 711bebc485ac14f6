/*
 * test_random.c - all checkers on random histories. What a correct ledger could have answered is
 * never called invalid, and hardly ever unknown; what was made wrong in one place is found, by the
 * witness always, and by the search, which looks at no log index, where it is about values.
 */
#include "../../lib/cmocka_test.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/random.h"
#include "log_order.h"
#include "random_history.h"
#include "text_history.h"

#define OPERATIONS 300

static struct check_options options_of_test(void)
{
    struct check_options options = check_options_default();
    options.expiry_slack_ms = 1;
    options.search_limit_ms = 2000;
    return options;
}

/* Seeds from .. from + count - 1; at most so many may be unknown. */
static void run_seeds(uint64_t from, uint64_t count, bool single, unsigned unknown_most)
{
    struct check_options options = options_of_test();
    unsigned unknown = 0;
    unsigned looked = 0;
    for (uint64_t seed = from; seed < from + count; seed++) {
        struct random_shape shape = random_shape_of(seed, OPERATIONS);
        struct analysis analysis;
        shape.lines = single ? 1 : shape.lines;
        struct history *history = random_history(&shape);
        analysis_run(&analysis, history, NULL, &options);
        for (uint32_t i = 0; i < analysis.count; i++) {
            const struct check *check = &analysis.checks[i];
            if (check->verdict == CHECK_INVALID) {
                fail_msg("seed %" PRIu64 ", %s: %s", seed, check->name, check->reasons[0].text);
            }
            if (check->verdict == CHECK_UNKNOWN) {
                print_message("# seed %" PRIu64 ", %s: %s\n", seed, check->name,
                              check->reasons[0].text);
                unknown++;
            }
            looked += check->verdict == CHECK_VALID;
        }
        analysis_free(&analysis);
        history_free(history);
    }
    assert_true(looked >= 5 * count);
    assert_true(unknown <= unknown_most);
}

static void test_valid(void **state)
{
    (void)state;
    run_seeds(1, 150, false, 4);
}

static void test_valid_single_lines(void **state)
{
    (void)state;
    run_seeds(1001, 80, true, 4);
}

/* ---- corruptions ---- */

struct corruption {
    const char *name;
    /* Makes operation `at` wrong; false: this can't be done to it. */
    bool (*make)(struct history *history, uint32_t at);
    bool by_search; /* the search must find it too */
};

static struct operation *operation_at(struct history *history, uint32_t at)
{
    return &history->operations.items[at];
}

static struct history_stock *shown_stock(struct history *history, uint32_t at)
{
    struct operation *operation = operation_at(history, at);
    bool shows = operation->function == FUNCTION_READ_STOCK && !operation->stale &&
                 operation->answered_count > 0;
    struct history_stock *stock = shows ? &history->stocks.items[operation->answered] : NULL;
    return stock != NULL && stock->found ? stock : NULL;
}

static bool read_other_on_hand(struct history *history, uint32_t at)
{
    struct history_stock *stock = shown_stock(history, at);
    if (stock != NULL) {
        stock->on_hand += 1000;
    }
    return stock != NULL;
}

static bool read_one_more_held(struct history *history, uint32_t at)
{
    struct history_stock *stock = shown_stock(history, at);
    if (stock != NULL) {
        stock->reserved++;
    }
    return stock != NULL;
}

static bool read_other_version(struct history *history, uint32_t at)
{
    struct history_stock *stock = shown_stock(history, at);
    if (stock != NULL) {
        stock->version += 500;
    }
    return stock != NULL;
}

static bool read_no_order(struct history *history, uint32_t at)
{
    struct operation *read = operation_at(history, at);
    bool can = read->function == FUNCTION_READ_ORDER && read->verdict == HF_OK && !read->stale &&
               read->invoked > history->events - 20;
    if (can) {
        read->verdict = HF_ORDER_NOT_FOUND;
        read->state = HF_STATE_NONE;
        read->answered_count = 0;
    }
    return can;
}

static bool read_other_units(struct history *history, uint32_t at)
{
    struct operation *read = operation_at(history, at);
    bool can = read->function == FUNCTION_READ_ORDER && read->answered_count > 0 && !read->stale;
    if (can) {
        history->order_lines.items[read->answered].reserved++;
    }
    return can;
}

static bool refused_with_more(struct history *history, uint32_t at)
{
    struct operation *reserve = operation_at(history, at);
    bool can = reserve->function == FUNCTION_RESERVE && reserve->answered_count > 0 &&
               reserve->verdict == HF_INSUFFICIENT_STOCK && !reserve->replayed;
    if (can) {
        history->failed.items[reserve->answered].available += 500;
    }
    return can;
}

static bool done_again(struct history *history, uint32_t at)
{
    struct operation *operation = operation_at(history, at);
    bool can = operation->function == FUNCTION_DEDUCT && operation->replayed &&
               operation->outcome == OUTCOME_OK && operation->asked_count == 0;
    if (can) {
        operation->replayed = false;
    }
    return can;
}

static bool not_done(struct history *history, uint32_t at)
{
    struct operation *operation = operation_at(history, at);
    bool can = operation->function == FUNCTION_RESERVE && operation->outcome == OUTCOME_OK &&
               !operation->replayed;
    if (can) {
        operation->replayed = true;
    }
    return can;
}

static bool adjusted_by_more(struct history *history, uint32_t at)
{
    struct operation *operation = operation_at(history, at);
    bool can = operation->function == FUNCTION_ADJUST_STOCK && operation->outcome == OUTCOME_OK &&
               !operation->replayed && operation->answered_count == 1;
    if (can) {
        history->stocks.items[operation->answered].on_hand += 300;
    }
    return can;
}

static bool other_order_deducted(struct history *history, uint32_t at)
{
    struct operation *operation = operation_at(history, at);
    bool can = operation->function == FUNCTION_DEDUCT && operation->verdict == HF_ORDER_NOT_FOUND &&
               !operation->replayed;
    if (can) {
        operation->verdict = HF_OK;
        operation->outcome = OUTCOME_OK;
        operation->state = HF_STATE_DEDUCTED;
    }
    return can;
}

/* In the log before something that had returned when it was invoked. */
static bool earlier_in_log(struct history *history, uint32_t at)
{
    struct operation *operation = operation_at(history, at);
    for (uint32_t i = 0; has_key(operation) && !operation->stale && i < at; i++) {
        struct operation *other = operation_at(history, i);
        if (operation_is_command(other) && has_key(other) &&
            other->completed < operation->invoked && other->log_index > 3) {
            operation->log_index = other->log_index - 2;
            return true;
        }
    }
    return false;
}

static bool same_place(struct history *history, uint32_t at)
{
    struct operation *operation = operation_at(history, at);
    if (at == 0 || !operation_is_command(operation) || !has_key(operation)) {
        return false;
    }
    for (uint32_t i = at; i > 0; i--) {
        struct operation *other = operation_at(history, i - 1);
        if (operation_is_command(other) && has_key(other)) {
            operation->log_index = other->log_index;
            operation->log_position = other->log_position;
            return true;
        }
    }
    return false;
}

static const struct corruption corruptions[] = {
    {"a read with another count on hand", read_other_on_hand, true},
    {"a read with one more held", read_one_more_held, false},
    {"a read with another version", read_other_version, true},
    {"an order that was there is not", read_no_order, true},
    {"an order with other units", read_other_units, true},
    {"a refusal with other units available", refused_with_more, true},
    {"a repetition that was done again", done_again, true},
    {"a hold that only repeats", not_done, true},
    {"an adjustment with another outcome", adjusted_by_more, true},
    {"a deduct of what is not there", other_order_deducted, true},
    {"an operation earlier in the log", earlier_in_log, false},
    {"two commands in one place", same_place, false},
};

static enum check_verdict run_checker(checker_run run, const struct history *history)
{
    struct check_options options = options_of_test();
    struct check check;
    options.search_limit_ms =
        60000; /* to find nothing takes longer, under sanitizers most of all */
    check_begin(&check, "tested", history);
    run(&check, history, &options);
    enum check_verdict verdict = check.verdict;
    check_free(&check);
    return verdict;
}

/* Corrupts one operation of the history, the first that can be from a random one on. False: none.
 */
static bool corrupt(const struct corruption *corruption, struct history *history, uint64_t draw)
{
    uint32_t count = history->operations.count;
    for (uint32_t i = 0; i < count; i++) {
        if (corruption->make(history, (uint32_t)((draw + i) % count))) {
            return true;
        }
    }
    return false;
}

static void test_corruptions(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof corruptions / sizeof *corruptions; i++) {
        const struct corruption *corruption = &corruptions[i];
        unsigned made = 0;
        struct random random = {i};
        for (uint64_t seed = 1; seed <= 25; seed++) {
            struct random_shape shape = random_shape_of(seed, OPERATIONS);
            shape.lines = 1;
            shape.unknown = 0; /* nothing that could explain it */
            shape.twice = 0;
            shape.expiry = false;
            shape.final_reads = true;
            struct history *history = random_history(&shape);
            if (corrupt(corruption, history, random_next(&random))) {
                made++;
                if (run_checker(check_witness, history) != CHECK_INVALID) {
                    fail_msg("seed %" PRIu64 ": %s: not seen by the witness", seed,
                             corruption->name);
                }
                if (corruption->by_search &&
                    run_checker(check_linearizable, history) != CHECK_INVALID) {
                    fail_msg("seed %" PRIu64 ": %s: not seen by the search", seed,
                             corruption->name);
                }
            }
            history_free(history);
        }
        if (made < 8) {
            fail_msg("%s: made %u times only", corruption->name, made);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_valid),
        cmocka_unit_test(test_valid_single_lines),
        cmocka_unit_test(test_corruptions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
