/*
 * test_encode.c - commands and reads as bytes: every field arrives, identities are made once, and
 * what would be lost or can't be sent is refused with a reason.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "encode.h"
#include "holdfast/v1/ledger.pb-c.h"

#define NOW_MS 1700000000123

static const struct encode_defaults DEFAULTS = {.actor = "shop", .now_ms = NOW_MS};
static const hf_line NO_SKU[] = {{NULL, 1, 1}};
static const hf_line LINES[] = {{"A", 1, 2}, {"b\xc3\xa9", 0, 9007199254740991}};

struct fixture {
    struct buffer out;
    struct error error;
    hf_results *results; /* an object, for its arena */
    hf_result result;
};

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    fixture->results = object_new(sizeof(hf_results), 0);
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    buffer_free(&fixture->out);
    hf_free(fixture->results);
    free(fixture);
    return 0;
}

static bool encode(struct fixture *fixture, const hf_command *command)
{
    buffer_clear(&fixture->out);
    fixture->result = (hf_result){0};
    return encode_command(&fixture->out, command, &DEFAULTS, &fixture->result,
                          object_arena(fixture->results), &fixture->error);
}

static void assert_common(const char *request_id, const Google__Protobuf__Timestamp *requested_at,
                          const char *actor, const char *reason, const char *remark,
                          const char *trace_id)
{
    assert_string_equal(request_id, "request-1");
    assert_int_equal(requested_at->seconds, 1600000000);
    assert_int_equal(requested_at->nanos, 5000000);
    assert_string_equal(actor, "clerk");
    assert_string_equal(reason, "RECEIVE");
    assert_string_equal(remark, "dock 4");
    assert_string_equal(trace_id, "t-1");
}

#define ASSERT_COMMON(message)                                                                     \
    assert_common((message)->request_id, (message)->requested_at, (message)->actor,                \
                  (message)->reason, (message)->remark, (message)->trace_id)

#define COMMON                                                                                     \
    .request_id = "request-1", .requested_at_ms = 1600000000005, .actor = "clerk",                 \
    .reason = "RECEIVE", .remark = "dock 4", .trace_id = "t-1"

static void set_stock_has_every_field(void **state)
{
    struct fixture *fixture = *state;
    hf_command command = {.kind = HF_SET_STOCK,
                          .sku = "A",
                          .warehouse = 7,
                          .quantity = 5,
                          .has_expected_version = true,
                          .expected_version = 0,
                          COMMON};
    assert_true(encode(fixture, &command));
    assert_string_equal(encode_command_path(HF_SET_STOCK), "/holdfast.v1.Ledger/SetStock");
    Holdfast__V1__SetStockRequest *message =
        holdfast__v1__set_stock_request__unpack(NULL, fixture->out.len, fixture->out.data);
    assert_non_null(message);
    assert_string_equal(message->sku, "A");
    assert_int_equal(message->warehouse, 7);
    assert_int_equal(message->on_hand, 5);
    assert_int_equal(message->expected_case,
                     HOLDFAST__V1__SET_STOCK_REQUEST__EXPECTED_EXPECTED_VERSION);
    assert_int_equal(message->expected_version, 0); /* must not exist: said, though it is 0 */
    ASSERT_COMMON(message);
    holdfast__v1__set_stock_request__free_unpacked(message, NULL);
    assert_string_equal(fixture->result.request_id, "request-1");
    assert_int_equal(fixture->result.requested_at_ms, 1600000000005);
}

