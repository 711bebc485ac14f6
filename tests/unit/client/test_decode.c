/*
 * test_decode.c - replies as objects: every field arrives, a reply that is none is told from a
 * refusal, and no byte sequence does harm.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "decode.h"
#include "holdfast/v1/cluster.pb-c.h"
#include "holdfast/v1/ledger.pb-c.h"

static struct error error;

static struct buffer packed(const ProtobufCMessage *message)
{
    struct buffer out = {0};
    size_t size = protobuf_c_message_get_packed_size(message);
    protobuf_c_message_pack(message, buffer_reserve(&out, size));
    out.len = size;
    return out;
}

/* Decodes the message with the shape; the bytes are gone when it returns, as they are on the wire.
 */
static hf_verdict decode(const struct reply_shape *shape, void *object,
                         const ProtobufCMessage *message)
{
    struct buffer bytes = packed(message);
    hf_verdict verdict = shape->decode(object, buffer_bytes(&bytes), 3, &error);
    memset(bytes.data, 'z', bytes.len);
    buffer_free(&bytes);
    return verdict;
}

static Google__Protobuf__Timestamp timestamp(int64_t seconds, int32_t nanos)
{
    Google__Protobuf__Timestamp value = GOOGLE__PROTOBUF__TIMESTAMP__INIT;
    value.seconds = seconds;
    value.nanos = nanos;
    return value;
}

static Holdfast__V1__Stock some_stock(char *sku)
{
    Holdfast__V1__Stock stock = HOLDFAST__V1__STOCK__INIT;
    stock.sku = sku;
    stock.warehouse = 2;
    stock.on_hand = 10;
    stock.reserved = 4;
    stock.available = 6;
    stock.version = 8;
    stock.low_stock_threshold = 9;
    stock.last_index = 77;
    return stock;
}

static void assert_some_stock(const hf_stock *stock, const char *sku)
{
    assert_string_equal(stock->sku, sku);
    assert_int_equal(stock->warehouse, 2);
    assert_int_equal(stock->on_hand, 10);
    assert_int_equal(stock->reserved, 4);
    assert_int_equal(stock->available, 6);
    assert_int_equal(stock->version, 8);
    assert_int_equal(stock->low_stock_threshold, 9);
    assert_int_equal(stock->last_index, 77);
}

static void a_result_has_every_field(void **state)
{
    (void)state;
    Google__Protobuf__Timestamp at = timestamp(1700000000, 987654321);
    Holdfast__V1__Stock stock = some_stock("A");
    stock.created_at = &at;
    stock.updated_at = &at;
    Holdfast__V1__FailedLine lines[2] = {HOLDFAST__V1__FAILED_LINE__INIT,
                                         HOLDFAST__V1__FAILED_LINE__INIT};
    Holdfast__V1__FailedLine *pointers[] = {&lines[0], &lines[1]};
    lines[0].sku = "A";
    lines[0].warehouse = 3;
    lines[0].requested = 5;
    lines[0].available = 1;
    lines[0].reason = HOLDFAST__V1__VERDICT__INSUFFICIENT_STOCK;
    lines[1].sku = "B";
    lines[1].reason = HOLDFAST__V1__VERDICT__SKU_NOT_FOUND;
    Holdfast__V1__CommandResult reply = HOLDFAST__V1__COMMAND_RESULT__INIT;
    reply.verdict = HOLDFAST__V1__VERDICT__INSUFFICIENT_STOCK;
    reply.replayed = true;
    reply.message = "too little of A";
    reply.log_index = 42;
    reply.log_position = 6;
    reply.order_state = HOLDFAST__V1__ORDER__STATE__ACTIVE;
    reply.existed = true;
    reply.expires_at = &at;
    reply.n_failed_lines = 2;
    reply.failed_lines = pointers;
    reply.stock = &stock;

    hf_result *result = object_new(REPLY_RESULT.size, 0);
    assert_int_equal(decode(&REPLY_RESULT, result, &reply.base), HF_INSUFFICIENT_STOCK);
    assert_int_equal(result->verdict, HF_INSUFFICIENT_STOCK);
    assert_false(result->may_have_executed);
    assert_string_equal(result->message, "too little of A");
    assert_int_equal(result->attempts, 3);
    assert_true(result->replayed);
    assert_int_equal(result->log_index, 42);
    assert_int_equal(result->log_position, 6);
    assert_int_equal(result->order_state, HF_STATE_ACTIVE);
    assert_true(result->existed);
    assert_int_equal(result->expires_at_ms, 1700000000987);
    assert_int_equal(result->failed_line_count, 2);
    assert_string_equal(result->failed_lines[0].sku, "A");
    assert_int_equal(result->failed_lines[0].warehouse, 3);
    assert_int_equal(result->failed_lines[0].requested, 5);
    assert_int_equal(result->failed_lines[0].available, 1);
    assert_int_equal(result->failed_lines[0].reason, HF_INSUFFICIENT_STOCK);
    assert_int_equal(result->failed_lines[1].reason, HF_SKU_NOT_FOUND);
    assert_some_stock(result->stock, "A");
    assert_int_equal(result->stock->created_at_ms, 1700000000987);
    hf_free(result);
}

