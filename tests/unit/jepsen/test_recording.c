/*
 * test_recording.c - what the recording client writes into a history, against fake nodes on real
 * sockets: each call once, and nothing said that nobody knows.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "../client/fake_cluster.h"
#include "client.h"
#include "history.h"

#define SHORT_MS 300

static const hf_line LINES[] = {{"A", 0, 2}, {"B", 3, 1}};
static const struct fake_step UNAVAILABLE = {.what = FAKE_FAIL, .status = RPC_UNAVAILABLE};
static const struct fake_step UNKNOWN = {.what = FAKE_FAIL, .status = RPC_UNKNOWN};
static const struct fake_step DENIED = {.what = FAKE_FAIL, .status = RPC_PERMISSION_DENIED};
static const struct fake_step CUT = {.what = FAKE_CUT};
static const struct fake_step HOLD = {.what = FAKE_HOLD};

struct fixture {
    struct fake_cluster *nodes;
    char directory[64];
    char path[80];
    struct recorder *recorder;
    atomic_uint processes;
    struct client *client;
    struct history *history; /* once it is read */
};

static struct client *open_client(struct fixture *fixture, bool resends)
{
    struct error error;
    struct client_options options = {
        .recorder = fixture->recorder,
        .processes = &fixture->processes,
        .endpoints = fake_cluster_address(fixture->nodes, 0),
        .timeout_ms = SHORT_MS,
        .resends = resends,
        .seed = 7,
    };
    struct client *client = client_open(&options, &error);
    if (client == NULL) {
        fail_msg("%s", error.text);
    }
    return client;
}

static int setup(void **state)
{
    struct error error;
    struct fixture *fixture = calloc(1, sizeof *fixture);
    snprintf(fixture->directory, sizeof fixture->directory, "/tmp/test-recording-XXXXXX");
    assert_non_null(mkdtemp(fixture->directory));
    snprintf(fixture->path, sizeof fixture->path, "%s/history.edn", fixture->directory);
    fixture->recorder = recorder_open(fixture->path, &error);
    assert_non_null(fixture->recorder);
    fixture->nodes = fake_cluster_open();
    fixture->client = open_client(fixture, false);
    *state = fixture;
    return 0;
}

/* Nothing is recorded from here on. */
static const struct operation *read_back(struct fixture *fixture, uint32_t count)
{
    struct error error;
    client_close(fixture->client);
    fixture->client = NULL;
    assert_true(recorder_close(fixture->recorder, &error));
    fixture->recorder = NULL;
    fixture->history = history_load(fixture->path, &error);
    if (fixture->history == NULL) {
        fail_msg("%s", error.text);
    }
    assert_int_equal(fixture->history->operations.count, count);
    return fixture->history->operations.items;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    client_close(fixture->client);
    if (fixture->recorder != NULL) {
        struct error error;
        recorder_close(fixture->recorder, &error);
    }
    history_free(fixture->history);
    fake_cluster_close(fixture->nodes);
    unlink(fixture->path);
    rmdir(fixture->directory);
    free(fixture);
    return 0;
}

static enum client_outcome reserve(struct fixture *fixture)
{
    hf_command command = {.kind = HF_RESERVE, .order_id = "o", .lines = LINES, .line_count = 2};
    return client_command(fixture->client, &command, NULL);
}

static void expect_text(const struct fixture *fixture, uint32_t name, const char *text)
{
    assert_int_not_equal(name, NAME_NONE);
    assert_true(bytes_equal(names_text(&fixture->history->texts, name), bytes_of_string(text)));
}

/* ---- commands ---- */

static void a_verdict_is_an_answer(void **state)
{
    struct fixture *fixture = *state;
    const hf_result *answer = NULL;
    hf_command command = {.kind = HF_RESERVE,
                          .order_id = "o",
                          .lines = LINES,
                          .line_count = 2,
                          .ttl_ms = 5000,
                          .add_lines = true};
    assert_int_equal(client_command(fixture->client, &command, &answer), CLIENT_OK);
    assert_int_equal(answer->verdict, HF_OK);
    assert_int_equal(client_log_index(fixture->client), answer->log_index);
    fake_cluster_next(fixture->nodes, 0, (struct fake_step){.verdict = HF_ORDER_EXPIRED});
    command = (hf_command){.kind = HF_DEDUCT, .order_id = "o", .reacquire = true};
    assert_int_equal(client_command(fixture->client, &command, &answer), CLIENT_REFUSED);
    assert_int_equal(answer->verdict, HF_ORDER_EXPIRED);
    assert_int_equal(client_operations(fixture->client), 2);

    const struct operation *operations = read_back(fixture, 2);
    assert_int_equal(operations[0].function, FUNCTION_RESERVE);
    assert_int_equal(operations[0].outcome, OUTCOME_OK);
    assert_int_equal(operations[0].number, 5000);
    assert_true(operations[0].add_lines);
    assert_int_equal(operations[0].attempts, 1);
    assert_int_equal(operations[0].log_index, 1);
    assert_int_equal(operations[0].asked_count, 2);
    const struct history_line *lines = fixture->history->lines.items;
    assert_int_equal(lines[0].quantity, 2);
    assert_int_equal(history_warehouse(fixture->history, lines[0].stock), 1);
    assert_int_equal(history_warehouse(fixture->history, lines[1].stock), 3);
    expect_text(fixture, operations[0].order, "o");
    assert_int_equal(operations[1].outcome, OUTCOME_REFUSED);
    assert_int_equal(operations[1].verdict, HF_ORDER_EXPIRED);
    assert_true(operations[1].reacquire);
    assert_int_equal(operations[1].process, operations[0].process);
}