static void adjust_stock_has_every_field(void **state)
{
    struct fixture *fixture = *state;
    hf_command command = {.kind = HF_ADJUST_STOCK, .sku = "A", .quantity = -5, COMMON};
    assert_true(encode(fixture, &command));
    assert_string_equal(encode_command_path(HF_ADJUST_STOCK), "/holdfast.v1.Ledger/AdjustStock");
    Holdfast__V1__AdjustStockRequest *message =
        holdfast__v1__adjust_stock_request__unpack(NULL, fixture->out.len, fixture->out.data);
    assert_non_null(message);
    assert_int_equal(message->change, -5);
    assert_int_equal(message->expected_case, HOLDFAST__V1__ADJUST_STOCK_REQUEST__EXPECTED__NOT_SET);
    ASSERT_COMMON(message);
    holdfast__v1__adjust_stock_request__free_unpacked(message, NULL);

    command.has_expected_version = true;
    command.expected_version = UINT64_MAX;
    assert_true(encode(fixture, &command));
    message = holdfast__v1__adjust_stock_request__unpack(NULL, fixture->out.len, fixture->out.data);
    assert_non_null(message);
    assert_true(message->expected_version == UINT64_MAX);
    holdfast__v1__adjust_stock_request__free_unpacked(message, NULL);
}

static void reserve_has_every_field(void **state)
{
    struct fixture *fixture = *state;
    hf_command command = {.kind = HF_RESERVE,
                          .order_id = "order-1",
                          .lines = LINES,
                          .line_count = 2,
                          .ttl_ms = 90500,
                          .add_lines = true,
                          COMMON};
    assert_true(encode(fixture, &command));
    assert_string_equal(encode_command_path(HF_RESERVE), "/holdfast.v1.Ledger/Reserve");
    Holdfast__V1__ReserveRequest *message =
        holdfast__v1__reserve_request__unpack(NULL, fixture->out.len, fixture->out.data);
    assert_non_null(message);
    assert_string_equal(message->order_id, "order-1");
    assert_int_equal(message->n_lines, 2);
    assert_string_equal(message->lines[0]->sku, "A");
    assert_int_equal(message->lines[0]->warehouse, 1);
    assert_int_equal(message->lines[0]->quantity, 2);
    assert_string_equal(message->lines[1]->sku, "b\xc3\xa9");
    assert_int_equal(message->lines[1]->quantity, 9007199254740991);
    assert_int_equal(message->ttl->seconds, 90);
    assert_int_equal(message->ttl->nanos, 500000000);
    assert_int_equal(message->mode, HOLDFAST__V1__RESERVE_REQUEST__MODE__ADD_LINES);
    ASSERT_COMMON(message);
    holdfast__v1__reserve_request__free_unpacked(message, NULL);
}

static void deduct_and_release_have_every_field(void **state)
{
    struct fixture *fixture = *state;
    hf_command command = {.kind = HF_DEDUCT,
                          .order_id = "order-1",
                          .lines = LINES,
                          .line_count = 1,
                          .final = true,
                          .reacquire = true,
                          COMMON};
    assert_true(encode(fixture, &command));
    assert_string_equal(encode_command_path(HF_DEDUCT), "/holdfast.v1.Ledger/Deduct");
    Holdfast__V1__DeductRequest *deduct =
        holdfast__v1__deduct_request__unpack(NULL, fixture->out.len, fixture->out.data);
    assert_non_null(deduct);
    assert_int_equal(deduct->n_lines, 1);
    assert_true(deduct->final);
    assert_true(deduct->reacquire);
    ASSERT_COMMON(deduct);
    holdfast__v1__deduct_request__free_unpacked(deduct, NULL);

    command.kind = HF_RELEASE;
    command.final = false;
    command.reacquire = false;
    assert_true(encode(fixture, &command));
    assert_string_equal(encode_command_path(HF_RELEASE), "/holdfast.v1.Ledger/Release");
    Holdfast__V1__ReleaseRequest *release =
        holdfast__v1__release_request__unpack(NULL, fixture->out.len, fixture->out.data);
    assert_non_null(release);
    assert_string_equal(release->order_id, "order-1");
    assert_int_equal(release->n_lines, 1);
    ASSERT_COMMON(release);
    holdfast__v1__release_request__free_unpacked(release, NULL);
}

