/*
 * test_query.c - reads: stocks, orders, checks, lists page by page.
 */
#include "fixture.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/limits.h"

static const char stocked[] = "set A 10           => OK 10/0 v1\n"
                              "set A@2 20         => OK 20/0 v1\n"
                              "set AA 30          => OK 30/0 v1\n"
                              "set B 40           => OK 40/0 v1\n"
                              "reserve o A=4      => OK ACTIVE\n"
                              "deduct o A=1       => OK ACTIVE\n"
                              "release o          => OK RELEASED existed\n";

/* ---- one of them ---- */

static void stocks_and_orders(void **state)
{
    (void)state;
    struct fixture fixture;
    struct stock_record stock;
    struct order_record order;
    struct error error;
    bool found;
    uint8_t long_id[300];
    memset(long_id, 'x', sizeof long_id);
    fixture_open(&fixture);
    fixture_run(&fixture, stocked);

    assert_true(ledger_get_stock(fixture.ledger, TEXT("A"), 0, &stock, &found, &error));
    assert_true(found);
    assert_int_equal(stock.on_hand, 9);
    assert_int_equal(stock.created_ms, FIXTURE_START_MS);
    assert_int_equal(stock.last_index, fixture.index);
    fixture_run(&fixture, "wait 5ms\nadjust A +1 => OK 10/0 v3\nset B 41 => OK 41/0 v2\n");
    assert_true(ledger_get_stock(fixture.ledger, TEXT("A"), 1, &stock, &found, &error));
    assert_int_equal(stock.created_ms, FIXTURE_START_MS);
    assert_int_equal(stock.updated_ms, FIXTURE_START_MS + 5);
    assert_int_equal(stock.last_index, fixture.index - 2);
    assert_true(ledger_get_order(fixture.ledger, TEXT("o"), &order, &found, &error));
    assert_true(found);
    assert_int_equal(order.line_count, 1);

    /* Ids that no command can name are not found, whatever keys they would collide with. */
    const struct bytes strange[] = {TEXT(""), TEXT("A\0\0\0\0\1"), TEXT("\xff"),
                                    bytes_of(long_id, sizeof long_id)};
    for (size_t i = 0; i < sizeof strange / sizeof strange[0]; i++) {
        found = true;
        assert_true(ledger_get_stock(fixture.ledger, strange[i], 1, &stock, &found, &error));
        assert_false(found);
        found = true;
        assert_true(ledger_get_order(fixture.ledger, strange[i], &order, &found, &error));
        assert_false(found);
    }
    memory_store_fail_at(fixture.store, 1);
    assert_false(ledger_get_stock(fixture.ledger, TEXT("A"), 1, &stock, &found, &error));
    assert_false(ledger_get_order(fixture.ledger, TEXT("o"), &order, &found, &error));
    memory_store_fail_at(fixture.store, 0);
    fixture_close(&fixture);
}

static void registered_incarnations(void **state)
{
    (void)state;
    struct fixture fixture;
    struct error error;
    uint64_t incarnation = 0;
    bool found;
    fixture_open(&fixture);
    fixture_run(&fixture, "register 3 77 => OK\nregister 3 78 => ALREADY_EXISTS\n");
    assert_true(ledger_node_incarnation(fixture.ledger, 3, &incarnation, &found, &error));
    assert_true(found);
    assert_int_equal(incarnation, 77);
    assert_true(ledger_node_incarnation(fixture.ledger, 2, &incarnation, &found, &error));
    assert_false(found);
    fixture_close(&fixture);
}

/* ---- check ---- */

static void check(struct fixture *fixture, const struct ledger_line *lines, uint32_t count,
                  const struct ledger_failed_line *expected, uint32_t expected_count)
{
    const struct ledger_failed_line *failed;
    uint32_t failed_count;
    struct error error;
    assert_true(ledger_check_stock(fixture->ledger, lines, count, &failed, &failed_count, &error));
    assert_int_equal(failed_count, expected_count);
    for (uint32_t i = 0; i < expected_count; i++) {
        assert_true(bytes_equal(failed[i].sku, expected[i].sku));
        assert_int_equal(failed[i].warehouse, expected[i].warehouse);
        assert_int_equal(failed[i].requested, expected[i].requested);
        assert_int_equal(failed[i].available, expected[i].available);
        assert_int_equal(failed[i].reason, expected[i].reason);
    }
}

