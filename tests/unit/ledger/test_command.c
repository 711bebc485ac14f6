/*
 * test_command.c - the rules of form, each with the field it names; sums of lines; the table of
 * verdicts.
 */
#include "cmocka_with_headers.h"

#include <stdlib.h>

#include "base/limits.h"
#include "ledger/command.h"
#include "lines.h"
#include "text.h"

static struct ledger_line one_line = {TEXT_INIT("A"), 1, 1};

static struct ledger_command set_stock(void)
{
    return (struct ledger_command){
        .kind = LEDGER_SET_STOCK, .request_id = TEXT("r"), .sku = TEXT("A"), .quantity = 5};
}

static struct ledger_command adjust_stock(void)
{
    return (struct ledger_command){.kind = LEDGER_ADJUST_STOCK,
                                   .request_id = TEXT("r"),
                                   .sku = TEXT("A"),
                                   .quantity = -5,
                                   .reason = TEXT("DAMAGE")};
}

static struct ledger_command reserve(const struct ledger_line *lines, uint32_t count)
{
    return (struct ledger_command){
        .kind = LEDGER_RESERVE, .order_id = TEXT("o"), .lines = lines, .line_count = count};
}

static struct ledger_command deduct(const struct ledger_line *lines, uint32_t count)
{
    return (struct ledger_command){.kind = LEDGER_DEDUCT,
                                   .order_id = TEXT("o"),
                                   .lines = lines,
                                   .line_count = count,
                                   .request_id = TEXT("r")};
}

static void good(struct ledger_command command)
{
    struct error error = {""};
    enum ledger_verdict verdict = LEDGER_VERDICT_UNSPECIFIED;
    assert_true(ledger_command_check(&command, &verdict, &error));
    assert_int_equal(verdict, LEDGER_OK);
    assert_true(ledger_command_check(&command, NULL, &error));
}

static void bad(struct ledger_command command, enum ledger_verdict expected, const char *words)
{
    struct error error = {""};
    enum ledger_verdict verdict = LEDGER_VERDICT_UNSPECIFIED;
    assert_false(ledger_command_check(&command, &verdict, &error));
    if (strstr(error.text, words) == NULL) {
        fail_msg("\"%s\" does not say \"%s\"", error.text, words);
    }
    assert_int_equal(verdict, expected);
}

static void malformed(struct ledger_command command, const char *words)
{
    bad(command, LEDGER_MALFORMED_COMMAND, words);
}

static void good_commands_pass(void **state)
{
    (void)state;
    good(set_stock());
    good(adjust_stock());
    good(reserve(&one_line, 1));
    good(deduct(&one_line, 1));
    struct ledger_command command = deduct(NULL, 0);
    command.request_id = TEXT("");
    good(command);
    command.kind = LEDGER_RELEASE;
    good(command);
    good((struct ledger_command){.kind = LEDGER_REGISTER_NODE, .node_id = 1, .incarnation = 2});
    good((struct ledger_command){.kind = LEDGER_RAISE_VERSION, .version = 1});
}

static void ids_are_1_to_255_bytes_of_utf8_without_nul(void **state)
{
    (void)state;
    uint8_t letters[256];
    memset(letters, 'x', sizeof letters);
    struct ledger_command command = set_stock();
    command.sku = bytes_of(letters, 255);
    good(command);
    command.sku = bytes_of(letters, 256);
    malformed(command, "sku is longer than 255 bytes");
    command.sku = TEXT("");
    malformed(command, "sku is empty");
    command.sku = TEXT("a\0b");
    malformed(command, "sku contains a NUL");
    command.sku = TEXT("a\xff");
    malformed(command, "sku is not UTF-8");
    command.sku = TEXT(" a "); /* nothing is trimmed */
    good(command);

    command = reserve(&one_line, 1);
    command.order_id = TEXT("");
    malformed(command, "order_id is empty");
    command = set_stock();
    command.request_id = bytes_of(letters, 256);
    malformed(command, "request_id is longer");
    struct ledger_line lines[] = {{TEXT("A"), 1, 1}, {TEXT(""), 1, 1}};
    malformed(reserve(lines, 2), "line 2: sku is empty");
}

