/*
 * test_client.c - calls of the library that wait: what is given again and under which identity,
 * where it goes, what is told when. Calls without waiting and threads are test_client_async.c's.
 */
#include "client_fixture.h"

#include <string.h>
#include <time.h>

#include "holdfast/v1/ledger.pb-c.h"

#define SHORT_MS 300

static const hf_line LINES[] = {{"A", 1, 2}, {"B", 1, 1}};

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Not before the deadline, but for the time that a last attempt would have needed; and not long
 * after it. */
static void assert_took_short(int64_t began_ms)
{
    assert_in_range(now_ms() - began_ms, SHORT_MS - 70, SHORT_MS + 2000);
}

static hf_verdict reserve(struct client_fixture *fixture, hf_result **out)
{
    return hf_reserve(fixture->client, "order", LINES, 2, 0, out);
}

static hf_verdict reserve_within(struct client_fixture *fixture, uint32_t timeout_ms,
                                 hf_result **out)
{
    hf_command command = {.kind = HF_RESERVE, .order_id = "order", .lines = LINES, .line_count = 2};
    hf_call_options options = {.timeout_ms = timeout_ms};
    return hf_call(fixture->client, &command, &options, out);
}

static const struct fake_step UNAVAILABLE = {.what = FAKE_FAIL, .status = RPC_UNAVAILABLE};
static const struct fake_step UNKNOWN = {.what = FAKE_FAIL, .status = RPC_UNKNOWN};
static const struct fake_step EXHAUSTED = {.what = FAKE_FAIL, .status = RPC_RESOURCE_EXHAUSTED};
static const struct fake_step HOLD = {.what = FAKE_HOLD};
static const struct fake_step CUT = {.what = FAKE_CUT};

/* ---- answers ---- */

static void a_verdict_is_the_return_value(void **state)
{
    struct client_fixture *fixture = *state;
    hf_result *result = NULL;
    assert_int_equal(reserve(fixture, &result), HF_OK);
    assert_int_equal(result->verdict, HF_OK);
    assert_int_equal(result->attempts, 1);
    assert_int_equal(result->log_index, 1);
    assert_string_equal(result->message, "as the script says");
    assert_int_equal(strlen(result->request_id), 20);
    hf_free(result);

    fake_cluster_next(fixture->nodes, 0, (struct fake_step){.verdict = HF_INSUFFICIENT_STOCK});
    assert_int_equal(hf_deduct(fixture->client, "order", NULL), HF_INSUFFICIENT_STOCK);
    fake_cluster_next(fixture->nodes, 0, (struct fake_step){.verdict = 99});
    assert_int_equal(hf_release(fixture->client, "order", NULL), 99);
    assert_int_equal(hf_set_stock(fixture->client, "A", 1, 5, NULL, NULL), HF_OK);
    assert_int_equal(hf_adjust_stock(fixture->client, "A", 1, 5, "RECEIVE", "r", NULL), HF_OK);
    static const char *const paths[] = {"Reserve", "Deduct", "Release", "SetStock", "AdjustStock"};
    assert_int_equal(fake_cluster_count(fixture->nodes), 5);
    for (size_t i = 0; i < 5; i++) {
        const char *path = fake_cluster_request(fixture->nodes, i)->path;
        assert_string_equal(strrchr(path, '/') + 1, paths[i]);
    }
}

static void a_batch_has_a_verdict_for_each(void **state)
{
    struct client_fixture *fixture = *state;
    hf_command commands[3] = {
        {.kind = HF_RESERVE, .order_id = "o", .lines = LINES, .line_count = 2},
        {.kind = HF_DEDUCT, .order_id = "o"},
        {.kind = HF_SET_STOCK, .sku = "A", .quantity = 1},
    };
    hf_results *results = NULL;
    assert_int_equal(hf_execute(fixture->client, commands, 3, NULL, &results), HF_OK);
    assert_int_equal(results->count, 3);
    for (uint32_t i = 0; i < 3; i++) {
        assert_int_equal(results->items[i].verdict, HF_OK);
        assert_int_equal(results->items[i].log_position, i);
    }
    assert_int_equal(strlen(results->items[0].request_id), 20);
    assert_int_equal(strlen(results->items[2].request_id), 20);
    hf_free(results);
    assert_string_equal(fake_cluster_request(fixture->nodes, 0)->path,
                        "/holdfast.v1.Ledger/Execute");

    fake_cluster_next(fixture->nodes, 0, (struct fake_step){.verdict = HF_ORDER_CONFLICT});
    assert_int_equal(hf_execute(fixture->client, commands, 3, NULL, NULL), HF_ORDER_CONFLICT);
    assert_int_equal(hf_execute(fixture->client, commands, 1, NULL, &results), HF_OK);
    assert_int_equal(results->count, 1);
    hf_free(results);
    assert_string_equal(fake_cluster_request(fixture->nodes, 2)->path,
                        "/holdfast.v1.Ledger/Reserve");
}