static void a_doubt_is_an_info_and_the_process_is_gone(void **state)
{
    struct fixture *fixture = *state;
    const struct fake_step doubts[] = {UNKNOWN, CUT, HOLD};
    for (size_t i = 0; i < 3; i++) {
        fake_cluster_next(fixture->nodes, 0, doubts[i]);
        assert_int_equal(reserve(fixture), CLIENT_UNKNOWN);
        assert_int_equal(fake_cluster_count(fixture->nodes), i + 1); /* nothing was sent again */
    }
    assert_int_equal(reserve(fixture), CLIENT_OK);
    const struct operation *operations = read_back(fixture, 4);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(operations[i].outcome, OUTCOME_UNKNOWN);
        assert_int_not_equal(operations[i].completed, HISTORY_NEVER);
        assert_int_equal(operations[i + 1].process, operations[i].process + 1);
        expect_text(fixture, operations[i].note, "OUTCOME_UNKNOWN");
    }
    assert_int_equal(operations[3].outcome, OUTCOME_OK);
}

static void what_nobody_took_is_a_fail(void **state)
{
    struct fixture *fixture = *state;
    fake_cluster_always(fixture->nodes, 0, UNAVAILABLE);
    assert_int_equal(reserve(fixture), CLIENT_FAILED);
    fake_cluster_always(fixture->nodes, 0, DENIED);
    assert_int_equal(reserve(fixture), CLIENT_FAILED);
    assert_true(fake_cluster_count(fixture->nodes) >
                2); /* what surely was not done is tried again */
    const struct operation *operations = read_back(fixture, 2);
    assert_int_equal(operations[0].outcome, OUTCOME_FAILED);
    assert_int_equal(operations[1].outcome, OUTCOME_FAILED);
    assert_int_equal(operations[0].process, operations[1].process);
    expect_text(fixture, operations[0].note, "UNREACHABLE");
}

/* Attempts that surely were not executed are none; with resends, all are told. */
static void attempts_are_told_where_they_may_have_been_executed(void **state)
{
    struct fixture *fixture = *state;
    fake_cluster_next(fixture->nodes, 0, UNAVAILABLE);
    assert_int_equal(reserve(fixture), CLIENT_OK);
    client_close(fixture->client);
    fixture->client = open_client(fixture, true);
    fake_cluster_next(fixture->nodes, 0, UNKNOWN);
    assert_int_equal(reserve(fixture), CLIENT_OK);
    fake_cluster_always(fixture->nodes, 0, UNKNOWN);
    assert_int_equal(reserve(fixture), CLIENT_UNKNOWN);
    const struct operation *operations = read_back(fixture, 3);
    assert_int_equal(operations[0].attempts, 1);
    assert_int_equal(operations[1].attempts, 2);
    assert_int_equal(operations[2].outcome, OUTCOME_UNKNOWN);
}

/* What is sent under a request id stands in the history under it, whoever made it. */
static void request_ids_are_recorded(void **state)
{
    struct fixture *fixture = *state;
    hf_command adjust = {.kind = HF_ADJUST_STOCK, .sku = "A", .quantity = -3, .reason = "DAMAGE"};
    hf_command part = {.kind = HF_DEDUCT, .order_id = "o", .lines = LINES, .line_count = 1};
    hf_command whole = {.kind = HF_DEDUCT, .order_id = "o"};
    const hf_result *answer = NULL;
    assert_int_equal(client_command(fixture->client, &adjust, &answer), CLIENT_OK);
    char *made = strdup(answer->request_id);
    adjust.request_id = "mine";
    assert_int_equal(client_command(fixture->client, &adjust, NULL), CLIENT_OK);
    assert_int_equal(client_command(fixture->client, &part, NULL), CLIENT_OK);
    assert_int_equal(client_command(fixture->client, &whole, NULL), CLIENT_OK);
    const struct operation *operations = read_back(fixture, 4);
    expect_text(fixture, operations[0].request, made);
    expect_text(fixture, operations[1].request, "mine");
    assert_int_not_equal(operations[2].request, NAME_NONE);
    assert_int_not_equal(operations[2].request, operations[0].request);
    assert_int_equal(operations[3].request, NAME_NONE);
    assert_int_equal(operation_quantity(fixture->history, &operations[0]), -3);
    free(made);
}