static void check_sums_lines_and_lists_what_fails(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_open(&fixture);
    fixture_run(&fixture, stocked);
    const struct ledger_line fine[] = {{TEXT("B"), 1, 20}, {TEXT("A"), 0, 9}, {TEXT("B"), 0, 20}};
    check(&fixture, fine, 3, NULL, 0);
    check(&fixture, NULL, 0, NULL, 0);
    const struct ledger_line short_lines[] = {
        {TEXT("Z"), 1, 1}, {TEXT("B"), 1, 21}, {TEXT("A"), 2, 20}, {TEXT("B"), 0, 20}};
    const struct ledger_failed_line missing[] = {{TEXT("Z"), 1, 1, 0, LEDGER_SKU_NOT_FOUND},
                                                 {TEXT("B"), 1, 41, 40, LEDGER_INSUFFICIENT_STOCK}};
    check(&fixture, short_lines, 4, missing, 2);
    const struct ledger_line much[] = {{TEXT("A"), 1, LIMIT_QUANTITY},
                                       {TEXT("A"), 1, LIMIT_QUANTITY}};
    const struct ledger_failed_line overflow[] = {
        {TEXT("A"), 1, LIMIT_QUANTITY, 9, LEDGER_OVERFLOW}};
    check(&fixture, much, 2, overflow, 1);
    const struct ledger_line bad[] = {
        {TEXT("A"), 1, 1}, {TEXT("A"), 1, 0}, {TEXT(""), 0, 5}, {TEXT("A"), 1, INT64_MAX}};
    const struct ledger_failed_line malformed[] = {
        {TEXT("A"), 1, 0, 0, LEDGER_MALFORMED_COMMAND},
        {TEXT(""), 1, 5, 0, LEDGER_MALFORMED_COMMAND},
        {TEXT("A"), 1, INT64_MAX, 0, LEDGER_MALFORMED_COMMAND}};
    check(&fixture, bad, 4, malformed, 3);
    fixture_close(&fixture);
}

/* ---- lists ---- */

struct page {
    char text[512];
    struct buffer cursor;
    int rows_left;
};

static bool add_stock_row(void *context, struct bytes sku, uint32_t warehouse,
                          const struct stock_record *stock, struct bytes cursor)
{
    struct page *page = context;
    size_t len = strlen(page->text);
    snprintf(page->text + len, sizeof page->text - len, "%.*s@%" PRIu32 "=%" PRId64 " ",
             (int)sku.len, (const char *)sku.data, warehouse, stock->on_hand);
    buffer_clear(&page->cursor);
    buffer_append_bytes(&page->cursor, cursor);
    return --page->rows_left > 0;
}

static bool add_history_row(void *context, const struct history_record *row, struct bytes cursor)
{
    struct page *page = context;
    size_t len = strlen(page->text);
    snprintf(page->text + len, sizeof page->text - len,
             "%" PRIu64 ".%" PRIu32 ":%" PRId64 "/%" PRId64 " ", row->index, row->sub,
             row->on_hand_after, row->reserved_after);
    buffer_clear(&page->cursor);
    buffer_append_bytes(&page->cursor, cursor);
    return --page->rows_left > 0;
}

static void list_stock(struct fixture *fixture, struct page *page, int rows)
{
    struct error error;
    struct buffer cursor = {0};
    buffer_append_bytes(&cursor, buffer_bytes(&page->cursor));
    page->text[0] = '\0';
    page->rows_left = rows;
    assert_true(
        ledger_list_stock(fixture->ledger, buffer_bytes(&cursor), add_stock_row, page, &error));
    buffer_free(&cursor);
}