static void every_read_has_its_reply(void **state)
{
    struct client_fixture *fixture = *state;
    hf_stock_list *list = NULL;
    assert_int_equal(hf_get_stock(fixture->client, "A", 0, NULL, &list), HF_OK);
    assert_int_equal(list->count, 1);
    assert_int_equal(list->items[0].stock.on_hand, 7);
    assert_string_equal(list->items[0].stock.sku, "A");
    hf_free(list);
    fake_cluster_next(fixture->nodes, 0, (struct fake_step){.verdict = HF_SKU_NOT_FOUND});
    assert_int_equal(hf_get_stock(fixture->client, "A", 0, NULL, NULL), HF_SKU_NOT_FOUND);

    const hf_stock_key keys[] = {{"A", 1}, {"B", 2}};
    assert_int_equal(hf_get_stocks(fixture->client, keys, 2, NULL, &list), HF_OK);
    assert_int_equal(list->count, 2);
    assert_string_equal(list->items[1].stock.sku, "B");
    hf_free(list);
    assert_int_equal(hf_list_stock(fixture->client, 10, NULL, NULL, &list), HF_OK);
    assert_string_equal(list->next_page_token, "more");
    hf_free(list);

    hf_availability *availability = NULL;
    assert_int_equal(hf_check_stock(fixture->client, LINES, 2, NULL, &availability), HF_OK);
    assert_true(availability->log_index > 0);
    hf_free(availability);
    hf_order *order = NULL;
    assert_int_equal(hf_get_order(fixture->client, "order", NULL, &order), HF_OK);
    assert_int_equal(order->state, HF_STATE_ACTIVE);
    hf_free(order);
    hf_history *history = NULL;
    assert_int_equal(hf_list_history(fixture->client, "A", 1, 0, NULL, NULL, &history), HF_OK);
    assert_int_equal(history->count, 0);
    hf_free(history);
}

/* ---- giving again ---- */

/* Field 17 of every message with commands: true. */
static const uint8_t RESENT[] = {0x88, 0x01, 0x01};

/* The same bytes; from `resent` on they are followed by the word that they were sent before. */
static void assert_attempts_of_one_request(struct fake_cluster *nodes, size_t resent)
{
    const struct fake_request *first = fake_cluster_request(nodes, 0);
    for (size_t i = 1; i < fake_cluster_count(nodes); i++) {
        const struct fake_request *other = fake_cluster_request(nodes, i);
        size_t more = i >= resent ? sizeof(RESENT) : 0;
        assert_string_equal(other->path, first->path);
        assert_int_equal(other->message.len, first->message.len + more);
        assert_memory_equal(other->message.data, first->message.data, first->message.len);
        assert_memory_equal(other->message.data + first->message.len, RESENT, more);
    }
}

/* Unavailable, unknown, a cut connection, garbage: four attempts, one identity. */
static void a_retry_keeps_identity_and_time(void **state)
{
    struct client_fixture *fixture = *state;
    fake_cluster_next(fixture->nodes, 0, UNAVAILABLE);
    fake_cluster_next(fixture->nodes, 0, UNKNOWN);
    fake_cluster_next(fixture->nodes, 0, (struct fake_step){.what = FAKE_GARBAGE});
    fake_cluster_next(fixture->nodes, 0, CUT);
    hf_result *result = NULL;
    assert_int_equal(hf_set_stock(fixture->client, "A", 1, 5, NULL, &result), HF_OK);
    assert_true(result->attempts >= 5); /* more, while the node is not back yet */
    assert_int_equal(fake_cluster_count(fixture->nodes), 5);
    assert_attempts_of_one_request(fixture->nodes, 2); /* the first was surely not executed */
    const struct fake_request *last = fake_cluster_request(fixture->nodes, 4);
    Holdfast__V1__SetStockRequest *message =
        holdfast__v1__set_stock_request__unpack(NULL, last->message.len, last->message.data);
    assert_non_null(message);
    assert_string_equal(message->request_id, result->request_id);
    assert_int_equal(message->requested_at->seconds, result->requested_at_ms / 1000);
    holdfast__v1__set_stock_request__free_unpacked(message, NULL);
    hf_free(result);
}

static void a_given_identity_is_kept(void **state)
{
    struct client_fixture *fixture = *state;
    hf_command command = {.kind = HF_ADJUST_STOCK,
                          .sku = "A",
                          .quantity = -1,
                          .reason = "DAMAGE",
                          .request_id = "topic-3-offset-77",
                          .requested_at_ms = 1600000000000};
    fake_cluster_next(fixture->nodes, 0, UNKNOWN);
    hf_result *result = NULL;
    assert_int_equal(hf_call(fixture->client, &command, NULL, &result), HF_OK);
    assert_string_equal(result->request_id, "topic-3-offset-77");
    assert_int_equal(result->requested_at_ms, 1600000000000);
    hf_free(result);
    assert_attempts_of_one_request(fixture->nodes, 1);
}