/* ---- reads ---- */

static void reads_are_answered_or_fail(void **state)
{
    struct fixture *fixture = *state;
    hf_call_options stale = {.consistency = HF_STALE, .min_log_index = 9};
    const hf_stock_list *stocks = NULL;
    const hf_order *order = NULL;
    fake_cluster_next(fixture->nodes, 0, UNKNOWN); /* nothing to execute: asked again */
    assert_int_equal(client_read_stock(fixture->client, LINES, 1, NULL, &stocks), CLIENT_OK);
    assert_int_equal(stocks->items[0].stock.on_hand, 7);
    assert_int_equal(client_read_stock(fixture->client, LINES, 2, &stale, NULL), CLIENT_OK);
    assert_int_equal(client_check_stock(fixture->client, LINES, 2, NULL, NULL), CLIENT_OK);
    fake_cluster_next(fixture->nodes, 0, (struct fake_step){.verdict = HF_ORDER_NOT_FOUND});
    assert_int_equal(client_read_order(fixture->client, "o", NULL, &order), CLIENT_OK);
    assert_int_equal(order->verdict, HF_ORDER_NOT_FOUND);
    uint32_t rows = 99;
    assert_int_equal(client_read_history(fixture->client, "A", 0, &rows), CLIENT_OK);
    assert_int_equal(rows, 0);
    fake_cluster_always(fixture->nodes, 0, UNKNOWN);
    assert_int_equal(client_read_order(fixture->client, "o", NULL, &order), CLIENT_FAILED);
    assert_null(order);

    const struct operation *operations = read_back(fixture, 6);
    assert_int_equal(operations[0].answered_count, 1);
    assert_int_equal(fixture->history->stocks.items[operations[0].answered].on_hand, 7);
    assert_true(operations[1].stale);
    assert_int_equal(operations[1].number, 9);
    assert_int_equal(operations[1].answered_count, 2);
    assert_int_equal(operations[2].function, FUNCTION_CHECK_STOCK);
    assert_int_equal(operations[3].verdict, HF_ORDER_NOT_FOUND);
    assert_int_equal(operations[4].outcome, OUTCOME_OK);
    assert_int_equal(operations[5].outcome, OUTCOME_FAILED);
    for (uint32_t i = 1; i < 6; i++) {
        assert_int_equal(operations[i].process, operations[0].process);
    }
}

static void a_digest_is_one_nodes(void **state)
{
    struct fixture *fixture = *state;
    const char *endpoint = fake_cluster_address(fixture->nodes, 2);
    const hf_verification *verification = NULL;
    assert_int_equal(client_read_digest(fixture->client, 3, endpoint, 0, SHORT_MS, &verification),
                     CLIENT_OK);
    assert_int_equal(fake_cluster_count_of(fixture->nodes, 2), 1);
    fake_cluster_stop(fixture->nodes, 2);
    assert_int_equal(client_read_digest(fixture->client, 3, endpoint, 0, SHORT_MS, &verification),
                     CLIENT_FAILED);
    assert_null(verification);
    const struct operation *operations = read_back(fixture, 2);
    assert_int_equal(operations[0].number, 3);
    expect_text(fixture, operations[0].note, "d");
    assert_int_equal(operations[1].outcome, OUTCOME_FAILED);
}

static void a_client_that_comes_back_goes_on(void **state)
{
    struct fixture *fixture = *state;
    struct error error;
    assert_int_equal(reserve(fixture), CLIENT_OK);
    assert_true(client_reopen(fixture->client, &error));
    assert_int_equal(reserve(fixture), CLIENT_OK);
    const struct operation *operations = read_back(fixture, 2);
    assert_int_equal(operations[1].outcome, OUTCOME_OK);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_verdict_is_an_answer),     TEST(a_doubt_is_an_info_and_the_process_is_gone),
        TEST(what_nobody_took_is_a_fail), TEST(attempts_are_told_where_they_may_have_been_executed),
        TEST(request_ids_are_recorded),   TEST(reads_are_answered_or_fail),
        TEST(a_digest_is_one_nodes),      TEST(a_client_that_comes_back_goes_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
