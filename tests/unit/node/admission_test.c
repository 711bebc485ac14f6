/* Admission: what a client may send, and what is refused before the ledger sees it. */
#include "cmocka_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admission.h"
#include "base/limits.h"
#include "holdfast/v1/ledger.pb-c.h"
#include "message_check.h"

static struct buffer pack(const ProtobufCMessage *message)
{
    struct buffer out = {0};
    size_t size = protobuf_c_message_get_packed_size(message);
    buffer_reserve(&out, size + 1);
    out.len = protobuf_c_message_pack(message, out.data);
    return out;
}

static Holdfast__V1__ReserveRequest reserve_of(Holdfast__V1__Line **lines, size_t count)
{
    Holdfast__V1__ReserveRequest request = HOLDFAST__V1__RESERVE_REQUEST__INIT;
    request.order_id = (char *)(uintptr_t) "o-1";
    request.n_lines = count;
    request.lines = lines;
    return request;
}

static Holdfast__V1__Line line_of(const char *sku, int64_t quantity)
{
    Holdfast__V1__Line line = HOLDFAST__V1__LINE__INIT;
    line.sku = (char *)(uintptr_t)sku;
    line.quantity = quantity;
    return line;
}

static void expect(enum ledger_command_kind kind, struct buffer message, const char *words)
{
    struct admission *admission = admission_new();
    struct admitted admitted = {0};
    struct error error = {""};
    bool ok = admission_command(admission, kind, buffer_bytes(&message), &admitted, &error);
    if (words == NULL) {
        if (!ok) {
            fail_msg("refused: %s", error.text);
        }
        assert_int_equal(admitted.command_count, 1);
    } else if (ok || strstr(error.text, words) == NULL) {
        fail_msg("expected '%s', got '%s'", words, ok ? "(admitted)" : error.text);
    }
    buffer_free(&admitted.encoded);
    buffer_free(&message);
    admission_free(admission);
}

static void test_a_good_reserve_comes_out_as_it_went_in(void **state)
{
    (void)state;
    Holdfast__V1__Line line = line_of("sku", 3);
    line.warehouse = 7;
    Holdfast__V1__Line *lines[] = {&line};
    Holdfast__V1__ReserveRequest request = reserve_of(lines, 1);
    Google__Protobuf__Duration ttl = GOOGLE__PROTOBUF__DURATION__INIT;
    ttl.seconds = 60;
    ttl.nanos = 500000000;
    request.ttl = &ttl;
    request.actor = (char *)(uintptr_t) "shop";
    request.request_id = (char *)(uintptr_t) "r-1";
    request.resent = true;
    struct buffer message = pack(&request.base);

    struct admission *admission = admission_new();
    struct admitted admitted = {0};
    struct error error = {""};
    assert_true(
        admission_command(admission, LEDGER_RESERVE, buffer_bytes(&message), &admitted, &error));

    struct buffer entry = {0};
    struct ledger_entry_header header = {LEDGER_ENTRY_FORMAT, LEDGER_VERSION, 1, 0, 0};
    ledger_entry_begin(&entry, &header);
    ledger_entry_append_encoded(&entry, buffer_bytes(&admitted.encoded));
    ledger_entry_finish(&entry, 1);
    struct ledger_entry_reader reader;
    struct ledger_command command;
    struct ledger_command_lines decoded = {0};
    assert_true(ledger_entry_open(&reader, buffer_bytes(&entry), &error));
    assert_true(ledger_entry_next(&reader, &command, &decoded, &error));
    assert_int_equal(command.kind, LEDGER_RESERVE);
    assert_true(bytes_equal(command.order_id, BYTES_LITERAL("o-1")));
    assert_true(bytes_equal(command.actor, BYTES_LITERAL("shop")));
    assert_true(bytes_equal(command.request_id, BYTES_LITERAL("r-1")));
    assert_true(command.resent);
    assert_true(command.has_ttl);
    assert_int_equal(command.ttl_ms, 60500);
    assert_int_equal(command.line_count, 1);
    assert_true(bytes_equal(command.lines[0].sku, BYTES_LITERAL("sku")));
    assert_int_equal(command.lines[0].warehouse, 7);
    assert_int_equal(command.lines[0].quantity, 3);

    ledger_command_lines_free(&decoded);
    buffer_free(&entry);
    buffer_free(&admitted.encoded);
    buffer_free(&message);
    admission_free(admission);
}