static void times_beyond_the_range_are_clamped(void **state)
{
    (void)state;
    static const struct {
        int64_t seconds;
        int32_t nanos;
        int64_t ms;
    } cases[] = {{1, 500000000, 1500},
                 {0, 0, 0},
                 {-1, 500000000, -500},
                 {INT64_MAX, 0, INT64_MAX},
                 {INT64_MIN, 0, INT64_MIN}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        Google__Protobuf__Timestamp at = timestamp(cases[i].seconds, cases[i].nanos);
        Holdfast__V1__CommandResult reply = HOLDFAST__V1__COMMAND_RESULT__INIT;
        reply.verdict = HOLDFAST__V1__VERDICT__OK;
        reply.expires_at = &at;
        hf_result *result = object_new(REPLY_RESULT.size, 0);
        assert_int_equal(decode(&REPLY_RESULT, result, &reply.base), HF_OK);
        assert_true(result->expires_at_ms == cases[i].ms);
        assert_string_equal(result->message, hf_verdict_text(HF_OK)); /* the node sent no words */
        hf_free(result);
    }
}

static void an_empty_reply_is_no_success(void **state)
{
    (void)state;
    static const struct reply_shape *const shapes[] = {
        &REPLY_RESULT, &REPLY_AVAILABILITY, &REPLY_ORDER,    &REPLY_HISTORY,
        &REPLY_STATUS, &REPLY_VERIFICATION, &REPLY_SNAPSHOT,
    };
    struct bytes nothing = {0};
    for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
        void *object = object_new(shapes[i]->size, 0);
        assert_int_equal(shapes[i]->decode(object, nothing, 1, &error), HF_VERDICT_UNSPECIFIED);
        assert_true(strlen(error.text) > 0);
        hf_free(object);
    }
    hf_results *results = object_new(REPLY_RESULTS.size, 0);
    decode_prepare_results(results, 1);
    assert_int_equal(REPLY_RESULTS.decode(results, nothing, 1, &error), 0);
    assert_int_equal(REPLY_RESULTS_OF_ONE.decode(results, nothing, 1, &error), 0);
    hf_free(results);
    hf_stock_list *list = object_new(REPLY_STOCKS.size, 0);
    decode_prepare_stocks(list, &(hf_stock_key){"A", 1}, 1);
    assert_int_equal(REPLY_STOCK.decode(list, nothing, 1, &error), 0);
    assert_int_equal(REPLY_STOCKS_OF_ONE.decode(list, nothing, 1, &error), 0);
    assert_int_equal(REPLY_STOCKS.decode(list, nothing, 1, &error), 0);
    hf_free(list);
}

static void a_negative_verdict_on_the_wire_is_no_reply(void **state)
{
    (void)state;
    Holdfast__V1__CommandResult reply = HOLDFAST__V1__COMMAND_RESULT__INIT;
    reply.verdict = (Holdfast__V1__Verdict)HF_UNREACHABLE; /* would read "surely not executed" */
    hf_result *result = object_new(REPLY_RESULT.size, 0);
    assert_int_equal(decode(&REPLY_RESULT, result, &reply.base), HF_VERDICT_UNSPECIFIED);
    reply.verdict = (Holdfast__V1__Verdict)99; /* from a newer node: a refusal */
    assert_int_equal(decode(&REPLY_RESULT, result, &reply.base), 99);
    hf_free(result);
}

