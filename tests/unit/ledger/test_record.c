/*
 * test_record.c - records and keys to bytes and back: every cut, every byte too many and every
 * other format refused; the bytes themselves pinned, for they stand on disks.
 */
#include "cmocka_with_headers.h"

#include <stdlib.h>

#include "key.h"
#include "ledger/record.h"
#include "text.h"

static const struct stock_record stock = {10, 4, 2, 7, 1000, 2000, 99};

static const struct order_line order_lines[] = {
    {TEXT_INIT("A"), 1, 9, 1, 2, 0, 1},
    {TEXT_INIT("A"), 2, 5, 0, 0, 5, 0},
};
static const struct order_record order = {
    ORDER_EXPIRED, false, 1, 2, 3, 4, TEXT_INIT("anna"), TEXT_INIT("web"), order_lines, 2};

static const struct history_record row = {0,
                                          0,
                                          HISTORY_DEDUCT,
                                          10,
                                          9,
                                          4,
                                          3,
                                          1234,
                                          TEXT_INIT("o"),
                                          TEXT_INIT("r"),
                                          TEXT_INIT("anna"),
                                          TEXT_INIT("w"),
                                          TEXT_INIT("rm"),
                                          TEXT_INIT("tr")};

static const struct ledger_failed_line failed_lines[] = {
    {TEXT_INIT("A"), 1, 5, 4, LEDGER_INSUFFICIENT_STOCK},
    {TEXT_INIT("B"), 3, 1, 0, LEDGER_SKU_NOT_FOUND},
};
static const struct request_record request = {
    {1, 2}, 77,   LEDGER_INSUFFICIENT_STOCK,     ORDER_ACTIVE,
    true,   true, {10, 4, 2, 7, 1000, 2000, 99}, failed_lines,
    2};

/* Each decoder behind one face: does it take these bytes? */
static bool take_stock(struct bytes value, struct error *error)
{
    struct stock_record record;
    return stock_record_decode(value, &record, error);
}

static bool take_order(struct bytes value, struct error *error)
{
    struct order_record record;
    struct order_lines room = {0};
    bool taken = order_record_decode(value, &record, &room, error);
    order_lines_free(&room);
    return taken;
}

static bool take_history(struct bytes value, struct error *error)
{
    struct history_record record;
    return history_record_decode(value, &record, error);
}

static bool take_request(struct bytes value, struct error *error)
{
    struct request_record record;
    struct failed_lines room = {0};
    bool taken = request_record_decode(value, &record, &room, error);
    failed_lines_free(&room);
    return taken;
}

static bool take_clock(struct bytes value, struct error *error)
{
    struct clock_record record;
    return clock_record_decode(value, &record, error);
}

static bool take_node(struct bytes value, struct error *error)
{
    struct node_record record;
    return node_record_decode(value, &record, error);
}

static bool take_digest(struct bytes value, struct error *error)
{
    struct hash128 digest;
    return digest_record_decode(value, &digest, error);
}

static void check_every_damage(struct buffer *value, bool (*take)(struct bytes, struct error *))
{
    struct error error;
    assert_true(take(buffer_bytes(value), &error));
    for (size_t len = 0; len < value->len; len++) {
        void *cut = memory_copy(value->data, len);
        assert_false(take(bytes_of(cut, len), &error));
        assert_non_null(strstr(error.text, "damaged"));
        free(cut);
    }
    for (size_t at = 0; at < value->len; at++) {
        for (int bit = 0; bit < 8; bit++) { /* taken or refused, but never read outside */
            value->data[at] ^= (uint8_t)(1 << bit);
            (void)take(buffer_bytes(value), &error);
            value->data[at] ^= (uint8_t)(1 << bit);
        }
    }
    value->data[0] = 2;
    assert_false(take(buffer_bytes(value), &error));
    assert_non_null(strstr(error.text, "newer version"));
    value->data[0] = 0;
    assert_false(take(buffer_bytes(value), &error));
    value->data[0] = 1;
    buffer_append(value, "", 1);
    assert_false(take(buffer_bytes(value), &error));
    buffer_free(value);
}

