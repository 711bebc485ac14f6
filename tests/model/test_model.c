/*
 * test_model.c - the model as an oracle: what was true at an earlier index, the checks of its own
 * invariants, and comparisons that see each single field.
 */
#include "cmocka_test.h"

#include <stdlib.h>

#include "generate.h"
#include "memory_store.h"
#include "sequence.h"
#include "state.h"

/* ---- the past ---- */

enum { ORDERS = 8 };

struct seen {
    uint64_t index;
    bool has_stock;
    struct stock_record stock;
    bool has_order[ORDERS];
    enum order_state state[ORDERS];
    int64_t open[ORDERS];
};

static int64_t open_units(const struct order_record *order)
{
    int64_t units = 0;
    for (uint32_t i = 0; i < order->line_count; i++) {
        units += order_line_open(&order->lines[i]);
    }
    return units;
}

static struct bytes order_number(uint32_t number, char *room)
{
    room[0] = 'o';
    room[1] = (char)('0' + number);
    return bytes_of(room, 2);
}

static void look(struct ledger *ledger, uint64_t index, struct seen *seen)
{
    struct error error;
    char room[2];
    *seen = (struct seen){.index = index};
    assert_true(
        ledger_get_stock(ledger, BYTES_LITERAL("A"), 1, &seen->stock, &seen->has_stock, &error));
    for (uint32_t i = 0; i < ORDERS; i++) {
        struct order_record order;
        assert_true(
            ledger_get_order(ledger, order_number(i, room), &order, &seen->has_order[i], &error));
        if (seen->has_order[i]) {
            seen->state[i] = order.state;
            seen->open[i] = open_units(&order);
        }
    }
}

static void compare_seen(const struct model *model, const struct seen *seen, uint64_t index)
{
    struct stock_record stock;
    struct order_record order;
    struct error error;
    char room[2];
    assert_int_equal(model_stock_at(model, BYTES_LITERAL("A"), 0, index, &stock), seen->has_stock);
    if (seen->has_stock && !model_stock_record_equal(&stock, &seen->stock, &error)) {
        fail_msg("%s", error.text);
    }
    for (uint32_t i = 0; i < ORDERS; i++) {
        assert_int_equal(model_order_at(model, order_number(i, room), index, &order),
                         seen->has_order[i]);
        if (seen->has_order[i]) {
            assert_int_equal(order.state, seen->state[i]);
            assert_int_equal(open_units(&order), seen->open[i]);
        }
    }
}

/* What the ledger showed after each entry, the model shows of that index when all is over. */
static void the_past_can_be_asked(void **state)
{
    (void)state;
    uint32_t trimmed = 0;
    for (uint64_t seed = 1; seed <= 12; seed++) {
        struct command_pool *pool = command_pool_new();
        struct memory_store *store = memory_store_new();
        struct model *model = model_new();
        struct sequence sequence = {0};
        struct buffer encoded = {0};
        struct error error;
        struct ledger *ledger =
            ledger_open_knowing(memory_store_interface(store), SEQUENCE_VERSION_KNOWN, &error);
        generate_sequence(&sequence, pool, seed, 800);
        struct seen *seen = memory_zalloc(sequence.count * sizeof *seen);
        for (uint32_t i = 0; i < sequence.count; i++) {
            uint64_t index = sequence.entries[i].index;
            buffer_clear(&encoded);
            sequence_entry_encode(&sequence.entries[i], &encoded);
            assert_true(ledger_apply(ledger, index, buffer_bytes(&encoded), NULL, NULL, &error));
            assert_true(model_apply(model, index, buffer_bytes(&encoded), NULL, NULL));
            assert_int_equal(model_last_index(model), index);
            look(ledger, index, &seen[i]);
            for (uint32_t k = 0; k < ORDERS; k++) {
                trimmed += i > 0 && seen[i - 1].has_order[k] && !seen[i].has_order[k];
            }
        }
        for (uint32_t i = 0; i < sequence.count; i++) {
            uint64_t next = i + 1 < sequence.count ? sequence.entries[i + 1].index : UINT64_MAX;
            compare_seen(model, &seen[i], seen[i].index);
            compare_seen(model, &seen[i], next - 1); /* of an index that was not the ledger's */
        }
        struct seen nothing = {0};
        compare_seen(model, &nothing, sequence.entries[0].index - 1);
        free(seen);
        buffer_free(&encoded);
        ledger_close(ledger);
        sequence_free(&sequence);
        model_free(model);
        memory_store_free(store);
        command_pool_free(pool);
    }
    assert_true(trimmed > 0); /* an order that was and is no more is part of the past too */
}