static void a_batch_tells_its_first_refusal(void **state)
{
    (void)state;
    Holdfast__V1__CommandResult items[3] = {HOLDFAST__V1__COMMAND_RESULT__INIT,
                                            HOLDFAST__V1__COMMAND_RESULT__INIT,
                                            HOLDFAST__V1__COMMAND_RESULT__INIT};
    Holdfast__V1__CommandResult *pointers[] = {&items[0], &items[1], &items[2]};
    for (size_t i = 0; i < 3; i++) {
        items[i].verdict = HOLDFAST__V1__VERDICT__OK;
        items[i].log_position = (uint32_t)i;
    }
    Holdfast__V1__ExecuteResponse reply = HOLDFAST__V1__EXECUTE_RESPONSE__INIT;
    reply.n_results = 3;
    reply.results = pointers;
    hf_results *results = object_new(REPLY_RESULTS.size, 0);
    decode_prepare_results(results, 3);
    assert_int_equal(decode(&REPLY_RESULTS, results, &reply.base), HF_OK);
    assert_int_equal(results->count, 3);
    assert_int_equal(results->items[2].log_position, 2);

    items[1].verdict = HOLDFAST__V1__VERDICT__ORDER_CONFLICT;
    items[2].verdict = HOLDFAST__V1__VERDICT__INSUFFICIENT_STOCK;
    assert_int_equal(decode(&REPLY_RESULTS, results, &reply.base), HF_ORDER_CONFLICT);
    assert_int_equal(results->verdict, HF_ORDER_CONFLICT);
    assert_int_equal(results->items[0].verdict, HF_OK);
    assert_int_equal(results->items[2].verdict, HF_INSUFFICIENT_STOCK);

    reply.n_results = 2; /* one is missing */
    assert_int_equal(decode(&REPLY_RESULTS, results, &reply.base), HF_VERDICT_UNSPECIFIED);
    assert_non_null(strstr(error.text, "2 results for 3 commands"));
    reply.n_results = 3;
    items[2].verdict = HOLDFAST__V1__VERDICT__VERDICT_UNSPECIFIED;
    assert_int_equal(decode(&REPLY_RESULTS, results, &reply.base), HF_VERDICT_UNSPECIFIED);
    assert_non_null(strstr(error.text, "results[2]"));

    struct reply_failure failure = {HF_OUTCOME_UNKNOWN, true, 5, "why"};
    REPLY_RESULTS.set_failure(results, &failure);
    assert_int_equal(results->verdict, HF_OUTCOME_UNKNOWN);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(results->items[i].verdict, HF_OUTCOME_UNKNOWN);
        assert_true(results->items[i].may_have_executed);
        assert_int_equal(results->items[i].attempts, 5);
        assert_string_equal(results->items[i].message, "why");
    }
    hf_free(results);
}

#define SOME_AGE_MS 61003

static Google__Protobuf__Duration some_age(void)
{
    Google__Protobuf__Duration age = GOOGLE__PROTOBUF__DURATION__INIT;
    age.seconds = 61;
    age.nanos = 2000001; /* never younger than it was told */
    return age;
}

