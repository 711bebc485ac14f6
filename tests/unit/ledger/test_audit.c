/*
 * test_audit.c - the audit has to find what is wrong: each violation is made by hand in a store
 * that was right, and must be told in words. And a store that is right must pass.
 */
#include "fixture.h"

#include <inttypes.h>
#include <stdlib.h>

#include "key.h"
#include "machine.h"

static void build(struct fixture *fixture)
{
    fixture_open(fixture);
    fixture_run(fixture, "set A 10               => OK 10/0 v1\n"
                         "set B 5                => OK 5/0 v1\n"
                         "reserve open A=4 B=1   => OK ACTIVE\n"
                         "deduct open A=1        => OK ACTIVE\n"
                         "reserve sold A=2       => OK ACTIVE\n"
                         "deduct sold            => OK DEDUCTED\n"
                         "release tomb           => OK RELEASED\n"
                         "register 1 77          => OK\n"
                         "stock A                => 7/3 v3\n");
}

static void put(struct fixture *fixture, struct ledger_key key, const struct buffer *value)
{
    struct ledger_store store = memory_store_interface(fixture->store);
    struct error error;
    assert_true(store.ops->put(store.store, ledger_key_kind(&key), ledger_key_bytes(&key),
                               buffer_bytes(value), &error));
}

static void drop(struct fixture *fixture, struct ledger_key key)
{
    struct ledger_store store = memory_store_interface(fixture->store);
    struct error error;
    assert_true(
        store.ops->remove(store.store, ledger_key_kind(&key), ledger_key_bytes(&key), &error));
}

static void get(struct fixture *fixture, struct ledger_key key, struct buffer *value)
{
    struct ledger_store store = memory_store_interface(fixture->store);
    struct error error;
    struct bytes view;
    assert_int_equal(
        store.ops->get(store.store, ledger_key_kind(&key), ledger_key_bytes(&key), &view, &error),
        STORE_FOUND);
    buffer_clear(value);
    buffer_append_bytes(value, view);
}

/* Audits, expects these words among the violations, and that the digest is seen to differ too. */
static void expect(struct fixture *fixture, const char *words)
{
    struct ledger_audit *audit = memory_alloc(sizeof *audit);
    struct error error;
    assert_true(ledger_audit_run(memory_store_interface(fixture->store), audit, &error));
    bool said = false;
    bool digest = false;
    uint64_t count = audit->violation_count < 100 ? audit->violation_count : 100;
    for (uint64_t i = 0; i < count; i++) {
        said = said || strstr(audit->violations[i], words) != NULL;
        digest = digest || strstr(audit->violations[i], "digest") != NULL;
    }
    if (!said) {
        fail_msg("%" PRIu64 " violations, none says \"%s\"; the first: %s", audit->violation_count,
                 words, audit->violations[0]);
    }
    assert_true(digest);
    free(audit);
    fixture_abandon(fixture);
}

static void change_stock(int64_t on_hand, int64_t reserved, uint64_t version, const char *words)
{
    struct fixture fixture;
    struct buffer value = {0};
    struct stock_record stock;
    struct error error;
    build(&fixture);
    get(&fixture, ledger_key_stock(TEXT("A"), 1), &value);
    assert_true(stock_record_decode(buffer_bytes(&value), &stock, &error));
    stock.on_hand = on_hand;
    stock.reserved = reserved;
    stock.version = version;
    buffer_clear(&value);
    stock_record_encode(&value, &stock);
    put(&fixture, ledger_key_stock(TEXT("A"), 1), &value);
    buffer_free(&value);
    expect(&fixture, words);
}

static void a_store_that_is_right_passes(void **state)
{
    (void)state;
    struct fixture fixture;
    build(&fixture);
    struct ledger_audit *audit = memory_alloc(sizeof *audit);
    struct error error;
    assert_true(ledger_audit_run(memory_store_interface(fixture.store), audit, &error));
    assert_int_equal(audit->violation_count, 0);
    assert_int_equal(audit->stocks, 2);
    assert_int_equal(audit->orders, 3);
    assert_int_equal(audit->history_rows, 7);
    free(audit);
    fixture_close(&fixture);

    fixture_open(&fixture); /* an empty one too */
    fixture_close(&fixture);
}