static void a_refusal_of_the_arguments_is_final(void **state)
{
    struct client_fixture *fixture = *state;
    static const struct {
        enum rpc_status status;
        hf_verdict verdict;
    } cases[] = {
        {RPC_INVALID_ARGUMENT, HF_INVALID_ARGUMENT},
        {RPC_PERMISSION_DENIED, HF_DENIED},
        {RPC_UNAUTHENTICATED, HF_DENIED},
        {RPC_UNIMPLEMENTED, HF_UNSUPPORTED},
        {RPC_FAILED_PRECONDITION, HF_REFUSED},
    };
    for (size_t i = 0; i < 5; i++) {
        struct fake_step step = {.what = FAKE_FAIL, .status = cases[i].status};
        fake_cluster_next(fixture->nodes, 0, step);
        hf_result *result = NULL;
        assert_int_equal(reserve(fixture, &result), cases[i].verdict);
        assert_int_equal(result->attempts, 1);
        assert_false(result->may_have_executed);
        assert_non_null(strstr(result->message, "the script says"));
        hf_free(result);
    }
    assert_int_equal(fake_cluster_count(fixture->nodes), 5);
}

/* The first attempt may have done it, so the refusal of the second proves nothing. */
static void a_refusal_after_an_unknown_attempt_stays_unknown(void **state)
{
    struct client_fixture *fixture = *state;
    fake_cluster_next(fixture->nodes, 0, UNKNOWN);
    fake_cluster_next(fixture->nodes, 0,
                      (struct fake_step){.what = FAKE_FAIL, .status = RPC_INVALID_ARGUMENT});
    hf_result *result = NULL;
    assert_int_equal(reserve(fixture, &result), HF_OUTCOME_UNKNOWN);
    assert_true(result->may_have_executed);
    hf_free(result);
}

/* The ledger is told that the second attempt is one, and keeps its refusal for the first. */
static void a_refusal_by_the_ledger_is_final(void **state)
{
    struct client_fixture *fixture = *state;
    const struct fake_step refused = {.what = FAKE_ANSWER, .verdict = HF_INSUFFICIENT_STOCK};
    hf_result *result = NULL;
    fake_cluster_next(fixture->nodes, 0, UNAVAILABLE);
    fake_cluster_next(fixture->nodes, 0, UNKNOWN);
    fake_cluster_next(fixture->nodes, 0, refused);
    assert_int_equal(reserve(fixture, &result), HF_INSUFFICIENT_STOCK);
    assert_false(result->may_have_executed);
    assert_int_equal(result->attempts, 3);
    for (size_t i = 0; i < 3; i++) {
        const struct fake_request *request = fake_cluster_request(fixture->nodes, i);
        Holdfast__V1__ReserveRequest *message = holdfast__v1__reserve_request__unpack(
            NULL, request->message.len, request->message.data);
        assert_non_null(message);
        assert_string_equal(message->request_id, result->request_id);
        assert_int_equal(message->resent, i == 2);
        holdfast__v1__reserve_request__free_unpacked(message, NULL);
    }
    hf_free(result);
}

/* A request that says more in its second attempt than in its first gives back what it took. */
static void what_is_resent_holds_no_bytes_behind_its_end(void **state)
{
    struct client_fixture *fixture = *state;
    for (int i = 0; i < 40; i++) {
        fake_cluster_next(fixture->nodes, 0, UNKNOWN);
        assert_int_equal(reserve(fixture, NULL), HF_OK);
    }
    assert_int_equal(fake_cluster_count(fixture->nodes), 80);
    assert_int_equal(hf_get_stock(fixture->client, "A", 1, NULL, NULL), HF_OK);
}

/* Only commands have the word. */
static void a_read_goes_again_as_it_was(void **state)
{
    struct client_fixture *fixture = *state;
    fake_cluster_next(fixture->nodes, 0, UNKNOWN);
    assert_int_equal(hf_get_stock(fixture->client, "A", 1, NULL, NULL), HF_OK);
    assert_int_equal(fake_cluster_count(fixture->nodes), 2);
    assert_attempts_of_one_request(fixture->nodes, 2);
}

static void a_batch_is_resent_as_a_whole(void **state)
{
    struct client_fixture *fixture = *state;
    const hf_line line = {"A", 1, 1};
    const hf_command commands[] = {
        {.kind = HF_RESERVE, .order_id = "o-1", .lines = &line, .line_count = 1},
        {.kind = HF_RELEASE, .order_id = "o-2", .request_id = "mine"}};
    hf_results *results = NULL;
    fake_cluster_next(fixture->nodes, 0, UNKNOWN);
    assert_int_equal(hf_execute(fixture->client, commands, 2, NULL, &results), HF_OK);
    for (size_t i = 0; i < 2; i++) {
        const struct fake_request *request = fake_cluster_request(fixture->nodes, i);
        Holdfast__V1__ExecuteRequest *message = holdfast__v1__execute_request__unpack(
            NULL, request->message.len, request->message.data);
        assert_non_null(message);
        assert_int_equal(message->n_commands, 2);
        assert_int_equal(message->resent, i == 1);
        assert_string_equal(message->commands[0]->reserve->request_id,
                            results->items[0].request_id);
        assert_false(message->commands[0]->reserve->resent);
        /* An id that the program has given may have been sent before. */
        assert_string_equal(message->commands[1]->release->request_id, "mine");
        assert_true(message->commands[1]->release->resent);
        holdfast__v1__execute_request__free_unpacked(message, NULL);
    }
    hf_free(results);
}