static void texts_may_be_empty_and_have_255_bytes(void **state)
{
    (void)state;
    uint8_t letters[256];
    memset(letters, 'x', sizeof letters);
    struct ledger_command command = set_stock();
    struct bytes *texts[] = {&command.actor, &command.reason, &command.remark, &command.trace_id};
    const char *names[] = {"actor", "reason", "remark", "trace_id"};
    for (size_t i = 0; i < 4; i++) {
        *texts[i] = bytes_of(letters, 255);
        good(command);
        *texts[i] = bytes_of(letters, 256);
        malformed(command, names[i]);
        *texts[i] = TEXT("\xed\xa0\x80");
        malformed(command, "is not UTF-8");
        *texts[i] = TEXT("");
    }
}

static void quantities_are_1_to_2_53(void **state)
{
    (void)state;
    const int64_t wrong[] = {0, -1, LIMIT_QUANTITY + 1, INT64_MAX, INT64_MIN};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct ledger_line line = {TEXT("A"), 1, wrong[i]};
        malformed(reserve(&line, 1), "line 1: quantity");
        malformed(deduct(&line, 1), "line 1: quantity");
    }
    struct ledger_line most = {TEXT("A"), 1, LIMIT_QUANTITY};
    good(reserve(&most, 1));

    struct ledger_command command = set_stock();
    command.quantity = 0;
    good(command);
    command.quantity = LIMIT_QUANTITY;
    good(command);
    command.quantity = -1;
    malformed(command, "on_hand");
    command.quantity = LIMIT_QUANTITY + 1;
    malformed(command, "on_hand");

    command = adjust_stock();
    command.quantity = 0;
    malformed(command, "change is 0");
    command.quantity = -LIMIT_QUANTITY;
    good(command);
    command.quantity = -LIMIT_QUANTITY - 1;
    malformed(command, "change");
}

static void what_must_be_there_is_asked_for(void **state)
{
    (void)state;
    struct ledger_command command = adjust_stock();
    command.reason = TEXT("");
    malformed(command, "reason is missing");
    malformed(reserve(NULL, 0), "lines are missing");

    struct ledger_command needy[] = {set_stock(), adjust_stock(), deduct(&one_line, 1),
                                     deduct(&one_line, 1)};
    needy[3].kind = LEDGER_RELEASE;
    for (size_t i = 0; i < 4; i++) {
        assert_true(ledger_command_needs_request_id(&needy[i]));
        needy[i].request_id = TEXT("");
        malformed(needy[i], "request_id is missing");
    }
    command = reserve(&one_line, 1);
    assert_false(ledger_command_needs_request_id(&command));
}

static void numbers_outside_their_range_are_refused(void **state)
{
    (void)state;
    struct ledger_command command = reserve(&one_line, 1);
    command.has_ttl = true;
    command.ttl_ms = 0;
    malformed(command, "ttl");
    command.ttl_ms = -5;
    malformed(command, "ttl");
    command.ttl_ms = 1;
    good(command);
    command.mode = (enum ledger_reserve_mode)2;
    malformed(command, "mode");

    command = set_stock();
    command.requested_at_ms = -1;
    malformed(command, "requested_at");
    command.requested_at_ms = INT64_MAX;
    malformed(command, "requested_at");

    malformed((struct ledger_command){.kind = LEDGER_REGISTER_NODE, .node_id = 1}, "incarnation");
    malformed((struct ledger_command){.kind = LEDGER_RAISE_VERSION}, "version");
    malformed((struct ledger_command){.kind = (enum ledger_command_kind)63}, "command 63");
}

static void an_order_has_10000_lines_at_most(void **state)
{
    (void)state;
    struct ledger_line *lines = calloc(LIMIT_LINES + 1, sizeof *lines);
    for (uint32_t i = 0; i <= LIMIT_LINES; i++) {
        lines[i] = one_line;
    }
    good(reserve(lines, LIMIT_LINES));
    malformed(reserve(lines, LIMIT_LINES + 1), "10001 lines");
    malformed(deduct(lines, LIMIT_LINES + 1), "10001 lines");
    free(lines);
}