static void stocks_by_sku_then_warehouse_page_by_page(void **state)
{
    (void)state;
    struct fixture fixture;
    struct page page = {0};
    fixture_open(&fixture);
    list_stock(&fixture, &page, 100);
    assert_string_equal(page.text, "");
    fixture_run(&fixture, stocked);
    list_stock(&fixture, &page, 100);
    assert_string_equal(page.text, "A@1=9 A@2=20 AA@1=30 B@1=40 ");
    buffer_clear(&page.cursor);
    list_stock(&fixture, &page, 2);
    assert_string_equal(page.text, "A@1=9 A@2=20 ");
    /* What is new behind the cursor is shown, what is new before it is not. */
    fixture_run(&fixture, "set A@3 1 => OK 1/0 v1\nset 0 1 => OK 1/0 v1\n");
    list_stock(&fixture, &page, 2);
    assert_string_equal(page.text, "A@3=1 AA@1=30 ");
    list_stock(&fixture, &page, 2);
    assert_string_equal(page.text, "B@1=40 ");
    list_stock(&fixture, &page, 2);
    assert_string_equal(page.text, "");
    buffer_free(&page.cursor);
    fixture_close(&fixture);
}

static void list_history(struct fixture *fixture, struct bytes sku, uint32_t warehouse,
                         struct page *page, int rows)
{
    struct error error;
    struct buffer cursor = {0};
    buffer_append_bytes(&cursor, buffer_bytes(&page->cursor));
    page->text[0] = '\0';
    page->rows_left = rows;
    assert_true(ledger_list_history(fixture->ledger, sku, warehouse, buffer_bytes(&cursor),
                                    add_history_row, page, &error));
    buffer_free(&cursor);
}

static void history_of_one_stock_oldest_first(void **state)
{
    (void)state;
    struct fixture fixture;
    struct page page = {0};
    fixture_open(&fixture);
    fixture_run(&fixture, stocked);
    list_history(&fixture, TEXT("A"), 0, &page, 100);
    assert_string_equal(page.text, "2.0:10/0 10.0:10/4 12.0:9/3 14.0:9/0 ");
    buffer_clear(&page.cursor);
    list_history(&fixture, TEXT("A"), 1, &page, 3);
    assert_string_equal(page.text, "2.0:10/0 10.0:10/4 12.0:9/3 ");
    list_history(&fixture, TEXT("A"), 1, &page, 3);
    assert_string_equal(page.text, "14.0:9/0 ");
    list_history(&fixture, TEXT("A"), 1, &page, 3);
    assert_string_equal(page.text, "");
    buffer_clear(&page.cursor);
    list_history(&fixture, TEXT("A"), 2, &page, 3);
    assert_string_equal(page.text, "4.0:20/0 ");
    buffer_clear(&page.cursor);
    list_history(&fixture, TEXT("Z"), 1, &page, 3);
    assert_string_equal(page.text, "");
    list_history(&fixture, TEXT("\xff"), 1, &page, 3);
    assert_string_equal(page.text, "");
    buffer_free(&page.cursor);
    fixture_close(&fixture);
}

static bool note_row(void *context, const struct history_record *row, struct bytes cursor)
{
    (void)cursor;
    char *text = context;
    snprintf(text, 512, "%d %.*s %.*s %.*s %.*s %.*s %.*s %" PRId64, (int)row->op,
             (int)row->order_id.len, (const char *)row->order_id.data, (int)row->request_id.len,
             (const char *)row->request_id.data, (int)row->actor.len, (const char *)row->actor.data,
             (int)row->reason.len, (const char *)row->reason.data, (int)row->remark.len,
             (const char *)row->remark.data, (int)row->trace_id.len,
             (const char *)row->trace_id.data, row->time_ms - FIXTURE_START_MS);
    return true;
}