static void stocks_that_are_wrong(void **state)
{
    (void)state;
    change_stock(-1, 0, 3, "impossible");
    change_stock(7, -1, 3, "impossible");
    change_stock(7, 8, 3, "on_hand 7, reserved 8");
    change_stock(INT64_MAX, 3, 3, "impossible");
    change_stock(7, 2, 3, "reserved 2, orders hold 3");
    change_stock(8, 3, 3, "its history ends at 7, 3");
    change_stock(7, 3, 4, "version 4, its history says 3");
}

static void change_order(void (*change)(struct order_record *order, struct order_line *lines),
                         const char *id, const char *words)
{
    struct fixture fixture;
    struct buffer value = {0};
    struct buffer changed = {0};
    struct order_record order;
    struct order_lines lines = {0};
    struct error error;
    build(&fixture);
    struct ledger_key key = ledger_key_order(bytes_of_string(id));
    get(&fixture, key, &value);
    assert_true(order_record_decode(buffer_bytes(&value), &order, &lines, &error));
    change(&order, lines.items);
    order_record_encode(&changed, &order);
    put(&fixture, key, &changed);
    buffer_free(&value);
    buffer_free(&changed);
    order_lines_free(&lines);
    expect(&fixture, words);
}

static void close_it(struct order_record *order, struct order_line *lines)
{
    (void)lines;
    order->state = ORDER_DEDUCTED;
}

static void open_it(struct order_record *order, struct order_line *lines)
{
    (void)lines;
    order->state = ORDER_ACTIVE;
}

static void deduct_too_much(struct order_record *order, struct order_line *lines)
{
    (void)order;
    lines[0].deducted = 5;
}

static void huge_quantities(struct order_record *order, struct order_line *lines)
{
    (void)order;
    lines[0].reserved = INT64_MAX;
    lines[0].deducted = INT64_MIN;
}

static void return_too_much(struct order_record *order, struct order_line *lines)
{
    (void)order;
    lines[0].returned = 2;
}

static void swap_lines(struct order_record *order, struct order_line *lines)
{
    (void)order;
    struct order_line first = lines[0];
    lines[0] = lines[1];
    lines[1] = first;
}

static void expire_later(struct order_record *order, struct order_line *lines)
{
    (void)lines;
    order->expires_hold_ms++;
}

static void trim_later(struct order_record *order, struct order_line *lines)
{
    (void)lines;
    order->purge_ms++;
}

static void no_lines(struct order_record *order, struct order_line *lines)
{
    (void)lines;
    order->line_count = 0;
}

static void other_stock(struct order_record *order, struct order_line *lines)
{
    (void)order;
    lines[0].warehouse = 9;
}

static void orders_that_are_wrong(void **state)
{
    (void)state;
    change_order(close_it, "open", "and lines are open");
    change_order(open_it, "sold", "and no line is open");
    change_order(deduct_too_much, "open", "impossible");
    change_order(huge_quantities, "open", "impossible");
    change_order(return_too_much, "open", "impossible");
    change_order(swap_lines, "open", "out of order");
    change_order(expire_later, "open", "the expiry row of order of open is missing");
    change_order(trim_later, "sold", "the purge row of order of sold is missing");
    change_order(no_lines, "sold", "no lines and no tombstone");
    change_order(other_stock, "open", "names a stock that is not there");
}