/* ---- deadlines ---- */

static void unavailable_to_the_end_is_surely_not_executed(void **state)
{
    struct client_fixture *fixture = *state;
    fake_cluster_always(fixture->nodes, 0, UNAVAILABLE);
    hf_result *result = NULL;
    int64_t began_ms = now_ms();
    assert_int_equal(reserve_within(fixture, SHORT_MS, &result), HF_UNREACHABLE);
    assert_took_short(began_ms);
    assert_false(result->may_have_executed);
    assert_true(result->attempts > 3);
    assert_non_null(strstr(result->message, fake_cluster_address(fixture->nodes, 0)));
    hf_free(result);
}

static void one_unknown_attempt_makes_the_outcome_unknown(void **state)
{
    struct client_fixture *fixture = *state;
    fake_cluster_next(fixture->nodes, 0, UNKNOWN);
    fake_cluster_always(fixture->nodes, 0, UNAVAILABLE);
    hf_result *result = NULL;
    int64_t began_ms = now_ms();
    assert_int_equal(reserve_within(fixture, SHORT_MS, &result), HF_OUTCOME_UNKNOWN);
    assert_took_short(began_ms);
    assert_true(result->may_have_executed);
    hf_free(result);

    /* a read has no outcome */
    hf_stock_list *list = NULL;
    fake_cluster_always(fixture->nodes, 0, UNKNOWN);
    hf_call_options options = {.timeout_ms = SHORT_MS};
    assert_int_equal(hf_get_stock(fixture->client, "A", 1, &options, &list), HF_UNREACHABLE);
    assert_int_equal(list->items[0].verdict, HF_UNREACHABLE);
    hf_free(list);
}

/* The transport says UNAVAILABLE too when a connection is lost, and means less by it than a node.
 */
static void a_lost_connection_makes_the_outcome_unknown(void **state)
{
    struct client_fixture *fixture = *state;
    fake_cluster_next(fixture->nodes, 0, CUT);
    fake_cluster_always(fixture->nodes, 0, UNAVAILABLE);
    hf_result *result = NULL;
    assert_int_equal(reserve_within(fixture, SHORT_MS, &result), HF_OUTCOME_UNKNOWN);
    assert_true(result->may_have_executed);
    assert_true(result->attempts > 2);
    hf_free(result);
}

static void a_node_that_is_silent_leaves_the_outcome_unknown(void **state)
{
    struct client_fixture *fixture = *state;
    fake_cluster_always(fixture->nodes, 0, HOLD);
    hf_result *result = NULL;
    int64_t began_ms = now_ms();
    assert_int_equal(reserve_within(fixture, SHORT_MS, &result), HF_OUTCOME_UNKNOWN);
    assert_took_short(began_ms);
    hf_free(result);
}

/* A leader that is paused, while the others still name it. */
static void a_node_that_hangs_does_not_eat_the_deadline(void **state)
{
    struct client_fixture *fixture = *state;
    struct fake_step forwarded = {.leader = fake_cluster_address(fixture->nodes, 0)};
    fake_cluster_always(fixture->nodes, 0, HOLD);
    fake_cluster_always(fixture->nodes, 1, forwarded);
    fake_cluster_always(fixture->nodes, 2, forwarded);
    client_reopen(fixture, fake_cluster_endpoints(fixture->nodes));
    hf_call_options options = {.timeout_ms = 30000, .attempt_timeout_ms = 50};
    int64_t began_ms = now_ms();
    for (int i = 0; i < 10; i++) {
        hf_stock_list *list = NULL;
        assert_int_equal(hf_get_stock(fixture->client, "A", 1, &options, &list), HF_OK);
        assert_true(list->attempts <= 2);
        hf_free(list);
    }
    assert_true(fake_cluster_count_of(fixture->nodes, 0) >= 1);
    assert_in_range(now_ms() - began_ms, 50, 10000);
}

static void no_node_at_all_is_told_with_the_address(void **state)
{
    struct client_fixture *fixture = *state;
    fake_cluster_stop(fixture->nodes, 0);
    hf_result *result = NULL;
    assert_int_equal(reserve_within(fixture, SHORT_MS, &result), HF_UNREACHABLE);
    assert_false(result->may_have_executed);
    assert_non_null(strstr(result->message, fake_cluster_address(fixture->nodes, 0)));
    assert_true(result->attempts > 1);
    hf_free(result);
    fake_cluster_start(fixture->nodes, 0); /* and the same client finds it again */
    assert_int_equal(reserve(fixture, NULL), HF_OK);
}