static void damage_is_refused(void **state)
{
    (void)state;
    struct buffer value = {0};
    stock_record_encode(&value, &stock);
    check_every_damage(&value, take_stock);
    order_record_encode(&value, &order);
    check_every_damage(&value, take_order);
    history_record_encode(&value, &row);
    check_every_damage(&value, take_history);
    request_record_encode(&value, &request);
    check_every_damage(&value, take_request);
    clock_record_encode(&value, &(struct clock_record){1, 3, 2, 4});
    check_every_damage(&value, take_clock);
    node_record_encode(&value, &(struct node_record){1, 2});
    check_every_damage(&value, take_node);
    digest_record_encode(&value, (struct hash128){1, 2});
    check_every_damage(&value, take_digest);
}

static void impossible_values_are_refused(void **state)
{
    (void)state;
    struct buffer value = {0};
    struct error error;
    order_record_encode(&value, &order);
    value.data[1] = 0; /* no state */
    assert_false(take_order(buffer_bytes(&value), &error));
    value.data[1] = 6;
    assert_false(take_order(buffer_bytes(&value), &error));
    value.data[1] = ORDER_ACTIVE;
    value.data[2] = 2; /* a flag that is neither */
    assert_false(take_order(buffer_bytes(&value), &error));
    struct order_line line = order_lines[0];
    struct order_record changed = order;
    changed.lines = &line;
    changed.line_count = 1;
    int64_t *const quantities[] = {&line.reserved, &line.deducted, &line.released, &line.expired,
                                   &line.returned};
    for (size_t i = 0; i < 5; i++) {
        const int64_t impossible[] = {-1, 10, INT64_MAX, INT64_MIN}; /* 9 were reserved */
        for (size_t k = 0; k < 4; k++) {
            if (quantities[i] == &line.reserved && impossible[k] == 10) {
                continue;
            }
            line = order_lines[0];
            *quantities[i] = impossible[k];
            buffer_clear(&value);
            order_record_encode(&value, &changed);
            assert_false(take_order(buffer_bytes(&value), &error));
        }
    }
    line = order_lines[0];
    line.warehouse = 0;
    buffer_clear(&value);
    order_record_encode(&value, &changed);
    assert_false(take_order(buffer_bytes(&value), &error));
    line = order_lines[0];
    line.sku.len = 0;
    buffer_clear(&value);
    order_record_encode(&value, &changed);
    assert_false(take_order(buffer_bytes(&value), &error));
    changed = order;
    changed.expires_hold_ms = -1;
    buffer_clear(&value);
    order_record_encode(&value, &changed);
    assert_false(take_order(buffer_bytes(&value), &error));
    buffer_clear(&value);
    clock_record_encode(&value, &(struct clock_record){1, 5, 6, 1}); /* credits beyond time */
    assert_false(take_clock(buffer_bytes(&value), &error));
    buffer_clear(&value);
    history_record_encode(&value, &row);
    value.data[1] = 0;
    assert_false(take_history(buffer_bytes(&value), &error));
    value.data[1] = 7;
    assert_false(take_history(buffer_bytes(&value), &error));
    buffer_free(&value);
}

static void assert_same(struct bytes a, struct bytes b)
{
    assert_true(bytes_equal(a, b));
}

static void orders_come_back(void **state)
{
    (void)state;
    struct buffer value = {0};
    struct order_record back;
    struct order_lines room = {0};
    struct error error;
    order_record_encode(&value, &order);
    assert_true(order_record_decode(buffer_bytes(&value), &back, &room, &error));
    assert_int_equal(back.state, order.state);
    assert_false(back.tombstone);
    assert_int_equal(back.created_ms, 1);
    assert_int_equal(back.expires_hold_ms, 2);
    assert_int_equal(back.closed_ms, 3);
    assert_int_equal(back.purge_ms, 4);
    assert_same(back.actor, order.actor);
    assert_same(back.reason, order.reason);
    assert_int_equal(back.line_count, 2);
    for (size_t i = 0; i < 2; i++) {
        assert_same(back.lines[i].sku, order_lines[i].sku);
        assert_int_equal(back.lines[i].warehouse, order_lines[i].warehouse);
        assert_int_equal(back.lines[i].reserved, order_lines[i].reserved);
        assert_int_equal(back.lines[i].deducted, order_lines[i].deducted);
        assert_int_equal(back.lines[i].released, order_lines[i].released);
        assert_int_equal(back.lines[i].expired, order_lines[i].expired);
        assert_int_equal(back.lines[i].returned, order_lines[i].returned);
    }
    assert_int_equal(order_line_open(&back.lines[0]), 6);
    order_lines_free(&room);
    buffer_free(&value);
}