static void absent_fields_get_their_defaults(void **state)
{
    struct fixture *fixture = *state;
    hf_command command = {.kind = HF_RESERVE, .order_id = "o", .lines = LINES, .line_count = 1};
    assert_true(encode(fixture, &command));
    Holdfast__V1__ReserveRequest *message =
        holdfast__v1__reserve_request__unpack(NULL, fixture->out.len, fixture->out.data);
    assert_non_null(message);
    assert_null(message->ttl);
    assert_string_equal(message->actor, "shop"); /* the client's */
    assert_string_equal(message->request_id, fixture->result.request_id);
    assert_false(message->resent);
    assert_string_equal(message->reason, "");
    assert_int_equal(message->requested_at->seconds, NOW_MS / 1000);
    assert_int_equal(message->requested_at->nanos, NOW_MS % 1000 * 1000000);
    holdfast__v1__reserve_request__free_unpacked(message, NULL);
    assert_int_equal(fixture->result.requested_at_ms, NOW_MS);
}

static void request_ids_are_made_for_every_command(void **state)
{
    struct fixture *fixture = *state;
    static const hf_command commands[] = {
        {.kind = HF_SET_STOCK, .sku = "A"},
        {.kind = HF_ADJUST_STOCK, .sku = "A", .quantity = 1},
        {.kind = HF_RESERVE, .order_id = "o", .lines = LINES, .line_count = 1},
        {.kind = HF_DEDUCT, .order_id = "o"},
        {.kind = HF_DEDUCT, .order_id = "o", .lines = LINES, .line_count = 1},
        {.kind = HF_RELEASE, .order_id = "o"},
    };
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        assert_true(encode(fixture, &commands[i]));
        const char *first = fixture->result.request_id;
        assert_int_equal(strlen(first), 20);
        assert_int_equal(strspn(first, "0123456789abcdefghjkmnpqrstvwxyz"), 20);
        assert_true(encode(fixture, &commands[i]));
        assert_string_not_equal(fixture->result.request_id, first); /* another command */
    }
}

static void what_is_resent_says_so_at_its_end(void **state)
{
    struct fixture *fixture = *state;
    hf_command command = {.kind = HF_RESERVE, .order_id = "o", .lines = LINES, .line_count = 1};
    assert_true(encode(fixture, &command));
    encode_resent(&fixture->out);
    Holdfast__V1__ReserveRequest *reserve =
        holdfast__v1__reserve_request__unpack(NULL, fixture->out.len, fixture->out.data);
    assert_non_null(reserve);
    assert_true(reserve->resent);
    assert_int_equal(reserve->n_lines, 1);
    assert_int_equal(reserve->base.n_unknown_fields, 0);
    holdfast__v1__reserve_request__free_unpacked(reserve, NULL);
    hf_result results[1] = {{0}};
    buffer_clear(&fixture->out);
    assert_true(encode_batch(&fixture->out, &command, 1, &DEFAULTS, results,
                             object_arena(fixture->results), &fixture->error));
    encode_resent(&fixture->out);
    Holdfast__V1__ExecuteRequest *batch =
        holdfast__v1__execute_request__unpack(NULL, fixture->out.len, fixture->out.data);
    assert_non_null(batch);
    assert_true(batch->resent);
    assert_int_equal(batch->n_commands, 1);
    assert_int_equal(batch->base.n_unknown_fields, 0);
    holdfast__v1__execute_request__free_unpacked(batch, NULL);
}