static void a_row_says_who_and_why(void **state)
{
    (void)state;
    struct fixture fixture;
    struct error error;
    char text[512];
    fixture_open(&fixture);
    fixture_run(&fixture, "set A 10 => OK 10/0 v1\nwait 7ms\n");
    struct ledger_line line = {TEXT("A"), 1, 2};
    struct ledger_command command = {.kind = LEDGER_RESERVE,
                                     .request_id = TEXT("req"),
                                     .actor = TEXT("anna"),
                                     .reason = TEXT("web"),
                                     .remark = TEXT("gift"),
                                     .trace_id = TEXT("t1"),
                                     .order_id = TEXT("o"),
                                     .lines = &line,
                                     .line_count = 1};
    fixture_apply(&fixture, &command, NULL, NULL);
    assert_true(
        ledger_list_history(fixture.ledger, TEXT("A"), 1, TEXT(""), note_row, text, &error));
    assert_string_equal(text, "3 o  anna web gift t1 7");
    struct order_record order;
    bool found;
    assert_true(ledger_get_order(fixture.ledger, TEXT("o"), &order, &found, &error));
    assert_true(bytes_equal(order.actor, TEXT("anna")));
    assert_true(bytes_equal(order.reason, TEXT("web")));
    assert_int_equal(order.created_ms, FIXTURE_START_MS + 7);
    /* What expires was nobody's act. */
    fixture_run(&fixture, "wait 31m\ntick\n");
    assert_true(
        ledger_list_history(fixture.ledger, TEXT("A"), 1, TEXT(""), note_row, text, &error));
    assert_string_equal(text, "6 o      1860007");
    fixture_close(&fixture);
}

static void foreign_cursors_are_refused(void **state)
{
    (void)state;
    struct fixture fixture;
    struct page stock_page = {.rows_left = 1};
    struct page history_page = {.rows_left = 1};
    struct page ignored = {.rows_left = 100};
    struct error error;
    fixture_open(&fixture);
    fixture_run(&fixture, stocked);
    list_stock(&fixture, &stock_page, 1);
    list_history(&fixture, TEXT("A"), 1, &history_page, 1);
    struct ledger *ledger = fixture.ledger;
    const struct bytes stock_cursor = buffer_bytes(&stock_page.cursor);
    const struct bytes history_cursor = buffer_bytes(&history_page.cursor);

    assert_false(ledger_list_stock(ledger, history_cursor, add_stock_row, &ignored, &error));
    assert_int_equal(strncmp(error.text, "page token", 10), 0);
    assert_false(
        ledger_list_history(ledger, TEXT("A"), 1, stock_cursor, add_history_row, &ignored, &error));
    assert_int_equal(strncmp(error.text, "page token", 10), 0);
    /* another stock's */
    assert_false(ledger_list_history(ledger, TEXT("B"), 1, history_cursor, add_history_row,
                                     &ignored, &error));
    assert_false(ledger_list_history(ledger, TEXT("A"), 2, history_cursor, add_history_row,
                                     &ignored, &error));
    for (size_t len = 1; len < stock_cursor.len; len++) {
        assert_false(ledger_list_stock(ledger, bytes_of(stock_cursor.data, len), add_stock_row,
                                       &ignored, &error));
    }
    for (size_t len = 1; len < history_cursor.len; len++) {
        assert_false(ledger_list_history(ledger, TEXT("A"), 1, bytes_of(history_cursor.data, len),
                                         add_history_row, &ignored, &error));
    }
    uint8_t junk[1000];
    memset(junk, 's', sizeof junk);
    assert_false(
        ledger_list_stock(ledger, bytes_of(junk, sizeof junk), add_stock_row, &ignored, &error));
    assert_string_equal(ignored.text, "");
    buffer_free(&stock_page.cursor);
    buffer_free(&history_page.cursor);
    fixture_close(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stocks_and_orders),
        cmocka_unit_test(registered_incarnations),
        cmocka_unit_test(check_sums_lines_and_lists_what_fails),
        cmocka_unit_test(stocks_by_sku_then_warehouse_page_by_page),
        cmocka_unit_test(history_of_one_stock_oldest_first),
        cmocka_unit_test(a_row_says_who_and_why),
        cmocka_unit_test(foreign_cursors_are_refused),
    };
    return cmocka_run_group_tests_name("ledger/query", tests, NULL, NULL);
}