/* ---- no_resend ---- */

static void reopen_without_resending(struct client_fixture *fixture)
{
    hf_options options;
    hf_options_init(&options);
    assert_false(options.no_resend);
    options.endpoints = fake_cluster_address(fixture->nodes, 0);
    options.no_resend = true;
    hf_client_close(fixture->client);
    fixture->client = hf_client_open(&options);
    assert_non_null(fixture->client);
}

static void a_doubt_ends_the_call_where_nothing_is_resent(void **state)
{
    static const struct fake_step garbage = {.what = FAKE_GARBAGE};
    struct client_fixture *fixture = *state;
    const struct fake_step doubts[] = {UNKNOWN, CUT, garbage};
    reopen_without_resending(fixture);
    for (size_t i = 0; i < sizeof(doubts) / sizeof(doubts[0]); i++) {
        fake_cluster_next(fixture->nodes, 0, doubts[i]);
        hf_result *result = NULL;
        assert_int_equal(reserve(fixture, &result), HF_OUTCOME_UNKNOWN);
        assert_true(result->may_have_executed);
        hf_free(result);
        assert_int_equal(fake_cluster_count(fixture->nodes), i + 1);
    }
    fake_cluster_next(fixture->nodes, 0, HOLD);
    hf_command command = {.kind = HF_DEDUCT, .order_id = "order"};
    hf_call_options options = {.timeout_ms = 30000, .attempt_timeout_ms = 50};
    assert_int_equal(hf_call(fixture->client, &command, &options, NULL), HF_OUTCOME_UNKNOWN);
    assert_int_equal(fake_cluster_count(fixture->nodes), 4);
}

/* What surely was not executed is no doubt; a doubt behind it is the first. */
static void refusals_are_followed_by_attempts_where_nothing_is_resent(void **state)
{
    struct client_fixture *fixture = *state;
    reopen_without_resending(fixture);
    fake_cluster_next(fixture->nodes, 0, UNAVAILABLE);
    fake_cluster_next(fixture->nodes, 0, EXHAUSTED);
    hf_result *result = NULL;
    assert_int_equal(reserve(fixture, &result), HF_OK);
    assert_int_equal(result->attempts, 3);
    hf_free(result);
    fake_cluster_next(fixture->nodes, 0, UNAVAILABLE);
    fake_cluster_next(fixture->nodes, 0, UNKNOWN);
    assert_int_equal(reserve(fixture, &result), HF_OUTCOME_UNKNOWN);
    assert_int_equal(result->attempts, 2);
    hf_free(result);
    assert_int_equal(fake_cluster_count(fixture->nodes), 5);
}

static void reads_are_asked_again_where_nothing_is_resent(void **state)
{
    struct client_fixture *fixture = *state;
    reopen_without_resending(fixture);
    fake_cluster_next(fixture->nodes, 0, UNKNOWN);
    hf_stock_list *list = NULL;
    assert_int_equal(hf_get_stock(fixture->client, "A", 1, NULL, &list), HF_OK);
    assert_int_equal(list->attempts, 2);
    hf_free(list);
}

/* ---- overload ---- */

static void overload_is_waited_out(void **state)
{
    struct client_fixture *fixture = *state;
    fake_cluster_next(fixture->nodes, 0, EXHAUSTED);
    fake_cluster_next(fixture->nodes, 0, EXHAUSTED);
    hf_result *result = NULL;
    assert_int_equal(reserve(fixture, &result), HF_OK);
    assert_int_equal(result->attempts, 3);
    hf_free(result);
    fake_cluster_always(fixture->nodes, 0, EXHAUSTED);
    assert_int_equal(reserve_within(fixture, SHORT_MS, &result), HF_OVERLOADED);
    assert_false(result->may_have_executed);
    hf_free(result);
}

static void overload_is_told_at_once_where_that_is_wanted(void **state)
{
    struct client_fixture *fixture = *state;
    hf_options options;
    hf_options_init(&options);
    options.endpoints = fake_cluster_address(fixture->nodes, 0);
    options.fail_when_overloaded = true;
    hf_client_close(fixture->client);
    fixture->client = hf_client_open(&options);
    assert_non_null(fixture->client);
    fake_cluster_next(fixture->nodes, 0, EXHAUSTED);
    hf_result *result = NULL;
    assert_int_equal(reserve(fixture, &result), HF_OVERLOADED);
    assert_int_equal(result->attempts, 1);
    hf_free(result);
}

/* ---- endpoints ---- */