static void stocks_keep_their_keys(void **state)
{
    (void)state;
    const hf_stock_key keys[] = {{"A", 2}, {"gone", 0}};
    Holdfast__V1__Stock stock = some_stock("A");
    Holdfast__V1__GetStockResponse items[2] = {HOLDFAST__V1__GET_STOCK_RESPONSE__INIT,
                                               HOLDFAST__V1__GET_STOCK_RESPONSE__INIT};
    Holdfast__V1__GetStockResponse *pointers[] = {&items[0], &items[1]};
    items[0].verdict = HOLDFAST__V1__VERDICT__OK;
    items[0].stock = &stock;
    items[0].log_index = 5;
    items[1].verdict = HOLDFAST__V1__VERDICT__SKU_NOT_FOUND;
    items[1].log_index = 5;
    Holdfast__V1__BatchGetStockResponse reply = HOLDFAST__V1__BATCH_GET_STOCK_RESPONSE__INIT;
    reply.n_stocks = 2;
    reply.stocks = pointers;
    reply.log_index = 5;
    Google__Protobuf__Duration age = some_age();
    reply.age = &age;
    hf_stock_list *list = object_new(REPLY_STOCKS.size, 0);
    decode_prepare_stocks(list, keys, 2);
    assert_int_equal(decode(&REPLY_STOCKS, list, &reply.base), HF_OK);
    assert_int_equal(list->log_index, 5);
    assert_int_equal(list->age_ms, SOME_AGE_MS);
    assert_int_equal(list->items[0].verdict, HF_OK);
    assert_some_stock(&list->items[0].stock, "A");
    assert_int_equal(list->items[1].verdict, HF_SKU_NOT_FOUND);
    assert_string_equal(list->items[1].stock.sku, "gone");
    assert_int_equal(list->items[1].stock.warehouse, 1);
    assert_string_equal(list->next_page_token, "");
    hf_free(list);

    list = object_new(REPLY_STOCK.size, 0);
    decode_prepare_stocks(list, &keys[1], 1);
    assert_int_equal(decode(&REPLY_STOCK, list, &items[1].base), HF_SKU_NOT_FOUND);
    assert_int_equal(list->age_ms, 0);
    items[1].age = &age;
    assert_int_equal(decode(&REPLY_STOCKS_OF_ONE, list, &items[1].base), HF_OK);
    assert_int_equal(list->age_ms, SOME_AGE_MS);
    assert_int_equal(list->items[0].verdict, HF_SKU_NOT_FOUND);
    items[0].stock = NULL; /* OK without what was asked for */
    assert_int_equal(decode(&REPLY_STOCK, list, &items[0].base), HF_VERDICT_UNSPECIFIED);
    struct reply_failure failure = {HF_UNREACHABLE, false, 1, "why"};
    REPLY_STOCKS.set_failure(list, &failure);
    assert_int_equal(list->verdict, HF_UNREACHABLE);
    assert_int_equal(list->items[0].verdict, HF_UNREACHABLE);
    hf_free(list);
}

static void a_page_has_its_token(void **state)
{
    (void)state;
    Holdfast__V1__Stock stock = some_stock("A");
    Holdfast__V1__Stock *pointers[] = {&stock};
    Holdfast__V1__ListStockResponse reply = HOLDFAST__V1__LIST_STOCK_RESPONSE__INIT;
    reply.n_stocks = 1;
    reply.stocks = pointers;
    reply.next_page_token = "next";
    reply.log_index = 9;
    Google__Protobuf__Duration age = some_age();
    reply.age = &age;
    hf_stock_list *list = object_new(REPLY_STOCK_PAGE.size, 0);
    assert_int_equal(decode(&REPLY_STOCK_PAGE, list, &reply.base), HF_OK);
    assert_int_equal(list->count, 1);
    assert_some_stock(&list->items[0].stock, "A");
    assert_string_equal(list->next_page_token, "next");
    assert_int_equal(list->log_index, 9);
    assert_int_equal(list->age_ms, SOME_AGE_MS);
    hf_free(list);
}

static void availability_is_the_first_failing_reason(void **state)
{
    (void)state;
    Holdfast__V1__CheckStockResponse reply = HOLDFAST__V1__CHECK_STOCK_RESPONSE__INIT;
    reply.available = true;
    reply.log_index = 3;
    Google__Protobuf__Duration age = some_age();
    reply.age = &age;
    hf_availability *availability = object_new(REPLY_AVAILABILITY.size, 0);
    assert_int_equal(decode(&REPLY_AVAILABILITY, availability, &reply.base), HF_OK);
    assert_int_equal(availability->log_index, 3);
    assert_int_equal(availability->age_ms, SOME_AGE_MS);

    Holdfast__V1__FailedLine line = HOLDFAST__V1__FAILED_LINE__INIT;
    Holdfast__V1__FailedLine *pointers[] = {&line};
    line.sku = "A";
    line.reason = HOLDFAST__V1__VERDICT__SKU_NOT_FOUND;
    reply.n_failed_lines = 1;
    reply.failed_lines = pointers;
    assert_int_equal(decode(&REPLY_AVAILABILITY, availability, &reply.base), 0); /* contradiction */
    reply.available = false;
    assert_int_equal(decode(&REPLY_AVAILABILITY, availability, &reply.base), HF_SKU_NOT_FOUND);
    assert_int_equal(availability->verdict, HF_SKU_NOT_FOUND);
    assert_string_equal(availability->failed_lines[0].sku, "A");
    line.reason = HOLDFAST__V1__VERDICT__OK; /* a failure must not read as success */
    assert_int_equal(decode(&REPLY_AVAILABILITY, availability, &reply.base), 0);
    hf_free(availability);
}

