/*
 * test_client_async.c - calls of the library without waiting: each is called back once, too many
 * are refused; and what threads may do with a client, to its end.
 */
#include "client_fixture.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const hf_line LINES[] = {{"A", 1, 2}, {"B", 1, 1}};

static const struct fake_step UNAVAILABLE = {.what = FAKE_FAIL, .status = RPC_UNAVAILABLE};
static const struct fake_step UNKNOWN = {.what = FAKE_FAIL, .status = RPC_UNKNOWN};
static const struct fake_step HOLD = {.what = FAKE_HOLD};
static const struct fake_step CUT = {.what = FAKE_CUT};

/* ---- without waiting ---- */

struct gathered {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int count;
    int by_verdict[32]; /* positive ones */
    int closed;
    int may_have_executed;
};

#define GATHERED_INIT                                                                              \
    {                                                                                              \
        PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0, {0}, 0, 0                          \
    }

static void on_results(void *user, hf_results *results)
{
    struct gathered *gathered = user;
    pthread_mutex_lock(&gathered->lock);
    gathered->count++;
    if (results->verdict > 0 && results->verdict < 32) {
        gathered->by_verdict[results->verdict]++;
    }
    gathered->closed += results->verdict == HF_CLOSED;
    gathered->may_have_executed += results->items[0].may_have_executed;
    pthread_cond_signal(&gathered->changed);
    pthread_mutex_unlock(&gathered->lock);
    hf_free(results);
}

static void gathered_wait(struct gathered *gathered, int count)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 20;
    pthread_mutex_lock(&gathered->lock);
    int rc = 0;
    while (gathered->count < count && rc == 0) {
        rc = pthread_cond_timedwait(&gathered->changed, &gathered->lock, &until);
    }
    assert_int_equal(gathered->count, count);
    pthread_mutex_unlock(&gathered->lock);
}

static void every_submission_is_called_back_once(void **state)
{
    struct client_fixture *fixture = *state;
    struct gathered gathered = GATHERED_INIT;
    hf_command commands[2] = {{.kind = HF_DEDUCT, .order_id = "o"},
                              {.kind = HF_RELEASE, .order_id = "o"}};
    for (int i = 0; i < 1000; i++) {
        size_t count = i % 2 == 0 ? 1 : 2;
        assert_int_equal(hf_submit(fixture->client, commands, count, NULL, on_results, &gathered),
                         0);
    }
    gathered_wait(&gathered, 1000);
    assert_int_equal(gathered.by_verdict[HF_OK], 1000);
    assert_int_equal(fake_cluster_count(fixture->nodes), 1000);
}

static void many_calls_wait_out_an_outage(void **state)
{
    struct client_fixture *fixture = *state;
    struct gathered gathered = GATHERED_INIT;
    const size_t call_count = 200;
    fake_cluster_always(fixture->nodes, 0, UNAVAILABLE);
    hf_command command = {.kind = HF_DEDUCT, .order_id = "o"};
    for (size_t i = 0; i < call_count; i++) {
        assert_int_equal(hf_submit(fixture->client, &command, 1, NULL, on_results, &gathered), 0);
    }
    fake_cluster_wait(fixture->nodes, 5 * call_count); /* all of them, again and again */
    fake_cluster_always(fixture->nodes, 0, (struct fake_step){.verdict = HF_OK});
    gathered_wait(&gathered, (int)call_count);
    assert_int_equal(gathered.by_verdict[HF_OK], call_count);
    /* pauses grow: a call is not given again hundreds of times in the second this takes */
    assert_in_range(fake_cluster_count(fixture->nodes), 6 * call_count, 40 * call_count);
}

struct read_gathered {
    atomic_int found;
    atomic_int missing;
};

static void on_stocks(void *user, hf_stock_list *list)
{
    struct read_gathered *gathered = user;
    assert(list->verdict == HF_OK);
    if (list->items[0].verdict == HF_OK) {
        atomic_fetch_add(&gathered->found, 1);
    } else {
        atomic_fetch_add(&gathered->missing, 1);
    }
    hf_free(list);
}

static void reads_can_be_submitted_too(void **state)
{
    struct client_fixture *fixture = *state;
    static struct read_gathered gathered;
    fake_cluster_next(fixture->nodes, 0, (struct fake_step){.verdict = HF_SKU_NOT_FOUND});
    hf_stock_key keys[] = {{"A", 1}, {"B", 1}};
    assert_int_equal(hf_submit_get_stocks(fixture->client, keys, 1, NULL, on_stocks, &gathered), 0);
    fake_cluster_wait(fixture->nodes, 1);
    assert_int_equal(hf_submit_get_stocks(fixture->client, keys, 2, NULL, on_stocks, &gathered), 0);
    fake_cluster_wait(fixture->nodes, 2);
    /* this one begins after the others were answered by the same node, in order */
    assert_int_equal(hf_get_stock(fixture->client, "A", 1, NULL, NULL), HF_OK);
    hf_client_close(fixture->client);
    fixture->client = NULL;
    assert_int_equal(atomic_load(&gathered.found) + atomic_load(&gathered.missing), 2);
    assert_int_equal(atomic_load(&gathered.missing), 1);
}

