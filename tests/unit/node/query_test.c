/* Reads: what a request is made of must not decide whether its answer can be made. */
#include "cmocka_test.h"

#include <stdio.h>
#include <string.h>

#include "base/limits.h"
#include "holdfast/v1/ledger.pb-c.h"
#include "ledger/command.h"
#include "memory_store.h"
#include "query.h"

enum { SKUS = 10000 };

static void append_varint(struct buffer *out, uint64_t value)
{
    for (; value >= 0x80; value >>= 7) {
        uint8_t byte = (uint8_t)(value | 0x80);
        buffer_append(out, &byte, 1);
    }
    uint8_t byte = (uint8_t)value;
    buffer_append(out, &byte, 1);
}

/* Field 1 of any message, length-delimited: a string's or a nested message's. */
static void append_field(struct buffer *out, struct bytes value)
{
    append_varint(out, 1 << 3 | 2);
    append_varint(out, value.len);
    buffer_append_bytes(out, value);
}

/* A SKU as long as may be. */
static struct bytes sku_of(int number, char text[LIMIT_ID_BYTES + 1])
{
    memset(text, 's', LIMIT_ID_BYTES);
    text[LIMIT_ID_BYTES] = '\0';
    char digits[8];
    int len = snprintf(digits, sizeof digits, "%05d", number);
    memcpy(text, digits, (size_t)len);
    return bytes_of(text, LIMIT_ID_BYTES);
}

static void stock_everything(struct ledger *ledger)
{
    struct buffer entry = {0};
    const struct ledger_entry_header header = {
        .format = LEDGER_ENTRY_FORMAT, .ledger_version = LEDGER_VERSION, .time_ms = 1700000000000};
    ledger_entry_begin(&entry, &header);
    for (int i = 0; i < SKUS; i++) {
        char text[LIMIT_ID_BYTES + 1];
        char request[16];
        snprintf(request, sizeof request, "r-%d", i);
        struct buffer encoded = {0};
        struct ledger_command command = {.kind = LEDGER_SET_STOCK,
                                         .sku = sku_of(i, text),
                                         .request_id = bytes_of_string(request),
                                         .quantity = LIMIT_QUANTITY};
        ledger_command_encode(&encoded, &command);
        ledger_entry_append_encoded(&entry, buffer_bytes(&encoded));
        buffer_free(&encoded);
    }
    ledger_entry_finish(&entry, SKUS);
    struct error error = {""};
    if (!ledger_apply(ledger, 1, buffer_bytes(&entry), NULL, NULL, &error)) {
        fail_msg("%s", error.text);
    }
    buffer_free(&entry);
}

/* BatchGetStock of all SKUs whose first key names its SKU many times over. protobuf keeps the last
 * one, but each has cost memory: the message is as large as may be, and so is what it decodes to.
 */
static struct buffer greedy_request(void)
{
    struct buffer rest = {0};
    for (int i = 1; i < SKUS; i++) {
        char text[LIMIT_ID_BYTES + 1];
        struct buffer key = {0};
        append_field(&key, sku_of(i, text));
        append_field(&rest, buffer_bytes(&key));
        buffer_free(&key);
    }
    struct buffer key = {0};
    for (int i = 0; i < 500000; i++) {
        append_field(&key, (struct bytes){0});
    }
    struct buffer filler = {0};
    size_t room = LIMIT_MESSAGE_BYTES - rest.len - key.len - 400;
    memset(buffer_reserve(&filler, room), 'x', room);
    filler.len = room;
    append_field(&key, buffer_bytes(&filler));
    char text[LIMIT_ID_BYTES + 1];
    append_field(&key, sku_of(0, text));

    struct buffer request = {0};
    append_field(&request, buffer_bytes(&key));
    buffer_append_bytes(&request, buffer_bytes(&rest));
    assert_true(request.len <= LIMIT_MESSAGE_BYTES);
    buffer_free(&filler);
    buffer_free(&key);
    buffer_free(&rest);
    return request;
}

static void test_a_request_that_takes_all_its_memory_is_answered(void **state)
{
    (void)state;
    struct error error = {""};
    struct memory_store *store = memory_store_new();
    struct ledger *ledger = ledger_open(memory_store_interface(store), &error);
    assert_non_null(ledger);
    stock_everything(ledger);
    struct arena arena;
    struct arena replies;
    arena_init(&arena, LIMIT_DECODE_BYTES);
    arena_init(&replies, LIMIT_REPLY_ARENA_BYTES);

    struct buffer request = greedy_request();
    if (!query_check(QUERY_BATCH_GET_STOCK, &arena, buffer_bytes(&request), &error)) {
        fail_msg("%s", error.text);
    }
    assert_true(arena.used > LIMIT_DECODE_BYTES - (5u << 20)); /* it is greedy indeed */
    struct buffer response = {0};
    assert_int_equal(query_run(QUERY_BATCH_GET_STOCK, &arena, &replies, ledger, 1,
                               buffer_bytes(&request), &response, &error),
                     QUERY_DONE);
    Holdfast__V1__BatchGetStockResponse *decoded =
        holdfast__v1__batch_get_stock_response__unpack(NULL, response.len, response.data);
    assert_non_null(decoded);
    assert_int_equal(decoded->n_stocks, SKUS);
    holdfast__v1__batch_get_stock_response__free_unpacked(decoded, NULL);

    buffer_free(&response);
    buffer_free(&request);
    arena_free(&replies);
    arena_free(&arena);
    ledger_close(ledger);
    memory_store_free(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_request_that_takes_all_its_memory_is_answered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