/* ---- invariants ---- */

/* A stock of 10, of which an order holds 4. */
static struct model *small_model(void)
{
    struct model *model = model_new();
    struct buffer encoded = {0};
    struct ledger_line line = {BYTES_LITERAL("A"), 1, 4};
    struct ledger_command set = {.kind = LEDGER_SET_STOCK,
                                 .request_id = BYTES_LITERAL("r"),
                                 .sku = BYTES_LITERAL("A"),
                                 .quantity = 10};
    struct ledger_command reserve = {
        .kind = LEDGER_RESERVE, .order_id = BYTES_LITERAL("o"), .lines = &line, .line_count = 1};
    const struct ledger_command *commands[] = {&set, &reserve};
    struct sequence_entry entry = {.index = 7, .time_ms = 1000, .commands = commands, .count = 2};
    struct error error;
    sequence_entry_encode(&entry, &encoded);
    assert_true(model_apply(model, 7, buffer_bytes(&encoded), NULL, NULL));
    assert_true(model_check_invariants(model, &error));
    assert_true(model_check_all_invariants(model, &error));
    buffer_free(&encoded);
    return model;
}

/* Both checks, or the full one alone, must say so. */
static void expect_broken(struct model *model, bool quick, const char *words)
{
    struct error error = {""};
    if (quick) {
        assert_false(model_check_invariants(model, &error));
        assert_non_null(strstr(error.text, words));
    }
    error.text[0] = '\0';
    assert_false(model_check_all_invariants(model, &error));
    assert_non_null(strstr(error.text, words));
    model_free(model);
}

static struct stock_record *now_of(struct model *model)
{
    struct stock *stock = &model->stocks.items[0];
    return &stock->changes.items[stock->changes.count - 1].after;
}

static void every_invariant_is_checked(void **state)
{
    (void)state;
    struct model *model = small_model();
    now_of(model)->on_hand = -1;
    model->stocks.items[0].changes.items[1].row.on_hand_after = -1;
    expect_broken(model, true, "on_hand");
    model = small_model();
    now_of(model)->reserved = 11;
    model->stocks.items[0].changes.items[1].row.reserved_after = 11;
    expect_broken(model, true, "reserved");
    model = small_model();
    model->stocks.items[0].held = 3;
    expect_broken(model, true, "hold");
    model = small_model();
    model->stocks.items[0].on_hand_changes = 9;
    struct error error;
    assert_false(model_check_invariants(model, &error));
    assert_true(model_check_all_invariants(model, &error)); /* it makes the sum anew */
    model_free(model);
    model = small_model();
    model->stocks.items[0].changes.items[1].row.on_hand_before = 9;
    expect_broken(model, true, "history row");
    model = small_model();
    now_of(model)->version = 2; /* a hold is no change of on_hand */
    expect_broken(model, true, "version");
    model = small_model();
    model->orders.items[0].versions.items[0].lines[0].released = 1;
    expect_broken(model, false, "sum of open holds");
    model = small_model();
    model->orders.items[0].versions.items[0].lines[0].deducted = 5;
    expect_broken(model, false, "given more than it had");
    model = small_model();
    model->orders.items[0].versions.items[0].record.state = ORDER_RELEASED;
    expect_broken(model, false, "open units");
}

/* ---- comparisons ---- */

#define DIFFERS(equal, base, field, value, words)                                                  \
    do {                                                                                           \
        struct error difference_ = {""};                                                           \
        __typeof__(base) changed_ = base;                                                          \
        assert_true(equal(&(base), &changed_, &difference_));                                      \
        changed_.field = value;                                                                    \
        assert_false(equal(&(base), &changed_, &difference_));                                     \
        if (strstr(difference_.text, words) == NULL) {                                             \
            fail_msg("%s", difference_.text);                                                      \
        }                                                                                          \
    } while (0)