struct chain {
    struct gathered gathered;
    hf_client *client;
    int left;
    hf_verdict blocking;
};

static void on_chain(void *user, hf_results *results)
{
    struct chain *chain = user;
    hf_command command = {.kind = HF_DEDUCT, .order_id = "o"};
    if (chain->left == 5) {
        chain->blocking = hf_deduct(chain->client, "o", NULL);
    }
    if (--chain->left > 0) {
        int rc = hf_submit(chain->client, &command, 1, NULL, on_chain, chain);
        assert(rc == 0);
    }
    on_results(&chain->gathered, results);
}

static void a_callback_may_submit_and_may_not_block(void **state)
{
    struct client_fixture *fixture = *state;
    struct chain chain = {.gathered = GATHERED_INIT, .client = fixture->client, .left = 10};
    hf_command command = {.kind = HF_DEDUCT, .order_id = "o"};
    assert_int_equal(hf_submit(fixture->client, &command, 1, NULL, on_chain, &chain), 0);
    gathered_wait(&chain.gathered, 10);
    assert_int_equal(chain.blocking, HF_INVALID_ARGUMENT);
}

static void too_many_calls_are_refused_here(void **state)
{
    struct client_fixture *fixture = *state;
    hf_options options;
    hf_options_init(&options);
    options.endpoints = fake_cluster_address(fixture->nodes, 0);
    options.max_waiting = 2;
    hf_client_close(fixture->client);
    fixture->client = hf_client_open(&options);
    fake_cluster_always(fixture->nodes, 0, HOLD);
    struct gathered gathered = GATHERED_INIT;
    hf_command command = {.kind = HF_DEDUCT, .order_id = "o"};
    for (int i = 0; i < 2; i++) {
        assert_int_equal(hf_submit(fixture->client, &command, 1, NULL, on_results, &gathered), 0);
    }
    assert_int_equal(hf_submit(fixture->client, &command, 1, NULL, on_results, &gathered),
                     HF_OVERLOADED);
    assert_non_null(strstr(hf_last_error(), "2 calls are under way"));
    hf_result *result = NULL;
    assert_int_equal(hf_deduct(fixture->client, "o", &result), HF_OVERLOADED);
    assert_false(result->may_have_executed);
    assert_int_equal(result->attempts, 0);
    hf_free(result);
    fake_cluster_wait(fixture->nodes, 2);
    hf_client_close(fixture->client);
    fixture->client = NULL;
    assert_int_equal(gathered.count, 2); /* the refused one was not called back */
    assert_int_equal(gathered.closed, 2);
    assert_int_equal(gathered.may_have_executed, 2);
}

/* Memory of a burst is bounded by bytes too, not only by calls. */
static void too_many_bytes_are_refused_here(void **state)
{
    struct client_fixture *fixture = *state;
    fake_cluster_stop(fixture->nodes, 0);
    enum { LINE_COUNT = 10000 };
    static char sku[256];
    memset(sku, 's', 255);
    hf_line *lines = calloc(LINE_COUNT, sizeof(*lines));
    for (size_t i = 0; i < LINE_COUNT; i++) {
        lines[i] = (hf_line){sku, 1, 1};
    }
    struct gathered gathered = GATHERED_INIT;
    hf_command command = {
        .kind = HF_RESERVE, .order_id = "o", .lines = lines, .line_count = LINE_COUNT};
    int accepted = 0;
    int rc;
    while ((rc = hf_submit(fixture->client, &command, 1, NULL, on_results, &gathered)) == 0) {
        accepted++;
    }
    assert_int_equal(rc, HF_OVERLOADED);
    assert_non_null(strstr(hf_last_error(), "bytes"));
    assert_in_range(accepted, 20, 30); /* 64 MiB of 2.6 MB each */
    hf_client_close(fixture->client);
    fixture->client = NULL;
    assert_int_equal(gathered.count, accepted);
    free(lines);
}

/* ---- threads ---- */

#define THREADS          8
#define CALLS_PER_THREAD 400

struct worker {
    struct client_fixture *fixture;
    pthread_t thread;
    int number;
    int granted;
    hf_verdict last;
    bool last_may_have_executed;
};