static void another_endpoint_answers_for_one_that_is_down(void **state)
{
    struct client_fixture *fixture = *state;
    client_reopen(fixture, fake_cluster_endpoints(fixture->nodes));
    for (int down = 0; down < FAKE_NODES; down++) {
        fake_cluster_stop(fixture->nodes, down);
        for (int i = 0; i < 5; i++) {
            assert_int_equal(reserve(fixture, NULL), HF_OK);
        }
        fake_cluster_start(fixture->nodes, down);
    }
}

/* A node without a quorum answers, but can't help. */
static void a_node_that_cannot_serve_is_left(void **state)
{
    struct client_fixture *fixture = *state;
    client_reopen(fixture, fake_cluster_endpoints(fixture->nodes));
    fake_cluster_always(fixture->nodes, 0, UNAVAILABLE);
    fake_cluster_always(fixture->nodes, 1, UNAVAILABLE);
    for (int i = 0; i < 20; i++) {
        assert_int_equal(reserve(fixture, NULL), HF_OK);
    }
    assert_int_equal(fake_cluster_count_of(fixture->nodes, 2), 20);
    assert_in_range(fake_cluster_count(fixture->nodes), 20, 22);
}

static void a_named_leader_gets_the_next_call(void **state)
{
    struct client_fixture *fixture = *state; /* the client was given node 0 only */
    struct fake_step forwarded = {.leader = fake_cluster_address(fixture->nodes, 2)};
    fake_cluster_always(fixture->nodes, 0, forwarded);
    for (int i = 0; i < 10; i++) {
        assert_int_equal(reserve(fixture, NULL), HF_OK);
    }
    assert_int_equal(fake_cluster_count_of(fixture->nodes, 0), 1);
    assert_int_equal(fake_cluster_count_of(fixture->nodes, 2), 9);
    /* it dies: back to the one that was given, which still names it */
    fake_cluster_stop(fixture->nodes, 2);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(reserve(fixture, NULL), HF_OK);
    }
}

static void a_refusing_node_may_name_the_leader(void **state)
{
    struct client_fixture *fixture = *state;
    struct fake_step step = {.what = FAKE_FAIL,
                             .status = RPC_UNAVAILABLE,
                             .leader = fake_cluster_address(fixture->nodes, 1)};
    fake_cluster_always(fixture->nodes, 0, step);
    assert_int_equal(reserve(fixture, NULL), HF_OK);
    assert_int_equal(fake_cluster_count_of(fixture->nodes, 1), 1);
}

static void a_leader_that_is_no_address_is_ignored(void **state)
{
    struct client_fixture *fixture = *state;
    static const char *const names[] = {"", "no-port", "host:", ":1", "host:999999", "[::1:70"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        fake_cluster_next(fixture->nodes, 0, (struct fake_step){.leader = names[i]});
        assert_int_equal(reserve(fixture, NULL), HF_OK);
        assert_int_equal(reserve(fixture, NULL), HF_OK);
    }
    assert_int_equal(fake_cluster_count_of(fixture->nodes, 0), 12);
}

static void one_node_is_asked_about_itself(void **state)
{
    struct client_fixture *fixture = *state; /* the client was given node 0 only */
    for (int node = 0; node < FAKE_NODES; node++) {
        const char *address = fake_cluster_address(fixture->nodes, node);
        hf_status *status = NULL;
        assert_int_equal(hf_get_status(fixture->client, address, NULL, &status), HF_OK);
        assert_int_equal(status->node_id, node + 1);
        hf_free(status);
        hf_verification *verification = NULL;
        assert_int_equal(hf_verify(fixture->client, address, NULL, &verification), HF_OK);
        assert_true(verification->sound);
        hf_free(verification);
        hf_snapshot *snapshot = NULL;
        assert_int_equal(hf_take_snapshot(fixture->client, address, NULL, &snapshot), HF_OK);
        assert_int_equal(snapshot->node_id, node + 1);
        assert_int_equal(snapshot->snapshot_index, 77);
        hf_free(snapshot);
        assert_int_equal(fake_cluster_count_of(fixture->nodes, node), 3);
    }
    fake_cluster_stop(fixture->nodes, 1);
    const char *down = fake_cluster_address(fixture->nodes, 1);
    hf_status *status = NULL;
    int64_t began_ms = now_ms();
    assert_int_equal(hf_get_status(fixture->client, down, NULL, &status), HF_UNREACHABLE);
    assert_in_range(now_ms() - began_ms, 0, 5000); /* at once, and not at the deadline */
    assert_int_equal(status->attempts, 1);
    assert_non_null(strstr(status->message, down));
    hf_free(status);
    assert_int_equal(fake_cluster_count(fixture->nodes), 9); /* no other node answers for it */
    assert_int_equal(hf_get_status(fixture->client, "no-port", NULL, &status), HF_INVALID_ARGUMENT);
    assert_non_null(strstr(status->message, "no-port"));
    hf_free(status);
    assert_int_equal(hf_get_status(fixture->client, NULL, NULL, NULL), HF_INVALID_ARGUMENT);
}

