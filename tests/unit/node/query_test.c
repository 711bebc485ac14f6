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
    struct query_freshness freshness;
    if (!query_check(QUERY_BATCH_GET_STOCK, &arena, buffer_bytes(&request), &freshness, &error)) {
        fail_msg("%s", error.text);
    }
    assert_true(arena.used > LIMIT_DECODE_BYTES - (5u << 20)); /* it is greedy indeed */
    struct buffer response = {0};
    const struct query_state state_now = {.ledger = ledger, .applied_index = 1};
    assert_int_equal(query_run(QUERY_BATCH_GET_STOCK, &arena, &replies, &state_now,
                               buffer_bytes(&request), &response, &error),
                     QUERY_DONE);
    Holdfast__V1__BatchGetStockResponse *decoded =
        holdfast__v1__batch_get_stock_response__unpack(NULL, response.len, response.data);
    assert_non_null(decoded);
    assert_int_equal(decoded->n_stocks, SKUS);
    assert_int_equal(decoded->log_index, 1);
    assert_null(decoded->age); /* nobody has asked */
    holdfast__v1__batch_get_stock_response__free_unpacked(decoded, NULL);

    buffer_free(&response);
    buffer_free(&request);
    arena_free(&replies);
    arena_free(&arena);
    ledger_close(ledger);
    memory_store_free(store);
}

/* ---- how fresh ---- */

/* What each kind of request needs besides; its number for the consistency. */
static const struct {
    enum query_kind kind;
    bool has_text; /* field 1: an id, or a message whose field 1 is one */
    bool is_nested;
    uint8_t consistency;
} kinds[] = {
    {QUERY_GET_STOCK, true, false, 3},  {QUERY_BATCH_GET_STOCK, true, true, 2},
    {QUERY_CHECK_STOCK, true, true, 2}, {QUERY_LIST_STOCK, false, false, 3},
    {QUERY_GET_ORDER, true, false, 2},  {QUERY_LIST_HISTORY, true, false, 5},
};

static struct buffer request_of(size_t i, bool stale, uint64_t min_log_index)
{
    struct buffer request = {0};
    struct buffer nested = {0};
    append_field(&nested, BYTES_LITERAL("id"));
    if (kinds[i].kind == QUERY_CHECK_STOCK) {
        append_varint(&nested, 3 << 3);
        append_varint(&nested, 1); /* quantity */
    }
    if (kinds[i].has_text) {
        append_field(&request, kinds[i].is_nested ? buffer_bytes(&nested) : BYTES_LITERAL("id"));
    }
    if (stale) {
        append_varint(&request, kinds[i].consistency << 3);
        append_varint(&request, 1);
    }
    append_varint(&request, 10 << 3);
    append_varint(&request, min_log_index);
    buffer_free(&nested);
    return request;
}

static bool has_age_of_1500_ms(struct bytes response)
{
    /* Field 10: a Duration of 1 s and 500,000,000 ns. */
    static const uint8_t age[] = {0x52, 8, 0x08, 1, 0x10, 0x80, 0xca, 0xb5, 0xee, 1};
    return response.len >= sizeof age &&
           memcmp(response.data + response.len - sizeof age, age, sizeof age) == 0;
}

static void test_every_request_says_how_fresh_and_every_answer_how_old(void **state)
{
    (void)state;
    struct error error = {""};
    struct memory_store *store = memory_store_new();
    struct ledger *ledger = ledger_open(memory_store_interface(store), &error);
    struct arena arena;
    struct arena replies;
    arena_init(&arena, LIMIT_DECODE_BYTES);
    arena_init(&replies, LIMIT_REPLY_ARENA_BYTES);
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        for (unsigned stale = 0; stale < 2; stale++) {
            struct buffer request = request_of(i, stale != 0, UINT64_MAX - i);
            struct query_freshness freshness = {0};
            if (!query_check(kinds[i].kind, &arena, buffer_bytes(&request), &freshness, &error)) {
                fail_msg("kind %zu: %s", i, error.text);
            }
            assert_int_equal(freshness.consistency, stale ? READ_STALE : READ_LINEARIZABLE);
            assert_true(freshness.min_index == UINT64_MAX - i);
            const uint64_t age_ms = 1500;
            const struct query_state state_now = {
                .ledger = ledger, .applied_index = 1, .age_ms = stale ? &age_ms : NULL};
            struct buffer response = {0};
            assert_int_equal(query_run(kinds[i].kind, &arena, &replies, &state_now,
                                       buffer_bytes(&request), &response, &error),
                             QUERY_DONE);
            assert_true(has_age_of_1500_ms(buffer_bytes(&response)) == (stale != 0));
            buffer_free(&response);
            buffer_free(&request);
        }
    }
    arena_free(&replies);
    arena_free(&arena);
    ledger_close(ledger);
    memory_store_free(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_request_that_takes_all_its_memory_is_answered),
        cmocka_unit_test(test_every_request_says_how_fresh_and_every_answer_how_old),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