static void test_refused_forms(void **state)
{
    (void)state;
    Holdfast__V1__Line line = line_of("sku", 1);
    Holdfast__V1__Line *lines[] = {&line};
    Holdfast__V1__ReserveRequest request = reserve_of(lines, 1);
    expect(LEDGER_RESERVE, pack(&request.base), NULL);
    line.quantity = 0;
    expect(LEDGER_RESERVE, pack(&request.base), "quantity");
    line.quantity = -1;
    expect(LEDGER_RESERVE, pack(&request.base), "quantity");
    line.quantity = LIMIT_QUANTITY + 1;
    expect(LEDGER_RESERVE, pack(&request.base), "quantity");
    line.quantity = 1;
    request.n_lines = 0;
    expect(LEDGER_RESERVE, pack(&request.base), "line");
    request.n_lines = 1;
    char id[257];
    memset(id, 'x', 256);
    id[256] = '\0';
    request.order_id = id;
    expect(LEDGER_RESERVE, pack(&request.base), "order");
    id[255] = '\0';
    expect(LEDGER_RESERVE, pack(&request.base), NULL);
    request.order_id = (char *)(uintptr_t) "";
    expect(LEDGER_RESERVE, pack(&request.base), "order");
    request.order_id = (char *)(uintptr_t) "\xff\xfe";
    expect(LEDGER_RESERVE, pack(&request.base), "UTF-8");

    Holdfast__V1__DeductRequest deduct = HOLDFAST__V1__DEDUCT_REQUEST__INIT;
    deduct.order_id = (char *)(uintptr_t) "o";
    expect(LEDGER_DEDUCT, pack(&deduct.base), NULL);
    deduct.n_lines = 1;
    deduct.lines = lines;
    expect(LEDGER_DEDUCT, pack(&deduct.base), "request_id");

    Holdfast__V1__SetStockRequest set = HOLDFAST__V1__SET_STOCK_REQUEST__INIT;
    set.sku = (char *)(uintptr_t) "s";
    expect(LEDGER_SET_STOCK, pack(&set.base), "request_id");
    set.request_id = (char *)(uintptr_t) "r";
    expect(LEDGER_SET_STOCK, pack(&set.base), NULL);
    set.on_hand = -1;
    expect(LEDGER_SET_STOCK, pack(&set.base), "on_hand");
    set.on_hand = 1;
    Google__Protobuf__Timestamp made = GOOGLE__PROTOBUF__TIMESTAMP__INIT;
    made.seconds = INT64_MAX;
    set.requested_at = &made;
    expect(LEDGER_SET_STOCK, pack(&set.base), "requested_at");
}

static void test_10001_lines(void **state)
{
    (void)state;
    static Holdfast__V1__Line line;
    static Holdfast__V1__Line *lines[LIMIT_LINES + 1];
    line = line_of("s", 1);
    for (size_t i = 0; i < LIMIT_LINES + 1; i++) {
        lines[i] = &line;
    }
    Holdfast__V1__ReserveRequest request = reserve_of(lines, LIMIT_LINES);
    expect(LEDGER_RESERVE, pack(&request.base), NULL);
    request.n_lines++;
    expect(LEDGER_RESERVE, pack(&request.base), "10001 lines");
}

static void raw(const char *bytes, size_t len, const char *words)
{
    struct error error = {""};
    bool ok =
        message_check(&holdfast__v1__reserve_request__descriptor, bytes_of(bytes, len), &error);
    if (words == NULL ? !ok : ok || strstr(error.text, words) == NULL) {
        fail_msg("expected '%s', got '%s'", words != NULL ? words : "(good)",
                 ok ? "(good)" : error.text);
    }
}

#define RAW(bytes, words) raw((bytes), sizeof(bytes) - 1, (words))

static void test_bytes_that_protobuf_would_let_pass(void **state)
{
    (void)state;
    RAW("\x0a\x01o", NULL);
    RAW("", NULL);
    RAW("\xa2\x06\x01x", "unknown field, number 100");
    RAW("\x12\x04\xa2\x06\x01x", "unknown field"); /* nested in a line */
    RAW("\x0a\x03o\0x", "NUL");
    RAW("\x0a\x02\xc0\x80", "UTF-8");
    RAW("\x20\x05", "unknown value"); /* mode 5 */
    RAW("\x20\x01", NULL);
    RAW("\x08\x01", "wire type"); /* order_id as a number */
    RAW("\x0a\x05o", "cut off");
    RAW("\x0a", "cut off");
    RAW("\x80", "not a protobuf message");
    RAW("\x00\x00", "not a protobuf message");
    RAW("\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", "cut off");
    RAW("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", "not a protobuf message");
    RAW("\x0b\x0c", "wire type"); /* a group */
}

static void test_rubbish_never_crashes(void **state)
{
    (void)state;
    struct admission *admission = admission_new();
    srand(20261120);
    for (unsigned round = 0; round < 20000; round++) {
        uint8_t bytes[64];
        size_t len = (size_t)rand() % sizeof bytes;
        for (size_t i = 0; i < len; i++) {
            bytes[i] = (uint8_t)(rand() % 4 == 0 ? rand() : rand() % 32);
        }
        struct admitted admitted = {0};
        struct error error = {""};
        static const enum ledger_command_kind kinds[] = {
            LEDGER_SET_STOCK, LEDGER_ADJUST_STOCK, LEDGER_RESERVE, LEDGER_DEDUCT, LEDGER_RELEASE};
        if (!admission_command(admission, kinds[round % 5], bytes_of(bytes, len), &admitted,
                               &error)) {
            assert_true(error.text[0] != '\0');
        }
        error.text[0] = '\0';
        if (!admission_execute(admission, bytes_of(bytes, len), &admitted, &error)) {
            assert_true(error.text[0] != '\0');
        }
        buffer_free(&admitted.encoded);
    }
    admission_free(admission);
}