static void sums_of_one_stock_must_not_overflow(void **state)
{
    (void)state;
    struct ledger_line lines[] = {{TEXT("A"), 1, LIMIT_QUANTITY}, {TEXT("A"), 0, 1}};
    bad(reserve(lines, 2), LEDGER_OVERFLOW, "sum");
    bad(deduct(lines, 2), LEDGER_OVERFLOW, "sum");
    lines[1].warehouse = 2; /* another stock */
    good(reserve(lines, 2));
    lines[1] = (struct ledger_line){TEXT("B"), 1, LIMIT_QUANTITY};
    good(reserve(lines, 2));
    /* Arguments come before sums. */
    lines[1] = (struct ledger_line){TEXT("A"), 1, 0};
    malformed(reserve(lines, 2), "line 2");
}

static void lines_are_summed_and_sorted(void **state)
{
    (void)state;
    const struct ledger_line lines[] = {
        {TEXT("b"), 2, 1},  {TEXT("B"), 1, 2}, {TEXT("b"), 0, 4},
        {TEXT("bb"), 1, 8}, {TEXT("B"), 0, 3}, {TEXT("b"), 1, 5},
    };
    const struct {
        const char *sku;
        uint32_t warehouse;
        uint32_t first;
        int64_t quantity;
    } sums[] = {{"B", 1, 1, 5}, {"b", 1, 2, 9}, {"b", 2, 0, 1}, {"bb", 1, 3, 8}};
    struct line_set set = {0};
    assert_true(line_set_sum(&set, lines, 6));
    assert_int_equal(set.count, 4);
    for (size_t i = 0; i < 4; i++) {
        assert_true(bytes_equal(set.items[i].sku, bytes_of_string(sums[i].sku)));
        assert_int_equal(set.items[i].warehouse, sums[i].warehouse);
        assert_int_equal(set.items[i].first, sums[i].first);
        assert_int_equal(set.items[i].quantity, sums[i].quantity);
    }
    line_set_sort_by_appearance(&set);
    const uint32_t order[] = {0, 1, 2, 3};
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(set.items[i].first, order[i]);
    }
    const struct ledger_line many[] = {
        {TEXT("A"), 1, LIMIT_QUANTITY}, {TEXT("A"), 1, LIMIT_QUANTITY}, {TEXT("A"), 1, 1}};
    assert_false(line_set_sum(&set, many, 3));
    assert_int_equal(set.items[0].quantity, LIMIT_QUANTITY + 1);
    line_set_free(&set);
}

static void the_table_of_verdicts(void **state)
{
    (void)state;
    assert_string_equal(ledger_verdict_name(LEDGER_OK), "OK");
    assert_string_equal(ledger_verdict_name(LEDGER_INSUFFICIENT_STOCK), "INSUFFICIENT_STOCK");
    assert_string_equal(ledger_verdict_text(LEDGER_INSUFFICIENT_STOCK),
                        "not enough stock is available");
    assert_int_equal(ledger_verdict_http_status(LEDGER_OK), 200);
    assert_int_equal(ledger_verdict_http_status(LEDGER_ORDER_NOT_FOUND), 404);
    assert_string_equal(ledger_verdict_name(LEDGER_VERDICT_UNSPECIFIED), "VERDICT_UNSPECIFIED");
    assert_string_equal(ledger_verdict_name((enum ledger_verdict)99), "VERDICT_UNSPECIFIED");
    assert_string_equal(ledger_verdict_text((enum ledger_verdict)99), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_commands_pass),
        cmocka_unit_test(ids_are_1_to_255_bytes_of_utf8_without_nul),
        cmocka_unit_test(texts_may_be_empty_and_have_255_bytes),
        cmocka_unit_test(quantities_are_1_to_2_53),
        cmocka_unit_test(what_must_be_there_is_asked_for),
        cmocka_unit_test(numbers_outside_their_range_are_refused),
        cmocka_unit_test(an_order_has_10000_lines_at_most),
        cmocka_unit_test(sums_of_one_stock_must_not_overflow),
        cmocka_unit_test(lines_are_summed_and_sorted),
        cmocka_unit_test(the_table_of_verdicts),
    };
    return cmocka_run_group_tests_name("ledger/command", tests, NULL, NULL);
}