static void an_order_has_every_field(void **state)
{
    (void)state;
    Google__Protobuf__Timestamp created = timestamp(1, 0);
    Google__Protobuf__Timestamp expires = timestamp(2, 0);
    Google__Protobuf__Timestamp closed = timestamp(3, 0);
    Holdfast__V1__OrderLine line = HOLDFAST__V1__ORDER_LINE__INIT;
    Holdfast__V1__OrderLine *lines[] = {&line};
    line.sku = "A";
    line.warehouse = 1;
    line.reserved = 10;
    line.deducted = 4;
    line.released = 3;
    line.expired = 2;
    line.returned = 1;
    line.open = 5;
    Holdfast__V1__Order order = HOLDFAST__V1__ORDER__INIT;
    order.order_id = "o";
    order.state = HOLDFAST__V1__ORDER__STATE__DEDUCTED;
    order.n_lines = 1;
    order.lines = lines;
    order.created_at = &created;
    order.expires_at = &expires;
    order.closed_at = &closed;
    order.actor = "shop";
    Holdfast__V1__GetOrderResponse reply = HOLDFAST__V1__GET_ORDER_RESPONSE__INIT;
    reply.verdict = HOLDFAST__V1__VERDICT__OK;
    reply.order = &order;
    reply.log_index = 12;
    Google__Protobuf__Duration age = some_age();
    reply.age = &age;
    hf_order *out = object_new(REPLY_ORDER.size, 0);
    assert_int_equal(decode(&REPLY_ORDER, out, &reply.base), HF_OK);
    assert_string_equal(out->order_id, "o");
    assert_int_equal(out->state, HF_STATE_DEDUCTED);
    assert_int_equal(out->line_count, 1);
    assert_int_equal(out->lines[0].reserved, 10);
    assert_int_equal(out->lines[0].deducted, 4);
    assert_int_equal(out->lines[0].released, 3);
    assert_int_equal(out->lines[0].expired, 2);
    assert_int_equal(out->lines[0].returned, 1);
    assert_int_equal(out->lines[0].open, 5);
    assert_int_equal(out->created_at_ms, 1000);
    assert_int_equal(out->expires_at_ms, 2000);
    assert_int_equal(out->closed_at_ms, 3000);
    assert_string_equal(out->actor, "shop");
    assert_string_equal(out->reason, "");
    assert_int_equal(out->log_index, 12);
    assert_int_equal(out->age_ms, SOME_AGE_MS);
    reply.order = NULL;
    assert_int_equal(decode(&REPLY_ORDER, out, &reply.base), HF_VERDICT_UNSPECIFIED);
    reply.verdict = HOLDFAST__V1__VERDICT__ORDER_NOT_FOUND;
    assert_int_equal(decode(&REPLY_ORDER, out, &reply.base), HF_ORDER_NOT_FOUND);
    hf_free(out);
}

static void history_has_every_field(void **state)
{
    (void)state;
    Google__Protobuf__Timestamp at = timestamp(4, 0);
    Holdfast__V1__HistoryRow row = HOLDFAST__V1__HISTORY_ROW__INIT;
    Holdfast__V1__HistoryRow *rows[] = {&row};
    row.log_index = 1;
    row.sub = 2;
    row.op = HOLDFAST__V1__HISTORY_ROW__OP__DEDUCT;
    row.on_hand_change = -3;
    row.on_hand_before = 4;
    row.on_hand_after = 1;
    row.reserved_change = -5;
    row.reserved_before = 6;
    row.reserved_after = 7;
    row.order_id = "o";
    row.request_id = "r";
    row.time = &at;
    row.trace_id = "t";
    Holdfast__V1__ListHistoryResponse reply = HOLDFAST__V1__LIST_HISTORY_RESPONSE__INIT;
    reply.verdict = HOLDFAST__V1__VERDICT__OK;
    reply.n_rows = 1;
    reply.rows = rows;
    reply.next_page_token = "n";
    Google__Protobuf__Duration age = some_age();
    reply.age = &age;
    hf_history *history = object_new(REPLY_HISTORY.size, 0);
    assert_int_equal(decode(&REPLY_HISTORY, history, &reply.base), HF_OK);
    assert_int_equal(history->count, 1);
    assert_int_equal(history->age_ms, SOME_AGE_MS);
    const hf_history_row *out = &history->rows[0];
    assert_int_equal(out->log_index, 1);
    assert_int_equal(out->sub, 2);
    assert_int_equal(out->op, HF_OP_DEDUCT);
    assert_int_equal(out->on_hand_change, -3);
    assert_int_equal(out->on_hand_before, 4);
    assert_int_equal(out->on_hand_after, 1);
    assert_int_equal(out->reserved_change, -5);
    assert_int_equal(out->reserved_before, 6);
    assert_int_equal(out->reserved_after, 7);
    assert_string_equal(out->order_id, "o");
    assert_string_equal(out->request_id, "r");
    assert_int_equal(out->time_ms, 4000);
    assert_string_equal(out->actor, "");
    assert_string_equal(out->trace_id, "t");
    assert_string_equal(history->next_page_token, "n");
    hf_free(history);
}