static void every_field_of_a_result_counts(void **state)
{
    (void)state;
    const struct ledger_failed_line line = {BYTES_LITERAL("A"), 1, 2, 1, LEDGER_INSUFFICIENT_STOCK};
    const struct ledger_failed_line others[] = {
        {BYTES_LITERAL("B"), 1, 2, 1, LEDGER_INSUFFICIENT_STOCK},
        {BYTES_LITERAL("A"), 2, 2, 1, LEDGER_INSUFFICIENT_STOCK},
        {BYTES_LITERAL("A"), 1, 3, 1, LEDGER_INSUFFICIENT_STOCK},
        {BYTES_LITERAL("A"), 1, 2, 0, LEDGER_INSUFFICIENT_STOCK},
        {BYTES_LITERAL("A"), 1, 2, 1, LEDGER_SKU_NOT_FOUND},
    };
    struct ledger_result result = {
        .verdict = LEDGER_INSUFFICIENT_STOCK,
        .log_index = 5,
        .failed_lines = &line,
        .failed_line_count = 1,
        .has_stock = true,
        .stock_sku = BYTES_LITERAL("A"),
        .stock_warehouse = 1,
        .stock = {.on_hand = 1, .version = 3},
    };
    DIFFERS(model_result_equal, result, verdict, LEDGER_OK,
            "verdict: INSUFFICIENT_STOCK is expected, not OK");
    DIFFERS(model_result_equal, result, replayed, true, "replayed");
    DIFFERS(model_result_equal, result, log_index, 6, "log_index: 5 is expected, not 6");
    DIFFERS(model_result_equal, result, log_position, 6, "log_position");
    DIFFERS(model_result_equal, result, order_state, ORDER_ACTIVE, "order_state");
    DIFFERS(model_result_equal, result, existed, true, "existed");
    DIFFERS(model_result_equal, result, expires_at_ms, 1, "expires_at_ms");
    DIFFERS(model_result_equal, result, failed_line_count, 0, "failed_line_count");
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        DIFFERS(model_result_equal, result, failed_lines, &others[i], "failed line 0");
    }
    DIFFERS(model_result_equal, result, has_stock, false, "has_stock");
    DIFFERS(model_result_equal, result, stock_sku, BYTES_LITERAL("a"), "stock_sku: \"A\"");
    DIFFERS(model_result_equal, result, stock_warehouse, 2, "stock_warehouse");
    DIFFERS(model_result_equal, result, stock.version, 4, "stock: version");
}

static void every_field_of_a_record_counts(void **state)
{
    (void)state;
    struct stock_record stock = {.on_hand = 3};
    DIFFERS(model_stock_record_equal, stock, on_hand, 4, "on_hand");
    DIFFERS(model_stock_record_equal, stock, reserved, 4, "reserved");
    DIFFERS(model_stock_record_equal, stock, low_stock_threshold, 4, "low_stock_threshold");
    DIFFERS(model_stock_record_equal, stock, version, 4, "version");
    DIFFERS(model_stock_record_equal, stock, created_ms, 4, "created_ms");
    DIFFERS(model_stock_record_equal, stock, updated_ms, 4, "updated_ms");
    DIFFERS(model_stock_record_equal, stock, last_index, 4, "last_index");

    struct order_line line = {.sku = BYTES_LITERAL("A"), .warehouse = 1, .reserved = 9};
    struct order_record order = {.state = ORDER_ACTIVE, .lines = &line, .line_count = 1};
    DIFFERS(model_order_record_equal, order, state, ORDER_EXPIRED, "state");
    DIFFERS(model_order_record_equal, order, tombstone, true, "tombstone");
    DIFFERS(model_order_record_equal, order, created_ms, 1, "created_ms");
    DIFFERS(model_order_record_equal, order, expires_hold_ms, 1, "expires_hold_ms");
    DIFFERS(model_order_record_equal, order, closed_ms, 1, "closed_ms");
    DIFFERS(model_order_record_equal, order, purge_ms, 1, "purge_ms");
    DIFFERS(model_order_record_equal, order, actor, BYTES_LITERAL("x"), "actor");
    DIFFERS(model_order_record_equal, order, reason, BYTES_LITERAL("x"), "reason");
    DIFFERS(model_order_record_equal, order, line_count, 0, "line_count");
    for (int field = 0; field < 7; field++) {
        struct order_line other = line;
        int64_t *const quantities[] = {&other.reserved, &other.deducted, &other.released,
                                       &other.expired, &other.returned};
        if (field < 5) {
            *quantities[field] += 1;
        } else if (field == 5) {
            other.warehouse = 2;
        } else {
            other.sku = BYTES_LITERAL("AA");
        }
        DIFFERS(model_order_record_equal, order, lines, &other, "line 0");
    }
}

static void a_damaged_entry_is_refused(void **state)
{
    (void)state;
    struct model *model = model_new();
    const uint8_t garbage[] = {1, 0, 1};
    assert_false(model_apply(model, 1, bytes_of(garbage, sizeof garbage), NULL, NULL));
    model_free(model);
    model_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_past_can_be_asked),
        cmocka_unit_test(every_invariant_is_checked),
        cmocka_unit_test(every_field_of_a_result_counts),
        cmocka_unit_test(every_field_of_a_record_counts),
        cmocka_unit_test(a_damaged_entry_is_refused),
    };
    return cmocka_run_group_tests_name("model/model", tests, NULL, NULL);
}