static void stocks_and_history_come_back(void **state)
{
    (void)state;
    struct buffer value = {0};
    struct stock_record stock_back;
    struct history_record row_back;
    struct error error;
    stock_record_encode(&value, &stock);
    assert_true(stock_record_decode(buffer_bytes(&value), &stock_back, &error));
    assert_memory_equal(&stock_back, &stock, sizeof stock);
    buffer_clear(&value);
    history_record_encode(&value, &row);
    assert_true(history_record_decode(buffer_bytes(&value), &row_back, &error));
    assert_int_equal(row_back.op, row.op);
    assert_int_equal(row_back.on_hand_before, 10);
    assert_int_equal(row_back.on_hand_after, 9);
    assert_int_equal(row_back.reserved_before, 4);
    assert_int_equal(row_back.reserved_after, 3);
    assert_int_equal(row_back.time_ms, 1234);
    assert_same(row_back.order_id, row.order_id);
    assert_same(row_back.request_id, row.request_id);
    assert_same(row_back.actor, row.actor);
    assert_same(row_back.reason, row.reason);
    assert_same(row_back.remark, row.remark);
    assert_same(row_back.trace_id, row.trace_id);
    buffer_free(&value);
}

static void requests_come_back(void **state)
{
    (void)state;
    struct buffer value = {0};
    struct request_record back;
    struct failed_lines room = {0};
    struct error error;
    request_record_encode(&value, &request);
    assert_true(request_record_decode(buffer_bytes(&value), &back, &room, &error));
    assert_true(hash128_equal(back.fields, request.fields));
    assert_int_equal(back.purge_ms, 77);
    assert_int_equal(back.verdict, LEDGER_INSUFFICIENT_STOCK);
    assert_int_equal(back.order_state, ORDER_ACTIVE);
    assert_true(back.existed);
    assert_true(back.has_stock);
    assert_memory_equal(&back.stock, &stock, sizeof stock);
    assert_int_equal(back.failed_line_count, 2);
    for (size_t i = 0; i < 2; i++) {
        assert_same(back.failed_lines[i].sku, failed_lines[i].sku);
        assert_int_equal(back.failed_lines[i].warehouse, failed_lines[i].warehouse);
        assert_int_equal(back.failed_lines[i].requested, failed_lines[i].requested);
        assert_int_equal(back.failed_lines[i].available, failed_lines[i].available);
        assert_int_equal(back.failed_lines[i].reason, failed_lines[i].reason);
    }
    failed_lines_free(&room);
    buffer_free(&value);
}

/* The layout is on disks: a change here needs a new format version. */
static void the_bytes_of_a_stock_are_pinned(void **state)
{
    (void)state;
    static const uint8_t expected[] = {
        1,                         /* format */
        10,   0, 0, 0, 0, 0, 0, 0, /* on_hand */
        4,    0, 0, 0, 0, 0, 0, 0, /* reserved */
        2,    0, 0, 0, 0, 0, 0, 0, /* low_stock_threshold */
        7,    0, 0, 0, 0, 0, 0, 0, /* version */
        0xe8, 3, 0, 0, 0, 0, 0, 0, /* created */
        0xd0, 7, 0, 0, 0, 0, 0, 0, /* updated */
        99,   0, 0, 0, 0, 0, 0, 0, /* last index */
    };
    struct buffer value = {0};
    stock_record_encode(&value, &stock);
    assert_int_equal(value.len, sizeof expected);
    assert_memory_equal(value.data, expected, sizeof expected);
    buffer_free(&value);
}