static void a_status_has_every_field(void **state)
{
    (void)state;
    Holdfast__V1__Member member = HOLDFAST__V1__MEMBER__INIT;
    Holdfast__V1__Member *members[] = {&member};
    member.node_id = 2;
    member.role = HOLDFAST__V1__MEMBER__ROLE__VOTER;
    member.peer_address = "p:1";
    member.client_address = "c:1";
    member.connected = true;
    member.match_index = 9;
    Holdfast__V1__StatusResponse reply = HOLDFAST__V1__STATUS_RESPONSE__INIT;
    reply.cluster_id = "cluster";
    reply.node_id = 1;
    reply.version = "0.1.0";
    reply.state = HOLDFAST__V1__STATUS_RESPONSE__STATE__LEADER;
    reply.term = 3;
    reply.leader_id = 1;
    reply.leader_client_address = "l:1";
    reply.commit_index = 4;
    reply.applied_index = 5;
    reply.last_index = 6;
    reply.digest = "d";
    reply.n_members = 1;
    reply.members = members;
    reply.incarnation = "i";
    reply.disk_free_bytes = 3;
    reply.disk_reserve_bytes = 4;
    reply.refuses = "full";
    reply.log_first_index = 7;
    reply.log_bytes = 8;
    reply.snapshot_index = 9;
    reply.transferring_to = 2;
    Holdfast__V1__Fetching fetching = HOLDFAST__V1__FETCHING__INIT;
    fetching.from_node_id = 3;
    fetching.bytes_done = 10;
    fetching.bytes_total = 11;
    reply.fetching = &fetching;
    member.heard = true;
    member.last_contact_ms = 12;
    reply.digest_compared_index = 7;
    reply.digests_agree = true;
    reply.digest_alarm = "alarm";
    hf_status *status = object_new(REPLY_STATUS.size, 0);
    assert_int_equal(decode(&REPLY_STATUS, status, &reply.base), HF_OK);
    assert_string_equal(status->cluster_id, "cluster");
    assert_int_equal(status->node_id, 1);
    assert_string_equal(status->version, "0.1.0");
    assert_int_equal(status->state, HF_SERVER_LEADER);
    assert_int_equal(status->term, 3);
    assert_int_equal(status->leader_id, 1);
    assert_string_equal(status->leader_client_address, "l:1");
    assert_int_equal(status->commit_index, 4);
    assert_int_equal(status->applied_index, 5);
    assert_int_equal(status->last_index, 6);
    assert_string_equal(status->digest, "d");
    assert_string_equal(status->incarnation, "i");
    assert_int_equal(status->disk_free_bytes, 3);
    assert_int_equal(status->disk_reserve_bytes, 4);
    assert_string_equal(status->refuses, "full");
    assert_int_equal(status->log_first_index, 7);
    assert_int_equal(status->log_bytes, 8);
    assert_int_equal(status->snapshot_index, 9);
    assert_int_equal(status->transferring_to, 2);
    assert_non_null(status->fetching);
    assert_int_equal(status->fetching->from_node_id, 3);
    assert_int_equal(status->fetching->bytes_done, 10);
    assert_int_equal(status->fetching->bytes_total, 11);
    assert_true(status->members[0].heard);
    assert_int_equal(status->members[0].last_contact_ms, 12);
    assert_int_equal(status->digest_compared_index, 7);
    assert_true(status->digests_agree);
    assert_string_equal(status->digest_alarm, "alarm");
    assert_int_equal(status->member_count, 1);
    assert_int_equal(status->members[0].role, HF_ROLE_VOTER);
    assert_string_equal(status->members[0].client_address, "c:1");
    assert_true(status->members[0].connected);
    assert_int_equal(status->members[0].match_index, 9);
    hf_free(status);
}