static void what_would_be_lost_is_refused(void **state)
{
    struct fixture *fixture = *state;
    static const struct {
        hf_command command;
        const char *text;
    } cases[] = {
        {{.kind = 0}, "kind 0 is no kind"},
        {{.kind = (hf_command_kind)6}, "kind 6 is no kind"},
        {{.kind = HF_SET_STOCK, .quantity = 1}, "SetStock needs sku"},
        {{.kind = HF_SET_STOCK, .sku = "A", .ttl_ms = 1}, "SetStock does not take ttl_ms"},
        {{.kind = HF_SET_STOCK, .sku = "A", .order_id = "o"}, "SetStock does not take order_id"},
        {{.kind = HF_ADJUST_STOCK, .sku = "A"}, "AdjustStock needs quantity"},
        {{.kind = HF_RESERVE, .lines = LINES, .line_count = 1}, "Reserve needs order_id"},
        {{.kind = HF_RESERVE, .order_id = "o"}, "Reserve needs lines"},
        {{.kind = HF_RESERVE, .order_id = "o", .lines = LINES, .line_count = 1, .final = true},
         "Reserve does not take final"},
        {{.kind = HF_RESERVE, .order_id = "o", .lines = LINES, .line_count = 1, .quantity = 1},
         "Reserve does not take quantity"},
        {{.kind = HF_RESERVE, .order_id = "o", .lines = LINES, .line_count = 1, .warehouse = 1},
         "Reserve does not take warehouse"},
        {{.kind = HF_RESERVE, .order_id = "o", .line_count = 1}, "lines is NULL"},
        {{.kind = HF_RESERVE, .order_id = "o", .lines = LINES, .line_count = LIMIT_LINES + 1},
         "10001 lines"},
        {{.kind = HF_RESERVE, .order_id = "o", .lines = NO_SKU, .line_count = 1},
         "lines[0].sku is NULL"},
        {{.kind = HF_DEDUCT}, "Deduct needs order_id"},
        {{.kind = HF_DEDUCT, .order_id = "o", .add_lines = true}, "Deduct does not take add_lines"},
        {{.kind = HF_DEDUCT, .order_id = "o", .sku = "A"}, "Deduct does not take sku"},
        {{.kind = HF_RELEASE, .order_id = "o", .reacquire = true},
         "Release does not take reacquire"},
        {{.kind = HF_RELEASE, .order_id = "o", .has_expected_version = true},
         "Release does not take has_expected_version"},
        {{.kind = HF_RELEASE, .order_id = "o", .request_id = ""}, "request_id is empty"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_false(encode(fixture, &cases[i].command));
        if (strstr(fixture->error.text, cases[i].text) == NULL) {
            fail_msg("case %zu: \"%s\", expected \"%s\"", i, fixture->error.text, cases[i].text);
        }
        assert_int_equal(fixture->out.len, 0);
    }
    assert_false(encode(fixture, NULL));
}

static void a_request_beyond_a_message_is_refused(void **state)
{
    struct fixture *fixture = *state;
    char *sku = malloc(LIMIT_MESSAGE_BYTES + 1);
    memset(sku, 'x', LIMIT_MESSAGE_BYTES);
    sku[LIMIT_MESSAGE_BYTES] = '\0';
    hf_command command = {.kind = HF_SET_STOCK, .sku = sku};
    assert_false(encode(fixture, &command));
    assert_non_null(strstr(fixture->error.text, "at most 4194301"));
    sku[LIMIT_MESSAGE_BYTES - 1000] = '\0';
    assert_true(encode(fixture, &command));
    /* As long as can be: there is room for `resent`, and no more. */
    sku[LIMIT_MESSAGE_BYTES - 1000] = 'x';
    size_t len = LIMIT_MESSAGE_BYTES - 1000 + (LIMIT_MESSAGE_BYTES - 3 - fixture->out.len);
    sku[len] = '\0';
    assert_true(encode(fixture, &command));
    encode_resent(&fixture->out);
    assert_int_equal(fixture->out.len, LIMIT_MESSAGE_BYTES);
    sku[len] = 'x';
    sku[len + 1] = '\0';
    assert_false(encode(fixture, &command));
    free(sku);
}

static void a_batch_has_all_commands_in_order(void **state)
{
    struct fixture *fixture = *state;
    const hf_command commands[] = {
        {.kind = HF_RESERVE, .order_id = "o", .lines = LINES, .line_count = 2},
        {.kind = HF_SET_STOCK, .sku = "A", .quantity = 3},
        {.kind = HF_DEDUCT, .order_id = "o"},
        {.kind = HF_RELEASE, .order_id = "o"},
        {.kind = HF_ADJUST_STOCK, .sku = "A", .quantity = 1, .reason = "RETURN"},
    };
    hf_result results[5] = {{0}};
    assert_true(encode_batch(&fixture->out, commands, 5, &DEFAULTS, results,
                             object_arena(fixture->results), &fixture->error));
    Holdfast__V1__ExecuteRequest *message =
        holdfast__v1__execute_request__unpack(NULL, fixture->out.len, fixture->out.data);
    assert_non_null(message);
    assert_int_equal(message->n_commands, 5);
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(message->commands[i]->command_case, commands[i].kind);
    }
    assert_int_equal(message->commands[0]->reserve->n_lines, 2);
    assert_string_equal(message->commands[1]->set_stock->request_id, results[1].request_id);
    assert_string_equal(message->commands[4]->adjust_stock->request_id, results[4].request_id);
    assert_string_not_equal(results[1].request_id, results[4].request_id);
    assert_string_equal(message->commands[4]->adjust_stock->reason, "RETURN");
    holdfast__v1__execute_request__free_unpacked(message, NULL);
}