static void records_that_are_missing(void **state)
{
    (void)state;
    struct fixture fixture;
    build(&fixture);
    drop(&fixture, ledger_key_history(TEXT("A"), 1, 8, 0)); /* the partial deduct */
    expect(&fixture, "begins at 9, 3, the one before ended at 10, 4");
    build(&fixture);
    drop(&fixture, ledger_key_history(TEXT("B"), 1, 6, 1));
    expect(&fixture, "stock B@1: on_hand 5, reserved 1, its history ends at 5, 0");
    build(&fixture);
    drop(&fixture, ledger_key_stock(TEXT("B"), 1));
    expect(&fixture, "history of B@1: the stock is not there");
    build(&fixture);
    drop(&fixture, ledger_key_order(TEXT("open")));
    expect(&fixture, "stock B@1: reserved 1, orders hold 0");
    build(&fixture);
    drop(&fixture, ledger_key_order(TEXT("sold")));
    expect(&fixture, "purge rows for");
    build(&fixture);
    drop(&fixture, ledger_key_request(TEXT("auto-1")));
    expect(&fixture, "purge rows for");
    build(&fixture);
    drop(&fixture, ledger_key_node(1)); /* only the digest knows */
    expect(&fixture, "digest");
}

static void rows_that_are_too_many(void **state)
{
    (void)state;
    struct fixture fixture;
    struct buffer mark = {0};
    buffer_append(&mark, ledger_row_mark, sizeof ledger_row_mark);
    build(&fixture);
    put(&fixture, ledger_key_expiry(FIXTURE_START_MS, TEXT("sold")), &mark);
    expect(&fixture, "2 expiry rows for 1 orders");
    build(&fixture);
    put(&fixture, ledger_key_purge(FIXTURE_START_MS, LEDGER_KIND_ORDER, TEXT("open")), &mark);
    expect(&fixture, "purge rows for");
    build(&fixture);
    buffer_clear(&mark);
    buffer_append(&mark, "x", 1);
    put(&fixture, ledger_key_expiry(FIXTURE_START_MS + 1800000, TEXT("open")), &mark);
    expect(&fixture, "strange value");
    buffer_free(&mark);
}

static void records_that_can_not_be_read(void **state)
{
    (void)state;
    const struct ledger_key keys[] = {
        ledger_key_stock(TEXT("A"), 1),
        ledger_key_order(TEXT("open")),
        ledger_key_history(TEXT("A"), 1, 8, 0),
        ledger_key_request(TEXT("auto-1")),
        ledger_key_node(1),
        ledger_key_meta("clock"),
    };
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        struct fixture fixture;
        struct buffer value = {0};
        build(&fixture);
        get(&fixture, keys[i], &value);
        value.len--;
        put(&fixture, keys[i], &value);
        buffer_free(&value);
        expect(&fixture, ledger_key_kind(&keys[i]) == LEDGER_KIND_NODE ? "node" : "damaged");
    }
}

static void many_violations_are_counted_and_a_hundred_told(void **state)
{
    (void)state;
    struct fixture fixture;
    struct buffer none = {0};
    fixture_open(&fixture);
    for (uint32_t i = 1; i <= 700; i++) { /* more than a page of them, and all unreadable */
        put(&fixture, ledger_key_stock(TEXT("A"), i), &none);
    }
    struct ledger_audit *audit = memory_alloc(sizeof *audit);
    struct error error;
    assert_true(ledger_audit_run(memory_store_interface(fixture.store), audit, &error));
    assert_int_equal(audit->stocks, 700);
    assert_true(audit->violation_count >= 700);
    assert_true(audit->violations[99][0] != '\0');
    free(audit);
    fixture_abandon(&fixture);
}

/* A node that is to end does not wait until a large state is read. */
static void an_audit_that_is_told_to_stop_ends_without_a_finding(void **state)
{
    (void)state;
    struct fixture fixture;
    build(&fixture);
    struct ledger_audit *audit = memory_alloc(sizeof *audit);
    struct error error;
    atomic_bool stop = false;
    assert_true(
        ledger_audit_run_until(memory_store_interface(fixture.store), &stop, audit, &error));
    atomic_store(&stop, true);
    assert_false(
        ledger_audit_run_until(memory_store_interface(fixture.store), &stop, audit, &error));
    assert_non_null(strstr(error.text, "stop"));
    free(audit);
    fixture_abandon(&fixture);
}