static void keys_come_apart_again(void **state)
{
    (void)state;
    uint8_t longest[255];
    memset(longest, 'z', sizeof longest);
    struct bytes sku;
    uint32_t warehouse;
    uint64_t index;
    uint32_t sub;
    struct ledger_key key = ledger_key_history(bytes_of(longest, 255), UINT32_MAX, 5, 6);
    assert_true(ledger_key_read_history(ledger_key_bytes(&key), &sku, &warehouse, &index, &sub));
    assert_int_equal(sku.len, 255);
    assert_true(warehouse == UINT32_MAX && index == 5 && sub == 6);
    key = ledger_key_stock(TEXT("A"), 7);
    assert_true(ledger_key_read_stock(ledger_key_bytes(&key), &sku, &warehouse));
    assert_true(bytes_equal(sku, TEXT("A")) && warehouse == 7);

    int64_t when;
    struct bytes id;
    enum ledger_kind kind;
    key = ledger_key_expiry(1234, TEXT("o"));
    assert_true(ledger_key_read_expiry(ledger_key_bytes(&key), &when, &id));
    assert_true(when == 1234 && bytes_equal(id, TEXT("o")));
    key = ledger_key_purge(99, LEDGER_KIND_REQUEST, TEXT("r"));
    assert_true(ledger_key_read_purge(ledger_key_bytes(&key), &when, &kind, &id));
    assert_true(when == 99 && kind == LEDGER_KIND_REQUEST && bytes_equal(id, TEXT("r")));

    /* Warehouse 0 is no warehouse, and a NUL is in no SKU. */
    assert_false(ledger_key_read_stock(TEXT("A\0\0\0\0\0"), &sku, &warehouse));
    assert_false(ledger_key_read_stock(TEXT("A\0B\0\0\0\0\1"), &sku, &warehouse));
    assert_true(ledger_key_read_stock(TEXT("A\0\0\0\0\1"), &sku, &warehouse));

    /* No cut of a key is one of its kind with an empty id, and none reads outside. */
    for (size_t len = 0; len < 9; len++) {
        void *cut = memory_copy(key.data + 1, len);
        assert_false(ledger_key_read_purge(bytes_of(cut, len), &when, &kind, &id));
        assert_false(len <= 8 && ledger_key_read_expiry(bytes_of(cut, len), &when, &id));
        assert_false(len < 6 && ledger_key_read_stock(bytes_of(cut, len), &sku, &warehouse));
        assert_false(ledger_key_read_history(bytes_of(cut, len), &sku, &warehouse, &index, &sub));
        free(cut);
    }
}

static int key_order(struct ledger_key a, struct ledger_key b)
{
    return bytes_compare(ledger_key_bytes(&a), ledger_key_bytes(&b));
}

static void keys_sort_as_lists_and_sweeps_need_them(void **state)
{
    (void)state;
    assert_true(key_order(ledger_key_stock(TEXT("A"), 300), ledger_key_stock(TEXT("AA"), 1)) < 0);
    assert_true(key_order(ledger_key_stock(TEXT("A"), 2), ledger_key_stock(TEXT("A"), 300)) < 0);
    assert_true(key_order(ledger_key_stock(TEXT("A"), 1), ledger_key_stock(TEXT("a"), 1)) < 0);
    assert_true(key_order(ledger_key_history(TEXT("A"), 1, 2, 9),
                          ledger_key_history(TEXT("A"), 1, 256, 0)) < 0);
    assert_true(key_order(ledger_key_history_begin(TEXT("A"), 1),
                          ledger_key_history(TEXT("A"), 1, 0, 0)) < 0);
    assert_true(key_order(ledger_key_history(TEXT("A"), 1, UINT64_MAX - 1, UINT32_MAX),
                          ledger_key_history_end(TEXT("A"), 1)) < 0);
    assert_true(key_order(ledger_key_history_end(TEXT("A"), 1),
                          ledger_key_history_begin(TEXT("A"), 2)) < 0);
    assert_true(key_order(ledger_key_expiry(255, TEXT("z")), ledger_key_expiry(256, TEXT("a"))) <
                0);
    assert_true(key_order(ledger_key_expiry(256, TEXT("a")), ledger_key_expiry(256, TEXT("b"))) <
                0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(damage_is_refused),
        cmocka_unit_test(impossible_values_are_refused),
        cmocka_unit_test(orders_come_back),
        cmocka_unit_test(stocks_and_history_come_back),
        cmocka_unit_test(requests_come_back),
        cmocka_unit_test(the_bytes_of_a_stock_are_pinned),
        cmocka_unit_test(keys_come_apart_again),
        cmocka_unit_test(keys_sort_as_lists_and_sweeps_need_them),
    };
    return cmocka_run_group_tests_name("ledger/record", tests, NULL, NULL);
}