static void a_batch_is_refused_whole(void **state)
{
    struct fixture *fixture = *state;
    hf_command commands[3] = {
        {.kind = HF_DEDUCT, .order_id = "o"},
        {.kind = HF_DEDUCT},
        {.kind = HF_DEDUCT, .order_id = "o"},
    };
    hf_result results[3] = {{0}};
    assert_false(encode_batch(&fixture->out, commands, 3, &DEFAULTS, results,
                              object_arena(fixture->results), &fixture->error));
    assert_string_equal(fixture->error.text, "commands[1]: Deduct needs order_id");

    hf_line *lines = calloc(LIMIT_LINES, sizeof(*lines));
    for (size_t i = 0; i < LIMIT_LINES; i++) {
        lines[i] = (hf_line){"A", 1, 1};
    }
    commands[1] = (hf_command){
        .kind = HF_RESERVE, .order_id = "o", .lines = lines, .line_count = LIMIT_LINES};
    assert_true(encode_batch(&fixture->out, commands, 3, &DEFAULTS, results,
                             object_arena(fixture->results), &fixture->error));
    commands[2] =
        (hf_command){.kind = HF_RESERVE, .order_id = "p", .lines = lines, .line_count = 1};
    assert_false(encode_batch(&fixture->out, commands, 3, &DEFAULTS, results,
                              object_arena(fixture->results), &fixture->error));
    assert_non_null(strstr(fixture->error.text, "10001 lines together"));
    free(lines);
}

static const struct encode_freshness LINEARIZABLE = {.consistency = HF_LINEARIZABLE};
static const struct encode_freshness STALE = {HF_STALE, UINT64_MAX};

#define ASSERT_STALE(request)                                                                      \
    do {                                                                                           \
        assert_int_equal((request)->consistency, HOLDFAST__V1__CONSISTENCY__STALE);                \
        assert_true((request)->min_log_index == UINT64_MAX);                                       \
    } while (0)