/* ---- wrong use ---- */

static void wrong_options_are_refused_with_a_reason(void **state)
{
    (void)state;
    hf_options good;
    hf_options_init(&good);
    struct {
        hf_options options;
        const char *text;
    } cases[9];
    for (size_t i = 0; i < 9; i++) {
        cases[i].options = good;
    }
    size_t count = 0;
#define CASE(field, value, words)                                                                  \
    cases[count].options.field = (value);                                                          \
    cases[count++].text = (words)
    CASE(endpoints, NULL, "endpoints is NULL");
    CASE(endpoints, "", "empty address");
    CASE(endpoints, "127.0.0.1:1,nonsense", "nonsense");
    CASE(timeout_ms, 0, "timeout_ms is 0");
    CASE(timeout_ms, 600001, "timeout_ms is 600001");
    CASE(backoff_min_ms, 0, "backoff_min_ms is 0");
    CASE(backoff_min_ms, 501, "backoff_min_ms is 501");
    CASE(max_waiting, 0, "max_waiting is 0");
    CASE(max_waiting, 16385, "max_waiting is 16385");
#undef CASE
    assert_int_equal(count, 9);
    for (size_t i = 0; i < count; i++) {
        assert_null(hf_client_open(&cases[i].options));
        if (strstr(hf_last_error(), cases[i].text) == NULL) {
            fail_msg("case %zu: \"%s\"", i, hf_last_error());
        }
    }
    hf_client *client = hf_client_open(NULL);
    assert_non_null(client);
    assert_string_equal(hf_last_error(), "");
    hf_client_close(client);
    hf_client_close(NULL);
}

static void wrong_arguments_never_leave_the_process(void **state)
{
    struct client_fixture *fixture = *state;
    hf_client *client = fixture->client;
    hf_result *result = NULL;
    assert_int_equal(hf_reserve(client, NULL, LINES, 2, 0, &result), HF_INVALID_ARGUMENT);
    assert_string_equal(result->message, "Reserve needs order_id");
    assert_int_equal(result->attempts, 0);
    hf_free(result);
    assert_int_equal(hf_call(client, NULL, NULL, NULL), HF_INVALID_ARGUMENT);
    hf_call_options options = {.timeout_ms = 600001};
    hf_command command = {.kind = HF_DEDUCT, .order_id = "o"};
    assert_int_equal(hf_call(client, &command, &options, NULL), HF_INVALID_ARGUMENT);
    hf_results *results = NULL;
    assert_int_equal(hf_execute(client, &command, 0, NULL, &results), HF_INVALID_ARGUMENT);
    assert_int_equal(results->verdict, HF_INVALID_ARGUMENT);
    assert_int_equal(results->count, 0);
    hf_free(results);
    assert_int_equal(hf_execute(client, &command, 10001, NULL, NULL), HF_INVALID_ARGUMENT);
    assert_int_equal(hf_execute(client, NULL, 1, NULL, NULL), HF_INVALID_ARGUMENT);
    assert_int_equal(hf_get_stocks(client, NULL, 1, NULL, NULL), HF_INVALID_ARGUMENT);
    hf_stock_key key = {"A", 1};
    assert_int_equal(hf_get_stocks(client, &key, 0, NULL, NULL), HF_INVALID_ARGUMENT);
    assert_int_equal(hf_get_stock(client, NULL, 1, NULL, NULL), HF_INVALID_ARGUMENT);
    assert_int_equal(hf_get_order(client, NULL, NULL, NULL), HF_INVALID_ARGUMENT);
    assert_int_equal(hf_submit(client, &command, 1, NULL, NULL, NULL), HF_INVALID_ARGUMENT);
    assert_string_equal(hf_last_error(), "callback is NULL");
    /* How fresh an answer must be is asked of reads. */
    options = (hf_call_options){.consistency = HF_STALE};
    assert_int_equal(hf_call(client, &command, &options, &result), HF_INVALID_ARGUMENT);
    assert_non_null(strstr(result->message, "consistency and min_log_index are for reads"));
    hf_free(result);
    options = (hf_call_options){.min_log_index = 1};
    assert_int_equal(hf_execute(client, &command, 1, &options, NULL), HF_INVALID_ARGUMENT);
    assert_int_equal(hf_get_status(client, fake_cluster_address(fixture->nodes, 0), &options, NULL),
                     HF_INVALID_ARGUMENT);
    options = (hf_call_options){.consistency = (hf_consistency)2};
    assert_int_equal(hf_get_stock(client, "A", 1, &options, NULL), HF_INVALID_ARGUMENT);
    assert_int_equal(hf_get_stocks(client, &key, 1, &options, NULL), HF_INVALID_ARGUMENT);
    assert_int_equal(hf_list_stock(client, 1, NULL, &options, NULL), HF_INVALID_ARGUMENT);
    assert_int_equal(hf_check_stock(client, LINES, 2, &options, NULL), HF_INVALID_ARGUMENT);
    assert_int_equal(hf_get_order(client, "o", &options, NULL), HF_INVALID_ARGUMENT);
    assert_int_equal(hf_list_history(client, "A", 1, 1, NULL, &options, NULL), HF_INVALID_ARGUMENT);
    assert_int_equal(fake_cluster_count(fixture->nodes), 0);

    assert_int_equal(hf_reserve(NULL, "o", LINES, 2, 0, &result), HF_CLOSED);
    assert_non_null(strstr(result->message, "client is NULL"));
    hf_free(result);
}