static void *work(void *context)
{
    struct worker *worker = context;
    char order[32];
    for (int i = 0; i < CALLS_PER_THREAD; i++) {
        snprintf(order, sizeof(order), "order-%d-%d", worker->number, i);
        hf_result *result = NULL;
        hf_stock_list *list = NULL;
        hf_verdict verdict;
        switch (i % 3) {
        case 0:
            verdict = hf_reserve(worker->fixture->client, order, LINES, 2, 0, &result);
            break;
        case 1:
            verdict =
                hf_adjust_stock(worker->fixture->client, "A", 1, 1, "RECEIVE", order, &result);
            break;
        default:
            verdict = hf_get_stock(worker->fixture->client, order, 1, NULL, &list);
            break;
        }
        bool made = result != NULL && i % 3 == 0; /* by the library */
        bool mine = (result == NULL || made || strcmp(result->request_id, order) == 0) &&
                    (list == NULL || strcmp(list->items[0].stock.sku, order) == 0);
        worker->granted += verdict == HF_OK && mine;
        hf_free(result);
        hf_free(list);
    }
    return NULL;
}

static void many_threads_share_a_client(void **state)
{
    struct client_fixture *fixture = *state;
    client_reopen(fixture, fake_cluster_endpoints(fixture->nodes));
    fake_cluster_next(fixture->nodes, 0, CUT);
    fake_cluster_next(fixture->nodes, 1, UNAVAILABLE);
    fake_cluster_next(fixture->nodes, 2, UNKNOWN);
    struct worker workers[THREADS];
    for (int i = 0; i < THREADS; i++) {
        workers[i] = (struct worker){.fixture = fixture, .number = i};
        assert_int_equal(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(workers[i].thread, NULL);
        assert_int_equal(workers[i].granted, CALLS_PER_THREAD);
    }
}

static void *wait_for_close(void *context)
{
    struct worker *worker = context;
    hf_result *result = NULL;
    worker->last = hf_deduct(worker->fixture->client, "order", &result);
    worker->last_may_have_executed = result->may_have_executed;
    hf_free(result);
    return NULL;
}

/* Blocked threads and callbacks are all told; what had left may have been executed. */
static void closing_ends_calls_in_flight(void **state)
{
    struct client_fixture *fixture = *state;
    fake_cluster_always(fixture->nodes, 0, HOLD);
    struct gathered gathered = GATHERED_INIT;
    hf_command command = {.kind = HF_DEDUCT, .order_id = "o"};
    struct worker workers[THREADS];
    for (int i = 0; i < THREADS; i++) {
        workers[i] = (struct worker){.fixture = fixture, .number = i};
        assert_int_equal(pthread_create(&workers[i].thread, NULL, wait_for_close, &workers[i]), 0);
        assert_int_equal(hf_submit(fixture->client, &command, 1, NULL, on_results, &gathered), 0);
    }
    fake_cluster_wait(fixture->nodes, (size_t)2 * THREADS);
    hf_client_close(fixture->client);
    for (int i = 0; i < THREADS; i++) {
        pthread_join(workers[i].thread, NULL);
        assert_int_equal(workers[i].last, HF_CLOSED);
        assert_true(workers[i].last_may_have_executed);
    }
    fixture->client = NULL;
    assert_int_equal(gathered.count, THREADS);
    assert_int_equal(gathered.closed, THREADS);
    assert_int_equal(gathered.may_have_executed, THREADS);
}

static void closing_ends_calls_that_never_left(void **state)
{
    struct client_fixture *fixture = *state;
    fake_cluster_stop(fixture->nodes, 0);
    struct gathered gathered = GATHERED_INIT;
    hf_command command = {.kind = HF_DEDUCT, .order_id = "o"};
    for (int i = 0; i < 100; i++) {
        assert_int_equal(hf_submit(fixture->client, &command, 1, NULL, on_results, &gathered), 0);
    }
    hf_client_close(fixture->client);
    fixture->client = NULL;
    assert_int_equal(gathered.count, 100);
    assert_int_equal(gathered.closed, 100);
    assert_int_equal(gathered.may_have_executed, 0);
}

static void clients_come_and_go(void **state)
{
    struct client_fixture *fixture = *state;
    for (int i = 0; i < 100; i++) {
        hf_client *client = client_open(fake_cluster_endpoints(fixture->nodes));
        if (i % 2 == 0) {
            assert_int_equal(hf_deduct(client, "o", NULL), HF_OK);
        }
        hf_client_close(client);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_submission_is_called_back_once), TEST(many_calls_wait_out_an_outage),
        TEST(reads_can_be_submitted_too),           TEST(a_callback_may_submit_and_may_not_block),
        TEST(too_many_calls_are_refused_here),      TEST(too_many_bytes_are_refused_here),
        TEST(many_threads_share_a_client),          TEST(closing_ends_calls_in_flight),
        TEST(closing_ends_calls_that_never_left),   TEST(clients_come_and_go),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