static void reads_have_every_field(void **state)
{
    struct fixture *fixture = *state;
    struct buffer *out = &fixture->out;
    struct error *error = &fixture->error;
    const hf_stock_key keys[] = {{"A", 2}, {"B", 0}};

    assert_true(encode_get_stock(out, &keys[0], &LINEARIZABLE, error));
    Holdfast__V1__GetStockRequest *stock =
        holdfast__v1__get_stock_request__unpack(NULL, out->len, out->data);
    assert_string_equal(stock->sku, "A");
    assert_int_equal(stock->warehouse, 2);
    assert_int_equal(stock->consistency, HOLDFAST__V1__CONSISTENCY__LINEARIZABLE);
    assert_int_equal(stock->min_log_index, 0);
    holdfast__v1__get_stock_request__free_unpacked(stock, NULL);

    buffer_clear(out);
    assert_true(encode_get_stock(out, &keys[0], &STALE, error));
    stock = holdfast__v1__get_stock_request__unpack(NULL, out->len, out->data);
    ASSERT_STALE(stock);
    holdfast__v1__get_stock_request__free_unpacked(stock, NULL);

    buffer_clear(out);
    assert_true(encode_get_stocks(out, keys, 2, &STALE, error));
    Holdfast__V1__BatchGetStockRequest *stocks =
        holdfast__v1__batch_get_stock_request__unpack(NULL, out->len, out->data);
    assert_int_equal(stocks->n_keys, 2);
    assert_string_equal(stocks->keys[1]->sku, "B");
    ASSERT_STALE(stocks);
    holdfast__v1__batch_get_stock_request__free_unpacked(stocks, NULL);

    buffer_clear(out);
    assert_true(encode_check_stock(out, LINES, 2, &STALE, error));
    Holdfast__V1__CheckStockRequest *check =
        holdfast__v1__check_stock_request__unpack(NULL, out->len, out->data);
    assert_int_equal(check->n_lines, 2);
    assert_int_equal(check->lines[0]->quantity, 2);
    ASSERT_STALE(check);
    holdfast__v1__check_stock_request__free_unpacked(check, NULL);

    buffer_clear(out);
    assert_true(encode_list_stock(out, 1000, "token", &STALE, error));
    Holdfast__V1__ListStockRequest *list =
        holdfast__v1__list_stock_request__unpack(NULL, out->len, out->data);
    assert_int_equal(list->page_size, 1000);
    assert_string_equal(list->page_token, "token");
    ASSERT_STALE(list);
    holdfast__v1__list_stock_request__free_unpacked(list, NULL);

    buffer_clear(out);
    assert_true(encode_get_order(out, "o", &STALE, error));
    Holdfast__V1__GetOrderRequest *order =
        holdfast__v1__get_order_request__unpack(NULL, out->len, out->data);
    assert_string_equal(order->order_id, "o");
    ASSERT_STALE(order);
    holdfast__v1__get_order_request__free_unpacked(order, NULL);

    buffer_clear(out);
    assert_true(encode_list_history(out, &keys[0], 5, NULL, &STALE, error));
    Holdfast__V1__ListHistoryRequest *history =
        holdfast__v1__list_history_request__unpack(NULL, out->len, out->data);
    assert_string_equal(history->sku, "A");
    assert_int_equal(history->warehouse, 2);
    assert_int_equal(history->page_size, 5);
    assert_string_equal(history->page_token, "");
    ASSERT_STALE(history);
    holdfast__v1__list_history_request__free_unpacked(history, NULL);
}

static void reads_without_what_they_need_are_refused(void **state)
{
    struct fixture *fixture = *state;
    struct buffer *out = &fixture->out;
    struct error *error = &fixture->error;
    const hf_stock_key keys[] = {{"A", 2}, {NULL, 0}};
    assert_false(encode_get_stock(out, &keys[1], &STALE, error));
    assert_false(encode_get_stocks(out, keys, 2, &STALE, error));
    assert_string_equal(error->text, "keys[1]: sku is NULL");
    assert_false(encode_check_stock(out, LINES, 0, &STALE, error));
    assert_false(encode_check_stock(out, NULL, 1, &STALE, error));
    assert_false(encode_list_stock(out, LIMIT_PAGE_ROWS + 1, NULL, &STALE, error));
    assert_false(encode_get_order(out, NULL, &STALE, error));
    assert_false(encode_list_history(out, &keys[1], 0, NULL, &STALE, error));
    assert_false(encode_list_history(out, &keys[0], LIMIT_PAGE_ROWS + 1, NULL, &STALE, error));
    assert_int_equal(out->len, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(set_stock_has_every_field),
        TEST(adjust_stock_has_every_field),
        TEST(reserve_has_every_field),
        TEST(deduct_and_release_have_every_field),
        TEST(absent_fields_get_their_defaults),
        TEST(request_ids_are_made_for_every_command),
        TEST(what_is_resent_says_so_at_its_end),
        TEST(what_would_be_lost_is_refused),
        TEST(a_request_beyond_a_message_is_refused),
        TEST(a_batch_has_all_commands_in_order),
        TEST(a_batch_is_refused_whole),
        TEST(reads_have_every_field),
        TEST(reads_without_what_they_need_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