/* ---- where reads go ---- */

/* To one node while it answers; a stale one to any. */
static void stale_reads_are_spread(void **state)
{
    struct client_fixture *fixture = *state;
    client_reopen(fixture, fake_cluster_endpoints(fixture->nodes));
    for (int i = 0; i < 30; i++) {
        assert_int_equal(hf_get_stock(fixture->client, "A", 1, NULL, NULL), HF_OK);
    }
    size_t before[FAKE_NODES];
    size_t asked = 0;
    for (int i = 0; i < FAKE_NODES; i++) {
        before[i] = fake_cluster_count_of(fixture->nodes, i);
        asked += before[i] > 0;
    }
    assert_int_equal(asked, 1);
    const hf_call_options stale = {.consistency = HF_STALE, .min_log_index = 9};
    for (int i = 0; i < 300; i++) {
        assert_int_equal(hf_get_stock(fixture->client, "A", 1, &stale, NULL), HF_OK);
    }
    for (int i = 0; i < FAKE_NODES; i++) {
        assert_true(fake_cluster_count_of(fixture->nodes, i) > before[i] + 50);
    }
    const struct fake_request *last =
        fake_cluster_request(fixture->nodes, fake_cluster_count(fixture->nodes) - 1);
    Holdfast__V1__GetStockRequest *request =
        holdfast__v1__get_stock_request__unpack(NULL, last->message.len, last->message.data);
    assert_int_equal(request->consistency, HOLDFAST__V1__CONSISTENCY__STALE);
    assert_int_equal(request->min_log_index, 9);
    holdfast__v1__get_stock_request__free_unpacked(request, NULL);
}

/* One that has not heard of a leader yet, say. */
static void a_stale_read_goes_on_to_a_node_that_can_answer(void **state)
{
    struct client_fixture *fixture = *state;
    fake_cluster_always(fixture->nodes, 0, UNAVAILABLE);
    fake_cluster_always(fixture->nodes, 2, UNAVAILABLE);
    client_reopen(fixture, fake_cluster_endpoints(fixture->nodes));
    const hf_call_options stale = {.consistency = HF_STALE};
    for (int i = 0; i < 20; i++) {
        assert_int_equal(hf_get_stock(fixture->client, "A", 1, &stale, NULL), HF_OK);
    }
    assert_true(fake_cluster_count_of(fixture->nodes, 1) == 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_verdict_is_the_return_value),
        TEST(a_batch_has_a_verdict_for_each),
        TEST(every_read_has_its_reply),
        TEST(a_retry_keeps_identity_and_time),
        TEST(a_given_identity_is_kept),
        TEST(a_refusal_of_the_arguments_is_final),
        TEST(a_refusal_after_an_unknown_attempt_stays_unknown),
        TEST(a_refusal_by_the_ledger_is_final),
        TEST(what_is_resent_holds_no_bytes_behind_its_end),
        TEST(a_read_goes_again_as_it_was),
        TEST(a_batch_is_resent_as_a_whole),
        TEST(unavailable_to_the_end_is_surely_not_executed),
        TEST(one_unknown_attempt_makes_the_outcome_unknown),
        TEST(a_lost_connection_makes_the_outcome_unknown),
        TEST(a_node_that_is_silent_leaves_the_outcome_unknown),
        TEST(a_node_that_hangs_does_not_eat_the_deadline),
        TEST(no_node_at_all_is_told_with_the_address),
        TEST(a_doubt_ends_the_call_where_nothing_is_resent),
        TEST(refusals_are_followed_by_attempts_where_nothing_is_resent),
        TEST(reads_are_asked_again_where_nothing_is_resent),
        TEST(overload_is_waited_out),
        TEST(overload_is_told_at_once_where_that_is_wanted),
        TEST(another_endpoint_answers_for_one_that_is_down),
        TEST(a_node_that_cannot_serve_is_left),
        TEST(a_named_leader_gets_the_next_call),
        TEST(a_refusing_node_may_name_the_leader),
        TEST(a_leader_that_is_no_address_is_ignored),
        TEST(one_node_is_asked_about_itself),
        TEST(wrong_options_are_refused_with_a_reason),
        TEST(wrong_arguments_never_leave_the_process),
        TEST(stale_reads_are_spread),
        TEST(a_stale_read_goes_on_to_a_node_that_can_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