/* What the ledger itself meets of this, it names, and stops. */
static void apply_stops_at_a_contradiction(void **state)
{
    (void)state;
    struct fixture fixture;
    struct buffer value = {0};
    struct error error;
    build(&fixture);
    stock_record_encode(&value, &(struct stock_record){.on_hand = 7, .version = 3});
    put(&fixture, ledger_key_stock(TEXT("A"), 1), &value);
    struct ledger_command command = {.kind = LEDGER_RELEASE, .order_id = TEXT("open")};
    struct ledger_entry_header header = {LEDGER_ENTRY_FORMAT, LEDGER_VERSION, fixture.time_ms, 0,
                                         0};
    buffer_clear(&value);
    ledger_entry_begin(&value, &header);
    ledger_command_encode(&value, &command);
    ledger_entry_finish(&value, 1);
    assert_false(ledger_apply(fixture.ledger, 100, buffer_bytes(&value), NULL, NULL, &error));
    assert_non_null(strstr(error.text, "contradicts itself"));
    buffer_free(&value);
    fixture_abandon(&fixture);
}

/* An operator may force on_hand below reserved one day: a deduct must then be refused, not break.
 */
static void a_deduct_needs_the_goods(void **state)
{
    (void)state;
    struct fixture fixture;
    struct buffer value = {0};
    build(&fixture);
    stock_record_encode(&value, &(struct stock_record){.on_hand = 2, .reserved = 3, .version = 3});
    put(&fixture, ledger_key_stock(TEXT("A"), 1), &value);
    fixture_run(&fixture, "deduct open    => INSUFFICIENT_STOCK ACTIVE | A 3>2 INSUFFICIENT_STOCK\n"
                          "reserve p A=1  => INSUFFICIENT_STOCK | A 1>0 INSUFFICIENT_STOCK\n"
                          "order open     => ACTIVE A=4:1/0/0 B=1:0/0/0\n");
    buffer_free(&value);
    fixture_abandon(&fixture);
}

/* Returns come with a later command; what they leave behind is judged already. */
static void orders_that_were_returned(void **state)
{
    (void)state;
    struct fixture fixture;
    struct buffer value = {0};
    const struct order_line line = {TEXT("A"), 1, 2, 2, 0, 0, 2};
    const struct order_record order = {.state = ORDER_RETURNED,
                                       .closed_ms = 1,
                                       .purge_ms = FIXTURE_START_MS + 86400000,
                                       .lines = &line,
                                       .line_count = 1};
    build(&fixture);
    order_record_encode(&value, &order);
    put(&fixture, ledger_key_order(TEXT("back")), &value);
    fixture_run(&fixture, "deduct back      => OK replayed RETURNED\n"
                          "deduct back A=1  => ORDER_RETURNED RETURNED\n"
                          "release back     => ORDER_RETURNED RETURNED existed\n"
                          "reserve back A=2 => ORDER_RETURNED RETURNED\n");
    buffer_free(&value);
    fixture_abandon(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_store_that_is_right_passes),
        cmocka_unit_test(stocks_that_are_wrong),
        cmocka_unit_test(orders_that_are_wrong),
        cmocka_unit_test(records_that_are_missing),
        cmocka_unit_test(rows_that_are_too_many),
        cmocka_unit_test(records_that_can_not_be_read),
        cmocka_unit_test(many_violations_are_counted_and_a_hundred_told),
        cmocka_unit_test(an_audit_that_is_told_to_stop_ends_without_a_finding),
        cmocka_unit_test(apply_stops_at_a_contradiction),
        cmocka_unit_test(a_deduct_needs_the_goods),
        cmocka_unit_test(orders_that_were_returned),
    };
    return cmocka_run_group_tests_name("ledger/audit", tests, NULL, NULL);
}