static void test_a_message_of_nothing_but_parts_is_bounded(void **state)
{
    (void)state;
    size_t len = 2 * (LIMIT_MESSAGE_PARTS + 10);
    uint8_t *bytes = malloc(len);
    assert_non_null(bytes);
    for (size_t i = 0; i < len; i += 2) {
        bytes[i] = 0x12; /* an empty line */
        bytes[i + 1] = 0;
    }
    struct buffer message = {bytes, len, len};
    expect(LEDGER_RESERVE, message, "nested messages");
}

static void test_execute_names_the_command(void **state)
{
    (void)state;
    Holdfast__V1__Line line = line_of("sku", 1);
    Holdfast__V1__Line *lines[] = {&line};
    Holdfast__V1__ReserveRequest good = reserve_of(lines, 1);
    Holdfast__V1__ReserveRequest bad = reserve_of(lines, 0);
    Holdfast__V1__Command commands[2] = {HOLDFAST__V1__COMMAND__INIT, HOLDFAST__V1__COMMAND__INIT};
    commands[0].command_case = HOLDFAST__V1__COMMAND__COMMAND_RESERVE;
    commands[0].reserve = &good;
    commands[1].command_case = HOLDFAST__V1__COMMAND__COMMAND_RESERVE;
    commands[1].reserve = &bad;
    Holdfast__V1__Command *pointers[] = {&commands[0], &commands[1]};
    Holdfast__V1__ExecuteRequest batch = HOLDFAST__V1__EXECUTE_REQUEST__INIT;
    batch.n_commands = 2;
    batch.commands = pointers;
    struct buffer message = pack(&batch.base);
    struct admission *admission = admission_new();
    struct admitted admitted = {0};
    struct error error = {""};
    assert_false(admission_execute(admission, buffer_bytes(&message), &admitted, &error));
    assert_non_null(strstr(error.text, "commands[1]"));
    buffer_free(&admitted.encoded);

    admitted = (struct admitted){0};
    assert_false(admission_execute(admission, (struct bytes){0}, &admitted, &error));
    assert_non_null(strstr(error.text, "empty"));
    buffer_free(&message);
    admission_free(admission);
}

/* Each command for itself, or all of them. */
static void test_an_execute_is_resent_in_part_or_as_a_whole(void **state)
{
    (void)state;
    Holdfast__V1__Line line = line_of("sku", 1);
    Holdfast__V1__Line *lines[] = {&line};
    Holdfast__V1__ReserveRequest first = reserve_of(lines, 1);
    Holdfast__V1__ReserveRequest second = reserve_of(lines, 1);
    second.resent = true;
    Holdfast__V1__Command commands[2] = {HOLDFAST__V1__COMMAND__INIT, HOLDFAST__V1__COMMAND__INIT};
    commands[0].command_case = commands[1].command_case = HOLDFAST__V1__COMMAND__COMMAND_RESERVE;
    commands[0].reserve = &first;
    commands[1].reserve = &second;
    Holdfast__V1__Command *pointers[] = {&commands[0], &commands[1]};
    Holdfast__V1__ExecuteRequest batch = HOLDFAST__V1__EXECUTE_REQUEST__INIT;
    batch.n_commands = 2;
    batch.commands = pointers;
    struct admission *admission = admission_new();
    for (int is_whole = 0; is_whole < 2; is_whole++) {
        batch.resent = is_whole;
        struct buffer message = pack(&batch.base);
        struct admitted admitted = {0};
        struct error error;
        assert_true(admission_execute(admission, buffer_bytes(&message), &admitted, &error));
        struct buffer entry = {0};
        struct ledger_entry_header header = {LEDGER_ENTRY_FORMAT, LEDGER_VERSION, 1, 0, 0};
        ledger_entry_begin(&entry, &header);
        ledger_entry_append_encoded(&entry, buffer_bytes(&admitted.encoded));
        ledger_entry_finish(&entry, 2);
        struct ledger_entry_reader reader;
        struct ledger_command_lines room = {0};
        struct ledger_command command;
        assert_true(ledger_entry_open(&reader, buffer_bytes(&entry), &error));
        assert_true(ledger_entry_next(&reader, &command, &room, &error));
        assert_int_equal(command.resent, is_whole);
        assert_true(ledger_entry_next(&reader, &command, &room, &error));
        assert_true(command.resent);
        ledger_command_lines_free(&room);
        buffer_free(&entry);
        buffer_free(&admitted.encoded);
        buffer_free(&message);
    }
    admission_free(admission);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_good_reserve_comes_out_as_it_went_in),
        cmocka_unit_test(test_refused_forms),
        cmocka_unit_test(test_10001_lines),
        cmocka_unit_test(test_bytes_that_protobuf_would_let_pass),
        cmocka_unit_test(test_rubbish_never_crashes),
        cmocka_unit_test(test_a_message_of_nothing_but_parts_is_bounded),
        cmocka_unit_test(test_execute_names_the_command),
        cmocka_unit_test(test_an_execute_is_resent_in_part_or_as_a_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