static void a_verification_is_sound_only_without_any_finding(void **state)
{
    (void)state;
    Holdfast__V1__VerifyResponse reply = HOLDFAST__V1__VERIFY_RESPONSE__INIT;
    reply.digest = "d";
    reply.recomputed_digest = "d";
    reply.stocks = 1;
    reply.orders = 2;
    reply.history_rows = 3;
    hf_verification *verification = object_new(REPLY_VERIFICATION.size, 0);
    assert_int_equal(decode(&REPLY_VERIFICATION, verification, &reply.base), HF_OK);
    assert_true(verification->sound);
    assert_int_equal(verification->history_rows, 3);
    reply.recomputed_digest = "e";
    assert_int_equal(decode(&REPLY_VERIFICATION, verification, &reply.base), HF_OK);
    assert_false(verification->sound);
    reply.recomputed_digest = "d";
    reply.violation_count = 1;
    char *violations[] = {"on_hand below 0"};
    reply.n_violations = 1;
    reply.violations = violations;
    assert_int_equal(decode(&REPLY_VERIFICATION, verification, &reply.base), HF_OK);
    assert_false(verification->sound);
    assert_string_equal(verification->violations[0], "on_hand below 0");
    hf_free(verification);
}

/* Every prefix of a reply, and the reply with every byte flipped: whatever comes out, it comes out.
 */
static void damaged_replies_do_no_harm(void **state)
{
    (void)state;
    Holdfast__V1__Stock stock = some_stock("A-rather-long-sku");
    Holdfast__V1__FailedLine line = HOLDFAST__V1__FAILED_LINE__INIT;
    line.sku = "B";
    Holdfast__V1__FailedLine *lines[] = {&line, &line};
    Holdfast__V1__CommandResult item = HOLDFAST__V1__COMMAND_RESULT__INIT;
    item.verdict = HOLDFAST__V1__VERDICT__OK;
    item.n_failed_lines = 2;
    item.failed_lines = lines;
    item.stock = &stock;
    Holdfast__V1__CommandResult *items[] = {&item, &item};
    Holdfast__V1__ExecuteResponse reply = HOLDFAST__V1__EXECUTE_RESPONSE__INIT;
    reply.n_results = 2;
    reply.results = items;
    struct buffer bytes = packed(&reply.base);
    int refused = 0;
    for (size_t i = 0; i < bytes.len; i++) {
        for (unsigned flip = 0; flip < 256; flip += 17) {
            bytes.data[i] ^= (uint8_t)flip;
            hf_results *results = object_new(REPLY_RESULTS.size, 0);
            decode_prepare_results(results, 2);
            struct bytes whole = bytes_of(bytes.data, bytes.len);
            refused += REPLY_RESULTS.decode(results, whole, 1, &error) == 0;
            REPLY_RESULTS.decode(results, bytes_of(bytes.data, i), 1, &error);
            hf_free(results);
            bytes.data[i] ^= (uint8_t)flip;
        }
    }
    assert_in_range(refused, 1, (int)bytes.len * 16);
    buffer_free(&bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_result_has_every_field),
        cmocka_unit_test(times_beyond_the_range_are_clamped),
        cmocka_unit_test(an_empty_reply_is_no_success),
        cmocka_unit_test(a_negative_verdict_on_the_wire_is_no_reply),
        cmocka_unit_test(a_batch_tells_its_first_refusal),
        cmocka_unit_test(stocks_keep_their_keys),
        cmocka_unit_test(a_page_has_its_token),
        cmocka_unit_test(availability_is_the_first_failing_reason),
        cmocka_unit_test(an_order_has_every_field),
        cmocka_unit_test(history_has_every_field),
        cmocka_unit_test(a_status_has_every_field),
        cmocka_unit_test(a_verification_is_sound_only_without_any_finding),
        cmocka_unit_test(damaged_replies_do_no_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
